//! The phone's own book: what its user writes down. Stored as the vCards that every other program reads too.

use crate::contact::{Contact, LONGEST, MOST_NUMBERS, Number, clean};
use crate::{book::MOST_CONTACTS, number::Form, vcard};

/// Why something cannot be written into the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// A contact needs a name.
    NoName,
    /// A contact needs a number that can be dialled.
    NoNumber,
    /// More contacts than the book holds, or more numbers than a contact can have.
    Full,
    /// Nobody of that identifier is in it.
    Unknown,
}

/// The book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalBook {
    contacts: Vec<Contact>,
}

impl LocalBook {
    /// From vCards, such as [`LocalBook::to_bytes`] gives or another phone exported; what is no usable card is left out.
    pub fn restore(bytes: &[u8]) -> Self {
        let mut book = Self::default();
        book.import(&String::from_utf8_lossy(bytes));
        book
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.contacts.iter().map(vcard::write).collect::<String>().into_bytes()
    }

    pub fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    /// Adds the cards of a text; those whose UID is known take the place of what was there. Answers how many there were,
    /// and how many of the text's cards were of no use.
    pub fn import(&mut self, text: &str) -> (usize, usize) {
        let read = vcard::read(text);
        let (mut taken, mut refused) = (0, read.left_out);
        for contact in read.contacts {
            match self.put(contact) {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
        }
        (taken, refused)
    }

    /// Writes a contact down: one without `uid` is new, another one replaces what has its `uid`. Answers the `uid`.
    ///
    /// # Errors
    /// It has no name or no number that can be dialled, or there is no room.
    pub fn put(&mut self, contact: Contact) -> Result<String, Unfit> {
        let name = clean(&contact.name);
        if name.is_empty() {
            return Err(Unfit::NoName);
        }
        if contact.numbers.len() > MOST_NUMBERS {
            return Err(Unfit::Full);
        }
        let numbers: Vec<Number> = contact
            .numbers
            .into_iter()
            .map(|number| Number {
                address: clean(&number.address),
                labels: number.labels.iter().map(|label| clean(label).to_lowercase()).take(8).collect(),
            })
            .filter(|number| Form::of(&number.address).is_some())
            .collect();
        if numbers.is_empty() {
            return Err(Unfit::NoNumber);
        }
        let uid = clean(&contact.uid);
        let uid = if uid.is_empty() { self.next_uid() } else { uid };
        let contact = Contact { uid: uid.clone(), name, organisation: clean(&contact.organisation), numbers };
        let full = self.contacts.len() >= MOST_CONTACTS;
        match self.contacts.iter_mut().find(|known| known.uid == uid) {
            Some(known) => *known = contact,
            None if full => return Err(Unfit::Full),
            None => self.contacts.push(contact),
        }
        Ok(uid)
    }

    /// # Errors
    /// Nobody of that `uid` is there.
    pub fn remove(&mut self, uid: &str) -> Result<(), Unfit> {
        let before = self.contacts.len();
        self.contacts.retain(|contact| contact.uid != uid);
        if self.contacts.len() == before { Err(Unfit::Unknown) } else { Ok(()) }
    }

    /// Unique within the book; it has no meaning outside of it.
    fn next_uid(&self) -> String {
        let number = |contact: &Contact| contact.uid.strip_prefix("local-")?.parse::<u64>().ok();
        let last = self.contacts.iter().filter_map(number).max().unwrap_or(0);
        format!("local-{}", last.saturating_add(1))
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoName => f.write_str("a contact needs a name"),
            Self::NoNumber => {
                write!(f, "a contact needs a number that can be dialled, of at most {LONGEST} characters")
            }
            Self::Full => f.write_str("there is no room for it in the address book"),
            Self::Unknown => f.write_str("there is no such contact in the phone's own book"),
        }
    }
}

impl std::error::Error for Unfit {}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(uid: &str, name: &str, number: &str) -> Contact {
        let numbers = vec![Number { address: number.into(), labels: vec!["Work".into()] }];
        Contact { uid: uid.into(), name: name.into(), organisation: String::new(), numbers }
    }

    #[test]
    fn what_is_written_down_is_there_after_a_restart_and_gone_when_removed() {
        let mut book = LocalBook::default();
        let anna = book.put(contact("", " Anna; Müller ", "+49 30 1")).unwrap();
        let bob = book.put(contact("", "Bob", "sip:bob@example.org")).unwrap();
        assert_ne!(anna, bob);
        book.put(contact(&bob, "Robert", "102")).unwrap();
        let mut again = LocalBook::restore(&book.to_bytes());
        assert_eq!(again, book);
        let names: Vec<&str> = again.contacts().iter().map(|contact| contact.name.as_str()).collect();
        assert_eq!(names, ["Anna; Müller", "Robert"]);
        again.remove(&anna).unwrap();
        assert_eq!(again.remove(&anna), Err(Unfit::Unknown));
        assert_eq!(again.put(contact("", "Carol", "103")).unwrap(), "local-3");
    }

    #[test]
    fn what_cannot_be_called_or_has_no_name_is_refused() {
        let mut book = LocalBook::default();
        assert_eq!(book.put(contact("", " \n", "1")), Err(Unfit::NoName));
        assert_eq!(book.put(contact("", "A", "ask at the desk")), Err(Unfit::NoNumber));
        assert!(book.contacts().is_empty() && book.to_bytes().is_empty());
    }

    #[test]
    fn importing_twice_changes_nothing_the_second_time() {
        let mut book = LocalBook::default();
        let text = "BEGIN:VCARD\nUID:1\nFN:A\nTEL:1\nEND:VCARD\nBEGIN:VCARD\nUID:2\nFN:B\nEND:VCARD\n";
        assert_eq!(book.import(text), (1, 1));
        assert_eq!(book.import(text), (1, 1));
        assert_eq!(book.contacts().len(), 1);
    }
}
