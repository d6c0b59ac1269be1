//! Which tone when. The answer depends on nothing but the state, so a tone cannot be left on.
//!
//! The ear is open: howler after a minute of nothing; the tone of the call in it; silence while a number is being
//! dialled; congestion when nothing can be called, stutter when messages wait, dial tone otherwise.

use crate::call::State;
use crate::phone::Phone;
use offhook_account::settings::Tones;
use offhook_account::{Document, Settings};
use offhook_media::telephone_event::Digit;
use offhook_media::tone::Tone;

/// What is mixed over the ear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Overlay {
    #[default]
    None,
    Digit(Digit),
    CallWaiting,
}

pub(crate) const CALL_WAITING: &str = "callwaiting";

impl Phone {
    pub(crate) fn progress_tone(&self) -> Option<&'static str> {
        if !self.ear.is_open() {
            return None;
        }
        if self.ear.howling {
            return Some("howler");
        }
        if let Some(call) = self.ear.focus.and_then(|id| self.call(id)) {
            return match &call.state {
                State::Preparing { .. } | State::Trying => Some("trying"),
                State::Ringing { early: false } => Some("ringing"),
                State::Ended { tone, .. } => Some(tone),
                State::Ringing { early: true } | State::Incoming { .. } | State::Talking { .. } => None,
            };
        }
        if !self.dialing.is_empty() {
            return None;
        }
        if self.ear.refused || !self.lines.iter().any(|line| line.usable) {
            return Some("congestion");
        }
        Some(if self.messages().waiting { "stutter" } else { "dial" })
    }

    pub(crate) fn overlay(&self) -> Overlay {
        if !self.ear.is_open() {
            return Overlay::None;
        }
        match &self.ear.pressed {
            Some(pressed) => Overlay::Digit(pressed.digit),
            None if self.is_call_waiting() => Overlay::CallWaiting,
            None => Overlay::None,
        }
    }

    /// The tone of this name by the account of the call in the ear, else of the first account.
    pub(crate) fn tone(&self, name: &str) -> Option<Tone> {
        let account = self.ear.focus.and_then(|id| self.call(id)).map(|call| call.account);
        let line = account
            .and_then(|number| self.line(number))
            .or_else(|| self.lines.iter().find(|line| line.settings.is_some()));
        let own = line.and_then(|line| line.settings.as_ref()).map(|settings| expression(&settings.tones, name));
        let tone = own.and_then(|text| Tone::parse(text).ok());
        // what the account says may be beyond the notation
        tone.or_else(|| Tone::parse(expression(&Settings::of(&Document::default()).0.tones, name)).ok())
    }
}

fn expression<'a>(tones: &'a Tones, name: &str) -> &'a str {
    match name {
        "stutter" => &tones.stutter_dial,
        "trying" => &tones.trying,
        "ringing" => &tones.ringing,
        "busy" => &tones.busy,
        "congestion" => &tones.congestion,
        "endcall" => &tones.end_call,
        CALL_WAITING => &tones.call_waiting,
        "howler" => &tones.howler,
        _ => &tones.dial,
    }
}
