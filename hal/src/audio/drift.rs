//! Two clocks in one sound device: how fast playback must go so that it neither fills up nor drains while capture sets
//! the beat.
//!
//! A codec has one clock for both directions and needs nothing. A microphone and a loudspeaker that are different
//! devices differ by some tens of parts per million: a period of 10 ms every two minutes. [`Drift`] is told how much
//! lies ahead of the ear and answers a correction for the [`Resampler`](crate::resampler::Resampler): a PI controller
//! that is slow enough that nobody hears the pitch move (1000 ppm are less than two hundredths of a semitone), and that
//! does nothing while the level stays in a band. Cards count in blocks, so a level that is some milliseconds wrong
//! says nothing; and with one clock the correction stays at exactly zero and the samples untouched. What is far too much
//! for a whole window comes from a pause and not from a clock: it is left out at once rather than heard late for minutes.

/// How long levels are averaged before the correction is looked at [s].
const WINDOW_S: f64 = 2.0;
/// In this time the proportional part alone would work off a deviation [s].
const WORK_OFF_S: f64 = 12.0;
/// The integral is damped: neither overshoot nor creep.
const INTEGRAL_PER_S: f64 = 1.0 / (4.0 * WORK_OFF_S * WORK_OFF_S);
/// Largest correction [ppm]; clocks that are further apart are broken.
const MOST_PPM: f64 = 1_000.0;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Play so much faster from now on [ppm].
    Correct(f64),
    /// Leave out so much sound, once [s].
    LeaveOut(f64),
}

/// The controller.
#[derive(Debug, Clone)]
pub struct Drift {
    /// [s]
    lowest: f64,
    highest: f64,
    far: f64,
    /// the lowest level of this window
    least: f64,
    /// sum and number of the levels of this window, and what time it has lasted [s]
    sum: f64,
    looks: f64,
    lasted: f64,
    /// difference of the clocks learned so far [ppm]
    learned: f64,
    correction: f64,
}

impl Drift {
    /// Keeps the level between two bounds [s of sound]; `lowest` is what must not be fallen below for long, and `far` above
    /// `highest` no clock gets.
    pub fn new(lowest: f64, highest: f64, far: f64) -> Self {
        let highest = highest.max(lowest);
        Self {
            lowest,
            highest,
            far,
            least: f64::INFINITY,
            sum: 0.0,
            looks: 0.0,
            lasted: 0.0,
            learned: 0.0,
            correction: 0.0,
        }
    }

    /// Playback starts anew: the level of before says nothing more, what was learned of the clocks stays.
    pub fn begin(&mut self) {
        self.begin_window();
        self.correction = self.learned;
    }

    /// `level` of sound lies ahead [s], looked at `since` the last look [s]. Answers when there is something to do.
    pub fn look(&mut self, level: f64, since: f64) -> Option<Verdict> {
        self.sum += level;
        self.looks += 1.0;
        self.lasted += since;
        self.least = self.least.min(level);
        if self.lasted < WINDOW_S {
            return None;
        }
        let always = self.least - self.highest;
        if always > self.far {
            self.begin_window();
            return Some(Verdict::LeaveOut(always));
        }
        let mean = self.sum / self.looks;
        let too_much = if mean > self.highest {
            mean - self.highest
        } else if mean < self.lowest {
            mean - self.lowest
        } else {
            0.0
        };
        self.learned += too_much * INTEGRAL_PER_S * self.lasted * 1e6;
        self.learned = self.learned.clamp(-MOST_PPM, MOST_PPM);
        let correction = (self.learned + too_much / WORK_OFF_S * 1e6).clamp(-MOST_PPM, MOST_PPM);
        self.begin_window();
        if correction == self.correction {
            return None;
        }
        self.correction = correction;
        Some(Verdict::Correct(correction))
    }

    fn begin_window(&mut self) {
        (self.sum, self.looks, self.lasted, self.least) = (0.0, 0.0, 0.0, f64::INFINITY);
    }

