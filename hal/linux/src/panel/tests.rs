use super::*;
use offhook_board::{
    Colour, HookWiring, LampWiring, LightPlace, LightWiring, LinesWiring, MatrixWiring, RotaryWiring, UsbHandsetWiring,
};

/// Wires in virtual time: what happens is a list of times, sleeping moves the clock.
#[derive(Default)]
struct Mock {
    now: Duration,
    /// contacts that begin low
    low: Vec<usize>,
    script: VecDeque<(Duration, Raw)>,
    /// crossings closed from, until
    pressed: Vec<(Duration, Duration, usize, usize)>,
    resting: bool,
    matrix_lost: bool,
    scans: usize,
    sleeps: usize,
    lit: Vec<(Duration, usize, usize, u8)>,
    told: Vec<(Lamp, bool)>,
    bell: bool,
    wake_at: Option<Duration>,
    reports: Vec<PanelReport>,
    /// contacts that must be looked at, whether something says when, and their levels: from when, contact, level
    sampled: Vec<usize>,
    interrupt: bool,
    levels: Vec<(Duration, usize, bool)>,
    looks: usize,
    seen: VecDeque<Raw>,
}

impl Mock {
    fn closed(&self) -> Closed {
        let mut closed = Closed::default();
        for (from, until, row, column) in &self.pressed {
            if (*from..*until).contains(&self.now) {
                closed.close(*row, *column);
            }
        }
        closed
    }
}

