//! What is in a piece of sound: how loud, which tones, where it has gaps. Levels are dB under a full-scale sine.

/// Power of a full-scale sine of 16 bits.
const FULL: f64 = 32768.0 * 32768.0 / 2.0;
/// What silence is called [dB].
pub(crate) const SILENCE: f64 = -100.0;

/// Mean level [dB]; [`SILENCE`] for nothing at all.
pub(crate) fn level(samples: &[i16]) -> f64 {
    let sum: f64 = samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    decibels(sum / samples.len().max(1) as f64)
}

fn decibels(power: f64) -> f64 {
    (10.0 * (power / FULL).log10()).max(SILENCE)
}

/// Amplitude of a sine of this level, at most full scale.
pub(crate) fn amplitude(db: f64) -> f64 {
    32767.0 * 10_f64.powf(db.min(0.0) / 20.0)
}

/// Power of a tone in these samples, mean-square as in [`level`] (Goertzel's algorithm).
fn power(samples: &[i16], rate: f64, hz: f64) -> f64 {
    let turn = std::f64::consts::TAU * hz / rate;
    let coefficient = 2.0 * turn.cos();
    let (mut one, mut two) = (0.0, 0.0);
    for &sample in samples {
        let next = f64::from(sample) + coefficient * one - two;
        two = one;
        one = next;
    }
    let count = samples.len().max(1) as f64;
    2.0 * (one * one + two * two - coefficient * one * two) / (count * count)
}

/// A tone among others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tone {
    pub(crate) hz: f64,
    /// its level [dB]
    pub(crate) db: f64,
    /// how far it stands above everything that is none of the tones asked for [dB]
    pub(crate) clear: f64,
}

/// The level of each of these tones, and how clear it is: medians of pieces of 50 ms. Over a longer time a tone whose clock
/// differs by a few hundred millionths is no longer in step with itself, and one sample left out would make it noise.
pub(crate) fn tones(samples: &[i16], rate: u32, wanted: &[f64]) -> Vec<Tone> {
    let pieces: Vec<Vec<Tone>> = samples
        .chunks((rate / 20).max(1) as usize)
        .filter(|piece| piece.len() == (rate / 20) as usize || piece.len() == samples.len())
        .map(|piece| tones_of_piece(piece, f64::from(rate), wanted))
        .collect();
    let median = |at: usize, of: fn(&Tone) -> f64| {
        let mut values: Vec<f64> = pieces.iter().filter_map(|piece| piece.get(at)).map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let tone = |(at, &hz): (usize, &f64)| Tone {
        hz,
        db: median(at, |tone| tone.db).unwrap_or(SILENCE),
        clear: median(at, |tone| tone.clear).unwrap_or(SILENCE),
    };
    wanted.iter().enumerate().map(tone).collect()
}

fn tones_of_piece(samples: &[i16], rate: f64, wanted: &[f64]) -> Vec<Tone> {
    let total: f64 =
        samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum::<f64>() / samples.len().max(1) as f64;
    let powers: Vec<f64> = wanted.iter().map(|&hz| power(samples, rate, hz)).collect();
    // Rounding to 16 bits is noise of a twelfth; less than that cannot be in the samples.
    let rest = (total - powers.iter().sum::<f64>()).max(1.0 / 12.0);
    wanted
        .iter()
        .zip(powers)
        .map(|(&hz, power)| Tone { hz, db: decibels(power), clear: 10.0 * (power.max(1e-9) / rest).log10() })
        .collect()
}

/// The loudest frequency from 100 to 3,600 Hz, to 10 Hz; `None` in silence.
pub(crate) fn strongest(samples: &[i16], rate: u32) -> Option<f64> {
    // Half a second tells tones apart well enough, and an emulated processor has better things to do.
    let piece = samples.get(..(rate / 2) as usize).unwrap_or(samples);
    if level(piece) < -70.0 {
        return None;
    }
    let candidates = (10..=360).map(|tens| f64::from(tens) * 10.0).filter(|hz| *hz < f64::from(rate) / 2.0);
    let powers = candidates.map(|hz| (hz, power(piece, f64::from(rate), hz)));
    powers.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(hz, _)| hz)
}

/// Index of the first sample that is louder than a sine of this level would ever be quieter: its peak reaches `db`.
pub(crate) fn first_sound(samples: &[i16], db: f64) -> Option<usize> {
    let least = threshold(db);
    samples.iter().position(|sample| sample.unsigned_abs() >= least)
}

