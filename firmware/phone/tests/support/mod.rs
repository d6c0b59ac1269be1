//! One phone in virtual time against a peer that says what the test tells it to: the account's server at 192.0.2.1:5060,
//! over UDP. Registering and subscribing are answered by the peer itself; calls are the test's.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

use offhook_phone::account::fetch::{FetchError, FetchRequest, FetchResponse};
use offhook_phone::account::finding::DhcpOptions;
use offhook_phone::account::template::Device;
use offhook_phone::hal::{Hook, Key, Lamp, PanelEvent, Pattern, Route};
use offhook_phone::media::engine::ToneSlot;
use offhook_phone::media::tone::Tone;
use offhook_phone::media::{Command as MediaCommand, Direction, Event as MediaEvent, StreamId};
use offhook_phone::sip::{self, Body, FlowId, FlowState, Message, Method, Request, Response};
use offhook_phone::{
    CallRef, CallView, Census, Command, CommandId, Event, Input, MediaId, Now, Output, Phone, PhoneConfig,
    PhoneFetchId, PnpEvent, PnpOrder, Probe, Refusal, View,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const SERVER: &str = "192.0.2.1:5060";
pub const PHONE: &str = "192.0.2.10";

/// 100@192.0.2.1, PCMA first, two lamp keys; more nodes go into `more`.
pub fn account(more: &str) -> Vec<u8> {
    format!(
        "<account><title>Desk</title><username>100</username><password>secret</password><host>192.0.2.1</host>\
         <codecOrder>8,0</codecOrder><listeningPort>5070</listeningPort>{more}</account>"
    )
    .into_bytes()
}

pub fn config(more: &str) -> PhoneConfig {
    let mut lamps: Vec<Lamp> = (1..=4).map(Lamp::Line).collect();
    lamps.extend([Lamp::Key(1), Lamp::Key(2), Lamp::Message, Lamp::Mute, Lamp::Speaker, Lamp::Headset]);
    PhoneConfig {
        device: Device { mac: "02000000000a".into(), ..Device::default() },
        version: "test".into(),
        provision: Vec::new(),
        insecure_provisioning: false,
        find: false,
        fallback: None,
        trust: Arc::default(),
        accounts: vec![("desk.xml".into(), account(more))],
        site: offhook_phone::account::Document::default(),
        records: Vec::new(),
        media: Vec::new(),
        lamps,
        engine_rate: 16_000,
        seed: 7,
        bell: true,
        keys: vec![Key::Digit('1'), Key::Digit('#')],
        hostname: "desk".into(),
        zone: offhook_account::rules::Zone::utc(),
    }
}

/// Where the web services of the tests are; everything else is provisioning.
fn is_service(url: &str) -> bool {
    ["https://x.example/", "http://x.example/", "https://y.example/", "https://example.com/"]
        .iter()
        .any(|host| url.starts_with(host))
}

pub struct Office {
    pub phone: Phone,
    pub now: Instant,
    wall: SystemTime,
    began: Instant,
    /// to the server, oldest first
    flows: Vec<(FlowId, SocketAddr)>,
    local: Option<SocketAddr>,
    /// SIP from the phone that nobody has looked at yet
    pub heard: Vec<Message>,
    pub events: Vec<Event>,
    pub media: Vec<String>,
    pub directions: BTreeMap<u32, Direction>,
    pub lamps: BTreeMap<Lamp, Pattern>,
    pub route: Route,
    pub bell: bool,
    pub tone: Option<&'static str>,
    /// what the media engine was told to play as progress
    pub progress: Option<Tone>,
    pub stored: BTreeMap<String, Vec<u8>>,
    pub fetches: Vec<(PhoneFetchId, String)>,
    /// every request so far, whole
    pub requests: Vec<FetchRequest>,
    /// what DHCP says
    pub leases: Vec<DhcpOptions>,
    /// requests to web services that nobody has answered
    pub services: Vec<(PhoneFetchId, FetchRequest)>,
    pub done: BTreeMap<u64, Result<(), Refusal>>,
    pub bound: Vec<MediaId>,
    pub stopped: bool,
    pub probes: Vec<Probe>,
    pub factory_resets: usize,
    /// how often something was stored
    pub writes: usize,
    /// the date is not known
    pub undated: bool,
    /// of the last ports asked for
    pub range: (u16, u16),
    pub keep_alives: usize,
    pub transport: Option<sip::Transport>,
    /// answer REGISTER with this
    pub register_status: u16,
    /// A REGISTER with this text in it is answered with this status instead (0: not at all).
    pub refuses: Option<(String, u16)>,
    /// bodies of what the phone posted, with the URL
    pub posts: Vec<(PhoneFetchId, String, String)>,
    /// ports are bound at once; otherwise the test does it
    pub bind: bool,
    /// the phone may be led astray: packets to others are lost
    pub lenient: bool,
    /// what went elsewhere then
    pub lost: Vec<(Duration, SocketAddr, String)>,
    pending: Vec<MediaId>,
    commands: u64,
    serial: u32,
    timeout: Option<Instant>,
}

impl Office {
    /// Registered and quiet.
    pub fn new(more: &str) -> Self {
        Self::with(config(more))
    }

    pub fn with(config: PhoneConfig) -> Self {
        let mut office = Self::unstarted(config);
        office.input(Input::Start);
        office.advance(Duration::from_millis(50));
        office.heard.clear();
        office
    }

    pub fn unstarted(config: PhoneConfig) -> Self {
        let now = Instant::now();
        Self {
            phone: Phone::new(config),
            now,
            wall: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
            began: now,
            flows: Vec::new(),
            local: None,
            heard: Vec::new(),
            events: Vec::new(),
            media: Vec::new(),
            directions: BTreeMap::new(),
            lamps: BTreeMap::new(),
            route: Route::Off,
            bell: false,
            tone: None,
            progress: None,
            stored: BTreeMap::new(),
            fetches: Vec::new(),
            requests: Vec::new(),
            leases: Vec::new(),
            services: Vec::new(),
            done: BTreeMap::new(),
            bound: Vec::new(),
            stopped: false,
            probes: Vec::new(),
            factory_resets: 0,
            writes: 0,
            undated: false,
            range: (0, 0),
            keep_alives: 0,
            transport: None,
            register_status: 200,
            refuses: None,
            posts: Vec::new(),
            bind: true,
            lenient: false,
            lost: Vec::new(),
            pending: Vec::new(),
            commands: 0,
            serial: 0,
            timeout: None,
        }
    }

    /// It is this date now.
    pub fn set_wall(&mut self, wall: SystemTime) {
        self.wall = wall - (self.now - self.began);
    }

    pub fn clock(&self) -> Now {
        Now { instant: self.now, wall: (!self.undated).then(|| self.wall + (self.now - self.began)) }
    }

    pub fn input(&mut self, input: Input<'_>) {
        let now = self.clock();
        self.phone.handle(now, input);
        self.perform();
    }

    /// Everything the phone wants done, until it waits.
    fn perform(&mut self) {
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 10_000, "the phone never waits");
            match self.phone.poll() {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return;
                }
                Output::Sip(output) => self.sip(output),
                Output::BindMedia { id, local, range } => {
                    assert!(range.0 < range.1);
                    self.range = range;
                    assert_eq!(local.to_string(), PHONE);
                    self.bound.push(id);
                    if self.bind {
                        self.ports_bound(id);
                    } else {
                        self.pending.push(id);
                    }
                }
                Output::ReleaseMedia { id } => {
                    let at = self.bound.iter().position(|known| *known == id).expect("released once");
                    self.bound.remove(at);
                    self.directions.remove(&id.0);
                }
                Output::Media(command) => self.media_command(&command),
                Output::Probe(probe) => self.probes.push(probe),
                Output::FactoryReset => self.factory_resets += 1,
                Output::Fetch { id, request } if is_service(&request.url) => self.services.push((id, request)),
                Output::Fetch { id, request } if request.method == "POST" => {
                    self.requests.push(request.clone());
                    self.posts.push((id, request.url, String::from_utf8(request.body).unwrap()));
                }
                Output::Fetch { id, request } => {
                    self.requests.push(request.clone());
                    self.fetches.push((id, request.url));
                }
                // The driver answers both, always.
                Output::ReadLeases => {
                    let (now, leases) = (self.clock(), self.leases.clone());
                    self.phone.handle(now, Input::Leases(&leases));
                }
                Output::Pnp(PnpOrder::Open) => {
                    let now = self.clock();
                    self.phone.handle(now, Input::Pnp(PnpEvent::Opened(None)));
                }
                Output::Pnp(_) => {}
                Output::Persist { name, bytes } => {
                    self.writes += 1;
                    if bytes.is_empty() {
                        self.stored.remove(&name);
                    } else {
                        self.stored.insert(name, bytes);
                    }
                }
                Output::Indicate(lamp, pattern) => {
                    self.lamps.insert(lamp, pattern);
                }
                Output::Ring(on) => self.bell = on,
                Output::Route(route) => self.route = route,
                Output::Notify(event) => {
                    if let Event::Tone(tone) = &event {
                        self.tone = *tone;
                    }
                    self.events.push(event);
                }
                Output::Done { id, result } => {
                    assert!(self.done.insert(id.0, result).is_none(), "a command was answered twice");
                }
                Output::Stopped => self.stopped = true,
            }
        }
    }

    fn ports_bound(&mut self, id: MediaId) {
        let rtp = SocketAddr::new(PHONE.parse().unwrap(), 40_000 + (id.0 % 1000) as u16 * 2);
        let now = self.clock();
        self.phone.handle(now, Input::MediaBound { id, result: Ok(rtp) });
    }

    /// The ports that were asked for.
    pub fn bind_pending(&mut self) {
        for id in std::mem::take(&mut self.pending) {
            self.ports_bound(id);
        }
        self.perform();
    }

    fn media_command(&mut self, command: &MediaCommand) {
        let text = match command {
            MediaCommand::Add(stream) => format!("add {}", stream.id().0),
            MediaCommand::Replace(stream) => format!("replace {}", stream.id().0),
            MediaCommand::Remove(id) => format!("remove {}", id.0),
            MediaCommand::Direction(id, direction) => {
                self.directions.insert(id.0, *direction);
                format!("direction {} {}", id.0, direction.name())
            }
            MediaCommand::Tone(slot, tone) => {
                if *slot == ToneSlot::Progress {
                    self.progress = tone.as_deref().cloned();
                }
                format!("tone {slot:?} {}", if tone.is_some() { "on" } else { "off" })
            }
            MediaCommand::Digit { stream, digit, method, duration } => {
                format!("digit {} {} {method:?} {}", stream.0, digit.to_char(), duration.is_some())
            }
            MediaCommand::DigitEnd { stream } => format!("digit end {}", stream.0),
            MediaCommand::Mute(on) => format!("mute {on}"),
            MediaCommand::Gain { ear, mouth, ringer } => format!("gain {ear} {mouth} {ringer}"),
            other => format!("{other:?}"),
        };
        self.media.push(text);
    }

    fn sip(&mut self, output: sip::Output) {
        match output {
            sip::Output::Open { flow, local_port, remote, transport, .. } => {
                self.transport = Some(transport);
                assert!(self.lenient || remote.to_string() == SERVER, "{remote}");
                let port = match local_port {
                    sip::LocalPort::Fixed(port) => port,
                    sip::LocalPort::Any => 50_600,
                };
                let local = SocketAddr::new(PHONE.parse().unwrap(), port);
                if remote.to_string() == SERVER {
                    self.flows.push((flow, local));
                    self.local = Some(local);
                }
                let now = self.clock();
                self.phone.handle(now, Input::Sip(sip::Input::Flow { flow, state: FlowState::Up { local } }));
            }
            sip::Output::Close { flow } => {
                self.flows.retain(|(known, _)| *known != flow);
                self.local = self.flows.last().map(|(_, local)| *local).or(self.local);
            }
            sip::Output::Transmit { remote, bytes, .. } => {
                if remote.to_string() != SERVER {
                    assert!(self.lenient, "{remote}");
                    let line = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
                    self.lost.push((self.now - self.began, remote, line));
                    return;
                }
                if bytes.iter().all(|byte| b"\r\n".contains(byte)) {
                    self.keep_alives += 1;
                    return;
                }
                let message = match Message::parse(&bytes) {
                    Ok(message) => message,
                    // the answer to a broken request has its broken headers
                    Err(_)
                        if self.lenient && (bytes.starts_with(b"SIP/2.0 4") || bytes.starts_with(b"SIP/2.0 505")) =>
                    {
                        return;
                    }
                    Err(error) => panic!("{error:?}: {}", String::from_utf8_lossy(&bytes)),
                };
                self.server_does(&message);
                self.heard.push(message);
            }
            sip::Output::Resolve { id, .. } => {
                assert!(self.lenient, "an address needs no name server");
                let now = self.clock();
                self.phone.handle(now, Input::Sip(sip::Input::Resolved { id, answer: sip::Answer::Nothing }));
            }
            sip::Output::Timeout(_) | sip::Output::Event(_) => panic!("the phone keeps these to itself"),
        }
    }

    /// What any server does by itself.
    fn server_does(&mut self, message: &Message) {
        let Message::Request(request) = message else { return };
        match request.method {
            Method::Register => {
                let text = String::from_utf8_lossy(&request.to_bytes()).into_owned();
                let refused = self.refuses.as_ref().filter(|(what, _)| text.contains(what)).map(|(_, status)| *status);
                let status = refused.unwrap_or(self.register_status);
                if status == 0 {
                    return;
                }
                let mut response = Response::to(request, status, Some("reg"));
                let expires = request.headers.first("Expires").unwrap_or("600").to_owned();
                if status == 200 && expires != "0" {
                    let contact = request.headers.first("Contact").unwrap_or_default().to_owned();
                    response.headers.push("Contact", contact);
                    response.headers.push("Expires", expires);
                }
                self.say_bytes(&response.to_bytes());
            }
            Method::Subscribe => {
                let mut response = Response::to(request, 200, Some("sub"));
                response.headers.push("Expires", request.headers.first("Expires").unwrap_or("300").to_owned());
                response.headers.push("Contact", "<sip:192.0.2.1:5060>");
                self.say_bytes(&response.to_bytes());
            }
            Method::Bye | Method::Info => self.say_bytes(&Response::to(request, 200, None).to_bytes()),
            _ => {}
        }
    }

    /// Bytes from the server.
    pub fn say_bytes(&mut self, bytes: &[u8]) {
        let Some(flow) = self.flow() else {
            assert!(self.lenient, "nothing to talk over");
            return;
        };
        let now = self.clock();
        let remote = SERVER.parse().unwrap();
        self.phone.handle(now, Input::Sip(sip::Input::Received { flow, remote, bytes }));
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.say_bytes(bytes);
        self.perform();
    }

    /// Somebody else says it to the phone's socket.
    pub fn say_from(&mut self, remote: &str, bytes: &[u8]) {
        let flow = self.flow().expect("nothing to talk over");
        let now = self.clock();
        let remote = remote.parse().unwrap();
        self.phone.handle(now, Input::Sip(sip::Input::Received { flow, remote, bytes }));
        self.perform();
    }

    pub fn flow(&self) -> Option<FlowId> {
        self.flows.last().map(|(flow, _)| *flow)
    }

    /// Time passes, timeouts happen when they are due.
    pub fn advance(&mut self, time: Duration) {
        let target = self.now + time;
        let mut stuck = 0;
        while let Some(at) = self.timeout.filter(|at| *at <= target) {
            if at <= self.now {
                stuck += 1;
                assert!(stuck < 3, "asks for a timeout in the past again and again");
            } else {
                stuck = 0;
                self.now = at;
            }
            self.input(Input::Timeout);
        }
        self.now = target;
    }

    pub fn seconds(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    // --- hands ---

    pub fn lift(&mut self) {
        self.input(Input::Panel(PanelEvent::Hook(Hook::Off)));
    }

    pub fn put_down(&mut self) {
        self.input(Input::Panel(PanelEvent::Hook(Hook::On)));
    }

    pub fn down(&mut self, key: Key) {
        self.input(Input::Panel(PanelEvent::Down(key)));
    }

    pub fn up(&mut self, key: Key) {
        self.input(Input::Panel(PanelEvent::Up(key)));
    }

    /// 100 ms long.
    pub fn press(&mut self, key: Key) {
        self.down(key);
        self.advance(Duration::from_millis(100));
        self.up(key);
        self.advance(Duration::from_millis(100));
    }

    pub fn keys(&mut self, digits: &str) {
        for digit in digits.chars() {
            self.press(Key::Digit(digit));
        }
    }

    pub fn soft(&mut self, label: &str) {
        let keys = self.view().soft_keys;
        let index = keys.iter().position(|key| key.label == label).unwrap_or_else(|| panic!("{label} not in {keys:?}"));
        self.press(Key::Soft(index as u8 + 1));
    }

    pub fn command(&mut self, command: Command) -> Result<(), Refusal> {
        self.commands += 1;
        let id = self.commands;
        self.input(Input::Command { id: CommandId(id), command });
        self.done.get(&id).cloned().expect("every command is answered")
    }

    pub fn dial(&mut self, number: &str) -> Result<(), Refusal> {
        self.command(Command::Dial { account: None, target: number.into() })
    }

    // --- eyes ---

    pub fn view(&self) -> View {
        self.phone.view(self.clock())
    }

    pub fn call(&self) -> CallView {
        let calls = self.view().calls;
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.into_iter().next().unwrap()
    }

    pub fn states(&self) -> Vec<(&'static str, bool)> {
        self.view().calls.iter().map(|call| (call.state.name(), call.in_focus)).collect()
    }

    pub fn lamp(&self, lamp: Lamp) -> Pattern {
        self.lamps.get(&lamp).copied().unwrap_or(Pattern::Off)
    }

    /// Takes the first unread request of this method.
    pub fn request(&mut self, method: Method) -> Request {
        let at = self.heard.iter().position(|message| matches!(message, Message::Request(r) if r.method == method));
        let at = at.unwrap_or_else(|| panic!("no {method:?} among {:?}", self.summary()));
        match self.heard.remove(at) {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!(),
        }
    }

    pub fn has_request(&self, method: &Method) -> bool {
        self.heard.iter().any(|message| matches!(message, Message::Request(r) if r.method == *method))
    }

    /// Takes the first unread response with this status.
    pub fn response(&mut self, status: u16) -> Response {
        let at = self.heard.iter().position(|message| matches!(message, Message::Response(r) if r.status == status));
        let at = at.unwrap_or_else(|| panic!("no {status} among {:?}", self.summary()));
        match self.heard.remove(at) {
            Message::Response(response) => response,
            Message::Request(_) => unreachable!(),
        }
    }

    pub fn summary(&self) -> Vec<String> {
        self.heard
            .iter()
            .map(|message| match message {
                Message::Request(request) => request.method.as_str().to_owned(),
                Message::Response(response) => response.status.to_string(),
            })
            .collect()
    }

    // --- the peer ---

    pub fn respond(&mut self, request: &Request, status: u16, sdp: Option<&str>) {
        self.respond_with(request, status, sdp, &[]);
    }

    pub fn respond_with(&mut self, request: &Request, status: u16, sdp: Option<&str>, headers: &[(&str, &str)]) {
        let mut response = Response::to(request, status, (status > 100).then_some("peer"));
        if (101..300).contains(&status) {
            response.headers.push("Contact", "<sip:102@192.0.2.1:5060>");
        }
        for (name, value) in headers {
            response.headers.push(name, *value);
        }
        if let Some(sdp) = sdp {
            response.set_body(Body { content_type: "application/sdp".into(), bytes: sdp.as_bytes().to_vec() });
        }
        self.say(&response.to_bytes());
    }

    /// Makes a call that the phone has dialled already ring and be answered.
    pub fn pick_up(&mut self) -> Request {
        let invite = self.request(Method::Invite);
        self.respond(&invite, 180, None);
        self.respond(&invite, 200, Some(&sdp("sendrecv", 8)));
        self.request(Method::Ack);
        invite
    }

    /// Dials hands-free and is answered.
    pub fn talk(&mut self) -> Request {
        self.dial("102").unwrap();
        self.pick_up()
    }

    /// A new INVITE from outside.
    pub fn ring(&mut self, from: &str, more: &str, body: Option<&str>) -> Incoming {
        self.serial += 1;
        let incoming = Incoming { serial: self.serial, from: from.into(), to_tag: None };
        let body = body.unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "INVITE sip:100@{} SIP/2.0\r\n{}CSeq: 1 INVITE\r\nContact: <sip:{from}@192.0.2.1:5060>\r\nMax-Forwards: 70\r\n\
             {more}{kind}Content-Length: {}\r\n\r\n{body}",
            self.local.unwrap(),
            incoming.head("invite", None),
            body.len(),
        );
        self.say(text.as_bytes());
        incoming
    }

    /// A request inside or around that call.
    pub fn send(&mut self, call: &mut Incoming, method: &str, cseq: u32, more: &str, body: Option<&str>) {
        if call.to_tag.is_none() {
            let tag = self.heard.iter().find_map(|message| match message {
                Message::Response(response)
                    if response.status > 100 && response.headers.call_id() == Some(&call.call_id()) =>
                {
                    response.headers.to()?.tag().map(str::to_owned)
                }
                _ => None,
            });
            call.to_tag = tag;
        }
        let tag = if method == "CANCEL" { None } else { call.to_tag.clone() };
        let branch = if method == "CANCEL" { "invite".into() } else { format!("{method}{cseq}") };
        let body = body.unwrap_or_default();
        let kind = match (body.is_empty(), more.contains("Content-Type")) {
            (false, false) => "Content-Type: application/sdp\r\n",
            _ => "",
        };
        let text = format!(
            "{method} sip:100@{} SIP/2.0\r\n{}CSeq: {cseq} {method}\r\nContact: <sip:{}@192.0.2.1:5060>\r\n\
             Max-Forwards: 70\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
            self.local.unwrap(),
            call.head(&branch, tag.as_deref()),
            call.from,
            body.len(),
        );
        self.say(text.as_bytes());
    }

    /// A request of the peer in the dialog of a call that the phone made.
    pub fn send_in(&mut self, invite: &Request, method: &str, cseq: u32, more: &str, body: Option<&str>) {
        let from = invite.headers.from().unwrap();
        let body = body.unwrap_or_default();
        let kind = match (body.is_empty(), more.contains("Content-Type")) {
            (false, false) => "Content-Type: application/sdp\r\n",
            _ => "",
        };
        let text = format!(
            "{method} sip:100@{} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{method}{cseq}\r\n\
             From: <{}>;tag=peer\r\nTo: <{}>;tag={}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:102@192.0.2.1:5060>\r\nMax-Forwards: 70\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
            self.local.unwrap(),
            invite.headers.to().unwrap().uri,
            from.uri,
            from.tag().unwrap(),
            invite.headers.call_id().unwrap(),
            body.len(),
        );
        self.say(text.as_bytes());
    }

    /// NOTIFY in the dialog of a SUBSCRIBE of the phone.
    pub fn notify(&mut self, subscribe: &Request, cseq: u32, state: &str, kind: &str, body: &str) {
        let from = subscribe.headers.from().unwrap();
        let text = format!(
            "NOTIFY sip:100@{} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKn{}{cseq}\r\n\
             From: <{}>;tag=sub\r\nTo: <{}>;tag={}\r\nCall-ID: {}\r\nCSeq: {cseq} NOTIFY\r\nEvent: {}\r\n\
             Subscription-State: {state}\r\nContact: <sip:192.0.2.1:5060>\r\nMax-Forwards: 70\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            self.local.unwrap(),
            subscribe.headers.call_id().unwrap(),
            subscribe.headers.to().unwrap().uri,
            from.uri,
            from.tag().unwrap(),
            subscribe.headers.call_id().unwrap(),
            subscribe.headers.first("Event").unwrap(),
            body.len(),
        );
        self.say(text.as_bytes());
    }

    pub fn media_event(&mut self, event: MediaEvent) {
        self.input(Input::Media(event));
    }

    pub fn stream(&self) -> StreamId {
        StreamId(self.bound.last().expect("ports").0)
    }

    /// Answers the oldest request.
    pub fn fetched(&mut self, status: u16, body: &[u8]) {
        let (id, _) = self.fetches.remove(0);
        self.answer_fetch(id, status, body);
    }

    pub fn answer_fetch(&mut self, id: PhoneFetchId, status: u16, body: &[u8]) {
        let response = FetchResponse { status, headers: vec![], body: body.to_vec() };
        self.input(Input::Fetched { id, result: Ok(response) });
    }

    /// The oldest request to a web service gets this answer.
    pub fn serve(&mut self, status: u16, body: &str) -> FetchRequest {
        let response = FetchResponse { status, headers: vec![], body: body.as_bytes().to_vec() };
        self.serve_with(Ok(response))
    }

    pub fn serve_with(&mut self, result: Result<FetchResponse, FetchError>) -> FetchRequest {
        let (id, request) = self.services.remove(0);
        self.input(Input::Fetched { id, result });
        request
    }

    pub fn census(&self) -> Census {
        self.phone.census()
    }

    /// Nothing of any call is left once the transactions have timed out.
    pub fn assert_clean(&mut self) {
        self.seconds(40);
        let census = self.census();
        assert_eq!((census.calls, census.media, census.sip.sessions), (0, 0, 0), "{census:?}");
        assert_eq!((census.sip.client_transactions, census.sip.server_transactions), (0, 0), "{census:?}");
        assert!(self.bound.is_empty(), "ports left: {:?}", self.bound);
        assert_eq!(self.view().calls, vec![]);
    }

    pub fn hang_up_all(&mut self) {
        let _ = self.command(Command::Hangup(CallRef::All));
    }
}

