//! What is in a sound: levels and tones. For tests, the harness and anyone who wants to know which tone is heard.
//!
//! Nothing here is fit for the media thread: the spectrum is worked out bin by bin, exactly rather than fast, and allocates.
use std::f64::consts::{PI, TAU};

/// Level of `samples` [dBov]: 0 is a square wave at full scale, a sine at full scale is -3.01 (RFC 6464 section 3,
/// RFC 3551). Silence is -127.
pub fn level_dbov(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return -127.0;
    }
    let power = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len() as f64;
    (10.0 * (power / (32768.0 * 32768.0)).log10()).max(-127.0)
}

/// Power of the frequency `hz` in `samples` at `rate` [Hz], by Goertzel's method with a rectangular window: half the square
/// of the amplitude for a sine with whole periods.
pub fn goertzel(samples: &[i16], rate: u32, hz: f64) -> f64 {
    let plain: Vec<f64> = samples.iter().map(|&sample| f64::from(sample)).collect();
    let length = plain.len() as f64;
    bin(&plain, TAU * hz / f64::from(rate)) * 2.0 / (length * length).max(1.0)
}

/// How far the band of 15 Hz either side of `hz` stands above everything else in `samples` [dB]: the ratio of their powers,
/// over a Hann window, mean removed. Needs 0.1 s of sound to tell anything; 200 for a pure tone and nothing else, -200 if the
/// tone is not there.
pub fn tone_ratio_db(samples: &[i16], rate: u32, hz: f64) -> f64 {
    tones_ratio_db(samples, rate, &[hz])
}

/// As [`tone_ratio_db`] for several frequencies that sound together, such as a digit's two.
pub fn tones_ratio_db(samples: &[i16], rate: u32, hz: &[f64]) -> f64 {
    let spectrum = Spectrum::of(samples, rate);
    let total: f64 = spectrum.powers.iter().sum();
    // A Hann window spreads a pure tone over four bins, so in a short sound the band is wider than asked for.
    let reach = (2.5 * f64::from(rate) / samples.len().max(1) as f64).max(15.0);
    let inside: f64 = spectrum
        .powers
        .iter()
        .enumerate()
        .filter(|(i, _)| hz.iter().any(|hz| (*i as f64 * spectrum.resolution - hz).abs() <= reach))
        .map(|(_, power)| power)
        .sum();
    if inside <= 0.0 {
        return -200.0;
    }
    (10.0 * (inside / (total - inside).max(inside * 1e-20)).log10()).clamp(-200.0, 200.0)
}

/// The strongest frequency in `samples` [Hz], interpolated between the bins; 0 for silence.
pub fn strongest(samples: &[i16], rate: u32) -> f64 {
    let spectrum = Spectrum::of(samples, rate);
    let Some((peak, power)) = spectrum.powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)) else {
        return 0.0;
    };
    if *power <= 0.0 {
        return 0.0;
    }
    // The logarithm of a window's main lobe is nearly a parabola: its top is the frequency.
    let log = |i: usize| spectrum.powers.get(i).map_or(0.0, |power| power.max(1e-9).ln());
    let (before, here, after) = (log(peak.wrapping_sub(1)), log(peak), log(peak + 1));
    let bend = before - 2.0 * here + after;
    let shift = if bend < 0.0 { ((before - after) / (2.0 * bend)).clamp(-0.5, 0.5) } else { 0.0 };
    (peak as f64 + shift) * spectrum.resolution
}

/// Lengths of sound and of silence in turn [ms], starting with sound (0 if it starts silent): blocks of 5 ms whose level is
/// above `threshold` [dBov] are sound.
pub fn cadence(samples: &[i16], rate: u32, threshold: f64) -> Vec<u32> {
    let mut list = vec![0];
    let mut sounding = true;
    for block in samples.chunks((rate / 200).max(1) as usize) {
        if (level_dbov(block) > threshold) != sounding {
            sounding = !sounding;
            list.push(0);
        }
        if let Some(last) = list.last_mut() {
            *last += 5;
        }
    }
    list
}

struct Spectrum {
    /// from 0 Hz up to half the rate
    powers: Vec<f64>,
    /// [Hz] between two
    resolution: f64,
}

