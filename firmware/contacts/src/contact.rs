//! A contact, cut down to what a telephone can use.

use serde::{Deserialize, Serialize};

/// Numbers kept of one contact.
pub const MOST_NUMBERS: usize = 32;
/// Longest name, number or label kept [characters].
pub const LONGEST: usize = 128;

/// A person or place that can be called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Contact {
    /// UID of the vCard; for a card without one, what its book calls it.
    pub uid: String,
    /// For the screen, never empty in a book.
    pub name: String,
    /// Company; found by a search, shown beside the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub organisation: String,
    /// Preferred ones first.
    pub numbers: Vec<Number>,
}

/// One way to call a contact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Number {
    /// As it can be dialled: a telephone number as it was written, or a `sip:` URI.
    pub address: String,
    /// What it is to the contact, lower case: `work`, `home`, `cell`, `fax`, or words of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Number {
    /// The first label, for the screen.
    pub fn label(&self) -> Option<&str> {
        self.labels.first().map(String::as_str)
    }

    /// Nobody speaks there.
    pub fn is_machine(&self) -> bool {
        self.labels.iter().any(|label| ["fax", "pager", "modem", "bbs"].contains(&label.as_str()))
    }
}

/// Without control characters and blanks around, and short enough for any screen.
pub(crate) fn clean(text: &str) -> String {
    let bare: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}
