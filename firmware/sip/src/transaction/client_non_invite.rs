//! Non-INVITE client transaction: RFC 3261 section 17.1.2.

use super::timers::{T2, Timing};
use super::{Expired, Received};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct ClientNonInvite {
    timing: Timing,
    state: State,
}

#[derive(Debug)]
enum State {
    Trying {
        /// retransmit the request (UDP only)
        timer_e: Option<Instant>,
        interval: Duration,
        /// no final response: give up
        timer_f: Instant,
    },
    Proceeding {
        timer_e: Option<Instant>,
        timer_f: Instant,
    },
    /// Repeated final responses are absorbed.
    Completed {
        timer_k: Instant,
    },
    Terminated,
}

impl ClientNonInvite {
    pub(crate) fn new(now: Instant, timing: Timing) -> Self {
        let timer_e = (!timing.reliable).then(|| now + timing.t1);
        let state = State::Trying { timer_e, interval: timing.t1, timer_f: now + timing.long() };
        Self { timing, state }
    }

    pub(crate) fn receive(&mut self, now: Instant, status: u16) -> Received {
        match (&self.state, status) {
            (State::Trying { timer_e, timer_f, .. }, 100..=199) => {
                let timer_e = timer_e.map(|_| now + T2);
                self.state = State::Proceeding { timer_e, timer_f: *timer_f };
                Received::Pass
            }
            (State::Proceeding { .. }, 100..=199) => Received::Pass,
            (State::Trying { .. } | State::Proceeding { .. }, 200..) => {
                self.state = State::Completed { timer_k: now + self.timing.t4() };
                Received::Pass
            }
            _ => Received::Absorb,
        }
    }

    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        match &mut self.state {
            State::Trying { timer_f, .. } | State::Proceeding { timer_f, .. } if *timer_f <= now => {
                self.state = State::Terminated;
                Some(Expired::TimedOut)
            }
            State::Trying { timer_e: Some(timer_e), interval, .. } if *timer_e <= now => {
                *interval = (*interval * 2).min(T2);
                *timer_e = now + *interval;
                Some(Expired::Retransmit)
            }
            State::Proceeding { timer_e: Some(timer_e), .. } if *timer_e <= now => {
                *timer_e = now + T2;
                Some(Expired::Retransmit)
            }
            State::Completed { timer_k } if *timer_k <= now => {
                self.state = State::Terminated;
                Some(Expired::Ended)
            }
            _ => None,
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        match self.state {
            State::Trying { timer_e, timer_f, .. } | State::Proceeding { timer_e, timer_f } => {
                Some(timer_e.map_or(timer_f, |e| e.min(timer_f)))
            }
            State::Completed { timer_k } => Some(timer_k),
            State::Terminated => None,
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Trying { .. } | State::Proceeding { .. })
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

    // Trying (section 17.1.2.2)

    #[test]
    fn trying_retransmits_at_intervals_capped_at_t2_and_times_out_after_64_t1() {
        let start = Instant::now();
        let mut machine = ClientNonInvite::new(start, UDP);
        let mut sent = Vec::new();
        while let Some(at) = machine.next() {
            match machine.expire(at) {
                Some(Expired::Retransmit) => sent.push(at - start),
                Some(Expired::TimedOut) => assert_eq!(at - start, ms(32_000)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500].map(ms));
    }

    #[test]
    fn proceeding_goes_on_retransmitting_every_t2() {
        let start = Instant::now();
        let mut machine = ClientNonInvite::new(start, UDP);
        assert_eq!(machine.receive(start + ms(100), 100), Received::Pass);
        assert_eq!(machine.next(), Some(start + ms(4100)));
        assert_eq!(machine.expire(start + ms(4100)), Some(Expired::Retransmit));
        assert_eq!(machine.next(), Some(start + ms(8100)));
        assert_eq!(machine.expire(start + ms(32_000)), Some(Expired::TimedOut));
    }

    #[test]
    fn trying_over_tcp_never_retransmits() {
        let start = Instant::now();
        let machine = ClientNonInvite::new(start, TCP);
        assert_eq!(machine.next(), Some(start + ms(32_000)));
    }

    // Completed

    #[test]
    fn final_response_is_told_once_and_repeats_are_absorbed_until_timer_k() {
        let start = Instant::now();
        let mut machine = ClientNonInvite::new(start, UDP);
        assert_eq!(machine.receive(start, 200), Received::Pass);
        assert_eq!(machine.receive(start, 200), Received::Absorb);
        assert!(!machine.is_pending());
        assert_eq!(machine.expire(start + ms(4999)), None);
        assert_eq!(machine.expire(start + ms(5000)), Some(Expired::Ended));
    }

    #[test]
    fn completed_over_tcp_ends_at_once() {
        let start = Instant::now();
        let mut machine = ClientNonInvite::new(start, TCP);
        machine.receive(start, 404);
        assert_eq!(machine.expire(start), Some(Expired::Ended));
    }
}
