//! The INVITE usage: RFC 3261 sections 9, 13, 14 and 15, UPDATE of RFC 3311, INFO of RFC 6086.
//!
//! What a user sees: `Incoming` or `invite`, then `Ended` exactly once. `Ended` comes at once when the user
//! ends the session; CANCEL, BYE and what crosses them are dealt with behind its back, and `census` counts
//! the session until that is done. Offers: one at a time (RFC 3264), bodies are not read here. If our INVITE
//! carries no offer, the 2xx does, and ACK waits for `answer_offer` (section 13.2.1).
//!
//! `outgoing` has the responses to our requests, `incoming` the requests of the peer.
//! Not here: PRACK, Replaces (an INVITE with it is refused), session timers.

mod incoming;
mod outgoing;

use crate::client::{ContactUse, Outgoing, User};
use crate::dialog::Dialog;
use crate::identity::Hop;
use crate::schedule::Owner;
use crate::server::{MAX_SESSIONS, Usage};
use crate::{
    Body, DialogIds, Ended, Endpoint, Event, FlowId, Headers, IdentityId, Method, Misuse, Output, Request, SessionId,
    Uri,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A provisional response is repeated this often (section 13.3.1.1).
const PROVISIONAL_AGAIN: Duration = Duration::from_secs(60);
/// An INVITE of ours may ring this long; longer is taken for a peer that vanished.
const MAX_RINGING: Duration = Duration::from_secs(1800);

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) identity: Option<IdentityId>,
    /// we sent the INVITE: we own the Call-ID (section 14.1)
    outgoing: bool,
    call_id: String,
    local_tag: String,
    /// flow and address instead of the target (a server reaching a client behind its flow)
    pin: Option<(FlowId, SocketAddr)>,
    state: State,
    /// `Event::Ended` was told
    ended: bool,
    offer: Offer,
    /// 491: ours goes out again then (section 14.1)
    again: Option<(Instant, Option<Body>)>,
    /// 2xx of ours that waits for its ACK
    unacked: Option<Unacked>,
    /// our last ACK, to answer a repeated 2xx
    ack: Option<SentAck>,
    /// 2xx with an offer: ACK waits for the answer
    owed: Option<Owed>,
}

#[derive(Debug)]
enum State {
    /// Our INVITE is out.
    Calling { client: u64, progressed: bool, cancel: Cancel, give_up: Instant, offered: bool },
    /// An INVITE came in.
    Incoming { server: u64, dialog: Box<Dialog>, ringing: Option<(u16, Option<Body>, Instant)> },
    /// 2xx sent or received.
    Established { dialog: Box<Dialog>, hang_up: Option<Option<String>> },
    /// BYE is out.
    Ending { dialog: Box<Dialog> },
}

#[derive(Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// wanted, but nothing came back yet (section 9.1): with this Reason
    Held(Option<String>),
    Sent,
}

/// The offer that is open inside the session.
#[derive(Debug, PartialEq, Eq)]
enum Offer {
    None,
    /// re-INVITE of ours
    Ours {
        client: u64,
        offered: bool,
        body: Option<Body>,
    },
    /// re-INVITE or UPDATE of the peer
    Theirs {
        server: u64,
    },
}

#[derive(Debug)]
struct Unacked {
    number: u32,
    flow: FlowId,
    remote: SocketAddr,
    bytes: Vec<u8>,
    next: Instant,
    interval: Duration,
    until: Instant,
}

#[derive(Debug)]
struct SentAck {
    number: u32,
    flow: FlowId,
    remote: SocketAddr,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Owed {
    number: u32,
    credentials: Vec<(String, String)>,
}

impl Session {
    fn next(&self) -> Option<Instant> {
        let state = match &self.state {
            State::Calling { give_up, .. } => Some(*give_up),
            State::Incoming { ringing: Some((_, _, at)), .. } => Some(*at),
            _ => None,
        };
        let unacked = self.unacked.as_ref().map(|u| u.next.min(u.until));
        let again = self.again.as_ref().map(|(at, _)| *at);
        [state, unacked, again].into_iter().flatten().min()
    }

    fn hop(&self) -> Hop {
        match self.pin {
            Some((flow, address)) => Hop::Via(flow, address),
            None => Hop::Dialog,
        }
    }

    fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.state {
            State::Calling { .. } => None,
            State::Incoming { dialog, .. } | State::Established { dialog, .. } | State::Ending { dialog } => {
                Some(dialog)
            }
        }
    }

