//! Calls that come in. An INVITE is asked in fixed order: do we know the account, can it be presented here, what do the
//! account's rules say (`offhook_account::rules::rings`), do we share a codec; who passes all rings. Then answering, and
//! changes of a call that is up.

use crate::call::{Forward, MOST_CALLS, State, seconds_since_1970};
use crate::caller;
use crate::feature::auto_answer;
use crate::feature::forwarding::{diversion_reason, redirection};
use crate::outgoing::{SDP, sdp_of};
use crate::phone::{Now, Phone};
use crate::{CallId, CallRecord, EndReason, Event, Level, Refusal, history};
use offhook_account::Settings;
use offhook_account::rules::{self, Caller, Rings, Why};
use offhook_account::settings::IncomingMode;
use offhook_media::Direction;
use offhook_media::sdp::SdpError;
use offhook_sip::{Body, Headers, IdentityId, Request, SessionId};
use std::net::SocketAddr;

impl Phone {
    pub(crate) fn invited(
        &mut self,
        now: Now,
        session: SessionId,
        identity: Option<IdentityId>,
        request: &Request,
        source: SocketAddr,
        offer: Option<&Body>,
    ) {
        let line = self.lines.iter().find(|line| line.identity.is_some() && line.identity == identity);
        let found = line.and_then(|line| Some((line.number, line.local, line.settings.clone()?)));
        let Some((account, known_local, settings)) = found else {
            return self.decline(now, session, 404, Headers::new());
        };
        let local = identity.and_then(|identity| self.endpoint.local_address(identity)).or(known_local);
        let Some(local) = local.filter(|_| settings.incoming != IncomingMode::Off && !self.is_stopping()) else {
            return self.unreachable(now, session, request, &settings);
        };
        let trusted = self.is_trusted(&settings, source);
        let mut peer = caller::of_request(request, &settings.remote_contact, trusted, &settings.host);
        if self.links.no_sound && settings.forwarding_unreachable.is_some() {
            return self.unreachable(now, session, request, &settings);
        }
        let live = self.calls.iter().filter(|call| call.is_live()).count();
        let contacts = self.contact_facts(&peer.address);
        let asker = Caller {
            number: &peer.address,
            urgent: self.is_urgent(now, request, trusted),
            busy: self.is_busy(),
            engaged: self.is_engaged(),
            full: live >= MOST_CALLS,
        };
        let (number, becomes, why) = rules::rings(&settings, &asker, &self.moment(now, &contacts));
        let (busy, engaged) = (asker.busy, asker.engaged);
        peer.address = number;
        match &becomes {
            Rings::Forwarded(target) => {
                if let Some(headers) = redirection(request, target, &settings, diversion_reason(&why)) {
                    self.notice(now, Level::Event, format!("call of {} forwarded to {target}", peer.address));
                    return self.decline(now, session, 302, headers);
                }
                let text = format!("call not forwarded: {target} cannot be dialled, or sends the call back");
                self.notice(now, Level::Warning, text);
                if live >= MOST_CALLS || (busy && !settings.call_waiting) {
                    return self.turn_away(now, session, 486, &Why::Busy, account, peer, source);
                }
            }
            Rings::Rejected(status) => return self.turn_away(now, session, *status, &why, account, peer, source),
            Rings::Rings | Rings::Silently | Rings::Answers(_) => {}
        }
        let sdp = match offer.map(|body| sdp_of(body).map(<[u8]>::to_vec)) {
            None => None,
            Some(Some(sdp)) => Some(sdp),
            Some(None) => {
                let mut headers = Headers::new();
                headers.push("Accept", SDP);
                return self.decline(now, session, 415, headers);
            }
        };
        let forward = rules::unanswered(&settings).and_then(|(after, target)| {
            let headers = redirection(request, target, &settings, "no-answer")?;
            Some(Forward { at: now.instant + after, target: target.to_owned(), headers })
        });
        let state = State::Incoming { offer: sdp.clone(), answering: false, auto_answer: None, forward };
        // checked before anything rings, with a session that is thrown away
        if let Some(sdp) = &sdp {
            let (id, metered) = (crate::phone::MediaId(0), self.links.uplink.metered);
            let probe = crate::media_session::MediaSession::new(id, &settings, metered, local.ip(), &mut self.chance);
            if let Err(error) = probe.try_offer(sdp) {
                return self.refuse_sdp(now, session, error);
            }
        }
        if self.endpoint.ring(now.instant, session, 180, None).is_err() {
            return;
        }
        let id = self.new_call(now, account, true, state, peer, &settings, local);
        // what the caller asks for counts before the account's own delay; do not disturb before both
        let asked = match becomes {
            Rings::Silently => None,
            _ if engaged || !trusted || !settings.sip_auto_answer => None,
            _ => auto_answer::asked(request),
        };
        let own = if let Rings::Answers(delay) = becomes { Some(delay) } else { None };
        let auto_at = asked.or(own).map(|delay| now.instant + delay);
        if let Some(call) = self.call_mut(id) {
            call.session = Some(session);
            call.caller = call.peer.address.clone();
            call.called = settings.username.clone();
            call.peer_address = Some(source.ip());
            call.sip_call_id = request.headers.call_id().map(str::to_owned);
            call.silent = becomes == Rings::Silently;
            if let State::Incoming { auto_answer, .. } = &mut call.state {
                *auto_answer = auto_at;
            }
        }
    }

