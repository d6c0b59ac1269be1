//! Lamp keys: who is watched, what dialog-info (RFC 4235) says of them, and which lamp shows it.
//!
//! Lamps: idle off, ringing fast, busy on, unknown wink. Unknown is not idle: a lamp that lost its subscription must not
//! promise that a colleague is free. Of several dialogs at one extension a ringing one wins, because something can be
//! done about it. A partial update that does not follow the last version means that one was lost: the state is asked for
//! again (RFC 4235 section 4.2), and stands until the answer.

use crate::view::{BlfState, BlfView};
use offhook_account::settings::BlfEntry;
use offhook_hal::Pattern;
use offhook_sip::event_package::dialog_info::{DialogInfo, DialogState, Direction};
use offhook_sip::{SubscriptionId, Uri};
use std::collections::BTreeMap;

/// Dialogs remembered for one extension.
const MOST_DIALOGS: usize = 256;
/// Lamp keys that can be watched.
pub(crate) const MOST_WATCHES: usize = 255;

/// One lamp key.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) key: u8,
    pub(crate) account: u32,
    /// as the account has it
    pub(crate) entry: BlfEntry,
    pub(crate) target: Uri,
    pub(crate) extension: String,
    pub(crate) subscription: Option<SubscriptionId>,
    version: Option<u32>,
    dialogs: BTreeMap<String, (DialogState, Option<Direction>)>,
    known: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taken,
    /// older than what is known
    Stale,
    /// a version is missing: subscribe again
    Gap,
}

impl Watch {
    pub(crate) fn new(key: u8, account: u32, entry: BlfEntry, target: Uri, extension: String) -> Self {
        Self {
            key,
            account,
            entry,
            target,
            extension,
            subscription: None,
            version: None,
            dialogs: BTreeMap::new(),
            known: false,
        }
    }

    pub(crate) fn notified(&mut self, update: &DialogInfo) -> Outcome {
        if let Some(last) = self.version {
            if update.version <= last {
                return Outcome::Stale;
            }
            if !update.full && update.version != last.saturating_add(1) {
                return Outcome::Gap;
            }
        } else if !update.full {
            return Outcome::Gap;
        }
        self.version = Some(update.version);
        self.known = true;
        if update.full {
            self.dialogs.clear();
        }
        for dialog in &update.dialogs {
            if dialog.state == DialogState::Terminated {
                self.dialogs.remove(&dialog.id);
            } else if self.dialogs.len() < MOST_DIALOGS || self.dialogs.contains_key(&dialog.id) {
                self.dialogs.insert(dialog.id.clone(), (dialog.state, dialog.direction));
            }
        }
        Outcome::Taken
    }

    /// A subscription begins: its versions start anew; what is known stands.
    pub(crate) fn subscribed(&mut self, subscription: Option<SubscriptionId>) {
        self.subscription = subscription;
        self.version = None;
    }

    /// Nobody tells us any more.
    pub(crate) fn lost(&mut self) {
        self.known = false;
        self.version = None;
        self.dialogs.clear();
    }

    pub(crate) fn is_lost(&self) -> bool {
        !self.known
    }

    pub(crate) fn state(&self) -> BlfState {
        if !self.known {
            return BlfState::Unknown;
        }
        let mut state = BlfState::Idle;
        for (dialog, direction) in self.dialogs.values() {
            let of_dialog = match (dialog, direction) {
                (DialogState::Terminated, _) => continue,
                (DialogState::Confirmed, _) | (_, Some(Direction::Initiator)) => BlfState::Busy,
                // before it rings nothing is to be seen, but the extension is about to be busy
                (DialogState::Trying | DialogState::Proceeding, None) => BlfState::Busy,
                (_, Some(Direction::Recipient)) | (DialogState::Early, None) => BlfState::Ringing,
            };
            if of_dialog == BlfState::Ringing {
                return BlfState::Ringing;
            }
            state = of_dialog;
        }
        state
    }

    pub(crate) fn view(&self) -> BlfView {
        BlfView {
            key: self.key,
            extension: self.extension.clone(),
            label: self.entry.label.clone().unwrap_or_else(|| self.extension.clone()),
            state: self.state(),
        }
    }
}

