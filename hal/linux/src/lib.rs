//! The Linux side of the board: [`AlsaAudio`], [`LinuxPanel`] and the paced [`WavHandset`] for machines without a sound
//! card. Everything that decides (debouncing, scanning, blinking, pacing) is in `offhook-hal`; here are descriptors,
//! ioctls and device names.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod alsa_audio;
mod mixer;
pub mod panel;
pub mod wav_handset;

pub use alsa_audio::AlsaAudio;
pub use panel::LinuxPanel;
pub use wav_handset::WavHandset;
