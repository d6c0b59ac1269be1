//! Digits as RTP events (RFC 4733) and in-band tones (ITU-T Q.23): words shared by engine and callers.

/// 0 to 15: digits 0-9, *, #, A-D.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(u8);

/// Characters in the order of their event codes (RFC 4733 section 3.2, table 3).
const CHARACTERS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// Rows of the key pad [Hz] (ITU-T Q.23).
pub const LOW_GROUP: [u32; 4] = [697, 770, 852, 941];
/// Columns of the key pad [Hz].
pub const HIGH_GROUP: [u32; 4] = [1209, 1336, 1477, 1633];

/// Event codes by row and column.
const KEY_PAD: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];

impl Digit {
    /// `0` to `9`, `*`, `#`, `A` to `D` (also small).
    pub fn from_char(c: char) -> Option<Self> {
        let wanted = c.to_ascii_uppercase();
        let code = CHARACTERS.iter().position(|&known| known == wanted)?;
        Some(Self(code as u8))
    }

    /// The digit as it is written, letters large.
    pub fn to_char(self) -> char {
        // the code is below 16 by construction
        CHARACTERS.get(usize::from(self.0)).copied().unwrap_or('?')
    }

    /// Event code of RFC 4733.
    pub fn code(self) -> u8 {
        self.0
    }

    /// The digit of an event code below 16; flash (16) and tones are no digits.
    pub fn from_code(code: u8) -> Option<Self> {
        (code < 16).then_some(Self(code))
    }

    /// Low and high frequency [Hz].
    pub fn frequencies(self) -> (u32, u32) {
        for (row, low) in KEY_PAD.iter().zip(LOW_GROUP) {
            for (&code, high) in row.iter().zip(HIGH_GROUP) {
                if code == self.0 {
                    return (low, high);
                }
            }
        }
        // unreachable: every code below 16 is on the pad
        (0, 0)
    }

    /// The digit at a row and column of the 4 x 4 pad, counted from 0.
    pub fn at(row: usize, column: usize) -> Option<Self> {
        KEY_PAD.get(row)?.get(column).copied().map(Self)
    }
}

/// How a digit travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigitMethod {
    /// RFC 4733
    Event,
    /// dual tone into the encoder
    InBand,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_has_a_character_a_code_and_its_own_two_frequencies() {
        let mut seen = Vec::new();
        for code in 0..16 {
            let digit = Digit::from_code(code).unwrap();
            assert_eq!(digit.code(), code);
            assert_eq!(Digit::from_char(digit.to_char()), Some(digit));
            let (low, high) = digit.frequencies();
            assert!(LOW_GROUP.contains(&low) && HIGH_GROUP.contains(&high));
            assert!(!seen.contains(&(low, high)));
            seen.push((low, high));
        }
        assert_eq!(Digit::from_code(16), None);
        assert_eq!(Digit::from_char('E'), None);
        assert_eq!(Digit::from_char('d').map(Digit::code), Some(15));
        assert_eq!(Digit::from_char('5').map(Digit::frequencies), Some((770, 1336)));
        assert_eq!(Digit::from_char('#').map(Digit::frequencies), Some((941, 1477)));
        assert_eq!(Digit::at(3, 1), Digit::from_char('0'));
        assert_eq!(Digit::at(4, 0), None);
    }
}
