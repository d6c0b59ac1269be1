//! The words of the hardware and the two traits behind which every board stands: [`Panel`] (hook, keys, lamps) and
//! [`Audio`]. Pure parts (debouncing, matrix scanning, blink patterns) and simulated hardware live here too.
//! No Linux, no ALSA, no tokio.

pub mod audio;
pub mod panel;
pub use audio::*;
pub use panel::*;
