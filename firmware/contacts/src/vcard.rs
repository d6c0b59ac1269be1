//! vCard 3 (RFC 2426) and 4 (RFC 6350): reading leniently, writing version 4.
//!
//! Of a card only what a telephone can use is looked at: name, organisation, numbers and SIP addresses with their
//! types, UID. Photos, sounds and keys are skipped line by line and never copied. A card without a number, a group and a
//! card that never ends are left out; nothing in a file can make the reader fail as a whole. Cards of version 2.1 are
//! read as far as they look like version 3.

use crate::contact::{Contact, MOST_NUMBERS, Number, clean};
use std::fmt::Write as _;

/// Longest line looked at, after unfolding [octets]: what is longer is a photo or an attack.
const LONGEST_LINE: usize = 8192;

/// What was in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    pub contacts: Vec<Contact>,
    /// Cards that were left out: without a number, groups, cut off.
    pub left_out: usize,
}

/// Reads all cards of a text.
pub fn read(text: &str) -> Read {
    let mut read = Read::default();
    let mut open: Option<Card> = None;
    let lines = Lines { rest: text };
    for line in lines {
        let Some(line) = Property::parse(&line) else { continue };
        match line.name.as_str() {
            "BEGIN" if line.value.eq_ignore_ascii_case("VCARD") => {
                // a card inside a card is none of ours (version 2.1 AGENT), or the last one was cut off
                read.left_out += usize::from(open.is_some());
                open = Some(Card::default());
            }
            "END" if line.value.eq_ignore_ascii_case("VCARD") => match open.take().and_then(Card::finish) {
                Some(contact) => read.contacts.push(contact),
                None => read.left_out += 1,
            },
            _ => {
                if let Some(card) = &mut open {
                    card.property(&line);
                }
            }
        }
    }
    read.left_out += usize::from(open.is_some());
    read
}

/// As a card of version 4 that [`read`] gives back.
pub fn write(contact: &Contact) -> String {
    let mut out = String::from("BEGIN:VCARD\r\nVERSION:4.0\r\n");
    let mut line = |text: String| {
        fold(&mut out, &text);
    };
    if !contact.uid.is_empty() {
        line(format!("UID:{}", escape(&contact.uid)));
    }
    line(format!("FN:{}", escape(&contact.name)));
    if !contact.organisation.is_empty() {
        line(format!("ORG:{}", escape(&contact.organisation)));
    }
    for (index, number) in contact.numbers.iter().enumerate() {
        let mut text = String::from("TEL;VALUE=text");
        if index == 0 && contact.numbers.len() > 1 {
            text.push_str(";PREF=1");
        }
        if !number.labels.is_empty() {
            let labels: Vec<String> = number.labels.iter().map(|label| parameter(label)).collect();
            let _ = write!(text, ";TYPE=\"{}\"", labels.join(","));
        }
        line(format!("{text}:{}", escape(&number.address)));
    }
    out.push_str("END:VCARD\r\n");
    out
}

/// A card while it is read.
#[derive(Default)]
struct Card {
    uid: String,
    full_name: String,
    composed: String,
    nickname: String,
    organisation: String,
    /// address, labels, how much preferred (1 most), group
    numbers: Vec<(String, Vec<String>, u8, String)>,
    /// labels that a group of lines has (`item1.X-ABLabel`)
    group_labels: Vec<(String, String)>,
    group: bool,
}

impl Card {
    fn property(&mut self, line: &Property) {
        let text = || clean(&unescape(&line.value));
        match line.name.as_str() {
            "UID" => self.uid = text(),
            "FN" if self.full_name.is_empty() => self.full_name = text(),
            "N" => {
                let part = |index: usize| split(&line.value, ';').into_iter().nth(index).map(|text| unescape(&text));
                let words = [3, 1, 2, 0, 4].map(|index| part(index).unwrap_or_default().replace(',', " "));
                self.composed = clean(&words.join(" "));
            }
            "NICKNAME" => self.nickname = text(),
            "ORG" if self.organisation.is_empty() => {
                let units: Vec<String> = split(&line.value, ';').iter().map(|unit| clean(&unescape(unit))).collect();
                let units: Vec<&str> = units.iter().map(String::as_str).filter(|unit| !unit.is_empty()).collect();
                self.organisation = clean(&units.join(", "));
            }
            "KIND" | "X-ADDRESSBOOKSERVER-KIND" => self.group = line.value.trim().eq_ignore_ascii_case("group"),
            "X-ABLABEL" => {
                // Apple writes its own words as _$!<Work>!$_
                let label = text();
                let label = label.strip_prefix("_$!<").and_then(|rest| rest.strip_suffix(">!$_")).unwrap_or(&label);
                self.group_labels.push((line.group.clone(), label.to_lowercase()));
            }
            "TEL" | "IMPP" | "X-SIP" => self.number(line),
            _ => {}
        }
    }

