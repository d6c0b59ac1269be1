//! Digit collection. Digits may be collected with the handset lifted (then 4 s after the last one, or at `#`, the
//! number is sent) or before lifting (then they wait for the handset, the speaker key or the soft key).
//!
//! `#` sends and is never part of a number dialled on the keys; `*` is a digit like any other, so feature codes such
//! as `*97` work. A code that ends in `#` can be dialled by the control API, which sends what it is given.

use std::time::{Duration, Instant};

/// After the last digit the number is sent.
pub(crate) const INTER_DIGIT: Duration = Duration::from_secs(4);
/// Digits collected on the hook are forgotten after this.
pub(crate) const FORGET: Duration = Duration::from_secs(60);
/// More digits than any number has are not taken.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Dialing {
    digits: String,
    /// when the last one came
    last: Option<Instant>,
    /// which suggestion is meant instead of the digits
    choice: Option<usize>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Collected {
    More,
    /// `#`: send it
    Complete,
    /// `#` without a number, or too many digits
    Ignored,
}

impl Dialing {
    pub(crate) fn digit(&mut self, now: Instant, digit: char) -> Collected {
        if digit == '#' {
            return if self.digits.is_empty() { Collected::Ignored } else { Collected::Complete };
        }
        if self.digits.len() >= MOST {
            return Collected::Ignored;
        }
        self.digits.push(digit);
        self.choice = None;
        self.last = Some(now);
        Collected::More
    }

    /// Takes the last digit back; time starts again.
    pub(crate) fn delete(&mut self, now: Instant) {
        self.digits.pop();
        self.choice = None;
        self.last = if self.digits.is_empty() { None } else { Some(now) };
    }

    /// The number so far, to be sent.
    pub(crate) fn take(&mut self) -> String {
        self.last = None;
        self.choice = None;
        std::mem::take(&mut self.digits)
    }

    pub(crate) fn clear(&mut self) {
        self.take();
    }

    /// Up or down among `count` suggestions, above which are the digits themselves; time starts again.
    pub(crate) fn choose(&mut self, now: Instant, down: bool, count: usize) {
        self.choice = match (self.choice, down) {
            (None, true) if count > 0 => Some(0),
            (Some(chosen), true) => Some((chosen + 1).min(count.saturating_sub(1))),
            (Some(chosen), false) => chosen.checked_sub(1),
            (None, _) => None,
        };
        self.last = self.last.map(|_| now);
    }

    pub(crate) fn choice(&self) -> Option<usize> {
        self.choice
    }

    pub(crate) fn digits(&self) -> &str {
        &self.digits
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.digits.is_empty()
    }

    /// When the number is sent (lifted) or forgotten (on the hook).
    pub(crate) fn deadline(&self, lifted: bool) -> Option<Instant> {
        self.last.map(|last| last + if lifted { INTER_DIGIT } else { FORGET })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_sends_and_is_not_part_of_the_number() {
        let now = Instant::now();
        let mut dialing = Dialing::default();
        assert_eq!(dialing.digit(now, '#'), Collected::Ignored);
        for digit in "*97".chars() {
            assert_eq!(dialing.digit(now, digit), Collected::More);
        }
        assert_eq!(dialing.digit(now, '#'), Collected::Complete);
        assert_eq!(dialing.take(), "*97");
        assert_eq!(dialing.deadline(true), None);
    }

    #[test]
    fn the_inter_digit_time_counts_from_the_last_digit() {
        let now = Instant::now();
        let mut dialing = Dialing::default();
        dialing.digit(now, '1');
        dialing.digit(now + Duration::from_secs(3), '0');
        assert_eq!(dialing.deadline(true), Some(now + Duration::from_secs(7)));
        assert_eq!(dialing.deadline(false), Some(now + Duration::from_secs(63)));
        dialing.delete(now + Duration::from_secs(5));
        assert_eq!(dialing.deadline(true), Some(now + Duration::from_secs(9)));
        dialing.delete(now + Duration::from_secs(5));
        assert_eq!(dialing.deadline(true), None);
    }

    #[test]
    fn a_suggestion_is_chosen_until_another_digit_comes() {
        let now = Instant::now();
        let mut dialing = Dialing::default();
        dialing.digit(now, '2');
        dialing.choose(now, false, 2);
        assert_eq!(dialing.choice(), None);
        for expected in [Some(0), Some(1), Some(1)] {
            dialing.choose(now + Duration::from_secs(3), true, 2);
            assert_eq!(dialing.choice(), expected);
        }
        assert_eq!(dialing.deadline(true), Some(now + Duration::from_secs(7)));
        dialing.choose(now, false, 2);
        dialing.choose(now, false, 2);
        assert_eq!(dialing.choice(), None);
        dialing.choose(now, true, 0);
        assert_eq!(dialing.choice(), None);
        dialing.choose(now, true, 1);
        dialing.digit(now, '3');
        assert_eq!(dialing.choice(), None);
    }

    #[test]
    fn a_key_held_down_by_a_book_does_not_grow_the_number_for_ever() {
        let mut dialing = Dialing::default();
        for _ in 0..1000 {
            dialing.digit(Instant::now(), '7');
        }
        assert_eq!(dialing.digits().len(), MOST);
    }
}
