//! Accounts that do not ring here (`icm off`) and still make calls: they register for the time of a call (`axml.inc.07`).
//! With `requiresRegistrationForOutgoingCalls` 0 the call goes out even if the server refuses the registration.

use crate::line::Line;
use crate::phone::{Now, Phone};
use crate::{AccountState, Level, Refusal};
use offhook_account::settings::IncomingMode;
use std::time::{Duration, Instant};

/// A registration takes so long at most before the caller hears that there is no call: over UDP a server that does not
/// answer is given up after 32 s (RFC 3261 section 17.1.2.2), which nobody waits for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whether an account is registered for a call only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnDemand {
    #[default]
    No,
    /// It is, or is about to be.
    Registered,
    /// It was refused, and calls all the same.
    Refused,
}

/// A number that waits for its account.
#[derive(Debug)]
pub(crate) struct Patient {
    account: u32,
    number: String,
    pub(crate) until: Instant,
}

impl Patient {
    pub(crate) fn number(&self) -> &str {
        &self.number
    }
}

impl Line {
    /// Makes calls although it is not registered.
    pub(crate) fn dials_on_demand(&self) -> bool {
        let off = |settings: &offhook_account::Settings| {
            settings.incoming == IncomingMode::Off && !settings.force_registration
        };
        !self.switched_off && !self.leaving && self.settings.as_ref().is_some_and(off)
    }

    /// A call can go out now.
    pub(crate) fn is_callable(&self) -> bool {
        self.usable || self.on_demand == OnDemand::Refused
    }
}

impl Phone {
    /// Registers the account that a number is for, and dials once it is.
    pub(crate) fn register_to_dial(&mut self, now: Now, account: Option<u32>, number: &str) -> Result<(), Refusal> {
        let wanted = |line: &&Line| account.is_none_or(|account| line.number == account) && line.dials_on_demand();
        let account = self.lines.iter().find(wanted).map(|line| line.number).ok_or(Refusal::NotRegistered)?;
        if self.patient.is_some() {
            return Err(Refusal::WrongState("another call waits for its registration"));
        }
        self.put_aside(now)?;
        self.dialing.clear();
        self.ear_for_call();
        self.patient = Some(Patient { account, number: number.to_owned(), until: now.instant + PATIENCE });
        if let Some(line) = self.line_mut(account) {
            line.on_demand = OnDemand::Registered;
        }
        self.register(now, account);
        Ok(())
    }

    /// The account is registered, or will not be.
    pub(crate) fn registered_to_dial(&mut self, now: Now, account: u32) {
        let Some(state) = self.line(account).map(|line| line.registration.clone()) else { return };
        if !matches!(state, AccountState::Registered | AccountState::Failed(_)) {
            return;
        }
        let Some(patient) = self.patient.take_if(|patient| patient.account == account) else { return };
        if let AccountState::Failed(reason) = state {
            let calls = |line: &Line| line.settings.as_ref().is_some_and(|settings| !settings.register_for_calls);
            match self.line_mut(account) {
                Some(line) if calls(line) => line.on_demand = OnDemand::Refused,
                _ => return self.not_called(now, format!("not called: {reason}")),
            }
        }
        if let Err(refusal) = self.dial(now, Some(account), &patient.number) {
            self.not_called(now, refusal.to_string());
        }
    }

    /// Nobody waits any more.
    pub(crate) fn patience_due(&mut self, now: Now) {
        if self.patient.take_if(|patient| patient.until <= now.instant).is_some() {
            self.not_called(now, "not called: the server does not answer".into());
        }
    }

    fn not_called(&mut self, now: Now, text: String) {
        self.notice(now, Level::Warning, text);
        self.ear.refused = self.ear.is_open() && self.ear.focus.is_none();
    }

    /// Unregisters accounts whose call is over; true if there was one.
    pub(crate) fn release_on_demand(&mut self, now: Now) -> bool {
        let waits = |number: u32| self.patient.as_ref().is_some_and(|patient| patient.account == number);
        let over = |line: &&Line| line.on_demand != OnDemand::No && !waits(line.number) && !self.has_calls(line.number);
        let over: Vec<u32> = self.lines.iter().filter(over).map(|line| line.number).collect();
        for number in &over {
            if let Some(line) = self.line_mut(*number) {
                line.on_demand = OnDemand::No;
            }
            self.register(now, *number);
        }
        !over.is_empty()
    }
}
