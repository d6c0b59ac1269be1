//! Which event of the endpoint goes where, and who may: every REGISTER, INVITE and SUBSCRIBE proves a user by digest
//! (RFC 3261 section 22) before anything else of it is looked at.

use crate::location::{Change, Refusal};
use crate::presence::{self, Package};
use crate::{Now, Output, Pbx, REFRESH_WRITE_DELAY, store};
use offhook_sip as sip;
use offhook_sip::auth::Verdict;
use offhook_sip::{
    Body, EndpointConfig, Event, FlowId, FlowState, Headers, Method, NotifierId, Request, RequestId, Response,
    SessionId, Transport,
};
use std::net::SocketAddr;
use std::time::Duration;

const ACCEPT: [&str; 3] = ["application/sdp", "application/dtmf-relay", "application/dtmf"];

pub(crate) fn endpoint_config(version: &str) -> EndpointConfig {
    use Method::{Ack, Bye, Cancel, Info, Invite, Notify, Options, Register, Subscribe, Update};
    EndpointConfig {
        user_agent: format!("Offhook-PBX/{version}"),
        allow: vec![Invite, Ack, Bye, Cancel, Options, Register, Subscribe, Notify, Info, Update],
        accept: ACCEPT.map(str::to_owned).to_vec(),
        allow_events: vec![presence::DIALOG.to_owned(), presence::MESSAGE_SUMMARY.to_owned()],
        server: true,
        t1: Duration::from_millis(500),
    }
}

impl Pbx {
    /// Takes everything out of the endpoint: outputs to the driver, events to where they belong.
    pub(crate) fn pump(&mut self, now: Now) {
        loop {
            match self.endpoint.poll() {
                sip::Output::Timeout(at) => {
                    self.endpoint_timeout = at;
                    return;
                }
                sip::Output::Event(event) => self.event(now, event),
                output => self.outputs.push_back(Output::Sip(output)),
            }
        }
    }

    pub(crate) fn watch_flows(&mut self, now: Now, input: &sip::Input<'_>) {
        match input {
            // a listening stream socket carries nothing itself: `Accepted` names each connection
            sip::Input::Listening { flow, transport: Transport::Udp, local } => {
                self.location.flow_up(*flow, Transport::Udp, *local);
            }
            sip::Input::Accepted { flow, transport, local, .. } => self.location.flow_up(*flow, *transport, *local),
            sip::Input::Flow { flow, state: FlowState::Down(_) } => {
                for user in self.location.flow_down(*flow) {
                    self.log(now, &format!("the connection of {user} is gone, and with it his registration"));
                }
            }
            _ => {}
        }
    }

    /// After calls have changed: a NOTIFY to everybody who watches somebody concerned.
    pub(crate) fn tell_watchers(&mut self, now: Now) {
        let (changed, ended) = self.calls.take_changes();
        for user in changed {
            let over: Vec<_> = ended.iter().filter(|(of, _)| *of == user).map(|(_, dialog)| dialog.clone()).collect();
            for notifier in self.watchers.of(Package::Dialog, &user) {
                let mut dialogs = over.clone();
                dialogs.extend(self.dialogs(&user));
                let body = self.watchers.dialog_info(notifier, dialogs);
                self.notify(now, notifier, body);
            }
        }
    }

    pub(crate) fn set_messages(&mut self, now: Now, user: &str, new: u32, old: u32) {
        if self.users.get(user).is_none() || !self.messages.set(user, new, old) {
            return;
        }
        self.outputs
            .push_back(Output::Persist { name: store::MESSAGES.to_owned(), bytes: store::write(self.messages.rows()) });
        for notifier in self.watchers.of(Package::MessageSummary, user) {
            let body = self.message_summary(user);
            self.notify(now, notifier, Some(body));
        }
    }

