//! Levels and gains: mean power in dBov, ramps that never click, saturating mixes.

/// Mean power of a signal, smoothed over about 200 ms. Cheap per sample; the logarithm is taken only when asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meter {
    /// Mean square [sample²].
    power: f32,
}

impl Meter {
    /// One period of sound. `weight` is the share of the new period in the mean, 0 to 1.
    pub fn feed(&mut self, samples: &[i16], weight: f32) {
        self.power += (mean_square(samples) - self.power) * weight;
    }

    /// [dBov]: 0 is a full-scale square wave, -127 silence (RFC 6464's floor).
    pub fn dbov(&self) -> f32 {
        dbov(self.power)
    }
}

/// Mean square of the samples [sample²].
pub fn mean_square(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: i64 = samples.iter().map(|&s| i64::from(i32::from(s) * i32::from(s))).sum();
    sum as f32 / samples.len() as f32
}

/// Mean square to dBov, -127 at least.
pub fn dbov(mean_square: f32) -> f32 {
    (10.0 * (mean_square.max(1e-6) / (32_768.0 * 32_768.0)).log10()).max(-127.0)
}

/// A gain that moves to its target within one period, straight: no step, no click.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    now: f32,
    target: f32,
}

impl Ramp {
    /// At rest at `gain` (1.0 is unchanged).
    pub fn new(gain: f32) -> Self {
        Self { now: gain, target: gain }
    }

    /// Where the next period goes to.
    pub fn set(&mut self, gain: f32) {
        self.target = gain;
    }

    /// True if it is zero and stays so: the period may be skipped.
    pub fn silent(&self) -> bool {
        self.now == 0.0 && self.target == 0.0
    }

    /// Adds `samples`, scaled, to `sum`, and arrives at the target.
    pub fn mix(&mut self, samples: &[i16], sum: &mut [i32]) {
        if self.now == 1.0 && self.target == 1.0 {
            for (sum, &sample) in sum.iter_mut().zip(samples) {
                *sum += i32::from(sample);
            }
            return;
        }
        let step = (self.target - self.now) / samples.len().max(1) as f32;
        for (sum, &sample) in sum.iter_mut().zip(samples) {
            self.now += step;
            *sum += (f32::from(sample) * self.now) as i32;
        }
        self.now = self.target;
    }

    /// Scales in place, and arrives at the target.
    pub fn apply(&mut self, samples: &mut [i32]) {
        if self.now == 1.0 && self.target == 1.0 {
            return;
        }
        let step = (self.target - self.now) / samples.len().max(1) as f32;
        for sample in samples.iter_mut() {
            self.now += step;
            *sample = (*sample as f32 * self.now) as i32;
        }
        self.now = self.target;
    }
}

/// Sums to samples, clipped.
pub fn saturate(sum: &[i32], out: &mut [i16]) {
    for (out, &sum) in out.iter_mut().zip(sum) {
        *out = sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_change_has_no_step_larger_than_its_slope() {
        let mut ramp = Ramp::new(1.0);
        ramp.set(0.0);
        let mut sum = [0i32; 80];
        ramp.mix(&[8000; 80], &mut sum);
        assert!(sum.windows(2).all(|w| (w[0] - w[1]).abs() <= 101));
        assert!(ramp.silent() && sum[79].abs() <= 1);
    }

    #[test]
    fn a_full_scale_square_is_0_dbov_and_silence_minus_127() {
        assert!(dbov(mean_square(&[-32768; 160])).abs() < 0.01);
        assert_eq!(dbov(mean_square(&[0; 160])), -127.0);
        let mut meter = Meter::default();
        for _ in 0..100 {
            meter.feed(&[3277; 80], 0.05);
        }
        assert!((meter.dbov() + 20.0).abs() < 0.2);
    }

    #[test]
    fn a_mix_that_is_too_loud_clips_and_does_not_wrap() {
        let mut out = [0; 2];
        saturate(&[40_000, -40_000], &mut out);
        assert_eq!(out, [i16::MAX, i16::MIN]);
    }
}
