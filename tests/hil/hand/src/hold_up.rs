//! When this board stood still. A thread that is served before everything else wakes every 10 ms; what it oversleeps, nobody in
//! the board was served. A gap in the sound at that moment is not the telephone's.

use crate::card;
use crate::clock::{self, MS};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Between two looks at the clock [ns].
const STEP: i64 = 10 * MS;
/// Less is the tick of an emulated board [ns].
const NOTABLE: i64 = 10 * MS;
/// As long as the ear remembers [ns].
const REMEMBERED: i64 = 60_000 * MS;
/// Real-time priority: above the telephone's sound (30), below the kernel's own threads (50).
const PRIORITY: i32 = 40;

/// Hold-ups of the last minute: from when the thread should have run until it ran [ns]. A mouth that ran dry is one as well:
/// the telephone heard silence until the sound went on.
#[derive(Debug, Default)]
pub(crate) struct HoldUps(Mutex<VecDeque<(i64, i64)>>);

impl HoldUps {
    /// Watches from now on.
    pub(crate) fn start() -> Arc<Self> {
        let hold_ups = Arc::new(Self::default());
        let watcher = Arc::clone(&hold_ups);
        std::thread::spawn(move || {
            card::in_a_hurry(PRIORITY);
            loop {
                let due = clock::monotonic() + STEP;
                clock::sleep_until(due);
                watcher.woke(due, clock::monotonic());
            }
        });
        hold_ups
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(i64, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread was to wake at `due` and woke at `now`.
    fn woke(&self, due: i64, now: i64) {
        if now - due >= NOTABLE {
            self.add(due, now);
        }
    }

    /// Another of the hand's threads was not served, or made up for it, from `from` until `until` [ns].
    pub(crate) fn add(&self, from: i64, until: i64) {
        let mut all = self.lock();
        all.push_back((from, until));
        while all.front().is_some_and(|oldest| until - oldest.1 > REMEMBERED) {
            all.pop_front();
        }
    }

    /// Those that touch the time from `from` to `until` [ns].
    pub(crate) fn within(&self, from: i64, until: i64) -> Vec<(i64, i64)> {
        self.lock().iter().copied().filter(|held| held.1 >= from && held.0 <= until).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_overslept_is_known_for_a_minute() {
        let hold_ups = HoldUps::default();
        hold_ups.woke(100 * MS, 104 * MS);
        hold_ups.woke(200 * MS, 260 * MS);
        hold_ups.woke(300 * MS, 310 * MS);
        assert_eq!(hold_ups.within(0, 1000 * MS), [(200 * MS, 260 * MS), (300 * MS, 310 * MS)]);
        assert_eq!(hold_ups.within(250 * MS, 299 * MS), [(200 * MS, 260 * MS)]);
        assert_eq!(hold_ups.within(261 * MS, 299 * MS), []);
        hold_ups.woke(60_290 * MS, 60_308 * MS);
        assert_eq!(hold_ups.within(0, i64::MAX), [(300 * MS, 310 * MS), (60_290 * MS, 60_308 * MS)]);
    }
}
