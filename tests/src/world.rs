//! An office in virtual time: phones, the PBX, and a network that loses, doubles and reorders as it is told.
//!
//! The clock jumps to the next thing that happens, so a story of minutes takes milliseconds, and the same seed gives the
//! same run, packet for packet. A story that fails leaves a capture and a list of inputs under `target/stories/`; the
//! `replay` binary plays such a list again.

use crate::action::Action;
use crate::capture::Capture;
use crate::chance::Chance;
use crate::node::{Cupboard, Desk, RATE};
use offhook_account::provisioner::{FetchError, FetchResponse};
use offhook_hal::{Hook, Key, Lamp, PanelEvent, Pattern};
use offhook_media::StreamId;
use offhook_pbx as pbx;
use offhook_phone::{Command, CommandId, Input, Now, Output, PhoneConfig, PhoneFetchId, View};
use offhook_sip::{FlowError, FlowId, FlowState, LocalPort, Transport};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// One way through the network when the weather is fine.
const DELAY: Duration = Duration::from_millis(2);
/// How far a reordered datagram falls behind.
const BEHIND: Duration = Duration::from_millis(25);
const BEAT: Duration = Duration::from_millis(10);

/// Who is at a socket. `None` is the PBX, else the index of a desk.
type Who = Option<usize>;

#[derive(Debug, Clone, Copy)]
enum Socket {
    Sip(FlowId),
    Media { id: u32, rtcp: bool },
}

#[derive(Debug, Clone, Copy)]
struct UdpFlow {
    local: SocketAddr,
    remote: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy)]
struct TcpEnd {
    local: SocketAddr,
    remote: SocketAddr,
    peer: (Who, FlowId),
}

#[derive(Debug)]
enum Happening {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Stream { who: Who, flow: FlowId, remote: SocketAddr, bytes: Vec<u8> },
    Flow { who: Who, flow: FlowId, state: FlowState },
    Accepted { flow: FlowId, local: SocketAddr, remote: SocketAddr },
    Resolved { who: Who, id: offhook_sip::ResolveId, answer: offhook_sip::Answer },
    Request { desk: usize, id: PhoneFetchId, target: String, headers: Vec<(String, String)> },
    Fetched { desk: usize, id: PhoneFetchId, result: Result<FetchResponse, FetchError> },
    PbxOn,
}

/// The office.
#[derive(Debug)]
pub struct World {
    name: String,
    start: Instant,
    now: Instant,
    next_beat: Instant,
    chance: Chance,
    weather: (u32, u32, u32),
    pub desks: Vec<Desk>,
    pub cupboard: Cupboard,
    /// By time, then by order of coming into being.
    happenings: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    sockets: BTreeMap<SocketAddr, (Who, Socket)>,
    udp: BTreeMap<(Who, FlowId), UdpFlow>,
    tcp: BTreeMap<(Who, FlowId), TcpEnd>,
    ports: u16,
    accepted: u64,
    waiting_http: BTreeMap<u64, (usize, PhoneFetchId)>,
    next_http: u64,
    overrides: BTreeMap<String, (u16, Option<String>)>,
    commands: u64,
    /// The CardDAV server at <https://dav.example.com>, its user and password, and whether it is on.
    pub directory: crate::carddav::Server,
    pub directory_user: Option<(String, String)>,
    pub directory_off: bool,
    /// What <https://web.example.com> answers, by path without query; it is away for any other.
    pub web: BTreeMap<String, (u16, String)>,
    /// What it was asked, and when.
    pub web_asked: Vec<(Duration, offhook_account::FetchRequest)>,
    pub capture: Capture,
    log: Vec<String>,
}