    pub(crate) fn next_number(&mut self, old: u32) -> u32 {
        match self.dialog_mut() {
            Some(dialog) => {
                dialog.local_seq += 1;
                dialog.local_seq
            }
            None => old + 1,
        }
    }

    pub(crate) fn moved(&mut self, old: u64, new: u64) {
        if let State::Calling { client, .. } = &mut self.state
            && *client == old
        {
            *client = new;
        }
        if let Offer::Ours { client, .. } = &mut self.offer
            && *client == old
        {
            *client = new;
        }
    }

    /// A cancelled INVITE does not answer challenges.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(&self.state, State::Calling { cancel, .. } if *cancel != Cancel::No)
    }
}

impl Endpoint {
    pub(crate) fn invite_at(
        &mut self,
        now: Instant,
        from: IdentityId,
        target: &Uri,
        pin: Option<(FlowId, SocketAddr)>,
        offer: Option<Body>,
        headers: &Headers,
    ) -> Result<SessionId, Misuse> {
        if self.identities.get(&from).is_none_or(|i| i.leaving) {
            return Err(Misuse::NoSuchIdentity);
        }
        if self.sessions.len() >= MAX_SESSIONS {
            return Err(Misuse::WrongState);
        }
        let (call_id, local_tag) = (self.chance.token(), self.chance.token());
        let mut request =
            self.bare_request(from, Method::Invite, target, &call_id, &local_tag, 1).ok_or(Misuse::NoSuchIdentity)?;
        for (name, value) in headers.iter() {
            request.headers.push(name, value);
        }
        let offered = offer.is_some();
        if let Some(offer) = offer {
            request.set_body(offer);
        }
        self.next_session += 1;
        let id = SessionId(self.next_session);
        let hop = pin.map_or(Hop::Server, |(flow, address)| Hop::Via(flow, address));
        let user = User::Session(id);
        let client = self.send(now, Outgoing { user, identity: Some(from), request, contact: ContactUse::Plain, hop });
        let state =
            State::Calling { client, progressed: false, cancel: Cancel::No, give_up: now + MAX_RINGING, offered };
        self.dialogs.insert((call_id.clone(), local_tag.clone()), Usage::Session(id));
        let session = Session {
            identity: Some(from),
            outgoing: true,
            call_id,
            local_tag,
            pin,
            state,
            ended: false,
            offer: Offer::None,
            again: None,
            unacked: None,
            ack: None,
            owed: None,
        };
        self.sessions.insert(id, session);
        self.reschedule_session(id);
        Ok(id)
    }

    pub(crate) fn ring_at(
        &mut self,
        now: Instant,
        id: SessionId,
        status: u16,
        body: Option<Body>,
    ) -> Result<(), Misuse> {
        let session = self.sessions.get_mut(&id).filter(|s| !s.ended).ok_or(Misuse::NoSuchSession)?;
        let State::Incoming { server, ringing, .. } = &mut session.state else { return Err(Misuse::WrongState) };
        if !(101..=199).contains(&status) {
            return Err(Misuse::WrongState);
        }
        let server = *server;
        *ringing = Some((status, body.clone(), now + PROVISIONAL_AGAIN));
        let headers = self.dialog_headers(server);
        self.reply_with(now, server, status, &headers, body);
        self.reschedule_session(id);
        Ok(())
    }

    pub(crate) fn answer_at(&mut self, now: Instant, id: SessionId, body: Option<Body>) -> Result<(), Misuse> {
        let session = self.sessions.get_mut(&id).filter(|s| !s.ended).ok_or(Misuse::NoSuchSession)?;
        let State::Incoming { server, dialog, .. } = &session.state else { return Err(Misuse::WrongState) };
        let (server, dialog) = (*server, dialog.clone());
        session.state = State::Established { dialog, hang_up: None };
        self.accept_invite(now, id, server, body);
        Ok(())
    }

