//! The sending half of a stream: sound in periods becomes packets of one packet time, digits take their place.
use super::queue::Outgoing;
use super::{StreamError, StreamId, StreamOptions};
use crate::codec::{self, Encoder};
use crate::event_sender::EventSender;
use crate::level::Meter;
use crate::resample::Resampler;
use crate::rtp::{HEADER_LENGTH, Header};
use crate::sdp::{Direction, StreamConfig};
use crate::telephone_event::{Digit, DigitMethod};
use std::net::SocketAddr;
use std::time::Duration;

/// Opus in silence makes packets of one or two octets, which need not be sent (RFC 7587 section 3.1.3).
const DTX_OCTETS: usize = 2;

pub(crate) struct Sender {
    pub(crate) to: Option<SocketAddr>,
    /// What the description allows.
    enabled: bool,
    payload: u8,
    event_payload: Option<u8>,
    encoder: Box<dyn Encoder>,
    /// [Hz]
    rate: u32,
    engine_rate: u32,
    pub(crate) clock: u32,
    /// Samples of a packet at `rate`.
    frame: usize,
    resampler: Option<Resampler>,
    pending: Box<[i16]>,
    filled: usize,
    pub(crate) ssrc: u32,
    sequence: u16,
    /// Timestamp of sample 0, and samples taken in since, at `rate`.
    first_timestamp: u32,
    taken: u64,
    /// The next packet starts a talkspurt.
    marker: bool,
    digits: EventSender,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    pub(crate) meter: Meter,
}

impl Sender {
    pub(crate) fn new(config: &StreamConfig, options: &StreamOptions, engine_rate: u32) -> Result<Self, StreamError> {
        let (rate, clock) = (config.codec.sample_rate(engine_rate), config.codec.clock());
        let ptime = config.codec.packet_time(config.ptime);
        let encoder = codec::encoder(config.codec, engine_rate, ptime, &config.opus).map_err(StreamError::Codec)?;
        let frame = (rate * ptime / 1000) as usize;
        let units = if options.dtmf_8k_units { 8000 } else { clock };
        Ok(Self {
            to: config.remote_rtp,
            enabled: matches!(config.direction, Direction::SendRecv | Direction::SendOnly),
            payload: config.payload,
            event_payload: config.telephone_event.map(|(payload, _)| payload),
            encoder,
            rate,
            engine_rate,
            clock,
            frame,
            resampler: Resampler::new(engine_rate, rate),
            // A frame may be all but full when the longest period (20 ms and a bit) comes.
            pending: vec![0; frame + rate as usize / 20].into_boxed_slice(),
            filled: 0,
            ssrc: options.ssrc,
            sequence: options.first_sequence,
            first_timestamp: options.first_timestamp,
            taken: 0,
            marker: true,
            digits: EventSender::new(clock, units, ptime, engine_rate),
            packets: 0,
            octets: 0,
            meter: Meter::default(),
        })
    }

    /// Goes on where `old` was: same source, sequence, timestamps, digits.
    pub(crate) fn take_over(&mut self, old: &mut Self) {
        self.ssrc = old.ssrc;
        self.sequence = old.sequence;
        self.first_timestamp = old.timestamp();
        self.marker = old.marker || self.payload != old.payload || self.enabled != old.enabled;
        self.packets = old.packets;
        self.octets = old.octets;
        self.meter = old.meter;
        if self.clock == old.clock {
            std::mem::swap(&mut self.digits, &mut old.digits);
        }
    }

    /// False if the method was not agreed on or too many digits wait.
    pub(crate) fn digit(&mut self, digit: Digit, method: DigitMethod, duration: Option<Duration>) -> bool {
        if method == DigitMethod::Event && self.event_payload.is_none() {
            return false;
        }
        self.digits.start(digit, method, duration.map(|duration| duration.as_millis().min(60_000) as u32))
    }

    pub(crate) fn digit_end(&mut self) {
        self.digits.end();
    }

    /// True if packets may leave.
    pub(crate) fn sends(&self) -> bool {
        self.enabled && self.to.is_some()
    }

