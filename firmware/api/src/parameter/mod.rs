//! The table of all parameters (`API_SetParameter`): which setting of the account or the phone each one is, or why it
//! has no effect. A name that is none of these may be a node of the Account XML.

mod read;
mod rows;

use crate::request::plain_key;
use offhook_phone::VolumeDevice;
use offhook_phone::account::schema;

#[derive(Debug)]
pub(crate) struct Parameter {
    /// Row of the specification.
    pub(crate) id: &'static str,
    /// The name, then other spellings. An `N` at the end stands for 2 to 99.
    pub(crate) names: &'static [&'static str],
    pub(crate) effect: Effect,
    pub(crate) meaning: &'static str,
}

#[derive(Debug)]
pub(crate) enum Effect {
    /// Part of the main account's credentials; they may make an account.
    Credential(Field),
    /// Nodes of the main account's XML; the values are made from the parameter's.
    Node {
        nodes: &'static [&'static str],
        read: read::Read,
    },
    Volume(VolumeDevice),
    /// Of this connection.
    Session(Setting),
    /// Always as the text says.
    Fixed(&'static str),
    /// Remembered for this connection; acts in a later version.
    Kept,
    /// Remembered for this connection; no meaning on a desk phone.
    NotApplicable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Server,
    Username,
    Password,
    AuthName,
    DisplayName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Level,
    Polling,
    DefaultMute,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Meaning {
    Parameter(&'static Parameter),
    /// A node of the Account XML by its own name.
    Node(&'static schema::Row),
}

pub(crate) fn all() -> &'static [Parameter] {
    rows::ROWS
}

pub(crate) fn find(name: &str) -> Option<Meaning> {
    let wanted = plain_key(name);
    let stem = wanted.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered =
        wanted.get(stem.len()..).and_then(|digits| digits.parse().ok()).is_some_and(|n: u32| (2..=99).contains(&n));
    let fits = |known: &&str| match known.strip_suffix('N') {
        Some(known) => numbered && plain_key(known) == stem,
        None => plain_key(known) == wanted,
    };
    if let Some(parameter) = all().iter().find(|parameter| parameter.names.iter().any(fits)) {
        return Some(Meaning::Parameter(parameter));
    }
    let plain = |row: &&schema::Row| row.node.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
    schema::rows().iter().filter(plain).find(|row| plain_key(row.node) == wanted).map(Meaning::Node)
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().iter().flat_map(|parameter| parameter.names.iter().copied())
}

/// Whether the value must never be printed. That of an unknown name may be anything, a password with a slip in its name.
pub(crate) fn is_secret(name: &str) -> bool {
    let Some(meaning) = find(name) else { return true };
    const WORDS: [&str; 7] = ["password", "pwd", "md5", "secret", "token", "accounts", "sipheader"];
    let key = plain_key(name);
    // Addresses for files may carry a user and a password.
    let address = key.ends_with("addr") || key.contains("url");
    let sounds = WORDS.iter().any(|word| key.contains(word));
    let node = matches!(meaning, Meaning::Node(row) if row.kind == schema::Kind::Secret);
    address || sounds || node || schema::is_secret(name.trim())
}

/// `DEF` or `NULL`: back to the default, or to nothing (`ctl.par.how.01`).
pub(crate) fn is_reset(value: &str) -> bool {
    matches!(value.trim(), "DEF" | "NULL")
}

/// The settings of `API_SetParameters`, one by one: separated by line ends or by the word CRLF.
pub(crate) fn split(text: &str) -> Vec<&str> {
    const MARK: &str = "CRLF";
    let mut pieces = Vec::new();
    let mut from = 0;
    for (at, _) in text.match_indices(MARK) {
        let (Some(before), Some(after)) = (text.get(..at), text.get(at + MARK.len()..)) else { continue };
        let alone = before.chars().next_back().is_none_or(char::is_whitespace)
            && after.chars().next().is_none_or(char::is_whitespace);
        // Without blanks around it may be part of a value, unless a setting follows.
        let next = after.split_once('=').is_some_and(|(name, _)| !name.contains(',') && find(name).is_some());
        if alone || next {
            pieces.extend(text.get(from..at));
            from = at + MARK.len();
        }
    }
    pieces.extend(text.get(from..));
    pieces
        .into_iter()
        .flat_map(|piece| piece.split(['\r', '\n']))
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .collect()
}

/// `name` and `value` of one setting.
pub(crate) fn pair(setting: &str) -> Option<(&str, &str)> {
    let (name, value) = setting.split_once('=')?;
    Some((name.trim(), value.trim()))
}

const fn row(id: &'static str, names: &'static [&'static str], effect: Effect, meaning: &'static str) -> Parameter {
    Parameter { id, names, effect, meaning }
}

const fn node(nodes: &'static [&'static str], read: read::Read) -> Effect {
    Effect::Node { nodes, read }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_ids_are_there_once_and_every_node_is_one_of_the_account_xml() {
        let mut ids = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for parameter in all() {
            assert!(ids.insert(parameter.id), "{}", parameter.id);
            for name in parameter.names {
                assert!(keys.insert(plain_key(name)), "{name}");
            }
            if let Effect::Node { nodes, .. } = parameter.effect {
                for node in nodes {
                    let row = schema::row(node).unwrap_or_else(|| panic!("{node}"));
                    assert_eq!(row.effect, schema::Effect::Acts, "{node}");
                }
            }
        }
        assert_eq!(ids.len(), 185);
    }

    #[test]
    fn numbered_names_stand_for_further_accounts() {
        let id = |name| match find(name) {
            Some(Meaning::Parameter(parameter)) => parameter.id,
            _ => "",
        };
        assert_eq!(id("password2"), "ctl.par.reg.15");
        assert_eq!(id("serveraddress99"), "ctl.par.reg.15");
        assert_eq!(id("password1"), "");
        assert_eq!(id("password100"), "");
        assert_eq!(id("password"), "ctl.par.main.03");
        assert_eq!(id("sendmediain to"), "ctl.par.audio.30");
        assert!(matches!(find("callWaiting"), Some(Meaning::Node(row)) if row.id == "axml.cw.01"));
        assert!(find("blf@priority").is_none());
    }

    #[test]
    fn what_may_hold_a_password_is_secret() {
        for name in [
            "password",
            "Password2",
            "md5",
            "extraregisteraccounts",
            "ftp_addr",
            "customsipheader",
            "STUNPassword",
            "extProvUrl",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["username", "serveraddress", "proxyaddress", "loglevel", "displayname"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    /// Covers: ctl.api.proto.03
    #[test]
    fn settings_are_separated_by_the_word_crlf_or_a_line_end() {
        assert_eq!(split("a=1 CRLF b=2\r\nc=3"), ["a=1", "b=2", "c=3"]);
        assert_eq!(split("username=xCRLFpassword=yCRLFz"), ["username=x", "password=yCRLFz"]);
        assert_eq!(split("CRLF"), [""; 0]);
    }
}
