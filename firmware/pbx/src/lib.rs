//! The small-office PBX machine: registrar with digest, location, routing between users, echo and tone numbers,
//! dialog-info and message-summary notifications, provisioning. Same shape as the phone; no sockets, no files, no clock.
//!
//! ```text
//! pbx.handle(now, input);                    // one thing happened
//! loop {
//!     match pbx.poll() {
//!         Output::Timeout(at) => break,      // nothing to do before `at` unless something happens
//!         output => perform(output),
//!     }
//! }
//! ```
//!
//! It is a back-to-back user agent: each call is two `sip` sessions; SDP passes through untouched, media flows between the
//! phones. The echo and tone numbers end here: their media runs in an `offhook_media::Engine` of the driver.
//!
//! Inside: `users` and `store` (who there is, what survives), `location` (where they are), `routing` and `numbers` (calls),
//! `presence` and `messages` (lamps), `provisioning` (HTTP), `dispatch` (which event goes where, and who may).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods))]

mod chance;
mod context;
mod dispatch;
mod forwarding;
mod journal;
mod location;
mod messages;
mod numbers;
mod presence;
mod provisioning;
mod routing;
mod store;
#[cfg(test)]
mod tests;
mod users;

use chance::Chance;
use context::{Context, Identities};
use journal::Journal;
use location::Location;
use messages::Messages;
use offhook_media as media;
use offhook_sip as sip;
use presence::Watchers;
use provisioning::{Outcome, Site};
use routing::Calls;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};
use users::Users;

/// The time of an input. Timers use `instant`; `wall` (if the clock is set) says how long we were away after a restart.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub instant: Instant,
    pub wall: Option<SystemTime>,
}
/// One HTTP request that waits for its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HttpId(pub u64);
/// One pair of RTP and RTCP sockets of the driver; also the number of the stream on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaId(pub u32);

#[derive(Clone)]
pub struct PbxConfig {
    /// users made at first start
    pub users: Vec<String>,
    /// SIP and HTTP addresses that phones reach us at (put into Account XML and URLs)
    pub sip: SocketAddr,
    pub http: SocketAddr,
    /// realm and domain
    pub realm: String,
    /// what `Persist` wrote before: (name, bytes); state of users, bindings, voicemail counts
    pub records: Vec<(String, Vec<u8>)>,
    pub seed: u64,
    /// 32 random octets: nonce key and the source of passwords and tokens at first start
    pub entropy: [u8; 32],
    /// [Hz]
    pub engine_rate: u32,
    pub version: String,
}
/// Records and entropy are secrets: their names only.
impl std::fmt::Debug for PbxConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let records: Vec<&str> = self.records.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("PbxConfig")
            .field("users", &self.users)
            .field("sip", &self.sip)
            .field("http", &self.http)
            .field("realm", &self.realm)
            .field("records", &records)
            .field("engine_rate", &self.engine_rate)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: String,
    /// path and query
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
/// The query carries a token: the path only.
impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        f.debug_struct("HttpRequest").field("method", &self.method).field("path", &path).finish_non_exhaustive()
    }
}
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}
/// The body carries a password: its length only.
impl std::fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("octets", &self.body.len())
            .finish()
    }
}

#[derive(Debug)]
pub enum Input<'a> {
    /// First of all inputs but `Sip(Listening)`.
    Start,
    Sip(sip::Input<'a>),
    Http {
        id: HttpId,
        request: HttpRequest,
        source: SocketAddr,
    },
    MediaBound {
        id: MediaId,
        result: Result<SocketAddr, String>,
    },
    Media(media::Event),
    Timeout,
    /// set message counts of a user (test, voicemail later): new, old
    Messages {
        user: String,
        new: u32,
        old: u32,
    },
    /// End calls and stop; `Output::Stopped` follows within [`STOP_TIME`].
    Stop,
}

