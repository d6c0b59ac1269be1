//! The rewriting grammar of `<rewriting>` and `<incomingRewriting>` (`axml.rew.*`), and its application to one number.
//!
//! Rules are tried in their order. The first whose conditions all hold acts, and that is all, unless one of its actions is
//! `continue`: then the rules behind it see the number as it is by then. A rule without conditions always holds.

use super::{DialAction, Moment};

/// The rules of an account, by direction; each list in the order of the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewriting {
    pub outgoing: Vec<Rule>,
    pub incoming: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub conditions: Vec<Condition>,
    pub actions: Vec<Action>,
    /// Which rule of its list it is, from 1, those that cannot be used counted.
    pub number: usize,
    /// Line of the document, 0 if it comes from several documents.
    pub line: u32,
}

/// Lengths count every character, `+` too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    StartsWith(String),
    DoesntStartWith(String),
    Equals(String),
    LengthEquals(usize),
    ShorterThan(usize),
    LongerThan(usize),
    Contains(String),
    /// Digits only; `false`: anything else.
    IsNumeric(bool),
    /// `wifi`, `ethernet`, `cellular`, `any` or `none`
    NetworkType(&'static str),
    Ssid(String),
    /// The format's word for a book; of books that this phone has not, nobody is.
    ContactIsFromSource(&'static str),
    ContactIsNotFromSource(&'static str),
    ContactLabelMatches(String),
    ContactLabelDoesNotMatch(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// In place of what `startsWith` (the longest) or `equals` matched; nothing without one of them.
    Replace(String),
    Prepend(String),
    Append(String),
    Continue,
    RecordCall,
    /// Account: its number, title, user name, or `user@host`.
    DialOut(String),
    /// Without a meaning in the reference.
    Confirm,
    /// Without a meaning in the reference.
    Drop,
    CallThrough,
    OverrideDialAction(DialAction),
    /// To a dial action of the account's own, by its id.
    OverrideProgrammed(String),
    /// Fit for the wire, and none that the SIP stack owns.
    SetHeader(String, String),
    /// Incoming only, as the two after it.
    RejectCall,
    ForwardCall(String),
    AnswerImmediately,
}

/// A number after the rules, and the actions that were met on the way, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten<'r> {
    pub number: String,
    /// With the [`Rule::number`] that each stands in.
    pub actions: Vec<(usize, &'r Action)>,
    /// The rules that held.
    pub rules: Vec<usize>,
}

/// A number does not grow beyond this [octets]: no URI of ours is longer.
const LONGEST: usize = 256;

impl Rule {
    fn holds(&self, number: &str, moment: &Moment<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(number, moment))
    }

    /// What `replace` takes out of the front of the number [octets].
    fn matched(&self) -> Option<usize> {
        self.conditions
            .iter()
            .filter_map(|condition| match condition {
                Condition::StartsWith(text) | Condition::Equals(text) => Some(text.len()),
                _ => None,
            })
            .max()
    }

    fn rewrite(&self, number: &str) -> String {
        // Whatever the order of the actions is, `replace` means the number as the conditions saw it.
        let (mut front, mut core, mut back) = (String::new(), number.to_owned(), String::new());
        for action in &self.actions {
            match action {
                Action::Prepend(text) => front.insert_str(0, text),
                Action::Append(text) => back.push_str(text),
                Action::Replace(text) => {
                    if let Some(rest) = self.matched().and_then(|matched| number.get(matched..)) {
                        core = format!("{text}{rest}");
                    }
                }
                _ => {}
            }
        }
        front + &core + &back
    }
}

impl Condition {
    fn holds(&self, number: &str, moment: &Moment<'_>) -> bool {
        let length = || number.chars().count();
        match self {
            Self::StartsWith(text) => number.starts_with(text.as_str()),
            Self::DoesntStartWith(text) => !number.starts_with(text.as_str()),
            Self::Equals(text) => number == text,
            Self::LengthEquals(wanted) => length() == *wanted,
            Self::ShorterThan(limit) => length() < *limit,
            Self::LongerThan(limit) => length() > *limit,
            Self::Contains(text) => number.contains(text.as_str()),
            Self::IsNumeric(wanted) => {
                (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) == *wanted
            }
            Self::NetworkType(word) => moment.uplink.link.is(word),
            Self::Ssid(name) => moment.uplink.ssid.as_deref() == Some(name),
            Self::ContactIsFromSource(source) => moment.contacts.is_from(source),
            Self::ContactIsNotFromSource(source) => !moment.contacts.is_from(source),
            Self::ContactLabelMatches(label) => moment.contacts.has_label(label),
            Self::ContactLabelDoesNotMatch(label) => !moment.contacts.has_label(label),
        }
    }
}

/// Applies a list of rules to a number.
pub fn apply<'r>(rules: &'r [Rule], number: &str, moment: &Moment<'_>) -> Rewritten<'r> {
    let mut result = Rewritten { number: number.to_owned(), actions: Vec::new(), rules: Vec::new() };
    for rule in rules {
        if !rule.holds(&result.number, moment) {
            continue;
        }
        let changed = rule.rewrite(&result.number);
        if changed.len() <= LONGEST {
            result.number = changed;
        }
        result.actions.extend(rule.actions.iter().map(|action| (rule.number, action)));
        result.rules.push(rule.number);
        if !rule.actions.contains(&Action::Continue) {
            break;
        }
    }
    result
}
