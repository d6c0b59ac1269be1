//! Hardware without hardware: a panel that follows a script in virtual time, a sound device whose microphone is a list
//! of samples and that remembers what it played, and silence with a beat ([`NoneAudio`]).

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{Audio, AudioError, AudioFormat, Lamp, Panel, PanelError, PanelEvent, Pattern, PollFd, Route};

/// What a [`ScriptedPanel`] was told to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// a lamp began a pattern
    Lamp(Lamp, Pattern),
    /// the bell was switched
    Bell(bool),
}

/// A panel whose events come from a script. Waiting takes no real time: it moves the panel's own clock.
#[derive(Debug, Default)]
pub struct ScriptedPanel {
    now: Duration,
    script: VecDeque<(Duration, Result<PanelEvent, PanelError>)>,
    lamps: Vec<Lamp>,
    shown: Vec<(Duration, Shown)>,
}

impl ScriptedPanel {
    /// A panel with these lamps and no events yet.
    pub fn new(lamps: &[Lamp]) -> Self {
        Self { lamps: lamps.to_vec(), ..Self::default() }
    }

    /// Something happens at `at` from the beginning; entries may come in any order.
    pub fn at(&mut self, at: Duration, event: PanelEvent) -> &mut Self {
        self.put(at, Ok(event))
    }

    /// The panel fails at `at`.
    pub fn fail_at(&mut self, at: Duration, error: PanelError) -> &mut Self {
        self.put(at, Err(error))
    }

    fn put(&mut self, at: Duration, entry: Result<PanelEvent, PanelError>) -> &mut Self {
        let behind = self.script.partition_point(|(other, _)| *other <= at);
        self.script.insert(behind, (at, entry));
        self
    }

    /// Virtual time since the beginning.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// What was shown, with its time.
    pub fn shown(&self) -> &[(Duration, Shown)] {
        &self.shown
    }
}

impl Panel for ScriptedPanel {
    fn wait(&mut self, timeout: Duration) -> Result<Option<PanelEvent>, PanelError> {
        let until = self.now.saturating_add(timeout);
        match self.script.pop_front() {
            Some((at, entry)) if at <= until => {
                self.now = self.now.max(at);
                entry.map(Some)
            }
            later => {
                if let Some(later) = later {
                    self.script.push_front(later);
                }
                self.now = until;
                Ok(None)
            }
        }
    }

    fn indicate(&mut self, lamp: Lamp, pattern: Pattern) -> Result<(), PanelError> {
        if self.lamps.contains(&lamp) {
            self.shown.push((self.now, Shown::Lamp(lamp, pattern)));
        }
        Ok(())
    }

    fn bell(&mut self, on: bool) -> Result<(), PanelError> {
        self.shown.push((self.now, Shown::Bell(on)));
        Ok(())
    }

    fn lamps(&self) -> Vec<Lamp> {
        self.lamps.clone()
    }
}

/// A beat of periods in real time, for devices without descriptors: when is the next one due? It knows no clock: the
/// first question starts it. Being late is made up for by further periods at once, up to [`Beat::PATIENCE`]; beyond it
/// (the machine slept) the beat starts anew.
#[derive(Debug)]
pub struct Beat {
    format: AudioFormat,
    began: Cell<Option<Instant>>,
    /// periods since `began`
    done: Cell<u64>,
    due: Cell<bool>,
}

impl Beat {
    /// Lateness that is made up for.
    pub const PATIENCE: Duration = Duration::from_millis(200);

    /// A beat of this format.
    pub fn new(format: AudioFormat) -> Self {
        Self { format, began: Cell::new(None), done: Cell::new(0), due: Cell::new(false) }
    }

    /// Starts anew with the next question.
    pub fn restart(&mut self) {
        self.began.set(None);
        self.due.set(false);
    }

    /// Time until the next period.
    pub fn due(&self, now: Instant) -> Duration {
        let began = self.began.get().unwrap_or_else(|| {
            self.done.set(0);
            self.began.set(Some(now));
            now
        });
        let next = began + self.format.duration_of(self.done.get().saturating_add(1));
        if now.saturating_duration_since(next) > Self::PATIENCE {
            self.began.set(Some(now.checked_sub(self.format.duration()).unwrap_or(now)));
            self.done.set(0);
            self.due.set(true);
            return Duration::ZERO;
        }
        let wait = next.saturating_duration_since(now);
        self.due.set(wait.is_zero());
        wait
    }

