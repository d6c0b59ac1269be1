//! Codecs, one file each, behind two traits. `samples` are at the codec's own rate, mono.
//!
//! [`encoder`] and [`decoder`] choose by [`CodecKind`]; they allocate, what they give back never does, so both are called
//! on the main thread and the result is handed to the media thread. Sampling rates are fixed here; who needs another rate
//! resamples outside.

mod g711;
mod g722;
mod opus;

/// A codec we have. The wire has names and payload types; this is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodecKind {
    /// ITU-T G.711 µ-law
    Pcmu,
    /// ITU-T G.711 A-law
    Pcma,
    /// ITU-T G.722 at 64 kbit/s
    G722,
    /// RFC 6716
    Opus,
}

impl CodecKind {
    /// All there are, best sound first.
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcma, Self::Pcmu];

    /// Encoding name in SDP: `PCMU`, `PCMA`, `G722`, `opus`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// RTP clock [Hz]: 8000 (also for G.722, RFC 3551 section 4.5.2), 48000 for Opus.
    pub fn clock(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8000,
            Self::Opus => 48000,
        }
    }

    /// Rate of the samples we give and take [Hz]: 8000, 16000, and 16000 for Opus (its decoder resamples itself; 48000 when
    /// the engine runs at 48000).
    pub fn sample_rate(self, engine_rate: u32) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
            Self::G722 => 16000,
            Self::Opus if engine_rate == 48000 => 48000,
            Self::Opus => 16000,
        }
    }

    /// Static payload type, if it has one (RFC 3551 section 6).
    pub fn static_payload(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::Opus => None,
        }
    }

    /// The longest packet time not above `wanted` that the codec can make [ms], from 10 to 60: G.711 and G.722 in steps of
    /// 10, Opus 10, 20, 40 or 60 (RFC 6716 section 2.1.4 has no 30 ms frame).
    pub fn packet_time(self, wanted: u32) -> u32 {
        let steps = wanted.clamp(10, 60) / 10 * 10;
        match (self, steps) {
            (Self::Opus, 30) => 20,
            (Self::Opus, 50) => 40,
            _ => steps,
        }
    }
}

/// Opus settings that both sides' fmtp have agreed on (RFC 7587).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusParams {
    /// largest bandwidth to encode [Hz]: 8000, 12000, 16000, 24000, 48000
    pub max_playback_rate: u32,
    /// [bit/s], None: automatic
    pub bitrate: Option<u32>,
    /// in-band forward error correction
    pub fec: bool,
    /// fewer packets in silence
    pub dtx: bool,
    /// constant bit rate
    pub cbr: bool,
    /// 0..=10, None: the library's choice
    pub complexity: Option<u8>,
    /// [%]
    pub expected_loss: u8,
}

impl Default for OpusParams {
    /// The wide-band preset of the account settings (`axml.opus.01`): 16 kHz, 24 kbit/s, FEC, DTX, 5 % loss.
    fn default() -> Self {
        Self {
            max_playback_rate: 16000,
            bitrate: Some(24000),
            fec: true,
            dtx: true,
            cbr: false,
            complexity: None,
            expected_loss: 5,
        }
    }
}

/// The sending half. Built with [`encoder`].
pub trait Encoder: Send {
    /// One frame of `ptime`; answers the octets written. Never allocates.
    ///
    /// 0 if the codec could not (wrong number of samples, `into` too short): send nothing then.
    fn encode(&mut self, samples: &[i16], into: &mut [u8]) -> usize;
}

/// The receiving half. Built with [`decoder`]. Never allocates.
pub trait Decoder: Send {
    /// One packet; answers the samples written; 0 for garbage (the caller conceals).
    fn decode(&mut self, packet: &[u8], into: &mut [i16]) -> usize;

    /// A packet is missing: fill `into` if the codec has its own concealment (Opus), else answer false.
    fn conceal(&mut self, into: &mut [i16]) -> bool;

    /// In-band FEC: rebuild the packet before `next` (Opus). `into` is as long as that packet was. If `next` carries no
    /// redundancy, the codec's concealment fills `into` instead.
    fn recover(&mut self, next: &[u8], into: &mut [i16]) -> bool {
        let _ = (next, into);
        false
    }
}