    /// RTP timestamp of now.
    pub(crate) fn timestamp(&self) -> u32 {
        self.timestamp_of(self.taken)
    }

    /// One period of sound at the engine's rate. `scratch` is as long as the longest period at any rate.
    pub(crate) fn period(&mut self, id: StreamId, sound: &mut [i16], scratch: &mut [i16], out: &mut Outgoing) {
        let before = self.timestamp();
        let digits = !self.digits.idle();
        let Some(to) = self.to.filter(|_| self.enabled) else {
            self.filled = 0;
            // While held nobody hears what a filter would make; only the clock goes on.
            self.taken += sound.len() as u64 * u64::from(self.rate) / u64::from(self.engine_rate);
            self.marker = true;
            if digits {
                self.digits.period(self.timestamp(), self.timestamp().wrapping_sub(before));
            }
            return;
        };
        if digits {
            self.digits.tone(sound);
        }
        self.meter.feed(sound, 0.05);
        let length = match &mut self.resampler {
            Some(resampler) => resampler.process(sound, scratch),
            None => sound.len(),
        };
        let samples: &[i16] = if self.resampler.is_some() { scratch.get(..length).unwrap_or_default() } else { sound };
        for &sample in samples {
            // One by one only in name: the slot is always there, periods are 20 ms at most.
            if let Some(slot) = self.pending.get_mut(self.filled) {
                *slot = sample;
                self.filled += 1;
            }
        }
        self.taken += samples.len() as u64;
        if digits {
            let now = self.timestamp();
            if let Some(event) = self.digits.period(now, now.wrapping_sub(before))
                && let Some(payload_type) = self.event_payload
            {
                let header = self.header(payload_type, event.marker, event.timestamp);
                self.send(id, to, header, out, |room| {
                    room.get_mut(..4).map_or(0, |room| {
                        room.copy_from_slice(&event.payload);
                        4
                    })
                });
            }
            if self.digits.sounding() && self.event_payload.is_some() && !self.digits.in_band() {
                self.filled = 0;
                return;
            }
        }
        while self.filled >= self.frame {
            let timestamp = self.timestamp_of(self.taken - self.filled as u64);
            let header = self.header(self.payload, self.marker, timestamp);
            let frame = self.frame;
            // Borrow parts of `self` apart: the encoder writes straight into the outgoing slot.
            let Self { encoder, pending, .. } = self;
            let written = out.push(id, to, false, |room| {
                let Some((head, body)) = room.split_first_chunk_mut::<HEADER_LENGTH>() else { return 0 };
                *head = header.to_bytes();
                let octets = encoder.encode(pending.get(..frame).unwrap_or_default(), body);
                if octets <= DTX_OCTETS { 0 } else { HEADER_LENGTH + octets }
            });
            match written {
                Some(0) => self.marker = true,
                Some(octets) => {
                    self.marker = false;
                    self.sequence = self.sequence.wrapping_add(1);
                    self.packets += 1;
                    self.octets += (octets - HEADER_LENGTH) as u64;
                }
                // The queue is full: a lost packet, counted there.
                None => self.sequence = self.sequence.wrapping_add(1),
            }
            self.pending.copy_within(frame..self.filled, 0);
            self.filled -= frame;
        }
    }

    fn send(
        &mut self,
        id: StreamId,
        to: SocketAddr,
        header: Header,
        out: &mut Outgoing,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) {
        let written = out.push(id, to, false, |room| {
            let Some((head, body)) = room.split_first_chunk_mut::<HEADER_LENGTH>() else { return 0 };
            *head = header.to_bytes();
            HEADER_LENGTH + write(body)
        });
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(octets) = written {
            self.packets += 1;
            self.octets += octets.saturating_sub(HEADER_LENGTH) as u64;
        }
    }

    fn header(&self, payload_type: u8, marker: bool, timestamp: u32) -> Header {
        Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc }
    }

    fn timestamp_of(&self, sample: u64) -> u32 {
        self.first_timestamp.wrapping_add((sample * u64::from(self.clock) / u64::from(self.rate)) as u32)
    }
}
