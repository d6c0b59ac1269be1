//! Where settings come from and where they go: `--provision` URLs and `--account` files become accounts, each with its
//! layers and one provisioner; a new document is merged, stored, and the difference put to work at once. What a live call
//! depends on (server, credentials) waits for its end. A document that cannot be used changes nothing.
//!
//! Stored: `account-<n>.xml` (layers), `fetches-<n>` (entity tags that belong to them), `accounts.json` (which source
//! account n has, and its SIP port). An account is restored only for the source it was stored for.

use crate::line::{self, Line};
use crate::phone::{Now, Output, Phone, PhoneFetchId};
use crate::{Event, Level, ProvisioningView, Refusal, finding, history, registration, volume};
use offhook_account::fetch::Trust;
use offhook_account::layers::{Change, Source};
use offhook_account::provisioner::{self, FetchError, FetchId, FetchRequest, FetchResponse, Provisioner};
use offhook_account::schema;
use offhook_account::template::without_secrets;
use offhook_account::{Document, Layers, Secret, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const INDEX: &str = "accounts.json";
/// Source of an account that the control API made.
const BY_API: &str = "control API";
/// A certificate cannot be checked without the date. Boards without a clock battery get theirs from the network within
/// seconds; where nobody tells it, the fetch fails with a reason that can be read. Shorter than a fetch's own time.
const CLOCK_PATIENCE: Duration = Duration::from_secs(25);
/// Nobody tells that the date is known, so it is looked for.
const CLOCK_LOOK: Duration = Duration::from_millis(500);
/// Accounts at most.
const MOST_ACCOUNTS: usize = 64;

/// Fetching, account by account.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    machines: BTreeMap<u32, Provisioner>,
    pub(crate) timeouts: BTreeMap<u32, Instant>,
    open: BTreeMap<u64, (u32, FetchId)>,
    last: u64,
    reports: BTreeMap<u32, ProvisioningView>,
    /// machines that have something to say
    stirred: Vec<u32>,
    /// requests that have not gone out, and how long the date is waited for
    asked: Vec<(PhoneFetchId, FetchRequest)>,
    clock_until: Option<Instant>,
    clock_look: Option<Instant>,
}

impl Fetches {
    pub(crate) fn clock_deadline(&self) -> Option<Instant> {
        self.clock_look
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    number: u32,
    source: String,
    port: u16,
}

fn record(number: u32) -> String {
    format!("account-{number}.xml")
}

fn memory(number: u32) -> String {
    format!("fetches-{number}")
}

impl Phone {
    /// `Input::Start`: everything stored, then everything configured.
    pub(crate) fn start(&mut self, now: Now) {
        let records: BTreeMap<String, Vec<u8>> = std::mem::take(&mut self.config.records).into_iter().collect();
        self.stored = records.iter().map(|(name, bytes)| (name.clone(), Self::hash(bytes))).collect();
        if let Some(bytes) = records.get(history::RECORD) {
            self.history = history::History::restore(bytes);
        }
        if let Some(bytes) = records.get(volume::RECORD) {
            self.volume = volume::restore(bytes);
        }
        self.recall_found(records.get(finding::RECORD));
        let mut index: Vec<Entry> =
            records.get(INDEX).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        index.truncate(MOST_ACCOUNTS);
        let templates = self.config.provision.clone();
        let files = std::mem::take(&mut self.config.accounts);
        let mut wanted: Vec<(String, String, Option<Vec<u8>>)> =
            templates.into_iter().map(|template| (template.clone(), template, None)).collect();
        wanted.extend(files.into_iter().map(|(name, bytes)| (format!("file {name}"), String::new(), Some(bytes))));
        let made_by_hand = index.iter().filter(|entry| entry.source == BY_API);
        wanted.extend(made_by_hand.map(|_| (BY_API.to_owned(), String::new(), None)));
        wanted.truncate(MOST_ACCOUNTS);
        self.notify(Event::Started);
        for (source, template, file) in wanted {
            let position = index.iter().position(|entry| entry.source == source);
            let stored = position.map(|position| index.remove(position));
            self.start_account(now, &records, stored.as_ref(), &source, &template, file);
        }
        // what belongs to nobody any more is not kept: it has passwords in it
        for gone in index {
            // a line of that number with settings has written its own already
            if self.line(gone.number).is_none_or(|line| line.settings.is_none()) {
                self.persist(record(gone.number), Vec::new());
                self.persist(memory(gone.number), Vec::new());
            }
        }
        self.persist_index();
        self.rebuild_lamps(now);
        let numbers: Vec<u32> = self.lines.iter().map(|line| line.number).collect();
        for number in numbers {
            self.provision(now, number, provisioner::Input::Start);
        }
        self.begin_finding(now);
    }

