//! When two ways of writing a number mean the same (`axml.dnd.09`): `+1 (222) 333-4455`, `0012223334455`,
//! `sip:+12223334455@pbx;user=phone`, and in its own country `2223334455`.

/// Fewer digits than this are an extension: it is compared as it is.
const LEAST_NATIONAL: usize = 7;

/// A number without scheme, host, parameters and what people put between digits; a name stays as it is.
pub fn bare(text: &str) -> String {
    let text = text.trim();
    let lower = text.get(..5).unwrap_or(text).to_ascii_lowercase();
    let scheme = ["sips:", "sip:", "tel:"].into_iter().find(|scheme| lower.starts_with(scheme));
    let rest = text.get(scheme.map_or(0, str::len)..).unwrap_or_default();
    let user = rest.split('@').next().unwrap_or_default();
    let user = if scheme.is_some() || rest.contains('@') { user.split(';').next().unwrap_or_default() } else { user };
    let digits: String = user.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}')).collect();
    let number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#' | '+'));
    if number { digits } else { user.to_owned() }
}

/// Whether two numbers mean the same line. `+` and the prefix `00` are the same; a number with a country code equals one
/// without when the shorter, its trunk prefix `0` taken off, is the longer one's end and has at least seven digits.
pub fn same_number(one: &str, other: &str) -> bool {
    let (one, other) = (bare(one), bare(other));
    if one.is_empty() || other.is_empty() {
        return false;
    }
    if one.eq_ignore_ascii_case(&other) {
        return true;
    }
    let (Some(one), Some(other)) = (parts(&one), parts(&other)) else { return false };
    match (one, other) {
        (Number::World(a), Number::World(b)) => a == b,
        (Number::World(world), Number::National(national)) | (Number::National(national), Number::World(world)) => {
            national.len() >= LEAST_NATIONAL && world.len() > national.len() && world.ends_with(national)
        }
        (Number::National(a), Number::National(b)) => a.len() >= LEAST_NATIONAL && a == b,
    }
}

enum Number<'n> {
    /// with country code, without prefix
    World(&'n str),
    /// without trunk prefix
    National(&'n str),
}

fn parts(number: &str) -> Option<Number<'_>> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(world) = number.strip_prefix('+').or_else(|| number.strip_prefix("00")) {
        return digits(world).then_some(Number::World(world));
    }
    digits(number).then(|| Number::National(number.strip_prefix('0').unwrap_or(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Covers: axml.dnd.09
    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        for other in [
            "+12223334455",
            "0012223334455",
            "2223334455",
            "+1 (222) 333-4455",
            "sip:+12223334455@pbx.example;user=phone",
            "tel:+1-222-333-4455;ext=1",
            "+12223334455@pbx.example",
        ] {
            assert!(same_number("+1 (222) 333-4455", other), "{other}");
            assert!(same_number(other, "+12223334455"), "{other}");
        }
        assert!(same_number("0445566778", "+49445566778"));
        assert!(same_number("102", "sip:102@pbx"));
        assert!(same_number("Bob", "sip:bob@pbx"));
    }

    #[test]
    fn other_numbers_and_short_ends_are_not_the_same() {
        for (one, other) in [
            ("+12223334455", "+32223334455"),
            ("4455", "+12223334455"),
            ("102", "0102"),
            ("100", "+49891100"),
            ("", ""),
            ("+", "00"),
            ("bob", "bobby"),
            ("*97", "97"),
        ] {
            assert!(!same_number(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_people_type_between_digits_goes_and_names_stay() {
        assert_eq!(bare(" (0445) 5-6.6 "), "0445566");
        assert_eq!(bare("alice smith"), "alice smith");
        assert_eq!(bare("é"), "é");
        assert_eq!(bare("sip:"), "");
    }
}
