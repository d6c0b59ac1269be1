//! Every board folder agrees with itself: wiring, drawing, parts, device-tree overlay, boot configuration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod overlay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use offhook_board::{Board, JackWiring, LightPlace, LinesWiring, PanelWiring, Pin};
use overlay::Overlay;

struct Folder {
    path: PathBuf,
    board: Board,
    toml: String,
}

impl Folder {
    fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.path.join(file)).ok()
    }

    #[track_caller]
    fn needs(&self, file: &str) -> String {
        self.text(file).unwrap_or_else(|| panic!("{}: there is no {file}", self.board.name))
    }

    fn lines(&self) -> Option<&LinesWiring> {
        match &self.board.panel {
            PanelWiring::Lines(wiring) => Some(wiring),
            PanelWiring::Keyboard => None,
        }
    }

    /// Lines of the chip, with what the drawing should call them.
    fn wired(&self) -> BTreeMap<u32, String> {
        let lines = self.named().into_iter().filter_map(|(pin, what)| match pin {
            Pin::Line(line) => Some((line, what)),
            Pin::MatrixLine(_) | Pin::Expander { .. } => None,
        });
        lines.collect()
    }

    /// Every pin, with what the drawing should call it.
    fn named(&self) -> Vec<(Pin, String)> {
        let Some(wiring) = self.lines() else { return Vec::new() };
        let mut named: Vec<(Pin, String)> = Vec::new();
        for expander in &wiring.expanders {
            named.extend(
                expander.interrupt.map(|line| (Pin::Line(line), format!("interrupt of expander {}", expander.name))),
            );
        }
        named.extend(wiring.hook.iter().map(|hook| (hook.pin, "hook switch".to_owned())));
        if let Some(matrix) = &wiring.matrix {
            named.extend((1..).zip(&matrix.rows).map(|(number, pin)| (*pin, format!("keypad row {number}"))));
            named.extend((1..).zip(&matrix.columns).map(|(number, pin)| (*pin, format!("keypad column {number}"))));
        }
        named.extend(wiring.keys.iter().map(|(key, pin)| (*pin, format!("{} key", key.name()))));
        if let Some(dial) = &wiring.rotary {
            named.push((dial.pulse, "dial pulse".into()));
            named.extend(dial.off_normal.map(|pin| (pin, "dial off-normal".into())));
        }
        for (lamp, wired) in &wiring.lamps {
            for (colour, light) in &wired.lights {
                let colour = colour.map(|colour| format!(", {}", colour.name())).unwrap_or_default();
                if let LightPlace::Pin(pin) = light.place {
                    named.push((pin, format!("{} lamp{colour}", lamp.name())));
                }
            }
        }
        if let Some(JackWiring::Pin { pin, .. }) = wiring.jack {
            named.push((pin, "headset jack".into()));
        }
        named.extend(wiring.bell.map(|pin| (pin, "bell".to_owned())));
        named
    }
}

fn folders() -> Vec<Folder> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(toml) = std::fs::read_to_string(path.join("board.toml")) else { continue };
        let board = Board::parse(&toml).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        folders.push(Folder { path, board, toml });
    }
    folders.sort_by(|one, other| one.board.name.cmp(&other.board.name));
    folders
}

/// Boards whose kernel gets a device-tree overlay.
fn overlaid() -> Vec<(Folder, Overlay)> {
    let overlaid = folders().into_iter().filter_map(|folder| {
        let overlay = Overlay::read(&folder.text("overlay.dts")?);
        Some((folder, overlay))
    });
    let overlaid: Vec<_> = overlaid.collect();
    for name in ["rpi4-handset", "rpi3-handset", "rpi-zero2w-handset"] {
        assert!(overlaid.iter().any(|(folder, _)| folder.board.name == name), "{name} has no overlay.dts");
    }
    overlaid
}

#[test]
fn every_folder_is_built_in_under_its_own_name() {
    let built_in: BTreeSet<&str> = Board::built_in_names().collect();
    for folder in folders() {
        let name = folder.board.name.as_str();
        assert_eq!(folder.path.file_name().unwrap(), name);
        assert_eq!(Board::built_in(name), Some(folder.toml.as_str()), "{name}");
        assert!(built_in.contains(name));
    }
    assert_eq!(folders().len(), built_in.len());
}

