//! What the phone's address books know about one number, as number rules (`axml.rew.11` to `.14`) and do-not-disturb
//! schedules (`axml.dnd.10`, `.11`) ask for it. A plain value: whoever keeps the books fills it in.

/// Which address book a contact is in, by the words of Account XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContactSource {
    /// `ab`, also `local`: the phone's own book
    Local,
    /// `dav`: a CardDAV server
    Dav,
    /// `qd`: speed dials and lamp keys
    QuickDial,
}

impl ContactSource {
    /// `None` for the books that a desk phone does not have (`ws`, `google`, `office365`): nothing is ever from them.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "ab" | "local" => Some(Self::Local),
            "dav" => Some(Self::Dav),
            "qd" => Some(Self::QuickDial),
            _ => None,
        }
    }

    /// As Account XML writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "ab",
            Self::Dav => "dav",
            Self::QuickDial => "qd",
        }
    }
}

/// One contact that has the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactFact {
    pub source: ContactSource,
    /// key of the contact in its book: the UID of a vCard
    pub identifier: String,
    pub name: String,
    /// what this number is to the contact: `work`, `home`, `cell`, …
    pub labels: Vec<String>,
}

/// Every contact that has the number, best first; empty: nobody knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactFacts(pub Vec<ContactFact>);

impl ContactFacts {
    /// `contactIsFromSource`, by the word of the rule.
    pub fn is_from(&self, word: &str) -> bool {
        ContactSource::from_word(word).is_some_and(|source| self.0.iter().any(|fact| fact.source == source))
    }

    /// `contactLabelMatches`: case does not matter.
    pub fn has_label(&self, label: &str) -> bool {
        let label = label.trim();
        self.0.iter().flat_map(|fact| &fact.labels).any(|own| own.eq_ignore_ascii_case(label))
    }

    /// `contactInfo@source` and `@identifier`: that very contact has the number.
    pub fn is_contact(&self, source_word: &str, identifier: &str) -> bool {
        ContactSource::from_word(source_word)
            .is_some_and(|source| self.0.iter().any(|fact| fact.source == source && fact.identifier == identifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_that_a_desk_phone_does_not_have_never_match() {
        let fact = |source, label: &str| ContactFact {
            source,
            identifier: "u1".into(),
            name: "Anna".into(),
            labels: vec![label.into()],
        };
        let facts = ContactFacts(vec![fact(ContactSource::Dav, "work"), fact(ContactSource::Local, "cell")]);
        assert!(facts.is_from("dav") && facts.is_from("ab") && facts.is_from("local") && !facts.is_from("qd"));
        assert!(["ws", "google", "office365", ""].iter().all(|word| !facts.is_from(word)));
        assert!(facts.has_label("Work") && facts.has_label("CELL") && !facts.has_label("home"));
        assert!(facts.is_contact("dav", "u1") && !facts.is_contact("dav", "u2") && !facts.is_contact("qd", "u1"));
        assert!(ContactFacts::default().0.is_empty());
    }
}