pub enum Output {
    Timeout(Option<Instant>),
    Sip(sip::Output),
    /// A pair of sockets: even port for RTP, the next for RTCP. Answered by `Input::MediaBound`.
    BindMedia {
        id: MediaId,
        local: IpAddr,
        range: (u16, u16),
    },
    ReleaseMedia {
        id: MediaId,
    },
    Media(media::Command),
    Http {
        id: HttpId,
        response: HttpResponse,
    },
    Persist {
        name: String,
        bytes: Vec<u8>,
    },
    /// for standard output at start: provisioning URL of a user (no password in it)
    User {
        number: String,
        provision: String,
    },
    Log(String),
    Stopped,
}
/// What carries secrets (records, URLs with tokens) is named, not shown.
impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Timeout(at) => f.debug_tuple("Timeout").field(at).finish(),
            Self::Sip(output) => f.debug_tuple("Sip").field(output).finish(),
            Self::BindMedia { id, local, range } => {
                f.debug_struct("BindMedia").field("id", id).field("local", local).field("range", range).finish()
            }
            Self::ReleaseMedia { id } => f.debug_struct("ReleaseMedia").field("id", id).finish(),
            Self::Media(command) => f.debug_tuple("Media").field(command).finish(),
            Self::Http { id, response } => f.debug_struct("Http").field("id", id).field("response", response).finish(),
            Self::Persist { name, bytes } => {
                f.debug_struct("Persist").field("name", name).field("octets", &bytes.len()).finish()
            }
            Self::User { number, .. } => f.debug_struct("User").field("number", number).finish_non_exhaustive(),
            Self::Log(line) => f.debug_tuple("Log").field(line).finish(),
            Self::Stopped => f.write_str("Stopped"),
        }
    }
}

/// Longest time between `Input::Stop` and `Output::Stopped`.
pub const STOP_TIME: Duration = Duration::from_secs(2);
/// Nonces older than that are stale.
const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// A registration that was merely refreshed is written after that time, to spare the card.
const REFRESH_WRITE_DELAY: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Pbx {
    site: Site,
    /// [Hz]
    engine_rate: u32,
    endpoint: sip::Endpoint,
    auth: sip::auth::ServerAuth,
    chance: Chance,
    identities: Identities,
    users: Users,
    location: Location,
    calls: Calls,
    watchers: Watchers,
    messages: Messages,
    journal: Journal,
    outputs: VecDeque<Output>,
    endpoint_timeout: Option<Instant>,
    run: Run,
    restored: Vec<store::BindingRow>,
    /// said at start
    complaints: Vec<String>,
    users_changed: bool,
    /// when the bindings are to be written
    write_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// `Start` has not come.
    New,
    Running,
    Stopping {
        until: Instant,
    },
    Stopped,
}

