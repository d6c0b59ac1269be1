//! I2C port expanders, on any bus of `embedded-hal`: MCP23008 and MCP23017 (Microchip DS20001919, DS20001952), PCF8574
//! and PCF8575 (NXP, TI).
//!
//! Whole ports are read and written in one transfer, because at 100 kHz each transfer costs half a millisecond. A chip
//! that lost its power comes back with its registers cleared: call [`Expander::configure`] again.
//!
//! Why no driver crate: those at hand give single pins one transfer each and leave out the interrupt registers.

use embedded_hal::i2c::I2c;

/// Which chip it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chip {
    /// 8 pins, pull-ups, interrupt
    Mcp23008,
    /// 16 pins, pull-ups, interrupt
    Mcp23017,
    /// 8 pins without direction: a pin written high is pulled up weakly and can be read
    Pcf8574,
    /// 16 pins of the same kind
    Pcf8575,
}

impl Chip {
    fn mask(self) -> u16 {
        match self {
            Self::Mcp23008 | Self::Pcf8574 => 0x00ff,
            Self::Mcp23017 | Self::Pcf8575 => 0xffff,
        }
    }

    fn is_mcp(self) -> bool {
        matches!(self, Self::Mcp23008 | Self::Mcp23017)
    }

    fn is_wide(self) -> bool {
        self.mask() == 0xffff
    }
}

/// Registers of the MCP23008; on the MCP23017 (`IOCON.BANK` = 0) each is a pair at twice the number.
mod register {
    pub(super) const IODIR: u8 = 0x00;
    pub(super) const GPINTEN: u8 = 0x02;
    pub(super) const INTCON: u8 = 0x04;
    pub(super) const IOCON: u8 = 0x05;
    pub(super) const GPPU: u8 = 0x06;
    pub(super) const GPIO: u8 = 0x09;
    pub(super) const OLAT: u8 = 0x0a;
    /// both ports pull the same interrupt pin; only the MCP23017 has it
    pub(super) const MIRROR: u8 = 0x40;
    /// the interrupt pin is open-drain, so that several chips may share a line
    pub(super) const ODR: u8 = 0x04;
}

/// A port expander. Pins are bits, bit 0 first; on the 16-pin chips the second port begins at bit 8.
#[derive(Debug)]
pub struct Expander<B> {
    bus: B,
    chip: Chip,
    address: u8,
    /// pins that are read: pulled up
    inputs: u16,
    /// pins that only ever pull down: let go, they float (matrix rows)
    drains: u16,
    /// what the outputs and drains are at; set: high or let go
    latch: u16,
    /// what was read last
    levels: u16,
}

impl<B: I2c> Expander<B> {
    /// A chip at a 7-bit address. Nothing is sent yet. Pins that are neither `inputs` nor `drains` are outputs, at
    /// first as in `latch`.
    pub fn new(bus: B, chip: Chip, address: u8, inputs: u16, drains: u16, latch: u16) -> Self {
        let latch = (latch | inputs | drains) & chip.mask();
        Self {
            bus,
            chip,
            address,
            inputs: inputs & chip.mask(),
            drains: drains & !inputs & chip.mask(),
            latch,
            levels: 0,
        }
    }

    /// Sets the chip up, with its outputs as they were, and reads the inputs.
    ///
    /// # Errors
    /// What the bus says: nobody answers at the address, mostly.
    pub fn configure(&mut self) -> Result<(), B::Error> {
        if self.chip.is_mcp() {
            let mirror = if self.chip.is_wide() { register::MIRROR } else { 0 };
            let options = u16::from(mirror | register::ODR);
            self.set(register::IOCON, options | options << 8)?;
            // The latch first, or an output would show the wrong level for a moment.
            self.set(register::OLAT, self.latch & !self.drains)?;
            self.set(register::GPPU, self.inputs)?;
            self.set(register::IODIR, self.directions())?;
            self.set(register::INTCON, 0)?;
            self.set(register::GPINTEN, self.inputs)?;
        } else {
            self.put(self.latch)?;
        }
        self.refresh().map(|_| ())
    }

    /// Reads all pins; answers those that changed since the last time. Lets go of the interrupt pin.
    ///
    /// # Errors
    /// What the bus says.
    pub fn refresh(&mut self) -> Result<u16, B::Error> {
        let mut bytes = [0_u8; 2];
        let read = if self.chip.is_wide() { &mut bytes[..] } else { &mut bytes[..1] };
        if self.chip.is_mcp() {
            let register = if self.chip.is_wide() { register::GPIO << 1 } else { register::GPIO };
            self.bus.write_read(self.address, &[register], read)?;
        } else {
            self.bus.read(self.address, read)?;
        }
        let levels = u16::from_le_bytes(bytes);
        let changed = (levels ^ self.levels) & self.inputs;
        self.levels = levels;
        Ok(changed)
    }

