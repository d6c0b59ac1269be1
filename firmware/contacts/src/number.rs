//! When two ways of writing a number mean the same telephone.
//!
//! `+49 30 1234567`, `0049301234567`, `(030) 123 45 67` and `1234567` may be one number, and a phone knows neither its
//! country nor its exchange's prefixes for sure. So beside equal numbers those count as the same whose
//! significant digits end alike: the shorter one wholly, in at least seven digits, and the rest no longer than a
//! country code with an exchange's digit. Extensions such as `102` are too short for that and only match exactly.

/// Digits that must agree for two unequal numbers to be one.
pub const SIGNIFICANT: usize = 7;
/// Digits that one may have in front: country code (3) and a digit of the exchange.
const IN_FRONT: usize = 4;

/// How well a number fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fit {
    /// The same digits, or the same SIP address.
    Exact,
    /// The same end of the number.
    Ending,
}

/// A number or address in the form in which it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// Digits, `*`, `#`; a `+` in front if the number is international.
    Digits(String),
    /// `user@host`, host in lower case.
    Address(String),
}

impl Form {
    /// From a number as people write it, `tel:` and `sip:` URIs, or `user@host`. `None`: there is nothing to call.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if ["tel", "sip", "sips"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
                (scheme.to_ascii_lowercase(), rest)
            }
            _ => (String::new(), text),
        };
        // parameters, extensions and passwords are no part of the address
        let rest = rest.split([';', '?']).next().unwrap_or_default();
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or_default();
                if let Some(digits) = digits(user) {
                    return Some(Self::Digits(digits));
                }
                let host = host.to_ascii_lowercase();
                (!user.is_empty() && !host.is_empty()).then(|| Self::Address(format!("{user}@{host}")))
            }
            None => match digits(rest) {
                Some(digits) => Some(Self::Digits(digits)),
                // a name at the own server, such as `frontdoor`
                None if scheme.starts_with("sip") || is_user(rest) => {
                    (!rest.is_empty()).then(|| Self::Address(rest.to_owned()))
                }
                None => None,
            },
        }
    }

    /// How well the other one fits, if it does.
    pub fn fit(&self, other: &Self) -> Option<Fit> {
        match (self, other) {
            (one, other) if one == other => Some(Fit::Exact),
            (Self::Digits(one), Self::Digits(other)) => same_ending(one, other).then_some(Fit::Ending),
            _ => None,
        }
    }

    /// Forms that fit each other have the same key.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Digits(digits) => {
                let digits = significant(digits);
                digits.get(digits.len().saturating_sub(SIGNIFICANT)..).unwrap_or(digits)
            }
            Self::Address(address) => address,
        }
    }
}

/// The digits of a number without what people put between them (RFC 3966 section 5.1.1). `None`: not a number.
fn digits(text: &str) -> Option<String> {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' | '*' | '#' => out.push(c),
            '+' if out.is_empty() => out.push('+'),
            ' ' | '\u{a0}' | '\u{2011}' | '-' | '.' | '(' | ')' | '/' => {}
            _ => return None,
        }
    }
    if let Some(rest) = out.strip_prefix("00").filter(|rest| rest.len() > SIGNIFICANT) {
        out = format!("+{rest}");
    }
    (!out.trim_start_matches('+').is_empty()).then_some(out)
}

fn is_user(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// Without international sign and trunk digits.
fn significant(digits: &str) -> &str {
    let bare = digits.trim_start_matches(['+', '0']);
    if bare.is_empty() { digits } else { bare }
}

fn same_ending(one: &str, other: &str) -> bool {
    // two numbers that both tell their country must be equal
    if one.starts_with('+') && other.starts_with('+') {
        return false;
    }
    let (one, other) = (significant(one), significant(other));
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    short.len() >= SIGNIFICANT
        && long.len() - short.len() <= IN_FRONT
        && plain(short)
        && plain(long)
        && long.ends_with(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fit(one: &str, other: &str) -> Option<Fit> {
        Form::of(one)?.fit(&Form::of(other)?)
    }

    #[test]
    fn the_ways_of_writing_a_number_are_one_number() {
        let own = "+49 30 1234567";
        for same in ["+49301234567", "tel:+49-30-1234567", "0049 30 1234567", "sip:+49301234567@pbx.example;user=phone"]
        {
            assert_eq!(fit(own, same), Some(Fit::Exact), "{same}");
        }
        for ending in ["030 1234567", "(030) 123 45 67", "030/123-4567", "1234567"] {
            assert_eq!(fit(own, ending), Some(Fit::Ending), "{ending}");
        }
        for other in ["+43301234567", "0301234568", "234567", "+1 49 30 1234567", "1234567890301234567", "anna", ""] {
            assert_eq!(fit(own, other), None, "{other}");
        }
    }

    #[test]
    fn extensions_match_exactly_or_not_at_all() {
        assert_eq!(fit("102", "102"), Some(Fit::Exact));
        assert_eq!(fit("102", "sip:102@pbx"), Some(Fit::Exact));
        assert_eq!(fit("102", "0102"), None);
        assert_eq!(fit("102", "1102"), None);
        assert_eq!(fit("*97", "*97"), Some(Fit::Exact));
    }

    #[test]
    fn sip_addresses_are_compared_without_case_of_the_host_and_without_parameters() {
        assert_eq!(fit("sip:bob@Example.ORG;transport=tls", "bob@example.org"), Some(Fit::Exact));
        assert_eq!(fit("sip:bob@example.org", "sip:Bob@example.org"), None);
        assert_eq!(fit("sip:bob:secret@example.org", "bob@example.org"), Some(Fit::Exact));
        assert_eq!(Form::of("sip:"), None);
        assert_eq!(Form::of("ask at the desk"), None);
    }

    proptest! {
        #[test]
        fn whatever_fits_has_the_same_key_both_ways(one in "[+0-9*#() -]{0,16}", other in "[+0-9]{0,5}", cut in 0usize..6) {
            let variant = format!("{other}{}", one.chars().skip(cut).collect::<String>());
            if let (Some(a), Some(b)) = (Form::of(&one), Form::of(&variant)) {
                prop_assert_eq!(a.fit(&b), b.fit(&a));
                if a.fit(&b).is_some() {
                    prop_assert_eq!(a.key(), b.key());
                }
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,40}") {
            if let Some(form) = Form::of(&text) {
                prop_assert_eq!(form.fit(&form), Some(Fit::Exact));
            }
        }
    }
}
