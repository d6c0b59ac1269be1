//! Two engines and a pretend network between them, in virtual time.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
use offhook_media::codec::{CodecKind, OpusParams};
use offhook_media::engine::{Command, Engine, EngineConfig, Event};
use offhook_media::sdp::{Direction, StreamConfig};
use offhook_media::stream::{Statistics, Stream, StreamId, StreamOptions};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub const ID: StreamId = StreamId(7);

pub fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Continuous sound, no packets saved in silence: what the measurements need.
pub fn opus() -> OpusParams {
    OpusParams { dtx: false, ..OpusParams::default() }
}

pub fn config(codec: CodecKind, remote: u16) -> StreamConfig {
    let payload = codec.static_payload().unwrap_or(96);
    StreamConfig {
        remote_rtp: Some(address(remote)),
        remote_rtcp: Some(address(remote + 1)),
        codec,
        payload,
        receive: vec![(payload, codec)],
        opus: opus(),
        telephone_event: Some((101, 8000)),
        telephone_event_receive: vec![],
        ptime: 20,
        direction: Direction::SendRecv,
    }
}

pub fn options(ssrc: u32) -> StreamOptions {
    StreamOptions {
        symmetric: true,
        ssrc,
        first_sequence: 65_530,
        first_timestamp: u32::MAX - 1000,
        cname: "phone@example".to_owned(),
        dtmf_8k_units: false,
        jitter_min_ms: 0,
        jitter_max_ms: 200,
    }
}

pub fn engine(rate: u32) -> Engine {
    Engine::new(EngineConfig { rate, period: rate as usize / 100, streams: 4 })
}

/// A small generator of pretend chance.
#[derive(Debug, Clone)]
pub struct Chance(pub u64);
impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    /// 0 to 1
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Network {
    /// Share of packets lost.
    pub loss: f64,
    /// Share of packets sent twice.
    pub duplicates: f64,
    pub delay: Duration,
    /// Evenly spread up to this; packets overtake each other.
    pub jitter: Duration,
}

pub struct InFlight {
    pub at: Instant,
    pub rtcp: bool,
    pub bytes: Vec<u8>,
}

/// One end.
pub struct Side {
    pub engine: Engine,
    pub rate: u32,
    pub port: u16,
    /// Next period, and its length on this side's (perhaps drifting) clock.
    pub due: Instant,
    pub period: Duration,
    pub inbox: Vec<InFlight>,
    pub heard: Vec<i16>,
    pub events: Vec<Event>,
    /// Sample counter of the tone it says.
    pub said: u64,
    pub sent: Vec<(Instant, bool, Vec<u8>)>,
}

pub struct Call {
    pub now: Instant,
    pub start: Instant,
    pub sides: [Side; 2],
    pub network: Network,
    pub chance: Chance,
    /// What each side says: frequency [Hz] or a function.
    pub voices: [Voice; 2],
}

#[derive(Clone, Copy)]
pub enum Voice {
    Silent,
    Tone(f64),
    /// Harmonics of a moving pitch with syllables: concealment finds it as hard as speech.
    Vowels,
}

impl Voice {
    pub fn fill(self, rate: u32, from: u64, into: &mut [i16]) {
        for (n, sample) in into.iter_mut().enumerate() {
            let t = (from + n as u64) as f64 / f64::from(rate);
            *sample = self.at(t);
        }
    }
    pub fn at(self, t: f64) -> i16 {
        use std::f64::consts::TAU;
        match self {
            Self::Silent => 0,
            Self::Tone(hz) => ((TAU * hz * t).sin() * 8000.0) as i16,
            Self::Vowels => {
                // phase of a pitch that moves between 110 and 150 Hz
                let phase = 130.0 * t + 20.0 / (TAU * 0.7) * (TAU * 0.7 * t).sin();
                let syllable = 0.55 + 0.45 * (TAU * 2.5 * t).sin();
                let sum: f64 = (1..12).map(|h| (TAU * phase * f64::from(h)).sin() / f64::from(h)).sum();
                (sum * syllable * 4000.0) as i16
            }
        }
    }
}

