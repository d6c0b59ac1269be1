//! The panel of a board on Linux: pins of GPIO chips and expanders, a key matrix, a dial, LEDs, input devices and a USB
//! handset, as [`Panel`].
//!
//! [`LinuxPanel`] is a loop around the pure parts of `offhook-hal`: a debouncer per contact, the key matrix, the dial,
//! the keys that are held, and the blink patterns. The hardware is behind the private trait `Wires`, so that the loop
//! is tested in virtual time; the real wires are in `wires`.
//!
//! Decisions: edges are stamped by the kernel and debounced here, never in both places. Input devices debounce in their
//! driver, so their events pass straight through. A matrix at rest costs nothing: all rows are driven and the edge of a
//! column starts the scanning, which ends when every key is up. An expander at rest costs nothing if its interrupt line
//! is wired, else it is looked at fifty times a second.

mod backend;
mod bank;
mod expander;
mod inputs;
pub(crate) mod keys;
mod lights;
#[cfg(feature = "rppal")]
mod rppal_pins;
pub(crate) mod usb_handset;
mod waker;
mod watch;
mod wires;

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use offhook_board::{Board, JackWiring, LinesWiring, PanelWiring, Pin};
use offhook_hal::debounce::Debouncer;
use offhook_hal::held::{HeldKeys, STUCK_AFTER};
use offhook_hal::matrix::{Closed, KeyMatrix};
use offhook_hal::rotary::{Dialled, RotaryDial};
use offhook_hal::{Hook, Key, Lamp, Panel, PanelError, PanelEvent, PanelReport, Pattern};

use wires::LinuxWires;

/// Who says that a key is down; input devices and the USB handset count from [`DEVICES`] on.
const MATRIX: usize = 0;
const LINES: usize = 1;
const DIAL: usize = 2;
const DEVICES: usize = 3;

/// Time between looks at contacts that have no edges, while one of them moves and at rest.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(20));
/// Time between scans while nothing but stuck keys is closed.
const STUCK_SCAN: Duration = Duration::from_millis(100);
/// How long a hook that went away counts as it was: a USB handset that is pulled out and put back keeps its call.
const HOOK_GRACE: Duration = Duration::from_secs(10);

/// The panel of a board.
pub struct LinuxPanel(Contacts<LinuxWires>);

impl std::fmt::Debug for LinuxPanel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinuxPanel").field("lamps", &self.lamps()).finish_non_exhaustive()
    }
}

impl LinuxPanel {
    /// Takes hold of everything the board names. A board with [`PanelWiring::Keyboard`] gives a panel without hook,
    /// keys and lamps: waiting on it only takes time. What is missing is [reported](Panel::report) and looked for; only
    /// the GPIO chip and its lines must be there.
    ///
    /// # Errors
    /// [`PanelError::Device`] for a chip or line that is missing, in use or not allowed, with what to do.
    pub fn open(board: &Board) -> Result<Self, PanelError> {
        let none = LinesWiring::default();
        let wiring = match &board.panel {
            PanelWiring::Keyboard => &none,
            PanelWiring::Lines(wiring) => wiring,
        };
        let pins: Vec<Pin> = contacts(wiring).into_iter().map(|(_, pin, _)| pin).collect();
        let wires = LinuxWires::open(wiring, &pins)?;
        Ok(Self(Contacts::new(wires, wiring)))
    }
}

impl Panel for LinuxPanel {
    fn wait(&mut self, timeout: Duration) -> Result<Option<PanelEvent>, PanelError> {
        Ok(self.0.wait(timeout))
    }

    fn waker(&self) -> Waker {
        self.0.wires.waker()
    }

    fn report(&mut self) -> Option<PanelReport> {
        self.0.report()
    }

    fn indicate(&mut self, lamp: Lamp, pattern: Pattern) -> Result<(), PanelError> {
        self.0.indicate(lamp, pattern);
        Ok(())
    }

    fn bell(&mut self, on: bool) -> Result<(), PanelError> {
        self.0.wires.bell(on);
        Ok(())
    }

    fn lamps(&self) -> Vec<Lamp> {
        self.0.lamps.iter().map(|lit| lit.lamp).collect()
    }
}

