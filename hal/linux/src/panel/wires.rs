//! The wires of a panel as Linux has them: pins of GPIO chips and expanders, LEDs, PWM channels, input devices, a USB
//! handset. Waiting is one `poll` over all of them.
//!
//! Whatever is lost is reported, looked for again (at once when a device file appears, else after a growing pause) and
//! put back into the state it should be in; everything else works on meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::time::Duration;

use embedded_hal::digital::{ErrorKind, ErrorType, InputPin, OutputPin};
use offhook_board::{LightPlace, LinesWiring, Pin};
use offhook_hal::hid::Indicator;
use offhook_hal::matrix::{self, Closed};
use offhook_hal::{Lamp, PanelError, PanelReport};

use super::bank::{self, Bank, Lines, Lost, Moved, Plan};
use super::inputs::Input;
use super::lights::{self, Device};
use super::usb_handset::UsbHandset;
use super::waker::WakeUp;
use super::watch::Watch;
use super::{DEVICES, Raw, Wires, backend, expander};

/// How long a driven row needs before its columns can be read: pull-ups of 50 kΩ against the capacity of a ribbon.
const SETTLE: Duration = Duration::from_micros(10);
/// First and longest pause before something lost is looked for again.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// Banks: the GPIO chip, the matrix' own (without pins if it has none), and then the expanders.
const CHIP: usize = 0;
const MATRIX_CHIP: usize = 1;
const EXPANDERS: usize = 2;

pub(super) struct LinuxWires {
    /// the GPIO chip, that of the matrix, and the expanders
    banks: Vec<Slot>,
    /// contacts as the panel counts them
    contacts: Vec<Place>,
    rows: Vec<Place>,
    columns: Vec<Place>,
    /// is the matrix waiting for a key?
    resting: bool,
    /// lights per lamp
    lamps: Vec<Vec<Light>>,
    bell: Option<Place>,
    ringing: bool,
    inputs: Vec<Input>,
    handset: Option<UsbHandset>,
    wake: WakeUp,
    watch: Option<Watch>,
    waiting: VecDeque<Raw>,
    reports: VecDeque<PanelReport>,
    /// did anything become readable since everything was read?
    readable: bool,
    /// when to look for what is missing, and the pause behind that
    retry: Option<(Duration, Duration)>,
}

/// A bank and whether it is there.
struct Slot {
    bank: Box<dyn Bank>,
    plan: Plan,
    /// line of the first bank that says an input of this one changed
    interrupt: Option<u32>,
    open: bool,
}

/// A pin: index of its bank, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    bank: usize,
    pin: u32,
}

struct Light {
    place: LightPlace,
    active_low: bool,
    /// `None` for a pin, and for a device that is missing
    device: Option<Device>,
    percent: u8,
}

impl Place {
    fn of(pin: Pin) -> Self {
        match pin {
            Pin::Line(line) => Self { bank: CHIP, pin: line },
            Pin::MatrixLine(line) => Self { bank: MATRIX_CHIP, pin: line },
            Pin::Expander { expander, pin } => Self { bank: EXPANDERS + expander, pin: u32::from(pin) },
        }
    }
}

