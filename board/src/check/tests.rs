use super::*;
use crate::machine::{
    GpioChip, I2cBus, InputDevice, Led, Pcm, PcmTrial, PwmChip, Rights, SoundCard, UsbHandset, Watchdog,
};

fn board(name: &str) -> Board {
    Board::parse(Board::built_in(name).unwrap()).unwrap()
}

/// A machine that has all that any of the boards names.
fn complete(board: &Board) -> Machine {
    let (mut chips, mut buses, mut leds, mut inputs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut pwm_chips = Vec::new();
    let mut usb_handsets = Vec::new();
    if let PanelWiring::Lines(wiring) = &board.panel {
        if !wiring.chip.is_empty() {
            chips.push(GpioChip {
                path: "/dev/gpiochip0".into(),
                name: "gpiochip0".into(),
                label: wiring.chip.clone(),
                lines: 58,
                used: vec![(17, "offhook".into())],
                access: Access::Usable,
            });
        }
        if let Some(label) = wiring.matrix.as_ref().and_then(|matrix| matrix.chip.clone()) {
            chips.push(GpioChip {
                path: "/dev/gpiochip1".into(),
                name: "gpiochip1".into(),
                label,
                lines: 8,
                used: Vec::new(),
                access: Access::Usable,
            });
        }
        if !wiring.expanders.is_empty() {
            buses.push(I2cBus {
                path: "/dev/i2c-1".into(),
                claimed: vec![(0x1a, "wm8960".into())],
                answering: wiring.expanders.iter().map(|expander| expander.address).collect(),
                access: Access::Usable,
            });
        }
        for (_, lamp) in &wiring.lamps {
            for (_, light) in &lamp.lights {
                if let crate::LightPlace::Led(name) = &light.place {
                    leds.push(Led { name: name.clone(), most: 255, access: Access::Usable });
                }
            }
        }
        pwm_chips.push(PwmChip { number: 0, channels: 2, access: Access::Usable });
        inputs.extend(wiring.input_devices.iter().map(|name| InputDevice {
            path: "/dev/input/event0".into(),
            name: name.clone(),
            hook: true,
            ..InputDevice::default()
        }));
        if let Some(wired) = &wiring.usb_handset {
            usb_handsets.push(UsbHandset {
                usb: wired.usb.unwrap_or((0x0d8c, 0x0105)),
                path: "/dev/hidraw0".into(),
                name: "Telephone".into(),
                hook: true,
                access: Access::Usable,
            });
        }
    }
    let mut mixer: Vec<String> = board.audio.mixer.iter().map(|setting| setting.control.clone()).collect();
    mixer.dedup();
    let card = |number: u32, id: &str| SoundCard {
        number,
        id: id.into(),
        name: id.into(),
        mixer: mixer.clone(),
        jacks: vec!["Headphone Jack".into()],
    };
    Machine {
        gpio_chips: chips,
        leds,
        pwm_chips,
        i2c_buses: buses,
        input_devices: inputs,
        usb_handsets,
        sound_cards: vec![card(0, "offhook"), card(1, "Device"), card(2, "Loopback")],
        pcms: Vec::new(),
        watchdogs: vec![Watchdog { path: "/dev/watchdog0".into(), identity: "a".into(), longest_s: Some(60) }],
        rights: Rights { user: "offhook".into(), realtime: 99, locked_memory: u64::MAX },
        unknown: Vec::new(),
    }
}

/// The findings after a change to a machine that had everything.
#[track_caller]
fn after(name: &str, change: impl FnOnce(&mut Machine)) -> Vec<Finding> {
    let board = board(name);
    let mut machine = complete(&board);
    change(&mut machine);
    missing(&board, &machine)
}

#[track_caller]
fn one(findings: &[Finding], severity: Severity, place: &str, says: &str) {
    let found = findings.iter().find(|finding| finding.severity == severity && finding.place == place);
    let found = found.unwrap_or_else(|| panic!("nothing about {place}: {findings:#?}"));
    assert!(found.to_string().contains(says), "{found}");
}

#[test]
fn a_machine_with_everything_misses_nothing() {
    for name in Board::built_in_names() {
        assert_eq!(missing(&board(name), &complete(&board(name))), [], "{name}");
    }
}

#[test]
fn an_empty_machine_is_told_of_every_part_and_what_to_do() {
    for name in Board::built_in_names() {
        let findings = missing(&board(name), &Machine::default());
        assert!(!findings.is_empty(), "{name}");
        for finding in &findings {
            assert!(!finding.problem.is_empty() && !finding.remedy.is_empty(), "{finding}");
        }
        assert!(findings.is_sorted_by_key(|finding| finding.severity), "{name}");
    }
    let findings = missing(&board("rpi4-handset"), &Machine::default());
    one(&findings, Severity::Error, "[panel] chip", "gpiodetect");
    one(&findings, Severity::Error, "[panel.expanders.keys] bus", "i2c-dev");
    one(&findings, Severity::Error, "[audio] playback", "no sound card `offhook`");
    one(&findings, Severity::Warning, "[watchdog] device", "bcm2835_wdt");
    let findings = missing(&board("rpi-zero2w-handset"), &Machine { pwm_chips: Vec::new(), ..Machine::default() });
    one(&findings, Severity::Warning, "[panel.lamps] message", "pwmchip0");
}

#[test]
fn the_chip_of_the_matrix_is_looked_at_like_the_other_one() {
    let findings = after("uml", |machine| machine.gpio_chips.truncate(1));
    assert_eq!(findings.len(), 1, "{findings:#?}");
    one(&findings, Severity::Error, "[panel.matrix] chip", "no GPIO chip `offhook-matrix`");
    let findings = after("uml", |machine| machine.gpio_chips[1].lines = 6);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    one(&findings, Severity::Error, "[panel.matrix] column 3", "offhook-matrix (/dev/gpiochip1) has no line 6");
    let findings = after("uml", |machine| machine.gpio_chips[1].used = vec![(0, "spi0".into())]);
    one(&findings, Severity::Error, "[panel.matrix] row 1", "held by `spi0`");
}

#[test]
fn a_line_that_another_program_holds_is_named_with_its_holder() {
    let findings = after("rpi4-handset", |machine| machine.gpio_chips[0].used = vec![(8, "spi0 CS0".into())]);
    assert_eq!(findings.len(), 1);
    one(&findings, Severity::Error, "[panel.keys] ok", "line 8 is held by `spi0 CS0`");
    let findings = after("rpi4-handset", |machine| machine.gpio_chips[0].used = vec![(10, "spi0".into())]);
    one(&findings, Severity::Error, "[panel.expanders.keys] interrupt", "spi0");
    let findings = after("rpi4-handset", |machine| machine.gpio_chips[0].lines = 26);
    one(&findings, Severity::Error, "[panel.matrix] row 4", "no line 26");
    assert_eq!(findings.len(), 2, "{findings:#?}");
}

#[test]
fn a_device_that_belongs_to_others_is_named_with_the_group_that_may() {
    let denied = || Access::Denied { group: Some("gpio".into()) };
    let findings = after("rpi4-handset", |machine| machine.gpio_chips[0].access = denied());
    one(&findings, Severity::Error, "[panel] chip", "usermod -aG gpio offhook");
    let findings = after("rpi4-handset", |machine| machine.i2c_buses[0].access = denied());
    one(&findings, Severity::Error, "[panel.expanders.lamps] bus", "/dev/i2c-1");
    let findings = after("rpi3-handset", |machine| machine.leds[0].access = Access::Denied { group: None });
    one(&findings, Severity::Warning, "[panel.lamps] message", "udev");
    let findings = after("usb-handset", |machine| machine.usb_handsets[0].access = Access::Busy);
    one(&findings, Severity::Error, "[panel.usb_handset]", "fuser /dev/hidraw0");
}

#[test]
fn an_expander_that_is_silent_or_taken_is_told_apart() {
    let findings = after("rpi4-handset", |machine| machine.i2c_buses[0].answering = vec![0x20]);
    assert_eq!(findings.len(), 1);
    one(&findings, Severity::Error, "[panel.expanders.lamps] address", "i2cdetect");
    let findings = after("rpi4-handset", |machine| machine.i2c_buses[0].claimed.push((0x20, "mcp230xx".into())));
    one(&findings, Severity::Error, "[panel.expanders.keys] address", "device tree");
}

#[test]
fn devices_that_may_come_later_are_warnings() {
    let findings = after("usb-handset", |machine| machine.usb_handsets.clear());
    assert_eq!(findings.len(), 1);
    one(&findings, Severity::Warning, "[panel.usb_handset]", "plug it in");
    let text = Board::built_in("usb-handset").unwrap().replace("\"default\"", "\"plughw:CARD=Other,DEV=0\"");
    let board = Board::parse(&text).unwrap();
    let findings = missing(&board, &complete(&board));
    assert_eq!(findings.len(), 2, "{findings:#?}");
    one(&findings, Severity::Warning, "[audio.routes.speaker] capture", "`Loopback`");
    let findings = after("usb-handset", |machine| machine.sound_cards.retain(|card| card.id != "Device"));
    one(&findings, Severity::Error, "[audio] playback", "`offhook`");
    let findings = after("rpi3-handset", |machine| machine.input_devices.clear());
    one(&findings, Severity::Warning, "[panel] input_devices", "offhook-keys");
}

#[test]
fn a_usb_device_without_a_hook_switch_cannot_lift_the_phone() {
    let mut text = Board::built_in("usb-handset").unwrap().replace("# usb = ", "usb = ");
    let board = Board::parse(&text).unwrap();
    let mut machine = complete(&board);
    machine.usb_handsets[0].hook = false;
    one(&missing(&board, &machine), Severity::Error, "[panel.usb_handset]", "headset = true");
    text = text.replace("[panel.usb_handset]", "[panel.hook]\npin = 1\nlifted = \"low\"\n[panel.usb_handset]");
    let headset =
        text.replace("headset = false", "headset = true").replace("kind = \"lines\"", "kind = \"lines\"\nchip = \"c\"");
    let board = Board::parse(&headset).unwrap();
    machine.gpio_chips = complete(&board).gpio_chips;
    assert_eq!(missing(&board, &machine), []);
}

#[test]
fn an_input_device_without_a_hook_does_not_lift_a_board_that_has_no_other() {
    let text = Board::built_in("usb-handset").unwrap();
    let text = text.replace("headset = false", "").replace("[panel.usb_handset]", "input_devices = [\"pad\"]");
    let board = Board::parse(&text).unwrap();
    let mut machine = complete(&board);
    assert_eq!(missing(&board, &machine), []);
    machine.input_devices[0].hook = false;
    machine.input_devices[0].keys = vec![offhook_hal::Key::Digit('1')];
    one(&missing(&board, &machine), Severity::Error, "[panel] input_devices", "KEY_PHONE");
    machine.input_devices[0].keys.clear();
    one(&missing(&board, &machine), Severity::Warning, "[panel] input_devices", "no key that a telephone knows");
}

#[test]
fn mixer_controls_and_jacks_the_card_has_not_are_named_once_with_those_it_has() {
    let findings = after("rpi4-handset", |machine| machine.sound_cards[0].mixer.retain(|control| control != "Speaker"));
    assert_eq!(findings.len(), 1, "{findings:#?}");
    one(&findings, Severity::Error, "[audio.mixer.off] Speaker", "`Headphone`");
    let text = Board::built_in("rpi4-handset").unwrap();
    let text = text.replace("pin = 9\nplugged = \"high\"", "control = \"Line Jack\"");
    let board = Board::parse(&text).unwrap();
    one(&missing(&board, &complete(&board)), Severity::Warning, "[panel.jack] control", "`Headphone Jack`");
}

#[test]
fn a_pcm_that_does_not_open_is_an_error_and_one_that_converts_a_note() {
    let tried = |trial: PcmTrial| {
        after("rpi3-handset", |machine| {
            machine.pcms = vec![Pcm { name: "plughw:CARD=Device,DEV=0".into(), playback: true, trial }];
        })
    };
    one(&tried(PcmTrial::Busy), Severity::Error, "[audio] playback", "another program");
    one(&tried(PcmTrial::Fails("Invalid argument".into())), Severity::Error, "[audio] playback", "Invalid argument");
    let other = PcmTrial::Opens { rate: 16_000, period: 480, periods: 4, channels: 2 };
    one(&tried(other), Severity::Note, "[audio] playback", "periods of 480");
    assert_eq!(tried(PcmTrial::Opens { rate: 16_000, period: 160, periods: 4, channels: 2 }), []);
}

#[test]
fn rights_and_watchdog_are_checked_on_every_board() {
    let findings =
        after("laptop", |machine| machine.rights = Rights { user: "ann".into(), realtime: 0, locked_memory: 65_536 });
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().any(|finding| finding.remedy.contains("`ann - rtprio 30`")));
    assert!(findings.iter().any(|finding| finding.remedy.contains("`ann - memlock 65536`")));
    let findings = after("rpi4-handset", |machine| machine.watchdogs[0].longest_s = Some(10));
    one(&findings, Severity::Warning, "[watchdog] timeout_s", "timeout_s = 10");
    let findings = after("laptop", |machine| machine.unknown.push("/dev/input: permission denied".into()));
    one(&findings, Severity::Note, "this machine", "/dev/input");
}

