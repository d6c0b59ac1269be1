//! Reads board files: one folder per board with everything that is true of that board and of nothing else.
use offhook_hal::{Key, Lamp};
/// A board as `board.toml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Board { pub name: String, pub model: String, pub panel: PanelWiring, pub audio: AudioWiring, /// lamp keys the board has
    pub lamp_keys: u8 }
#[derive(Debug, Clone, PartialEq)]
pub enum PanelWiring { /// the terminal's keyboard is the keypad, lamps are on the screen
    Keyboard, Lines(LinesWiring) }
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LinesWiring { /// gpiochip path or label
    pub chip: String, pub hook: Option<HookWiring>, pub matrix: Option<MatrixWiring>, pub keys: Vec<(Key, u32)>, pub lamps: Vec<(Lamp, LampWiring)>, pub input_device: Option<String>, pub bell: Option<u32> }
#[derive(Debug, Clone, PartialEq)]
pub struct HookWiring { pub line: u32, /// level that means lifted
    pub lifted_high: bool, /// [ms]
    pub debounce_ms: u32 }
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixWiring { pub rows: Vec<u32>, pub columns: Vec<u32>, /// keys row by row
    pub keys: Vec<Vec<Option<Key>>>, pub scan_ms: u32, pub debounce_ms: u32 }
#[derive(Debug, Clone, PartialEq)]
pub enum LampWiring { Line(u32), /// name under /sys/class/leds
    Led(String) }
#[derive(Debug, Clone, PartialEq)]
pub struct AudioWiring { /// ALSA PCM names; `default` on the laptop
    pub playback: String, pub capture: String, /// [Hz]
    pub rate: u32, /// [samples]
    pub period: usize, pub periods: usize, /// ALSA card and mixer controls per route, empty if none
    pub mixer: Vec<MixerSetting> }
#[derive(Debug, Clone, PartialEq)]
pub struct MixerSetting { pub route: String, pub control: String, /// [% of the control's range]
    pub percent: u8 }
/// Why a board file was refused: line and remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardError { pub line: usize, pub reason: String }
impl Board { pub fn parse(toml: &str) -> Result<Self, BoardError> { todo!() }
    /// Boards compiled into the daemon (`laptop`, …): their names and files.
    pub fn built_in(name: &str) -> Option<&'static str> { todo!() } }
