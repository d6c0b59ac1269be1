//! Requests that we receive: matching to transactions (RFC 3261 section 17.2.3), the checks of section 8.2 in
//! its order, and who deals with what is left.
//!
//! Responses go where RFC 3581 says: to the source if the Via has `rport`, else to the source address and
//! the port of the Via, and over the connection that the request came on. `maddr` is not followed.
//! Tables are bounded: what does not fit is answered 503 without keeping anything.

use crate::identity::{allow, server_header};
use crate::message::{CSeq, Host, Via};
use crate::schedule::Owner;
use crate::transaction::server_invite::Repeated;
use crate::transaction::{Expired, Server};
use crate::{
    Body, Endpoint, Event, FlowId, Headers, IdentityId, Method, Misuse, NotifierId, Output, Request, RequestId,
    Response, SessionId, SubscriptionId, Transport, Uri,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Server transactions at most.
const MAX_SERVERS: usize = 4096;
/// Sessions at most, either way.
pub(crate) const MAX_SESSIONS: usize = 256;
/// Requests waiting for `respond` at most.
const MAX_REQUESTS: usize = 256;
/// Extensions that a `Require` may name.
const UNDERSTOOD: [&str; 1] = ["replaces"];

/// What a dialog is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    Session(SessionId),
    Subscription(SubscriptionId),
    Notifier(NotifierId),
}

/// Whom a server transaction belongs to as long as it is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    Nobody,
    /// initial INVITE
    Session(SessionId),
    /// re-INVITE or UPDATE
    Reoffer(SessionId),
}

#[derive(Debug)]
pub(crate) struct ServerTransaction {
    machine: Server,
    key: String,
    merge_key: Option<String>,
    pub(crate) request: Request,
    pub(crate) flow: FlowId,
    /// where the request came from
    pub(crate) source: SocketAddr,
    /// where responses go
    reply_to: SocketAddr,
    /// To tag of our responses
    pub(crate) tag: String,
    last: Vec<u8>,
    pub(crate) asker: Asker,
    pub(crate) identity: Option<IdentityId>,
}

impl ServerTransaction {
    pub(crate) fn is_pending(&self) -> bool {
        self.machine.is_pending()
    }
}

