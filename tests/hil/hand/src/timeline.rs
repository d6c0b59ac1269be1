//! Which sample a sound device took when. A device says from time to time how many frames it has taken; it says so late,
//! never early, because its counter moves in steps. So the earliest of the last answers is the best, and how far they lie
//! apart says how exact it is.

use std::collections::VecDeque;

/// Answers older than this are forgotten: clocks of sound devices drift [ns].
const WINDOW: i64 = 4_000_000_000;

/// The clock of a device, against the monotonic one.
#[derive(Debug)]
pub(crate) struct SampleClock {
    /// [Hz]
    rate: i64,
    /// when it was asked, and when frame 0 was taken according to the answer [ns]
    answers: VecDeque<(i64, i64)>,
}

impl SampleClock {
    /// A device of so many frames a second.
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate: i64::from(rate).max(1), answers: VecDeque::new() }
    }

    /// At `at` it had taken `frames` frames.
    pub(crate) fn observe(&mut self, at: i64, frames: i64) {
        self.answers.push_back((at, at - self.length(frames)));
        while self.answers.front().is_some_and(|answer| at - answer.0 > WINDOW) {
            self.answers.pop_front();
        }
    }

    /// When this frame was taken [ns]; `None` before the first answer.
    pub(crate) fn time_of(&self, frame: i64) -> Option<i64> {
        self.answers.iter().map(|answer| answer.1).min().map(|zero| zero + self.length(frame))
    }

    /// How far the answers lie apart [ns].
    pub(crate) fn spread(&self) -> i64 {
        let zeros = || self.answers.iter().map(|answer| answer.1);
        zeros().max().unwrap_or(0) - zeros().min().unwrap_or(0)
    }

    fn length(&self, frames: i64) -> i64 {
        i64::try_from(i128::from(frames) * 1_000_000_000 / i128::from(self.rate)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn a_counter_that_moves_in_steps_is_seen_through() {
        let mut clock = SampleClock::new(16_000);
        assert_eq!(clock.time_of(0), None);
        // The device began at 1000 ms and counts in steps of 10 ms; it is asked at odd moments.
        for at in (1003..3000).step_by(7) {
            let taken = (at - 1000) / 10 * 10 * 16;
            clock.observe(at * MS, taken);
        }
        let error = clock.time_of(16_000).map(|time| time - 2000 * MS);
        assert!(error.is_some_and(|error| (0..MS).contains(&error)), "{error:?}");
        assert!(clock.spread() < 10 * MS);
    }

    #[test]
    fn a_drifting_clock_is_followed() {
        let mut clock = SampleClock::new(16_000);
        // 100 ppm slow for a minute.
        for second in 0..60_i64 {
            clock.observe(second * 1000 * MS, second * 16_000 - second * 16_000 / 10_000);
        }
        let error = clock.time_of(59 * 16_000 - 94).map_or(i64::MAX, |time| (time - 59_000 * MS).abs());
        assert!(error < MS, "{error}");
    }
}
