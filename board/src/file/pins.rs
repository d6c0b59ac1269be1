//! Pins, expanders, and everything else that can be given away only once: lines, expander pins, I2C addresses, keys,
//! LEDs, PWM channels.

use std::collections::BTreeMap;
use std::ops::Range;

use offhook_hal::{Key, Lamp};
use toml::Spanned;

use super::shape::{ExpanderFile, ExpanderKindFile, Named, PinFile};
use super::{Checked, Reading};
use crate::{ExpanderKind, ExpanderWiring, LightPlace, Pin};

/// Lines a GPIO chip can have; the largest known expander chains stay far below.
const LINES_OF_A_CHIP: u32 = 1024;

/// What the file has given away already.
pub(super) struct Used<'a> {
    reading: &'a Reading<'a>,
    expanders: Vec<ExpanderWiring>,
    /// what uses a pin
    pins: BTreeMap<Pin, String>,
    /// which lamp an LED or a PWM channel is
    lights: BTreeMap<String, Lamp>,
    keys: BTreeMap<Key, Range<usize>>,
}

impl<'a> Used<'a> {
    /// Reads the expanders first, because pins name them.
    pub(super) fn new(reading: &'a Reading<'a>, expanders: &Named<Spanned<ExpanderFile>>) -> Checked<Self> {
        let mut used = Self {
            reading,
            expanders: Vec::new(),
            pins: BTreeMap::new(),
            lights: BTreeMap::new(),
            keys: BTreeMap::new(),
        };
        for (name, file) in expanders {
            used.expander(name, file.get_ref())?;
        }
        Ok(used)
    }

    fn expander(&mut self, name: &Spanned<String>, file: &ExpanderFile) -> Checked<()> {
        let proper = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        if name.get_ref().is_empty() || !name.get_ref().bytes().all(proper) {
            let reason = format!(
                "`{}` cannot name an expander: use lower-case letters, digits, `-` and `_`, because pins are written \"name.3\"",
                name.get_ref()
            );
            return Err(self.reading.refuse(name.span(), reason));
        }
        let bus = file.bus.get_ref();
        if !bus.strip_prefix("/dev/i2c-").is_some_and(|rest| !rest.is_empty() && !rest.contains('/')) {
            let reason = format!("`{bus}` is no I2C bus: use its device file, such as /dev/i2c-1 (i2cdetect -l)");
            return Err(self.reading.refuse(file.bus.span(), reason));
        }
        let kind = match file.kind {
            ExpanderKindFile::Mcp23008 => ExpanderKind::Mcp23008,
            ExpanderKindFile::Mcp23017 => ExpanderKind::Mcp23017,
            ExpanderKindFile::Pcf8574 => ExpanderKind::Pcf8574,
            ExpanderKindFile::Pcf8575 => ExpanderKind::Pcf8575,
        };
        let (proper, remedy) = match kind {
            ExpanderKind::Pcf8574 => (vec![0x20..=0x27, 0x38..=0x3f], "0x20 to 0x27, or 0x38 to 0x3f on a PCF8574A"),
            _ => (vec![0x20..=0x27], "0x20 to 0x27, as its address pins are wired"),
        };
        let at = *file.address.get_ref();
        let address = u8::try_from(at).ok().filter(|at| proper.iter().any(|range| range.contains(at)));
        let Some(address) = address else {
            let reason = format!("no expander of this kind has the address {at:#x}: use {remedy}");
            return Err(self.reading.refuse(file.address.span(), reason));
        };
        if let Some(other) = self.expanders.iter().find(|other| other.bus == *bus && other.address == address) {
            let reason = format!("address {at:#x} on {bus} already is expander `{}`: wire another address", other.name);
            return Err(self.reading.refuse(file.address.span(), reason));
        }
        let interrupt = match &file.interrupt {
            Some(line) => {
                Some(self.line(*line.get_ref(), line.span(), &format!("interrupt of expander {}", name.get_ref()))?)
            }
            None => None,
        };
        self.expanders.push(ExpanderWiring {
            name: name.get_ref().clone(),
            kind,
            bus: bus.clone(),
            address,
            interrupt,
        });
        Ok(())
    }

    /// Gives a pin away that is driven.
    pub(super) fn pin(&mut self, pin: &Spanned<PinFile>, what: &str) -> Checked<Pin> {
        match pin.get_ref() {
            PinFile::Line(line) => self.line(*line, pin.span(), what).map(Pin::Line),
            PinFile::Expander(name) => {
                let place = self.expander_pin(name, pin.span())?;
                self.take(place, pin.span(), name, what)?;
                Ok(place)
            }
        }
    }