    /// A server that was found is from now on as if it had been given.
    pub(crate) fn adopt(&mut self, now: Now, template: &str) {
        self.start_account(now, &BTreeMap::new(), None, template, template, None);
        self.persist_index();
        if let Some(number) = self.lines.last().map(|line| line.number) {
            self.provision(now, number, provisioner::Input::Start);
        }
    }

    fn start_account(
        &mut self,
        now: Now,
        records: &BTreeMap<String, Vec<u8>>,
        stored: Option<&Entry>,
        source: &str,
        template: &str,
        file: Option<Vec<u8>>,
    ) {
        let from_file = file.is_some();
        let number = self.lines.len() as u32 + 1;
        let port = match stored.map(|entry| entry.port) {
            Some(port) if port > 1024 => port,
            _ => self.random_port(),
        };
        let mut line = Line::new(number, source.to_owned(), port);
        let mut machine = Provisioner::new(
            template,
            self.config.device.clone(),
            self.config.insecure_provisioning,
            self.chance.next(),
        );
        let bytes = stored.and_then(|entry| records.get(&record(entry.number)));
        if let (Some(entry), Some(bytes)) = (stored, bytes) {
            match Layers::restore(bytes) {
                Ok(layers) => {
                    line.layers = layers;
                    let text = records.get(&memory(entry.number)).and_then(|bytes| std::str::from_utf8(bytes).ok());
                    machine.recall(text.unwrap_or_default());
                }
                Err(rejection) => {
                    let text = format!("stored settings of account {number} are not readable: {}", rejection.reason);
                    self.notice(now, Level::Error, text);
                }
            }
        }
        if let Some(bytes) = file {
            match Document::parse(&bytes) {
                Ok((document, _)) => {
                    line.layers.merge(Source::Provisioning, &document);
                }
                Err(rejection) => {
                    let text = format!("{source}: {}", Refusal::BadDocument(rejection));
                    self.notice(now, Level::Error, text);
                }
            }
        }
        self.lines.push(line);
        self.fetches.machines.insert(number, machine);
        if !template.is_empty() {
            let url = without_secrets(template);
            self.fetches.reports.insert(number, ProvisioningView { url, last: "not fetched yet".into(), ok: None });
        }
        let usable = self.apply(now, number);
        if usable && (from_file || stored.is_some_and(|entry| entry.number != number)) {
            self.persist_account(number);
        }
    }

    /// Asks one provisioner; what it answers is dealt with in `pump`.
    pub(crate) fn provision(&mut self, now: Now, number: u32, input: provisioner::Input) {
        if let Some(machine) = self.fetches.machines.get_mut(&number) {
            machine.handle(now.instant, input);
            self.fetches.stirred.push(number);
        }
    }

    /// Retries have grown slow without a network. Accounts that are registered may have another address now.
    pub(crate) fn network_up(&mut self, now: Now) {
        let waiting = |(number, report): (&u32, &ProvisioningView)| (report.ok != Some(true)).then_some(*number);
        let fetches: Vec<u32> = self.fetches.reports.iter().filter_map(waiting).collect();
        for number in fetches {
            self.provision(now, number, provisioner::Input::FetchNow);
        }
        let lines: Vec<u32> = self.lines.iter().filter(|line| line.registers()).map(|line| line.number).collect();
        for number in lines {
            self.register(now, number);
        }
    }

    /// Accounts whose settings come from somewhere.
    pub(crate) fn fetched_accounts(&self) -> Vec<u32> {
        let has_url = |number: &u32| {
            let own = self.line(*number).and_then(|line| line.settings.as_ref()?.ext_prov_url.as_deref());
            let given = self.fetches.reports.get(number).map(|report| report.url.as_str());
            own.or(given).is_some_and(|url| !url.is_empty())
        };
        self.fetches.machines.keys().copied().filter(has_url).collect()
    }

    /// The account's server says that there are new settings (`features.92`).
    pub(crate) fn check_sync(&mut self, now: Now, number: u32) {
        self.provision(now, number, provisioner::Input::FetchNow);
    }

    pub(crate) fn fetch_all(&mut self, now: Now) {
        let numbers: Vec<u32> = self.fetches.machines.keys().copied().collect();
        for number in numbers {
            self.provision(now, number, provisioner::Input::FetchNow);
        }
    }

