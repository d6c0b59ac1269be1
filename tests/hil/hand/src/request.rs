//! A line of words as a request: what it asks for, and its `name=value` arguments.

use std::collections::BTreeMap;

/// An answer that says what is wrong and what to do.
pub(crate) type Outcome<T> = Result<T, String>;

/// A request taken apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Request<'a> {
    /// the words before the arguments
    pub(crate) words: Vec<&'a str>,
    arguments: BTreeMap<&'a str, &'a str>,
    line: &'a str,
}

impl<'a> Request<'a> {
    /// Words, then arguments; a word after an argument is an error.
    pub(crate) fn parse(line: &'a str) -> Outcome<Self> {
        let (mut words, mut arguments) = (Vec::new(), BTreeMap::new());
        for word in line.split_whitespace() {
            match word
                .split_once('=')
                .filter(|(name, _)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()))
            {
                Some((name, value)) => {
                    if arguments.insert(name, value).is_some() {
                        return Err(format!("{name}= is there twice"));
                    }
                }
                None if arguments.is_empty() => words.push(word),
                None => {
                    return Err(format!("{word:?} comes after an argument; arguments are name=value and come last"));
                }
            }
        }
        Ok(Self { words, arguments, line })
    }

    /// Only the first word and what follows it, for requests whose rest is a command line.
    pub(crate) fn verb(line: &str) -> (&str, &str) {
        let line = line.trim();
        line.split_once(char::is_whitespace).map_or((line, ""), |(verb, rest)| (verb, rest.trim()))
    }

    /// An error if there is an argument not among `known`: a misspelt one must not be taken for its default.
    pub(crate) fn only(&self, known: &[&str]) -> Outcome<()> {
        match self.arguments.keys().find(|name| !known.contains(name)) {
            Some(name) => Err(format!("{name}= means nothing here; known: {}", known.join(", "))),
            None => Ok(()),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.arguments.get(name).copied()
    }

    /// A whole number within `range`, or `default` if it is not given.
    pub(crate) fn number(&self, name: &str, default: i64, range: std::ops::RangeInclusive<i64>) -> Outcome<i64> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let within = text.parse().ok().filter(|number| range.contains(number));
        within.ok_or_else(|| format!("{name}={text}: not a whole number from {} to {}", range.start(), range.end()))
    }

    /// A number with or without fractions within `range`, or `default`.
    pub(crate) fn real(&self, name: &str, default: f64, range: std::ops::RangeInclusive<f64>) -> Outcome<f64> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let within = text.parse().ok().filter(|number| range.contains(number));
        within.ok_or_else(|| format!("{name}={text}: not a number from {} to {}", range.start(), range.end()))
    }

    /// A time on the monotonic clock [ns].
    pub(crate) fn time(&self, name: &str) -> Outcome<Option<i64>> {
        match self.text(name) {
            None => Ok(None),
            Some(_) => self.number(name, 0, 0..=i64::MAX).map(Some),
        }
    }

    /// Frequencies with commas between them [Hz].
    pub(crate) fn frequencies(&self, name: &str) -> Outcome<Vec<f64>> {
        self.text(name).map_or(Ok(Vec::new()), |text| frequencies(text, ','))
    }

    /// What cannot be understood, with the whole request.
    pub(crate) fn unknown(&self) -> String {
        format!("{:?} is not a request; `help` lists them", self.line.trim())
    }
}

/// Frequencies from 20 to 8000 Hz, at most eight.
pub(crate) fn frequencies(text: &str, between: char) -> Outcome<Vec<f64>> {
    let list: Option<Vec<f64>> =
        text.split(between).map(|hz| hz.parse().ok().filter(|hz| (20.0..=8000.0).contains(hz))).collect();
    list.filter(|list| list.len() <= 8).ok_or_else(|| {
        format!("{text:?}: not up to eight frequencies from 20 to 8000 Hz with {between:?} between them")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_come_first_and_arguments_last() {
        let request = Request::parse("ear from=5 hz=425,1000").unwrap();
        assert_eq!(request.words, ["ear"]);
        assert_eq!(request.time("from"), Ok(Some(5)));
        assert_eq!(request.time("until"), Ok(None));
        assert_eq!(request.frequencies("hz"), Ok(vec![425.0, 1000.0]));
        assert!(Request::parse("ear hz=1 later").is_err());
        assert!(Request::parse("ear hz=1 hz=2").is_err());
    }

    #[test]
    fn a_misspelt_argument_is_refused() {
        let request = Request::parse("ear form=5").unwrap();
        assert!(request.only(&["from", "until"]).unwrap_err().contains("form="));
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        let request = Request::parse("key 1 press ms=0").unwrap();
        assert!(request.number("ms", 80, 1..=60_000).unwrap_err().contains("1 to 60000"));
        assert_eq!(request.number("gap", 60, 0..=10), Ok(60));
        assert!(frequencies("425,x", ',').is_err());
        assert!(frequencies("5", '+').is_err());
        assert!(Request::parse("tone db=nan").unwrap().real("db", 0.0, -60.0..=0.0).is_err());
    }

    #[test]
    fn a_star_and_a_hash_are_words() {
        assert_eq!(Request::parse("key # press").unwrap().words, ["key", "#", "press"]);
        assert_eq!(Request::verb("  run ls -l a=b "), ("run", "ls -l a=b"));
    }
}
