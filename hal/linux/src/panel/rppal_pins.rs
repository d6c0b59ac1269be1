//! Pins of a Raspberry Pi by `rppal`: levels through the registers (`/dev/gpiomem`), changes by its interrupt thread.
//! `chip = "rppal"` in the board file chooses it, in programs built with the feature `rppal`.
//!
//! It saves the system call per level and works on the Pi alone; the GPIO character device is the better choice unless
//! a matrix must be scanned very fast.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use offhook_hal::PanelError;
use rppal::gpio::{Bias, Gpio, InputPin, IoPin, Mode, OutputPin, Trigger};

use super::bank::{Bank, Lost, Moved, Plan};
use super::waker::WakeUp;

pub(super) struct RppalPins {
    plan: Plan,
    held: Option<Held>,
}

struct Held {
    /// contacts and columns
    inputs: BTreeMap<u32, InputPin>,
    rows: BTreeMap<u32, IoPin>,
    outputs: BTreeMap<u32, OutputPin>,
    /// pin, when, level
    changes: Receiver<(u32, Duration, bool)>,
    wake: WakeUp,
}

impl RppalPins {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, held: None }
    }

    fn held(&mut self) -> Result<&mut Held, Lost> {
        self.held.as_mut().ok_or_else(|| Lost("it is not open".to_owned()))
    }
}

impl Bank for RppalPins {
    fn name(&self) -> String {
        "rppal".to_owned()
    }

    fn open(&mut self) -> Result<(), PanelError> {
        self.held = None;
        self.held = Some(take(&self.plan).map_err(|error| {
            let remedy = format!("the pins cannot be had ({error}); it works on a Raspberry Pi only, the group `gpio` may open /dev/gpiomem");
            PanelError::Device(self.name(), remedy)
        })?);
        Ok(())
    }

    fn close(&mut self) {
        self.held = None;
    }

    fn is_stamped(&self) -> bool {
        true
    }

    fn descriptors(&self, _: bool, into: &mut Vec<RawFd>) {
        into.extend(self.held.as_ref().map(|held| held.wake.fd()));
    }

    fn next(&mut self, resting: bool) -> Result<Option<Moved>, Lost> {
        let columns = std::mem::take(&mut self.plan.columns);
        let held = self.held.as_ref().ok_or_else(|| Lost("it is not open".to_owned()));
        let moved = held.map(|held| {
            held.wake.take();
            held.changes.try_iter().find_map(|(pin, at, high)| match columns.contains(&pin) {
                false => Some(Moved::Contact { at, pin, high }),
                // Scanning moves the columns itself; only at rest their edges mean a key.
                true => resting.then_some(Moved::Column),
            })
        });
        self.plan.columns = columns;
        moved
    }

    fn look(&mut self) -> Result<(), Lost> {
        Ok(())
    }

    fn level(&mut self, pin: u32) -> Result<bool, Lost> {
        let pin = self.held()?.inputs.get(&pin).ok_or_else(|| Lost(format!("pin {pin} is no input")))?;
        Ok(pin.is_high())
    }

    fn write(&mut self, pin: u32, high: bool) -> Result<(), Lost> {
        let held = self.held()?;
        if let Some(row) = held.rows.get_mut(&pin) {
            // Never driven high: another row may be low at the other end of two pressed keys.
            row.set_mode(if high { Mode::Input } else { Mode::Output });
            return Ok(());
        }
        let output = held.outputs.get_mut(&pin).ok_or_else(|| Lost(format!("pin {pin} is no output")))?;
        if high {
            output.set_high();
        } else {
            output.set_low();
        }
        Ok(())
    }

    fn forget_columns(&mut self) -> Result<(), Lost> {
        // Their changes are dropped by `next` while the matrix does not rest; contacts among them must not be.
        Ok(())
    }
}

fn take(plan: &Plan) -> Result<Held, rppal::gpio::Error> {
    let gpio = Gpio::new()?;
    let wake = WakeUp::new()?;
    let (sender, changes) = channel();
    let pin = |pin: u32| gpio.get(u8::try_from(pin).map_err(|_| rppal::gpio::Error::PinNotAvailable(u8::MAX))?);
    let mut inputs = BTreeMap::new();
    for number in plan.contacts.iter().chain(&plan.columns) {
        let mut input = pin(*number)?.into_input_pullup();
        let (number, sender, waker): (u32, Sender<_>, _) = (*number, sender.clone(), wake.waker());
        input.set_async_interrupt(Trigger::Both, None, move |event| {
            let _ = sender.send((number, event.timestamp, event.trigger == Trigger::RisingEdge));
            waker.wake_by_ref();
        })?;
        inputs.insert(number, input);
    }
    let mut rows = BTreeMap::new();
    for number in &plan.rows {
        let mut row = pin(*number)?.into_io(Mode::Input);
        row.set_bias(Bias::Off);
        row.set_low();
        row.set_mode(Mode::Input);
        rows.insert(*number, row);
    }
    let mut outputs = BTreeMap::new();
    for (number, high) in &plan.outputs {
        let output = if *high { pin(*number)?.into_output_high() } else { pin(*number)?.into_output_low() };
        outputs.insert(*number, output);
    }
    Ok(Held { inputs, rows, outputs, changes, wake })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_a_pi_it_says_what_it_needs() {
        if std::path::Path::new("/dev/gpiomem").exists() {
            return;
        }
        let mut pins = RppalPins::new(Plan { contacts: vec![17], ..Plan::default() });
        let Err(PanelError::Device(device, remedy)) = pins.open() else { panic!("opened") };
        assert!(device == "rppal" && remedy.contains("Raspberry Pi"), "{remedy}");
        assert!(pins.level(17).is_err() && pins.next(true).is_err());
    }
}
