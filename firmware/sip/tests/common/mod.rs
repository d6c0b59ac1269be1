//! A pretend network in virtual time: endpoints, scripted peers, delay, loss, duplication and reordering.
#![allow(dead_code, unreachable_pub, clippy::needless_pass_by_value)]

use offhook_sip::auth::{Credentials, Password, Secret, ServerAuth, Verdict};
use offhook_sip::*;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

pub const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

pub fn sdp(mark: &str) -> Option<Body> {
    Some(Body { content_type: "application/sdp".into(), bytes: format!("{SDP}a=x:{mark}\r\n").into_bytes() })
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn config() -> EndpointConfig {
    EndpointConfig {
        user_agent: "test".into(),
        allow: vec![
            Method::Invite,
            Method::Ack,
            Method::Bye,
            Method::Cancel,
            Method::Options,
            Method::Info,
            Method::Update,
            Method::Notify,
        ],
        accept: vec!["application/sdp".into()],
        allow_events: vec!["dialog".into(), "message-summary".into()],
        server: false,
        t1: ms(500),
    }
}

pub fn server_config() -> EndpointConfig {
    let mut config = config();
    config.server = true;
    config.allow.extend([Method::Register, Method::Message, Method::Subscribe]);
    config
}

pub fn identity(user: &str, domain: &str) -> IdentityConfig {
    IdentityConfig {
        aor: Uri::sip(user, domain).unwrap(),
        display_name: None,
        caller_id: None,
        credentials: Some(Credentials {
            username: user.into(),
            secret: Secret::Password(Password::new(format!("pw-{user}"))),
        }),
        transport: Transport::Udp,
        server: None,
        outbound_proxy: None,
        local_port: LocalPort::Any,
        forced_contact: None,
        contact_external: false,
        expires: 600,
        keep_alive: None,
        headers: Vec::new(),
        only_known_sources: false,
        announce_registration: false,
    }
}

#[derive(Debug)]
enum Delivery {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Stream { end: usize, flow: FlowId, from: SocketAddr, bytes: Vec<u8> },
    State { end: usize, flow: FlowId, state: FlowState },
    Accept { end: usize, flow: FlowId, local: SocketAddr, remote: SocketAddr },
    Resolved { end: usize, id: ResolveId, answer: Answer },
}

#[derive(Debug)]
struct Socket {
    transport: Transport,
    local: SocketAddr,
    /// other end of a stream
    peer: Option<(usize, FlowId, SocketAddr)>,
}

pub struct End {
    pub endpoint: Endpoint,
    pub ip: IpAddr,
    pub events: VecDeque<Event>,
    sockets: BTreeMap<FlowId, Socket>,
    next_port: u16,
    next_odd: u64,
    pub registrar: Option<Registrar>,
}

pub struct World {
    pub start: Instant,
    pub now: Instant,
    pub ends: Vec<End>,
    queue: BTreeMap<(Instant, u64), Delivery>,
    sequence: u64,
    /// per mille
    pub loss: u64,
    pub duplication: u64,
    /// nothing from this address arrives
    pub muted: Option<IpAddr>,
    /// extra delay of up to this, which reorders
    pub jitter: Duration,
    pub delay: Duration,
    chance: u64,
    /// what was sent to an address that nobody has
    pub raw: VecDeque<(SocketAddr, SocketAddr, Message)>,
    pub dns: Vec<(Query, Answer)>,
    pub asked: Vec<Query>,
    /// every datagram that was sent: time, from, to, first line
    pub trace: Vec<(Instant, SocketAddr, SocketAddr, String)>,
    /// remote addresses that refuse connections
    pub no_tcp: Vec<SocketAddr>,
}

impl World {
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            now,
            ends: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            loss: 0,
            duplication: 0,
            muted: None,
            jitter: Duration::ZERO,
            delay: ms(5),
            chance: 0x9e37_79b9_7f4a_7c15,
            raw: VecDeque::new(),
            dns: Vec::new(),
            asked: Vec::new(),
            trace: Vec::new(),
            no_tcp: Vec::new(),
        }
    }

    pub fn seed(&mut self, seed: u64) {
        self.chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }

    pub fn random(&mut self, bound: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 11) % bound.max(1)
    }

    pub fn add(&mut self, ip: &str, config: EndpointConfig) -> usize {
        let at = self.ends.len();
        self.ends.push(End {
            endpoint: Endpoint::new(config, 1000 + at as u64),
            ip: ip.parse().unwrap(),
            events: VecDeque::new(),
            sockets: BTreeMap::new(),
            next_port: 40_000,
            next_odd: 1,
            registrar: None,
        });
        at
    }

    pub fn listen(&mut self, end: usize, transport: Transport, port: u16) -> FlowId {
        let local = SocketAddr::new(self.ends[end].ip, port);
        let flow = FlowId(self.ends[end].next_odd);
        self.ends[end].next_odd += 2;
        self.ends[end].sockets.insert(flow, Socket { transport, local, peer: None });
        let now = self.now;
        self.ends[end].endpoint.handle(now, Input::Listening { flow, transport, local });
        flow
    }

    /// Does something with an endpoint and performs what it wants.
    pub fn with<T>(&mut self, end: usize, act: impl FnOnce(&mut Endpoint, Instant) -> T) -> T {
        let now = self.now;
        let result = act(&mut self.ends[end].endpoint, now);
        self.drain(end);
        result
    }

    fn post(&mut self, after: Duration, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), delivery);
    }

    fn drain(&mut self, end: usize) -> Option<Instant> {
        loop {
            match self.ends[end].endpoint.poll() {
                Output::Timeout(at) => return at,
                Output::Event(event) => {
                    if let (Event::Request { id, request, source, flow }, true) =
                        (&event, self.ends[end].registrar.is_some())
                    {
                        let (id, source, flow) = (*id, *source, *flow);
                        let now = self.now;
                        let registrar = self.ends[end].registrar.as_mut().unwrap();
                        let response = registrar.answer(now, request, source, flow);
                        self.ends[end].endpoint.respond(now, id, response).unwrap();
                    }
                    self.ends[end].events.push_back(event);
                }
                Output::Open { flow, transport, remote, local_port, .. } => {
                    self.open(end, flow, transport, remote, local_port);
                }
                Output::Close { flow } => self.close(end, flow),
                Output::Transmit { flow, remote, bytes } => self.transmit(end, flow, remote, bytes),
                Output::Resolve { id, query } => {
                    self.asked.push(query.clone());
                    let answer = self.dns.iter().find(|(q, _)| *q == query).map_or(Answer::Nothing, |(_, a)| a.clone());
                    self.post(ms(3), Delivery::Resolved { end, id, answer });
                }
            }
        }
    }

    fn open(&mut self, end: usize, flow: FlowId, transport: Transport, remote: SocketAddr, port: LocalPort) {
        let port = match port {
            LocalPort::Fixed(port) => port,
            LocalPort::Any => {
                self.ends[end].next_port += 1;
                self.ends[end].next_port
            }
        };
        let local = SocketAddr::new(self.ends[end].ip, port);
        if transport == Transport::Udp {
            self.ends[end].sockets.insert(flow, Socket { transport, local, peer: None });
            return self.post(Duration::ZERO, Delivery::State { end, flow, state: FlowState::Up { local } });
        }
        let server = (0..self.ends.len()).find(|e| {
            self.ends[*e].sockets.values().any(|s| s.transport == transport && s.local == remote && s.peer.is_none())
        });
        let Some(server) = server.filter(|_| !self.no_tcp.contains(&remote)) else {
            let state = FlowState::Down(FlowError::Refused);
            return self.post(ms(5), Delivery::State { end, flow, state });
        };
        let theirs = FlowId(self.ends[server].next_odd);
        self.ends[server].next_odd += 2;
        self.ends[end].sockets.insert(flow, Socket { transport, local, peer: Some((server, theirs, remote)) });
        self.ends[server].sockets.insert(theirs, Socket { transport, local: remote, peer: Some((end, flow, local)) });
        self.post(ms(5), Delivery::Accept { end: server, flow: theirs, local: remote, remote: local });
        self.post(ms(5), Delivery::State { end, flow, state: FlowState::Up { local } });
    }

    pub fn close(&mut self, end: usize, flow: FlowId) {
        let Some(socket) = self.ends[end].sockets.remove(&flow) else { return };
        if let Some((peer, theirs, _)) = socket.peer {
            self.ends[peer].sockets.remove(&theirs);
            let state = FlowState::Down(FlowError::ClosedByPeer);
            self.post(ms(5), Delivery::State { end: peer, flow: theirs, state });
        }
    }

    /// The socket breaks: its owner is told.
    pub fn break_flow(&mut self, end: usize, flow: FlowId, error: FlowError) {
        self.close(end, flow);
        let now = self.now;
        self.ends[end].endpoint.handle(now, Input::Flow { flow, state: FlowState::Down(error) });
        self.drain(end);
    }

    pub fn flows(&self, end: usize, transport: Transport) -> Vec<FlowId> {
        self.ends[end].sockets.iter().filter(|(_, s)| s.transport == transport).map(|(f, _)| *f).collect()
    }

    fn transmit(&mut self, end: usize, flow: FlowId, remote: SocketAddr, bytes: Vec<u8>) {
        let Some(socket) = self.ends[end].sockets.get(&flow) else { return };
        let line = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
        let (from, peer, transport) = (socket.local, socket.peer, socket.transport);
        self.trace.push((self.now, from, remote, line));
        match (transport, peer) {
            (Transport::Udp, _) => self.datagram(from, remote, bytes),
            (_, Some((peer, flow, _))) => self.post(self.delay, Delivery::Stream { end: peer, flow, from, bytes }),
            _ => {}
        }
    }

    pub fn datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.random(1000) < self.loss || self.muted == Some(from.ip()) {
            return;
        }
        let copies = if self.random(1000) < self.duplication { 2 } else { 1 };
        for _ in 0..copies {
            let extra = ms(self.random(self.jitter.as_millis() as u64 + 1));
            let bytes = bytes.clone();
            self.post(self.delay + extra, Delivery::Datagram { from, to, bytes });
        }
    }

    /// A scripted peer sends.
    pub fn send_raw(&mut self, from: &str, to: SocketAddr, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        self.datagram(from.parse().unwrap(), to, text.into_bytes());
    }

    /// Runs until nothing happens before `until` any more.
    pub fn run_until(&mut self, until: Instant) {
        let mut last = (self.now, 0_u32);
        loop {
            let mut next: Option<(Instant, Option<usize>)> = None;
            for end in 0..self.ends.len() {
                if let Some(at) = self.drain(end) {
                    let at = at.max(self.now);
                    if next.is_none_or(|(n, _)| at < n) {
                        next = Some((at, Some(end)));
                    }
                }
            }
            if let Some(((at, _), _)) = self.queue.first_key_value()
                && next.is_none_or(|(n, _)| *at <= n)
            {
                next = Some((*at, None));
            }
            let Some((at, which)) = next.filter(|(at, _)| *at <= until) else { break };
            last = if last.0 == at { (at, last.1 + 1) } else { (at, 0) };
            assert!(last.1 < 20_000, "time stands still");
            self.now = at;
            match which {
                Some(end) => {
                    self.ends[end].endpoint.handle(at, Input::Timeout);
                    if let Some(next) = self.drain(end) {
                        assert!(next > at, "a timeout is due again at once");
                    }
                }
                None => {
                    let (_, delivery) = self.queue.pop_first().unwrap();
                    self.deliver(delivery);
                }
            }
        }
        self.now = until;
    }

    pub fn run(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        match delivery {
            Delivery::Datagram { from, to, bytes } => {
                let found = (0..self.ends.len()).find_map(|e| {
                    let flow = self.ends[e]
                        .sockets
                        .iter()
                        .find(|(_, s)| s.transport == Transport::Udp && s.local == to)
                        .map(|(f, _)| *f);
                    flow.map(|f| (e, f))
                });
                match found {
                    Some((end, flow)) => {
                        self.ends[end].endpoint.handle(now, Input::Received { flow, remote: from, bytes: &bytes });
                        self.drain(end);
                    }
                    None => {
                        if let Ok(message) = Message::parse(&bytes) {
                            self.raw.push_back((from, to, message));
                        }
                    }
                }
            }
            Delivery::Stream { end, flow, from, bytes } => {
                if self.ends[end].sockets.contains_key(&flow) {
                    self.ends[end].endpoint.handle(now, Input::Received { flow, remote: from, bytes: &bytes });
                    self.drain(end);
                }
            }
            Delivery::State { end, flow, state } => {
                self.ends[end].endpoint.handle(now, Input::Flow { flow, state });
                self.drain(end);
            }
            Delivery::Accept { end, flow, local, remote } => {
                let transport = Transport::Tcp;
                self.ends[end].endpoint.handle(now, Input::Accepted { flow, transport, local, remote });
                self.drain(end);
            }
            Delivery::Resolved { end, id, answer } => {
                self.ends[end].endpoint.handle(now, Input::Resolved { id, answer });
                self.drain(end);
            }
        }
    }

    pub fn take(&mut self, end: usize) -> Vec<Event> {
        self.ends[end].events.drain(..).collect()
    }

    /// The next datagram for a scripted peer.
    pub fn raw_request(&mut self, method: Method) -> Request {
        while let Some((_, _, message)) = self.raw.pop_front() {
            if let Message::Request(request) = message
                && request.method == method
            {
                return request;
            }
        }
        panic!("no {method:?} came");
    }

    pub fn raw_statuses(&mut self) -> Vec<u16> {
        self.raw
            .drain(..)
            .filter_map(|(_, _, m)| match m {
                Message::Response(r) => Some(r.status),
                Message::Request(_) => None,
            })
            .collect()
    }

    /// First lines sent since `from`, that begin with `word`.
    pub fn sent(&self, word: &str) -> usize {
        self.trace.iter().filter(|t| t.3.starts_with(word)).count()
    }
}