/// Stretches without a sample that reaches `db`: start and length, in samples, of those of at least `shortest`.
pub(crate) fn gaps(samples: &[i16], db: f64, shortest: usize) -> Vec<(usize, usize)> {
    let least = threshold(db);
    let (mut found, mut start) = (Vec::new(), 0);
    for at in samples
        .iter()
        .enumerate()
        .filter(|(_, sample)| sample.unsigned_abs() >= least)
        .map(|(at, _)| at)
        .chain([samples.len()])
    {
        if at - start >= shortest.max(1) {
            found.push((start, at - start));
        }
        start = at + 1;
    }
    found
}

fn threshold(db: f64) -> u16 {
    (amplitude(db) as u16).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RATE: u32 = 16_000;

    fn sine(hz: f64, db: f64, count: usize) -> Vec<i16> {
        (0..count)
            .map(|i| (amplitude(db) * (std::f64::consts::TAU * hz * i as f64 / f64::from(RATE)).sin()).round() as i16)
            .collect()
    }

    fn sum(one: &[i16], other: &[i16]) -> Vec<i16> {
        one.iter().zip(other).map(|(one, other)| one.saturating_add(*other)).collect()
    }

    #[test]
    fn levels_are_under_a_full_scale_sine() {
        for db in [0.0, -15.0, -40.0] {
            assert!((level(&sine(1000.0, db, 1600)) - db).abs() < 0.1);
        }
        assert_eq!(level(&[0; 160]), SILENCE);
        assert_eq!(level(&[]), SILENCE);
    }

    #[test]
    fn a_tone_is_clear_and_its_neighbour_is_not_there() {
        let samples = sine(425.0, -20.0, 3200);
        let found = tones(&samples, RATE, &[425.0, 500.0]);
        assert!((found[0].db + 20.0).abs() < 0.2 && found[0].clear > 25.0, "{found:?}");
        assert!(found[1].db < -40.0, "{found:?}");
        assert_eq!(strongest(&samples, RATE).map(|hz| (hz - 425.0).abs() <= 10.0), Some(true));
    }

    #[test]
    fn two_tones_asked_for_together_are_both_clear() {
        let samples = sum(&sine(697.0, -15.0, 8000), &sine(1209.0, -15.0, 8000));
        assert!(tones(&samples, RATE, &[697.0, 1209.0]).iter().all(|tone| tone.clear > 20.0));
        assert!(tones(&samples, RATE, &[697.0])[0].clear < 3.0, "alone it is drowned by the other");
    }

    #[test]
    fn a_tone_by_another_clock_and_with_a_sample_missing_is_as_clear() {
        // 0.65 Hz in 1000: two seconds of it hold more than one turn against ours.
        let mut samples = sine(1000.65, -6.0, 32_000);
        samples.drain(11_000..11_007);
        let found = tones(&samples, RATE, &[1000.0])[0];
        assert!(found.clear > 20.0 && (found.db + 6.0).abs() < 0.2, "{found:?}");
        assert!(tones(&sine(1020.0, -6.0, 32_000), RATE, &[1000.0])[0].clear < 3.0, "another tone");
    }

    #[test]
    fn noise_is_no_tone() {
        let mut state = 1_u32;
        let noise: Vec<i16> = (0..8000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 18) as i16 - 8192
            })
            .collect();
        assert!(tones(&noise, RATE, &[425.0])[0].clear < -10.0);
        assert_eq!(strongest(&[0; 8000], RATE), None);
    }

    #[test]
    fn the_first_sound_is_found_to_the_sample() {
        let mut samples = vec![3; 1000];
        samples.extend(sine(425.0, -15.0, 1000));
        let at = first_sound(&samples, -50.0).unwrap();
        assert!((1001..=1003).contains(&at), "{at}");
        assert_eq!(first_sound(&samples[..1000], -50.0), None);
    }

    #[test]
    fn gaps_have_their_place_and_length() {
        let mut samples = sine(425.0, -15.0, 1600);
        samples.extend([0; 800]);
        samples.extend(sine(425.0, -15.0, 1600));
        let found = gaps(&samples, -50.0, 160);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((1598..=1601).contains(&found[0].0) && (798..=804).contains(&found[0].1), "{found:?}");
        assert_eq!(gaps(&[0; 320], -50.0, 160), [(0, 320)]);
        assert!(gaps(&sine(425.0, -15.0, 1600), -50.0, 160).is_empty(), "crossing zero is no gap");
        assert!(gaps(&[], -50.0, 160).is_empty());
    }
}
