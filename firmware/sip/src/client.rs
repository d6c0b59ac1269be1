//! Requests that we send: locating the next hop, opening a flow, the client transaction, the answer to a
//! challenge (RFC 3261 section 22), and the next address when one fails (RFC 3263 section 4.3).
//!
//! A request is kept without Via and Contact until its flow is known, because both name the flow's address.
//! A failure is never reported from inside the call that sends: it comes with the next timeout, so that the
//! sender has noted the transaction by then.

use crate::auth::ChallengeOutcome;
use crate::flow::{Kind, word};
use crate::identity::Hop;
use crate::locate::{Located, Place, Progress};
use crate::message::{CSeq, Host, Via};
use crate::schedule::Owner;
use crate::transaction::timers::Timing;
use crate::transaction::{Client, Expired, Received};
use crate::{
    Answer, Endpoint, Event, FlowError, FlowId, IdentityId, Method, NotifierId, Output, Request, RequestId, ResolveId,
    Response, SessionId, SubscriptionId, Transport,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Requests larger than this leave over TCP (RFC 3261 section 18.1.1) [octets].
const MAX_DATAGRAM: usize = 1300;
/// How long TCP may take before a large request leaves over UDP after all.
const TCP_TRIAL: Duration = Duration::from_secs(2);
/// How long an address that refused TCP is not asked again.
const NO_TCP: Duration = Duration::from_secs(300);
/// Challenges answered for one request.
const MAX_CHALLENGES: u8 = 4;

/// Who gets the responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// INVITE and re-INVITE
    Session(SessionId),
    Bye(SessionId),
    Info(SessionId),
    /// ACK of a 2xx: no transaction, only sent
    Ack(SessionId),
    Registration(IdentityId),
    Subscription(SubscriptionId),
    Notifier(NotifierId),
    Request(RequestId),
    /// Nobody: CANCEL, and what was left behind.
    Nobody,
}

/// A request failed without a response of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// 408 or 503
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContactUse {
    Without,
    Plain,
    /// REGISTER: expiry, and the Contact that is bound now.
    Register {
        expires: u32,
        bound: Option<String>,
    },
}

#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) user: User,
    pub(crate) identity: Option<IdentityId>,
    pub(crate) request: Request,
    pub(crate) contact: ContactUse,
    pub(crate) hop: Hop,
}

#[derive(Debug)]
pub(crate) struct ClientTransaction {
    pub(crate) user: User,
    pub(crate) identity: Option<IdentityId>,
    /// without Via, Contact and credentials
    request: Request,
    contact: ContactUse,
    place: Option<Place>,
    targets: VecDeque<Target>,
    challenges: u8,
    tried_tcp: bool,
    /// its user has gone: dropped then if it is still pending
    abandoned: Option<Instant>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target {
    transport: Transport,
    address: SocketAddr,
}

#[derive(Debug)]
enum Stage {
    Locating {
        until: Instant,
    },
    Opening {
        flow: FlowId,
        target: Target,
        until: Instant,
    },
    Running(Box<Running>),
    /// Reported at the next timeout.
    Failed(Failure),
}

#[derive(Debug)]
pub(crate) struct Running {
    machine: Client,
    pub(crate) flow: FlowId,
    pub(crate) remote: SocketAddr,
    branch: String,
    /// host and port of our Via
    sent_by: (Host, Option<u16>),
    /// as it went out
    pub(crate) sent: Request,
    bytes: Vec<u8>,
    ack: Option<Vec<u8>>,
}

impl ClientTransaction {
    pub(crate) fn running(&self) -> Option<&Running> {
        match &self.stage {
            Stage::Running(running) => Some(running),
            _ => None,
        }
    }

    fn next(&self, now: Instant) -> Option<Instant> {
        match &self.stage {
            Stage::Locating { until } | Stage::Opening { until, .. } => Some(*until),
            Stage::Running(running) => {
                let abandoned = self.abandoned.filter(|_| running.machine.is_pending());
                [running.machine.next(), abandoned].into_iter().flatten().min()
            }
            Stage::Failed(_) => Some(now),
        }
    }
}

impl Endpoint {
    /// Nobody waits for this transaction any more; whatever it was, it ends here.
    pub(crate) fn forget_client(&mut self, id: u64) {
        self.drop_client(id);
    }

