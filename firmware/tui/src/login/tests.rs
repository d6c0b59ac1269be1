use super::*;
use crate::Screen;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyEvent, KeyModifiers};
use std::time::Instant;

fn looking(login: bool) -> View {
    View {
        finding: Some(FindingView {
            last: "looking for a provisioning server".into(),
            login: login.then(|| "https://pbx.test/{mac}.xml".into()),
            busy: false,
            code: "offhook:?mac=001122334455&model=rpi4-handset&serial=100000001&version=0.1.0".into(),
            short: "OFFHOOK:001122334455".into(),
        }),
        ..View::default()
    }
}

fn screen_text(screen: &Screen, view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(view, Instant::now(), frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

fn press(screen: &mut Screen, view: &View, keys: &str) -> Reaction {
    let mut last = Reaction::Nothing;
    for key in keys.chars() {
        let key = match key {
            '>' => Key::Right,
            '<' => Key::Back,
            'v' => Key::Down,
            '=' => Key::Ok,
            digit => Key::Digit(digit),
        };
        last = screen.panel_key(key, view);
    }
    last
}

fn keyboard(screen: &mut Screen, view: &View, code: KeyCode) -> Reaction {
    screen.key(KeyEvent::new(code, KeyModifiers::NONE), view, true)
}

#[test]
fn somebody_logs_in_with_the_keypad_of_a_telephone() {
    let view = looking(true);
    let mut screen = Screen::new();
    press(&mut screen, &view, "=");
    // a, n, n, a
    press(&mut screen, &view, "2>66>66>2=");
    // P, then digits
    press(&mut screen, &view, "777777#12#=");
    let Reaction::Command(Command::Login { server, login }) = press(&mut screen, &view, "#99=") else { panic!() };
    assert_eq!((server.as_str(), login.username.as_str(), login.code.as_str()), ("", "anna", "99"));
    assert_eq!(login.password.reveal(), "P12");
}

#[test]
fn a_keyboard_types_into_the_form_and_not_into_the_telephone() {
    let view = looking(false);
    let mut screen = Screen::new();
    assert_eq!(keyboard(&mut screen, &view, KeyCode::Enter), Reaction::Redraw);
    for text in ["pbx.test", "100", "h m", "7"] {
        for letter in text.chars() {
            assert_eq!(keyboard(&mut screen, &view, KeyCode::Char(letter)), Reaction::Redraw);
        }
        if text != "7" {
            keyboard(&mut screen, &view, KeyCode::Enter);
        }
    }
    let Reaction::Command(Command::Login { server, login }) = keyboard(&mut screen, &view, KeyCode::Enter) else {
        panic!()
    };
    assert_eq!((server.as_str(), login.username.as_str(), login.password.reveal()), ("pbx.test", "100", "h m"));
}

#[test]
fn a_password_is_not_shown_but_for_the_letter_that_is_being_chosen() {
    let view = looking(true);
    let mut screen = Screen::new();
    press(&mut screen, &view, "=v2>3");
    let text = screen_text(&screen, &view, 40, 12);
    assert!(text.contains("Password  *d_"), "{text}");
    press(&mut screen, &view, ">");
    assert!(screen_text(&screen, &view, 40, 12).contains("Password  **_"));
    press(&mut screen, &view, "<");
    assert!(screen_text(&screen, &view, 40, 12).contains("Password  *_"));
}

#[test]
fn the_code_of_the_screen_is_the_text_of_the_phone_module_for_module() {
    for (width, height, text) in [
        (40, 16, "OFFHOOK:001122334455"),
        (60, 30, "offhook:?mac=001122334455&model=rpi4-handset&serial=100000001&version=0.1.0"),
    ] {
        let view = looking(false);
        let screen = screen_text(&Screen::new(), &view, width, height);
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L).unwrap();
        for row in rows(&code) {
            let row = row.to_string();
            assert!(screen.contains(row.trim_end()), "{screen}\n{row}");
        }
    }
}

#[test]
fn a_small_screen_has_words_and_the_short_text_to_type() {
    let text = screen_text(&Screen::new(), &looking(false), 40, 12);
    assert!(text.contains("No account yet") && text.contains("OFFHOOK:001122334455"), "{text}");
    assert!(text.contains("looking for a provisioning server"), "{text}");
    assert!(!text.contains('▀'), "{text}");
}

#[test]
fn the_form_goes_away_with_the_first_account() {
    let mut screen = Screen::new();
    press(&mut screen, &looking(true), "=");
    let view = View::default();
    assert_eq!(press(&mut screen, &view, "2"), Reaction::Nothing);
}

#[test]
fn who_has_an_account_only_for_want_of_another_logs_in_from_the_settings() {
    let view = View { accounts: crate::tests::idle().accounts, ..looking(true) };
    let mut screen = Screen::new();
    assert!(!screen_text(&screen, &view, 64, 20).contains("Another server"));
    while !screen_text(&screen, &view, 64, 20).contains("Settings") {
        keyboard(&mut screen, &view, KeyCode::Tab);
    }
    assert!(screen_text(&screen, &view, 64, 20).contains("Enter: log in"));
    press(&mut screen, &view, "=");
    let text = screen_text(&screen, &view, 64, 20);
    assert!(text.contains("Another server") && !text.contains("No account"), "{text}");
    press(&mut screen, &view, "=");
    assert!(screen_text(&screen, &view, 64, 20).contains("Password"));
    keyboard(&mut screen, &view, KeyCode::Esc);
    keyboard(&mut screen, &view, KeyCode::Esc);
    assert!(!screen_text(&screen, &view, 64, 20).contains("Another server"), "home again");
}
