//! The router: every input meets the one place that knows what to do with it.
//!
//! ```text
//! phone.handle(now, input);
//! loop { match phone.poll() { Output::Timeout(at) => break, output => driver.perform(output) } }
//! ```
use crate::{Command, CommandId, Event, Refusal, View};
use offhook_account::provisioner::{FetchError, FetchRequest, FetchResponse};
use offhook_account::template::Device;
use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime};

#[derive(Debug, Clone, Copy)]
pub struct Now { pub instant: Instant, /// None until the date is known
    pub wall: Option<SystemTime> }
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PhoneFetchId(pub u64);
/// Names a pair of RTP/RTCP sockets; equal to the `media::StreamId` of the stream that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaId(pub u32);

#[derive(Debug, Clone)]
pub struct PhoneConfig {
    pub device: Device, pub version: String,
    /// `--provision` templates; each makes one account
    pub provision: Vec<String>, /// allow passwords in plain-http URLs
    pub insecure_provisioning: bool,
    /// `--account` documents: (file name, bytes)
    pub accounts: Vec<(String, Vec<u8>)>,
    /// what `Persist` wrote before: (name, bytes)
    pub records: Vec<(String, Vec<u8>)>,
    pub lamps: Vec<offhook_hal::Lamp>,
    /// [Hz] of the engine
    pub engine_rate: u32, pub seed: u64,
    /// the board has a bell: `Ring` also drives it
    pub bell: bool,
}
#[derive(Debug)]
pub enum Input<'a> {
    /// Begin: restore, provision, register.
    Start,
    Sip(offhook_sip::Input<'a>),
    Panel(offhook_hal::PanelEvent),
    MediaBound { id: MediaId, result: Result<SocketAddr, String> },
    Media(offhook_media::Event),
    Fetched { id: PhoneFetchId, result: Result<FetchResponse, FetchError> },
    Command { id: CommandId, command: Command },
    /// the sound device was lost or came back
    Audio { available: bool, text: String },
    Timeout,
    /// SIGTERM: hang up, unregister; `Output::Stopped` when done (at most 2 s)
    Stop,
}
#[derive(Debug)]
pub enum Output {
    Timeout(Option<Instant>),
    /// everything of `offhook_sip::Output` but `Event` and `Timeout`
    Sip(offhook_sip::Output),
    /// Bind an even/odd pair of UDP ports on `local` within `range`.
    BindMedia { id: MediaId, local: IpAddr, range: (u16, u16) },
    ReleaseMedia { id: MediaId },
    Media(offhook_media::Command),
    Fetch { id: PhoneFetchId, request: FetchRequest },
    /// Write under this name, atomically, soon; empty bytes: delete.
    Persist { name: String, bytes: Vec<u8> },
    Indicate(offhook_hal::Lamp, offhook_hal::Pattern),
    Ring(bool),
    Route(offhook_hal::Route),
    Notify(Event),
    Done { id: CommandId, result: Result<(), Refusal> },
    Stopped,
}
#[derive(Debug)]
pub struct Phone { }
impl Phone {
    pub fn new(config: PhoneConfig) -> Self { todo!() }
    pub fn handle(&mut self, now: Now, input: Input<'_>) { todo!() }
    pub fn poll(&mut self) -> Output { todo!() }
    pub fn view(&self, now: Now) -> View { todo!() }
    /// changes whenever the view would
    pub fn view_version(&self) -> u64 { todo!() }
    /// For leak tests: live transactions, sessions, calls, media.
    pub fn census(&self) -> Census { todo!() }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census { pub sip: offhook_sip::Census, pub calls: usize, pub media: usize }
