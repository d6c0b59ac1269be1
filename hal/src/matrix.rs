//! Keys in rows and columns.
//!
//! [`scan`] drives one row low after the other and reads the columns (pulled up): which crossings are closed. What it
//! does not know is whether all of them are pressed: with three keys in the corners of a rectangle, current finds a way
//! to the fourth (a *ghost*). [`KeyMatrix`] takes scans and gives key events: debounced; a crossing that may be a ghost
//! stays as it was until the scan is clear again. Keys that are stuck are [`HeldKeys`](crate::held::HeldKeys)' matter.

use std::collections::VecDeque;
use std::time::Duration;

use embedded_hal::digital::{Error as _, ErrorKind, InputPin, OutputPin};

use crate::debounce::Debouncer;
use crate::{Key, PanelEvent};

/// Rows, and columns, a matrix has at most.
pub const WIDEST: usize = 16;

/// Which crossings a scan found closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closed {
    /// one bit per column
    rows: [u16; WIDEST],
}

impl Closed {
    /// Marks a crossing; one outside of the widest matrix is ignored.
    pub fn close(&mut self, row: usize, column: usize) {
        if column < WIDEST
            && let Some(bits) = self.rows.get_mut(row)
        {
            *bits |= 1 << column;
        }
    }

    /// Is this crossing closed?
    pub fn is_closed(&self, row: usize, column: usize) -> bool {
        column < WIDEST && self.rows.get(row).is_some_and(|bits| bits >> column & 1 == 1)
    }

    /// Is no crossing closed?
    pub fn is_open(&self) -> bool {
        self.rows.iter().all(|bits| *bits == 0)
    }
}

/// Scans once: each row is driven low while the columns are read, `settle` is called in between to give the wires time
/// (and columns behind a bus the chance to be read all at once).
/// Rows are open-drain or behind diodes: high lets go. However it ends, every row has been let go or tried.
///
/// # Errors
/// What the first failing pin said.
pub fn scan<R: OutputPin, C: InputPin>(
    rows: &mut [R],
    columns: &mut [C],
    mut settle: impl FnMut(),
) -> Result<Closed, ErrorKind> {
    let mut closed = Closed::default();
    for (row, wire) in rows.iter_mut().enumerate() {
        let read = wire.set_low().map_err(|error| error.kind()).and_then(|()| {
            settle();
            for (column, wire) in columns.iter_mut().enumerate() {
                if wire.is_low().map_err(|error| error.kind())? {
                    closed.close(row, column);
                }
            }
            Ok(())
        });
        wire.set_high().map_err(|error| error.kind())?;
        read?;
    }
    Ok(closed)
}

/// From scans to keys.
#[derive(Debug)]
pub struct KeyMatrix {
    places: Vec<Place>,
    events: VecDeque<PanelEvent>,
}

#[derive(Debug)]
struct Place {
    row: usize,
    column: usize,
    key: Key,
    contact: Debouncer,
}

impl KeyMatrix {
    /// `keys` row by row, `None` where there is none; a change counts after `settle`.
    pub fn new(keys: &[Vec<Option<Key>>], settle: Duration) -> Self {
        let places = keys.iter().enumerate().flat_map(|(row, keys)| {
            keys.iter().enumerate().filter_map(move |(column, key)| {
                Some(Place { row, column, key: (*key)?, contact: Debouncer::new(false, settle) })
            })
        });
        Self { places: places.collect(), events: VecDeque::new() }
    }

    /// Takes a scan made at `now`.
    pub fn scanned(&mut self, now: Duration, closed: &Closed) {
        let doubtful = self.doubtful(closed);
        for place in &mut self.places {
            let mut level = closed.is_closed(place.row, place.column);
            if level && doubtful.is_closed(place.row, place.column) {
                level = place.contact.level();
            }
            if let Some(edge) = place.contact.sample(now, level) {
                let event = if edge.level { PanelEvent::Down } else { PanelEvent::Up };
                self.events.push_back(event(place.key));
            }
        }
    }

    /// The next event, oldest first.
    pub fn poll(&mut self) -> Option<PanelEvent> {
        self.events.pop_front()
    }

    /// Is every key up and settled, so that scanning can rest until a column changes?
    pub fn is_idle(&self) -> bool {
        self.places.iter().all(|place| !place.contact.level() && !place.contact.is_settling())
    }

    /// Is no key between down and up?
    pub fn is_settled(&self) -> bool {
        self.places.iter().all(|place| !place.contact.is_settling())
    }

