//! Digits during a call (`axml.dtmf.01`, `.02`): RFC 4733 events if negotiated, INFO, or tones in the sound, in the account's order;
//! or all of them. A key sounds as long as it is held, at least 70 ms, so that the far end can recognise it. The control
//! API's strings are sent one digit after the other. INFO of the peer is read in both common spellings.

use crate::call::{Call, State};
use crate::ear::Pressed;
use crate::phone::{Now, Output, Phone};
use crate::{CallId, Event, Level, Refusal};
use offhook_account::Settings;
use offhook_account::settings::DtmfMethod;
use offhook_media::telephone_event::{Digit, DigitMethod};
use offhook_media::{Command, StreamId};
use offhook_sip::{Body, SessionId};
use std::time::Duration;

/// Shortest digit.
pub(crate) const SHORTEST: Duration = Duration::from_millis(70);
/// A key that never comes up again ends here.
const LONGEST: Duration = Duration::from_secs(10);
/// Digit, and distance from one to the next, of strings.
const QUEUED_DIGIT: Duration = Duration::from_millis(100);
const QUEUED_STEP: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_secs(2);
/// Longest string waiting.
const MOST_QUEUED: usize = 128;
/// Duration that INFO says [ms].
const INFO_DURATION: u32 = 160;

/// How one digit goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ways {
    event: bool,
    info: bool,
    in_band: bool,
}

fn ways(settings: &Settings, events_agreed: bool) -> Ways {
    let mut ways = Ways { event: false, info: false, in_band: false };
    for method in &settings.dtmf_order {
        match method {
            DtmfMethod::Rfc2833 if events_agreed => ways.event = true,
            DtmfMethod::Rfc2833 => continue,
            DtmfMethod::Info => ways.info = true,
            DtmfMethod::Audio => ways.in_band = true,
        }
        if !settings.dtmf_all {
            break;
        }
    }
    ways
}

impl Call {
    /// Digits would reach the peer: answered and not held, or early sound (announcements ask for digits, too).
    fn takes_digits(&self) -> bool {
        let state = match self.state {
            State::Talking { .. } => !self.hold.wanted,
            State::Ringing { early } => early,
            _ => false,
        };
        state && self.media.is_running()
    }
}

impl Phone {
    /// The call that a digit key belongs to, if not to dialling.
    pub(crate) fn digit_target(&self) -> Option<CallId> {
        let id = self.ear.focus.filter(|_| self.ear.is_open())?;
        self.call(id)?.takes_digits().then_some(id)
    }

    /// A digit key went down: sound in the ear, and into the call if there is one.
    pub(crate) fn digit_pressed(&mut self, now: Now, digit: Digit, into: Option<CallId>) {
        self.digit_over(now);
        let stream = into.and_then(|id| self.begin_digit(now, id, digit, None));
        if self.ear.is_open() {
            let until = now.instant + LONGEST;
            self.ear.pressed = Some(Pressed { digit, stream, released: false, began: now.instant, until });
        }
    }

    pub(crate) fn digit_released(&mut self, now: Now) {
        let Some(pressed) = &mut self.ear.pressed else { return };
        if pressed.released {
            return;
        }
        pressed.released = true;
        pressed.until = pressed.began + SHORTEST;
        if pressed.until <= now.instant {
            self.digit_over(now);
        }
    }

    /// The digit of the key ends now.
    pub(crate) fn digit_over(&mut self, _now: Now) {
        if let Some(stream) = self.ear.pressed.take().and_then(|pressed| pressed.stream) {
            self.out(Output::Media(Command::DigitEnd { stream }));
        }
    }

    /// A string of the control API.
    pub(crate) fn queue_digits(&mut self, now: Now, id: CallId, text: &str) -> Result<(), Refusal> {
        let wanted: Vec<char> = text.chars().collect();
        if let Some(bad) = wanted.iter().find(|c| !is_pause(**c) && Digit::from_char(**c).is_none()) {
            return Err(Refusal::BadValue(format!("{bad:?} is not a digit")));
        }
        let call = self.call_mut(id).ok_or(Refusal::NoSuchCall)?;
        if !call.takes_digits() {
            return Err(Refusal::WrongState("digits need a call that is up"));
        }
        if call.queue.digits.len() + wanted.len() > MOST_QUEUED {
            return Err(Refusal::BadValue("too many digits at once".into()));
        }
        call.queue.digits.extend(wanted);
        if call.queue.next_at.is_none() {
            self.next_queued_digit(now, id);
        }
        Ok(())
    }

