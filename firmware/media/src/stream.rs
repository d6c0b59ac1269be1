//! One RTP session of a call: encoder, decoders, jitter buffer, RTCP, telephone-events; built on the main thread.
use crate::sdp::StreamConfig;
/// Chosen by the main thread; also names the pair of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);
#[derive(Debug)]
pub struct Stream { }
/// What is not in the SDP.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamOptions {
    /// Send to where media comes from (`axml.nat.10`).
    pub symmetric: bool,
    pub ssrc: u32, pub first_sequence: u16, pub first_timestamp: u32,
    /// RTCP CNAME.
    pub cname: String,
    /// Durations of telephone-events in 8 kHz units whatever the clock (`axml.dtmf.04`).
    pub dtmf_8k_units: bool,
    /// Jitter buffer limits [ms].
    pub jitter_min_ms: u32, pub jitter_max_ms: u32,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamError { Codec(String) }
impl Stream {
    pub fn new(id: StreamId, config: &StreamConfig, options: &StreamOptions, engine_rate: u32) -> Result<Box<Self>, StreamError> { todo!() }
    pub fn id(&self) -> StreamId { todo!() }
}
/// Counters of one stream (RFC 3550, RFC 3611 in spirit).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Statistics {
    pub sent: u64, pub received: u64, pub lost: u64, pub late: u64, pub duplicated: u64, pub malformed: u64, pub foreign: u64, pub concealed: u64,
    /// [ms]
    pub jitter_ms: f32, pub buffer_ms: f32, pub round_trip_ms: Option<f32>,
    /// [dBov]
    pub level_in: f32, pub level_out: f32,
}
