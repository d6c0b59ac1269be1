//! Decides when to fetch, with what, how to back off, and whether the answer is a new document. One per URL.
//!
//! Call [`Provisioner::set_account`] with the account in force (at start and after each merge), then
//! [`Provisioner::handle`] for every input, then [`Provisioner::poll`] until it answers `Timeout`. One fetch is in
//! flight at a time. The URL given at the start (`--provision`) is fetched at start and on demand; the account's own
//! `extProvUrl` after it and at every `extProvInterval`, spread by 10 %. A failure is retried after 5 s, doubling to
//! one hour, slower when the server says that the document is not there, never before its `Retry-After`; every third
//! failure tries the other URL, so that a wrong `extProvUrl` cannot strand a phone. Redirects and
//! challenges are the driver's.

pub use crate::fetch::{FetchError, FetchRequest, FetchResponse};
use crate::{
    Account, Document, Rejection, document, fetch, http_date,
    layers::{Source, fnv1a},
    schema,
    template::{self, Device, Values},
};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FetchId(pub u64);

#[derive(Debug)]
pub enum Input {
    /// begin (power-on)
    Start,
    /// now, on demand
    FetchNow,
    Fetched {
        id: FetchId,
        result: Result<FetchResponse, FetchError>,
    },
    Timeout,
}

#[derive(Debug)]
pub enum Output {
    Timeout(Option<Instant>),
    Fetch {
        id: FetchId,
        request: FetchRequest,
    },
    /// A new, usable document: merge it ([`Provisioner::source`] says at which rank). Never empty.
    Document {
        accounts: Vec<Account>,
    },
    /// 304, or the same bytes as before.
    Unchanged,
    /// Keep everything as it is; tell the user. `rejection` for an unusable document.
    Failed {
        url_without_secrets: String,
        reason: String,
        rejection: Option<Rejection>,
        retry_at: Option<Instant>,
    },
}

/// Time for one request; a driver that never answers is given up a little later.
pub const FETCH_TIMEOUT: Duration = fetch::TIMEOUT;
const GIVE_UP: Duration = Duration::from_secs(40);
/// First wait after a failure.
pub const BACK_OFF_FIRST: Duration = Duration::from_secs(5);
/// First wait when trying again soon is of no use: not found, forbidden, an unusable document.
pub const BACK_OFF_SLOW: Duration = Duration::from_secs(60);
/// Longest wait after failures.
pub const BACK_OFF_LAST: Duration = Duration::from_secs(3600);
/// Longest `Retry-After` that is obeyed.
const RETRY_AFTER_LAST: Duration = Duration::from_secs(86_400);
/// Shortest interval, whatever the account says.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(5);

/// The machine. Debug output has no URL in it.
pub struct Provisioner {
    template: String,
    /// Fetched by another machine, for this account too.
    shared: String,
    device: Device,
    insecure: bool,
    random: u64,
    account: Option<Document>,
    started: bool,
    state: State,
    /// What the next fetch is for, and when.
    plan: Source,
    due: Option<Instant>,
    /// The account's URL is to be asked right after the first one.
    then_ext: bool,
    failures: u32,
    last_id: u64,
    source: Source,
    /// Of the last accepted document: from the first URL, from the account's.
    known: [Known; 2],
    outputs: VecDeque<Output>,
}

enum State {
    Idle,
    /// The URL has a placeholder that stands for nothing until the account changes.
    Blocked,
    Fetching {
        id: FetchId,
        url: String,
        source: Source,
        give_up: Instant,
    },
}

/// What is remembered of the last accepted document of a URL, for conditional requests.
#[derive(Clone, Default)]
struct Known {
    url: u64,
    etag: Option<String>,
    last_modified: Option<String>,
    body: Option<u64>,
}

impl Provisioner {
    /// `template`: URL with placeholders, may be empty. `insecure`: passwords may be put into plain http URLs. What
    /// was remembered before a restart comes back by [`Provisioner::recall`].
    pub fn new(template: &str, device: Device, insecure: bool, seed: u64) -> Self {
        Self {
            template: template.trim().to_owned(),
            shared: String::new(),
            device,
            insecure,
            random: seed,
            account: None,
            started: false,
            state: State::Idle,
            plan: Source::Provisioning,
            due: None,
            then_ext: false,
            failures: 0,
            last_id: 0,
            source: Source::Provisioning,
            known: [Known::default(), Known::default()],
            outputs: VecDeque::new(),
        }
    }

