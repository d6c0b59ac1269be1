//! Hook, keys, lamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook { /// handset in the cradle
    On, /// lifted
    Off }
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
    /// (`hold`, `mute`, `speaker`, `headset`, `redial`, `message`, `volume+`, `volume-`, `up`, `down`, `left`, `right`, `ok`, `back`)
    Hold, Mute, Speaker, Headset, Redial, Message, VolumeUp, VolumeDown, Up, Down, Left, Right, Ok, Back,
}
impl Key { /// The bench name.
    pub fn name(self) -> String { todo!() }
    pub fn from_name(name: &str) -> Option<Self> { todo!() } }
/// A lamp. Names on the bench: `line1`…, `key1`…, `message`, `mute`, `speaker`, `headset`, `ring`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lamp { Line(u8), Key(u8), Message, Mute, Speaker, Headset }
impl Lamp { pub fn name(self) -> String { todo!() } pub fn from_name(name: &str) -> Option<Self> { todo!() } }
/// What a lamp does. Names: `off`, `on`, `slow` (1 s on, 1 s off: held), `fast` (250 ms: ringing), `flutter` (100 ms: call waiting), `wink` (short dark every 2 s).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern { Off, On, Slow, Fast, Flutter, Wink }
impl Pattern { pub fn name(self) -> &'static str { todo!() } /// Is the lamp lit `elapsed` after the pattern began?
    pub fn lit(self, elapsed: std::time::Duration) -> bool { todo!() }
    /// Time from `elapsed` to the next change of `lit`; `None` for steady ones.
    pub fn next_change(self, elapsed: std::time::Duration) -> Option<std::time::Duration> { todo!() } }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelEvent { Hook(Hook), Down(Key), Up(Key), /// headset plugged or pulled
    HeadsetJack(bool) }
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanelError { /// a device file is missing or not ours: (path, what to do)
    Device(String, String), /// the device went away
    Gone }
/// Hook, keys and lamps of a board. Called from one thread of the daemon; `wait` may block at most `timeout`, the others never.
pub trait Panel: Send {
    /// The next event after debouncing, `None` when `timeout` passed.
    fn wait(&mut self, timeout: std::time::Duration) -> Result<Option<PanelEvent>, PanelError>;
    fn indicate(&mut self, lamp: Lamp, pattern: Pattern) -> Result<(), PanelError>;
    /// A bell or relay of the board, if it has one (otherwise the ringer is sound).
    fn bell(&mut self, on: bool) -> Result<(), PanelError>;
    /// The lamps this board has.
    fn lamps(&self) -> Vec<Lamp>;
}