    /// Crossings any one of which could be a ghost: the corners of closed rectangles. If there is no key in one corner,
    /// that corner is the ghost and the other three are certain.
    fn doubtful(&self, closed: &Closed) -> Closed {
        let mut keys = Closed::default();
        for place in &self.places {
            keys.close(place.row, place.column);
        }
        let mut doubtful = Closed::default();
        for (upper, upper_bits) in closed.rows.iter().enumerate() {
            for (lower, lower_bits) in closed.rows.iter().enumerate().skip(upper + 1) {
                let shared = upper_bits & lower_bits;
                let keyed = |column: &usize| {
                    shared >> column & 1 == 1 && keys.is_closed(upper, *column) && keys.is_closed(lower, *column)
                };
                if (0..WIDEST).filter(keyed).count() < 2 {
                    continue;
                }
                for column in (0..WIDEST).filter(keyed) {
                    doubtful.close(upper, column);
                    doubtful.close(lower, column);
                }
            }
        }
        doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    /// Wires with contacts, as current sees them: every row that is low pulls down all it reaches.
    #[derive(Default)]
    struct Board {
        low: BTreeSet<usize>,
        pressed: BTreeSet<(usize, usize)>,
    }

    impl Board {
        fn column_is_low(&self, column: usize) -> bool {
            let (mut rows, mut columns) = (self.low.clone(), BTreeSet::new());
            loop {
                let before = rows.len() + columns.len();
                for (row, column) in &self.pressed {
                    if rows.contains(row) || columns.contains(column) {
                        rows.insert(*row);
                        columns.insert(*column);
                    }
                }
                if rows.len() + columns.len() == before {
                    return columns.contains(&column);
                }
            }
        }
    }

    struct Wire<'a>(&'a RefCell<Board>, usize);
    impl embedded_hal::digital::ErrorType for Wire<'_> {
        type Error = Infallible;
    }
    impl OutputPin for Wire<'_> {
        fn set_low(&mut self) -> Result<(), Infallible> {
            self.0.borrow_mut().low.insert(self.1);
            Ok(())
        }
        fn set_high(&mut self) -> Result<(), Infallible> {
            self.0.borrow_mut().low.remove(&self.1);
            Ok(())
        }
    }
    impl InputPin for Wire<'_> {
        fn is_high(&mut self) -> Result<bool, Infallible> {
            Ok(!self.0.borrow().column_is_low(self.1))
        }
        fn is_low(&mut self) -> Result<bool, Infallible> {
            Ok(self.0.borrow().column_is_low(self.1))
        }
    }

    struct Keypad {
        board: RefCell<Board>,
        matrix: KeyMatrix,
        now: Duration,
    }

    impl Keypad {
        fn new() -> Self {
            let digit = |digit| Some(Key::Digit(digit));
            let keys = ["123", "456", "789", "*0#"].map(|row| row.chars().map(digit).collect());
            Self::with(&keys)
        }
        fn with(keys: &[Vec<Option<Key>>]) -> Self {
            let matrix = KeyMatrix::new(keys, Duration::from_millis(10));
            Self { board: RefCell::default(), matrix, now: Duration::ZERO }
        }
        fn press(&self, key: char) {
            self.board.borrow_mut().pressed.insert(place(key));
        }
        fn release(&self, key: char) {
            self.board.borrow_mut().pressed.remove(&place(key));
        }
        fn scan(&mut self) {
            let mut rows: Vec<Wire<'_>> = (0..4).map(|row| Wire(&self.board, row)).collect();
            let mut columns: Vec<Wire<'_>> = (0..3).map(|column| Wire(&self.board, column)).collect();
            let closed = scan(&mut rows, &mut columns, || ()).unwrap();
            assert!(self.board.borrow().low.is_empty(), "a row was left driven");
            self.matrix.scanned(self.now, &closed);
        }
        /// Scans every 5 ms for so long; what came out, as `+1` and `-1`.
        fn scans(&mut self, ms: u64) -> String {
            let until = self.now + Duration::from_millis(ms);
            let mut out = String::new();
            while self.now < until {
                self.now += Duration::from_millis(5);
                self.scan();
                while let Some(event) = self.matrix.poll() {
                    out += &match event {
                        PanelEvent::Down(key) => format!("+{}", key.name()),
                        PanelEvent::Up(key) => format!("-{}", key.name()),
                        other => panic!("{other:?}"),
                    };
                }
            }
            out
        }
    }

    fn place(key: char) -> (usize, usize) {
        let at = crate::DIGITS.iter().position(|digit| *digit == key).unwrap();
        (at / 3, at % 3)
    }

    #[test]
    fn a_key_goes_down_and_up_once() {
        let mut keypad = Keypad::new();
        assert!(keypad.matrix.is_idle());
        keypad.press('5');
        assert_eq!(keypad.scans(100), "+5");
        assert!(!keypad.matrix.is_idle());
        keypad.release('5');
        assert_eq!(keypad.scans(100), "-5");
        assert!(keypad.matrix.is_idle());
    }

    #[test]
    fn two_keys_at_once_are_two_keys() {
        let mut keypad = Keypad::new();
        keypad.press('1');
        keypad.press('9');
        assert_eq!(keypad.scans(50), "+1+9");
        keypad.release('1');
        assert_eq!(keypad.scans(50), "-1");
        keypad.press('8');
        assert_eq!(keypad.scans(50), "+8");
    }

    #[test]
    fn three_corners_of_a_rectangle_do_not_press_the_fourth() {
        let mut keypad = Keypad::new();
        keypad.press('1');
        keypad.press('3');
        assert_eq!(keypad.scans(50), "+1+3");
        keypad.press('7');
        assert_eq!(keypad.scans(200), "", "7 and 9 cannot be told apart");
        keypad.release('3');
        assert_eq!(keypad.scans(50), "-3+7");
        keypad.release('1');
        keypad.release('7');
        assert_eq!(keypad.scans(50), "-1-7");
    }

    #[test]
    fn a_corner_without_a_key_is_the_ghost() {
        let key = |digit| Some(Key::Digit(digit));
        let mut keypad = Keypad::with(&[vec![key('1'), key('2'), key('3')], vec![key('4'), None, key('6')]]);
        for key in ['1', '2', '4'] {
            keypad.press(key);
        }
        assert_eq!(keypad.scans(50), "+1+2+4");
    }

    #[test]
    fn contact_bounce_is_no_second_key() {
        let mut keypad = Keypad::new();
        let mut out = String::new();
        for _ in 0..4 {
            keypad.press('0');
            out += &keypad.scans(5);
            keypad.release('0');
            out += &keypad.scans(5);
        }
        keypad.press('0');
        out += &keypad.scans(100);
        assert_eq!(out, "+0");
    }

    #[test]
    fn a_touch_shorter_than_the_settling_time_is_nothing() {
        let mut keypad = Keypad::new();
        keypad.press('1');
        assert_eq!(keypad.scans(10), "");
        keypad.release('1');
        assert_eq!(keypad.scans(100), "");
    }

    struct Broken;
    impl embedded_hal::digital::ErrorType for Broken {
        type Error = ErrorKind;
    }
    impl InputPin for Broken {
        fn is_high(&mut self) -> Result<bool, ErrorKind> {
            Err(ErrorKind::Other)
        }
        fn is_low(&mut self) -> Result<bool, ErrorKind> {
            Err(ErrorKind::Other)
        }
    }

    #[test]
    fn a_column_that_fails_leaves_no_row_driven() {
        let board = RefCell::new(Board::default());
        let mut rows = [Wire(&board, 0), Wire(&board, 1)];
        assert_eq!(scan(&mut rows, &mut [Broken], || ()), Err(ErrorKind::Other));
        assert!(board.borrow().low.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn never_a_key_that_no_finger_pressed(
            steps in prop::collection::vec((0_usize..12, any::<bool>(), 1_u64..80), 1..60),
        ) {
            let mut keypad = Keypad::new();
            let mut touched = BTreeSet::new();
            let mut down = BTreeSet::new();
            for (index, press, ms) in steps {
                let key = crate::DIGITS[index];
                if press {
                    keypad.press(key);
                    touched.insert(key);
                } else {
                    keypad.release(key);
                }
                let out: Vec<char> = keypad.scans(ms).chars().collect();
                for change in out.chunks(2) {
                    let (way, key) = (change[0], change[1]);
                    prop_assert!(touched.contains(&key), "{} was never pressed", key);
                    // Down and up alternate per key.
                    let alternates = if way == '+' { down.insert(key) } else { down.remove(&key) };
                    prop_assert!(alternates);
                }
            }
            for key in crate::DIGITS {
                keypad.release(key);
            }
            let out: Vec<char> = keypad.scans(100).chars().collect();
            for change in out.chunks(2) {
                prop_assert_eq!(change[0], '-');
                prop_assert!(down.remove(&change[1]));
            }
            prop_assert!(down.is_empty());
            prop_assert!(keypad.matrix.is_idle());
        }
    }
}