impl Endpoint {
    pub(crate) fn request_received(&mut self, now: Instant, flow: FlowId, source: SocketAddr, mut request: Request) {
        let Some(reply_to) = self.stamp(flow, source, &mut request.headers) else {
            return self.protest(flow, source, "request without a readable Via");
        };
        let vias = request.headers.vias();
        let Some(via) = vias.first() else { return };
        let (Some(cseq), Some(call_id)) = (request.headers.cseq(), request.headers.call_id().map(str::to_owned)) else {
            return self.protest(flow, source, "request without CSeq or Call-ID");
        };
        let found = self.server_by_key.get(&key(&request, via, &cseq, &request.method)).copied();
        if request.method == Method::Ack {
            return self.ack_received(now, found, &call_id, &request);
        }
        if let Some(server) = found.and_then(|id| self.servers.get(&id)) {
            if server.machine.again() == Repeated::Retransmit {
                let (flow, to, bytes) = (server.flow, server.reply_to, server.last.clone());
                self.transmit(flow, to, bytes);
            }
            return;
        }
        let identity = self.identity_for(flow, &request);
        let to_tag = request.headers.to().and_then(|to| to.tag().map(str::to_owned));
        let usage = to_tag.as_ref().and_then(|tag| self.dialogs.get(&(call_id.clone(), tag.clone())).copied());
        let strict = identity.and_then(|i| self.identities.get(&i)).is_some_and(|i| i.config.only_known_sources);
        if let (true, Some(identity), None) = (strict, identity, usage)
            && !self.is_known_source(identity, source)
        {
            let what = format!("{} from an address that is not the server's", request.method.as_str());
            return self.protest(flow, source, what);
        }
        let merge_key = (to_tag.is_none() && request.method != Method::Cancel).then(|| {
            let tag = request.headers.from().and_then(|f| f.tag().map(str::to_owned)).unwrap_or_default();
            format!("{call_id}|{tag}|{cseq}")
        });
        let merged = merge_key.as_ref().is_some_and(|k| self.merged.contains_key(k));
        let invite = request.method == Method::Invite;
        let full = self.servers.len() >= MAX_SERVERS
            || (invite && usage.is_none() && self.sessions.len() >= MAX_SESSIONS)
            || (usage.is_none() && self.requests.len() >= MAX_REQUESTS && request.method != Method::Cancel);
        if full {
            return self.refuse_stateless(flow, source, &request);
        }
        let cancelled = (request.method == Method::Cancel)
            .then(|| self.server_by_key.get(&key(&request, via, &cseq, &Method::Invite)).copied())
            .flatten();
        let tag = match (&to_tag, cancelled.and_then(|id| self.servers.get(&id))) {
            (Some(tag), _) => tag.clone(),
            (None, Some(invite)) => invite.tag.clone(),
            (None, None) => self.chance.token(),
        };
        self.next_server += 1;
        let id = self.next_server;
        let key = key(&request, via, &cseq, &request.method);
        self.server_by_key.insert(key.clone(), id);
        if let (false, Some(merge_key)) = (merged, &merge_key) {
            self.merged.insert(merge_key.clone(), id);
        }
        let transaction = ServerTransaction {
            machine: Server::new(self.timing(flow), invite),
            key,
            merge_key: merge_key.filter(|_| !merged),
            request,
            flow,
            source,
            reply_to,
            tag,
            last: Vec::new(),
            asker: Asker::Nobody,
            identity,
        };
        self.servers.insert(id, transaction);
        if let Some((status, headers)) = self.objection(id, merged) {
            let what = self.servers.get(&id).map(|s| format!("{} answered {status}", s.request.method.as_str()));
            self.protest(flow, source, what.unwrap_or_default());
            return self.reply_with(now, id, status, &headers, None);
        }
        self.dispatch(now, id, usage, to_tag.is_some(), cancelled);
    }

    /// Answers with a status alone.
    pub(crate) fn reply(&mut self, now: Instant, id: u64, status: u16) {
        self.reply_with(now, id, status, &Headers::new(), None);
    }

    pub(crate) fn reply_with(&mut self, now: Instant, id: u64, status: u16, extra: &Headers, body: Option<Body>) {
        let Some(server) = self.servers.get(&id) else { return };
        let tag = (status > 100).then_some(server.tag.as_str());
        let mut response = Response::to(&server.request, status, tag);
        for (name, value) in extra.iter() {
            response.headers.push(name, value);
        }
        if let Some(body) = body {
            response.set_body(body);
        }
        self.reply_response(now, id, response);
    }

    pub(crate) fn reply_response(&mut self, now: Instant, id: u64, mut response: Response) {
        let status = response.status;
        if status > 100 {
            server_header(&self.config, &mut response.headers);
        }
        let Some(server) = self.servers.get_mut(&id) else { return };
        if !server.machine.respond(now, status) {
            return;
        }
        server.last = response.to_bytes();
        let (flow, to, bytes) = (server.flow, server.reply_to, server.last.clone());
        if status >= 200 {
            server.asker = Asker::Nobody;
        }
        self.transmit(flow, to, bytes);
        self.reschedule_server(id);
    }

    /// What was sent last, and where: the user repeats a 2xx (section 13.3.1.4).
    pub(crate) fn last_reply(&self, id: u64) -> Option<(FlowId, SocketAddr, Vec<u8>)> {
        self.servers.get(&id).map(|s| (s.flow, s.reply_to, s.last.clone()))
    }

