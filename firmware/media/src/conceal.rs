//! What to play when a packet is missing, for codecs that do not know it themselves: the last pitch period again and
//! again, fading (after the idea of ITU-T G.711 Appendix I, without its output delay), silence from 60 ms on, and a soft
//! join with the first real samples.

/// Remembered past [ms].
const HISTORY_MS: usize = 48;
/// Pitch periods looked for [Hz]: 400 down to 66.
const PITCH_MIN_DIVISOR: usize = 400;
const PITCH_MAX_DIVISOR: usize = 66;
/// The repetition is unfaded this long [ms] ...
const FULL_MS: usize = 10;
/// ... and silent from here on [ms].
const SILENT_MS: usize = 60;
/// Length of the join with the first good samples [ms].
const JOIN_MS: usize = 5;

/// The memory of one decoder's output.
#[derive(Debug)]
pub struct Concealer {
    rate: usize,
    /// Newest last.
    history: Box<[i16]>,
    /// The repeated period, its end blended into its beginning.
    cycle: Box<[i16]>,
    /// Length of the period in use, 0 while nothing is concealed.
    period: usize,
    /// Samples concealed since the last good one.
    concealed: usize,
}

impl Concealer {
    /// For sound at `rate` [Hz].
    pub fn new(rate: u32) -> Self {
        let rate = rate as usize;
        Self {
            rate,
            history: vec![0; rate * HISTORY_MS / 1000].into_boxed_slice(),
            cycle: vec![0; rate / PITCH_MAX_DIVISOR + 1].into_boxed_slice(),
            period: 0,
            concealed: 0,
        }
    }

    /// Good sound: joined to what was concealed, then remembered.
    pub fn good(&mut self, samples: &mut [i16]) {
        if self.concealed > 0 {
            let join = (self.rate * JOIN_MS / 1000).min(samples.len());
            for (n, sample) in samples.iter_mut().take(join).enumerate() {
                let old = self.synthetic(self.concealed + n);
                let weight = (n + 1) as f32 / (join + 1) as f32;
                *sample = (f32::from(*sample) * weight + old * (1.0 - weight)) as i16;
            }
            self.concealed = 0;
            self.period = 0;
        }
        self.remember(samples);
    }

    /// Fills `into`. Call again for as long as nothing comes: it fades by itself.
    pub fn conceal(&mut self, into: &mut [i16]) {
        if self.concealed == 0 {
            self.begin();
        }
        for (n, sample) in into.iter_mut().enumerate() {
            *sample = self.synthetic(self.concealed + n) as i16;
        }
        self.concealed += into.len();
    }

    /// True once concealment has faded to silence.
    pub fn faded(&self) -> bool {
        self.concealed >= self.rate * SILENT_MS / 1000
    }

    /// Forgets everything (a new source).
    pub fn reset(&mut self) {
        self.history.fill(0);
        self.period = 0;
        self.concealed = 0;
    }

    fn remember(&mut self, samples: &[i16]) {
        let length = self.history.len();
        if samples.len() >= length {
            self.history.copy_from_slice(&samples[samples.len() - length..]);
        } else {
            self.history.copy_within(samples.len().., 0);
            self.history[length - samples.len()..].copy_from_slice(samples);
        }
    }

    /// The sample `at` samples after the last good one.
    fn synthetic(&self, at: usize) -> f32 {
        if self.period == 0 {
            return 0.0;
        }
        let (full, silent) = (self.rate * FULL_MS / 1000, self.rate * SILENT_MS / 1000);
        let gain = match at {
            at if at < full => 1.0,
            at if at < silent => (silent - at) as f32 / (silent - full) as f32,
            _ => return 0.0,
        };
        f32::from(self.cycle[at % self.period]) * gain
    }

    /// Finds the pitch and makes the cycle.
    fn begin(&mut self) {
        let period = pitch(&self.history, self.rate / PITCH_MIN_DIVISOR, self.cycle.len() - 1);
        let end = self.history.len();
        self.cycle[..period].copy_from_slice(&self.history[end - period..]);
        // Blend the end of the cycle into what came before its beginning, so that going round is smooth.
        let blend = period / 4;
        for n in 0..blend {
            let weight = (n + 1) as f32 / (blend + 1) as f32;
            let before = f32::from(self.history[end - period - blend + n]);
            let slot = &mut self.cycle[period - blend + n];
            *slot = (f32::from(*slot) * (1.0 - weight) + before * weight) as i16;
        }
        self.period = period;
    }
}

