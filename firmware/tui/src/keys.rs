//! Keys of the terminal.

use crate::{Page, Screen, contact_form, contacts, self_test};
use offhook_hal::{Hook, Key};
use offhook_phone::{Command, SelfTestOrder, View, hal as offhook_hal};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key of the terminal means.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction {
    Command(Command),
    /// Draw again.
    Redraw,
    /// Ctrl-C.
    Quit,
    Nothing,
}

pub(crate) fn react(screen: &mut Screen, event: KeyEvent, view: &View, keypad: bool) -> Reaction {
    let on_contacts = screen.page == Page::Contacts && !self_test::runs(view);
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return match event.code {
            KeyCode::Char('c') => Reaction::Quit,
            KeyCode::Char(letter) if on_contacts && screen.sheet.is_none() => {
                contact_form::open(screen, letter, view).unwrap_or(Reaction::Nothing)
            }
            _ => Reaction::Nothing,
        };
    }
    // letters belong to the search there, or to the form, whatever they mean elsewhere
    if on_contacts && screen.sheet.is_some() {
        if let Some(reaction) = contact_form::react(screen, event.code) {
            return reaction;
        }
    } else if on_contacts && let Some(reaction) = contacts::react(screen, event.code, view) {
        return reaction;
    }
    match event.code {
        KeyCode::Enter if self_test::runs(view) => Reaction::Command(Command::SelfTest(SelfTestOrder::Next)),
        KeyCode::Enter if screen.page == Page::SelfTest => begin_test(screen),
        KeyCode::Esc if view.self_test.is_some() => Reaction::Command(Command::SelfTest(SelfTestOrder::Stop)),
        KeyCode::Tab => turn(screen, screen.page.next()),
        KeyCode::Char('?') => turn(screen, if screen.page == Page::Help { Page::Home } else { Page::Help }),
        KeyCode::Esc if screen.page != Page::Home => turn(screen, Page::Home),
        KeyCode::Up if screen.page != Page::Home => {
            screen.cursor = screen.cursor.saturating_sub(1);
            Reaction::Redraw
        }
        KeyCode::Down if screen.page != Page::Home => {
            let last = match screen.page {
                Page::Calls => view.history.len().saturating_sub(1),
                _ => 32,
            };
            screen.cursor = (screen.cursor + 1).min(last);
            Reaction::Redraw
        }
        KeyCode::Enter if screen.page == Page::Calls => match view.history.get(screen.cursor) {
            Some(record) => {
                let target = record.peer.clone();
                turn(screen, Page::Home);
                Reaction::Command(Command::Dial { account: Some(record.account), target })
            }
            None => Reaction::Nothing,
        },
        KeyCode::F(number @ 1..=4) => Reaction::Command(Command::SoftKey(number - 1)),
        KeyCode::F(number @ 5..=12) => Reaction::Command(Command::Key(Key::Lamp(number - 4))),
        code if keypad => phone_key(screen, code, event.modifiers, view),
        _ => Reaction::Nothing,
    }
}

/// The telephone's own arrow keys. A call has them for itself.
pub(crate) fn react_panel(screen: &mut Screen, key: Key, view: &View) -> Reaction {
    if !view.calls.is_empty() || view.dialling.is_some() {
        return Reaction::Nothing;
    }
    let code = match key {
        Key::Right => return turn(screen, screen.page.next()),
        Key::Left => return turn(screen, screen.page.before()),
        Key::Up => KeyCode::Up,
        Key::Down => KeyCode::Down,
        Key::Ok => KeyCode::Enter,
        Key::Back => KeyCode::Esc,
        _ => return Reaction::Nothing,
    };
    react(screen, KeyEvent::new(code, KeyModifiers::NONE), view, false)
}

fn begin_test(screen: &mut Screen) -> Reaction {
    screen.cursor = 0;
    Reaction::Command(Command::SelfTest(SelfTestOrder::Start { interactive: true }))
}

fn turn(screen: &mut Screen, page: Page) -> Reaction {
    *screen = Screen { page, ..Screen::default() };
    Reaction::Redraw
}

/// The keyboard as the phone's own keys. A terminal does not tell when a key is let go, so each is a short press.
fn phone_key(screen: &mut Screen, code: KeyCode, modifiers: KeyModifiers, view: &View) -> Reaction {
    let key = match code {
        KeyCode::Char(' ') => {
            screen.page = if self_test::runs(view) { Page::SelfTest } else { Page::Home };
            let hook = if view.hook == Some(Hook::Off) { Hook::On } else { Hook::Off };
            return Reaction::Command(Command::Hook(hook));
        }
        KeyCode::Char(digit @ '1'..='4') if modifiers.contains(KeyModifiers::ALT) => Key::Line(digit as u8 - b'0'),
        KeyCode::Char(digit @ ('0'..='9' | '*' | '#')) => {
            screen.page = if self_test::runs(view) { Page::SelfTest } else { Page::Home };
            Key::Digit(digit)
        }
        KeyCode::Char('h') => Key::Hold,
        KeyCode::Char('m') => Key::Mute,
        KeyCode::Char('s') => Key::Speaker,
        KeyCode::Char('r') => Key::Redial,
        KeyCode::Char('v') => Key::Message,
        KeyCode::Char('+' | '=') => Key::VolumeUp,
        KeyCode::Char('-') => Key::VolumeDown,
        KeyCode::Backspace => Key::Back,
        KeyCode::Enter => Key::Ok,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        _ => return Reaction::Nothing,
    };
    Reaction::Command(Command::Key(key))
}
