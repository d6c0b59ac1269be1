//! One RTP session of a call: encoder, decoders, jitter buffer, RTCP, telephone-events; built on the main thread.
//!
//! A [`Stream`] takes all memory it will ever use in `new`; from then on only the engine touches it. What is sent is in
//! `send`, what is received in `receive`, the ring of packets on their way out in `queue`.
pub(crate) mod queue;
pub(crate) mod receive;
pub(crate) mod report;
pub(crate) mod send;

use crate::sdp::StreamConfig;
use queue::Outgoing;
use receive::{Arrival, Receiver};
use report::{Heard, Reporter};
use send::Sender;
use std::net::SocketAddr;
use std::time::Instant;

/// Chosen by the main thread; also names the pair of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// One RTP session, with all its buffers and codec states.
pub struct Stream {
    id: StreamId,
    pub(crate) engine_rate: u32,
    pub(crate) symmetric: bool,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    pub(crate) reporter: Reporter,
}

/// What is not in the SDP.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamOptions {
    /// Send to where media comes from (`axml.nat.10`).
    pub symmetric: bool,
    pub ssrc: u32,
    pub first_sequence: u16,
    pub first_timestamp: u32,
    /// RTCP CNAME.
    pub cname: String,
    /// Durations of telephone-events in 8 kHz units whatever the clock (`axml.dtmf.04`); otherwise in units of the codec's
    /// RTP clock, as the timestamps are.
    pub dtmf_8k_units: bool,
    /// Jitter buffer limits [ms].
    pub jitter_min_ms: u32,
    pub jitter_max_ms: u32,
}

/// Why a stream cannot be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamError {
    /// The codec's library refuses: the call cannot use this codec.
    Codec(String),
}

impl Stream {
    /// Takes everything a call needs. Call it on the main thread; `engine_rate` [Hz] as in the engine's configuration.
    ///
    /// # Errors
    /// [`StreamError::Codec`] if an encoder or decoder cannot be made.
    pub fn new(
        id: StreamId,
        config: &StreamConfig,
        options: &StreamOptions,
        engine_rate: u32,
    ) -> Result<Box<Self>, StreamError> {
        Ok(Box::new(Self {
            id,
            engine_rate,
            symmetric: options.symmetric,
            sender: Sender::new(config, options, engine_rate)?,
            receiver: Receiver::new(config, options, engine_rate)?,
            reporter: Reporter::new(config.remote_rtcp, &options.cname, options.ssrc),
        }))
    }

    /// As given to `new`.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// One RTP packet; a symmetric stream answers to where it came from.
    pub(crate) fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Arrival {
        let time = self.reporter.clock(now);
        let arrival = self.receiver.receive(now, time, from, datagram);
        if arrival != Arrival::Refused && self.symmetric && self.sender.to.is_some() {
            self.sender.to = Some(from);
        }
        arrival
    }

    /// One RTCP datagram; `own_socket` if it did not come to the RTP port.
    pub(crate) fn receive_rtcp(&mut self, now: Instant, own_socket: bool, from: SocketAddr, datagram: &[u8]) -> Heard {
        let latch = own_socket && self.symmetric;
        self.reporter.receive(now, from, latch, datagram, self.sender.ssrc, &mut self.receiver)
    }

    /// Sends an RTCP report, or with `bye` the last one.
    pub(crate) fn report(&mut self, now: Instant, bye: bool, out: &mut Outgoing) {
        self.reporter.send(now, self.id, &self.sender, &mut self.receiver, bye, out);
    }

    /// Counters and levels of now.
    pub(crate) fn statistics(&self) -> Statistics {
        let (sender, receiver) = (&self.sender, &self.receiver);
        Statistics {
            sent: sender.packets,
            received: receiver.counters.received,
            lost: receiver.lost(),
            late: receiver.counters.late,
            duplicated: receiver.counters.duplicated,
            malformed: receiver.counters.malformed,
            foreign: receiver.counters.foreign,
            concealed: receiver.counters.concealed,
            jitter_ms: receiver.jitter(),
            buffer_ms: receiver.delay(),
            round_trip_ms: self.reporter.round_trip.map(|time| time.as_secs_f32() * 1000.0),
            level_in: receiver.meter.dbov(),
            level_out: sender.meter.dbov(),
        }
    }

    /// Goes on where `old` was, under the new description.
    pub(crate) fn take_over(&mut self, old: &mut Self) {
        let same_remote = self.sender.to.is_none() || self.receiver.negotiated() == old.receiver.negotiated();
        if same_remote && self.symmetric && self.sender.to.is_some() && old.receiver.source.is_some() {
            self.sender.to = old.receiver.source;
        }
        self.sender.take_over(&mut old.sender);
        self.receiver.take_over(&mut old.receiver);
        self.reporter.take_over(&mut old.reporter);
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("id", &self.id).field("to", &self.sender.to).finish_non_exhaustive()
    }
}

/// Counters of one stream (RFC 3550, RFC 3611 in spirit).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Statistics {
    /// Packets.
    pub sent: u64,
    pub received: u64,
    pub lost: u64,
    /// Came after their time.
    pub late: u64,
    pub duplicated: u64,
    /// Not RTP, or of no payload type that was agreed on, or garbage to the codec.
    pub malformed: u64,
    /// From a strange address or source.
    pub foreign: u64,
    /// Pieces of 10 ms that were played without a packet.
    pub concealed: u64,
    /// [ms]
    pub jitter_ms: f32,
    /// Playout delay: from a packet's arrival until its sound is played [ms].
    pub buffer_ms: f32,
    pub round_trip_ms: Option<f32>,
    /// [dBov]
    pub level_in: f32,
    pub level_out: f32,
}
