//! Hook, keys, lamps: their words, their names on the bench socket and in board files, the blink patterns, and the
//! trait of a panel. What a key means is not decided here.

use std::task::Waker;
use std::time::Duration;

/// The hook switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// handset in the cradle
    On,
    /// lifted
    Off,
}

/// A key of the telephone, whatever wires it. Bench names in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// `'0'..='9' | '*' | '#'` (`0`…`9`, `*`, `#`)
    Digit(char),
    /// soft key below the screen, 1 to 4 (`soft1`…)
    Soft(u8),
    /// line key, 1 to 4 (`line1`…)
    Line(u8),
    /// lamp key (BLF, speed dial), from 1 (`key1`…)
    Lamp(u8),
    /// (`hold`)
    Hold,
    /// (`mute`)
    Mute,
    /// (`speaker`)
    Speaker,
    /// (`headset`)
    Headset,
    /// (`redial`)
    Redial,
    /// (`message`)
    Message,
    /// (`volume+`)
    VolumeUp,
    /// (`volume-`)
    VolumeDown,
    /// (`up`)
    Up,
    /// (`down`)
    Down,
    /// (`left`)
    Left,
    /// (`right`)
    Right,
    /// (`ok`)
    Ok,
    /// (`back`)
    Back,
}

/// The twelve keys of a keypad, row by row.
pub const DIGITS: [char; 12] = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];

const NAMED_KEYS: [(Key, &str); 14] = [
    (Key::Hold, "hold"),
    (Key::Mute, "mute"),
    (Key::Speaker, "speaker"),
    (Key::Headset, "headset"),
    (Key::Redial, "redial"),
    (Key::Message, "message"),
    (Key::VolumeUp, "volume+"),
    (Key::VolumeDown, "volume-"),
    (Key::Up, "up"),
    (Key::Down, "down"),
    (Key::Left, "left"),
    (Key::Right, "right"),
    (Key::Ok, "ok"),
    (Key::Back, "back"),
];

/// Line keys and soft keys a telephone can have.
const LINES: u8 = 4;

impl Key {
    /// The bench name.
    pub fn name(self) -> String {
        match self {
            Self::Digit(digit) => digit.to_string(),
            Self::Soft(number) => format!("soft{number}"),
            Self::Line(number) => format!("line{number}"),
            Self::Lamp(number) => format!("key{number}"),
            named => NAMED_KEYS.iter().find(|(key, _)| *key == named).map_or("", |(_, name)| name).to_owned(),
        }
    }

    /// The key with this [`name`](Self::name); names are lower case and numbers have no leading zeros.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut characters = name.chars();
        if let (Some(digit), None) = (characters.next(), characters.next()) {
            return DIGITS.contains(&digit).then_some(Self::Digit(digit));
        }
        if let Some((key, _)) = NAMED_KEYS.iter().find(|(_, known)| *known == name) {
            return Some(*key);
        }
        numbered(name, "soft", LINES)
            .map(Self::Soft)
            .or_else(|| numbered(name, "line", LINES).map(Self::Line))
            .or_else(|| numbered(name, "key", u8::MAX).map(Self::Lamp))
    }
}

/// A lamp. Names on the bench: `line1`…, `key1`…, `message`, `mute`, `speaker`, `headset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lamp {
    /// beside a line key, 1 to 4
    Line(u8),
    /// in a lamp key, from 1
    Key(u8),
    /// messages are waiting
    Message,
    /// the microphone is closed
    Mute,
    /// hands-free is on
    Speaker,
    /// the headset is on
    Headset,
}

const NAMED_LAMPS: [(Lamp, &str); 4] =
    [(Lamp::Message, "message"), (Lamp::Mute, "mute"), (Lamp::Speaker, "speaker"), (Lamp::Headset, "headset")];

impl Lamp {
    /// The bench name.
    pub fn name(self) -> String {
        match self {
            Self::Line(number) => format!("line{number}"),
            Self::Key(number) => format!("key{number}"),
            named => NAMED_LAMPS.iter().find(|(lamp, _)| *lamp == named).map_or("", |(_, name)| name).to_owned(),
        }
    }

    /// The lamp with this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some((lamp, _)) = NAMED_LAMPS.iter().find(|(_, known)| *known == name) {
            return Some(*lamp);
        }
        numbered(name, "line", LINES).map(Self::Line).or_else(|| numbered(name, "key", u8::MAX).map(Self::Key))
    }
}

/// `prefix` and a number from 1 to `most`, written without leading zeros.
fn numbered(name: &str, prefix: &str, most: u8) -> Option<u8> {
    let digits = name.strip_prefix(prefix)?;
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number <= most)
}

