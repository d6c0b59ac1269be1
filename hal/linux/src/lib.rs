//! The Linux side of the board: [`AlsaAudio`], [`LinuxPanel`] and the paced [`WavHandset`] for machines without a sound
//! card. Everything that decides (debouncing, scanning, blinking, pacing) is in `offhook-hal`; here are descriptors,
//! ioctls and device names.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod alsa_audio;
pub mod jack;
pub mod loop_test;
pub mod machine;
pub mod mixer;
pub mod panel;
pub mod pwm;
pub mod sound_cards;
pub mod wav_handset;

use std::path::Path;

use offhook_board::AudioWiring;
use offhook_hal::sim::NoneAudio;
use offhook_hal::{Audio, AudioError, AudioFormat};

pub use alsa_audio::AlsaAudio;
pub use panel::LinuxPanel;
pub use wav_handset::WavHandset;

/// Opens what `--audio` names: nothing (`choice` is empty) is the board's own card, `none` is silence on the beat,
/// `in.wav,out.wav` a [`WavHandset`] (either may be missing, not both), anything else an ALSA PCM for both directions.
///
/// # Errors
/// [`AudioError::Open`] with what cannot be opened and what to do.
pub fn open_audio(choice: &str, wiring: &AudioWiring) -> Result<Box<dyn Audio>, AudioError> {
    let format = AudioFormat { rate: wiring.rate, period: wiring.period, periods: wiring.periods };
    if choice.is_empty() {
        return Ok(Box::new(AlsaAudio::open(wiring)?));
    }
    if choice == "none" {
        return Ok(Box::new(NoneAudio::new(format)));
    }
    if let Some((input, output)) = wav_handset::file_pair(choice) {
        return Ok(Box::new(WavHandset::open(Path::new(&input), Path::new(&output), format)?));
    }
    Ok(Box::new(AlsaAudio::open(&wiring.on(choice))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_board::Board;

    #[test]
    fn what_the_argument_names_is_what_opens() {
        let wiring = Board::parse(Board::built_in("laptop").unwrap()).unwrap().audio;
        let none = open_audio("none", &wiring).unwrap();
        assert_eq!((none.format().rate, none.format().period), (16_000, 160));
        let Err(AudioError::Open(device, _)) = open_audio("/absent/in.wav,", &wiring) else { panic!("opened") };
        assert_eq!(device, "/absent/in.wav");
        let Err(AudioError::Open(device, _)) = open_audio("hw:CARD=NoSuchCard,DEV=0", &wiring) else {
            panic!("opened")
        };
        assert_eq!(device, "hw:CARD=NoSuchCard,DEV=0");
    }
}