/// What a wire said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    /// a contact went to a level, stamped by the kernel
    Edge { at: Duration, contact: usize, high: bool },
    /// a contact was looked at and found at a level
    Seen { contact: usize, high: bool },
    /// the chip of a contact was lost
    Away { contact: usize },
    /// the chip of a contact is there again; how it lies
    Back { contact: usize, high: bool },
    /// inputs without edges changed: it is time to look at them
    Look,
    /// a column changed while the matrix rested, or the matrix is there again
    Stirred,
    /// a chip of the matrix was lost
    MatrixAway,
    /// a key of a device that debounces itself
    Key { source: usize, key: Key, down: bool },
    /// the hook of such a device; also how it lies when the device comes
    Hook { source: usize, lifted: bool },
    /// the headset jack of such a device
    Jack { source: usize, plugged: bool },
    /// such a device went away
    SourceAway { source: usize },
}

/// The hardware under a panel. Contacts are numbered as [`contacts`] lists them, lamps as in the wiring. What fails is
/// lost: it is said by [`Raw`] and by a report, and not an error of whoever asked.
trait Wires: Send {
    /// The time on the clock of the stamps.
    fn now(&self) -> Duration;
    /// Was the panel woken since the last question?
    fn woken(&mut self) -> bool;
    /// Returns when something can be read, or after `timeout`; earlier for no reason is fine.
    fn sleep(&mut self, timeout: Duration);
    /// The next thing that happened, without blocking.
    fn next(&mut self) -> Option<Raw>;
    /// Level of a contact now; `None`: its chip is lost.
    fn level(&mut self, contact: usize) -> Option<bool>;
    /// Has this contact no edges, so that it must be looked at?
    fn is_sampled(&self, contact: usize) -> bool;
    /// Does nothing say when such contacts change?
    fn must_poll(&self) -> bool;
    /// Looks at all contacts without edges, for [`next`](Self::next) to say; true: look again soon.
    fn look(&mut self) -> bool;
    /// Scans the matrix once; `None`: it is lost.
    fn scan(&mut self) -> Option<Closed>;
    /// Leaves the matrix so that a key gives [`Raw::Stirred`]; false if one is closed already.
    fn rest(&mut self) -> bool;
    /// Makes a light of a lamp shine so bright [%].
    fn light(&mut self, lamp: usize, light: usize, percent: u8);
    /// Tells devices with lamps of their own what a lamp does.
    fn indicate(&mut self, lamp: Lamp, lit: bool);
    fn bell(&mut self, on: bool);
    /// Looks for what is lost, if it is time.
    fn retry(&mut self, now: Duration);
    /// When it is time.
    fn retry_at(&self) -> Option<Duration>;
    fn report(&mut self) -> Option<PanelReport>;
    fn has_report(&self) -> bool;
}

/// What a contact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Hook { lifted_high: bool },
    Key(Key),
    DialPulse,
    DialOffNormal,
    Jack { plugged_high: bool },
}

/// The contacts of a wiring with their pins and settling times [ms].
fn contacts(wiring: &LinesWiring) -> Vec<(Role, Pin, u32)> {
    let mut contacts = Vec::new();
    if let Some(hook) = &wiring.hook {
        contacts.push((Role::Hook { lifted_high: hook.lifted_high }, hook.pin, hook.debounce_ms));
    }
    contacts.extend(wiring.keys.iter().map(|(key, pin)| (Role::Key(*key), *pin, wiring.key_debounce_ms)));
    if let Some(dial) = &wiring.rotary {
        contacts.push((Role::DialPulse, dial.pulse, dial.debounce_ms));
        contacts.extend(dial.off_normal.map(|pin| (Role::DialOffNormal, pin, dial.debounce_ms)));
    }
    if let Some(JackWiring::Pin { pin, plugged_high }) = &wiring.jack {
        contacts.push((Role::Jack { plugged_high: *plugged_high }, *pin, JACK_DEBOUNCE_MS));
    }
    contacts
}

/// A plug slides over its contact for long, and nobody waits for it.
const JACK_DEBOUNCE_MS: u32 = 200;

