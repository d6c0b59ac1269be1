//! `docs/board.md` describes exactly the entries that are read, and the board files in the documentation are good.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use offhook_board::{Board, PanelWiring};

const SHAPE: &str = include_str!("../src/file/shape.rs");
const REFERENCE: &str = include_str!("../../docs/board.md");
const HARDWARE: &str = include_str!("../../docs/hardware.md");

/// Which table of the reference describes which struct.
const TABLES: [(&str, &str); 12] = [
    ("### The board", "BoardFile"),
    ("### `[panel]`", "PanelFile"),
    ("### `[panel.expanders.<name>]`", "ExpanderFile"),
    ("### `[panel.hook]`", "HookFile"),
    ("### `[panel.matrix]`", "MatrixFile"),
    ("### `[panel.rotary]`", "RotaryFile"),
    ("### `[panel.lamps]`", "LampFile"),
    ("### `[panel.usb_handset]`", "UsbHandsetFile"),
    ("### `[panel.jack]`", "JackFile"),
    ("### `[audio]`", "AudioFile"),
    ("### `[audio.routes.<route>]`", "RouteFile"),
    ("### `[watchdog]`", "WatchdogFile"),
];

/// The fields of a struct in `shape.rs`.
fn fields(name: &str) -> BTreeSet<&str> {
    let body = SHAPE.split_once(&format!("struct {name} {{")).unwrap_or_else(|| panic!("no struct {name}")).1;
    let body = body.split_once("\n}").unwrap().0;
    let fields = body.lines().filter_map(|line| line.trim().strip_prefix("pub(super) "));
    fields.map(|field| field.split_once(':').unwrap().0).collect()
}

/// The entries of the first table under a heading.
fn entries(heading: &str) -> BTreeSet<&str> {
    let section = REFERENCE.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}")).1;
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter_map(|row| row.strip_prefix("| `"));
    rows.map(|row| row.split_once('`').unwrap().0).collect()
}

#[test]
fn the_reference_describes_every_entry_and_no_other() {
    for (heading, name) in TABLES {
        assert_eq!(entries(heading), fields(name), "{heading} and {name}");
    }
}

#[test]
fn every_struct_of_the_shape_is_in_the_reference() {
    // A light is described with the lamp, a PWM channel in its row.
    let elsewhere = ["LightFile", "PwmFile", "Pin"];
    let structs =
        SHAPE.lines().filter_map(|line| line.trim().trim_start_matches("pub(super) ").strip_prefix("struct "));
    for name in structs {
        let name = name.split([' ', ';']).next().unwrap();
        assert!(elsewhere.contains(&name) || TABLES.iter().any(|(_, known)| *known == name), "{name} is not described");
    }
    assert!(fields("LightFile").is_subset(&fields("LampFile")));
    for field in fields("PwmFile") {
        assert!(REFERENCE.contains(&format!("{field} = ")), "{field}");
    }
}

#[test]
fn the_reference_names_every_board() {
    for name in Board::built_in_names() {
        assert!(REFERENCE.contains(&format!("[`{name}`](../board/{name}/board.toml)")), "{name}");
    }
}

#[test]
fn whole_board_files_in_the_documentation_are_good() {
    let mut seen = Vec::new();
    for (page, text) in [("board.md", REFERENCE), ("hardware.md", HARDWARE)] {
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            if !block.lines().any(|line| line.trim_start().starts_with("name =")) {
                continue;
            }
            let board = Board::parse(block).unwrap_or_else(|error| panic!("{page}: {error} of\n{block}"));
            seen.push(board);
        }
    }
    let simplest = seen.iter().find(|board| board.name == "my-phone").expect("hardware.md shows the simplest phone");
    let PanelWiring::Lines(wiring) = &simplest.panel else { panic!("its switch is not wired") };
    assert!(wiring.hook.is_some() && wiring.chip == "pinctrl-bcm2711");
}

#[test]
fn parts_of_board_files_in_the_documentation_are_good() {
    // Tables shown without the rest: each must be accepted on a board that has what every board needs.
    let bare = "name = \"a\"\nmodel = \"A\"\nlamp_keys = 8\n[panel]\nkind = \"lines\"\nchip = \"pinctrl-bcm2711\"\n@[panel.hook]\npin = 17\nlifted = \"high\"\n@@[audio]\nplayback = \"default\"\ncapture = \"default\"\nrate = 16000\nperiod = 160\nperiods = 3\n";
    let mut seen = 0;
    for block in HARDWARE.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        if block.lines().any(|line| line.trim_start().starts_with("name =")) {
            continue;
        }
        let (entries, tables) = match block.find('[') {
            Some(at) if block[..at].lines().all(|line| !line.contains('=')) => ("", block),
            _ => block.split_at(block.find("\n[").map_or(block.len(), |at| at + 1)),
        };
        let (before, audio) = match tables.find("[audio.") {
            Some(at) => tables.split_at(at),
            None => (tables, ""),
        };
        let without_hook = if before.contains("[panel.hook]") {
            bare.replace("[panel.hook]\npin = 17\nlifted = \"high\"\n", "")
        } else {
            bare.to_owned()
        };
        let text = without_hook.replace("@@", before).replacen('@', entries, 1) + audio;
        if let Err(error) = Board::parse(&text) {
            panic!("hardware.md: {error} in\n{text}");
        }
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} parts were found");
}
