//! The tone notation of the Account XML (`axml.tones.01` to `.05`): `periodic(sine(500ms,2000,400Hz),silence(500ms))`.
//!
//! A [`Tone`] is a parsed expression together with the place where it is being played: `reset` it to the device's rate, then
//! `fill` period after period; filling never allocates. [`parse`] reads the notation, [`play`] makes the sound. Decisions where
//! the notation leaves room:
//!
//! - Several frequencies in one `sine` each have the full amplitude, as if written with `compound`.
//! - A negative amplitude is a level in dBm0, a sine of full scale being +3.14 dBm0 (G.711 A-law), for each frequency.
//! - Expressions joined by commas outside any operator are played once, one after the other.
//! - `periodic` of a single `sine` is a tone without a break. All other sines fade in and out within 3 ms, inside their time.
//! - `wav("file")` plays a sound file that the caller has read ([`Sound`]), once, as loud as it is. The notation has no other
//!   way to files: [`Tone::parse`] alone knows none.

mod parse;
mod play;
pub mod wav;

use crate::telephone_event::Digit;
use play::Node;
pub use wav::{Sound, SoundError};

/// Before the other side rings (`axml.tones.06`).
pub const TRYING: &str = "periodic(sine(50ms,500,440Hz),silence(40ms))";
/// The other side rings (`axml.tones.07`).
pub const RINGING: &str = "periodic(sine(2000ms,2500,440Hz),silence(4000ms))";
/// The other side hung up (`axml.tones.08`).
pub const END_CALL: &str = "periodic(sine(300ms,1000,400Hz),silence(400ms),sine(300ms,1000,400Hz),silence(400ms),\
    sine(300ms,1000,400Hz),silence(700000ms))";
/// The other side is busy (`axml.tones.09`).
pub const BUSY: &str = "periodic(sine(500ms,2000,400Hz),silence(500ms))";
/// A second call waits (`axml.tones.10`).
pub const CALL_WAITING: &str = "periodic(silence(1000ms),sine(300ms,7500,440Hz),silence(9000ms))";
/// Keys for an encrypted call are agreed on (`axml.tones.11`).
pub const ZRTP_HANDSHAKE: &str = "periodic(sine(50ms,500,400Hz,450Hz),silence(80ms))";
/// The line is ready; 425 Hz without a break (ITU-T E.180).
pub const DIAL: &str = "periodic(sine(1000ms,2500,425Hz))";
/// The line is ready and messages wait: ten short bursts, then as [`DIAL`].
pub const STUTTER_DIAL: &str = "sine(100ms,2500,425Hz),silence(100ms),sine(100ms,2500,425Hz),silence(100ms),\
    sine(100ms,2500,425Hz),silence(100ms),sine(100ms,2500,425Hz),silence(100ms),sine(100ms,2500,425Hz),silence(100ms),\
    sine(100ms,2500,425Hz),silence(100ms),sine(100ms,2500,425Hz),silence(100ms),sine(100ms,2500,425Hz),silence(100ms),\
    sine(100ms,2500,425Hz),silence(100ms),sine(100ms,2500,425Hz),silence(100ms),periodic(sine(1000ms,2500,425Hz))";
/// The call cannot be made: busy at twice the pace.
pub const CONGESTION: &str = "periodic(sine(250ms,2000,425Hz),silence(250ms))";
/// The number does not exist: the special information tone of ITU-T E.180.
pub const SPECIAL_INFORMATION: &str =
    "periodic(sine(330ms,2500,950Hz),sine(330ms,2500,1400Hz),sine(330ms,2500,1800Hz),silence(1000ms))";
/// The handset was forgotten off the hook: four frequencies, loud.
pub const HOWLER: &str = "periodic(sine(100ms,6000,1400Hz,2060Hz,2450Hz,2600Hz),silence(100ms))";

/// A parsed expression, ready to play; playing never allocates.
///
/// Two tones are equal if they were written alike, however far each has been played.
#[derive(Debug, Clone)]
pub struct Tone {
    expression: String,
    root: Node,
    rate: u32,
    ended: bool,
}