/// The loop: wires in, events out, lamps blinking meanwhile.
struct Contacts<W> {
    wires: W,
    contacts: Vec<Contact>,
    dial: Option<RotaryDial>,
    /// debounced changes of the dial's contacts, to be put in order: when, off-normal, high
    dial_edges: Vec<(Duration, bool, bool)>,
    matrix: Option<Scanned>,
    held: HeldKeys,
    hook: AnyOf,
    jack: AnyOf,
    lamps: Vec<Lit>,
    /// when contacts without edges were looked at, and whether that has to be repeated
    looked: (Duration, bool),
    events: VecDeque<PanelEvent>,
    reports: VecDeque<PanelReport>,
}

struct Contact {
    role: Role,
    level: Debouncer,
    sampled: bool,
}

struct Scanned {
    wired: offhook_board::MatrixWiring,
    keys: KeyMatrix,
    every: Duration,
    /// `None`: resting, or lost
    next: Option<Duration>,
}

/// Something that several sources can say, such as the hook: on if any says so.
struct AnyOf {
    grace: Duration,
    said: Option<bool>,
    /// source, what it says, since when it is away
    sources: Vec<(usize, bool, Option<Duration>)>,
}

struct Lit {
    lamp: Lamp,
    pattern: Pattern,
    began: Duration,
    /// brightness of each light [%]
    lights: Vec<u8>,
    /// lights that each pattern lights, one bit each
    shown: [u32; Pattern::ALL.len()],
    /// lights that are lit
    lit: u32,
}

impl Lit {
    /// The lights that are to be lit at `now`.
    fn due(&self, now: Duration) -> u32 {
        let shown = Pattern::ALL.iter().zip(self.shown).find(|(pattern, _)| **pattern == self.pattern);
        let lit = self.pattern.lit(now.saturating_sub(self.began));
        shown.filter(|_| lit).map_or(0, |(_, lights)| lights)
    }

    fn next_change(&self, now: Duration) -> Option<Duration> {
        // The change that is due counts from when the lamp last was right, or a late thread would skip it.
        if self.due(now) != self.lit {
            return Some(now);
        }
        Some(now + self.pattern.next_change(now.saturating_sub(self.began))?)
    }
}

impl AnyOf {
    fn new(grace: Duration, said: Option<bool>) -> Self {
        Self { grace, said, sources: Vec::new() }
    }

    /// A source says so; answers what changed over all of them.
    fn say(&mut self, source: usize, on: bool) -> Option<bool> {
        self.sources.retain(|(known, ..)| *known != source);
        self.sources.push((source, on, None));
        self.changed()
    }

    /// A source went away; what it said counts for the time of grace.
    fn away(&mut self, now: Duration, source: usize) {
        for (_, _, away) in self.sources.iter_mut().filter(|(known, ..)| *known == source) {
            *away = Some(now);
        }
    }

    fn poll(&mut self, now: Duration) -> Option<bool> {
        let grace = self.grace;
        let over = |away: Option<Duration>| away.is_some_and(|since| now.saturating_sub(since) >= grace);
        for (_, on, away) in &mut self.sources {
            if over(*away) {
                (*on, *away) = (false, None);
            }
        }
        self.changed()
    }

    fn timeout(&self) -> Option<Duration> {
        self.sources.iter().filter_map(|(_, _, away)| Some((*away)? + self.grace)).min()
    }

    fn changed(&mut self) -> Option<bool> {
        let on = self.sources.iter().any(|(_, on, _)| *on);
        if self.sources.is_empty() || self.said == Some(on) {
            return None;
        }
        self.said = Some(on);
        Some(on)
    }
}