    pub(crate) fn fetched(&mut self, now: Now, id: PhoneFetchId, result: Result<FetchResponse, FetchError>) {
        let Some(result) = self.search_fetched(now, id, result) else { return };
        if let Some((number, id)) = self.fetches.open.remove(&id.0) {
            self.provision(now, number, provisioner::Input::Fetched { id, result });
        }
    }

    /// What the provisioners have to say; true if that may have moved the endpoint.
    pub(crate) fn pump_provisioning(&mut self, now: Now) -> bool {
        let mut moved = false;
        while let Some(number) = self.fetches.stirred.pop() {
            while let Some(machine) = self.fetches.machines.get_mut(&number) {
                match machine.poll() {
                    provisioner::Output::Timeout(at) => {
                        match at {
                            Some(at) => self.fetches.timeouts.insert(number, at),
                            None => self.fetches.timeouts.remove(&number),
                        };
                        break;
                    }
                    provisioner::Output::Fetch { id, request } => {
                        self.fetches.last += 1;
                        let own = self.fetches.last;
                        // one fetch at a time for each account: an older one was given up
                        self.fetches.open.retain(|_, (of, _)| *of != number);
                        self.fetches.open.insert(own, (number, id));
                        let request = self.as_account(number, request);
                        self.fetches.asked.push((PhoneFetchId(own), request));
                    }
                    provisioner::Output::Document { document, findings } => {
                        let source = machine.source();
                        moved = true;
                        let notes: Vec<String> = findings
                            .iter()
                            .map(|finding| format!("line {}: {}: {}", finding.line, finding.node, finding.message))
                            .collect();
                        self.provisioned(now, number, source, &document, &notes);
                    }
                    provisioner::Output::Unchanged => {
                        self.report(now, number, "unchanged".into(), true);
                        self.persist_memory(number);
                    }
                    provisioner::Output::Failed { url_without_secrets, reason, .. } => {
                        self.provisioning_failed(now, number, url_without_secrets, reason);
                    }
                }
            }
        }
        self.send_fetches(now);
        moved
    }

    /// A request that is not an account's.
    pub(crate) fn send_fetch(&mut self, request: FetchRequest) -> PhoneFetchId {
        self.fetches.last += 1;
        let id = PhoneFetchId(self.fetches.last);
        self.fetches.asked.push((id, request));
        id
    }

    /// With what the account, or the command line, says of the provisioning server.
    fn as_account(&self, number: u32, mut request: FetchRequest) -> FetchRequest {
        request.insecure = self.config.insecure_provisioning;
        request.trust = Arc::clone(&self.config.trust);
        if let Some(web) = self.line(number).and_then(|line| line.settings.as_ref()).map(|settings| &settings.web) {
            request.credentials = web.credentials.clone();
            if web.trust != Trust::default() {
                request.trust = Arc::new(web.trust.joined(&self.config.trust));
            }
        }
        request
    }

    /// Requests go out at once, but those whose certificates have dates wait a little for ours.
    pub(crate) fn send_fetches(&mut self, now: Now) {
        if self.fetches.asked.is_empty() {
            return;
        }
        let patience = *self.fetches.clock_until.get_or_insert(now.instant + CLOCK_PATIENCE);
        let wait = now.wall.is_none() && now.instant < patience;
        let (later, at_once): (Vec<_>, Vec<_>) = std::mem::take(&mut self.fetches.asked)
            .into_iter()
            .filter(|(id, _)| self.fetches.open.contains_key(&id.0) || self.finding.asks(*id))
            .partition(|(_, request)| wait && request.url.starts_with("https:"));
        for (id, request) in at_once {
            self.out(Output::Fetch { id, request });
        }
        self.fetches.clock_look = (!later.is_empty()).then(|| (now.instant + CLOCK_LOOK).min(patience));
        if later.is_empty() {
            self.fetches.clock_until = None;
        }
        self.fetches.asked = later;
    }

    /// Looks whether the date is known by now.
    pub(crate) fn clock_due(&mut self, now: Now) {
        if self.fetches.clock_look.is_some_and(|at| at <= now.instant) {
            self.send_fetches(now);
        }
    }

