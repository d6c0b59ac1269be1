//! The router: every input meets the one place that knows what to do with it.
//!
//! ```text
//! phone.handle(now, input);
//! loop { match phone.poll() { Output::Timeout(at) => break, output => driver.perform(output) } }
//! ```
//!
//! Everything is worked out in `handle`; `poll` only hands over, packets first. Inputs before `Start` are taken but
//! nothing registers. After `Output::Stopped` nothing happens any more.

use crate::blf::Watch;
use crate::call::Call;
use crate::chance::Chance;
use crate::contacts::Contacts;
use crate::dialing::Dialing;
use crate::ear::Ear;
use crate::factory_reset::FactoryReset;
use crate::finding::{Finding, PnpEvent, PnpOrder};
use crate::history::History;
use crate::line::Line;
use crate::moment::Links;
use crate::on_demand::Patient;
use crate::provisioning::Fetches;
use crate::requests::Requests;
use crate::self_test::{Probe, Probed, SelfTest};
use crate::services::Services;
use crate::settle::Shown;
use crate::tones::Sounds;
use crate::{CallId, Command, CommandId, Event, Level, Refusal, View, Volume};
use offhook_account::fetch::{FetchError, FetchRequest, FetchResponse, Trust};
use offhook_account::finding::DhcpOptions;
use offhook_account::rules::{Uplink, Zone};
use offhook_account::template::Device;
use offhook_hal::PanelEvent;
use offhook_media::StreamId;
use offhook_media::stream::Statistics;
use offhook_sip::{Endpoint, EndpointConfig, FlowId, Method};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub instant: Instant,
    /// None until the date is known
    pub wall: Option<SystemTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PhoneFetchId(pub u64);

/// Names a pair of RTP/RTCP sockets; equal to the `media::StreamId` of the stream that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaId(pub u32);

/// Sound of all files in `PhoneConfig::media` [s].
pub const MEDIA_LONGEST: usize = 300;

#[derive(Clone)]
pub struct PhoneConfig {
    pub device: Device,
    pub version: String,
    /// `--provision` templates; each makes one account
    pub provision: Vec<String>,
    /// allow passwords in plain-http URLs
    pub insecure_provisioning: bool,
    /// without `provision`, `accounts` and anything stored: look for a server in the network, and let somebody log in
    pub find: bool,
    /// where settings come from (as `provision`) while nobody else is known to provision this phone; it goes on looking
    pub fallback: Option<String>,
    /// for provisioning servers, beside what an account says
    pub trust: Arc<Trust>,
    /// `--account` documents: (file name, bytes)
    pub accounts: Vec<(String, Vec<u8>)>,
    /// values for every account of this place, below everything that is provisioned (`--site`)
    pub site: offhook_account::Document,
    /// what `Persist` wrote before: (name, bytes)
    pub records: Vec<(String, Vec<u8>)>,
    /// WAV files that the accounts' tones may name (`axml.tones.03`): (file name, bytes). The phone reads them when it is
    /// made and keeps only their sound; after [`MEDIA_LONGEST`] together what does not fit is refused.
    pub media: Vec<(String, Vec<u8>)>,
    pub lamps: Vec<offhook_hal::Lamp>,
    /// [Hz] of the engine
    pub engine_rate: u32,
    pub seed: u64,
    /// the board has a bell: `Ring` also drives it
    pub bell: bool,
    /// keys that the self-test asks for
    pub keys: Vec<offhook_hal::Key>,
    /// name of the machine in the network, for people
    pub hostname: String,
    /// where the phone stands: schedules go by its clock
    pub zone: Zone,
}

