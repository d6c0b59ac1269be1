//! The receiving half of a stream: which packets are taken, when they are played, and what sounds when they are missing.
//!
//! *Source.* The address the media comes from is latched at the first valid packet and kept; another one takes over only
//! after [`LATCH_SILENCE`], except the negotiated address, which always may. A new SSRC is believed at its second packet in
//! sequence (RFC 3550 appendix A.1 with MIN_SEQUENTIAL 2), the first one of a call at once, so that nothing is cut off.
//!
//! *Delay.* A packet's playout delay is what it would wait until its sound is due, plus how much later than the fastest
//! packets it came. Its mean is steered into a band from the estimated jitter to two periods above it, within the limits given
//! in the options, by taking out or putting in single pitch periods. That follows network and sound clocks alike.
//!
//! *Gaps.* While a packet is missing the codec (Opus) or [`Concealer`] fills, in pieces of 10 ms, and the time filled is
//! remembered: a lost packet's successor is played when its own time has come, a late packet is played late and moves the
//! delay. After 60 ms without any packet there is silence, and playing starts afresh with the next talkspurt.
use super::{StreamError, StreamOptions};
use crate::codec::{self, CodecKind, Decoder};
use crate::conceal::Concealer;
use crate::event_receiver::{EventReceiver, Heard};
use crate::inband_dtmf::Detector;
use crate::jitter::{DelayEstimate, Front, Packets, Put};
use crate::level::Meter;
use crate::resample::Resampler;
use crate::rtcp::Reception;
use crate::rtp::{self, Header};
use crate::sdp::{Direction, StreamConfig};
use crate::telephone_event::Digit;
use crate::timescale;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A latched source that is silent this long may be replaced by another.
const LATCH_SILENCE: Duration = Duration::from_secs(2);
/// RFC 3550 appendix A.1.
const MAX_DROPOUT: i32 = 3000;
const MAX_MISORDER: i32 = 100;
/// Longest decoded packet: 120 ms at 48 kHz, or 1500 octets of G.722.
const DECODED_MAX: usize = 5760;
/// Room for a decoded packet stretched by half.
pub(crate) const SCRATCH: usize = DECODED_MAX * 3 / 2;
/// Silence begins after this much concealment [ms], besides a packet time; later if the codec can go on by itself.
const CONCEAL_MS: u32 = 60;
const CONCEAL_OWN_MS: u32 = 500;
/// A gap in the timestamps longer than this is not played out [ms].
const GAP_MAX_MS: u32 = 1000;
/// Waiting this much longer than the one before and the delay wanted [ms] is no gap in the sound.
const OVERDUE_MS: f32 = 60.0;
/// A packet this much before its time [ms] was not delayed less, its timestamp has jumped.
const JUMP_MS: f32 = 400.0;
/// From this share of lost packets on Opus waits for its redundancy, and how fast that share is forgotten.
const LOSS_WORTH_WAITING: f32 = 0.02;
const LOSS_MEMORY: f32 = 1.0 / 250.0;

/// What the engine tells about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    Refused,
    Kept,
    Digit(Digit),
}

/// Work space that all streams share.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) decoded: Box<[i16]>,
    pub(crate) resampled: Box<[i16]>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        // From 8 to 48 kHz, the longest 8 kHz packet is 1500 samples; half as much again when stretched.
        Self { decoded: vec![0; SCRATCH].into_boxed_slice(), resampled: vec![0; SCRATCH * 3].into_boxed_slice() }
    }
}

/// Counters; what `Statistics` is made of.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) received: u64,
    pub(crate) late: u64,
    pub(crate) duplicated: u64,
    pub(crate) malformed: u64,
    pub(crate) foreign: u64,
    /// Pieces of 10 ms.
    pub(crate) concealed: u64,
    /// Of sources before the present one (RFC 3550 counts per source).
    lost_before: u64,
}

/// The sequence numbers of the present source (RFC 3550 appendix A.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) ssrc: u32,
    base: i64,
    highest: i64,
    /// Packets without duplicates.
    received: u64,
    /// Which of the last 128 sequence numbers came; bit 0 is the highest.
    seen: u128,
    /// What the reports say of it.
    pub(crate) reception: Reception,
}

