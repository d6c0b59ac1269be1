//! Which accounts there are. Each source (a `--provision` URL, an `--account` file, the control API) has as many as its
//! document names; each is a line with its own layers, registration and records, and comes and goes by itself. One of a
//! source's lines holds the machine that fetches the document; the others have one for their own `extProvUrl`.
//!
//! Stored: `account-<n>.xml` (layers), `fetches-<n>` (entity tags that belong to them), `accounts.json` (which source
//! account n has, its SIP port, and whether it has ever worked). An account is restored only for the source it was
//! stored for.

use crate::apply::Outcome;
use crate::line::{self, Line};
use crate::phone::{Now, Phone};
use crate::report;
use crate::{AccountState, Event, Level, Refusal, finding, history, registration, volume};
use offhook_account::layers::Source;
use offhook_account::provisioner::{self, Provisioner};
use offhook_account::schema;
use offhook_account::{Account, Document, Layers, Secret, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const INDEX: &str = "accounts.json";
/// Source of an account that the control API made.
const BY_API: &str = "control API";
/// Accounts at most.
const MOST_ACCOUNTS: usize = 64;

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    number: u32,
    source: String,
    port: u16,
    /// [`Line::id`]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// [`Line::proved`]
    #[serde(default)]
    proved: bool,
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
        let numbers: Vec<u32> = index.iter().map(|entry| entry.number).collect();
        self.notify(Event::Started);
        let mut take = |source: &str| -> Vec<Entry> {
            let (own, others): (Vec<Entry>, Vec<Entry>) =
                std::mem::take(&mut index).into_iter().partition(|entry| entry.source == source);
            index = others;
            own
        };
        let mut wanted: Vec<Wanted> = Vec::new();
        for template in self.config.provision.clone() {
            let entries = take(&template);
            wanted.push((template.clone(), template, None, entries));
        }
        for (name, bytes) in std::mem::take(&mut self.config.accounts) {
            let source = format!("file {name}");
            let entries = take(&source);
            wanted.push((source, String::new(), Some(bytes), entries));
        }
        let by_hand = take(BY_API);
        if let Some(template) = self.fall_back(by_hand.is_empty()) {
            let entries = take(&template);
            wanted.push((template.clone(), template, None, entries));
        }
        wanted.push((BY_API.to_owned(), String::new(), None, by_hand));
        for (source, template, file, entries) in wanted {
            self.start_source(now, &records, &source, &template, file, &entries);
        }
        // what belongs to nobody any more is not kept: it has passwords in it
        for number in numbers {
            // a line of that number with settings has written its own already
            if self.line(number).is_none_or(|line| line.settings.is_none()) {
                self.forget_records(number);
            }
        }
        self.persist_index();
        self.rebuild_lamps(now);
        for number in self.numbers() {
            self.provision(now, number, provisioner::Input::Start);
        }
        self.begin_finding(now);
    }

    /// A server that was found is from now on as if it had been given.
    pub(crate) fn adopt(&mut self, now: Now, template: &str) {
        self.start_source(now, &BTreeMap::new(), template, template, None, &[]);
        self.rebuild_lamps(now);
        self.persist_index();
        if let Some(number) = self.lines.last().map(|line| line.number) {
            self.provision(now, number, provisioner::Input::Start);
        }
    }

    fn start_source(
        &mut self,
        now: Now,
        records: &BTreeMap<String, Vec<u8>>,
        source: &str,
        template: &str,
        file: Option<Vec<u8>>,
        entries: &[Entry],
    ) {
        for entry in entries {
            self.restore_account(now, records, source, template, entry);
        }
        let of_source = |phone: &Self| phone.lines.iter().any(|line| line.source == source);
        if !template.is_empty() && !of_source(self) {
            let _ = self.add_line(source, template);
        }
        if !template.is_empty()
            && let Some(holder) = self.lines.iter().find(|line| line.source == source).map(|line| line.number)
        {
            // restored lines keep their numbers or have lower ones now: of the first one the report is
            let stored = entries.first().and_then(|entry| records.get(&report::record(entry.number)));
            let text = stored.and_then(|bytes| std::str::from_utf8(bytes).ok());
            self.fetches.hold(holder, template, text);
        }
        let Some(bytes) = file else { return };
        match Document::parse_all(&bytes) {
            Ok(accounts) => {
                for (number, account) in self.assign(now, source, "", &accounts) {
                    if let Some(line) = self.line_mut(number) {
                        line.layers.merge(Source::Provisioning, &account.document);
                    }
                    if self.apply(now, number) {
                        self.persist_account(number);
                    }
                }
            }
            Err(rejection) => {
                let text = format!("{source}: {}", Refusal::BadDocument(rejection));
                self.notice(now, Level::Error, text);
            }
        }
    }

    /// One account as it was stored.
    fn restore_account(
        &mut self,
        now: Now,
        records: &BTreeMap<String, Vec<u8>>,
        source: &str,
        template: &str,
        entry: &Entry,
    ) {
        let Ok(number) = self.add_line(source, template) else { return };
        let site = self.config.site.clone();
        let Some(line) = self.line_mut(number) else { return };
        line.id.clone_from(&entry.id);
        line.proved = entry.proved;
        if entry.port > 1024 {
            line.port = entry.port;
        }
        if let Some(bytes) = records.get(&record(entry.number)) {
            match Layers::restore(bytes) {
                Ok(mut layers) => {
                    place(&mut layers, &site);
                    line.layers = layers;
                    let text = records.get(&memory(entry.number)).and_then(|bytes| std::str::from_utf8(bytes).ok());
                    if let Some(machine) = self.fetches.machines.get_mut(&number) {
                        machine.recall(text.unwrap_or_default());
                    }
                }
                Err(rejection) => {
                    let text = format!("stored settings of account {number} are not readable: {}", rejection.reason);
                    self.notice(now, Level::Error, text);
                }
            }
        }
        if self.apply(now, number) && entry.number != number {
            self.persist_account(number);
        }
    }

    /// A line without settings. The first of its source fetches the template's document.
    fn add_line(&mut self, source: &str, template: &str) -> Result<u32, Refusal> {
        if self.lines.len() >= MOST_ACCOUNTS {
            return Err(Refusal::WrongState("there are too many accounts"));
        }
        let number = self.lines.last().map_or(0, |line| line.number) + 1;
        let port = self.random_port();
        let first = !self.lines.iter().any(|line| line.source == source);
        let mut line = Line::new(number, source.to_owned(), port);
        place(&mut line.layers, &self.config.site);
        self.lines.push(line);
        let seed = self.chance.next();
        let own = if first { template } else { "" };
        let mut machine = Provisioner::new(own, self.config.device.clone(), self.config.insecure_provisioning, seed);
        if !first {
            machine.share(template);
        }
        self.fetches.machines.insert(number, machine);
        Ok(number)
    }

    /// Which line each account of a source's document is; new lines for new accounts. Lines whose account is not named
    /// leave.
    pub(crate) fn assign(
        &mut self,
        now: Now,
        source: &str,
        template: &str,
        accounts: &[Account],
    ) -> Vec<(u32, Account)> {
        let lines: Vec<(u32, Option<String>, Option<Settings>)> = self
            .lines
            .iter()
            .filter(|line| line.source == source && !line.leaving)
            .map(|line| (line.number, line.id.clone(), line.given()))
            .collect();
        let mut chosen = matched(&lines, accounts);
        for (number, _, _) in &lines {
            if !chosen.contains(&Some(*number)) {
                self.take_away(now, *number);
            }
        }
        let mut list = Vec::with_capacity(accounts.len());
        for (account, chosen) in accounts.iter().zip(&mut chosen) {
            let number = match chosen {
                Some(number) => *number,
                None => match self.add_line(source, template) {
                    Ok(number) => number,
                    Err(refusal) => {
                        self.notice(now, Level::Error, refusal.to_string());
                        break;
                    }
                },
            };
            if let Some(line) = self.line_mut(number) {
                line.id.clone_from(&account.id);
            }
            list.push((number, account.clone()));
        }
        let first = list.first().map(|(number, _)| *number);
        self.hand_over(source, first);
        list
    }

    /// The accounts of a source are not wanted any more.
    pub(crate) fn retire(&mut self, now: Now, source: &str) {
        let numbers: Vec<u32> =
            self.lines.iter().filter(|line| line.source == source).map(|line| line.number).collect();
        for number in numbers {
            self.take_away(now, number);
        }
    }

    /// The account is not wanted any more; it goes when its calls are over.
    fn take_away(&mut self, now: Now, number: u32) {
        let Some(line) = self.line_mut(number) else { return };
        line.leaving = true;
        line.usable = false;
        if self.has_calls(number) {
            let title = self.title(number);
            self.notice(now, Level::Event, format!("{title}: taken away by the PBX when the call is over"));
        }
    }

    /// A line that leaves gives the fetching of the document to one that stays.
    fn hand_over(&mut self, source: &str, to: Option<u32>) {
        let holds = |line: &&Line| line.source == source && self.fetches.holders.contains_key(&line.number);
        let from = self.lines.iter().find(|line| line.leaving && holds(line)).map(|line| line.number);
        if let (Some(from), Some(to)) = (from, to) {
            self.fetches.hand_over(from, to);
            self.requests.hand_over(from, to);
        }
    }

    /// Lines that leave and have no call any more; true if there was one.
    pub(crate) fn leave(&mut self, now: Now) -> bool {
        let gone: Vec<u32> =
            self.lines.iter().filter(|line| line.leaving && !self.has_calls(line.number)).map(|l| l.number).collect();
        for number in &gone {
            let title = self.title(*number);
            self.remove_line(now, *number);
            self.notice(now, Level::Event, format!("{title}: taken away by the PBX"));
        }
        if !gone.is_empty() {
            self.persist_index();
            self.rebuild_lamps(now);
        }
        !gone.is_empty()
    }

    fn remove_line(&mut self, now: Now, number: u32) {
        let Some(at) = self.lines.iter().position(|line| line.number == number) else { return };
        let line = self.lines.remove(at);
        if let Some(identity) = line.identity {
            // unregisters and ends its subscriptions
            let _ = self.endpoint.remove_identity(now.instant, identity);
        }
        for watch in self.watches.iter_mut().filter(|watch| watch.account == number) {
            watch.subscribed(None);
        }
        self.fetches.forget(number);
        self.requests.give_up(|asker| asker.account() == Some(number));
        self.forget_records(number);
        self.notify(Event::Registration { account: number, state: AccountState::Off });
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

    /// All of them or none. What the user changes acts at once, is stored, and stays if provisioned settings are taken
    /// back.
    pub(crate) fn set_values(&mut self, now: Now, number: u32, values: &[(&str, Option<&str>)]) -> Result<(), Refusal> {
        let line = self.line(number).ok_or(Refusal::NoAccount)?;
        let set = |layers: &mut Layers| -> Result<(), Refusal> {
            for (node, value) in values {
                layers.set(Source::Gui, node, *value).map_err(|locked| Refusal::Locked(locked.node))?;
            }
            Ok(())
        };
        let mut layers = line.layers.clone();
        set(&mut layers)?;
        if !line::usable(&Settings::of(&layers.merged()).0) {
            return Err(Refusal::BadValue("user name and server are needed".into()));
        }
        if let Some(line) = self.line_mut(number) {
            let new = Settings::of(&layers.merged()).0;
            let other = line.settings.as_ref().is_none_or(|old| line::differs(old, &new));
            line.layers = layers;
            if other {
                // somebody is at it: nothing is proved any more, and nothing returns by itself
                line.proved = false;
                line.trial = None;
            }
            if let Some(before) = line.trial.as_mut().and_then(|trial| trial.before.as_mut()) {
                // a lock of the settings on trial is not a lock of those before them, and the other way about
                let _ = set(before);
            }
        }
        if self.line(number).is_some_and(|line| line.trial.is_none()) {
            self.attempted(now, number, Outcome::Kept("changed by hand meanwhile".into()));
        }
        self.apply(now, number);
        self.rebuild_lamps(now);
        self.persist_account(number);
        self.persist_index();
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
            self.forget_account(now, number);
        }
        result
    }

    /// An Account XML given by the control API: for the accounts it names, or new ones.
    pub(crate) fn apply_document(&mut self, now: Now, bytes: &[u8]) -> Result<(), Refusal> {
        let accounts = Document::parse_all(bytes).map_err(Refusal::BadDocument)?;
        let settings: Vec<Settings> = accounts.iter().map(|account| Settings::of(&account.document).0).collect();
        if !settings.iter().all(line::usable) {
            return Err(Refusal::BadValue("user name and host make no SIP address".into()));
        }
        for (account, settings) in accounts.iter().zip(&settings) {
            let known = self
                .lines
                .iter()
                .find(|line| line.settings.as_ref().is_some_and(|old| registration::same_account(old, settings)));
            let number = match known.map(|line| line.number) {
                Some(number) => number,
                None => self.new_account()?,
            };
            if let Some(line) = self.line_mut(number) {
                line.layers.merge(Source::Provisioning, &account.document);
            }
            self.apply(now, number);
            self.persist_account(number);
        }
        self.rebuild_lamps(now);
        Ok(())
    }

    fn new_account(&mut self) -> Result<u32, Refusal> {
        let number = self.add_line(BY_API, "")?;
        self.persist_index();
        Ok(number)
    }

    fn forget_account(&mut self, now: Now, number: u32) {
        self.remove_line(now, number);
        self.persist_index();
    }

    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.lines.iter().map(|line| line.number).collect()
    }

    /// For people.
    pub(crate) fn title(&self, number: u32) -> String {
        let settings = self.line(number).and_then(|line| line.settings.as_ref());
        settings.map_or_else(|| format!("account {number}"), |settings| settings.title.clone())
    }

    /// What is stored is what worked: settings on trial are not, until they have.
    pub(crate) fn persist_account(&mut self, number: u32) {
        let Some(line) = self.line(number) else { return };
        let worked = line.trial.as_ref().and_then(|trial| trial.before.as_ref());
        let bytes = worked.unwrap_or(&line.layers).to_bytes();
        self.persist(record(number), bytes);
        self.persist_memory(number);
    }

    pub(crate) fn persist_memory(&mut self, number: u32) {
        let Some(machine) = self.fetches.machines.get(&number) else { return };
        if self.line(number).is_some_and(|line| line.trial.as_ref().is_some_and(|trial| trial.before.is_some())) {
            return;
        }
        let bytes = machine.memory().into_bytes();
        self.persist(memory(number), bytes);
    }

    fn forget_records(&mut self, number: u32) {
        self.persist(record(number), Vec::new());
        self.persist(memory(number), Vec::new());
        self.persist(report::record(number), Vec::new());
    }

    pub(crate) fn persist_index(&mut self) {
        let index: Vec<Entry> = self
            .lines
            .iter()
            .filter(|line| !line.leaving)
            .map(|line| Entry {
                number: line.number,
                source: line.source.clone(),
                port: line.port,
                id: line.id.clone(),
                proved: line.proved,
            })
            .collect();
        self.persist(INDEX, serde_json::to_vec(&index).unwrap_or_default());
    }
}

