//! SDP (RFC 8866) and offer/answer (RFC 3264) for one audio stream: what we can do in, what was agreed out.
use crate::codec::{CodecKind, OpusParams};
use std::net::{IpAddr, SocketAddr};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction { SendRecv, SendOnly, RecvOnly, Inactive }

/// What we offer or accept, in order of preference.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalMedia {
    /// Address and port peers send RTP to; RTCP is the next port.
    pub rtp: SocketAddr,
    pub codecs: Vec<CodecKind>,
    /// For the Opus fmtp we send.
    pub opus: OpusParams,
    /// [ms] 10 to 60
    pub ptime: u32,
    /// Send with our ptime whatever the peer asks (`axml.codec.07`).
    pub force_ptime: bool,
    pub direction: Direction,
    /// Offer telephone-event (RFC 4733).
    pub telephone_event: bool,
    /// Only telephone-event/8000 (`axml.dtmf.03`); otherwise one payload type per clock rate of the offered codecs.
    pub telephone_event_8k_only: bool,
    /// As answerer take the first codec of the offer, otherwise our first (`axml.codec.03`).
    pub honor_their_order: bool,
    /// o= session id and version: the version goes up with every new description.
    pub session_id: u64, pub session_version: u64,
    /// Refuse loopback media addresses unless the signalling peer is on loopback as well.
    pub allow_loopback: bool,
}

/// The agreed stream, seen from here.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamConfig {
    /// Where RTP goes; `None` while held by 0.0.0.0 or port 0.
    pub remote_rtp: Option<SocketAddr>,
    pub remote_rtcp: Option<SocketAddr>,
    pub codec: CodecKind,
    /// Payload type we send.
    pub payload: u8,
    /// Payload types we may receive, with their codec.
    pub receive: Vec<(u8, CodecKind)>,
    pub opus: OpusParams,
    /// (payload type, clock [Hz]) we send and receive telephone-events with.
    pub telephone_event: Option<(u8, u32)>,
    /// Further telephone-event payload types to accept.
    pub telephone_event_receive: Vec<(u8, u32)>,
    /// [ms] that we send
    pub ptime: u32,
    /// What we may do: SendRecv, SendOnly (they listen), RecvOnly (held by them), Inactive.
    pub direction: Direction,
}

/// Why a description cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SdpError {
    /// Answer 400: (line number, what)
    Malformed(usize, String),
    /// Answer 488 with a Warning (code of RFC 3261 section 20.43, text).
    NotAcceptable(u16, String),
}

/// A body for an INVITE, or for a 2xx to an INVITE without one.
pub fn offer(local: &LocalMedia) -> Vec<u8> { todo!() }
/// Their offer: our answer body and the agreed stream. Other m= lines are refused with port 0.
pub fn answer(local: &LocalMedia, offer: &[u8]) -> Result<(Vec<u8>, StreamConfig), SdpError> { todo!() }
/// Their answer to our offer.
pub fn accept(local: &LocalMedia, answer: &[u8]) -> Result<StreamConfig, SdpError> { todo!() }
