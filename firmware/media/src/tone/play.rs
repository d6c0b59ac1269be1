//! The sound of a tone: a tree whose leaves are sines, silences and sound files, each knowing how far it is.
//!
//! Every node adds its samples to a sum and answers how many it had; fewer than asked for means it has ended there and stands
//! at its beginning again. Phases are whole numbers, so nothing drifts in hours of play; where a rate gives a segment a
//! broken number of samples, the rest is carried to its next turn.
use super::Sound;
use std::f64::consts::{PI, TAU};

/// [samples] summed at a time
pub(super) const BLOCK: usize = 160;

/// [ms] in which a sine fades in and out
const FADE: u64 = 3;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Wave(Wave),
    Clip(Clip),
    /// One after the other, perhaps for ever.
    Chain {
        list: Vec<Self>,
        repeat: bool,
        current: usize,
    },
    /// All at once; with each, whether it has ended.
    Together(Vec<(Self, bool)>),
}

impl Node {
    pub(super) fn nothing() -> Self {
        Self::chain(Vec::new(), false)
    }

    pub(super) fn chain(list: Vec<Self>, repeat: bool) -> Self {
        Self::Chain { list, repeat, current: 0 }
    }

    pub(super) fn together(list: Vec<Self>) -> Self {
        Self::Together(list.into_iter().map(|node| (node, false)).collect())
    }

    /// Sines and files at the same time, at most.
    pub(super) fn voices(&self) -> usize {
        match self {
            Self::Wave(wave) => wave.voices.len(),
            Self::Clip(_) => 1,
            Self::Chain { list, .. } => list.iter().map(Self::voices).max().unwrap_or(0),
            Self::Together(list) => list.iter().map(|(node, _)| node.voices()).sum(),
        }
    }

    /// Length [µs]; `u64::MAX` if endless.
    pub(super) fn micros(&self) -> u64 {
        match self {
            Self::Wave(wave) => wave.micros.unwrap_or(u64::MAX),
            Self::Clip(clip) => clip.sound.samples().len() as u64 * 1_000_000 / u64::from(clip.sound.rate()),
            Self::Chain { repeat: true, .. } => u64::MAX,
            Self::Chain { list, .. } => list.iter().map(Self::micros).fold(0, u64::saturating_add),
            Self::Together(list) => list.iter().map(|(node, _)| node.micros()).max().unwrap_or(0),
        }
    }

    pub(super) fn endless(&self) -> bool {
        self.micros() == u64::MAX
    }

    pub(super) fn reset(&mut self) {
        match self {
            Self::Wave(wave) => {
                wave.running = false;
                wave.carry = 0;
            }
            Self::Clip(clip) => clip.position = 0,
            Self::Chain { list, current, .. } => {
                *current = 0;
                list.iter_mut().for_each(Self::reset);
            }
            Self::Together(list) => {
                for (node, ended) in list {
                    node.reset();
                    *ended = false;
                }
            }
        }
    }

    /// Adds the next samples at `rate` [Hz] to `sum`; answers how many there were.
    pub(super) fn mix(&mut self, rate: u32, sum: &mut [i32]) -> usize {
        match self {
            Self::Wave(wave) => wave.mix(rate, sum),
            Self::Clip(clip) => clip.mix(rate, sum),
            Self::Chain { list, repeat, current } => {
                let mut done = 0;
                loop {
                    let Some(node) = list.get_mut(*current) else {
                        *current = 0;
                        if *repeat {
                            continue;
                        }
                        return done;
                    };
                    done += node.mix(rate, sum.get_mut(done..).unwrap_or_default());
                    if done >= sum.len() {
                        return done;
                    }
                    *current += 1;
                }
            }
            Self::Together(list) => {
                let mut longest = 0;
                for (node, ended) in list.iter_mut().filter(|(_, ended)| !ended) {
                    let done = node.mix(rate, sum);
                    *ended = done < sum.len();
                    longest = longest.max(done);
                }
                if longest < sum.len() {
                    list.iter_mut().for_each(|(_, ended)| *ended = false);
                }
                longest
            }
        }
    }
}

