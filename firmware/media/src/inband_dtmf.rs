//! Digits as two tones in the sound itself (ITU-T Q.23 and Q.24): a generator for the sending side, a detector for the
//! receiving one. Neither allocates.
//!
//! For gateways and codecs without telephone-events. The generator's sound replaces the voice while it lasts; codecs of low
//! rate spoil it, G.711, G.722 and Opus do not.
use crate::telephone_event::{Digit, HIGH_GROUP, LOW_GROUP};
use std::f64::consts::{PI, TAU};
use std::time::Duration;

/// Shortest tone (Q.24 asks for 40 ms to be heard; most gateways want more), and the pause behind it.
pub const SHORTEST: Duration = Duration::from_millis(70);
pub const PAUSE: Duration = Duration::from_millis(50);

/// Peaks: -8 dBm0 for the low group and -6 dBm0 for the high one, which lines weaken more; a sine at full scale has
/// +3.14 dBm0.
const LOW_PEAK: f64 = 9087.0;
const HIGH_PEAK: f64 = 11440.0;

/// [ms] of fading in and out
const FADE: u64 = 2;

/// Makes the two tones of a digit, at least [`SHORTEST`] long, and [`PAUSE`] behind them.
#[derive(Debug, Clone)]
pub struct Generator {
    rate: u32,
    state: State,
    steps: [f64; 2],
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Idle,
    /// [samples] so far, and at the end, if that is known
    Sounding {
        position: u64,
        end: Option<u64>,
    },
    /// [samples] left
    Pausing(u64),
}

impl Generator {
    /// For samples at `rate` [Hz].
    pub fn new(rate: u32) -> Self {
        Self { rate: rate.max(8000), state: State::Idle, steps: [0.0; 2] }
    }

    /// Begins a digit; without `duration` it lasts until [`Self::stop`]. One that sounds is replaced.
    pub fn start(&mut self, digit: Digit, duration: Option<Duration>) {
        let (low, high) = digit.frequencies();
        self.steps = [low, high].map(|hz| f64::from(hz) / f64::from(self.rate));
        let end = duration.map(|duration| self.samples(duration.max(SHORTEST)));
        self.state = State::Sounding { position: 0, end };
    }

    /// Ends the digit, as soon as it was long enough.
    pub fn stop(&mut self) {
        let shortest = self.samples(SHORTEST);
        let fade = u64::from(self.rate) * FADE / 1000;
        if let State::Sounding { position, end } = &mut self.state {
            let soon = shortest.max(*position + fade);
            *end = Some(end.map_or(soon, |end| end.min(soon)));
        }
    }

    /// True while a digit or the pause behind it lasts.
    pub fn active(&self) -> bool {
        self.state != State::Idle
    }

    /// Overwrites `voice` where a digit or its pause lasts, from the front on, and leaves the rest; true if it did anything.
    pub fn fill(&mut self, voice: &mut [i16]) -> bool {
        let mut touched = false;
        let fade = u64::from(self.rate) * FADE / 1000;
        let pause = self.samples(PAUSE);
        for sample in voice {
            match &mut self.state {
                State::Idle => break,
                State::Pausing(left) => {
                    *sample = 0;
                    *left -= 1;
                    if *left == 0 {
                        self.state = State::Idle;
                    }
                }
                State::Sounding { position, end } => {
                    let [low, high] = self.steps.map(|step| (*position as f64 * step).fract() * TAU);
                    let mut value = low.sin() * LOW_PEAK + high.sin() * HIGH_PEAK;
                    let left = end.map_or(u64::MAX, |end| end.saturating_sub(*position + 1));
                    let edge = left.min(*position);
                    if edge < fade {
                        value *= 0.5 - 0.5 * (PI * (edge as f64 + 0.5) / fade as f64).cos();
                    }
                    *sample = value as i16;
                    *position += 1;
                    if left == 0 {
                        self.state = State::Pausing(pause);
                    }
                }
            }
            touched = true;
        }
        touched
    }

    fn samples(&self, duration: Duration) -> u64 {
        // a day is more than anybody holds a key
        let micros = duration.as_micros().min(86_400_000_000) as u64;
        (micros * u64::from(self.rate) / 1_000_000).max(1)
    }
}

