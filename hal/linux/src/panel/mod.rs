//! The panel of a board on Linux: GPIO lines, a key matrix, LED devices and an input device, as [`Panel`].
//!
//! [`LinuxPanel`] is a loop around three things of `offhook-hal`: a debouncer per contact, the key matrix, and the
//! blink patterns. The hardware is behind the private trait `Wires`, so that the loop is tested in virtual time; the
//! real wires are in `wires`, the codes of input devices in `keys`.
//!
//! Decisions: edges are stamped by the kernel and debounced here, never in both places. Input devices debounce in their
//! driver, so their events pass straight through. A matrix at rest costs nothing: all rows are driven and the edge of a
//! column starts the scanning, which ends when every key is up.

mod keys;
mod waker;
mod wires;

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use offhook_board::{Board, PanelWiring};
use offhook_hal::debounce::Debouncer;
use offhook_hal::matrix::{Closed, KeyMatrix};
use offhook_hal::{Hook, Key, Lamp, Panel, PanelError, PanelEvent, Pattern};

use wires::LinuxWires;

/// The panel of a board.
pub struct LinuxPanel(Contacts<LinuxWires>);

impl std::fmt::Debug for LinuxPanel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinuxPanel").field("lamps", &self.lamps()).finish_non_exhaustive()
    }
}

impl LinuxPanel {
    /// Takes hold of everything the board names. A board with [`PanelWiring::Keyboard`] gives a panel without hook,
    /// keys and lamps: waiting on it only takes time.
    ///
    /// # Errors
    /// [`PanelError::Device`] for what is missing, in use or not allowed, with what to do.
    pub fn open(board: &Board) -> Result<Self, PanelError> {
        let none = offhook_board::LinesWiring::default();
        let wiring = match &board.panel {
            PanelWiring::Keyboard => &none,
            PanelWiring::Lines(wiring) => wiring,
        };
        let wires = LinuxWires::open(wiring)?;
        Contacts::new(wires, wiring).map(Self)
    }
}

impl Panel for LinuxPanel {
    fn wait(&mut self, timeout: Duration) -> Result<Option<PanelEvent>, PanelError> {
        self.0.wait(timeout)
    }

    fn waker(&self) -> Waker {
        self.0.wires.waker()
    }

    fn indicate(&mut self, lamp: Lamp, pattern: Pattern) -> Result<(), PanelError> {
        self.0.indicate(lamp, pattern)
    }

    fn bell(&mut self, on: bool) -> Result<(), PanelError> {
        self.0.wires.bell(on)
    }

    fn lamps(&self) -> Vec<Lamp> {
        self.0.lamps.iter().map(|lit| lit.lamp).collect()
    }
}

/// What a wire said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    /// the hook line went to a level, stamped by the kernel
    Hook { at: Duration, high: bool },
    /// a key of its own line closed or opened
    Key { at: Duration, index: usize, closed: bool },
    /// a column changed while the matrix rested
    Stirred,
    /// something already debounced
    Event(PanelEvent),
}

/// The hardware under a panel. Lamps and keys are numbered as in the wiring.
trait Wires: Send {
    /// The time on the clock of the stamps.
    fn now(&self) -> Duration;
    /// Was the panel woken since the last question?
    fn woken(&mut self) -> bool;
    /// Returns when something can be read, or after `timeout`; earlier for no reason is fine.
    fn sleep(&mut self, timeout: Duration) -> Result<(), PanelError>;
    /// The next thing that happened, without blocking.
    fn next(&mut self) -> Result<Option<Raw>, PanelError>;
    /// Level of the hook line now.
    fn hook_is_high(&mut self) -> Result<bool, PanelError>;
    /// Is this key of its own line closed now?
    fn key_is_closed(&mut self, index: usize) -> Result<bool, PanelError>;
    /// Scans the matrix once.
    fn scan(&mut self) -> Result<Closed, PanelError>;
    /// Leaves the matrix so that a key gives [`Raw::Stirred`]; false if one is closed already.
    fn rest(&mut self) -> Result<bool, PanelError>;
    fn light(&mut self, index: usize, lit: bool) -> Result<(), PanelError>;
    fn bell(&mut self, on: bool) -> Result<(), PanelError>;
}

