//! What the hand is wired to: a file per bench, as `../wiring/*.toml` show. Nonsense is refused with its place.

use crate::request::Outcome;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The simulated panel of the emulated boards.
pub(crate) const SIM: &str = include_str!("../../wiring/sim.toml");
/// The lamp that is the bell, for the comparison with board files.
#[cfg(test)]
pub(crate) const BELL: &str = "bell";

/// How contacts and lamps are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BackEnd {
    /// a gpio-sim chip in the same machine
    Sim,
    /// GPIO outputs that close contacts, inputs that see lamps
    Lines,
}

/// A level of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Low,
    High,
}

/// A line, and the level at which its contact is made (or its lamp lit).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    /// path or label of the chip
    pub(crate) chip: String,
    pub(crate) offset: u32,
    pub(crate) active: Level,
}

impl Line {
    /// The level for a contact that is made or not.
    pub(crate) fn is_high(&self, active: bool) -> bool {
        active == (self.active == Level::High)
    }
}

/// Something that a finger closes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contact {
    /// by driving or pulling a line
    Line(Line),
    /// where a row and a column of the simulated matrix cross; counted from 0, as its driver does
    Crossing { row: u32, column: u32 },
}

/// A rotary dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rotary {
    /// active while the pulsing contact is open
    pub(crate) pulse: Contact,
    /// active while the dial is off its rest
    pub(crate) off_normal: Option<Contact>,
}

/// Where sound goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sound {
    /// ALSA PCM that hears the phone
    pub(crate) ear: String,
    /// ALSA PCM that speaks into its microphone
    pub(crate) mouth: String,
}

/// A wiring file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wiring {
    pub(crate) back_end: BackEnd,
    /// the chip of lines that name none
    pub(crate) chip: String,
    /// how many lines a chip that is made gets
    pub(crate) lines: u32,
    pub(crate) hook: Option<Contact>,
    /// active while a plug is in the headset jack
    pub(crate) jack: Option<Contact>,
    pub(crate) keys: BTreeMap<String, Contact>,
    pub(crate) lamps: BTreeMap<String, Line>,
    pub(crate) rotary: Option<Rotary>,
    pub(crate) sound: Option<Sound>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    back_end: BackEnd,
    chip: String,
    #[serde(default = "usual_lines")]
    lines: u32,
    hook: Option<Entry>,
    jack: Option<Entry>,
    #[serde(default)]
    keys: BTreeMap<String, KeyEntry>,
    #[serde(default)]
    lamps: BTreeMap<String, Entry>,
    rotary: Option<RotaryEntry>,
    sound: Option<Sound>,
}

fn usual_lines() -> u32 {
    32
}

/// A line: its number alone, or with chip and level; the level has the name of what it means.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Number(u32),
    #[serde(rename_all = "lowercase")]
    Full(Full),
}

