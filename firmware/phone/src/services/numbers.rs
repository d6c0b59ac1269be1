//! A number that is reached by way of a service: call-through (`axml.cth.*`), web callback (`axml.wcb.*`), and the action
//! of `customActionUrl` (`axml.misc.02`).

use super::Purpose;
use crate::outgoing::Placement;
use crate::phone::{Now, Phone, PhoneFetchId};
use crate::{Level, Refusal};
use offhook_account::rules::Dialled;
use offhook_account::services::{self, CallThrough, DialString, answer};
use offhook_account::{FetchError, FetchResponse};
use std::time::{Duration, Instant};

/// A driver that has not answered so long after the request's own time never will.
const LOST: Duration = Duration::from_secs(5);

/// A number whose service is being asked.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// of the request
    id: PhoneFetchId,
    account: u32,
    /// as it was dialled
    typed: String,
    dialled: Dialled,
    what: What,
    pub(crate) until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Callback,
    CallThrough,
}

impl Waiting {
    pub(crate) fn words(&self) -> String {
        match self.what {
            What::Callback => format!("Asking for a callback to {}", self.dialled.number),
            What::CallThrough => format!("Asking how to reach {}", self.dialled.number),
        }
    }
}

impl Phone {
    pub(crate) fn web_callback(
        &mut self,
        now: Now,
        account: u32,
        typed: &str,
        dialled: Dialled,
    ) -> Result<(), Refusal> {
        let callback = self.line(account).and_then(|line| line.settings.as_ref()?.services.callback.as_ref());
        let service = callback.ok_or(Refusal::WrongState("the account has no web callback"))?.service.clone();
        self.ask_about(now, account, typed, dialled, &service, What::Callback)
    }

    pub(crate) fn call_through(
        &mut self,
        now: Now,
        account: u32,
        typed: &str,
        dialled: Dialled,
    ) -> Result<(), Refusal> {
        let line = self.line(account).ok_or(Refusal::NoAccount)?;
        let through = line.settings.as_ref().and_then(|settings| settings.services.call_through.clone());
        match through.ok_or(Refusal::WrongState("the account has no call-through"))? {
            CallThrough::Fixed(template) => {
                let document = line.layers.merged();
                let made = services::dial_string(&template, &dialled.number, &document, &self.config.device);
                let made = made.map_err(|unfit| Refusal::BadValue(format!("cth_dialString: {unfit}")))?;
                self.place_through(now, account, typed, dialled, made)
            }
            CallThrough::Asked(service) => self.ask_about(now, account, typed, dialled, &service, What::CallThrough),
        }
    }

    /// `openUrl`: the phone has no browser, so the URL is asked for and that is all.
    pub(crate) fn custom_action(
        &mut self,
        now: Now,
        account: u32,
        typed: &str,
        dialled: &Dialled,
    ) -> Result<(), Refusal> {
        let line = self.line(account).ok_or(Refusal::NoAccount)?;
        let action = line.settings.as_ref().and_then(|settings| settings.services.custom_action.clone());
        let service = action.ok_or(Refusal::WrongState("the account has no customActionUrl"))?;
        let uri = if typed.contains('@') { typed } else { &dialled.number };
        let parameters = [("uri", uri), ("targetNumber", dialled.number.as_str())];
        self.dialing.clear();
        let asked = self.ask(now, account, &service, &parameters, Purpose::Action);
        asked.map(|_| ()).map_err(|unfit| Refusal::BadValue(format!("customActionUrl: {unfit}")))
    }

