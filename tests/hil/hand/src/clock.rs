//! The clocks of the board, in nanoseconds.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;

/// One millisecond [ns].
pub(crate) const MS: i64 = 1_000_000;

/// `CLOCK_MONOTONIC`, the clock of GPIO events and of ALSA time stamps [ns].
pub(crate) fn monotonic() -> i64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// Time since the kernel began [ns].
pub(crate) fn since_boot() -> i64 {
    nanoseconds(clock_gettime(ClockId::Boottime))
}

/// The wall clock [ns since 1970].
pub(crate) fn real() -> i64 {
    nanoseconds(clock_gettime(ClockId::Realtime))
}

fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

/// For answers: milliseconds with fractions.
pub(crate) fn as_ms(nanoseconds: i64) -> f64 {
    (nanoseconds as f64 / 1e4).round() / 100.0
}

/// A slice of [`sleep_awake`] [ns].
const SLICE: i64 = 10 * MS;

/// Sleeps for `length` [ns] in slices, so that an emulator which stands still for longer than that has only used up one of them:
/// whoever else wants to see what lasts for so long gets the processor meanwhile.
pub(crate) fn sleep_awake(length: i64) {
    let mut left = length;
    while left > 0 {
        let slice = left.min(SLICE);
        sleep_until(monotonic() + slice);
        left -= slice;
    }
}

/// Sleeps until `at` on the monotonic clock [ns]; at once if that has passed.
pub(crate) fn sleep_until(at: i64) {
    let left = at.saturating_sub(monotonic());
    if let Ok(left @ 1..) = u64::try_from(left) {
        std::thread::sleep(Duration::from_nanos(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awake_time_is_never_shorter_than_asked_for() {
        for length in [-MS, 0, 3 * MS, 25 * MS] {
            let begin = monotonic();
            sleep_awake(length);
            assert!(monotonic() - begin >= length, "{length}");
        }
    }
}