#[derive(Debug)]
pub enum Input<'a> {
    /// Begin: restore, provision, register.
    Start,
    Sip(offhook_sip::Input<'a>),
    Panel(PanelEvent),
    MediaBound {
        id: MediaId,
        result: Result<SocketAddr, String>,
    },
    Media(offhook_media::Event),
    Fetched {
        id: PhoneFetchId,
        result: Result<FetchResponse, FetchError>,
    },
    Command {
        id: CommandId,
        command: Command,
    },
    /// the sound device was lost or came back
    Audio {
        available: bool,
        text: String,
    },
    /// Why what was persisted cannot be written, in words with a remedy; `None`: everything is on the medium again.
    Storage {
        trouble: Option<String>,
    },
    /// There is a network again, or for the first time: what failed for want of it is tried at once.
    NetworkUp,
    /// Which link calls go over. Until the first of these it is an Ethernet.
    Uplink(Uplink),
    /// the answer to `Output::ReadLeases`: what DHCP said, interface by interface
    Leases(&'a [DhcpOptions]),
    /// the answers to `Output::Pnp`
    Pnp(PnpEvent<'a>),
    /// the answer to `Output::Probe`
    Probed(Probed),
    Timeout,
    /// SIGTERM: hang up, unregister; `Output::Stopped` when done (at most 2 s)
    Stop,
}

// made and moved a few times for each input: a box would cost more than the move
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum Output {
    Timeout(Option<Instant>),
    /// everything of `offhook_sip::Output` but `Event` and `Timeout`
    Sip(offhook_sip::Output),
    /// Bind an even/odd pair of UDP ports on `local` within `range`.
    BindMedia {
        id: MediaId,
        local: IpAddr,
        range: (u16, u16),
    },
    ReleaseMedia {
        id: MediaId,
    },
    Media(offhook_media::Command),
    Fetch {
        id: PhoneFetchId,
        request: FetchRequest,
    },
    /// What the network's DHCP said is wanted: `Input::Leases`.
    ReadLeases,
    /// SIP PnP in the local network.
    Pnp(PnpOrder),
    /// Write under this name, atomically, soon; empty bytes: delete.
    Persist {
        name: String,
        bytes: Vec<u8>,
    },
    Indicate(offhook_hal::Lamp, offhook_hal::Pattern),
    Ring(bool),
    Route(offhook_hal::Route),
    Notify(Event),
    /// A question of the self-test; `Input::Probed` answers it.
    Probe(Probe),
    /// Somebody held the keys of the factory reset: forget everything and begin anew.
    FactoryReset,
    Done {
        id: CommandId,
        result: Result<(), Refusal>,
    },
    Stopped,
}

/// How long a stop may take before it happens all the same.
const STOP_TIME: Duration = Duration::from_millis(1900);

/// The machine. Debug output has no settings in it.
pub struct Phone {
    pub(crate) config: PhoneConfig,
    pub(crate) sounds: Sounds,
    pub(crate) endpoint: Endpoint,
    pub(crate) sip_timeout: Option<Instant>,
    packets: VecDeque<Output>,
    outputs: VecDeque<Output>,
    pub(crate) timeout: Option<Instant>,
    pub(crate) lines: Vec<Line>,
    pub(crate) fetches: Fetches,
    pub(crate) requests: Requests,
    pub(crate) finding: Finding,
    pub(crate) watches: Vec<Watch>,
    pub(crate) calls: Vec<Call>,
    pub(crate) ear: Ear,
    pub(crate) dialing: Dialing,
    pub(crate) history: History,
    pub(crate) contacts: Contacts,
    pub(crate) services: Services,
    pub(crate) patient: Option<Patient>,
    pub(crate) volume: Volume,
    pub(crate) factory_reset: FactoryReset,
    pub(crate) self_test: Option<SelfTest>,
    /// Hashes of what was stored last, so that the same is not written again.
    pub(crate) stored: BTreeMap<String, u64>,
    pub(crate) shown: Shown,
    pub(crate) notice: Option<(Instant, String)>,
    /// Why the newest state is not on the medium.
    pub(crate) unsaved: Option<String>,
    pub(crate) links: Links,
    pub(crate) chance: Chance,
    pub(crate) last_call: u32,
    pub(crate) last_media: u32,
    /// Remote addresses of our flows: who the account's server is.
    pub(crate) servers: BTreeMap<FlowId, IpAddr>,
    /// Fixed local ports of our flows, to notice one that is taken by somebody else.
    pub(crate) ports: BTreeMap<FlowId, u16>,
    /// Of the call that ended last; its final counters come after its end.
    pub(crate) last_statistics: Option<(CallId, StreamId, Option<Statistics>)>,
    /// The next full second of a talk, for whoever shows it.
    pub(crate) tick: Option<Instant>,
    pub(crate) version: u64,
    started: bool,
    pub(crate) stopping: Option<Instant>,
    stopped: bool,
}

impl Phone {
    pub fn new(mut config: PhoneConfig) -> Self {
        let sounds = Sounds::read(std::mem::take(&mut config.media), config.engine_rate);
        let mut chance = Chance::new(config.seed);
        let contacts = Contacts::restore(&config.records);
        let endpoint = Endpoint::new(
            EndpointConfig {
                user_agent: format!("Offhook/{}", config.version),
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
                accept: [
                    "application/sdp",
                    "application/dtmf-relay",
                    "application/dtmf",
                    "application/dialog-info+xml",
                    "application/simple-message-summary",
                ]
                .map(str::to_owned)
                .to_vec(),
                allow_events: Vec::new(),
                server: false,
                t1: Duration::from_millis(500),
            },
            chance.next(),
        );
        Self {
            config,
            sounds,
            endpoint,
            sip_timeout: None,
            packets: VecDeque::new(),
            outputs: VecDeque::new(),
            timeout: None,
            lines: Vec::new(),
            fetches: Fetches::default(),
            requests: Requests::default(),
            finding: Finding::default(),
            watches: Vec::new(),
            calls: Vec::new(),
            ear: Ear::default(),
            dialing: Dialing::default(),
            history: History::default(),
            contacts,
            services: Services::default(),
            patient: None,
            volume: crate::volume::DEFAULT,
            factory_reset: FactoryReset::default(),
            self_test: None,
            stored: BTreeMap::new(),
            shown: Shown::default(),
            notice: None,
            unsaved: None,
            links: Links::default(),
            chance,
            last_call: 0,
            last_media: 0,
            servers: BTreeMap::new(),
            ports: BTreeMap::new(),
            last_statistics: None,
            tick: None,
            version: 0,
            started: false,
            stopping: None,
            stopped: false,
        }
    }

    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        if self.stopped {
            return;
        }
        match input {
            Input::Start if !self.started => {
                self.started = true;
                self.changed();
                self.start(now);
                self.settle_contacts(now);
                self.forget_unclaimed_directories();
            }
            Input::Start => {}
            Input::Sip(input) => self.sip_input(now, input),
            Input::Panel(event) => {
                self.changed();
                self.panel_event(now, event);
            }
            Input::MediaBound { id, result } => self.media_bound(now, id, result),
            Input::Media(event) => self.media_event(now, event),
            Input::Fetched { id, result } => self.fetched(now, id, result),
            Input::Command { id, command } => {
                self.changed();
                let result = self.order(now, command);
                self.out(Output::Done { id, result });
            }
            Input::Audio { available, text } => {
                let text = match (available, text.is_empty()) {
                    (true, true) => "sound is back".to_owned(),
                    (false, true) => "the sound device is gone".to_owned(),
                    _ => text,
                };
                self.links.no_sound = !available;
                let level = if available { Level::Event } else { Level::Warning };
                self.notice(now, level, text);
            }
            Input::Storage { trouble } => self.storage_told(now, trouble),
            Input::NetworkUp => {
                self.network_up(now);
                self.refresh_contacts(now, false);
                self.find_at_once(now);
            }
            Input::Uplink(uplink) => self.uplink_changed(now, uplink),
            Input::Leases(leases) => self.leases_read(now, leases),
            Input::Pnp(event) => self.pnp_event(now, event),
            Input::Probed(answer) => self.probed(now, answer),
            Input::Timeout => self.due(now),
            Input::Stop => self.stop(now),
        }
        self.fire(now);
        self.pump(now);
        while self.apply_deferred(now) || self.leave(now) || self.release_on_demand(now) {
            self.pump(now);
        }
        self.settle_contacts(now);
        self.settle_services(now);
        self.go_on_testing(now);
        self.settle(now);
        self.finish_stop(now);
        self.timeout = self.next_timeout();
    }

    pub fn poll(&mut self) -> Output {
        self.packets.pop_front().or_else(|| self.outputs.pop_front()).unwrap_or(Output::Timeout(self.timeout))
    }

    pub fn view(&self, now: Now) -> View {
        self.picture(now)
    }

    /// Changes whenever the view would; while somebody talks, also at each full second.
    pub fn view_version(&self) -> u64 {
        self.version
    }

    /// The newest counters of a call's stream (`ctl.ntf.043`); of the last ended call until the next one ends.
    pub fn statistics(&self, call: CallId) -> Option<Statistics> {
        let live = self.calls.iter().find(|candidate| candidate.id == call).and_then(|call| call.statistics);
        live.or_else(|| self.last_statistics.filter(|(of, ..)| *of == call).and_then(|(_, _, statistics)| statistics))
    }

    /// For leak tests: live transactions, sessions, calls, media.
    pub fn census(&self) -> Census {
        let live = self.calls.iter().filter(|call| call.is_live()).count();
        Census { sip: self.endpoint.census(), calls: live, media: live }
    }

    /// The view is another now.
    pub(crate) fn changed(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    pub(crate) fn out(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn packet(&mut self, output: offhook_sip::Output) {
        self.packets.push_back(Output::Sip(output));
    }

    pub(crate) fn notify(&mut self, event: Event) {
        self.changed();
        self.outputs.push_back(Output::Notify(event));
    }

    /// One line for the person in front of the phone.
    pub(crate) fn notice(&mut self, now: Now, level: Level, text: String) {
        self.notice = Some((now.instant, text.clone()));
        self.notify(Event::Notice { level, text });
    }

    /// Stores a record, if it is another one than before: memory cards wear out.
    pub(crate) fn persist(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        let name = name.into();
        let hash = Self::hash(&bytes);
        let same = match self.stored.get(&name) {
            Some(before) => *before == hash,
            // deleting what is not there
            None => bytes.is_empty(),
        };
        if same {
            return;
        }
        if bytes.is_empty() {
            self.stored.remove(&name);
        } else {
            self.stored.insert(name.clone(), hash);
        }
        self.out(Output::Persist { name, bytes });
    }

    /// Settings that are gone after the next power cut are worth a word as long as it lasts.
    fn storage_told(&mut self, now: Now, trouble: Option<String>) {
        if self.unsaved == trouble {
            return;
        }
        self.unsaved.clone_from(&trouble);
        match trouble {
            Some(text) => self.notice(now, Level::Warning, text),
            None => self.notice(now, Level::Event, "everything is saved again".into()),
        }
    }

    pub(crate) fn hash(bytes: &[u8]) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        bytes.hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    fn stop(&mut self, now: Now) {
        if self.stopping.is_some() {
            return;
        }
        self.changed();
        self.self_test = None;
        self.close_ear(now);
        let ids: Vec<CallId> = self.calls.iter().map(|call| call.id).collect();
        for id in ids {
            self.hang_up(now, id);
        }
        self.calls.clear();
        self.stopping = Some(now.instant + STOP_TIME);
        self.endpoint.shut_down(now.instant);
    }

    fn finish_stop(&mut self, now: Now) {
        let Some(deadline) = self.stopping else {
            return;
        };
        if now.instant >= deadline || self.endpoint.is_at_rest() {
            self.stopped = true;
            self.sip_timeout = None;
            self.out(Output::Stopped);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        if self.stopped {
            return None;
        }
        self.deadlines().min()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    pub sip: offhook_sip::Census,
    /// not ended
    pub calls: usize,
    /// pairs of ports bound or asked for
    pub media: usize,
}

impl std::fmt::Debug for PhoneConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PhoneConfig")
            .field("device", &self.device)
            .field("version", &self.version)
            .field("engine_rate", &self.engine_rate)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Phone")
            .field("ear", &self.ear)
            .field("calls", &self.calls.len())
            .field("lines", &self.lines.len())
            .finish_non_exhaustive()
    }
}