impl PartialEq for Tone {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression
    }
}

/// Why an expression cannot be played. What works: keep the default tone and report this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToneError {
    /// octet offset in the expression
    pub at: usize,
    /// in words, for whoever wrote the expression
    pub reason: String,
    /// The notation has it, we cannot do it yet. Nothing is left of that kind; callers may ignore it.
    pub not_yet: bool,
}

impl std::fmt::Display for ToneError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {}: {}", self.at, self.reason)
    }
}

impl std::error::Error for ToneError {}

impl Tone {
    /// Reads an expression of at most 4096 octets, nested at most 8 deep. Names may be large or small, spaces may stand
    /// anywhere between words, letters after numbers are ignored. There are no sound files.
    ///
    /// # Errors
    /// With the place and the reason.
    pub fn parse(expression: &str) -> Result<Self, ToneError> {
        Self::parse_with(expression, &|_| None)
    }

    /// As [`Tone::parse`]; `files` answers what stands in the quotes of `wav("file")`: the sound, or why it is none, or
    /// nothing if there is no such file.
    ///
    /// # Errors
    /// With the place and the reason; a missing file is named.
    pub fn parse_with(
        expression: &str,
        files: &dyn Fn(&str) -> Option<Result<Sound, SoundError>>,
    ) -> Result<Self, ToneError> {
        let root = parse::parse(expression, files)?;
        Ok(Self { expression: expression.to_owned(), root, rate: 8000, ended: false })
    }

    /// Dual tone of a digit for the ear (key feedback), 100 ms; quieter than what goes to the line.
    pub fn digit(digit: Digit) -> Self {
        let (low, high) = digit.frequencies();
        Self::built(format!("sine(100ms,1600,{low}Hz,{high}Hz)"))
    }

    /// The ringer's sound, for boards without a bell. Even numbers ring long (1 s in 5, a call from outside), odd ones twice
    /// short (an internal call); the pitch goes with half the number, in four steps.
    pub fn ringer(number: u8) -> Self {
        // pairs of a musical third, high enough for a small loudspeaker
        let (low, high) = match number / 2 % 4 {
            0 => (784, 988),
            1 => (659, 831),
            2 => (880, 1109),
            _ => (988, 1245),
        };
        let warble = |pairs: usize| {
            let pair = format!("sine(50ms,8000,{low}Hz),sine(50ms,8000,{high}Hz)");
            vec![pair; pairs].join(",")
        };
        Self::built(if number.is_multiple_of(2) {
            format!("periodic({},silence(4000ms))", warble(10))
        } else {
            format!("periodic({0},silence(200ms),{0},silence(3000ms))", warble(4))
        })
    }

    /// As it was written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// True if it never ends by itself.
    pub fn endless(&self) -> bool {
        self.root.endless()
    }

    /// Back to the beginning, at `rate` [Hz]. A new tone stands at its beginning at 8000 Hz.
    pub fn reset(&mut self, rate: u32) {
        self.rate = rate.clamp(8000, 192_000);
        self.root.reset();
        self.ended = false;
    }

    /// The next samples; `into` is overwritten, silence after the end. True once the tone has ended.
    pub fn fill(&mut self, into: &mut [i16]) -> bool {
        for block in into.chunks_mut(play::BLOCK) {
            let mut sum = [0i32; play::BLOCK];
            if let (false, Some(part)) = (self.ended, sum.get_mut(..block.len())) {
                self.ended = self.root.mix(self.rate, part) < part.len();
            }
            for (sample, sum) in block.iter_mut().zip(sum) {
                *sample = sum.clamp(-32768, 32767) as i16;
            }
        }
        self.ended
    }

    /// An expression of our own making; were it wrong, silence.
    fn built(expression: String) -> Self {
        let root = parse::parse(&expression, &|_| None).unwrap_or_else(|_| Node::nothing());
        Self { expression, root, rate: 8000, ended: false }
    }
}

#[cfg(test)]
mod tests;
