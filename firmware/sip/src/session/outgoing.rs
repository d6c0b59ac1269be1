//! Responses to INVITE, re-INVITE, BYE and INFO of ours.

use super::{Cancel, Offer, Owed, Session, State};
use crate::client::{ContactUse, Failure, Outgoing, User};
use crate::dialog::Dialog;
use crate::{Ended, Endpoint, Event, Method, Output, Response, SessionId};
use std::time::{Duration, Instant};

impl Endpoint {
    pub(crate) fn invite_response(
        &mut self,
        now: Instant,
        id: SessionId,
        client: u64,
        result: Result<Response, Failure>,
    ) {
        let Some(session) = self.sessions.get(&id) else {
            if let Ok(response) = result
                && (200..300).contains(&response.status)
            {
                self.leave_fork(now, client, &response);
            }
            return;
        };
        match (&session.state, &session.offer) {
            (State::Calling { client: ours, .. }, _) if *ours == client => {
                self.first_invite_response(now, id, client, result);
            }
            (_, Offer::Ours { client: ours, .. }) if *ours == client => self.reinvite_response(now, id, client, result),
            _ => {
                // a repeated 2xx, or that of another fork (section 13.2.2.4)
                let Ok(response) = result else { return };
                if !(200..300).contains(&response.status) {
                    return;
                }
                let number = response.headers.cseq().map_or(0, |c| c.number);
                let tag = response.headers.to().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
                let ours = match &session.state {
                    State::Established { dialog, .. } | State::Ending { dialog } => dialog.remote_tag() == tag,
                    _ => false,
                };
                if !ours {
                    return self.leave_fork(now, client, &response);
                }
                if let Some(ack) = session.ack.as_ref().filter(|a| a.number == number) {
                    let (flow, remote, bytes) = (ack.flow, ack.remote, ack.bytes.clone());
                    self.transmit(flow, remote, bytes);
                }
            }
        }
        self.reschedule_session(id);
    }

    pub(crate) fn bye_done(&mut self, now: Instant, id: SessionId) {
        if self.sessions.get(&id).is_some_and(|s| matches!(s.state, State::Ending { .. })) {
            self.drop_session(now, id);
        }
    }

    pub(crate) fn info_done(&mut self, now: Instant, id: SessionId, result: &Result<Response, Failure>) {
        let status = match result {
            Ok(response) => response.status,
            Err(failure) => failure.status,
        };
        // section 12.2.1.2: the dialog is gone at the other end
        if matches!(status, 408 | 481) {
            self.dialog_lost(now, id, status);
        }
    }

    fn first_invite_response(&mut self, now: Instant, id: SessionId, client: u64, result: Result<Response, Failure>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Calling { progressed, cancel, give_up, offered, .. } = &mut session.state else { return };
        let response = match result {
            Ok(response) => response,
            Err(failure) => {
                self.tell_ended(id, Ended::Failed { status: failure.status, reason: failure.reason.to_owned() });
                return self.drop_session(now, id);
            }
        };
        match response.status {
            100..=199 => {
                *progressed = true;
                if let Cancel::Held(reason) = cancel {
                    let reason = reason.take();
                    *cancel = Cancel::Sent;
                    *give_up = now + self.config.t1 * 64;
                    self.cancel(now, client, reason.as_deref());
                    return;
                }
                if response.status > 100 && !session.ended {
                    self.outputs.push_back(Output::Event(Event::Progress {
                        session: id,
                        status: response.status,
                        reason: response.reason.clone(),
                        body: response.body(),
                        response: Box::new(response),
                    }));
                }
            }
            200..=299 => {
                let offered = *offered;
                let Some(running) = self.clients.get(&client).and_then(|c| c.running()) else { return };
                let Some(dialog) = Dialog::of_client(&running.sent, &response) else {
                    self.tell_ended(id, Ended::Failed { status: 502, reason: "2xx without tag".to_owned() });
                    return self.drop_session(now, id);
                };
                let credentials = credentials(running);
                let number = dialog.local_seq;
                let Some(session) = self.sessions.get_mut(&id) else { return };
                session.state = State::Established { dialog: Box::new(dialog), hang_up: None };
                if session.ended {
                    // the 2xx crossed our CANCEL (section 9.1)
                    self.send_ack(now, id, number, &credentials, None);
                    return self.hang_up(now, id, None);
                }
                match offered {
                    true => self.send_ack(now, id, number, &credentials, None),
                    false => session.owed = Some(Owed { number, credentials }),
                }
                self.outputs.push_back(Output::Event(Event::Answered {
                    session: id,
                    body: response.body(),
                    response: Box::new(response),
                }));
            }
            status => {
                let (reason, told) = (response.reason.clone(), session.ended);
                if (300..=399).contains(&status) && !told {
                    let response = Box::new(response);
                    self.outputs.push_back(Output::Event(Event::Redirected { session: id, response }));
                }
                self.tell_ended(id, Ended::Refused { status, reason });
                self.drop_session(now, id);
            }
        }
    }