    /// Did the last [`due`](Self::due) say "now"?
    pub fn is_due(&self) -> bool {
        self.due.get()
    }

    /// The period was read: the next one is due a period later.
    pub fn step(&mut self) {
        self.done.set(self.done.get().saturating_add(1));
        self.due.set(false);
    }
}

/// No sound device: silence comes in on the beat and what is played is forgotten. (`--audio none`)
#[derive(Debug)]
pub struct NoneAudio {
    format: AudioFormat,
    beat: Beat,
}

impl NoneAudio {
    /// Silence in this format.
    pub fn new(format: AudioFormat) -> Self {
        Self { format, beat: Beat::new(format) }
    }
}

impl Audio for NoneAudio {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn start(&mut self) -> Result<(), AudioError> {
        self.beat.restart();
        Ok(())
    }

    fn descriptors(&self, _: &mut [PollFd]) -> usize {
        0
    }

    fn ready(&mut self, _: &mut [PollFd]) -> Result<bool, AudioError> {
        Ok(self.beat.is_due())
    }

    fn due(&self, now: Instant) -> Duration {
        self.beat.due(now)
    }

    fn read(&mut self, into: &mut [i16]) -> Result<(), AudioError> {
        into.fill(0);
        self.beat.step();
        Ok(())
    }

    fn write(&mut self, _: &[i16]) -> Result<(), AudioError> {
        Ok(())
    }

    fn queued(&mut self) -> usize {
        0
    }

    fn route(&mut self, _: Route) -> Result<(), AudioError> {
        Ok(())
    }
}

/// A sound device for tests: the microphone hears a list of samples and then silence, what is played is remembered up
/// to a capacity, and failures come when the script says.
#[derive(Debug)]
pub struct ScriptedAudio {
    format: AudioFormat,
    beat: Beat,
    microphone: Vec<i16>,
    /// samples read so far
    at: usize,
    heard: Vec<i16>,
    routes: Vec<Route>,
    /// periods read so far
    periods: u64,
    failures: VecDeque<(u64, AudioError)>,
}

impl ScriptedAudio {
    /// `capacity`: samples of playback to remember, so that remembering does not allocate.
    pub fn new(format: AudioFormat, microphone: Vec<i16>, capacity: usize) -> Self {
        Self {
            format,
            beat: Beat::new(format),
            microphone,
            at: 0,
            heard: Vec::with_capacity(capacity),
            routes: Vec::new(),
            periods: 0,
            failures: VecDeque::new(),
        }
    }

    /// Reading period number `period` (from 0) or the first one after it fails.
    pub fn fail_at(&mut self, period: u64, error: AudioError) -> &mut Self {
        let behind = self.failures.partition_point(|(other, _)| *other <= period);
        self.failures.insert(behind, (period, error));
        self
    }

    /// What was played.
    pub fn heard(&self) -> &[i16] {
        &self.heard
    }

    /// The routes that were set.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }
}

impl Audio for ScriptedAudio {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn start(&mut self) -> Result<(), AudioError> {
        self.beat.restart();
        Ok(())
    }

    fn descriptors(&self, _: &mut [PollFd]) -> usize {
        0
    }

    fn ready(&mut self, _: &mut [PollFd]) -> Result<bool, AudioError> {
        Ok(self.beat.is_due())
    }

    fn due(&self, now: Instant) -> Duration {
        self.beat.due(now)
    }

    fn read(&mut self, into: &mut [i16]) -> Result<(), AudioError> {
        into.fill(0);
        for (to, from) in into.iter_mut().zip(self.microphone.iter().skip(self.at)) {
            *to = *from;
        }
        self.at = self.at.saturating_add(into.len());
        self.beat.step();
        let period = self.periods;
        self.periods += 1;
        match self.failures.front() {
            Some((at, _)) if *at <= period => self.failures.pop_front().map_or(Ok(()), |(_, error)| Err(error)),
            _ => Ok(()),
        }
    }

