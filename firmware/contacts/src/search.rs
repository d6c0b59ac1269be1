//! Matching what is typed against names and numbers.
//!
//! Names are compared in plain ASCII letters, so that `muller` finds Müller and a keypad, which only has those, reaches
//! names of every script. A word of the query must begin a word of the name.

use crate::contact::Contact;
use crate::number::Form;
use std::cmp::Ordering;

/// How good a match is; the smaller the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Nothing was typed.
    All,
    /// The number itself.
    WholeNumber,
    /// The name begins so.
    FirstWord,
    /// The number begins so.
    NumberBegins,
    /// Other words of the name begin so.
    OtherWords,
    /// So does the company.
    Organisation,
    /// The number has it somewhere.
    InNumber,
}

/// The words of a contact as they are compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Words {
    name: Vec<String>,
    organisation: Vec<String>,
    /// The name in the digits of the keypad, words apart by 0.
    keypad: String,
}

impl Words {
    pub(crate) fn of(contact: &Contact) -> Self {
        let name = words(&contact.name);
        let keypad: Vec<String> = name.iter().map(|word| word.chars().filter_map(key).collect()).collect();
        Self { organisation: words(&contact.organisation), keypad: keypad.join("0"), name }
    }

    pub(crate) fn sorts_before(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

/// What was typed.
#[derive(Debug)]
pub(crate) enum Query {
    All,
    Letters(Vec<String>),
    /// Digits as typed (name on the keypad) and as a number.
    Digits {
        typed: String,
        form: Option<Form>,
    },
}

impl Query {
    pub(crate) fn of(typed: &str) -> Self {
        let typed = typed.trim();
        if typed.is_empty() {
            return Self::All;
        }
        let dialled = |c: char| c.is_ascii_digit() || "+*#-()/. ".contains(c);
        if typed.chars().all(dialled) && typed.chars().any(|c| c.is_ascii_digit() || "*#".contains(c)) {
            let digits: String = typed.chars().filter(|c| c.is_ascii_digit() || "+*#".contains(*c)).collect();
            return Self::Digits { typed: digits, form: Form::of(typed) };
        }
        Self::Letters(words(typed))
    }

    pub(crate) fn name(&self, words: &Words) -> Option<Rank> {
        match self {
            Self::All => Some(Rank::All),
            Self::Letters(query) if query.is_empty() => None,
            Self::Letters(query) => {
                let begins = |word: &String, of: &[String]| of.iter().any(|own| own.starts_with(word.as_str()));
                let in_order = words.name.first().zip(query.first()).is_some_and(|(own, typed)| own.starts_with(typed));
                if query.iter().all(|word| begins(word, &words.name)) {
                    Some(if in_order { Rank::FirstWord } else { Rank::OtherWords })
                } else {
                    let either = |word: &String| begins(word, &words.name) || begins(word, &words.organisation);
                    query.iter().all(either).then_some(Rank::Organisation)
                }
            }
            Self::Digits { typed, .. } => {
                // a single digit is the beginning of a number, not of a third of all names
                if typed.len() < 2 || !typed.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                if words.keypad.starts_with(typed.as_str()) {
                    return Some(Rank::FirstWord);
                }
                let mut after_blank = words.keypad.match_indices('0');
                let begins = after_blank
                    .any(|(at, _)| words.keypad.get(at + 1..).unwrap_or_default().starts_with(typed.as_str()));
                begins.then_some(Rank::OtherWords)
            }
        }
    }

    pub(crate) fn number(&self, form: &Form) -> Option<Rank> {
        let (Self::Digits { typed, form: wanted }, Form::Digits(digits)) = (self, form) else { return None };
        if wanted.as_ref() == Some(form) {
            return Some(Rank::WholeNumber);
        }
        let bare = digits.trim_start_matches('+');
        let typed = typed.trim_start_matches('+');
        if bare.starts_with(typed) {
            return Some(Rank::NumberBegins);
        }
        // 0049… of somebody who types it as they would dial it
        if typed
            .strip_prefix("00")
            .is_some_and(|rest| !rest.is_empty() && digits.starts_with('+') && bare.starts_with(rest))
        {
            return Some(Rank::NumberBegins);
        }
        (typed.len() >= 3 && bare.contains(typed)).then_some(Rank::InNumber)
    }
}

/// Lower-case ASCII words: `Dr. Anna-Maria Öz` is `dr anna maria oz`.
fn words(text: &str) -> Vec<String> {
    let plain = deunicode::deunicode(text).to_lowercase().replace(['\'', '`'], "");
    plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Where a letter is on the keypad (ITU-T E.161).
fn key(letter: char) -> Option<char> {
    Some(match letter {
        'a'..='c' => '2',
        'd'..='f' => '3',
        'g'..='i' => '4',
        'j'..='l' => '5',
        'm'..='o' => '6',
        'p'..='s' => '7',
        't'..='v' => '8',
        'w'..='z' => '9',
        '0'..='9' => letter,
        _ => return None,
    })
}