    /// The correction in force [ppm].
    pub fn correction(&self) -> f64 {
        self.correction
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resampler::Resampler;
    use proptest::prelude::*;

    const RATE: f64 = 16_000.0;
    const PERIOD: usize = 160;
    const AHEAD: f64 = 0.010;
    const FAR: f64 = 0.015;

    /// What an hour looked like.
    #[derive(Debug)]
    struct Hour {
        lowest: f64,
        highest: f64,
        underruns: u32,
        overruns: u32,
        correction: f64,
    }

    /// A card in virtual time: capture is the beat, playback takes samples at a rate `ppm` higher (its own clock), in
    /// blocks of `block` samples; the thread is late by up to `late` seconds, differently at every beat. Counts samples
    /// only, as the resampler's step makes them.
    fn card(ppm: f64, block: usize, late: f64, seconds: usize) -> Hour {
        let mut drift = Drift::new(AHEAD - 0.002, AHEAD + 0.005, FAR);
        let (mut hour, mut chance) =
            (Hour { lowest: 1.0, highest: 0.0, underruns: 0, overruns: 0, correction: 0.0 }, 1_u32);
        // Playback starts with a period behind what lies ahead.
        let (mut written, mut owed, mut correction) = (AHEAD * RATE + PERIOD as f64, 0.0_f64, 0.0_f64);
        let mut looked = 0.0;
        for beat in 1..=seconds * 100 {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let lateness = late * f64::from(chance >> 8) / f64::from(1 << 24);
            let now = beat as f64 * PERIOD as f64 / RATE + lateness;
            let played = now * RATE * (1.0 + ppm / 1e6);
            let seen = (played / block as f64).floor() * block as f64;
            if written < played {
                hour.underruns += 1;
                written = played + AHEAD * RATE;
                drift.begin();
            }
            if now - looked > 0.08 {
                // What waits in capture because the thread was late is not missing in playback.
                let level = (written - seen) / RATE + lateness;
                match drift.look(level, now - looked) {
                    Some(Verdict::Correct(new)) => correction = new,
                    Some(Verdict::LeaveOut(_)) => hour.overruns += 1,
                    None => {}
                }
                looked = now;
            }
            let level = (written - played) / RATE + lateness;
            // The first minutes are for learning.
            if beat > seconds * 100 / 10 {
                hour.lowest = hour.lowest.min(level);
                hour.highest = hour.highest.max(level);
            }
            owed += PERIOD as f64 / (1.0 + correction / 1e6);
            let whole = owed.floor();
            owed -= whole;
            written += whole;
            if written - played > 5.0 * PERIOD as f64 {
                hour.overruns += 1;
            }
        }
        hour.correction = correction;
        hour
    }

    #[test]
    fn clocks_up_to_200_ppm_apart_lose_nothing_in_an_hour() {
        for ppm in [-200.0, -50.0, 50.0, 200.0] {
            let hour = card(ppm, 1, 0.003, 3_600);
            assert_eq!((hour.underruns, hour.overruns), (0, 0), "{ppm}: {hour:?}");
            // Playback takes faster: it must be given more samples, which is a negative correction.
            assert!((hour.correction + ppm).abs() < 8.0, "{ppm}: {hour:?}");
            assert!(hour.lowest > AHEAD - 0.004 && hour.highest < AHEAD + 0.007, "{ppm}: {hour:?}");
        }
    }

    #[test]
    fn one_clock_is_never_corrected_however_coarsely_the_card_counts() {
        for block in [1, 16, 64] {
            let hour = card(0.0, block, 0.004, 600);
            assert_eq!((hour.underruns, hour.overruns), (0, 0), "{block}: {hour:?}");
            assert_eq!(hour.correction, 0.0, "{block}: {hour:?}");
        }
    }

    #[test]
    fn a_little_too_much_is_worked_off_in_a_minute_and_forgotten() {
        let mut drift = Drift::new(AHEAD - 0.002, AHEAD + 0.005, FAR);
        let (mut level, mut correction) = (0.028, 0.0);
        for _ in 0..300 * 100 {
            match drift.look(level, 0.01) {
                Some(Verdict::Correct(new)) => correction = new,
                Some(Verdict::LeaveOut(_)) => panic!("so little is not left out"),
                None => {}
            }
            assert!(f64::abs(correction) <= MOST_PPM);
            level -= correction / 1e6 * 0.01;
        }
        assert!(level < AHEAD + 0.006, "{level}");
        assert!(level > AHEAD - 0.004, "{level}");
        assert!(f64::abs(drift.correction()) < 60.0, "{drift:?}");
    }

    #[test]
    fn what_a_pause_has_piled_up_is_left_out_once_and_teaches_nothing() {
        let mut drift = Drift::new(AHEAD - 0.002, AHEAD + 0.005, FAR);
        let verdict = (0..200).find_map(|_| drift.look(0.060, 0.01));
        let Some(Verdict::LeaveOut(seconds)) = verdict else { panic!("{verdict:?}") };
        assert!((seconds - 0.045).abs() < 1e-9, "{seconds}");
        for _ in 0..1_000 {
            assert_eq!(drift.look(0.060 - seconds - 0.001, 0.01), None);
        }
        // A jam that passes within the window is nothing.
        let levels = (0..200).map(|look| if look == 100 { 0.012 } else { 0.020 });
        assert!(
            levels.filter_map(|level| drift.look(level, 0.01)).all(|verdict| matches!(verdict, Verdict::Correct(_)))
        );
    }

    #[test]
    fn a_tone_through_the_whole_loop_stays_a_tone() {
        use std::f64::consts::TAU;
        // Two minutes at 200 ppm: learning and settled. The samples that leave the resampler are a sine whose pitch moves
        // by less than what a musician hears; its second differences show every click.
        let mut drift = Drift::new(AHEAD - 0.002, AHEAD + 0.005, FAR);
        let mut resampler = Resampler::new(16_000, 16_000).unwrap();
        let (mut written, mut played, mut at, mut wrong) = (160.0_f64, 0.0_f64, 0_u64, 0_u32);
        let mut last = [0_i16; 2];
        let bound = 12_000.0 * (TAU * 1_000.0 / RATE).powi(2) * 1.02 + 4.0;
        let mut tail = Vec::new();
        for beat in 0..12_000 {
            let input: Vec<i16> =
                (at..at + 160).map(|n| ((TAU * 1_000.0 * n as f64 / RATE).sin() * 12_000.0).round() as i16).collect();
            at += 160;
            played += 160.0 * (1.0 - 200.0 / 1e6);
            if let Some(Verdict::Correct(ppm)) = drift.look((written - played) / RATE, 0.01) {
                resampler.correct(ppm);
            }
            let mut output = [0; 170];
            let count = resampler.process(&input, &mut output);
            written += count as f64;
            for sample in &output[..count] {
                let bend = f64::from(last[0]) - 2.0 * f64::from(last[1]) + f64::from(*sample);
                wrong += u32::from(beat > 1 && bend.abs() > bound);
                last = [last[1], *sample];
                if beat >= 11_900 {
                    tail.push(*sample);
                }
            }
        }
        assert_eq!(wrong, 0);
        assert!((drift.correction() - 200.0).abs() < 25.0, "{}", drift.correction());
        // The last second against a sine of the frequency it must have.
        let hz = 1_000.0 * (1.0 + drift.correction() / 1e6);
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (n, sample) in tail.iter().enumerate() {
            let (sin, cos) = (TAU * hz * n as f64 / RATE).sin_cos();
            re += f64::from(*sample) * cos;
            im += f64::from(*sample) * sin;
            all += f64::from(*sample).powi(2);
        }
        let tone = 2.0 * (re * re + im * im) / tail.len() as f64;
        let ratio = 10.0 * (tone / (all - tone).max(1e-9)).log10();
        assert!(ratio > 50.0, "{ratio:.1} dB");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn any_pair_of_clocks_within_300_ppm_settles(ppm in -300.0..300.0_f64, late in 0.0..0.004_f64, block in 1_usize..32) {
            let hour = card(ppm, block, late, 900);
            prop_assert_eq!(hour.underruns, 0, "{:?}", hour);
            prop_assert_eq!(hour.overruns, 0, "{:?}", hour);
            prop_assert!((hour.correction + ppm).abs() < 30.0, "{:?}", hour);
        }
    }
}
