//! ITU-T G.722 at 64 kbit/s (mode 1): two sub-bands of ADPCM behind a quadrature mirror filter, 16 kHz, one octet for two
//! samples. The names in capitals are the blocks of the standard's section 6.2, whose arithmetic this follows to the bit.
//!
//! Modes 2 and 3 (a data channel in the low bits) do not exist in RTP (RFC 3551 section 4.5.2).
use super::{Decoder, Encoder};

/// Samples in, octets out.
pub(super) struct Coder {
    split: Mirror,
    low: Band,
    high: Band,
}

impl Coder {
    pub(super) fn new() -> Self {
        Self { split: Mirror::new(), low: Band::new(32), high: Band::new(8) }
    }

    fn pair(&mut self, first: i16, second: i16) -> u8 {
        let (low, high) = self.split.analyse(i32::from(first), i32::from(second));

        // QUANTL: the difference against 29 decision levels, scaled by the band's step
        let difference = saturate(low - self.low.estimate);
        let magnitude = if difference < 0 { !difference } else { difference };
        let level = LOW_DECISIONS
            .iter()
            .position(|decision| magnitude < (decision * self.low.step) >> 12)
            .unwrap_or(LOW_DECISIONS.len());
        // the codes of the first two negative levels are 63 and 62, all others count down from 61 and 31
        let low_code = match (difference < 0, level) {
            (false, level) => 61 - level,
            (true, level @ 0..=1) => 63 - level,
            (true, level) => 33 - level,
        };

        // QUANTH: two levels
        let difference = saturate(high - self.high.estimate);
        let magnitude = if difference < 0 { !difference } else { difference };
        let outer = magnitude >= (564 * self.high.step) >> 12;
        let high_code: usize = match (difference < 0, outer) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };

        self.low.adapt_low(low_code >> 2);
        self.high.adapt_high(high_code);
        (high_code << 6 | low_code) as u8
    }
}

impl Encoder for Coder {
    fn encode(&mut self, samples: &[i16], into: &mut [u8]) -> usize {
        let mut octets = 0;
        for (octet, pair) in into.iter_mut().zip(samples.chunks_exact(2)) {
            if let [first, second] = *pair {
                *octet = self.pair(first, second);
                octets += 1;
            }
        }
        octets
    }
}

/// Octets in, samples out.
pub(super) struct Uncoder {
    join: Mirror,
    low: Band,
    high: Band,
}

impl Uncoder {
    pub(super) fn new() -> Self {
        Self { join: Mirror::new(), low: Band::new(32), high: Band::new(8) }
    }

    fn pair(&mut self, octet: u8) -> (i16, i16) {
        let low_code = usize::from(octet & 63);
        let high_code = usize::from(octet >> 6);

        // INVQBL, RECONS, LIMIT: the sound has all six bits, the adaptation only the upper four
        let difference = (self.low.step * LOW_6[low_code]) >> 15;
        let low = (self.low.estimate + difference).clamp(-16384, 16383);
        let difference = (self.high.step * HIGH_2[high_code]) >> 15;
        let high = (self.high.estimate + difference).clamp(-16384, 16383);

        self.low.adapt_low(low_code >> 2);
        self.high.adapt_high(high_code);
        self.join.synthesise(low, high)
    }
}

impl Decoder for Uncoder {
    fn decode(&mut self, packet: &[u8], into: &mut [i16]) -> usize {
        let mut samples = 0;
        for (pair, &octet) in into.chunks_exact_mut(2).zip(packet) {
            let (first, second) = self.pair(octet);
            pair.copy_from_slice(&[first, second]);
            samples += 2;
        }
        samples
    }

    fn conceal(&mut self, _into: &mut [i16]) -> bool {
        false
    }
}

/// The ADPCM state of one sub-band: step size, and a predictor with two poles and six zeros (block 4).
struct Band {
    /// s: what the predictor expects
    estimate: i32,
    /// DET: quantiser step
    step: i32,
    /// NB: logarithm of the step
    log_step: i32,
    /// sz: the zeros' share of the estimate
    zeros: i32,
    /// RLT: the last two reconstructed samples, newest first
    recent: [i32; 2],
    /// PLT: the last two partly reconstructed samples
    partial: [i32; 2],
    /// A1, A2
    poles: [i32; 2],
    /// DLT1 to DLT6: the last six differences, newest first
    differences: [i32; 6],
    /// B1 to B6
    taps: [i32; 6],
}

impl Band {
    fn new(step: i32) -> Self {
        Self {
            estimate: 0,
            step,
            log_step: 0,
            zeros: 0,
            recent: [0; 2],
            partial: [0; 2],
            poles: [0; 2],
            differences: [0; 6],
            taps: [0; 6],
        }
    }