#[test]
fn the_drawing_says_what_every_pin_is() {
    for folder in folders() {
        let named = folder.named();
        if named.is_empty() {
            continue;
        }
        let drawing = folder.needs("pins.md");
        let wiring = folder.lines().unwrap();
        for (pin, what) in named {
            let drawn = match pin {
                Pin::Line(line) => drawn_line(&drawing, line),
                Pin::MatrixLine(line) => drawn_in(&drawing, &matrix_section(wiring), line),
                Pin::Expander { expander, pin } => {
                    drawn_in(&drawing, &format!("## Expander {}", wiring.expanders[expander].name), pin.into())
                }
            };
            let drawn = drawn.unwrap_or_else(|| panic!("{}: {} is not drawn", folder.board.name, wiring.place(pin)));
            let exact =
                drawn == what || drawn.strip_prefix(&what).is_some_and(|rest| rest.starts_with([',', ' ', '(']));
            assert!(exact, "{}: {} is drawn as `{drawn}`, wired as `{what}`", folder.board.name, wiring.place(pin));
        }
    }
}

#[test]
fn the_drawing_shows_nothing_that_is_not_wired() {
    for folder in folders() {
        let Some(drawing) = folder.text("pins.md") else { continue };
        let matrix = folder.lines().filter(|wiring| wiring.matrix.as_ref().is_some_and(|matrix| matrix.chip.is_some()));
        for line in (0..32).filter(|_| matrix.is_some()) {
            let Some(drawn) = drawn_in(&drawing, &matrix_section(matrix.unwrap()), line) else { continue };
            let wired = folder.named().iter().any(|(pin, _)| *pin == Pin::MatrixLine(line));
            assert!(wired || drawn.starts_with('('), "{}: line {line} of the matrix is {drawn}", folder.board.name);
        }
        let mut known = folder.wired();
        if let Some(overlay) = folder.text("overlay.dts") {
            known.extend(Overlay::read(&overlay).lines().into_iter().map(|line| (line, String::new())));
        }
        for line in 0..32 {
            let Some(drawn) = drawn_line(&drawing, line) else { continue };
            let free = drawn.starts_with('(') || drawn.starts_with("serial console");
            assert!(free || known.contains_key(&line), "{}: line {line} is drawn as {drawn}", folder.board.name);
        }
    }
}

/// Where the drawing shows the matrix' own chip.
fn matrix_section(wiring: &LinesWiring) -> String {
    format!("## Matrix {}", wiring.matrix.as_ref().unwrap().chip.as_ref().unwrap())
}

/// What the drawing says of a line: left or right of a 40-pin header, or in a table of simulated lines.
fn drawn_line(drawing: &str, line: u32) -> Option<String> {
    let name = format!("GPIO{line}");
    let drawing = drawing.split("\n## Matrix").next().unwrap();
    for row in drawing.lines() {
        if let Some(cells) = row.strip_prefix(&format!("| {line} | ")) {
            if !drawing.contains("## Expander") {
                return Some(cells.trim_end_matches([' ', '|']).to_owned());
            }
            continue;
        }
        let Some((left, right)) = row.split_once(")  (") else { continue };
        let left: Vec<&str> = left.split_whitespace().collect();
        if let [what @ .., pin, _] = left.as_slice()
            && *pin == name
        {
            return Some(what.join(" "));
        }
        let right: Vec<&str> = right.split_whitespace().collect();
        if let [_, pin, what @ ..] = right.as_slice()
            && *pin == name
        {
            return Some(what.join(" "));
        }
    }
    None
}

/// What the drawing says of a pin in the section with this heading.
fn drawn_in(drawing: &str, heading: &str, pin: u32) -> Option<String> {
    let section = drawing.split_once(&format!("{heading}\n"))?.1;
    let section = section.split("\n## ").next()?;
    let row = section.lines().find_map(|row| row.strip_prefix(&format!("| {pin} | ")))?;
    // An expander's pins have a name too.
    let what = row.split_once(" | ").map_or(row, |(_, what)| what);
    Some(what.trim_end_matches([' ', '|']).to_owned())
}

#[test]
fn the_drawing_names_kind_and_address_of_every_expander() {
    for folder in folders() {
        let Some(wiring) = folder.lines() else { continue };
        for expander in &wiring.expanders {
            let drawing = folder.needs("pins.md");
            let section = drawing.split_once(&format!("## Expander {}\n", expander.name)).unwrap().1;
            let says = section.lines().nth(1).unwrap();
            for what in [expander.kind.name().to_uppercase(), format!("{:#x}", expander.address)] {
                assert!(says.contains(&what), "{}, expander {}: {what}", folder.board.name, expander.name);
            }
        }
    }
}

#[test]
fn no_line_is_both_the_daemons_and_the_kernels() {
    for (folder, overlay) in overlaid() {
        for line in overlay.lines() {
            let wired = folder.wired();
            assert!(
                !wired.contains_key(&line),
                "{}: line {line} is {} and in the overlay",
                folder.board.name,
                wired[&line]
            );
        }
    }
}