    /// The user of this transaction has gone; a response is still dealt with until then.
    pub(crate) fn leave_client(&mut self, now: Instant, id: u64, until: Instant) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.abandoned = Some(until);
            self.reschedule_client(now, id);
        }
    }

    /// Starts a request; the number names its transaction.
    pub(crate) fn send(&mut self, now: Instant, outgoing: Outgoing) -> u64 {
        let Outgoing { user, identity, mut request, contact, hop } = outgoing;
        self.decorate(identity, &mut request);
        self.next_client += 1;
        let id = self.next_client;
        let mut client = ClientTransaction {
            user,
            identity,
            request,
            contact,
            place: None,
            targets: VecDeque::new(),
            challenges: 0,
            tried_tcp: false,
            abandoned: None,
            stage: Stage::Locating { until: now + self.config.t1 * 64 },
        };
        let pinned = match hop {
            Hop::Via(flow, address) if self.flows.get(&flow).is_some_and(|f| f.local.is_some()) => {
                Some((flow, address))
            }
            _ => None,
        };
        if let Some((flow, address)) = pinned {
            self.clients.insert(id, client);
            self.launch(now, id, flow, address);
            return id;
        }
        let place = match (hop, &client.request) {
            (Hop::Server, request) => self.server_place(identity, request),
            (_, request) => match request.headers.route().first() {
                Some(route) => self.uri_place(identity, &route.uri),
                None => self.uri_place(identity, &request.uri),
            },
        };
        client.place = place.clone();
        self.clients.insert(id, client);
        let Some(place) = place else {
            self.fail(now, id, Failure { status: 503, reason: "No Route" });
            return id;
        };
        match self.locations.locate(now, &place, id) {
            Located::Targets(targets) => {
                if hop == Hop::Server {
                    self.learn_sources(identity, &targets);
                }
                self.located(now, id, &place, &targets);
            }
            Located::Waiting(questions) => {
                for (id, query) in questions {
                    self.outputs.push_back(Output::Resolve { id, query });
                }
                self.reschedule_client(now, id);
            }
        }
        id
    }

    pub(crate) fn resolved(&mut self, now: Instant, id: ResolveId, answer: Answer) {
        let Progress { ask, done } = self.locations.answered(now, id, answer, &mut self.chance);
        for (id, query) in ask {
            self.outputs.push_back(Output::Resolve { id, query });
        }
        if let Some((place, targets, waiting)) = done {
            for client in waiting {
                let Some(transaction) = self.clients.get(&client) else { continue };
                let identity = transaction.identity;
                let outside = self.server_place(identity, &transaction.request).as_ref() == Some(&place);
                if outside {
                    self.learn_sources(identity, &targets);
                }
                self.located(now, client, &place, &targets);
            }
        }
    }

    /// Removes a transaction that has not reached the network yet. False: it has.
    pub(crate) fn withdraw(&mut self, id: u64) -> bool {
        match self.clients.get(&id) {
            Some(ClientTransaction { stage: Stage::Running(_), .. }) => false,
            Some(_) => {
                self.drop_client(id);
                true
            }
            None => true,
        }
    }

    /// CANCEL for an INVITE of ours (section 9.1): same Via, Request-URI, tags and number.
    pub(crate) fn cancel(&mut self, now: Instant, invite: u64, reason: Option<&str>) {
        let Some(client) = self.clients.get(&invite) else { return };
        let Stage::Running(running) = &client.stage else { return };
        let mut request = Request::new(Method::Cancel, running.sent.uri.clone());
        let from = &running.sent.headers;
        let number = from.cseq().map_or(1, |c| c.number);
        request.headers.push("Via", from.first("Via").unwrap_or_default());
        for route in from.all("Route") {
            request.headers.push("Route", route);
        }
        request.headers.push("Max-Forwards", "70");
        for name in ["From", "To", "Call-ID"] {
            request.headers.push(name, from.first(name).unwrap_or_default());
        }
        request.headers.push("CSeq", CSeq { number, method: Method::Cancel }.to_string());
        if let Some(reason) = reason {
            request.headers.push("Reason", reason);
        }
        request.headers.push("User-Agent", self.config.user_agent.as_str());
        let (flow, remote) = (running.flow, running.remote);
        let (branch, sent_by) = (running.branch.clone(), running.sent_by.clone());
        let identity = client.identity;
        let bytes = request.to_bytes();
        let running = Running {
            machine: Client::new(now, self.timing(flow), false),
            flow,
            remote,
            branch: branch.clone(),
            sent_by,
            sent: request.clone(),
            bytes: bytes.clone(),
            ack: None,
        };
        self.next_client += 1;
        let id = self.next_client;
        let client = ClientTransaction {
            user: User::Nobody,
            identity,
            request,
            contact: ContactUse::Without,
            place: None,
            targets: VecDeque::new(),
            challenges: MAX_CHALLENGES,
            tried_tcp: true,
            abandoned: None,
            stage: Stage::Running(Box::new(running)),
        };
        self.clients.insert(id, client);
        self.client_by_branch.insert((branch, true), id);
        self.transmit(flow, remote, bytes);
        self.reschedule_client(now, id);
    }

    pub(crate) fn response_received(&mut self, now: Instant, flow: FlowId, remote: SocketAddr, response: Response) {
        let vias = response.headers.vias();
        let (Some(via), Some(cseq), 1) = (vias.first(), response.headers.cseq(), vias.len()) else {
            // section 8.1.3.3: more than one Via is not for us
            self.protest(flow, remote, "response that is not for us");
            return;
        };
        let branch = via.branch().unwrap_or_default().to_owned();
        let found = self.client_by_branch.get(&(branch, cseq.method == Method::Cancel)).copied();
        let Some((id, client)) = found.and_then(|id| self.clients.get_mut(&id).map(|c| (id, c))) else {
            self.protest(flow, remote, "response that matches no transaction");
            return;
        };
        let user = client.user;
        let Stage::Running(running) = &mut client.stage else { return };
        let ours = running.sent_by.0.equivalent(&via.host) && running.sent_by.1 == via.port;
        if !ours || running.sent.method != cseq.method {
            self.protest(flow, remote, "response with a Via that is not ours");
            return;
        }
        let received = running.machine.receive(now, response.status);
        match received {
            Received::Absorb => return,
            Received::Ack | Received::AckAndPass => {
                let ack = match &running.ack {
                    Some(ack) => ack.clone(),
                    None => ack_of_refusal(&running.sent, &response),
                };
                running.ack = Some(ack.clone());
                let (flow, remote) = (running.flow, running.remote);
                self.transmit(flow, remote, ack);
            }
            Received::Pass => {}
        }
        self.reschedule_client(now, id);
        if received == Received::Ack {
            return;
        }
        if let User::Registration(identity) = user {
            self.learn_address(identity, via, flow);
        }
        match response.status {
            401 | 407 if self.answer_challenge(now, id, &response) => {}
            503 if self.after_503(now, id) => {}
            _ => self.deliver(now, id, user, Ok(response)),
        }
    }

    pub(crate) fn client_timeout(&mut self, now: Instant, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let user = client.user;
        let abandoned = client.abandoned.is_some_and(|at| at <= now);
        match &mut client.stage {
            Stage::Running(running) if abandoned && running.machine.is_pending() => self.drop_client(id),
            Stage::Failed(failure) => {
                let failure = *failure;
                self.drop_client(id);
                self.deliver(now, id, user, Err(failure));
            }
            Stage::Locating { until } if *until <= now => self.next_target(now, id, timed_out()),
            Stage::Opening { flow, target, until } if *until <= now => {
                let (flow, target) = (*flow, *target);
                self.target_failed(now, id, target);
                if self.flows.get(&flow).is_some_and(|f| f.local.is_none()) {
                    self.close_flow(flow);
                }
                self.next_target(now, id, timed_out());
            }
            Stage::Running(running) => match running.machine.expire(now) {
                Some(Expired::Retransmit) => {
                    let (flow, remote, bytes) = (running.flow, running.remote, running.bytes.clone());
                    self.transmit(flow, remote, bytes);
                    self.reschedule_client(now, id);
                }
                Some(Expired::Ended) => self.drop_client(id),
                Some(Expired::TimedOut) => {
                    let address = running.remote;
                    let transport = self.flows.get(&running.flow).map_or(Transport::Udp, |f| f.transport);
                    self.target_failed(now, id, Target { transport, address });
                    self.next_target(now, id, timed_out());
                }
                None => self.reschedule_client(now, id),
            },
            _ => self.reschedule_client(now, id),
        }
    }

    pub(crate) fn clients_of_open_flow(&mut self, now: Instant, flow: FlowId) {
        let mut waiting: Vec<(u64, SocketAddr)> = self
            .clients
            .iter()
            .filter_map(|(id, client)| match &client.stage {
                Stage::Opening { flow: f, target, .. } if *f == flow => Some((*id, target.address)),
                _ => None,
            })
            .collect();
        waiting.sort_unstable_by_key(|(id, _)| *id);
        for (id, address) in waiting {
            self.launch(now, id, flow, address);
        }
    }

    pub(crate) fn clients_of_lost_flow(&mut self, now: Instant, flow: FlowId, error: &FlowError) {
        let mut lost: Vec<(u64, Target)> = Vec::new();
        for (id, client) in &self.clients {
            match &client.stage {
                Stage::Opening { flow: f, target, .. } if *f == flow => lost.push((*id, *target)),
                Stage::Running(r) if r.flow == flow && r.machine.is_pending() => {
                    lost.push((*id, Target { transport: Transport::Udp, address: r.remote }));
                }
                _ => {}
            }
        }
        lost.sort_unstable_by_key(|(id, _)| *id);
        let failure = match error {
            FlowError::TimedOut => timed_out(),
            _ => Failure { status: 503, reason: "Transport Error" },
        };
        for (id, target) in lost {
            self.target_failed(now, id, target);
            self.next_target(now, id, failure);
        }
    }

    pub(crate) fn timing(&self, flow: FlowId) -> Timing {
        let reliable = self.flows.get(&flow).is_some_and(crate::flow::Flow::is_stream);
        Timing { t1: self.config.t1, reliable }
    }

    // Private from here.

    fn located(&mut self, now: Instant, id: u64, place: &Place, targets: &[SocketAddr]) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.targets = targets.iter().map(|a| Target { transport: place.transport, address: *a }).collect();
        self.next_target(now, id, Failure { status: 503, reason: "Address Not Found" });
    }

    /// Goes on with the next address, or fails.
    fn next_target(&mut self, now: Instant, id: u64, failure: Failure) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if let Stage::Running(running) = &client.stage {
            let key = (running.branch.clone(), client.request.method == Method::Cancel);
            self.client_by_branch.remove(&key);
        }
        let Some(target) = client.targets.pop_front() else { return self.fail(now, id, failure) };
        let trial = client.tried_tcp && target.transport == Transport::Tcp && !client.targets.is_empty();
        let wait = if trial { TCP_TRIAL } else { self.config.t1 * 64 };
        let identity = client.identity;
        let server_name = client.place.as_ref().map(|p| p.host.clone()).unwrap_or_default();
        let flow = self.flow_to(identity, target.transport, target.address, &server_name);
        if self.flows.get(&flow).is_some_and(|f| f.local.is_some()) {
            return self.launch(now, id, flow, target.address);
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.stage = Stage::Opening { flow, target, until: now + wait };
        }
        self.reschedule_client(now, id);
    }

    /// The flow is up: write Via, Contact and credentials, and send.
    fn launch(&mut self, now: Instant, id: u64, flow: FlowId, remote: SocketAddr) {
        let (Some(local), Some(transport)) = (self.shown_address(flow), self.flows.get(&flow).map(|f| f.transport))
        else {
            return;
        };
        let Some(client) = self.clients.get(&id) else { return };
        let (user, identity, mut request) = (client.user, client.identity, client.request.clone());
        match &client.contact {
            ContactUse::Without => {}
            ContactUse::Plain => {
                if let Some(contact) = self.contact(identity, flow) {
                    request.headers.push("Contact", contact.to_string());
                }
            }
            ContactUse::Register { expires, bound } => {
                let contact = self.contact(identity, flow);
                // an address that is not ours any more is withdrawn in the same request
                let now_at = contact.as_ref().map(|c| c.uri.to_string());
                if let Some(bound) = bound.as_ref().filter(|b| now_at.as_ref() != Some(*b)) {
                    request.headers.push("Contact", format!("<{bound}>;expires=0"));
                }
                if let Some(mut contact) = contact {
                    contact.set_param("expires", Some(&expires.to_string()));
                    request.headers.push("Contact", contact.to_string());
                }
                request.headers.push("Expires", expires.to_string());
            }
        }
        let (tried_tcp, alone) = (client.tried_tcp, client.place.is_none());
        let cnonce = self.chance.token();
        if request.method != Method::Ack
            && let Some(known) = identity.and_then(|i| self.identities.get_mut(&i))
            && let Some(credentials) = &known.config.credentials
        {
            known.auth.authorize(&mut request, credentials, &cnonce);
        }
        let branch = self.chance.branch();
        let host = Host::Ip(local.ip());
        let mut via = Via {
            transport: word(transport).0.to_owned(),
            host: host.clone(),
            port: Some(local.port()),
            params: Vec::new(),
        };
        via.set_param("rport", None);
        via.set_param("branch", Some(&branch));
        request.headers.push_front("Via", via.to_string());
        let bytes = request.to_bytes();
        if transport == Transport::Udp && bytes.len() > MAX_DATAGRAM && !tried_tcp && !alone {
            let refused = self.no_tcp.get(&remote).is_some_and(|until| *until > now);
            if let Some(client) = self.clients.get_mut(&id)
                && !refused
            {
                client.tried_tcp = true;
                client.targets.push_front(Target { transport: Transport::Udp, address: remote });
                client.targets.push_front(Target { transport: Transport::Tcp, address: remote });
                return self.next_target(now, id, timed_out());
            }
        }
        self.transmit(flow, remote, bytes.clone());
        match user {
            User::Ack(session) => {
                self.drop_client(id);
                self.ack_sent(session, &request, flow, remote, bytes);
                return;
            }
            User::Nobody if request.method == Method::Ack => {
                self.drop_client(id);
                return;
            }
            User::Registration(identity) => {
                if let Some(known) = self.identities.get_mut(&identity) {
                    known.flow = Some(flow);
                }
            }
            _ => {}
        }
        let machine = Client::new(now, self.timing(flow), request.method == Method::Invite);
        let running = Running {
            machine,
            flow,
            remote,
            branch: branch.clone(),
            sent_by: (host, Some(local.port())),
            sent: request,
            bytes,
            ack: None,
        };
        if let Some(client) = self.clients.get_mut(&id) {
            client.stage = Stage::Running(Box::new(running));
        }
        self.client_by_branch.insert((branch, false), id);
        self.reschedule_client(now, id);
    }

    /// Sends the request again with the answer to the challenge. False: there is no answer.
    fn answer_challenge(&mut self, now: Instant, id: u64, response: &Response) -> bool {
        let Some(client) = self.clients.get(&id) else { return false };
        let Stage::Running(running) = &client.stage else { return false };
        let (user, challenges) = (client.user, client.challenges);
        let most = if matches!(user, User::Subscription(_)) { 1 } else { MAX_CHALLENGES };
        if self.wants_no_retry(user) {
            return false;
        }
        let Some(known) = client.identity.and_then(|i| self.identities.get_mut(&i)) else { return false };
        let Some(credentials) = &known.config.credentials else { return false };
        // read even when it is one too many: the next request uses the new nonce
        if known.auth.challenged(&running.sent, response, credentials) != ChallengeOutcome::Retry {
            return false;
        }
        if challenges >= most {
            return false;
        }
        let (flow, remote) = (running.flow, running.remote);
        let old = running.sent.headers.cseq().map_or(1, |c| c.number);
        let mut request = client.request.clone();
        let next = ClientTransaction {
            user,
            identity: client.identity,
            contact: client.contact.clone(),
            place: client.place.clone(),
            targets: VecDeque::new(),
            challenges: challenges + 1,
            tried_tcp: client.tried_tcp,
            abandoned: None,
            stage: Stage::Locating { until: now + self.config.t1 * 64 },
            request: Request::new(Method::Ack, request.uri.clone()),
        };
        let number = self.next_number(user, old);
        let method = request.method.clone();
        request.headers.set("CSeq", CSeq { number, method }.to_string());
        self.next_client += 1;
        let new = self.next_client;
        if let Some(client) = self.clients.get_mut(&id) {
            client.user = User::Nobody;
        }
        self.clients.insert(new, ClientTransaction { request, ..next });
        self.client_moved(user, id, new);
        match self.flows.contains_key(&flow) {
            true => self.launch(now, new, flow, remote),
            false => self.fail(now, new, Failure { status: 503, reason: "Transport Error" }),
        }
        true
    }

    /// 503: the next address, if there is one (RFC 3263 section 4.3).
    fn after_503(&mut self, now: Instant, id: u64) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        if client.targets.is_empty() || matches!(client.user, User::Nobody) {
            return false;
        }
        let user = client.user;
        let next = ClientTransaction {
            user,
            identity: client.identity,
            request: client.request.clone(),
            contact: client.contact.clone(),
            place: client.place.clone(),
            targets: std::mem::take(&mut client.targets),
            challenges: 0,
            tried_tcp: client.tried_tcp,
            abandoned: None,
            stage: Stage::Locating { until: now + self.config.t1 * 64 },
        };
        let failed = match &client.stage {
            Stage::Running(r) => Some(Target { transport: Transport::Udp, address: r.remote }),
            _ => None,
        };
        client.user = User::Nobody;
        if let Some(target) = failed {
            self.target_failed(now, id, target);
        }
        self.next_client += 1;
        let new = self.next_client;
        self.clients.insert(new, next);
        self.client_moved(user, id, new);
        self.next_target(now, new, Failure { status: 503, reason: "Service Unavailable" });
        true
    }

    fn target_failed(&mut self, now: Instant, id: u64, target: Target) {
        let Some(client) = self.clients.get(&id) else { return };
        if let Some(place) = &client.place {
            self.locations.failed(place, target.address);
        }
        if client.tried_tcp && target.transport == Transport::Tcp && self.no_tcp.len() < 64 {
            self.no_tcp.insert(target.address, now + NO_TCP);
        }
        self.no_tcp.retain(|_, until| *until > now);
    }

    fn fail(&mut self, now: Instant, id: u64, failure: Failure) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.stage = Stage::Failed(failure);
            self.reschedule_client(now, id);
        }
    }

    fn drop_client(&mut self, id: u64) {
        self.schedule.set(Owner::Client(id), None);
        let Some(client) = self.clients.remove(&id) else { return };
        if let Stage::Running(running) = client.stage {
            self.client_by_branch.remove(&(running.branch, client.request.method == Method::Cancel));
        }
    }

    fn reschedule_client(&mut self, now: Instant, id: u64) {
        let next = self.clients.get(&id).and_then(|c| c.next(now));
        self.schedule.set(Owner::Client(id), next);
    }

    fn learn_sources(&mut self, identity: Option<IdentityId>, targets: &[SocketAddr]) {
        if let Some(known) = identity.and_then(|i| self.identities.get_mut(&i)) {
            known.know(targets.iter().map(SocketAddr::ip));
        }
    }

    /// Our address as the server wrote it into our Via (RFC 3581 section 4).
    fn learn_address(&mut self, identity: IdentityId, via: &Via, flow: FlowId) {
        let Some(local) = self.shown_address(flow) else { return };
        let ip = via.received().unwrap_or(local.ip());
        let port = via.rport().unwrap_or(local.port());
        let stream_of_server = self.flows.get(&flow).is_some_and(crate::flow::Flow::is_stream)
            && self.flows.values().any(|f| f.kind == Kind::Listening);
        if let Some(known) = self.identities.get_mut(&identity)
            && !stream_of_server
        {
            known.public = Some(SocketAddr::new(ip, port));
        }
    }

    fn deliver(&mut self, now: Instant, id: u64, user: User, result: Result<Response, Failure>) {
        if let Ok(response) = &result
            && response.status < 200
            && !matches!(user, User::Session(_))
        {
            return;
        }
        match user {
            User::Session(session) => self.invite_response(now, session, id, result),
            User::Bye(session) => self.bye_done(now, session),
            User::Info(session) => self.info_done(now, session, &result),
            User::Registration(identity) => self.register_response(now, identity, id, result),
            User::Subscription(subscription) => self.subscribe_response(now, subscription, id, result),
            User::Notifier(notifier) => self.notify_response(now, notifier, id, result),
            User::Request(request) => {
                if self.requests_out.remove(&request).is_some() {
                    let result = match result {
                        Ok(response) => Ok(Box::new(response)),
                        Err(f) => Err(crate::Ended::Failed { status: f.status, reason: f.reason.to_owned() }),
                    };
                    self.outputs.push_back(Output::Event(Event::Response { id: request, result }));
                }
            }
            User::Ack(_) | User::Nobody => {}
        }
    }
}

const fn timed_out() -> Failure {
    Failure { status: 408, reason: "Request Timeout" }
}

/// ACK of a 300 to 699 (section 17.1.1.3).
fn ack_of_refusal(invite: &Request, response: &Response) -> Vec<u8> {
    let mut ack = Request::new(Method::Ack, invite.uri.clone());
    let number = invite.headers.cseq().map_or(1, |c| c.number);
    ack.headers.push("Via", invite.headers.first("Via").unwrap_or_default());
    for route in invite.headers.all("Route") {
        ack.headers.push("Route", route);
    }
    ack.headers.push("Max-Forwards", "70");
    ack.headers.push("From", invite.headers.first("From").unwrap_or_default());
    ack.headers.push("To", response.headers.first("To").unwrap_or_default());
    ack.headers.push("Call-ID", invite.headers.first("Call-ID").unwrap_or_default());
    ack.headers.push("CSeq", CSeq { number, method: Method::Ack }.to_string());
    ack.to_bytes()
}