/// The loop: wires in, events out, lamps blinking meanwhile.
struct Contacts<W> {
    wires: W,
    hook: Option<(Debouncer, bool)>,
    keys: Vec<(Key, Debouncer)>,
    matrix: Option<Scanned>,
    lamps: Vec<Lit>,
    events: VecDeque<PanelEvent>,
}

struct Scanned {
    keys: KeyMatrix,
    every: Duration,
    /// `None`: resting
    next: Option<Duration>,
}

struct Lit {
    lamp: Lamp,
    pattern: Pattern,
    began: Duration,
    lit: bool,
}

impl Lit {
    fn next_change(&self, now: Duration) -> Option<Duration> {
        // The change that is due counts from when the lamp last was right, or a late thread would skip it.
        if self.pattern.lit(now.saturating_sub(self.began)) != self.lit {
            return Some(now);
        }
        Some(now + self.pattern.next_change(now.saturating_sub(self.began))?)
    }
}

impl<W: Wires> Contacts<W> {
    fn new(mut wires: W, wiring: &offhook_board::LinesWiring) -> Result<Self, PanelError> {
        let ms = |ms: u32| Duration::from_millis(u64::from(ms));
        let mut events = VecDeque::new();
        let mut hook = None;
        if let Some(wired) = &wiring.hook {
            let high = wires.hook_is_high()?;
            hook = Some((Debouncer::new(high, ms(wired.debounce_ms)), wired.lifted_high));
            events.push_back(hook_event(high == wired.lifted_high));
        }
        let mut keys = Vec::new();
        for (index, (key, _)) in wiring.keys.iter().enumerate() {
            let closed = wires.key_is_closed(index)?;
            keys.push((*key, Debouncer::new(closed, ms(wiring.key_debounce_ms))));
            if closed {
                events.push_back(PanelEvent::Down(*key));
            }
        }
        let matrix = wiring.matrix.as_ref().map(|wired| Scanned {
            keys: KeyMatrix::new(&wired.keys, ms(wired.debounce_ms)),
            every: ms(wired.scan_ms.max(1)),
            next: Some(Duration::ZERO),
        });
        let mut lamps = Vec::new();
        for (index, (lamp, _)) in wiring.lamps.iter().enumerate() {
            wires.light(index, false)?;
            lamps.push(Lit { lamp: *lamp, pattern: Pattern::Off, began: Duration::ZERO, lit: false });
        }
        Ok(Self { wires, hook, keys, matrix, lamps, events })
    }

    fn wait(&mut self, timeout: Duration) -> Result<Option<PanelEvent>, PanelError> {
        let until = self.wires.now().saturating_add(timeout);
        loop {
            while let Some(raw) = self.wires.next()? {
                self.take(raw);
            }
            let now = self.wires.now();
            self.settle(now);
            self.scan(now)?;
            self.blink(now)?;
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if now >= until || self.wires.woken() {
                return Ok(None);
            }
            let wake = self.timeout(now).map_or(until, |due| due.min(until));
            if wake > now {
                self.wires.sleep(wake - now)?;
            }
        }
    }

    fn indicate(&mut self, lamp: Lamp, pattern: Pattern) -> Result<(), PanelError> {
        let now = self.wires.now();
        let Some((index, lit)) = self.lamps.iter_mut().enumerate().find(|(_, lit)| lit.lamp == lamp) else {
            return Ok(());
        };
        if lit.pattern == pattern {
            return Ok(());
        }
        lit.pattern = pattern;
        lit.began = now;
        let on = pattern.lit(Duration::ZERO);
        if on != lit.lit {
            lit.lit = on;
            self.wires.light(index, on)?;
        }
        Ok(())
    }

    fn take(&mut self, raw: Raw) {
        match raw {
            Raw::Hook { at, high } => {
                if let Some((contact, lifted_high)) = &mut self.hook
                    && let Some(edge) = contact.edge(at, high)
                {
                    self.events.push_back(hook_event(edge.level == *lifted_high));
                }
            }
            Raw::Key { at, index, closed } => {
                if let Some((key, contact)) = self.keys.get_mut(index)
                    && let Some(edge) = contact.edge(at, closed)
                {
                    self.events.push_back(key_event(*key, edge.level));
                }
            }
            Raw::Stirred => {
                if let Some(matrix) = &mut self.matrix
                    && matrix.next.is_none()
                {
                    matrix.next = Some(Duration::ZERO);
                }
            }
            Raw::Event(event) => self.events.push_back(event),
        }
    }

