//! Non-INVITE server transaction: RFC 3261 section 17.2.2.

use super::Expired;
use super::server_invite::Repeated;
use super::timers::Timing;
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct ServerNonInvite {
    timing: Timing,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No response yet: a repeated request is absorbed.
    Trying,
    /// A 1xx was sent.
    Proceeding,
    /// The final response is repeated when the request is.
    Completed {
        timer_j: Instant,
    },
    Terminated,
}

impl ServerNonInvite {
    pub(crate) fn new(timing: Timing) -> Self {
        Self { timing, state: State::Trying }
    }

    /// False: a final response was sent before.
    pub(crate) fn respond(&mut self, now: Instant, status: u16) -> bool {
        if !self.is_pending() {
            return false;
        }
        self.state = match status {
            100..=199 => State::Proceeding,
            _ => State::Completed { timer_j: now + self.timing.j() },
        };
        true
    }

    pub(crate) fn request_again(&self) -> Repeated {
        match self.state {
            State::Trying | State::Terminated => Repeated::Absorb,
            State::Proceeding | State::Completed { .. } => Repeated::Retransmit,
        }
    }

    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        match self.state {
            State::Completed { timer_j } if timer_j <= now => {
                self.state = State::Terminated;
                Some(Expired::Ended)
            }
            _ => None,
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        match self.state {
            State::Completed { timer_j } => Some(timer_j),
            _ => None,
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    const UDP: Timing = Timing { t1: Duration::from_millis(500), reliable: false };
    const TCP: Timing = Timing { t1: Duration::from_millis(500), reliable: true };

    #[test]
    fn trying_absorbs_repeats() {
        assert_eq!(ServerNonInvite::new(UDP).request_again(), Repeated::Absorb);
    }

    #[test]
    fn completed_repeats_its_response_until_timer_j() {
        let start = Instant::now();
        let mut machine = ServerNonInvite::new(UDP);
        assert!(machine.respond(start, 200));
        assert!(!machine.respond(start, 500));
        assert_eq!(machine.request_again(), Repeated::Retransmit);
        assert_eq!(machine.next(), Some(start + Duration::from_secs(32)));
        assert_eq!(machine.expire(start + Duration::from_secs(32)), Some(Expired::Ended));
    }

    #[test]
    fn proceeding_repeats_its_provisional() {
        let start = Instant::now();
        let mut machine = ServerNonInvite::new(UDP);
        assert!(machine.respond(start, 100));
        assert_eq!(machine.request_again(), Repeated::Retransmit);
        assert!(machine.is_pending());
    }

    #[test]
    fn completed_over_tcp_ends_at_once() {
        let start = Instant::now();
        let mut machine = ServerNonInvite::new(TCP);
        machine.respond(start, 200);
        assert_eq!(machine.expire(start), Some(Expired::Ended));
    }
}
