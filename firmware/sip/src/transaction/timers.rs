//! The timers of RFC 3261 table 4 with the additions of RFC 6026, by name.

use std::time::Duration;

/// T2: maximum retransmit interval of non-INVITE requests and INVITE responses (RFC 3261 section 17.1.2.2).
pub(crate) const T2: Duration = Duration::from_secs(4);
/// T4: how long a message may stay in the network (RFC 3261 section 17.1.2.2).
pub(crate) const T4: Duration = Duration::from_secs(5);
/// Timer D: wait for response retransmits, over UDP at least 32 s (RFC 3261 section 17.1.1.2).
pub(crate) const TIMER_D: Duration = Duration::from_secs(32);

/// What all timers of a transaction come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    /// Estimate of the round trip; 500 ms unless configured.
    pub(crate) t1: Duration,
    /// Over TCP and its like nothing is retransmitted and nothing has to be waited out.
    pub(crate) reliable: bool,
}

impl Timing {
    /// 64*T1: timers B, F, H, L, M and J (over UDP).
    pub(crate) fn long(self) -> Duration {
        self.t1 * 64
    }
    /// Timer D.
    pub(crate) fn d(self) -> Duration {
        if self.reliable { Duration::ZERO } else { TIMER_D.max(self.long()) }
    }
    /// Timers I and K.
    pub(crate) fn t4(self) -> Duration {
        if self.reliable { Duration::ZERO } else { T4 }
    }
    /// Timer J.
    pub(crate) fn j(self) -> Duration {
        if self.reliable { Duration::ZERO } else { self.long() }
    }
}