impl Wires for Mock {
    fn now(&self) -> Duration {
        self.now
    }
    fn woken(&mut self) -> bool {
        self.wake_at.take_if(|at| *at <= self.now).is_some()
    }
    fn sleep(&mut self, timeout: Duration) {
        assert!(timeout > Duration::ZERO);
        self.sleeps += 1;
        assert!(self.sleeps < 100_000, "the loop spins");
        let mut until = self.now + timeout;
        if let Some((at, _)) = self.script.front() {
            until = until.min((*at).max(self.now));
        }
        if let Some(at) = self.wake_at {
            until = until.min(at.max(self.now));
        }
        if self.resting {
            for (from, ..) in &self.pressed {
                if *from > self.now {
                    until = until.min(*from);
                }
            }
        }
        self.now = until;
    }
    fn next(&mut self) -> Option<Raw> {
        if let Some(seen) = self.seen.pop_front() {
            return Some(seen);
        }
        if self.resting && !self.closed().is_open() {
            self.resting = false;
            return Some(Raw::Stirred);
        }
        self.script.pop_front_if(|(at, _)| *at <= self.now).map(|(_, raw)| raw)
    }
    fn level(&mut self, contact: usize) -> Option<bool> {
        Some(!self.low.contains(&contact))
    }
    fn is_sampled(&self, contact: usize) -> bool {
        self.sampled.contains(&contact)
    }
    fn must_poll(&self) -> bool {
        !self.sampled.is_empty() && !self.interrupt
    }
    fn look(&mut self) -> bool {
        self.looks += 1;
        for contact in &self.sampled {
            let mut before = self.levels.iter().filter(|(from, index, _)| *from <= self.now && index == contact);
            let high = before.next_back().map_or(!self.low.contains(contact), |(.., high)| *high);
            self.seen.push_back(Raw::Seen { contact: *contact, high });
        }
        false
    }
    fn scan(&mut self) -> Option<Closed> {
        self.scans += 1;
        self.resting = false;
        (!self.matrix_lost).then(|| self.closed())
    }
    fn rest(&mut self) -> bool {
        self.resting = self.closed().is_open();
        self.resting
    }
    fn light(&mut self, lamp: usize, light: usize, percent: u8) {
        self.lit.push((self.now, lamp, light, percent));
    }
    fn indicate(&mut self, lamp: Lamp, lit: bool) {
        self.told.push((lamp, lit));
    }
    fn bell(&mut self, on: bool) {
        self.bell = on;
    }
    fn retry(&mut self, _: Duration) {}
    fn retry_at(&self) -> Option<Duration> {
        None
    }
    fn report(&mut self) -> Option<PanelReport> {
        self.reports.pop()
    }
    fn has_report(&self) -> bool {
        !self.reports.is_empty()
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn light(place: LightPlace, brightness: u8) -> LightWiring {
    LightWiring { place, brightness, active_low: false }
}

const HOOK: usize = 0;
const HOLD: usize = 1;
const MUTE: usize = 2;

fn wiring() -> LinesWiring {
    let line1 = vec![
        (Some(Colour::Red), light(LightPlace::Pin(Pin::Line(20)), 100)),
        (Some(Colour::Green), light(LightPlace::Pwm { chip: 0, channel: 0 }, 40)),
    ];
    LinesWiring {
        hook: Some(HookWiring { pin: Pin::Line(17), lifted_high: true, debounce_ms: 20 }),
        keys: vec![(Key::Hold, Pin::Line(5)), (Key::Mute, Pin::Line(6))],
        key_debounce_ms: 10,
        matrix: Some(MatrixWiring {
            chip: None,
            rows: vec![Pin::Line(1), Pin::Line(2)],
            columns: vec![Pin::Line(3), Pin::Line(4)],
            keys: vec![
                vec![Some(Key::Digit('1')), Some(Key::Digit('2'))],
                vec![Some(Key::Digit('4')), Some(Key::Digit('5'))],
            ],
            scan_ms: 5,
            debounce_ms: 10,
        }),
        lamps: vec![
            (Lamp::Line(1), LampWiring { lights: line1 }),
            (Lamp::Message, LampWiring { lights: vec![(None, light(LightPlace::Led("m".into()), 100))] }),
        ],
        colours: vec![(Pattern::Fast, Colour::Green)],
        ..LinesWiring::default()
    }
}

/// A panel at rest: handset down, no key pressed.
fn at_rest(mut mock: Mock, wiring: &LinesWiring) -> Contacts<Mock> {
    mock.low.push(HOOK);
    let mut contacts = Contacts::new(mock, wiring);
    assert_eq!(contacts.wait(ms(0)), wiring.hook.is_some().then_some(PanelEvent::Hook(Hook::On)));
    contacts.wires.lit.clear();
    contacts.wires.sleeps = 0;
    contacts
}

fn contacts(mock: Mock) -> Contacts<Mock> {
    at_rest(mock, &wiring())
}

fn edge(at: u64, contact: usize, high: bool) -> (Duration, Raw) {
    (ms(at), Raw::Edge { at: ms(at), contact, high })
}

/// What comes out until nothing does for twenty seconds, with the time [ms].
fn all(contacts: &mut Contacts<Mock>) -> Vec<(u128, PanelEvent)> {
    let mut seen = Vec::new();
    while let Some(event) = contacts.wait(ms(20_000)) {
        seen.push((contacts.wires.now.as_millis(), event));
    }
    seen
}

#[test]
fn a_bouncing_hook_is_lifted_and_put_back_once() {
    let script = [(100, true), (102, false), (105, true), (900, false), (901, true), (903, false)];
    let script = script.map(|(at, high)| edge(at, HOOK, high));
    let mut contacts = contacts(Mock { script: script.into(), ..Mock::default() });
    let seen = all(&mut contacts);
    assert_eq!(seen, [(125, PanelEvent::Hook(Hook::Off)), (923, PanelEvent::Hook(Hook::On))]);
}

#[test]
fn a_handset_that_is_off_at_the_start_is_said_to_be_off() {
    let mut contacts = Contacts::new(Mock::default(), &wiring());
    assert_eq!(contacts.wait(ms(0)), Some(PanelEvent::Hook(Hook::Off)));
}

#[test]
fn keys_on_lines_of_their_own_go_down_and_up() {
    let script = [edge(50, MUTE, false), edge(52, HOLD, false), edge(200, MUTE, true), edge(201, HOLD, true)];
    let mut contacts = contacts(Mock { script: script.into(), ..Mock::default() });
    assert_eq!(
        all(&mut contacts),
        [
            (60, PanelEvent::Down(Key::Mute)),
            (62, PanelEvent::Down(Key::Hold)),
            (210, PanelEvent::Up(Key::Mute)),
            (211, PanelEvent::Up(Key::Hold)),
        ]
    );
}

#[test]
fn a_key_that_is_stuck_at_the_start_is_down_for_a_minute_and_reported() {
    let mut contacts = at_rest(Mock { low: vec![HOLD], ..Mock::default() }, &wiring());
    assert_eq!(all(&mut contacts), [(0, PanelEvent::Down(Key::Hold))]);
    assert_eq!(contacts.wait(ms(60_000)), Some(PanelEvent::Up(Key::Hold)));
    assert_eq!(contacts.wires.now, ms(60_000));
    assert_eq!(contacts.wait(ms(60_000)), None, "the report ends the wait");
    assert_eq!(contacts.report(), Some(PanelReport::Stuck(Key::Hold)));
    assert_eq!(contacts.wait(ms(600_000)), None);
    assert_eq!(contacts.report(), None);
}

#[test]
fn a_resting_matrix_is_not_scanned_and_wakes_with_a_key() {
    let mock = Mock { pressed: vec![(ms(5_000), ms(5_080), 1, 1)], ..Mock::default() };
    let mut contacts = contacts(mock);
    assert_eq!(contacts.wait(ms(4_000)), None);
    assert_eq!((contacts.wires.scans, contacts.wires.sleeps), (1, 1), "the scan at the start, one sleep");
    assert_eq!(contacts.wait(ms(4_000)), Some(PanelEvent::Down(Key::Digit('5'))));
    assert_eq!(contacts.wires.now, ms(5_010));
    assert_eq!(contacts.wait(ms(4_000)), Some(PanelEvent::Up(Key::Digit('5'))));
    assert!(contacts.wires.now <= ms(5_100), "{:?}", contacts.wires.now);
    let scans = contacts.wires.scans;
    assert_eq!(contacts.wait(ms(60_000)), None);
    assert!(contacts.wires.scans <= scans + 1);
}

#[test]
fn a_stuck_key_of_the_matrix_is_scanned_seldom() {
    let mock = Mock { pressed: vec![(ms(0), ms(500_000), 0, 0)], ..Mock::default() };
    let mut contacts = contacts(mock);
    assert_eq!(contacts.wait(ms(20)), Some(PanelEvent::Down(Key::Digit('1'))));
    assert_eq!(contacts.wait(ms(61_000)), Some(PanelEvent::Up(Key::Digit('1'))));
    contacts.wait(ms(0));
    assert_eq!(contacts.report(), Some(PanelReport::Stuck(Key::Digit('1'))));
    let scans = contacts.wires.scans;
    assert_eq!(contacts.wait(ms(10_000)), None);
    assert!((95..105).contains(&(contacts.wires.scans - scans)), "{}", contacts.wires.scans - scans);
}

#[test]
fn a_matrix_that_is_lost_lets_go_of_its_keys_and_works_when_it_is_back() {
    let pressed = vec![(ms(100), ms(1_000), 0, 0), (ms(5_000), ms(5_100), 0, 1)];
    let mut contacts = contacts(Mock { pressed, ..Mock::default() });
    assert_eq!(contacts.wait(ms(200)), Some(PanelEvent::Down(Key::Digit('1'))));
    contacts.wires.matrix_lost = true;
    contacts.wires.script.push_back((ms(0), Raw::MatrixAway));
    assert_eq!(contacts.wait(ms(10)), Some(PanelEvent::Up(Key::Digit('1'))));
    let scans = contacts.wires.scans;
    assert_eq!(contacts.wait(ms(3_000)), None);
    assert_eq!(contacts.wires.scans, scans, "nothing to scan");
    contacts.wires.matrix_lost = false;
    contacts.wires.script.push_back((ms(0), Raw::Stirred));
    assert_eq!(contacts.wait(ms(4_000)), Some(PanelEvent::Down(Key::Digit('2'))));
}

#[test]
fn a_dial_dials_and_says_when_it_could_not() {
    let digits = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0'];
    let (pulse, off_normal) = (Pin::Line(8), Some(Pin::Line(9)));
    let rotary = Some(RotaryWiring { pulse, off_normal, debounce_ms: 6, pause_ms: 300, digits });
    let wiring = LinesWiring { rotary, ..LinesWiring::default() };
    let (pulse, off_normal) = (0, 1);
    let mut script = VecDeque::new();
    let mut at = 1_000;
    for count in [3, 12] {
        script.push_back(edge(at, off_normal, false));
        at += 400;
        for _ in 0..count {
            script.push_back(edge(at, pulse, true));
            script.push_back(edge(at + 60, pulse, false));
            at += 100;
        }
        script.push_back(edge(at, off_normal, true));
        at += 1_000;
    }
    let mut contacts = Contacts::new(Mock { script, low: vec![pulse], ..Mock::default() }, &wiring);
    let three = Key::Digit('3');
    assert_eq!(contacts.wait(ms(60_000)), Some(PanelEvent::Down(three)));
    assert_eq!(contacts.wires.now, ms(1_706));
    assert_eq!(contacts.wait(ms(60_000)), Some(PanelEvent::Up(three)));
    assert_eq!(contacts.wait(ms(60_000)), None);
    assert!(matches!(contacts.report(), Some(PanelReport::Dial(remedy)) if remedy.contains("more than ten")));
    assert_eq!(contacts.wires.now, ms(4_306));
}

#[test]
fn contacts_without_edges_are_looked_at_often_only_while_they_move() {
    let levels = vec![(ms(1_000), HOOK, true), (ms(1_004), HOOK, false), (ms(1_007), HOOK, true)];
    let mock = Mock { sampled: vec![HOOK], levels, ..Mock::default() };
    let mut contacts = contacts(mock);
    assert_eq!(contacts.wait(ms(900)), None);
    assert!((44..48).contains(&contacts.wires.looks), "{}", contacts.wires.looks);
    assert_eq!(contacts.wait(ms(1_000)), Some(PanelEvent::Hook(Hook::Off)));
    assert!((ms(1_020)..ms(1_050)).contains(&contacts.wires.now), "{:?}", contacts.wires.now);
}

#[test]
fn an_expander_with_an_interrupt_line_is_looked_at_only_when_it_says_so() {
    let levels = vec![(ms(10_000), HOOK, true)];
    let script = [(ms(10_000), Raw::Look)].into();
    let mock = Mock { sampled: vec![HOOK], interrupt: true, levels, script, ..Mock::default() };
    let mut contacts = contacts(mock);
    let looks = contacts.wires.looks;
    assert_eq!(contacts.wait(ms(9_000)), None);
    assert!(contacts.wires.looks - looks <= 1, "{}", contacts.wires.looks);
    assert_eq!(contacts.wait(ms(9_000)), Some(PanelEvent::Hook(Hook::Off)));
    assert!((ms(10_020)..ms(10_035)).contains(&contacts.wires.now), "{:?}", contacts.wires.now);
}

#[test]
fn lamps_blink_in_their_colours_while_waiting() {
    let mut contacts = contacts(Mock::default());
    contacts.indicate(Lamp::Line(1), Pattern::Fast);
    contacts.indicate(Lamp::Message, Pattern::On);
    contacts.indicate(Lamp::Key(7), Pattern::On);
    assert_eq!(contacts.wait(ms(600)), None);
    contacts.indicate(Lamp::Line(1), Pattern::Fast);
    assert_eq!(contacts.wait(ms(200)), None);
    contacts.indicate(Lamp::Line(1), Pattern::On);
    assert_eq!(contacts.wait(ms(200)), None);
    contacts.indicate(Lamp::Line(1), Pattern::Off);
    assert_eq!(contacts.wait(ms(2_000)), None);
    let of = |lamp: usize| {
        let lit = contacts.wires.lit.iter().filter(move |(_, index, ..)| *index == lamp);
        lit.map(|(at, _, light, percent)| (at.as_millis(), *light, *percent)).collect::<Vec<_>>()
    };
    let fast = [(0, 1, 40), (250, 1, 0), (500, 1, 40), (750, 1, 0)];
    assert_eq!(of(0), [&fast[..], &[(800, 0, 100), (1000, 0, 0)]].concat());
    assert_eq!(of(1), [(0, 0, 100)]);
}

#[test]
fn events_do_not_stop_the_blinking() {
    let script = (1..100).map(|n| edge(n * 30, HOOK, n % 2 == 1)).collect();
    let mut contacts = contacts(Mock { script, ..Mock::default() });
    contacts.indicate(Lamp::Line(1), Pattern::Flutter);
    let mut events = 0;
    while contacts.wires.now < ms(2_990) {
        events += usize::from(contacts.wait(ms(10)).is_some());
    }
    assert!(events > 90);
    let changes = contacts.wires.lit.iter().filter(|(_, index, ..)| *index == 0).count();
    assert!((29..=30).contains(&changes), "{changes}");
}

#[test]
fn an_order_wakes_the_panel_from_any_sleep() {
    let mut contacts = contacts(Mock { wake_at: Some(ms(700)), ..Mock::default() });
    assert_eq!(contacts.wait(ms(60_000)), None);
    assert_eq!(contacts.wires.now, ms(700));
}

#[test]
fn a_usb_handset_is_a_hook_with_keys_and_lamps_of_its_own() {
    let headset = UsbHandsetWiring { usb: None, headset: false };
    let wiring = LinesWiring { usb_handset: Some(headset), ..LinesWiring::default() };
    let source = DEVICES;
    let script = [
        (ms(100), Raw::Hook { source, lifted: false }),
        (ms(200), Raw::Hook { source, lifted: true }),
        (ms(300), Raw::Key { source, key: Key::Mute, down: true }),
        // Pulled out with the key held, put back in time, pulled out for good.
        (ms(400), Raw::SourceAway { source }),
        (ms(5_000), Raw::Hook { source, lifted: true }),
        (ms(6_000), Raw::SourceAway { source }),
    ];
    let mut contacts = at_rest(Mock { script: script.into(), ..Mock::default() }, &wiring);
    assert_eq!(
        contacts.lamps.iter().map(|lit| lit.lamp).collect::<Vec<_>>(),
        [Lamp::Message, Lamp::Mute, Lamp::Headset]
    );
    contacts.indicate(Lamp::Mute, Pattern::On);
    contacts.indicate(Lamp::Mute, Pattern::Off);
    assert_eq!(contacts.wires.told, [(Lamp::Mute, true), (Lamp::Mute, false)]);
    assert_eq!(
        all(&mut contacts),
        [
            (100, PanelEvent::Hook(Hook::On)),
            (200, PanelEvent::Hook(Hook::Off)),
            (300, PanelEvent::Down(Key::Mute)),
            (400, PanelEvent::Up(Key::Mute)),
            (16_000, PanelEvent::Hook(Hook::On)),
        ]
    );
}

#[test]
fn of_two_handsets_the_one_that_is_lifted_counts() {
    let script = [
        (ms(10), Raw::Hook { source: DEVICES, lifted: true }),
        (ms(900), Raw::Hook { source: DEVICES, lifted: false }),
    ];
    let mut contacts = contacts(Mock { script: script.into(), ..Mock::default() });
    assert_eq!(all(&mut contacts), [(10, PanelEvent::Hook(Hook::Off)), (900, PanelEvent::Hook(Hook::On))]);
}

#[test]
fn a_chip_that_is_lost_and_comes_back_does_not_hang_up() {
    let script = [
        edge(100, HOOK, true),
        (ms(1_000), Raw::Away { contact: HOOK }),
        (ms(3_000), Raw::Back { contact: HOOK, high: true }),
    ];
    let mut contacts = contacts(Mock { script: script.into(), ..Mock::default() });
    assert_eq!(all(&mut contacts), [(120, PanelEvent::Hook(Hook::Off))]);
    assert_eq!(contacts.wait(ms(60_000)), None);
}

#[test]
fn keys_of_a_lost_chip_go_up_and_a_hook_that_stays_away_is_put_back() {
    let script = [
        edge(100, HOLD, false),
        edge(100, HOOK, true),
        (ms(1_000), Raw::Away { contact: HOLD }),
        (ms(1_000), Raw::Away { contact: HOOK }),
    ];
    let mut contacts = contacts(Mock { script: script.into(), ..Mock::default() });
    assert_eq!(
        all(&mut contacts),
        [
            (110, PanelEvent::Down(Key::Hold)),
            (120, PanelEvent::Hook(Hook::Off)),
            (1_000, PanelEvent::Up(Key::Hold)),
            (11_000, PanelEvent::Hook(Hook::On)),
        ]
    );
}

#[test]
fn a_keyboard_board_has_a_panel_that_only_takes_time() {
    let board = Board::parse(Board::built_in("laptop").unwrap()).unwrap();
    let mut panel = LinuxPanel::open(&board).unwrap();
    assert_eq!(panel.lamps(), []);
    let began = std::time::Instant::now();
    assert_eq!(panel.wait(ms(30)), Ok(None));
    assert!(began.elapsed() >= ms(30));
    panel.indicate(Lamp::Line(1), Pattern::On).unwrap();
    panel.bell(true).unwrap();
    let waker = panel.waker();
    let waiting = std::thread::spawn(move || panel.wait(Duration::from_secs(60)));
    std::thread::sleep(ms(20));
    waker.wake();
    assert_eq!(waiting.join().unwrap(), Ok(None));
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_board_whose_chip_is_not_there_is_refused_with_what_to_do() {
    let text = Board::built_in("uml").unwrap().replace("\"offhook-sim\"", "\"no-such-chip\"");
    let board = Board::parse(&text).unwrap();
    let Err(PanelError::Device(what, remedy)) = LinuxPanel::open(&board) else { panic!("opened") };
    assert_eq!(what, "no-such-chip");
    assert!(remedy.contains("gpiodetect"), "{remedy}");
}

#[test]
fn a_board_of_devices_that_may_come_and_go_opens_without_them_and_says_what_is_missing() {
    let missing = "a keypad that nobody has";
    let wiring = LinesWiring {
        input_devices: vec![missing.into()],
        usb_handset: Some(UsbHandsetWiring { usb: Some((1, 1)), headset: false }),
        lamps: vec![(
            Lamp::Message,
            LampWiring { lights: vec![(None, light(LightPlace::Led("no-such-led".into()), 100))] },
        )],
        ..LinesWiring::default()
    };
    let mut board = Board::parse(Board::built_in("laptop").unwrap()).unwrap();
    board.panel = PanelWiring::Lines(wiring);
    let mut panel = LinuxPanel::open(&board).unwrap();
    let mut reports = Vec::new();
    while let Some(report) = panel.report() {
        reports.push(report);
    }
    assert!(matches!(&reports[0], PanelReport::Unplugged(name, _) if name.contains(missing)), "{reports:?}");
    assert!(matches!(&reports[1], PanelReport::Unplugged(name, _) if name == "USB handset 0001:0001"), "{reports:?}");
    assert!(matches!(&reports[2], PanelReport::Lost(name, _) if name.ends_with("no-such-led")), "{reports:?}");
    panel.indicate(Lamp::Message, Pattern::On).unwrap();
    panel.indicate(Lamp::Mute, Pattern::On).unwrap();
    panel.bell(true).unwrap();
    assert_eq!(panel.wait(ms(5)), Ok(None));
    assert_eq!(panel.report(), None, "missing things are not said again");
}
