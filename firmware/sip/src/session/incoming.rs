//! INVITE from outside, and requests inside sessions.

use super::{Offer, Session, State};
use crate::dialog::{Dialog, Order};
use crate::server::{Asker, Usage, media_type};
use crate::{Ended, Endpoint, Event, Headers, Method, Output, Request, SessionId};
use std::time::Instant;

impl Endpoint {
    /// An INVITE that makes a new session (section 13.3.1).
    pub(crate) fn invite_received(&mut self, now: Instant, server: u64) {
        let Some(transaction) = self.servers.get(&server) else { return };
        let request = &transaction.request;
        if let Some(replaces) = request.headers.first("Replaces") {
            // RFC 3891 section 3: an unknown dialog is 481; a known one may not be replaced by anybody
            let status = if self.names_a_dialog(replaces) { 603 } else { 481 };
            return self.reply(now, server, status);
        }
        let Some(dialog) = Dialog::of_server(request, &transaction.tag) else {
            return self.reply(now, server, 400);
        };
        let (identity, source, flow) = (transaction.identity, transaction.source, transaction.flow);
        let (tag, request) = (transaction.tag.clone(), Box::new(request.clone()));
        // A server answers over the flow that the client opened, whatever its Contact says.
        let pin = (self.config.server && dialog.routes.is_empty()).then_some((flow, source));
        self.reply(now, server, 100);
        self.next_session += 1;
        let id = SessionId(self.next_session);
        let key = (dialog.call_id.clone(), tag.clone());
        let session = Session {
            identity,
            outgoing: false,
            call_id: dialog.call_id.clone(),
            local_tag: tag,
            pin,
            state: State::Incoming { server, dialog: Box::new(dialog), ringing: None },
            ended: false,
            offer: Offer::None,
            again: None,
            unacked: None,
            ack: None,
            owed: None,
        };
        self.sessions.insert(id, session);
        self.dialogs.insert(key, Usage::Session(id));
        if let Some(transaction) = self.servers.get_mut(&server) {
            transaction.asker = Asker::Session(id);
        }
        let offer = request.body();
        self.outputs.push_back(Output::Event(Event::Incoming { session: id, identity, request, source, offer }));
    }

    /// CANCEL in time (section 9.2).
    pub(crate) fn session_cancelled(&mut self, now: Instant, id: SessionId, invite: u64, reason: Option<String>) {
        self.reply(now, invite, 487);
        self.tell_ended(id, Ended::Remote { reason });
        self.drop_session(now, id);
    }

