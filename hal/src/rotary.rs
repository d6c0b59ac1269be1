//! A rotary dial: from pulses to digits.
//!
//! Winding the dial does nothing; running back it opens its pulse contact once per unit, seven to fourteen times a
//! second. Most dials have a second contact that is closed while the dial is off its rest (*off-normal*): the digit is
//! complete when it opens. Without it, a pause ends the digit.
//!
//! Feed debounced changes with their times ([`RotaryDial::pulse`], [`RotaryDial::off_normal`]) in the order of these
//! times, ask [`RotaryDial::poll`] when [`RotaryDial::timeout`] has come. What cannot have been a digit gives none: a
//! wrong number is worse than dialling again. So a dial that is let go before its first pulse is nothing, and one that
//! is held or wound again on its way back, gives more than ten pulses or keeps a contact open is said to be
//! [spoilt](Dialled::Spoilt), with what to do.

use std::collections::VecDeque;
use std::time::Duration;

/// No pulse is open for longer: at seven pulses a second and two thirds open it is 95 ms.
pub const LONGEST_PULSE: Duration = Duration::from_millis(250);
/// No dial takes longer to be wound and to run back.
pub const LONGEST_TURN: Duration = Duration::from_secs(30);

/// What came of a turn of the dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialled {
    /// a digit
    Digit(char),
    /// no digit, and what the reason is
    Spoilt(Fault),
}

/// Why a turn gave no digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// the pulse contact stayed open
    StaysOpen,
    /// held, or wound again, on its way back
    Disturbed,
    /// more than ten pulses
    TooMany,
    /// the off-normal contact stayed closed
    NeverRests,
    /// pulses, but the off-normal contact did not close
    OffNormalDead,
}

impl Fault {
    /// What it means and what to do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::StaysOpen => "its pulse contact stays open: check the wire and the contact; at rest it is closed",
            Self::Disturbed => "it was held or wound again while it ran back: let it run freely, then dial again",
            Self::TooMany => {
                "more than ten pulses in one turn: raise debounce_ms of [panel.rotary], or clean the contact"
            }
            Self::NeverRests => "it does not come back to its rest: free it, or check the off-normal contact",
            Self::OffNormalDead => {
                "it gives pulses, but the off-normal contact does not close: check its wire, or leave out off_normal"
            }
        }
    }
}

/// The dial.
#[derive(Debug)]
pub struct RotaryDial {
    digits: [char; 10],
    pause: Duration,
    has_off_normal: bool,
    /// since when the pulse contact is open
    open: Option<Duration>,
    turn: Turn,
    dialled: VecDeque<Dialled>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// at rest; `told`: that the off-normal contact is dead
    Rest { told: bool },
    /// off its rest
    Counting { since: Duration, pulses: u8, last: Duration },
    /// back at rest with the last pulse still open
    Ending { pulses: u8 },
    /// spoilt and said so, until all is at rest; `closed`: since when its contact rests, if nothing else can tell
    Spoilt { closed: Option<Duration> },
}

impl RotaryDial {
    /// A dial at rest. `digits`: what one pulse, two pulses, … ten pulses mean. `pause` ends a digit where there is no
    /// off-normal contact; where there is one, a longer pause between two pulses spoils it.
    pub fn new(digits: [char; 10], pause: Duration, has_off_normal: bool) -> Self {
        Self { digits, pause, has_off_normal, open: None, turn: Turn::Rest { told: false }, dialled: VecDeque::new() }
    }

    /// The pulse contact opened or closed at `at`.
    pub fn pulse(&mut self, at: Duration, open: bool) {
        self.poll(at);
        let was_open = self.open;
        self.open = open.then_some(at);
        match (self.turn, was_open) {
            (Turn::Rest { .. }, None) if open && !self.has_off_normal => {
                self.turn = Turn::Counting { since: at, pulses: 0, last: at };
            }
            (Turn::Rest { told: false }, Some(_)) if !open && self.has_off_normal => {
                self.turn = Turn::Rest { told: true };
                self.dialled.push_back(Dialled::Spoilt(Fault::OffNormalDead));
            }
            (Turn::Counting { pulses, last, .. }, None)
                if open && self.has_off_normal && pulses > 0 && at.saturating_sub(last) > self.pause =>
            {
                self.spoil(Fault::Disturbed);
            }
            (Turn::Counting { since, pulses, .. }, Some(_)) if !open => {
                self.turn = Turn::Counting { since, pulses: pulses.saturating_add(1), last: at };
            }
            (Turn::Ending { pulses }, Some(_)) if !open => self.finish(pulses.saturating_add(1)),
            (Turn::Spoilt { .. }, _) if !self.has_off_normal => {
                self.turn = Turn::Spoilt { closed: (!open).then_some(at) };
            }
            _ => {}
        }
    }

