//! A board in words: one line per thing that is wired, so that a person with a soldering iron can compare.

use crate::{
    AudioWiring, Board, ExpanderWiring, JackWiring, LightPlace, LightWiring, LinesWiring, MatrixWiring, PanelWiring,
    Pin, RotaryWiring,
};
use offhook_hal::Route;

/// What the board is and what is wired where, a line each.
pub fn explain(board: &Board) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", board.name, board.model)];
    match &board.panel {
        PanelWiring::Keyboard => lines.push("hook, keys and lamps: the terminal's keyboard and screen".into()),
        PanelWiring::Lines(wiring) => panel(wiring, &mut lines),
    }
    if board.lamp_keys > 0 {
        lines.push(format!("lamp keys: key1 to key{}", board.lamp_keys));
    }
    sound(&board.audio, &mut lines);
    if let Some(watchdog) = &board.watchdog {
        lines.push(format!(
            "watchdog: {} restarts the board after {} s of silence",
            watchdog.device, watchdog.timeout_s
        ));
    }
    lines
}

/// Where a pin is, in words.
pub(super) fn place(wiring: &LinesWiring, pin: Pin) -> String {
    match pin {
        Pin::Line(line) => format!("line {line} of {}", wiring.chip),
        Pin::MatrixLine(line) => match wiring.matrix.as_ref().and_then(|matrix| matrix.chip.as_ref()) {
            Some(chip) => format!("line {line} of {chip}"),
            None => format!("line {line} of a chip that is not named"),
        },
        Pin::Expander { expander, pin } => match wiring.expanders.get(expander) {
            Some(expander) => format!("pin {} of expander {}", pin_name(expander, pin), expander.name),
            None => format!("pin {pin} of an expander that is not there"),
        },
    }
}

/// 12 is also called B4 on chips with two ports, P14 on a PCF8575.
fn pin_name(expander: &ExpanderWiring, pin: u8) -> String {
    use crate::ExpanderKind::{Mcp23008, Mcp23017, Pcf8574, Pcf8575};
    let (port, bit) = (pin / 8, pin % 8);
    match expander.kind {
        Mcp23017 => format!("{pin} (G{}{bit})", if port == 0 { "PA" } else { "PB" }),
        Mcp23008 => format!("{pin} (GP{bit})"),
        Pcf8574 => format!("{pin} (P{bit})"),
        Pcf8575 => format!("{pin} (P{port}{bit})"),
    }
}

fn panel(wiring: &LinesWiring, lines: &mut Vec<String>) {
    for (index, expander) in wiring.expanders.iter().enumerate() {
        let heard = match expander.interrupt {
            Some(line) => format!("tells of changes on line {line}"),
            None if reads(wiring, index) => "is polled".into(),
            None => "only driven".into(),
        };
        lines.push(format!(
            "expander {}: {} at {:#04x} on {}, {heard}",
            expander.name,
            expander.kind.name(),
            expander.address,
            expander.bus
        ));
    }
    if let Some(hook) = &wiring.hook {
        lines.push(format!(
            "hook: {}, lifted while {}, counts after {} ms",
            place(wiring, hook.pin),
            level(hook.lifted_high),
            hook.debounce_ms
        ));
    }
    if let Some(handset) = &wiring.usb_handset {
        let which = match handset.usb {
            Some((vendor, product)) => format!("{vendor:04x}:{product:04x}"),
            None => "the first with a hook switch".into(),
        };
        let meaning = if handset.headset { "is worn or not" } else { "lifts the phone" };
        lines.push(format!("USB handset: {which}; its hook switch {meaning}"));
    }
    for device in &wiring.input_devices {
        lines.push(format!("input device: {device}"));
    }
    if let Some(matrix) = &wiring.matrix {
        keypad(wiring, matrix, lines);
    }
    if let Some(dial) = &wiring.rotary {
        rotary(wiring, dial, lines);
    }
    for (key, pin) in &wiring.keys {
        lines.push(format!("key {}: {}, closes to ground", key.name(), place(wiring, *pin)));
    }
    for (lamp, wired) in &wiring.lamps {
        for (colour, light_wiring) in &wired.lights {
            let colour = colour.map(|colour| format!(" ({})", colour.name())).unwrap_or_default();
            lines.push(format!("lamp {}{colour}: {}", lamp.name(), light(wiring, light_wiring)));
        }
    }
    for (pattern, colour) in &wiring.colours {
        lines.push(format!("pattern {}: {} where a lamp can", pattern.name(), colour.name()));
    }
    match &wiring.jack {
        Some(JackWiring::Pin { pin, plugged_high }) => {
            lines.push(format!("headset jack: {}, plugged while {}", place(wiring, *pin), level(*plugged_high)));
        }
        Some(JackWiring::Control(control)) => {
            lines.push(format!("headset jack: control `{control}` of the sound card"));
        }
        None => {}
    }
    if let Some(bell) = wiring.bell {
        lines.push(format!("bell: {}, rings while high", place(wiring, bell)));
    }
}