impl<W: Wires> Contacts<W> {
    fn new(mut wires: W, wiring: &LinesWiring) -> Self {
        let ms = |ms: u32| Duration::from_millis(u64::from(ms));
        let now = wires.now();
        let contacts = contacts(wiring).into_iter().enumerate().map(|(index, (role, _, settle))| {
            // A chip that is missing tells how its contacts lie when it comes; until then they rest.
            let level = wires.level(index).unwrap_or(role.at_rest());
            Contact { role, level: Debouncer::new(level, ms(settle)), sampled: wires.is_sampled(index) }
        });
        let contacts: Vec<Contact> = contacts.collect();
        let matrix = wiring.matrix.as_ref().map(|wired| Scanned {
            wired: wired.clone(),
            keys: KeyMatrix::new(&wired.keys, ms(wired.debounce_ms)),
            every: ms(wired.scan_ms.max(1)),
            next: Some(Duration::ZERO),
        });
        let dial = wiring
            .rotary
            .as_ref()
            .map(|wired| RotaryDial::new(wired.digits, ms(wired.pause_ms), wired.off_normal.is_some()));
        let mut lamps = Vec::new();
        for (index, (lamp, wired)) in wiring.lamps.iter().enumerate() {
            let lights: Vec<u8> = wired.lights.iter().map(|(_, light)| light.brightness).collect();
            for light in 0..lights.len() {
                wires.light(index, light, 0);
            }
            let shown = Pattern::ALL.map(|pattern| lights::shown(wired, &wiring.colours, pattern));
            lamps.push(Lit { lamp: *lamp, pattern: Pattern::Off, began: Duration::ZERO, lights, shown, lit: 0 });
        }
        // Lamps that only a USB handset has.
        for lamp in [Lamp::Message, Lamp::Mute, Lamp::Headset] {
            if wiring.usb_handset.is_some() && !lamps.iter().any(|lit| lit.lamp == lamp) {
                let (pattern, began, shown) = (Pattern::Off, Duration::ZERO, [0; Pattern::ALL.len()]);
                lamps.push(Lit { lamp, pattern, began, lights: Vec::new(), shown, lit: 0 });
            }
        }
        let mut this = Self {
            wires,
            contacts,
            dial,
            dial_edges: Vec::new(),
            matrix,
            held: HeldKeys::new(STUCK_AFTER),
            hook: AnyOf::new(HOOK_GRACE, None),
            jack: AnyOf::new(Duration::ZERO, Some(false)),
            lamps,
            looked: (Duration::ZERO, false),
            events: VecDeque::new(),
            reports: VecDeque::new(),
        };
        for index in 0..this.contacts.len() {
            let Some(contact) = this.contacts.get(index) else { break };
            let high = contact.level.level();
            // A key that nobody presses is no event; everything else says how it lies.
            if !matches!(contact.role, Role::Key(_)) || !high {
                this.changed(now, index, now, high);
            }
        }
        this
    }

    fn wait(&mut self, timeout: Duration) -> Option<PanelEvent> {
        let until = self.wires.now().saturating_add(timeout);
        loop {
            let now = self.wires.now();
            self.wires.retry(now);
            if self.look_due().is_some_and(|due| now >= due) {
                self.looked = (now, self.wires.look());
            }
            while let Some(raw) = self.wires.next() {
                self.take(now, raw);
            }
            self.settle(now);
            self.scan(now);
            self.pass(now);
            self.blink(now);
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if now >= until || self.wires.woken() || self.wires.has_report() || !self.reports.is_empty() {
                return None;
            }
            let wake = self.timeout(now).map_or(until, |due| due.min(until));
            if wake > now {
                self.wires.sleep(wake - now);
            }
        }
    }

    fn report(&mut self) -> Option<PanelReport> {
        self.reports.pop_front().or_else(|| self.wires.report())
    }

    fn indicate(&mut self, lamp: Lamp, pattern: Pattern) {
        let now = self.wires.now();
        let Some((index, lit)) = self.lamps.iter_mut().enumerate().find(|(_, lit)| lit.lamp == lamp) else { return };
        if lit.pattern == pattern {
            return;
        }
        lit.pattern = pattern;
        lit.began = now;
        lit.light(index, now, &mut self.wires);
        self.wires.indicate(lamp, pattern != Pattern::Off);
    }