impl World {
    /// A PBX that is on, no phones, fine weather.
    pub fn new(name: &str, seed: u64) -> Self {
        let start = Instant::now();
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        let mut world = Self {
            name: name.into(),
            start,
            now: start,
            next_beat: start + BEAT,
            chance: Chance::new(seed),
            weather: (0, 0, 0),
            desks: Vec::new(),
            cupboard: Cupboard::new(ip),
            happenings: BTreeMap::new(),
            sequence: 0,
            sockets: BTreeMap::new(),
            udp: BTreeMap::new(),
            tcp: BTreeMap::new(),
            ports: 20_000,
            accepted: 0,
            waiting_http: BTreeMap::new(),
            next_http: 0,
            overrides: BTreeMap::new(),
            commands: 0,
            directory: crate::carddav::Server::default(),
            directory_user: None,
            directory_off: false,
            web: BTreeMap::new(),
            web_asked: Vec::new(),
            capture: Capture::default(),
            log: vec![format!("seed {seed}")],
        };
        world.pbx_on();
        world
    }

    // ---- what a story says

    /// A phone over UDP that the PBX provisions.
    pub fn phone(&mut self, name: &str, user: &str) {
        self.act(Action::Phone { name: name.into(), user: user.into(), transport: "udp".into() });
    }
    pub fn phone_over(&mut self, name: &str, user: &str, transport: &str) {
        self.act(Action::Phone { name: name.into(), user: user.into(), transport: transport.into() });
    }
    pub fn lift(&mut self, phone: &str) {
        self.act(Action::Hook { phone: phone.into(), off: true });
    }
    pub fn put_down(&mut self, phone: &str) {
        self.act(Action::Hook { phone: phone.into(), off: false });
    }
    /// Presses a key for 100 ms.
    pub fn press(&mut self, phone: &str, key: &str) {
        self.press_for(phone, key, Duration::from_millis(100));
    }
    pub fn press_for(&mut self, phone: &str, key: &str, time: Duration) {
        self.act(Action::Down { phone: phone.into(), key: key.into() });
        self.run(time);
        self.act(Action::Up { phone: phone.into(), key: key.into() });
    }
    /// Presses keys one after the other, 100 ms down and 100 ms apart.
    pub fn dial(&mut self, phone: &str, keys: &str) {
        for key in keys.chars() {
            self.press(phone, &key.to_string());
            self.run(Duration::from_millis(100));
        }
    }
    pub fn say(&mut self, phone: &str, hertz: u32) {
        self.act(Action::Say { phone: phone.into(), hertz });
    }
    pub fn run(&mut self, time: Duration) {
        self.act(Action::Run(time));
    }
    pub fn seconds(&mut self, seconds: f64) {
        self.run(Duration::from_secs_f64(seconds));
    }

    /// Runs until `condition` holds.
    ///
    /// # Panics
    /// It does not hold within `seconds`.
    pub fn until(&mut self, seconds: f64, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while !condition(self) {
            assert!(self.now < end, "after {seconds} s still not: {what}\n{}", self.summary());
            self.run(Duration::from_millis(10));
        }
    }

    // ---- what a story looks at

