//! Does the microphone hear the loudspeaker, how late and how loud? A machine of periods for the self-test: it plays
//! a quarter of a second of noise that nothing else resembles (a maximum length sequence) and looks for it in what is captured.
//!
//! Give it every period that was captured and play what it answers, until [`LoopTest::is_done`]; then ask
//! [`LoopTest::result`]. It takes memory in `new` and computes in `result`: 40 million additions at 16 kHz.

use std::time::Duration;

use crate::AudioFormat;

/// Quiet before the signal, in which the room is listened to [ms].
const QUIET_MS: usize = 400;
/// The longest delay looked for [ms].
const LONGEST_MS: usize = 600;
/// How loud the signal is played [of 32768]: 15 dB below the loudest.
const AMPLITUDE: i16 = 5_800;
/// How far the true delay must stand above the others: noise alone reaches 4.5 among ten thousand delays.
const PROMINENCE: f64 = 7.0;
/// Echoes and filters smear the true delay over its neighbourhood, which is no noise [ms].
const SMEARED_MS: usize = 20;
/// Quieter than this is digital silence [dBov].
const SILENCE: f64 = -96.0;

/// What a loop test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoopResult {
    /// how loud it was before the signal [dBov]
    pub noise_dbov: f64,
    /// `None`: the signal was not found
    pub heard: Option<LoopHeard>,
}

/// The signal as it came back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoopHeard {
    /// from writing a sample to reading it
    pub delay: Duration,
    /// captured level against played level [dB]
    pub level_db: f64,
    /// likeness of what came back at that delay, 0 to 1; a cable gives nearly 1, a handset through the air 0.1 to 0.5
    pub correlation: f64,
}

/// The machine.
#[derive(Debug)]
pub struct LoopTest {
    rate: u32,
    /// what is played, as signs
    signal: Vec<i16>,
    /// samples before the signal
    quiet: usize,
    captured: Vec<i16>,
    played: usize,
    length: usize,
}

impl LoopTest {
    /// For a device of this format.
    pub fn new(format: AudioFormat) -> Self {
        let ms = |ms: usize| format.rate as usize * ms / 1_000;
        let signal = maximum_length_sequence();
        let length = ms(QUIET_MS) + signal.len() + ms(LONGEST_MS);
        Self { rate: format.rate, signal, quiet: ms(QUIET_MS), captured: Vec::with_capacity(length), played: 0, length }
    }

    /// One beat: `captured` was heard, `playback` is to be played. Both have the same length.
    pub fn period(&mut self, captured: &[i16], playback: &mut [i16]) {
        let room = self.length.saturating_sub(self.captured.len());
        self.captured.extend(captured.iter().take(room));
        for to in playback {
            *to = self
                .played
                .checked_sub(self.quiet)
                .and_then(|at| self.signal.get(at))
                .map_or(0, |sign| sign * AMPLITUDE);
            self.played += 1;
        }
    }

    /// Has everything been heard?
    pub fn is_done(&self) -> bool {
        self.captured.len() >= self.length
    }

    /// What was found, at any time; before the end a long delay may not be.
    pub fn result(&self) -> LoopResult {
        // The first half is for the card to come to rest.
        let noise = self.captured.get(self.quiet / 2..self.quiet).unwrap_or_default();
        let noise_power = energy(noise) / noise.len().max(1) as f64;
        let noise_dbov = decibels(noise_power / (32_768.0 * 32_768.0)).max(SILENCE);
        LoopResult { noise_dbov, heard: self.find(noise_power) }
    }

    fn find(&self, noise_power: f64) -> Option<LoopHeard> {
        let length = self.signal.len();
        let after = self.captured.get(self.quiet..)?;
        let likeness: Vec<f64> = after.windows(length).map(|window| sum(window, &self.signal)).collect();
        let (lag, peak) = likeness
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
            .map(|(lag, peak)| (lag, *peak))?;
        let smeared = self.rate as usize * SMEARED_MS / 1_000;
        let (mut others, mut count) = (0.0, 0_usize);
        for (_, other) in likeness.iter().enumerate().filter(|(other, _)| other.abs_diff(lag) > smeared) {
            others += other * other;
            count += 1;
        }
        let usual = (others / count.max(1) as f64).sqrt();
        if peak.abs() <= PROMINENCE * usual || peak == 0.0 {
            return None;
        }
        let window = after.get(lag..lag + length)?;
        let (came, went) = (energy(window), length as f64 * f64::from(AMPLITUDE) * f64::from(AMPLITUDE));
        let beyond_noise = (came - noise_power * length as f64).max(came * 1e-6);
        Some(LoopHeard {
            delay: Duration::from_micros(lag as u64 * 1_000_000 / u64::from(self.rate.max(1))),
            level_db: decibels(beyond_noise / went),
            correlation: (peak.abs() / (came * length as f64).sqrt()).min(1.0),
        })
    }
}

