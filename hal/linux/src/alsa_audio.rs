//! An ALSA card as [`Audio`]: one PCM each way, non-blocking, mono 16 bit, one period in and one out per beat.
//!
//! Capture is the clock: its descriptors wake the media thread, and for every period read one is written. The first
//! pieces captured are thrown away, and playback begins with the first whole period after them: so a period is complete
//! the moment the device delivers, and not most of a period later. Playback is kept short: two periods less than the
//! board asks for, but at least one, lie ahead of what is written. `periods = 3` of 10 ms means 10 to 20 ms between
//! writing a sample and the device taking it, and a thread that may be 10 ms late. Where the two directions have clocks
//! of their own, playback is played a few parts per million faster or slower ([`Drift`]), so that it neither fills up
//! nor drains; with one clock for both, samples stay as they are.
//!
//! Whatever is captured is fetched at once into a buffer of our own. That is not only for devices whose pieces are not
//! our periods: the pulse plugin keeps its descriptor readable as long as a piece is fetched in part, and polling it
//! would burn a whole processor.
//!
//! What a card can do is asked and decided by [`offhook_hal::audio::terms`]; rates are converted here, and what is left
//! by ALSA's `plug`. The device may work in periods of another size; the user of this type never sees that.
//! [`read`](Audio::read), [`write`](Audio::write), [`ready`](Audio::ready), [`queued`](Audio::queued) and
//! [`route`](Audio::route) do not allocate.

mod side;

use std::time::{Duration, Instant};

use alsa::Direction;
use alsa::pcm::State;
use alsa::poll::Descriptors;
use offhook_board::AudioWiring;
use offhook_hal::audio::drift::{Drift, Verdict};
use offhook_hal::audio::gain::Gain;
use offhook_hal::audio::terms::{Agreed, Way, in_frames};
use offhook_hal::{Audio, AudioError, AudioFormat, Interruptions, PollFd, Route};

pub use side::try_out;
use side::{DESCRIPTORS, Side};

/// Pieces of capture thrown away at the start: the first are cut short and full of clicks.
const SETTLING_PIECES: u32 = 2;
/// Beats between two looks at how full playback is: asking costs as much as writing.
const LOOK_EVERY: u32 = 8;

/// A pair of ALSA PCMs.
pub struct AlsaAudio {
    format: AudioFormat,
    capture: Side,
    /// what tells that something was captured; the same as long as the device is open
    polled: Vec<PollFd>,
    /// captured and not yet read
    captured: Captured,
    /// whether playback runs, or waits for the first whole period
    phase: Phase,
    playback: Side,
    /// written before start and after an underrun, again and again until so many frames lie ahead
    silence: Vec<i16>,
    ahead: usize,
    drift: Drift,
    /// since the last look at the level
    beats: u32,
    levels: Levels,
    /// the period that is written, at its level
    levelled: Vec<i16>,
    /// samples to be left out because they lie behind a pause already
    skip: usize,
    lost: bool,
    interruptions: Interruptions,
}

impl std::fmt::Debug for AlsaAudio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlsaAudio")
            .field("format", &self.format)
            .field("capture", &self.capture)
            .field("playback", &self.playback)
            .field("drift", &self.drift)
            .field("interruptions", &self.interruptions)
            .finish_non_exhaustive()
    }
}

impl AlsaAudio {
    /// Opens both directions of the board's card and agrees on rate, period and buffers; nothing sounds before
    /// [`start`](Audio::start).
    ///
    /// # Errors
    /// [`AudioError::Open`] with the device that refused and what to do about it.
    pub fn open(wiring: &AudioWiring) -> Result<Self, AudioError> {
        Self::open_on(wiring, &wiring.playback, &wiring.capture)
    }