    pub(crate) fn next_queued_digit(&mut self, now: Now, id: CallId) {
        let Some(call) = self.call_mut(id) else { return };
        let taking = call.takes_digits();
        let Some(next) = call.queue.digits.pop_front().filter(|_| taking) else {
            call.queue.next_at = None;
            call.queue.digits.clear();
            return;
        };
        call.queue.next_at = Some(now.instant + if is_pause(next) { PAUSE } else { QUEUED_STEP });
        if let Some(digit) = Digit::from_char(next) {
            self.begin_digit(now, id, digit, Some(QUEUED_DIGIT));
        }
    }

    /// Sends a digit; answers the stream that needs a `DigitEnd`.
    fn begin_digit(&mut self, now: Now, id: CallId, digit: Digit, duration: Option<Duration>) -> Option<StreamId> {
        let call = self.call(id)?;
        let settings = self.line(call.account)?.settings.as_ref()?;
        let events = call.media.agreed().is_some_and(|agreed| agreed.telephone_event.is_some());
        let ways = ways(settings, events);
        let (stream, session) = (call.media.stream(), call.session);
        if ways == (Ways { event: false, info: false, in_band: false }) {
            self.notice(now, Level::Warning, "this call takes no digits".into());
            return None;
        }
        if let (true, Some(session)) = (ways.info, session) {
            let _ = self.endpoint.info(now.instant, session, info_body(digit));
        }
        for (wanted, method) in [(ways.event, DigitMethod::Event), (ways.in_band, DigitMethod::InBand)] {
            if wanted {
                self.out(Output::Media(Command::Digit { stream, digit, method, duration }));
            }
        }
        (ways.event || ways.in_band).then_some(stream).filter(|_| duration.is_none())
    }

    /// INFO of the peer.
    pub(crate) fn info_received(&mut self, session: SessionId, body: Option<&Body>) {
        let Some(call) = self.call_of(session) else { return };
        let id = call.id;
        if let Some(digit) = body.and_then(digit_of_info) {
            self.notify(Event::Digit { call: id, digit: digit.to_char() });
        }
    }
}

fn is_pause(c: char) -> bool {
    matches!(c, ',' | ' ')
}

fn info_body(digit: Digit) -> Body {
    let text = format!("Signal={}\r\nDuration={INFO_DURATION}\r\n", digit.to_char());
    Body { content_type: "application/dtmf-relay".to_owned(), bytes: text.into_bytes() }
}

/// `application/dtmf-relay` has a line `Signal=5`, `application/dtmf` just the digit.
fn digit_of_info(body: &Body) -> Option<Digit> {
    let kind = body.content_type.split(';').next()?.trim().to_ascii_lowercase();
    let text = std::str::from_utf8(body.bytes.get(..body.bytes.len().min(256))?).ok()?;
    let digit = match kind.as_str() {
        "application/dtmf" => text.trim(),
        "application/dtmf-relay" => text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("Signal").then_some(value.trim())
        })?,
        _ => return None,
    };
    // some peers send the event codes of star and hash
    let digit = match digit {
        "10" => "*",
        "11" => "#",
        other => other,
    };
    let mut characters = digit.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Digit::from_char(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_account::Document;

    fn settings(order: &[DtmfMethod], all: bool) -> Settings {
        let mut settings = Settings::of(&Document::default()).0;
        settings.dtmf_order = order.to_vec();
        settings.dtmf_all = all;
        settings
    }

    /// Covers: axml.dtmf.01, axml.dtmf.02
    #[test]
    fn digits_go_the_first_way_that_the_call_has_or_all_ways() {
        use DtmfMethod::{Audio, Info, Rfc2833};
        let of = |order: &[DtmfMethod], all, events| {
            let ways = ways(&settings(order, all), events);
            (ways.event, ways.info, ways.in_band)
        };
        assert_eq!(of(&[Rfc2833, Info, Audio], false, true), (true, false, false));
        assert_eq!(of(&[Rfc2833, Info, Audio], false, false), (false, true, false));
        assert_eq!(of(&[Rfc2833, Audio], false, false), (false, false, true));
        assert_eq!(of(&[Rfc2833], false, false), (false, false, false));
        assert_eq!(of(&[Rfc2833, Info, Audio], true, true), (true, true, true));
        assert_eq!(of(&[Info, Audio], true, true), (false, true, true));
    }

    #[test]
    fn digits_of_info_are_read_in_both_spellings() {
        let digit = |kind: &str, text: &str| {
            let body = Body { content_type: kind.into(), bytes: text.as_bytes().to_vec() };
            digit_of_info(&body).map(Digit::to_char)
        };
        assert_eq!(digit("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(digit("Application/DTMF-Relay;x=y", "Duration= 1\nsignal = * \n"), Some('*'));
        assert_eq!(digit("application/dtmf", "#\r\n"), Some('#'));
        assert_eq!(digit("application/dtmf", "11"), Some('#'));
        assert_eq!(digit("application/dtmf", "55"), None);
        assert_eq!(digit("text/plain", "5"), None);
        assert_eq!(digit("application/dtmf-relay", ""), None);
    }
}