/// The values of this place may be others than they were.
fn place(layers: &mut Layers, site: &Document) {
    if !(site.nodes.is_empty() && layers.of(Source::Site).nodes.is_empty()) {
        layers.merge(Source::Site, site);
    }
}

/// A line: its number, the id of its account, its settings.
type KnownLine = (u32, Option<String>, Option<Settings>);

/// Where accounts come from: the source's name, the URL, the file, and what is stored of it.
type Wanted = (String, String, Option<Vec<u8>>, Vec<Entry>);

/// For each account the line that it is: of the same `id`, else of the same address, else, when both have one only, that
/// one. A line without settings takes the first account that is left.
fn matched(lines: &[KnownLine], accounts: &[Account]) -> Vec<Option<u32>> {
    let mut free: Vec<&KnownLine> = lines.iter().collect();
    let mut take = |fits: &dyn Fn(&KnownLine) -> bool| {
        let at = free.iter().position(|line| fits(line))?;
        Some(free.remove(at).0)
    };
    let mut chosen: Vec<Option<u32>> = accounts
        .iter()
        .map(|account| account.id.as_ref().and_then(|id| take(&|(_, known, _)| known.as_ref() == Some(id))))
        .collect();
    let others = |account: &Account, known: &Option<String>| account.id.is_none() || known.is_none();
    for (account, chosen) in accounts.iter().zip(&mut chosen).filter(|(_, chosen)| chosen.is_none()) {
        let settings = Settings::of(&account.document).0;
        *chosen = take(&|(_, id, known)| {
            others(account, id) && known.as_ref().is_some_and(|known| registration::same_account(known, &settings))
        });
    }
    for (account, chosen) in accounts.iter().zip(&mut chosen).filter(|(_, chosen)| chosen.is_none()) {
        let only = accounts.len() == 1 && lines.len() == 1;
        *chosen = take(&|(_, id, known)| known.is_none() || (only && others(account, id)));
    }
    chosen
}