#[test]
fn leds_that_are_only_on_or_off_are_noted_where_a_brightness_is_asked_for() {
    let text = Board::built_in("rpi3-handset").unwrap();
    let text = text.replace("led = \"offhook:message\"", "led = \"offhook:message\", brightness = 30");
    let board = Board::parse(&text).unwrap();
    let mut machine = complete(&board);
    machine.leds[0].most = 1;
    one(&missing(&board, &machine), Severity::Note, "[panel.lamps] message", "leds-pwm");
}

#[test]
fn an_explanation_names_every_pin_and_every_part() {
    for name in Board::built_in_names() {
        let board = board(name);
        let text = explain(&board).join("\n");
        assert!(text.starts_with(&format!("{name}: {}", board.model)));
        assert!(text.contains(&board.audio.playback));
        let PanelWiring::Lines(wiring) = &board.panel else { continue };
        for (entry, pin) in wiring.pins() {
            assert!(text.contains(&wiring.place(pin)), "{name}: {entry} is not explained in\n{text}");
        }
        for expander in &wiring.expanders {
            assert!(text.contains(&format!("expander {}: {}", expander.name, expander.kind.name())));
        }
    }
    let lines = explain(&board("rpi4-handset"));
    for line in [
        "hook: line 17 of pinctrl-bcm2711, lifted while high, counts after 20 ms",
        "key volume+: pin 13 (GPB5) of expander keys, closes to ground",
        "lamp message: pin 12 (GPB4) of expander lamps, lit while low",
        "  row 1: line 5 of pinctrl-bcm2711: 1 2 3",
        "expander keys: mcp23017 at 0x20 on /dev/i2c-1, tells of changes on line 10",
        "expander lamps: mcp23017 at 0x21 on /dev/i2c-1, only driven",
    ] {
        assert!(lines.iter().any(|known| known == line), "{line} is not in {lines:#?}");
    }
}