/// A key: a line, or a crossing of the simulated matrix.
#[derive(Deserialize)]
#[serde(untagged)]
enum KeyEntry {
    Crossing(CrossingEntry),
    Line(Entry),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CrossingEntry {
    row: u32,
    column: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    line: u32,
    chip: Option<String>,
    #[serde(alias = "lifted", alias = "closed", alias = "lit", alias = "open", alias = "plugged")]
    active: Option<Level>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotaryEntry {
    pulse: Entry,
    off_normal: Option<Entry>,
}

impl Wiring {
    /// Reads a wiring file's text.
    ///
    /// # Errors
    /// The line and what is wrong there, or which line of a chip is used twice.
    pub(crate) fn parse(text: &str) -> Outcome<Self> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let chip = file.chip;
        let line = |entry: Entry, usual: Level| match entry {
            Entry::Number(offset) => Line { chip: chip.clone(), offset, active: usual },
            Entry::Full(full) => Line {
                chip: full.chip.unwrap_or_else(|| chip.clone()),
                offset: full.line,
                active: full.active.unwrap_or(usual),
            },
        };
        let contact = |entry: Entry, usual: Level| Contact::Line(line(entry, usual));
        let key = |entry: KeyEntry, usual: Level| match entry {
            KeyEntry::Line(entry) => contact(entry, usual),
            KeyEntry::Crossing(CrossingEntry { row, column }) => Contact::Crossing { row, column },
        };
        // In the simulation a contact closes to ground; outside a relay closes it, and most are driven high.
        let closed = if file.back_end == BackEnd::Sim { Level::Low } else { Level::High };
        let wiring = Self {
            back_end: file.back_end,
            lines: file.lines,
            hook: file.hook.map(|entry| contact(entry, closed)),
            jack: file.jack.map(|entry| contact(entry, closed)),
            keys: file.keys.into_iter().map(|(name, entry)| (name, key(entry, closed))).collect(),
            lamps: file.lamps.into_iter().map(|(name, entry)| (name, line(entry, Level::High))).collect(),
            rotary: file.rotary.map(|entry| Rotary {
                pulse: contact(entry.pulse, Level::High),
                off_normal: entry.off_normal.map(|entry| contact(entry, closed)),
            }),
            sound: file.sound,
            chip,
        };
        wiring.check()?;
        Ok(wiring)
    }

    fn check(&self) -> Outcome<()> {
        let mut used = BTreeMap::new();
        let mut crossings = BTreeMap::new();
        for (name, contact) in self.contacts() {
            let Contact::Crossing { row, column } = contact else { continue };
            if self.back_end != BackEnd::Sim {
                return Err(format!(
                    "{name}: only the simulation has rows and columns; write the line that closes this key's contact"
                ));
            }
            if let Some(other) = crossings.insert((row, column), name.clone()) {
                return Err(format!("row {row}, column {column} is {other} and {name}; give one of them another"));
            }
        }
        for (name, line) in self.named() {
            if let Some(other) = used.insert((&line.chip, line.offset), name.clone()) {
                return Err(format!(
                    "line {} of {:?} is {other} and {name}; give one of them another",
                    line.offset, line.chip
                ));
            }
            if self.back_end == BackEnd::Sim && (line.chip != self.chip || line.offset >= self.lines) {
                return Err(format!(
                    "{name}: line {} of {:?} is not on the simulated chip ({:?}, {} lines)",
                    line.offset, line.chip, self.chip, self.lines
                ));
            }
        }
        Ok(())
    }

    /// Every line with what it is.
    pub(crate) fn named(&self) -> impl Iterator<Item = (String, &Line)> {
        let contacts = self.contacts().filter_map(|(name, contact)| match contact {
            Contact::Line(line) => Some((name, line)),
            Contact::Crossing { .. } => None,
        });
        contacts.chain(self.lamps.iter().map(|(name, line)| (format!("lamp {name}"), line)))
    }

    /// Everything that the hand closes and opens.
    pub(crate) fn contacts(&self) -> impl Iterator<Item = (String, &Contact)> {
        let hook = self.hook.iter().map(|line| ("hook".to_owned(), line));
        let jack = self.jack.iter().map(|line| ("jack".to_owned(), line));
        let keys = self.keys.iter().map(|(name, line)| (format!("key {name}"), line));
        let rotary = self.rotary.iter().flat_map(|rotary| {
            [
                ("rotary pulse".to_owned(), Some(&rotary.pulse)),
                ("rotary off_normal".to_owned(), rotary.off_normal.as_ref()),
            ]
        });
        hook.chain(jack).chain(keys).chain(rotary.filter_map(|(name, line)| Some((name, line?))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use offhook_board::{Board, JackWiring, LightPlace, PanelWiring, Pin};

    #[test]
    fn every_example_is_understood() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../wiring");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                Wiring::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                count += 1;
            }
        }
        assert!(count >= 2, "{count} examples");
    }

    #[test]
    fn the_simulated_panel_is_that_of_the_emulated_boards() {
        let ours = Wiring::parse(SIM).unwrap();
        let line = |pin: Pin| match pin {
            Pin::Line(line) => line,
            Pin::MatrixLine(_) | Pin::Expander { .. } => panic!("{pin:?} on the simulated chip"),
        };
        let mine = |contact: &Contact| match contact {
            Contact::Line(line) => line.clone(),
            Contact::Crossing { .. } => panic!("{contact:?} is no line"),
        };
        for folder in ["qemu-virt", "uml"] {
            let path = format!("{}/../../../board/{folder}/board.toml", env!("CARGO_MANIFEST_DIR"));
            let Ok(text) = std::fs::read_to_string(&path) else { panic!("{path} is not there") };
            let board = Board::parse(&text).unwrap();
            let PanelWiring::Lines(theirs) = board.panel else { panic!("{folder} has no lines") };
            assert_eq!(theirs.chip, ours.chip);
            let hook = theirs.hook.unwrap();
            let our_hook = mine(ours.hook.as_ref().unwrap());
            assert_eq!((line(hook.pin), hook.lifted_high), (our_hook.offset, our_hook.is_high(true)));
            let our_key = |name: &str| ours.keys.get(name).unwrap_or_else(|| panic!("{folder}: no key {name}"));
            for (key, pin) in theirs.keys {
                let ours = mine(our_key(&key.name()));
                assert_eq!((line(pin), Level::Low), (ours.offset, ours.active), "{}", key.name());
            }
            let matrix = theirs.matrix.unwrap();
            assert_eq!(matrix.chip.as_deref(), Some("offhook-matrix"));
            // The driver's lines are its four rows and then its columns.
            let their_rows: Vec<Pin> = (0..4).map(Pin::MatrixLine).collect();
            assert_eq!(matrix.rows, their_rows);
            for (row, keys) in (0..).zip(matrix.keys) {
                for ((column, pin), key) in (0..).zip(&matrix.columns).zip(keys) {
                    assert_eq!(*pin, Pin::MatrixLine(4 + column));
                    let Some(key) = key else { continue };
                    assert_eq!(*our_key(&key.name()), Contact::Crossing { row, column }, "{}", key.name());
                }
            }
            for (lamp, place) in theirs.lamps {
                for (number, (colour, light)) in place.lights.into_iter().enumerate() {
                    let LightPlace::Pin(pin) = light.place else { continue };
                    let colour = colour.filter(|_| number > 0).map(|colour| format!("-{colour:?}").to_lowercase());
                    let name = lamp.name() + &colour.unwrap_or_default();
                    let mine = ours.lamps.get(&name).unwrap_or_else(|| panic!("{folder}: no lamp {name}"));
                    assert_eq!((line(pin), light.active_low), (mine.offset, !mine.is_high(true)), "{name}");
                }
            }
            let dial = theirs.rotary.unwrap();
            let our_dial = ours.rotary.clone().unwrap();
            assert_eq!(line(dial.pulse), mine(&our_dial.pulse).offset);
            assert_eq!(dial.off_normal.map(line), our_dial.off_normal.as_ref().map(|contact| mine(contact).offset));
            let Some(JackWiring::Pin { pin, plugged_high }) = theirs.jack else { panic!("{folder}: no jack") };
            let our_jack = mine(ours.jack.as_ref().unwrap());
            assert_eq!((line(pin), plugged_high), (our_jack.offset, our_jack.is_high(true)));
            assert_eq!(theirs.bell.map(line), ours.lamps.get(BELL).map(|mine| mine.offset));
        }
    }

    #[test]
    fn a_line_used_twice_is_refused() {
        let text = "back_end = \"lines\"\nchip = \"x\"\n[keys]\n1 = 4\n2 = { line = 4, chip = \"x\" }\n";
        assert!(Wiring::parse(text).unwrap_err().contains("key 1 and key 2"));
        assert!(Wiring::parse(&text.replace("chip = \"x\" }", "chip = \"y\" }")).is_ok());
    }

    #[test]
    fn a_crossing_is_used_once_and_only_in_the_simulation() {
        let text =
            "back_end = \"sim\"\nchip = \"x\"\n[keys]\n1 = { row = 0, column = 2 }\n2 = { row = 0, column = 1 }\n";
        let wiring = Wiring::parse(text).unwrap();
        assert_eq!(wiring.keys["1"], Contact::Crossing { row: 0, column: 2 });
        assert!(Wiring::parse(&text.replace("column = 1", "column = 2")).unwrap_err().contains("key 1 and key 2"));
        assert!(Wiring::parse(&text.replace("\"sim\"", "\"lines\"")).unwrap_err().contains("key 1"));
        assert!(Wiring::parse(&text.replace("column = 1", "column = 1, line = 4")).is_err());
    }

    #[test]
    fn levels_have_the_name_of_what_they_mean() {
        let text = "back_end = \"lines\"\nchip = \"x\"\nhook = { line = 1, lifted = \"low\" }\n[lamps]\nline1 = { line = 2, lit = \"low\" }\n";
        let wiring = Wiring::parse(text).unwrap();
        let Some(Contact::Line(hook)) = wiring.hook else { panic!("no hook") };
        assert!(!hook.is_high(true));
        assert!(wiring.lamps["line1"].is_high(false));
    }

    #[test]
    fn a_simulated_line_beyond_the_chip_and_unknown_words_are_refused() {
        assert!(Wiring::parse("back_end = \"sim\"\nchip = \"x\"\nhook = 32\n").unwrap_err().contains("hook"));
        assert!(Wiring::parse("back_end = \"sim\"\nchip = \"x\"\nhok = 3\n").unwrap_err().contains("hok"));
        assert!(Wiring::parse("back_end = \"hands\"\nchip = \"x\"\n").is_err());
    }
}
