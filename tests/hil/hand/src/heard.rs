//! The last minute of sound, with the time of every sample.

use crate::clock::MS;
use crate::signal;
use std::collections::VecDeque;

/// What is remembered [s].
const REMEMBERED: usize = 60;
/// Pieces that lie further apart than this have lost something in between [ns].
const TORN: i64 = 15 * MS;

/// Pieces of sound as they came.
#[derive(Debug)]
pub(crate) struct Heard {
    rate: u32,
    pieces: VecDeque<Piece>,
    samples: usize,
}

#[derive(Debug)]
struct Piece {
    /// when its first sample was taken [ns]
    at: i64,
    samples: Vec<i16>,
}

/// A stretch of it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Stretch {
    pub(crate) samples: Vec<i16>,
    /// where in `samples` a piece begins, and when that was
    marks: Vec<(usize, i64)>,
    /// samples lost between them
    pub(crate) missing: u64,
    rate: u32,
}

impl Heard {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate, pieces: VecDeque::new(), samples: 0 }
    }

    /// More was heard.
    pub(crate) fn push(&mut self, at: i64, samples: &[i16]) {
        self.pieces.push_back(Piece { at, samples: samples.to_vec() });
        self.samples += samples.len();
        while self.samples > REMEMBERED * self.rate as usize
            && let Some(oldest) = self.pieces.pop_front()
        {
            self.samples -= oldest.samples.len();
        }
    }

    /// How far it has been heard [ns].
    pub(crate) fn until(&self) -> Option<i64> {
        self.pieces.back().map(|piece| piece.at + length(piece.samples.len(), self.rate))
    }

    /// What was heard from `from` to `until`.
    pub(crate) fn stretch(&self, from: i64, until: i64) -> Stretch {
        let mut stretch = Stretch { rate: self.rate, ..Stretch::default() };
        let mut end: Option<i64> = None;
        let begin = self.pieces.partition_point(|piece| piece.at + length(piece.samples.len(), self.rate) <= from);
        for piece in self.pieces.iter().skip(begin).take_while(|piece| piece.at < until) {
            let index = |time: i64| {
                usize::try_from(i128::from((time - piece.at).max(0)) * i128::from(self.rate) / 1_000_000_000)
                    .unwrap_or(0)
            };
            let (first, last) = (index(from), index(until).min(piece.samples.len()));
            let Some(samples) = piece.samples.get(first..last) else { continue };
            if let Some(end) = end.filter(|end| piece.at - end > TORN) {
                stretch.missing +=
                    u64::try_from(i128::from(piece.at - end) * i128::from(self.rate) / 1_000_000_000).unwrap_or(0);
            }
            end = Some(piece.at + length(piece.samples.len(), self.rate));
            stretch.marks.push((stretch.samples.len(), piece.at + length(first, self.rate)));
            stretch.samples.extend_from_slice(samples);
        }
        stretch
    }
}

impl Stretch {
    /// When this sample was taken [ns].
    pub(crate) fn time_of(&self, index: usize) -> Option<i64> {
        let mark = self.marks.iter().rev().find(|mark| mark.0 <= index)?;
        Some(mark.1 + length(index - mark.0, self.rate))
    }

    /// Since when a tone stands `clear` dB above all else and louder than `least` dB, for at least `length` [ns].
    pub(crate) fn tone(&self, hz: &[f64], clear: f64, least: f64, length: i64) -> Option<i64> {
        let samples =
            |ns: i64| usize::try_from(i128::from(ns) * i128::from(self.rate) / 1_000_000_000).unwrap_or(usize::MAX);
        // 50 ms tell a tone from its neighbours; four looks in that time find its edge.
        let (window, hop) = (samples(50 * MS), samples(10 * MS).max(1));
        let mut since = None;
        for at in (0..(self.samples.len() + 1).saturating_sub(window)).step_by(hop) {
            let piece = self.samples.get(at..at + window)?;
            let there = signal::tones(piece, self.rate, hz).iter().all(|tone| tone.clear >= clear && tone.db >= least);
            match since {
                None if there => since = Some(at),
                Some(_) if !there => since = None,
                _ => {}
            }
            if let Some(begin) = since
                && at + window - begin >= samples(length)
            {
                // The first window that is clear may begin with the silence before the tone.
                let first = signal::first_sound(self.samples.get(begin..begin + window)?, least - 6.0).unwrap_or(0);
                return self.time_of(begin + first);
            }
        }
        None
    }
}

/// So many samples [ns].
fn length(samples: usize, rate: u32) -> i64 {
    i64::try_from(samples as i128 * 1_000_000_000 / i128::from(rate.max(1))).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RATE: u32 = 16_000;

    fn sine(hz: f64, count: usize) -> Vec<i16> {
        (0..count).map(|i| (6000.0 * (std::f64::consts::TAU * hz * i as f64 / f64::from(RATE)).sin()) as i16).collect()
    }

    fn heard(samples: &[i16], from: i64) -> Heard {
        let mut heard = Heard::new(RATE);
        for (number, piece) in samples.chunks(160).enumerate() {
            heard.push(from + number as i64 * 10 * MS, piece);
        }
        heard
    }

    #[test]
    fn a_stretch_is_cut_to_the_sample_and_knows_its_times() {
        let samples: Vec<i16> = (0..1600).collect();
        let stretch = heard(&samples, 1000 * MS).stretch(1025 * MS, 1050 * MS);
        assert_eq!(stretch.samples, (400..800).collect::<Vec<i16>>());
        assert_eq!(stretch.time_of(0), Some(1025 * MS));
        assert_eq!(stretch.time_of(399), Some(1025 * MS + length(399, RATE)));
        assert_eq!(stretch.missing, 0);
        assert_eq!(heard(&samples, 0).stretch(500 * MS, 600 * MS).samples, [0; 0]);
    }

    #[test]
    fn what_was_lost_is_counted() {
        let mut heard = Heard::new(RATE);
        heard.push(0, &[1; 160]);
        heard.push(110 * MS, &[1; 160]);
        let stretch = heard.stretch(0, 1000 * MS);
        assert_eq!((stretch.samples.len(), stretch.missing), (320, 1600));
        assert_eq!(stretch.time_of(160), Some(110 * MS));
    }

    #[test]
    fn a_minute_is_remembered() {
        let mut heard = Heard::new(RATE);
        for second in 0..100 {
            heard.push(second * 1000 * MS, &[0; RATE as usize]);
        }
        let stretch = heard.stretch(0, i64::MAX);
        assert_eq!(stretch.samples.len(), 60 * RATE as usize);
        assert_eq!(heard.until(), Some(100_000 * MS));
    }

    #[test]
    fn the_beginning_of_a_tone_is_found() {
        let mut samples = vec![0; 4803];
        samples.extend(sine(425.0, 8000));
        samples.extend(sine(1000.0, 8000));
        let stretch = heard(&samples, 0).stretch(0, i64::MAX);
        let at = stretch.tone(&[425.0], 10.0, -45.0, 200 * MS).unwrap();
        assert!((at - 300 * MS).abs() < 2 * MS, "{at}");
        let next = stretch.tone(&[1000.0], 10.0, -45.0, 200 * MS).unwrap();
        assert!((next - 800 * MS).abs() < 50 * MS, "{next}");
        assert_eq!(stretch.tone(&[700.0], 10.0, -45.0, 200 * MS), None);
        assert_eq!(stretch.tone(&[425.0], 10.0, -45.0, 600 * MS), None, "it lasts half a second");
    }
}