impl LinuxWires {
    /// Takes hold of everything the wiring names; `contacts` in the order the panel counts them. What is missing is
    /// looked for later, only the GPIO chip must be there: without it the board is another one.
    pub(super) fn open(wiring: &LinesWiring, contacts: &[Pin]) -> Result<Self, PanelError> {
        let places = |pins: &[Pin]| pins.iter().map(|pin| Place::of(*pin)).collect::<Vec<_>>();
        let matrix = wiring.matrix.as_ref();
        let light = |light: &offhook_board::LightWiring| Light {
            place: light.place.clone(),
            active_low: light.active_low,
            device: None,
            percent: 0,
        };
        let lights = |lamp: &offhook_board::LampWiring| lamp.lights.iter().map(|(_, wired)| light(wired)).collect();
        let wake = WakeUp::new().map_err(|error| {
            PanelError::Device("eventfd".to_owned(), format!("none can be had ({error}); raise LimitNOFILE"))
        })?;
        let mut this = Self {
            banks: Vec::new(),
            contacts: places(contacts),
            rows: matrix.map(|matrix| places(&matrix.rows)).unwrap_or_default(),
            columns: matrix.map(|matrix| places(&matrix.columns)).unwrap_or_default(),
            resting: false,
            lamps: wiring.lamps.iter().map(|(_, lamp)| lights(lamp)).collect(),
            bell: wiring.bell.map(Place::of),
            ringing: false,
            inputs: wiring.input_devices.iter().map(|name| Input::new(name)).collect(),
            handset: wiring.usb_handset.as_ref().map(UsbHandset::new),
            wake,
            watch: Watch::new().ok(),
            waiting: VecDeque::new(),
            reports: VecDeque::new(),
            readable: true,
            retry: None,
        };
        this.make_banks(wiring)?;
        this.find_missing(true);
        this.light_devices(true);
        if this.is_missing() {
            this.retry = Some((this.now() + RETRY.0, RETRY.0));
        }
        Ok(this)
    }

    pub(super) fn waker(&self) -> std::task::Waker {
        self.wake.waker()
    }

    fn make_banks(&mut self, wiring: &LinesWiring) -> Result<(), PanelError> {
        let mut plan = self.plan(CHIP);
        // Expanders may share an interrupt line: their outputs are open-drain.
        for line in wiring.expanders.iter().filter_map(|expander| expander.interrupt) {
            if !plan.contacts.contains(&line) {
                plan.contacts.push(line);
            }
        }
        if !plan.is_empty() {
            let mut bank = backend::open(&wiring.chip, plan.clone())?;
            bank.open()?;
            self.banks.push(Slot { bank, plan, interrupt: None, open: true });
        } else {
            self.banks.push(Slot { bank: backend::none(), plan, interrupt: None, open: true });
        }
        let plan = self.plan(MATRIX_CHIP);
        let bank: Box<dyn Bank> = match wiring.matrix.as_ref().and_then(|matrix| matrix.chip.clone()) {
            Some(chip) => Box::new(Lines::new(bank::Chip::Named(chip), plan.clone())),
            None => backend::none(),
        };
        // Its driver may come late, and without it everything but the keypad works.
        let open = plan.is_empty();
        self.banks.push(Slot { bank, plan, interrupt: None, open });
        for (index, wired) in wiring.expanders.iter().enumerate() {
            let plan = self.plan(EXPANDERS + index);
            let bank = expander::bank(wired, plan.clone());
            self.banks.push(Slot { bank, plan, interrupt: wired.interrupt, open: false });
        }
        Ok(())
    }

    /// What the wiring wants of a bank.
    fn plan(&self, bank: usize) -> Plan {
        let of = |places: &[Place]| places.iter().filter(|place| place.bank == bank).map(|place| place.pin).collect();
        let mut outputs = Vec::new();
        for light in self.lamps.iter().flatten() {
            if let LightPlace::Pin(pin) = light.place
                && Place::of(pin).bank == bank
            {
                outputs.push((Place::of(pin).pin, light.active_low));
            }
        }
        outputs.extend(self.bell.filter(|bell| bell.bank == bank).map(|bell| (bell.pin, false)));
        Plan { contacts: of(&self.contacts), columns: of(&self.columns), rows: of(&self.rows), outputs }
    }

    /// Asks a bank that is there; one that fails is lost.
    fn ask<T>(&mut self, index: usize, ask: impl FnOnce(&mut dyn Bank) -> Result<T, Lost>) -> Option<T> {
        let slot = self.banks.get_mut(index).filter(|slot| slot.open)?;
        match ask(slot.bank.as_mut()) {
            Ok(answer) => Some(answer),
            Err(lost) => {
                self.lose(index, &lost);
                None
            }
        }
    }

