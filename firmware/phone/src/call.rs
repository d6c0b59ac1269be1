//! One call: its state with what belongs to that state only, its picture and its record. What moves it from state to
//! state is in `outgoing`, `incoming` and `feature`.

use crate::caller::Party;
use crate::media_session::MediaSession;
use crate::phone::Now;
use crate::view::{CallId, CallRecord, CallState, CallView, EndReason};
use offhook_media::stream::Statistics;
use offhook_sip::{Headers, SessionId, Uri};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Calls at once, which is also the number of line keys.
pub(crate) const MOST_CALLS: usize = 4;

#[derive(Debug)]
pub(crate) enum State {
    /// Outgoing: waits for its RTP ports, then the INVITE goes out.
    Preparing { target: Uri },
    /// INVITE sent, nothing heard.
    Trying,
    /// 180 or 183. `early`: the network's sound is in the ear instead of our ringing tone.
    Ringing { early: bool },
    /// Ringing here.
    Incoming {
        /// SDP of the INVITE; without it the offer is in our 2xx.
        offer: Option<Vec<u8>>,
        /// A person has answered, the ports are not there yet.
        answering: bool,
        /// Answers by itself then.
        auto_answer: Option<Instant>,
        /// Sent on then, if nobody has answered.
        forward: Option<Forward>,
    },
    /// Answered. Whether we hold it is in `hold`.
    Talking { since: Instant },
    /// Over; the tone stays in the ear until hook on, or until `close_at` when hands-free.
    Ended { tone: &'static str, close_at: Option<Instant>, end: EndReason, since: Option<Instant>, until: Instant },
}

/// Where an incoming call goes that nobody answers (`offhook.fwd.02`).
#[derive(Debug)]
pub(crate) struct Forward {
    pub(crate) at: Instant,
    pub(crate) target: String,
    /// of the 302, made while the INVITE was at hand
    pub(crate) headers: Headers,
}

/// Hold as we want it and as the peer knows it (`feature::hold`).
#[derive(Debug, Default)]
pub(crate) struct Hold {
    pub(crate) wanted: bool,
    pub(crate) agreed: bool,
    /// Our re-INVITE is open and says this.
    pub(crate) offered: Option<bool>,
    /// Both sides asked at once (491): ask again then.
    pub(crate) retry_at: Option<Instant>,
}

/// Digits of the control API on their way (`feature::dtmf`).
#[derive(Debug, Default)]
pub(crate) struct DigitQueue {
    pub(crate) digits: VecDeque<char>,
    pub(crate) next_at: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    /// 1 to 4
    pub(crate) appearance: u8,
    pub(crate) account: u32,
    pub(crate) incoming: bool,
    pub(crate) state: State,
    pub(crate) session: Option<SessionId>,
    pub(crate) peer: Party,
    /// As dialled, or our own address.
    pub(crate) called: String,
    pub(crate) caller: String,
    pub(crate) peer_address: Option<IpAddr>,
    pub(crate) media: MediaSession,
    pub(crate) hold: Hold,
    pub(crate) queue: DigitQueue,
    /// Rings on the screen and lamp only: do not disturb (`offhook.dnd.02`).
    pub(crate) silent: bool,
    /// To an emergency number: its call back must come through.
    pub(crate) emergency: bool,
    /// Headers that a rule adds to our INVITE (`axml.rew.26`).
    pub(crate) headers: Vec<(String, String)>,
    /// Sent once the call is answered, with pauses (`axml.cth.02`).
    pub(crate) digits: String,
    pub(crate) began: Instant,
    pub(crate) started: Option<u64>,
    pub(crate) statistics: Option<Statistics>,
    pub(crate) sip_call_id: Option<String>,
    /// What was last told in `Event::Call`.
    pub(crate) told: Option<Told>,
}

/// Everything of a call view that is worth an event; not the passing seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    state: CallState,
    held_by_us: bool,
    held_by_them: bool,
    muted: bool,
    codec: Option<&'static str>,
    in_focus: bool,
    peer: Party,
}

impl Call {
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    pub(crate) fn is_talking(&self) -> bool {
        matches!(self.state, State::Talking { .. })
    }