    /// The same on other PCMs, such as those of a route with its own card.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(wiring: &AudioWiring, playback: &str, capture: &str) -> Result<Self, AudioError> {
        quieten();
        let format = AudioFormat { rate: wiring.rate, period: wiring.period, periods: wiring.periods.max(2) };
        let capture = Side::open(capture, Way::Capture, format)?;
        let playback = Side::open(playback, Way::Playback, format)?;
        let in_playback = |samples: usize, rate: u32| in_frames(samples, rate, playback.rate());
        // A card that works in larger pieces needs as much more silence ahead.
        let ahead = in_playback(side::ahead(format), format.rate)
            .max(in_playback(capture.device_period, capture.rate()))
            .max(playback.device_period)
            .min(playback.buffer);
        let seconds = |frames: usize| frames as f64 / f64::from(playback.rate().max(1));
        let period = in_playback(format.period, format.rate).max(playback.device_period);
        let polled = capture.descriptors();
        let room = in_frames(capture.buffer, capture.rate(), format.rate);
        Ok(Self {
            format,
            polled,
            captured: Captured::new(room + 2 * format.period),
            phase: Phase::Settling(SETTLING_PIECES),
            capture,
            silence: playback.silence(),
            ahead,
            // A card counts in pieces, so up to half a period too much may be none at all.
            drift: Drift::new(
                seconds(ahead.saturating_sub(period / 5)),
                seconds(ahead + period / 2),
                seconds(period + period / 2),
            ),
            playback,
            beats: 0,
            levels: Levels::of(wiring),
            levelled: vec![0; format.period],
            skip: 0,
            lost: false,
            interruptions: Interruptions::default(),
        })
    }

    /// How much faster playback is played so that it keeps pace with capture [ppm].
    pub fn correction(&self) -> f64 {
        self.drift.correction()
    }

    /// What was agreed with the card: capture, playback.
    pub fn agreed(&self) -> [&Agreed; 2] {
        [&self.capture.agreed, &self.playback.agreed]
    }

    fn alive(&self) -> Result<(), AudioError> {
        if self.lost {
            return Err(AudioError::Lost("it is closed".to_owned()));
        }
        Ok(())
    }

    /// Recovers from an interruption, or declares the device lost.
    fn interrupted(&mut self, direction: Direction, error: alsa::Error) -> AudioError {
        match error.errno() {
            libc::EPIPE | libc::ESTRPIPE | libc::EINTR => {
                self.interruptions.xruns += 1;
                let again = match direction {
                    Direction::Capture => self.capture.restart(),
                    Direction::Playback => {
                        let waiting = self.captured.len();
                        self.playback.pcm.prepare().and_then(|()| self.start_playback(waiting))
                    }
                };
                match again {
                    Ok(()) => AudioError::Xrun,
                    Err(error) => self.gone(error),
                }
            }
            _ => self.gone(error),
        }
    }

    fn gone(&mut self, error: alsa::Error) -> AudioError {
        self.lost = true;
        AudioError::Lost(error.to_string())
    }

    /// Fetches what was captured; true if a period is complete.
    fn fetch(&mut self) -> Result<bool, alsa::Error> {
        let mut fetched = 0;
        loop {
            let (read, all) = self.capture.read(self.captured.room())?;
            self.captured.filled(read);
            fetched += read;
            // Less than asked for is all there is; asking again would cost as much as reading.
            if all {
                break;
            }
        }
        if let Phase::Settling(pieces) = self.phase
            && fetched > 0
        {
            self.captured.clear();
            self.phase = match pieces {
                0 => Phase::Waiting,
                more => Phase::Settling(more - 1),
            };
        }
        Ok(self.captured.len() >= self.format.period)
    }

    /// Fills playback with silence up to where it starts. A thread that was late has `waiting` samples to make up for,
    /// which lie ahead as well: they take the place of silence, and what is too much of them is left out.
    fn start_playback(&mut self, waiting: usize) -> Result<(), alsa::Error> {
        self.drift.begin();
        self.playback.correct(self.drift.correction());
        let waiting_frames = in_frames(waiting, self.format.rate, self.playback.rate());
        let too_many = waiting_frames.saturating_sub(self.ahead);
        self.skip = in_frames(too_many, self.playback.rate(), self.format.rate);
        // An empty device refuses to start.
        let least = self.playback.device_period.min(self.ahead) / 4 + 1;
        self.playback.push_silence(&self.silence, self.ahead.saturating_sub(waiting_frames).max(least))?;
        match self.playback.pcm.state() {
            State::Running => Ok(()),
            _ => self.playback.pcm.start(),
        }
    }

    /// How much sound lies ahead of the ear [s]. What is captured and not yet read belongs to it: a thread that is late
    /// has written less, and will write as much more.
    fn level(&self) -> Result<f64, alsa::Error> {
        let playback = self.playback.filled()? as f64 / f64::from(self.playback.rate().max(1));
        let waiting = self.captured.len().saturating_sub(self.skip);
        Ok(playback + waiting as f64 / f64::from(self.format.rate.max(1)))
    }

    /// Every few beats: is playback filling up or draining?
    fn watch(&mut self) -> Result<(), AudioError> {
        self.beats = (self.beats + 1) % LOOK_EVERY;
        if self.beats != 0 {
            return Ok(());
        }
        match self.level() {
            Ok(level) => {
                let since = self.format.duration_of(LOOK_EVERY.into()).as_secs_f64();
                match self.drift.look(level, since) {
                    Some(Verdict::Correct(ppm)) => self.playback.correct(ppm),
                    Some(Verdict::LeaveOut(seconds)) => {
                        let periods = seconds / self.format.duration().as_secs_f64().max(1e-3);
                        self.skip += periods as usize * self.format.period;
                    }
                    None => {}
                }
                Ok(())
            }
            Err(error) => Err(self.interrupted(Direction::Playback, error)),
        }
    }
}