/// Signs in an order that resembles no shifted copy of itself, from a shift register of 12 bits.
fn maximum_length_sequence() -> Vec<i16> {
    /// Taps of a primitive polynomial, x^12 + x^11 + x^10 + x^4 + 1 (Golomb, Shift Register Sequences).
    const TAPS: u32 = 0xE08;
    const ORDER: u32 = 12;
    let mut state = 1_u32;
    (1..1 << ORDER)
        .map(|_| {
            let bit = (state & TAPS).count_ones() & 1;
            state = ((state << 1) | bit) & ((1 << ORDER) - 1);
            if bit == 1 { 1 } else { -1 }
        })
        .collect()
}

/// Samples added with these signs; 4095 of them cannot overflow.
fn sum(samples: &[i16], signs: &[i16]) -> f64 {
    f64::from(samples.iter().zip(signs).map(|(sample, sign)| i32::from(*sample) * i32::from(*sign)).sum::<i32>())
}

fn energy(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum()
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.max(1e-20).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: AudioFormat = AudioFormat { rate: 16_000, period: 160, periods: 3 };

    /// Plays the test through `path`: (everything played so far, sample number) to what is heard there.
    fn through(format: AudioFormat, path: impl Fn(&[i16], usize) -> f64) -> LoopResult {
        let mut test = LoopTest::new(format);
        let (mut played, mut at) = (Vec::new(), 0);
        while !test.is_done() {
            let captured: Vec<i16> = (at..at + format.period).map(|n| path(&played, n) as i16).collect();
            at += format.period;
            let mut playback = vec![0; format.period];
            test.period(&captured, &mut playback);
            played.extend(playback);
        }
        test.result()
    }

    fn delayed(played: &[i16], at: usize, by: usize) -> f64 {
        at.checked_sub(by).and_then(|at| played.get(at)).copied().map_or(0.0, f64::from)
    }

    fn noise(at: usize, amplitude: f64) -> f64 {
        let mut hash = (at as u64 ^ 0x5851_F42D).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash ^= hash >> 29;
        hash = hash.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((hash >> 40) as f64 / f64::from(1 << 23) - 1.0) * amplitude
    }

    #[test]
    fn the_sequence_resembles_no_shifted_copy_of_itself() {
        let sequence = maximum_length_sequence();
        assert_eq!(sequence.len(), 4_095);
        for shift in [1, 2, 7, 100, 2_047, 4_094] {
            let turned = sequence.iter().cycle().skip(shift);
            let likeness: i16 = sequence.iter().zip(turned).map(|(one, other)| one * other).sum();
            assert_eq!(likeness, -1, "shift {shift}");
        }
    }

    #[test]
    fn a_cable_is_found_with_its_delay_and_level() {
        let result = through(FORMAT, |played, at| delayed(played, at, 480) * 0.5);
        let heard = result.heard.unwrap();
        assert_eq!(heard.delay, Duration::from_millis(30));
        assert!((heard.level_db + 6.02).abs() < 0.1, "{heard:?}");
        assert!(heard.correlation > 0.99, "{heard:?}");
        assert_eq!(result.noise_dbov, SILENCE);
    }

    #[test]
    fn a_quiet_echo_in_a_loud_room_is_found_at_other_rates_too() {
        for rate in [8_000, 16_000, 48_000] {
            let format = AudioFormat { rate, period: rate as usize / 100, periods: 3 };
            let late = rate as usize / 10;
            // 26 dB quieter than played, with an echo, in noise as loud as itself, upside down.
            let result = through(format, |played, at| {
                -0.05 * delayed(played, at, late) - 0.03 * delayed(played, at, late + 37) + noise(at, 300.0)
            });
            let heard = result.heard.unwrap();
            assert_eq!(heard.delay, Duration::from_millis(100), "{rate}");
            assert!((heard.level_db + 24.7).abs() < 1.5, "{rate}: {heard:?}");
            assert!((0.3..0.9).contains(&heard.correlation), "{rate}: {heard:?}");
            assert!((result.noise_dbov + 45.5).abs() < 1.0, "{rate}: {result:?}");
        }
    }

    #[test]
    fn silence_and_noise_and_music_are_not_the_loudspeaker() {
        assert_eq!(through(FORMAT, |_, _| 0.0).heard, None);
        assert_eq!(through(FORMAT, |_, at| noise(at, 8_000.0)).heard, None);
        let hum = through(FORMAT, |_, at| (at as f64 * 0.1).sin() * 10_000.0 + (at as f64 * 0.37).sin() * 5_000.0);
        assert_eq!(hum.heard, None);
    }
}