impl Call {
    pub fn new(codec: CodecKind, rates: [u32; 2], network: Network) -> Self {
        let start = Instant::now() + Duration::from_secs(1000);
        let side = |n: u16| {
            let rate = rates[usize::from(n)];
            let mut engine = engine(rate);
            let (port, remote) = (4000 + n * 10, 4000 + (1 - n) * 10);
            let stream = Stream::new(ID, &config(codec, remote), &options(1000 + u32::from(n)), rate).unwrap();
            engine.command(start, Command::Add(stream));
            Side {
                engine,
                rate,
                port,
                // Sound devices do not beat together.
                due: start + Duration::from_micros(3700 * u64::from(n)),
                period: Duration::from_millis(10),
                inbox: Vec::new(),
                heard: Vec::new(),
                events: Vec::new(),
                said: 0,
                sent: Vec::new(),
            }
        };
        Self {
            now: start,
            start,
            sides: [side(0), side(1)],
            network,
            chance: Chance(0x1234_5678_9abc_def1),
            voices: [Voice::Tone(1004.0), Voice::Tone(1004.0)],
        }
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let side = usize::from(self.sides[1].due < self.sides[0].due);
            let due = self.sides[side].due;
            if due >= end {
                break;
            }
            self.now = due;
            for n in 0..2 {
                self.deliver(n, due);
            }
            self.beat(side);
        }
        self.now = end;
    }

    /// As `run`, but the second side's thread is not served for `held`, then is for `served` (both random from a range [ms]),
    /// and so on: what came meanwhile is received when it wakes, and periods are made up for one by one.
    pub fn run_held_up(&mut self, time: Duration, held: [u64; 2], served: [u64; 2]) {
        let end = self.now + time;
        let mut until = self.now;
        while until < end {
            let mut between = |range: [u64; 2]| {
                let ms = range[0] as f64 + self.chance.share() * (range[1] - range[0]) as f64;
                Duration::from_secs_f64(ms / 1000.0)
            };
            let asleep = until + between(held);
            let next = asleep + between(served);
            // The other side goes on all the time.
            while self.sides[0].due < asleep {
                self.now = self.sides[0].due;
                self.deliver(0, self.now);
                self.beat(0);
            }
            self.now = asleep;
            for packet in self.sides[1].inbox.iter_mut().filter(|packet| packet.at < asleep) {
                packet.at = asleep;
            }
            while self.sides[1].due <= asleep {
                self.deliver(1, asleep);
                self.beat(1);
            }
            self.run(next - asleep);
            until = next;
        }
    }

    fn deliver(&mut self, n: usize, until: Instant) {
        let from = address(self.sides[1 - n].port);
        let side = &mut self.sides[n];
        side.inbox.sort_by_key(|packet| packet.at);
        while side.inbox.first().is_some_and(|packet| packet.at <= until) {
            let mut packet = side.inbox.remove(0);
            let from = SocketAddr::new(from.ip(), from.port() + u16::from(packet.rtcp));
            side.engine.receive(packet.at, ID, packet.rtcp, from, &mut packet.bytes);
        }
    }

    fn beat(&mut self, n: usize) {
        let now = self.now;
        let (network, voice) = (self.network, self.voices[n]);
        let side = &mut self.sides[n];
        let period = side.rate as usize / 100;
        let mut captured = vec![0i16; period];
        voice.fill(side.rate, side.said, &mut captured);
        side.said += period as u64;
        let at = side.heard.len();
        side.heard.resize(at + period, 0);
        side.engine.period(now, &captured, &mut side.heard[at..], None);
        side.due += side.period;
        let mut out = Vec::new();
        while let Some(packet) = side.engine.poll_transmit() {
            side.sent.push((now, packet.rtcp, packet.bytes.to_vec()));
            out.push((packet.rtcp, packet.bytes.to_vec()));
        }
        while let Some(event) = side.engine.poll_event() {
            side.events.push(event);
        }
        for (rtcp, bytes) in out {
            if self.chance.share() < network.loss {
                continue;
            }
            let copies = if self.chance.share() < network.duplicates { 2 } else { 1 };
            for _ in 0..copies {
                let at = now + network.delay + network.jitter.mul_f64(self.chance.share());
                self.sides[1 - n].inbox.push(InFlight { at, rtcp, bytes: bytes.clone() });
            }
        }
    }

    pub fn statistics(&self, side: usize) -> Statistics {
        self.sides[side].engine.statistics(ID).unwrap()
    }

    /// The last `time` that a side heard.
    pub fn tail(&self, side: usize, time: Duration) -> &[i16] {
        let side = &self.sides[side];
        let samples = (time.as_secs_f64() * f64::from(side.rate)) as usize;
        &side.heard[side.heard.len().saturating_sub(samples)..]
    }
}

/// How late `heard` is against `said` [ms], and the correlation there, up to `max_ms`, at steps of a quarter millisecond.
pub fn lag(heard: &[i16], rate: u32, said_from: u64, voice: Voice, max_ms: f64) -> (f64, f64) {
    let mut best = (0.0, -1.0);
    let mut ms = 0.0;
    while ms <= max_ms {
        let (mut cross, mut a, mut b) = (0.0, 1.0, 1.0);
        for (n, &sample) in heard.iter().enumerate().step_by(3) {
            let t = (said_from + n as u64) as f64 / f64::from(rate) - ms / 1000.0;
            let (x, y) = (f64::from(sample), f64::from(voice.at(t)));
            cross += x * y;
            a += x * x;
            b += y * y;
        }
        let value = cross / f64::sqrt(a * b);
        if value > best.1 {
            best = (ms, value);
        }
        ms += 0.25;
    }
    best
}