    fn event(&mut self, now: Now, event: Event) {
        match event {
            Event::Incoming { session, request, source, offer, .. } => {
                self.incoming(now, session, &request, source, offer);
            }
            Event::Progress { session, status, body, .. } => {
                self.with_calls(now, |calls, context| calls.progress(context, session, status, body));
            }
            Event::Answered { session, body, .. } => {
                self.with_calls(now, |calls, context| calls.answered(context, session, body));
            }
            Event::Redirected { session, response } => {
                self.with_calls(now, |calls, context| calls.redirected(context, session, &response));
            }
            Event::Confirmed { session, body } => {
                self.with_calls(now, |calls, context| calls.confirmed(context, session, body));
            }
            Event::Reoffered { session, offer } => {
                self.with_calls(now, |calls, context| calls.reoffered(context, session, offer));
            }
            Event::OfferAnswered { session, result } => {
                self.with_calls(now, |calls, context| calls.offer_answered(context, session, result));
            }
            Event::Info { session, body } => self.with_calls(now, |calls, context| calls.info(context, session, body)),
            Event::Ended { session, why } => self.with_calls(now, |calls, context| calls.ended(context, session, &why)),
            Event::Request { id, request, source, flow } => self.request(now, id, &request, source, flow),
            Event::Subscribed { notifier, request, event, expires, refresh, source } => {
                if let Err(refusal) = self.subscribed(now, notifier, &request, &event, expires, refresh, source) {
                    let _ = self.endpoint.refuse_subscription(now.instant, notifier, refusal.status, refusal.headers);
                }
            }
            Event::NotifierEnded { notifier } => {
                self.watchers.remove(notifier);
            }
            Event::Protest { remote, what, .. } => self.log(now, &format!("from {remote}: {what}")),
            // we neither register nor subscribe, nor send requests outside calls
            _ => {}
        }
    }

    fn incoming(&mut self, now: Now, session: SessionId, request: &Request, source: SocketAddr, offer: Option<Body>) {
        match self.proven(now, request, source) {
            Ok(user) => {
                self.with_calls(now, |calls, context| calls.incoming(context, session, &user, request, source, offer));
            }
            Err(stale) => {
                let headers = self.challenge(now, "Proxy-Authenticate", stale);
                let _ = self.endpoint.reject(now.instant, session, 407, None, headers);
            }
        }
    }

    fn request(&mut self, now: Now, id: RequestId, request: &Request, source: SocketAddr, flow: FlowId) {
        let tag = self.chance.text(12);
        let answer = |status, reason: &str, headers: Headers| {
            let mut response = Response::to(request, status, Some(&tag));
            if !reason.is_empty() {
                reason.clone_into(&mut response.reason);
            }
            for (name, value) in headers.iter() {
                response.headers.push(name, value);
            }
            response
        };
        let response = match request.method {
            Method::Register => match self.register(now, request, source, flow) {
                Ok(contacts) => {
                    let mut headers = Headers::new();
                    for contact in contacts {
                        headers.push("Contact", contact);
                    }
                    answer(200, "", headers)
                }
                Err(refusal) => answer(refusal.status, refusal.reason, refusal.headers),
            },
            Method::Options => {
                let mut headers = Headers::new();
                headers.push("Allow", allow());
                headers.push("Accept", ACCEPT.join(", "));
                headers.push("Allow-Events", format!("{}, {}", presence::DIALOG, presence::MESSAGE_SUMMARY));
                answer(200, "", headers)
            }
            _ => {
                let mut headers = Headers::new();
                headers.push("Allow", allow());
                answer(405, "", headers)
            }
        };
        let _ = self.endpoint.respond(now.instant, id, response);
    }

    /// RFC 3261 section 10.3 steps 3 to 8. Answers the Contact values of the 200.
    fn register(
        &mut self,
        now: Now,
        request: &Request,
        source: SocketAddr,
        flow: FlowId,
    ) -> Result<Vec<String>, Refusal> {
        let user = match self.proven(now, request, source) {
            Ok(user) => user,
            Err(stale) => {
                let headers = self.challenge(now, "WWW-Authenticate", stale);
                return Err(Refusal { status: 401, reason: "", headers });
            }
        };
        let aor = request.headers.to().and_then(|to| if to.uri.as_sip().is_some() { to.uri.user() } else { None });
        match aor.and_then(|aor| self.users.get(&aor)) {
            None => return Err(Refusal::new(404, "")),
            Some(aor) if aor.number != user => {
                let line = format!("{user} from {source} tried to register {}", aor.number);
                self.log(now, &line);
                return Err(Refusal::new(403, "Not Your Address"));
            }
            Some(_) => {}
        }
        match self.location.register(now.instant, &user, request, flow, source)? {
            Change::Nothing => {}
            Change::Refreshed => {
                self.write_at.get_or_insert(now.instant + REFRESH_WRITE_DELAY);
            }
            Change::Moved => {
                let line = format!(
                    "{user} is registered at {} contact(s), last from {source}",
                    self.location.contacts(&user).len()
                );
                self.log(now, &line);
                self.write_bindings(now);
            }
        }
        Ok(self.location.contact_headers(now.instant, &user))
    }