/// A call that the peer makes.
pub struct Incoming {
    serial: u32,
    from: String,
    to_tag: Option<String>,
}

impl Incoming {
    pub fn call_id(&self) -> String {
        format!("in{}@peer", self.serial)
    }

    fn head(&self, branch: &str, tag: Option<&str>) -> String {
        let tag = tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
        format!(
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}{}\r\nFrom: \"Bob\" <sip:{}@192.0.2.1>;tag=p{}\r\n\
             To: <sip:100@192.0.2.1>{tag}\r\nCall-ID: {}\r\n",
            self.serial,
            self.from,
            self.serial,
            self.call_id()
        )
    }
}

/// PCMA (8) or PCMU (0) with telephone-event 101.
pub fn sdp(direction: &str, codec: u8) -> String {
    sdp_at("192.0.2.1", 30_000, direction, codec)
}

pub fn sdp_at(address: &str, port: u16, direction: &str, codec: u8) -> String {
    let name = if codec == 8 { "PCMA" } else { "PCMU" };
    format!(
        "v=0\r\no=- 1 {port} IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP {codec} 101\r\n\
         a=rtpmap:{codec} {name}/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )
}

pub fn dialog_info(version: u32, full: bool, dialogs: &[(&str, &str, &str)]) -> String {
    let state = if full { "full" } else { "partial" };
    let mut body = format!(
        "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
         state=\"{state}\" entity=\"sip:102@192.0.2.1\">"
    );
    for (id, direction, state) in dialogs {
        body.push_str(&format!("<dialog id=\"{id}\" direction=\"{direction}\"><state>{state}</state></dialog>"));
    }
    body + "</dialog-info>"
}