/// An encoder for frames of `ptime` [ms] at [`CodecKind::sample_rate`] of `engine_rate` [Hz].
///
/// # Errors
/// A packet time the codec does not have (see [`CodecKind::packet_time`]), or the library's refusal, in words for a log.
pub fn encoder(kind: CodecKind, engine_rate: u32, ptime: u32, opus: &OpusParams) -> Result<Box<dyn Encoder>, String> {
    if kind.packet_time(ptime) != ptime {
        return Err(format!("{} has no packets of {ptime} ms", kind.name()));
    }
    Ok(match kind {
        CodecKind::Pcmu => Box::new(g711::Mu),
        CodecKind::Pcma => Box::new(g711::A),
        CodecKind::G722 => Box::new(g722::Coder::new()),
        CodecKind::Opus => Box::new(opus::Coder::new(kind.sample_rate(engine_rate), opus)?),
    })
}

/// A decoder that gives samples at [`CodecKind::sample_rate`] of `engine_rate` [Hz]. Any packet time is taken.
///
/// # Errors
/// The library's refusal, in words for a log.
pub fn decoder(kind: CodecKind, engine_rate: u32) -> Result<Box<dyn Decoder>, String> {
    Ok(match kind {
        CodecKind::Pcmu => Box::new(g711::Mu),
        CodecKind::Pcma => Box::new(g711::A),
        CodecKind::G722 => Box::new(g722::Uncoder::new()),
        CodecKind::Opus => Box::new(opus::Uncoder::new(kind.sample_rate(engine_rate))?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sine(rate: u32, hz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|i| {
                let phase = i as f64 * hz / f64::from(rate) * std::f64::consts::TAU;
                (phase.sin() * amplitude) as i16
            })
            .collect()
    }

    /// Covers: axml.codec.05
    #[test]
    fn every_codec_carries_a_tone_at_every_packet_time_it_has() {
        for engine_rate in [8000, 16000, 48000] {
            for kind in CodecKind::ALL {
                let rate = kind.sample_rate(engine_rate);
                for ptime in [10, 20, 30, 40, 50, 60] {
                    let params = OpusParams::default();
                    let coder = encoder(kind, engine_rate, ptime, &params);
                    if kind == CodecKind::Opus && (ptime == 30 || ptime == 50) {
                        assert!(coder.is_err());
                        continue;
                    }
                    let mut coder = coder.unwrap();
                    let mut uncoder = decoder(kind, engine_rate).unwrap();
                    let frame = (rate * ptime / 1000) as usize;
                    let sound = sine(rate, 1004.0, 8000.0, rate as usize / frame * frame);
                    let mut heard = Vec::new();
                    let (mut packet, mut out) = ([0u8; 1500], [0i16; 5760]);
                    for samples in sound.chunks(frame) {
                        let octets = coder.encode(samples, &mut packet);
                        assert!(octets > 0);
                        let n = uncoder.decode(&packet[..octets], &mut out);
                        assert_eq!(n, frame, "{kind:?} {ptime}");
                        heard.extend_from_slice(&out[..n]);
                    }
                    let ratio = crate::measure::tone_ratio_db(&heard[frame * 2..], rate, 1004.0);
                    assert!(ratio > 20.0, "{kind:?} {ptime} ms at {rate}: {ratio} dB");
                }
            }
        }
    }

    #[test]
    fn packet_time_is_clamped_to_what_the_codec_has() {
        assert_eq!(CodecKind::Pcma.packet_time(25), 20);
        assert_eq!(CodecKind::G722.packet_time(0), 10);
        assert_eq!(CodecKind::Pcmu.packet_time(u32::MAX), 60);
        assert_eq!(CodecKind::Opus.packet_time(30), 20);
        assert_eq!(CodecKind::Opus.packet_time(59), 40);
    }

    proptest! {
        #[test]
        fn garbage_never_harms_a_decoder(packet in proptest::collection::vec(any::<u8>(), 0..400), size in 0usize..2000) {
            for kind in CodecKind::ALL {
                let mut uncoder = decoder(kind, 16000).unwrap();
                let mut out = vec![0i16; size];
                prop_assert!(uncoder.decode(&packet, &mut out) <= size);
                uncoder.recover(&packet, &mut out);
                uncoder.conceal(&mut out);
                prop_assert!(uncoder.decode(&packet, &mut out) <= size);
            }
        }
    }
}