/// What a lamp does. Every pattern but `Off` begins lit, so that a change is seen at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// `off`
    Off,
    /// `on`
    On,
    /// `slow`: 1 s on, 1 s off (held)
    Slow,
    /// `fast`: 250 ms on, 250 ms off (ringing)
    Fast,
    /// `flutter`: 100 ms on, 100 ms off (call waiting)
    Flutter,
    /// `wink`: 1.9 s on, 100 ms off
    Wink,
}

impl Pattern {
    /// Every pattern, in the order of the enum.
    pub const ALL: [Self; 6] = [Self::Off, Self::On, Self::Slow, Self::Fast, Self::Flutter, Self::Wink];

    /// `off`, `on`, `slow`, `fast`, `flutter`, `wink`
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Slow => "slow",
            Self::Fast => "fast",
            Self::Flutter => "flutter",
            Self::Wink => "wink",
        }
    }

    /// The pattern with this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pattern| pattern.name() == name)
    }

    /// Is the lamp lit `elapsed` after the pattern began?
    pub fn lit(self, elapsed: Duration) -> bool {
        match self.cycle() {
            None => self == Self::On,
            Some((on, off)) => within(elapsed, on + off) < on,
        }
    }

    /// Time from `elapsed` to the next change of `lit`, never zero; `None` for steady ones.
    pub fn next_change(self, elapsed: Duration) -> Option<Duration> {
        let (on, off) = self.cycle()?;
        let position = within(elapsed, on + off);
        Some(if position < on { on - position } else { on + off - position })
    }

    /// Time lit and time dark of the blinking ones.
    fn cycle(self) -> Option<(Duration, Duration)> {
        let (on, off) = match self {
            Self::Off | Self::On => return None,
            Self::Slow => (1000, 1000),
            Self::Fast => (250, 250),
            Self::Flutter => (100, 100),
            Self::Wink => (1900, 100),
        };
        Some((Duration::from_millis(on), Duration::from_millis(off)))
    }
}

/// The remainder of `elapsed` in a cycle, to the nanosecond.
fn within(elapsed: Duration, cycle: Duration) -> Duration {
    let rest = elapsed.as_nanos().checked_rem(cycle.as_nanos()).unwrap_or(0);
    Duration::from_nanos(u64::try_from(rest).unwrap_or(0))
}

/// What happened on the panel, debounced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelEvent {
    /// the handset was lifted or put back; the first one says how it lies at the start
    Hook(Hook),
    /// a key went down
    Down(Key),
    /// and up again
    Up(Key),
    /// headset plugged or pulled
    HeadsetJack(bool),
}

/// What a person should hear of the panel's hardware: for the log, the health of the phone and the self-test. A panel
/// that loses one device goes on with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanelReport {
    /// a device that belongs to the board is missing or went away, and is looked for further: (which, what to do)
    Lost(String, String),
    /// a device that was lost is there again
    Found(String),
    /// a device that may come and go is not there: (which, what to do)
    Unplugged(String, String),
    /// it came, or came again
    Plugged(String),
    /// a key is down for longer than any finger stays: it counts as released until it opens
    Stuck(Key),
    /// a stuck key opened
    Freed(Key),
    /// the rotary dial did something that is no digit: (what to do)
    Dial(String),
}

impl std::fmt::Display for PanelReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lost(device, remedy) | Self::Unplugged(device, remedy) => write!(f, "{device}: {remedy}"),
            Self::Found(device) => write!(f, "{device} is there again"),
            Self::Plugged(device) => write!(f, "{device} is there"),
            Self::Stuck(key) => write!(f, "the key {} is stuck: free or clean it; it is ignored meanwhile", key.name()),
            Self::Freed(key) => write!(f, "the key {} is free again", key.name()),
            Self::Dial(remedy) => write!(f, "the dial: {remedy}"),
        }
    }
}

/// What can go wrong with a panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanelError {
    /// a device file is missing or not ours: (path, what to do)
    Device(String, String),
    /// the device went away
    Gone,
}

impl std::fmt::Display for PanelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Device(path, remedy) => write!(f, "{path}: {remedy}"),
            Self::Gone => f.write_str("the hook and key hardware went away"),
        }
    }
}

impl std::error::Error for PanelError {}

/// Hook, keys and lamps of a board. Called from one thread of the daemon; `wait` may block at most `timeout`, the
/// others never. Blinking goes on only inside `wait`, so the thread spends its time there. Whoever has something for
/// that thread to do meanwhile wakes it by the [`waker`](Self::waker).
pub trait Panel: Send {
    /// The next event after debouncing; `None` when `timeout` passed, the waker was used, or there is a
    /// [`report`](Self::report).
    fn wait(&mut self, timeout: Duration) -> Result<Option<PanelEvent>, PanelError>;

