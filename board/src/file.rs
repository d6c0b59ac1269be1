//! The text of `board.toml`: its shape (serde) and the checks that a shape cannot express.
//! Values carry their place in the text, so that every refusal names a line.

use std::collections::BTreeMap;
use std::ops::Range;

use offhook_hal::{Key, Lamp, Route};
use serde::Deserialize;
use toml::Spanned;

use crate::{
    AudioWiring, Board, BoardError, HookWiring, LampWiring, LightPlace, LightWiring, LinesWiring, MatrixWiring,
    MixerSetting, PanelWiring, Pin,
};

/// Settling time when the file names none [ms]: longer than the bounce of the switches we met, shorter than a person
/// notices.
const DEBOUNCE_MS: u32 = 15;
const LONGEST_DEBOUNCE_MS: u32 = 500;
const LONGEST_SCAN_MS: u32 = 50;
/// Rows or columns of a matrix at most.
const WIDEST_MATRIX: usize = 16;
/// Lines a GPIO chip can have; the largest known expander chains stay far below.
const LINES_OF_A_CHIP: u32 = 1024;
/// Rates the codecs can be resampled to cheaply [Hz].
const RATES: [u32; 5] = [8_000, 16_000, 24_000, 32_000, 48_000];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoardFile {
    name: Spanned<String>,
    model: Spanned<String>,
    #[serde(default)]
    lamp_keys: u8,
    panel: Spanned<PanelFile>,
    audio: AudioFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PanelFile {
    kind: PanelKind,
    chip: Option<Spanned<String>>,
    hook: Option<HookFile>,
    matrix: Option<MatrixFile>,
    #[serde(default)]
    keys: BTreeMap<Spanned<String>, Spanned<u32>>,
    key_debounce_ms: Option<Spanned<u32>>,
    #[serde(default)]
    lamps: BTreeMap<Spanned<String>, Spanned<LampFile>>,
    input_device: Option<Spanned<String>>,
    bell: Option<Spanned<u32>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum PanelKind {
    Keyboard,
    Lines,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookFile {
    line: Spanned<u32>,
    lifted: Level,
    debounce_ms: Option<Spanned<u32>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Level {
    High,
    Low,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatrixFile {
    rows: Spanned<Vec<Spanned<u32>>>,
    columns: Spanned<Vec<Spanned<u32>>>,
    keys: Spanned<Vec<Spanned<Vec<Spanned<String>>>>>,
    scan_ms: Spanned<u32>,
    debounce_ms: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LampFile {
    line: Option<u32>,
    led: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AudioFile {
    playback: Spanned<String>,
    capture: Spanned<String>,
    rate: Spanned<u32>,
    period: Spanned<usize>,
    periods: Spanned<usize>,
    mixer_card: Option<Spanned<String>>,
    #[serde(default)]
    mixer: Vec<MixerFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MixerFile {
    route: Spanned<String>,
    control: Spanned<String>,
    percent: Spanned<u32>,
}

pub(crate) fn parse(text: &str) -> Result<Board, BoardError> {
    let reading = Reading { text };
    let file: BoardFile = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        reading.refuse(span, error.message().replace('\n', " "))
    })?;
    reading.board(file)
}

/// The text being read, to turn places into line numbers.
struct Reading<'a> {
    text: &'a str,
}

type Checked<T> = Result<T, BoardError>;

impl Reading<'_> {
    fn refuse(&self, span: Range<usize>, reason: impl Into<String>) -> BoardError {
        BoardError { line: self.line(span.start), reason: reason.into() }
    }

    /// The line of a byte of the text, from 1.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn board(&self, file: BoardFile) -> Checked<Board> {
        let name = self.filled(file.name, "name")?;
        let proper = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !name.get_ref().bytes().all(proper) {
            let reason = format!("`{}` cannot name a folder: use lower-case letters, digits and `-`", name.get_ref());
            return Err(self.refuse(name.span(), reason));
        }
        let panel_span = file.panel.span();
        Ok(Board {
            name: name.into_inner(),
            model: self.filled(file.model, "model")?.into_inner(),
            panel: self.panel(file.panel.into_inner(), panel_span, file.lamp_keys)?,
            audio: self.audio(file.audio)?,
            lamp_keys: file.lamp_keys,
            watchdog: None,
        })
    }

    fn panel(&self, file: PanelFile, span: Range<usize>, lamp_keys: u8) -> Checked<PanelWiring> {
        if file.kind == PanelKind::Keyboard {
            let nothing_wired = file.chip.is_none()
                && file.hook.is_none()
                && file.matrix.is_none()
                && file.keys.is_empty()
                && file.key_debounce_ms.is_none()
                && file.lamps.is_empty()
                && file.input_device.is_none()
                && file.bell.is_none();
            return if nothing_wired {
                Ok(PanelWiring::Keyboard)
            } else {
                Err(self.refuse(
                    span,
                    "a panel of kind \"keyboard\" has no wiring: write kind = \"lines\", or remove the rest",
                ))
            };
        }
        let mut used = Used { reading: self, lines: BTreeMap::new(), leds: BTreeMap::new(), keys: BTreeMap::new() };
        let hook = file.hook.map(|hook| self.hook(hook, &mut used)).transpose()?;
        let input_device = match file.input_device {
            Some(device) => Some(self.filled(device, "input_device")?.into_inner()),
            None => None,
        };
        if hook.is_none() && input_device.is_none() {
            return Err(self.refuse(
                span,
                "nothing says when the handset is lifted: add [panel.hook], or an input_device that sends KEY_PHONE",
            ));
        }
        let matrix = file.matrix.map(|matrix| self.matrix(matrix, &mut used)).transpose()?;
        let mut keys = Vec::new();
        for (name, line) in file.keys {
            let key = self.key(&name)?;
            used.key(key, name.span())?;
            keys.push((key, Pin::Line(used.line(&line, &key.name())?)));
        }
        let mut lamps = Vec::new();
        for (name, wiring) in file.lamps {
            lamps.push(self.lamp(&name, wiring, lamp_keys, &mut used)?);
        }
        for (key, at) in &used.keys {
            if let Key::Lamp(number) = key
                && *number > lamp_keys
            {
                return Err(self.beyond(at.clone(), &key.name(), lamp_keys));
            }
        }
        let bell = file.bell.map(|bell| used.line(&bell, "bell").map(Pin::Line)).transpose()?;
        let needs_chip = !used.lines.is_empty();
        let chip = match file.chip {
            Some(chip) => self.filled(chip, "chip")?.into_inner(),
            None if needs_chip => {
                return Err(self.refuse(
                    span,
                    "lines are used but no chip is named: add chip = \"/dev/gpiochip0\" or its label (gpiodetect shows it)",
                ));
            }
            None => String::new(),
        };
        Ok(PanelWiring::Lines(LinesWiring {
            chip,
            hook,
            matrix,
            keys,
            key_debounce_ms: self.debounce(file.key_debounce_ms)?,
            lamps,
            input_devices: input_device.into_iter().collect(),
            bell,
            ..LinesWiring::default()
        }))
    }

    fn hook(&self, file: HookFile, used: &mut Used<'_>) -> Checked<HookWiring> {
        Ok(HookWiring {
            pin: Pin::Line(used.line(&file.line, "hook")?),
            lifted_high: file.lifted == Level::High,
            debounce_ms: self.debounce(file.debounce_ms)?,
        })
    }

    fn matrix(&self, file: MatrixFile, used: &mut Used<'_>) -> Checked<MatrixWiring> {
        let rows = self.wires(file.rows, "row", used)?;
        let columns = self.wires(file.columns, "column", used)?;
        let span = file.keys.span();
        let file_keys = file.keys.into_inner();
        if file_keys.len() != rows.len() {
            let reason = format!(
                "{} rows of keys for {} row lines: write one row of key names per line",
                file_keys.len(),
                rows.len()
            );
            return Err(self.refuse(span, reason));
        }
        let mut keys = Vec::new();
        for row in file_keys {
            let span = row.span();
            let row = row.into_inner();
            if row.len() != columns.len() {
                let reason = format!(
                    "{} keys in a row of {} columns: write \"\" where there is no key",
                    row.len(),
                    columns.len()
                );
                return Err(self.refuse(span, reason));
            }
            let mut places = Vec::new();
            for name in row {
                if name.get_ref().is_empty() {
                    places.push(None);
                    continue;
                }
                let key = self.key(&name)?;
                used.key(key, name.span())?;
                places.push(Some(key));
            }
            keys.push(places);
        }
        let scan_ms = *file.scan_ms.get_ref();
        if scan_ms == 0 || scan_ms > LONGEST_SCAN_MS {
            let reason = format!("a scan every {scan_ms} ms cannot be: use 1 to {LONGEST_SCAN_MS}, 5 is usual");
            return Err(self.refuse(file.scan_ms.span(), reason));
        }
        Ok(MatrixWiring { rows, columns, keys, scan_ms, debounce_ms: self.debounce(file.debounce_ms)? })
    }

    fn wires(&self, lines: Spanned<Vec<Spanned<u32>>>, what: &str, used: &mut Used<'_>) -> Checked<Vec<Pin>> {
        let span = lines.span();
        let lines = lines.into_inner();
        if lines.is_empty() || lines.len() > WIDEST_MATRIX {
            let reason = format!("a matrix has 1 to {WIDEST_MATRIX} {what}s: list their lines");
            return Err(self.refuse(span, reason));
        }
        let mut offsets = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            offsets.push(Pin::Line(used.line(line, &format!("{what} {}", index + 1))?));
        }
        Ok(offsets)
    }

    fn lamp(
        &self,
        name: &Spanned<String>,
        wiring: Spanned<LampFile>,
        lamp_keys: u8,
        used: &mut Used<'_>,
    ) -> Checked<(Lamp, LampWiring)> {
        let Some(lamp) = Lamp::from_name(name.get_ref()) else {
            let reason = format!(
                "no lamp is called `{}`: use line1 to line4, key1 and up, message, mute, speaker or headset",
                name.get_ref()
            );
            return Err(self.refuse(name.span(), reason));
        };
        if let Lamp::Key(number) = lamp
            && number > lamp_keys
        {
            return Err(self.beyond(name.span(), name.get_ref(), lamp_keys));
        }
        let span = wiring.span();
        let place = match wiring.into_inner() {
            LampFile { line: Some(line), led: None } => {
                LightPlace::Pin(Pin::Line(used.line(&Spanned::new(span, line), &format!("lamp {}", lamp.name()))?))
            }
            LampFile { line: None, led: Some(led) } => {
                if led.is_empty() || led.contains('/') || led.starts_with('.') {
                    let reason = format!("`{led}` is no LED: name one as `ls /sys/class/leds` prints it");
                    return Err(self.refuse(span, reason));
                }
                if let Some(other) = used.led(&led, lamp) {
                    let reason = format!("LED `{led}` already is lamp {}: name another", other.name());
                    return Err(self.refuse(span, reason));
                }
                LightPlace::Led(led)
            }
            _ => {
                return Err(
                    self.refuse(span, "a lamp is in one place: write either { line = 21 } or { led = \"name\" }")
                );
            }
        };
        Ok((lamp, LampWiring { lights: vec![(None, LightWiring { place, brightness: 100, active_low: false })] }))
    }

    fn audio(&self, file: AudioFile) -> Checked<AudioWiring> {
        let rate = *file.rate.get_ref();
        if !RATES.contains(&rate) {
            let reason = format!(
                "a rate of {rate} Hz is not used here: write 16000 or 48000 (8000, 24000 and 32000 work too), and a plughw: device if the card cannot"
            );
            return Err(self.refuse(file.rate.span(), reason));
        }
        let period = *file.period.get_ref();
        let (shortest, longest) = (rate as usize / 400, rate as usize * 6 / 100);
        if period < shortest || period > longest {
            let reason = format!(
                "a period of {period} samples cannot be at {rate} Hz: use {shortest} to {longest}, {} is 10 ms",
                rate / 100
            );
            return Err(self.refuse(file.period.span(), reason));
        }
        let periods = *file.periods.get_ref();
        if !(2..=16).contains(&periods) {
            let reason = format!("a playback buffer of {periods} periods cannot be: use 2 to 16, 3 is usual");
            return Err(self.refuse(file.periods.span(), reason));
        }
        let mixer_card = match file.mixer_card {
            Some(card) => Some(self.filled(card, "mixer_card")?.into_inner()),
            None => None,
        };
        let mut mixer: Vec<MixerSetting> = Vec::new();
        for setting in file.mixer {
            let setting = self.mixer(setting, &mixer)?;
            mixer.push(setting);
        }
        Ok(AudioWiring {
            playback: self.filled(file.playback, "playback")?.into_inner(),
            capture: self.filled(file.capture, "capture")?.into_inner(),
            rate,
            period,
            periods,
            mixer_card,
            mixer,
            routes: Vec::new(),
        })
    }

    fn mixer(&self, file: MixerFile, before: &[MixerSetting]) -> Checked<MixerSetting> {
        if Route::from_name(file.route.get_ref()).is_none() {
            let reason = format!("no route is called `{}`: use off, handset, headset or speaker", file.route.get_ref());
            return Err(self.refuse(file.route.span(), reason));
        }
        let percent = u8::try_from(*file.percent.get_ref()).unwrap_or(u8::MAX);
        if percent > 100 {
            let reason = "a control goes from 0 to 100 percent";
            return Err(self.refuse(file.percent.span(), reason));
        }
        let control = self.filled(file.control, "control")?;
        let again =
            before.iter().any(|other| other.route == *file.route.get_ref() && other.control == *control.get_ref());
        if again {
            let reason = format!("`{}` is set twice on route {}: remove one", control.get_ref(), file.route.get_ref());
            return Err(self.refuse(control.span(), reason));
        }
        Ok(MixerSetting { route: file.route.into_inner(), control: control.into_inner(), percent })
    }

    fn filled(&self, text: Spanned<String>, what: &str) -> Checked<Spanned<String>> {
        if text.get_ref().trim().is_empty() {
            return Err(self.refuse(text.span(), format!("{what} is empty: write one")));
        }
        if text.get_ref().contains(char::is_control) {
            let reason = format!("{what} has a control character in it: remove it");
            return Err(self.refuse(text.span(), reason));
        }
        Ok(text)
    }

    fn key(&self, name: &Spanned<String>) -> Checked<Key> {
        Key::from_name(name.get_ref()).ok_or_else(|| {
            let reason = format!(
                "no key is called `{}`: use 0 to 9, *, #, soft1 to soft4, line1 to line4, key1 and up, hold, mute, speaker, headset, redial, message, volume+, volume-, up, down, left, right, ok or back",
                name.get_ref()
            );
            self.refuse(name.span(), reason)
        })
    }

    fn beyond(&self, span: Range<usize>, name: &str, lamp_keys: u8) -> BoardError {
        let reason = format!("{name} is beyond lamp_keys = {lamp_keys}: raise lamp_keys, or remove it");
        self.refuse(span, reason)
    }

    fn debounce(&self, given: Option<Spanned<u32>>) -> Checked<u32> {
        let Some(given) = given else { return Ok(DEBOUNCE_MS) };
        let ms = *given.get_ref();
        if ms > LONGEST_DEBOUNCE_MS {
            let reason = format!(
                "{ms} ms of debouncing would swallow keys: use 0 to {LONGEST_DEBOUNCE_MS}, {DEBOUNCE_MS} is usual"
            );
            return Err(self.refuse(given.span(), reason));
        }
        Ok(ms)
    }
}

/// What the file has given away already.
struct Used<'a> {
    reading: &'a Reading<'a>,
    /// what uses a line
    lines: BTreeMap<u32, String>,
    /// which lamp an LED is
    leds: BTreeMap<String, Lamp>,
    keys: BTreeMap<Key, Range<usize>>,
}

impl Used<'_> {
    fn line(&mut self, line: &Spanned<u32>, what: &str) -> Checked<u32> {
        let offset = *line.get_ref();
        if offset >= LINES_OF_A_CHIP {
            let reason = format!("no chip has a line {offset}: use its offset in the chip, as gpioinfo prints it");
            return Err(self.reading.refuse(line.span(), reason));
        }
        if let Some(other) = self.lines.get(&offset) {
            let reason = format!("line {offset} already is {other}: give {what} a line of its own");
            return Err(self.reading.refuse(line.span(), reason));
        }
        self.lines.insert(offset, what.to_owned());
        Ok(offset)
    }

    fn key(&mut self, key: Key, span: Range<usize>) -> Checked<()> {
        if let Some(other) = self.keys.get(&key) {
            let reason = format!(
                "key `{}` already has a place in line {}: remove one of them",
                key.name(),
                self.reading.line(other.start)
            );
            return Err(self.reading.refuse(span, reason));
        }
        self.keys.insert(key, span);
        Ok(())
    }

    /// The lamp that already has this LED, otherwise gives it away.
    fn led(&mut self, led: &str, lamp: Lamp) -> Option<Lamp> {
        let other = self.leds.get(led).copied();
        self.leds.entry(led.to_owned()).or_insert(lamp);
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIRED: &str = r#"name = "bench-3"
model = "Bench"
lamp_keys = 2
[panel]
kind = "lines"
chip = "gpio-sim.0"
bell = 9
[panel.hook]
line = 17
lifted = "high"
debounce_ms = 20
[panel.matrix]
rows = [1, 2]
columns = [3, 4]
scan_ms = 5
keys = [
  ["1", "2"],
  ["*", ""],
]
[panel.keys]
hold = 5
"volume+" = 6
key2 = 7
[panel.lamps]
line1 = { line = 20 }
key2 = { led = "offhook:key2" }
[audio]
playback = "plughw:CARD=Codec"
capture = "plughw:CARD=Codec"
rate = 16000
period = 160
periods = 3
[[audio.mixer]]
route = "handset"
control = "Headphone"
percent = 80
"#;

    fn refused(text: &str) -> (usize, String) {
        let error = Board::parse(text).unwrap_err();
        (error.line, error.reason)
    }

    /// The reason and line after replacing one line of a good file.
    fn changed(from: &str, to: &str) -> (usize, String) {
        assert!(WIRED.contains(from), "{from}");
        refused(&WIRED.replace(from, to))
    }

    #[test]
    fn a_wired_board_is_read_whole() {
        let board = Board::parse(WIRED).unwrap();
        assert_eq!(board.name, "bench-3");
        assert_eq!(board.lamp_keys, 2);
        let PanelWiring::Lines(lines) = board.panel else { panic!("not lines") };
        assert_eq!(lines.chip, "gpio-sim.0");
        assert_eq!(lines.hook, Some(HookWiring { pin: Pin::Line(17), lifted_high: true, debounce_ms: 20 }));
        let matrix = lines.matrix.unwrap();
        assert_eq!(matrix.rows, [Pin::Line(1), Pin::Line(2)]);
        assert_eq!(matrix.keys[1], [Some(Key::Digit('*')), None]);
        assert_eq!(matrix.debounce_ms, DEBOUNCE_MS);
        assert!(lines.keys.contains(&(Key::VolumeUp, Pin::Line(6))));
        assert!(lines.keys.contains(&(Key::Lamp(2), Pin::Line(7))));
        assert_eq!(lines.lamps.len(), 2);
        assert_eq!(lines.bell, Some(Pin::Line(9)));
        assert_eq!(board.audio.mixer[0].percent, 80);
    }

    #[test]
    fn the_boards_inside_are_good_and_bear_their_own_name() {
        for name in Board::built_in_names() {
            let board = Board::parse(Board::built_in(name).unwrap()).unwrap();
            assert_eq!(board.name, name);
        }
        assert_eq!(Board::built_in("toaster"), None);
        let laptop = Board::parse(Board::built_in("laptop").unwrap()).unwrap();
        assert_eq!(laptop.panel, PanelWiring::Keyboard);
        assert_eq!(laptop.audio.playback, "default");
    }

    #[test]
    fn every_board_folder_is_good_and_bears_the_name_of_its_folder() {
        let mut seen = 0;
        for entry in std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
            let folder = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(folder.join("board.toml")) else { continue };
            let board = Board::parse(&text).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
            assert_eq!(folder.file_name().unwrap().to_str(), Some(board.name.as_str()));
            seen += 1;
        }
        assert!(seen >= 3);
    }

    #[test]
    fn a_pin_used_twice_is_refused_where_it_is_used_again() {
        let (line, reason) = changed("columns = [3, 4]", "columns = [3, 17]");
        assert_eq!(line, 14);
        assert!(reason.contains("line 17 already is hook"), "{reason}");
        let (line, reason) = changed("bell = 9", "bell = 1");
        assert_eq!((line, reason.contains("already is row 1")), (7, true), "{reason}");
        let (line, _) = changed("line1 = { line = 20 }", "line1 = { line = 5 }");
        assert_eq!(line, 25);
    }

    #[test]
    fn a_key_with_two_places_is_refused_naming_both_lines() {
        let (line, reason) = changed("hold = 5", "1 = 5");
        assert_eq!(line, 21);
        assert!(reason.contains("line 17"), "{reason}");
        let (line, reason) = changed("[\"*\", \"\"]", "[\"*\", \"1\"]");
        assert_eq!(line, 18, "{reason}");
    }

    #[test]
    fn an_led_that_is_two_lamps_is_refused() {
        let (line, reason) = changed("line1 = { line = 20 }", "line1 = { led = \"offhook:key2\" }");
        assert_eq!(line, 25);
        assert!(reason.contains("key2"), "{reason}");
    }

    #[test]
    fn nonsense_is_refused_with_its_line_and_a_remedy() {
        for (from, to, line, remedy) in [
            ("name = \"bench-3\"", "name = \"../etc\"", 1, "lower-case letters"),
            ("model = \"Bench\"", "model = \" \"", 2, "write one"),
            ("kind = \"lines\"", "kind = \"buttons\"", 5, "expected"),
            ("kind = \"lines\"", "kind = \"keyboard\"", 4, "write kind = \"lines\""),
            ("chip = \"gpio-sim.0\"\n", "", 4, "gpiodetect"),
            ("lifted = \"high\"", "lifted = \"up\"", 10, "expected"),
            ("debounce_ms = 20", "debounce_ms = 2000", 11, "use 0 to 500"),
            ("debounce_ms = 20", "debounce = 20", 11, "debounce_ms"),
            ("line = 17", "line = 4000", 9, "gpioinfo"),
            ("line = 17", "line = -1", 9, "invalid value"),
            ("rows = [1, 2]", "rows = []", 13, "list their lines"),
            ("rows = [1, 2]", "rows = [1, 2, 8]", 16, "one row of key names"),
            ("[\"1\", \"2\"]", "[\"1\"]", 17, "write \"\""),
            ("[\"1\", \"2\"]", "[\"1\", \"A\"]", 17, "use 0 to 9"),
            ("scan_ms = 5", "scan_ms = 0", 15, "use 1 to 50"),
            ("hold = 5", "halt = 5", 21, "hold"),
            ("key2 = 7", "key3 = 7", 23, "raise lamp_keys"),
            ("key2 = { led = \"offhook:key2\" }", "ring = { line = 30 }", 26, "use line1 to line4"),
            ("key2 = { led = \"offhook:key2\" }", "key3 = { line = 30 }", 26, "raise lamp_keys"),
            ("key2 = { led = \"offhook:key2\" }", "key2 = { led = \"../x\" }", 26, "/sys/class/leds"),
            ("key2 = { led = \"offhook:key2\" }", "key2 = { led = \"a\", line = 30 }", 26, "one place"),
            ("key2 = { led = \"offhook:key2\" }", "key2 = {}", 26, "one place"),
            ("playback = \"plughw:CARD=Codec\"", "playback = \"\"", 28, "write one"),
            ("rate = 16000", "rate = 0", 30, "write 16000"),
            ("rate = 16000", "rate = 44100", 30, "plughw"),
            ("period = 160", "period = 0", 31, "160 is 10 ms"),
            ("periods = 3", "periods = 1", 32, "use 2 to 16"),
            ("route = \"handset\"", "route = \"ear\"", 34, "use off"),
            ("control = \"Headphone\"", "control = \"\"", 35, "write one"),
            ("percent = 80", "percent = 300", 36, "0 to 100"),
        ] {
            let (at, reason) = changed(from, to);
            assert_eq!(at, line, "{to}: {reason}");
            assert!(reason.contains(remedy), "{to}: {reason}");
        }
    }

    #[test]
    fn a_panel_that_cannot_be_lifted_is_refused() {
        let without = WIRED.replace("[panel.hook]\nline = 17\nlifted = \"high\"\ndebounce_ms = 20\n", "");
        let (line, reason) = refused(&without);
        assert_eq!(line, 4);
        assert!(reason.contains("[panel.hook]"), "{reason}");
        let by_event = without.replace("bell = 9", "input_device = \"/dev/input/event0\"");
        assert!(Board::parse(&by_event).is_ok());
    }

    #[test]
    fn the_same_control_twice_on_a_route_is_refused() {
        let twice = format!("{WIRED}[[audio.mixer]]\nroute = \"handset\"\ncontrol = \"Headphone\"\npercent = 1\n");
        let (line, reason) = refused(&twice);
        assert_eq!(line, 39);
        assert!(reason.contains("twice"), "{reason}");
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_read_or_refused_within_its_lines(
            at in 0_usize..WIRED.len(), length in 0_usize..40, with in "[ -~\n]{0,6}",
        ) {
            let end = (at + length).min(WIRED.len());
            let text = format!("{}{with}{}", &WIRED[..at], &WIRED[end..]);
            if let Err(error) = Board::parse(&text) {
                prop_assert!(error.line >= 1 && error.line <= text.lines().count() + 1);
                prop_assert!(!error.reason.is_empty() && !error.reason.contains('\n'));
            }
        }
    }
}