    /// Sends a response without a transaction: for what could not be read.
    pub(crate) fn respond_stateless(&mut self, flow: FlowId, source: SocketAddr, mut response: Response) {
        // a Via that nobody can read is given back as it came, to where it came from
        let reply_to = self.stamp(flow, source, &mut response.headers).unwrap_or(source);
        server_header(&self.config, &mut response.headers);
        self.transmit(flow, reply_to, response.to_bytes());
    }

    pub(crate) fn server_timeout(&mut self, now: Instant, id: u64) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        match server.machine.expire(now) {
            Some(Expired::Retransmit) => {
                let (flow, to, bytes) = (server.flow, server.reply_to, server.last.clone());
                self.transmit(flow, to, bytes);
                self.reschedule_server(id);
            }
            Some(Expired::Ended | Expired::TimedOut) => {
                self.schedule.set(Owner::Server(id), None);
                if let Some(server) = self.servers.remove(&id) {
                    self.server_by_key.remove(&server.key);
                    if let Some(merge_key) = &server.merge_key {
                        self.merged.remove(merge_key);
                    }
                }
            }
            None => self.reschedule_server(id),
        }
    }

    /// A request that was handed out was not answered in time.
    pub(crate) fn request_timeout(&mut self, now: Instant, id: RequestId) {
        if let Some(server) = self.requests.remove(&id) {
            self.reply(now, server, 500);
        }
    }

    pub(crate) fn respond_at(&mut self, now: Instant, id: RequestId, mut response: Response) -> Result<(), Misuse> {
        let server = *self.requests.get(&id).ok_or(Misuse::NoSuchRequest)?;
        if response.status >= 200 {
            self.requests.remove(&id);
            self.schedule.set(Owner::Request(id), None);
        }
        if let (Some(transaction), Some(mut to)) = (self.servers.get(&server), response.headers.to())
            && to.tag().is_none()
            && response.status > 100
        {
            to.set_tag(&transaction.tag);
            response.headers.set("To", to.to_string());
        }
        self.reply_response(now, server, response);
        Ok(())
    }

    // Private from here.

    /// Writes received and rport into the topmost Via; answers where responses go.
    fn stamp(&self, flow: FlowId, source: SocketAddr, headers: &mut Headers) -> Option<SocketAddr> {
        let mut values: Vec<String> = headers.list("Via").into_iter().map(str::to_owned).collect();
        let mut via = Via::parse(values.first()?)?;
        let wants_port = via.param("rport").is_some();
        let differs = !matches!(via.host, Host::Ip(ip) if ip == source.ip());
        let stream = self.flows.get(&flow).is_none_or(|f| f.transport != Transport::Udp);
        let reply_to = match wants_port || stream {
            true => source,
            false => SocketAddr::new(source.ip(), via.port.unwrap_or(5060)),
        };
        if wants_port {
            via.set_param("rport", Some(&source.port().to_string()));
        }
        if wants_port || differs || via.param("received").is_some() {
            via.set_param("received", Some(&source.ip().to_string()));
        }
        if let Some(first) = values.first_mut() {
            *first = via.to_string();
        }
        headers.remove("Via");
        for value in values.into_iter().rev() {
            headers.push_front("Via", value);
        }
        Some(reply_to)
    }

    fn ack_received(&mut self, now: Instant, found: Option<u64>, call_id: &str, request: &Request) {
        if let Some(id) = found
            && let Some(server) = self.servers.get_mut(&id)
        {
            let pass = server.machine.ack(now) == Repeated::Pass;
            self.reschedule_server(id);
            if !pass {
                return;
            }
        }
        let Some(tag) = request.headers.to().and_then(|to| to.tag().map(str::to_owned)) else { return };
        if let Some(Usage::Session(session)) = self.dialogs.get(&(call_id.to_owned(), tag)) {
            self.session_ack(now, *session, request);
        }
    }

    /// The checks of section 8.2 that need no dialog. `None`: nothing to object.
    fn objection(&self, id: u64, merged: bool) -> Option<(u16, Headers)> {
        let request = &self.servers.get(&id)?.request;
        let mut headers = Headers::new();
        let method = &request.method;
        // 8.2.1
        let always = matches!(
            method,
            Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Subscribe | Method::Notify
        );
        let served = self.config.server && *method == Method::Register;
        if !(always || served || self.config.allow.contains(method)) {
            headers.push("Allow", allow(&self.config));
            return Some((if matches!(method, Method::Other(_)) { 501 } else { 405 }, headers));
        }
        // 8.2.2.1
        if matches!(request.uri, Uri::Other { .. }) {
            return Some((416, headers));
        }
        // 8.2.2.2
        if merged {
            return Some((482, headers));
        }
        // 8.2.2.3
        if !matches!(method, Method::Cancel) {
            let unknown: Vec<&str> = request
                .headers
                .list("Require")
                .into_iter()
                .filter(|tag| !UNDERSTOOD.iter().any(|u| u.eq_ignore_ascii_case(tag)))
                .collect();
            if !unknown.is_empty() {
                headers.push("Unsupported", unknown.join(", "));
                return Some((420, headers));
            }
        }
        // 8.2.3
        let encoded = request.headers.list("Content-Encoding").iter().any(|e| !e.eq_ignore_ascii_case("identity"));
        if encoded && !request.body.is_empty() {
            headers.push("Accept-Encoding", "identity");
            return Some((415, headers));
        }
        let reads_body =
            matches!(method, Method::Invite | Method::Update) || (*method == Method::Message && !self.config.server);
        if reads_body && !self.config.accept.is_empty() && !request.body.is_empty() {
            let given = media_type(request.headers.content_type().unwrap_or_default());
            if !self.config.accept.iter().any(|a| a.eq_ignore_ascii_case(given)) {
                headers.push("Accept", self.config.accept.join(", "));
                return Some((415, headers));
            }
        }
        let wanted = request.headers.list("Accept");
        if *method == Method::Invite && !wanted.is_empty() && !self.config.accept.is_empty() {
            let fits = wanted.iter().any(|w| {
                let w = media_type(w);
                w == "*/*" || self.config.accept.iter().any(|a| fits_range(a, w))
            });
            if !fits {
                return Some((406, headers));
            }
        }
        None
    }

    fn dispatch(&mut self, now: Instant, id: u64, usage: Option<Usage>, in_dialog: bool, cancelled: Option<u64>) {
        let Some(server) = self.servers.get(&id) else { return };
        let method = server.request.method.clone();
        if method == Method::Cancel {
            return self.cancel_received(now, id, cancelled);
        }
        match usage {
            Some(Usage::Session(session)) => return self.session_request(now, session, id),
            Some(Usage::Subscription(subscription)) => {
                return match method {
                    Method::Notify => self.notify_received(now, subscription, id),
                    _ => self.reply(now, id, 481),
                };
            }
            Some(Usage::Notifier(notifier)) => {
                return match method {
                    Method::Subscribe => self.resubscribe_received(now, notifier, id),
                    _ => self.reply(now, id, 481),
                };
            }
            None if in_dialog => return self.reply(now, id, 481),
            None => {}
        }
        match method {
            Method::Invite => self.invite_received(now, id),
            Method::Subscribe => self.subscribe_received(now, id),
            Method::Notify => self.unsolicited_notify(now, id),
            Method::Bye | Method::Info | Method::Update | Method::Prack => self.reply(now, id, 481),
            Method::Refer if !self.config.server => self.reply(now, id, 403),
            Method::Options if !self.config.server => {
                let mut headers = self.capabilities();
                if let Some(contact) = self.servers.get(&id).and_then(|s| self.contact(s.identity, s.flow)) {
                    headers.push("Contact", contact.to_string());
                }
                self.reply_with(now, id, 200, &headers, None);
            }
            _ => self.hand_out(now, id),
        }
    }

    /// Allow, Accept and Allow-Events, as in the answer to OPTIONS (section 11.2).
    pub(crate) fn capabilities(&self) -> Headers {
        let mut headers = Headers::new();
        headers.push("Allow", allow(&self.config));
        if !self.config.accept.is_empty() {
            headers.push("Accept", self.config.accept.join(", "));
        }
        if !self.config.allow_events.is_empty() {
            headers.push("Allow-Events", self.config.allow_events.join(", "));
        }
        headers
    }

    fn hand_out(&mut self, now: Instant, id: u64) {
        let Some(server) = self.servers.get(&id) else { return };
        self.next_request += 1;
        let handle = RequestId(self.next_request);
        let event = Event::Request {
            id: handle,
            request: Box::new(server.request.clone()),
            source: server.source,
            flow: server.flow,
        };
        self.requests.insert(handle, id);
        self.schedule.set(Owner::Request(handle), Some(now + self.config.t1 * 64));
        self.outputs.push_back(Output::Event(event));
    }

    /// Section 9.2.
    fn cancel_received(&mut self, now: Instant, id: u64, cancelled: Option<u64>) {
        let Some(invite) = cancelled.filter(|i| self.servers.contains_key(i)) else {
            return self.reply(now, id, 481);
        };
        self.reply(now, id, 200);
        let reason = self.servers.get(&id).and_then(|s| s.request.headers.first("Reason").map(str::to_owned));
        let Some(server) = self.servers.get(&invite).filter(|s| s.is_pending()) else { return };
        match server.asker {
            Asker::Session(session) => self.session_cancelled(now, session, invite, reason),
            Asker::Reoffer(session) => {
                self.reoffer_cancelled(session);
                self.reply(now, invite, 487);
            }
            Asker::Nobody => self.reply(now, invite, 487),
        }
    }

    fn refuse_stateless(&mut self, flow: FlowId, source: SocketAddr, request: &Request) {
        let tag = request
            .headers
            .call_id()
            .unwrap_or_default()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let mut response = Response::to(request, 503, Some(&format!("{tag:016x}")));
        response.headers.push("Retry-After", "10");
        self.protest(flow, source, "too many at once: answered 503");
        self.respond_stateless(flow, source, response);
    }

    fn reschedule_server(&mut self, id: u64) {
        let next = self.servers.get(&id).and_then(|s| s.machine.next());
        self.schedule.set(Owner::Server(id), next);
    }
}

