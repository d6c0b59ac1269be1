//! Factory reset by hand: the whole bottom row of the keypad (`*`, `0` and `#`), and nothing else, held for ten seconds
//! while the handset lies in its cradle and nothing is going on. Every lamp flashes and the screen counts down; letting
//! go of one key, pressing another one, lifting the handset or a call ends it.
//!
//! Three keys of one row are told apart by every matrix, with or without diodes. Ordinary dialling presses them one
//! after the other; what it may do is to press `#` before the key before it has come up, so a `#` that could become the
//! combination sends its number only when a key is let go.

use offhook_hal::Key;
use std::time::{Duration, Instant};

/// The keys.
pub const COMBINATION: [Key; 3] = [Key::Digit('*'), Key::Digit('0'), Key::Digit('#')];
/// How long they are held.
pub const HOLD: Duration = Duration::from_secs(SECONDS as u64);
const SECONDS: u8 = 10;

/// The machine; it sees every key of the panel.
#[derive(Debug, Default)]
pub(crate) struct FactoryReset {
    held: Vec<Key>,
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Rest,
    /// `#` went down beside another key of the three and has not dialled yet.
    Waiting,
    /// it happens at `end`; `seconds` are shown, never 0
    Counting {
        end: Instant,
        seconds: u8,
    },
    Asked,
}

/// What passing time does to the countdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Countdown {
    Same,
    /// another number is shown
    Second,
    /// it is to happen, now
    Over,
}

/// What a key means besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// What it always means.
    Usual,
    /// Nothing.
    Taken,
    /// The `#` that was held back, and then nothing.
    HeldBack,
}

impl FactoryReset {
    /// A key went down; `idle`: the handset lies, nothing is going on.
    pub(crate) fn down(&mut self, now: Instant, key: Key, idle: bool) -> Meaning {
        if !self.held.contains(&key) {
            self.held.push(key);
        }
        let complete = self.held.len() == COMBINATION.len() && COMBINATION.iter().all(|key| self.held.contains(key));
        match self.state {
            State::Asked => Meaning::Taken,
            State::Counting { .. } => {
                self.state = State::Rest;
                Meaning::Taken
            }
            _ if !idle => {
                self.state = State::Rest;
                Meaning::Usual
            }
            _ if complete => {
                self.state = State::Counting { end: now + HOLD, seconds: SECONDS };
                Meaning::Taken
            }
            _ if key == Key::Digit('#')
                && self.held.len() == 2
                && self.held.iter().all(|key| COMBINATION.contains(key)) =>
            {
                self.state = State::Waiting;
                Meaning::Taken
            }
            _ => {
                self.state = State::Rest;
                Meaning::Usual
            }
        }
    }

    /// A key came up.
    pub(crate) fn up(&mut self, key: Key) -> Meaning {
        self.held.retain(|held| *held != key);
        match self.state {
            State::Asked => Meaning::Taken,
            State::Rest => Meaning::Usual,
            State::Counting { .. } => {
                self.state = State::Rest;
                Meaning::Taken
            }
            State::Waiting => {
                self.state = State::Rest;
                Meaning::HeldBack
            }
        }
    }

    /// The handset was lifted, or something else has begun.
    pub(crate) fn disturb(&mut self) {
        if self.state != State::Asked {
            self.state = State::Rest;
        }
    }

    /// Somebody holds the keys, or has held them to the end.
    pub(crate) fn is_asked_for(&self) -> bool {
        matches!(self.state, State::Counting { .. } | State::Asked)
    }

    /// Time has passed.
    pub(crate) fn due(&mut self, now: Instant) -> Countdown {
        let mut told = Countdown::Same;
        while let State::Counting { end, seconds } = self.state
            && end - Duration::from_secs(u64::from(seconds - 1)) <= now
        {
            told = if seconds > 1 { Countdown::Second } else { Countdown::Over };
            self.state = if seconds > 1 { State::Counting { end, seconds: seconds - 1 } } else { State::Asked };
        }
        told
    }

