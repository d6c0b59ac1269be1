//! Conversion between 8, 16 and 48 kHz: windowed-sinc polyphase filters for whole-number ratios (2, 3, 6), in `f32`.
//!
//! The passband is flat to about 0.40 of the lower rate, images and aliases are more than 60 dB down from 0.52 of it on (the
//! band between belongs to nobody in telephony: G.711 ends at 3.4 kHz). The delay is 16 samples of the lower rate: 2 ms at
//! 8 kHz. All memory is taken in `new`.
use std::f32::consts::PI;

/// Taps per phase, in samples of the lower rate.
const TAPS: usize = 32;
/// Longest input of one call [samples]: 20 ms at 48 kHz. Longer input is worked off in pieces.
const CHUNK: usize = 960;

/// One direction of one stream.
#[derive(Debug)]
pub struct Resampler {
    ratio: Ratio,
    /// Upwards: `factor` phases of `TAPS` each. Downwards: one filter of `factor * TAPS`. Both time-reversed.
    coefficients: Box<[f32]>,
    /// The last `taps - 1` input samples, then room for a chunk.
    history: Box<[f32]>,
    /// Input samples still to skip before the next output (downwards only).
    skip: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ratio {
    Up(usize),
    Down(usize),
}

impl Resampler {
    /// `None` if the rates are equal (nothing to do) or no whole-number ratio.
    pub fn new(from: u32, to: u32) -> Option<Self> {
        if from == 0 || to == 0 || from == to {
            return None;
        }
        let (ratio, factor) = if to > from && to.is_multiple_of(from) {
            let factor = (to / from) as usize;
            (Ratio::Up(factor), factor)
        } else if from > to && from.is_multiple_of(to) {
            let factor = (from / to) as usize;
            (Ratio::Down(factor), factor)
        } else {
            return None;
        };
        let prototype = low_pass(factor);
        let (coefficients, taps) = match ratio {
            Ratio::Down(_) => (prototype.into_boxed_slice(), factor * TAPS),
            Ratio::Up(_) => {
                let mut phases = Vec::with_capacity(factor * TAPS);
                for phase in 0..factor {
                    // The newest input sample meets the prototype's tap `phase`, the one before `phase + factor`, ...
                    phases.extend((0..TAPS).rev().map(|tap| prototype[tap * factor + phase] * factor as f32));
                }
                (phases.into_boxed_slice(), TAPS)
            }
        };
        Some(Self { ratio, coefficients, history: vec![0.0; taps - 1 + CHUNK].into_boxed_slice(), skip: 0 })
    }

    /// Samples that `input` samples become at most.
    pub fn output_length(&self, input: usize) -> usize {
        match self.ratio {
            Ratio::Up(factor) => input * factor,
            Ratio::Down(factor) => input / factor + 1,
        }
    }

    /// Converts all of `input`, answers the samples written. What does not fit into `output` is lost, so give it
    /// [`Self::output_length`].
    pub fn process(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let mut written = 0;
        for chunk in input.chunks(CHUNK) {
            let Some(rest) = output.get_mut(written..) else { break };
            written += self.process_chunk(chunk, rest);
        }
        written
    }

    fn process_chunk(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let (taps, factor) = match self.ratio {
            Ratio::Up(factor) => (TAPS, factor),
            Ratio::Down(factor) => (TAPS * factor, factor),
        };
        let past = taps - 1;
        for (slot, &sample) in self.history[past..].iter_mut().zip(input) {
            *slot = f32::from(sample);
        }
        let mut written = 0;
        match self.ratio {
            Ratio::Up(_) => {
                let windows = self.history.windows(taps).take(input.len());
                for (window, out) in windows.zip(output.chunks_mut(factor)) {
                    for (phase, out) in self.coefficients.chunks_exact(taps).zip(out) {
                        *out = dot(window, phase);
                        written += 1;
                    }
                }
            }
            Ratio::Down(_) => {
                let mut at = self.skip;
                while at < input.len() {
                    let (Some(window), Some(out)) = (self.history.get(at..at + taps), output.get_mut(written)) else {
                        break;
                    };
                    *out = dot(window, &self.coefficients);
                    written += 1;
                    at += factor;
                }
                self.skip = at.saturating_sub(input.len());
            }
        }
        self.history.copy_within(input.len()..input.len() + past, 0);
        written
    }

    /// Forgets the past (a new source).
    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.skip = 0;
    }
}

