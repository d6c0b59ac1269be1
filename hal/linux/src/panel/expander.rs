//! Port expanders on an I2C bus of Linux: the registers are in `offhook_hal::expander`, the bus is
//! `linux-embedded-hal`'s. An expander that a driver of the kernel holds is a GPIO chip like any other instead.

use std::os::fd::RawFd;
use std::path::PathBuf;

use linux_embedded_hal::I2cdev;
use offhook_board::{ExpanderKind, ExpanderWiring};
use offhook_hal::PanelError;
use offhook_hal::expander::{Chip, Expander};

use super::bank::{self, Bank, Lines, Lost, Moved, Plan};

/// The expander as the machine has it: the kernel's, if a driver holds it, else ours.
pub(super) fn bank(wiring: &ExpanderWiring, plan: Plan) -> Box<dyn Bank> {
    let device = kernel_device(wiring);
    if bank::chip_of(&device).is_some() {
        return Box::new(Lines::new(bank::Chip::I2cDevice(device), plan));
    }
    Box::new(I2cExpander { wiring: wiring.clone(), plan, expander: None })
}

/// Where the kernel shows a device that one of its drivers holds: `/sys/bus/i2c/devices/1-0020`.
fn kernel_device(wiring: &ExpanderWiring) -> PathBuf {
    let number = wiring.bus.rsplit('-').next().unwrap_or_default();
    PathBuf::from("/sys/bus/i2c/devices").join(format!("{number}-{:04x}", wiring.address))
}

struct I2cExpander {
    wiring: ExpanderWiring,
    plan: Plan,
    expander: Option<Expander<I2cdev>>,
}

impl I2cExpander {
    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Expander<I2cdev>) -> Result<T, linux_embedded_hal::I2CError>,
    ) -> Result<T, Lost> {
        let expander = self.expander.as_mut().ok_or_else(|| Lost("it is not open".to_owned()))?;
        act(expander).map_err(|error| Lost(error.to_string()))
    }
}

impl Bank for I2cExpander {
    fn name(&self) -> String {
        let ExpanderWiring { name, bus, address, .. } = &self.wiring;
        format!("expander {name} ({bus}, address {address:#04x})")
    }

    fn open(&mut self) -> Result<(), PanelError> {
        self.expander = None;
        let refuse = |remedy: String| PanelError::Device(self.name(), remedy);
        let bus = I2cdev::new(&self.wiring.bus).map_err(|error| {
            refuse(format!("its bus cannot be opened ({error}); switch I2C on (dtparam=i2c_arm=on) and load i2c-dev; the group `i2c` may open it"))
        })?;
        let chip = match self.wiring.kind {
            ExpanderKind::Mcp23008 => Chip::Mcp23008,
            ExpanderKind::Mcp23017 => Chip::Mcp23017,
            ExpanderKind::Pcf8574 => Chip::Pcf8574,
            ExpanderKind::Pcf8575 => Chip::Pcf8575,
        };
        let bits = |pins: &mut dyn Iterator<Item = u32>| pins.fold(0, |bits, pin| bits | bit(pin));
        let inputs = bits(&mut self.plan.contacts.iter().chain(&self.plan.columns).copied());
        let rows = bits(&mut self.plan.rows.iter().copied());
        let high = bits(&mut self.plan.outputs.iter().filter(|(_, high)| *high).map(|(pin, _)| *pin));
        let mut expander = Expander::new(bus, chip, self.wiring.address, inputs, rows, high);
        expander.configure().map_err(|error| {
            let bus = self.wiring.bus.rsplit('-').next().unwrap_or_default();
            refuse(format!(
                "does not answer ({error}): check its power, its wires and its address; `i2cdetect -y {bus}` shows who answers"
            ))
        })?;
        self.expander = Some(expander);
        Ok(())
    }

    fn close(&mut self) {
        self.expander = None;
    }

    fn is_stamped(&self) -> bool {
        false
    }

    fn descriptors(&self, _: bool, _: &mut Vec<RawFd>) {}

    fn next(&mut self, _: bool) -> Result<Option<Moved>, Lost> {
        Ok(None)
    }

    fn look(&mut self) -> Result<(), Lost> {
        self.with(Expander::refresh).map(|_| ())
    }

    fn level(&mut self, pin: u32) -> Result<bool, Lost> {
        self.with(|expander| Ok(expander.levels() & bit(pin) != 0))
    }

    fn write(&mut self, pin: u32, high: bool) -> Result<(), Lost> {
        self.with(|expander| expander.write(bit(pin), high))
    }

    fn forget_columns(&mut self) -> Result<(), Lost> {
        Ok(())
    }
}

fn bit(pin: u32) -> u16 {
    1_u16.checked_shl(pin).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expander_on_a_bus_that_is_not_there_is_named_with_what_to_do() {
        let wiring = ExpanderWiring {
            name: "front".into(),
            kind: ExpanderKind::Mcp23017,
            bus: "/dev/i2c-99".into(),
            address: 0x20,
            interrupt: None,
        };
        assert_eq!(kernel_device(&wiring), PathBuf::from("/sys/bus/i2c/devices/99-0020"));
        let mut bank = bank(&wiring, Plan::default());
        let Err(PanelError::Device(device, remedy)) = bank.open() else { panic!("opened") };
        assert_eq!(device, "expander front (/dev/i2c-99, address 0x20)");
        assert!(remedy.contains("i2c-dev"), "{remedy}");
        assert!(bank.look().is_err());
    }
}
