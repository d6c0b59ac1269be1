//! Message counts of every user, and the message-summary body that lights the lamp (RFC 3842).

use crate::store::MessagesRow;
use offhook_sip::Body;
use offhook_sip::event_package::message_summary::{Counts, MessageSummary};
use std::collections::BTreeMap;

/// More messages than that are shown as that many.
pub(crate) const MAX_COUNT: u32 = 9999;

#[derive(Debug, Default)]
pub(crate) struct Messages {
    counts: BTreeMap<String, Counts>,
}

impl Messages {
    pub(crate) fn new(rows: Vec<MessagesRow>, known: impl Fn(&str) -> bool) -> Self {
        let mut messages = Self::default();
        for row in rows.into_iter().filter(|row| known(&row.user)) {
            messages.set(&row.user, row.new, row.old);
        }
        messages
    }

    /// True if that is news.
    pub(crate) fn set(&mut self, user: &str, new: u32, old: u32) -> bool {
        let counts = Counts { new: new.min(MAX_COUNT), old: old.min(MAX_COUNT), new_urgent: 0, old_urgent: 0 };
        self.counts.insert(user.to_owned(), counts).unwrap_or_default() != counts
    }

    pub(crate) fn rows(&self) -> Vec<MessagesRow> {
        self.counts.iter().map(|(user, c)| MessagesRow { user: user.clone(), new: c.new, old: c.old }).collect()
    }

    /// `account`: the URI that the message key calls.
    pub(crate) fn body(&self, user: &str, account: &str) -> Body {
        let counts = self.counts.get(user).copied().unwrap_or_default();
        let summary =
            MessageSummary { waiting: counts.new > 0, account: Some(account.to_owned()), voice: Some(counts) };
        Body { content_type: "application/simple-message-summary".to_owned(), bytes: summary.to_bytes() }
    }
}
