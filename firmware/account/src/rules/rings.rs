//! What becomes of a call that comes in. Asked in this order, and the first that has an answer counts:
//!
//! 1. A call back after an emergency call, and one with `Priority: emergency` or `psap-callback` (RFC 7090) from the
//!    account's server: it rings, whatever the rest says.
//! 2. `incomingRewriting`: `rejectCall`, `forwardCall`.
//! 3. Forwarding of every call. Nobody is disturbed by that, so it comes before 4.
//! 4. Do not disturb: rejected, or, with `dndSilent`, shown without ringing.
//! 5. No line free, or a call and no call waiting: forwarding on busy, else busy.
//! 6. It rings; `answerImmediately` and the account's own auto answer take it, unless somebody is talking or about to dial.

use super::rewriting::{Action, apply};
use super::{Moment, number::bare};
use crate::Settings;
use std::time::Duration;

/// Who calls, and what the phone is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// As the account's `remoteContact` finds it.
    pub number: &'a str,
    /// An emergency call back, or marked so by the account's server.
    pub urgent: bool,
    /// A call is up, or a number is being dialled.
    pub busy: bool,
    /// Somebody is talking or about to dial: no call is answered by itself. Busy without that is a phone where only
    /// the tone of an ended call is left.
    pub engaged: bool,
    /// No line is free.
    pub full: bool,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rings {
    Rings,
    /// On the screen and lamp only.
    Silently,
    /// Rings and is answered by itself after this time.
    Answers(Duration),
    /// With this SIP status.
    Rejected(u16),
    /// 302 to this number or address.
    Forwarded(String),
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nothing stood against it.
    Nothing,
    Urgent,
    /// Number of the incoming rule.
    Rule(usize),
    /// `forwardingEnabled`
    ForwardAlways,
    /// Number and comment of the schedule's entry; 0: switched on by hand.
    DoNotDisturb(usize, String),
    ForwardBusy,
    Busy,
    /// `appInitiatedAutoAnswerEnabled`
    AutoAnswer,
}

impl Rings {
    /// Whether it is heard or shown here.
    pub fn is_presented(&self) -> bool {
        matches!(self, Self::Rings | Self::Silently | Self::Answers(_))
    }
}

/// The caller's number as the incoming rules make it, what becomes of the call, and why.
pub fn rings(settings: &Settings, caller: &Caller<'_>, moment: &Moment<'_>) -> (String, Rings, Why) {
    let plain = !caller.number.contains('@');
    let shown = if plain { bare(caller.number) } else { caller.number.to_owned() };
    let ruled = apply(&settings.rewriting.incoming, &shown, moment);
    let (becomes, why) = decide(settings, caller, moment, &ruled);
    // what no rule has touched stays as it came
    let number = if ruled.number == shown { caller.number.to_owned() } else { ruled.number };
    (number, becomes, why)
}

fn decide(settings: &Settings, caller: &Caller<'_>, moment: &Moment<'_>, ruled: &super::Rewritten<'_>) -> (Rings, Why) {
    if caller.urgent {
        return if caller.full { (Rings::Rejected(BUSY), Why::Busy) } else { (Rings::Rings, Why::Urgent) };
    }
    for (rule, action) in &ruled.actions {
        match action {
            Action::RejectCall => return (Rings::Rejected(BUSY), Why::Rule(*rule)),
            Action::ForwardCall(target) => return (Rings::Forwarded(target.clone()), Why::Rule(*rule)),
            _ => {}
        }
    }
    if let Some(target) = &settings.forwarding {
        return (Rings::Forwarded(target.clone()), Why::ForwardAlways);
    }
    let disturbing = || {
        let local = settings.do_not_disturb.zone.as_ref().unwrap_or(moment.zone).local(moment.wall?)?;
        settings.do_not_disturb.holding(local, &[caller.number, &ruled.number], moment.contacts)
    };
    let quiet = match settings.dnd_now {
        true => Some(Why::DoNotDisturb(0, String::new())),
        false => disturbing().map(|entry| Why::DoNotDisturb(entry.number, entry.comment.clone())),
    };
    if let (Some(why), false) = (&quiet, settings.dnd_silent) {
        return (Rings::Rejected(settings.dnd_status), why.clone());
    }
    if caller.full || (caller.busy && !settings.call_waiting) {
        return match &settings.forwarding_busy {
            Some(target) => (Rings::Forwarded(target.clone()), Why::ForwardBusy),
            None => (Rings::Rejected(BUSY), Why::Busy),
        };
    }
    if let Some(why) = quiet {
        return (Rings::Silently, why);
    }
    if !caller.engaged {
        if let Some((rule, _)) = ruled.actions.iter().find(|(_, action)| **action == Action::AnswerImmediately) {
            return (Rings::Answers(Duration::ZERO), Why::Rule(*rule));
        }
        if let Some(delay) = settings.auto_answer {
            return (Rings::Answers(delay), Why::AutoAnswer);
        }
    }
    (Rings::Rings, Why::Nothing)
}

/// Where a call goes that nobody answers, and after what time of ringing.
pub fn unanswered(settings: &Settings) -> Option<(Duration, &str)> {
    let target = settings.forwarding_no_answer.as_deref()?;
    Some((settings.forwarding_no_answer_after, target))
}

/// RFC 3261 section 21.4.24
const BUSY: u16 = 486;

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing stands against it"),
            Self::Urgent => f.write_str("an emergency"),
            Self::Rule(number) => write!(f, "incoming rule {number}"),
            Self::ForwardAlways => f.write_str("all calls are forwarded"),
            Self::DoNotDisturb(0, _) => f.write_str("do not disturb, switched on"),
            Self::DoNotDisturb(number, comment) if comment.is_empty() => write!(f, "do not disturb, entry {number}"),
            Self::DoNotDisturb(number, comment) => write!(f, "do not disturb, entry {number} ({comment})"),
            Self::ForwardBusy => f.write_str("calls are forwarded when busy"),
            Self::Busy => f.write_str("the line is busy"),
            Self::AutoAnswer => f.write_str("calls are answered automatically"),
        }
    }
}
