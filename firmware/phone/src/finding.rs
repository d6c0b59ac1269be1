//! Between [`Search`] and the phone: when to look for a server, and what becomes of one that was found. A server found by
//! the network is remembered (`found.json`) and from then on treated as one given by `--provision`; an account that somebody
//! logged in to keeps what is needed to come again.

use crate::phone::{Now, Output, Phone};
use crate::requests::Asker;
use crate::search::{FindingView, Found, Search, SearchInput, SearchOutput};
use crate::{Level, Refusal};
use offhook_account::fetch::{FetchError, FetchResponse};
use offhook_account::finding::DhcpOptions;
use offhook_account::template::{self, Login, without_secrets};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// The record of a server that was found.
pub(crate) const RECORD: &str = "found.json";

/// What the driver asks and answers for SIP PnP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PnpOrder {
    /// A UDP socket whose datagrams to [`crate::pnp::GROUP`] stay in the local network; answered by `PnpEvent::Opened`.
    Open,
    /// `to` absent: the group
    Send {
        to: Option<SocketAddr>,
        bytes: Vec<u8>,
    },
    Close,
}

#[derive(Debug, Clone, Copy)]
pub enum PnpEvent<'a> {
    /// With the address that answers come to; `None`: there is no network.
    Opened(Option<SocketAddr>),
    Heard {
        from: SocketAddr,
        bytes: &'a [u8],
    },
}

/// Looking for a server; empty when there is nothing to look for.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// source of the accounts that anybody else's replace
    fallback: Option<String>,
    search: Option<Search>,
    timeout: Option<Instant>,
}

impl Finding {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timeout
    }

    pub(crate) fn view(&self) -> Option<FindingView> {
        self.search.as_ref().map(Search::view)
    }
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    template: String,
}

impl Phone {
    /// Before everything configured is started: a server that was found earlier is as good as one that was given.
    pub(crate) fn recall_found(&mut self, record: Option<&Vec<u8>>) {
        let told = !self.config.provision.is_empty() || !self.config.accounts.is_empty();
        if told || !self.config.find {
            return;
        }
        let remembered = record.and_then(|bytes| serde_json::from_slice::<Remembered>(bytes).ok());
        self.config.provision.extend(remembered.map(|remembered| remembered.template));
    }

    /// Where settings come from if nobody was named, found, or has made an account by hand.
    pub(crate) fn fall_back(&mut self, nobody: bool) -> Option<String> {
        let told = !self.config.provision.is_empty() || self.lines.iter().any(|line| !line.leaving);
        let fallback = self.config.fallback.clone().filter(|_| nobody && !told);
        self.finding.fallback.clone_from(&fallback);
        fallback
    }

    /// Nobody provisions this phone but the one that does so for want of others.
    fn is_unclaimed(&self) -> bool {
        let own = |source: &str| self.finding.fallback.as_deref() == Some(source);
        self.lines.iter().all(|line| line.leaving || own(&line.source))
    }

    /// After it: a phone without an account looks for one.
    pub(crate) fn begin_finding(&mut self, now: Now) {
        if !self.config.find || !self.is_unclaimed() {
            return;
        }
        let (device, insecure) = (self.config.device.clone(), self.config.insecure_provisioning);
        self.finding.search = Some(Search::new(device, insecure, self.chance.next()));
        self.search(now, SearchInput::Start);
    }

    pub(crate) fn leases_read(&mut self, now: Now, leases: &[DhcpOptions]) {
        self.search(now, SearchInput::Leases(leases));
    }

    pub(crate) fn pnp_event(&mut self, now: Now, event: PnpEvent<'_>) {
        self.search(
            now,
            match event {
                PnpEvent::Opened(local) => SearchInput::PnpOpened(local),
                PnpEvent::Heard { from, bytes } => SearchInput::PnpHeard { from, bytes },
            },
        );
    }

    /// `Command::Login`
    pub(crate) fn log_in(&mut self, now: Now, server: &str, login: Login) -> Result<(), Refusal> {
        if self.finding.search.is_none() {
            return Err(Refusal::WrongState("there is an account already"));
        }
        self.search(now, SearchInput::Login { server, login });
        Ok(())
    }