/// Eight partial sums, so that the compiler can use vector units without being allowed to reorder. Arrays and not slices: it does so
/// only where it knows the length, and of slices that depends on what else is compiled beside them.
fn dot(samples: &[f32], coefficients: &[f32]) -> i16 {
    let mut sums = [0.0f32; 8];
    let ((samples, _), (coefficients, _)) = (samples.as_chunks::<8>(), coefficients.as_chunks::<8>());
    for (samples, coefficients) in samples.iter().zip(coefficients) {
        for ((sum, sample), coefficient) in sums.iter_mut().zip(samples).zip(coefficients) {
            *sum += sample * coefficient;
        }
    }
    let sum: f32 = sums.iter().sum();
    // `as` saturates and takes NaN to 0.
    sum.round() as i16
}

/// A low-pass of `factor * TAPS` taps at the higher rate, gain 1 at 0 Hz, Kaiser window (60 dB), half-way down at 0.46 of the lower
/// rate.
fn low_pass(factor: usize) -> Vec<f32> {
    let length = factor * TAPS;
    let centre = (length as f32 - 1.0) / 2.0;
    let cutoff = 0.46 / factor as f32;
    let beta = 5.65;
    let mut taps: Vec<f32> = (0..length)
        .map(|n| {
            let x = n as f32 - centre;
            let sinc = if x.abs() < 1e-6 { 2.0 * cutoff } else { (2.0 * PI * cutoff * x).sin() / (PI * x) };
            let r = x / (centre + 0.5);
            sinc * bessel_i0(beta * (1.0 - r * r).max(0.0).sqrt()) / bessel_i0(beta)
        })
        .collect();
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    taps
}

/// Modified Bessel function of the first kind, order zero, by its power series.
fn bessel_i0(x: f32) -> f32 {
    let (mut sum, mut term) = (1.0f32, 1.0f32);
    for k in 1..32 {
        let half = x / (2.0 * k as f32);
        term *= half * half;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate: u32, frequency: f32, samples: usize) -> Vec<i16> {
        (0..samples).map(|n| ((2.0 * PI * frequency * n as f32 / rate as f32).sin() * 10_000.0) as i16).collect()
    }

    /// (power at `frequency`, power of all else), settled part only.
    fn powers(rate: u32, frequency: f32, signal: &[i16]) -> (f64, f64) {
        let n = (signal.len() / (rate as usize / 100)) * (rate as usize / 100);
        let (mut re, mut im, mut all) = (0.0f64, 0.0f64, 0.0f64);
        for (i, &s) in signal[..n].iter().enumerate() {
            let phase = 2.0 * std::f64::consts::PI * f64::from(frequency) * i as f64 / f64::from(rate);
            re += f64::from(s) * phase.cos();
            im += f64::from(s) * phase.sin();
            all += f64::from(s) * f64::from(s);
        }
        let tone = 2.0 * (re * re + im * im) / (n as f64 * n as f64);
        (tone, (all / n as f64 - tone).max(1e-9))
    }

    fn through(from: u32, to: u32, frequency: f32) -> Vec<i16> {
        let mut resampler = Resampler::new(from, to).unwrap();
        let input = sine(from, frequency, from as usize / 2);
        let mut output = Vec::new();
        for period in input.chunks(from as usize / 100) {
            let mut part = vec![0; resampler.output_length(period.len())];
            let n = resampler.process(period, &mut part);
            output.extend_from_slice(&part[..n]);
        }
        assert_eq!(output.len(), to as usize / 2);
        output.split_off(to as usize / 10)
    }

    #[test]
    fn a_tone_in_the_passband_comes_through_clean_in_all_six_directions() {
        for (from, to) in [(8000, 16000), (8000, 48000), (16000, 48000), (16000, 8000), (48000, 8000), (48000, 16000)] {
            for frequency in [300.0, 1000.0, 3100.0] {
                let (tone, rest) = powers(to, frequency, &through(from, to, frequency));
                let level = 10.0 * (tone / 5e7).log10();
                assert!(level.abs() < 0.5, "{from}->{to} {frequency} Hz: {level:.2} dB");
                assert!(tone / rest > 1e5, "{from}->{to} {frequency} Hz: {:.1} dB", 10.0 * (tone / rest).log10());
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone() {
        for (from, to, frequency) in [(16000, 8000, 5000.0), (48000, 8000, 6000.0), (48000, 16000, 10_000.0)] {
            let out = through(from, to, frequency);
            let power = out.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>() / out.len() as f64;
            assert!(10.0 * (power / 5e7).log10() < -55.0, "{from}->{to}: {power}");
        }
    }

    #[test]
    fn ratios_that_are_not_whole_are_refused() {
        assert!(Resampler::new(8000, 44_100).is_none());
        assert!(Resampler::new(8000, 8000).is_none());
    }
}
