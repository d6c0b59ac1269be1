//! The words of the hardware and the two traits behind which every board stands: [`Panel`] (hook, keys, lamps) and
//! [`Audio`] (a period in, a period out). The pure parts live here too: [`debounce`], [`matrix`] scanning, blink
//! patterns ([`Pattern`]), and simulated hardware ([`sim`]).
//! No Linux, no ALSA, no tokio; no clock either: whoever calls says what time it is.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods))]

pub mod audio;
pub mod debounce;
pub mod matrix;
pub mod panel;
pub mod sim;
pub use audio::*;
pub use panel::*;