    fn provisioned(&mut self, now: Now, number: u32, source: Source, document: &Document, findings: &[String]) {
        let Some(line) = self.line_mut(number) else { return };
        let mut layers = line.layers.clone();
        let changes = layers.merge(source, document);
        if !line::usable(&Settings::of(&layers.merged()).0) {
            let url = self.fetches.reports.get(&number).map(|report| report.url.clone()).unwrap_or_default();
            return self.provisioning_failed(now, number, url, "user name and host make no SIP address".into());
        }
        line.layers = layers;
        self.apply(now, number);
        self.persist_account(number);
        self.rebuild_lamps(now);
        let mut report: Vec<String> = changes.iter().map(describe).collect();
        report.extend_from_slice(findings);
        let last = match changes.len() {
            0 => "nothing new".to_owned(),
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        };
        self.report(now, number, last, true);
        let source = self.fetches.reports.get(&number).map(|report| report.url.clone()).unwrap_or_default();
        self.notify(Event::Provisioned { source, changes: changes.len(), report: report.join("\n") });
    }

    fn provisioning_failed(&mut self, now: Now, number: u32, source: String, reason: String) {
        let known = self.fetches.reports.get(&number).is_some_and(|report| report.last == reason);
        self.report(now, number, reason.clone(), false);
        // a server that is away is worth one notice, not one for each try
        if !known {
            self.notice(now, Level::Warning, format!("settings not updated: {reason}"));
        }
        self.notify(Event::ProvisioningFailed { source, reason });
    }

    fn report(&mut self, now: Now, number: u32, last: String, ok: bool) {
        self.changed();
        if let Some(test) = &mut self.self_test {
            test.fetched(now.instant, number, ok, &last);
        }
        let url = match self.fetches.reports.get(&number) {
            Some(report) if !report.url.is_empty() => report.url.clone(),
            _ => self.line(number).and_then(|line| line.settings.as_ref()?.ext_prov_url.clone()).unwrap_or_default(),
        };
        let report = ProvisioningView { url: without_secrets(&url), last, ok: Some(ok) };
        self.fetches.reports.insert(number, report);
    }

    pub(crate) fn provisioning_views(&self) -> Vec<ProvisioningView> {
        self.fetches.reports.values().cloned().collect()
    }

    /// Puts the merged account of a line to work. False: it makes no account yet.
    pub(crate) fn apply(&mut self, now: Now, number: u32) -> bool {
        let Some(line) = self.line(number) else { return false };
        let merged = line.layers.merged();
        let settings = Settings::of(&merged).0;
        if !line::usable(&settings) {
            return false;
        }
        if let Some(machine) = self.fetches.machines.get_mut(&number) {
            machine.set_account(now.instant, Some(&merged));
            self.fetches.stirred.push(number);
        }
        let busy = self.has_calls(number);
        let Some(line) = self.line_mut(number) else { return false };
        let tones = settings.tones.clone();
        let old = line.settings.replace(settings);
        self.check_tones(now, old.as_ref().map(|old| &old.tones), &tones);
        let Some(line) = self.line_mut(number) else { return false };
        let changed = match (&old, &line.settings) {
            (Some(old), Some(new)) => line::differs(old, new),
            _ => true,
        };
        if changed && busy && line.identity.is_some() {
            line.deferred = true;
        } else {
            self.apply_identity(now, number, old.as_ref());
        }
        self.subscribe_messages(now, number);
        self.changed();
        true
    }

    fn has_calls(&self, number: u32) -> bool {
        self.calls.iter().any(|call| call.account == number && call.is_live())
    }

    /// What waited for the end of a call; true if there was something.
    pub(crate) fn apply_deferred(&mut self, now: Now) -> bool {
        let due: Vec<u32> = self
            .lines
            .iter()
            .filter(|line| line.deferred && !self.has_calls(line.number))
            .map(|line| line.number)
            .collect();
        let some = !due.is_empty();
        for number in due {
            if let Some(line) = self.line_mut(number) {
                line.deferred = false;
            }
            self.apply_identity(now, number, None);
        }
        some
    }

    /// One value by hand.
    pub(crate) fn set_value(
        &mut self,
        now: Now,
        account: Option<u32>,
        node: &str,
        value: Option<&str>,
    ) -> Result<(), Refusal> {
        let number = account.or_else(|| self.lines.first().map(|line| line.number)).ok_or(Refusal::NoAccount)?;
        if let (Some(row), Some(value)) = (schema::row(node), value) {
            schema::read(row, value).map_err(|expected| Refusal::BadValue(format!("{node}: {expected}")))?;
        }
        self.set_values(now, number, &[(node, value)])
    }