    /// The dial left its rest or came back to it at `at`.
    pub fn off_normal(&mut self, at: Duration, turning: bool) {
        if !self.has_off_normal {
            return;
        }
        self.poll(at);
        self.turn = match (self.turn, turning) {
            (Turn::Rest { .. } | Turn::Spoilt { .. }, true) => Turn::Counting { since: at, pulses: 0, last: at },
            // It bounced at its rest: still the same turn.
            (Turn::Ending { pulses }, true) => Turn::Counting { since: at, pulses, last: at },
            (Turn::Counting { pulses, .. }, false) => match self.open {
                Some(_) => Turn::Ending { pulses },
                None => return self.finish(pulses),
            },
            (Turn::Spoilt { .. }, false) => Turn::Rest { told: false },
            (as_it_is, _) => as_it_is,
        };
    }

    /// What is over at `now` by passing of time alone.
    pub fn poll(&mut self, now: Duration) {
        if self.timeout().is_none_or(|due| now < due) {
            return;
        }
        match self.turn {
            Turn::Spoilt { .. } => self.turn = Turn::Rest { told: false },
            _ if self.open.is_some() => self.spoil(Fault::StaysOpen),
            Turn::Counting { pulses, .. } if !self.has_off_normal => self.finish(pulses),
            Turn::Counting { .. } => self.spoil(Fault::NeverRests),
            Turn::Rest { .. } | Turn::Ending { .. } => {}
        }
    }

    /// When to ask [`poll`](Self::poll).
    pub fn timeout(&self) -> Option<Duration> {
        let open = self.open.map(|since| since + LONGEST_PULSE);
        match self.turn {
            Turn::Counting { last, .. } if !self.has_off_normal => Some(open.unwrap_or(last + self.pause)),
            Turn::Counting { since, .. } => Some(open.unwrap_or(since + LONGEST_TURN)),
            Turn::Ending { .. } => open,
            Turn::Spoilt { closed } => closed.map(|since| since + self.pause),
            Turn::Rest { .. } => None,
        }
    }

    /// Is nothing going on?
    pub fn is_idle(&self) -> bool {
        matches!(self.turn, Turn::Rest { .. })
    }

    /// What was dialled, oldest first.
    pub fn dialled(&mut self) -> Option<Dialled> {
        self.dialled.pop_front()
    }

    fn finish(&mut self, pulses: u8) {
        self.turn = Turn::Rest { told: false };
        let Some(index) = pulses.checked_sub(1) else { return };
        self.dialled.push_back(match self.digits.get(usize::from(index)) {
            Some(digit) => Dialled::Digit(*digit),
            None => Dialled::Spoilt(Fault::TooMany),
        });
    }