impl Audio for AlsaAudio {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn start(&mut self) -> Result<(), AudioError> {
        self.alive()?;
        quieten();
        self.captured.clear();
        self.phase = Phase::Settling(SETTLING_PIECES);
        self.skip = 0;
        // Stopped first: what an earlier run left in the device would be heard late for ever.
        let _ = self.playback.pcm.drop();
        let _ = self.capture.pcm.drop();
        let started = self.playback.pcm.prepare().and_then(|()| self.capture.restart());
        started.map_err(|error| self.gone(error))
    }

    fn descriptors(&self, into: &mut [PollFd]) -> usize {
        // Playback nearly always has room; polling it would only spin.
        let count = self.polled.len().min(into.len());
        for (to, from) in into.iter_mut().zip(&self.polled) {
            *to = *from;
        }
        count
    }

    fn ready(&mut self, descriptors: &mut [PollFd]) -> Result<bool, AudioError> {
        self.alive()?;
        let signalled = descriptors.iter().any(|descriptor| descriptor.revents != 0);
        if signalled {
            // Plugins want to see what poll said, even when we look at the amount afterwards.
            let mut own = [libc::pollfd { fd: -1, events: 0, revents: 0 }; DESCRIPTORS];
            let count = self.polled.len().min(descriptors.len());
            for (to, from) in own.iter_mut().zip(descriptors.iter().take(count)) {
                *to = libc::pollfd { fd: from.fd, events: from.events, revents: from.revents };
            }
            if let Some(polled) = own.get(..count)
                && let Err(error) = self.capture.pcm.revents(polled)
            {
                return Err(self.interrupted(Direction::Capture, error));
            }
            // What was said is dealt with once.
            descriptors.iter_mut().for_each(|descriptor| descriptor.revents = 0);
        } else if !descriptors.is_empty() {
            // The thread woke for something else, or asks again within the same beat: nothing new was captured.
            return Ok(self.phase == Phase::Running && self.captured.len() >= self.format.period);
        }
        match self.fetch() {
            Ok(false) => return Ok(false),
            Ok(true) => {}
            Err(error) => return Err(self.interrupted(Direction::Capture, error)),
        }
        if self.phase == Phase::Waiting {
            self.phase = Phase::Running;
            let waiting = self.captured.len() - self.format.period;
            self.start_playback(waiting).map_err(|error| self.gone(error))?;
        }
        Ok(true)
    }

    /// Never due by time: the descriptors say when.
    fn due(&self, _: Instant) -> Duration {
        self.format.duration()
    }

    fn read(&mut self, into: &mut [i16]) -> Result<(), AudioError> {
        let read = self.captured.take(into);
        if let Some(missing) = into.get_mut(read..) {
            missing.fill(0);
        }
        self.levels.input.apply(into);
        self.alive()
    }

    fn write(&mut self, from: &[i16]) -> Result<(), AudioError> {
        self.alive()?;
        if self.phase != Phase::Running {
            return Ok(());
        }
        let mut outcome = match self.watch() {
            Err(error @ AudioError::Lost(_)) => return Err(error),
            other => other,
        };
        if self.skip >= from.len() && !from.is_empty() {
            self.skip -= from.len();
            self.interruptions.left_out += 1;
            return outcome;
        }
        match self.levelled.get_mut(..from.len()) {
            Some(levelled) if !self.levels.output.is_unity() => {
                levelled.copy_from_slice(from);
                self.levels.output.apply(levelled);
                self.playback.take(levelled);
            }
            _ => self.playback.take(from),
        }
        loop {
            match self.playback.push() {
                Ok(true) => return outcome,
                Ok(false) => {
                    self.interruptions.left_out += 1;
                    return outcome;
                }
                Err(error) => match self.interrupted(Direction::Playback, error) {
                    // Once per period: a device that underruns again at once is given up until the next.
                    AudioError::Xrun if outcome.is_ok() => outcome = Err(AudioError::Xrun),
                    other => return Err(other),
                },
            }
        }
    }

