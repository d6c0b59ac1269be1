//! The engine: ports, the matrix that says who hears whom, and the beat.
//!
//! Use: `command` at any time; `receive` for each datagram; `period` when the sound device is due, and after it
//! `poll_transmit` and `poll_event` until they are empty. Nothing in here allocates after `new`, frees, locks or waits:
//! boxes that come in with commands go out with [`Event::Retired`] or [`Event::Refused`]. Queues are bounded; what does not
//! fit is lost and counted, except boxes, which are leaked rather than freed if nobody fetches 100 events.
//!
//! It knows sound devices only as slices, sockets only as [`StreamId`]s, and calls not at all.
use crate::level::{Ramp, saturate};
use crate::matrix::{Bridges, TonePort, through};
use crate::rtp::{self, FirstOctet};
use crate::sdp::Direction;
use crate::stream::queue::Outgoing;
use crate::stream::receive::{Arrival, Scratch};
use crate::stream::report::Heard;
use crate::stream::{Statistics, Stream, StreamId};
use crate::telephone_event::{Digit, DigitMethod};
use crate::tone::Tone;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Interval of [`Event::Silent`] [s].
const SILENT_SECONDS: u32 = 5;
/// Events kept until fetched; half of it only for those that carry boxes.
const EVENTS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineConfig {
    /// [Hz] 8000, 16000 or 48000
    pub rate: u32,
    /// samples per period: 5 to 20 ms
    pub period: usize,
    /// streams at most
    pub streams: usize,
}

/// Where a tone is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToneSlot {
    /// call progress in the ear: dial, ringing, busy …
    Progress,
    /// call waiting, key feedback: mixed over a call
    Overlay,
    /// ringer, on the ringer's route
    Ringer,
}

/// What the main thread asks of the engine. Owned boxes go in whole and come back in `Event::Retired` to be freed.
#[derive(Debug)]
pub enum Command {
    Add(Box<Stream>),
    /// Replaces the stream of the same id, keeping SSRC, sequence and statistics (codec change, hold, new remote).
    Replace(Box<Stream>),
    Remove(StreamId),
    /// Does the ear hear it, does it hear the mouth; `Inactive` while held. Two-way talk: `SendRecv`, which is also how a
    /// stream begins.
    Direction(StreamId, Direction),
    /// Connects two streams directly as well (conference; the echo and tone numbers of the PBX use `Loop`).
    Bridge(StreamId, StreamId, bool),
    /// Sends back what it hears (echo test).
    Loop(StreamId, bool),
    /// Plays a tone into a stream (PBX's 601; held music), `None` stops.
    ToneTo(StreamId, Option<Box<Tone>>),
    Tone(ToneSlot, Option<Box<Tone>>),
    /// Starts a digit; it lasts until `DigitEnd` or `duration`.
    Digit {
        stream: StreamId,
        digit: Digit,
        method: DigitMethod,
        duration: Option<Duration>,
    },
    DigitEnd {
        stream: StreamId,
    },
    /// Microphone closed for everybody.
    Mute(bool),
    /// Linear gains x 256: ear, mouth, ringer.
    Gain {
        ear: u16,
        mouth: u16,
        ringer: u16,
    },
    /// An RTCP report and a statistics event now; both come every 5 s anyway.
    Report(StreamId),
}

#[derive(Debug)]
pub enum Event {
    /// A digit of the peer, once per digit, at its start: a telephone-event, or two tones if no events were agreed on.
    Digit {
        stream: StreamId,
        digit: Digit,
    },
    Statistics {
        stream: StreamId,
        statistics: Statistics,
    },
    /// First packet of the peer, also after a change of the remote address.
    Talking {
        stream: StreamId,
        from: SocketAddr,
    },
    /// No RTP for this long (every 5 s of silence) while we expect it.
    Silent {
        stream: StreamId,
        seconds: u32,
    },
    /// RTCP BYE of the peer; does not end the call by itself.
    PeerLeft {
        stream: StreamId,
    },
    /// A tone that is not periodic has ended.
    ToneEnded(ToneSlot),
    Retired(Retired),
    /// A command that could not be done (table full, no such stream); its boxes come back in it.
    Refused(Command),
}

