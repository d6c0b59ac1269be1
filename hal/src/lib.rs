//! The words of the hardware and the two traits behind which every board stands: [`Panel`] (hook, keys, lamps) and
//! [`Audio`] (a period in, a period out). The pure parts live here too: [`debounce`], [`matrix`] scanning, [`rotary`]
//! dials, [`held`] keys, port [`expander`]s, [`hid`] telephony, blink patterns ([`Pattern`]), and simulated hardware
//! ([`sim`]).
//! No Linux, no ALSA, no tokio; no clock either: whoever calls says what time it is.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods))]

pub mod audio;
pub mod debounce;
pub mod expander;
pub mod held;
pub mod hid;
pub mod matrix;
pub mod panel;
pub mod rotary;
pub mod sim;
pub use audio::*;
pub use panel::*;