    /// When [`due`](Self::due) has something to say.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Counting { end, seconds } => Some(end - Duration::from_secs(u64::from(seconds - 1))),
            _ => None,
        }
    }

    /// The countdown, from 10 to 0; at 0 it happens.
    pub(crate) fn seconds_left(&self) -> Option<u8> {
        match self.state {
            State::Counting { seconds, .. } => Some(seconds),
            State::Asked => Some(0),
            State::Rest | State::Waiting => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAR: Key = COMBINATION[0];
    const ZERO: Key = COMBINATION[1];
    const HASH: Key = COMBINATION[2];

    fn counting(now: Instant) -> FactoryReset {
        let mut reset = FactoryReset::default();
        for key in COMBINATION {
            reset.down(now, key, true);
        }
        reset
    }

    #[test]
    fn the_bottom_row_held_for_ten_seconds_resets_in_whatever_order_it_went_down() {
        let now = Instant::now();
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut reset = FactoryReset::default();
            for index in order {
                reset.down(now, COMBINATION[index], true);
            }
            assert_eq!(reset.seconds_left(), Some(10));
            assert_eq!(reset.due(now + HOLD - Duration::from_millis(1)), Countdown::Second);
            assert_eq!(reset.due(now + HOLD), Countdown::Over);
            assert_eq!(reset.due(now + HOLD), Countdown::Same, "once");
            assert_eq!(reset.seconds_left(), Some(0));
        }
    }

    #[test]
    fn every_second_of_the_countdown_is_shown() {
        let began = Instant::now();
        let mut reset = counting(began);
        let mut shown = vec![];
        while let (Some(seconds), Some(next)) = (reset.seconds_left(), reset.deadline()) {
            shown.push(seconds);
            assert_eq!(next, began + Duration::from_secs(shown.len() as u64));
            assert_ne!(reset.due(next), Countdown::Same);
        }
        assert_eq!(shown, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn letting_go_another_key_a_lifted_handset_and_a_busy_phone_end_it() {
        let now = Instant::now();
        for end in [
            |reset: &mut FactoryReset, _: Instant| assert_eq!(reset.up(ZERO), Meaning::Taken),
            |reset: &mut FactoryReset, now: Instant| assert_eq!(reset.down(now, Key::Digit('8'), true), Meaning::Taken),
            |reset: &mut FactoryReset, _: Instant| reset.disturb(),
        ] {
            let mut reset = counting(now);
            end(&mut reset, now);
            assert_eq!((reset.seconds_left(), reset.deadline()), (None, None));
            assert_eq!(reset.due(now + HOLD), Countdown::Same);
        }
        let mut busy = FactoryReset::default();
        for key in COMBINATION {
            assert_eq!(busy.down(now, key, false), Meaning::Usual);
        }
        assert_eq!(busy.due(now + HOLD), Countdown::Same);
    }

    #[test]
    fn a_book_on_the_keypad_does_not_reset_the_phone() {
        let now = Instant::now();
        for book in ["0123456789*#", "*0#8", "8*0#", "7*890#"] {
            let mut reset = FactoryReset::default();
            for key in book.chars() {
                reset.down(now, Key::Digit(key), true);
            }
            assert_eq!(reset.due(now + HOLD), Countdown::Same, "{book}");
        }
    }

    #[test]
    fn a_number_typed_so_fast_that_keys_overlap_is_still_sent() {
        let now = Instant::now();
        let mut reset = FactoryReset::default();
        assert_eq!(reset.down(now, ZERO, true), Meaning::Usual);
        assert_eq!(reset.down(now, HASH, true), Meaning::Taken);
        assert_eq!(reset.up(ZERO), Meaning::HeldBack);
        assert_eq!(reset.up(HASH), Meaning::Usual);
        // Not overlapping, nothing is held back.
        for key in [STAR, ZERO, HASH] {
            assert_eq!(reset.down(now, key, true), Meaning::Usual);
            assert_eq!(reset.up(key), Meaning::Usual);
        }
        // Beside a key that is not of the three, `#` is what it always is.
        assert_eq!(reset.down(now, Key::Digit('7'), true), Meaning::Usual);
        assert_eq!(reset.down(now, HASH, true), Meaning::Usual);
    }
}
