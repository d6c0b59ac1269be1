//! What is known of a CardDAV account between refreshes and over a restart: where its books are, how far each was followed,
//! and the contacts in them.

use crate::book::MOST_CONTACTS;
use crate::contact::Contact;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Cards followed in one account; beyond that a server is not an address book.
pub(crate) const MOST_CARDS: usize = 20_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cache {
    /// The address that the account names; another one makes all of this worthless.
    pub(crate) start: String,
    /// Where the books are: homes, or with `single` the one book.
    pub(crate) homes: Vec<String>,
    #[serde(default)]
    pub(crate) single: bool,
    pub(crate) books: Vec<Book>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) url: String,
    /// Of the last complete refresh.
    #[serde(default)]
    pub(crate) token: Option<String>,
    #[serde(default)]
    pub(crate) ctag: Option<String>,
    /// By the path of the card.
    pub(crate) cards: BTreeMap<String, Card>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    /// without one the card is always fetched again
    #[serde(default)]
    pub(crate) etag: Option<String>,
    /// `None`: nobody to call
    #[serde(default)]
    pub(crate) contact: Option<Contact>,
}

impl Cache {
    /// What `to_bytes` gave, if it is for this address.
    pub(crate) fn restore(bytes: &[u8], start: &str) -> Option<Self> {
        let cache: Self = serde_json::from_slice(bytes).ok()?;
        let cards: usize = cache.books.iter().map(|book| book.cards.len()).sum();
        (cache.start == start && cards <= MOST_CARDS).then_some(cache)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn cards(&self) -> usize {
        self.books.iter().map(|book| book.cards.len()).sum()
    }

    pub(crate) fn contacts(&self) -> impl Iterator<Item = &Contact> {
        let cards = self.books.iter().flat_map(|book| book.cards.values());
        cards.filter_map(|card| card.contact.as_ref()).take(MOST_CONTACTS)
    }
}
