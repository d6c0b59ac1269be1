//! Reads board files: one folder per board with everything that is true of that board and of nothing else.
//!
//! `board.toml` in such a folder becomes a [`Board`]. The file is read strictly: an unknown entry, a pin used twice, a
//! key with two places or a number that cannot be is refused with its line and what to write instead, because a phone
//! that starts with half of its wiring is worse than one that says why it does not. Finding and reading the file is the
//! daemon's part; the boards of this repository that a daemon carries inside are in [`Board::built_in`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod check;
mod codec;
mod file;
pub mod machine;

use offhook_hal::{Key, Lamp, Pattern, Route};

/// A board as `board.toml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// name of the board and of its folder: lower-case letters, digits, `-`
    pub name: String,
    /// what a person calls it
    pub model: String,
    /// hook, keys, lamps
    pub panel: PanelWiring,
    /// the sound card
    pub audio: AudioWiring,
    /// lamp keys the board has
    pub lamp_keys: u8,
    /// the hardware watchdog that restarts a board whose system hangs
    pub watchdog: Option<WatchdogWiring>,
}

/// What stands behind hook, keys and lamps.
// There is one per process: what a box would save is not worth its indirection.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq)]
pub enum PanelWiring {
    /// the terminal's keyboard is the keypad, lamps are on the screen
    Keyboard,
    /// GPIO lines, expanders, LED devices, input devices
    Lines(LinesWiring),
}

/// Real hook, keys and lamps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LinesWiring {
    /// gpiochip path or label; empty if no line is used
    pub chip: String,
    /// I2C port expanders that the daemon drives itself; [`Pin::Expander`] counts in this list
    pub expanders: Vec<ExpanderWiring>,
    /// a hook switch on a pin of its own
    pub hook: Option<HookWiring>,
    /// keys in rows and columns
    pub matrix: Option<MatrixWiring>,
    /// keys on a pin of their own, each closing its pin to ground; the pin is pulled up
    pub keys: Vec<(Key, Pin)>,
    /// settling time of those keys [ms]
    pub key_debounce_ms: u32,
    /// a dial whose pulses are counted
    pub rotary: Option<RotaryWiring>,
    /// lamps
    pub lamps: Vec<(Lamp, LampWiring)>,
    /// which colour a lamp of several colours shows in which pattern; patterns not named show the lamp's first colour
    pub colours: Vec<(Pattern, Colour)>,
    /// paths or names of input-event devices whose driver debounces: keys, hook (`KEY_PHONE`), headset jack
    pub input_devices: Vec<String>,
    /// a USB handset or headset that speaks the telephony page of HID; it may come and go
    pub usb_handset: Option<UsbHandsetWiring>,
    /// the headset jack
    pub jack: Option<JackWiring>,
    /// pin of a bell or relay, driven high to ring
    pub bell: Option<Pin>,
}

/// A pin: in the file, a number is a line of [`LinesWiring::chip`] (in a matrix with a chip of its own, of that one), and `"front.3"` is pin 3 of the expander `front`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pin {
    /// offset in the chip
    Line(u32),
    /// offset in the chip of the matrix, [`MatrixWiring::chip`]
    MatrixLine(u32),
    /// pin of a port expander
    Expander {
        /// index in [`LinesWiring::expanders`]
        expander: usize,
        /// from 0; on an MCP23017 port B begins at 8
        pin: u8,
    },
}

/// An I2C port expander.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpanderWiring {
    /// what pins call it
    pub name: String,
    /// which chip it is
    pub kind: ExpanderKind,
    /// the bus, such as `/dev/i2c-1`
    pub bus: String,
    /// 7-bit address
    pub address: u8,
    /// line of [`LinesWiring::chip`] that the expander pulls low when an input changes; without it inputs are polled
    pub interrupt: Option<u32>,
}

/// Port expanders the daemon can drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpanderKind {
    /// `mcp23008`: 8 pins, pull-ups
    Mcp23008,
    /// `mcp23017`: 16 pins, pull-ups
    Mcp23017,
    /// `pcf8574`: 8 pins, weak high outputs are the inputs
    Pcf8574,
    /// `pcf8575`: 16 pins of the same kind
    Pcf8575,
}

