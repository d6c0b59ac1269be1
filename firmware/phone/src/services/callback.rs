//! The web callback (`axml.wcb.*`): a service calls both ends. Its call is recognised by the account it comes in on, by the
//! account's server that sends it, and by a number that belongs to it: the one wanted, the callback number, or the
//! account's own. It passes do not disturb, forwarding and a busy phone, because somebody here has asked for it. It is
//! answered by itself while that person waits with an open ear; with the handset on the hook it rings, unless
//! `wcb_autoAnswer` says otherwise.

use crate::phone::{Now, Phone};
use offhook_account::Settings;
use offhook_account::rules::same_number;
use std::time::{Duration, Instant};

/// A service has so long to call, after it said that it would.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) account: u32,
    /// whom it leads to
    pub(crate) number: String,
    pub(crate) until: Instant,
}

impl Phone {
    pub(super) fn expect(&mut self, now: Now, account: u32, number: String) {
        self.services.expected = Some(Expected { account, number, until: now.instant + PATIENCE });
    }

    /// Whether this call is the one that was asked for.
    pub(crate) fn is_expected(&self, account: u32, settings: &Settings, caller: &str, trusted: bool) -> bool {
        let Some(expected) = self.services.expected.as_ref().filter(|expected| expected.account == account) else {
            return false;
        };
        let own = [&expected.number, &settings.services.callback_number, &settings.username];
        trusted && own.into_iter().any(|number| !number.is_empty() && same_number(number, caller))
    }

    /// It is here: whom it leads to, and whether it answers by itself.
    pub(crate) fn expected_came(&mut self, settings: &Settings) -> Option<(String, bool)> {
        let expected = self.services.expected.take()?;
        let listening = self.ear.is_open() && self.ear.focus.is_none() && self.dialing.is_empty();
        let always = settings.services.callback.as_ref().is_some_and(|callback| callback.auto_answer);
        let idle = !self.ear.is_open() && !self.is_engaged();
        Some((expected.number, listening || always && idle))
    }
}