/// What a sequence number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Plausible,
    Duplicate,
    Strange,
}

impl Source {
    fn new(ssrc: u32, sequence: u16) -> Self {
        let base = (1 << 16) + i64::from(sequence);
        Self { ssrc, base, highest: base, received: 0, seen: 0, reception: Reception::default() }
    }

    fn lost(&self) -> u64 {
        ((self.highest - self.base + 1).max(0) as u64).saturating_sub(self.received)
    }

    fn judge(&mut self, sequence: u16) -> Order {
        let ahead = i32::from(sequence.wrapping_sub(self.highest as u16) as i16);
        if !(-MAX_MISORDER..MAX_DROPOUT).contains(&ahead) {
            return Order::Strange;
        }
        let bit = if ahead > 0 {
            self.seen = self.seen.checked_shl(ahead.unsigned_abs()).unwrap_or(0);
            self.highest += i64::from(ahead);
            1
        } else {
            self.base = self.base.min(self.highest + i64::from(ahead));
            1 << ahead.unsigned_abs()
        };
        if self.seen & bit != 0 {
            return Order::Duplicate;
        }
        self.seen |= bit;
        self.received += 1;
        Order::Plausible
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payload {
    Unknown,
    /// Index of the decoding.
    Sound(u8),
    Event,
}

struct Decoding {
    decoder: Box<dyn Decoder>,
    kind: CodecKind,
    rate: u32,
    clock: u32,
    resampler: Option<Resampler>,
    concealer: Concealer,
}

pub(crate) struct Receiver {
    engine_rate: u32,
    enabled: bool,
    negotiated: Option<SocketAddr>,
    pub(crate) source: Option<SocketAddr>,
    pub(crate) last_packet: Option<Instant>,
    pub(crate) sequence: Option<Source>,
    candidate: Option<(u32, u16)>,
    table: Box<[Payload; 128]>,
    decodings: Box<[Decoding]>,
    packets: Packets,
    estimate: DelayEstimate,
    events: EventReceiver,
    /// Listens for dual tones, if telephone-events were not agreed on.
    detector: Option<Detector>,
    /// A digit it found in the last period.
    pub(crate) found: Option<Digit>,
    play: Play,
    sound: Sound,
    minimum: f32,
    maximum: f32,
    /// The peer's Opus packets may carry the one before (RFC 6716 section 2.1.7).
    redundant: bool,
    pub(crate) counters: Counters,
    pub(crate) meter: Meter,
}

/// Where playing is.
#[derive(Debug, Clone, Copy)]
struct Play {
    /// False until a talkspurt has waited for its delay.
    running: bool,
    decoding: usize,
    /// Timestamp of the next sample to be decoded.
    expected: u32,
    /// Ticks filled since then.
    concealed: u32,
    /// Ticks of the last packet.
    frame: u32,
    /// Mean playout delay [ms], `None` before the first measurement of a talkspurt.
    delay: Option<f32>,
    /// Sequence number, timestamp and arrival of the last packet that came.
    newest: Option<(u16, u32, Instant)>,
    /// How long the last packet waited [ms].
    waited: f32,
    /// The last one there was, for the statistics [ms].
    shown: f32,
    /// Recent share of packets missing at their time.
    loss: f32,
    /// Packets since the last stretch or cut.
    since_change: u32,
    last_period: Option<Instant>,
    period_ms: f32,
}

/// Decoded sound waiting at the engine's rate.
struct Sound {
    samples: Box<[i16]>,
    start: usize,
    length: usize,
}

impl Sound {
    fn push(&mut self, samples: &[i16]) {
        if self.start + self.length + samples.len() > self.samples.len() {
            self.samples.copy_within(self.start..self.start + self.length, 0);
            self.start = 0;
        }
        let at = self.start + self.length;
        let fits = samples.len().min(self.samples.len().saturating_sub(at));
        if let (Some(room), Some(samples)) = (self.samples.get_mut(at..at + fits), samples.get(..fits)) {
            room.copy_from_slice(samples);
            self.length += fits;
        }
    }

    /// Answers how many were there.
    fn take(&mut self, into: &mut [i16]) -> usize {
        let count = self.length.min(into.len());
        if let (Some(have), Some(room)) = (self.samples.get(self.start..self.start + count), into.get_mut(..count)) {
            room.copy_from_slice(have);
        }
        into.iter_mut().skip(count).for_each(|sample| *sample = 0);
        self.start += count;
        self.length -= count;
        if self.length == 0 {
            self.start = 0;
        }
        count
    }
}

impl Receiver {
    pub(crate) fn new(config: &StreamConfig, options: &StreamOptions, engine_rate: u32) -> Result<Self, StreamError> {
        let mut table = Box::new([Payload::Unknown; 128]);
        let mut decodings: Vec<Decoding> = Vec::new();
        for &(payload, kind) in &config.receive {
            let index = match decodings.iter().position(|decoding| decoding.kind == kind) {
                Some(index) => index,
                None => {
                    let rate = kind.sample_rate(engine_rate);
                    decodings.push(Decoding {
                        decoder: codec::decoder(kind, engine_rate).map_err(StreamError::Codec)?,
                        kind,
                        rate,
                        clock: kind.clock(),
                        resampler: Resampler::new(rate, engine_rate),
                        concealer: Concealer::new(rate),
                    });
                    decodings.len() - 1
                }
            };
            if let Some(entry) = table.get_mut(usize::from(payload)) {
                *entry = Payload::Sound(index as u8);
            }
        }
        for &(payload, _) in config.telephone_event.iter().chain(&config.telephone_event_receive) {
            if let Some(entry) = table.get_mut(usize::from(payload)) {
                *entry = Payload::Event;
            }
        }
        let decoding = decodings.iter().position(|decoding| decoding.kind == config.codec).unwrap_or(0);
        let minimum = options.jitter_min_ms.min(500) as f32;
        Ok(Self {
            engine_rate,
            enabled: matches!(config.direction, Direction::SendRecv | Direction::RecvOnly),
            negotiated: config.remote_rtp,
            source: None,
            last_packet: None,
            sequence: None,
            candidate: None,
            table,
            decodings: decodings.into_boxed_slice(),
            packets: Packets::new(),
            estimate: DelayEstimate::new(config.codec.clock()),
            events: EventReceiver::default(),
            detector: config.telephone_event.is_none().then(|| Detector::new(engine_rate)),
            found: None,
            play: Play {
                running: false,
                decoding,
                expected: 0,
                concealed: 0,
                frame: config.codec.clock() / 50,
                delay: None,
                newest: None,
                waited: 0.0,
                shown: 0.0,
                loss: 0.0,
                since_change: 0,
                last_period: None,
                period_ms: 10.0,
            },
            sound: Sound { samples: vec![0; engine_rate as usize * 2 / 5].into_boxed_slice(), start: 0, length: 0 },
            minimum,
            maximum: (options.jitter_max_ms.clamp(20, 500) as f32).max(minimum),
            redundant: config.opus.fec,
            counters: Counters::default(),
            meter: Meter::default(),
        })
    }

    /// Goes on where `old` was: what is buffered, learned and counted stays; a new remote begins a new source.
    pub(crate) fn take_over(&mut self, old: &mut Self) {
        self.counters = old.counters;
        self.meter = old.meter;
        self.last_packet = old.last_packet;
        self.sequence = old.sequence;
        std::mem::swap(&mut self.sound, &mut old.sound);
        std::mem::swap(&mut self.events, &mut old.events);
        std::mem::swap(&mut self.estimate, &mut old.estimate);
        let same_remote = self.negotiated == old.negotiated;
        if !same_remote {
            // Whoever comes next is believed at once.
            self.candidate = None;
            self.estimate.restart(self.clock());
            if let Some(sequence) = self.sequence.take() {
                self.counters.lost_before += sequence.lost();
            }
            self.last_packet = None;
            self.events.reset();
            return;
        }
        self.source = old.source;
        self.candidate = old.candidate;
        std::mem::swap(&mut self.packets, &mut old.packets);
        let decoding = self.play.decoding;
        let same_codec =
            self.decodings.get(decoding).map(|d| d.kind) == old.decodings.get(old.play.decoding).map(|d| d.kind);
        if same_codec {
            self.play = Play { decoding, ..old.play };
            if let (Some(new), Some(old)) = (self.decodings.get_mut(decoding), old.decodings.get_mut(old.play.decoding))
            {
                std::mem::swap(new, old);
            }
        } else {
            self.play.last_period = old.play.last_period;
            self.play.period_ms = old.play.period_ms;
            self.estimate.restart(self.clock());
        }
    }

    /// The address of the description.
    pub(crate) fn negotiated(&self) -> Option<SocketAddr> {
        self.negotiated
    }

    /// True if the description lets the peer send.
    pub(crate) fn expects(&self) -> bool {
        self.enabled
    }

    /// One RTP packet; `time` is `now` on the clock of the reports.
    pub(crate) fn receive(&mut self, now: Instant, time: Duration, from: SocketAddr, datagram: &[u8]) -> Arrival {
        let Ok((header, range)) = rtp::parse(datagram) else {
            self.counters.malformed += 1;
            return Arrival::Refused;
        };
        let payload = datagram.get(range).unwrap_or_default();
        let kind = self.table.get(usize::from(header.payload_type)).copied().unwrap_or(Payload::Unknown);
        let event = kind == Payload::Event;
        if kind == Payload::Unknown || payload.is_empty() || (event && payload.len() < 4) {
            self.counters.malformed += 1;
            return Arrival::Refused;
        }
        let order = if self.trusts(now, from) { self.judge(&header, time) } else { Order::Strange };
        if order == Order::Strange {
            self.counters.foreign += 1;
            return Arrival::Refused;
        }
        self.source = Some(from);
        self.last_packet = Some(now);
        self.counters.received += 1;
        let put =
            self.packets.put(now, header.sequence, header.timestamp, header.payload_type, (!event).then_some(payload));
        match put {
            Put::Late => self.counters.late += 1,
            Put::Duplicate => self.counters.duplicated += 1,
            Put::Jumped => self.play.running = false,
            Put::Kept => {}
        }
        match kind {
            Payload::Event => match self.events.packet(now, header.marker, header.timestamp, self.clock(), payload) {
                Heard::Digit(digit) => return Arrival::Digit(digit),
                Heard::Malformed => self.counters.malformed += 1,
                Heard::Nothing => {}
            },
            Payload::Sound(index) => {
                if usize::from(index) == self.play.decoding {
                    self.measure(now, header.sequence, header.timestamp);
                }
            }
            Payload::Unknown => {}
        }
        Arrival::Kept
    }

    /// One period of sound into `into`; answers false if it is silence because nobody talks.
    pub(crate) fn period(&mut self, now: Instant, into: &mut [i16], scratch: &mut Scratch) -> bool {
        self.play.last_period = Some(now);
        self.play.period_ms = into.len() as f32 * 1000.0 / self.engine_rate as f32;
        if !self.play.running && self.packets.is_empty() && self.sound.length == 0 {
            into.fill(0);
            return false;
        }
        // Each turn plays, fills or drops something; the bound is for what a peer may think up.
        for _ in 0..2 * crate::jitter::SLOTS {
            if self.sound.length >= into.len() || !self.fill(now, scratch) {
                break;
            }
        }
        let count = self.sound.take(into);
        self.meter.feed(into, 0.05);
        if let Some(detector) = &mut self.detector {
            self.found = detector.listen(into);
        }
        count > 0
    }

    /// Mean playout delay [ms].
    pub(crate) fn delay(&self) -> f32 {
        self.play.shown
    }

    /// Interarrival jitter [ms].
    pub(crate) fn jitter(&self) -> f32 {
        let ticks = self.sequence.map_or(0, |source| source.reception.jitter());
        ticks as f32 * 1000.0 / self.clock() as f32
    }

    /// Packets that never came, of all sources.
    pub(crate) fn lost(&self) -> u64 {
        self.counters.lost_before + self.sequence.map_or(0, |source| source.lost())
    }

    /// RTP clock of what is played [Hz].
    pub(crate) fn clock(&self) -> u32 {
        self.decodings.get(self.play.decoding).map_or(8000, |decoding| decoding.clock)
    }

    /// Is this the address our media comes from?
    fn trusts(&self, now: Instant, from: SocketAddr) -> bool {
        match self.source {
            None => true,
            Some(source) if source == from => true,
            Some(_) if self.negotiated == Some(from) => true,
            Some(_) => self.last_packet.is_none_or(|last| now.saturating_duration_since(last) > LATCH_SILENCE),
        }
    }

    /// RFC 3550 appendix A.1: counts, and refuses the first packet of a strange source or of a wild jump.
    fn judge(&mut self, header: &Header, time: Duration) -> Order {
        let clock = self.clock();
        let arrival = (time.as_nanos() * u128::from(clock) / 1_000_000_000) as u32;
        let source = self.sequence.get_or_insert_with(|| Source::new(header.ssrc, header.sequence));
        if source.ssrc == header.ssrc {
            let order = source.judge(header.sequence);
            if order != Order::Strange {
                source.reception.packet(header.sequence, header.timestamp, arrival);
                self.candidate = None;
                return order;
            }
        }
        let expected = self.candidate.replace((header.ssrc, header.sequence.wrapping_add(1)));
        if expected != Some((header.ssrc, header.sequence)) {
            return Order::Strange;
        }
        // The packet before this one was the first of the new source; it is gone, and counts as refused.
        self.counters.lost_before += source.lost();
        *source = Source::new(header.ssrc, header.sequence);
        let order = source.judge(header.sequence);
        source.reception.packet(header.sequence, header.timestamp, arrival);
        self.candidate = None;
        self.packets.clear();
        self.estimate.restart(clock);
        self.events.reset();
        self.play.running = false;
        order
    }

    /// Measures the playout delay at the arrival of a packet.
    fn measure(&mut self, now: Instant, sequence: u16, timestamp: u32) {
        // Neighbours in sequence whose timestamps go back, or ahead of time, are no matter of the network: the sender has
        // jumped, and what its packets are compared with begins anew.
        if let Some((last, stamp, at)) = self.play.newest.replace((sequence, timestamp, now))
            && sequence == last.wrapping_add(1)
        {
            let ticks = timestamp.wrapping_sub(stamp) as i32;
            let early =
                ticks as f32 * 1000.0 / self.clock() as f32 - now.saturating_duration_since(at).as_secs_f32() * 1000.0;
            if ticks < 0 || early > JUMP_MS {
                self.estimate.restart(self.clock());
                self.play.delay = None;
                return;
            }
        }
        let excess = self.estimate.arrived(now, timestamp);
        if !self.play.running {
            return;
        }
        let Some(last_period) = self.play.last_period else { return };
        let ticks_per_ms = self.clock() as f32 / 1000.0;
        let ahead = timestamp.wrapping_sub(self.play.expected) as i32 as f32 - self.play.concealed as f32;
        let buffered = self.sound.length as f32 * 1000.0 / self.engine_rate as f32;
        let elapsed = now.saturating_duration_since(last_period).as_secs_f32() * 1000.0;
        let delay = ahead / ticks_per_ms + buffered + self.play.period_ms - elapsed + excess;
        if !(-1000.0..5000.0).contains(&delay) {
            return;
        }
        let mean = self.play.delay.get_or_insert(delay);
        *mean += (delay - *mean) / 8.0;
        self.play.shown = *mean;
    }

    /// Least playout delay to aim for [ms]. Redundancy is of use only if the next packet is there when one is missing, so with
    /// loss it is worth waiting for.
    fn wanted(&self) -> f32 {
        let mut wanted = self.estimate.quantile() + self.play.period_ms;
        let decoding = self.decodings.get(self.play.decoding);
        if self.redundant
            && self.play.loss > LOSS_WORTH_WAITING
            && let Some(decoding) = decoding.filter(|decoding| decoding.kind == CodecKind::Opus)
        {
            // And a period, because sound is fetched a period ahead.
            wanted += self.play.frame as f32 * 1000.0 / decoding.clock as f32 + self.play.period_ms;
        }
        wanted.clamp(self.minimum, self.maximum)
    }

    /// Adds some sound; false if there is nothing to add.
    fn fill(&mut self, now: Instant, scratch: &mut Scratch) -> bool {
        let Some(front) = self.packets.front() else {
            if !self.play.running {
                return false;
            }
            self.conceal(u32::MAX, scratch);
            return true;
        };
        if !front.audio {
            self.packets.done(front.sequence);
            return true;
        }
        if !self.play.running {
            return self.start(now, front);
        }
        self.select(&front);
        let gap = front.timestamp.wrapping_sub(self.play.expected) as i32;
        let limit = (self.clock() / 1000 * GAP_MAX_MS) as i32;
        if gap > limit {
            // Too long a pause to play out; it starts like a talkspurt.
            self.play.running = false;
            return true;
        }
        // A packet that has waited much longer than its kind is not early: the sender's timestamps have jumped.
        let waited = now.saturating_duration_since(front.arrived).as_secs_f32() * 1000.0;
        let overdue = waited > self.play.waited + self.wanted() + OVERDUE_MS;
        if overdue {
            self.play.delay = None;
        }
        if overdue || gap <= 0 || gap as u32 <= self.play.concealed {
            self.play.waited = waited;
            self.decode(&front, scratch);
        } else if self.play.concealed == 0
            && gap as u32 == self.play.frame
            && self.packets.next() == Some(front.sequence - 1)
            && self.recover(&front, scratch)
        {
        } else {
            self.conceal(gap as u32 - self.play.concealed, scratch);
        }
        true
    }

    /// A talkspurt may start once its first packet has waited.
    fn start(&mut self, now: Instant, front: Front) -> bool {
        let waited = now.saturating_duration_since(front.arrived).as_secs_f32() * 1000.0;
        let wanted = self.wanted();
        if waited + 0.5 < wanted - self.play.period_ms {
            return false;
        }
        let mut front = front;
        // After a stall of the network all may come at once: keep no more than the limit.
        let most = (self.maximum * self.clock() as f32 / 1000.0) as i32;
        while let Some(back) = self.packets.back()
            && back.timestamp.wrapping_sub(front.timestamp) as i32 > most
            && back.sequence > front.sequence
        {
            self.packets.done(front.sequence);
            let Some(next) = self.packets.front() else { return false };
            front = next;
        }
        self.packets.done(front.sequence - 1);
        self.select(&front);
        self.play.running = true;
        self.play.expected = front.timestamp;
        self.play.concealed = 0;
        self.play.delay = None;
        self.play.since_change = 0;
        true
    }

    /// Makes the packet's codec the present one.
    fn select(&mut self, front: &Front) {
        let Some(Payload::Sound(index)) = self.table.get(usize::from(front.payload_type)).copied() else { return };
        if usize::from(index) != self.play.decoding {
            self.play.decoding = usize::from(index);
            self.play.expected = front.timestamp;
            self.play.concealed = 0;
            self.play.delay = None;
            let clock = self.clock();
            self.play.frame = clock / 50;
            self.estimate.restart(clock);
        }
    }

    fn decode(&mut self, front: &Front, scratch: &mut Scratch) {
        let wanted = self.wanted();
        let Some(decoding) = self.decodings.get_mut(self.play.decoding) else {
            self.packets.done(front.sequence);
            return;
        };
        let room = scratch.decoded.len().min(DECODED_MAX);
        let Some(frame) = scratch.decoded.get_mut(..room) else { return };
        let count = decoding.decoder.decode(self.packets.payload(front.sequence), frame).min(room);
        let missing = self.packets.next().map_or(0, |next| (front.sequence - next).clamp(0, 5));
        for _ in 0..missing {
            self.play.loss += (1.0 - self.play.loss) * LOSS_MEMORY;
        }
        self.play.loss -= self.play.loss * LOSS_MEMORY;
        self.packets.done(front.sequence);
        if count == 0 {
            // Garbage: as good as lost. Its time is filled when the next one shows the gap.
            self.counters.malformed += 1;
            return;
        }
        let ticks = (count as u64 * u64::from(decoding.clock) / u64::from(decoding.rate)) as u32;
        let gap = (front.timestamp.wrapping_sub(self.play.expected) as i32).max(0) as u32;
        let moved = self.play.concealed.saturating_sub(gap) as f32 * 1000.0 / decoding.clock as f32;
        if let Some(delay) = &mut self.play.delay {
            *delay += moved;
        }
        self.play.expected = front.timestamp.wrapping_add(ticks);
        self.play.frame = ticks;
        self.play.concealed = 0;
        if decoding.kind != CodecKind::Opus {
            decoding.concealer.good(frame.get_mut(..count).unwrap_or_default());
        }
        let count = adapt(&mut self.play, decoding, wanted, self.maximum, &mut scratch.decoded, count);
        push(decoding, &mut self.sound, scratch, count);
    }

    /// Rebuilds the one packet before `next` from its redundancy, if the codec has any.
    fn recover(&mut self, next: &Front, scratch: &mut Scratch) -> bool {
        let Some(decoding) = self.decodings.get_mut(self.play.decoding) else { return false };
        if decoding.kind != CodecKind::Opus {
            return false;
        }
        let count = (u64::from(self.play.frame) * u64::from(decoding.rate) / u64::from(decoding.clock)) as usize;
        let Some(frame) = scratch.decoded.get_mut(..count) else { return false };
        if !decoding.decoder.recover(self.packets.payload(next.sequence), frame) {
            return false;
        }
        self.packets.done(next.sequence - 1);
        self.play.loss += (1.0 - self.play.loss) * LOSS_MEMORY;
        self.play.expected = next.timestamp;
        self.counters.concealed += count as u64 * 100 / u64::from(decoding.rate);
        push(decoding, &mut self.sound, scratch, count);
        true
    }

    /// Fills up to 10 ms, no more than `ticks`.
    fn conceal(&mut self, ticks: u32, scratch: &mut Scratch) {
        let Some(decoding) = self.decodings.get_mut(self.play.decoding) else { return };
        let ticks = ticks.min(decoding.clock / 100).max(1);
        let count = ((u64::from(ticks) * u64::from(decoding.rate)).div_ceil(u64::from(decoding.clock))) as usize;
        let Some(frame) = scratch.decoded.get_mut(..count) else { return };
        let own = decoding.decoder.conceal(frame);
        if !own {
            decoding.concealer.conceal(frame);
        }
        push(decoding, &mut self.sound, scratch, count);
        self.play.concealed += ticks;
        self.counters.concealed += 1;
        let patience = if own { CONCEAL_OWN_MS } else { CONCEAL_MS };
        let limit = patience * (decoding.clock / 1000) + self.play.frame;
        if self.play.concealed >= limit && self.packets.is_empty() {
            self.play.running = false;
            self.play.delay = None;
        }
    }
}

/// Takes a pitch period out of the frame, or puts one in, if the delay has left its band.
fn adapt(play: &mut Play, decoding: &Decoding, wanted: f32, maximum: f32, samples: &mut [i16], count: usize) -> usize {
    play.since_change += 1;
    let Some(delay) = play.delay else { return count };
    let surplus = delay - wanted - play.period_ms;
    // Sound is fetched a period ahead, on average half of one too early.
    let missing = wanted - play.period_ms / 2.0 - delay;
    let frame_ms = play.frame as f32 * 1000.0 / decoding.clock as f32;
    // Small corrections are spread out, large ones are not.
    let patience = |amount: f32| if amount > 40.0 { 0.0 } else { 60.0 };
    let rested = play.since_change as f32 * frame_ms;
    let length = if surplus > 0.0 && rested > patience(surplus) {
        timescale::shorten(samples, count, decoding.rate, delay > maximum + play.period_ms)
    } else if missing > 0.0 && rested > patience(missing) {
        timescale::lengthen(samples, count, decoding.rate, missing > 60.0)
    } else {
        count
    };
    if length != count {
        play.since_change = 0;
        play.delay = Some(delay + (length as f32 - count as f32) * 1000.0 / decoding.rate as f32);
    }
    length
}

/// Decoded samples, at the engine's rate, to the waiting sound.
fn push(decoding: &mut Decoding, sound: &mut Sound, scratch: &mut Scratch, count: usize) {
    let decoded = scratch.decoded.get(..count).unwrap_or_default();
    match &mut decoding.resampler {
        None => sound.push(decoded),
        Some(resampler) => {
            let length = resampler.process(decoded, &mut scratch.resampled);
            sound.push(scratch.resampled.get(..length).unwrap_or_default());
        }
    }
}