    pub fn desk(&self, name: &str) -> &Desk {
        self.desks.iter().find(|desk| desk.name == name).unwrap_or_else(|| panic!("no phone {name}"))
    }
    pub fn view(&self, name: &str) -> View {
        self.desk(name).phone.view(self.phone_now())
    }
    pub fn lamp(&self, phone: &str, lamp: &str) -> Pattern {
        let name = Lamp::from_name(lamp).unwrap_or_else(|| panic!("no lamp {lamp}"));
        self.desk(phone).lamps.get(&name).copied().unwrap_or(Pattern::Off)
    }
    /// How far a tone stands above everything else at this ear in the last 400 ms [dB].
    pub fn hears(&self, phone: &str, hertz: u32) -> f64 {
        self.hears_over(phone, hertz, 400)
    }
    /// As [`Self::hears`], over the last `milliseconds`, at most 2000.
    pub fn hears_over(&self, phone: &str, hertz: u32, milliseconds: usize) -> f64 {
        let heard = self.desk(phone).last_heard(milliseconds);
        offhook_media::measure::tone_ratio_db(&heard, RATE, f64::from(hertz))
    }
    /// Level at this ear in the last `milliseconds` [dBov].
    pub fn level(&self, phone: &str, milliseconds: usize) -> f64 {
        offhook_media::measure::level_dbov(&self.desk(phone).last_heard(milliseconds))
    }
    pub fn tone(&self, phone: &str) -> Option<&'static str> {
        self.view(phone).tone
    }
    /// States of this phone's calls, oldest first.
    pub fn calls(&self, phone: &str) -> Vec<&'static str> {
        self.view(phone).calls.iter().map(|call| call.state.name()).collect()
    }
    pub fn registered(&self, phone: &str) -> bool {
        let view = self.view(phone);
        !view.accounts.is_empty()
            && view.accounts.iter().all(|account| account.state == offhook_phone::AccountState::Registered)
    }
    /// RTP and RTCP sockets that are open anywhere.
    pub fn media_sockets(&self) -> usize {
        self.sockets.values().filter(|(_, socket)| matches!(socket, Socket::Media { .. })).count()
    }
    /// Virtual time since the beginning.
    pub fn time(&self) -> Duration {
        self.now - self.start
    }
    /// One line per phone, for a failure message.
    pub fn summary(&self) -> String {
        let mut text = format!("at {:.3} s\n", self.time().as_secs_f64());
        for desk in &self.desks {
            text += &format!("{}: {}\n", desk.name, self.view(&desk.name).to_json());
        }
        text
    }

    /// Does it, and writes it into the list of inputs.
    pub fn act(&mut self, action: Action) {
        self.log.push(action.to_string());
        match action {
            Action::Phone { name, user, transport } => self.new_phone(&name, &user, &transport),
            Action::Hook { phone, off } => {
                self.panel(&phone, PanelEvent::Hook(if off { Hook::Off } else { Hook::On }));
            }
            Action::Down { phone, key } => self.panel(&phone, PanelEvent::Down(key_of(&key))),
            Action::Up { phone, key } => self.panel(&phone, PanelEvent::Up(key_of(&key))),
            Action::Say { phone, hertz } => {
                let index = self.index(&phone);
                self.desks[index].hertz = hertz;
            }
            Action::Weather { lost, duplicated, reordered } => self.weather = (lost, duplicated, reordered),
            Action::RestartPbx => {
                self.pbx_off();
                self.pbx_on();
            }
            Action::PbxOff(time) => {
                self.pbx_off();
                self.later(time, Happening::PbxOn);
            }
            Action::RestartPhone { phone } => self.restart_phone(&phone),
            Action::Messages { user, new, old } => self.pbx(pbx::Input::Messages { user, new, old }),
            Action::Provisioning { user, status, body } => {
                if status == 0 {
                    self.overrides.remove(&user);
                } else {
                    self.overrides.insert(user, (status, body));
                }
            }
            Action::Provision { phone } => self.command(&phone, Command::Provision),
            Action::Set { phone, node, value } => {
                self.command(&phone, Command::Set { account: None, node, value: Some(value) });
            }
            Action::Run(time) => self.advance(time),
        }
    }

    // ---- time

    fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timeouts = self.desks.iter().map(|desk| desk.timeout).chain([self.cupboard.timeout]).flatten();
            let first = self.happenings.first_key_value().map(|((at, _), _)| *at);
            let next = timeouts.chain(first).chain([self.next_beat]).min().unwrap_or(end);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if first.is_some_and(|at| at <= self.now) {
                if let Some((_, happening)) = self.happenings.pop_first() {
                    self.happen(happening);
                }
            } else if self.next_beat <= self.now {
                self.next_beat += BEAT;
                self.beat();
            } else {
                self.timeouts();
            }
        }
        self.now = end;
    }

    fn timeouts(&mut self) {
        let now = self.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        for index in 0..self.desks.len() {
            if due(self.desks[index].timeout) {
                self.desk_input(index, Input::Timeout);
                let again = self.desks[index].timeout;
                assert!(again.is_none_or(|at| at > now), "{} asks for a time that has come", self.desks[index].name);
            }
        }
        if due(self.cupboard.timeout) {
            self.pbx(pbx::Input::Timeout);
            assert!(self.cupboard.timeout.is_none_or(|at| at > now), "the PBX asks for a time that has come");
        }
    }

    fn beat(&mut self) {
        let now = self.now;
        for index in 0..self.desks.len() {
            self.desks[index].beat(now);
            self.media_out(Some(index));
        }
        if !self.cupboard.engine.idle() {
            let silence = [0; crate::node::PERIOD];
            self.cupboard.engine.period(now, &silence, &mut [0; crate::node::PERIOD], None);
            self.media_out(None);
        }
    }

    /// Packets and events of a node's engine.
    fn media_out(&mut self, who: Who) {
        self.packets_out(who);
        self.media_events(who);
    }

    fn packets_out(&mut self, who: Who) {
        let mut packets = Vec::new();
        {
            let engine = match who {
                Some(index) => &mut self.desks[index].engine,
                None => &mut self.cupboard.engine,
            };
            while let Some(packet) = engine.poll_transmit() {
                packets.push((packet.stream.0, packet.rtcp, packet.to, packet.bytes.to_vec()));
            }
        }
        for (stream, rtcp, to, bytes) in packets {
            let from = self.sockets.iter().find_map(|(address, (owner, socket))| {
                let ours = matches!(socket, Socket::Media { id, rtcp: r } if *id == stream && *r == rtcp);
                (*owner == who && ours).then_some(*address)
            });
            if let Some(from) = from {
                self.send(from, to, bytes);
            }
        }
    }

    fn media_events(&mut self, who: Who) {
        loop {
            let event = match who {
                Some(index) => self.desks[index].engine.poll_event(),
                None => self.cupboard.engine.poll_event(),
            };
            let Some(event) = event else { break };
            match who {
                Some(index) => self.desk_input(index, Input::Media(event)),
                None => self.pbx(pbx::Input::Media(event)),
            }
        }
    }

    // ---- the network

    fn later(&mut self, delay: Duration, happening: Happening) {
        self.sequence += 1;
        self.happenings.insert((self.now + delay, self.sequence), happening);
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.capture.add(self.now - self.start, from, to, &bytes);
        let (lost, duplicated, reordered) = self.weather;
        if self.chance.percent(lost) {
            return;
        }
        if self.chance.percent(duplicated) {
            self.later(DELAY * 2, Happening::Datagram { from, to, bytes: bytes.clone() });
        }
        let delay = if self.chance.percent(reordered) { BEHIND } else { DELAY };
        self.later(delay, Happening::Datagram { from, to, bytes });
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Datagram { from, to, bytes } => self.datagram(from, to, bytes),
            Happening::Stream { who, flow, remote, bytes } => {
                if self.tcp.contains_key(&(who, flow)) {
                    self.sip(who, offhook_sip::Input::Received { flow, remote, bytes: &bytes });
                }
            }
            Happening::Flow { who, flow, state } => self.sip(who, offhook_sip::Input::Flow { flow, state }),
            Happening::Accepted { flow, local, remote } => {
                self.sip(None, offhook_sip::Input::Accepted { flow, transport: Transport::Tcp, local, remote });
            }
            Happening::Resolved { who, id, answer } => self.sip(who, offhook_sip::Input::Resolved { id, answer }),
            Happening::Request { desk, id, target, headers } => self.request(desk, id, target, headers),
            Happening::Fetched { desk, id, result } => self.desk_input(desk, Input::Fetched { id, result }),
            Happening::PbxOn => self.pbx_on(),
        }
    }

    fn datagram(&mut self, from: SocketAddr, to: SocketAddr, mut bytes: Vec<u8>) {
        let Some((who, socket)) = self.sockets.get(&to).copied() else { return };
        match socket {
            Socket::Media { id, rtcp } => {
                let now = self.now;
                let engine = match who {
                    Some(index) => &mut self.desks[index].engine,
                    None => &mut self.cupboard.engine,
                };
                engine.receive(now, StreamId(id), rtcp, from, &mut bytes);
                self.media_out(who);
            }
            Socket::Sip(first) => {
                let of_socket = || self.udp.iter().filter(|((owner, _), udp)| *owner == who && udp.local == to);
                let flow = of_socket()
                    .find(|(_, udp)| udp.remote == Some(from))
                    .or_else(|| of_socket().next())
                    .map_or(first, |((_, flow), _)| *flow);
                self.sip(who, offhook_sip::Input::Received { flow, remote: from, bytes: &bytes });
            }
        }
    }

    fn sip(&mut self, who: Who, input: offhook_sip::Input<'_>) {
        match who {
            Some(index) => self.desk_input(index, Input::Sip(input)),
            None => self.pbx(pbx::Input::Sip(input)),
        }
    }

    fn sip_output(&mut self, who: Who, output: offhook_sip::Output) {
        use offhook_sip::Output as Sip;
        match output {
            Sip::Timeout(_) | Sip::Event(_) => {}
            Sip::Open { flow, transport, remote, local_port, .. } => {
                self.open(who, flow, transport, remote, local_port);
            }
            Sip::Close { flow } => self.close(who, flow),
            Sip::Transmit { flow, remote, bytes } => {
                if let Some(udp) = self.udp.get(&(who, flow)) {
                    self.send(udp.local, remote, bytes);
                } else if let Some(end) = self.tcp.get(&(who, flow)).copied() {
                    self.capture.add(self.now - self.start, end.local, end.remote, &bytes);
                    let (peer, peer_flow) = end.peer;
                    self.later(DELAY, Happening::Stream { who: peer, flow: peer_flow, remote: end.local, bytes });
                }
            }
            Sip::Resolve { id, query } => {
                // The office has no DNS: every name is a question without an answer.
                let _ = query;
                self.later(DELAY, Happening::Resolved { who, id, answer: offhook_sip::Answer::Nothing });
            }
        }
    }

    fn open(&mut self, who: Who, flow: FlowId, transport: Transport, remote: SocketAddr, port: LocalPort) {
        let ip = who.map_or(self.cupboard.ip, |index| self.desks[index].ip);
        let port = match port {
            LocalPort::Fixed(port) => port,
            LocalPort::Any => {
                self.ports += 1;
                self.ports
            }
        };
        let local = SocketAddr::new(ip, port);
        match transport {
            Transport::Udp => {
                self.udp.insert((who, flow), UdpFlow { local, remote: Some(remote) });
                self.sockets.entry(local).or_insert((who, Socket::Sip(flow)));
                self.later(Duration::ZERO, Happening::Flow { who, flow, state: FlowState::Up { local } });
            }
            Transport::Tcp if remote == self.cupboard.sip && self.cupboard.pbx.is_some() => {
                self.accepted += 2;
                let theirs = FlowId(1_000_001 + self.accepted);
                self.tcp.insert((who, flow), TcpEnd { local, remote, peer: (None, theirs) });
                self.tcp.insert((None, theirs), TcpEnd { local: remote, remote: local, peer: (who, flow) });
                self.later(DELAY, Happening::Accepted { flow: theirs, local: remote, remote: local });
                self.later(DELAY * 2, Happening::Flow { who, flow, state: FlowState::Up { local } });
            }
            _ => self.later(DELAY, Happening::Flow { who, flow, state: FlowState::Down(FlowError::Refused) }),
        }
    }

    fn close(&mut self, who: Who, flow: FlowId) {
        if let Some(udp) = self.udp.remove(&(who, flow)) {
            if !self.udp.iter().any(|((owner, _), other)| *owner == who && other.local == udp.local) {
                self.sockets.remove(&udp.local);
            }
        } else if let Some(end) = self.tcp.remove(&(who, flow)) {
            let (peer, peer_flow) = end.peer;
            if self.tcp.remove(&(peer, peer_flow)).is_some() {
                let state = FlowState::Down(FlowError::ClosedByPeer);
                self.later(DELAY, Happening::Flow { who: peer, flow: peer_flow, state });
            }
        }
    }

    fn bind_media(&mut self, who: Who, id: u32, local: IpAddr, range: (u16, u16)) -> SocketAddr {
        let mut port = range.0 + range.0 % 2;
        while self.sockets.contains_key(&SocketAddr::new(local, port)) {
            port += 2;
        }
        let rtp = SocketAddr::new(local, port);
        self.sockets.insert(rtp, (who, Socket::Media { id, rtcp: false }));
        self.sockets.insert(SocketAddr::new(local, port + 1), (who, Socket::Media { id, rtcp: true }));
        rtp
    }

    fn release_media(&mut self, who: Who, id: u32) {
        // The stream's RTCP BYE still has to leave.
        self.packets_out(who);
        self.sockets
            .retain(|_, (owner, socket)| !(*owner == who && matches!(socket, Socket::Media { id: i, .. } if *i == id)));
    }

    // ---- HTTP

    fn fetch(&mut self, desk: usize, id: PhoneFetchId, request: offhook_account::provisioner::FetchRequest) {
        if let Some(path) = request.url.strip_prefix("https://dav.example.com").filter(|_| !self.directory_off) {
            let result = Ok(self.dav(path, &request));
            return self.later(DELAY, Happening::Fetched { desk, id, result });
        }
        if let Some(target) = request.url.strip_prefix("https://web.example.com") {
            let path = target.split('?').next().unwrap_or_default();
            let result = match self.web.get(path) {
                Some((status, body)) => {
                    Ok(FetchResponse { status: *status, headers: Vec::new(), body: body.clone().into_bytes() })
                }
                None => Err(FetchError::NoConnection("refused".into())),
            };
            self.web_asked.push((self.now - self.start, request));
            return self.later(DELAY, Happening::Fetched { desk, id, result });
        }
        let prefix = format!("http://{}", self.cupboard.http);
        let Some(target) = request.url.strip_prefix(&prefix).map(str::to_owned) else {
            let result = Err(FetchError::NoConnection("no such server in this office".into()));
            return self.later(DELAY, Happening::Fetched { desk, id, result });
        };
        self.later(DELAY, Happening::Request { desk, id, target, headers: request.headers });
    }

    fn dav(&mut self, path: &str, request: &offhook_account::fetch::FetchRequest) -> FetchResponse {
        let shown =
            request.credentials.as_ref().map(|shown| (shown.username.clone(), shown.password.reveal().to_owned()));
        if self.directory_user.is_some() && shown != self.directory_user {
            return FetchResponse { status: 401, headers: Vec::new(), body: Vec::new() };
        }
        let depth = request.headers.iter().find(|(name, _)| name == "Depth").map_or("", |(_, depth)| depth.as_str());
        let body = String::from_utf8_lossy(&request.body);
        let (status, body) = self.directory.answer(&request.method, path, depth, &body);
        FetchResponse { status, headers: Vec::new(), body: body.into_bytes() }
    }

    fn request(&mut self, desk: usize, id: PhoneFetchId, target: String, headers: Vec<(String, String)>) {
        let user = self.desks[desk].user.clone();
        if let Some((status, body)) = self.overrides.get(&user) {
            let body = body.clone().unwrap_or_default().into_bytes();
            let result = Ok(FetchResponse { status: *status, headers: Vec::new(), body });
            return self.later(DELAY, Happening::Fetched { desk, id, result });
        }
        if self.cupboard.pbx.is_none() {
            let result = Err(FetchError::NoConnection("refused".into()));
            return self.later(DELAY, Happening::Fetched { desk, id, result });
        }
        self.next_http += 1;
        self.waiting_http.insert(self.next_http, (desk, id));
        let source = SocketAddr::new(self.desks[desk].ip, 40_000);
        let request = pbx::HttpRequest { method: "GET".into(), target, headers, body: Vec::new() };
        self.pbx(pbx::Input::Http { id: pbx::HttpId(self.next_http), request, source });
    }

    // ---- the nodes

    fn phone_now(&self) -> Now {
        // 2026-11-21 08:00 UTC plus virtual time.
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_248_000) + (self.now - self.start);
        Now { instant: self.now, wall: Some(wall) }
    }

    fn index(&self, name: &str) -> usize {
        self.desks.iter().position(|desk| desk.name == name).unwrap_or_else(|| panic!("no phone {name}"))
    }

    fn new_phone(&mut self, name: &str, user: &str, transport: &str) {
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 10 + self.desks.len() as u8));
        let url = self.cupboard.urls.get(user).cloned().unwrap_or_else(|| panic!("the PBX has no user {user}"));
        let seed = self.chance.draw();
        let lamps = (1..=4).map(Lamp::Line).chain((1..=8).map(Lamp::Key)).chain([Lamp::Message]);
        let config = PhoneConfig {
            device: offhook_account::template::Device {
                mac: format!("02000000000{}", self.desks.len()),
                model: "simulated".into(),
                serial: name.into(),
                version: "simulated".into(),
            },
            version: "simulated".into(),
            provision: vec![url],
            insecure_provisioning: false,
            find: false,
            fallback: None,
            trust: Arc::default(),
            accounts: Vec::new(),
            site: offhook_account::Document::default(),
            records: Vec::new(),
            media: Vec::new(),
            lamps: lamps.collect(),
            engine_rate: RATE,
            seed,
            bell: false,
            keys: Vec::new(),
            hostname: name.into(),
            zone: offhook_account::rules::Zone::named("Europe/Berlin").unwrap_or_default(),
        };
        self.desks.push(Desk::new(name, user, ip, config));
        let index = self.desks.len() - 1;
        if transport != "udp" {
            // The user's own wish outranks what the PBX says, as it would at a real phone.
            self.desk_input(index, Input::Start);
            self.until(5.0, "provisioned", |world| {
                !world.desks[index].phone.view(world.phone_now()).accounts.is_empty()
            });
            let (node, value) = ("transport".into(), Some(transport.to_owned()));
            self.command_at(index, Command::Set { account: None, node, value });
        } else {
            self.desk_input(index, Input::Start);
        }
    }

    fn restart_phone(&mut self, name: &str) {
        let index = self.index(name);
        self.sockets.retain(|_, (owner, _)| *owner != Some(index));
        self.udp.retain(|(owner, _), _| *owner != Some(index));
        let flows: Vec<FlowId> = self.tcp.keys().filter(|(owner, _)| *owner == Some(index)).map(|(_, f)| *f).collect();
        for flow in flows {
            self.close(Some(index), flow);
        }
        let seed = self.chance.draw();
        self.desks[index].restart(seed);
        self.desk_input(index, Input::Start);
    }

    fn panel(&mut self, phone: &str, event: PanelEvent) {
        let index = self.index(phone);
        self.desk_input(index, Input::Panel(event));
    }

    /// A command as from the screen or the control API.
    pub fn command(&mut self, phone: &str, command: Command) {
        let index = self.index(phone);
        self.command_at(index, command);
    }

    fn command_at(&mut self, index: usize, command: Command) {
        self.commands += 1;
        self.desk_input(index, Input::Command { id: CommandId(self.commands), command });
    }

    fn desk_input(&mut self, index: usize, input: Input<'_>) {
        let now = self.phone_now();
        self.desks[index].phone.handle(now, input);
        let mut bound = Vec::new();
        loop {
            let output = self.desks[index].phone.poll();
            let desk = &mut self.desks[index];
            match output {
                Output::Timeout(at) => {
                    desk.timeout = at;
                    let Some((id, address)) = bound.pop() else { break };
                    desk.phone.handle(now, Input::MediaBound { id, result: Ok(address) });
                }
                Output::Sip(output) => self.sip_output(Some(index), output),
                Output::BindMedia { id, local, range } => {
                    bound.push((id, self.bind_media(Some(index), id.0, local, range)));
                }
                Output::ReleaseMedia { id } => self.release_media(Some(index), id.0),
                Output::Media(command) => {
                    desk.engine.command(now.instant, command);
                }
                Output::Fetch { id, request } => self.fetch(index, id, request),
                Output::Persist { name, bytes } if bytes.is_empty() => drop(desk.records.remove(&name)),
                Output::Persist { name, bytes } => drop(desk.records.insert(name, bytes)),
                Output::Indicate(lamp, pattern) => drop(desk.lamps.insert(lamp, pattern)),
                Output::Ring(on) => desk.ring = on,
                Output::Route(route) => desk.route = route,
                Output::Notify(event) => desk.events.push(event),
                // nobody in these stories tests or resets a phone
                Output::Done { .. } | Output::Stopped | Output::Probe(_) | Output::FactoryReset => {}
                // and they are told where to look
                Output::ReadLeases | Output::Pnp(_) => {}
            }
        }
    }

    fn pbx_on(&mut self) {
        let seed = self.chance.draw();
        self.cupboard.power_on(seed);
        let local = self.cupboard.sip;
        self.udp.insert((None, FlowId(1)), UdpFlow { local, remote: None });
        self.sockets.insert(local, (None, Socket::Sip(FlowId(1))));
        for (flow, transport) in [(1, Transport::Udp), (3, Transport::Tcp)] {
            self.pbx(pbx::Input::Sip(offhook_sip::Input::Listening { flow: FlowId(flow), transport, local }));
        }
        self.pbx(pbx::Input::Start);
    }

    fn pbx_off(&mut self) {
        self.cupboard.pbx = None;
        self.cupboard.timeout = None;
        self.sockets.retain(|_, (owner, _)| owner.is_some());
        self.udp.retain(|(owner, _), _| owner.is_some());
        let flows: Vec<FlowId> = self.tcp.keys().filter(|(owner, _)| owner.is_none()).map(|(_, flow)| *flow).collect();
        for flow in flows {
            self.close(None, flow);
        }
    }

    fn pbx(&mut self, input: pbx::Input<'_>) {
        let now = pbx::Now { instant: self.now, wall: self.phone_now().wall };
        let Some(machine) = &mut self.cupboard.pbx else { return };
        machine.handle(now, input);
        let mut bound = Vec::new();
        while let Some(machine) = &mut self.cupboard.pbx {
            match machine.poll() {
                pbx::Output::Timeout(at) => {
                    self.cupboard.timeout = at;
                    let Some((id, address)) = bound.pop() else { break };
                    machine.handle(now, pbx::Input::MediaBound { id, result: Ok(address) });
                }
                pbx::Output::Sip(output) => self.sip_output(None, output),
                pbx::Output::BindMedia { id, local, range } => {
                    bound.push((id, self.bind_media(None, id.0, local, range)));
                }
                pbx::Output::ReleaseMedia { id } => self.release_media(None, id.0),
                pbx::Output::Media(command) => {
                    self.cupboard.engine.command(now.instant, command);
                }
                pbx::Output::Http { id, response } => {
                    if let Some((desk, fetch)) = self.waiting_http.remove(&id.0) {
                        let pbx::HttpResponse { status, headers, body } = response;
                        let result = Ok(FetchResponse { status, headers, body });
                        self.later(DELAY, Happening::Fetched { desk, id: fetch, result });
                    }
                }
                pbx::Output::Persist { name, bytes } => drop(self.cupboard.records.insert(name, bytes)),
                pbx::Output::User { number, provision } => drop(self.cupboard.urls.insert(number, provision)),
                pbx::Output::Log(text) => self.cupboard.log.push(text),
                pbx::Output::Stopped => {}
            }
        }
    }
}

fn key_of(name: &str) -> Key {
    Key::from_name(name).unwrap_or_else(|| panic!("no key {name}"))
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/stories");
        let pcap = folder.join(format!("{}.pcap", self.name));
        let inputs = folder.join(format!("{}.inputs", self.name));
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| self.capture.write(&pcap))
            .and_then(|()| std::fs::write(&inputs, self.log.join("\n")));
        match written {
            Ok(()) => eprintln!(
                "capture: {}\nplay it again: cargo run -p offhook-tests --bin replay -- {}",
                pcap.display(),
                inputs.display()
            ),
            Err(error) => eprintln!("no capture: {error}"),
        }
    }
}
