//! The phone's address books: its own, one for each account that names a CardDAV server, and the lamp keys. They give names
//! to calls, lamps and the call list, offer numbers while somebody dials, and tell the number rules who a number belongs to.
//!
//! Stored: `contacts.vcf` (the phone's own book), `directory-<hash>.json` (what is known of a server's books: names and
//! numbers, no password). Both are there before the network is. A directory's record is written when its contacts have
//! changed, not at each refresh.

use crate::phone::{Now, Phone};
use crate::requests::Asker;
use crate::{DirectoryView, Level, Refusal, SuggestionView};
use offhook_account::fetch::{Credentials, FetchError, FetchRequest, FetchResponse};
use offhook_account::settings::CardDav;
use offhook_account::template::{self, Values};
use offhook_account::{ContactFact, ContactSource, Settings};
use offhook_contacts::directory::{self, Answer, AskId, Failure};
use offhook_contacts::request::{CONTENT_TYPE, Request};
use offhook_contacts::{AddressBooks, Contact, Directory, LocalBook, Number, Origin, same_site};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Record of the phone's own book.
const LOCAL: &str = "contacts.vcf";
const RECORD: &str = "directory-";
/// Numbers offered while somebody dials.
pub(crate) const SUGGESTIONS: usize = 4;

/// The books, and what keeps them in step.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    local: LocalBook,
    directories: BTreeMap<u32, Followed>,
    books: Arc<AddressBooks>,
    /// Lamp keys with a name: account, number, name.
    keys: Vec<(u32, String, String)>,
    /// Records of directories that no account has asked for yet.
    records: BTreeMap<String, Vec<u8>>,
    stale: bool,
    /// The phone's version when the accounts were looked at last.
    looked: Option<u64>,
}

/// A CardDAV server that an account names.
#[derive(Debug)]
struct Followed {
    at: Place,
    title: String,
    machine: Directory,
    timeout: Option<Instant>,
    begun: bool,
    last: String,
    ok: Option<bool>,
}

/// Everything that makes another directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    url: String,
    refresh: Option<Duration>,
    credentials: Option<Credentials>,
}

impl Place {
    fn record(&self) -> String {
        let user = self.credentials.as_ref().map_or("", |credentials| credentials.username.as_str());
        format!("{RECORD}{:016x}.json", offhook_account::layers::fnv1a(format!("{user} {}", self.url).as_bytes()))
    }
}

/// `axml.dav.04`, `.05`: the account's own user and password stand in, but the password only over https and within the
/// domain of the account's server, because it opens that one.
fn credentials(settings: &Settings, dav: &CardDav, url: &str) -> Option<Credentials> {
    let username = dav.username.clone().unwrap_or_else(|| settings.username.clone());
    if !dav.password.is_empty() {
        return Some(Credentials { username, password: dav.password.clone() });
    }
    let host = |text: &str| crate::caller::host_of(text.split(['/', '?', '#']).next().unwrap_or_default()).to_owned();
    let server = host(url.strip_prefix("https://")?);
    same_site(&server, &host(&settings.host)).then(|| Credentials { username, password: settings.password.clone() })
}

impl Contacts {
    /// Takes its own records out of what was stored.
    pub(crate) fn restore(records: &[(String, Vec<u8>)]) -> Self {
        let mut contacts = Self::default();
        for (name, bytes) in records {
            if name == LOCAL {
                contacts.local = LocalBook::restore(bytes);
            } else if name.starts_with(RECORD) {
                contacts.records.insert(name.clone(), bytes.clone());
            }
        }
        contacts.stale = true;
        contacts
    }

    pub(crate) fn books(&self) -> &Arc<AddressBooks> {
        &self.books
    }

    pub(crate) fn name_of(&self, number: &str) -> Option<String> {
        self.books.name(number).map(str::to_owned)
    }