/// [ms/100] of one block: 102 samples at 8 kHz, so that 40 ms always hold two whole ones.
const BLOCK: u32 = 1275;
/// Amplitude below which a tone is none: -30 dBm0.
const QUIETEST: f32 = 722.0;
/// Power ratio of the two groups either way, 8 dB (Q.24 asks for 4 dB one way and for 4 to 10 the other, by country).
const TWIST: f32 = 6.3;
/// The strongest of a group stands this far above its fellows: 8 dB.
const OVER_FELLOWS: f32 = 6.3;
/// The share of the block's power that the two tones have at least. It is 0.77 for tones that are 1.5 % off and unequal.
const PURITY: f32 = 0.74;
/// The same once it is known how far the tones are off and how much the filters miss of them.
const TRUE_PURITY: f64 = 0.92;
/// How far a frequency may be off: Q.24 wants 1.5 % accepted and 3.5 % refused.
const OFF: f32 = 0.022;
/// From one block to the next a tone keeps its power within this ratio (2.5 dB). Voices glide.
const STEADY: f32 = 1.8;

/// Finds digits in sound.
///
/// Sound is judged in blocks too short to tell frequencies well. That is made up for by the phase: how far it moves from one
/// block to the next tells the frequency to a hertz. Two blocks that agree in digit, power and phase are a digit; voices
/// that look like one in a single block do not hold still that long.
#[derive(Debug, Clone)]
pub struct Detector {
    filters: [Filter; 8],
    /// [Hz]
    rate: u32,
    /// [samples]
    block: u32,
    filled: u32,
    energy: f32,
    /// what the last block was
    last: Option<Block>,
    /// the digit that sounds, told already
    current: Option<Digit>,
    misses: u8,
}

/// A block that looks like a digit.
#[derive(Debug, Clone, Copy)]
struct Block {
    digit: Digit,
    low: Tone,
    high: Tone,
    /// power of everything
    total: f32,
}

#[derive(Debug, Clone, Copy)]
struct Tone {
    /// nominal [Hz]
    hz: u32,
    power: f32,
    /// [rad]
    phase: f32,
}

impl Detector {
    /// For samples at `rate` [Hz].
    pub fn new(rate: u32) -> Self {
        let rate = rate.max(8000);
        let [a, b, c, d] = LOW_GROUP;
        let [e, f, g, h] = HIGH_GROUP;
        Self {
            filters: [a, b, c, d, e, f, g, h].map(|hz| Filter::new(f64::from(hz) / f64::from(rate))),
            rate,
            block: rate * BLOCK / 100_000,
            filled: 0,
            energy: 0.0,
            last: None,
            current: None,
            misses: 0,
        }
    }

    /// The next samples. Answers a digit once, when it has been heard for two blocks; at most one per call, so calls should
    /// not be longer than 60 ms.
    pub fn listen(&mut self, samples: &[i16]) -> Option<Digit> {
        let mut found = None;
        for &sample in samples {
            let value = f32::from(sample);
            self.energy += value * value;
            for filter in &mut self.filters {
                filter.push(value);
            }
            self.filled += 1;
            if self.filled == self.block {
                let block = self.judge();
                found = self.follow(block).or(found);
                self.filled = 0;
                self.energy = 0.0;
                self.filters.iter_mut().for_each(Filter::reset);
            }
        }
        found
    }

    /// The digit that sounds now.
    pub fn current(&self) -> Option<Digit> {
        self.current
    }

    /// What one block is.
    fn judge(&self) -> Option<Block> {
        let length = self.block as f32;
        // power as half the square of an amplitude
        let powers = self.filters.each_ref().map(|filter| filter.power() * 2.0 / (length * length));
        let (low, high) = powers.split_at(4);
        let (row, low_power) = strongest(low)?;
        let (column, high_power) = strongest(high)?;
        let quietest = QUIETEST * QUIETEST / 2.0;
        let total = self.energy / length;
        let refused = low_power < quietest
            || high_power < quietest
            || high_power > low_power * TWIST
            || low_power > high_power * TWIST
            || low_power + high_power < total * PURITY
            || stands_back(low, row, low_power)
            || stands_back(high, column, high_power);
        if refused {
            return None;
        }
        let tone = |index: usize, hz: Option<&u32>, power: f32| {
            Some(Tone { hz: *hz?, power, phase: self.filters.get(index)?.phase() })
        };
        Some(Block {
            digit: Digit::at(row, column)?,
            low: tone(row, LOW_GROUP.get(row), low_power)?,
            high: tone(column + 4, HIGH_GROUP.get(column), high_power)?,
            total,
        })
    }

