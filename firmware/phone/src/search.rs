//! A phone that was told nothing looks for its provisioning server: the network's DHCP, SIP PnP, a person at the phone. One
//! place after the other is asked for a document; the first that has one is it. Nobody else is asked anything.
//!
//! [`Search::handle`] for every input, then [`Search::poll`] until it answers `Timeout`. What was found is handed over once,
//! and the search is over. A round without success is followed by another, ever later up to ten minutes; a network that
//! comes up starts one at once. A server that wants to know who is there (401, or a URL with `%username%`) is kept for the
//! login screen.

use crate::chance::Chance;
use crate::pnp::Pnp;
use offhook_account::fetch::{Credentials, FetchError, FetchRequest, FetchResponse};
use offhook_account::finding::{self, Candidate, DhcpOptions, Finder};
use offhook_account::template::{self, Device, Login, Values};
use offhook_account::{Document, document};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// First wait between rounds.
const ROUND_FIRST: Duration = Duration::from_secs(10);
/// Longest wait between rounds.
const ROUND_LAST: Duration = Duration::from_secs(600);
/// A driver that does not answer.
const GIVE_UP: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub(crate) enum SearchInput<'a> {
    /// Look around now.
    Start,
    /// the answer to `SearchOutput::ReadLeases`
    Leases(&'a [DhcpOptions]),
    /// the answer to `SearchOutput::OpenPnp`; `None`: there is no network to ask
    PnpOpened(Option<SocketAddr>),
    PnpHeard {
        from: SocketAddr,
        bytes: &'a [u8],
    },
    Fetched(Result<FetchResponse, FetchError>),
    /// Somebody typed; an empty server means the one that asked.
    Login {
        server: &'a str,
        login: Login,
    },
    Timeout,
}

#[derive(Debug)]
pub(crate) enum SearchOutput {
    Timeout(Option<Instant>),
    ReadLeases,
    /// A socket for datagrams to and from the local network.
    OpenPnp,
    ClosePnp,
    /// `None`: to the group
    SendPnp {
        to: Option<SocketAddr>,
        bytes: Vec<u8>,
    },
    Fetch(FetchRequest),
    /// A usable document is there.
    Found(Found),
    /// What the screen shows has changed.
    Changed,
}

/// The end of a search.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) candidate: Candidate,
    /// what somebody typed for it
    pub(crate) login: Option<Login>,
    pub(crate) body: Vec<u8>,
}

/// What a person sees of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingView {
    /// what was looked at last and what came of it
    pub last: String,
    /// a server waits for a name and a password: its URL, without secrets
    pub login: Option<String>,
    /// the request of somebody who logged in is on its way
    pub busy: bool,
    /// who the phone is, for the administrator who scans it: `offhook:?mac=...&model=...`
    pub code: String,
    /// the same for small screens and for typing: `OFFHOOK:<MAC>`
    pub short: String,
}

enum State {
    Idle,
    /// Asking `candidate`.
    Asking {
        candidate: Candidate,
        login: Option<Login>,
        give_up: Instant,
    },
    /// Until the next round.
    Waiting(Instant),
    Over,
}

pub(crate) struct Search {
    device: Device,
    insecure: bool,
    chance: Chance,
    state: State,
    queue: VecDeque<Candidate>,
    /// It wants to know who is there.
    wanted: Option<Candidate>,
    pnp: Option<Pnp>,
    /// The driver was asked for a socket.
    opening: bool,
    /// The driver was asked for leases.
    reading: bool,
    rounds: u32,
    last: String,
    outputs: VecDeque<SearchOutput>,
}

