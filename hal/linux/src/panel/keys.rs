//! Which key of the telephone a code of an input device is (`linux/input-event-codes.h`).
//!
//! Digits come from number keys, number pads and the phone codes; line keys are `KEY_PROG1`…, lamp keys `KEY_MACRO1`…,
//! soft keys `KEY_KBD_LCD_MENU1`… or `KEY_F1`…: a board's own overlay or key map gives its keys these codes.
//! `KEY_PHONE` is the hook of USB handsets: down while lifted.

use evdev::{EventSummary, KeyCode, SwitchCode};
use offhook_hal::Key;

use super::Raw;

/// First code of `KEY_MACRO1`…`KEY_MACRO30`.
const MACRO1: u16 = 0x290;
const MACROS: u16 = 30;
/// First code of `KEY_KBD_LCD_MENU1`…`KEY_KBD_LCD_MENU5`.
const LCD_MENU1: u16 = 0x2b8;

/// What an event of an input device means; `None` for those that mean nothing here (repeats among them).
pub(super) fn raw(summary: &EventSummary, source: usize) -> Option<Raw> {
    match summary {
        EventSummary::Key(_, code, value @ (0 | 1)) => {
            let down = *value == 1;
            if *code == KeyCode::KEY_PHONE {
                return Some(Raw::Hook { source, lifted: down });
            }
            Some(Raw::Key { source, key: key(*code)?, down })
        }
        EventSummary::Switch(_, SwitchCode::SW_HEADPHONE_INSERT, value) => {
            Some(Raw::Jack { source, plugged: *value != 0 })
        }
        _ => None,
    }
}