    /// A person, a program or the account's own wish: take the call. The sound starts when the ports are there.
    pub(crate) fn answer_call(&mut self, now: Now, id: CallId) -> Result<(), Refusal> {
        let Some(call) = self.call(id) else { return Err(Refusal::NoSuchCall) };
        if !call.is_incoming_ringing() {
            return Err(Refusal::WrongState("that call is not ringing"));
        }
        self.put_aside(now)?;
        self.dialing.clear();
        self.ear_for_call();
        self.ear.focus = Some(id);
        let Some(call) = self.call_mut(id) else { return Err(Refusal::NoSuchCall) };
        let bound = call.media.is_bound();
        if let State::Incoming { answering, auto_answer, .. } = &mut call.state {
            *answering = true;
            *auto_answer = None;
        }
        if bound {
            self.complete_answer(now, id);
        }
        Ok(())
    }

    pub(crate) fn complete_answer(&mut self, now: Now, id: CallId) {
        let Some(call) = self.call_mut(id) else { return };
        let State::Incoming { offer, .. } = &call.state else { return };
        let Some(session) = call.session else { return };
        let body = match offer.clone() {
            Some(offer) => call.media.answer(&offer, Direction::SendRecv),
            None => Ok(call.media.offer(Direction::SendRecv)),
        };
        match body {
            Err(error) => {
                // passed the check before ringing; only the address of the ports is new
                self.refuse_sdp(now, session, error);
                let end = EndReason { party: 1, status: Some(488), text: "no common way to talk".into() };
                self.finish(now, id, end, Some("congestion"), false);
            }
            Ok(bytes) => {
                let body = Body { content_type: SDP.to_owned(), bytes };
                if self.endpoint.answer(now.instant, session, Some(body)).is_err() {
                    return; // its end is on the way as an event
                }
                if let Some(call) = self.call_mut(id) {
                    call.state = State::Talking { since: now.instant };
                }
                self.build_stream(now, id);
            }
        }
    }

    /// ACK of our 2xx; it answers the offer if that was in the 2xx (to INVITE or re-INVITE).
    pub(crate) fn confirmed(&mut self, now: Now, session: SessionId, body: Option<&Body>) {
        let Some(call) = self.call_of(session) else { return };
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
        self.build_stream(now, id);
    }

