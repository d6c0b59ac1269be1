//! Conversion between any two rates whose ratio may change while sound goes on: a windowed sinc in [`PHASES`] phases,
//! with a straight line between neighbouring phases.
//!
//! Two jobs in one filter. A card that cannot do the board's rate is opened at one it can do and converted here, because
//! ALSA's own converter draws straight lines between samples and lets everything above the lower rate fold back. And two
//! clocks that are not the same are bridged by a correction of some parts per million, see [`crate::drift`].
//!
//! Between equal rates and without correction the output is the input, delayed, bit for bit. The delay is 16 samples of
//! the lower rate: 1 ms at 16 kHz. Between equal rates the band up to 0.44 of the rate is left as it is; between others
//! it ends at 0.40 of the lower rate, and images and aliases are more than 60 dB down. All memory is taken in `new`.

use std::f64::consts::PI;

/// Phases between two samples.
const PHASES: usize = 256;
/// Taps per phase, in samples of the lower rate.
const TAPS: usize = 32;
/// Longest input worked off at once [samples]; longer input is worked off in pieces.
const CHUNK: usize = 512;
/// One sample, in the fixed point in which positions are counted: 32 bits of fraction.
const ONE: u64 = 1 << 32;
/// Bits of the fraction below the phase.
const BELOW_PHASE: u32 = 32 - PHASES.trailing_zeros();
/// Highest ratio of two rates that is any use, 192 kHz to 8 kHz.
const RATIO_MAX: u32 = 24;

/// One direction of one channel.
#[derive(Debug)]
pub struct Resampler {
    /// [`PHASES`] + 1 filters of `taps` each, oldest sample first
    table: Box<[f32]>,
    taps: usize,
    /// the last `taps - 1` samples, then room for a chunk
    history: Box<[f32]>,
    /// input samples per output sample without correction
    nominal: u64,
    step: u64,
    /// where the next output lies, counted from the oldest input not yet passed
    position: u64,
}

impl Resampler {
    /// From one rate to another [Hz]; `None` if a rate is zero or the ratio above 24.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        let (low, high) = (from.min(to), from.max(to));
        if low == 0 || high.div_ceil(low) > RATIO_MAX {
            return None;
        }
        let ratio = f64::from(from) / f64::from(to);
        let taps = ((TAPS as f64 * ratio.max(1.0) / 8.0).ceil() as usize) * 8;
        // A whole sinc is zero at every sample but its own: between equal rates nothing is changed. Between others the
        // band has to end before the lower rate's half, so that the slope of the filter does not reach beyond.
        let cutoff = if from == to { 1.0 } else { 0.92 / ratio.max(1.0) };
        let nominal = (u128::from(from) * u128::from(ONE) / u128::from(to)) as u64;
        Some(Self {
            table: filters(taps, cutoff),
            taps,
            history: vec![0.0; taps - 1 + CHUNK].into_boxed_slice(),
            nominal,
            step: nominal,
            position: 0,
        })
    }

    /// Plays `ppm` parts per million faster than the nominal ratio: positive makes fewer samples. From the next sample on.
    pub fn correct(&mut self, ppm: f64) {
        let correction = (self.nominal as f64 * ppm.clamp(-10_000.0, 10_000.0) / 1e6).round() as i64;
        self.step = self.nominal.saturating_add_signed(correction).max(1);
    }

    /// Samples that `input` samples become at most.
    pub fn output_length(&self, input: usize) -> usize {
        let span = u128::try_from(input).unwrap_or(0) << 32;
        usize::try_from(span / u128::from(self.step)).unwrap_or(0) + 1
    }

    /// Samples of input that make at most `output` samples; 0 if there is room for less than two.
    pub fn input_length(&self, output: usize) -> usize {
        let span = u128::try_from(output.saturating_sub(1)).unwrap_or(0) * u128::from(self.step);
        usize::try_from(span >> 32).unwrap_or(0)
    }

    /// Converts all of `input`, answers the samples written. What does not fit into `output` is lost, so give it
    /// [`output_length`](Self::output_length).
    pub fn process(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let mut written = 0;
        for chunk in input.chunks(CHUNK) {
            let Some(rest) = output.get_mut(written..) else { break };
            written += self.chunk(chunk, rest);
        }
        written
    }

    /// Forgets the past; the correction stays.
    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.position = 0;
    }

    fn chunk(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let (taps, past) = (self.taps, self.taps - 1);
        let fresh = self.history.get_mut(past..).unwrap_or_default();
        for (to, from) in fresh.iter_mut().zip(input) {
            *to = f32::from(*from);
        }
        let end = (input.len() as u64) << 32;
        let mut written = 0;
        while self.position < end {
            let at = (self.position >> 32) as usize;
            let Some(window) = self.history.get(at..at + taps) else { break };
            let sample = one(&self.table, window, self.position & (ONE - 1));
            if let Some(to) = output.get_mut(written) {
                *to = sample;
                written += 1;
            }
            self.position += self.step;
        }
        self.position -= end.min(self.position);
        self.history.copy_within(input.len()..input.len() + past, 0);
        written
    }
}