    /// `code`: the upper four bits of the six.
    fn adapt_low(&mut self, code: usize) {
        let code = code & 15;
        let difference = (self.step * LOW_4[code]) >> 15;
        // LOGSCL and SCALEL
        self.log_step = (((self.log_step * 127) >> 7) + LOW_GROWTH[code]).clamp(0, 18432);
        self.step = linear_step(self.log_step, 8);
        self.predict(difference);
    }

    fn adapt_high(&mut self, code: usize) {
        let code = code & 3;
        let difference = (self.step * HIGH_2[code]) >> 15;
        // LOGSCH and SCALEH
        self.log_step = (((self.log_step * 127) >> 7) + HIGH_GROWTH[code]).clamp(0, 22528);
        self.step = linear_step(self.log_step, 10);
        self.predict(difference);
    }

    /// Block 4: from the quantised difference to the next estimate, adapting all coefficients by their signs.
    fn predict(&mut self, difference: i32) {
        // RECONS, PARREC
        let reconstructed = saturate(self.estimate + difference);
        let partial = saturate(self.zeros + difference);

        // UPPOL2
        let [a1, a2] = self.poles;
        let same = |earlier: i32| (partial < 0) == (earlier < 0);
        let mut push = saturate(a1 << 2);
        if same(self.partial[0]) {
            push = saturate(-push);
        }
        let pull = if same(self.partial[1]) { 128 } else { -128 };
        let second = (pull + (push >> 7) + ((a2 * 32512) >> 15)).clamp(-12288, 12288);

        // UPPOL1
        let push = if same(self.partial[0]) { 192 } else { -192 };
        let limit = saturate(15360 - second);
        let first = saturate(push + ((a1 * 32640) >> 15)).clamp(-limit, limit);

        // UPZERO
        let push = if difference == 0 { 0 } else { 128 };
        for (tap, &earlier) in self.taps.iter_mut().zip(&self.differences) {
            let push = if (difference < 0) == (earlier < 0) { push } else { -push };
            *tap = saturate(push + ((*tap * 32640) >> 15));
        }

        // DELAYA
        self.poles = [first, second];
        self.partial = [partial, self.partial[0]];
        self.recent = [reconstructed, self.recent[0]];
        self.differences.copy_within(0..5, 1);
        self.differences[0] = difference;

        // FILTEP, FILTEZ, PREDIC
        let pole = |a: i32, r: i32| (a * saturate(r + r)) >> 15;
        let poles = saturate(pole(first, self.recent[0]) + pole(second, self.recent[1]));
        self.zeros = saturate(self.taps.iter().zip(&self.differences).map(|(&b, &d)| pole(b, d)).sum());
        self.estimate = saturate(poles + self.zeros);
    }
}

/// SCALEL and SCALEH: 2 to the power of `log` (11 bits of fraction), in units that start at 2 to the power of -`units`.
fn linear_step(log: i32, units: i32) -> i32 {
    let mantissa = POWER[(log >> 6 & 31) as usize];
    let shift = units - (log >> 11);
    let value = if shift < 0 { mantissa << -shift } else { mantissa >> shift };
    value << 2
}

fn saturate(value: i32) -> i32 {
    value.clamp(-32768, 32767)
}

/// The 24-tap quadrature mirror filter (section 3.1 and 4.4), as two interleaved halves of 12.
struct Mirror {
    even: [i32; 12],
    odd: [i32; 12],
}

impl Mirror {
    fn new() -> Self {
        Self { even: [0; 12], odd: [0; 12] }
    }

    fn push(&mut self, even: i32, odd: i32) {
        self.even.copy_within(1.., 0);
        self.odd.copy_within(1.., 0);
        self.even[11] = even;
        self.odd[11] = odd;
    }

    /// Two samples in, one of each band out (15 bits).
    fn analyse(&mut self, first: i32, second: i32) -> (i32, i32) {
        self.push(first, second);
        let odd: i32 = self.even.iter().zip(&FILTER).map(|(x, h)| x * h).sum();
        let even: i32 = self.odd.iter().zip(FILTER.iter().rev()).map(|(x, h)| x * h).sum();
        ((even + odd) >> 14, (even - odd) >> 14)
    }

    /// One sample of each band in, two out.
    fn synthesise(&mut self, low: i32, high: i32) -> (i16, i16) {
        self.push(low + high, low - high);
        let first: i32 = self.odd.iter().zip(FILTER.iter().rev()).map(|(x, h)| x * h).sum();
        let second: i32 = self.even.iter().zip(&FILTER).map(|(x, h)| x * h).sum();
        (saturate(first >> 11) as i16, saturate(second >> 11) as i16)
    }
}