    fn write(&mut self, from: &[i16]) -> Result<(), AudioError> {
        let room = self.heard.capacity() - self.heard.len();
        self.heard.extend(from.iter().take(room));
        Ok(())
    }

    fn queued(&mut self) -> usize {
        0
    }

    fn route(&mut self, route: Route) -> Result<(), AudioError> {
        self.routes.push(route);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hook, Key};

    const FORMAT: AudioFormat = AudioFormat { rate: 16_000, period: 160, periods: 3 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_scripted_panel_plays_its_script_in_its_own_time() {
        let mut panel = ScriptedPanel::new(&[Lamp::Line(1)]);
        panel.at(ms(500), PanelEvent::Down(Key::Digit('1')));
        panel.at(ms(100), PanelEvent::Hook(Hook::Off));
        panel.fail_at(ms(900), PanelError::Gone);
        assert_eq!(panel.wait(ms(50)), Ok(None));
        assert_eq!(panel.now(), ms(50));
        assert_eq!(panel.wait(ms(1000)), Ok(Some(PanelEvent::Hook(Hook::Off))));
        panel.indicate(Lamp::Line(1), Pattern::On).unwrap();
        panel.indicate(Lamp::Mute, Pattern::On).unwrap();
        assert_eq!(panel.shown(), [(ms(100), Shown::Lamp(Lamp::Line(1), Pattern::On))]);
        assert_eq!(panel.wait(ms(400)), Ok(Some(PanelEvent::Down(Key::Digit('1')))));
        assert_eq!(panel.wait(Duration::MAX), Err(PanelError::Gone));
        assert_eq!(panel.wait(ms(100)), Ok(None));
        assert_eq!(panel.now(), ms(1000));
    }

    #[test]
    fn a_beat_keeps_to_its_start_however_late_the_thread_is() {
        let start = Instant::now();
        let mut beat = Beat::new(FORMAT);
        assert_eq!(beat.due(start), ms(10));
        assert!(!beat.is_due());
        assert_eq!(beat.due(start + ms(13)), ms(0));
        assert!(beat.is_due());
        beat.step();
        assert!(!beat.is_due());
        assert_eq!(beat.due(start + ms(13)), ms(7));
        // Three periods late: three at once.
        for _ in 0..3 {
            assert_eq!(beat.due(start + ms(45)), ms(0));
            beat.step();
        }
        assert_eq!(beat.due(start + ms(45)), ms(5));
        // The machine slept: one period, not a thousand.
        assert_eq!(beat.due(start + ms(10_000)), ms(0));
        beat.step();
        assert_eq!(beat.due(start + ms(10_000)), ms(10));
    }

    #[test]
    fn no_device_is_silence_on_the_beat() {
        let mut none = NoneAudio::new(FORMAT);
        none.start().unwrap();
        let start = Instant::now();
        assert_eq!(none.due(start), ms(10));
        assert_eq!(none.ready(&mut []), Ok(false));
        assert_eq!(none.due(start + ms(10)), ms(0));
        assert_eq!(none.ready(&mut []), Ok(true));
        let mut period = [7_i16; 160];
        none.read(&mut period).unwrap();
        assert_eq!(period, [0; 160]);
        assert_eq!(none.ready(&mut []), Ok(false));
    }

    #[test]
    fn scripted_sound_hears_its_list_remembers_and_fails_on_cue() {
        let mut audio = ScriptedAudio::new(FORMAT, vec![5; 200], 300);
        audio.fail_at(1, AudioError::Xrun);
        let mut period = [1_i16; 160];
        assert_eq!(audio.read(&mut period), Ok(()));
        assert_eq!(period, [5; 160]);
        assert_eq!(audio.read(&mut period), Err(AudioError::Xrun));
        assert_eq!(period.iter().filter(|sample| **sample == 5).count(), 40);
        assert_eq!(audio.read(&mut period), Ok(()));
        audio.write(&[3; 160]).unwrap();
        audio.write(&[4; 160]).unwrap();
        assert_eq!(audio.heard().len(), 300);
        assert_eq!(audio.heard()[299], 4);
    }
}
