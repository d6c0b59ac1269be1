//! Who hears whom: streams, microphone, earpiece and tones are ports, and this is the table of gains between them.
//!
//! Hold, mute, three-way calls and echo tests are entries here, not modes of the engine. Every gain is a [`Ramp`], so nothing
//! clicks when it changes. What a stream is sent never contains its own sound (N-1) unless its loop is closed. There is no
//! side tone: the microphone is not mixed into the ear.
use crate::level::{Ramp, saturate};
use crate::tone::Tone;

/// A tone at a port: while one leaves softly the next one waits.
#[derive(Debug)]
pub(crate) struct TonePort {
    tone: Option<Box<Tone>>,
    next: Option<Box<Tone>>,
    gain: Ramp,
}

impl TonePort {
    pub(crate) fn new() -> Self {
        Self { tone: None, next: None, gain: Ramp::new(1.0) }
    }

    /// Plays `tone` from its beginning (`None`: silence); answers a tone that is not needed any more.
    pub(crate) fn set(&mut self, rate: u32, mut tone: Option<Box<Tone>>) -> Option<Box<Tone>> {
        if let Some(tone) = &mut tone {
            tone.reset(rate);
        }
        if self.tone.is_none() {
            self.tone = tone;
            return None;
        }
        self.gain.set(0.0);
        std::mem::replace(&mut self.next, tone)
    }

    /// True if nothing sounds.
    pub(crate) fn idle(&self) -> bool {
        self.tone.is_none()
    }

    /// Adds a period of the tone to `sum`; `work` is one period long. Answers the tone when it is done with, and whether it
    /// ended by itself.
    pub(crate) fn mix(&mut self, work: &mut [i16], sum: &mut [i32]) -> Option<(Box<Tone>, bool)> {
        let tone = self.tone.as_mut()?;
        let ended = tone.fill(work);
        self.gain.mix(work, sum);
        if !ended && !self.gain.silent() {
            return None;
        }
        let by_itself = ended && !self.gain.silent();
        self.gain = Ramp::new(1.0);
        std::mem::replace(&mut self.tone, self.next.take()).map(|tone| (tone, by_itself))
    }

    /// All that is in it, to be given back.
    pub(crate) fn clear(&mut self) -> [Option<Box<Tone>>; 2] {
        [self.tone.take(), self.next.take()]
    }
}

/// Direct connections between streams, by their places in the engine's table.
#[derive(Debug)]
pub(crate) struct Bridges {
    gains: Box<[Ramp]>,
    places: usize,
    /// Gains that are not at rest at zero.
    connected: usize,
}

impl Bridges {
    pub(crate) fn new(places: usize) -> Self {
        Self { gains: vec![Ramp::new(0.0); places * places].into_boxed_slice(), places, connected: 0 }
    }

    /// Connects or separates; `a == b` is the loop of an echo test.
    pub(crate) fn set(&mut self, a: usize, b: usize, connect: bool) {
        for index in [a * self.places + b, b * self.places + a] {
            if let Some(gain) = self.gains.get_mut(index) {
                gain.set(if connect { 1.0 } else { 0.0 });
            }
        }
        self.recount();
    }

    /// Forgets all connections of a place at once (its stream is gone).
    pub(crate) fn clear(&mut self, place: usize) {
        for other in 0..self.places {
            for index in [place * self.places + other, other * self.places + place] {
                if let Some(gain) = self.gains.get_mut(index) {
                    *gain = Ramp::new(0.0);
                }
            }
        }
        self.recount();
    }

    /// True if nobody is connected: mixing may be skipped.
    pub(crate) fn none(&self) -> bool {
        self.connected == 0
    }

    /// Adds to `sum` what `place` hears of `from`.
    pub(crate) fn mix(&mut self, from: usize, place: usize, sound: &[i16], sum: &mut [i32]) {
        if let Some(gain) = self.gains.get_mut(from * self.places + place)
            && !gain.silent()
        {
            gain.mix(sound, sum);
            if gain.silent() {
                self.recount();
            }
        }
    }

    fn recount(&mut self) {
        self.connected = self.gains.iter().filter(|gain| !gain.silent()).count();
    }
}

/// `captured` through a gain, to samples. A closed and settled microphone costs nothing.
pub(crate) fn through(gain: &mut Ramp, captured: &[i16], sum: &mut [i32], into: &mut [i16]) {
    if gain.silent() {
        into.fill(0);
        return;
    }
    sum.fill(0);
    gain.mix(captured, sum);
    saturate(sum, into);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_leaves_softly_and_comes_back_to_be_freed() {
        let mut port = TonePort::new();
        let (mut work, mut sum) = ([0i16; 80], [0i32; 80]);
        assert!(port.set(8000, Some(Box::new(Tone::parse("periodic(sine(1000ms,2500,425Hz))").unwrap()))).is_none());
        for _ in 0..5 {
            sum.fill(0);
            assert!(port.mix(&mut work, &mut sum).is_none());
        }
        assert!(port.set(8000, None).is_none());
        sum.fill(0);
        let (_, by_itself) = port.mix(&mut work, &mut sum).unwrap();
        assert!(!by_itself && port.idle());
        assert!(sum[79].abs() < 50 && sum.windows(2).all(|w| (w[0] - w[1]).abs() < 1200));
    }

    #[test]
    fn bridges_are_symmetric_and_end_with_their_stream() {
        let mut bridges = Bridges::new(3);
        bridges.set(0, 2, true);
        let mut sum = [0i32; 10];
        bridges.mix(2, 0, &[100; 10], &mut sum);
        bridges.mix(2, 0, &[100; 10], &mut sum);
        assert_eq!(sum[9], 200);
        bridges.clear(2);
        assert!(bridges.none());
    }
}
