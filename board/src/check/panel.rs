//! Hook, keys and lamps beside a machine.

use super::explain::place;
use super::{Findings, Severity, list};
use crate::machine::{Access, GpioChip, Machine};
use crate::{Board, ExpanderWiring, JackWiring, LightPlace, LinesWiring, Pin, UsbHandsetWiring};

/// The name under which the daemon holds lines, so that a running phone is not a finding.
const CONSUMER: &str = "offhook";

pub(super) fn missing(wiring: &LinesWiring, board: &Board, machine: &Machine, found: &mut Findings) {
    chips(wiring, machine, found);
    for expander in &wiring.expanders {
        self::expander(expander, machine, found);
    }
    input_devices(wiring, machine, found);
    if let Some(handset) = &wiring.usb_handset {
        usb_handset(handset, machine, found);
    }
    lights(wiring, machine, found);
    if let Some(JackWiring::Control(control)) = &wiring.jack {
        jack(control, board, machine, found);
    }
}

fn chips(wiring: &LinesWiring, machine: &Machine, found: &mut Findings) {
    let (mut lines, mut of_matrix) = (Vec::new(), Vec::new());
    for (what, pin) in pins(wiring) {
        match pin {
            Pin::Line(line) => lines.push((what, line)),
            Pin::MatrixLine(line) => of_matrix.push((what, line)),
            Pin::Expander { .. } => {}
        }
    }
    for expander in &wiring.expanders {
        let interrupt = expander.interrupt.map(|line| (format!("[panel.expanders.{}] interrupt", expander.name), line));
        lines.extend(interrupt);
    }
    if !wiring.chip.is_empty() {
        chip("[panel] chip", &wiring.chip, &lines, machine, found);
    }
    if let Some(name) = wiring.matrix.as_ref().and_then(|matrix| matrix.chip.as_ref()) {
        chip("[panel.matrix] chip", name, &of_matrix, machine, found);
    }
}

fn chip(entry: &str, name: &str, lines: &[(String, u32)], machine: &Machine, found: &mut Findings) {
    let Some(chip) = machine.gpio_chip(name) else {
        let known = machine.gpio_chips.iter().map(|chip| &chip.label);
        let remedy = format!(
            "write a label as `gpiodetect` prints it; this machine has {}. Is this the machine the board is for?",
            list(known, "none")
        );
        found.error(entry, format!("there is no GPIO chip `{name}`"), remedy);
        return;
    };
    found.access(Severity::Error, entry, &chip.path, &chip.access, machine);
    for (what, line) in lines {
        self::line(what, *line, chip, found);
    }
}

fn line(what: &str, line: u32, chip: &GpioChip, found: &mut Findings) {
    if line >= chip.lines {
        let problem = format!("{} ({}) has no line {line}, it has {}", chip.label, chip.path, chip.lines);
        found.error(what, problem, "use the offset that gpioinfo prints");
        return;
    }
    if let Some((_, user)) = chip.used.iter().find(|(used, user)| *used == line && !user.starts_with(CONSUMER)) {
        let problem = format!("line {line} is held by `{user}`");
        let remedy = "stop that program, or take what uses the line out of the device tree (config.txt, overlays)";
        found.error(what, problem, remedy);
    }
}

/// Every pin of the panel with the entry that names it.
fn pins(wiring: &LinesWiring) -> Vec<(String, Pin)> {
    let mut pins: Vec<(String, Pin)> = Vec::new();
    pins.extend(wiring.hook.iter().map(|hook| ("[panel.hook] pin".into(), hook.pin)));
    if let Some(matrix) = &wiring.matrix {
        pins.extend((1..).zip(&matrix.rows).map(|(row, pin)| (format!("[panel.matrix] row {row}"), *pin)));
        pins.extend((1..).zip(&matrix.columns).map(|(column, pin)| (format!("[panel.matrix] column {column}"), *pin)));
    }
    pins.extend(wiring.keys.iter().map(|(key, pin)| (format!("[panel.keys] {}", key.name()), *pin)));
    if let Some(dial) = &wiring.rotary {
        pins.push(("[panel.rotary] pulse".into(), dial.pulse));
        pins.extend(dial.off_normal.map(|pin| ("[panel.rotary] off_normal".into(), pin)));
    }
    for (lamp, wired) in &wiring.lamps {
        for (_, light) in &wired.lights {
            if let LightPlace::Pin(pin) = light.place {
                pins.push((format!("[panel.lamps] {}", lamp.name()), pin));
            }
        }
    }
    if let Some(JackWiring::Pin { pin, .. }) = wiring.jack {
        pins.push(("[panel.jack] pin".into(), pin));
    }
    pins.extend(wiring.bell.map(|pin| ("[panel] bell".into(), pin)));
    pins
}

fn expander(expander: &ExpanderWiring, machine: &Machine, found: &mut Findings) {
    let entry = format!("[panel.expanders.{}]", expander.name);
    let Some(bus) = machine.i2c_buses.iter().find(|bus| bus.path == expander.bus) else {
        let known = machine.i2c_buses.iter().map(|bus| &bus.path);
        let remedy = format!(
            "switch the bus on (board's overlay, or dtparam=i2c_arm=on) and load i2c-dev; this machine has {}",
            list(known, "none")
        );
        found.error(format!("{entry} bus"), format!("there is no {}", expander.bus), remedy);
        return;
    };
    let place = format!("{entry} address");
    if let Some((_, driver)) = bus.claimed.iter().find(|(address, _)| *address == expander.address) {
        let problem = format!("the kernel's driver `{driver}` holds {:#04x} on {}", expander.address, bus.path);
        let remedy = "take the expander out of the device tree, or name its pins as lines and LEDs of the kernel";
        found.error(place, problem, remedy);
        return;
    }
    if bus.access != Access::Usable {
        found.access(Severity::Error, &format!("{entry} bus"), &bus.path, &bus.access, machine);
        return;
    }
    if !bus.answering.contains(&expander.address) {
        let problem = format!("nothing answers at {:#04x} on {}", expander.address, bus.path);
        let remedy = "check its supply, SDA and SCL, and its address pins (`i2cdetect -y` shows who answers)";
        found.error(place, problem, remedy);
    }
}