    fn ask_about(
        &mut self,
        now: Now,
        account: u32,
        typed: &str,
        dialled: Dialled,
        service: &services::Service,
        what: What,
    ) -> Result<(), Refusal> {
        // each of them may cost money: a second press is not a second call
        if self.services.waiting.is_some() {
            return Err(Refusal::WrongState("a service is being asked for another number"));
        }
        self.put_aside(now)?;
        self.dialing.clear();
        let parameters = [("targetNumber", dialled.number.as_str())];
        let asked = self.ask(now, account, service, &parameters, Purpose::Number);
        let id = asked.map_err(|unfit| Refusal::BadValue(format!("{}: {unfit}", service.name)))?;
        match what {
            // its tone and its end by hanging up need an ear
            What::CallThrough => self.ear_for_call(),
            What::Callback => self.services.expected = None,
        }
        let until = now.instant + service.timeout + LOST;
        let waiting = Waiting { id, account, typed: typed.to_owned(), dialled, what, until };
        self.notice(now, Level::Event, waiting.words());
        self.services.waiting = Some(waiting);
        Ok(())
    }

    pub(super) fn number_answered(&mut self, now: Now, id: PhoneFetchId, result: Result<&FetchResponse, &FetchError>) {
        let Some(waiting) = self.services.waiting.take_if(|waiting| waiting.id == id) else { return };
        let Waiting { account, typed, dialled, what, .. } = waiting;
        if self.line(account).is_none_or(|line| line.leaving || line.settings.is_none()) {
            return;
        }
        match what {
            What::Callback => match answer::callback(result) {
                Ok(words) => {
                    let said = words.map(|words| format!(" ({words})")).unwrap_or_default();
                    self.notice(now, Level::Event, format!("waiting for the call to {}{said}", dialled.number));
                    self.expect(now, account, dialled.number);
                }
                Err(failure) => self.service_failed(now, format!("no callback: {failure}")),
            },
            What::CallThrough => {
                let made = answer::dial_string(result).map_err(|failure| failure.to_string());
                let placed = made.and_then(|made| {
                    let placed = self.place_through(now, account, &typed, dialled, made);
                    placed.map_err(|refusal| refusal.to_string())
                });
                if let Err(why) = placed {
                    self.service_failed(now, format!("no call-through: {why}"));
                }
            }
        }
    }

    fn service_failed(&mut self, now: Now, text: String) {
        self.notice(now, Level::Warning, text);
        if self.ear.is_open() && self.ear.focus.is_none() && self.dialing.is_empty() {
            self.ear.refused = true;
        }
    }

    /// Calls the access number for somebody who wants another one.
    fn place_through(
        &mut self,
        now: Now,
        account: u32,
        typed: &str,
        dialled: Dialled,
        made: DialString,
    ) -> Result<(), Refusal> {
        let through = Dialled { number: made.number, ..dialled.clone() };
        let placement = Placement { wanted: Some(dialled.number), digits: made.digits, ..Placement::of(through) };
        self.place(now, account, typed, placement)
    }

    /// The ear was closed: a call-through that is still asked for is not wanted any more, nor is a choice.
    pub(crate) fn drop_waiting(&mut self) {
        self.services.choice = None;
        if let Some(waiting) = self.services.waiting.take_if(|waiting| waiting.what == What::CallThrough) {
            self.requests.give_up_one(waiting.id);
        }
    }

    /// Somebody does not want any of it any more. A callback that was asked for may still come: then it is a call like any
    /// other.
    pub(crate) fn cancel_services(&mut self) {
        (self.services.choice, self.services.expected) = (None, None);
        if let Some(waiting) = self.services.waiting.take() {
            self.requests.give_up_one(waiting.id);
        }
    }

    /// What has waited long enough, and what something else has come in between of.
    pub(super) fn settle_numbers(&mut self, now: Now) {
        if self.services.waiting.as_ref().is_some_and(|waiting| waiting.until <= now.instant)
            && let Some(waiting) = self.services.waiting.take()
        {
            self.requests.give_up_one(waiting.id);
            self.service_failed(now, "the web service does not answer".into());
        }
        // another call or number in the ear: nobody waits for the first one any more
        if self.ear.focus.is_some() || !self.dialing.is_empty() {
            self.drop_waiting();
        }
        if self.services.expected.as_ref().is_some_and(|expected| expected.until <= now.instant) {
            self.services.expected = None;
            self.service_failed(now, "the call of the web callback did not come".into());
        }
    }
}
