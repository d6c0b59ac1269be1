//! Reader of the tone notation: recursive descent with bounded depth, size and number of voices.
use super::play::{Clip, Node, Wave};
use super::{Sound, SoundError, ToneError};

/// [octets] of an expression
const LONGEST: usize = 4096;
const DEEPEST: usize = 8;
const MOST_SEGMENTS: usize = 256;
/// Sines at the same time: each costs the media thread some time per sample.
const MOST_VOICES: usize = 16;
/// [µs] a day
const LONGEST_SEGMENT: f64 = 86_400e6;
/// [Hz]
const HIGHEST: f64 = 20_000.0;
/// Level of a sine at full scale [dBm0], ITU-T G.711 A-law.
#[expect(clippy::approx_constant, reason = "decibels, no circle")]
const FULL_SCALE_DBM0: f64 = 3.14;

type Files<'a> = &'a dyn Fn(&str) -> Option<Result<Sound, SoundError>>;

pub(super) fn parse(expression: &str, files: Files<'_>) -> Result<Node, ToneError> {
    if expression.len() > LONGEST {
        return Err(error(LONGEST, format!("longer than {LONGEST} octets")));
    }
    let mut reader = Reader { text: expression.as_bytes(), at: 0, segments: 0, files };
    let mut list = vec![reader.tone(0)?];
    while reader.take(b',') {
        list.push(reader.tone(0)?);
    }
    reader.space();
    if reader.at < reader.text.len() {
        return Err(error(reader.at, "something follows the tone"));
    }
    Ok(match list.pop() {
        Some(only) if list.is_empty() => only,
        Some(last) => {
            list.push(last);
            Node::chain(list, false)
        }
        None => Node::nothing(),
    })
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    segments: usize,
    files: Files<'a>,
}

impl Reader<'_> {
    fn tone(&mut self, depth: usize) -> Result<Node, ToneError> {
        self.space();
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_') {
            self.at += 1;
        }
        let name = self.text.get(start..self.at).unwrap_or_default().to_ascii_lowercase();
        if name.is_empty() {
            return Err(error(start, "a tone is missing here"));
        }
        if depth >= DEEPEST {
            return Err(error(start, format!("nested deeper than {DEEPEST}")));
        }
        self.segments += 1;
        if self.segments > MOST_SEGMENTS {
            return Err(error(start, format!("more than {MOST_SEGMENTS} tones")));
        }
        let known = matches!(&name[..], b"sine" | b"silence" | b"wav" | b"periodic" | b"compound");
        if !known {
            let name = String::from_utf8_lossy(&name).into_owned();
            return Err(error(start, format!("no such tone: {name} (sine, silence, wav, periodic, compound)")));
        }
        self.expect(b'(')?;
        let node = match &name[..] {
            b"sine" => self.sine()?,
            b"silence" => Node::Wave(Wave::new(Some(self.duration()?), 0.0, &[])),
            b"wav" => self.wav(start)?,
            operator => self.operator(operator == b"periodic", start, depth)?,
        };
        self.expect(b')')?;
        if node.voices() > MOST_VOICES {
            return Err(error(start, format!("more than {MOST_VOICES} frequencies at the same time")));
        }
        Ok(node)
    }

    fn sine(&mut self) -> Result<Node, ToneError> {
        let duration = self.duration()?;
        self.expect(b',')?;
        let (at, amplitude) = self.number()?;
        let peak = if amplitude < 0.0 { 32767.0 * 10f64.powf((amplitude - FULL_SCALE_DBM0) / 20.0) } else { amplitude };
        if peak > 32767.0 {
            return Err(error(at, "the amplitude is above 32767"));
        }
        let mut frequencies = Vec::new();
        self.expect(b',')?;
        loop {
            let (at, hz) = self.number()?;
            if !(1.0..=HIGHEST).contains(&hz) {
                return Err(error(at, format!("the frequency is not between 1 and {HIGHEST} Hz")));
            }
            frequencies.push(hz);
            if frequencies.len() > MOST_VOICES {
                return Err(error(at, format!("more than {MOST_VOICES} frequencies at the same time")));
            }
            if !self.take(b',') {
                return Ok(Node::Wave(Wave::new(Some(duration), peak, &frequencies)));
            }
        }
    }

    fn operator(&mut self, periodic: bool, start: usize, depth: usize) -> Result<Node, ToneError> {
        let mut list = Vec::new();
        loop {
            list.push(self.tone(depth + 1)?);
            if !self.take(b',') {
                break;
            }
        }
        if !periodic {
            return Ok(Node::together(list));
        }
        // Shorter than a millisecond is a mistake; and going round must cost less than it plays.
        if list.iter().map(Node::micros).fold(0u64, u64::saturating_add) < 1000 {
            return Err(error(start, "a period shorter than 1 ms"));
        }
        if let [Node::Wave(only)] = &mut list[..]
            && only.sounds()
        {
            only.go_on();
        }
        Ok(Node::chain(list, true))
    }

    fn wav(&mut self, start: usize) -> Result<Node, ToneError> {
        if !self.take(b'"') {
            return Err(error(self.at, "a file name in quotes is missing"));
        }
        let from = self.at;
        while self.peek().is_some_and(|c| c != b'"') {
            self.at += 1;
        }
        let name = String::from_utf8_lossy(self.text.get(from..self.at).unwrap_or_default()).into_owned();
        self.expect(b'"')?;
        match (self.files)(&name) {
            Some(Ok(sound)) => Ok(Node::Clip(Clip::new(sound))),
            Some(Err(reason)) => Err(error(start, format!("the sound file {name:?} cannot be played: {reason}"))),
            None => Err(error(start, format!("there is no sound file {name:?}"))),
        }
    }

    /// [µs]
    fn duration(&mut self) -> Result<u64, ToneError> {
        let (at, number) = self.number()?;
        let micros = number * 1000.0;
        if !(0.0..=LONGEST_SEGMENT).contains(&micros) {
            return Err(error(at, "the duration is not between 0 and a day, in milliseconds"));
        }
        Ok(micros.round() as u64)
    }

    /// A decimal number and where it began; what follows up to the next comma or bracket is its unit and ignored.
    fn number(&mut self) -> Result<(usize, f64), ToneError> {
        self.space();
        let start = self.at;
        if matches!(self.peek(), Some(b'-' | b'+')) {
            self.at += 1;
        }
        while self.peek().is_some_and(|c| c.is_ascii_digit() || c == b'.') {
            self.at += 1;
        }
        let text = self.text.get(start..self.at).and_then(|text| std::str::from_utf8(text).ok());
        let Some(number) = text.and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite()) else {
            return Err(error(start, "a number is missing here"));
        };
        while self.peek().is_some_and(|c| !matches!(c, b',' | b'(' | b')' | b'"')) {
            self.at += 1;
        }
        Ok((start, number))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|c| c.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        self.space();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: u8) -> Result<(), ToneError> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(error(self.at, format!("{:?} is missing here", char::from(wanted))))
    }
}

fn error(at: usize, reason: impl Into<String>) -> ToneError {
    ToneError { at, reason: reason.into(), not_yet: false }
}
