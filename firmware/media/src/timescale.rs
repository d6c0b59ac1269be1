//! Playing a little faster or slower without changing the pitch: one pitch period is taken out of, or put into, a decoded
//! frame, cross-faded over its length (the idea of WSOLA). This is how the playout delay follows jitter and drifting clocks.
use crate::conceal::pitch;
use crate::level::mean_square;

/// Sound below this mean square [sample²] is silence (about -54 dBov): any cut is inaudible.
const SILENCE: f32 = 4200.0;
/// How alike two neighbouring periods must be for a cut in sound.
const ALIKE: f32 = 0.8;

/// Takes one period out of `samples[..length]`; answers the new length, the old one if the sound does not allow it.
pub fn shorten(samples: &mut [i16], length: usize, rate: u32, force: bool) -> usize {
    let Some(period) = samples.get(..length).and_then(|frame| cut(frame, rate, force)) else { return length };
    for n in 0..period {
        samples[n] = fade(samples[n], samples[period + n], n, period);
    }
    samples.copy_within(2 * period..length, period);
    length - period
}

/// Puts one period into `samples[..length]`, which must have room for half as much again; answers the new length, the old
/// one if the sound does not allow it.
pub fn lengthen(samples: &mut [i16], length: usize, rate: u32, force: bool) -> usize {
    let Some(period) = samples.get(..length).and_then(|frame| cut(frame, rate, force)) else { return length };
    if length + period > samples.len() {
        return length;
    }
    // before: A B rest; after: A (B into A) B rest
    samples.copy_within(period..length, 2 * period);
    for n in 0..period {
        samples[period + n] = fade(samples[2 * period + n], samples[n], n, period);
    }
    length + period
}

/// The period to cut, if the sound allows: 2.5 ms to half the frame.
fn cut(frame: &[i16], rate: u32, force: bool) -> Option<usize> {
    let shortest = rate as usize / 400;
    let longest = (frame.len() / 2).min(rate as usize * 3 / 200);
    if longest < shortest {
        return None;
    }
    if mean_square(frame) < SILENCE {
        return Some(longest);
    }
    let head = &frame[..2 * longest];
    let period = pitch(head, shortest, longest);
    let (a, b) = (&frame[..period], &frame[period..2 * period]);
    let (mut cross, mut aa, mut bb) = (0.0f32, 1.0f32, 1.0f32);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f32::from(a), f32::from(b));
        cross += a * b;
        aa += a * a;
        bb += b * b;
    }
    (force || cross / (aa * bb).sqrt() > ALIKE).then_some(period)
}

fn fade(from: i16, to: i16, n: usize, length: usize) -> i16 {
    let weight = (n + 1) as f32 / (length + 1) as f32;
    (f32::from(from) * (1.0 - weight) + f32::from(to) * weight) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tone_ratio_db;

    fn sine(rate: u32, from: usize, samples: usize) -> Vec<i16> {
        (from..from + samples)
            .map(|n| ((2.0 * std::f64::consts::PI * 1004.0 * n as f64 / f64::from(rate)).sin() * 8000.0) as i16)
            .collect()
    }

    #[test]
    fn a_tone_stays_a_tone_when_stretched_and_shortened() {
        for rate in [8000u32, 16000, 48000] {
            let frame = rate as usize / 50;
            for longer in [false, true] {
                let mut work = sine(rate, 0, frame);
                work.resize(frame * 2, 0);
                let length = if longer {
                    lengthen(&mut work, frame, rate, false)
                } else {
                    shorten(&mut work, frame, rate, false)
                };
                assert!(if longer { length > frame } else { length < frame }, "{rate} {longer}");
                let mut signal = sine(rate, 0, 0);
                signal.extend_from_slice(&work[..length]);
                signal.extend(sine(rate, frame, 4 * frame));
                let ratio = tone_ratio_db(&signal, rate, 1004.0);
                assert!(ratio > 15.0, "{rate} {longer}: {ratio} dB");
            }
        }
    }

    #[test]
    fn noise_is_left_alone_unless_forced_and_silence_is_cut_at_will() {
        let mut seed = 1u32;
        let mut noise: Vec<i16> = (0..320)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 18) as i16
            })
            .map(|s| s - 8192)
            .collect();
        assert_eq!(shorten(&mut noise, 160, 8000, false), 160);
        assert!(shorten(&mut noise, 160, 8000, true) < 160);
        assert_eq!(shorten(&mut [0; 320], 160, 8000, false), 80);
        assert_eq!(lengthen(&mut [0; 320], 160, 8000, false), 240);
        assert_eq!(lengthen(&mut [0; 10], 10, 8000, false), 10);
    }
}
