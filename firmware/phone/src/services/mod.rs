//! Web services of the accounts, as the phone uses them: the balance, the web callback, call-through by a service, and
//! actions. What goes out and what answers mean is worked out in `offhook_account::services`; here is who asks when, and
//! what a person hears and sees meanwhile.
//!
//! One number at a time waits for a service. Whoever hangs up while a call-through is asked for makes no call; a callback
//! that was asked for comes all the same, and rings.

mod balance;
mod callback;
mod choice;
mod numbers;
mod vpn;

pub(crate) use choice::Choice;

use crate::phone::{Now, Phone, PhoneFetchId};
use crate::requests::Asker;
use crate::{Event, Level, QuickDialView};
use balance::{Balance, News};
use callback::Expected;
use numbers::Waiting;
use offhook_account::services::{Context, Service, Unfit, answer, request};
use offhook_account::{FetchError, FetchResponse};
use std::collections::BTreeMap;
use std::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Services {
    balances: BTreeMap<u32, Balance>,
    waiting: Option<Waiting>,
    expected: Option<Expected>,
    pub(crate) choice: Option<Choice>,
    /// The phone's version when the accounts were looked at last.
    looked: Option<u64>,
}

/// What a service is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Balance,
    /// For the number that waits.
    Number,
    Action,
    /// Before an account registers.
    VpnStartup,
}

impl Services {
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = Instant> + '_ {
        let waiting = self.waiting.iter().map(|waiting| waiting.until);
        let expected = self.expected.iter().map(|expected| expected.until);
        self.balances.values().filter_map(Balance::deadline).chain(waiting).chain(expected)
    }

    pub(crate) fn balance(&self, account: u32) -> Option<&str> {
        self.balances.get(&account)?.text.as_deref()
    }

    /// A number waits for a service, or a call that a service makes is waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some() || self.expected.is_some()
    }

    /// A service is being asked at this moment, and somebody listens.
    pub(crate) fn is_asking(&self) -> bool {
        self.waiting.is_some()
    }

    /// What is going on, for the screen.
    pub(crate) fn progress(&self) -> Option<String> {
        match (&self.choice, &self.waiting, &self.expected) {
            (Some(choice), ..) => Some(format!("How to call {}?", choice.number)),
            (None, Some(waiting), _) => Some(waiting.words()),
            (None, None, Some(expected)) => Some(format!("Waiting for the call to {}", expected.number)),
            (None, None, None) => None,
        }
    }
}

impl Phone {
    /// After each input: balances as the accounts want them.
    pub(crate) fn settle_services(&mut self, now: Now) {
        if self.is_stopping() {
            self.services.balances.clear();
            (self.services.waiting, self.services.expected, self.services.choice) = (None, None, None);
            return;
        }
        self.settle_numbers(now);
        if self.services.looked != Some(self.version) {
            self.services.looked = Some(self.version);
            self.settle_balances(now);
        }
        let accounts: Vec<u32> = self.services.balances.keys().copied().collect();
        for account in accounts {
            self.ask_balance(now, account);
        }
    }

    fn settle_balances(&mut self, now: Now) {
        let mut wanted = BTreeMap::new();
        for line in &self.lines {
            let check = line.settings.as_ref().and_then(|settings| settings.services.balance.as_ref());
            if let Some(check) = check.filter(|_| !line.leaving) {
                wanted.insert(line.number, (check.clone(), line.usable));
            }
        }
        self.services.balances.retain(|account, _| wanted.contains_key(account));
        for (account, (check, usable)) in wanted {
            let balance = self.services.balances.entry(account).or_insert_with(|| Balance::new(check.clone()));
            if balance.check != check {
                *balance = Balance::new(check);
            }
            balance.registered(now.instant, usable);
        }
    }

    pub(crate) fn call_ended_for_balance(&mut self, now: Now, account: u32) {
        if let Some(balance) = self.services.balances.get_mut(&account) {
            balance.call_ended(now.instant);
        }
    }

    fn ask_balance(&mut self, now: Now, account: u32) {
        let Some(balance) = self.services.balances.get_mut(&account) else { return };
        if !balance.is_due(now.instant) {
            return;
        }
        let service = balance.check.service.clone();
        balance.ask(now.instant);
        if let Err(unfit) = self.ask(now, account, &service, &[], Purpose::Balance) {
            self.balance_answered(now, account, Err(unfit.to_string()));
        }
    }

    fn balance_answered(&mut self, now: Now, account: u32, result: Result<String, String>) {
        let Some(balance) = self.services.balances.get_mut(&account) else { return };
        match balance.answered(now.instant, &mut self.chance, result) {
            News::Nothing => {}
            News::Balance(text) => self.notify(Event::Balance { account, text }),
            News::Failure(why) => self.notice(now, Level::Warning, format!("the balance is not known: {why}")),
        }
    }

    /// One request to a service of an account.
    fn ask(
        &mut self,
        now: Now,
        account: u32,
        service: &Service,
        parameters: &[(&str, &str)],
        purpose: Purpose,
    ) -> Result<PhoneFetchId, Unfit> {
        let document = self.line(account).map(|line| line.layers.merged()).unwrap_or_default();
        let context = Context {
            account: &document,
            device: &self.config.device,
            insecure: self.config.insecure_provisioning,
            trust: self.authorities(account),
            user_agent: &format!("Offhook/{}", self.config.version),
            nonce: self.chance.next(),
        };
        let request = request(service, parameters, &context)?;
        Ok(self.fetch(now, Asker::Service { account, purpose }, request))
    }

    /// The answer of a service.
    pub(crate) fn service_answered(
        &mut self,
        now: Now,
        account: u32,
        id: PhoneFetchId,
        purpose: Purpose,
        result: &Result<FetchResponse, FetchError>,
    ) {
        self.changed();
        let result = result.as_ref();
        match purpose {
            Purpose::Balance => {
                let result = answer::balance(result).map_err(|failure| failure.to_string());
                self.balance_answered(now, account, result);
            }
            Purpose::Number => self.number_answered(now, id, result),
            Purpose::Action => match answer::taken(result) {
                Ok(()) => self.notice(now, Level::Event, "the action was taken".into()),
                Err(failure) => self.notice(now, Level::Warning, format!("the action failed: {failure}")),
            },
            Purpose::VpnStartup => {
                let result = answer::taken(result).map_err(|failure| failure.to_string());
                self.vpn_startup_asked(now, account, result);
            }
        }
    }

    /// Quick dials with the lamp keys that watched extensions leave free (`axml.ref.02`).
    pub(crate) fn quick_dials(&self) -> Vec<QuickDialView> {
        let mut taken: std::collections::BTreeSet<u8> = self.watches.iter().map(|watch| watch.key).collect();
        let all: Vec<_> = self
            .lines
            .iter()
            .filter_map(|line| Some((line.number, line.settings.as_ref()?)))
            .flat_map(|(account, settings)| settings.services.quick_dials.iter().map(move |dial| (account, dial)))
            .collect();
        let mut keys: Vec<Option<u8>> = all.iter().map(|(_, dial)| dial.key.filter(|key| taken.insert(*key))).collect();
        let mut free = 1..=u8::MAX;
        for key in keys.iter_mut().filter(|key| key.is_none()) {
            *key = free.find(|candidate| taken.insert(*candidate));
        }
        let view = |((account, dial), key): ((u32, &offhook_account::services::QuickDial), Option<u8>)| {
            Some(QuickDialView { key: key?, account, name: dial.name.clone(), number: dial.uri.clone() })
        };
        all.into_iter().zip(keys).filter_map(view).collect()
    }
}