/// The lag between `shortest` and `longest` [samples] at which the end of `signal` repeats best. Coarse search on every
/// fourth sample above 16 kHz, then fine.
pub(crate) fn pitch(signal: &[i16], shortest: usize, longest: usize) -> usize {
    let step = if longest > 400 { 4 } else { 1 };
    let mut best = (shortest, f32::MIN);
    let mut lag = shortest;
    while lag <= longest {
        let value = likeness(signal, lag, step);
        // A multiple of the true period is as good; prefer the shorter unless clearly worse.
        if value > best.1 + 0.01 {
            best = (lag, value);
        }
        lag += step;
    }
    if step > 1 {
        let (from, to) = (best.0.saturating_sub(step).max(shortest), (best.0 + step).min(longest));
        best.1 = f32::MIN;
        for lag in from..=to {
            let value = likeness(signal, lag, 1);
            if value > best.1 {
                best = (lag, value);
            }
        }
    }
    best.0
}

/// Normalised correlation of the end of `signal` with itself `lag` earlier: 1 if it repeats exactly.
fn likeness(signal: &[i16], lag: usize, step: usize) -> f32 {
    let window = signal.len().saturating_sub(lag).min(lag.max(signal.len() / 2));
    let (now, before) = (&signal[signal.len() - window..], &signal[signal.len() - window - lag..signal.len() - lag]);
    let (mut cross, mut a, mut b) = (0.0f32, 1.0f32, 1.0f32);
    for (&x, &y) in now.iter().step_by(step).zip(before.iter().step_by(step)) {
        let (x, y) = (f32::from(x), f32::from(y));
        cross += x * y;
        a += x * x;
        b += y * y;
    }
    cross / (a * b).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(rate: usize, from: usize, samples: usize) -> Vec<i16> {
        // Harmonics of 130 Hz: a vowel, roughly.
        (from..from + samples)
            .map(|n| {
                let t = n as f64 / rate as f64;
                (1..8)
                    .map(|h| (2.0 * std::f64::consts::PI * 130.0 * h as f64 * t).sin() * 3000.0 / h as f64)
                    .sum::<f64>() as i16
            })
            .collect()
    }

    fn error(a: &[i16], b: &[i16]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>()
    }

    #[test]
    fn a_lost_frame_of_voice_is_nearer_to_the_truth_than_silence() {
        for rate in [8000, 16000, 48000] {
            let mut concealer = Concealer::new(rate as u32);
            let frame = rate / 50;
            for n in 0..4 {
                concealer.good(&mut voice(rate, n * frame, frame));
            }
            let truth = voice(rate, 4 * frame, frame);
            let mut filled = vec![0; frame];
            concealer.conceal(&mut filled);
            let (ours, zero) = (error(&filled, &truth), error(&vec![0; frame], &truth));
            assert!(ours < zero / 5.0, "{rate}: {ours} {zero}");
        }
    }

    #[test]
    fn a_long_loss_fades_to_silence_within_60_ms_and_comes_back_without_a_click() {
        let mut concealer = Concealer::new(8000);
        for n in 0..4 {
            concealer.good(&mut voice(8000, n * 160, 160));
        }
        let mut filled = vec![0; 800];
        for frame in filled.chunks_mut(160) {
            concealer.conceal(frame);
        }
        assert!(concealer.faded());
        assert!(filled[480..].iter().all(|&s| s == 0));
        let mut back = vec![10_000; 160];
        concealer.good(&mut back);
        assert!(back[0] < 500 && back[159] == 10_000);
    }

    #[test]
    fn nothing_heard_yet_is_concealed_by_silence() {
        let mut filled = vec![5; 160];
        Concealer::new(8000).conceal(&mut filled);
        assert_eq!(filled, vec![0; 160]);
    }
}
