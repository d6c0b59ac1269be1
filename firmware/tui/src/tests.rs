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

pub(crate) fn idle() -> View {
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
            balance: None,
            values: [("expires", "600", "set by the PBX", false), ("ptime", "40", "set by you", false)]
                .into_iter()
                .chain([("callWaiting", "0", "set by the PBX", true)])
                .map(|(node, value, origin, locked)| ValueView {
                    node: node.into(),
                    value: value.into(),
                    origin,
                    locked,
                })
                .collect(),
            exported: "".into(),
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

/// Covers: feat.10
#[test]
fn a_phone_that_does_not_ring_says_so() {
    let view = View { do_not_disturb: true, forwarded: Some("0815".into()), ..idle() };
    let text = drawn(&Screen::new(), &view, Instant::now(), 40, 12);
    assert!(text.starts_with("100 ready         DND FWD MSG 2 MISSED 1"), "{text}");
    assert!(text.contains("do not disturb") && text.contains("all calls are forwarded to 0815"), "{text}");
}

#[test]
fn what_is_not_saved_is_marked_on_every_page_and_explained_with_the_settings() {
    let why = "cannot save account-1.xml: no space left on device; free some space or check the state folder";
    let view = View { unsaved: Some(why.into()), missed: 0, ..idle() };
    let mut screen = Screen::new();
    for _ in 0..4 {
        let text = drawn(&screen, &view, Instant::now(), 40, 12);
        assert!(text.starts_with("100 ready                  UNSAVED MSG 2"), "{text}");
        if text.contains("Settings") {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(&format!("Not saved: {why}")), "{text}");
            return;
        }
        press(&mut screen, KeyCode::Tab, &view);
    }
    panic!("no settings page");
}