    fn spoil(&mut self, fault: Fault) {
        self.turn = Turn::Spoilt { closed: None };
        self.dialled.push_back(Dialled::Spoilt(fault));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debounce::Debouncer;
    use proptest::prelude::*;

    const DIGITS: [char; 10] = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0'];
    const PAUSE: Duration = Duration::from_millis(300);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A finger at a dial.
    struct Dial {
        dial: RotaryDial,
        now: Duration,
        has_off_normal: bool,
    }

    impl Dial {
        fn new(has_off_normal: bool) -> Self {
            Self { dial: RotaryDial::new(DIGITS, PAUSE, has_off_normal), now: ms(1000), has_off_normal }
        }
        fn wait(&mut self, time: u64) {
            self.now += ms(time);
            // As a driver does: not later than it asked for.
            self.dial.poll(self.now);
        }
        fn leave(&mut self) {
            self.dial.off_normal(self.now, true);
            self.wait(400);
        }
        fn pulses(&mut self, count: u8, open: u64, closed: u64) {
            for _ in 0..count {
                self.dial.pulse(self.now, true);
                self.wait(open);
                self.dial.pulse(self.now, false);
                self.wait(closed);
            }
        }
        fn rest(&mut self) {
            self.dial.off_normal(self.now, false);
            self.wait(700);
        }
        fn out(&mut self) -> Vec<Dialled> {
            std::iter::from_fn(|| self.dial.dialled()).collect()
        }
        fn turn(&mut self, count: u8, open: u64, closed: u64) -> Vec<Dialled> {
            if self.has_off_normal {
                self.leave();
            }
            self.pulses(count, open, closed);
            self.rest();
            self.out()
        }
    }

    #[test]
    fn ten_digits_at_seven_to_fourteen_pulses_a_second() {
        for has_off_normal in [true, false] {
            let mut dial = Dial::new(has_off_normal);
            for (open, closed) in [(60, 40), (95, 48), (43, 28), (36, 36)] {
                for (count, digit) in (1..).zip(DIGITS) {
                    assert_eq!(dial.turn(count, open, closed), [Dialled::Digit(digit)], "{open}+{closed} ms");
                    assert!(dial.dial.is_idle());
                }
            }
        }
    }

    #[test]
    fn a_dial_let_go_before_its_first_pulse_is_nothing() {
        let mut dial = Dial::new(true);
        assert_eq!(dial.turn(0, 0, 0), []);
        assert_eq!(dial.turn(4, 60, 40), [Dialled::Digit('4')]);
    }

    #[test]
    fn a_dial_wound_again_on_its_way_back_dials_nothing() {
        let mut dial = Dial::new(true);
        dial.leave();
        dial.pulses(3, 60, 40);
        dial.wait(500);
        dial.pulses(4, 60, 40);
        dial.rest();
        assert_eq!(dial.out(), [Dialled::Spoilt(Fault::Disturbed)]);
        assert_eq!(dial.turn(7, 60, 40), [Dialled::Digit('7')]);
    }

    #[test]
    fn a_long_way_from_the_last_pulse_to_the_rest_is_normal() {
        let mut dial = Dial::new(true);
        dial.leave();
        dial.pulses(2, 60, 40);
        dial.wait(2000);
        dial.rest();
        assert_eq!(dial.out(), [Dialled::Digit('2')]);
    }

    #[test]
    fn the_rest_may_come_before_the_last_pulse_has_closed() {
        let mut dial = Dial::new(true);
        dial.leave();
        dial.pulses(4, 60, 40);
        dial.dial.pulse(dial.now, true);
        dial.wait(30);
        dial.dial.off_normal(dial.now, false);
        dial.wait(30);
        dial.dial.pulse(dial.now, false);
        assert_eq!(dial.out(), [Dialled::Digit('5')]);
    }

    #[test]
    fn more_than_ten_pulses_are_no_digit() {
        for has_off_normal in [true, false] {
            let mut dial = Dial::new(has_off_normal);
            assert_eq!(dial.turn(11, 60, 40), [Dialled::Spoilt(Fault::TooMany)]);
            assert_eq!(dial.turn(1, 60, 40), [Dialled::Digit('1')]);
        }
    }

    #[test]
    fn a_pulse_contact_that_stays_open_is_said_once_and_dials_nothing() {
        for has_off_normal in [true, false] {
            let mut dial = Dial::new(has_off_normal);
            if has_off_normal {
                dial.leave();
            }
            dial.pulses(3, 60, 40);
            dial.dial.pulse(dial.now, true);
            dial.wait(10_000);
            assert_eq!(dial.out(), [Dialled::Spoilt(Fault::StaysOpen)]);
            assert_eq!(dial.dial.timeout(), None, "nothing to wait for");
            dial.dial.pulse(dial.now, false);
            dial.rest();
            assert_eq!(dial.out(), []);
            assert_eq!(dial.turn(8, 60, 40), [Dialled::Digit('8')], "works again");
        }
    }

    #[test]
    fn a_dial_that_never_comes_back_is_said_once() {
        let mut dial = Dial::new(true);
        dial.leave();
        dial.pulses(2, 60, 40);
        dial.wait(60_000);
        dial.wait(60_000);
        assert_eq!(dial.out(), [Dialled::Spoilt(Fault::NeverRests)]);
        dial.rest();
        assert_eq!(dial.turn(2, 60, 40), [Dialled::Digit('2')]);
    }

    #[test]
    fn pulses_without_off_normal_contact_are_said_once_until_it_works() {
        let mut dial = Dial::new(true);
        dial.pulses(5, 60, 40);
        dial.pulses(5, 60, 40);
        assert_eq!(dial.out(), [Dialled::Spoilt(Fault::OffNormalDead)]);
        assert_eq!(dial.turn(5, 60, 40), [Dialled::Digit('5')]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Contacts as they are: each change bounces for up to 4 ms; debounced as the driver does.
        #[test]
        fn any_number_is_dialled_right_whatever_the_speed_and_bounce(
            number in prop::collection::vec(0_usize..10, 1..6),
            period_ms in 72_u64..142, break_percent in 50_u64..67,
            bounces in prop::collection::vec((0_u64..4000, 0_u64..4000), 8),
            has_off_normal in any::<bool>(),
        ) {
            let (open, closed) = (period_ms * 10 * break_percent, period_ms * 10 * (100 - break_percent));
            // raw changes: (µs, off-normal?, level)
            let mut raw: Vec<(u64, bool, bool)> = Vec::new();
            let mut bounce = bounces.iter().cycle();
            let mut change = |raw: &mut Vec<_>, at: u64, contact: bool, level: bool| {
                let (first, second) = bounce.next().unwrap();
                raw.push((at, contact, level));
                let back = at + first / 2;
                raw.push((back, contact, !level));
                raw.push((back + second / 2, contact, level));
            };
            let mut at = 1_000_000;
            for digit in &number {
                change(&mut raw, at, true, true);
                at += 300_000;
                for _ in 0..=*digit {
                    change(&mut raw, at, false, true);
                    at += open;
                    change(&mut raw, at, false, false);
                    at += closed;
                }
                at += 50_000;
                change(&mut raw, at, true, false);
                at += 800_000;
            }
            let settle = ms(6);
            let mut contacts = [Debouncer::new(false, settle), Debouncer::new(false, settle)];
            let mut dial = RotaryDial::new(DIGITS, PAUSE, has_off_normal);
            let mut out = Vec::new();
            let mut next = raw.iter().peekable();
            // A driver that looks every millisecond.
            for now in (0..=at / 1000).map(ms) {
                let mut edges = Vec::new();
                while let Some((at, contact, level)) = next.peek().filter(|(at, ..)| Duration::from_micros(*at) <= now) {
                    let index = usize::from(*contact);
                    edges.extend(contacts[index].edge(Duration::from_micros(*at), *level).map(|edge| (edge, *contact)));
                    next.next();
                }
                for contact in [false, true] {
                    edges.extend(contacts[usize::from(contact)].poll(now).map(|edge| (edge, contact)));
                }
                edges.sort_by_key(|(edge, _)| edge.at);
                for (edge, contact) in edges {
                    if contact { dial.off_normal(edge.at, edge.level) } else { dial.pulse(edge.at, edge.level) }
                }
                dial.poll(now);
                out.extend(std::iter::from_fn(|| dial.dialled()));
            }
            let expected: Vec<Dialled> = number.iter().map(|digit| Dialled::Digit(DIGITS[*digit])).collect();
            prop_assert_eq!(out, expected);
        }

        #[test]
        fn whatever_the_contacts_do_it_comes_to_rest(
            steps in prop::collection::vec((0_u64..700, any::<bool>(), any::<bool>()), 0..100),
            has_off_normal in any::<bool>(),
        ) {
            let mut dial = Dial::new(has_off_normal);
            for (gap, contact, level) in steps {
                dial.wait(gap);
                if contact { dial.dial.off_normal(dial.now, level) } else { dial.dial.pulse(dial.now, level) }
            }
            dial.dial.pulse(dial.now, false);
            dial.rest();
            dial.wait(1000);
            prop_assert!(dial.dial.is_idle());
            dial.out();
            prop_assert_eq!(dial.turn(6, 60, 40), [Dialled::Digit('6')]);
        }
    }
}