impl Search {
    pub(crate) fn new(device: Device, insecure: bool, seed: u64) -> Self {
        Self {
            device,
            insecure,
            chance: Chance::new(seed),
            state: State::Idle,
            queue: VecDeque::new(),
            wanted: None,
            pnp: None,
            opening: false,
            reading: false,
            rounds: 0,
            last: "looking for a provisioning server".into(),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn view(&self) -> FindingView {
        let Device { mac, model, serial, version } = &self.device;
        let mut code = "offhook:?".to_owned();
        for (name, value) in [("mac", mac), ("model", model), ("serial", serial), ("version", version)] {
            if !code.ends_with('?') {
                code.push('&');
            }
            code.push_str(&format!("{name}={}", template::encoded(value)));
        }
        FindingView {
            last: self.last.clone(),
            login: self.wanted.as_ref().map(|candidate| template::without_secrets(&candidate.template)),
            busy: matches!(&self.state, State::Asking { login: Some(_), .. }),
            code,
            short: format!("OFFHOOK:{}", mac.to_uppercase()),
        }
    }

    pub(crate) fn handle(&mut self, now: Instant, input: SearchInput<'_>) {
        if matches!(self.state, State::Over) {
            return;
        }
        match input {
            SearchInput::Start => match self.state {
                State::Asking { .. } => {}
                _ => self.begin_round(),
            },
            SearchInput::Leases(leases) => {
                if std::mem::take(&mut self.reading) {
                    self.queue.extend(finding::from_dhcp(leases));
                }
            }
            SearchInput::PnpOpened(local) => {
                if std::mem::take(&mut self.opening) {
                    let chance = [self.chance.next(), self.chance.next()];
                    self.pnp = local.and_then(|local| Pnp::new(now, &self.device, local, chance));
                }
            }
            SearchInput::PnpHeard { from, bytes } => {
                let heard = self.pnp.as_mut().map(|pnp| pnp.heard(bytes)).unwrap_or_default();
                if let Some(bytes) = heard.answer {
                    self.outputs.push_back(SearchOutput::SendPnp { to: Some(from), bytes });
                }
                self.queue.extend(heard.url.into_iter().flat_map(|url| finding::from_text(Finder::Pnp, &url)));
            }
            SearchInput::Fetched(result) => {
                if let State::Asking { candidate, login, .. } = std::mem::replace(&mut self.state, State::Idle) {
                    self.answered(candidate, login, result);
                }
            }
            SearchInput::Login { server, login } => self.log_in(now, server, login),
            SearchInput::Timeout => match &self.state {
                State::Asking { give_up, .. } if *give_up <= now => {
                    if let State::Asking { candidate, login, .. } = std::mem::replace(&mut self.state, State::Idle) {
                        self.answered(candidate, login, Err(FetchError::TimedOut));
                    }
                }
                State::Waiting(until) if *until <= now => self.begin_round(),
                _ => {}
            },
        }
        self.go_on(now);
    }

    pub(crate) fn poll(&mut self) -> SearchOutput {
        self.outputs.pop_front().unwrap_or_else(|| SearchOutput::Timeout(self.deadline()))
    }

    fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Asking { give_up, .. } => Some(*give_up),
            State::Waiting(until) => Some(*until),
            State::Over => return None,
            State::Idle => None,
        };
        own.into_iter().chain(self.pnp.as_ref().and_then(Pnp::deadline)).min()
    }

    fn begin_round(&mut self) {
        self.state = State::Idle;
        self.queue.clear();
        self.close_pnp();
        (self.reading, self.opening) = (true, true);
        self.outputs.extend([SearchOutput::ReadLeases, SearchOutput::OpenPnp]);
    }

    /// The next place, or the end of the round.
    fn go_on(&mut self, now: Instant) {
        if let Some(bytes) = self.pnp.as_mut().and_then(|pnp| pnp.due(now)) {
            self.outputs.push_back(SearchOutput::SendPnp { to: None, bytes });
        }
        while matches!(self.state, State::Idle)
            && let Some(candidate) = self.queue.pop_front()
        {
            self.ask(now, candidate, None);
        }
        let listening = self.opening || self.pnp.as_ref().is_some_and(|pnp| !pnp.is_over());
        if matches!(self.state, State::Idle) && !listening && !self.reading {
            self.close_pnp();
            let wait = ROUND_FIRST.saturating_mul(1 << self.rounds.min(10)).min(ROUND_LAST);
            // Not all phones of a building in the same second.
            let spread = self.chance.below(wait.as_millis() as u64 / 5 + 1);
            self.rounds += 1;
            self.state = State::Waiting(now + wait + Duration::from_millis(spread));
        }
    }