    /// Two blocks alike begin a digit, two others end it.
    fn follow(&mut self, block: Option<Block>) -> Option<Digit> {
        let before = std::mem::replace(&mut self.last, block);
        let digit = block.map(|block| block.digit);
        if digit.is_some() && digit == self.current {
            self.misses = 0;
            return None;
        }
        if self.current.is_some() {
            self.misses += 1;
            if self.misses >= 2 {
                self.current = None;
                self.misses = 0;
            }
        }
        let (before, block) = (before?, block?);
        if before.digit != block.digit {
            return None;
        }
        let low = self.goes_on(before.low, block.low)?;
        let high = self.goes_on(before.high, block.high)?;
        if low + high < f64::from(block.total) * TRUE_PURITY {
            return None;
        }
        self.current = digit;
        self.misses = 0;
        digit
    }

    /// If a tone is the same as one block ago, and close enough to its nominal frequency: its true power.
    fn goes_on(&self, before: Tone, now: Tone) -> Option<f64> {
        let turns_per_hz = f64::from(self.block) / f64::from(self.rate);
        let nominal = f64::from(now.hz) * turns_per_hz;
        let turns = f64::from(now.phase - before.phase) / TAU - nominal;
        // in turns per block
        let off = turns - turns.round();
        let steady = now.power < before.power * STEADY && before.power < now.power * STEADY;
        if !steady || off.abs() / turns_per_hz > f64::from(now.hz) * f64::from(OFF) {
            return None;
        }
        // what a filter without a window lets through beside its frequency
        let angle = PI * off;
        let passed = if angle.abs() < 1e-6 { 1.0 } else { (angle.sin() / angle).powi(2) };
        Some(f64::from(now.power) / passed)
    }
}

fn strongest(group: &[f32]) -> Option<(usize, f32)> {
    group.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
}

fn stands_back(group: &[f32], best: usize, power: f32) -> bool {
    group.iter().enumerate().any(|(index, other)| index != best && *other * OVER_FELLOWS > power)
}

/// Goertzel's filter.
#[derive(Debug, Clone, Copy)]
struct Filter {
    sin: f32,
    cos: f32,
    one: f32,
    two: f32,
}

impl Filter {
    /// `frequency` in parts of the sampling rate.
    fn new(frequency: f64) -> Self {
        let (sin, cos) = (TAU * frequency).sin_cos();
        Self { sin: sin as f32, cos: cos as f32, one: 0.0, two: 0.0 }
    }

    fn push(&mut self, value: f32) {
        let next = value + 2.0 * self.cos * self.one - self.two;
        self.two = self.one;
        self.one = next;
    }

    fn power(&self) -> f32 {
        self.one * self.one + self.two * self.two - 2.0 * self.cos * self.one * self.two
    }

    /// At the block's beginning, up to a constant [rad].
    fn phase(&self) -> f32 {
        (self.two * self.sin).atan2(self.one - self.two * self.cos)
    }

    fn reset(&mut self) {
        self.one = 0.0;
        self.two = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecKind, OpusParams, decoder, encoder};
    use crate::measure::{cadence, goertzel, level_dbov, tones_ratio_db};

    fn digits() -> impl Iterator<Item = Digit> {
        (0..16).map(|code| Digit::from_code(code).unwrap())
    }

    fn generate(rate: u32, digit: Digit, millis: u64) -> Vec<i16> {
        let mut generator = Generator::new(rate);
        generator.start(digit, Some(Duration::from_millis(millis)));
        let mut sound = Vec::new();
        let mut period = vec![0; rate as usize / 100];
        while generator.active() {
            period.fill(0);
            assert!(generator.fill(&mut period));
            sound.extend_from_slice(&period);
        }
        assert!(!generator.fill(&mut period));
        sound
    }

    fn heard(rate: u32, sound: &[i16]) -> String {
        let mut detector = Detector::new(rate);
        sound.chunks(rate as usize / 100).filter_map(|period| detector.listen(period)).map(Digit::to_char).collect()
    }