    fn number(&mut self, line: &Property) {
        let text = clean(&unescape(&line.value));
        let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let address = match (line.name.as_str(), scheme.as_deref()) {
            (_, Some("sip" | "sips")) => text,
            (_, Some("tel")) => {
                // RFC 3966: parameters such as ;ext= are not dialled
                let rest = text.split_once(':').map_or("", |(_, rest)| rest);
                rest.split(';').next().unwrap_or_default().trim().to_owned()
            }
            ("IMPP", _) => return,
            ("X-SIP", None) => format!("sip:{text}"),
            (_, _) => text,
        };
        if crate::number::Form::of(&address).is_none() || self.numbers.len() >= MOST_NUMBERS {
            return;
        }
        let mut labels = Vec::new();
        let mut preferred = 100;
        for (name, value) in &line.parameters {
            match name.as_str() {
                "PREF" => preferred = value.trim().parse().unwrap_or(100).clamp(1, 100),
                // version 2.1 writes types without a name
                "TYPE" | "" => {
                    for word in value.split(',').map(|word| clean(word).to_lowercase()) {
                        match word.as_str() {
                            "pref" => preferred = 1,
                            "" | "voice" | "text" | "video" | "internet" | "msg" => {}
                            _ if labels.len() >= 8 || labels.contains(&word) => {}
                            _ => labels.push(word),
                        }
                    }
                }
                _ => {}
            }
        }
        self.numbers.push((address, labels, preferred, line.group.clone()));
    }

    fn finish(self) -> Option<Contact> {
        let Self { uid, full_name, composed, nickname, organisation, mut numbers, group_labels, group } = self;
        if group || numbers.is_empty() {
            return None;
        }
        numbers.sort_by_key(|(_, labels, preferred, _)| {
            (labels.iter().any(|label| label == "fax" || label == "pager"), *preferred)
        });
        let numbers: Vec<Number> = numbers
            .into_iter()
            .map(|(address, mut labels, _, group)| {
                if !group.is_empty()
                    && let Some((_, label)) = group_labels.iter().find(|(of, _)| *of == group)
                    && !labels.contains(label)
                {
                    labels.insert(0, label.clone());
                }
                Number { address, labels }
            })
            .collect();
        let first = numbers.first().map(|number| number.address.clone()).unwrap_or_default();
        let name = [full_name, composed, nickname, organisation.clone(), first];
        let name = name.into_iter().find(|name| !name.is_empty())?;
        Some(Contact {
            uid,
            organisation: if organisation == name { String::new() } else { organisation },
            name,
            numbers,
        })
    }
}

/// One line: `[group.]NAME;PARAMETER=value:value`, the name in capitals.
struct Property {
    group: String,
    name: String,
    parameters: Vec<(String, String)>,
    value: String,
}

impl Property {
    fn parse(line: &str) -> Option<Self> {
        let (head, value) = line.split_at_checked(outside_quotes(line, ':')?)?;
        let value = value.strip_prefix(':')?;
        let mut pieces = split(head, ';').into_iter();
        let name = pieces.next()?;
        let (group, name) = name.rsplit_once('.').unwrap_or(("", &name));
        let parameters: Vec<(String, String)> = pieces
            .map(|piece| {
                let (name, value) = piece.split_once('=').unwrap_or(("", &piece));
                (name.trim().to_ascii_uppercase(), caret(&value.replace('"', "")))
            })
            .collect();
        // quoted-printable is version 2.1's; its text would only look like a name
        if parameters.iter().any(|(_, value)| value.eq_ignore_ascii_case("QUOTED-PRINTABLE")) {
            return None;
        }
        Some(Self {
            group: group.to_ascii_lowercase(),
            name: name.trim().to_ascii_uppercase(),
            parameters,
            value: value.to_owned(),
        })
    }
}

/// Lines, unfolded (RFC 6350 section 3.2). Those that are too long are passed over without copying them.
struct Lines<'t> {
    rest: &'t str,
}

impl Iterator for Lines<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            let mut line = self.physical()?.to_owned();
            let mut fits = line.len() <= LONGEST_LINE;
            while self.rest.starts_with([' ', '\t']) {
                let Some(more) = self.physical().and_then(|more| more.get(1..)) else { break };
                fits &= line.len() + more.len() <= LONGEST_LINE;
                if fits {
                    line.push_str(more);
                }
            }
            if fits && !line.trim().is_empty() {
                return Some(line);
            }
        }
    }
}

impl<'t> Lines<'t> {
    fn physical(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }
}

/// Where `wanted` first stands outside of double quotes.
fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (c == wanted && !quoted).then_some(at)
    })
}

/// Pieces between unquoted, unescaped separators; escapes stay.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if c == separator && !quoted && !escaped {
            pieces.push(String::new());
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}

/// RFC 6350 section 3.4.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,").replace(['\r', '\n'], " ")
}

/// RFC 6868: what quotes cannot hold.
fn caret(text: &str) -> String {
    text.replace("^n", " ").replace("^'", "'").replace("^^", "^")
}

fn parameter(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"\",;:^".contains(*c)).collect()
}

/// Lines of at most 75 octets (RFC 6350 section 3.2), never cut inside a character.
fn fold(out: &mut String, line: &str) {
    let mut length = 0;
    for c in line.chars() {
        if length + c.len_utf8() > 74 {
            out.push_str("\r\n ");
            length = 1;
        }
        out.push(c);
        length += c.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests;