fn input_devices(wiring: &LinesWiring, machine: &Machine, found: &mut Findings) {
    let place = "[panel] input_devices";
    let mut lifts = wiring.hook.is_some() || wiring.usb_handset.as_ref().is_some_and(|handset| !handset.headset);
    let mut absent = false;
    for name in &wiring.input_devices {
        match machine.input_device(name) {
            Some(device) => {
                found.access(Severity::Warning, place, &device.path, &device.access, machine);
                lifts |= device.hook;
                if !device.hook && !device.jack && device.keys.is_empty() && device.access == Access::Usable {
                    let problem = format!("`{name}` has no key that a telephone knows");
                    found.warning(place, problem, "give its keys codes with a key map (docs/board.md lists them)");
                }
            }
            None => {
                absent = true;
                let known = machine.input_devices.iter().map(|device| &device.name);
                let remedy = format!("plug it in, or correct the name; this machine has {}", list(known, "none"));
                found.warning(place, format!("there is no input device `{name}`"), remedy);
            }
        }
    }
    if !lifts && !absent {
        let problem = "none of them sends KEY_PHONE, so nothing lifts the handset".to_owned();
        found.error(place, problem, "add [panel.hook] or [panel.usb_handset], or a device with KEY_PHONE");
    }
}

fn usb_handset(wired: &UsbHandsetWiring, machine: &Machine, found: &mut Findings) {
    let place = "[panel.usb_handset]";
    let fits = |handset: &&crate::machine::UsbHandset| match wired.usb {
        Some(usb) => handset.usb == usb,
        None => handset.hook,
    };
    let Some(handset) = machine.usb_handsets.iter().find(fits) else {
        let which =
            wired.usb.map_or("with a hook switch".into(), |(vendor, product)| format!("{vendor:04x}:{product:04x}"));
        let known = machine
            .usb_handsets
            .iter()
            .map(|known| format!("{} ({:04x}:{:04x})", known.name, known.usb.0, known.usb.1));
        let remedy = format!("plug it in; with telephony keys this machine has {}", list(known, "none"));
        found.warning(place, format!("there is no USB handset {which}"), remedy);
        return;
    };
    found.access(Severity::Error, place, &handset.path, &handset.access, machine);
    if !handset.hook && !wired.headset {
        let problem = format!("`{}` has no hook switch", handset.name);
        found.error(place, problem, "write headset = true, and lift the phone by its keys");
    }
}

fn lights(wiring: &LinesWiring, machine: &Machine, found: &mut Findings) {
    for (lamp, wired) in &wiring.lamps {
        let entry = format!("[panel.lamps] {}", lamp.name());
        for (_, light) in &wired.lights {
            match &light.place {
                LightPlace::Pin(_) => {}
                LightPlace::Led(name) => match machine.leds.iter().find(|led| led.name == *name) {
                    Some(led) => {
                        let file = format!("/sys/class/leds/{name}/brightness");
                        found.access(Severity::Warning, &entry, &file, &led.access, machine);
                        if led.most <= 1 && light.brightness < 100 {
                            let problem = format!("LED `{name}` can only be on or off");
                            found.note(entry.clone(), problem, "remove brightness, or drive it with leds-pwm");
                        }
                    }
                    None => {
                        let remedy = "load the overlay that makes it; `ls /sys/class/leds` shows what there is";
                        found.warning(entry.clone(), format!("there is no LED `{name}`"), remedy);
                    }
                },
                LightPlace::Pwm { chip, channel } => pwm(&entry, *chip, *channel, machine, found),
            }
        }
    }
}

fn pwm(entry: &str, number: u32, channel: u32, machine: &Machine, found: &mut Findings) {
    let Some(chip) = machine.pwm_chips.iter().find(|chip| chip.number == number) else {
        let remedy = "load the overlay that switches it on; `ls /sys/class/pwm` shows what there is";
        found.warning(entry, format!("there is no pwmchip{number}"), remedy);
        return;
    };
    if channel >= chip.channels {
        let problem = format!("pwmchip{number} has no channel {channel}, it has {}", chip.channels);
        found.warning(entry, problem, "count from 0");
        return;
    }
    found.access(Severity::Warning, entry, &format!("/sys/class/pwm/pwmchip{number}"), &chip.access, machine);
}

fn jack(control: &str, board: &Board, machine: &Machine, found: &mut Findings) {
    let place = "[panel.jack] control";
    let Some(card) = super::sound::mixer_card(&board.audio, machine) else {
        let remedy = "write mixer_card under [audio], or see what is said of the sound card";
        found.warning(place, format!("the card that should have `{control}` is not there"), remedy);
        return;
    };
    if !card.jacks.iter().any(|jack| jack == control) {
        let remedy = format!("correct the name, or use a pin; it has {}", list(&card.jacks, "none"));
        found.warning(place, format!("card {} has no control `{control}`", card.id), remedy);
    }
}

/// Where the pins of a wiring are, for error texts of drivers.
impl LinesWiring {
    /// `pin` in words, such as `pin 3 (GPA3) of expander front`.
    pub fn place(&self, pin: Pin) -> String {
        place(self, pin)
    }

    /// Every pin of the panel with the entry of `board.toml` that names it; interrupt lines of expanders are not pins.
    pub fn pins(&self) -> Vec<(String, Pin)> {
        pins(self)
    }
}
