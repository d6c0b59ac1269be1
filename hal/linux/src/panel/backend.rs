//! Who drives the pins of the board's chip.

use offhook_hal::PanelError;

use super::bank::{Bank, Chip, Lines, Plan};

/// Makes a bank of some pins.
type Make = fn(&str, Plan) -> Box<dyn Bank>;

/// Names in `chip = "…"` that are no chip but another way to the pins. Everything else is a GPIO character device.
const BACKENDS: &[(&str, Make)] = &[
    #[cfg(feature = "rppal")]
    ("rppal", |_, plan| Box::new(super::rppal_pins::RppalPins::new(plan))),
];

/// The bank for `chip`; its pins are not taken yet.
pub(super) fn open(chip: &str, plan: Plan) -> Result<Box<dyn Bank>, PanelError> {
    if let Some((_, make)) = BACKENDS.iter().find(|(name, _)| *name == chip) {
        return Ok(make(chip, plan));
    }
    if chip == "rppal" {
        let remedy =
            "this program was built without it: name a GPIO chip (`gpiodetect`), or build with the feature `rppal`";
        return Err(PanelError::Device(chip.to_owned(), remedy.to_owned()));
    }
    Ok(Box::new(Lines::new(Chip::Named(chip.to_owned()), plan)))
}

/// A bank without pins, for boards whose chip is not used.
pub(super) fn none() -> Box<dyn Bank> {
    Box::new(Lines::empty())
}