impl Pbx {
    /// Reads the records; users without one get their passwords. Nothing is output before `Input::Start`.
    pub fn new(config: PbxConfig) -> Self {
        let PbxConfig { users, sip, http, realm, records, seed, entropy, engine_rate, version } = config;
        let mut complaints = Vec::new();
        let mut chance = Chance::new(&entropy, "users");
        let stored_users = read_or_complain(&records, store::USERS, &mut complaints);
        let (users, made) = Users::new(&users, stored_users, &numbers::RESERVED, &mut chance);
        complaints.extend(made.complaints);
        let restored = read_or_complain(&records, store::BINDINGS, &mut complaints);
        let messages = Messages::new(read_or_complain(&records, store::MESSAGES, &mut complaints), |user| {
            users.get(user).is_some()
        });
        let nonce_key = Chance::new(&entropy, "nonces").octets();
        Self {
            site: Site { sip, http },
            engine_rate,
            endpoint: sip::Endpoint::new(dispatch::endpoint_config(&version), seed),
            auth: sip::auth::ServerAuth::new(&realm, nonce_key, NONCE_LIFETIME),
            chance: Chance::new(&entropy, "media"),
            identities: Identities::default(),
            users,
            location: Location::default(),
            calls: Calls::default(),
            watchers: Watchers::default(),
            messages,
            journal: Journal::default(),
            outputs: VecDeque::new(),
            endpoint_timeout: None,
            run: Run::New,
            restored,
            complaints,
            users_changed: made.changed,
            write_at: None,
        }
    }

    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Start => self.start(now),
            Input::Sip(input) => {
                self.watch_flows(now, &input);
                self.endpoint.handle(now.instant, input);
            }
            Input::Http { id, request, source } => self.http(now, id, &request, source),
            Input::MediaBound { id, result } => {
                self.with_calls(now, |calls, context| calls.media_bound(context, id, result));
            }
            Input::Media(event) => self.with_calls(now, |calls, context| calls.media_event(context, event)),
            Input::Timeout => self.endpoint.handle(now.instant, sip::Input::Timeout),
            Input::Messages { user, new, old } => self.set_messages(now, &user, new, old),
            Input::Stop => self.stop(now),
        }
        self.pump(now);
        self.keep_time(now);
        // what came due may have moved the endpoint
        self.pump(now);
        self.stop_when_quiet(now);
    }

    pub fn poll(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let stop_at = match self.run {
            Run::Stopping { until } => Some(until),
            Run::Stopped => return Output::Timeout(None),
            Run::New | Run::Running => None,
        };
        let deadlines =
            [self.endpoint_timeout, self.calls.deadline(), self.location.deadline(), self.write_at, stop_at];
        Output::Timeout(deadlines.into_iter().flatten().min())
    }

    /// Registered contacts of a user, for tests and the page to come.
    pub fn contacts(&self, user: &str) -> Vec<String> {
        self.location.contacts(user)
    }

    pub fn census(&self) -> sip::Census {
        self.endpoint.census()
    }

    fn start(&mut self, now: Now) {
        if self.run != Run::New {
            return;
        }
        self.run = Run::Running;
        for line in std::mem::take(&mut self.complaints) {
            self.log(now, &line);
        }
        if std::mem::take(&mut self.users_changed) {
            self.outputs
                .push_back(Output::Persist { name: store::USERS.to_owned(), bytes: store::write(self.users.rows()) });
        }
        let rows = std::mem::take(&mut self.restored);
        let users = &self.users;
        self.location.restore(now, rows, |user| users.get(user).is_some());
        for user in self.users.iter() {
            self.outputs
                .push_back(Output::User { number: user.number.clone(), provision: provisioning::url(self.site, user) });
        }
    }

    fn stop(&mut self, now: Now) {
        if matches!(self.run, Run::Stopping { .. } | Run::Stopped) {
            return;
        }
        self.with_calls(now, Calls::end_all);
        self.pump(now);
        self.write_bindings(now);
        self.endpoint.shut_down(now.instant);
        self.run = Run::Stopping { until: now.instant + STOP_TIME };
    }

    fn stop_when_quiet(&mut self, now: Now) {
        if let Run::Stopping { until } = self.run
            && (now.instant >= until || self.endpoint.census().client_transactions == 0)
        {
            self.run = Run::Stopped;
            self.outputs.push_back(Output::Stopped);
        }
    }

    /// What is due by itself: calls nobody answers, registrations nobody refreshed, the record of bindings.
    fn keep_time(&mut self, now: Now) {
        if self.calls.deadline().is_some_and(|at| at <= now.instant) {
            self.with_calls(now, Calls::expire);
        }
        for user in self.location.expire(now.instant) {
            self.log(now, &format!("a registration of {user} has expired"));
            self.write_at.get_or_insert(now.instant + REFRESH_WRITE_DELAY);
        }
        if self.write_at.is_some_and(|at| at <= now.instant) {
            self.write_bindings(now);
        }
    }

    fn write_bindings(&mut self, now: Now) {
        self.write_at = None;
        self.outputs.push_back(Output::Persist {
            name: store::BINDINGS.to_owned(),
            bytes: store::write(self.location.rows(now)),
        });
    }

    fn http(&mut self, now: Now, id: HttpId, request: &HttpRequest, source: SocketAddr) {
        let response = match provisioning::respond(self.site, &self.users, request) {
            Outcome::Answer(response) => response,
            Outcome::Messages { user, new, old, response } => {
                self.set_messages(now, &user, new, old);
                response
            }
        };
        let path = request.target.split('?').next().unwrap_or_default();
        self.log(now, &format!("HTTP {} {path} from {source}: {}", request.method, response.status));
        self.outputs.push_back(Output::Http { id, response });
    }

    fn log(&mut self, now: Now, line: &str) {
        self.journal.say(now.instant, &mut self.outputs, line);
    }

    /// Lets calls do something, then tells those who watch them.
    fn with_calls(&mut self, now: Now, act: impl FnOnce(&mut Calls, &mut Context<'_>)) {
        let mut context = Context {
            now,
            endpoint: &mut self.endpoint,
            outputs: &mut self.outputs,
            journal: &mut self.journal,
            chance: &mut self.chance,
            site: self.site,
            engine_rate: self.engine_rate,
            users: &self.users,
            location: &self.location,
            identities: &mut self.identities,
        };
        act(&mut self.calls, &mut context);
        self.tell_watchers(now);
    }
}

fn read_or_complain<T: for<'d> serde::Deserialize<'d>>(
    records: &[(String, Vec<u8>)],
    name: &str,
    complaints: &mut Vec<String>,
) -> Vec<T> {
    match store::read(records, name) {
        Ok(rows) => rows.unwrap_or_default(),
        Err(why) => {
            complaints.push(format!("a stored record is not used: {why}"));
            Vec::new()
        }
    }
}
