//! Calls that are made here: number, ports, INVITE, what is heard on the way, answer. And what both directions share:
//! the end of a call.
//!
//! A redirect (3xx) is not followed: the caller should know whom they reach; it is shown as a reason.

use crate::call::{Call, DigitQueue, Hold, MOST_CALLS, State, refusal_text, seconds_since_1970};
use crate::caller::{self, Party};
use crate::ear::ENDED_TIME;
use crate::media_session::MediaSession;
use crate::phone::{MediaId, Now, Output, Phone};
use crate::{CallId, EndReason, Event, Level, Refusal, history};
use offhook_account::rules::{self, DialAction, Dialled};
use offhook_hal::{Hook, Route};
use offhook_media::{Command, Direction};
use offhook_sip::{Body, Ended, Headers, SessionId};
use std::net::SocketAddr;

/// Content type of SDP.
pub(crate) const SDP: &str = "application/sdp";

/// A call to be made.
#[derive(Debug)]
pub(crate) struct Placement {
    /// goes into the INVITE
    pub(crate) number: String,
    /// Who is meant, if that is somebody else.
    pub(crate) wanted: Option<String>,
    /// DTMF and pauses to send once it is answered.
    pub(crate) digits: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) emergency: bool,
}

impl Placement {
    pub(crate) fn of(dialled: Dialled) -> Self {
        let Dialled { number, headers, emergency, .. } = dialled;
        Self { number, wanted: None, digits: String::new(), headers, emergency }
    }
}

impl Phone {
    /// Sends what was dialled on the keys; a refusal is heard as congestion and read as a notice.
    pub(crate) fn send_dialled(&mut self, now: Now) {
        let suggestions = self.contacts.suggestions(self.dialing.digits());
        let chosen = self.dialing.choice().and_then(|choice| suggestions.into_iter().nth(choice));
        let number = chosen.map_or_else(|| self.dialing.digits().to_owned(), |suggestion| suggestion.number);
        self.dialing.clear();
        if number.is_empty() {
            return;
        }
        if let Err(refusal) = self.dial(now, None, &number) {
            self.notice(now, Level::Warning, refusal.to_string());
            self.ear.refused = true;
        }
    }

