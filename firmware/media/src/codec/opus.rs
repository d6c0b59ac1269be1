//! Opus (RFC 6716) by the system's libopus, mono, for speech. Parameters are those of RFC 7587 after negotiation.
//!
//! libopus allocates when a coder is made and never afterwards.
use super::{Decoder, Encoder, OpusParams};
use audiopus::coder::{Decoder as OpusDecoder, Encoder as OpusEncoder};
use audiopus::packet::Packet;
use audiopus::{Application, Bandwidth, Bitrate, Channels, MutSignals, SampleRate};

pub(super) struct Coder(OpusEncoder);

impl Coder {
    pub(super) fn new(rate: u32, params: &OpusParams) -> Result<Self, String> {
        Self::make(rate, params).map_err(|error| format!("opus encoder at {rate} Hz: {error}"))
    }

    fn make(rate: u32, params: &OpusParams) -> audiopus::Result<Self> {
        let mut encoder = OpusEncoder::new(sample_rate(rate)?, Channels::Mono, Application::Voip)?;
        encoder.set_max_bandwidth(match params.max_playback_rate {
            0..12000 => Bandwidth::Narrowband,
            12000..16000 => Bandwidth::Mediumband,
            16000..24000 => Bandwidth::Wideband,
            24000..48000 => Bandwidth::Superwideband,
            _ => Bandwidth::Fullband,
        })?;
        encoder.set_bitrate(match params.bitrate {
            // the range libopus takes; RFC 7587 section 6.1
            Some(rate) => Bitrate::BitsPerSecond(rate.clamp(6000, 510_000) as i32),
            None => Bitrate::Auto,
        })?;
        encoder.set_inband_fec(params.fec)?;
        encoder.set_dtx(params.dtx)?;
        encoder.set_vbr(!params.cbr)?;
        if let Some(complexity) = params.complexity {
            encoder.set_complexity(complexity.min(10))?;
        }
        encoder.set_packet_loss_perc(params.expected_loss.min(100))?;
        Ok(Self(encoder))
    }
}

impl Encoder for Coder {
    fn encode(&mut self, samples: &[i16], into: &mut [u8]) -> usize {
        if into.is_empty() {
            return 0;
        }
        self.0.encode(samples, into).unwrap_or(0)
    }
}

pub(super) struct Uncoder {
    decoder: OpusDecoder,
    /// samples in 2.5 ms: libopus conceals only whole multiples of it
    unit: usize,
}

impl Uncoder {
    pub(super) fn new(rate: u32) -> Result<Self, String> {
        sample_rate(rate)
            .and_then(|known| OpusDecoder::new(known, Channels::Mono))
            .map(|decoder| Self { decoder, unit: rate as usize / 400 })
            .map_err(|error| format!("opus decoder at {rate} Hz: {error}"))
    }

    fn run(&mut self, packet: Option<&[u8]>, into: &mut [i16], fec: bool) -> usize {
        let packet = match packet.map(Packet::try_from) {
            None => None,
            Some(Ok(packet)) => Some(packet),
            Some(Err(_)) => return 0,
        };
        let Ok(signals) = MutSignals::try_from(into) else {
            return 0;
        };
        self.decoder.decode(packet, signals, fec).unwrap_or(0)
    }
}

impl Decoder for Uncoder {
    fn decode(&mut self, packet: &[u8], into: &mut [i16]) -> usize {
        self.run(Some(packet), into, false)
    }

    fn conceal(&mut self, into: &mut [i16]) -> bool {
        let whole = into.len() / self.unit * self.unit;
        let Some(part) = into.get_mut(..whole) else {
            return false;
        };
        let done = self.run(None, part, false);
        into.iter_mut().skip(done).for_each(|sample| *sample = 0);
        done > 0
    }

    fn recover(&mut self, next: &[u8], into: &mut [i16]) -> bool {
        let whole = into.len() / self.unit * self.unit;
        let Some(part) = into.get_mut(..whole) else {
            return false;
        };
        let done = self.run(Some(next), part, true);
        into.iter_mut().skip(done).for_each(|sample| *sample = 0);
        done > 0
    }
}

