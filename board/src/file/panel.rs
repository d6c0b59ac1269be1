//! `[panel]`: hook, keys, rotary dial, jack, USB handset, bell.

use std::ops::Range;

use toml::Spanned;

use super::pins::Used;
use super::shape::{HookFile, JackFile, Level, MatrixFile, PanelFile, PanelKind, PinFile, RotaryFile, UsbHandsetFile};
use super::{Checked, Reading};
use crate::{
    ExpanderKind, HookWiring, JackWiring, LinesWiring, MatrixWiring, PanelWiring, Pin, RotaryWiring, UsbHandsetWiring,
};

const LONGEST_SCAN_MS: u32 = 50;
/// A scan of four rows takes 3 ms on an I2C bus of 100 kHz.
const SHORTEST_SCAN_ON_AN_EXPANDER_MS: u32 = 10;
/// Rows or columns of a matrix at most.
const WIDEST_MATRIX: usize = 16;
/// A pulse is open for about 60 ms and closed for about 40; half of the shorter one must remain.
const LONGEST_ROTARY_DEBOUNCE_MS: u32 = 20;
const ROTARY_DEBOUNCE_MS: u32 = 5;
/// A pause this long is no longer within a digit: a dial at 7 pulses a second is closed for 60 ms [ms].
const ROTARY_PAUSE_MS: u32 = 200;
const ROTARY_PAUSES_MS: std::ops::RangeInclusive<u32> = 100..=1000;
const ROTARY_DIGITS: [char; 10] = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0'];

