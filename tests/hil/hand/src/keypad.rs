//! A keypad and a headset plug as the kernel's input events, through uinput.

use crate::clock;
use crate::contacts::Done;
use crate::request::Outcome;
use evdev::uinput::VirtualDevice;
use evdev::{AttributeSet, EventType, InputEvent, KeyCode, SwitchCode};
use std::sync::{Mutex, PoisonError};

/// A device that may be there or not.
#[derive(Default)]
pub(crate) struct Keypad(Mutex<Option<VirtualDevice>>);

impl std::fmt::Debug for Keypad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keypad")
    }
}

/// Codes of the keys it has: those of keyboards, number pads, telephones and macro keys.
const CODES: [std::ops::RangeInclusive<u16>; 3] = [1..=248, 0x160..=0x20f, 0x240..=0x2bf];

impl Keypad {
    /// Plugs it in under this name; where it is.
    pub(crate) fn create(&self, name: &str) -> Outcome<String> {
        let text =
            |error: std::io::Error| format!("/dev/uinput: {error}; is the module uinput loaded, and are we root?");
        let keys: AttributeSet<KeyCode> = CODES.into_iter().flatten().map(KeyCode::new).collect();
        let switches: AttributeSet<SwitchCode> = [SwitchCode::SW_HEADPHONE_INSERT].into_iter().collect();
        let device = VirtualDevice::builder().map_err(text)?.name(name).with_keys(&keys).map_err(text)?;
        let mut device = device.with_switches(&switches).map_err(text)?.build().map_err(text)?;
        let nodes = device.enumerate_dev_nodes_blocking().map_err(text)?;
        let node = nodes.filter_map(Result::ok).find(|node| node.starts_with("/dev/input"));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(device);
        Ok(node.map_or_else(|| name.to_owned(), |node| node.display().to_string()))
    }

    /// Pulls it out.
    pub(crate) fn remove(&self) -> Outcome<()> {
        let device = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        device.map(drop).ok_or_else(absent)
    }

    pub(crate) fn key(&self, code: KeyCode, down: bool) -> Outcome<Done> {
        self.emit(InputEvent::new(EventType::KEY.0, code.code(), i32::from(down)))
    }

    pub(crate) fn headset(&self, plugged: bool) -> Outcome<Done> {
        self.emit(InputEvent::new(EventType::SWITCH.0, SwitchCode::SW_HEADPHONE_INSERT.0, i32::from(plugged)))
    }

    fn emit(&self, event: InputEvent) -> Outcome<Done> {
        let mut device = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = clock::monotonic();
        device.as_mut().ok_or_else(absent)?.emit(&[event]).map_err(|error| format!("/dev/uinput: {error}"))?;
        Ok(Done { at, done: clock::monotonic() })
    }
}

fn absent() -> String {
    "the input device is not there; `uinput create`".to_owned()
}

/// A code by its name in `linux/input-event-codes.h` or its number.
pub(crate) fn code(name: &str) -> Outcome<KeyCode> {
    let number = name.strip_prefix("0x").map_or_else(|| name.parse().ok(), |hex| u16::from_str_radix(hex, 16).ok());
    let code = number.map(KeyCode::new).or_else(|| name.parse().ok());
    code.filter(|code| CODES.iter().any(|range| range.contains(&code.code()))).ok_or_else(|| {
        format!("{name:?} is no key of this device; it has KEY_1, KEY_PHONE and others of linux/input-event-codes.h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_names_and_numbers() {
        assert_eq!(code("KEY_PHONE"), Ok(KeyCode::KEY_PHONE));
        assert_eq!(code("169"), Ok(KeyCode::KEY_PHONE));
        assert_eq!(code("0x290"), Ok(KeyCode::new(0x290)));
        assert!(code("KEY_NONSENSE").is_err());
        assert!(code("65535").is_err());
    }
}