#[derive(Debug)]
pub enum Retired {
    Stream(Box<Stream>),
    Tone(Box<Tone>),
}

/// One packet to send; valid until the next call.
#[derive(Debug)]
pub struct Packet<'a> {
    pub stream: StreamId,
    pub to: SocketAddr,
    /// from the RTCP socket
    pub rtcp: bool,
    pub bytes: &'a [u8],
}

/// A stream in its place.
#[derive(Debug)]
struct Place {
    stream: Box<Stream>,
    ear: Ramp,
    mouth: Ramp,
    tone: TonePort,
    /// Its first packet has been told.
    talking: bool,
    /// It talks in this period.
    audible: bool,
    /// Since when nothing comes, and how often that was told.
    silent_since: Instant,
    silent_told: u32,
}

#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    places: Box<[Option<Place>]>,
    bridges: Bridges,
    tones: [TonePort; 3],
    muted: bool,
    mouth_gain: f32,
    ear: Ramp,
    mouth: Ramp,
    ringer: Ramp,
    /// One period each: the mouth after its gain, what goes out, work space.
    mouth_sound: Box<[i16]>,
    out_sound: Box<[i16]>,
    work: Box<[i16]>,
    sum: Box<[i32]>,
    ring_sum: Box<[i32]>,
    /// One period per place: what the peers say.
    heard: Box<[i16]>,
    scratch: Scratch,
    outgoing: Outgoing,
    events: VecDeque<Event>,
    overflows: Overflows,
}

/// What did not fit into a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overflows {
    /// Packets not sent because nobody polled.
    pub packets: u64,
    /// Events not told.
    pub events: u64,
    /// Boxes leaked because 100 others were not fetched.
    pub leaked: u64,
}

impl Engine {
    /// Allocates everything it will ever use.
    pub fn new(config: EngineConfig) -> Self {
        let (period, streams) = (config.period, config.streams);
        Self {
            config,
            places: (0..streams).map(|_| None).collect(),
            bridges: Bridges::new(streams),
            tones: [TonePort::new(), TonePort::new(), TonePort::new()],
            muted: false,
            mouth_gain: 1.0,
            ear: Ramp::new(1.0),
            mouth: Ramp::new(1.0),
            ringer: Ramp::new(1.0),
            mouth_sound: vec![0; period].into_boxed_slice(),
            out_sound: vec![0; period].into_boxed_slice(),
            work: vec![0; period].into_boxed_slice(),
            sum: vec![0; period].into_boxed_slice(),
            ring_sum: vec![0; period].into_boxed_slice(),
            heard: vec![0; period * streams].into_boxed_slice(),
            scratch: Scratch::new(),
            outgoing: Outgoing::new(4 * streams + 8),
            events: VecDeque::with_capacity(EVENTS),
            overflows: Overflows::default(),
        }
    }

    /// As given to `new`.
    pub fn config(&self) -> EngineConfig {
        self.config
    }

    /// What was lost because a queue was full.
    pub fn overflows(&self) -> Overflows {
        Overflows { packets: self.outgoing.dropped, ..self.overflows }
    }

    /// Counters of a stream now.
    pub fn statistics(&self, stream: StreamId) -> Option<Statistics> {
        self.places.iter().flatten().find(|place| place.stream.id() == stream).map(|place| place.stream.statistics())
    }

