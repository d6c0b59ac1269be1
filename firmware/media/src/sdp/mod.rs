//! SDP (RFC 8866) and offer/answer (RFC 3264) for one audio stream: what we can do in, what was agreed out.
//!
//! [`offer`], [`reoffer`], [`answer`] and [`accept`] are pure functions; the session keeps what it sent last, for `reoffer`. Syntax is read leniently and
//! bounded (`parse`), meaning strictly (`negotiate`). Decisions:
//!
//! - Only RTP/AVP and RTP/AVPF: encrypted profiles are refused with 488 until we have keys to offer.
//! - An answer names one codec and one telephone-event, so that nobody has to guess what is sent.
//! - The answerer takes over the offer's payload types. As offerer we send with those of the answer and receive on our own.
//! - RTCP has the next port unless the peer says otherwise (RFC 3605); `rtcp-mux` is not taken up.
//! - Nothing is ever sent to multicast or broadcast addresses, nor to loopback without leave: an offer must not be able to
//!   aim our sound at others.

mod negotiate;
mod parse;

use crate::codec::{CodecKind, OpusParams};
use std::net::SocketAddr;

pub use negotiate::{accept, answer, offer, reoffer};

/// Which way sound may go, seen from the side that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// From its two halves.
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What the other side may do when this side does this.
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

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
    /// o= session id
    pub session_id: u64,
    /// o= version: it goes up with every new description.
    pub session_version: u64,
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
    /// For our encoder: what we want within what the peer takes.
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

impl SdpError {
    /// The SIP status that answers an offer like this.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(..) => 400,
            Self::NotAcceptable(..) => 488,
        }
    }
}

impl std::fmt::Display for SdpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(line, what) => write!(f, "line {line}: {what}"),
            Self::NotAcceptable(_, text) => f.write_str(text),
        }
    }
}

impl std::error::Error for SdpError {}

#[cfg(test)]
mod tests;