fn sample_rate(rate: u32) -> audiopus::Result<SampleRate> {
    SampleRate::try_from(rate as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{level_dbov, tone_ratio_db};

    const RATE: u32 = 16000;
    const FRAME: usize = 320;

    fn params() -> OpusParams {
        OpusParams::default()
    }

    /// Something like a voice: a hum with formants, so that libopus takes its speech mode and adds FEC.
    fn voice(samples: usize) -> Vec<i16> {
        let mut sound = Vec::with_capacity(samples);
        for i in 0..samples {
            let t = i as f64 / f64::from(RATE);
            let pitch = 120.0 + 8.0 * (t * 5.0).sin();
            let value: f64 = (1..20)
                .map(|k| {
                    let hz = pitch * f64::from(k);
                    let formant = 1.0 / (1.0 + ((hz - 600.0) / 300.0).powi(2)) + 0.05;
                    (t * hz * std::f64::consts::TAU).sin() * formant
                })
                .sum();
            sound.push((value * 3000.0) as i16);
        }
        sound
    }

    fn frames(params: &OpusParams, sound: &[i16]) -> Vec<Vec<u8>> {
        let mut coder = Coder::new(RATE, params).unwrap();
        sound
            .chunks_exact(FRAME)
            .map(|samples| {
                let mut packet = [0; 1500];
                let octets = coder.encode(samples, &mut packet);
                packet[..octets].to_vec()
            })
            .collect()
    }

    fn octets(params: &OpusParams) -> usize {
        frames(params, &voice(FRAME * 50)).iter().map(Vec::len).sum()
    }

    /// Covers: axml.opus.04
    #[test]
    fn the_bit_rate_asked_for_is_about_what_is_sent() {
        for wanted in [12000, 24000, 48000] {
            let sent = octets(&OpusParams { bitrate: Some(wanted), cbr: true, fec: false, dtx: false, ..params() });
            let ratio = sent as f64 * 8.0 / f64::from(wanted);
            assert!((0.95..1.05).contains(&ratio), "{wanted}: {ratio}");
        }
    }

    /// Covers: axml.opus.07
    #[test]
    fn constant_bit_rate_makes_packets_of_one_size_and_variable_does_not() {
        let cbr = frames(&OpusParams { cbr: true, dtx: false, ..params() }, &voice(FRAME * 50));
        assert!(cbr.iter().all(|packet| packet.len() == cbr[0].len()));
        let vbr = frames(&OpusParams { dtx: false, ..params() }, &voice(FRAME * 50));
        assert!(vbr.iter().any(|packet| packet.len() != vbr[0].len()));
    }

    /// Covers: axml.opus.02
    #[test]
    fn the_bandwidth_is_never_above_the_playback_rate() {
        for (rate, limit) in [(8000, 4), (16000, 12), (48000, 12)] {
            for packet in
                frames(&OpusParams { max_playback_rate: rate, bitrate: Some(32000), ..params() }, &voice(FRAME * 20))
            {
                // RFC 6716 table 2: configurations 0..=3 SILK NB, 8..=11 SILK WB, 16..=19 CELT NB, 20..=23 CELT WB
                let config = packet[0] >> 3;
                let narrow = config < 4 || (16..20).contains(&config);
                assert!(if limit == 4 { narrow } else { config < 24 }, "{rate}: configuration {config}");
            }
        }
    }

    /// Covers: axml.opus.06
    #[test]
    fn dtx_makes_silence_nearly_free() {
        let silence = vec![0i16; FRAME * 100];
        let tiny = |packets: &[Vec<u8>]| packets.iter().filter(|packet| packet.len() <= 2).count();
        assert!(tiny(&frames(&params(), &silence)) > 50);
        assert_eq!(tiny(&frames(&OpusParams { dtx: false, ..params() }, &silence)), 0);
    }

    /// Covers: axml.opus.05, axml.opus.08
    #[test]
    fn a_lost_packet_is_rebuilt_from_the_next_one_better_than_by_guessing() {
        let sound = voice(FRAME * 100);
        let fec = OpusParams { expected_loss: 20, ..params() };
        let packets = frames(&fec, &sound);
        let error = |use_fec: bool| {
            let (mut whole, mut lossy) = (Uncoder::new(RATE).unwrap(), Uncoder::new(RATE).unwrap());
            let (mut right, mut guess) = ([0i16; FRAME], [0i16; FRAME]);
            let mut sum = 0f64;
            for (i, packet) in packets.iter().enumerate() {
                assert_eq!(whole.decode(packet, &mut right), FRAME);
                if i % 10 == 9 {
                    if use_fec {
                        assert!(lossy.recover(&packets[i + 1 - usize::from(i == 99)], &mut guess));
                    } else {
                        assert!(lossy.conceal(&mut guess));
                    }
                    if i > 20 && i < 99 {
                        sum +=
                            right.iter().zip(&guess).map(|(a, b)| f64::from(*a - *b / 2 - *b / 2).powi(2)).sum::<f64>();
                    }
                } else {
                    assert_eq!(lossy.decode(packet, &mut guess), FRAME);
                }
            }
            sum
        };
        assert!(error(true) < error(false) * 0.7, "{} {}", error(true), error(false));
    }

    #[test]
    fn concealment_of_a_tone_goes_on_with_the_tone() {
        let tone: Vec<i16> = (0..FRAME * 50)
            .map(|i| ((i as f64 * 440.0 / f64::from(RATE) * std::f64::consts::TAU).sin() * 8000.0) as i16)
            .collect();
        let mut uncoder = Uncoder::new(RATE).unwrap();
        let mut out = [0i16; FRAME];
        for packet in frames(&params(), &tone) {
            uncoder.decode(&packet, &mut out);
        }
        let before = level_dbov(&out);
        assert!(uncoder.conceal(&mut out));
        let after = level_dbov(&out);
        assert!(after > before - 12.0, "{before} {after}");
        assert!(tone_ratio_db(&out, RATE, 440.0) > 5.0);
    }

    #[test]
    fn complexity_and_odd_parameters_are_clamped_instead_of_refused() {
        let odd = OpusParams {
            complexity: Some(200),
            bitrate: Some(u32::MAX),
            expected_loss: 255,
            max_playback_rate: 0,
            ..params()
        };
        assert!(Coder::new(48000, &odd).is_ok());
        assert!(Coder::new(44100, &odd).is_err());
        assert!(Uncoder::new(0).is_err());
    }
}