    /// re-INVITE or UPDATE of the peer: new address, new codec, hold.
    pub(crate) fn reoffered(&mut self, now: Now, session: SessionId, offer: Option<&Body>) {
        let Some(call) = self.call_of(session) else {
            let _ = self.endpoint.refuse_offer(now.instant, session, 481);
            return;
        };
        let id = call.id;
        // what they want of us is in their offer; what we want of them is ours to say
        let ours = if call.hold.wanted { Direction::SendOnly } else { Direction::SendRecv };
        let body = match offer.map(sdp_of) {
            None => Some(call.media.offer(call.own_direction())),
            Some(Some(sdp)) => call.media.answer(sdp, ours).ok(),
            Some(None) => None,
        };
        match body {
            None => {
                let _ = self.endpoint.refuse_offer(now.instant, session, 488);
            }
            Some(bytes) => {
                let body = Body { content_type: SDP.to_owned(), bytes };
                if self.endpoint.answer_offer(now.instant, session, Some(body)).is_ok() {
                    // our answer says what we want: no offer of our own is needed for that
                    if let Some(call) = self.call_mut(id).filter(|call| call.hold.offered.is_none()) {
                        call.hold.agreed = call.hold.wanted;
                    }
                    self.build_stream(now, id);
                }
            }
        }
    }

    fn decline(&mut self, now: Now, session: SessionId, status: u16, headers: Headers) {
        let _ = self.endpoint.reject(now.instant, session, status, None, headers);
    }

    /// 400 for what is not SDP, 488 with a Warning (RFC 3261 section 20.43) for what we cannot do.
    fn refuse_sdp(&mut self, now: Now, session: SessionId, error: SdpError) {
        let mut headers = Headers::new();
        match error {
            SdpError::Malformed(line, what) => {
                self.notify(Event::Protest(format!("unusable SDP, line {line}: {what}")));
                self.decline(now, session, 400, headers);
            }
            SdpError::NotAcceptable(code, text) => {
                let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
                headers.push("Warning", format!("{code} offhook \"{text}\""));
                self.decline(now, session, 488, headers);
            }
        }
    }

    /// The call cannot be presented here: sent on, if the account says where to.
    fn unreachable(&mut self, now: Now, session: SessionId, request: &Request, settings: &Settings) {
        let target = settings.forwarding_unreachable.as_deref();
        match target.and_then(|target| redirection(request, target, settings, "unavailable")) {
            Some(headers) => self.decline(now, session, 302, headers),
            None => self.decline(now, session, 480, Headers::new()),
        }
    }

    /// Nobody has answered in the account's time.
    pub(crate) fn forward_unanswered(&mut self, now: Now, id: CallId, forward: Forward) {
        let Some(session) = self.call(id).and_then(|call| call.session) else { return };
        self.changed();
        self.notice(now, Level::Event, format!("nobody answered: forwarded to {}", forward.target));
        let _ = self.endpoint.reject(now.instant, session, 302, None, forward.headers);
        let end = EndReason { party: 1, status: Some(302), text: format!("forwarded to {}", forward.target) };
        self.finish(now, id, end, None, true);
    }

    /// Rejects a call without presenting it. A call that met a busy line or do not disturb is still worth knowing about; one
    /// that a rule rejects is in the list, but nobody has missed it.
    #[allow(clippy::too_many_arguments)]
    fn turn_away(
        &mut self,
        now: Now,
        session: SessionId,
        status: u16,
        why: &Why,
        account: u32,
        peer: caller::Party,
        source: SocketAddr,
    ) {
        let mut headers = Headers::new();
        let text = match why {
            Why::DoNotDisturb(..) => {
                headers.push("Reason", format!("SIP;cause={status};text=\"Do not disturb\""));
                "do not disturb".to_owned()
            }
            Why::Busy => "busy".to_owned(),
            why => format!("rejected: {why}"),
        };
        self.decline(now, session, status, headers);
        let own = self.line(account).and_then(|line| line.settings.as_ref()).map(|settings| settings.username.clone());
        self.history.add(CallRecord {
            account,
            incoming: true,
            caller: peer.address.clone(),
            peer: peer.address,
            peer_name: peer.name,
            called: own.unwrap_or_default(),
            peer_address: Some(source.ip().to_string()),
            answered: false,
            missed: !matches!(why, Why::Rule(_)),
            connect_ms: 0,
            duration_ms: 0,
            end: EndReason { party: 1, status: Some(status), text },
            started: seconds_since_1970(now),
            line: 0,
        });
        self.changed();
        self.persist(history::RECORD, self.history.to_bytes());
    }
}