    pub(crate) fn reject_at(
        &mut self,
        now: Instant,
        id: SessionId,
        status: u16,
        reason: Option<&str>,
        headers: &Headers,
    ) -> Result<(), Misuse> {
        let session = self.sessions.get(&id).filter(|s| !s.ended).ok_or(Misuse::NoSuchSession)?;
        let State::Incoming { server, .. } = &session.state else { return Err(Misuse::WrongState) };
        let server = *server;
        if !(300..=699).contains(&status) {
            return Err(Misuse::WrongState);
        }
        if let Some(transaction) = self.servers.get(&server) {
            let mut response = crate::Response::to(&transaction.request, status, Some(&transaction.tag));
            if let Some(reason) = reason {
                reason.chars().filter(|c| !c.is_control()).collect::<String>().clone_into(&mut response.reason);
            }
            for (name, value) in headers.iter() {
                response.headers.push(name, value);
            }
            self.reply_response(now, server, response);
        }
        self.tell_ended(id, Ended::Local);
        self.drop_session(now, id);
        Ok(())
    }

    /// CANCEL, BYE or 486; `why` is what the user is told.
    pub(crate) fn end_with(
        &mut self,
        now: Instant,
        id: SessionId,
        reason: Option<&str>,
        why: Ended,
    ) -> Result<(), Misuse> {
        let session = self.sessions.get_mut(&id).filter(|s| !s.ended).ok_or(Misuse::NoSuchSession)?;
        let unacked = session.unacked.is_some();
        match &mut session.state {
            State::Calling { client, progressed, cancel, give_up, .. } => {
                let client = *client;
                if *progressed {
                    *cancel = Cancel::Sent;
                    *give_up = now + self.config.t1 * 64;
                    self.cancel(now, client, reason);
                } else {
                    *cancel = Cancel::Held(reason.map(str::to_owned));
                }
                self.tell_ended(id, why);
                if self.withdraw(client) {
                    self.drop_session(now, id);
                }
            }
            State::Incoming { .. } => {
                let mut headers = Headers::new();
                if let Some(reason) = reason {
                    headers.push("Reason", reason);
                }
                return self.reject_at(now, id, 486, None, &headers);
            }
            State::Established { hang_up, dialog } => {
                let initial = unacked && dialog.local_seq == 0 && !session.outgoing;
                if initial {
                    // section 15: the callee waits for ACK before BYE
                    *hang_up = Some(reason.map(str::to_owned));
                    self.tell_ended(id, why);
                } else {
                    self.tell_ended(id, why);
                    self.hang_up(now, id, reason);
                }
            }
            State::Ending { .. } => return Err(Misuse::NoSuchSession),
        }
        self.reschedule_session(id);
        Ok(())
    }

    pub(crate) fn reoffer_at(&mut self, now: Instant, id: SessionId, body: Option<Body>) -> Result<(), Misuse> {
        let session = self.sessions.get_mut(&id).filter(|s| !s.ended).ok_or(Misuse::NoSuchSession)?;
        if !matches!(session.state, State::Established { .. }) {
            return Err(Misuse::WrongState);
        }
        if session.offer != Offer::None
            || session.again.is_some()
            || session.unacked.is_some()
            || session.owed.is_some()
        {
            return Err(Misuse::OfferPending);
        }
        self.send_reinvite(now, id, body);
        Ok(())
    }

    pub(crate) fn answer_offer_at(&mut self, now: Instant, id: SessionId, body: Option<Body>) -> Result<(), Misuse> {
        let session = self.sessions.get_mut(&id).filter(|s| !s.ended).ok_or(Misuse::NoSuchSession)?;
        if let Some(owed) = session.owed.take() {
            self.send_ack(now, id, owed.number, &owed.credentials, body);
            return Ok(());
        }
        let Offer::Theirs { server } = session.offer else { return Err(Misuse::WrongState) };
        session.offer = Offer::None;
        let invite = self.servers.get(&server).is_some_and(|s| s.request.method == Method::Invite);
        if invite {
            self.accept_invite(now, id, server, body);
        } else {
            let headers = self.dialog_headers(server);
            self.reply_with(now, server, 200, &headers, body);
        }
        Ok(())
    }

    pub(crate) fn refuse_offer_at(&mut self, now: Instant, id: SessionId, status: u16) -> Result<(), Misuse> {
        let session = self.sessions.get_mut(&id).filter(|s| !s.ended).ok_or(Misuse::NoSuchSession)?;
        if session.owed.is_some() {
            // an offer in a 2xx cannot be refused: acknowledge and leave (section 13.2.2.4)
            self.end_unanswered(now, id);
            return Ok(());
        }
        let Offer::Theirs { server } = session.offer else { return Err(Misuse::WrongState) };
        if !(300..=699).contains(&status) {
            return Err(Misuse::WrongState);
        }
        session.offer = Offer::None;
        self.reply(now, server, status);
        Ok(())
    }

