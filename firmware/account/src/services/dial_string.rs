//! A dial string: a number, and digits for whoever answers there (`axml.cth.02`). `+1555123456,00441234#`: call the first,
//! wait 2 s, send the rest as DTMF.

/// Longest dial string [characters].
const LONGEST: usize = 256;
/// Most digits and pauses behind the number.
const MOST_DIGITS: usize = 100;

/// What to call, and what to send once it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialString {
    /// A number, a user name or an address.
    pub number: String,
    /// `0-9*#A-D` and `,` for a pause of 2 s, a pause first; empty: nothing is sent.
    pub digits: String,
}

impl DialString {
    /// Reads it. Between number and digits stands `,` or, behind a number, `p`. What people put between digits goes; `+`
    /// among the digits becomes 00, for no telephone has a tone for it.
    ///
    /// # Errors
    /// What cannot be dialled, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the dial string is empty".into());
        }
        if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            return Err(format!("the dial string is no line of at most {LONGEST} characters"));
        }
        let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+*#(".contains(c));
        let pause = |c: char| c == ',' || numeric && matches!(c, 'p' | 'P');
        let (number, digits) = match text.find(pause) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let number = if number.contains(['@', ':']) { number.trim().to_owned() } else { crate::rules::bare(number) };
        let fits = |c: char| !c.is_whitespace() && !"<>\"".contains(c);
        let dialled = number.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c));
        if number.is_empty() || !number.chars().all(fits) || numeric && !dialled {
            return Err("the dial string does not begin with a number that can be called".into());
        }
        let digits = digits_of(digits)?;
        if digits.len() > MOST_DIGITS {
            return Err(format!("the dial string has more than {MOST_DIGITS} digits behind its number"));
        }
        Ok(Self { number, digits })
    }
}

fn digits_of(text: &str) -> Result<String, String> {
    let mut digits = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' | '*' | '#' | ',' => digits.push(c),
            'a'..='d' | 'A'..='D' => digits.push(c.to_ascii_uppercase()),
            'p' | 'P' => digits.push(','),
            '+' => digits.push_str("00"),
            ' ' | '-' | '.' | '(' | ')' | '/' => {}
            other => return Err(format!("{other:?} in the dial string is neither a digit nor a pause")),
        }
    }
    // only pauses say nothing
    let said = digits.trim_end_matches(',');
    Ok(said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, String)> {
        let DialString { number, digits } = DialString::parse(text).ok()?;
        Some((number, digits))
    }

    /// Covers: axml.cth.02
    #[test]
    fn a_number_and_the_digits_behind_it_are_told_apart() {
        for (text, number, digits) in [
            ("+1555123456,00441234", "+1555123456", ",00441234"),
            ("+1 (555) 123-456,,5#", "+1555123456", ",,5#"),
            ("0800p123P*4", "0800", ",123,*4"),
            ("600", "600", ""),
            ("600,", "600", ""),
            ("*70,+4412", "*70", ",004412"),
            ("pbx,12", "pbx", ",12"),
            ("sip:ivr@pbx.example;user=phone,1a", "sip:ivr@pbx.example;user=phone", ",1A"),
        ] {
            assert_eq!(parsed(text), Some((number.into(), digits.into())), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_is_refused() {
        for text in ["", "  ", ",123", "600w1", "600,x", "600;1", "600\n601", "a b", "<600>", &"1".repeat(300)] {
            assert!(DialString::parse(text).is_err(), "{text}");
        }
        assert!(DialString::parse(&format!("600,{}", "1".repeat(100))).is_err());
    }
}