    pub(crate) fn is_incoming_ringing(&self) -> bool {
        matches!(self.state, State::Incoming { answering: false, .. })
    }

    pub(crate) fn is_held(&self) -> bool {
        self.is_talking() && self.hold.wanted
    }

    /// Outgoing and not answered yet.
    pub(crate) fn is_calling(&self) -> bool {
        matches!(self.state, State::Preparing { .. } | State::Trying | State::Ringing { .. })
    }

    pub(crate) fn since(&self) -> Option<Instant> {
        match &self.state {
            State::Talking { since } => Some(*since),
            State::Ended { since, .. } => *since,
            _ => None,
        }
    }

    pub(crate) fn view_state(&self) -> CallState {
        match &self.state {
            State::Preparing { .. } | State::Trying => CallState::Trying,
            State::Ringing { .. } => CallState::Ringing,
            State::Incoming { .. } => CallState::Incoming,
            State::Talking { .. } if self.hold.wanted => CallState::Held,
            State::Talking { .. } => CallState::Talking,
            State::Ended { .. } => CallState::Ended,
        }
    }

    pub(crate) fn view(&self, now: Now, muted: bool, in_focus: bool) -> CallView {
        let end = match &self.state {
            State::Ended { end, .. } => Some(end.clone()),
            _ => None,
        };
        let until = match &self.state {
            State::Ended { until, .. } => *until,
            _ => now.instant,
        };
        let codec = if self.media.is_running() { self.media.agreed().map(|agreed| agreed.codec.name()) } else { None };
        CallView {
            id: self.id,
            line: self.appearance,
            account: self.account,
            incoming: self.incoming,
            state: self.view_state(),
            peer: self.peer.address.clone(),
            peer_name: self.peer.name.clone(),
            held_by_us: self.is_held(),
            held_by_them: self.is_talking() && self.media.held_by_them(),
            muted: muted && in_focus,
            codec,
            seconds: self.since().map_or(0, |since| until.saturating_duration_since(since).as_secs()),
            since: self.since(),
            sip_call_id: self.sip_call_id.clone(),
            end,
            in_focus,
        }
    }

    pub(crate) fn told_of(view: &CallView) -> Told {
        Told {
            state: view.state,
            held_by_us: view.held_by_us,
            held_by_them: view.held_by_them,
            muted: view.muted,
            codec: view.codec,
            in_focus: view.in_focus,
            peer: Party { address: view.peer.clone(), name: view.peer_name.clone() },
        }
    }

    /// The record for the call list, at the end of the call.
    pub(crate) fn record(&self, now: Now, end: EndReason, missed: bool) -> CallRecord {
        let since = self.since();
        let answered_at = since.unwrap_or(now.instant);
        CallRecord {
            account: self.account,
            incoming: self.incoming,
            peer: self.peer.address.clone(),
            peer_name: self.peer.name.clone(),
            caller: self.caller.clone(),
            called: self.called.clone(),
            peer_address: self.peer_address.map(|address| address.to_string()),
            answered: since.is_some(),
            missed,
            connect_ms: millis(answered_at.saturating_duration_since(self.began)),
            duration_ms: since.map_or(0, |since| millis(now.instant.saturating_duration_since(since))),
            end,
            started: self.started,
            line: self.appearance,
        }
    }
}

pub(crate) fn seconds_since_1970(now: Now) -> Option<u64> {
    Some(now.wall?.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The reason of a refused or failed call for people (RFC 3261 section 21).
pub(crate) fn refusal_text(status: u16, reason: &str) -> String {
    let known = match status {
        300..=399 => "moved to another number",
        401 | 407 => "wrong password",
        403 => "not allowed",
        404 | 604 => "number not known",
        408 => "no answer",
        410 => "number no longer in use",
        415 | 488 | 606 => "no common way to talk",
        480 => "not available",
        482 | 483 => "call went round in circles",
        484 => "number incomplete",
        486 | 600 => "busy",
        487 => "cancelled",
        500 => "server error",
        503 => "service not available",
        504 => "server did not answer in time",
        603 => "declined",
        _ => "",
    };
    match (known, reason.trim()) {
        ("", "") => format!("refused ({status})"),
        ("", reason) => format!("{reason} ({status})"),
        (known, _) => known.to_owned(),
    }
}