    pub(crate) fn info_at(&mut self, now: Instant, id: SessionId, body: Body) -> Result<(), Misuse> {
        let session = self.sessions.get_mut(&id).filter(|s| !s.ended).ok_or(Misuse::NoSuchSession)?;
        let (identity, hop) = (session.identity, session.hop());
        let State::Established { dialog, .. } = &mut session.state else { return Err(Misuse::WrongState) };
        let mut request = dialog.request(Method::Info);
        request.set_body(body);
        let user = User::Info(id);
        self.send(now, Outgoing { user, identity, request, contact: ContactUse::Without, hop });
        Ok(())
    }

    pub(crate) fn dialog_of(&self, id: SessionId) -> Option<DialogIds> {
        let session = self.sessions.get(&id)?;
        let remote_tag = match &session.state {
            State::Calling { .. } => String::new(),
            State::Incoming { dialog, .. } | State::Established { dialog, .. } | State::Ending { dialog } => {
                dialog.remote_tag().to_owned()
            }
        };
        Some(DialogIds { call_id: session.call_id.clone(), local_tag: session.local_tag.clone(), remote_tag })
    }

    pub(crate) fn session_timeout(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(unacked) = &mut session.unacked {
            if unacked.until <= now {
                // section 13.3.1.4: nobody acknowledged, the session ends with BYE
                session.unacked = None;
                if let State::Established { hang_up, .. } = &mut session.state {
                    let reason = hang_up.take().flatten();
                    let why = Ended::Failed { status: 408, reason: "no ACK".to_owned() };
                    self.tell_ended(id, why);
                    self.hang_up(now, id, reason.as_deref());
                }
                return self.reschedule_session(id);
            }
            if unacked.next <= now {
                unacked.interval = (unacked.interval * 2).min(crate::transaction::timers::T2);
                unacked.next = now + unacked.interval;
                let (flow, remote, bytes) = (unacked.flow, unacked.remote, unacked.bytes.clone());
                self.transmit(flow, remote, bytes);
                return self.reschedule_session(id);
            }
        }
        match &mut session.state {
            State::Calling { client, give_up, cancel, .. } if *give_up <= now => {
                let client = *client;
                let cancelled = *cancel == Cancel::Sent;
                *give_up = now + self.config.t1 * 64;
                if cancelled {
                    // section 9.1: no answer to INVITE after CANCEL, it is over
                    self.forget_client(client);
                    self.drop_session(now, id);
                    return;
                }
                *cancel = Cancel::Sent;
                self.cancel(now, client, None);
                self.tell_ended(id, Ended::Failed { status: 408, reason: "Request Timeout".to_owned() });
            }
            State::Incoming { server, ringing: Some((status, body, at)), .. } if *at <= now => {
                *at = now + PROVISIONAL_AGAIN;
                let (server, status, body) = (*server, *status, body.clone());
                let headers = self.dialog_headers(server);
                self.reply_with(now, server, status, &headers, body);
            }
            _ => {}
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let free = session.offer == Offer::None && session.unacked.is_none() && session.owed.is_none();
        if let Some((at, body)) = &mut session.again
            && *at <= now
        {
            if free {
                let body = body.take();
                session.again = None;
                self.send_reinvite(now, id, body);
            } else {
                // the peer's offer goes first
                *at = now + self.config.t1;
            }
        }
        self.reschedule_session(id);
    }

    pub(crate) fn ack_sent(
        &mut self,
        id: SessionId,
        request: &Request,
        flow: FlowId,
        remote: SocketAddr,
        bytes: Vec<u8>,
    ) {
        let number = request.headers.cseq().map_or(0, |c| c.number);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.ack = Some(SentAck { number, flow, remote, bytes });
        }
    }

    // Private from here.