    /// What could be meant by the digits dialled so far.
    pub(crate) fn suggestions(&self, digits: &str) -> Vec<SuggestionView> {
        if digits.len() < 2 {
            return Vec::new();
        }
        let hits = self.books.search(digits, SUGGESTIONS);
        let suggestion = |hit: offhook_contacts::Hit<'_>| SuggestionView {
            name: hit.contact.name.clone(),
            number: hit.number.address.clone(),
            label: hit.number.label().map(str::to_owned),
        };
        hits.into_iter().map(suggestion).collect()
    }

    /// What the written books say of a number; lamp keys are the phone's to tell.
    pub(crate) fn facts(&self, number: &str) -> impl Iterator<Item = ContactFact> + '_ {
        let fact = |known: offhook_contacts::book::Known<'_>| {
            let source = match known.origin {
                Origin::Local => ContactSource::Local,
                Origin::Directory(_) => ContactSource::Dav,
                Origin::Keys(_) => return None,
            };
            let (contact, labels) = (known.contact, known.number.labels.clone());
            Some(ContactFact { source, identifier: contact.uid.clone(), name: contact.name.clone(), labels })
        };
        self.books.who(number).into_iter().filter_map(fact)
    }

    pub(crate) fn views(&self) -> Vec<DirectoryView> {
        let view = |(account, followed): (&u32, &Followed)| DirectoryView {
            account: *account,
            title: followed.title.clone(),
            contacts: followed.machine.contacts().count(),
            last: followed.last.clone(),
            ok: followed.ok,
        };
        self.directories.iter().map(view).collect()
    }

    pub(crate) fn deadlines(&self) -> impl Iterator<Item = Instant> + '_ {
        self.directories.values().filter_map(|followed| followed.timeout)
    }
}

impl Phone {
    /// After each input: directories as the accounts want them, books as the directories have them.
    pub(crate) fn settle_contacts(&mut self, now: Now) {
        if self.is_stopping() {
            for followed in self.contacts.directories.values_mut() {
                followed.timeout = None;
            }
            return;
        }
        // settings change with the version, and packets come far more often
        if self.contacts.looked != Some(self.version) {
            self.contacts.looked = Some(self.version);
            self.settle_directories(now);
        }
        let due: Vec<u32> = self
            .contacts
            .directories
            .iter()
            .filter(|(_, followed)| followed.timeout.is_some_and(|at| at <= now.instant))
            .map(|(account, _)| *account)
            .collect();
        for account in due {
            self.wake_directory(now, account);
        }
        self.settle_books();
    }

