//! The pretend office: one clock that jumps to the next event, datagrams and connections that take a millisecond.

use crate::{HttpId, HttpRequest, HttpResponse, Input, MediaId, Now, Output, Pbx, PbxConfig};
use offhook_account::{Document, Settings};
use offhook_media as media;
use offhook_sip::auth::{Credentials, Password, Secret};
use offhook_sip::{
    self as sip, Body, Ended, Endpoint, EndpointConfig, Event, FlowError, FlowId, FlowState, Headers, IdentityConfig,
    IdentityId, LocalPort, Method, RegistrationState, Request, SessionId, SubscriptionId, Transport, Uri,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n";
pub(super) const ANSWER: &str = "v=0\r\no=- 2 1 IN IP4 10.0.0.8\r\ns=-\r\nc=IN IP4 10.0.0.8\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n";

pub(super) fn sdp(text: &str) -> Body {
    Body { content_type: "application/sdp".to_owned(), bytes: text.as_bytes().to_vec() }
}

const LATENCY: Duration = Duration::from_millis(1);
pub(super) const UDP: FlowId = FlowId(1);

pub(super) fn pbx_address() -> SocketAddr {
    "10.0.0.1:5060".parse().unwrap()
}

/// Which phone, in the order they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Desk(usize);

pub(super) struct Phone {
    pub(super) endpoint: Endpoint,
    pub(super) identity: IdentityId,
    pub(super) events: Vec<Event>,
    timeout: Option<Instant>,
    address: SocketAddr,
    flows: BTreeMap<FlowId, Wire>,
    /// nothing arrives there and nothing leaves: its cable is out
    pub(super) unplugged: bool,
}

#[derive(Debug, Clone, Copy)]
struct Wire {
    local: SocketAddr,
    /// the PBX's end of a connection
    accepted: Option<FlowId>,
}

enum Delivery {
    ToPbx { flow: FlowId, remote: SocketAddr, bytes: Vec<u8> },
    ToPhone { phone: usize, flow: FlowId, bytes: Vec<u8> },
    Up { phone: usize, flow: FlowId, transport: Transport },
    PbxFlowDown { flow: FlowId },
    PhoneFlowDown { phone: usize, flow: FlowId },
}

pub(super) struct Office {
    pub(super) pbx: Pbx,
    pub(super) phones: Vec<Phone>,
    pub(super) now: Instant,
    started: Instant,
    queue: BTreeMap<(Instant, u64), Delivery>,
    sent: u64,
    pbx_timeout: Option<Instant>,
    connections: u64,
    /// what the store holds
    pub(super) records: BTreeMap<String, Vec<u8>>,
    pub(super) provision: BTreeMap<String, String>,
    pub(super) commands: Vec<media::Command>,
    pub(super) bound: Vec<MediaId>,
    pub(super) released: Vec<MediaId>,
    pub(super) responses: Vec<(HttpId, HttpResponse)>,
    pub(super) log: Vec<String>,
    pub(super) stopped: bool,
    /// answered to `BindMedia`: the sockets, or none
    pub(super) sockets: bool,
    /// every datagram and segment that the PBX sent, as text
    pub(super) spoken: Vec<String>,
    /// datagrams lost, doubled or late, of a hundred each; connections lose nothing
    pub(super) trouble: u32,
    dice: u64,
    seed: u64,
}

pub(super) fn config(users: &[&str], records: &BTreeMap<String, Vec<u8>>, seed: u64) -> PbxConfig {
    PbxConfig {
        users: users.iter().map(|&u| u.to_owned()).collect(),
        sip: pbx_address(),
        http: "10.0.0.1:80".parse().unwrap(),
        realm: "offhook".to_owned(),
        records: records.iter().map(|(n, b)| (n.clone(), b.clone())).collect(),
        seed,
        entropy: [seed as u8; 32],
        engine_rate: 16_000,
        version: "1.0".to_owned(),
    }
}

impl Office {
    pub(super) fn new() -> Self {
        Self::with(&["100", "101", "102"], 1)
    }

    pub(super) fn with(users: &[&str], seed: u64) -> Self {
        let started = Instant::now();
        let mut office = Self {
            pbx: Pbx::new(config(users, &BTreeMap::new(), seed)),
            phones: Vec::new(),
            now: started,
            started,
            queue: BTreeMap::new(),
            sent: 0,
            pbx_timeout: None,
            connections: 0,
            records: BTreeMap::new(),
            provision: BTreeMap::new(),
            commands: Vec::new(),
            bound: Vec::new(),
            released: Vec::new(),
            responses: Vec::new(),
            log: Vec::new(),
            stopped: false,
            sockets: true,
            spoken: Vec::new(),
            trouble: 0,
            dice: seed,
            seed,
        };
        office.power_on();
        office
    }

    fn power_on(&mut self) {
        self.pbx_input(Input::Sip(sip::Input::Listening {
            flow: UDP,
            transport: Transport::Udp,
            local: pbx_address(),
        }));
        self.pbx_input(Input::Start);
    }

    /// The PBX dies without a word and comes back with what the store has.
    pub(super) fn power_cycle(&mut self) {
        self.queue.clear();
        for phone in 0..self.phones.len() {
            let connections: Vec<FlowId> =
                self.phones[phone].flows.iter().filter(|(_, w)| w.accepted.is_some()).map(|(&f, _)| f).collect();
            for flow in connections {
                self.send(Delivery::PhoneFlowDown { phone, flow });
            }
        }
        self.seed += 1;
        self.pbx = Pbx::new(config(&["100", "101", "102"], &self.records, self.seed));
        self.provision.clear();
        self.power_on();
    }

    // time

    pub(super) fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000) + (self.now - self.started)
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = [self.queue.keys().next().map(|k| k.0), self.pbx_timeout]
                .into_iter()
                .chain(self.phones.iter().map(|p| p.timeout))
                .flatten()
                .min();
            match due {
                Some(at) if at <= end => self.step(at),
                _ => break,
            }
        }
        self.now = end;
    }

    pub(super) fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    fn step(&mut self, at: Instant) {
        self.now = self.now.max(at);
        while let Some((&key, _)) = self.queue.first_key_value() {
            if key.0 > self.now {
                break;
            }
            let delivery = self.queue.remove(&key).unwrap();
            self.deliver(delivery);
        }
        if self.pbx_timeout.is_some_and(|t| t <= self.now) {
            self.pbx_input(Input::Timeout);
            assert!(self.pbx_timeout.is_none_or(|t| t > self.now), "the PBX asks for a timeout in the past");
        }
        for phone in 0..self.phones.len() {
            if self.phones[phone].timeout.is_some_and(|t| t <= self.now) {
                self.phones[phone].endpoint.handle(self.now, sip::Input::Timeout);
                self.pump(phone);
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::ToPbx { flow, remote, bytes } => {
                self.pbx_input(Input::Sip(sip::Input::Received { flow, remote, bytes: &bytes }));
            }
            Delivery::ToPhone { phone, flow, bytes } => {
                if !self.phones[phone].unplugged {
                    self.phones[phone]
                        .endpoint
                        .handle(self.now, sip::Input::Received { flow, remote: pbx_address(), bytes: &bytes });
                    self.pump(phone);
                }
            }
            Delivery::Up { phone, flow, transport } => {
                let wire = self.phones[phone].flows[&flow];
                if let Some(accepted) = wire.accepted {
                    self.pbx_input(Input::Sip(sip::Input::Accepted {
                        flow: accepted,
                        transport,
                        local: pbx_address(),
                        remote: wire.local,
                    }));
                }
                self.phones[phone]
                    .endpoint
                    .handle(self.now, sip::Input::Flow { flow, state: FlowState::Up { local: wire.local } });
                self.pump(phone);
            }
            Delivery::PbxFlowDown { flow } => {
                self.pbx_input(Input::Sip(sip::Input::Flow { flow, state: FlowState::Down(FlowError::ClosedByPeer) }));
            }
            Delivery::PhoneFlowDown { phone, flow } => {
                self.phones[phone].flows.remove(&flow);
                self.phones[phone]
                    .endpoint
                    .handle(self.now, sip::Input::Flow { flow, state: FlowState::Down(FlowError::ClosedByPeer) });
                self.pump(phone);
            }
        }
    }

    fn send(&mut self, delivery: Delivery) {
        let mut delay = LATENCY;
        let again = match &delivery {
            Delivery::ToPbx { flow: UDP, remote, bytes } => {
                Some(Delivery::ToPbx { flow: UDP, remote: *remote, bytes: bytes.clone() })
            }
            Delivery::ToPhone { phone, flow, bytes } if self.phones[*phone].flows[flow].accepted.is_none() => {
                Some(Delivery::ToPhone { phone: *phone, flow: *flow, bytes: bytes.clone() })
            }
            _ => None,
        };
        if let Some(again) = again {
            if self.chance() < self.trouble {
                return;
            }
            if self.chance() < self.trouble {
                delay = Duration::from_millis(u64::from(self.chance()) * 10);
            }
            if self.chance() < self.trouble {
                self.queue(delay * 2, again);
            }
        }
        self.queue(delay, delivery);
    }

    fn queue(&mut self, delay: Duration, delivery: Delivery) {
        self.sent += 1;
        self.queue.insert((self.now + delay, self.sent), delivery);
    }

    /// 0 to 99.
    fn chance(&mut self) -> u32 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.dice >> 33) % 100).unwrap()
    }

    // the PBX

    pub(super) fn pbx_input(&mut self, input: Input<'_>) {
        let now = Now { instant: self.now, wall: Some(self.wall()) };
        self.pbx.handle(now, input);
        loop {
            match self.pbx.poll() {
                Output::Timeout(at) => {
                    self.pbx_timeout = at;
                    break;
                }
                Output::Sip(sip::Output::Transmit { flow, remote, bytes }) => {
                    self.spoken.push(String::from_utf8_lossy(&bytes).into_owned());
                    let found = self.phones.iter().enumerate().find_map(|(at, phone)| {
                        phone
                            .flows
                            .iter()
                            .find(|(_, wire)| {
                                if flow == UDP {
                                    wire.accepted.is_none() && wire.local == remote
                                } else {
                                    wire.accepted == Some(flow)
                                }
                            })
                            .map(|(&of, _)| (at, of))
                    });
                    if let Some((phone, flow)) = found {
                        self.send(Delivery::ToPhone { phone, flow, bytes });
                    }
                }
                Output::Sip(sip::Output::Close { flow }) => {
                    let found = self.phones.iter().enumerate().find_map(|(at, phone)| {
                        phone.flows.iter().find(|(_, w)| w.accepted == Some(flow)).map(|(&f, _)| (at, f))
                    });
                    if let Some((phone, flow)) = found {
                        self.send(Delivery::PhoneFlowDown { phone, flow });
                    }
                }
                Output::Sip(other) => panic!("the PBX opens nothing and asks no DNS: {other:?}"),
                Output::BindMedia { id, local, range } => {
                    let port = range.0 + 2 * u16::try_from(self.bound.len()).unwrap();
                    self.bound.push(id);
                    let result =
                        if self.sockets { Ok(SocketAddr::new(local, port)) } else { Err("no port is free".to_owned()) };
                    self.pbx.handle(now, Input::MediaBound { id, result });
                }
                Output::ReleaseMedia { id } => self.released.push(id),
                Output::Media(command) => self.commands.push(command),
                Output::Http { id, response } => self.responses.push((id, response)),
                Output::Persist { name, bytes } => {
                    self.records.insert(name, bytes);
                }
                Output::User { number, provision } => {
                    self.provision.insert(number, provision);
                }
                Output::Log(line) => self.log.push(line),
                Output::Stopped => self.stopped = true,
            }
        }
    }

    pub(super) fn http(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> HttpResponse {
        let headers = headers.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        let request = HttpRequest { method: method.into(), target: target.into(), headers, body: Vec::new() };
        self.pbx_input(Input::Http { id: HttpId(7), request, source: "10.0.0.3:9999".parse().unwrap() });
        let (id, response) = self.responses.pop().expect("an answer");
        assert_eq!(id, HttpId(7));
        response
    }

    /// What the provisioning URL of `user` says.
    pub(super) fn settings(&mut self, user: &str) -> Settings {
        let url = self.provision[user].clone();
        let response = self.http("GET", url.strip_prefix("http://10.0.0.1:80").unwrap(), &[]);
        Settings::of(&Document::parse(&response.body).unwrap().0).0
    }

    // phones

    /// A phone with the account of `user`, as it was provisioned.
    pub(super) fn phone(&mut self, user: &str) -> Desk {
        self.phone_with(user, |_| {})
    }

    pub(super) fn phone_with(&mut self, user: &str, change: impl FnOnce(&mut IdentityConfig)) -> Desk {
        let settings = self.settings(user);
        let at = self.phones.len();
        let mut config = IdentityConfig {
            aor: Uri::sip(&settings.username, &settings.host).unwrap(),
            display_name: Some(format!("Phone {at}")),
            caller_id: None,
            credentials: Some(Credentials {
                username: settings.username.clone(),
                secret: Secret::Password(Password::new(settings.password.reveal())),
            }),
            transport: Transport::Udp,
            server: None,
            outbound_proxy: None,
            local_port: LocalPort::Any,
            forced_contact: None,
            contact_external: false,
            expires: settings.expires,
            keep_alive: None,
            headers: Vec::new(),
            only_known_sources: false,
            announce_registration: false,
        };
        change(&mut config);
        let endpoint_config = EndpointConfig {
            user_agent: "Test".into(),
            allow: vec![
                Method::Invite,
                Method::Ack,
                Method::Bye,
                Method::Cancel,
                Method::Options,
                Method::Notify,
                Method::Info,
            ],
            accept: vec!["application/sdp".into(), "application/dtmf-relay".into()],
            allow_events: Vec::new(),
            server: false,
            t1: Duration::from_millis(500),
        };
        let mut endpoint = Endpoint::new(endpoint_config, self.seed * 1000 + at as u64);
        let identity = endpoint.add_identity(self.now, config);
        self.phones.push(Phone {
            endpoint,
            identity,
            events: Vec::new(),
            timeout: None,
            address: SocketAddr::new([10, 0, 1, u8::try_from(at + 1).unwrap()].into(), 5060),
            flows: BTreeMap::new(),
            unplugged: false,
        });
        self.pump(at);
        Desk(at)
    }

    pub(super) fn registered(&mut self, user: &str) -> Desk {
        let desk = self.phone(user);
        self.register(desk);
        assert!(
            matches!(self.registration(desk), RegistrationState::Registered { .. }),
            "{:?}",
            self.registration(desk)
        );
        desk
    }

    pub(super) fn register(&mut self, desk: Desk) {
        self.at(desk, |endpoint, identity, now| endpoint.register(now, identity).unwrap());
        self.run_ms(50);
    }

    pub(super) fn registration(&self, desk: Desk) -> RegistrationState {
        let phone = &self.phones[desk.0];
        phone.endpoint.registration(phone.identity).unwrap().clone()
    }

    /// Somebody does something at a phone.
    pub(super) fn at<T>(&mut self, desk: Desk, act: impl FnOnce(&mut Endpoint, IdentityId, Instant) -> T) -> T {
        let phone = &mut self.phones[desk.0];
        let result = act(&mut phone.endpoint, phone.identity, self.now);
        self.pump(desk.0);
        result
    }

    pub(super) fn call(&mut self, desk: Desk, number: &str) -> SessionId {
        self.call_with(desk, number, Some(sdp(OFFER)))
    }

    pub(super) fn call_with(&mut self, desk: Desk, number: &str, offer: Option<Body>) -> SessionId {
        let target = Uri::sip(number, &pbx_address().to_string()).unwrap();
        let session = self
            .at(desk, |endpoint, identity, now| endpoint.invite(now, identity, target, offer, Headers::new()).unwrap());
        self.run_ms(50);
        session
    }

    /// The session that rings at a phone, newest if there are several.
    pub(super) fn ringing(&self, desk: Desk) -> SessionId {
        self.invitation(desk).0
    }

    pub(super) fn invitation(&self, desk: Desk) -> (SessionId, &Request, Option<&Body>) {
        let found = self.phones[desk.0].events.iter().rev().find_map(|event| match event {
            Event::Incoming { session, request, offer, .. } => Some((*session, request.as_ref(), offer.as_ref())),
            _ => None,
        });
        found.unwrap_or_else(|| {
            panic!("the phone does not ring: {:#?}", self.spoken.iter().rev().take(6).collect::<Vec<_>>())
        })
    }

    pub(super) fn rings(&self, desk: Desk) -> bool {
        self.phones[desk.0].events.iter().any(|event| matches!(event, Event::Incoming { .. }))
    }

    pub(super) fn ring(&mut self, desk: Desk) {
        let session = self.ringing(desk);
        self.at(desk, |endpoint, _, now| endpoint.ring(now, session, 180, None).unwrap());
        self.run_ms(50);
    }

    pub(super) fn answer(&mut self, desk: Desk) -> SessionId {
        let session = self.ringing(desk);
        self.at(desk, |endpoint, _, now| endpoint.answer(now, session, Some(sdp(ANSWER))).unwrap());
        self.run_ms(50);
        session
    }

    pub(super) fn reject(&mut self, desk: Desk, status: u16) {
        let session = self.ringing(desk);
        self.at(desk, |endpoint, _, now| endpoint.reject(now, session, status, None, Headers::new()).unwrap());
        self.run_ms(50);
    }

    pub(super) fn hang_up(&mut self, desk: Desk, session: SessionId) {
        self.at(desk, |endpoint, _, now| endpoint.end(now, session, None).unwrap());
        self.run_ms(50);
    }

    pub(super) fn subscribe(&mut self, desk: Desk, number: &str, event: &str, expires: u32) -> SubscriptionId {
        let target = Uri::sip(number, &pbx_address().to_string()).unwrap();
        let accept =
            if event == "dialog" { "application/dialog-info+xml" } else { "application/simple-message-summary" };
        let id = self.at(desk, |endpoint, identity, now| {
            endpoint.subscribe(now, identity, target, event, accept, expires).unwrap()
        });
        self.run_ms(50);
        id
    }

    /// How a session ended at a phone.
    pub(super) fn ended(&self, desk: Desk, session: SessionId) -> Option<Ended> {
        self.phones[desk.0].events.iter().find_map(|event| match event {
            Event::Ended { session: s, why } if *s == session => Some(why.clone()),
            _ => None,
        })
    }

    pub(super) fn refused(&self, desk: Desk, session: SessionId) -> Option<u16> {
        match self.ended(desk, session) {
            Some(Ended::Refused { status, .. } | Ended::Failed { status, .. }) => Some(status),
            _ => None,
        }
    }

    pub(super) fn progress(&self, desk: Desk, session: SessionId) -> Vec<u16> {
        let statuses = self.phones[desk.0].events.iter().filter_map(|event| match event {
            Event::Progress { session: s, status, .. } if *s == session => Some(*status),
            _ => None,
        });
        statuses.collect()
    }

    /// Body of the 2xx that a phone's call got.
    pub(super) fn answered(&self, desk: Desk, session: SessionId) -> Option<Option<Body>> {
        self.phones[desk.0].events.iter().find_map(|event| match event {
            Event::Answered { session: s, body, .. } if *s == session => Some(body.clone()),
            _ => None,
        })
    }

    pub(super) fn notifications(&self, desk: Desk, subscription: SubscriptionId) -> Vec<Body> {
        let bodies = self.phones[desk.0].events.iter().filter_map(|event| match event {
            Event::Notify { subscription: s, body } if *s == subscription => body.clone(),
            _ => None,
        });
        bodies.collect()
    }

    /// All that a call could leave behind is gone.
    pub(super) fn assert_no_call_is_left(&mut self) {
        self.run(Duration::from_secs(40));
        let census = self.pbx.census();
        assert_eq!((census.sessions, census.client_transactions, census.server_transactions), (0, 0, 0), "{census:?}");
        assert!(self.pbx.calls.deadline().is_none());
    }

    /// The far end of a phone's connection closes it.
    pub(super) fn cut_connections(&mut self, desk: Desk) {
        let flows: Vec<FlowId> = self.phones[desk.0].flows.values().filter_map(|wire| wire.accepted).collect();
        for flow in flows {
            self.send(Delivery::PbxFlowDown { flow });
        }
        self.run_ms(10);
    }

    fn pump(&mut self, at: usize) {
        loop {
            match self.phones[at].endpoint.poll() {
                sip::Output::Timeout(timeout) => {
                    self.phones[at].timeout = timeout;
                    return;
                }
                sip::Output::Open { flow, transport, remote, .. } => {
                    assert_eq!(remote, pbx_address());
                    let accepted = (transport == Transport::Tcp).then(|| {
                        self.connections += 1;
                        FlowId(100 * 2 + 2 * self.connections + 1)
                    });
                    let mut local = self.phones[at].address;
                    if transport == Transport::Tcp {
                        local.set_port(40_000 + u16::try_from(self.connections).unwrap());
                    }
                    self.phones[at].flows.insert(flow, Wire { local, accepted });
                    self.send(Delivery::Up { phone: at, flow, transport });
                }
                sip::Output::Close { flow } => {
                    if let Some(Wire { accepted: Some(flow), .. }) = self.phones[at].flows.remove(&flow) {
                        self.send(Delivery::PbxFlowDown { flow });
                    }
                }
                sip::Output::Transmit { flow, bytes, .. } => {
                    if let Some(&wire) = self.phones[at].flows.get(&flow)
                        && !self.phones[at].unplugged
                    {
                        self.send(Delivery::ToPbx { flow: wire.accepted.unwrap_or(UDP), remote: wire.local, bytes });
                    }
                }
                sip::Output::Resolve { query, .. } => panic!("an address needs no DNS: {query:?}"),
                sip::Output::Event(event) => self.phones[at].events.push(event),
            }
        }
    }
}