    pub(crate) fn reoffer_cancelled(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.offer = Offer::None;
        }
    }

    pub(crate) fn session_ack(&mut self, now: Instant, id: SessionId, request: &Request) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let number = request.headers.cseq().map(|c| c.number);
        if session.unacked.as_ref().map(|u| u.number) != number || number.is_none() {
            return;
        }
        session.unacked = None;
        let open = session.is_open();
        let hang_up = match &mut session.state {
            State::Established { hang_up, .. } => hang_up.take(),
            _ => None,
        };
        if let Some(reason) = hang_up {
            self.hang_up(now, id, reason.as_deref());
        } else if open {
            self.outputs.push_back(Output::Event(Event::Confirmed { session: id, body: request.body() }));
        }
        self.reschedule_session(id);
    }

    /// A request inside a session (section 12.2.2).
    pub(crate) fn session_request(&mut self, now: Instant, id: SessionId, server: u64) {
        let (Some(transaction), Some(session)) = (self.servers.get(&server), self.sessions.get_mut(&id)) else {
            return self.reply(now, server, 481);
        };
        let request = transaction.request.clone();
        let tag = request.headers.from().and_then(|f| f.tag().map(str::to_owned)).unwrap_or_default();
        match &mut session.state {
            State::Calling { .. } => {
                // an early dialog: only BYE makes sense there, and it ends what CANCEL would
                return match request.method {
                    Method::Bye => {
                        self.reply(now, server, 200);
                        let reason = request.headers.first("Reason").map(str::to_owned);
                        let ended = self.sessions.get(&id).is_some_and(|s| s.ended);
                        if !ended {
                            let _ = self.end_with(now, id, None, Ended::Remote { reason });
                        }
                    }
                    _ => self.reply(now, server, 481),
                };
            }
            State::Incoming { dialog, .. } | State::Established { dialog, .. } | State::Ending { dialog } => {
                if dialog.remote_tag() != tag {
                    return self.reply(now, server, 481);
                }
                if dialog.receive(&request.headers) == Order::TooLow {
                    return self.reply(now, server, 500);
                }
            }
        }
        match request.method {
            Method::Bye => self.bye_received(now, id, server, &request),
            Method::Invite => self.offer_received(now, id, server, &request),
            Method::Update => self.offer_received(now, id, server, &request),
            Method::Info => {
                let open = session.is_open();
                self.reply(now, server, 200);
                if open {
                    self.outputs.push_back(Output::Event(Event::Info { session: id, body: request.body() }));
                }
            }
            Method::Options => {
                let headers = self.dialog_headers(server);
                self.reply_with(now, server, 200, &headers, None);
            }
            Method::Notify | Method::Subscribe => self.reply(now, server, 481),
            Method::Refer => self.reply(now, server, 603),
            _ => {
                let headers = self.capabilities();
                self.reply_with(now, server, 405, &headers, None);
            }
        }
    }

    /// Section 15.1.2, in every state.
    fn bye_received(&mut self, now: Instant, id: SessionId, server: u64, request: &Request) {
        self.reply(now, server, 200);
        let reason = request.headers.first("Reason").map(str::to_owned);
        self.answer_open_request(now, id);
        if let Some(Session { state: State::Incoming { server: invite, .. }, .. }) = self.sessions.get(&id) {
            let invite = *invite;
            self.reply(now, invite, 487);
        }
        self.tell_ended(id, Ended::Remote { reason });
        self.drop_session(now, id);
    }

    /// re-INVITE (section 14.2) or UPDATE (RFC 3311 section 5.2).
    fn offer_received(&mut self, now: Instant, id: SessionId, server: u64, request: &Request) {
        let update = request.method == Method::Update;
        let body = request.body();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (early, initial_open) = match &session.state {
            State::Incoming { .. } => (true, true),
            State::Established { .. } => (false, session.owed.is_some()),
            _ => return self.reply(now, server, 481),
        };
        if session.ended {
            return self.reply(now, server, 481);
        }
        let refresh_only = update && body.is_none();
        if !refresh_only {
            let busy = match &session.offer {
                Offer::Theirs { .. } => Some(500),
                Offer::Ours { .. } => Some(491),
                Offer::None if early => Some(500),
                _ if initial_open || (session.unacked.is_some() && update) => Some(491),
                _ => None,
            };
            if let Some(status) = busy {
                let mut headers = Headers::new();
                if status == 500 {
                    headers.push("Retry-After", self.chance.below(10).to_string());
                }
                return self.reply_with(now, server, status, &headers, None);
            }
        }
        if let Some(dialog) = session.dialog_mut() {
            dialog.refresh(&request.headers);
        }
        if refresh_only {
            let headers = self.dialog_headers(server);
            return self.reply_with(now, server, 200, &headers, None);
        }
        // a new INVITE acknowledges nothing, but the old 2xx needs no repeating once the peer has gone on
        session.offer = Offer::Theirs { server };
        session.unacked = None;
        if let Some(transaction) = self.servers.get_mut(&server) {
            transaction.asker = Asker::Reoffer(id);
        }
        if !update {
            self.reply(now, server, 100);
        }
        self.outputs.push_back(Output::Event(Event::Reoffered { session: id, offer: body }));
        self.reschedule_session(id);
    }

    fn names_a_dialog(&self, replaces: &str) -> bool {
        let call_id = media_type(replaces);
        let tag = replaces
            .split(';')
            .filter_map(|p| p.trim().split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("to-tag"))
            .map(|(_, value)| value.trim().to_owned());
        tag.is_some_and(|tag| self.dialogs.contains_key(&(call_id.to_owned(), tag)))
    }
}
