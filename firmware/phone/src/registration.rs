//! Accounts at their servers: registering, what people are told about it, and what follows from it: subscriptions begin
//! when an account is registered, and begin anew if their state was lost while it was not.

use crate::apply::Told;
use crate::blf;
use crate::line::{self, Line};
use crate::phone::{Now, Phone};
use crate::{AccountState, Event, Level, Refusal};
use offhook_account::Settings;
use offhook_sip::{IdentityId, RegistrationState, SubscriptionId, SubscriptionState, Uri};
use std::net::SocketAddr;

impl Phone {
    /// Accounts that have settings, and how many of them can be used for calls now.
    pub fn accounts(&self) -> (usize, usize) {
        let with_settings = self.lines.iter().filter(|line| line.settings.is_some());
        with_settings.fold((0, 0), |(all, usable), line| (all + 1, usable + usize::from(line.usable)))
    }

    pub(crate) fn line(&self, number: u32) -> Option<&Line> {
        self.lines.iter().find(|line| line.number == number)
    }

    pub(crate) fn line_mut(&mut self, number: u32) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.number == number)
    }

    /// The account for a call: the one asked for, else the first that is registered.
    pub(crate) fn line_for_call(&self, account: Option<u32>) -> Result<&Line, Refusal> {
        match account {
            Some(number) => {
                let line = self.line(number).filter(|line| line.settings.is_some()).ok_or(Refusal::NoAccount)?;
                if line.is_callable() { Ok(line) } else { Err(Refusal::NotRegistered) }
            }
            None => {
                if !self.lines.iter().any(|line| line.settings.is_some()) {
                    return Err(Refusal::NoAccount);
                }
                self.lines.iter().find(|line| line.is_callable()).ok_or(Refusal::NotRegistered)
            }
        }
    }

    /// The usable account that a rule's `dialOut` means: by number, title, user name or `user@host`.
    pub(crate) fn line_named(&self, word: &str) -> Option<&Line> {
        self.lines.iter().filter(|line| line.usable).find(|line| {
            line.settings.as_ref().is_some_and(|settings| {
                let address = format!("{}@{}", settings.username, crate::caller::host_of(&settings.host));
                word == line.number.to_string()
                    || [&settings.title, &settings.username, &address]
                        .iter()
                        .any(|known| known.eq_ignore_ascii_case(word))
            })
        })
    }

    /// Why there is no dial tone, if there is none.
    pub(crate) fn no_line_reason(&self) -> Option<String> {
        if self.lines.iter().any(|line| line.usable || line.dials_on_demand()) {
            return None;
        }
        let account = self.lines.iter().find(|line| line.settings.is_some());
        Some(match account.map(|line| &line.registration) {
            None => "no account yet".to_owned(),
            Some(AccountState::Failed(reason)) => format!("no calls: {reason}"),
            Some(AccountState::Registering) => "no calls yet: registering".to_owned(),
            Some(_) => "no calls: not registered".to_owned(),
        })
    }

    /// Brings the identity of a line to what its settings say. `old`: the settings that were in force.
    pub(crate) fn apply_identity(&mut self, now: Now, number: u32, old: Option<&Settings>) {
        let Some(line) = self.line(number) else { return };
        let Some(settings) = &line.settings else { return };
        let Some(config) = line::identity(settings, line.port) else { return };
        match line.identity {
            None => {
                let identity = self.endpoint.add_identity(now.instant, config);
                if let Some(line) = self.line_mut(number) {
                    line.identity = Some(identity);
                }
                self.register(now, number);
            }
            Some(identity) => {
                if old.is_some_and(|old| !line::differs(old, settings)) {
                    return;
                }
                let registering =
                    |phone: &Self| phone.endpoint.registration(identity) == Some(&RegistrationState::Registering);
                let was = registering(self);
                let _ = self.endpoint.change_identity(now.instant, identity, config);
                // the address may be another: what is known of it is not to be used for calls until it is confirmed;
                // where the change itself registers anew, once is enough
                let registers = self.line(number).is_some_and(Line::registers);
                if was || !registering(self) || !registers {
                    self.register(now, number);
                }
            }
        }
    }

    pub(crate) fn register(&mut self, now: Now, number: u32) {
        let Some(line) = self.line(number) else { return };
        let Some(identity) = line.identity else { return };
        if line.registers() {
            let _ = self.endpoint.register(now.instant, identity);
        } else {
            let _ = self.endpoint.unregister(now.instant, identity);
            self.set_registration(now, number, AccountState::Off, None);
        }
    }

    pub(crate) fn registration_changed(&mut self, now: Now, identity: IdentityId, state: RegistrationState) {
        let Some(line) = self.lines.iter().find(|line| line.identity == Some(identity)) else { return };
        let (number, registers) = (line.number, line.registers());
        let told = match &state {
            RegistrationState::Registered { .. } if registers => Some(Told::Registered),
            RegistrationState::Failed { status, retry_at, .. } => {
                Some(Told::Failed { status: *status, for_good: retry_at.is_none() })
            }
            _ => None,
        };
        match state {
            RegistrationState::Unregistered => self.set_registration(now, number, AccountState::Off, None),
            // a refresh is nobody's business
            RegistrationState::Registering if line.usable => {}
            RegistrationState::Registering => self.set_registration(now, number, AccountState::Registering, None),
            RegistrationState::Registered { local, .. } if registers => {
                self.set_registration(now, number, AccountState::Registered, Some(local));
            }
            RegistrationState::Registered { .. } => {}
            RegistrationState::Failed { status, reason, retry_at } => {
                let text = failure_text(status, &reason, retry_at.is_none());
                self.set_registration(now, number, AccountState::Failed(text), None);
            }
        }
        if let Some(told) = told {
            self.judge(now, number, told);
        }
    }

    fn set_registration(&mut self, now: Now, number: u32, state: AccountState, local: Option<SocketAddr>) {
        let Some(line) = self.line_mut(number) else { return };
        let was_usable = line.usable;
        line.usable = state == AccountState::Registered && !line.leaving;
        line.local = local.or(line.local);
        let news = line.registration != state;
        line.registration = state.clone();
        let usable = line.usable;
        if news {
            if let AccountState::Failed(reason) = &state {
                let title = self.line(number).and_then(|line| line.settings.as_ref()).map(|s| s.title.clone());
                self.notice(now, Level::Warning, format!("{}: {reason}", title.unwrap_or_default()));
            }
            self.notify(Event::Registration { account: number, state });
        }
        if usable && !was_usable {
            self.subscribe_lamps(now, number);
            self.subscribe_messages(now, number);
        }
        self.registered_to_dial(now, number);
        if !usable && was_usable {
            // nobody will tell us, and nothing old may be shown as true
            for watch in self.watches.iter_mut().filter(|watch| watch.account == number) {
                watch.lost();
            }
        }
    }

    /// New lamp keys: what stays keeps its subscription.
    pub(crate) fn rebuild_lamps(&mut self, now: Now) {
        let mut entries = Vec::new();
        for line in &self.lines {
            if let Some(settings) = &line.settings {
                entries.extend(settings.blf.iter().map(|entry| (line.number, settings.host.clone(), entry.clone())));
            }
        }
        entries.truncate(blf::MOST_WATCHES);
        let keys = blf::keys(&entries.iter().map(|(_, _, entry)| entry).collect::<Vec<_>>());
        let mut old = std::mem::take(&mut self.watches);
        for ((account, host, entry), key) in entries.into_iter().zip(keys) {
            let Some(key) = key else { continue };
            let Some(target) = crate::caller::target(&entry.uri, &host) else { continue };
            let kept = old.iter().position(|watch| watch.account == account && watch.target == target);
            match kept {
                Some(index) => {
                    let mut watch = old.swap_remove(index);
                    watch.key = key;
                    watch.entry = entry;
                    self.watches.push(watch);
                }
                None => {
                    let extension = crate::caller::address(&target, &host);
                    self.watches.push(blf::Watch::new(key, account, entry, target, extension));
                }
            }
        }
        for gone in old {
            if let Some(subscription) = gone.subscription {
                let _ = self.endpoint.unsubscribe(now.instant, subscription);
            }
        }
        self.watches.sort_by_key(|watch| watch.key);
        let usable: Vec<u32> = self.lines.iter().filter(|line| line.usable).map(|line| line.number).collect();
        for number in usable {
            self.subscribe_lamps(now, number);
        }
        self.changed();
    }

    /// Subscribes what is not, and what has lost its state.
    fn subscribe_lamps(&mut self, now: Now, number: u32) {
        let wanting: Vec<u8> = self
            .watches
            .iter()
            .filter(|watch| watch.account == number && (watch.subscription.is_none() || watch.is_lost()))
            .map(|watch| watch.key)
            .collect();
        for key in wanting {
            self.subscribe_lamp(now, key);
        }
    }

    /// A new subscription of one lamp key, in place of the one it has.
    pub(crate) fn subscribe_lamp(&mut self, now: Now, key: u8) {
        let Some(watch) = self.watches.iter().find(|watch| watch.key == key) else { return };
        let (account, target, old) = (watch.account, watch.target.clone(), watch.subscription);
        if let Some(old) = old {
            let _ = self.endpoint.unsubscribe(now.instant, old);
        }
        let line = self.line(account);
        let Some((identity, expires)) =
            line.and_then(|line| Some((line.identity?, line.settings.as_ref()?.subscription_expires)))
        else {
            return;
        };
        let accept = "application/dialog-info+xml";
        let subscription = self.endpoint.subscribe(now.instant, identity, target, "dialog", accept, expires).ok();
        if let Some(watch) = self.watches.iter_mut().find(|watch| watch.key == key) {
            watch.subscribed(subscription);
        }
    }

    pub(crate) fn subscription_changed(&mut self, subscription: SubscriptionId, state: &SubscriptionState) {
        let SubscriptionState::Terminated { reason, retry_at, .. } = state else { return };
        if let Some(watch) = self.watches.iter_mut().find(|watch| watch.subscription == Some(subscription)) {
            watch.lost();
            if retry_at.is_none() {
                watch.subscribed(None);
            }
            let text = format!("lamp key {}: subscription ended: {reason}", watch.key);
            self.notify(Event::Protest(text));
        } else if let Some(line) = self.lines.iter_mut().find(|line| line.mwi == Some(subscription)) {
            if retry_at.is_none() {
                line.mwi = None;
            }
            self.changed();
        }
    }

    /// An address of the account's server; or the endpoint has dropped everybody else already.
    pub(crate) fn is_trusted(&self, settings: &Settings, source: SocketAddr) -> bool {
        settings.only_known_sources || self.servers.values().any(|server| *server == source.ip())
    }
}

/// Whether two documents name the same account.
pub(crate) fn same_account(one: &Settings, other: &Settings) -> bool {
    let address = |settings: &Settings| Uri::sip(&settings.username, &settings.host);
    match (address(one), address(other)) {
        (Some(one), Some(other)) => one.equivalent(&other),
        _ => false,
    }
}

fn failure_text(status: Option<u16>, reason: &str, for_good: bool) -> String {
    match status {
        Some(401 | 407) => "wrong password".to_owned(),
        Some(403) if for_good => "wrong password or not allowed".to_owned(),
        Some(403) => "not allowed".to_owned(),
        Some(404) => "the server does not know this account".to_owned(),
        Some(408) | None if reason.is_empty() => "the server does not answer".to_owned(),
        Some(408) => "the server does not answer".to_owned(),
        Some(status) if reason.is_empty() => format!("the server refused ({status})"),
        Some(status) => format!("{reason} ({status})"),
        None => reason.to_owned(),
    }
}