#[test]
fn no_i2c_address_is_both_the_daemons_and_the_kernels() {
    for (folder, overlay) in overlaid() {
        let wiring = folder.lines().unwrap();
        for (node, address) in overlay.i2c() {
            let twice = wiring.expanders.iter().find(|expander| u32::from(expander.address) == address);
            assert!(twice.is_none(), "{}: {node} and expander {}", folder.board.name, twice.unwrap().name);
            assert!(node.ends_with(&format!("@{address:x}")), "{}: {node} has reg {address:#x}", folder.board.name);
        }
        if !wiring.expanders.is_empty() {
            assert!(wiring.expanders.iter().all(|expander| expander.bus == "/dev/i2c-1"), "{}", folder.board.name);
            assert!(overlay.switches_on("i2c1"), "{}: the overlay leaves I2C off", folder.board.name);
            let needed = ["GPIO2", "GPIO3"].iter().all(|pin| folder.needs("pins.md").contains(&format!("{pin}  ")));
            assert!(needed, "{}: I2C is not drawn", folder.board.name);
        }
    }
}

#[test]
fn the_overlay_makes_what_the_board_file_names_and_nothing_else() {
    for (folder, overlay) in overlaid() {
        let name = &folder.board.name;
        let wiring = folder.lines().unwrap();
        let named: BTreeSet<&str> = wiring.input_devices.iter().map(String::as_str).collect();
        assert_eq!(overlay.labels_of("gpio-keys"), named, "{name}: input devices");
        let lights = wiring.lamps.iter().flat_map(|(_, lamp)| &lamp.lights);
        let leds: BTreeSet<&str> = lights
            .clone()
            .filter_map(|(_, light)| match &light.place {
                LightPlace::Led(led) => Some(led.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(overlay.labels_below("gpio-leds"), leds, "{name}: LEDs");
        let channels: BTreeSet<u32> = lights
            .filter_map(|(_, light)| match light.place {
                LightPlace::Pwm { channel, .. } => Some(channel),
                _ => None,
            })
            .collect();
        assert_eq!(overlay.pwm_channels(), channels, "{name}: PWM");
        match overlay.card() {
            Some(card) => {
                for pcm in [&folder.board.audio.playback, &folder.board.audio.capture] {
                    assert!(pcm.contains(&format!("CARD={card},")), "{name}: {pcm} is not on card {card}");
                }
                assert!(overlay.switches_on("i2s"), "{name}: the overlay leaves I2S off");
            }
            None => assert!(!folder.board.audio.playback.contains("CARD=offhook"), "{name}: nobody makes the card"),
        }
    }
}

#[test]
fn the_boot_configuration_loads_the_overlay_and_gives_a_reason_for_every_line() {
    for (folder, _) in overlaid() {
        let name = &folder.board.name;
        let overlay = format!("dtoverlay=offhook-{name}");
        let loads = folder.needs("config.txt").lines().filter(|line| *line == overlay).count();
        assert_eq!(loads, 1, "{name}: config.txt must load its overlay");
        let compiled = folder.needs("overlay.dts").contains(&format!("-o offhook-{name}.dtbo"));
        assert!(compiled, "{name}: overlay.dts says how it is compiled");
    }
    for folder in folders() {
        let Some(config) = folder.text("config.txt") else { continue };
        let name = &folder.board.name;
        let ours = config.contains("dtoverlay=offhook-");
        assert!(!ours || folder.text("overlay.dts").is_some(), "{name}: config.txt loads an overlay that is not there");
        let mut explained = false;
        for line in config.lines() {
            match line {
                "" => explained = false,
                comment if comment.starts_with('#') => explained = true,
                entry => {
                    assert!(entry.contains('='), "{name}: {entry}");
                    assert!(explained, "{name}: `{entry}` has no reason above it");
                }
            }
        }
    }
}

#[test]
fn the_overlay_compiles() {
    if Command::new("dtc").arg("--version").output().is_err() {
        eprintln!("skipped: the_overlay_compiles needs dtc (Debian: device-tree-compiler)");
        return;
    }
    for (folder, _) in overlaid() {
        let compiled = Command::new("dtc")
            .args(["-@", "-I", "dts", "-O", "dtb", "-o", "/dev/null"])
            .arg(folder.path.join("overlay.dts"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success() && said.is_empty(), "{}: {said}", folder.board.name);
    }
}

#[test]
fn the_bill_of_materials_has_every_part_that_the_board_file_names() {
    for folder in folders() {
        let parts = folder.needs("parts.md");
        let name = &folder.board.name;
        assert!(!parts.contains("http"), "{name}: shops change, links in parts.md die");
        assert!(parts.contains("| function | typical part | remarks |"), "{name}: parts.md has no table");
        let Some(wiring) = folder.lines() else { continue };
        let mut needed: Vec<String> = Vec::new();
        needed.extend(wiring.expanders.iter().map(|expander| expander.kind.name().to_uppercase()));
        needed.extend(wiring.hook.iter().map(|_| "hook switch".to_owned()));
        needed.extend(wiring.matrix.iter().map(|_| "keypad".to_owned()));
        needed.extend(wiring.rotary.iter().map(|_| "dial".to_owned()));
        needed.extend(wiring.bell.iter().map(|_| "bell".to_owned()));
        needed.extend(wiring.jack.iter().map(|_| "headset socket".to_owned()));
        needed.extend(wiring.usb_handset.iter().map(|_| "USB handset".to_owned()));
        if folder.toml.contains("codec = \"wm8960\"") {
            needed.push("WM8960".into());
        }
        for part in needed {
            assert!(parts.contains(&part), "{name}: parts.md has no {part}");
        }
    }
}

#[test]
fn every_kind_of_wiring_is_shown_by_some_board() {
    let all: String = folders().iter().map(|folder| folder.toml.clone()).collect();
    for entry in [
        "[panel.expanders.",
        "interrupt =",
        "[panel.rotary]",
        "off_normal =",
        "pwm = {",
        "brightness =",
        "red = {",
        "active_low =",
        "[panel.colours]",
        "[panel.usb_handset]",
        "[panel.jack]",
        "bell =",
        "led = ",
        "input_devices =",
        "[audio.mixer.every]",
        "[audio.routes.",
        "[watchdog]",
        "codec =",
        "[panel.matrix]",
        "[panel.hook]",
    ] {
        assert!(all.lines().any(|line| !line.starts_with('#') && line.contains(entry)), "no board shows {entry}");
    }
}

#[test]
fn boards_of_the_raspberry_pi_do_not_ring_while_it_starts() {
    // GPIO0 to GPIO8 are pulled up by default, and nobody drives them until the daemon runs.
    for folder in folders().iter().filter(|folder| folder.board.name.starts_with("rpi")) {
        if let Some(Pin::Line(line)) = folder.lines().and_then(|wiring| wiring.bell) {
            assert!(line > 8, "{}: the bell on line {line} rings while the Pi starts", folder.board.name);
        }
    }
}

#[test]
fn watchdogs_of_the_raspberry_pi_wait_no_longer_than_it_can() {
    for (folder, _) in overlaid() {
        let watchdog = folder.board.watchdog.as_ref().unwrap();
        assert!(watchdog.timeout_s <= 15, "{}", folder.board.name);
    }
}

#[test]
fn the_image_has_the_kernel_modules_that_the_board_needs() {
    let mut seen = 0;
    for folder in folders() {
        let Some(facts) = folder.text("image.conf").filter(|facts| facts.contains("FIRMWARE=raspi")) else { continue };
        let loaded: BTreeSet<&str> = facts.split([' ', '\n', '"', '=']).collect();
        let wiring = folder.lines().unwrap();
        let overlay = folder.text("overlay.dts").unwrap_or_default();
        let mut needed: Vec<(&str, &[&str])> = Vec::new();
        let mut needs = |why: bool, what, modules| why.then(|| needed.push((what, modules)));
        needs(!wiring.expanders.is_empty(), "expanders", &["i2c-bcm2835", "i2c-dev"]);
        needs(overlay.contains("\"gpio-keys\""), "gpio-keys", &["gpio_keys", "evdev"]);
        needs(overlay.contains("\"gpio-leds\""), "gpio-leds", &["leds-gpio"]);
        needs(overlay.contains("target = <&pwm>"), "PWM", &["pwm-bcm2835"]);
        needs(overlay.contains("\"wlf,wm8960\""), "codec", &["snd-soc-wm8960", "snd-soc-bcm2835-i2s", "i2c-bcm2835"]);
        needs(overlay.contains("\"simple-audio-card\""), "card", &["snd-soc-simple-card"]);
        needs(folder.toml.contains("CARD=Device"), "USB sound", &["snd-usb-audio"]);
        needs(wiring.usb_handset.is_some(), "USB handset", &["usbhid", "hid-generic"]);
        needs(!wiring.input_devices.is_empty(), "input devices", &["evdev"]);
        needs(folder.board.watchdog.is_some(), "watchdog", &["bcm2835_wdt"]);
        for (what, modules) in needed {
            for module in modules {
                assert!(loaded.contains(module), "{}: {what} without {module} in image.conf", folder.board.name);
            }
        }
        seen += 1;
    }
    assert!(seen > 0 || folders().iter().all(|folder| folder.text("image.conf").is_none()));
}