    fn lose(&mut self, index: usize, Lost(reason): &Lost) {
        let Some(slot) = self.banks.get_mut(index).filter(|slot| slot.open) else { return };
        slot.open = false;
        slot.bank.close();
        let remedy = format!("stopped answering ({reason}); check its power and wires, it is looked for again");
        self.reports.push_back(PanelReport::Lost(slot.bank.name(), remedy));
        let contacts = self.contacts.iter().enumerate().filter(|(_, place)| place.bank == index);
        self.waiting.extend(contacts.map(|(contact, _)| Raw::Away { contact }));
        if self.has_matrix(index) {
            self.resting = false;
            self.waiting.push_back(Raw::MatrixAway);
        }
        self.retry_soon();
    }

    fn has_matrix(&self, bank: usize) -> bool {
        self.rows.iter().chain(&self.columns).any(|place| place.bank == bank)
    }

    fn retry_soon(&mut self) {
        self.retry = Some((self.now() + RETRY.0, RETRY.0));
    }

    fn is_missing(&self) -> bool {
        self.banks.iter().any(|slot| !slot.open)
            || self.inputs.iter().any(|input| !input.is_open())
            || self.handset.as_ref().is_some_and(|handset| !handset.is_open())
            || self.lamps.iter().flatten().any(Light::is_missing)
    }

    /// Tries to open what is missing; `first`: says so of what stays missing.
    fn find_missing(&mut self, first: bool) {
        for index in 0..self.banks.len() {
            let Some(slot) = self.banks.get_mut(index).filter(|slot| !slot.open) else { continue };
            match slot.bank.open() {
                Ok(()) => {
                    slot.open = true;
                    if !first {
                        self.reports.push_back(PanelReport::Found(slot.bank.name()));
                        self.restore(index);
                    }
                }
                Err(PanelError::Device(device, remedy)) if first => {
                    self.reports.push_back(PanelReport::Lost(device, remedy));
                }
                Err(_) => {}
            }
        }
        let last = self.inputs.len();
        for (source, input) in (DEVICES..).zip(&mut self.inputs).filter(|(_, input)| !input.is_open()) {
            let result = input.open(source, &mut self.waiting);
            self.reports.extend(plugged(input.name(), result, first));
        }
        if let Some(handset) = self.handset.as_mut().filter(|handset| !handset.is_open()) {
            let result = handset.open(DEVICES + last, &mut self.waiting);
            self.reports.extend(plugged(handset.name(), result, first));
        }
        self.readable = true;
    }

    /// Brings a bank that came back up to date, and tells how its contacts lie.
    fn restore(&mut self, index: usize) {
        let contacts: Vec<_> = self.contacts.iter().copied().enumerate().filter(|(_, at)| at.bank == index).collect();
        self.ask(index, |bank| bank.look());
        for (contact, place) in contacts {
            let Some(high) = self.ask(index, |bank| bank.level(place.pin)) else { return };
            self.waiting.push_back(Raw::Back { contact, high });
        }
        let outputs: Vec<(u32, bool)> = self
            .lamps
            .iter()
            .flatten()
            .filter_map(|light| match light.place {
                LightPlace::Pin(pin) => Some((Place::of(pin), (light.percent > 0) != light.active_low)),
                _ => None,
            })
            .chain(self.bell.map(|bell| (bell, self.ringing)))
            .filter(|(place, _)| place.bank == index)
            .map(|(place, high)| (place.pin, high))
            .collect();
        for (pin, high) in outputs {
            self.ask(index, |bank| bank.write(pin, high));
        }
        if self.has_matrix(index) {
            self.waiting.push_back(Raw::Stirred);
        }
    }

    /// Opens lamps that are devices of their own and are missing.
    fn light_devices(&mut self, first: bool) {
        for light in self.lamps.iter_mut().flatten().filter(|light| light.is_missing()) {
            match lights::open(&light.place) {
                Ok(device) => {
                    light.device = device;
                    light.refresh();
                    if !first {
                        self.reports.push_back(PanelReport::Found(lights::name(&light.place)));
                    }
                }
                Err(PanelError::Device(device, remedy)) if first => {
                    self.reports.push_back(PanelReport::Lost(device, remedy));
                }
                Err(_) => {}
            }
        }
    }

