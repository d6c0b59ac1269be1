use super::*;
use offhook_phone::hal::{Hook, Key, Lamp, Pattern, Route};
use offhook_phone::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use std::time::Duration;

fn drawn(screen: &Screen, view: &View, now: Instant, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(view, now, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

fn soft_keys(labels: &[&str]) -> Vec<SoftKey> {
    labels.iter().map(|label| SoftKey { label: (*label).into(), enabled: true }).collect()
}

fn idle() -> View {
    View {
        accounts: vec![AccountView {
            number: 1,
            title: "Front desk".into(),
            username: "100".into(),
            domain: "127.0.0.1:5060".into(),
            display_name: "Anna".into(),
            transport: "udp",
            state: AccountState::Registered,
            local: None,
            source: "provisioned".into(),
        }],
        blf: vec![BlfView { key: 1, extension: "101".into(), label: "101".into(), state: BlfState::Busy }],
        lamps: vec![(Lamp::Key(1), Pattern::On)],
        soft_keys: soft_keys(&["Redial", "Calls"]),
        messages: Messages { waiting: true, new: 2, old: 0 },
        missed: 1,
        version: "0.1.0".into(),
        ..View::default()
    }
}

fn call(state: CallState, since: Instant) -> CallView {
    CallView {
        id: CallId(1),
        line: 1,
        account: 1,
        incoming: true,
        state,
        peer: "101".into(),
        peer_name: Some("Berta".into()),
        held_by_us: false,
        held_by_them: false,
        muted: false,
        codec: Some("G722"),
        seconds: 0,
        since: Some(since),
        sip_call_id: None,
        end: None,
        in_focus: true,
    }
}

/// Covers: feat.36
#[test]
fn idle_screen_fits_40_by_12_and_shows_account_message_missed_lamp_and_soft_keys() {
    let text = drawn(&Screen::new(), &idle(), Instant::now(), 40, 12);
    let expected = "\
100 ready                 MSG 2 MISSED 1

 100  Front desk
   127.0.0.1:5060 — ready
 1 missed call




● 101

Redial    Calls";
    assert_eq!(text, expected);
}

#[test]
fn call_shows_name_number_timer_and_codec() {
    let start = Instant::now();
    let view = View { calls: vec![call(CallState::Talking, start)], route: Some(Route::Handset), ..idle() };
    let text = drawn(&Screen::new(), &view, start + Duration::from_secs(75), 40, 12);
    for word in ["Berta", "101", "talking", "1:15", "G722", "HANDSET"] {
        assert!(text.contains(word), "{word} in\n{text}");
    }
}

#[test]
fn ringing_shows_the_callers_name() {
    let view = View { calls: vec![call(CallState::Incoming, Instant::now())], ..idle() };
    let text = drawn(&Screen::new(), &view, Instant::now(), 40, 12);
    assert!(text.contains("Berta") && text.contains("is calling"), "{text}");
}

#[test]
fn wide_screen_has_the_lamp_keys_in_words_beside_the_page() {
    let text = drawn(&Screen::new(), &idle(), Instant::now(), 80, 24);
    assert!(text.contains("● F5  101      busy"), "{text}");
}

#[test]
fn long_numbers_show_their_end_and_hostile_names_lose_control_characters() {
    let view = View { dialling: Some("0123456789".repeat(6)), ..idle() };
    let text = drawn(&Screen::new(), &view, Instant::now(), 40, 12);
    assert!(text.contains("6789_"), "{text}");
    let mut hostile = call(CallState::Incoming, Instant::now());
    hostile.peer_name = Some("\u{1b}[2J\u{7}Eve\r\n".repeat(20));
    let view = View { calls: vec![hostile], ..idle() };
    let text = drawn(&Screen::new(), &view, Instant::now(), 40, 12);
    assert!(!text.contains('\u{1b}') && text.lines().all(|line| line.chars().count() <= 40), "{text}");
}

#[test]
fn no_size_is_too_small_to_draw() {
    let view = View { calls: vec![call(CallState::Talking, Instant::now())], ..idle() };
    for (width, height) in [(1, 1), (3, 2), (10, 4), (200, 3), (64, 1)] {
        for page in [Page::Home, Page::Calls, Page::Settings, Page::Help] {
            drawn(&Screen { form: login::Form::default(), page, cursor: 5 }, &view, Instant::now(), width, height);
        }
    }
}

fn press(screen: &mut Screen, code: KeyCode, view: &View) -> Reaction {
    screen.key(KeyEvent::new(code, KeyModifiers::NONE), view, true)
}

#[test]
fn space_lifts_and_puts_down_and_digits_are_keys() {
    let mut screen = Screen::new();
    let lifted = View { hook: Some(Hook::Off), ..idle() };
    assert_eq!(press(&mut screen, KeyCode::Char(' '), &idle()), Reaction::Command(Command::Hook(Hook::Off)));
    assert_eq!(press(&mut screen, KeyCode::Char(' '), &lifted), Reaction::Command(Command::Hook(Hook::On)));
    assert_eq!(press(&mut screen, KeyCode::Char('#'), &lifted), Reaction::Command(Command::Key(Key::Digit('#'))));
    assert_eq!(press(&mut screen, KeyCode::F(5), &idle()), Reaction::Command(Command::Key(Key::Lamp(1))));
    assert_eq!(press(&mut screen, KeyCode::F(2), &idle()), Reaction::Command(Command::SoftKey(1)));
}

#[test]
fn without_the_laptops_keypad_the_keyboard_only_drives_the_screen() {
    let mut screen = Screen::new();
    let event = KeyEvent::new(KeyCode::Char('5'), KeyModifiers::NONE);
    assert_eq!(screen.key(event, &idle(), false), Reaction::Nothing);
    assert_eq!(screen.key(KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE), &idle(), false), Reaction::Redraw);
}

#[test]
fn enter_in_the_call_list_dials_what_the_cursor_shows() {
    let record = |peer: &str| CallRecord {
        account: 1,
        incoming: true,
        peer: peer.into(),
        peer_name: None,
        caller: peer.into(),
        called: "100".into(),
        peer_address: None,
        answered: false,
        missed: true,
        connect_ms: 0,
        duration_ms: 0,
        end: EndReason { party: 2, status: Some(487), text: "missed".into() },
        started: None,
        line: 1,
    };
    let view = View { history: vec![record("101"), record("102")], ..idle() };
    let mut screen = Screen::new();
    press(&mut screen, KeyCode::Tab, &view);
    press(&mut screen, KeyCode::Down, &view);
    assert!(drawn(&screen, &view, Instant::now(), 40, 12).contains("missed 102"));
    let dial = Command::Dial { account: Some(1), target: "102".into() };
    assert_eq!(press(&mut screen, KeyCode::Enter, &view), Reaction::Command(dial));
}

#[test]
fn control_c_quits() {
    let event = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(Screen::new().key(event, &idle(), true), Reaction::Quit);
}

#[test]
fn factory_reset_counts_down_on_every_page() {
    let now = Instant::now();
    let mut screen = Screen::new();
    for _ in 0..5 {
        let text = drawn(&screen, &View { factory_reset: Some(7), ..idle() }, now, 40, 12);
        assert!(text.contains("Factory reset in 7 s") && text.contains("Let go"), "{text}");
        press(&mut screen, KeyCode::Tab, &idle());
    }
    let text = drawn(&screen, &View { factory_reset: Some(0), ..idle() }, now, 40, 12);
    assert!(text.contains("forgotten"), "{text}");
}

#[test]
fn self_test_is_started_guided_and_put_away_from_its_page_and_has_the_keypad_meanwhile() {
    use offhook_phone::SelfTestOrder::{Next, Start, Stop};
    use offhook_phone::self_test::{Step, StepView, Verdict};
    let mut screen = Screen::new();
    for _ in 0..3 {
        press(&mut screen, KeyCode::Tab, &idle());
    }
    let text = drawn(&screen, &idle(), Instant::now(), 40, 12);
    assert!(text.contains("Self-test") && text.contains("starts it"), "{text}");
    let start = Reaction::Command(Command::SelfTest(Start { interactive: true }));
    assert_eq!(press(&mut screen, KeyCode::Enter, &idle()), start);

    let step = |step, verdict, text: &str| StepView { step, verdict, text: text.into(), figures: Default::default() };
    let steps =
        vec![step(Step::Keys, Verdict::Passed, "12 keys"), step(Step::Hook, Verdict::Running, "lift the handset")];
    let running = View { self_test: Some(SelfTestView { steps, finished: false }), ..idle() };
    assert_eq!(press(&mut screen, KeyCode::Char('5'), &running), Reaction::Command(Command::Key(Key::Digit('5'))));
    let text = drawn(&screen, &running, Instant::now(), 40, 12);
    assert!(
        text.contains("+ keys         12 keys") && text.contains("> hook") && text.contains("lift the handset"),
        "{text}"
    );
    assert_eq!(press(&mut screen, KeyCode::Enter, &running), Reaction::Command(Command::SelfTest(Next)));

    let steps = vec![step(Step::Audio, Verdict::Failed, "the microphone gives nothing")];
    let failed = View { self_test: Some(SelfTestView { steps, finished: true }), ..idle() };
    let text = drawn(&screen, &failed, Instant::now(), 40, 12);
    assert!(text.contains("FAILED") && text.contains("! audio"), "{text}");
    assert_eq!(press(&mut screen, KeyCode::Esc, &failed), Reaction::Command(Command::SelfTest(Stop)));
}

#[test]
fn arrow_keys_of_the_telephone_turn_pages_and_leave_a_call_alone() {
    let mut screen = Screen::new();
    assert_eq!(screen.panel_key(Key::Right, &idle()), Reaction::Redraw);
    assert!(drawn(&screen, &idle(), Instant::now(), 40, 12).contains("Calls"));
    assert_eq!(screen.panel_key(Key::Left, &idle()), Reaction::Redraw);
    assert_eq!(screen.panel_key(Key::Left, &idle()), Reaction::Redraw);
    assert!(drawn(&screen, &idle(), Instant::now(), 40, 12).contains("Keys"));
    let talking = View { calls: vec![call(CallState::Talking, Instant::now())], ..idle() };
    assert_eq!(screen.panel_key(Key::Right, &talking), Reaction::Nothing);
    assert_eq!(screen.panel_key(Key::Digit('5'), &idle()), Reaction::Nothing);
}
