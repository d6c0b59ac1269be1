//! How often sound was interrupted since the daemon started, whatever devices came and went: counted by the media thread, read
//! by whoever tells about it, and nobody waits for the other.

use offhook_hal::Interruptions;
use std::sync::atomic::{AtomicU64, Ordering};

/// The daemon's.
pub(crate) static ALL: Total = Total { xruns: AtomicU64::new(0), left_out: AtomicU64::new(0) };

/// A sum over devices.
#[derive(Debug)]
pub(crate) struct Total {
    xruns: AtomicU64,
    left_out: AtomicU64,
}

impl Total {
    pub(crate) fn read(&self) -> Interruptions {
        Interruptions { xruns: self.xruns.load(Ordering::Relaxed), left_out: self.left_out.load(Ordering::Relaxed) }
    }
}

/// What the device in use had said when it was last looked at.
#[derive(Debug, Default)]
pub(crate) struct Count(Interruptions);

impl Count {
    /// Adds what is new. A device that says less than before is another one, or was opened anew.
    pub(crate) fn look(&mut self, now: Interruptions, total: &Total) {
        let before = std::mem::replace(&mut self.0, now);
        if now == before {
            return;
        }
        let new = |now: u64, before: u64| if now < before { now } else { now - before };
        total.xruns.fetch_add(new(now.xruns, before.xruns), Ordering::Relaxed);
        total.left_out.fetch_add(new(now.left_out, before.left_out), Ordering::Relaxed);
    }

    /// Another device takes over; what it had before is not ours.
    pub(crate) fn begin(&mut self, of_device: Interruptions) {
        self.0 = of_device;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(xruns: u64, left_out: u64) -> Interruptions {
        Interruptions { xruns, left_out }
    }

    #[test]
    fn devices_come_and_go_and_the_sum_stays() {
        let total = Total { xruns: AtomicU64::new(0), left_out: AtomicU64::new(0) };
        let mut count = Count::default();
        count.look(of(2, 0), &total);
        count.look(of(2, 0), &total);
        count.look(of(3, 1), &total);
        assert_eq!(total.read(), of(3, 1));
        // Silence in its place, then a device that was interrupted before it was ours.
        count.begin(of(0, 0));
        count.look(of(0, 0), &total);
        count.begin(of(7, 7));
        count.look(of(8, 7), &total);
        assert_eq!(total.read(), of(4, 1));
        // Opened anew behind our back.
        count.look(of(1, 0), &total);
        assert_eq!(total.read(), of(5, 1));
    }
}
