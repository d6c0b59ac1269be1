//! Which thread is stuck: counters that should move, each with the longest time it may stand still.
//!
//! The main thread looks from time to time and passes on what it sees; only if nobody is stuck it tells the service
//! manager that we live. A main thread that is stuck itself does not get there. Time that nobody was looking (the whole
//! process was stopped, the machine slept) is nobody's silence.

use std::time::{Duration, Instant};

/// A thread that is watched; the main thread is watched by the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Media,
    Panel,
    Screen,
    Store,
}

impl Part {
    /// The thread's name, as in `/proc/<pid>/task/*/comm`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Panel => "panel",
            Self::Screen => "screen",
            Self::Store => "store",
        }
    }

    /// Longest silence that is still ordinary.
    fn longest(self) -> Duration {
        Duration::from_secs(match self {
            // It wakes at least once a second; mixer settings of a USB device that is being pulled take a while.
            Self::Media => 5,
            // Twice as long as it sleeps; an I2C expander that does not answer costs its time-outs.
            Self::Panel => 2 * crate::panel::BEAT.as_secs(),
            // A memory card at its worst.
            Self::Store => 60,
            // A terminal that nobody reads; a restart may help, but not enough to be hasty about it.
            Self::Screen => 60,
        })
    }
}

/// Looks further apart than this do not count as silence of anybody.
const LOOK: Duration = Duration::from_secs(2);

/// The machine. It is told what moves and says who does not.
#[derive(Debug)]
pub(crate) struct Watchdog {
    watched: Vec<Watched>,
    looked: Instant,
}

#[derive(Debug)]
struct Watched {
    part: Part,
    beats: u64,
    silence: Duration,
}

impl Watchdog {
    pub(crate) fn new(now: Instant, parts: &[Part]) -> Self {
        let watched = |part: &Part| Watched { part: *part, beats: 0, silence: Duration::ZERO };
        Self { watched: parts.iter().map(watched).collect(), looked: now }
    }

    /// One look at everybody. `beats`: the part's counter, or `None` if it may rest as long as it likes.
    pub(crate) fn look(&mut self, now: Instant, beats: impl Fn(Part) -> Option<u64>) {
        let passed = now.saturating_duration_since(self.looked).min(LOOK);
        self.looked = now;
        for watched in &mut self.watched {
            match beats(watched.part) {
                Some(beats) if beats == watched.beats => watched.silence += passed,
                Some(beats) => (watched.beats, watched.silence) = (beats, Duration::ZERO),
                None => watched.silence = Duration::ZERO,
            }
        }
    }

    /// How long the part has been silent; zero for one that is not watched.
    pub(crate) fn silence(&self, part: Part) -> Duration {
        self.watched.iter().find(|watched| watched.part == part).map_or(Duration::ZERO, |watched| watched.silence)
    }

    /// The first part that has been silent for too long.
    pub(crate) fn stuck(&self) -> Option<Part> {
        self.watched.iter().find(|watched| watched.silence > watched.part.longest()).map(|watched| watched.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Part; 4] = [Part::Media, Part::Panel, Part::Screen, Part::Store];

    /// Seconds of looks, one a second, while everybody but `still` beats.
    fn after(seconds: u64, still: Option<Part>) -> (Watchdog, Instant) {
        let mut now = Instant::now();
        let mut watchdog = Watchdog::new(now, &ALL);
        for second in 1..=seconds {
            now += Duration::from_secs(1);
            watchdog.look(now, |part| Some(if Some(part) == still { 0 } else { second }));
        }
        (watchdog, now)
    }

    #[test]
    fn nobody_is_stuck_while_every_counter_moves() {
        assert_eq!(after(600, None).0.stuck(), None);
    }

    #[test]
    fn each_part_is_stuck_after_its_own_longest_silence_and_not_before() {
        for part in ALL {
            let longest = part.longest().as_secs();
            assert_eq!(after(longest, Some(part)).0.stuck(), None, "{part:?}");
            assert_eq!(after(longest + 1, Some(part)).0.stuck(), Some(part));
        }
    }

    #[test]
    fn one_beat_ends_a_silence() {
        let (mut watchdog, now) = after(6, Some(Part::Media));
        assert_eq!(watchdog.stuck(), Some(Part::Media));
        watchdog.look(now + Duration::from_secs(1), |_| Some(99));
        assert_eq!((watchdog.stuck(), watchdog.silence(Part::Media)), (None, Duration::ZERO));
    }

    #[test]
    fn a_minute_that_the_whole_process_was_stopped_is_nobodys_silence() {
        let (mut watchdog, now) = after(5, None);
        watchdog.look(now + Duration::from_secs(60), |_| Some(5));
        assert_eq!(watchdog.stuck(), None);
    }

    #[test]
    fn a_part_that_may_rest_is_not_stuck_and_its_patience_begins_anew() {
        let (mut watchdog, now) = after(3, Some(Part::Media));
        watchdog.look(now + Duration::from_secs(1), |_| None);
        watchdog.look(now + Duration::from_secs(2), |_| Some(0));
        assert_eq!(watchdog.stuck(), None);
        assert_eq!(watchdog.silence(Part::Media), Duration::from_secs(1));
    }
}