    pub(crate) fn dial(&mut self, now: Now, account: Option<u32>, number: &str) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::WrongState("the phone is shutting down"));
        }
        let line = match self.line_for_call(account) {
            Err(Refusal::NotRegistered) => return self.register_to_dial(now, account, number),
            line => line?,
        };
        let Some(settings) = line.settings.clone().filter(|_| line.identity.is_some()) else {
            return Err(Refusal::NotRegistered);
        };
        let own = line.number;
        let contacts = self.contact_facts(number);
        let dialled = rules::dialled(&settings, number, &self.moment(now, &contacts));
        // a rule may send the call out through another account
        let other = dialled.account.as_deref().map(|word| self.line_named(word));
        let missing = matches!(other, Some(None));
        let other = other.flatten().and_then(|line| Some((line.number, line.settings.as_ref()?.host.clone())));
        // dialled again it meets the rules of its account again; of another account those were not its rules
        let (account, typed) = match &other {
            Some((other, host)) => {
                let target = caller::target(&dialled.number, host);
                (*other, target.map_or_else(|| dialled.number.clone(), |target| target.to_string()))
            }
            None => (own, number.trim().to_owned()),
        };
        let name = shortened(dialled.account.as_deref().unwrap_or_default());
        self.dial_as(now, account, &typed, dialled)?;
        if missing {
            self.notice(now, Level::Warning, format!("a rule names the account {name}, which cannot be used now"));
        }
        Ok(())
    }

    /// A number after its rules: called, or what else its dial action wants. An emergency number is called.
    pub(crate) fn dial_as(&mut self, now: Now, account: u32, typed: &str, dialled: Dialled) -> Result<(), Refusal> {
        match dialled.action.filter(|_| !dialled.emergency) {
            Some(DialAction::WebCallback) => self.web_callback(now, account, typed, dialled),
            Some(DialAction::CallThrough) => self.call_through(now, account, typed, dialled),
            Some(DialAction::OpenUrl) => self.custom_action(now, account, typed, &dialled),
            Some(DialAction::Options) => self.offer_ways(now, account, typed, dialled, false),
            Some(DialAction::CustomOptions) => self.offer_ways(now, account, typed, dialled, true),
            // the others are calls, or nothing that a desk phone can do: then a call is the next best
            _ => self.place(now, account, typed, Placement::of(dialled)),
        }
    }

    /// Makes the call. `typed`: what is to be dialled when it is dialled again.
    pub(crate) fn place(&mut self, now: Now, account: u32, typed: &str, placement: Placement) -> Result<(), Refusal> {
        let line = self.line(account).filter(|line| line.is_callable()).ok_or(Refusal::NotRegistered)?;
        let (Some(settings), Some(identity)) = (line.settings.clone(), line.identity) else {
            return Err(Refusal::NotRegistered);
        };
        let known_local = line.local;
        let target = caller::target(&placement.number, &settings.host)
            .ok_or_else(|| Refusal::BadNumber(shortened(&placement.number)))?;
        let local = self.endpoint.local_address(identity).or(known_local).ok_or(Refusal::NotRegistered)?;
        // the call in the ear makes room if it is only being made
        let leaving = self.ear.focus.and_then(|id| self.call(id)).is_some_and(Call::is_calling);
        let live = self.calls.iter().filter(|call| call.is_live()).count();
        if live - usize::from(leaving) >= MOST_CALLS {
            return Err(Refusal::LinesFull);
        }
        self.put_aside(now)?;
        self.dialing.clear();
        self.ear_for_call();
        if placement.emergency {
            self.expect_call_back(now);
        }
        let label = self.label_of(typed);
        let address = placement.wanted.unwrap_or_else(|| caller::address(&target, &settings.host));
        let peer = Party { address, name: label };
        let id = self.new_call(now, account, false, State::Preparing { target }, peer, &settings, local);
        if let Some(call) = self.call_mut(id) {
            call.called = typed.to_owned();
            call.emergency = placement.emergency;
            call.caller = settings.username.clone();
            call.headers = placement.headers;
            call.digits = placement.digits;
        }
        self.ear.focus = Some(id);
        Ok(())
    }

    /// A call with its own media session; the ports are asked for at once.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new_call(
        &mut self,
        now: Now,
        account: u32,
        incoming: bool,
        state: State,
        peer: Party,
        settings: &offhook_account::Settings,
        local: SocketAddr,
    ) -> CallId {
        self.last_call = self.last_call.wrapping_add(1);
        self.last_media = self.last_media.wrapping_add(1);
        let id = CallId(self.last_call);
        let media = MediaId(self.last_media);
        let appearance = self.free_appearance();
        // what the own books say is believed before what the caller says of himself
        let peer = Party { name: self.contacts.name_of(&peer.address).or(peer.name), ..peer };
        self.calls.push(Call {
            id,
            appearance,
            account,
            incoming,
            state,
            session: None,
            peer,
            called: String::new(),
            caller: String::new(),
            peer_address: None,
            media: MediaSession::new(media, settings, self.links.uplink.metered, local.ip(), &mut self.chance),
            hold: Hold::default(),
            queue: DigitQueue::default(),
            silent: false,
            emergency: false,
            headers: Vec::new(),
            digits: String::new(),
            began: now.instant,
            started: seconds_since_1970(now),
            statistics: None,
            sip_call_id: None,
            told: None,
        });
        self.out(Output::BindMedia { id: media, local: local.ip(), range: settings.rtp_ports });
        id
    }

    pub(crate) fn media_bound(&mut self, now: Now, id: MediaId, result: Result<SocketAddr, String>) {
        let Some(call) =
            self.calls.iter_mut().find(|call| call.media.id == id && call.is_live() && !call.media.is_bound())
        else {
            return;
        };
        let call_id = call.id;
        match result {
            Err(reason) => {
                self.notice(now, Level::Error, format!("no port for sound: {reason}"));
                let end = EndReason { party: 1, status: Some(500), text: "no port for sound".into() };
                if let Some(session) = self.call(call_id).and_then(|call| call.session) {
                    let _ = self.endpoint.reject(now.instant, session, 500, None, Headers::new());
                }
                self.finish(now, call_id, end, Some("congestion"), false);
            }
            Ok(rtp) => {
                call.media.bind(rtp);
                match &call.state {
                    State::Preparing { .. } => self.send_invite(now, call_id),
                    State::Incoming { answering: true, .. } => self.complete_answer(now, call_id),
                    _ => {}
                }
            }
        }
    }

    fn send_invite(&mut self, now: Now, id: CallId) {
        let identity = self.call(id).and_then(|call| self.line(call.account)).and_then(|line| line.identity);
        let Some(call) = self.call_mut(id) else { return };
        let State::Preparing { target } = &call.state else { return };
        let target = target.clone();
        let offer = Body { content_type: SDP.to_owned(), bytes: call.media.offer(Direction::SendRecv) };
        let mut headers = Headers::new();
        for (name, value) in &call.headers {
            headers.push(name.as_str(), value.as_str());
        }
        let session = identity
            .and_then(|identity| self.endpoint.invite(now.instant, identity, target, Some(offer), headers).ok());
        let Some(session) = session else {
            let end = EndReason { party: 1, status: None, text: "the account is gone".into() };
            return self.finish(now, id, end, Some("congestion"), false);
        };
        let dialog = self.endpoint.dialog(session);
        if let Some(call) = self.call_mut(id) {
            call.session = Some(session);
            call.sip_call_id = dialog.map(|dialog| dialog.call_id);
            call.state = State::Trying;
        }
    }

    /// 101 to 199.
    pub(crate) fn progressed(&mut self, now: Now, session: SessionId, status: u16, body: Option<&Body>) {
        let Some(call) = self.call_of(session) else { return };
        if !call.is_calling() {
            return;
        }
        let id = call.id;
        // sound of the network instead of our tone, once an answer to our offer has come with a 1xx
        let early = body.and_then(sdp_of).is_some_and(|sdp| call.media.accepted(sdp).is_ok());
        match &mut call.state {
            State::Ringing { early: known } => *known |= early,
            state if early || status == 180 => *state = State::Ringing { early },
            // 181, 182, 183 without sound: the caller goes on hearing that it is tried
            _ => {}
        }
        if early {
            self.build_stream(now, id);
        }
    }

    /// 2xx.
    pub(crate) fn answered(&mut self, now: Now, session: SessionId, body: Option<&Body>) {
        let Some(call) = self.call_of(session) else {
            // hung up while the answer was on its way
            let _ = self.endpoint.end(now.instant, session, None);
            return;
        };
        let id = call.id;
        let accepted = match body.and_then(sdp_of) {
            Some(sdp) => call.media.accepted(sdp),
            None => Ok(()),
        };
        call.media.close_offer();
        if accepted.is_err() || call.media.agreed().is_none() {
            let _ = self.endpoint.end(now.instant, session, Some("SIP;cause=488;text=\"no usable answer\""));
            let end = EndReason { party: 1, status: Some(488), text: "no common way to talk".into() };
            return self.finish(now, id, end, Some("congestion"), false);
        }
        call.state = State::Talking { since: now.instant };
        self.build_stream(now, id);
        // answered while another call has taken the ear (cannot be: that one ended this), or nobody is there
        if self.ear.focus != Some(id) {
            let _ = self.hold(now, id);
        }
        let digits = self.call_mut(id).map(|call| std::mem::take(&mut call.digits)).unwrap_or_default();
        if !digits.is_empty()
            && let Err(refusal) = self.queue_digits(now, id, &digits)
        {
            self.notice(now, Level::Warning, format!("the number wanted was not sent: {refusal}"));
        }
    }

    pub(crate) fn no_answer(&mut self, now: Now, id: CallId) {
        if let Some(session) = self.call(id).and_then(|call| call.session) {
            let _ = self.endpoint.end(now.instant, session, None);
        }
        let end = EndReason { party: 1, status: Some(408), text: "no answer".into() };
        self.notice(now, Level::Event, "no answer".into());
        self.finish(now, id, end, Some("congestion"), false);
    }

    /// The endpoint says that a session is over.
    pub(crate) fn session_ended(&mut self, now: Now, session: SessionId, why: &Ended) {
        let Some(call) = self.call_of(session) else { return };
        let (id, incoming, talking) = (call.id, call.incoming, call.is_talking());
        let unanswered = incoming && !talking;
        match why {
            Ended::Local => {
                let end = EndReason { party: 1, status: None, text: "ended here".into() };
                self.finish(now, id, end, None, false);
            }
            Ended::Remote { reason } => {
                let elsewhere = unanswered && reason.as_deref().is_some_and(|reason| cause(reason) == Some(200));
                let text = if elsewhere { "answered elsewhere" } else { "the other side hung up" };
                let end = EndReason { party: 2, status: None, text: text.into() };
                self.finish(now, id, end, Some("endcall"), unanswered && !elsewhere);
            }
            Ended::Refused { status, reason } | Ended::Failed { status, reason } => {
                let text = refusal_text(*status, reason);
                let party = if matches!(why, Ended::Refused { .. }) { 2 } else { 3 };
                let tone = match status {
                    486 | 600 => "busy",
                    _ if talking => "endcall",
                    _ => "congestion",
                };
                if !incoming {
                    self.notice(now, Level::Event, text.clone());
                }
                let end = EndReason { party, status: Some(*status), text };
                self.finish(now, id, end, Some(tone), unanswered);
            }
        }
    }

    /// Ends a call as a person does: CANCEL, BYE or 486, whatever it takes.
    pub(crate) fn hang_up(&mut self, now: Now, id: CallId) {
        let Some(call) = self.call(id) else { return };
        if !call.is_live() {
            return self.drop_ended();
        }
        let text = match call.state {
            State::Incoming { .. } => "rejected here",
            _ => "ended here",
        };
        if let Some(session) = call.session {
            let _ = self.endpoint.end(now.instant, session, None);
        }
        let end = EndReason { party: 1, status: None, text: text.into() };
        self.finish(now, id, end, None, false);
    }

    /// The call is over: media back, record written, news told. With a `tone` it stays in the ear until that is put
    /// down, if it is in the ear.
    pub(crate) fn finish(&mut self, now: Now, id: CallId, end: EndReason, tone: Option<&'static str>, missed: bool) {
        let in_focus = self.ear.focus == Some(id);
        let muted = self.ear.muted;
        if self.ear.pressed.as_ref().is_some_and(|pressed| pressed.stream.is_some()) && in_focus {
            self.ear.pressed = None;
        }
        let hands_free = self.ear.route != Route::Handset || self.ear.hook == Hook::On;
        let Some(call) = self.calls.iter_mut().find(|call| call.id == id) else { return };
        if !call.is_live() {
            return;
        }
        let record = call.record(now, end.clone(), missed);
        let (emergency, account) = (call.emergency, call.account);
        let (media, stream, running) = (call.media.id, call.media.stream(), call.media.is_running());
        call.state = State::Ended {
            tone: tone.unwrap_or("endcall"),
            close_at: hands_free.then(|| now.instant + ENDED_TIME),
            end,
            since: call.since(),
            until: now.instant,
        };
        call.queue = DigitQueue::default();
        call.hold = Hold::default();
        let statistics = call.statistics;
        let view = call.view(now, muted, in_focus);
        call.told = Some(Call::told_of(&view));
        self.last_statistics = Some((id, stream, statistics));
        if running {
            self.out(Output::Media(Command::Report(stream)));
            self.out(Output::Media(Command::Remove(stream)));
        }
        self.out(Output::ReleaseMedia { id: media });
        self.history.add(record.clone());
        self.persist(history::RECORD, self.history.to_bytes());
        self.notify(Event::CallEnded { call: view, record });
        self.call_ended_for_balance(now, account);
        if emergency {
            self.expect_call_back(now);
        }
        let stays = tone.is_some() && in_focus && self.ear.is_open();
        if !stays {
            self.calls.retain(|call| call.id != id);
            if in_focus {
                self.ear.focus = None;
            }
        }
        if in_focus {
            self.ear.muted = false;
        }
    }

    /// Hands the agreed stream to the engine. A stream that cannot be built ends the call: there is nothing to hear.
    pub(crate) fn build_stream(&mut self, now: Now, id: CallId) {
        let rate = self.config.engine_rate;
        let Some(call) = self.call_mut(id) else { return };
        match call.media.build(rate) {
            Ok(Some(command)) => self.out(Output::Media(command)),
            Ok(None) => {}
            Err(reason) => {
                self.notice(now, Level::Error, format!("sound cannot be set up: {reason}"));
                if let Some(session) = self.call(id).and_then(|call| call.session) {
                    let _ = self.endpoint.end(now.instant, session, None);
                }
                let end = EndReason { party: 1, status: Some(500), text: "sound cannot be set up".into() };
                self.finish(now, id, end, Some("congestion"), false);
            }
        }
    }

    pub(crate) fn call(&self, id: CallId) -> Option<&Call> {
        self.calls.iter().find(|call| call.id == id)
    }

    pub(crate) fn call_mut(&mut self, id: CallId) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.id == id)
    }

    /// The live call of a session.
    pub(crate) fn call_of(&mut self, session: SessionId) -> Option<&mut Call> {
        self.calls.iter_mut().find(|call| call.session == Some(session) && call.is_live())
    }

    pub(crate) fn oldest_ringing(&self) -> Option<CallId> {
        self.calls.iter().find(|call| call.is_incoming_ringing()).map(|call| call.id)
    }

    pub(crate) fn newest_held(&self) -> Option<CallId> {
        self.calls.iter().rev().find(|call| call.is_held()).map(|call| call.id)
    }

    fn free_appearance(&self) -> u8 {
        let taken: Vec<u8> = self.calls.iter().filter(|call| call.is_live()).map(|call| call.appearance).collect();
        (1..=MOST_CALLS as u8).find(|number| !taken.contains(number)).unwrap_or(MOST_CALLS as u8)
    }

    /// The name of a number among the lamp keys.
    fn label_of(&self, number: &str) -> Option<String> {
        let watch = self.watches.iter().find(|watch| watch.extension == number)?;
        watch.entry.label.clone()
    }
}

/// The SDP of a body, if it is SDP.
pub(crate) fn sdp_of(body: &Body) -> Option<&[u8]> {
    let kind = body.content_type.split(';').next().unwrap_or_default().trim();
    (kind.eq_ignore_ascii_case(SDP) && !body.bytes.is_empty()).then_some(body.bytes.as_slice())
}

/// The cause of a Reason value with protocol SIP (RFC 3326).
fn cause(reason: &str) -> Option<u16> {
    reason.split(',').find_map(|value| {
        let mut parts = value.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("SIP") {
            return None;
        }
        parts.find_map(|part| {
            let (name, number) = part.split_once('=')?;
            if name.trim().eq_ignore_ascii_case("cause") { number.trim().parse().ok() } else { None }
        })
    })
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_cancel_is_found_among_other_reasons() {
        assert_eq!(cause("SIP;cause=200;text=\"Call completed elsewhere\""), Some(200));
        assert_eq!(cause("Q.850;cause=16, SIP ; Cause = 200"), Some(200));
        assert_eq!(cause("Q.850;cause=200"), None);
        assert_eq!(cause(";;;="), None);
    }
}