const FILTER: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Q6: decision levels of the lower band.
const LOW_DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// QM6: output values of the 60 used codes of the lower band; the first four are not sent.
const LOW_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// QM4: output values for the upper four of the six bits.
const LOW_4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];

/// WL by way of RL42: how much a code widens or narrows the step.
const LOW_GROWTH: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];

/// QM2 and WH by way of RH2, for the upper band.
const HIGH_2: [i32; 4] = [-7408, -1616, 7408, 1616];
const HIGH_GROWTH: [i32; 4] = [798, -214, 798, -214];

/// ILB: 2048 times 2 to the power of n/32.
const POWER: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(sound: &[i16]) -> Vec<i16> {
        let (mut coder, mut uncoder) = (Coder::new(), Uncoder::new());
        let mut octets = vec![0; sound.len() / 2];
        assert_eq!(coder.encode(sound, &mut octets), sound.len() / 2);
        let mut heard = vec![0; sound.len()];
        assert_eq!(uncoder.decode(&octets, &mut heard), sound.len());
        heard
    }

    /// Signal to noise after the 22 samples that the two filters take.
    fn snr_db(sound: &[i16], heard: &[i16]) -> f64 {
        let (mut signal, mut noise) = (0.0, 0.0);
        for (a, b) in sound.iter().zip(&heard[22..]).skip(1600) {
            signal += f64::from(*a).powi(2);
            noise += (f64::from(*a) - f64::from(*b)).powi(2);
        }
        10.0 * (signal / noise).log10()
    }

    fn tone(hz: f64, amplitude: f64) -> Vec<i16> {
        (0..16000).map(|i| ((i as f64 * hz / 16000.0 * std::f64::consts::TAU).sin() * amplitude) as i16).collect()
    }

    /// Pseudo-random numbers with an even spread, the same in every run.
    fn noise(amplitude: i32) -> Vec<i16> {
        let mut state = 12345u32;
        (0..16000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 16) as i32 % (2 * amplitude) - amplitude) as i16
            })
            .collect()
    }

    /// Covers: feat.47
    #[test]
    fn tones_in_both_bands_come_back_clean() {
        for (hz, least) in [(300.0, 35.0), (1004.0, 35.0), (3000.0, 30.0), (5000.0, 18.0), (6500.0, 15.0)] {
            for amplitude in [200.0, 3000.0, 16000.0] {
                let sound = tone(hz, amplitude);
                let snr = snr_db(&sound, &round_trip(&sound));
                assert!(snr > least - if amplitude < 1000.0 { 8.0 } else { 0.0 }, "{hz} Hz {amplitude}: {snr} dB");
            }
        }
    }

    #[test]
    fn noise_comes_back_recognisable() {
        let sound = noise(8000);
        let snr = snr_db(&sound, &round_trip(&sound));
        assert!(snr > 8.0, "{snr} dB");
    }

    #[test]
    fn full_scale_square_wave_neither_overflows_nor_sticks() {
        let mut sound: Vec<i16> = (0..4000).map(|i| if i / 20 % 2 == 0 { 32767 } else { -32768 }).collect();
        sound.extend([0; 4000]);
        let heard = round_trip(&sound);
        assert!(heard[7000..].iter().all(|sample| sample.abs() < 50));
    }

    /// Every octet must be decodable in every state; debug builds would panic on overflow.
    #[test]
    fn any_octets_decode_without_overflow() {
        let mut uncoder = Uncoder::new();
        let mut state = 1u32;
        for _ in 0..200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let _ = uncoder.pair((state >> 24) as u8);
        }
        for octet in 0..=255 {
            for _ in 0..500 {
                let _ = uncoder.pair(octet);
            }
        }
    }

    /// The octets of noise and tones at several levels, compared once with another implementation, octet by octet; their
    /// FNV-1a sum keeps them so.
    #[test]
    fn octets_are_those_of_other_implementations() {
        let mut sound = noise(8000);
        sound.extend(tone(1004.0, 3000.0));
        sound.extend(tone(3000.0, 200.0));
        sound.extend(noise(32000));
        sound.extend(tone(5000.0, 16000.0));
        let mut octets = vec![0; sound.len() / 2];
        Coder::new().encode(&sound, &mut octets);
        let sum = octets
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, &octet| (sum ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3));
        assert_eq!(sum, 0x8bc7b669d03c837a);
    }
}