impl ExpanderKind {
    /// `mcp23008`, `mcp23017`, `pcf8574`, `pcf8575`
    pub fn name(self) -> &'static str {
        match self {
            Self::Mcp23008 => "mcp23008",
            Self::Mcp23017 => "mcp23017",
            Self::Pcf8574 => "pcf8574",
            Self::Pcf8575 => "pcf8575",
        }
    }

    /// Pins it has.
    pub fn pins(self) -> u8 {
        match self {
            Self::Mcp23008 | Self::Pcf8574 => 8,
            Self::Mcp23017 | Self::Pcf8575 => 16,
        }
    }
}

/// A hook switch on a pin, which is pulled up.
#[derive(Debug, Clone, PartialEq)]
pub struct HookWiring {
    /// where it is
    pub pin: Pin,
    /// level that means lifted
    pub lifted_high: bool,
    /// [ms]
    pub debounce_ms: u32,
}

/// Keys in rows and columns: columns are pulled up, the scanned row is driven low, the others float.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixWiring {
    /// gpiochip path or label of rows and columns that are a [`Pin::MatrixLine`]; `None`: there are none
    pub chip: Option<String>,
    /// outputs
    pub rows: Vec<Pin>,
    /// inputs
    pub columns: Vec<Pin>,
    /// keys row by row
    pub keys: Vec<Vec<Option<Key>>>,
    /// time between scans [ms]
    pub scan_ms: u32,
    /// settling time [ms]
    pub debounce_ms: u32,
}

/// A rotary dial: one contact opens once per pulse, a second one is closed while the dial is off its rest.
#[derive(Debug, Clone, PartialEq)]
pub struct RotaryWiring {
    /// the contact that pulses; pulled up, at rest closed to ground
    pub pulse: Pin,
    /// the contact that closes to ground while the dial turns; without it a pause ends the digit
    pub off_normal: Option<Pin>,
    /// settling time of both contacts [ms]; a pulse is open for about 60 ms and closed for about 40
    pub debounce_ms: u32,
    /// pause after the last pulse that ends a digit [ms]
    pub pause_ms: u32,
    /// what one pulse, two pulses, … ten pulses mean: mostly `1` to `9` and then `0`, elsewhere `0` first
    pub digits: [char; 10],
}

/// What a lamp can shine in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Colour {
    /// `red`
    Red,
    /// `green`
    Green,
    /// `amber`; a lamp with red and green shows both
    Amber,
    /// `blue`
    Blue,
    /// `white`
    White,
}

impl Colour {
    /// `red`, `green`, `amber`, `blue`, `white`
    pub fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Blue => "blue",
            Self::White => "white",
        }
    }
}

/// A lamp: one light, or one per colour.
#[derive(Debug, Clone, PartialEq)]
pub struct LampWiring {
    /// its lights, at least one; the colour is `None` in a lamp of one colour
    pub lights: Vec<(Option<Colour>, LightWiring)>,
}

/// One light of a lamp.
#[derive(Debug, Clone, PartialEq)]
pub struct LightWiring {
    /// where it is
    pub place: LightPlace,
    /// how bright it is when lit [%], 1 to 100; 100 where the light can only be on or off
    pub brightness: u8,
    /// lit while the pin is low
    pub active_low: bool,
}

/// Where a light is.
#[derive(Debug, Clone, PartialEq)]
pub enum LightPlace {
    /// a pin
    Pin(Pin),
    /// name under /sys/class/leds
    Led(String),
    /// a channel of /sys/class/pwm
    Pwm {
        /// number of the pwmchip
        chip: u32,
        /// from 0
        channel: u32,
    },
}

/// A USB handset or headset with telephony keys (HID usage page 0x0B).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbHandsetWiring {
    /// vendor and product; `None` takes the first device that has a hook switch on the telephony page
    pub usb: Option<(u16, u16)>,
    /// whether its hook switch lifts the telephone's handset (a handset) or says that the headset is worn (a headset)
    pub headset: bool,
}

/// How a plug in the headset jack is noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JackWiring {
    /// a contact, with the level that means plugged
    Pin {
        /// where it is; pulled up
        pin: Pin,
        /// level that means plugged
        plugged_high: bool,
    },
    /// a control of the sound card, such as `Headphone Jack`
    Control(String),
}

/// The hardware watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchdogWiring {
    /// such as `/dev/watchdog0`
    pub device: String,
    /// seconds without a sign of life until the board restarts
    pub timeout_s: u32,
}

