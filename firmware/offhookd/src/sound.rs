//! Opens the sound device that the command line or the board names.

use crate::args::AudioChoice;
use offhook_board::{AudioWiring, Board};
use offhook_hal::{Audio, AudioError};
use offhook_hal_linux::{AlsaAudio, NoneAudio, WavHandset};
use std::path::Path;

/// A device and, if it is not what was asked for, a sentence for the user.
pub(crate) struct Sound {
    pub(crate) audio: Box<dyn Audio>,
    pub(crate) notice: Option<String>,
}

pub(crate) fn open(choice: &AudioChoice, board: &Board, state: &Path) -> Result<Sound, String> {
    let wiring = &board.audio;
    match choice {
        AudioChoice::None => Ok(Sound { audio: Box::new(NoneAudio::new(wiring.rate, wiring.period)), notice: None }),
        AudioChoice::Wav(input, output) => Ok(Sound { audio: wav(Some(input), output, wiring)?, notice: None }),
        AudioChoice::Alsa(name) => {
            let wiring = AudioWiring { playback: name.clone(), capture: name.clone(), ..wiring.clone() };
            Ok(Sound { audio: alsa(&wiring)?, notice: None })
        }
        AudioChoice::Board => match alsa(wiring) {
            Ok(audio) => Ok(Sound { audio, notice: None }),
            // A board with a codec must not pretend; a laptop without a sound card still shows what the phone does.
            Err(error) if board.name == "laptop" => {
                let output = state.join("handset.wav");
                let audio = wav(None, &output, wiring)?;
                let notice = format!("no sound device ({error}); what you would hear goes to {}", output.display());
                Ok(Sound { audio, notice: Some(notice) })
            }
            Err(error) => Err(error),
        },
    }
}

fn alsa(wiring: &AudioWiring) -> Result<Box<dyn Audio>, String> {
    AlsaAudio::open(wiring).map(|audio| Box::new(audio) as Box<dyn Audio>).map_err(text)
}

fn wav(input: Option<&Path>, output: &Path, wiring: &AudioWiring) -> Result<Box<dyn Audio>, String> {
    WavHandset::open(input, output, wiring.rate, wiring.period)
        .map(|audio| Box::new(audio) as Box<dyn Audio>)
        .map_err(text)
}

fn text(error: AudioError) -> String {
    match error {
        AudioError::Open(device, what) => format!("{device}: {what}"),
        AudioError::Lost(what) => what,
        AudioError::Xrun => "the device cannot keep pace".into(),
    }
}