    /// Levels of all pins when they were read last.
    pub fn levels(&self) -> u16 {
        self.levels
    }

    /// Sets the outputs in `mask` high or low; drains go low or are let go. Sends nothing if they are so already.
    ///
    /// # Errors
    /// What the bus says; the pins count as set, for [`configure`](Self::configure) to catch up.
    pub fn write(&mut self, mask: u16, high: bool) -> Result<(), B::Error> {
        let mask = mask & !self.inputs & self.chip.mask();
        let before = self.latch;
        self.latch = if high { before | mask } else { before & !mask };
        let changed = before ^ self.latch;
        if changed == 0 {
            return Ok(());
        }
        if !self.chip.is_mcp() {
            return self.put(self.latch);
        }
        if changed & self.drains != 0 {
            self.set(register::IODIR, self.directions())?;
        }
        if changed & !self.drains != 0 {
            self.set(register::OLAT, self.latch & !self.drains)?;
        }
        Ok(())
    }

    /// Directions of an MCP23x: inputs, and the drains that are let go; their latch is always low.
    fn directions(&self) -> u16 {
        self.inputs | (self.latch & self.drains)
    }

    fn set(&mut self, register: u8, value: u16) -> Result<(), B::Error> {
        let [low, high] = value.to_le_bytes();
        if self.chip.is_wide() {
            self.bus.write(self.address, &[register << 1, low, high])
        } else {
            self.bus.write(self.address, &[register, low])
        }
    }