/// Covers: feat.44, feat.24
#[test]
fn the_balance_stands_with_its_account_and_a_service_that_is_waited_for_below() {
    let mut view = View { service: Some("Waiting for the call to 0301234".into()), ..idle() };
    view.accounts[0].balance = Some("$60.20".into());
    let text = drawn(&Screen::new(), &view, Instant::now(), 40, 12);
    assert!(text.contains("\n   $60.20\n Waiting for the call to 0301234\n"), "{text}");
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

/// Covers: axml.ref.02
#[test]
fn quick_dials_stand_among_the_lamp_keys_where_they_lie() {
    let dial =
        |key, name: &str, number: &str| QuickDialView { key, account: 1, name: name.into(), number: number.into() };
    let mut view = View { quick_dials: vec![dial(2, "Taxi", "0302101"), dial(9, "Lab", "77")], ..idle() };
    view.blf.push(BlfView { key: 3, extension: "102".into(), label: "Ben".into(), state: BlfState::Idle });
    let wide = drawn(&Screen::new(), &view, Instant::now(), 80, 24);
    let column: Vec<&str> = wide.lines().filter_map(|line| Some(line.split_once('│')?.1.trim())).collect();
    assert_eq!(
        column[..4],
        ["● F5  101      busy", "→ F6  Taxi     0302101", "○ F7  Ben      free", "→     Lab      77"]
    );
    let narrow = drawn(&Screen::new(), &view, Instant::now(), 40, 12);
    let row = narrow.lines().find(|line| line.starts_with('●')).unwrap();
    assert!(row.contains("● 101") && row.contains("→ Taxi") && row.contains("○ Ben"), "{narrow}");
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
        for page in [Page::Home, Page::Calls, Page::Contacts, Page::Settings, Page::Help] {
            drawn(&Screen { page, cursor: 5, ..Screen::new() }, &view, Instant::now(), width, height);
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

/// Anna with two numbers, and Bob.
fn with_contacts() -> View {
    use offhook_phone::address_book::{AddressBooks, Contact, Number, Origin};
    let number = |address: &str, label: &str| Number { address: address.into(), labels: vec![label.into()] };
    let contact = |name: &str, numbers| Contact { uid: name.into(), name: name.into(), numbers, ..Contact::default() };
    let anna = contact("Anna Müller", vec![number("+49 30 1234567", "work"), number("0170 1", "cell")]);
    let bob = contact("Bob", vec![number("102", "work")]);
    let books = AddressBooks::new([(Origin::Local, vec![&anna, &bob])]);
    View { contacts: std::sync::Arc::new(books), ..idle() }
}

/// Covers: feat.40
#[test]
fn letters_search_the_contacts_and_enter_calls_what_the_cursor_shows() {
    let view = with_contacts();
    let mut screen = Screen::new();
    press(&mut screen, KeyCode::Tab, &view);
    press(&mut screen, KeyCode::Tab, &view);
    let text = drawn(&screen, &view, Instant::now(), 40, 12);
    assert!(text.contains("Contacts: _") && text.contains("Bob  102 (work)"), "{text}");
    // m is mute elsewhere
    for letter in "mu".chars() {
        assert_eq!(press(&mut screen, KeyCode::Char(letter), &view), Reaction::Redraw);
    }
    let text = drawn(&screen, &view, Instant::now(), 40, 12);
    assert!(
        text.contains("Contacts: mu_") && text.contains("Anna Müller  0170 1 (cell)") && !text.contains("Bob"),
        "{text}"
    );
    press(&mut screen, KeyCode::Down, &view);
    press(&mut screen, KeyCode::Down, &view);
    let dial = Command::Dial { account: None, target: "0170 1".into() };
    assert_eq!(press(&mut screen, KeyCode::Enter, &view), Reaction::Command(dial));
    assert!(drawn(&screen, &view, Instant::now(), 40, 12).contains("Front desk"), "home again");
}

#[test]
fn a_search_without_result_dials_nobody_and_escape_clears_it_before_leaving() {
    let view = with_contacts();
    let mut screen = Screen { page: Page::Contacts, query: "nobody".into(), ..Screen::new() };
    assert!(drawn(&screen, &view, Instant::now(), 40, 12).contains("nobody of that name"));
    assert_eq!(press(&mut screen, KeyCode::Enter, &view), Reaction::Nothing);
    press(&mut screen, KeyCode::Esc, &view);
    assert!(drawn(&screen, &view, Instant::now(), 40, 12).contains("Contacts: _"));
    press(&mut screen, KeyCode::Esc, &view);
    assert!(drawn(&screen, &view, Instant::now(), 40, 12).contains("Front desk"));
    let directory = DirectoryView {
        account: 1,
        title: "Office".into(),
        contacts: 0,
        last: "refuses user name or password".into(),
        ok: Some(false),
    };
    let failed = View { directories: vec![directory], ..idle() };
    let screen = Screen { page: Page::Contacts, ..Screen::new() };
    let text = drawn(&screen, &failed, Instant::now(), 40, 12);
    assert!(text.contains("none yet") && text.contains("Office: refuses user name"), "{text}");
}

fn on_contacts(view: &View) -> Screen {
    let mut screen = Screen::new();
    press(&mut screen, KeyCode::Tab, view);
    press(&mut screen, KeyCode::Tab, view);
    screen
}

fn control(screen: &mut Screen, letter: char, view: &View) -> Reaction {
    screen.key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL), view, true)
}

fn type_in(screen: &mut Screen, text: &str, view: &View) {
    for letter in text.chars() {
        assert_eq!(press(screen, KeyCode::Char(letter), view), Reaction::Redraw);
    }
}

/// Name, numbers with their first label, company, and whether it is a contact that is there already.
fn saved(reaction: Reaction) -> (String, Vec<(String, String)>, String, String) {
    let Reaction::Command(Command::SaveContact(contact)) = reaction else { panic!("{reaction:?}") };
    let numbers = contact.numbers.iter();
    let numbers = numbers.map(|number| (number.address.clone(), number.label().unwrap_or_default().to_owned()));
    (contact.name, numbers.collect(), contact.organisation, contact.uid)
}

/// Covers: feat.40
#[test]
fn a_new_contact_is_written_with_the_keyboard_and_asks_for_what_is_missing() {
    let view = with_contacts();
    let mut screen = on_contacts(&view);
    // whom nobody has found is probably who is new; digits and m would call or mute elsewhere
    type_in(&mut screen, "Dan M", &view);
    control(&mut screen, 'n', &view);
    let text = drawn(&screen, &view, Instant::now(), 40, 12);
    assert!(text.contains("New contact") && text.contains("Name     Dan M_"), "{text}");
    assert_eq!(press(&mut screen, KeyCode::Enter, &view), Reaction::Redraw);
    assert!(drawn(&screen, &view, Instant::now(), 40, 12).contains("needs a number"), "it stays open");
    press(&mut screen, KeyCode::Down, &view);
    type_in(&mut screen, "10a 4", &view);
    press(&mut screen, KeyCode::Backspace, &view);
    press(&mut screen, KeyCode::Backspace, &view);
    press(&mut screen, KeyCode::Backspace, &view);
    type_in(&mut screen, "4", &view);
    press(&mut screen, KeyCode::Tab, &view);
    type_in(&mut screen, "Work", &view);
    let contact = saved(press(&mut screen, KeyCode::Enter, &view));
    let numbers = vec![("104".to_owned(), "Work".to_owned())];
    assert_eq!(contact, ("Dan M".into(), numbers, String::new(), String::new()));
    assert!(drawn(&screen, &view, Instant::now(), 40, 12).contains("Contacts: Dan M_"), "back in the book");
}

/// Covers: feat.40
#[test]
fn the_contact_at_the_cursor_is_changed_gets_another_number_and_keeps_the_ones_not_shown() {
    let view = with_contacts();
    let number = |address: &str, label: &str| (address.to_owned(), label.to_owned());
    let mut screen = on_contacts(&view);
    press(&mut screen, KeyCode::Down, &view);
    control(&mut screen, 'e', &view);
    let text = drawn(&screen, &view, Instant::now(), 40, 12);
    assert!(text.contains("Change contact") && text.contains("Number   0170 1"), "{text}");
    press(&mut screen, KeyCode::Down, &view);
    type_in(&mut screen, "2", &view);
    press(&mut screen, KeyCode::Up, &view);
    press(&mut screen, KeyCode::Up, &view);
    type_in(&mut screen, "ACME", &view);
    let both = vec![number("+49 30 1234567", "work"), number("0170 12", "cell")];
    let anna = "Anna Müller".to_owned();
    let contact = saved(press(&mut screen, KeyCode::Enter, &view));
    assert_eq!(contact, (anna.clone(), both, "ACME".into(), anna.clone()));

    control(&mut screen, 'a', &view);
    type_in(&mut screen, "105", &view);
    let all = vec![number("+49 30 1234567", "work"), number("0170 1", "cell"), number("105", "")];
    assert_eq!(saved(press(&mut screen, KeyCode::Enter, &view)).1, all);

    control(&mut screen, 'e', &view);
    press(&mut screen, KeyCode::Down, &view);
    for _ in 0.."+49 30 1234567".len() {
        press(&mut screen, KeyCode::Backspace, &view);
    }
    let contact = saved(press(&mut screen, KeyCode::Enter, &view));
    assert_eq!(contact.1, [number("0170 1", "cell")], "a number without its text is taken out");
    control(&mut screen, 'e', &view);
    press(&mut screen, KeyCode::Esc, &view);
    assert!(drawn(&screen, &view, Instant::now(), 40, 12).contains("Contacts:"), "nothing was changed");
}

#[test]
fn a_contact_is_deleted_after_a_question_and_one_of_a_server_only_copied() {
    use offhook_phone::address_book::{AddressBooks, Contact, Number, Origin};
    let view = with_contacts();
    let mut screen = on_contacts(&view);
    control(&mut screen, 'd', &view);
    let text = drawn(&screen, &view, Instant::now(), 40, 12);
    assert!(text.contains("Delete contact") && text.contains("Anna Müller with 2 numbers"), "{text}");
    press(&mut screen, KeyCode::Esc, &view);
    control(&mut screen, 'd', &view);
    let gone = Command::RemoveContact("Anna Müller".into());
    assert_eq!(press(&mut screen, KeyCode::Enter, &view), Reaction::Command(gone));

    let numbers = vec![Number { address: "107".into(), labels: vec!["work".into()] }];
    let zoe = Contact { uid: "z".into(), name: "Zoe".into(), numbers, ..Contact::default() };
    let books = AddressBooks::new([(Origin::Directory(1), vec![&zoe])]);
    let view = View { contacts: std::sync::Arc::new(books), ..idle() };
    let mut screen = on_contacts(&view);
    assert_eq!(control(&mut screen, 'd', &view), Reaction::Nothing);
    control(&mut screen, 'e', &view);
    assert!(drawn(&screen, &view, Instant::now(), 40, 12).contains("Copy into the phone's own book"));
    let contact = saved(press(&mut screen, KeyCode::Enter, &view));
    assert_eq!((contact.0.as_str(), contact.3.as_str()), ("Zoe", ""), "a new one, of the own book");
}

#[test]
fn a_form_has_every_letter_for_itself_but_not_the_keys_that_answer_a_call() {
    let mut ringing = with_contacts();
    ringing.calls = vec![call(CallState::Incoming, Instant::now())];
    let mut screen = on_contacts(&ringing);
    control(&mut screen, 'n', &ringing);
    type_in(&mut screen, "? hms+-1 0#", &ringing);
    assert!(drawn(&screen, &ringing, Instant::now(), 40, 12).contains("? hms+-1 0#_"));
    assert_eq!(press(&mut screen, KeyCode::F(1), &ringing), Reaction::Command(Command::SoftKey(0)));
    type_in(&mut screen, &"x".repeat(300), &ringing);
    assert!(drawn(&screen, &ringing, Instant::now(), 40, 12).lines().all(|line| line.chars().count() <= 40));
    for (width, height) in [(1, 1), (10, 3), (200, 3)] {
        drawn(&screen, &ringing, Instant::now(), width, height);
    }
    assert_eq!(control(&mut screen, 'c', &ringing), Reaction::Quit);
    assert_eq!(control(&mut Screen::new(), 'n', &ringing), Reaction::Nothing, "only with the contacts");
}

#[test]
fn numbers_are_offered_while_dialling() {
    let suggestion = |name: &str, number: &str| SuggestionView {
        name: name.into(),
        number: number.into(),
        label: Some("work".into()),
    };
    let suggestions = vec![suggestion("Anna", "101"), suggestion("Bob", "102")];
    let view = View { dialling: Some("10".into()), suggestions, suggestion: Some(1), ..idle() };
    let text = drawn(&Screen::new(), &view, Instant::now(), 40, 12);
    assert!(text.contains(" 10_") && text.contains(" Anna  101 (work)") && text.contains("Down chooses"), "{text}");
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
    for _ in 0..4 {
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

/// Covers: feat.86
#[test]
fn settings_say_who_set_them() {
    let mut screen = Screen::new();
    let now = Instant::now();
    let tab = KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE);
    for _ in 0..4 {
        let text = drawn(&screen, &idle(), now, 60, 20);
        if text.contains("Settings") {
            assert!(text.contains("expires 600  set by the PBX"), "{text}");
            assert!(text.contains("ptime 40  set by you"), "{text}");
            assert!(text.contains("callWaiting 0  set by the PBX, locked"), "{text}");
            return;
        }
        screen.key(tab, &idle(), false);
    }
    panic!("no settings page");
}

#[test]
fn enter_on_the_settings_page_fetches_them_again() {
    let fetched =
        ProvisioningView { url: "https://pbx.test/".into(), last: "unchanged".into(), ok: Some(true), report: None };
    let view = View { provisioning: vec![fetched], ..idle() };
    let mut screen = Screen { page: Page::Settings, ..Screen::new() };
    assert!(drawn(&screen, &view, Instant::now(), 40, 30).contains("Enter: fetch the settings again"));
    assert_eq!(press(&mut screen, KeyCode::Enter, &view), Reaction::Command(Command::Provision));
}