    fn close_pnp(&mut self) {
        if self.pnp.take().is_some() {
            self.outputs.push_back(SearchOutput::ClosePnp);
        }
    }

    fn ask(&mut self, now: Instant, candidate: Candidate, login: Option<Login>) {
        let nonce = self.chance.next();
        let values = Values::new(&self.device, None).with_nonce(nonce);
        let url = match &login {
            None if template::needs_login(&candidate.template, &self.device) => return self.want(candidate),
            None => template::expand_url(&candidate.template, values, self.insecure),
            Some(login) => template::expand_login(&candidate.template, &self.device, login, nonce, self.insecure),
        };
        let url = match url {
            Ok(url) => url,
            Err(unknown) => return self.tell(&candidate, &unknown.to_string()),
        };
        let version: String = self.device.version.chars().filter(char::is_ascii_graphic).collect();
        let request = FetchRequest {
            headers: vec![
                ("Accept".to_owned(), "application/xml, text/xml;q=0.9, */*;q=0.1".to_owned()),
                ("User-Agent".to_owned(), format!("Offhook/{}", if version.is_empty() { "0" } else { &version })),
            ],
            credentials: login
                .as_ref()
                .filter(|login| !login.username.is_empty())
                .map(|login| Credentials { username: login.username.clone(), password: login.password.clone() }),
            insecure: self.insecure,
            ..FetchRequest::get(url)
        };
        self.outputs.push_back(SearchOutput::Fetch(request));
        self.state = State::Asking { candidate, login, give_up: now + GIVE_UP };
        self.outputs.push_back(SearchOutput::Changed);
    }

    fn answered(&mut self, candidate: Candidate, login: Option<Login>, result: Result<FetchResponse, FetchError>) {
        match result {
            Err(error) => self.tell(&candidate, &error.to_string()),
            Ok(response) => match response.status {
                200..=299 => match Document::parse(&response.body) {
                    Ok(_) => {
                        self.close_pnp();
                        self.state = State::Over;
                        let found = Found { candidate, login, body: response.body };
                        self.outputs.extend([SearchOutput::Found(found), SearchOutput::Changed]);
                    }
                    Err(rejection) => self.tell(&candidate, &format!("no account there: {rejection}")),
                },
                401 if login.is_none() => self.want(candidate),
                401 | 403 if login.is_some() => {
                    let said = document::message_in(&response.body);
                    let said = said.unwrap_or_else(|| "name or password are not right".into());
                    self.tell(&candidate, &said);
                    self.wanted = Some(candidate);
                }
                status => {
                    let said = document::message_in(&response.body).map(|said| format!(": {said}"));
                    self.tell(&candidate, &format!("the server answered {status}{}", said.unwrap_or_default()));
                }
            },
        }
    }

    /// It is to be asked again when somebody has said who he is.
    fn want(&mut self, candidate: Candidate) {
        if self.wanted.is_none() {
            self.tell(&candidate, "wants a user name and a password");
            self.wanted = Some(candidate);
        }
    }

    fn log_in(&mut self, now: Instant, server: &str, login: Login) {
        let mut places: VecDeque<Candidate> = match (server.trim(), &self.wanted) {
            ("", Some(wanted)) => [wanted.clone()].into(),
            (server, _) => finding::from_text(Finder::Person, server).into(),
        };
        let Some(first) = places.pop_front() else {
            self.last = "name the server: https://pbx.example/phones/{mac}.xml".into();
            self.outputs.push_back(SearchOutput::Changed);
            return;
        };
        // Somebody waits for it: whatever else is being asked can wait. A late answer belongs to nobody.
        self.queue.clear();
        self.ask(now, first, Some(login));
    }

    fn tell(&mut self, candidate: &Candidate, what: &str) {
        let place = template::without_secrets(&candidate.template);
        self.last = format!("{place} ({}): {what}", candidate.by);
        self.outputs.push_back(SearchOutput::Changed);
    }
}

impl std::fmt::Debug for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Search").field("last", &self.last).field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