    fn put(&mut self, value: u16) -> Result<(), B::Error> {
        let bytes = value.to_le_bytes();
        self.bus.write(self.address, if self.chip.is_wide() { &bytes } else { &bytes[..1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};
    use proptest::prelude::*;
    use std::cell::RefCell;

    /// A bus with one chip on it, as the data sheets describe it.
    struct Chips {
        chip: Chip,
        registers: [u8; 0x16],
        latch: u16,
        /// what pulls pins down from outside
        pulled: u16,
        /// what drives pins high from outside, against weak pulls down: nothing here does
        transfers: usize,
        absent: bool,
    }

    impl Chips {
        fn new(chip: Chip) -> RefCell<Self> {
            let mut registers = [0; 0x16];
            registers[0] = 0xff;
            registers[1] = if chip.is_wide() { 0xff } else { 0 };
            RefCell::new(Self { chip, registers, latch: 0xffff, pulled: 0, transfers: 0, absent: false })
        }
        fn pair(&self, register: u8) -> u16 {
            if self.chip.is_wide() {
                let at = usize::from(register) * 2;
                u16::from_le_bytes([self.registers[at], self.registers[at + 1]])
            } else {
                u16::from(self.registers[usize::from(register)])
            }
        }
        /// Levels of the wires.
        fn wires(&self) -> u16 {
            let driven_low =
                if self.chip.is_mcp() { !self.pair(register::IODIR) & !self.pair(register::OLAT) } else { !self.latch };
            !(driven_low | self.pulled) & self.chip.mask()
        }
    }

    struct Bus<'a>(&'a RefCell<Chips>);
    impl ErrorType for Bus<'_> {
        type Error = ErrorKind;
    }
    impl I2c for Bus<'_> {
        fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
            let mut chips = self.0.borrow_mut();
            chips.transfers += 1;
            if chips.absent || address != 0x20 {
                return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
            }
            let mut pointer = None;
            for operation in operations {
                match operation {
                    Operation::Write(bytes) if chips.chip.is_mcp() => {
                        let (first, values) = bytes.split_first().unwrap();
                        for (register, value) in (usize::from(*first)..).zip(values) {
                            chips.registers[register] = *value;
                        }
                        pointer = Some(*first);
                    }
                    Operation::Write(bytes) => {
                        let low = bytes[0];
                        chips.latch = u16::from_le_bytes([low, bytes.get(1).copied().unwrap_or(0xff)]);
                        assert_eq!(bytes.len(), if chips.chip.is_wide() { 2 } else { 1 });
                    }
                    Operation::Read(into) => {
                        if chips.chip.is_mcp() {
                            let gpio = if chips.chip.is_wide() { 0x12 } else { 0x09 };
                            assert_eq!(pointer, Some(gpio), "only the port is ever read");
                        }
                        let wires = chips.wires().to_le_bytes();
                        into.copy_from_slice(&wires[..into.len()]);
                    }
                }
            }
            Ok(())
        }
    }

    const CHIPS: [Chip; 4] = [Chip::Mcp23008, Chip::Mcp23017, Chip::Pcf8574, Chip::Pcf8575];

    #[test]
    fn inputs_are_pulled_up_outputs_driven_and_drains_let_go() {
        for chip in CHIPS {
            let chips = Chips::new(chip);
            let mut expander = Expander::new(Bus(&chips), chip, 0x20, 0b0000_1111, 0b0011_0000, 0b0100_0000);
            expander.configure().unwrap();
            assert_eq!(expander.levels() & 0xff, 0b0111_1111, "{chip:?}: the last pin is an output and low");
            if chip.is_mcp() {
                assert_eq!(chips.borrow().pair(register::GPPU), 0b0000_1111);
                assert_eq!(chips.borrow().pair(register::GPINTEN), 0b0000_1111);
                assert_eq!(chips.borrow().pair(register::IODIR) & 0xff, 0b0011_1111);
            }
            expander.write(0b0001_0000, false).unwrap();
            expander.write(0b1000_0000, true).unwrap();
            expander.write(0b0100_0000, false).unwrap();
            assert_eq!(chips.borrow().wires() & 0xff, 0b1010_1111, "{chip:?}");
            expander.write(0b0001_0000, true).unwrap();
            assert_eq!(chips.borrow().wires() & 0xff, 0b1011_1111, "{chip:?}");
        }
    }

    #[test]
    fn the_interrupt_pin_of_an_mcp23017_serves_both_ports_and_may_be_shared() {
        let chips = Chips::new(Chip::Mcp23017);
        Expander::new(Bus(&chips), Chip::Mcp23017, 0x20, 0xffff, 0, 0).configure().unwrap();
        assert_eq!(chips.borrow().registers[0x0a], 0x44);
        assert_eq!(chips.borrow().registers[0x0b], 0x44);
    }

    #[test]
    fn a_lamp_that_is_right_already_costs_no_transfer() {
        let chips = Chips::new(Chip::Mcp23017);
        let mut expander = Expander::new(Bus(&chips), Chip::Mcp23017, 0x20, 0, 0, 0);
        expander.configure().unwrap();
        let before = chips.borrow().transfers;
        expander.write(1, false).unwrap();
        assert_eq!(chips.borrow().transfers, before);
        expander.write(1, true).unwrap();
        assert_eq!(chips.borrow().transfers, before + 1);
    }

    #[test]
    fn a_chip_that_lost_its_power_comes_back_with_its_lamps() {
        for chip in CHIPS {
            let chips = Chips::new(chip);
            let mut expander = Expander::new(Bus(&chips), chip, 0x20, 0b1, 0, 0);
            expander.configure().unwrap();
            chips.borrow_mut().absent = true;
            assert!(expander.write(0b10, true).is_err());
            assert!(expander.refresh().is_err());
            *chips.borrow_mut() = Chips::new(chip).into_inner();
            expander.configure().unwrap();
            assert_eq!(chips.borrow().wires() & 0b111, 0b011, "{chip:?}");
        }
    }

    proptest! {
        #[test]
        fn reads_tell_what_is_pulled_down_and_what_changed(
            index in 0_usize..4, inputs in any::<u16>(), pulls in prop::collection::vec(any::<u16>(), 1..20),
        ) {
            let chip = CHIPS[index];
            let chips = Chips::new(chip);
            let mut expander = Expander::new(Bus(&chips), chip, 0x20, inputs, 0, 0);
            expander.configure().unwrap();
            let mut before = inputs & chip.mask();
            for pulled in pulls {
                chips.borrow_mut().pulled = pulled;
                let now = inputs & !pulled & chip.mask();
                prop_assert_eq!(expander.refresh(), Ok(before ^ now));
                prop_assert_eq!(expander.levels() & inputs, now);
                before = now;
            }
        }

        #[test]
        fn outputs_are_what_was_written_last_and_inputs_are_never_driven(
            index in 0_usize..4, inputs in any::<u16>(), drains in any::<u16>(),
            writes in prop::collection::vec((any::<u16>(), any::<bool>()), 0..30),
        ) {
            let chip = CHIPS[index];
            let chips = Chips::new(chip);
            let mut expander = Expander::new(Bus(&chips), chip, 0x20, inputs, drains, 0);
            expander.configure().unwrap();
            let mut expected = inputs | drains;
            for (mask, high) in writes {
                expander.write(mask, high).unwrap();
                expected = if high { expected | mask } else { expected & !(mask & !inputs) };
                prop_assert_eq!(chips.borrow().wires(), expected & chip.mask());
            }
        }
    }
}