    fn take(&mut self, now: Duration, raw: Raw) {
        match raw {
            Raw::Edge { at, contact, high } => {
                let edge = self.contacts.get_mut(contact).and_then(|known| known.level.edge(at, high));
                if let Some(edge) = edge {
                    self.changed(now, contact, edge.at, edge.level);
                }
            }
            Raw::Seen { contact, high } => {
                let edge = self.contacts.get_mut(contact).and_then(|known| known.level.sample(now, high));
                if let Some(edge) = edge {
                    self.changed(now, contact, edge.at, edge.level);
                }
            }
            Raw::Away { contact } => match self.contacts.get(contact).map(|known| known.role) {
                Some(Role::Hook { .. }) => self.hook.away(now, LINES),
                Some(Role::Jack { .. }) => self.jack.away(now, LINES),
                Some(role) => {
                    if let Some(known) = self.contacts.get_mut(contact)
                        && known.level.level() != role.at_rest()
                    {
                        known.level = known.level.at(role.at_rest());
                        self.changed(now, contact, now, role.at_rest());
                    }
                }
                None => {}
            },
            Raw::Back { contact, high } => {
                if let Some(known) = self.contacts.get_mut(contact) {
                    known.level = known.level.at(high);
                    self.changed(now, contact, now, high);
                }
            }
            Raw::Look => self.looked.1 = true,
            Raw::Stirred => {
                if let Some(matrix) = &mut self.matrix
                    && matrix.next.is_none()
                {
                    matrix.next = Some(Duration::ZERO);
                }
            }
            Raw::MatrixAway => {
                if let Some(matrix) = &mut self.matrix {
                    let settle = Duration::from_millis(u64::from(matrix.wired.debounce_ms));
                    matrix.keys = KeyMatrix::new(&matrix.wired.keys, settle);
                    matrix.next = None;
                }
                self.held.lost(MATRIX);
            }
            Raw::Key { source, key, down: true } => self.held.down(now, source, key),
            Raw::Key { source, key, down: false } => self.held.up(source, key),
            Raw::Hook { source, lifted } => {
                let changed = self.hook.say(source, lifted);
                self.events.extend(changed.map(hook_event));
            }
            Raw::Jack { source, plugged } => {
                let changed = self.jack.say(source, plugged);
                self.events.extend(changed.map(PanelEvent::HeadsetJack));
            }
            Raw::SourceAway { source } => {
                self.held.lost(source);
                self.hook.away(now, source);
                self.jack.away(now, source);
            }
        }
        self.collect();
    }

    /// A contact rests at another level since `at`.
    fn changed(&mut self, now: Duration, contact: usize, at: Duration, high: bool) {
        match self.contacts.get(contact).map(|contact| contact.role) {
            Some(Role::Hook { lifted_high }) => {
                let changed = self.hook.say(LINES, high == lifted_high);
                self.events.extend(changed.map(hook_event));
            }
            Some(Role::Jack { plugged_high }) => {
                let changed = self.jack.say(LINES, high == plugged_high);
                self.events.extend(changed.map(PanelEvent::HeadsetJack));
            }
            Some(Role::Key(key)) if high => self.held.up(LINES, key),
            Some(Role::Key(key)) => self.held.down(now, LINES, key),
            Some(Role::DialPulse) => self.dial_edges.push((at, false, high)),
            Some(Role::DialOffNormal) => self.dial_edges.push((at, true, high)),
            None => {}
        }
        self.collect();
    }

    /// Changes that are complete by now.
    fn settle(&mut self, now: Duration) {
        for index in 0..self.contacts.len() {
            let contact = self.contacts.get_mut(index).filter(|contact| !contact.sampled);
            if let Some(edge) = contact.and_then(|contact| contact.level.poll(now)) {
                self.changed(now, index, edge.at, edge.level);
            }
        }
        let Some(dial) = &mut self.dial else { return };
        self.dial_edges.sort_by_key(|(at, ..)| *at);
        for (at, off_normal, high) in self.dial_edges.drain(..) {
            // The pulse contact opens to pulse, the other one closes while the dial is off its rest.
            if off_normal { dial.off_normal(at, !high) } else { dial.pulse(at, high) }
        }
        dial.poll(now);
        while let Some(dialled) = dial.dialled() {
            match dialled {
                Dialled::Digit(digit) => {
                    self.held.down(now, DIAL, Key::Digit(digit));
                    self.held.up(DIAL, Key::Digit(digit));
                }
                Dialled::Spoilt(fault) => self.reports.push_back(PanelReport::Dial(fault.remedy().to_owned())),
            }
        }
        self.collect();
    }

