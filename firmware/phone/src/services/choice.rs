//! The dial actions `options` and `customOptions` (`axml.ref.01`): how a number is to be called is chosen on the soft keys.

use crate::Refusal;
use crate::phone::{Now, Phone};
use offhook_account::Settings;
use offhook_account::rules::{self, DialAction, Dialled};

/// Keys for the actions; the fourth is for more of them, or for none.
pub(crate) const OFFERED: usize = 3;

/// A number that waits to be told how.
#[derive(Debug)]
pub(crate) struct Choice {
    account: u32,
    /// as it was dialled
    pub(crate) number: String,
    dialled: Dialled,
    options: Vec<Way>,
    /// the first one that is shown
    from: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) label: String,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Basic(DialAction),
    Programmed(String),
}

impl Choice {
    /// What the soft keys offer now.
    pub(crate) fn shown(&self) -> &[Way] {
        let all = &self.options;
        all.get(self.from..(self.from + OFFERED).min(all.len())).unwrap_or_default()
    }

    pub(crate) fn has_more(&self) -> bool {
        self.options.len() > OFFERED
    }

    pub(crate) fn turn(&mut self) {
        self.from = if self.from + OFFERED < self.options.len() { self.from + OFFERED } else { 0 };
    }
}

/// Everything that this account can do with a number (`options`), or its own actions only.
fn ways(settings: &Settings, custom: bool) -> Vec<Way> {
    let services = &settings.services;
    let basic = |action, label: &str, there: bool| {
        (there && !custom).then(|| Way { label: label.to_owned(), action: Action::Basic(action) })
    };
    let basics = [
        basic(DialAction::AutoCall, "Call", true),
        basic(DialAction::WebCallback, "Callback", services.callback.is_some()),
        basic(DialAction::CallThrough, "Through", services.call_through.is_some()),
        basic(DialAction::OpenUrl, "Action", services.custom_action.is_some()),
    ];
    let own = services.dial_actions.iter();
    let own = own.map(|own| Way { label: own.title.clone(), action: Action::Programmed(own.id.clone()) });
    basics.into_iter().flatten().chain(own).collect()
}

impl Phone {
    /// Asks how this number is to be called. With one way only there is nothing to choose.
    pub(crate) fn offer_ways(
        &mut self,
        now: Now,
        account: u32,
        number: &str,
        dialled: Dialled,
        custom: bool,
    ) -> Result<(), Refusal> {
        let settings = self.line(account).and_then(|line| line.settings.as_ref()).ok_or(Refusal::NoAccount)?;
        let options = ways(settings, custom);
        if options.is_empty() {
            return Err(Refusal::WrongState("the account has no dial actions to choose from"));
        }
        let choice = Choice { account, number: number.to_owned(), dialled, options, from: 0 };
        self.put_aside(now)?;
        self.dialing.clear();
        self.services.choice = Some(choice);
        match self.services.choice.as_ref().map_or(0, |choice| choice.options.len()) {
            1 => self.choose_way(now, 0),
            _ => Ok(()),
        }
    }

    pub(crate) fn way_label(&self, place: u8) -> String {
        let way = self.services.choice.as_ref().and_then(|choice| choice.shown().get(usize::from(place)));
        way.map(|way| way.label.clone()).unwrap_or_default()
    }

    /// The way on the soft key `index`.
    pub(crate) fn choose_way(&mut self, now: Now, index: usize) -> Result<(), Refusal> {
        let choice = self.services.choice.take().ok_or(Refusal::WrongState("there is nothing to choose"))?;
        let way = choice.shown().get(index).cloned().ok_or(Refusal::WrongState("there is nothing on this key"))?;
        let Choice { account, number, mut dialled, .. } = choice;
        match way.action {
            Action::Basic(action) => dialled.action = Some(action),
            Action::Programmed(id) => {
                let contacts = self.contact_facts(&number);
                let settings = self.line(account).and_then(|line| line.settings.as_ref()).ok_or(Refusal::NoAccount)?;
                let made = rules::programmed(settings, &id, &dialled.number, &self.moment(now, &contacts));
                let made = made.ok_or(Refusal::WrongState("the dial action is gone"))?;
                dialled.headers.extend(made.headers.clone());
                dialled = Dialled { headers: dialled.headers, ..made };
                // an action that only offers actions again would go round in circles
                if matches!(dialled.action, Some(DialAction::Options | DialAction::CustomOptions)) {
                    dialled.action = None;
                }
            }
        }
        self.dial_as(now, account, &number, dialled)
    }
}
