//! Who watches whom: the subscriptions of event packages `dialog` (RFC 4235) and `message-summary` (RFC 3842) at us.
//!
//! Every NOTIFY carries full state: an office has few calls, and a watcher that missed one is right again after the next.
//! A dialog that has ended is named `terminated` once and then no longer.

use offhook_sip::event_package::dialog_info::{Dialog, DialogInfo};
use offhook_sip::{Body, NotifierId};
use std::collections::BTreeMap;

/// Subscriptions at most, both packages together.
pub(crate) const MAX_WATCHERS: usize = 1024;
/// Subscriptions of one user at most.
pub(crate) const MAX_OF_ONE: usize = 128;
/// [s]
pub(crate) const MIN_EXPIRES: u32 = 60;
pub(crate) const MAX_EXPIRES: u32 = 3600;
pub(crate) const DIALOG: &str = "dialog";
pub(crate) const MESSAGE_SUMMARY: &str = "message-summary";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    Dialog,
    MessageSummary,
}

impl Package {
    pub(crate) fn named(event: &str) -> Option<Self> {
        // parameters of Event are not part of its name
        match event.split(';').next().unwrap_or_default().trim() {
            DIALOG => Some(Self::Dialog),
            MESSAGE_SUMMARY => Some(Self::MessageSummary),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) package: Package,
    /// who watches, and whom
    pub(crate) by: String,
    pub(crate) user: String,
    /// URI that was subscribed to
    pub(crate) entity: String,
    /// of the next dialog-info document
    version: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Watchers {
    by_notifier: BTreeMap<NotifierId, Watcher>,
}

impl Watchers {
    /// False: the table or this user's share of it is full.
    pub(crate) fn add(&mut self, notifier: NotifierId, package: Package, by: &str, user: &str, entity: String) -> bool {
        let own = self.by_notifier.values().filter(|w| w.by == by).count();
        if self.by_notifier.len() >= MAX_WATCHERS || own >= MAX_OF_ONE {
            return false;
        }
        self.by_notifier
            .insert(notifier, Watcher { package, by: by.to_owned(), user: user.to_owned(), entity, version: 0 });
        true
    }

    pub(crate) fn remove(&mut self, notifier: NotifierId) -> Option<Watcher> {
        self.by_notifier.remove(&notifier)
    }

    pub(crate) fn get(&self, notifier: NotifierId) -> Option<&Watcher> {
        self.by_notifier.get(&notifier)
    }

    pub(crate) fn of(&self, package: Package, user: &str) -> Vec<NotifierId> {
        self.by_notifier.iter().filter(|(_, w)| w.package == package && w.user == user).map(|(&id, _)| id).collect()
    }

    /// The next dialog-info document of a watcher.
    pub(crate) fn dialog_info(&mut self, notifier: NotifierId, dialogs: Vec<Dialog>) -> Option<Body> {
        let watcher = self.by_notifier.get_mut(&notifier)?;
        let document = DialogInfo { version: watcher.version, full: true, entity: watcher.entity.clone(), dialogs };
        watcher.version = watcher.version.wrapping_add(1);
        Some(Body { content_type: "application/dialog-info+xml".to_owned(), bytes: document.to_xml() })
    }
}
