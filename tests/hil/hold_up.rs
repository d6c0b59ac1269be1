//! When the rig's machine stood still: a thread wakes every 10 ms and notes what it oversleeps. Peers on this machine were as
//! likely not served then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at the clock.
const STEP: Duration = Duration::from_millis(10);
/// Less is not told: nothing in this machine is that exact.
const NOTABLE: Duration = Duration::from_millis(10);

/// Hold-ups since it started: from when the thread should have run until it ran [ns since then].
#[derive(Debug)]
pub(crate) struct HoldUps {
    begin: Instant,
    seen: Arc<Mutex<Vec<(i64, i64)>>>,
}

impl HoldUps {
    /// Watches until this is dropped.
    pub(crate) fn start() -> Self {
        let (begin, seen) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let watched = Arc::downgrade(&seen);
        std::thread::spawn(move || {
            loop {
                let due = Instant::now() + STEP;
                std::thread::sleep(STEP);
                let now = Instant::now();
                let Some(seen) = watched.upgrade() else { return };
                if now.saturating_duration_since(due) >= NOTABLE {
                    let pair = (nanoseconds(due - begin), nanoseconds(now - begin));
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(pair);
                }
            }
        });
        Self { begin, seen }
    }

    /// [ns since it started]
    pub(crate) fn now(&self) -> i64 {
        nanoseconds(self.begin.elapsed())
    }

    /// Those that ended after `from`.
    pub(crate) fn since(&self, from: i64) -> Vec<(i64, i64)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().copied().filter(|held| held.1 > from).collect()
    }
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
