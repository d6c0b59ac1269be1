//! INVITE client transaction: RFC 3261 section 17.1.1 with the Accepted state of RFC 6026 section 7.2.

use super::timers::Timing;
use super::{Expired, Received};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct ClientInvite {
    timing: Timing,
    state: State,
}

#[derive(Debug)]
enum State {
    Calling {
        /// retransmit the request (UDP only)
        timer_a: Option<Instant>,
        interval: Duration,
        /// no response at all: give up
        timer_b: Instant,
    },
    Proceeding,
    /// A 2xx came; more of them go up to the user.
    Accepted {
        timer_m: Instant,
    },
    /// A 300 to 699 came and was acknowledged; repeated ones are acknowledged again.
    Completed {
        timer_d: Instant,
    },
    Terminated,
}

impl ClientInvite {
    pub(crate) fn new(now: Instant, timing: Timing) -> Self {
        let timer_a = (!timing.reliable).then(|| now + timing.t1);
        let state = State::Calling { timer_a, interval: timing.t1, timer_b: now + timing.long() };
        Self { timing, state }
    }

    pub(crate) fn receive(&mut self, now: Instant, status: u16) -> Received {
        match (&self.state, status) {
            (State::Calling { .. } | State::Proceeding, 100..=199) => {
                self.state = State::Proceeding;
                Received::Pass
            }
            (State::Calling { .. } | State::Proceeding, 200..=299) => {
                self.state = State::Accepted { timer_m: now + self.timing.long() };
                Received::Pass
            }
            (State::Calling { .. } | State::Proceeding, _) => {
                self.state = State::Completed { timer_d: now + self.timing.d() };
                Received::AckAndPass
            }
            (State::Accepted { .. }, 200..=299) => Received::Pass,
            (State::Completed { .. }, 300..) => Received::Ack,
            _ => Received::Absorb,
        }
    }

    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        match &mut self.state {
            State::Calling { timer_b, .. } if *timer_b <= now => {
                self.state = State::Terminated;
                Some(Expired::TimedOut)
            }
            State::Calling { timer_a: Some(timer_a), interval, .. } if *timer_a <= now => {
                // doubles without the bound of T2 (section 17.1.1.2)
                *interval *= 2;
                *timer_a = now + *interval;
                Some(Expired::Retransmit)
            }
            State::Accepted { timer_m: end } | State::Completed { timer_d: end } if *end <= now => {
                self.state = State::Terminated;
                Some(Expired::Ended)
            }
            _ => None,
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        match self.state {
            State::Calling { timer_a, timer_b, .. } => Some(timer_a.map_or(timer_b, |a| a.min(timer_b))),
            State::Accepted { timer_m: at } | State::Completed { timer_d: at } => Some(at),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// Has no final response come yet?
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const UDP: Timing = Timing { t1: Duration::from_millis(500), reliable: false };
    const TCP: Timing = Timing { t1: Duration::from_millis(500), reliable: true };
    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    // Calling (section 17.1.1.2)

    #[test]
    fn calling_retransmits_at_doubling_intervals_and_times_out_after_64_t1() {
        let start = Instant::now();
        let mut machine = ClientInvite::new(start, UDP);
        let mut sent = Vec::new();
        while let Some(at) = machine.next() {
            match machine.expire(at) {
                Some(Expired::Retransmit) => sent.push(at - start),
                Some(Expired::TimedOut) => assert_eq!(at - start, ms(32_000)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 15_500, 31_500].map(ms));
    }

    #[test]
    fn calling_over_tcp_only_waits_for_timer_b() {
        let start = Instant::now();
        let mut machine = ClientInvite::new(start, TCP);
        assert_eq!(machine.next(), Some(start + ms(32_000)));
        assert_eq!(machine.expire(start + ms(32_000)), Some(Expired::TimedOut));
    }

    #[test]
    fn provisional_stops_retransmission_and_timer_b() {
        let start = Instant::now();
        let mut machine = ClientInvite::new(start, UDP);
        assert_eq!(machine.receive(start, 100), Received::Pass);
        assert_eq!(machine.next(), None);
        assert!(machine.is_pending());
    }

    // Accepted (RFC 6026 section 7.2)

    #[test]
    fn every_2xx_goes_up_until_timer_m() {
        let start = Instant::now();
        let mut machine = ClientInvite::new(start, UDP);
        assert_eq!(machine.receive(start, 200), Received::Pass);
        assert_eq!(machine.receive(start + ms(10), 200), Received::Pass);
        assert_eq!(machine.receive(start + ms(10), 180), Received::Absorb);
        assert_eq!(machine.receive(start + ms(10), 486), Received::Absorb);
        assert_eq!(machine.expire(start + ms(32_000)), Some(Expired::Ended));
        assert_eq!(machine.next(), None);
    }

    // Completed

    #[test]
    fn refusal_is_acknowledged_each_time_but_told_once() {
        let start = Instant::now();
        let mut machine = ClientInvite::new(start, UDP);
        assert_eq!(machine.receive(start, 486), Received::AckAndPass);
        assert_eq!(machine.receive(start, 486), Received::Ack);
        assert_eq!(machine.receive(start, 200), Received::Absorb);
        assert_eq!(machine.expire(start + ms(32_000)), Some(Expired::Ended));
    }

    #[test]
    fn completed_over_tcp_ends_at_once() {
        let start = Instant::now();
        let mut machine = ClientInvite::new(start, TCP);
        machine.receive(start, 404);
        assert_eq!(machine.expire(start), Some(Expired::Ended));
    }
}