/// The sample that lies `fraction` behind the middle of `window`.
fn one(table: &[f32], window: &[f32], fraction: u64) -> i16 {
    let taps = window.len();
    if fraction == 0 && taps == TAPS && table.get(taps / 2) == Some(&1.0) {
        // Exactly on a sample of a whole sinc: that sample.
        return window.get(taps / 2).map_or(0, |sample| *sample as i16);
    }
    let phase = (fraction >> BELOW_PHASE) as usize;
    let Some(pair) = table.get(phase * taps..(phase + 2) * taps) else { return 0 };
    let (here, next) = pair.split_at(taps);
    let share = (fraction & ((1 << BELOW_PHASE) - 1)) as f32 / (1_u64 << BELOW_PHASE) as f32;
    let (mut sums, mut slopes) = ([0.0_f32; 8], [0.0_f32; 8]);
    // Eight sums side by side, so that the compiler can use vector units without being allowed to reorder; of arrays, because it
    // does so for sure only where it knows the length.
    let ((window, _), (here, _), (next, _)) = (window.as_chunks::<8>(), here.as_chunks::<8>(), next.as_chunks::<8>());
    for ((samples, here), next) in window.iter().zip(here).zip(next) {
        for lane in 0..8 {
            sums[lane] += samples[lane] * here[lane];
            slopes[lane] += samples[lane] * next[lane];
        }
    }
    let (sum, slope): (f32, f32) = (sums.iter().sum(), slopes.iter().sum());
    // `as` saturates and takes NaN to 0.
    (sum + (slope - sum) * share).round() as i16
}

/// A sinc per phase that ends at `cutoff` of half the input rate, under a Kaiser window, gain 1 at 0 Hz.
fn filters(taps: usize, cutoff: f64) -> Box<[f32]> {
    const BETA: f64 = 7.0;
    let half = taps as f64 / 2.0;
    let mut table = Vec::with_capacity((PHASES + 1) * taps);
    for phase in 0..=PHASES {
        let filter: Vec<f64> = (0..taps)
            .map(|tap| {
                let x = tap as f64 - half - phase as f64 / PHASES as f64;
                let r = x / half;
                if r.abs() >= 1.0 {
                    return 0.0;
                }
                let sinc = if x.abs() < 1e-9 { 1.0 } else { (PI * x * cutoff).sin() / (PI * x * cutoff) };
                sinc * bessel_i0(BETA * (1.0 - r * r).sqrt())
            })
            .collect();
        let sum: f64 = filter.iter().sum();
        table.extend(filter.iter().map(|tap| (tap / sum) as f32));
    }
    table.into_boxed_slice()
}