    #[allow(clippy::too_many_arguments)] // they are the fields of the event
    fn subscribed(
        &mut self,
        now: Now,
        notifier: NotifierId,
        request: &Request,
        event: &str,
        expires: u32,
        refresh: bool,
        source: SocketAddr,
    ) -> Result<(), Refusal> {
        let by = match self.proven(now, request, source) {
            Ok(user) => user,
            Err(stale) => {
                let headers = self.challenge(now, "WWW-Authenticate", stale);
                return Err(Refusal { status: 401, reason: "", headers });
            }
        };
        if expires > 0 && expires < presence::MIN_EXPIRES {
            let mut refusal = Refusal::new(423, "");
            refusal.headers.push("Min-Expires", presence::MIN_EXPIRES.to_string());
            return Err(refusal);
        }
        let known = self.watchers.get(notifier);
        if refresh && known.is_some_and(|watcher| watcher.by != by) {
            return Err(Refusal::new(403, ""));
        }
        let (package, user) = match known {
            Some(watcher) => (watcher.package, watcher.user.clone()),
            None => {
                let Some(package) = Package::named(event) else {
                    let mut refusal = Refusal::new(489, "");
                    refusal
                        .headers
                        .push("Allow-Events", format!("{}, {}", presence::DIALOG, presence::MESSAGE_SUMMARY));
                    return Err(refusal);
                };
                let user = request.uri.user().unwrap_or_default();
                if self.users.get(&user).is_none() {
                    return Err(Refusal::new(404, ""));
                }
                if package == Package::MessageSummary && user != by {
                    return Err(Refusal::new(403, ""));
                }
                let entity =
                    sip::Uri::sip(&user, &self.site.sip.to_string()).map(|uri| uri.to_string()).unwrap_or_default();
                if !self.watchers.add(notifier, package, &by, &user, entity) {
                    let mut refusal = Refusal::new(503, "");
                    refusal.headers.push("Retry-After", "60");
                    return Err(refusal);
                }
                (package, user)
            }
        };
        if self.endpoint.accept_subscription(now.instant, notifier, expires.min(presence::MAX_EXPIRES)).is_err() {
            self.watchers.remove(notifier);
            return Ok(());
        }
        let body = match package {
            Package::Dialog => {
                let dialogs = self.dialogs(&user);
                self.watchers.dialog_info(notifier, dialogs)
            }
            Package::MessageSummary => Some(self.message_summary(&user)),
        };
        self.notify(now, notifier, body);
        Ok(())
    }

    /// The user that a request proves to be from; `Err`: challenge it, with `stale` or not.
    fn proven(&mut self, now: Now, request: &Request, source: SocketAddr) -> Result<String, bool> {
        let users = &self.users;
        match self.auth.verify(now.instant, request, |name| users.password(name)) {
            Verdict::Accepted { username } => Ok(username),
            Verdict::Stale => Err(true),
            Verdict::Missing => Err(false),
            Verdict::Wrong => {
                let line = format!("{} from {source} refused: wrong user or password", request.method.as_str());
                self.log(now, &line);
                Err(false)
            }
        }
    }

    fn challenge(&mut self, now: Now, header: &str, stale: bool) -> Headers {
        let mut headers = Headers::new();
        for value in self.auth.challenges(now.instant, stale) {
            headers.push(header, value);
        }
        headers
    }

    fn dialogs(&self, user: &str) -> Vec<sip::event_package::dialog_info::Dialog> {
        let name = |number: &str| self.users.get(number).map_or(number, |user| user.shown_name()).to_owned();
        self.calls.dialogs(&self.endpoint, &self.site.sip.to_string(), user, name)
    }

    fn message_summary(&self, user: &str) -> Body {
        let account = sip::Uri::sip("*97", &self.site.sip.to_string()).map(|uri| uri.to_string()).unwrap_or_default();
        self.messages.body(user, &account)
    }

    fn notify(&mut self, now: Now, notifier: NotifierId, body: Option<Body>) {
        // a subscription that has just ended needs no NOTIFY
        let _ = self.endpoint.notify(now.instant, notifier, body);
    }
}

fn allow() -> String {
    endpoint_config("").allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}