    fn reinvite_response(&mut self, now: Instant, id: SessionId, client: u64, result: Result<Response, Failure>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Offer::Ours { offered, body, .. } = &mut session.offer else { return };
        let (offered, body) = (*offered, body.take());
        let response = match result {
            Ok(response) if response.status < 200 => {
                session.offer = Offer::Ours { client, offered, body };
                return;
            }
            Ok(response) => response,
            Err(failure) => {
                session.offer = Offer::None;
                self.tell_offer(id, Err((failure.status, failure.reason.to_owned())));
                return self.dialog_lost(now, id, failure.status);
            }
        };
        session.offer = Offer::None;
        match response.status {
            200..=299 => {
                let running = self.clients.get(&client).and_then(|c| c.running());
                let credentials = running.map(credentials).unwrap_or_default();
                let number = response.headers.cseq().map_or(0, |c| c.number);
                let Some(session) = self.sessions.get_mut(&id) else { return };
                if let Some(dialog) = session.dialog_mut() {
                    dialog.refresh(&response.headers);
                }
                if offered || session.ended {
                    self.send_ack(now, id, number, &credentials, None);
                } else {
                    session.owed = Some(Owed { number, credentials });
                }
                self.tell_offer(id, Ok(response.body()));
            }
            491 if !session.ended => {
                // section 14.1: the owner of the Call-ID waits longer
                let (low, high) = match session.outgoing {
                    true => (Duration::from_millis(2100), Duration::from_secs(4)),
                    false => (Duration::ZERO, Duration::from_secs(2)),
                };
                let at = now + self.chance.between(low, high);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.again = Some((at, body));
                }
            }
            status => {
                self.tell_offer(id, Err((status, response.reason)));
                if matches!(status, 408 | 481) {
                    self.dialog_lost(now, id, status);
                }
            }
        }
    }

    fn tell_offer(&mut self, id: SessionId, result: Result<Option<crate::Body>, (u16, String)>) {
        if self.sessions.get(&id).is_some_and(|s| !s.ended) {
            self.outputs.push_back(Output::Event(Event::OfferAnswered { session: id, result }));
        }
    }

    /// A request inside the session found nobody: it ends, with a BYE just in case (section 12.2.1.2).
    fn dialog_lost(&mut self, now: Instant, id: SessionId, status: u16) {
        if self.sessions.get(&id).is_some_and(|s| matches!(s.state, State::Established { .. })) {
            let reason = crate::message::reason_phrase(status).to_owned();
            self.tell_ended(id, Ended::Failed { status, reason });
            self.hang_up(now, id, None);
        }
    }

    /// 2xx of a dialog that nobody wants: ACK and BYE (section 13.2.2.4).
    fn leave_fork(&mut self, now: Instant, client: u64, response: &Response) {
        let Some(transaction) = self.clients.get(&client) else { return };
        let Some(running) = transaction.running() else { return };
        let Some(mut dialog) = Dialog::of_client(&running.sent, response) else { return };
        let identity = transaction.identity;
        let hop = crate::identity::Hop::Dialog;
        let mut ack = dialog.request_numbered(Method::Ack, dialog.local_seq);
        for (name, value) in credentials(running) {
            ack.headers.push(&name, value);
        }
        let bye = dialog.request(Method::Bye);
        for request in [ack, bye] {
            let (user, contact) = (User::Nobody, ContactUse::Without);
            self.send(now, Outgoing { user, identity, request, contact, hop });
        }
    }
}

fn credentials(running: &crate::client::Running) -> Vec<(String, String)> {
    ["Authorization", "Proxy-Authorization"]
        .into_iter()
        .flat_map(|name| running.sent.headers.all(name).map(|v| (name.to_owned(), v.to_owned())).collect::<Vec<_>>())
        .collect()
}

impl Session {
    pub(super) fn is_open(&self) -> bool {
        !self.ended
    }
}
