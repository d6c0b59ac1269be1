//! All address books of the phone together: who is behind a number, and who is meant by what is being typed.
//!
//! Made anew when a book changes and only read after that, so that the screen can have a copy of the reference while the
//! phone goes on. A question costs one look into a table; a search goes through all contacts, which is a millisecond for
//! thousands of them.

use crate::contact::{Contact, Number};
use crate::number::{Fit, Form};
use crate::search::{self, Words};
use std::collections::{BTreeMap, HashMap};

/// Contacts kept of one book; what a server has beyond them is not looked at.
pub const MOST_CONTACTS: usize = 10_000;

/// Which book. The order is the order of belief: what the user wrote comes before what a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The phone's own book.
    Local,
    /// The CardDAV server of this account.
    Directory(u32),
    /// Lamp keys and speed dials of this account.
    Keys(u32),
}

/// A contact that has the number in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<'b> {
    pub origin: Origin,
    pub fit: Fit,
    pub contact: &'b Contact,
    pub number: &'b Number,
}

/// Something to call, found by what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit<'b> {
    pub origin: Origin,
    pub contact: &'b Contact,
    pub number: &'b Number,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    origin: Origin,
    contact: Contact,
    words: Words,
    /// of each number
    forms: Vec<Option<Form>>,
}

/// The books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressBooks {
    /// By origin, then by name.
    entries: Vec<Entry>,
    /// Entry and number by [`Form::key`].
    index: HashMap<String, Vec<(usize, usize)>>,
}