/// Modified Bessel function of the first kind, order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        let half = x / (2.0 * f64::from(k));
        term *= half * half;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    fn sine(rate: u32, hz: f64, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| ((TAU * hz * n as f64 / f64::from(rate)).sin() * 12_000.0).round() as i16).collect()
    }

    fn through(resampler: &mut Resampler, input: &[i16], period: usize) -> Vec<i16> {
        let mut all = Vec::new();
        for piece in input.chunks(period) {
            let mut part = vec![0; resampler.output_length(piece.len())];
            let written = resampler.process(piece, &mut part);
            all.extend_from_slice(&part[..written]);
        }
        all
    }

    /// Level of a tone whose frequency is only nearly known, and how far it stands above everything else [dB]: a sine
    /// is fitted (least squares), the rest is what the fit leaves.
    fn purity(samples: &[i16], rate: f64, hz: f64) -> (f64, f64) {
        let (mut cc, mut ss, mut cs, mut xc, mut xs, mut all) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let (sin, cos) = (TAU * hz * n as f64 / rate).sin_cos();
            let x = f64::from(*sample);
            cc += cos * cos;
            ss += sin * sin;
            cs += cos * sin;
            xc += x * cos;
            xs += x * sin;
            all += x * x;
        }
        let determinant = cc * ss - cs * cs;
        let (a, b) = ((xc * ss - xs * cs) / determinant, (xs * cc - xc * cs) / determinant);
        let tone = a * xc + b * xs;
        let level = 10.0 * ((a * a + b * b) / (12_000.0_f64 * 12_000.0)).log10();
        (level, 10.0 * (tone / (all - tone).max(1e-9)).log10())
    }

    #[test]
    fn without_correction_equal_rates_pass_every_bit() {
        let mut resampler = Resampler::new(16_000, 16_000).unwrap();
        let input: Vec<i16> = (0..5_000_i32).map(|n| (n * 7_919 % 65_536 - 32_768) as i16).collect();
        let output = through(&mut resampler, &input, 160);
        assert_eq!(output.len(), input.len());
        assert_eq!(output[TAPS / 2 - 1..], input[..input.len() - (TAPS / 2 - 1)]);
    }

    #[test]
    fn a_tone_stays_clean_under_every_correction() {
        for ppm in [-1_000.0, -200.0, -37.0, 0.5, 200.0, 1_000.0] {
            for hz in [300.0, 1_000.0, 3_400.0, 6_500.0] {
                let mut resampler = Resampler::new(16_000, 16_000).unwrap();
                resampler.correct(ppm);
                let output = through(&mut resampler, &sine(16_000, hz, 48_000), 160);
                let expected = 48_000.0 / (1.0 + ppm / 1e6);
                assert!((output.len() as f64 - expected).abs() < 2.0, "{ppm} ppm: {}", output.len());
                let rate = 16_000.0 / (1.0 + ppm / 1e6);
                let (level, clean) = purity(&output[100..], rate, hz);
                assert!(level.abs() < 0.2, "{ppm} ppm {hz} Hz: {level:.2} dB");
                assert!(clean > 65.0, "{ppm} ppm {hz} Hz: {clean:.1} dB");
            }
        }
    }

    #[test]
    fn a_correction_that_changes_makes_no_click() {
        let mut resampler = Resampler::new(16_000, 16_000).unwrap();
        let mut output = Vec::new();
        for (index, piece) in sine(16_000, 1_000.0, 160 * 400).chunks(160).enumerate() {
            resampler.correct(if index % 2 == 0 { 500.0 } else { -500.0 });
            let mut part = vec![0; resampler.output_length(160)];
            let written = resampler.process(piece, &mut part);
            output.extend_from_slice(&part[..written]);
        }
        // The second difference of a sine is bounded by its amplitude; a click stands out of that.
        let bound = 12_000.0 * (TAU * 1_000.0 / 16_000.0).powi(2) * 1.02;
        for window in output[100..].windows(3) {
            let bend = f64::from(window[0]) - 2.0 * f64::from(window[1]) + f64::from(window[2]);
            assert!(bend.abs() < bound + 4.0, "{window:?}");
        }
    }

    #[test]
    fn tones_come_through_between_all_rates_of_cards() {
        for (from, to) in
            [(16_000, 48_000), (48_000, 16_000), (16_000, 44_100), (44_100, 16_000), (16_000, 8_000), (8_000, 16_000)]
        {
            for hz in [300.0, 1_000.0, 3_100.0] {
                let mut resampler = Resampler::new(from, to).unwrap();
                let output = through(&mut resampler, &sine(from, hz, from as usize), from as usize / 100);
                assert!(output.len().abs_diff(to as usize) <= 1, "{from} to {to}: {}", output.len());
                let (level, clean) = purity(&output[output.len() / 10..], f64::from(to), hz);
                assert!(level.abs() < 0.2, "{from} to {to} {hz} Hz: {level:.2} dB");
                assert!(clean > 60.0, "{from} to {to} {hz} Hz: {clean:.1} dB");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone() {
        for (from, to, hz) in [(48_000, 16_000, 9_500.0), (44_100, 16_000, 10_000.0), (16_000, 8_000, 5_000.0)] {
            let mut resampler = Resampler::new(from, to).unwrap();
            let output = through(&mut resampler, &sine(from, hz, from as usize), from as usize / 100);
            let settled = &output[output.len() / 10..];
            let power = settled.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / settled.len() as f64;
            let level = 10.0 * (power / (12_000.0_f64.powi(2) / 2.0)).max(1e-12).log10();
            assert!(level < -55.0, "{from} to {to}: {level:.1} dB");
        }
    }

    #[test]
    fn rates_that_cannot_be_are_refused() {
        assert!(Resampler::new(0, 16_000).is_none());
        assert!(Resampler::new(16_000, 0).is_none());
        assert!(Resampler::new(4_000, 192_000).is_none());
        assert!(Resampler::new(192_000, 8_000).is_some());
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_give_the_same_samples_and_fit_where_promised(
            pieces in proptest::collection::vec(0_usize..700, 1..20), ppm in -1_000.0..1_000.0_f64,
            rates in 0_usize..4,
        ) {
            let (from, to) = [(16_000, 16_000), (48_000, 16_000), (16_000, 44_100), (44_100, 48_000)][rates];
            let total: usize = pieces.iter().sum();
            let input: Vec<i16> = (0..total).map(|n| (n as i32 * 7_919 % 20_000) as i16).collect();
            let mut one = Resampler::new(from, to).unwrap();
            one.correct(ppm);
            let mut whole = vec![0; one.output_length(total)];
            let written = one.process(&input, &mut whole);
            whole.truncate(written);
            let mut many = Resampler::new(from, to).unwrap();
            many.correct(ppm);
            let (mut at, mut parts) = (0, Vec::new());
            for piece in pieces {
                let room = many.output_length(piece);
                let mut part = vec![0; room + 3];
                let written = many.process(&input[at..at + piece], &mut part);
                prop_assert!(written <= room);
                parts.extend_from_slice(&part[..written]);
                at += piece;
                let fits = many.input_length(room);
                prop_assert!(fits == 0 || many.output_length(fits) <= room);
            }
            prop_assert_eq!(parts, whole);
        }
    }
}