    fn write(&mut self, place: Place, high: bool) {
        self.ask(place.bank, |bank| bank.write(place.pin, high));
    }

    fn drive_rows(&mut self, high: bool) {
        for place in self.rows.clone() {
            self.write(place, high);
        }
    }

    fn column_banks(&self) -> Vec<usize> {
        let mut banks: Vec<usize> = self.columns.iter().map(|place| place.bank).collect();
        banks.dedup();
        banks
    }

    /// Reads everything that can be read into `waiting`.
    fn read(&mut self) {
        for index in 0..self.banks.len() {
            while let Some(Some(moved)) = self.ask_next(index) {
                match moved {
                    Moved::Column => {
                        self.resting = false;
                        self.waiting.push_back(Raw::Stirred);
                    }
                    Moved::Contact { at, pin, high } => {
                        let place = Place { bank: index, pin };
                        if let Some(contact) = self.contacts.iter().position(|known| *known == place) {
                            self.waiting.push_back(Raw::Edge { at, contact, high });
                        } else if index == CHIP && !high {
                            self.waiting.push_back(Raw::Look);
                        }
                    }
                }
            }
        }
        let last = self.inputs.len();
        for (source, input) in (DEVICES..).zip(&mut self.inputs) {
            if let Err(remedy) = input.read(source, &mut self.waiting) {
                self.waiting.push_back(Raw::SourceAway { source });
                self.reports.push_back(PanelReport::Unplugged(input.name(), remedy));
            }
        }
        if let Some(handset) = &mut self.handset
            && let Err(remedy) = handset.read(DEVICES + last, &mut self.waiting)
        {
            self.waiting.push_back(Raw::SourceAway { source: DEVICES + last });
            self.reports.push_back(PanelReport::Unplugged(handset.name(), remedy));
        }
        let stirred = self.watch.as_mut().is_some_and(Watch::stirred);
        if self.is_missing() && (stirred || self.retry.is_none()) {
            let at = if stirred { self.now() } else { self.now() + RETRY.0 };
            self.retry = Some((at, RETRY.0));
        }
    }

    fn ask_next(&mut self, index: usize) -> Option<Option<Moved>> {
        let resting = self.resting && self.columns.iter().any(|place| place.bank == index);
        self.ask(index, |bank| bank.next(resting))
    }

    fn descriptors(&self) -> Vec<RawFd> {
        let mut descriptors = vec![self.wake.fd()];
        descriptors.extend(self.watch.as_ref().map(Watch::fd));
        for slot in self.banks.iter().filter(|slot| slot.open) {
            slot.bank.descriptors(self.resting, &mut descriptors);
        }
        descriptors.extend(self.inputs.iter().filter_map(Input::fd));
        descriptors.extend(self.handset.as_ref().and_then(UsbHandset::fd));
        descriptors
    }
}

/// What to say of a device that may come and go; of one that stays away only the first time.
fn plugged(name: String, result: Result<(), String>, first: bool) -> Option<PanelReport> {
    match result {
        Ok(()) => Some(PanelReport::Plugged(name)),
        Err(remedy) => first.then_some(PanelReport::Unplugged(name, remedy)),
    }
}

impl Light {
    fn is_missing(&self) -> bool {
        self.device.is_none() && !matches!(self.place, LightPlace::Pin(_))
    }

    /// Makes the device shine as it should; answers why it cannot.
    fn refresh(&mut self) -> Option<std::io::Error> {
        let percent = if self.active_low { 100 - self.percent.min(100) } else { self.percent };
        self.device.as_mut()?.light(percent).err()
    }
}