    /// Does what the main thread wants, at once.
    pub fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Add(stream) => self.add(now, stream),
            Command::Replace(stream) => self.replace(now, stream),
            Command::Remove(id) => match self.index(id) {
                Some(index) => self.remove(now, index),
                None => self.refuse(command),
            },
            Command::Direction(id, direction) => match self.place(id) {
                Some(place) => {
                    let hears = matches!(direction, Direction::SendRecv | Direction::RecvOnly);
                    let talks = matches!(direction, Direction::SendRecv | Direction::SendOnly);
                    place.ear.set(f32::from(u8::from(hears)));
                    place.mouth.set(f32::from(u8::from(talks)));
                }
                None => self.refuse(command),
            },
            Command::Bridge(a, b, connect) => match (self.index(a), self.index(b)) {
                (Some(a), Some(b)) if a != b => self.bridges.set(a, b, connect),
                _ => self.refuse(command),
            },
            Command::Loop(id, closed) => match self.index(id) {
                Some(index) => self.bridges.set(index, index, closed),
                None => self.refuse(command),
            },
            Command::ToneTo(id, tone) => {
                let rate = self.config.rate;
                match self.place(id) {
                    Some(place) => {
                        let old = place.tone.set(rate, tone);
                        self.retire_tone(old);
                    }
                    None => self.refuse(Command::ToneTo(id, tone)),
                }
            }
            Command::Tone(slot, tone) => {
                let rate = self.config.rate;
                let old = self.tone_port(slot).set(rate, tone);
                self.retire_tone(old);
            }
            Command::Digit { stream, digit, method, duration } => {
                let done = self.place(stream).is_some_and(|place| place.stream.sender.digit(digit, method, duration));
                if !done {
                    self.refuse(command);
                }
            }
            Command::DigitEnd { stream } => match self.place(stream) {
                Some(place) => place.stream.sender.digit_end(),
                None => self.refuse(command),
            },
            Command::Mute(muted) => {
                self.muted = muted;
                self.open_mouth();
            }
            Command::Gain { ear, mouth, ringer } => {
                self.ear.set(f32::from(ear) / 256.0);
                self.ringer.set(f32::from(ringer) / 256.0);
                self.mouth_gain = f32::from(mouth) / 256.0;
                self.open_mouth();
            }
            Command::Report(id) => match self.place(id) {
                Some(place) => {
                    place.stream.reporter.hurry(now);
                    self.report(now);
                }
                None => self.refuse(command),
            },
        }
    }

    /// A datagram from the stream's RTP (or RTCP) socket. Decrypts, parses, keeps. Answers true if it was STUN or DTLS
    /// (RFC 7983) and belongs to the main thread.
    pub fn receive(&mut self, now: Instant, stream: StreamId, rtcp: bool, from: SocketAddr, bytes: &mut [u8]) -> bool {
        let kind = FirstOctet::of(bytes);
        if kind == FirstOctet::Dtls || (kind == FirstOctet::Stun && rtp::is_stun(bytes)) {
            return true;
        }
        let Some(place) = self.place(stream) else { return false };
        if rtcp || (kind == FirstOctet::Rtp && rtp::is_rtcp(bytes)) {
            if place.stream.receive_rtcp(now, rtcp, from, bytes) == Heard::Bye {
                self.tell(Event::PeerLeft { stream });
            }
            return false;
        }
        let arrival = place.stream.receive(now, from, bytes);
        if arrival == Arrival::Refused {
            return false;
        }
        place.silent_since = now;
        place.silent_told = 0;
        if !std::mem::replace(&mut place.talking, true) {
            self.tell(Event::Talking { stream, from });
        }
        if let Arrival::Digit(digit) = arrival {
            self.tell(Event::Digit { stream, digit });
        }
        false
    }

    /// One period of sound: `captured` in, `playback` out (both `config.period` long). `ring` gets the ringer's sound when the
    /// ringer has an own device, else the ringer is mixed into `playback`.
    pub fn period(&mut self, now: Instant, captured: &[i16], playback: &mut [i16], ring: Option<&mut [i16]>) {
        self.hear(now);
        self.play(playback, ring);
        self.talk(captured);
        self.report(now);
    }

    /// Packets made since the last call.
    pub fn poll_transmit(&mut self) -> Option<Packet<'_>> {
        self.outgoing.pop().map(|(address, bytes)| Packet {
            stream: address.stream,
            to: address.to,
            rtcp: address.rtcp,
            bytes,
        })
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// True if nothing sounds and nothing is sent: the thread may stop the sound device.
    pub fn idle(&self) -> bool {
        self.places.iter().all(Option::is_none) && self.tones.iter().all(TonePort::idle)
    }

    fn add(&mut self, now: Instant, stream: Box<Stream>) {
        let taken = self.index(stream.id()).is_some() || stream.engine_rate != self.config.rate;
        let free = self.places.iter_mut().find(|place| place.is_none()).filter(|_| !taken);
        let Some(free) = free else {
            self.refuse(Command::Add(stream));
            return;
        };
        *free = Some(Place {
            stream,
            ear: Ramp::new(1.0),
            mouth: Ramp::new(1.0),
            tone: TonePort::new(),
            talking: false,
            audible: false,
            silent_since: now,
            silent_told: 0,
        });
    }

    fn replace(&mut self, now: Instant, mut stream: Box<Stream>) {
        let rate = self.config.rate;
        match self.place(stream.id()) {
            Some(place) if stream.engine_rate == rate => {
                stream.take_over(&mut place.stream);
                place.talking = stream.receiver.source.is_some();
                let old = std::mem::replace(&mut place.stream, stream);
                place.silent_since = now;
                place.silent_told = 0;
                self.keep(Event::Retired(Retired::Stream(old)));
            }
            _ => self.refuse(Command::Replace(stream)),
        }
    }

    fn remove(&mut self, now: Instant, index: usize) {
        self.bridges.clear(index);
        let Some(mut place) = self.places.get_mut(index).and_then(Option::take) else { return };
        place.stream.report(now, true, &mut self.outgoing);
        for tone in place.tone.clear() {
            self.retire_tone(tone);
        }
        self.keep(Event::Retired(Retired::Stream(place.stream)));
    }

    /// What the peers say in this period.
    fn hear(&mut self, now: Instant) {
        let period = self.config.period.max(1);
        for index in 0..self.places.len() {
            let Some(Some(place)) = self.places.get_mut(index) else { continue };
            let Some(heard) = self.heard.get_mut(index * period..(index + 1) * period) else { continue };
            place.audible = place.stream.receiver.period(now, heard, &mut self.scratch);
            if let Some(digit) = place.stream.receiver.found.take() {
                let stream = place.stream.id();
                self.tell(Event::Digit { stream, digit });
            }
        }
    }

    /// What the ear and the ringer play in this period.
    fn play(&mut self, playback: &mut [i16], ring: Option<&mut [i16]>) {
        let period = self.config.period;
        self.sum.fill(0);
        for (place, heard) in self.places.iter_mut().zip(self.heard.chunks_exact(period.max(1))) {
            if let Some(place) = place
                && !place.ear.silent()
            {
                place.ear.mix(heard, &mut self.sum);
            }
        }
        for slot in [ToneSlot::Progress, ToneSlot::Overlay] {
            let [progress, overlay, _] = &mut self.tones;
            let port = if slot == ToneSlot::Progress { progress } else { overlay };
            if let Some((tone, ended)) = port.mix(&mut self.work, &mut self.sum) {
                self.tone_done(slot, tone, ended);
            }
        }
        self.ear.apply(&mut self.sum);
        let [.., ringer] = &mut self.tones;
        if ringer.idle() {
            saturate(&self.sum, playback);
            if let Some(ring) = ring {
                ring.fill(0);
            }
            return;
        }
        self.ring_sum.fill(0);
        let done = ringer.mix(&mut self.work, &mut self.ring_sum);
        self.ringer.apply(&mut self.ring_sum);
        match ring {
            Some(ring) => saturate(&self.ring_sum, ring),
            None => self.sum.iter_mut().zip(&self.ring_sum).for_each(|(sum, ring)| *sum += ring),
        }
        saturate(&self.sum, playback);
        if let Some((tone, ended)) = done {
            self.tone_done(ToneSlot::Ringer, tone, ended);
        }
    }

    /// What each peer is told in this period.
    fn talk(&mut self, captured: &[i16]) {
        let period = self.config.period.max(1);
        through(&mut self.mouth, captured, &mut self.sum, &mut self.mouth_sound);
        let lonely = self.bridges.none();
        for index in 0..self.places.len() {
            let (audible, tone_idle) = match self.places.get(index) {
                Some(Some(place)) => (place.stream.sender.sends(), place.tone.idle()),
                _ => continue,
            };
            if !audible && tone_idle {
                // Held or not connected: only its clock goes on.
                self.out_sound.fill(0);
            } else {
                self.sum.fill(0);
                if !lonely {
                    for (from, (other, heard)) in self.places.iter().zip(self.heard.chunks_exact(period)).enumerate() {
                        if other.as_ref().is_some_and(|other| other.audible) {
                            self.bridges.mix(from, index, heard, &mut self.sum);
                        }
                    }
                }
                let mut done = None;
                if let Some(Some(place)) = self.places.get_mut(index) {
                    if !place.mouth.silent() {
                        place.mouth.mix(&self.mouth_sound, &mut self.sum);
                    }
                    done = place.tone.mix(&mut self.work, &mut self.sum);
                }
                saturate(&self.sum, &mut self.out_sound);
                if let Some((tone, _)) = done {
                    self.retire_tone(Some(tone));
                }
            }
            if let Some(Some(place)) = self.places.get_mut(index) {
                let id = place.stream.id();
                place.stream.sender.period(id, &mut self.out_sound, &mut self.scratch.resampled, &mut self.outgoing);
            }
        }
    }

    /// Reports and silences that are due.
    fn report(&mut self, now: Instant) {
        for index in 0..self.places.len() {
            let Some(Some(place)) = self.places.get_mut(index) else { continue };
            let id = place.stream.id();
            let seconds = now.saturating_duration_since(place.silent_since).as_secs().min(u64::from(u32::MAX)) as u32;
            let silent = place.stream.receiver.expects() && seconds >= (place.silent_told + 1) * SILENT_SECONDS;
            if silent {
                place.silent_told = seconds / SILENT_SECONDS;
            }
            let told = place.silent_told * SILENT_SECONDS;
            let due = place.stream.reporter.due(now);
            if due {
                place.stream.report(now, false, &mut self.outgoing);
            }
            let statistics = due.then(|| place.stream.statistics());
            if silent {
                self.tell(Event::Silent { stream: id, seconds: told });
            }
            if let Some(statistics) = statistics {
                self.tell(Event::Statistics { stream: id, statistics });
            }
        }
    }

    fn open_mouth(&mut self) {
        self.mouth.set(if self.muted { 0.0 } else { self.mouth_gain });
    }

    fn tone_port(&mut self, slot: ToneSlot) -> &mut TonePort {
        let [progress, overlay, ringer] = &mut self.tones;
        match slot {
            ToneSlot::Progress => progress,
            ToneSlot::Overlay => overlay,
            ToneSlot::Ringer => ringer,
        }
    }

    fn tone_done(&mut self, slot: ToneSlot, tone: Box<Tone>, ended: bool) {
        if ended {
            self.tell(Event::ToneEnded(slot));
        }
        self.retire_tone(Some(tone));
    }

    fn retire_tone(&mut self, tone: Option<Box<Tone>>) {
        if let Some(tone) = tone {
            self.keep(Event::Retired(Retired::Tone(tone)));
        }
    }

    fn refuse(&mut self, command: Command) {
        self.keep(Event::Refused(command));
    }

    fn index(&self, id: StreamId) -> Option<usize> {
        self.places.iter().position(|place| place.as_ref().is_some_and(|place| place.stream.id() == id))
    }

    fn place(&mut self, id: StreamId) -> Option<&mut Place> {
        self.places.iter_mut().flatten().find(|place| place.stream.id() == id)
    }

    /// An event without boxes: lost if too many wait.
    fn tell(&mut self, event: Event) {
        if self.events.len() < EVENTS / 2 {
            self.events.push_back(event);
        } else {
            self.overflows.events += 1;
        }
    }

    /// An event with a box, which must not be freed on this thread.
    fn keep(&mut self, event: Event) {
        if self.events.len() < EVENTS {
            self.events.push_back(event);
        } else {
            self.overflows.leaked += 1;
            std::mem::forget(event);
        }
    }
}