/// The key of a code.
pub(crate) fn key(code: KeyCode) -> Option<Key> {
    let within = |first: u16, count: u16| {
        let number = code.0.checked_sub(first).filter(|offset| *offset < count)?;
        u8::try_from(number + 1).ok()
    };
    Some(match code {
        KeyCode::KEY_1 | KeyCode::KEY_KP1 | KeyCode::KEY_NUMERIC_1 => Key::Digit('1'),
        KeyCode::KEY_2 | KeyCode::KEY_KP2 | KeyCode::KEY_NUMERIC_2 => Key::Digit('2'),
        KeyCode::KEY_3 | KeyCode::KEY_KP3 | KeyCode::KEY_NUMERIC_3 => Key::Digit('3'),
        KeyCode::KEY_4 | KeyCode::KEY_KP4 | KeyCode::KEY_NUMERIC_4 => Key::Digit('4'),
        KeyCode::KEY_5 | KeyCode::KEY_KP5 | KeyCode::KEY_NUMERIC_5 => Key::Digit('5'),
        KeyCode::KEY_6 | KeyCode::KEY_KP6 | KeyCode::KEY_NUMERIC_6 => Key::Digit('6'),
        KeyCode::KEY_7 | KeyCode::KEY_KP7 | KeyCode::KEY_NUMERIC_7 => Key::Digit('7'),
        KeyCode::KEY_8 | KeyCode::KEY_KP8 | KeyCode::KEY_NUMERIC_8 => Key::Digit('8'),
        KeyCode::KEY_9 | KeyCode::KEY_KP9 | KeyCode::KEY_NUMERIC_9 => Key::Digit('9'),
        KeyCode::KEY_0 | KeyCode::KEY_KP0 | KeyCode::KEY_NUMERIC_0 => Key::Digit('0'),
        KeyCode::KEY_KPASTERISK | KeyCode::KEY_NUMERIC_STAR => Key::Digit('*'),
        // A number pad has no #: its slash stands in.
        KeyCode::KEY_KPSLASH | KeyCode::KEY_NUMERIC_POUND => Key::Digit('#'),
        KeyCode::KEY_PAUSECD => Key::Hold,
        KeyCode::KEY_MUTE | KeyCode::KEY_MICMUTE => Key::Mute,
        KeyCode::KEY_SOUND => Key::Speaker,
        KeyCode::KEY_MEDIA => Key::Headset,
        KeyCode::KEY_REDO => Key::Redial,
        KeyCode::KEY_MAIL | KeyCode::KEY_VOICEMAIL => Key::Message,
        KeyCode::KEY_VOLUMEUP | KeyCode::KEY_KPPLUS => Key::VolumeUp,
        KeyCode::KEY_VOLUMEDOWN | KeyCode::KEY_KPMINUS => Key::VolumeDown,
        KeyCode::KEY_UP => Key::Up,
        KeyCode::KEY_DOWN => Key::Down,
        KeyCode::KEY_LEFT => Key::Left,
        KeyCode::KEY_RIGHT => Key::Right,
        KeyCode::KEY_OK | KeyCode::KEY_ENTER | KeyCode::KEY_KPENTER => Key::Ok,
        KeyCode::KEY_BACK | KeyCode::KEY_ESC | KeyCode::KEY_BACKSPACE => Key::Back,
        KeyCode::KEY_PROG1 => Key::Line(1),
        KeyCode::KEY_PROG2 => Key::Line(2),
        KeyCode::KEY_PROG3 => Key::Line(3),
        KeyCode::KEY_PROG4 => Key::Line(4),
        _ => {
            return within(MACRO1, MACROS)
                .map(Key::Lamp)
                .or_else(|| within(KeyCode::KEY_F1.0, 4).map(Key::Soft))
                .or_else(|| within(LCD_MENU1, 4).map(Key::Soft));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use evdev::{EventType, InputEvent};

    fn means(kind: EventType, code: u16, value: i32) -> Option<Raw> {
        raw(&InputEvent::new(kind.0, code, value).destructure(), 4)
    }

    #[test]
    fn every_digit_of_a_number_pad_and_of_a_phone_is_a_digit() {
        for (digit, phone) in ('0'..='9').zip(0x200..) {
            assert_eq!(key(KeyCode(phone)), Some(Key::Digit(digit)));
        }
        let pad = [82, 79, 80, 81, 75, 76, 77, 71, 72, 73];
        for (digit, code) in ('0'..='9').zip(pad) {
            assert_eq!(key(KeyCode(code)), Some(Key::Digit(digit)));
        }
        assert_eq!(key(KeyCode(0x20a)), Some(Key::Digit('*')));
        assert_eq!(key(KeyCode(0x20b)), Some(Key::Digit('#')));
    }

    #[test]
    fn line_lamp_and_soft_keys_have_their_ranges() {
        assert_eq!(key(KeyCode(0x290)), Some(Key::Lamp(1)));
        assert_eq!(key(KeyCode(0x2ad)), Some(Key::Lamp(30)));
        assert_eq!(key(KeyCode(0x2ae)), None);
        assert_eq!(key(KeyCode(59)), Some(Key::Soft(1)));
        assert_eq!(key(KeyCode(62)), Some(Key::Soft(4)));
        assert_eq!(key(KeyCode(0x2bb)), Some(Key::Soft(4)));
        assert_eq!(key(KeyCode(0x2bc)), None);
        assert_eq!(key(KeyCode(148)), Some(Key::Line(1)));
    }

    #[test]
    fn presses_releases_hook_and_jack_are_told_apart_and_repeats_are_nothing() {
        let one = |down| Some(Raw::Key { source: 4, key: Key::Digit('1'), down });
        assert_eq!(means(EventType::KEY, 79, 1), one(true));
        assert_eq!(means(EventType::KEY, 79, 2), None);
        assert_eq!(means(EventType::KEY, 79, 0), one(false));
        assert_eq!(means(EventType::KEY, 169, 1), Some(Raw::Hook { source: 4, lifted: true }));
        assert_eq!(means(EventType::KEY, 169, 0), Some(Raw::Hook { source: 4, lifted: false }));
        assert_eq!(means(EventType::SWITCH, 2, 1), Some(Raw::Jack { source: 4, plugged: true }));
        assert_eq!(means(EventType::SWITCH, 0, 1), None);
        assert_eq!(means(EventType::SYNCHRONIZATION, 0, 0), None);
    }
}
