//! Which tone when. The answer depends on nothing but the state, so a tone cannot be left on.
//!
//! The ear is open: howler after a minute of nothing; the tone of the call in it; silence while a number is being
//! dialled or a web callback is waited for; congestion when nothing can be called, stutter when messages wait, dial tone otherwise.

use crate::Level;
use crate::call::State;
use crate::phone::{MEDIA_LONGEST, Now, Phone};
use offhook_account::settings::Tones;
use offhook_account::{Document, Settings};
use offhook_media::telephone_event::Digit;
use offhook_media::tone::{Sound, SoundError, Tone, ToneError};
use std::collections::BTreeMap;

/// What is mixed over the ear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Overlay {
    #[default]
    None,
    Digit(Digit),
    CallWaiting,
}

pub(crate) const CALL_WAITING: &str = "callwaiting";

/// The sound files that tones may name, at the engine's rate; or why one cannot be played.
#[derive(Debug, Default)]
pub(crate) struct Sounds(BTreeMap<String, Result<Sound, SoundError>>);

impl Sounds {
    /// `rate` [Hz] of the engine
    pub(crate) fn read(files: Vec<(String, Vec<u8>)>, rate: u32) -> Self {
        let mut left = MEDIA_LONGEST as u64 * u64::from(rate);
        let read = |(name, bytes): (String, Vec<u8>)| {
            let sound = Sound::read(&bytes, rate).and_then(|sound| {
                left = left
                    .checked_sub(sound.samples().len() as u64)
                    .ok_or_else(|| SoundError(format!("all files together are longer than {MEDIA_LONGEST} s")))?;
                Ok(sound)
            });
            (name, sound)
        };
        Self(files.into_iter().map(read).collect())
    }

    fn tone(&self, expression: &str) -> Result<Tone, ToneError> {
        Tone::parse_with(expression, &|name| self.0.get(name).cloned())
    }
}

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
        if self.services.is_asking() || self.patient.is_some() {
            return Some("trying");
        }
        if self.services.is_waiting() || self.services.choice.is_some() {
            return None;
        }
        if self.ear.refused || !self.lines.iter().any(|line| line.usable || line.dials_on_demand()) {
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
        let tone = own.and_then(|text| self.sounds.tone(text).ok());
        // what the account says may be beyond the notation
        tone.or_else(|| Tone::parse(expression(&Settings::of(&Document::default()).0.tones, name)).ok())
    }

    /// Says which tones of new settings cannot be played and why; their defaults are heard instead.
    pub(crate) fn check_tones(&mut self, now: Now, old: Option<&Tones>, new: &Tones) {
        for (name, node) in NODES {
            let text = expression(new, name);
            if old.is_some_and(|old| expression(old, name) == text) {
                continue;
            }
            if let Err(error) = self.sounds.tone(text) {
                self.notice(now, Level::Warning, format!("{node}: {error}; the default is played"));
            }
        }
    }
}

/// The tones by name, and the account's nodes that say how they sound.
const NODES: [(&str, &str); 9] = [
    ("dial", "dialTone"),
    ("stutter", "stutterDialTone"),
    ("trying", "tryingTone"),
    ("ringing", "ringingTone"),
    ("busy", "busyTone"),
    ("congestion", "congestionTone"),
    ("endcall", "endCallTone"),
    (CALL_WAITING, "callWaitingTone"),
    ("howler", "howlerTone"),
];

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
