//! application/simple-message-summary (RFC 3842).
//!
//! Of the message classes only voice is read; the headers of single messages that may follow the
//! summary are not.

use super::MAX_BODY;
use std::fmt::Write;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageSummary {
    pub waiting: bool,
    pub account: Option<String>,
    /// Voice-Message: new, old, new urgent, old urgent
    pub voice: Option<Counts>,
}

/// Counts that 32 bits cannot hold are read as the largest that they can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub new: u32,
    pub old: u32,
    pub new_urgent: u32,
    pub old_urgent: u32,
}

impl MessageSummary {
    /// `None` without a `Messages-Waiting` that says yes or no, and above 64 KiB.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_BODY {
            return None;
        }
        let text = String::from_utf8_lossy(bytes);
        let mut summary = Self::default();
        let mut waiting = None;
        let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("Messages-Waiting") && waiting.is_none() {
                waiting = match value {
                    yes if yes.eq_ignore_ascii_case("yes") => Some(true),
                    no if no.eq_ignore_ascii_case("no") => Some(false),
                    _ => return None,
                };
            } else if name.eq_ignore_ascii_case("Message-Account") && summary.account.is_none() {
                summary.account = (!value.is_empty()).then(|| value.to_owned());
            } else if name.eq_ignore_ascii_case("Voice-Message") && summary.voice.is_none() {
                summary.voice = Counts::parse(value);
            }
        }
        summary.waiting = waiting?;
        Some(summary)
    }

    /// Control characters in the account are left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("Messages-Waiting: {}\r\n", if self.waiting { "yes" } else { "no" });
        if let Some(account) = &self.account {
            let account: String = account.chars().filter(|c| !c.is_control()).collect();
            let _ = write!(text, "Message-Account: {account}\r\n");
        }
        if let Some(Counts { new, old, new_urgent, old_urgent }) = self.voice {
            let _ = write!(text, "Voice-Message: {new}/{old} ({new_urgent}/{old_urgent})\r\n");
        }
        text.into_bytes()
    }
}

impl Counts {
    /// `2/8` or `2/8 (0/2)`
    fn parse(text: &str) -> Option<Self> {
        let (all, urgent) = match text.split_once('(') {
            Some((all, urgent)) => (all, Some(urgent.trim_end().strip_suffix(')')?)),
            None => (text, None),
        };
        let (new, old) = pair(all)?;
        let (new_urgent, old_urgent) = urgent.map_or(Some((0, 0)), pair)?;
        Some(Self { new, old, new_urgent, old_urgent })
    }
}

fn pair(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| crate::message::scan::saturating_number(text.trim());
    let (new, old) = text.split_once('/')?;
    Some((number(new)?, number(old)?))
}
