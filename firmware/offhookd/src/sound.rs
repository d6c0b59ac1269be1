//! Opens the sound device that the command line or the board names.

use crate::args::AudioChoice;
use offhook_board::{AudioWiring, Board};
use offhook_hal::sim::NoneAudio;
use offhook_hal::{Audio, AudioError, AudioFormat};
use offhook_hal_linux::{AlsaAudio, WavHandset};
use std::path::Path;

/// A device and, if it is not what was asked for, a sentence for the user.
pub(crate) struct Sound {
    pub(crate) audio: Box<dyn Audio>,
    pub(crate) notice: Option<String>,
}

pub(crate) fn open(choice: &AudioChoice, board: &Board, state: &Path) -> Result<Sound, String> {
    let wiring = &board.audio;
    match choice {
        AudioChoice::None => Ok(Sound { audio: Box::new(NoneAudio::new(format(wiring))), notice: None }),
        AudioChoice::Wav(input, output) => Ok(Sound { audio: wav(input, output, wiring)?, notice: None }),
        AudioChoice::Alsa(name) => {
            let wiring = AudioWiring { playback: name.clone(), capture: name.clone(), ..wiring.clone() };
            Ok(Sound { audio: alsa(&wiring)?, notice: None })
        }
        AudioChoice::Board => match alsa(wiring) {
            Ok(audio) => Ok(Sound { audio, notice: None }),
            // A board with a codec must not pretend; a laptop without a sound card still shows what the phone does.
            Err(error) if board.name == "laptop" => {
                let output = state.join("handset.wav");
                let audio = wav(Path::new(""), &output, wiring)?;
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

/// An empty input is a silent microphone.
fn wav(input: &Path, output: &Path, wiring: &AudioWiring) -> Result<Box<dyn Audio>, String> {
    WavHandset::open(input, output, format(wiring)).map(|audio| Box::new(audio) as Box<dyn Audio>).map_err(text)
}

fn format(wiring: &AudioWiring) -> AudioFormat {
    AudioFormat { rate: wiring.rate, period: wiring.period, periods: wiring.periods }
}

fn text(error: AudioError) -> String {
    match error {
        AudioError::Open(device, what) => format!("{device}: {what}"),
        AudioError::Lost(what) => what,
        AudioError::Xrun => "the device cannot keep pace".into(),
    }
}
