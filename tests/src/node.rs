//! The nodes of the simulated office: phones with an ear and a mouth, and the PBX. Each drives its machine as the daemon
//! does, but on the world's network and clock.

use offhook_hal::{Lamp, Pattern, Route};
use offhook_media::{Engine, EngineConfig};
use offhook_pbx::{Pbx, PbxConfig};
use offhook_phone::{Event, Phone, PhoneConfig};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Rate of every engine in the world [Hz].
pub const RATE: u32 = 16_000;
/// One beat: 10 ms.
pub const PERIOD: usize = 160;
/// What an ear remembers: 2 s.
const MEMORY: usize = 2 * RATE as usize;

/// A phone on its desk.
#[derive(Debug)]
pub struct Desk {
    pub name: String,
    pub user: String,
    pub ip: IpAddr,
    pub phone: Phone,
    pub engine: Engine,
    pub records: BTreeMap<String, Vec<u8>>,
    pub timeout: Option<Instant>,
    /// What the handset's ear heard lately.
    pub heard: VecDeque<i16>,
    /// What the mouth says [Hz], and where in its wave it is.
    pub hertz: u32,
    phase: f64,
    pub lamps: BTreeMap<Lamp, Pattern>,
    pub ring: bool,
    pub route: Route,
    pub events: Vec<Event>,
    pub config: PhoneConfig,
}

impl Desk {
    pub fn new(name: &str, user: &str, ip: IpAddr, config: PhoneConfig) -> Self {
        Self {
            name: name.into(),
            user: user.into(),
            ip,
            phone: Phone::new(config.clone()),
            engine: Engine::new(EngineConfig { rate: RATE, period: PERIOD, streams: 8 }),
            records: BTreeMap::new(),
            timeout: None,
            heard: VecDeque::new(),
            hertz: 0,
            phase: 0.0,
            lamps: BTreeMap::new(),
            ring: false,
            route: Route::Off,
            events: Vec::new(),
            config,
        }
    }

    /// Power off and on: only records remain.
    pub fn restart(&mut self, seed: u64) {
        self.config.records = self.records.iter().map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        self.config.seed = seed;
        self.phone = Phone::new(self.config.clone());
        self.engine = Engine::new(EngineConfig { rate: RATE, period: PERIOD, streams: 8 });
        self.timeout = None;
        self.lamps.clear();
        self.ring = false;
        self.route = Route::Off;
    }

    /// One period of sound. The mouth speaks into the microphone, the ear remembers.
    pub fn beat(&mut self, now: Instant) {
        let mut captured = [0i16; PERIOD];
        if self.hertz > 0 {
            for sample in &mut captured {
                *sample = (8000.0 * self.phase.sin()) as i16;
                self.phase = (self.phase + std::f64::consts::TAU * f64::from(self.hertz) / f64::from(RATE))
                    % std::f64::consts::TAU;
            }
        }
        let mut playback = [0i16; PERIOD];
        self.engine.period(now, &captured, &mut playback, None);
        // With the handset in its cradle nobody hears, whatever the device plays.
        let audible = self.route != Route::Off;
        self.heard.extend(playback.iter().map(|sample| if audible { *sample } else { 0 }));
        let surplus = self.heard.len().saturating_sub(MEMORY);
        self.heard.drain(..surplus);
    }

    /// The last `milliseconds` at the ear.
    pub fn last_heard(&self, milliseconds: usize) -> Vec<i16> {
        let n = (milliseconds * RATE as usize / 1000).min(self.heard.len());
        self.heard.iter().skip(self.heard.len() - n).copied().collect()
    }
}

/// The PBX in its cupboard.
#[derive(Debug)]
pub struct Cupboard {
    pub ip: IpAddr,
    pub sip: SocketAddr,
    pub http: SocketAddr,
    pub pbx: Option<Pbx>,
    pub engine: Engine,
    pub records: BTreeMap<String, Vec<u8>>,
    pub timeout: Option<Instant>,
    /// Provisioning URL by user.
    pub urls: BTreeMap<String, String>,
    pub log: Vec<String>,
}

impl Cupboard {
    pub fn new(ip: IpAddr) -> Self {
        Self {
            ip,
            sip: SocketAddr::new(ip, 5060),
            http: SocketAddr::new(ip, 8060),
            pbx: None,
            engine: Engine::new(EngineConfig { rate: RATE, period: PERIOD, streams: 8 }),
            records: BTreeMap::new(),
            timeout: None,
            urls: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    pub fn power_on(&mut self, seed: u64) {
        let mut entropy = [0; 32];
        let mut chance = crate::chance::Chance::new(seed);
        entropy.fill_with(|| chance.draw() as u8);
        self.pbx = Some(Pbx::new(PbxConfig {
            users: ["100", "101", "102"].map(String::from).to_vec(),
            sip: self.sip,
            http: self.http,
            realm: "offhook".into(),
            records: self.records.iter().map(|(name, bytes)| (name.clone(), bytes.clone())).collect(),
            seed,
            entropy,
            engine_rate: RATE,
            version: "simulated".into(),
        }));
        self.engine = Engine::new(EngineConfig { rate: RATE, period: PERIOD, streams: 8 });
        self.timeout = None;
    }
}