    /// Gives a pin away that is read.
    pub(super) fn input(&mut self, pin: &Spanned<PinFile>, what: &str) -> Checked<Pin> {
        let place = self.pin(pin, what)?;
        let kind = self.expander_of(place).map(|expander| expander.kind);
        if let (Some(ExpanderKind::Mcp23017), Pin::Expander { pin: number @ (7 | 15), .. }) = (kind, place) {
            let reason = format!(
                "pin {number} of an MCP23017 can only be an output (its data sheet since 2022: reading it may disturb the bus): give {what} another, and this one a lamp"
            );
            return Err(self.reading.refuse(pin.span(), reason));
        }
        Ok(place)
    }

    /// The expander of a pin.
    pub(super) fn expander_of(&self, pin: Pin) -> Option<&ExpanderWiring> {
        match pin {
            Pin::Line(_) | Pin::MatrixLine(_) => None,
            Pin::Expander { expander, .. } => self.expanders.get(expander),
        }
    }

    pub(super) fn uses_lines(&self) -> bool {
        self.pins.keys().any(|pin| matches!(pin, Pin::Line(_)))
    }

    /// The expanders, unless one of them has nothing to do.
    pub(super) fn expanders(self, named: &Named<Spanned<ExpanderFile>>) -> Checked<Vec<ExpanderWiring>> {
        for (index, (name, _)) in named.iter().enumerate() {
            let wired = |pin: &Pin| matches!(pin, Pin::Expander { expander, .. } if *expander == index);
            if !self.pins.keys().any(wired) {
                let reason = format!("nothing is wired to expander `{}`: remove it", name.get_ref());
                return Err(self.reading.refuse(name.span(), reason));
            }
        }
        Ok(self.expanders)
    }

    pub(super) fn key(&mut self, key: Key, span: Range<usize>) -> Checked<()> {
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

    /// The keys given away, with their places in the text.
    pub(super) fn keys(&self) -> &BTreeMap<Key, Range<usize>> {
        &self.keys
    }

    /// Gives an LED or a PWM channel to a lamp.
    pub(super) fn light(&mut self, place: &LightPlace, span: Range<usize>, lamp: Lamp) -> Checked<()> {
        let name = match place {
            LightPlace::Pin(_) => return Ok(()),
            LightPlace::Led(name) => format!("LED `{name}`"),
            LightPlace::Pwm { chip, channel } => format!("channel {channel} of pwmchip{chip}"),
        };
        if let Some(other) = self.lights.get(&name) {
            let reason = format!("{name} already is lamp {}: name another", other.name());
            return Err(self.reading.refuse(span, reason));
        }
        self.lights.insert(name, lamp);
        Ok(())
    }

    fn line(&mut self, offset: u32, span: Range<usize>, what: &str) -> Checked<u32> {
        self.check_offset(offset, &span)?;
        self.take(Pin::Line(offset), span, &format!("line {offset}"), what)?;
        Ok(offset)
    }

    /// Gives away a line of the matrix' own chip.
    pub(super) fn matrix_line(&mut self, offset: u32, span: Range<usize>, what: &str) -> Checked<Pin> {
        self.check_offset(offset, &span)?;
        let pin = Pin::MatrixLine(offset);
        self.take(pin, span, &format!("line {offset} of the matrix' chip"), what)?;
        Ok(pin)
    }

    fn check_offset(&self, offset: u32, span: &Range<usize>) -> Checked<()> {
        if offset >= LINES_OF_A_CHIP {
            let reason = format!("no chip has a line {offset}: use its offset in the chip, as gpioinfo prints it");
            return Err(self.reading.refuse(span.clone(), reason));
        }
        Ok(())
    }

    fn take(&mut self, pin: Pin, span: Range<usize>, name: &str, what: &str) -> Checked<()> {
        if let Some(other) = self.pins.get(&pin) {
            let reason = format!("{name} already is {other}: give {what} a pin of its own");
            return Err(self.reading.refuse(span, reason));
        }
        self.pins.insert(pin, what.to_owned());
        Ok(())
    }

    fn expander_pin(&self, written: &str, span: Range<usize>) -> Checked<Pin> {
        let Some((name, number)) = written.split_once('.') else {
            let reason = format!(
                "`{written}` is no pin: write the number of a line without quotes, or \"expander.number\" such as \"front.3\""
            );
            return Err(self.reading.refuse(span, reason));
        };
        let Some((expander, wiring)) = self.expanders.iter().enumerate().find(|(_, wiring)| wiring.name == name) else {
            let reason = format!("no expander is called `{name}`: add [panel.expanders.{name}], or correct the name");
            return Err(self.reading.refuse(span, reason));
        };
        let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
        let pin = number.parse::<u8>().ok().filter(|pin| plain && *pin < wiring.kind.pins());
        let Some(pin) = pin else {
            let reason = format!("expander `{name}` has no pin `{number}`: use 0 to {}", wiring.kind.pins() - 1);
            return Err(self.reading.refuse(span, reason));
        };
        Ok(Pin::Expander { expander, pin })
    }
}