pub(crate) fn pattern(state: BlfState) -> Pattern {
    match state {
        BlfState::Unknown => Pattern::Wink,
        BlfState::Idle => Pattern::Off,
        BlfState::Ringing => Pattern::Fast,
        BlfState::Busy => Pattern::On,
    }
}

/// Lamp keys for the entries of all accounts: an entry with a number gets that key if it is free, the others get the
/// free ones in order.
pub(crate) fn keys(entries: &[&BlfEntry]) -> Vec<Option<u8>> {
    let mut taken = std::collections::BTreeSet::new();
    let mut keys: Vec<Option<u8>> =
        entries.iter().map(|entry| entry.key.filter(|key| *key > 0 && taken.insert(*key))).collect();
    let mut free = 1..=u8::MAX;
    for key in keys.iter_mut().filter(|key| key.is_none()) {
        *key = free.find(|candidate| taken.insert(*candidate));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_sip::event_package::dialog_info::Dialog;

    fn watch() -> Watch {
        let entry = BlfEntry { uri: "102".into(), label: None, key: None };
        let target = Uri::Tel { number: "102".into(), params: vec![] };
        Watch::new(1, 1, entry, target, "102".into())
    }

    fn dialog(id: &str, state: DialogState, direction: Option<Direction>) -> Dialog {
        Dialog {
            id: id.into(),
            call_id: None,
            local_tag: None,
            remote_tag: None,
            direction,
            state,
            remote_identity: None,
            remote_display: None,
        }
    }

    fn update(version: u32, full: bool, dialogs: Vec<Dialog>) -> DialogInfo {
        DialogInfo { version, full, entity: "sip:102@x".into(), dialogs }
    }

    /// Covers: feat.29
    #[test]
    fn a_lamp_follows_several_dialogs_of_one_extension() {
        let mut watch = watch();
        assert_eq!(watch.state(), BlfState::Unknown);
        assert_eq!(pattern(watch.state()), Pattern::Wink);
        watch.notified(&update(0, true, vec![]));
        assert_eq!(watch.state(), BlfState::Idle);
        watch.notified(&update(1, false, vec![dialog("a", DialogState::Confirmed, Some(Direction::Recipient))]));
        assert_eq!(watch.state(), BlfState::Busy);
        watch.notified(&update(2, false, vec![dialog("b", DialogState::Early, Some(Direction::Recipient))]));
        assert_eq!(watch.state(), BlfState::Ringing);
        watch.notified(&update(3, false, vec![dialog("b", DialogState::Terminated, None)]));
        assert_eq!(watch.state(), BlfState::Busy);
        watch.notified(&update(4, false, vec![dialog("a", DialogState::Terminated, None)]));
        assert_eq!(watch.state(), BlfState::Idle);
        watch.lost();
        assert_eq!(watch.state(), BlfState::Unknown);
    }

    #[test]
    fn a_dialling_colleague_is_busy_and_not_ringing() {
        let mut watch = watch();
        watch.notified(&update(0, true, vec![dialog("a", DialogState::Early, Some(Direction::Initiator))]));
        assert_eq!(watch.state(), BlfState::Busy);
    }

    #[test]
    fn a_lost_partial_update_is_noticed_and_an_old_one_ignored() {
        let mut watch = watch();
        assert_eq!(watch.notified(&update(5, false, vec![])), Outcome::Gap);
        assert_eq!(watch.notified(&update(5, true, vec![])), Outcome::Taken);
        assert_eq!(watch.notified(&update(5, true, vec![])), Outcome::Stale);
        assert_eq!(watch.notified(&update(7, false, vec![])), Outcome::Gap);
        assert_eq!(watch.notified(&update(9, true, vec![])), Outcome::Taken);
        watch.subscribed(None);
        assert_eq!(watch.notified(&update(0, true, vec![])), Outcome::Taken);
    }

    #[test]
    fn keys_with_numbers_are_theirs_and_the_rest_fill_the_gaps() {
        let entry = |key| BlfEntry { uri: "1".into(), label: None, key };
        let entries = [entry(None), entry(Some(1)), entry(Some(1)), entry(None), entry(Some(0))];
        let keys = keys(&entries.iter().collect::<Vec<_>>());
        assert_eq!(keys, vec![Some(2), Some(1), Some(3), Some(4), Some(5)]);
    }
}
