//! When the rig's machine stood still: a thread wakes every 10 ms and notes what it oversleeps. Peers on this machine were as
//! likely not served then. A machine that is itself one of several on a host also says how much of its time went to the others:
//! an emulator gets slow by much more than that share, so a second of which much was stolen counts as one that stood still.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at the clock.
const STEP: Duration = Duration::from_millis(10);
/// Less is not told: nothing in this machine is that exact.
const NOTABLE: Duration = Duration::from_millis(10);
/// Between two looks at stolen time.
const SECOND: Duration = Duration::from_secs(1);
/// Share of the processors' time from which a second counts. Undisturbed machines have under 1 %.
const STOLEN: f64 = 0.04;

/// Hold-ups since it started.
#[derive(Debug)]
pub(crate) struct HoldUps {
    begin: Instant,
    first: Ticks,
    seen: Arc<Seen>,
}

type Seen = Mutex<Times>;

/// [ns since the beginning]
#[derive(Debug, Default)]
struct Times {
    /// from when the thread should have run until it ran
    held: Vec<(i64, i64)>,
    /// seconds of which much was stolen
    stolen: Vec<(i64, i64)>,
}

/// Ticks of all processors since the machine started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// Of the line `cpu` in /proc/stat (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|ticks| ticks.parse().ok()).collect();
        Some(Self { all: ticks.iter().sum(), stolen: *ticks.get(7)? })
    }

    fn now() -> Self {
        // Another kernel, no such file: nothing is known to be stolen.
        std::fs::read_to_string("/proc/stat").ok().and_then(|stat| Self::parse(&stat)).unwrap_or_default()
    }

    /// Share stolen since `before`.
    fn stolen_since(self, before: Self) -> f64 {
        self.stolen.saturating_sub(before.stolen) as f64 / self.all.saturating_sub(before.all).max(1) as f64
    }
}

impl HoldUps {
    /// Watches until this is dropped.
    pub(crate) fn start() -> Self {
        let (begin, first, seen) = (Instant::now(), Ticks::now(), Arc::new(Seen::default()));
        let watched = Arc::downgrade(&seen);
        std::thread::spawn(move || {
            let (mut looked, mut ticks) = (begin, first);
            loop {
                let due = Instant::now() + STEP;
                std::thread::sleep(STEP);
                let now = Instant::now();
                let Some(seen) = watched.upgrade() else { return };
                let since = |from: Instant| (nanoseconds(from - begin), nanoseconds(now - begin));
                if now.saturating_duration_since(due) >= NOTABLE {
                    lock(&seen).held.push(since(due));
                }
                if now.saturating_duration_since(looked) >= SECOND {
                    let before = std::mem::replace(&mut ticks, Ticks::now());
                    if ticks.stolen_since(before) >= STOLEN {
                        lock(&seen).stolen.push(since(looked));
                    }
                    looked = now;
                }
            }
        });
        Self { begin, first, seen }
    }

    /// [ns since it started]
    pub(crate) fn now(&self) -> i64 {
        nanoseconds(self.begin.elapsed())
    }

    /// Those that ended after `from`: moments, and seconds of which much was stolen.
    pub(crate) fn since(&self, from: i64) -> [Vec<(i64, i64)>; 2] {
        let seen = lock(&self.seen);
        [&seen.held, &seen.stolen].map(|times| times.iter().copied().filter(|time| time.1 > from).collect())
    }

    /// Share of the machine's time that others had, all in all.
    pub(crate) fn stolen(&self) -> f64 {
        Ticks::now().stolen_since(self.first)
    }

    /// For whoever reads a failure: was it the machine?
    pub(crate) fn summary(&self) -> String {
        let [held, _] = self.since(0);
        let longest = held.iter().map(|held| held.1 - held.0).max().unwrap_or_default();
        format!(
            "this machine stood still {} times meanwhile (longest {} ms) and others had {:.1} % of its time",
            held.len(),
            longest / 1_000_000,
            self.stolen() * 100.0
        )
    }
}

fn lock(seen: &Seen) -> MutexGuard<'_, Times> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_tells_what_was_seen() {
        let hold_ups = HoldUps::start();
        lock(&hold_ups.seen).held.extend([(0, 20_000_000), (50_000_000, 120_000_000)]);
        let summary = hold_ups.summary();
        assert!(summary.contains("longest 70 ms") && summary.ends_with(" % of its time"), "{summary}");
    }

    #[test]
    fn stolen_time_is_the_eighth_number() {
        let stat = "cpu  100 0 50 800 10 5 5 30 7 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n";
        let before = Ticks::parse(stat).unwrap();
        assert_eq!(before, Ticks { all: 1000, stolen: 30 });
        assert_eq!(Ticks { all: 1200, stolen: 50 }.stolen_since(before), 0.1);
        assert_eq!(before.stolen_since(before), 0.0);
        assert_eq!(Ticks::parse("cpu  1 2 3\n"), None, "a kernel that does not say");
        assert_eq!(Ticks::parse("nothing"), None);
    }
}