/// A small registrar with digest.
pub struct Registrar {
    pub auth: ServerAuth,
    pub bindings: HashMap<String, (Uri, FlowId, SocketAddr)>,
    /// shorter times are refused with 423
    pub least: u32,
    /// status for every REGISTER instead, with these headers
    pub refuse: Option<(u16, Vec<(&'static str, &'static str)>)>,
    pub seen: Vec<(Instant, Request)>,
}

impl Registrar {
    pub fn new() -> Self {
        Self {
            auth: ServerAuth::new("test", [7; 32], Duration::from_secs(300)),
            bindings: HashMap::new(),
            least: 0,
            refuse: None,
            seen: Vec::new(),
        }
    }

    fn answer(&mut self, now: Instant, request: &Request, source: SocketAddr, flow: FlowId) -> Response {
        self.seen.push((now, request.clone()));
        if let Some((status, headers)) = &self.refuse {
            let mut response = Response::to(request, *status, None);
            for (name, value) in headers {
                response.headers.push(name, *value);
            }
            return response;
        }
        if request.method != Method::Register {
            return Response::to(request, 200, None);
        }
        let verdict = self.auth.verify(now, request, |user| Some(Password::new(format!("pw-{user}"))));
        let Verdict::Accepted { username } = verdict else {
            let mut response = Response::to(request, 401, None);
            for challenge in self.auth.challenges(now, verdict == Verdict::Stale) {
                response.headers.push("WWW-Authenticate", challenge);
            }
            return response;
        };
        let mut response = Response::to(request, 200, None);
        let expires = request.headers.expires().unwrap_or(3600);
        if expires > 0 && expires < self.least {
            let mut response = Response::to(request, 423, None);
            response.headers.push("Min-Expires", self.least.to_string());
            return response;
        }
        for contact in request.headers.contacts() {
            if contact.param("expires") == Some("0") || expires == 0 {
                self.bindings.remove(&username);
            } else {
                response.headers.push("Contact", format!("<{}>;expires={expires}", contact.uri));
                self.bindings.insert(username.clone(), (contact.uri, flow, source));
            }
        }
        response
    }
}