/// The sound card.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioWiring {
    /// ALSA PCM name; `default` on the laptop
    pub playback: String,
    /// ALSA PCM name
    pub capture: String,
    /// [Hz]
    pub rate: u32,
    /// [samples]
    pub period: usize,
    /// periods in the playback buffer
    pub periods: usize,
    /// ALSA card whose mixer has the controls (`hw:Codec`); `None`: the card of the playback PCM
    pub mixer_card: Option<String>,
    /// mixer controls per route, empty if none
    pub mixer: Vec<MixerSetting>,
    /// routes with a device or a level of their own, each at most once
    pub routes: Vec<RouteWiring>,
}

impl AudioWiring {
    /// The same format on another ALSA PCM, used both ways (`--audio <pcm>`). The board's mixer settings and routes are
    /// those of the board's cards and are left out.
    pub fn on(&self, pcm: &str) -> Self {
        Self {
            playback: pcm.to_owned(),
            capture: pcm.to_owned(),
            mixer_card: None,
            mixer: Vec::new(),
            routes: Vec::new(),
            ..self.clone()
        }
    }

    /// What the board says of a route.
    pub fn route(&self, route: Route) -> Option<&RouteWiring> {
        self.routes.iter().find(|wiring| wiring.route == route)
    }
}

/// One control of the mixer on one route.
#[derive(Debug, Clone, PartialEq)]
pub struct MixerSetting {
    /// name of a [`offhook_hal::Route`]
    pub route: String,
    /// name of a simple mixer control, as `amixer scontrols` prints it
    pub control: String,
    /// [% of the control's range]; 0 also switches the control off
    pub percent: u8,
}

/// What is special on one route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteWiring {
    /// which route
    pub route: Route,
    /// ALSA PCM names (playback, capture) where this route is on another card, such as a USB handset; the card may be
    /// absent, and calls then use the board's own
    pub pcm: Option<(String, String)>,
    /// level of what is heard, in software [dB], -40 to 20
    pub output_db: i8,
    /// level of what is picked up, in software [dB], -40 to 20
    pub input_db: i8,
}

/// Why a board file was refused: line and remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardError {
    /// from 1
    pub line: usize,
    /// what is wrong there, and what to do
    pub reason: String,
}

impl std::fmt::Display for BoardError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for BoardError {}

// `BUILT_IN`: the boards of this repository, compiled in so that the daemon needs no file beside it. See build.rs.
include!(concat!(env!("OUT_DIR"), "/boards.rs"));

impl Board {
    /// Reads the text of a `board.toml`.
    ///
    /// # Errors
    /// The first thing that cannot be, with its line and a remedy.
    pub fn parse(toml: &str) -> Result<Self, BoardError> {
        file::parse(toml)
    }

    /// Boards compiled into the daemon (`laptop`, …): their names and files.
    pub fn built_in(name: &str) -> Option<&'static str> {
        BUILT_IN.into_iter().find(|(known, _)| *known == name).map(|(_, file)| file)
    }

    /// The names [`built_in`](Self::built_in) knows, for help and error texts.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.into_iter().map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_pcm_takes_the_format_along_and_leaves_the_mixer_behind() {
        let audio = Board::parse(Board::built_in("rpi4-handset").unwrap()).unwrap().audio;
        let other = audio.on("default");
        assert_eq!((other.playback.as_str(), other.capture.as_str()), ("default", "default"));
        assert_eq!((other.rate, other.period, other.periods), (audio.rate, audio.period, audio.periods));
        assert!(other.mixer.is_empty() && other.mixer_card.is_none() && !audio.mixer.is_empty());
    }

    #[test]
    fn the_boards_inside_are_good_and_bear_their_own_name() {
        for name in Board::built_in_names() {
            let board = Board::parse(Board::built_in(name).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(board.name, name);
        }
        assert_eq!(Board::built_in("toaster"), None);
        let laptop = Board::parse(Board::built_in("laptop").unwrap()).unwrap();
        assert_eq!(laptop.panel, PanelWiring::Keyboard);
        assert_eq!(laptop.audio.playback, "default");
    }

    #[test]
    fn the_emulated_boards_have_the_same_wiring() {
        let board = |name| Board::parse(Board::built_in(name).unwrap()).unwrap();
        let (virt, uml) = (board("qemu-virt"), board("uml"));
        assert_eq!((virt.panel, virt.audio, virt.lamp_keys), (uml.panel, uml.audio, uml.lamp_keys));
    }
}
