//! The shape of `board.toml`, as serde reads it. Values carry their place, so that every refusal names a line.
//! `docs/board.md` describes every entry; a test compares the two.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use toml::Spanned;

/// Names with their places, in the order of the names.
pub(super) type Named<T> = BTreeMap<Spanned<String>, T>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoardFile {
    pub(super) name: Spanned<String>,
    pub(super) model: Spanned<String>,
    #[serde(default)]
    pub(super) lamp_keys: u8,
    pub(super) panel: Spanned<PanelFile>,
    pub(super) audio: AudioFile,
    pub(super) watchdog: Option<WatchdogFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PanelFile {
    pub(super) kind: PanelKind,
    pub(super) chip: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) expanders: Named<Spanned<ExpanderFile>>,
    pub(super) hook: Option<HookFile>,
    pub(super) matrix: Option<MatrixFile>,
    #[serde(default)]
    pub(super) keys: Named<Spanned<PinFile>>,
    pub(super) key_debounce_ms: Option<Spanned<u32>>,
    pub(super) rotary: Option<Spanned<RotaryFile>>,
    #[serde(default)]
    pub(super) lamps: Named<Spanned<LampFile>>,
    #[serde(default)]
    pub(super) colours: Named<Spanned<ColourFile>>,
    #[serde(default)]
    pub(super) input_devices: Vec<Spanned<String>>,
    pub(super) usb_handset: Option<Spanned<UsbHandsetFile>>,
    pub(super) jack: Option<Spanned<JackFile>>,
    pub(super) bell: Option<Spanned<PinFile>>,
}

#[derive(Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum PanelKind {
    Keyboard,
    Lines,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpanderFile {
    pub(super) kind: ExpanderKindFile,
    pub(super) bus: Spanned<String>,
    pub(super) address: Spanned<u32>,
    pub(super) interrupt: Option<Spanned<u32>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum ExpanderKindFile {
    Mcp23008,
    Mcp23017,
    Pcf8574,
    Pcf8575,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookFile {
    pub(super) pin: Spanned<PinFile>,
    pub(super) lifted: Level,
    pub(super) debounce_ms: Option<Spanned<u32>>,
}

#[derive(Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    High,
    Low,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MatrixFile {
    pub(super) chip: Option<Spanned<String>>,
    pub(super) rows: Spanned<Vec<Spanned<PinFile>>>,
    pub(super) columns: Spanned<Vec<Spanned<PinFile>>>,
    pub(super) keys: Spanned<Vec<Spanned<Vec<Spanned<String>>>>>,
    pub(super) scan_ms: Spanned<u32>,
    pub(super) debounce_ms: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RotaryFile {
    pub(super) pulse: Spanned<PinFile>,
    pub(super) off_normal: Option<Spanned<PinFile>>,
    pub(super) debounce_ms: Option<Spanned<u32>>,
    pub(super) pause_ms: Option<Spanned<u32>>,
    pub(super) digits: Option<Spanned<String>>,
}

/// A lamp is one light, or a light per colour.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LampFile {
    pub(super) pin: Option<Spanned<PinFile>>,
    pub(super) led: Option<Spanned<String>>,
    pub(super) pwm: Option<Spanned<PwmFile>>,
    pub(super) brightness: Option<Spanned<u32>>,
    pub(super) active_low: Option<Spanned<bool>>,
    pub(super) red: Option<Spanned<LightFile>>,
    pub(super) green: Option<Spanned<LightFile>>,
    pub(super) amber: Option<Spanned<LightFile>>,
    pub(super) blue: Option<Spanned<LightFile>>,
    pub(super) white: Option<Spanned<LightFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LightFile {
    pub(super) pin: Option<Spanned<PinFile>>,
    pub(super) led: Option<Spanned<String>>,
    pub(super) pwm: Option<Spanned<PwmFile>>,
    pub(super) brightness: Option<Spanned<u32>>,
    pub(super) active_low: Option<Spanned<bool>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(super) struct PwmFile {
    pub(super) chip: u32,
    pub(super) channel: u32,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum ColourFile {
    Red,
    Green,
    Amber,
    Blue,
    White,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsbHandsetFile {
    pub(super) usb: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) headset: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JackFile {
    pub(super) pin: Option<Spanned<PinFile>>,
    pub(super) plugged: Option<Level>,
    pub(super) control: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchdogFile {
    pub(super) device: Spanned<String>,
    pub(super) timeout_s: Spanned<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AudioFile {
    pub(super) playback: Spanned<String>,
    pub(super) capture: Spanned<String>,
    pub(super) rate: Spanned<u32>,
    pub(super) period: Spanned<usize>,
    pub(super) periods: Spanned<usize>,
    pub(super) codec: Option<Spanned<String>>,
    pub(super) mixer_card: Option<Spanned<String>>,
    /// controls by route; `every` is all of them
    #[serde(default)]
    pub(super) mixer: Named<Named<Spanned<u32>>>,
    #[serde(default)]
    pub(super) routes: Named<Spanned<RouteFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteFile {
    pub(super) playback: Option<Spanned<String>>,
    pub(super) capture: Option<Spanned<String>>,
    pub(super) output_db: Option<Spanned<i32>>,
    pub(super) input_db: Option<Spanned<i32>>,
}

/// A pin as written: `17`, or `"front.3"`.
#[derive(Clone)]
pub(super) enum PinFile {
    Line(u32),
    Expander(String),
}

impl<'de> Deserialize<'de> for PinFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pin;
        impl Visitor<'_> for Pin {
            type Value = PinFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of a line, such as 17, or the pin of an expander, such as \"front.3\"")
            }

            fn visit_i64<E: Error>(self, line: i64) -> Result<PinFile, E> {
                let proper = u32::try_from(line).map(PinFile::Line);
                proper.map_err(|_| E::invalid_value(Unexpected::Signed(line), &self))
            }

            fn visit_u64<E: Error>(self, line: u64) -> Result<PinFile, E> {
                let proper = u32::try_from(line).map(PinFile::Line);
                proper.map_err(|_| E::invalid_value(Unexpected::Unsigned(line), &self))
            }

            fn visit_str<E: Error>(self, pin: &str) -> Result<PinFile, E> {
                Ok(PinFile::Expander(pin.to_owned()))
            }
        }
        deserializer.deserialize_any(Pin)
    }
}
