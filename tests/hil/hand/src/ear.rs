//! Records what the telephone plays, always, and remembers the last minute.

use crate::card::{self, RATE};
use crate::clock;
use crate::heard::{Heard, Stretch};
use crate::timeline::SampleClock;
use alsa::{Direction, PCM};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Pieces the card may hold back: a hand that is held up for a second loses nothing.
const PERIODS: usize = 100;
/// Between two attempts to open a card.
const AGAIN: Duration = Duration::from_millis(100);

/// What was heard, for whoever asks.
#[derive(Debug)]
pub(crate) struct Ear {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug)]
struct State {
    heard: Heard,
    /// why nothing is heard
    trouble: Option<String>,
    /// how exactly the device's clock is known [ns]
    uncertain: i64,
    /// interruptions of this recording
    overruns: u64,
}

/// How it stands with the ear.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) trouble: Option<String>,
    pub(crate) overruns: u64,
}

impl Ear {
    /// Listens at this PCM from now on, whether it is there or comes and goes.
    pub(crate) fn start(pcm: Option<String>) -> Arc<Self> {
        let trouble = Some(if pcm.is_some() { "not open yet" } else { "no [sound] in the wiring file" }.to_owned());
        let state = State { heard: Heard::new(RATE), trouble, uncertain: 0, overruns: 0 };
        let ear = Arc::new(Self { state: Mutex::new(state), more: Condvar::new() });
        let listener = Arc::clone(&ear);
        if let Some(name) = pcm {
            std::thread::spawn(move || {
                card::in_a_hurry(card::SOUND);
                loop {
                    let why = match card::open(&name, Direction::Capture, PERIODS) {
                        Ok(pcm) => listener.listen(&pcm).unwrap_or_else(|error| format!("{name}: {error}")),
                        Err(why) => why,
                    };
                    listener.lock().trouble = Some(why);
                    std::thread::sleep(AGAIN);
                }
            });
        }
        ear
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the device is gone; why.
    fn listen(&self, pcm: &PCM) -> alsa::Result<String> {
        let io = pcm.io_i16()?;
        let mut buffer = [0_i16; 1600];
        let mut begin = true;
        let (mut clock, mut frames) = (SampleClock::new(RATE), 0_i64);
        loop {
            if std::mem::take(&mut begin) {
                pcm.start()?;
                (clock, frames) = (SampleClock::new(RATE), 0);
                self.lock().trouble = None;
            }
            let read = match pcm.wait(Some(1000)).and_then(|_| io.readi(&mut buffer)) {
                Ok(read) => read,
                Err(error) if error.errno() == libc::EAGAIN => continue,
                Err(error) if error.errno() == libc::EPIPE && card::recover(pcm) => {
                    self.lock().overruns += 1;
                    begin = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let (at, waiting) = card::position(pcm)?;
            clock.observe(at, frames + read as i64 + waiting.max(0));
            if let (Some(time), Some(samples)) = (clock.time_of(frames), buffer.get(..read)) {
                let mut state = self.lock();
                state.heard.push(time, samples);
                state.uncertain = clock.spread();
                self.more.notify_all();
            }
            frames += read as i64;
        }
    }

    pub(crate) fn condition(&self) -> Condition {
        let state = self.lock();
        Condition { trouble: state.trouble.clone(), overruns: state.overruns }
    }

    /// How exactly times are known [ns].
    pub(crate) fn uncertain(&self) -> i64 {
        self.lock().uncertain
    }

    /// How far it has heard [ns].
    pub(crate) fn until(&self) -> Option<i64> {
        self.lock().heard.until()
    }

    pub(crate) fn stretch(&self, from: i64, until: i64) -> Stretch {
        self.lock().heard.stretch(from, until)
    }

    /// Waits until it has heard up to `until` [ns], or until `deadline`.
    pub(crate) fn wait(&self, until: i64, deadline: i64) -> bool {
        let mut state = self.lock();
        loop {
            if state.heard.until().is_some_and(|heard| heard >= until) {
                return true;
            }
            let left = u64::try_from(deadline - clock::monotonic()).unwrap_or(0);
            if left == 0 {
                return false;
            }
            let waited = self.more.wait_timeout(state, Duration::from_nanos(left));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