    /// All of them or none.
    pub(crate) fn set_values(&mut self, now: Now, number: u32, values: &[(&str, Option<&str>)]) -> Result<(), Refusal> {
        let line = self.line(number).ok_or(Refusal::NoAccount)?;
        let mut layers = line.layers.clone();
        for (node, value) in values {
            layers.set(Source::Gui, node, *value).map_err(|locked| Refusal::Locked(locked.node))?;
        }
        if !line::usable(&Settings::of(&layers.merged()).0) {
            return Err(Refusal::BadValue("user name and server are needed".into()));
        }
        if let Some(line) = self.line_mut(number) {
            line.layers = layers;
        }
        self.apply(now, number);
        self.rebuild_lamps(now);
        self.persist_account(number);
        Ok(())
    }

    /// `API_SetCredentials`: the first account, made if there is none. Empty strings change nothing.
    pub(crate) fn set_credentials(
        &mut self,
        now: Now,
        server: &str,
        username: &str,
        password: &Secret,
        auth_name: &str,
        display_name: &str,
    ) -> Result<(), Refusal> {
        let all = [
            ("host", server),
            ("username", username),
            ("password", password.reveal()),
            ("authUsername", auth_name),
            ("userDisplayName", display_name),
        ];
        let values: Vec<(&str, Option<&str>)> =
            all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(node, value)| (node, Some(value))).collect();
        let number =
            self.lines.iter().find(|line| line.settings.is_some()).or(self.lines.first()).map(|line| line.number);
        if let Some(number) = number {
            return self.set_values(now, number, &values);
        }
        let number = self.new_account()?;
        let result = self.set_values(now, number, &values);
        if result.is_err() {
            self.forget_account(number);
        }
        result
    }

    /// An Account XML given by the control API: for the account it names, or a new one.
    pub(crate) fn apply_document(&mut self, now: Now, bytes: &[u8]) -> Result<(), Refusal> {
        let (document, _) = Document::parse(bytes).map_err(Refusal::BadDocument)?;
        let settings = Settings::of(&document).0;
        if !line::usable(&settings) {
            return Err(Refusal::BadValue("user name and host make no SIP address".into()));
        }
        let known = self
            .lines
            .iter()
            .find(|line| line.settings.as_ref().is_some_and(|old| registration::same_account(old, &settings)));
        let number = match known.map(|line| line.number) {
            Some(number) => number,
            None => self.new_account()?,
        };
        if let Some(line) = self.line_mut(number) {
            line.layers.merge(Source::Provisioning, &document);
        }
        self.apply(now, number);
        self.rebuild_lamps(now);
        self.persist_account(number);
        Ok(())
    }

    fn new_account(&mut self) -> Result<u32, Refusal> {
        if self.lines.len() >= MOST_ACCOUNTS {
            return Err(Refusal::WrongState("there are too many accounts"));
        }
        let number = self.lines.last().map_or(0, |line| line.number) + 1;
        let port = self.random_port();
        self.lines.push(Line::new(number, BY_API.to_owned(), port));
        let seed = self.chance.next();
        let machine = Provisioner::new("", self.config.device.clone(), self.config.insecure_provisioning, seed);
        self.fetches.machines.insert(number, machine);
        self.persist_index();
        Ok(number)
    }

    fn forget_account(&mut self, number: u32) {
        self.lines.retain(|line| line.number != number);
        self.fetches.machines.remove(&number);
        self.persist_index();
    }

    fn persist_account(&mut self, number: u32) {
        let Some(line) = self.line(number) else { return };
        let bytes = line.layers.to_bytes();
        self.persist(record(number), bytes);
        self.persist_memory(number);
    }

    fn persist_memory(&mut self, number: u32) {
        let Some(machine) = self.fetches.machines.get(&number) else { return };
        let bytes = machine.memory().into_bytes();
        self.persist(memory(number), bytes);
    }

    pub(crate) fn persist_index(&mut self) {
        let index: Vec<Entry> = self
            .lines
            .iter()
            .map(|line| Entry { number: line.number, source: line.source.clone(), port: line.port })
            .collect();
        self.persist(INDEX, serde_json::to_vec(&index).unwrap_or_default());
    }
}

/// One change as a line of the report; the layers have masked secrets already.
fn describe(change: &Change) -> String {
    let shown = |value: &Option<String>| {
        value.as_deref().map_or("(default)".to_owned(), |text| text.chars().take(80).collect())
    };
    format!("{}: {} -> {}", change.node, shown(&change.before), shown(&change.after))
}
