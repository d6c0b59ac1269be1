//! Opens the sound device that the command line or the board names. Which one when, is the sound thread's affair.

use offhook_board::Board;
use offhook_hal::{Audio, AudioError};
use offhook_hal_linux::open_audio;
use std::path::Path;

/// A device and, if it is not what was asked for, a sentence for the user.
pub(crate) struct Sound {
    pub(crate) audio: Box<dyn Audio>,
    pub(crate) notice: Option<String>,
}

/// `choice`: the argument of `--audio`, empty for the board's own device.
pub(crate) fn open(choice: &str, board: &Board, state: &Path) -> Result<Sound, String> {
    match open_audio(choice, &board.audio) {
        Ok(audio) => Ok(Sound { audio, notice: None }),
        // A board with a codec must not pretend; a laptop without a sound card still shows what the phone does.
        Err(error) if choice.is_empty() && board.name == "laptop" => {
            let output = state.join("handset.wav");
            let audio = open_audio(&format!(",{}", output.display()), &board.audio).map_err(text)?;
            let notice = format!("no sound device ({}); what you would hear goes to {}", text(error), output.display());
            Ok(Sound { audio, notice: Some(notice) })
        }
        Err(error) => Err(text(error)),
    }
}

/// What an error says to the user.
pub(crate) fn text(error: AudioError) -> String {
    match error {
        AudioError::Open(device, what) => format!("{device}: {what}"),
        AudioError::Lost(what) => what,
        AudioError::Xrun => "the device cannot keep pace".into(),
    }
}
