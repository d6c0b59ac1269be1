//! INVITE server transaction: RFC 3261 section 17.2.1 with the Accepted state of RFC 6026 section 7.1.

use super::Expired;
use super::timers::{T2, Timing};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct ServerInvite {
    timing: Timing,
    state: State,
}

#[derive(Debug)]
enum State {
    Proceeding,
    /// A 2xx was sent; the user repeats it, repeated INVITEs are absorbed.
    Accepted {
        timer_l: Instant,
    },
    /// A 300 to 699 was sent and waits for its ACK.
    Completed {
        /// retransmit the response (UDP only)
        timer_g: Option<Instant>,
        interval: Duration,
        /// no ACK came: give up
        timer_h: Instant,
    },
    /// The ACK came; more of them are absorbed.
    Confirmed {
        timer_i: Instant,
    },
    Terminated,
}

/// What a repeated INVITE or an ACK asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// Send the last response again.
    Retransmit,
    /// Nothing to do.
    Absorb,
    /// ACK of a 2xx: the dialog's business.
    Pass,
}

impl ServerInvite {
    pub(crate) fn new(timing: Timing) -> Self {
        Self { timing, state: State::Proceeding }
    }

    /// The user answers. False: a final response was sent before, nothing may follow it.
    pub(crate) fn respond(&mut self, now: Instant, status: u16) -> bool {
        if !matches!(self.state, State::Proceeding) {
            return false;
        }
        match status {
            100..=199 => {}
            200..=299 => self.state = State::Accepted { timer_l: now + self.timing.long() },
            _ => {
                let timer_g = (!self.timing.reliable).then(|| now + self.timing.t1);
                let timer_h = now + self.timing.long();
                self.state = State::Completed { timer_g, interval: self.timing.t1, timer_h };
            }
        }
        true
    }

    pub(crate) fn invite_again(&self) -> Repeated {
        match self.state {
            State::Proceeding | State::Completed { .. } => Repeated::Retransmit,
            _ => Repeated::Absorb,
        }
    }

    pub(crate) fn ack(&mut self, now: Instant) -> Repeated {
        match self.state {
            State::Completed { .. } => {
                self.state = State::Confirmed { timer_i: now + self.timing.t4() };
                Repeated::Absorb
            }
            State::Accepted { .. } => Repeated::Pass,
            _ => Repeated::Absorb,
        }
    }

    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        match &mut self.state {
            State::Completed { timer_h, .. } if *timer_h <= now => {
                self.state = State::Terminated;
                Some(Expired::TimedOut)
            }
            State::Completed { timer_g: Some(timer_g), interval, .. } if *timer_g <= now => {
                *interval = (*interval * 2).min(T2);
                *timer_g = now + *interval;
                Some(Expired::Retransmit)
            }
            State::Accepted { timer_l: end } | State::Confirmed { timer_i: end } if *end <= now => {
                self.state = State::Terminated;
                Some(Expired::Ended)
            }
            _ => None,
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        match self.state {
            State::Completed { timer_g, timer_h, .. } => Some(timer_g.map_or(timer_h, |g| g.min(timer_h))),
            State::Accepted { timer_l: at } | State::Confirmed { timer_i: at } => Some(at),
            State::Proceeding | State::Terminated => None,
        }
    }

    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
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

    // Proceeding

    #[test]
    fn proceeding_repeats_the_last_response_and_has_no_timer() {
        let start = Instant::now();
        let mut machine = ServerInvite::new(UDP);
        assert!(machine.respond(start, 180));
        assert_eq!(machine.invite_again(), Repeated::Retransmit);
        assert_eq!(machine.next(), None);
    }

    // Completed

    #[test]
    fn refusal_is_repeated_until_64_t1_without_ack() {
        let start = Instant::now();
        let mut machine = ServerInvite::new(UDP);
        assert!(machine.respond(start, 486));
        assert!(!machine.respond(start, 200));
        let mut sent = Vec::new();
        while let Some(at) = machine.next() {
            match machine.expire(at) {
                Some(Expired::Retransmit) => sent.push(at - start),
                Some(Expired::TimedOut) => assert_eq!(at - start, ms(32_000)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sent[..5], [500, 1500, 3500, 7500, 11_500].map(ms));
    }

    #[test]
    fn ack_stops_the_refusal_and_timer_i_ends_it() {
        let start = Instant::now();
        let mut machine = ServerInvite::new(UDP);
        machine.respond(start, 486);
        assert_eq!(machine.ack(start), Repeated::Absorb);
        assert_eq!(machine.invite_again(), Repeated::Absorb);
        assert_eq!(machine.expire(start + ms(5000)), Some(Expired::Ended));
    }

    #[test]
    fn refusal_over_tcp_is_not_repeated() {
        let start = Instant::now();
        let mut machine = ServerInvite::new(TCP);
        machine.respond(start, 486);
        assert_eq!(machine.next(), Some(start + ms(32_000)));
        machine.ack(start);
        assert_eq!(machine.expire(start), Some(Expired::Ended));
    }

    // Accepted (RFC 6026 section 7.1)

    #[test]
    fn accepted_absorbs_invites_and_passes_acks_until_timer_l() {
        let start = Instant::now();
        let mut machine = ServerInvite::new(UDP);
        machine.respond(start, 200);
        assert_eq!(machine.invite_again(), Repeated::Absorb);
        assert_eq!(machine.ack(start), Repeated::Pass);
        assert_eq!(machine.ack(start), Repeated::Pass);
        assert_eq!(machine.expire(start + ms(32_000)), Some(Expired::Ended));
    }
}