    /// In engine samples, as the trait has it.
    fn queued(&mut self) -> usize {
        let frames = self.playback.pcm.delay().ok().and_then(|frames| usize::try_from(frames).ok()).unwrap_or(0);
        in_frames(frames, self.playback.rate(), self.format.rate)
    }

    fn route(&mut self, route: Route) -> Result<(), AudioError> {
        self.levels.route(route);
        Ok(())
    }

    fn interruptions(&self) -> Interruptions {
        self.interruptions
    }

    fn facts(&self) -> Vec<String> {
        self.agreed().map(ToString::to_string).to_vec()
    }
}

/// The levels in software, and those of each route [dB].
#[derive(Debug)]
struct Levels {
    routes: Vec<(Route, i8, i8)>,
    input: Gain,
    output: Gain,
}

impl Levels {
    fn of(wiring: &AudioWiring) -> Self {
        let routes = wiring.routes.iter().map(|route| (route.route, route.input_db, route.output_db));
        Self { routes: routes.collect(), input: Gain::default(), output: Gain::default() }
    }

    fn route(&mut self, route: Route) {
        let found = self.routes.iter().find(|(of, ..)| *of == route);
        let (input, output) = found.map_or((0, 0), |(_, input, output)| (*input, *output));
        self.input.set(input);
        self.output.set(output);
    }
}

/// How far the beat has come since [`start`](Audio::start).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// throws away so many more pieces of capture
    Settling(u32),
    /// the next whole period starts playback
    Waiting,
    /// sound goes both ways
    Running,
}

/// What was captured and not yet read: a buffer that never grows.
#[derive(Debug)]
struct Captured {
    samples: Vec<i16>,
    begin: usize,
    end: usize,
}

impl Captured {
    fn new(capacity: usize) -> Self {
        Self { samples: vec![0; capacity], begin: 0, end: 0 }
    }

    fn len(&self) -> usize {
        self.end - self.begin
    }

    fn clear(&mut self) {
        (self.begin, self.end) = (0, 0);
    }

    /// Where more can be put; what waits moves to the front first.
    fn room(&mut self) -> &mut [i16] {
        if self.begin > 0 {
            self.samples.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.len());
        }
        self.samples.get_mut(self.end..).unwrap_or_default()
    }

    fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.samples.len());
    }

    /// Moves up to a whole `into` out; how many.
    fn take(&mut self, into: &mut [i16]) -> usize {
        let count = self.len().min(into.len());
        let from = self.samples.get(self.begin..self.begin + count);
        if let (Some(from), Some(to)) = (from, into.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.begin += count;
        count
    }
}

/// ALSA's library writes its complaints to standard error, across the screen. On this thread it keeps them to itself
/// from now on; what matters comes back as an error.
pub(crate) fn quieten() {
    let _ = alsa::Output::local_error_handler();
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_board::RouteWiring;

    #[test]
    fn a_route_has_the_levels_the_board_gives_it_and_the_others_none() {
        let board = offhook_board::Board::parse(offhook_board::Board::built_in("laptop").unwrap()).unwrap();
        let mut wiring = board.audio;
        wiring.routes = vec![RouteWiring { route: Route::Handset, pcm: None, output_db: 6, input_db: -20 }];
        let mut levels = Levels::of(&wiring);
        levels.route(Route::Handset);
        let mut period = [1_000; 160];
        levels.input.apply(&mut period);
        assert!(period[159].abs_diff(100) < 2, "{}", period[159]);
        levels.output.apply(&mut period);
        levels.output.apply(&mut period);
        assert!(!levels.output.is_unity() && period[159] > 350, "{}", period[159]);
        levels.route(Route::Speaker);
        levels.output.apply(&mut period);
        assert!(levels.output.is_unity());
    }

    #[test]
    fn captured_samples_come_out_in_order_through_a_buffer_that_never_grows() {
        let mut captured = Captured::new(10);
        let (mut next_in, mut next_out) = (0, 0);
        for round in 0..100 {
            let room = captured.room();
            let count = room.len().min(round % 7);
            for to in room.iter_mut().take(count) {
                *to = next_in;
                next_in += 1;
            }
            captured.filled(count);
            let mut out = [0; 3];
            let taken = captured.take(&mut out);
            for sample in &out[..taken] {
                assert_eq!(*sample, next_out);
                next_out += 1;
            }
            assert!(captured.len() <= 10);
        }
        assert!(next_out > 100);
    }
}
