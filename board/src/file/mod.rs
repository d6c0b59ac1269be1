//! Reading `board.toml`: its shape is in `shape`, the checks that a shape cannot express are in the modules of what
//! they check. `pins` keeps what the file has given away already.

mod audio;
mod lamps;
mod panel;
mod pins;
mod shape;
#[cfg(test)]
mod tests;

use std::ops::Range;

use offhook_hal::Key;
use toml::Spanned;

use crate::{Board, BoardError, WatchdogWiring};
use shape::{BoardFile, WatchdogFile};

/// Settling time when the file names none [ms]: longer than the bounce of the switches we met, shorter than a person
/// notices.
const DEBOUNCE_MS: u32 = 15;
const LONGEST_DEBOUNCE_MS: u32 = 500;
/// Shorter, and a busy moment at start looks like a hang; longer, and nobody waits for it [s].
const WATCHDOG_S: std::ops::RangeInclusive<u32> = 5..=300;

pub(crate) fn parse(text: &str) -> Result<Board, BoardError> {
    let reading = Reading { text };
    let file: BoardFile = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        reading.refuse(span, error.message().replace('\n', " "))
    })?;
    reading.board(file)
}

/// The text being read, to turn places into line numbers.
struct Reading<'a> {
    text: &'a str,
}

type Checked<T> = Result<T, BoardError>;

impl Reading<'_> {
    fn refuse(&self, span: Range<usize>, reason: impl Into<String>) -> BoardError {
        BoardError { line: self.line(span.start), reason: reason.into() }
    }

    /// The line of a byte of the text, from 1.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn board(&self, file: BoardFile) -> Checked<Board> {
        let name = self.filled(file.name, "name")?;
        let proper = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !name.get_ref().bytes().all(proper) {
            let reason = format!("`{}` cannot name a folder: use lower-case letters, digits and `-`", name.get_ref());
            return Err(self.refuse(name.span(), reason));
        }
        let panel_span = file.panel.span();
        Ok(Board {
            name: name.into_inner(),
            model: self.filled(file.model, "model")?.into_inner(),
            panel: self.panel(file.panel.into_inner(), panel_span, file.lamp_keys)?,
            audio: self.audio(file.audio)?,
            lamp_keys: file.lamp_keys,
            watchdog: file.watchdog.map(|watchdog| self.watchdog(watchdog)).transpose()?,
        })
    }

    fn watchdog(&self, file: WatchdogFile) -> Checked<WatchdogWiring> {
        let device = self.filled(file.device, "device")?;
        if !device.get_ref().starts_with("/dev/watchdog") {
            let reason = format!("`{}` is no watchdog: use /dev/watchdog0", device.get_ref());
            return Err(self.refuse(device.span(), reason));
        }
        let timeout_s = *file.timeout_s.get_ref();
        if !WATCHDOG_S.contains(&timeout_s) {
            let (least, most) = WATCHDOG_S.into_inner();
            let reason = format!(
                "a watchdog that bites after {timeout_s} s cannot be: use {least} to {most}, and at most what the device can (15 on a Raspberry Pi)"
            );
            return Err(self.refuse(file.timeout_s.span(), reason));
        }
        Ok(WatchdogWiring { device: device.into_inner(), timeout_s })
    }

    fn filled(&self, text: Spanned<String>, what: &str) -> Checked<Spanned<String>> {
        if text.get_ref().trim().is_empty() {
            return Err(self.refuse(text.span(), format!("{what} is empty: write one")));
        }
        if text.get_ref().contains(char::is_control) {
            let reason = format!("{what} has a control character in it: remove it");
            return Err(self.refuse(text.span(), reason));
        }
        Ok(text)
    }

    fn key(&self, name: &Spanned<String>) -> Checked<Key> {
        Key::from_name(name.get_ref()).ok_or_else(|| {
            let reason = format!(
                "no key is called `{}`: use 0 to 9, *, #, soft1 to soft4, line1 to line4, key1 and up, hold, mute, speaker, headset, redial, message, volume+, volume-, up, down, left, right, ok or back",
                name.get_ref()
            );
            self.refuse(name.span(), reason)
        })
    }

    fn beyond(&self, span: Range<usize>, name: &str, lamp_keys: u8) -> BoardError {
        let reason = format!("{name} is beyond lamp_keys = {lamp_keys}: raise lamp_keys, or remove it");
        self.refuse(span, reason)
    }

    fn debounce(&self, given: Option<Spanned<u32>>) -> Checked<u32> {
        let Some(given) = given else { return Ok(DEBOUNCE_MS) };
        let ms = *given.get_ref();
        if ms > LONGEST_DEBOUNCE_MS {
            let reason = format!(
                "{ms} ms of debouncing would swallow keys: use 0 to {LONGEST_DEBOUNCE_MS}, {DEBOUNCE_MS} is usual"
            );
            return Err(self.refuse(given.span(), reason));
        }
        Ok(ms)
    }
}