impl Spectrum {
    fn of(samples: &[i16], rate: u32) -> Self {
        if samples.is_empty() || rate == 0 {
            return Self { powers: Vec::new(), resolution: 1.0 };
        }
        let length = samples.len();
        let mean = samples.iter().map(|&sample| f64::from(sample)).sum::<f64>() / length as f64;
        let mut wave: Vec<(f64, f64)> = samples
            .iter()
            .enumerate()
            .map(|(i, &sample)| {
                let window = 0.5 - 0.5 * (TAU * i as f64 / length as f64).cos();
                ((f64::from(sample) - mean) * window, 0.0)
            })
            .collect();
        // The transform wants a power of two. Zeros at the end change the spacing of the bins, not what is in them, and the
        // ratio of powers stays (Parseval).
        let size = length.next_power_of_two();
        wave.resize(size, (0.0, 0.0));
        transform(&mut wave);
        Self {
            powers: wave.iter().take(size / 2 + 1).map(|(re, im)| re * re + im * im).collect(),
            resolution: f64::from(rate) / size as f64,
        }
    }
}

/// The fast Fourier transform in place, decimation in time; the length is a power of two.
fn transform(wave: &mut [(f64, f64)]) {
    let size = wave.len();
    if size < 2 {
        return;
    }
    let bits = size.trailing_zeros();
    for i in 0..size {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            wave.swap(i, j);
        }
    }
    let mut half = 1;
    while half < size {
        for block in wave.chunks_exact_mut(half * 2) {
            let (lower, upper) = block.split_at_mut(half);
            for (k, (a, b)) in lower.iter_mut().zip(upper).enumerate() {
                let (sin, cos) = (-PI * k as f64 / half as f64).sin_cos();
                let turned = (b.0 * cos - b.1 * sin, b.0 * sin + b.1 * cos);
                *b = (a.0 - turned.0, a.1 - turned.1);
                *a = (a.0 + turned.0, a.1 + turned.1);
            }
        }
        half *= 2;
    }
}

/// Goertzel: the squared magnitude of the transform at `angle` [rad per sample].
fn bin(samples: &[f64], angle: f64) -> f64 {
    let coefficient = 2.0 * angle.cos();
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        let next = sample + coefficient * one - two;
        two = one;
        one = next;
    }
    one * one + two * two - coefficient * one * two
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
        (0..samples).map(|i| ((i as f64 * hz / f64::from(rate) * TAU).sin() * amplitude).round() as i16).collect()
    }

    #[test]
    fn a_sine_at_full_scale_is_three_decibels_below_the_square() {
        assert!((level_dbov(&tone(8000, 1000.0, 32767.0, 8000)) + 3.01).abs() < 0.01);
        assert!(level_dbov(&[i16::MIN; 100]).abs() < 0.001);
        assert_eq!(level_dbov(&[0; 100]), -127.0);
        assert_eq!(level_dbov(&[]), -127.0);
    }

    #[test]
    fn goertzel_measures_the_power_of_its_own_frequency_only() {
        let sound = tone(8000, 440.0, 10000.0, 8000);
        assert!((goertzel(&sound, 8000, 440.0) / 5e7 - 1.0).abs() < 0.001);
        assert!(goertzel(&sound, 8000, 480.0) < 1e3);
    }

    #[test]
    fn the_strongest_frequency_is_found_between_the_bins() {
        for hz in [50.0, 425.3, 1004.0, 3333.3] {
            let found = strongest(&tone(8000, hz, 5000.0, 6000), 8000);
            assert!((found - hz).abs() < 0.5, "{hz}: {found}");
        }
        assert_eq!(strongest(&[0; 800], 8000), 0.0);
        assert_eq!(strongest(&[], 8000), 0.0);
    }

    #[test]
    fn the_ratio_tells_a_tone_from_its_company() {
        let pure = tone(16000, 1004.0, 8000.0, 16000);
        assert!(tone_ratio_db(&pure, 16000, 1004.0) > 60.0);
        assert!(tone_ratio_db(&pure, 16000, 1300.0) < -60.0);
        // a second tone at a tenth of the amplitude: 20 dB
        let other = tone(16000, 1700.0, 800.0, 16000);
        let mixed: Vec<i16> = pure.iter().zip(&other).map(|(a, b)| a + b).collect();
        assert!((tone_ratio_db(&mixed, 16000, 1004.0) - 20.0).abs() < 0.1);
        assert!(tones_ratio_db(&mixed, 16000, &[1004.0, 1700.0]) > 55.0);
        assert_eq!(tone_ratio_db(&[0; 100], 16000, 1004.0), -200.0);
        // constant offset is not sound
        let offset: Vec<i16> = pure.iter().map(|a| a + 5000).collect();
        assert!(tone_ratio_db(&offset, 16000, 1004.0) > 40.0);
    }

    #[test]
    fn a_cadence_is_read_in_milliseconds() {
        let mut sound = tone(8000, 440.0, 5000.0, 2400);
        sound.extend([0; 1600]);
        sound.extend(tone(8000, 440.0, 5000.0, 800));
        assert_eq!(cadence(&sound, 8000, -50.0), [300, 200, 100]);
    }
}
