//! What the machine says about itself: MAC address, serial number, board folder.

use offhook_board::{Board, PanelWiring};
use offhook_hal::{DIGITS, Key};
use offhook_phone::account::rules::Zone;
use offhook_phone::account::template::Device;
use std::fs;
use std::path::Path;

/// Reads the board: a built-in name, or a folder with `board.toml`.
pub(crate) fn board(name: &str) -> Result<Board, String> {
    let folder = Path::new(name);
    let (place, text) = if let Some(text) = Board::built_in(name) {
        (name.to_owned(), text.to_owned())
    } else {
        let path = if folder.is_dir() { folder.join("board.toml") } else { folder.to_owned() };
        let text = fs::read_to_string(&path).map_err(|error| {
            let known = Board::built_in_names().collect::<Vec<_>>().join(", ");
            format!(
                "no board {name}: {}: {error}; there are {known}, and a folder must hold a board.toml",
                path.display()
            )
        })?;
        (path.display().to_string(), text)
    };
    Board::parse(&text).map_err(|error| format!("{place}, line {}: {}", error.line, error.reason))
}

/// For templates in provisioning URLs.
pub(crate) fn device(board: &Board) -> Device {
    Device {
        mac: mac().unwrap_or_else(|| "000000000000".into()),
        model: board.model.clone(),
        serial: serial(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

/// Name of the machine in the network.
pub(crate) fn hostname() -> String {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).unwrap_or_default()
}

/// Where the machine says it stands: `TZ`, else `/etc/localtime`, by its name if it is a link into the zone database; UTC
/// if nothing says.
pub(crate) fn zone() -> Zone {
    let words = std::env::var("TZ").ok();
    let link = || {
        let path = fs::canonicalize("/etc/localtime").ok()?;
        Zone::named(path.to_str()?.split_once("zoneinfo/")?.1)
    };
    words
        .filter(|words| !words.trim().is_empty())
        .and_then(|words| Zone::of_words(&words))
        .or_else(link)
        .or_else(|| Zone::of_tzif(&fs::read("/etc/localtime").ok()?))
        .unwrap_or_default()
}

/// Keys that a person can be asked to press. What an input device has is not in the board's file, and a keyboard has
/// many more: of those the keypad's twelve are meant.
pub(crate) fn keys(board: &Board) -> Vec<Key> {
    let keypad = || DIGITS.into_iter().map(Key::Digit);
    let PanelWiring::Lines(lines) = &board.panel else { return keypad().collect() };
    let mut keys: Vec<Key> =
        lines.matrix.iter().flat_map(|matrix| matrix.keys.iter().flatten().flatten().copied()).collect();
    keys.extend(lines.keys.iter().map(|(key, _)| *key));
    keys.extend(lines.rotary.iter().flat_map(|dial| dial.digits).map(Key::Digit));
    if !lines.input_devices.is_empty() {
        keys.extend(keypad());
    }
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|key| seen.insert(*key));
    keys
}

/// 12 hex digits of the first wired interface, else of the first one there is.
fn mac() -> Option<String> {
    let mut interfaces: Vec<_> = fs::read_dir("/sys/class/net")
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let mac: String = fs::read_to_string(path.join("address")).ok()?.trim().replace(':', "").to_lowercase();
            let usable = mac.len() == 12 && mac.bytes().any(|b| b != b'0');
            let name = path.file_name()?.to_str()?.to_owned();
            // Interfaces with a device behind them before bridges and tunnels, wired before wireless, then by name.
            let rank = (!path.join("device").exists(), path.join("wireless").exists());
            usable.then_some((rank, name, mac))
        })
        .collect();
    interfaces.sort();
    interfaces.into_iter().next().map(|(_, _, mac)| mac)
}

fn serial() -> String {
    fs::read_to_string("/proc/device-tree/serial-number")
        .map(|text| text.trim_matches(['\0', '\n', ' ']).to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_board_that_is_built_in_is_found_and_names_each_key_once() {
        for name in Board::built_in_names() {
            let keys = keys(&board(name).unwrap());
            let different: std::collections::BTreeSet<_> = keys.iter().collect();
            assert_eq!(different.len(), keys.len(), "{name}");
        }
        assert_eq!(keys(&board("laptop").unwrap()).len(), 12);
    }

    #[test]
    fn unknown_board_names_the_place_and_the_remedy() {
        let error = board("/nowhere/at/all").unwrap_err();
        assert!(error.contains("/nowhere/at/all") && error.contains("laptop"), "{error}");
    }
}