    fn dual(rate: u32, low: (f64, f64), high: (f64, f64), millis: u32) -> Vec<i16> {
        let mut sound = vec![0; (rate / 20) as usize];
        for i in 0..rate * millis / 1000 {
            let t = f64::from(i) / f64::from(rate) * TAU;
            sound.push(((t * low.0).sin() * low.1 + (t * high.0).sin() * high.1) as i16);
        }
        sound.extend(vec![0; (rate / 20) as usize]);
        sound
    }

    /// Covers: feat.56
    #[test]
    fn every_digit_is_made_and_found_at_every_rate() {
        for rate in [8000, 16000, 48000] {
            let mut all = Vec::new();
            for digit in digits() {
                let sound = generate(rate, digit, 100);
                let tone = &sound[..rate as usize / 10];
                let (low, high) = digit.frequencies();
                assert!(tones_ratio_db(tone, rate, &[f64::from(low), f64::from(high)]) > 25.0);
                all.extend(sound);
            }
            assert_eq!(heard(rate, &all), "0123456789*#ABCD");
        }
    }

    #[test]
    fn the_groups_have_their_levels() {
        let sound = generate(8000, Digit::from_char('5').unwrap(), 1000);
        let dbm0 = |power: f64| 10.0 * (power / (32767.0f64 * 32767.0 / 2.0)).log10() + 3.14;
        assert!((dbm0(goertzel(&sound[800..7200], 8000, 770.0)) + 8.0).abs() < 0.2);
        assert!((dbm0(goertzel(&sound[800..7200], 8000, 1336.0)) + 6.0).abs() < 0.2);
        assert!(level_dbov(&sound[..8000]) < -9.0);
    }

    #[test]
    fn short_digits_are_lengthened_and_followed_by_a_pause() {
        let sound = generate(8000, Digit::from_char('1').unwrap(), 5);
        assert_eq!(cadence(&sound, 8000, -50.0), [70, 50]);
        let mut generator = Generator::new(8000);
        generator.start(Digit::from_char('1').unwrap(), None);
        generator.stop();
        let mut sound = [0; 8000];
        assert!(generator.fill(&mut sound));
        assert!(!generator.active());
        assert_eq!(cadence(&sound, 8000, -50.0), [70, 930]);
    }

    #[test]
    fn a_held_digit_lasts_until_it_is_let_go_and_the_voice_comes_back() {
        let mut generator = Generator::new(8000);
        generator.start(Digit::from_char('9').unwrap(), None);
        let mut sound = vec![7; 4000];
        assert!(generator.fill(&mut sound));
        generator.stop();
        let mut rest = vec![7; 4000];
        assert!(generator.fill(&mut rest));
        sound.extend_from_slice(&rest);
        assert_eq!(heard(8000, &sound), "9");
        // 2 ms to fade, 50 ms of pause, then what was there
        assert!(rest[16..416].iter().all(|sample| *sample == 0));
        assert!(rest[416..].iter().all(|sample| *sample == 7));
    }

    /// Covers: feat.56
    #[test]
    fn digits_survive_each_codec() {
        for kind in CodecKind::ALL {
            let rate = kind.sample_rate(16000);
            let params = OpusParams::default();
            let mut coder = encoder(kind, 16000, 20, &params).unwrap();
            let mut uncoder = decoder(kind, 16000).unwrap();
            let mut sound: Vec<i16> = digits().flat_map(|digit| generate(rate, digit, 100)).collect();
            sound.extend(vec![0; rate as usize / 10]);
            let (mut packet, mut out) = ([0; 1500], [0; 960]);
            let mut through = Vec::new();
            for frame in sound.chunks_exact(rate as usize / 50) {
                let octets = coder.encode(frame, &mut packet);
                let samples = uncoder.decode(&packet[..octets], &mut out);
                through.extend_from_slice(&out[..samples]);
            }
            assert_eq!(heard(rate, &through), "0123456789*#ABCD", "{kind:?}");
        }
    }

    /// ITU-T Q.24: heard at 40 ms wherever the blocks fall, not at 18 ms.
    #[test]
    fn length_decides_between_a_digit_and_a_click() {
        for delay in 0..102 {
            let mut long = vec![0; delay];
            long.extend(dual(8000, (697.0, 5000.0), (1209.0, 5000.0), 40));
            assert_eq!(heard(8000, &long), "1", "{delay}");
            let mut short = vec![0; delay];
            short.extend(dual(8000, (697.0, 5000.0), (1209.0, 5000.0), 18));
            assert_eq!(heard(8000, &short), "", "{delay}");
        }
    }

