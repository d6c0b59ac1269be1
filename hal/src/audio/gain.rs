//! A level in software, for routes whose card has no control for it: [dB], saturating, without a click when it changes.

/// Fraction bits of a factor.
const FRACTION: u32 = 12;
/// A factor of one.
const UNITY: i32 = 1 << FRACTION;

/// A gain that moves to its new value over one period.
#[derive(Debug, Clone, Copy)]
pub struct Gain {
    now: i32,
    wanted: i32,
}

impl Default for Gain {
    fn default() -> Self {
        Self { now: UNITY, wanted: UNITY }
    }
}

impl Gain {
    /// From the next period on; held to -60 to 20 dB.
    pub fn set(&mut self, db: i8) {
        let factor = 10_f64.powf(f64::from(db.clamp(-60, 20)) / 20.0);
        self.wanted = (factor * f64::from(UNITY)).round() as i32;
    }

    /// At once: nothing has sounded yet.
    pub fn jump(&mut self, db: i8) {
        self.set(db);
        self.now = self.wanted;
    }

    /// True if samples stay as they are.
    pub fn is_unity(&self) -> bool {
        self.now == UNITY && self.wanted == UNITY
    }

    /// One period.
    pub fn apply(&mut self, samples: &mut [i16]) {
        if self.is_unity() {
            return;
        }
        let (from, span, length) = (self.now, self.wanted - self.now, samples.len() as i32);
        for (step, sample) in (1..).zip(samples) {
            let factor =
                if span == 0 { from } else { from + (i64::from(span) * i64::from(step) / i64::from(length)) as i32 };
            let scaled = (i32::from(*sample) * factor + UNITY / 2) >> FRACTION;
            *sample = scaled.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
        self.now = self.wanted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn twenty_decibels_are_ten_times_and_loud_sounds_are_held() {
        let mut gain = Gain::default();
        gain.jump(20);
        let mut samples = [100, -100, 3_000, i16::MAX, -4_000, i16::MIN];
        gain.apply(&mut samples);
        assert_eq!(samples, [1_000, -1_000, 30_000, i16::MAX, i16::MIN, i16::MIN]);
        gain.jump(-20);
        let mut samples = [1_000, -1_000];
        gain.apply(&mut samples);
        assert!(samples[0].abs_diff(100) <= 1 && samples[1].abs_diff(-100) <= 1, "{samples:?}");
    }

    #[test]
    fn a_new_level_is_reached_in_steps_too_small_to_click() {
        let mut gain = Gain::default();
        let mut samples = [10_000; 160];
        gain.set(-40);
        gain.apply(&mut samples);
        assert!(samples.windows(2).all(|pair| pair[0].abs_diff(pair[1]) < 80), "{samples:?}");
        assert!(samples[159].abs_diff(100) < 5);
        gain.set(0);
        gain.apply(&mut [0; 160]);
        assert!(gain.is_unity());
    }

    proptest! {
        #[test]
        fn unity_changes_nothing_and_no_level_changes_a_sign(mut samples in proptest::collection::vec(any::<i16>(), 0..200), db in any::<i8>()) {
            let before = samples.clone();
            Gain::default().apply(&mut samples);
            prop_assert_eq!(&samples, &before);
            let mut gain = Gain::default();
            gain.set(db);
            gain.apply(&mut samples);
            gain.apply(&mut samples);
            for (sample, before) in samples.iter().zip(&before) {
                prop_assert!(*sample == 0 || (*sample > 0) == (*before > 0));
            }
        }
    }
}
