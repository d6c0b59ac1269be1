//! Requests over HTTP on their way: who asked for which, so that its answer finds him, and the wait for the date where a
//! certificate has to be checked.

use crate::phone::{Now, Output, Phone, PhoneFetchId};
use crate::services;
use offhook_account::fetch::{FetchError, FetchRequest, FetchResponse};
use offhook_account::provisioner::{self, FetchId};
use offhook_contacts::directory::AskId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A certificate cannot be checked without the date. Boards without a clock battery get theirs from the network within
/// seconds; where nobody tells it, the request goes out all the same and fails with a reason that can be read. Shorter than
/// the machines wait for an answer.
pub(crate) const CLOCK_PATIENCE: Duration = Duration::from_secs(25);
/// Nobody tells that the date is known, so it is looked for.
const CLOCK_LOOK: Duration = Duration::from_millis(500);

/// Who gets the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    Provisioning { account: u32, fetch: FetchId },
    Report { account: u32 },
    Search,
    Directory { account: u32, ask: AskId },
    Service { account: u32, purpose: services::Purpose },
}

impl Asker {
    pub(crate) fn account(&self) -> Option<u32> {
        match self {
            Self::Provisioning { account, .. }
            | Self::Report { account }
            | Self::Directory { account, .. }
            | Self::Service { account, .. } => Some(*account),
            Self::Search => None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    last: u64,
    open: BTreeMap<u64, Asker>,
    /// not gone out yet
    held: Vec<(PhoneFetchId, FetchRequest)>,
    /// how long the date is waited for, and when it is looked for
    until: Option<Instant>,
    look: Option<Instant>,
}

impl Requests {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.look
    }

    /// Whoever asked for these does not want the answer any more.
    pub(crate) fn give_up(&mut self, unwanted: impl Fn(&Asker) -> bool) {
        self.open.retain(|_, asker| !unwanted(asker));
    }

    pub(crate) fn give_up_one(&mut self, id: PhoneFetchId) {
        self.open.remove(&id.0);
    }

    /// The documents of one account are another's business now.
    pub(crate) fn hand_over(&mut self, from: u32, to: u32) {
        self.give_up(|asker| matches!(asker, Asker::Provisioning { account, .. } if *account == to));
        for asker in self.open.values_mut() {
            if let Asker::Provisioning { account, .. } = asker
                && *account == from
            {
                *account = to;
            }
        }
    }
}

impl Phone {
    /// One request: at once, or when the date is known that its certificate is checked with.
    pub(crate) fn fetch(&mut self, now: Now, asker: Asker, request: FetchRequest) -> PhoneFetchId {
        self.requests.last += 1;
        let id = PhoneFetchId(self.requests.last);
        self.requests.open.insert(id.0, asker);
        self.requests.held.push((id, request));
        self.send_requests(now);
        id
    }

    fn send_requests(&mut self, now: Now) {
        let patience = *self.requests.until.get_or_insert(now.instant + CLOCK_PATIENCE);
        let wait = now.wall.is_none() && now.instant < patience;
        let (later, at_once): (Vec<_>, Vec<_>) = std::mem::take(&mut self.requests.held)
            .into_iter()
            .filter(|(id, _)| self.requests.open.contains_key(&id.0))
            .partition(|(_, request)| wait && request.url.starts_with("https:"));
        for (id, request) in at_once {
            self.out(Output::Fetch { id, request });
        }
        self.requests.look = (!later.is_empty()).then(|| (now.instant + CLOCK_LOOK).min(patience));
        if later.is_empty() {
            self.requests.until = None;
        }
        self.requests.held = later;
    }

    /// Looks whether the date is known by now.
    pub(crate) fn requests_due(&mut self, now: Now) {
        if self.requests.look.is_some_and(|at| at <= now.instant) {
            self.send_requests(now);
        }
    }

    /// `Input::Fetched`
    pub(crate) fn fetched(&mut self, now: Now, id: PhoneFetchId, result: Result<FetchResponse, FetchError>) {
        match self.requests.open.remove(&id.0) {
            None => {}
            Some(Asker::Provisioning { account, fetch }) => {
                self.provision(now, account, provisioner::Input::Fetched { id: fetch, result });
            }
            Some(Asker::Report { account }) => self.report_answered(now, account, id, &result),
            Some(Asker::Search) => self.search_fetched(now, result),
            Some(Asker::Directory { account, ask }) => self.directory_fetched(now, account, ask, result),
            Some(Asker::Service { account, purpose }) => self.service_answered(now, account, id, purpose, &result),
        }
    }
}
