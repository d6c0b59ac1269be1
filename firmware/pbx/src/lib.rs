//! The small-office PBX machine: registrar with digest, location, routing between users, echo and tone numbers,
//! dialog-info and message-summary notifications, provisioning. Same shape as the phone; no sockets, no files, no clock.
//!
//! It is a back-to-back user agent: each call is two `sip` sessions; SDP passes through untouched, media flows between the
//! phones. The echo and tone numbers end here: their media runs in an `offhook_media::Engine` of the driver.

use offhook_media as media;
use offhook_sip as sip;
use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime};

#[derive(Debug, Clone, Copy)]
pub struct Now { pub instant: Instant, pub wall: Option<SystemTime> }
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HttpId(pub u64);
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaId(pub u32);

#[derive(Debug, Clone)]
pub struct PbxConfig {
    /// users made at first start
    pub users: Vec<String>,
    /// SIP and HTTP addresses that phones reach us at (put into Account XML and URLs)
    pub sip: SocketAddr, pub http: SocketAddr,
    /// realm and domain
    pub realm: String,
    /// what `Persist` wrote before: (name, bytes); state of users, bindings, voicemail counts
    pub records: Vec<(String, Vec<u8>)>,
    pub seed: u64, /// 32 random octets: nonce key and the source of passwords and tokens at first start
    pub entropy: [u8; 32],
    /// [Hz]
    pub engine_rate: u32, pub version: String,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest { pub method: String, /// path and query
    pub target: String, pub headers: Vec<(String, String)>, pub body: Vec<u8> }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse { pub status: u16, pub headers: Vec<(String, String)>, pub body: Vec<u8> }
#[derive(Debug)]
pub enum Input<'a> {
    Start, Sip(sip::Input<'a>), Http { id: HttpId, request: HttpRequest, source: SocketAddr },
    MediaBound { id: MediaId, result: Result<SocketAddr, String> }, Media(media::Event), Timeout,
    /// set message counts of a user (test, voicemail later): new, old
    Messages { user: String, new: u32, old: u32 },
    Stop,
}
#[derive(Debug)]
pub enum Output {
    Timeout(Option<Instant>), Sip(sip::Output), BindMedia { id: MediaId, local: IpAddr, range: (u16, u16) }, ReleaseMedia { id: MediaId }, Media(media::Command),
    Http { id: HttpId, response: HttpResponse }, Persist { name: String, bytes: Vec<u8> },
    /// for standard output at start: provisioning URL of a user (no password in it)
    User { number: String, provision: String },
    Log(String), Stopped,
}
#[derive(Debug)]
pub struct Pbx { }
impl Pbx {
    pub fn new(config: PbxConfig) -> Self { todo!() }
    pub fn handle(&mut self, now: Now, input: Input<'_>) { todo!() }
    pub fn poll(&mut self) -> Output { todo!() }
    /// Registered contacts of a user, for tests and the page to come.
    pub fn contacts(&self, user: &str) -> Vec<String> { todo!() }
    pub fn census(&self) -> sip::Census { todo!() }
}