/// Does anything hang on the expander that is read?
fn reads(wiring: &LinesWiring, expander: usize) -> bool {
    let here = |pin: &Pin| matches!(pin, Pin::Expander { expander: of, .. } if *of == expander);
    let jack = wiring.jack.iter().filter_map(|jack| match jack {
        JackWiring::Pin { pin, .. } => Some(*pin),
        JackWiring::Control(_) => None,
    });
    let dial = wiring.rotary.iter().flat_map(|dial| std::iter::once(dial.pulse).chain(dial.off_normal));
    let columns = wiring.matrix.iter().flat_map(|matrix| matrix.columns.iter().copied());
    let keys = wiring.keys.iter().map(|(_, pin)| *pin);
    let hook = wiring.hook.iter().map(|hook| hook.pin);
    jack.chain(dial).chain(columns).chain(keys).chain(hook).any(|pin| here(&pin))
}

fn keypad(wiring: &LinesWiring, matrix: &MatrixWiring, lines: &mut Vec<String>) {
    lines.push(format!("keypad: scanned every {} ms, a key counts after {} ms", matrix.scan_ms, matrix.debounce_ms));
    for (number, (pin, keys)) in (1..).zip(matrix.rows.iter().zip(&matrix.keys)) {
        let keys: Vec<String> = keys.iter().map(|key| key.map_or("-".into(), offhook_hal::Key::name)).collect();
        lines.push(format!("  row {number}: {}: {}", place(wiring, *pin), keys.join(" ")));
    }
    for (number, pin) in (1..).zip(&matrix.columns) {
        lines.push(format!("  column {number}: {}", place(wiring, *pin)));
    }
}

fn rotary(wiring: &LinesWiring, dial: &RotaryWiring, lines: &mut Vec<String>) {
    lines.push(format!(
        "dial: pulses on {}, one to ten pulses are {}",
        place(wiring, dial.pulse),
        dial.digits.iter().collect::<String>()
    ));
    lines.push(match dial.off_normal {
        Some(pin) => format!("  off its rest while {} is closed to ground", place(wiring, pin)),
        None => format!("  a digit ends after a pause of {} ms", dial.pause_ms),
    });
}

fn light(wiring: &LinesWiring, light: &LightWiring) -> String {
    let lit = level(!light.active_low);
    match &light.place {
        LightPlace::Pin(pin) => format!("{}, lit while {lit}", place(wiring, *pin)),
        LightPlace::Led(name) => format!("LED {name}, {} %", light.brightness),
        LightPlace::Pwm { chip, channel } => {
            format!("channel {channel} of pwmchip{chip}, {} %, lit while {lit}", light.brightness)
        }
    }
}

fn sound(audio: &AudioWiring, lines: &mut Vec<String>) {
    let tenths = audio.period.saturating_mul(10_000).checked_div(audio.rate as usize).unwrap_or(0);
    lines.push(format!(
        "sound: plays to {}, records from {}, {} Hz, {}.{} ms a period, {} periods",
        audio.playback,
        audio.capture,
        audio.rate,
        tenths / 10,
        tenths % 10,
        audio.periods
    ));
    for route in Route::ALL {
        let mut says = Vec::new();
        if let Some(wiring) = audio.route(route) {
            if let Some((playback, capture)) = &wiring.pcm {
                says.push(format!("on {playback} and {capture}"));
            }
            for (what, level) in [("ear", wiring.output_db), ("microphone", wiring.input_db)] {
                if level != 0 {
                    says.push(format!("{what} {level:+} dB"));
                }
            }
        }
        let settings = audio.mixer.iter().filter(|setting| setting.route == route.name());
        says.extend(settings.map(|setting| format!("{} {} %", setting.control, setting.percent)));
        if !says.is_empty() {
            lines.push(format!("  route {}: {}", route.name(), says.join(", ")));
        }
    }
}

fn level(high: bool) -> &'static str {
    if high { "high" } else { "low" }
}
