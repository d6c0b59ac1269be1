//! The engine: ports, the matrix that says who hears whom, and the beat.
use crate::sdp::Direction;
use crate::stream::{Statistics, Stream, StreamId};
use crate::telephone_event::{Digit, DigitMethod};
use crate::tone::Tone;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineConfig { /// [Hz] 8000, 16000 or 48000
    pub rate: u32, /// samples per period
    pub period: usize, /// streams at most
    pub streams: usize }

/// Where a tone is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToneSlot { /// call progress in the ear: dial, ringing, busy …
    Progress, /// call waiting, key feedback: mixed over a call
    Overlay, /// ringer, on the ringer's route
    Ringer }

/// What the main thread asks of the engine. Owned boxes go in whole and come back in `Event::Retired` to be freed.
#[derive(Debug)]
pub enum Command {
    Add(Box<Stream>),
    /// Replaces the stream of the same id, keeping SSRC, sequence and statistics (codec change, hold, new remote).
    Replace(Box<Stream>),
    Remove(StreamId),
    /// Does the ear hear it, does it hear the mouth; `Inactive` while held. Two-way talk: `SendRecv`.
    Direction(StreamId, Direction),
    /// Connects two streams directly as well (conference; the echo and tone numbers of the PBX use `Loop`).
    Bridge(StreamId, StreamId, bool),
    /// Sends back what it hears (echo test).
    Loop(StreamId, bool),
    /// Plays a tone into a stream (PBX's 601; held music), `None` stops.
    ToneTo(StreamId, Option<Box<Tone>>),
    Tone(ToneSlot, Option<Box<Tone>>),
    /// Starts a digit; it lasts until `DigitEnd` or `duration`.
    Digit { stream: StreamId, digit: Digit, method: DigitMethod, duration: Option<Duration> },
    DigitEnd { stream: StreamId },
    /// Microphone closed for everybody.
    Mute(bool),
    /// Linear gains x 256: ear, mouth, ringer.
    Gain { ear: u16, mouth: u16, ringer: u16 },
    /// RTCP interval and statistics events; default 5 s.
    Report(StreamId),
}

#[derive(Debug)]
pub enum Event {
    /// A digit of the peer, once per digit, at its start.
    Digit { stream: StreamId, digit: Digit },
    Statistics { stream: StreamId, statistics: Statistics },
    /// First packet of the peer.
    Talking { stream: StreamId, from: SocketAddr },
    /// No RTP for this long (every 5 s of silence) while we expect it.
    Silent { stream: StreamId, seconds: u32 },
    /// RTCP BYE of the peer; does not end the call by itself.
    PeerLeft { stream: StreamId },
    /// A tone that is not periodic has ended.
    ToneEnded(ToneSlot),
    Retired(Retired),
    /// A command that could not be done (table full, no such stream); its boxes come back in it.
    Refused(Command),
}
#[derive(Debug)]
pub enum Retired { Stream(Box<Stream>), Tone(Box<Tone>) }

/// One packet to send; valid until the next call.
#[derive(Debug)]
pub struct Packet<'a> { pub stream: StreamId, pub to: SocketAddr, /// from the RTCP socket
    pub rtcp: bool, pub bytes: &'a [u8] }

#[derive(Debug)]
pub struct Engine { }
impl Engine {
    /// Allocates everything it will ever use.
    pub fn new(config: EngineConfig) -> Self { todo!() }
    pub fn config(&self) -> EngineConfig { todo!() }
    pub fn command(&mut self, now: Instant, command: Command) { todo!() }
    /// A datagram from the stream's RTP (or RTCP) socket. Decrypts, parses, keeps. Answers true if it was STUN or DTLS
    /// (RFC 7983) and belongs to the main thread.
    pub fn receive(&mut self, now: Instant, stream: StreamId, rtcp: bool, from: SocketAddr, bytes: &mut [u8]) -> bool { todo!() }
    /// One period of sound: `captured` in, `playback` out (both `config.period` long). `ring` gets the ringer's sound when the
    /// ringer has an own device, else the ringer is mixed into `playback`.
    pub fn period(&mut self, now: Instant, captured: &[i16], playback: &mut [i16], ring: Option<&mut [i16]>) { todo!() }
    /// Packets made since the last call.
    pub fn poll_transmit(&mut self) -> Option<Packet<'_>> { todo!() }
    pub fn poll_event(&mut self) -> Option<Event> { todo!() }
    /// True if nothing sounds and nothing is sent: the thread may stop the sound device.
    pub fn idle(&self) -> bool { todo!() }
}