    fn settle(&mut self, now: Duration) {
        if let Some((contact, lifted_high)) = &mut self.hook
            && let Some(edge) = contact.poll(now)
        {
            self.events.push_back(hook_event(edge.level == *lifted_high));
        }
        for (key, contact) in &mut self.keys {
            if let Some(edge) = contact.poll(now) {
                self.events.push_back(key_event(*key, edge.level));
            }
        }
    }

    fn scan(&mut self, now: Duration) -> Result<(), PanelError> {
        let Some(matrix) = &mut self.matrix else { return Ok(()) };
        if matrix.next.is_none_or(|due| now < due) {
            return Ok(());
        }
        let closed = self.wires.scan()?;
        matrix.keys.scanned(now, &closed);
        while let Some(event) = matrix.keys.poll() {
            self.events.push_back(event);
        }
        let at_rest = closed.is_open() && matrix.keys.is_idle() && self.wires.rest()?;
        matrix.next = if at_rest { None } else { Some(now + matrix.every) };
        Ok(())
    }

    fn blink(&mut self, now: Duration) -> Result<(), PanelError> {
        for (index, lit) in self.lamps.iter_mut().enumerate() {
            let on = lit.pattern.lit(now.saturating_sub(lit.began));
            if on != lit.lit {
                lit.lit = on;
                self.wires.light(index, on)?;
            }
        }
        Ok(())
    }

    /// When the loop has something to do without being told.
    fn timeout(&self, now: Duration) -> Option<Duration> {
        let hook = self.hook.iter().filter_map(|(contact, _)| contact.timeout());
        let keys = self.keys.iter().filter_map(|(_, contact)| contact.timeout());
        let scan = self.matrix.iter().filter_map(|matrix| matrix.next);
        let lamps = self.lamps.iter().filter_map(|lit| lit.next_change(now));
        hook.chain(keys).chain(scan).chain(lamps).min()
    }
}

fn hook_event(lifted: bool) -> PanelEvent {
    PanelEvent::Hook(if lifted { Hook::Off } else { Hook::On })
}

