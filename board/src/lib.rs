//! Reads board files: one folder per board with everything that is true of that board and of nothing else.
//!
//! `board.toml` in such a folder becomes a [`Board`]. The file is read strictly: an unknown entry, a pin used twice, a
//! key with two places or a number that cannot be is refused with its line and what to write instead, because a phone
//! that starts with half of its wiring is worse than one that says why it does not. Finding and reading the file is the
//! daemon's part; the boards of this repository that a daemon carries inside are in [`Board::built_in`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod file;

use offhook_hal::{Key, Lamp};

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
}

/// What stands behind hook, keys and lamps.
#[derive(Debug, Clone, PartialEq)]
pub enum PanelWiring {
    /// the terminal's keyboard is the keypad, lamps are on the screen
    Keyboard,
    /// GPIO lines, LED devices, an input device
    Lines(LinesWiring),
}

/// Real hook, keys and lamps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LinesWiring {
    /// gpiochip path or label; empty if no line is used
    pub chip: String,
    /// a hook switch on a line of its own
    pub hook: Option<HookWiring>,
    /// keys in rows and columns
    pub matrix: Option<MatrixWiring>,
    /// keys on a line of their own, each closing its line to ground; the line is pulled up
    pub keys: Vec<(Key, u32)>,
    /// settling time of those keys [ms]
    pub key_debounce_ms: u32,
    /// lamps; a line is driven high to light one
    pub lamps: Vec<(Lamp, LampWiring)>,
    /// path or name of an input-event device whose driver debounces: keys, hook (`KEY_PHONE`), headset jack
    pub input_device: Option<String>,
    /// line of a bell or relay, driven high to ring
    pub bell: Option<u32>,
}

/// A hook switch on a GPIO line, which is pulled up.
#[derive(Debug, Clone, PartialEq)]
pub struct HookWiring {
    /// offset in the chip
    pub line: u32,
    /// level that means lifted
    pub lifted_high: bool,
    /// [ms]
    pub debounce_ms: u32,
}

/// Keys in rows and columns: columns are pulled up, the scanned row is driven low, the others float.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixWiring {
    /// offsets in the chip, outputs
    pub rows: Vec<u32>,
    /// offsets in the chip, inputs
    pub columns: Vec<u32>,
    /// keys row by row
    pub keys: Vec<Vec<Option<Key>>>,
    /// time between scans [ms]
    pub scan_ms: u32,
    /// settling time [ms]
    pub debounce_ms: u32,
}

/// Where a lamp is.
#[derive(Debug, Clone, PartialEq)]
pub enum LampWiring {
    /// offset in the chip
    Line(u32),
    /// name under /sys/class/leds
    Led(String),
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
}

impl AudioWiring {
    /// The same format on another ALSA PCM, used both ways (`--audio <pcm>`). The board's mixer settings are those of
    /// the board's card and are left out.
    pub fn on(&self, pcm: &str) -> Self {
        Self { playback: pcm.to_owned(), capture: pcm.to_owned(), mixer_card: None, mixer: Vec::new(), ..self.clone() }
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

/// The boards of this repository that need no file beside the daemon.
const BUILT_IN: [(&str, &str); 2] =
    [("laptop", include_str!("../laptop/board.toml")), ("rpi4-handset", include_str!("../rpi4-handset/board.toml"))];

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

    const OVERLAY: &str = include_str!("../rpi4-handset/overlay.dts");
    const PINS: &str = include_str!("../rpi4-handset/pins.md");

    fn handset() -> LinesWiring {
        match Board::parse(Board::built_in("rpi4-handset").unwrap()).unwrap().panel {
            PanelWiring::Lines(lines) => lines,
            PanelWiring::Keyboard => panic!("no lines"),
        }
    }

    #[test]
    fn the_overlay_of_the_handset_board_makes_the_devices_its_file_names() {
        let wiring = handset();
        assert!(OVERLAY.contains(&format!("label = \"{}\";", wiring.input_device.unwrap())));
        for (lamp, place) in &wiring.lamps {
            let LampWiring::Led(led) = place else { continue };
            assert!(OVERLAY.contains(&format!("label = \"{led}\";")), "{lamp:?}");
        }
    }

    #[test]
    fn the_drawing_of_the_handset_board_says_what_every_line_is() {
        let wiring = handset();
        let matrix = wiring.matrix.unwrap();
        let mut drawn =
            vec![(wiring.hook.unwrap().line, "hook switch".to_owned()), (wiring.bell.unwrap(), "bell".into())];
        drawn.extend(wiring.keys.iter().map(|(key, line)| (*line, format!("{} key", key.name()))));
        drawn.extend((1..).zip(&matrix.rows).map(|(number, line)| (*line, format!("keypad row {number}"))));
        drawn.extend((1..).zip(&matrix.columns).map(|(number, line)| (*line, format!("keypad column {number}"))));
        for (line, what) in drawn {
            let pin = format!("GPIO{line} ");
            let row = PINS.lines().find(|row| row.contains(&pin)).unwrap_or_else(|| panic!("{pin} is not drawn"));
            let (left, right) = row.split_at(row.find(')').unwrap());
            let side = if left.contains(&pin) { left } else { right };
            assert!(side.contains(&what), "{pin}: {what} is not in {side}");
        }
    }

    #[test]
    fn another_pcm_takes_the_format_along_and_leaves_the_mixer_behind() {
        let audio = Board::parse(Board::built_in("rpi4-handset").unwrap()).unwrap().audio;
        let other = audio.on("default");
        assert_eq!((other.playback.as_str(), other.capture.as_str()), ("default", "default"));
        assert_eq!((other.rate, other.period, other.periods), (audio.rate, audio.period, audio.periods));
        assert!(other.mixer.is_empty() && other.mixer_card.is_none() && !audio.mixer.is_empty());
    }
}
