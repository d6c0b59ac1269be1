//! Codecs, one file each, behind two traits. `samples` are at the codec's own rate, mono.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodecKind { Pcmu, Pcma, G722, Opus }
impl CodecKind {
    /// Encoding name in SDP: `PCMU`, `PCMA`, `G722`, `opus`.
    pub fn name(self) -> &'static str { todo!() }
    /// RTP clock [Hz]: 8000 (also for G.722, RFC 3551 section 4.5.2), 48000 for Opus.
    pub fn clock(self) -> u32 { todo!() }
    /// Rate of the samples we give and take [Hz]: 8000, 16000, and 16000 for Opus (its decoder resamples itself; 48000 when the engine runs at 48000).
    pub fn sample_rate(self, engine_rate: u32) -> u32 { todo!() }
    /// Static payload type, if it has one.
    pub fn static_payload(self) -> Option<u8> { todo!() }
}
/// Opus settings that both sides' fmtp have agreed on (RFC 7587).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusParams { /// largest bandwidth to encode [Hz]: 8000, 12000, 16000, 24000, 48000
    pub max_playback_rate: u32, /// [bit/s], None: automatic
    pub bitrate: Option<u32>, pub fec: bool, pub dtx: bool, pub cbr: bool, /// 0..=10
    pub complexity: Option<u8>, /// [%]
    pub expected_loss: u8 }
pub trait Encoder: Send {
    /// One frame of `ptime`; answers the octets written. Never allocates.
    fn encode(&mut self, samples: &[i16], into: &mut [u8]) -> usize;
}
pub trait Decoder: Send {
    /// One packet; answers the samples written; 0 for garbage (the caller conceals).
    fn decode(&mut self, packet: &[u8], into: &mut [i16]) -> usize;
    /// A packet is missing: fill `into` if the codec has its own concealment (Opus), else answer false.
    fn conceal(&mut self, into: &mut [i16]) -> bool;
    /// In-band FEC: rebuild the packet before `next` (Opus).
    fn recover(&mut self, next: &[u8], into: &mut [i16]) -> bool { false }
}