impl AddressBooks {
    /// Contacts without a name or a number are left out.
    pub fn new<'c>(books: impl IntoIterator<Item = (Origin, Vec<&'c Contact>)>) -> Self {
        let mut by_origin: BTreeMap<Origin, Vec<Entry>> = BTreeMap::new();
        for (origin, contacts) in books {
            let entries = by_origin.entry(origin).or_default();
            let room = MOST_CONTACTS.saturating_sub(entries.len());
            let usable = contacts.into_iter().filter(|contact| !contact.name.is_empty() && !contact.numbers.is_empty());
            entries.extend(usable.take(room).map(|contact| Entry {
                origin,
                words: Words::of(contact),
                forms: contact.numbers.iter().map(|number| Form::of(&number.address)).collect(),
                contact: contact.clone(),
            }));
        }
        let mut entries = Vec::new();
        for (_, mut book) in by_origin {
            book.sort_by(|one, other| one.words.sorts_before(&other.words));
            entries.append(&mut book);
        }
        let mut index: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            for (nth, form) in entry.forms.iter().enumerate() {
                if let Some(form) = form {
                    index.entry(form.key().to_owned()).or_default().push((at, nth));
                }
            }
        }
        Self { entries, index }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One book, by name.
    pub fn of(&self, origin: Origin) -> impl Iterator<Item = &Contact> {
        self.entries.iter().filter(move |entry| entry.origin == origin).map(|entry| &entry.contact)
    }

    /// Everybody who has this number (as dialled, as a caller has it, or a SIP address), best first: equal numbers before
    /// those that only end alike, and then in the order of [`Origin`].
    pub fn who(&self, address: &str) -> Vec<Known<'_>> {
        let Some(wanted) = Form::of(address) else { return Vec::new() };
        let candidates = self.index.get(wanted.key()).map(Vec::as_slice).unwrap_or_default();
        let mut known: Vec<Known<'_>> = candidates
            .iter()
            .filter_map(|(at, nth)| {
                let entry = self.entries.get(*at)?;
                let fit = entry.forms.get(*nth)?.as_ref()?.fit(&wanted)?;
                let number = entry.contact.numbers.get(*nth)?;
                Some(Known { origin: entry.origin, fit, contact: &entry.contact, number })
            })
            .collect();
        known.sort_by_key(|known| (known.fit, known.origin));
        known
    }

    /// The name for this number. Two different people whose numbers merely end alike are no name.
    pub fn name(&self, address: &str) -> Option<&str> {
        let known = self.who(address);
        let best = known.first()?;
        let rival = |other: &Known<'_>| other.origin == best.origin && other.contact.name != best.contact.name;
        if best.fit == Fit::Ending && known.iter().any(rival) {
            return None;
        }
        Some(&best.contact.name)
    }

    /// What could be meant by this: digits of a number, a name on the letters of the keypad (0 is the blank), or letters.
    /// Best first, at most `most`. Nothing typed: everybody, by name.
    pub fn search(&self, typed: &str, most: usize) -> Vec<Hit<'_>> {
        let query = search::Query::of(typed);
        let mut hits: Vec<(search::Rank, usize, usize)> = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            if let Some(rank) = query.name(&entry.words) {
                let voices = entry.contact.numbers.iter().enumerate().filter(|(_, number)| !number.is_machine());
                hits.extend(voices.map(|(nth, _)| (rank, at, nth)));
                continue;
            }
            for (nth, form) in entry.forms.iter().enumerate() {
                if let Some(rank) = form.as_ref().and_then(|form| query.number(form)) {
                    hits.push((rank, at, nth));
                }
            }
        }
        hits.sort_unstable();
        let found = hits.into_iter().filter_map(|(_, at, nth)| {
            let entry = self.entries.get(at)?;
            Some(Hit { origin: entry.origin, contact: &entry.contact, number: entry.contact.numbers.get(nth)? })
        });
        // the same number of the same person in two books is one thing to call
        let mut shown: Vec<Hit<'_>> = Vec::new();
        for hit in found {
            if shown.len() >= most {
                break;
            }
            let same = |other: &Hit<'_>| {
                other.contact.name == hit.contact.name
                    && Form::of(&other.number.address) == Form::of(&hit.number.address)
            };
            if !shown.iter().any(same) {
                shown.push(hit);
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn contact(name: &str, numbers: &[(&str, &str)]) -> Contact {
        Contact {
            uid: name.to_lowercase(),
            name: name.into(),
            organisation: String::new(),
            numbers: numbers
                .iter()
                .map(|(address, label)| Number {
                    address: (*address).into(),
                    labels: if label.is_empty() { vec![] } else { vec![(*label).into()] },
                })
                .collect(),
        }
    }

    fn books() -> AddressBooks {
        let local = [contact("Anna", &[("0170 5551234", "cell")]), contact("Front Desk", &[("100", "")])];
        let dav = [
            contact("Anna Schmidt", &[("+49 170 5551234", "cell"), ("+49 30 1234567", "work"), ("030 999", "fax")]),
            contact("Jürgen Öztürk", &[("+90 212 555 77 88", "home")]),
            contact("Жанна", &[("sip:zhanna@example.org", "work")]),
            contact("Reception", &[("100", "work")]),
        ];
        AddressBooks::new([(Origin::Directory(1), dav.iter().collect()), (Origin::Local, local.iter().collect())])
    }

    /// Covers: feat.42
    #[test]
    fn equal_numbers_come_before_similar_ones_and_the_own_book_before_a_server() {
        let books = books();
        let names =
            |address: &str| books.who(address).iter().map(|known| known.contact.name.clone()).collect::<Vec<_>>();
        assert_eq!(names("100"), ["Front Desk", "Reception"]);
        assert_eq!(names("+491705551234"), ["Anna Schmidt", "Anna"]);
        assert_eq!(names("01705551234"), ["Anna", "Anna Schmidt"]);
        assert_eq!(books.who("+49301234567")[0].number.label(), Some("work"));
        assert_eq!(books.name("sip:zhanna@EXAMPLE.org"), Some("Жанна"));
        assert_eq!(books.name("101"), None);
    }

    #[test]
    fn two_people_whose_numbers_only_end_alike_are_no_name() {
        let (one, other) = (contact("One", &[("+49 30 5550000", "")]), contact("Other", &[("+43 1 5550000", "")]));
        let books = AddressBooks::new([(Origin::Local, vec![&one, &other])]);
        assert_eq!(books.name("5550000"), None);
        assert_eq!(books.name("+4315550000"), Some("Other"));
        assert_eq!(books.name("030 5550000"), Some("One"));
    }

    fn found(typed: &str) -> Vec<String> {
        let books = books();
        books.search(typed, 10).iter().map(|hit| format!("{} {}", hit.contact.name, hit.number.address)).collect()
    }

    #[test]
    fn letters_find_the_beginnings_of_words_in_any_script() {
        assert_eq!(found("an"), ["Anna 0170 5551234", "Anna Schmidt +49 170 5551234", "Anna Schmidt +49 30 1234567"]);
        assert_eq!(found("schm an"), ["Anna Schmidt +49 170 5551234", "Anna Schmidt +49 30 1234567"]);
        assert_eq!(found("OZT"), ["Jürgen Öztürk +90 212 555 77 88"]);
        assert_eq!(found("özt jür"), ["Jürgen Öztürk +90 212 555 77 88"]);
        assert_eq!(found("zhan"), ["Жанна sip:zhanna@example.org"]);
        assert_eq!(found("жан"), ["Жанна sip:zhanna@example.org"]);
        assert!(found("nna").is_empty());
    }

    #[test]
    fn digits_find_names_on_the_keypad_and_numbers() {
        // 2662 spells anna, 72 the beginning of schmidt
        assert_eq!(found("266207"), ["Anna Schmidt +49 170 5551234", "Anna Schmidt +49 30 1234567"]);
        assert_eq!(found("7246"), ["Anna Schmidt +49 170 5551234", "Anna Schmidt +49 30 1234567"]);
        assert_eq!(found("10"), ["Front Desk 100", "Reception 100"]);
        assert_eq!(found("0170"), ["Anna 0170 5551234"]);
        assert_eq!(found("5551234"), ["Anna 0170 5551234", "Anna Schmidt +49 170 5551234"]);
        assert_eq!(found("4930"), ["Anna Schmidt +49 30 1234567"]);
        assert!(found("*97").is_empty());
    }

    #[test]
    fn nothing_typed_lists_everybody_without_their_fax() {
        let all = found("");
        assert_eq!(all.len(), 7, "{all:?}");
        assert!(!all.iter().any(|hit| hit.contains("999")));
    }

    #[test]
    fn ten_thousand_contacts_are_searched_between_two_key_presses() {
        let many: Vec<Contact> =
            (0..12_000).map(|n| contact(&format!("Person Number{n}"), &[(&format!("+4930{n:07}"), "work")])).collect();
        let books = AddressBooks::new([(Origin::Directory(1), many.iter().collect())]);
        assert_eq!(books.len(), MOST_CONTACTS);
        let begin = std::time::Instant::now();
        assert_eq!(books.search("number9999", 8).len(), 1);
        assert_eq!(books.search("7377660686237", 8).len(), 8);
        // generous: without optimisation, beside other work
        assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
        assert_eq!(books.name("0300000042"), Some("Person Number42"));
    }
}
