//! Does `rppal` work on this Pi, real or emulated? Opens the panel of a board on its pins, lights a lamp, reads the hook
//! and says so: `cargo run --example rppal_smoke --features rppal`. The emulated raspi3b needs the kernel argument
//! `iomem=relaxed`.

use offhook_board::{Board, PanelWiring};
use offhook_hal::{Panel, Pattern};
use offhook_hal_linux::LinuxPanel;
use std::time::Duration;

const BOARD: &str = r#"
name = "rppal-smoke"
model = "rppal on any Pi"
lamp_keys = 1
[panel]
kind = "lines"
chip = "rppal"
key_debounce_ms = 10
bell = 26
[panel.hook]
pin = 17
lifted = "high"
debounce_ms = 20
[panel.matrix]
rows = [5, 6]
columns = [22, 23]
scan_ms = 5
debounce_ms = 10
keys = [["1", "2"], ["4", "5"]]
[panel.lamps]
key1 = { pin = 21 }
[audio]
playback = "default"
capture = "default"
rate = 16000
period = 160
periods = 3
"#;

fn main() -> Result<(), String> {
    let board = Board::parse(BOARD).map_err(|error| error.to_string())?;
    let PanelWiring::Lines(wiring) = &board.panel else { return Err("the board has no lines".into()) };
    println!("board {} has {} lamp(s)", board.name, wiring.lamps.len());
    let mut panel = LinuxPanel::open(&board).map_err(|error| error.to_string())?;
    for lamp in panel.lamps() {
        panel.indicate(lamp, Pattern::On).map_err(|error| error.to_string())?;
    }
    panel.bell(true).and_then(|()| panel.bell(false)).map_err(|error| error.to_string())?;
    let first = panel.wait(Duration::from_secs(1)).map_err(|error| error.to_string())?;
    println!("the panel says {}", first.map_or("nothing".to_owned(), |event| format!("{event:?}")));
    if first.is_none() {
        return Err("the hook did not say how it lies".into());
    }
    println!("rppal works");
    Ok(())
}