    /// Ends a [`wait`](Self::wait) on another thread, or the next one if none is going on. Panels whose wait takes no
    /// time need none.
    fn waker(&self) -> Waker {
        Waker::noop().clone()
    }

    /// The next thing to be told about the hardware, oldest first.
    fn report(&mut self) -> Option<PanelReport> {
        None
    }

    /// Starts a pattern on a lamp. A lamp the board does not have is ignored; the same pattern again does not
    /// restart the blinking.
    fn indicate(&mut self, lamp: Lamp, pattern: Pattern) -> Result<(), PanelError>;

    /// A bell or relay of the board, if it has one (otherwise the ringer is sound).
    fn bell(&mut self, on: bool) -> Result<(), PanelError>;

    /// The lamps this board has.
    fn lamps(&self) -> Vec<Lamp>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn every_key() -> Vec<Key> {
        let mut keys: Vec<Key> = DIGITS.into_iter().map(Key::Digit).collect();
        keys.extend((1..=4).flat_map(|number| [Key::Soft(number), Key::Line(number)]));
        keys.extend((1..=255).map(Key::Lamp));
        keys.extend(NAMED_KEYS.map(|(key, _)| key));
        keys
    }

    #[test]
    fn every_key_is_found_by_its_name_and_no_two_share_one() {
        let keys = every_key();
        let names: std::collections::BTreeSet<String> = keys.iter().map(|key| key.name()).collect();
        assert_eq!(names.len(), keys.len());
        for key in keys {
            assert_eq!(Key::from_name(&key.name()), Some(key));
        }
    }

    #[test]
    fn names_that_are_nearly_right_are_refused() {
        for name in [
            "", "10", "a", "A", "soft0", "soft5", "line5", "line01", "key0", "key256", "key", "key+1", "key1 ", "Hold",
            "volume", "digit1", "²",
        ] {
            assert_eq!(Key::from_name(name), None, "{name}");
        }
        for name in ["", "key0", "line9", "ring", "key-1", "1"] {
            assert_eq!(Lamp::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn every_lamp_and_pattern_is_found_by_its_name() {
        let lamps = (1..=4).map(Lamp::Line).chain((1..=255).map(Lamp::Key)).chain(NAMED_LAMPS.map(|(lamp, _)| lamp));
        for lamp in lamps {
            assert_eq!(Lamp::from_name(&lamp.name()), Some(lamp));
        }
        for pattern in Pattern::ALL {
            assert_eq!(Pattern::from_name(pattern.name()), Some(pattern));
        }
        assert_eq!(Pattern::from_name("blink"), None);
    }

    #[test]
    fn a_held_line_blinks_a_second_on_and_a_second_off() {
        let ms = Duration::from_millis;
        assert!(Pattern::Slow.lit(ms(0)));
        assert!(Pattern::Slow.lit(ms(999)));
        assert!(!Pattern::Slow.lit(ms(1000)));
        assert!(!Pattern::Slow.lit(ms(1999)));
        assert!(Pattern::Slow.lit(ms(2000)));
        assert_eq!(Pattern::Slow.next_change(ms(300)), Some(ms(700)));
        assert_eq!(Pattern::Wink.next_change(ms(1950)), Some(ms(50)));
        assert_eq!(Pattern::On.next_change(ms(5)), None);
        assert!(Pattern::On.lit(Duration::MAX));
        assert!(!Pattern::Off.lit(Duration::MAX));
    }

    proptest! {
        #[test]
        fn the_lamp_changes_exactly_when_the_pattern_says_so(
            index in 0_usize..Pattern::ALL.len(), micros in 0_u64..100_000_000_000,
        ) {
            let pattern = Pattern::ALL[index];
            let elapsed = Duration::from_micros(micros);
            let Some(change) = pattern.next_change(elapsed) else {
                prop_assert_eq!(pattern.lit(elapsed), pattern == Pattern::On);
                return Ok(());
            };
            prop_assert!(change > Duration::ZERO);
            let nano = Duration::from_nanos(1);
            prop_assert_eq!(pattern.lit(elapsed + change - nano), pattern.lit(elapsed));
            prop_assert_ne!(pattern.lit(elapsed + change), pattern.lit(elapsed));
        }

        #[test]
        fn any_name_a_key_is_found_by_is_the_name_it_has(name in "[a-z0-9*#+-]{0,8}") {
            if let Some(key) = Key::from_name(&name) {
                prop_assert_eq!(key.name(), name);
            }
        }
    }
}