impl Reading<'_> {
    pub(super) fn panel(&self, file: PanelFile, span: Range<usize>, lamp_keys: u8) -> Checked<PanelWiring> {
        if file.kind == PanelKind::Keyboard {
            return if wired(&file) {
                Err(self.refuse(
                    span,
                    "a panel of kind \"keyboard\" has no wiring: write kind = \"lines\", or remove the rest",
                ))
            } else {
                Ok(PanelWiring::Keyboard)
            };
        }
        let mut used = Used::new(self, &file.expanders)?;
        let hook = file.hook.map(|hook| self.hook(hook, &mut used)).transpose()?;
        let input_devices = self.input_devices(file.input_devices)?;
        let usb_handset = match file.usb_handset {
            Some(handset) => Some(self.usb_handset(handset, hook.is_some())?),
            None => None,
        };
        let lifts = usb_handset.as_ref().is_some_and(|handset| !handset.headset);
        if hook.is_none() && input_devices.is_empty() && !lifts {
            return Err(self.refuse(
                span,
                "nothing says when the handset is lifted: add [panel.hook], [panel.usb_handset], or input_devices with one that sends KEY_PHONE",
            ));
        }
        let chip = file.chip.as_ref().map(|chip| chip.get_ref().as_str());
        let matrix = file.matrix.map(|matrix| self.matrix(matrix, chip, &mut used)).transpose()?;
        let mut keys = Vec::new();
        for (name, pin) in file.keys {
            let key = self.key(&name)?;
            used.key(key, name.span())?;
            keys.push((key, used.input(&pin, &format!("key {}", key.name()))?));
        }
        let rotary = file.rotary.map(|rotary| self.rotary(rotary.into_inner(), &mut used)).transpose()?;
        let mut lamps = Vec::new();
        for (name, wiring) in file.lamps {
            lamps.push(self.lamp(&name, wiring, lamp_keys, &mut used)?);
        }
        let colours = self.colours(file.colours, &lamps)?;
        for (key, at) in used.keys() {
            if let offhook_hal::Key::Lamp(number) = key
                && *number > lamp_keys
            {
                return Err(self.beyond(at.clone(), &key.name(), lamp_keys));
            }
        }
        let jack = file.jack.map(|jack| self.jack(jack, &mut used)).transpose()?;
        let bell = file.bell.map(|bell| self.bell(&bell, &mut used)).transpose()?;
        let chip = match file.chip {
            Some(chip) if used.uses_lines() => self.filled(chip, "chip")?.into_inner(),
            Some(chip) => return Err(self.refuse(chip.span(), "no line of the chip is used: remove it")),
            None if used.uses_lines() => {
                return Err(self.refuse(
                    span,
                    "lines are used but no chip is named: add chip = \"/dev/gpiochip0\" or its label (gpiodetect shows it)",
                ));
            }
            None => String::new(),
        };
        Ok(PanelWiring::Lines(LinesWiring {
            chip,
            expanders: used.expanders(&file.expanders)?,
            hook,
            matrix,
            keys,
            key_debounce_ms: self.debounce(file.key_debounce_ms)?,
            rotary,
            lamps,
            colours,
            input_devices,
            usb_handset,
            jack,
            bell,
        }))
    }

    fn hook(&self, file: HookFile, used: &mut Used<'_>) -> Checked<HookWiring> {
        Ok(HookWiring {
            pin: used.input(&file.pin, "the hook")?,
            lifted_high: file.lifted == Level::High,
            debounce_ms: self.debounce(file.debounce_ms)?,
        })
    }

    fn input_devices(&self, files: Vec<Spanned<String>>) -> Checked<Vec<String>> {
        let mut devices: Vec<String> = Vec::new();
        for file in files {
            let device = self.filled(file, "the name of an input device")?;
            if devices.contains(device.get_ref()) {
                let reason = format!("`{}` is named twice: remove one", device.get_ref());
                return Err(self.refuse(device.span(), reason));
            }
            devices.push(device.into_inner());
        }
        Ok(devices)
    }

    fn usb_handset(&self, file: Spanned<UsbHandsetFile>, hook: bool) -> Checked<UsbHandsetWiring> {
        let span = file.span();
        let file = file.into_inner();
        if hook && !file.headset {
            return Err(self.refuse(
                span,
                "the handset has two hooks, this one and [panel.hook]: remove one, or write headset = true if it is worn",
            ));
        }
        let usb = match &file.usb {
            Some(id) => Some(usb_id(id.get_ref()).ok_or_else(|| {
                let reason = format!(
                    "`{}` is no USB device: write vendor and product as lsusb prints them, such as \"0d8c:0105\"",
                    id.get_ref()
                );
                self.refuse(id.span(), reason)
            })?),
            None => None,
        };
        Ok(UsbHandsetWiring { usb, headset: file.headset })
    }

    fn matrix(&self, file: MatrixFile, panel_chip: Option<&str>, used: &mut Used<'_>) -> Checked<MatrixWiring> {
        let own_chip = file.chip.is_some();
        let rows = self.wires(file.rows, "row", own_chip, used)?;
        let columns = self.wires(file.columns, "column", own_chip, used)?;
        let chip = match file.chip {
            Some(chip) => {
                let chip = self.filled(chip, "chip")?;
                if panel_chip == Some(chip.get_ref().as_str()) {
                    let reason = "this already is the chip of the panel: remove it here, rows and columns are lines of that chip";
                    return Err(self.refuse(chip.span(), reason));
                }
                if !rows.iter().chain(&columns).any(|pin| matches!(pin, Pin::MatrixLine(_))) {
                    return Err(self.refuse(chip.span(), "no row or column is a line of this chip: remove it"));
                }
                Some(chip.into_inner())
            }
            None => None,
        };
        let span = file.keys.span();
        let file_keys = file.keys.into_inner();
        if file_keys.len() != rows.len() {
            let reason = format!(
                "{} rows of keys for {} row pins: write one row of key names per pin",
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
        let by_bus = rows.iter().chain(&columns).any(|pin| matches!(pin, Pin::Expander { .. }));
        let shortest = if by_bus { SHORTEST_SCAN_ON_AN_EXPANDER_MS } else { 1 };
        if !(shortest..=LONGEST_SCAN_MS).contains(&scan_ms) {
            let reason = format!(
                "a scan every {scan_ms} ms cannot be: use {shortest} to {LONGEST_SCAN_MS}, {} is usual",
                if by_bus { "10 on an expander" } else { "5" }
            );
            return Err(self.refuse(file.scan_ms.span(), reason));
        }
        Ok(MatrixWiring { chip, rows, columns, keys, scan_ms, debounce_ms: self.debounce(file.debounce_ms)? })
    }

    /// Rows or columns; `own_chip`: numbers are lines of the matrix' own chip.
    fn wires(
        &self,
        pins: Spanned<Vec<Spanned<PinFile>>>,
        what: &str,
        own_chip: bool,
        used: &mut Used<'_>,
    ) -> Checked<Vec<Pin>> {
        let span = pins.span();
        let pins = pins.into_inner();
        if pins.is_empty() || pins.len() > WIDEST_MATRIX {
            let reason = format!("a matrix has 1 to {WIDEST_MATRIX} {what}s: list their pins");
            return Err(self.refuse(span, reason));
        }
        let numbered = (1..).zip(&pins);
        let pins = numbered.map(|(number, pin)| {
            let what = format!("{what} {number}");
            match pin.get_ref() {
                PinFile::Line(line) if own_chip => used.matrix_line(*line, pin.span(), &what),
                _ => used.input(pin, &what),
            }
        });
        pins.collect()
    }

    fn rotary(&self, file: RotaryFile, used: &mut Used<'_>) -> Checked<RotaryWiring> {
        let pulse = used.input(&file.pulse, "the pulse contact of the dial")?;
        if used.expander_of(pulse).is_some_and(|expander| expander.interrupt.is_none()) {
            let reason = "pulses are too short for an expander that is polled: give the expander an interrupt line, or use a line of the chip";
            return Err(self.refuse(file.pulse.span(), reason));
        }
        let off_normal =
            file.off_normal.map(|pin| used.input(&pin, "the off-normal contact of the dial")).transpose()?;
        let debounce_ms = match file.debounce_ms {
            None => ROTARY_DEBOUNCE_MS,
            Some(given) if *given.get_ref() <= LONGEST_ROTARY_DEBOUNCE_MS => given.into_inner(),
            Some(given) => {
                let reason = format!(
                    "{} ms of debouncing would swallow pulses, which are closed for 40 ms: use 0 to {LONGEST_ROTARY_DEBOUNCE_MS}, {ROTARY_DEBOUNCE_MS} is usual",
                    given.get_ref()
                );
                return Err(self.refuse(given.span(), reason));
            }
        };
        let pause_ms = match file.pause_ms {
            None => ROTARY_PAUSE_MS,
            Some(given) if ROTARY_PAUSES_MS.contains(given.get_ref()) => given.into_inner(),
            Some(given) => {
                let (least, most) = ROTARY_PAUSES_MS.into_inner();
                let reason = format!(
                    "a pause of {} ms cannot end a digit: use {least} to {most}, {ROTARY_PAUSE_MS} is usual",
                    given.get_ref()
                );
                return Err(self.refuse(given.span(), reason));
            }
        };
        let digits = match &file.digits {
            None => ROTARY_DIGITS,
            Some(given) => ten_digits(given.get_ref()).ok_or_else(|| {
                let reason = format!(
                    "`{}` are not ten different digits: write what one to ten pulses mean, mostly \"1234567890\"",
                    given.get_ref()
                );
                self.refuse(given.span(), reason)
            })?,
        };
        Ok(RotaryWiring { pulse, off_normal, debounce_ms, pause_ms, digits })
    }

    fn jack(&self, file: Spanned<JackFile>, used: &mut Used<'_>) -> Checked<JackWiring> {
        let span = file.span();
        match file.into_inner() {
            JackFile { pin: Some(pin), plugged: Some(level), control: None } => {
                Ok(JackWiring::Pin { pin: used.input(&pin, "the headset jack")?, plugged_high: level == Level::High })
            }
            JackFile { pin: None, plugged: None, control: Some(control) } => {
                Ok(JackWiring::Control(self.filled(control, "control")?.into_inner()))
            }
            _ => Err(self
                .refuse(span, "a plug is noticed in one way: write pin and plugged (\"high\" or \"low\"), or control")),
        }
    }

    fn bell(&self, file: &Spanned<PinFile>, used: &mut Used<'_>) -> Checked<Pin> {
        let pin = used.pin(file, "the bell")?;
        if weak_high(used, pin) {
            let reason = "a bell rings while its pin is high, and a PCF857x gives only 0.1 mA then: use a line of the chip or an MCP230xx";
            return Err(self.refuse(file.span(), reason));
        }
        Ok(pin)
    }
}

/// Is this the pin of an expander that cannot drive a pin high (and has every pin high after power-on)?
pub(super) fn weak_high(used: &Used<'_>, pin: Pin) -> bool {
    let kind = used.expander_of(pin).map(|expander| expander.kind);
    matches!(kind, Some(ExpanderKind::Pcf8574 | ExpanderKind::Pcf8575))
}

/// Does the file wire anything?
fn wired(file: &PanelFile) -> bool {
    file.chip.is_some()
        || !file.expanders.is_empty()
        || file.hook.is_some()
        || file.matrix.is_some()
        || !file.keys.is_empty()
        || file.key_debounce_ms.is_some()
        || file.rotary.is_some()
        || !file.lamps.is_empty()
        || !file.colours.is_empty()
        || !file.input_devices.is_empty()
        || file.usb_handset.is_some()
        || file.jack.is_some()
        || file.bell.is_some()
}

fn usb_id(text: &str) -> Option<(u16, u16)> {
    let (vendor, product) = text.split_once(':')?;
    let number = |text: &str| {
        let proper = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        proper.then(|| u16::from_str_radix(text, 16).ok()).flatten()
    };
    Some((number(vendor)?, number(product)?))
}

fn ten_digits(text: &str) -> Option<[char; 10]> {
    let digits: [char; 10] = text.chars().collect::<Vec<_>>().try_into().ok()?;
    ('0'..='9').all(|digit| digits.contains(&digit)).then_some(digits)
}