    /// One directory for each account that names one.
    fn settle_directories(&mut self, now: Now) {
        let named =
            |line: &crate::line::Line| line.settings.as_ref().is_some_and(|settings| settings.card_dav.is_some());
        if self.contacts.directories.is_empty() && !self.lines.iter().any(named) {
            return;
        }
        let mut wanted: BTreeMap<u32, (Place, String)> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| named(line)) {
            let Some((settings, dav)) = line.settings.as_ref().and_then(|s| Some((s, s.card_dav.as_ref()?))) else {
                continue;
            };
            let (device, insecure) = (&self.config.device, self.config.insecure_provisioning);
            // a placeholder that stands for nothing makes no address; the directory says so
            let url = match dav.url.contains('%') {
                true => {
                    let account = line.layers.merged();
                    template::expand_url(&dav.url, Values::new(device, Some(&account)), insecure).unwrap_or_default()
                }
                false => dav.url.clone(),
            };
            let place = Place { credentials: credentials(settings, dav, &url), refresh: dav.refresh, url };
            let title = dav.title.clone().unwrap_or_else(|| settings.title.clone());
            wanted.insert(line.number, (place, title));
        }
        let gone = self
            .contacts
            .directories
            .iter()
            .filter(|(account, followed)| wanted.get(account).is_none_or(|(place, _)| *place != followed.at));
        let gone: Vec<u32> = gone.map(|(account, _)| *account).collect();
        for account in gone {
            if let Some(followed) = self.contacts.directories.remove(&account) {
                let record = followed.at.record();
                // another password is another place with the same contacts
                let kept = wanted.get(&account).is_some_and(|(place, _)| place.record() == record);
                if kept {
                    self.contacts.records.insert(record, followed.machine.memory());
                } else {
                    self.persist(record, Vec::new());
                }
            }
            self.contacts.stale = true;
        }
        for (account, (place, title)) in wanted {
            match self.contacts.directories.get_mut(&account) {
                Some(followed) => followed.title = title,
                None => self.follow(now, account, place, title),
            }
        }
    }

    fn follow(&mut self, now: Now, account: u32, at: Place, title: String) {
        let seed = self.chance.next();
        let mut machine = Directory::new(&at.url, at.refresh, seed);
        if let Some(memory) = self.contacts.records.remove(&at.record()) {
            machine.recall(&memory);
        }
        let followed = Followed {
            at,
            title,
            machine,
            timeout: Some(now.instant),
            begun: false,
            last: "not fetched yet".into(),
            ok: None,
        };
        self.contacts.directories.insert(account, followed);
        self.contacts.stale = true;
    }

    fn wake_directory(&mut self, now: Now, account: u32) {
        let Some(followed) = self.contacts.directories.get_mut(&account) else { return };
        let input = if followed.begun { directory::Input::Timeout } else { directory::Input::Start };
        followed.begun = true;
        self.ask_directory(now, account, input);
    }

    /// One input to one directory, and what comes of it.
    fn ask_directory(&mut self, now: Now, account: u32, input: directory::Input) {
        let Some(followed) = self.contacts.directories.get_mut(&account) else { return };
        followed.machine.handle(now.instant, input);
        loop {
            let Some(followed) = self.contacts.directories.get_mut(&account) else { return };
            match followed.machine.poll() {
                directory::Output::Timeout(at) => {
                    followed.timeout = at;
                    return;
                }
                directory::Output::Ask { id, request } => {
                    let credentials = followed.at.credentials.clone();
                    self.requests
                        .give_up(|asker| matches!(asker, Asker::Directory { account: of, .. } if *of == account));
                    let mut request = self.dav_request(request, credentials);
                    request.trust = self.authorities(account);
                    self.fetch(now, Asker::Directory { account, ask: id }, request);
                }
                directory::Output::Refreshed { changed, result } => {
                    self.directory_refreshed(now, account, changed, result);
                }
            }
        }
    }

    fn dav_request(&self, request: Request, credentials: Option<Credentials>) -> FetchRequest {
        let headers = [
            ("Depth", request.depth.to_string()),
            ("Content-Type", CONTENT_TYPE.to_owned()),
            ("User-Agent", format!("Offhook/{}", self.config.version)),
        ];
        FetchRequest {
            method: request.method.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            body: request.body.into_bytes(),
            credentials,
            insecure: self.config.insecure_provisioning,
            max_bytes: request.max_bytes,
            ..FetchRequest::get(request.url)
        }
    }

    fn directory_refreshed(&mut self, now: Now, account: u32, changed: bool, result: Result<(), String>) {
        let Some(followed) = self.contacts.directories.get_mut(&account) else { return };
        let count = followed.machine.contacts().count();
        let (last, ok) = match result {
            Ok(()) => (format!("{count} contacts"), true),
            // the account's password was there, but is none of that server's business
            Err(why) if followed.at.credentials.is_none() => (format!("{why}; cardDavPassword is needed"), false),
            Err(why) => (why, false),
        };
        let news = followed.last != last;
        (followed.last, followed.ok) = (last.clone(), Some(ok));
        let title = followed.title.clone();
        let stored = changed.then(|| (followed.at.record(), followed.machine.memory()));
        if let Some((record, memory)) = stored {
            self.persist(record, memory);
            self.contacts.stale = true;
        }
        if news {
            self.changed();
            if !ok {
                self.notice(now, Level::Warning, format!("contacts of {title}: {last}"));
            }
        }
    }

    /// The answer to a request of a directory.
    pub(crate) fn directory_fetched(
        &mut self,
        now: Now,
        account: u32,
        ask: AskId,
        result: Result<FetchResponse, FetchError>,
    ) {
        let result = match result {
            Ok(response) => {
                let header = |name| response.header(name).map(|value| value.trim().to_owned());
                let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok());
                let location = header("location");
                Ok(Answer { status: response.status, location, retry_after, body: response.body })
            }
            Err(FetchError::TooLarge) => Err(Failure::TooLarge),
            Err(error) => Err(Failure::Unreachable(error.to_string())),
        };
        self.ask_directory(now, account, directory::Input::Answered { id: ask, result });
    }

    /// A network is there again, or somebody wants the newest contacts.
    pub(crate) fn refresh_contacts(&mut self, now: Now, all: bool) {
        let mut accounts: Vec<u32> = Vec::new();
        for (account, followed) in &self.contacts.directories {
            if followed.begun && (all || followed.ok == Some(false)) {
                accounts.push(*account);
            }
        }
        for account in accounts {
            self.ask_directory(now, account, directory::Input::Refresh);
        }
    }

    /// Stored for an account that is not there any more.
    pub(crate) fn forget_unclaimed_directories(&mut self) {
        for (record, _) in std::mem::take(&mut self.contacts.records) {
            self.persist(record, Vec::new());
        }
    }

    /// Makes the books anew if one of them is another now.
    fn settle_books(&mut self) {
        let keys = || {
            self.watches.iter().filter_map(|watch| {
                let label = watch.entry.label.as_deref()?;
                Some((watch.account, watch.extension.as_str(), label))
            })
        };
        let quick = self.lines.iter().filter_map(|line| Some((line.number, line.settings.as_ref()?)));
        let quick = || {
            quick.clone().flat_map(|(account, settings)| {
                let dials = settings.services.quick_dials.iter();
                dials.map(move |dial| (account, dial.uri.as_str(), dial.name.as_str()))
            })
        };
        let keys = || keys().chain(quick());
        let same = keys().eq(self
            .contacts
            .keys
            .iter()
            .map(|(account, number, label)| (*account, number.as_str(), label.as_str())));
        if same && !self.contacts.stale {
            return;
        }
        let keys: Vec<(u32, String, String)> =
            keys().map(|(account, number, label)| (account, number.to_owned(), label.to_owned())).collect();
        let named: Vec<(Origin, Contact)> = keys
            .iter()
            .map(|(account, number, label)| {
                let numbers = vec![Number { address: number.clone(), labels: Vec::new() }];
                let contact = Contact { uid: number.clone(), name: label.clone(), numbers, ..Contact::default() };
                (Origin::Keys(*account), contact)
            })
            .collect();
        let directories = self.contacts.directories.iter();
        let books =
            AddressBooks::new(
                [(Origin::Local, self.contacts.local.contacts().iter().collect())]
                    .into_iter()
                    .chain(directories.map(|(account, followed)| {
                        (Origin::Directory(*account), followed.machine.contacts().collect())
                    }))
                    .chain(named.iter().map(|(origin, contact)| (*origin, vec![contact]))),
            );
        self.contacts.books = Arc::new(books);
        self.contacts.keys = keys;
        self.contacts.stale = false;
        // calls that are up may have a name now
        for call in &mut self.calls {
            if let Some(name) = self.contacts.books.name(&call.peer.address) {
                call.peer.name = Some(name.to_owned());
            }
        }
        self.changed();
    }

    /// Writes into the phone's own book; an empty `uid` is a new contact.
    pub(crate) fn save_contact(&mut self, contact: Contact) -> Result<(), Refusal> {
        self.contacts.local.put(contact).map_err(|unfit| Refusal::BadValue(unfit.to_string()))?;
        self.store_local();
        Ok(())
    }

    pub(crate) fn remove_contact(&mut self, uid: &str) -> Result<(), Refusal> {
        self.contacts.local.remove(uid).map_err(|unfit| Refusal::BadValue(unfit.to_string()))?;
        self.store_local();
        Ok(())
    }

    /// Cards from a file.
    pub(crate) fn import_contacts(&mut self, now: Now, cards: &str) -> Result<(), Refusal> {
        let (taken, left_out) = self.contacts.local.import(cards);
        if taken == 0 {
            return Err(Refusal::BadValue("no vCard with a name and a number is in it".into()));
        }
        self.store_local();
        self.notice(now, Level::Event, format!("{taken} contacts imported, {left_out} left out"));
        Ok(())
    }

    fn store_local(&mut self) {
        self.contacts.stale = true;
        self.persist(LOCAL, self.contacts.local.to_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_account::Document;

    fn shown(host: &str, more: &str) -> Option<(String, String)> {
        let text = format!(
            "<account><username>100</username><password>sip-secret</password><host>{host}</host>{more}</account>"
        );
        let (document, _) = Document::parse(text.as_bytes()).unwrap();
        let settings = Settings::of(&document).0;
        let dav = settings.card_dav.clone().unwrap();
        let credentials = credentials(&settings, &dav, &dav.url)?;
        Some((credentials.username, credentials.password.reveal().to_owned()))
    }

    /// Covers: axml.dav.04, axml.dav.05
    #[test]
    fn the_sip_password_stands_in_only_over_https_within_the_domain_of_the_account() {
        let url = |url: &str| format!("<cardDavPrincipalUrl>{url}</cardDavPrincipalUrl>");
        let own = Some(("100".to_owned(), "sip-secret".to_owned()));
        assert_eq!(shown("sip.example.com:5061", &url("dav.example.com/books")), own);
        assert_eq!(shown("example.com", &url("https://dav.example.com:8443")), own);
        assert_eq!(shown("[2001:db8::1]:5060", &url("https://[2001:db8::1]/dav")), own);
        for (host, address) in [
            ("sip.example.com", "http://dav.example.com"),
            ("sip.example.com", "https://dav.example.net"),
            ("sip.co.uk", "https://dav.co.uk"),
            ("10.0.0.1", "https://10.0.0.2"),
            ("sip.example.com", "https://sip.example.com.evil.net"),
        ] {
            assert_eq!(shown(host, &url(address)), None, "{host} {address}");
        }
        let given = "<cardDavUsername>anna</cardDavUsername><cardDavPassword> book secret </cardDavPassword>";
        let (username, password) = shown("10.0.0.1", &(url("http://10.0.0.2/") + given)).unwrap();
        assert_eq!((username.as_str(), password.trim()), ("anna", "book secret"));
        let named = shown("example.com", &(url("dav.example.com") + "<cardDavUsername>anna</cardDavUsername>"));
        assert_eq!(named.map(|(username, _)| username).as_deref(), Some("anna"));
    }

    #[test]
    fn the_record_of_a_directory_depends_on_address_and_user_and_not_on_the_password() {
        let place = |url: &str, username: &str, password: &str| {
            let credentials =
                Credentials { username: username.into(), password: offhook_account::Secret::new(password) };
            Place { url: url.into(), refresh: None, credentials: Some(credentials) }.record()
        };
        assert_eq!(place("https://a/", "u", "1"), place("https://a/", "u", "2"));
        assert_ne!(place("https://a/", "u", "1"), place("https://a/", "v", "1"));
        assert_ne!(place("https://a/", "u", "1"), place("https://b/", "u", "1"));
        assert!(place("https://a/", "u", "1").ends_with(".json"));
    }
}