    /// Another machine fetches the document of this URL, and this account is in it: an `extProvUrl` that says the same
    /// is not asked again.
    pub fn share(&mut self, template: &str) {
        template.trim().clone_into(&mut self.shared);
    }

    /// The last document of this source was not kept after all: the next fetch is to give it again.
    pub fn forget(&mut self, source: Source) {
        *self.known_mut(source) = Known::default();
    }

    /// From the account in force: placeholders, `extProvUrl`, `extProvInterval` (0: only at start and on demand).
    pub fn set_account(&mut self, now: Instant, account: Option<&Document>) {
        let interval = self.interval();
        self.account = account.cloned();
        if !self.started || matches!(self.state, State::Fetching { .. }) {
            return;
        }
        if matches!(self.state, State::Blocked) {
            self.state = State::Idle;
            self.due = Some(now);
        } else if self.then_ext && self.ext_template().is_some() {
            self.begin_ext_at(now);
        } else if self.failures == 0 && self.interval() != interval {
            self.schedule(now);
        }
        // Still before the driver: what became due now is done by the Timeout that poll asks for.
    }

    /// Time between fetches, from the account; `None`: only at start and on demand.
    pub fn interval(&self) -> Option<Duration> {
        let row = schema::row("extProvInterval")?;
        let text = self.account.as_ref()?.value(row.node)?;
        let seconds: u64 = schema::read(row, text).ok()?.value.parse().ok()?;
        (seconds > 0).then(|| Duration::from_secs(seconds).max(SHORTEST_INTERVAL))
    }

    /// At which rank the last `Output::Document` is to be merged.
    pub fn source(&self) -> Source {
        self.source
    }

    /// What to store with the merged account, so that the first fetch after a restart is conditional.
    pub fn memory(&self) -> String {
        let mut out = String::from("offhook-fetches 1\n");
        for known in &self.known {
            let hex = |value: Option<u64>| value.map(|value| format!("{value:016x}")).unwrap_or_default();
            out.push_str(&format!(
                "{:016x}\t{}\t{}\t{}\n",
                known.url,
                known.etag.as_deref().unwrap_or_default(),
                known.last_modified.as_deref().unwrap_or_default(),
                hex(known.body)
            ));
        }
        out
    }