impl Wires for LinuxWires {
    #[allow(unsafe_code)]
    fn now(&self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` outlives the call and is all it writes to.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    fn woken(&mut self) -> bool {
        self.wake.take()
    }

    #[allow(unsafe_code)]
    fn sleep(&mut self, timeout: Duration) {
        let descriptors = self.descriptors();
        let poll = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut descriptors: Vec<libc::pollfd> = descriptors.into_iter().map(poll).collect();
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(timeout.subsec_nanos().cast_signed()),
        };
        let count = descriptors.len() as libc::nfds_t;
        // SAFETY: pointer and count are those of the vector, the timeout outlives the call.
        let ready = unsafe { libc::ppoll(descriptors.as_mut_ptr(), count, &raw const timeout, std::ptr::null()) };
        // An interrupted wait is an early one. What hung up says so when it is read.
        self.readable = ready > 0;
    }

    fn next(&mut self) -> Option<Raw> {
        if self.waiting.is_empty() && std::mem::take(&mut self.readable) {
            self.read();
        }
        self.waiting.pop_front()
    }

    fn level(&mut self, contact: usize) -> Option<bool> {
        let place = *self.contacts.get(contact)?;
        self.ask(place.bank, |bank| bank.level(place.pin))
    }

    fn is_sampled(&self, contact: usize) -> bool {
        let slot = self.contacts.get(contact).and_then(|place| self.banks.get(place.bank));
        slot.is_some_and(|slot| !slot.bank.is_stamped())
    }

    fn must_poll(&self) -> bool {
        let deaf = self.banks.get(CHIP).is_none_or(|chip| !chip.open);
        self.banks.iter().any(|slot| {
            let watched = !slot.plan.contacts.is_empty() || (self.resting && !slot.plan.columns.is_empty());
            slot.open && !slot.bank.is_stamped() && watched && (slot.interrupt.is_none() || deaf)
        })
    }

    fn look(&mut self) -> bool {
        let mut again = false;
        for index in EXPANDERS..self.banks.len() {
            let Some(slot) = self.banks.get(index).filter(|slot| slot.open && !slot.bank.is_stamped()) else {
                continue;
            };
            let interrupt = slot.interrupt;
            if self.ask(index, |bank| bank.look()).is_none() {
                continue;
            }
            // Another input changed since: the line stays low, and without an edge nobody would look again.
            again |= interrupt.is_some_and(|line| self.ask(CHIP, |bank| bank.level(line)) == Some(false));
            for contact in 0..self.contacts.len() {
                if let Some(place) = self.contacts.get(contact).copied().filter(|place| place.bank == index)
                    && let Some(high) = self.ask(index, |bank| bank.level(place.pin))
                {
                    self.waiting.push_back(Raw::Seen { contact, high });
                }
            }
            if self.resting {
                let columns: Vec<Place> = self.columns.iter().copied().filter(|place| place.bank == index).collect();
                if columns.iter().any(|place| self.ask(index, |bank| bank.level(place.pin)) == Some(false)) {
                    self.resting = false;
                    self.waiting.push_back(Raw::Stirred);
                }
            }
        }
        again
    }

    fn scan(&mut self) -> Option<Closed> {
        self.resting = false;
        self.drive_rows(true);
        let column_banks = self.column_banks();
        let failed = Cell::new(None);
        let closed = {
            let banks = RefCell::new(&mut self.banks);
            let wires = Scanning { banks: &banks, failed: &failed };
            let pin = |place: &Place| WirePin { wires: &wires, place: *place };
            let mut rows: Vec<WirePin<'_>> = self.rows.iter().map(pin).collect();
            let mut columns: Vec<WirePin<'_>> = self.columns.iter().map(pin).collect();
            matrix::scan(&mut rows, &mut columns, || {
                std::thread::sleep(SETTLE);
                for bank in &column_banks {
                    let _ = wires.ask(*bank, |bank| bank.look());
                }
            })
        };
        if let Some((bank, lost)) = failed.take() {
            self.lose(bank, &lost);
            return None;
        }
        closed.ok()
    }

    fn rest(&mut self) -> bool {
        self.drive_rows(false);
        std::thread::sleep(SETTLE);
        // The edges of the scan just made are no keys. A key that closes from here on is either read below or waits
        // as an edge.
        for index in self.column_banks() {
            if self.ask(index, |bank| bank.forget_columns().and_then(|()| bank.look())).is_none() {
                return false;
            }
        }
        for place in self.columns.clone() {
            if self.ask(place.bank, |bank| bank.level(place.pin)) != Some(true) {
                return false;
            }
        }
        self.resting = true;
        true
    }

    fn light(&mut self, lamp: usize, light: usize, percent: u8) {
        let Some(light) = self.lamps.get_mut(lamp).and_then(|lights| lights.get_mut(light)) else { return };
        light.percent = percent;
        if let LightPlace::Pin(pin) = light.place {
            let high = (percent > 0) != light.active_low;
            return self.write(Place::of(pin), high);
        }
        if let Some(error) = light.refresh() {
            light.device = None;
            let remedy = format!("cannot be switched any more ({error}); check its driver, it is looked for again");
            self.reports.push_back(PanelReport::Lost(lights::name(&light.place), remedy));
            self.retry_soon();
        }
    }

    fn indicate(&mut self, lamp: Lamp, lit: bool) {
        let Some(handset) = &mut self.handset else { return };
        match lamp {
            Lamp::Mute => handset.show(Indicator::Mute, lit),
            Lamp::Message => handset.show(Indicator::Message, lit),
            Lamp::Headset if handset.is_headset() => handset.show(Indicator::OffHook, lit),
            _ => {}
        }
    }

    fn bell(&mut self, on: bool) {
        self.ringing = on;
        if let Some(place) = self.bell {
            self.write(place, on);
        }
        if let Some(handset) = &mut self.handset {
            handset.show(Indicator::Ring, on);
        }
    }

    fn retry(&mut self, now: Duration) {
        let Some((at, pause)) = self.retry else { return };
        if now < at {
            return;
        }
        self.retry = None;
        self.find_missing(false);
        self.light_devices(false);
        if self.is_missing() {
            self.retry = Some((now + pause, (pause * 2).min(RETRY.1)));
        }
    }

    fn retry_at(&self) -> Option<Duration> {
        self.retry.map(|(at, _)| at)
    }

    fn report(&mut self) -> Option<PanelReport> {
        self.reports.pop_front()
    }

    fn has_report(&self) -> bool {
        !self.reports.is_empty()
    }
}

/// The banks while the matrix is scanned, and the first one that failed.
struct Scanning<'a> {
    banks: &'a RefCell<&'a mut Vec<Slot>>,
    failed: &'a Cell<Option<(usize, Lost)>>,
}

impl Scanning<'_> {
    fn ask<T>(&self, index: usize, ask: impl FnOnce(&mut dyn Bank) -> Result<T, Lost>) -> Result<T, PinError> {
        let mut banks = self.banks.borrow_mut();
        let slot = banks.get_mut(index).filter(|slot| slot.open).ok_or(PinError)?;
        ask(slot.bank.as_mut()).map_err(|lost| {
            self.failed.set(Some((index, lost)));
            PinError
        })
    }
}

/// A pin of any bank as an `embedded-hal` pin.
struct WirePin<'a> {
    wires: &'a Scanning<'a>,
    place: Place,
}

#[derive(Debug)]
struct PinError;

impl embedded_hal::digital::Error for PinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for WirePin<'_> {
    type Error = PinError;
}

impl OutputPin for WirePin<'_> {
    fn set_low(&mut self) -> Result<(), PinError> {
        self.wires.ask(self.place.bank, |bank| bank.write(self.place.pin, false))
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        self.wires.ask(self.place.bank, |bank| bank.write(self.place.pin, true))
    }
}

impl InputPin for WirePin<'_> {
    fn is_high(&mut self) -> Result<bool, PinError> {
        self.wires.ask(self.place.bank, |bank| bank.level(self.place.pin))
    }

    fn is_low(&mut self) -> Result<bool, PinError> {
        self.is_high().map(|high| !high)
    }
}

#[cfg(test)]
#[path = "wires_tests.rs"]
mod tests;