fn key_event(key: Key, down: bool) -> PanelEvent {
    if down { PanelEvent::Down(key) } else { PanelEvent::Up(key) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_board::{HookWiring, LampWiring, LightPlace, LightWiring, LinesWiring, MatrixWiring, Pin};

    /// Wires in virtual time: what happens is a list of times, sleeping moves the clock.
    #[derive(Default)]
    struct Mock {
        now: Duration,
        hook_high: bool,
        script: VecDeque<(Duration, Raw)>,
        /// crossings closed from, until
        pressed: Vec<(Duration, Duration, usize, usize)>,
        resting: bool,
        scans: usize,
        sleeps: usize,
        lit: Vec<(Duration, usize, bool)>,
        bell: bool,
        gone: bool,
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
            false
        }
        fn sleep(&mut self, timeout: Duration) -> Result<(), PanelError> {
            assert!(timeout > Duration::ZERO);
            self.sleeps += 1;
            assert!(self.sleeps < 100_000, "the loop spins");
            let mut until = self.now + timeout;
            if let Some((at, _)) = self.script.front() {
                until = until.min((*at).max(self.now));
            }
            if self.resting {
                for (from, ..) in &self.pressed {
                    if *from > self.now {
                        until = until.min(*from);
                    }
                }
            }
            self.now = until;
            Ok(())
        }
        fn next(&mut self) -> Result<Option<Raw>, PanelError> {
            if self.gone {
                return Err(PanelError::Gone);
            }
            if self.resting && !self.closed().is_open() {
                self.resting = false;
                return Ok(Some(Raw::Stirred));
            }
            match self.script.front() {
                Some((at, raw)) if *at <= self.now => {
                    let raw = *raw;
                    self.script.pop_front();
                    Ok(Some(raw))
                }
                _ => Ok(None),
            }
        }
        fn hook_is_high(&mut self) -> Result<bool, PanelError> {
            Ok(self.hook_high)
        }
        fn key_is_closed(&mut self, _: usize) -> Result<bool, PanelError> {
            Ok(false)
        }
        fn scan(&mut self) -> Result<Closed, PanelError> {
            self.scans += 1;
            self.resting = false;
            Ok(self.closed())
        }
        fn rest(&mut self) -> Result<bool, PanelError> {
            self.resting = self.closed().is_open();
            Ok(self.resting)
        }
        fn light(&mut self, index: usize, lit: bool) -> Result<(), PanelError> {
            self.lit.push((self.now, index, lit));
            Ok(())
        }
        fn bell(&mut self, on: bool) -> Result<(), PanelError> {
            self.bell = on;
            Ok(())
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn light(place: LightPlace) -> LampWiring {
        LampWiring { lights: vec![(None, LightWiring { place, brightness: 100, active_low: false })] }
    }

    fn wiring() -> LinesWiring {
        LinesWiring {
            hook: Some(HookWiring { pin: Pin::Line(17), lifted_high: true, debounce_ms: 20 }),
            keys: vec![(Key::Hold, Pin::Line(5)), (Key::Mute, Pin::Line(6))],
            key_debounce_ms: 10,
            matrix: Some(MatrixWiring {
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
                (Lamp::Line(1), light(LightPlace::Pin(Pin::Line(20)))),
                (Lamp::Message, light(LightPlace::Led("m".into()))),
            ],
            ..LinesWiring::default()
        }
    }

    fn contacts(mock: Mock) -> Contacts<Mock> {
        let mut contacts = Contacts::new(mock, &wiring()).unwrap();
        assert_eq!(contacts.wait(ms(0)), Ok(Some(PanelEvent::Hook(Hook::On))), "how it lies at the start");
        contacts.wires.lit.clear();
        contacts
    }

    fn hook(at: u64, high: bool) -> (Duration, Raw) {
        (ms(at), Raw::Hook { at: ms(at), high })
    }

    #[test]
    fn a_bouncing_hook_is_lifted_and_put_back_once() {
        let script =
            [hook(100, true), hook(102, false), hook(105, true), hook(900, false), hook(901, true), hook(903, false)];
        let mut contacts = contacts(Mock { script: script.into(), ..Mock::default() });
        assert_eq!(contacts.wait(ms(1000)), Ok(Some(PanelEvent::Hook(Hook::Off))));
        assert_eq!(contacts.wires.now, ms(125));
        assert_eq!(contacts.wait(ms(1000)), Ok(Some(PanelEvent::Hook(Hook::On))));
        assert_eq!(contacts.wires.now, ms(923));
        assert_eq!(contacts.wait(ms(1000)), Ok(None));
        assert_eq!(contacts.wires.now, ms(1923));
    }

    #[test]
    fn a_handset_that_is_off_at_the_start_is_said_to_be_off() {
        let mock = Mock { hook_high: true, ..Mock::default() };
        let mut contacts = Contacts::new(mock, &wiring()).unwrap();
        assert_eq!(contacts.wait(ms(0)), Ok(Some(PanelEvent::Hook(Hook::Off))));
    }

    #[test]
    fn keys_on_lines_of_their_own_go_down_and_up() {
        let key = |at, index, closed| (ms(at), Raw::Key { at: ms(at), index, closed });
        let script = [key(50, 1, true), key(52, 0, true), key(200, 1, false), key(201, 0, false)];
        let mut contacts = contacts(Mock { script: script.into(), ..Mock::default() });
        let mut seen = Vec::new();
        while let Ok(Some(event)) = contacts.wait(ms(1000)) {
            seen.push((contacts.wires.now.as_millis(), event));
        }
        assert_eq!(
            seen,
            [
                (60, PanelEvent::Down(Key::Mute)),
                (62, PanelEvent::Down(Key::Hold)),
                (210, PanelEvent::Up(Key::Mute)),
                (211, PanelEvent::Up(Key::Hold)),
            ]
        );
    }

    #[test]
    fn a_resting_matrix_is_not_scanned_and_wakes_with_a_key() {
        let mock = Mock { pressed: vec![(ms(5_000), ms(5_080), 1, 1)], ..Mock::default() };
        let mut contacts = contacts(mock);
        assert_eq!(contacts.wait(ms(4_000)), Ok(None));
        assert_eq!(contacts.wires.scans, 1, "the one at the start");
        assert_eq!(contacts.wait(ms(4_000)), Ok(Some(PanelEvent::Down(Key::Digit('5')))));
        assert_eq!(contacts.wires.now, ms(5_010));
        assert_eq!(contacts.wait(ms(4_000)), Ok(Some(PanelEvent::Up(Key::Digit('5')))));
        assert!(contacts.wires.now <= ms(5_100), "{:?}", contacts.wires.now);
        let scans = contacts.wires.scans;
        assert_eq!(contacts.wait(ms(60_000)), Ok(None));
        assert!(contacts.wires.scans <= scans + 1);
    }

    #[test]
    fn lamps_blink_while_waiting() {
        let mut contacts = contacts(Mock::default());
        contacts.indicate(Lamp::Line(1), Pattern::Fast).unwrap();
        contacts.indicate(Lamp::Message, Pattern::On).unwrap();
        contacts.indicate(Lamp::Key(7), Pattern::On).unwrap();
        assert_eq!(contacts.wait(ms(600)), Ok(None));
        contacts.indicate(Lamp::Line(1), Pattern::Fast).unwrap();
        assert_eq!(contacts.wait(ms(200)), Ok(None));
        contacts.indicate(Lamp::Line(1), Pattern::Off).unwrap();
        assert_eq!(contacts.wait(ms(2_000)), Ok(None));
        let line: Vec<(u128, bool)> = contacts
            .wires
            .lit
            .iter()
            .filter(|(_, index, _)| *index == 0)
            .map(|(at, _, lit)| (at.as_millis(), *lit))
            .collect();
        assert_eq!(line, [(0, true), (250, false), (500, true), (750, false)]);
        let message: Vec<bool> =
            contacts.wires.lit.iter().filter(|(_, index, _)| *index == 1).map(|(_, _, lit)| *lit).collect();
        assert_eq!(message, [true]);
    }

    #[test]
    fn events_do_not_stop_the_blinking() {
        let script = (1..100).map(|n| hook(n * 30, n % 2 == 1)).collect();
        let mut contacts = contacts(Mock { script, ..Mock::default() });
        contacts.indicate(Lamp::Line(1), Pattern::Flutter).unwrap();
        let mut events = 0;
        while contacts.wires.now < ms(2_990) {
            events += usize::from(contacts.wait(ms(10)).unwrap().is_some());
        }
        assert!(events > 90);
        let changes = contacts.wires.lit.iter().filter(|(_, index, _)| *index == 0).count();
        assert!((29..=30).contains(&changes), "{changes}");
    }

    #[test]
    fn what_the_kernel_debounced_passes_straight_through() {
        let script =
            [(ms(10), Raw::Event(PanelEvent::HeadsetJack(true))), (ms(11), Raw::Event(PanelEvent::Down(Key::Lamp(3))))];
        let mut contacts = contacts(Mock { script: script.into(), ..Mock::default() });
        assert_eq!(contacts.wait(ms(100)), Ok(Some(PanelEvent::HeadsetJack(true))));
        assert_eq!(contacts.wires.now, ms(10));
        assert_eq!(contacts.wait(ms(100)), Ok(Some(PanelEvent::Down(Key::Lamp(3)))));
        assert_eq!(contacts.wires.now, ms(11));
    }

    #[test]
    fn hardware_that_went_away_is_said_to_be_gone() {
        let mut contacts = contacts(Mock::default());
        contacts.wires.gone = true;
        assert_eq!(contacts.wait(ms(100)), Err(PanelError::Gone));
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
    }

    #[test]
    fn a_board_whose_chip_is_not_there_is_refused_with_what_to_do() {
        let text = Board::built_in("rpi4-handset").unwrap().replace("pinctrl-bcm2711", "no-such-chip");
        let board = Board::parse(&text).unwrap();
        let Err(PanelError::Device(what, remedy)) = LinuxPanel::open(&board) else { panic!("opened") };
        assert_eq!(what, "no-such-chip");
        assert!(remedy.contains("gpiodetect"), "{remedy}");
    }
}