/// What a transaction is found by (section 17.2.3): branch, sent-by and method, or for peers of RFC 2543
/// all that had to be equal then.
fn key(request: &Request, via: &Via, cseq: &CSeq, method: &Method) -> String {
    let method = if *method == Method::Ack { Method::Invite } else { method.clone() };
    let port = via.port.unwrap_or(5060);
    match via.branch() {
        Some(branch) if branch.len() > 7 && branch.get(..7).is_some_and(|b| b.eq_ignore_ascii_case("z9hG4bK")) => {
            format!("{branch}|{}:{port}|{}", via.host, method.as_str())
        }
        _ => format!(
            "{}|{}|{}|{}|{}|{}:{port}|{}",
            request.uri,
            request.headers.from().and_then(|f| f.tag().map(str::to_owned)).unwrap_or_default(),
            request.headers.call_id().unwrap_or_default(),
            cseq.number,
            via.branch().unwrap_or_default(),
            via.host,
            method.as_str()
        ),
    }
}

/// `type/subtype` without parameters.
pub(crate) fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn fits_range(accepted: &str, wanted: &str) -> bool {
    match wanted.strip_suffix("/*") {
        Some(kind) => accepted.split('/').next().is_some_and(|k| k.eq_ignore_ascii_case(kind)),
        None => accepted.eq_ignore_ascii_case(wanted),
    }
}

/// [s], up to a day; the number may be followed by a comment or parameters (section 20.33).
pub(crate) fn retry_after(headers: &Headers) -> Option<Duration> {
    let value = headers.first("Retry-After")?;
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<u64>().ok().map(|s| Duration::from_secs(s.min(86_400)))
}