    fn scan(&mut self, now: Duration) {
        let Some(matrix) = &mut self.matrix else { return };
        if matrix.next.is_none_or(|due| now < due) {
            return;
        }
        let Some(closed) = self.wires.scan() else {
            matrix.next = None;
            return;
        };
        matrix.keys.scanned(now, &closed);
        while let Some(event) = matrix.keys.poll() {
            match event {
                PanelEvent::Down(key) => self.held.down(now, MATRIX, key),
                PanelEvent::Up(key) => self.held.up(MATRIX, key),
                PanelEvent::Hook(_) | PanelEvent::HeadsetJack(_) => {}
            }
        }
        let at_rest = closed.is_open() && matrix.keys.is_idle() && self.wires.rest();
        let only_stuck = !closed.is_open() && matrix.keys.is_settled() && self.held.only_stuck(MATRIX);
        let every = if only_stuck { STUCK_SCAN } else { matrix.every };
        matrix.next = if at_rest { None } else { Some(now + every) };
        self.collect();
    }

    /// What happens by passing of time alone.
    fn pass(&mut self, now: Duration) {
        self.held.poll(now);
        self.collect();
        let (hook, jack) = (self.hook.poll(now), self.jack.poll(now));
        self.events.extend(hook.map(hook_event));
        self.events.extend(jack.map(PanelEvent::HeadsetJack));
    }

    fn collect(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.held.event()));
        self.reports.extend(std::iter::from_fn(|| self.held.report()));
    }

    fn blink(&mut self, now: Duration) {
        for (index, lit) in self.lamps.iter_mut().enumerate() {
            lit.light(index, now, &mut self.wires);
        }
    }

    /// When contacts without edges have to be looked at.
    fn look_due(&self) -> Option<Duration> {
        let (last, again) = self.looked;
        let moving = self.contacts.iter().filter(|contact| contact.sampled).any(|contact| {
            let dialling =
                matches!(contact.role, Role::DialPulse) && self.dial.as_ref().is_some_and(|dial| !dial.is_idle());
            contact.level.is_settling() || dialling
        });
        if again || moving { Some(last + LOOK.0) } else { self.wires.must_poll().then_some(last + LOOK.1) }
    }

    /// When the loop has something to do without being told.
    fn timeout(&self, now: Duration) -> Option<Duration> {
        let contacts = self.contacts.iter().filter(|contact| !contact.sampled).filter_map(|it| it.level.timeout());
        let scan = self.matrix.iter().filter_map(|matrix| matrix.next);
        let lamps = self.lamps.iter().filter_map(|lit| lit.next_change(now));
        let dial = self.dial.as_ref().and_then(RotaryDial::timeout);
        let others = [dial, self.held.timeout(), self.hook.timeout(), self.jack.timeout(), self.look_due()];
        let others = others.into_iter().chain([self.wires.retry_at()]).flatten();
        contacts.chain(scan).chain(lamps).chain(others).min()
    }
}

impl Role {
    /// The level at which nothing goes on.
    fn at_rest(self) -> bool {
        match self {
            Self::Hook { lifted_high } => !lifted_high,
            Self::Jack { plugged_high } => !plugged_high,
            Self::Key(_) | Self::DialOffNormal => true,
            Self::DialPulse => false,
        }
    }
}

impl Lit {
    fn light(&mut self, index: usize, now: Duration, wires: &mut impl Wires) {
        let due = self.due(now);
        for (light, brightness) in self.lights.iter().enumerate() {
            let is = |lights: u32| lights >> light & 1 == 1;
            if is(due) != is(self.lit) {
                wires.light(index, light, if is(due) { *brightness } else { 0 });
            }
        }
        self.lit = due;
    }
}

fn hook_event(lifted: bool) -> PanelEvent {
    PanelEvent::Hook(if lifted { Hook::Off } else { Hook::On })
}

#[cfg(test)]
mod tests;