    /// Q.24: 1.5 % off is a digit, and twist either way.
    #[test]
    fn frequencies_and_levels_may_be_somewhat_off() {
        for off in [0.985, 1.015] {
            for digit in digits() {
                let (low, high) = digit.frequencies();
                let sound = dual(8000, (f64::from(low) * off, 4000.0), (f64::from(high) * off, 4000.0), 60);
                assert_eq!(heard(8000, &sound), digit.to_char().to_string(), "{off}");
            }
        }
        assert_eq!(heard(8000, &dual(8000, (770.0, 4000.0), (1336.0, 2200.0), 60)), "5");
        assert_eq!(heard(8000, &dual(8000, (770.0, 2600.0), (1336.0, 4000.0), 60)), "5");
        assert_eq!(heard(8000, &dual(8000, (770.0, 900.0), (1336.0, 900.0), 60)), "5");
        assert_eq!(heard(8000, &dual(8000, (770.0, 16000.0), (1336.0, 16000.0), 60)), "5");
    }

    #[test]
    fn what_is_no_digit_is_not_heard_as_one() {
        // one tone alone, two of a group, too much twist, too quiet
        assert_eq!(heard(8000, &dual(8000, (770.0, 8000.0), (1336.0, 0.0), 500)), "");
        assert_eq!(heard(8000, &dual(8000, (770.0, 8000.0), (941.0, 8000.0), 500)), "");
        assert_eq!(heard(8000, &dual(8000, (770.0, 8000.0), (1336.0, 1500.0), 500)), "");
        assert_eq!(heard(8000, &dual(8000, (770.0, 200.0), (1336.0, 200.0), 500)), "");
        // call progress tones
        // and a digit whose frequencies are 3.5 % off
        for pair in [
            (697.0 * 1.035, 1477.0 * 1.035),
            (852.0 * 0.965, 1209.0 * 0.965),
            (350.0, 440.0),
            (440.0, 480.0),
            (480.0, 620.0),
            (1400.0, 2060.0),
            (2450.0, 2600.0),
        ] {
            assert_eq!(heard(8000, &dual(8000, (pair.0, 8000.0), (pair.1, 8000.0), 500)), "", "{pair:?}");
        }
        // a digit under noise of its own strength
        let mut state = 1u32;
        let noisy: Vec<i16> = dual(8000, (770.0, 3000.0), (1336.0, 3000.0), 500)
            .iter()
            .map(|sample| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                sample + ((state >> 16) as i32 % 12000 - 6000) as i16
            })
            .collect();
        assert_eq!(heard(8000, &noisy), "");
    }

    /// Talk-off: a minute of something like a voice, with gliding pitch and formants, is no digit.
    #[test]
    fn a_voice_is_no_digit() {
        let mut sound = Vec::new();
        let mut phase = 0.0;
        for i in 0..8000 * 60 {
            let t = f64::from(i) / 8000.0;
            let pitch = 140.0 + 60.0 * (t * 1.7).sin() + 20.0 * (t * 6.1).sin();
            phase += pitch / 8000.0 * TAU;
            let (first, second) = (600.0 + 250.0 * (t * 2.3).sin(), 1400.0 + 500.0 * (t * 1.1).sin());
            let value: f64 = (1..24)
                .map(|k| {
                    let hz = pitch * f64::from(k);
                    let near = |formant: f64| 1.0 / (1.0 + ((hz - formant) / 80.0).powi(2));
                    (phase * f64::from(k)).sin() * (near(first) + 0.6 * near(second))
                })
                .sum();
            sound.push((value * 5000.0) as i16);
        }
        assert_eq!(heard(8000, &sound), "");
    }

    #[test]
    fn a_digit_repeated_after_a_pause_counts_twice_and_a_dropout_does_not() {
        let digit = Digit::from_char('7').unwrap();
        let twice = [generate(8000, digit, 80), generate(8000, digit, 80)].concat();
        assert_eq!(heard(8000, &twice), "77");
        let mut held = generate(8000, digit, 400);
        held[1000..1080].fill(0);
        assert_eq!(heard(8000, &held), "7");
    }
}