    /// A network is there.
    pub(crate) fn find_at_once(&mut self, now: Now) {
        self.search(now, SearchInput::Start);
    }

    pub(crate) fn finding_due(&mut self, now: Now) {
        if self.finding.timeout.is_some_and(|at| at <= now.instant) {
            self.search(now, SearchInput::Timeout);
        }
    }

    /// The answer to a request of the search.
    pub(crate) fn search_fetched(&mut self, now: Now, result: Result<FetchResponse, FetchError>) {
        self.search(now, SearchInput::Fetched(result));
    }

    fn search(&mut self, now: Now, input: SearchInput<'_>) {
        // An account may have come another way in the meantime.
        if !self.is_unclaimed() {
            self.end_finding();
        }
        if let Some(search) = &mut self.finding.search {
            search.handle(now.instant, input);
            self.pump_search(now);
        }
    }

    fn pump_search(&mut self, now: Now) {
        while let Some(search) = &mut self.finding.search {
            match search.poll() {
                SearchOutput::Timeout(at) => {
                    self.finding.timeout = at;
                    return;
                }
                SearchOutput::ReadLeases => self.out(Output::ReadLeases),
                SearchOutput::OpenPnp => self.out(Output::Pnp(PnpOrder::Open)),
                SearchOutput::ClosePnp => self.out(Output::Pnp(PnpOrder::Close)),
                SearchOutput::SendPnp { to, bytes } => self.out(Output::Pnp(PnpOrder::Send { to, bytes })),
                SearchOutput::Fetch(mut request) => {
                    request.trust = Arc::clone(&self.config.trust);
                    self.requests.give_up(|asker| *asker == Asker::Search);
                    self.fetch(now, Asker::Search, request);
                }
                SearchOutput::Changed => self.changed(),
                SearchOutput::Found(found) => {
                    self.end_finding();
                    self.found(now, &found);
                }
            }
        }
    }

    fn end_finding(&mut self) {
        if self.finding.search.is_some() {
            self.requests.give_up(|asker| *asker == Asker::Search);
            self.finding = Finding { fallback: self.finding.fallback.take(), ..Finding::default() };
            self.out(Output::Pnp(PnpOrder::Close));
            self.changed();
        }
    }

    fn found(&mut self, now: Now, found: &Found) {
        let template = &found.candidate.template;
        let place = without_secrets(template);
        self.notice(now, Level::Event, format!("settings from {place} ({})", found.candidate.by));
        match &found.login {
            None => {
                let remembered = Remembered { template: template.clone() };
                self.persist(RECORD, serde_json::to_vec(&remembered).unwrap_or_default());
                self.retire_fallback(now);
                self.adopt(now, template);
            }
            Some(login) => {
                if let Err(refusal) = self.apply_document(now, &found.body) {
                    self.notice(now, Level::Error, format!("{place}: {refusal}"));
                    return self.begin_finding(now);
                }
                self.retire_fallback(now);
                self.keep_login(now, template, login);
            }
        }
    }

    fn retire_fallback(&mut self, now: Now) {
        if let Some(source) = self.finding.fallback.take() {
            self.retire(now, &source);
        }
    }

    /// What the account needs to be fetched again: a URL if its document has none, and the name and password that its
    /// server asked for.
    fn keep_login(&mut self, now: Now, template: &str, login: &Login) {
        let Some(line) = self.lines.last() else { return };
        let (number, names_url) = (line.number, line.settings.as_ref().is_some_and(|s| s.ext_prov_url.is_some()));
        let again = !template::needs_login(template, &self.config.device);
        let url = (again && !names_url).then_some(("extProvUrl", Some(template)));
        let name =
            [("extProvUsername", Some(login.username.as_str())), ("extProvPassword", Some(login.password.reveal()))];
        let asked = again && !login.username.is_empty();
        let values: Vec<_> = url.into_iter().chain(name.into_iter().filter(|_| asked)).collect();
        if values.is_empty() {
            return;
        }
        if let Err(refusal) = self.set_values(now, number, &values) {
            self.notice(now, Level::Warning, format!("the login is not kept: {refusal}"));
        }
    }
}
