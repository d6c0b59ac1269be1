//! The call list: newest first, bounded, kept over a power cut as the record `history.json`.

use crate::view::CallRecord;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Records kept.
pub(crate) const MOST: usize = 100;
/// Name of the stored record.
pub(crate) const RECORD: &str = "history.json";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    calls: VecDeque<CallRecord>,
    /// not looked at yet
    missed: usize,
}

impl History {
    /// Reads what was stored; a file that cannot be read is an empty list.
    pub(crate) fn restore(bytes: &[u8]) -> Self {
        let mut history: Self = serde_json::from_slice(bytes).unwrap_or_default();
        history.calls.truncate(MOST);
        history.missed = history.missed.min(MOST);
        history
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn add(&mut self, record: CallRecord) {
        if record.missed {
            self.missed = (self.missed + 1).min(MOST);
        }
        self.calls.push_front(record);
        self.calls.truncate(MOST);
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &CallRecord> {
        self.calls.iter()
    }

    /// Account and number of the last call that was dialled here.
    pub(crate) fn last_dialled(&self) -> Option<(u32, String)> {
        let record = self.calls.iter().find(|record| !record.incoming)?;
        Some((record.account, record.called.clone()))
    }

    pub(crate) fn missed(&self) -> usize {
        self.missed
    }

    pub(crate) fn clear_missed(&mut self) -> bool {
        std::mem::take(&mut self.missed) > 0
    }
}