    /// Takes back what [`Provisioner::memory`] gave; only together with the account it was stored with. Anything
    /// else is ignored.
    pub fn recall(&mut self, memory: &str) {
        let mut lines = memory.lines();
        if lines.next() != Some("offhook-fetches 1") {
            return;
        }
        for (known, line) in self.known.iter_mut().zip(lines) {
            let fields: Vec<&str> = line.split('\t').collect();
            if let [url, etag, last_modified, body] = fields.as_slice() {
                *known = Known {
                    url: u64::from_str_radix(url, 16).unwrap_or_default(),
                    etag: header_value(etag),
                    last_modified: header_value(last_modified),
                    body: u64::from_str_radix(body, 16).ok(),
                };
            }
        }
    }

    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start => {
                if !self.started {
                    self.started = true;
                    self.cycle(now);
                }
            }
            Input::FetchNow => {
                self.started = true;
                self.cycle(now);
            }
            Input::Fetched { id, result } => {
                let current = matches!(self.state, State::Fetching { id: other, .. } if other == id);
                // An answer to a request that was given up comes too late.
                if !current {
                    return;
                }
                if let State::Fetching { url, source, .. } = std::mem::replace(&mut self.state, State::Idle) {
                    self.answered(now, &url, source, result);
                }
            }
            Input::Timeout => match &self.state {
                State::Fetching { give_up, .. } if *give_up <= now => {
                    if let State::Fetching { url, source, .. } = std::mem::replace(&mut self.state, State::Idle) {
                        self.answered(now, &url, source, Err(FetchError::TimedOut));
                    }
                }
                State::Fetching { .. } | State::Blocked => {}
                State::Idle => {
                    if self.due.is_some_and(|due| due <= now) {
                        self.begin(now);
                    }
                }
            },
        }
    }

    pub fn poll(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        Output::Timeout(match &self.state {
            State::Fetching { give_up, .. } => Some(*give_up),
            State::Idle => self.due,
            State::Blocked => None,
        })
    }

    /// Both URLs, the first one first; unless a fetch is on its way already.
    fn cycle(&mut self, now: Instant) {
        if matches!(self.state, State::Fetching { .. }) {
            return;
        }
        self.state = State::Idle;
        self.failures = 0;
        self.plan = match self.template.is_empty() {
            true => Source::ExtProv,
            false => Source::Provisioning,
        };
        self.then_ext = self.plan == Source::Provisioning;
        self.begin(now);
    }

    fn begin(&mut self, now: Instant) {
        self.due = None;
        let chosen = match self.plan {
            Source::Provisioning if !self.template.is_empty() => Some(self.template.clone()),
            _ => self.ext_template(),
        };
        let (template, source) = match chosen {
            Some(template) => (template, self.plan),
            None if !self.template.is_empty() => (self.template.clone(), Source::Provisioning),
            // Nothing to ask: wait for an account that names a URL.
            None => return,
        };
        let nonce = self.random();
        let account = self.account.as_ref();
        let values = Values::new(&self.device, account).with_nonce(nonce);
        let url = match template::expand_url(&template, values, self.insecure) {
            Ok(url) => url,
            Err(unknown) => {
                // With another URL to go to, this is one failure more; without, only the account can help.
                if source == Source::ExtProv && !self.template.is_empty() {
                    return self.failed(now, &template, unknown.to_string(), None, Pace::Slow, None);
                }
                self.state = State::Blocked;
                self.outputs.push_back(Output::Failed {
                    url_without_secrets: template::without_secrets(&template),
                    reason: unknown.to_string(),
                    rejection: None,
                    retry_at: None,
                });
                return;
            }
        };
        let known = self.known(source);
        let version = self.device.version.chars().filter(char::is_ascii_graphic).collect::<String>();
        let mut headers = vec![
            ("Accept".to_owned(), "application/xml, text/xml;q=0.9, */*;q=0.1".to_owned()),
            ("User-Agent".to_owned(), format!("Offhook/{}", if version.is_empty() { "0" } else { &version })),
        ];
        // Without an account a 304 would leave the phone with nothing.
        if self.account.is_some() && known.url == fnv1a(url.as_bytes()) {
            headers.extend(known.etag.clone().map(|etag| ("If-None-Match".to_owned(), etag)));
            headers.extend(known.last_modified.clone().map(|date| ("If-Modified-Since".to_owned(), date)));
        }
        self.last_id += 1;
        let id = FetchId(self.last_id);
        let request = FetchRequest { headers, ..FetchRequest::get(url.clone()) };
        self.state = State::Fetching { id, url, source, give_up: now + GIVE_UP };
        self.outputs.push_back(Output::Fetch { id, request });
    }

    fn answered(&mut self, now: Instant, url: &str, source: Source, result: Result<FetchResponse, FetchError>) {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                let slow = matches!(error, FetchError::TooLarge | FetchError::BadUrl(_));
                return self.failed(now, url, error.to_string(), None, slow.into(), None);
            }
        };
        match response.status {
            304 if self.account.is_some() => {
                self.outputs.push_back(Output::Unchanged);
                self.succeeded(now, source);
            }
            200..=299 => self.body(now, url, source, &response),
            status => {
                let mut reason = format!("the server answered {status}");
                if let Some(message) = document::message_in(&response.body) {
                    reason = format!("{reason}: {message}");
                }
                let pace = match status {
                    401 | 403 | 404 | 410 => Pace::Slow,
                    _ => Pace::Quick,
                };
                self.failed(now, url, reason, None, pace, http_date::retry_after(&response));
            }
        }
    }

    fn body(&mut self, now: Instant, url: &str, source: Source, response: &FetchResponse) {
        if response.body.len() > document::MAX_DOCUMENT {
            return self.failed(now, url, FetchError::TooLarge.to_string(), None, Pace::Slow, None);
        }
        let sum = fnv1a(&response.body);
        let same = self.account.is_some() && self.known(source).body == Some(sum);
        let parsed = if same { Ok(None) } else { Document::parse_all(&response.body).map(Some) };
        match parsed {
            Err(rejection) => {
                let reason = format!("the document is not usable: {rejection}");
                self.failed(now, url, reason, Some(rejection), Pace::Slow, None);
            }
            Ok(fresh) => {
                let known = Known {
                    url: fnv1a(url.as_bytes()),
                    etag: response.header("etag").and_then(header_value),
                    last_modified: response.header("last-modified").and_then(header_value),
                    body: Some(sum),
                };
                *self.known_mut(source) = known;
                self.source = source;
                self.outputs.push_back(match fresh {
                    Some(accounts) => Output::Document { accounts },
                    None => Output::Unchanged,
                });
                self.succeeded(now, source);
            }
        }
    }

    fn succeeded(&mut self, now: Instant, source: Source) {
        self.failures = 0;
        self.schedule(now);
        if source == Source::ExtProv {
            self.then_ext = false;
        } else if self.then_ext && self.ext_template().is_some() {
            self.begin_ext_at(now);
        }
        // Otherwise the document just given may bring an extProvUrl: set_account will see.
    }

    /// The next regular fetch: the account's URL, or the first one if it has none.
    fn schedule(&mut self, now: Instant) {
        self.plan = match self.ext_template() {
            Some(_) => Source::ExtProv,
            None => Source::Provisioning,
        };
        self.due = self.interval().map(|interval| now + self.spread(interval, 10));
    }

    fn begin_ext_at(&mut self, now: Instant) {
        self.then_ext = false;
        self.plan = Source::ExtProv;
        self.due = Some(now);
    }

    fn failed(
        &mut self,
        now: Instant,
        url: &str,
        reason: String,
        rejection: Option<Rejection>,
        pace: Pace,
        retry_after: Option<Duration>,
    ) {
        self.failures = self.failures.saturating_add(1);
        let first = match pace {
            Pace::Quick => BACK_OFF_FIRST,
            Pace::Slow => BACK_OFF_SLOW,
        };
        let doubled = first.saturating_mul(1_u32 << (self.failures - 1).min(12));
        let mut wait = self.spread(doubled.min(BACK_OFF_LAST), 20);
        if let Some(asked) = retry_after {
            // Never before what the server asked for, and not all phones in the same second.
            let asked = asked.min(RETRY_AFTER_LAST);
            wait = wait.max(asked + self.spread(asked / 10, 100) / 2);
        }
        let other = match self.plan {
            Source::Provisioning => self.ext_template().is_some(),
            _ => !self.template.is_empty(),
        };
        if other && self.failures.is_multiple_of(3) {
            self.plan = match self.plan {
                Source::Provisioning => Source::ExtProv,
                _ => Source::Provisioning,
            };
        }
        let retry_at = now + wait;
        self.due = Some(retry_at);
        self.outputs.push_back(Output::Failed {
            url_without_secrets: template::without_secrets(url),
            reason,
            rejection,
            retry_at: Some(retry_at),
        });
    }

    /// The account's own URL, if it is usable and not the first one over again.
    fn ext_template(&self) -> Option<String> {
        let row = schema::row("extProvUrl")?;
        let text = self.account.as_ref()?.value(row.node)?;
        let url = schema::read(row, text).ok()?.value;
        if url.is_empty() {
            return None;
        }
        let expanded = |url: &str| {
            template::expand_url_masked(url, Values::new(&self.device, self.account.as_ref()).with_nonce(0)).ok()
        };
        let others = [&self.template, &self.shared].map(|template| expanded(template));
        let again = expanded(&url).is_some_and(|ext| others.contains(&Some(ext)));
        (!again).then_some(url)
    }

    fn known(&self, source: Source) -> &Known {
        let [first, ext] = &self.known;
        if source == Source::ExtProv { ext } else { first }
    }

    fn known_mut(&mut self, source: Source) -> &mut Known {
        let [first, ext] = &mut self.known;
        if source == Source::ExtProv { ext } else { first }
    }

    /// The time, up to `percent` shorter or longer.
    fn spread(&mut self, time: Duration, percent: u32) -> Duration {
        let unit = (self.random() >> 40) as f64 / f64::from(1_u32 << 24);
        let factor = 1.0 + (2.0 * unit - 1.0) * f64::from(percent.min(100)) / 100.0;
        time.mul_f64(factor.max(0.0))
    }

    /// SplitMix64: all that is wanted is that two phones differ, and two requests.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[derive(Clone, Copy)]
enum Pace {
    Quick,
    Slow,
}

impl From<bool> for Pace {
    fn from(slow: bool) -> Self {
        if slow { Self::Slow } else { Self::Quick }
    }
}

/// A value that may be sent back: short, printable.
fn header_value(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

impl std::fmt::Debug for Provisioner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provisioner")
            .field("url", &template::without_secrets(&self.template))
            .field("due", &self.due)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}