/// Two endpoints without registrar that know each other's address.
pub struct Pair {
    pub world: World,
    pub alice: usize,
    pub bob: usize,
    pub from: IdentityId,
    pub bob_identity: IdentityId,
}

pub fn pair() -> Pair {
    let mut world = World::new();
    let alice = world.add("10.0.0.1", config());
    let bob = world.add("10.0.0.2", config());
    world.listen(alice, Transport::Udp, 5060);
    world.listen(bob, Transport::Udp, 5060);
    let now = world.now;
    let from = world.ends[alice].endpoint.add_identity(now, identity("alice", "10.0.0.1"));
    let bob_identity = world.ends[bob].endpoint.add_identity(now, identity("bob", "10.0.0.2"));
    Pair { world, alice, bob, from, bob_identity }
}

impl Pair {
    pub fn call(&mut self) -> SessionId {
        self.call_with(sdp("offer"))
    }

    pub fn call_with(&mut self, offer: Option<Body>) -> SessionId {
        let (alice, from) = (self.alice, self.from);
        let target = Uri::sip("bob", "10.0.0.2").unwrap();
        self.world.with(alice, |e, now| e.invite(now, from, target, offer, Headers::new()).unwrap())
    }

    /// The session at Bob's.
    pub fn incoming(&mut self) -> SessionId {
        let bob = self.bob;
        self.world
            .take(bob)
            .iter()
            .find_map(|e| match e {
                Event::Incoming { session, .. } => Some(*session),
                _ => None,
            })
            .expect("no INVITE came")
    }

    /// A confirmed call: Alice's session, Bob's session.
    pub fn talk(&mut self) -> (SessionId, SessionId) {
        let call = self.call();
        self.world.run(ms(50));
        let called = self.incoming();
        let bob = self.bob;
        self.world.with(bob, |e, now| e.answer(now, called, sdp("answer")).unwrap());
        self.world.run(ms(100));
        let (alice, bob) = (self.world.take(self.alice), self.world.take(self.bob));
        assert!(alice.iter().any(|e| matches!(e, Event::Answered { .. })), "{alice:?}");
        assert!(bob.iter().any(|e| matches!(e, Event::Confirmed { .. })), "{bob:?}");
        (call, called)
    }

    pub fn assert_empty(&mut self) {
        self.world.run(Duration::from_secs(70));
        for end in [self.alice, self.bob] {
            assert_eq!(self.world.ends[end].endpoint.census(), Census::default());
        }
    }
}

pub fn ended(events: &[Event]) -> Vec<Ended> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::Ended { why, .. } => Some(why.clone()),
            _ => None,
        })
        .collect()
}