/// Sines of one length and amplitude; silence if there are none.
#[derive(Debug, Clone)]
pub(super) struct Wave {
    /// length [µs]; none: endless
    micros: Option<u64>,
    peak: f64,
    voices: Vec<Voice>,
    running: bool,
    /// [samples]
    length: u64,
    /// [samples]
    position: u64,
    /// [samples] of a fade
    fade: u64,
    /// what was cut off the length so far [millionths of a sample]
    carry: u64,
}

#[derive(Debug, Clone)]
struct Voice {
    hz: f64,
    /// in 2 to the power of -64 of a turn
    phase: u64,
    /// for one sample
    step: u64,
}

impl Wave {
    pub(super) fn new(micros: Option<u64>, peak: f64, frequencies: &[f64]) -> Self {
        let voices = frequencies.iter().map(|&hz| Voice { hz, phase: 0, step: 0 }).collect();
        Self { micros, peak, voices, running: false, length: 0, position: 0, fade: 0, carry: 0 }
    }

    pub(super) fn sounds(&self) -> bool {
        !self.voices.is_empty()
    }

    /// Makes it endless.
    pub(super) fn go_on(&mut self) {
        self.micros = None;
    }

    fn start(&mut self, rate: u32) {
        let rate = u64::from(rate);
        self.running = true;
        self.position = 0;
        self.length = match self.micros {
            Some(micros) => {
                let exact = micros * rate + self.carry;
                self.carry = exact % 1_000_000;
                exact / 1_000_000
            }
            None => u64::MAX,
        };
        self.fade = (rate * FADE / 1000).min(self.length / 2);
        for voice in &mut self.voices {
            voice.phase = 0;
            // a frequency that the rate cannot carry would come out as another one: leave it out
            let part = voice.hz / rate as f64;
            voice.step = if part < 0.5 { (part * 2f64.powi(64)) as u64 } else { 0 };
        }
    }

    fn mix(&mut self, rate: u32, sum: &mut [i32]) -> usize {
        if !self.running {
            self.start(rate);
        }
        let left = usize::try_from(self.length - self.position).unwrap_or(usize::MAX);
        let count = left.min(sum.len());
        if self.sounds() {
            for (place, sample) in (self.position..).zip(sum.iter_mut().take(count)) {
                let mut value = 0.0;
                for voice in &mut self.voices {
                    value += (voice.phase as f64 * (TAU / 2f64.powi(64))).sin();
                    voice.phase = voice.phase.wrapping_add(voice.step);
                }
                let edge = place.min(self.length - 1 - place);
                if edge < self.fade {
                    value *= 0.5 - 0.5 * (PI * (edge as f64 + 0.5) / self.fade as f64).cos();
                }
                *sample += (value * self.peak).round() as i32;
            }
        }
        self.position += count as u64;
        if count < sum.len() {
            self.running = false;
        }
        count
    }
}

/// A sound file, once from its beginning to its end.
#[derive(Debug, Clone)]
pub(super) struct Clip {
    sound: Sound,
    /// [samples] of the rate it is played at
    position: u64,
}

impl Clip {
    pub(super) fn new(sound: Sound) -> Self {
        Self { sound, position: 0 }
    }

    /// The file was brought to the engine's rate when it was read. Should it be played at another one, a straight line between
    /// two samples has to do.
    fn mix(&mut self, rate: u32, sum: &mut [i32]) -> usize {
        let (own, rate) = (u64::from(self.sound.rate()), u64::from(rate));
        let samples = self.sound.samples();
        // rounded up: a file is never nothing, or a period of files would go round without getting on
        let length = (samples.len() as u64 * rate).div_ceil(own);
        let left = usize::try_from(length.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let count = left.min(sum.len());
        for (place, mixed) in (self.position..).zip(sum.iter_mut().take(count)) {
            let (at, part) = (place * own / rate, place * own % rate);
            let here = sample(samples, at);
            *mixed += match part {
                0 => here,
                _ => here + ((sample(samples, at + 1) - here) as i64 * part as i64 / rate as i64) as i32,
            };
        }
        self.position += count as u64;
        if count < sum.len() {
            self.position = 0;
        }
        count
    }
}

fn sample(samples: &[i16], at: u64) -> i32 {
    usize::try_from(at).ok().and_then(|at| samples.get(at)).copied().map_or(0, i32::from)
}