    /// 2xx to an INVITE, repeated until its ACK (section 13.3.1.4).
    fn accept_invite(&mut self, now: Instant, id: SessionId, server: u64, body: Option<Body>) {
        let headers = self.dialog_headers(server);
        let number = self.servers.get(&server).and_then(|s| s.request.headers.cseq()).map_or(0, |c| c.number);
        self.reply_with(now, server, 200, &headers, body);
        let Some((flow, remote, bytes)) = self.last_reply(server) else { return };
        let t1 = self.config.t1;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.unacked =
                Some(Unacked { number, flow, remote, bytes, next: now + t1, interval: t1, until: now + t1 * 64 });
        }
        self.reschedule_session(id);
    }

    /// Contact and what we can do, for responses that make or refresh a dialog.
    fn dialog_headers(&self, server: u64) -> Headers {
        let mut headers = self.capabilities();
        if let Some(contact) = self.servers.get(&server).and_then(|s| self.contact(s.identity, s.flow)) {
            headers.push_front("Contact", contact.to_string());
        }
        headers
    }

    fn send_reinvite(&mut self, now: Instant, id: SessionId, body: Option<Body>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (identity, hop) = (session.identity, session.hop());
        let State::Established { dialog, .. } = &mut session.state else { return };
        let mut request = dialog.request(Method::Invite);
        if let Some(body) = body.clone() {
            request.set_body(body);
        }
        let user = User::Session(id);
        let client = self.send(now, Outgoing { user, identity, request, contact: ContactUse::Plain, hop });
        if let Some(session) = self.sessions.get_mut(&id) {
            session.offer = Offer::Ours { client, offered: body.is_some(), body };
        }
    }

    fn send_ack(
        &mut self,
        now: Instant,
        id: SessionId,
        number: u32,
        credentials: &[(String, String)],
        body: Option<Body>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (identity, hop) = (session.identity, session.hop());
        let Some(dialog) = session.dialog_mut() else { return };
        let mut request = dialog.request_numbered(Method::Ack, number);
        // section 22.1: the ACK carries the credentials of its INVITE
        for (name, value) in credentials {
            request.headers.push(name, value.as_str());
        }
        if let Some(body) = body {
            request.set_body(body);
        }
        let user = User::Ack(id);
        self.send(now, Outgoing { user, identity, request, contact: ContactUse::Without, hop });
    }

    /// BYE; the session goes when it is answered.
    fn hang_up(&mut self, now: Instant, id: SessionId, reason: Option<&str>) {
        if self.sessions.get(&id).is_some_and(|s| s.owed.is_some()) {
            self.end_unanswered(now, id);
            return;
        }
        self.answer_open_request(now, id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (identity, hop) = (session.identity, session.hop());
        session.unacked = None;
        session.again = None;
        if !matches!(session.offer, Offer::Ours { .. }) {
            session.offer = Offer::None;
        }
        let State::Established { dialog, .. } = &mut session.state else { return };
        let mut dialog = dialog.clone();
        let mut request = dialog.request(Method::Bye);
        if let Some(reason) = reason {
            request.headers.push("Reason", reason);
        }
        session.state = State::Ending { dialog };
        let user = User::Bye(id);
        self.send(now, Outgoing { user, identity, request, contact: ContactUse::Without, hop });
        self.reschedule_session(id);
    }

    /// ACK without the answer that nobody gave, then BYE.
    fn end_unanswered(&mut self, now: Instant, id: SessionId) {
        let Some(owed) = self.sessions.get_mut(&id).and_then(|s| s.owed.take()) else { return };
        self.send_ack(now, id, owed.number, &owed.credentials, None);
        self.tell_ended(id, Ended::Local);
        self.hang_up(now, id, None);
    }

    /// A re-INVITE or UPDATE of the peer that is still open when the session ends: 487.
    fn answer_open_request(&mut self, now: Instant, id: SessionId) {
        if let Some(Session { offer: Offer::Theirs { server }, .. }) = self.sessions.get(&id) {
            let server = *server;
            self.reply(now, server, 487);
        }
    }

    fn tell_ended(&mut self, id: SessionId, why: Ended) {
        if let Some(session) = self.sessions.get_mut(&id)
            && !session.ended
        {
            session.ended = true;
            self.outputs.push_back(Output::Event(Event::Ended { session: id, why }));
        }
    }

    fn drop_session(&mut self, now: Instant, id: SessionId) {
        self.schedule.set(Owner::Session(id), None);
        let Some(session) = self.sessions.remove(&id) else { return };
        self.dialogs.remove(&(session.call_id, session.local_tag));
        if let Offer::Ours { client, .. } = session.offer {
            // what still comes for it is acknowledged, but it is not waited for without end
            let until = now + self.config.t1 * 64;
            self.leave_client(now, client, until);
        }
    }

    fn reschedule_session(&mut self, id: SessionId) {
        let next = self.sessions.get(&id).and_then(Session::next);
        self.schedule.set(Owner::Session(id), next);
    }
}
