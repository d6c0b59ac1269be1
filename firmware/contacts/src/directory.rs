//! The machine that follows one CardDAV account.
//!
//! ```text
//! directory.handle(now, Input::Start);
//! loop { match directory.poll() { Output::Timeout(at) => break, Output::Ask { .. } => send it, … } }
//! ```
//!
//! It finds the books (RFC 6764 section 6, RFC 6352 section 7): the given address may be a book, a home, a principal or
//! only a server. From then on a refresh is one request when nothing has changed: the list of books comes with their
//! synchronisation tokens. What has changed in a book is asked for by token (RFC 6578), or where a server cannot do that,
//! by comparing entity tags; the changed cards are then fetched in portions. A token is taken only when all its cards are
//! there, so a refresh that breaks off is simply done again, and what was known stays known meanwhile.
//!
//! It leaves out: writing to the server, photos, groups, and following a server to another domain, where the password has
//! no business. Credentials are added by whoever sends the requests.

use crate::cache::{Book, Cache, Card, MOST_CARDS};
use crate::contact::Contact;
use crate::multistatus::{self, Multistatus, Response};
use crate::request::{self, Request};
use crate::url::{Url, comparable};
use crate::vcard;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Shortest time between refreshes, whatever the account says.
pub const SHORTEST_REFRESH: Duration = Duration::from_secs(30);
/// First wait after a failure; doubles.
pub const BACK_OFF_FIRST: Duration = Duration::from_secs(15);
/// Longest wait after failures.
pub const BACK_OFF_LAST: Duration = Duration::from_secs(3600);
/// First wait after a refused password: servers lock accounts that ask again and again.
pub const BACK_OFF_DENIED: Duration = Duration::from_secs(900);
/// Longest `Retry-After` that is obeyed.
const RETRY_AFTER_LAST: Duration = Duration::from_secs(86_400);
/// An answer that has not come by then is given up; longer than whoever sends it waits.
const GIVE_UP: Duration = Duration::from_secs(60);
/// Books of one account.
const MOST_BOOKS: usize = 32;
/// Cards in one request, to begin with.
const PORTION: usize = 25;
/// Requests in one refresh: more than an address book needs, fewer than a server that never ends would like.
const MOST_REQUESTS: u32 = 2000;
/// Redirects of one question.
const MOST_REDIRECTS: u8 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AskId(pub u64);

/// A response, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// `Location`
    pub location: Option<String>,
    /// `Retry-After` [s]
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
}

/// No response came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// longer than the request allows
    TooLarge,
    /// words for people
    Unreachable(String),
}

#[derive(Debug)]
pub enum Input {
    /// begin (power-on)
    Start,
    /// now, on demand
    Refresh,
    Answered {
        id: AskId,
        result: Result<Answer, Failure>,
    },
    Timeout,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    Timeout(Option<Instant>),
    /// Send this; `Input::Answered` brings what came of it.
    Ask {
        id: AskId,
        request: Request,
    },
    /// A refresh is over, or broken off with a reason. `changed`: other contacts than before, worth storing.
    Refreshed {
        changed: bool,
        result: Result<(), String>,
    },
}

/// The machine.
#[derive(Debug)]
pub struct Directory {
    start: Option<Url>,
    refresh: Option<Duration>,
    random: u64,
    cache: Cache,
    work: Option<Work>,
    due: Option<Instant>,
    failures: u32,
    denials: u32,
    last_id: u64,
    outputs: VecDeque<Output>,
}

/// A refresh on its way.
#[derive(Debug)]
struct Work {
    id: AskId,
    step: Step,
    url: Url,
    give_up: Instant,
    requests: u32,
    redirects: u8,
    /// The books were looked for in this refresh already.
    searched: bool,
    changed: bool,
    found: Vec<Found>,
    queue: VecDeque<Found>,
}

/// What is being asked.
#[derive(Debug)]
enum Step {
    /// Where the books are: at the address given, at the well-known one, at the root.
    Find {
        left: VecDeque<Url>,
    },
    Principal,
    /// Books of the homes; which of them is next.
    Books {
        next: usize,
    },
    Changes {
        book: Found,
        pending: Pending,
    },
    List {
        book: Found,
        pending: Pending,
    },
    Cards {
        book: Found,
        pending: Pending,
        asked: Vec<Wanted>,
    },
}

/// A book as the server shows it.
#[derive(Debug, Clone)]
struct Found {
    url: Url,
    token: Option<String>,
    ctag: Option<String>,
    can_sync: bool,
}

/// What a book needs before its token counts.
#[derive(Debug, Default)]
struct Pending {
    token: Option<String>,
    /// The server has told of all cards: what it did not name is gone.
    full: bool,
    named: BTreeSet<String>,
    removed: Vec<String>,
    wanted: VecDeque<Wanted>,
    portion: usize,
}

#[derive(Debug, Clone)]
struct Wanted {
    key: String,
    href: String,
    etag: Option<String>,
}

/// Why a refresh cannot go on.
enum Trouble {
    Denied(String),
    Busy(Duration, String),
    Other(String),
}

impl Directory {
    /// `url`: as the account has it, placeholders filled in; without a scheme https is meant. `refresh`: `None` asks only
    /// at the start and on demand.
    pub fn new(url: &str, refresh: Option<Duration>, seed: u64) -> Self {
        let start = Url::parse(url);
        let cache = Cache { start: start.as_ref().map(Url::to_string).unwrap_or_default(), ..Cache::default() };
        Self {
            start,
            refresh: refresh.map(|refresh| refresh.max(SHORTEST_REFRESH)),
            random: seed,
            cache,
            work: None,
            due: None,
            failures: 0,
            denials: 0,
            last_id: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes back what [`Directory::memory`] gave; of another address or unreadable, it is ignored.
    pub fn recall(&mut self, memory: &[u8]) {
        if let Some(cache) = Cache::restore(memory, &self.cache.start) {
            self.cache = cache;
        }
    }

    /// Everything that is to be known after a restart. Contacts are in it, no password is.
    pub fn memory(&self) -> Vec<u8> {
        self.cache.to_bytes()
    }

    /// As of the last refresh, or of before the restart.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.cache.contacts()
    }

    /// Where it goes, for people.
    pub fn address(&self) -> &str {
        &self.cache.start
    }

    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Start | Input::Refresh if self.work.is_none() => self.begin(now),
            Input::Start | Input::Refresh => {}
            Input::Answered { id, result } => match self.work.take() {
                Some(work) if work.id == id => self.answered(now, work, result),
                // an answer to something that was given up
                other => self.work = other,
            },
            Input::Timeout => match self.work.take() {
                Some(work) if work.give_up <= now => {
                    self.over(now, work.changed, Err(Trouble::Other("the server does not answer".into())));
                }
                Some(work) => self.work = Some(work),
                None if self.due.is_some_and(|due| due <= now) => self.begin(now),
                None => {}
            },
        }
    }

    pub fn poll(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        Output::Timeout(self.work.as_ref().map(|work| work.give_up).or(self.due))
    }

    // ---- one refresh

    fn begin(&mut self, now: Instant) {
        self.due = None;
        let Some(start) = self.start.clone() else {
            let result = Err("the address of the address book is not usable: write https://server/path".into());
            return self.outputs.push_back(Output::Refreshed { changed: false, result });
        };
        let work = Work {
            id: AskId(0),
            step: Step::Principal,
            url: start,
            give_up: now,
            requests: 0,
            redirects: 0,
            searched: false,
            changed: false,
            found: Vec::new(),
            queue: VecDeque::new(),
        };
        if self.cache.homes.is_empty() { self.search(now, work) } else { self.look(now, work, 0) }
    }

    /// Sends one request, or ends a refresh that asks too much.
    fn ask(&mut self, now: Instant, mut work: Work, request: Request) {
        work.requests += 1;
        let trusted = self.start.as_ref().is_some_and(|start| start.trusts(&work.url));
        if work.requests > MOST_REQUESTS {
            return self.over(now, work.changed, Err(Trouble::Other("the server never comes to an end".into())));
        }
        if !trusted {
            let (host, start) = (work.url.host(), self.start.as_ref().map_or("", Url::host));
            let why = format!("{start} sends the phone to {host}: name that one, with https, as cardDavPrincipalUrl");
            return self.over(now, work.changed, Err(Trouble::Other(why)));
        }
        self.last_id += 1;
        work.id = AskId(self.last_id);
        work.give_up = now + GIVE_UP;
        self.outputs.push_back(Output::Ask { id: work.id, request });
        self.work = Some(work);
    }

    /// Where are the books?
    fn search(&mut self, now: Instant, mut work: Work) {
        work.searched = true;
        let Some(start) = self.start.clone() else { return };
        let well_known = Url { path: "/.well-known/carddav".into(), ..start.clone() };
        let root = Url { path: "/".into(), ..start.clone() };
        // RFC 6764 section 6: an address without a path is only a server
        let places = if start.path == "/" { vec![well_known, root] } else { vec![start, well_known, root] };
        self.find(now, work, places.into());
    }

    fn find(&mut self, now: Instant, mut work: Work, mut left: VecDeque<Url>) {
        let Some(url) = left.pop_front() else {
            let why = "no address book was found there; name its own address as cardDavPrincipalUrl";
            return self.over(now, work.changed, Err(Trouble::Other(why.into())));
        };
        let request = request::find(url.to_string());
        (work.url, work.step, work.redirects) = (url, Step::Find { left }, 0);
        self.ask(now, work, request);
    }

    /// Which books are there, and have they changed?
    fn look(&mut self, now: Instant, mut work: Work, next: usize) {
        match self.cache.homes.get(next).and_then(|home| Url::parse(home)) {
            Some(url) => {
                let request = request::books(url.to_string(), u8::from(!self.cache.single));
                (work.url, work.step, work.redirects) = (url, Step::Books { next }, 0);
                self.ask(now, work, request);
            }
            None => self.compare(now, work),
        }
    }

    /// All books are known: forget those that are gone, and queue those that differ.
    fn compare(&mut self, now: Instant, mut work: Work) {
        let found = std::mem::take(&mut work.found);
        if found.is_empty() {
            // gone with everything in it, or moved
            if !work.searched {
                self.cache.homes.clear();
                return self.search(now, work);
            }
            return self.over(
                now,
                work.changed,
                Err(Trouble::Other("the server has no address book for this user".into())),
            );
        }
        let is_there = |book: &Book| found.iter().any(|found| found.url.to_string() == book.url);
        work.changed |= self.cache.books.iter().any(|book| !is_there(book) && !book.cards.is_empty());
        self.cache.books.retain(is_there);
        for found in found {
            let url = found.url.to_string();
            let same = |ours: &Option<String>, theirs: &Option<String>| theirs.is_some() && ours == theirs;
            let known = self.cache.books.iter().find(|book| book.url == url);
            let unchanged = known.is_some_and(|book| same(&book.token, &found.token) || same(&book.ctag, &found.ctag));
            if known.is_none() {
                self.cache.books.push(Book { url, ..Book::default() });
            }
            if !unchanged {
                work.queue.push_back(found);
            }
        }
        self.next_book(now, work);
    }

    fn next_book(&mut self, now: Instant, mut work: Work) {
        let Some(book) = work.queue.pop_front() else { return self.over(now, work.changed, Ok(())) };
        let token = self.book(&book.url).and_then(|known| known.token.clone());
        if book.can_sync {
            self.ask_changes(now, work, book, Pending { full: token.is_none(), token, ..Pending::default() });
        } else {
            self.ask_list(now, work, book);
        }
    }

    fn ask_changes(&mut self, now: Instant, mut work: Work, book: Found, pending: Pending) {
        let request = request::changes(book.url.to_string(), pending.token.as_deref().unwrap_or_default());
        (work.url, work.redirects) = (book.url.clone(), 0);
        work.step = Step::Changes { book, pending };
        self.ask(now, work, request);
    }

    fn ask_list(&mut self, now: Instant, mut work: Work, book: Found) {
        let request = request::list(book.url.to_string());
        (work.url, work.redirects) = (book.url.clone(), 0);
        work.step = Step::List { book, pending: Pending { full: true, ..Pending::default() } };
        self.ask(now, work, request);
    }

    fn ask_cards(&mut self, now: Instant, mut work: Work, book: Found, mut pending: Pending) {
        if pending.portion == 0 {
            pending.portion = PORTION;
        }
        let count = pending.portion.min(pending.wanted.len());
        let asked: Vec<Wanted> = pending.wanted.drain(..count).collect();
        if asked.is_empty() {
            self.complete(&mut work, &book, pending);
            return self.next_book(now, work);
        }
        let request = request::cards(book.url.to_string(), asked.iter().map(|wanted| wanted.href.as_str()));
        (work.url, work.redirects) = (book.url.clone(), 0);
        work.step = Step::Cards { book, pending, asked };
        self.ask(now, work, request);
    }

    /// Everything of a book is here: what is gone goes, and the token counts.
    fn complete(&mut self, work: &mut Work, found: &Found, pending: Pending) {
        let Some(book) = self.book_mut(&found.url) else { return };
        let Pending { token, full, named, removed, .. } = pending;
        let gone: Vec<String> = match full {
            true => book.cards.keys().filter(|key| !named.contains(*key)).cloned().collect(),
            false => removed,
        };
        for key in gone {
            let card = book.cards.remove(&key);
            work.changed |= card.is_some_and(|card| card.contact.is_some());
        }
        // without synchronisation the list has no token of its own
        book.token = if found.can_sync { token } else { None };
        book.ctag.clone_from(&found.ctag);
    }

    // ---- answers

    fn answered(&mut self, now: Instant, mut work: Work, result: Result<Answer, Failure>) {
        let answer = match result {
            Ok(answer) => answer,
            Err(Failure::TooLarge) => return self.too_large(now, work),
            Err(Failure::Unreachable(why)) => return self.over(now, work.changed, Err(Trouble::Other(why))),
        };
        if let (301 | 302 | 303 | 307 | 308, Some(location)) = (answer.status, &answer.location) {
            return self.redirected(now, work, location);
        }
        let trouble = match answer.status {
            401 => Some(Trouble::Denied("the address book refuses user name or password".into())),
            429 | 503 => {
                let wait = Duration::from_secs(answer.retry_after.unwrap_or(60)).min(RETRY_AFTER_LAST);
                Some(Trouble::Busy(wait, format!("the address book server is busy ({})", answer.status)))
            }
            _ => None,
        };
        if let Some(trouble) = trouble {
            return self.over(now, work.changed, Err(trouble));
        }
        let read = match answer.status {
            200..=299 => multistatus::read(&answer.body).ok(),
            _ => None,
        };
        let status = answer.status;
        match (std::mem::replace(&mut work.step, Step::Principal), read) {
            (Step::Find { left }, Some(read)) => self.found(now, work, left, &read),
            // not there, not DAV, a web page: the next place
            (Step::Find { left }, None) => self.find(now, work, left),
            (Step::Principal, Some(read)) if self.take_homes(&work.url, &read) => self.look(now, work, 0),
            (Step::Principal, _) => {
                let why = "the address book server does not say where this user's books are".into();
                self.over(now, work.changed, Err(Trouble::Other(why)));
            }
            (Step::Books { next }, Some(read)) => {
                self.take_books(&mut work, &read);
                self.look(now, work, next + 1);
            }
            (Step::Books { .. }, None) if !work.searched && matches!(status, 403..=410) => {
                self.cache.homes.clear();
                work.found.clear();
                self.search(now, work);
            }
            (Step::Changes { book, pending }, Some(read)) => self.take_changes(now, work, book, pending, read),
            // The token is too old (RFC 6578 section 3.2), or the server cannot do it after all.
            (Step::Changes { book, pending }, None) if matches!(status, 400..=499 | 501 | 507) => {
                if pending.token.is_some() {
                    self.ask_changes(now, work, book, Pending { full: true, ..Pending::default() });
                } else {
                    self.ask_list(now, work, Found { can_sync: false, ..book });
                }
            }
            (Step::List { book, mut pending }, Some(read)) => {
                self.take_members(&book, &mut pending, &read);
                self.ask_cards(now, work, book, pending);
            }
            (Step::Cards { book, pending, asked }, Some(read)) => {
                self.take_cards(&mut work, &book, &asked, &read);
                self.ask_cards(now, work, book, pending);
            }
            (_, None) if status == 403 => {
                self.over(now, work.changed, Err(Trouble::Denied("this user may not read the address book".into())));
            }
            (_, None) => {
                let why = match status {
                    200..=299 => "the address book's answer is not readable".to_owned(),
                    _ => format!("the address book server answered {status}"),
                };
                self.over(now, work.changed, Err(Trouble::Other(why)));
            }
        }
    }

    fn redirected(&mut self, now: Instant, mut work: Work, location: &str) {
        work.redirects += 1;
        let to = work.url.join(location).filter(|to| *to != work.url && work.redirects <= MOST_REDIRECTS);
        let Some(to) = to else {
            let why = "the address book server sends the phone in circles";
            return self.over(now, work.changed, Err(Trouble::Other(why.into())));
        };
        let url = to.to_string();
        let request = match &work.step {
            Step::Find { .. } | Step::Principal => request::find(url),
            Step::Books { .. } => request::books(url, u8::from(!self.cache.single)),
            Step::Changes { pending, .. } => request::changes(url, pending.token.as_deref().unwrap_or_default()),
            Step::List { .. } => request::list(url),
            Step::Cards { asked, .. } => request::cards(url, asked.iter().map(|wanted| wanted.href.as_str())),
        };
        work.url = to;
        self.ask(now, work, request);
    }

    /// Fewer cards at once; a single one that is too large is a photo with a name on it.
    fn too_large(&mut self, now: Instant, mut work: Work) {
        let Step::Cards { book, mut pending, asked } = std::mem::replace(&mut work.step, Step::Principal) else {
            let why = "the address book's answer is too large".into();
            return self.over(now, work.changed, Err(Trouble::Other(why)));
        };
        if let [one] = asked.as_slice() {
            self.put(&mut work, &book, one, Card { etag: one.etag.clone(), contact: None });
        } else {
            pending.portion = (asked.len() / 2).max(1);
            for wanted in asked.into_iter().rev() {
                pending.wanted.push_front(wanted);
            }
        }
        self.ask_cards(now, work, book, pending);
    }

    fn found(&mut self, now: Instant, mut work: Work, left: VecDeque<Url>, read: &Multistatus) {
        if read.responses.iter().any(|response| response.props.is_addressbook) {
            (self.cache.homes, self.cache.single) = (vec![work.url.to_string()], true);
            return self.look(now, work, 0);
        }
        if self.take_homes(&work.url, read) {
            return self.look(now, work, 0);
        }
        let principal = read.responses.iter().find_map(|response| response.props.principal.as_deref());
        match principal.and_then(|principal| work.url.join(principal)) {
            Some(url) => {
                let request = request::find(url.to_string());
                (work.url, work.step, work.redirects) = (url, Step::Principal, 0);
                self.ask(now, work, request);
            }
            None => self.find(now, work, left),
        }
    }

    fn take_homes(&mut self, base: &Url, read: &Multistatus) -> bool {
        let homes = read.responses.iter().flat_map(|response| &response.props.homes);
        let homes: Vec<String> = homes.filter_map(|home| base.join(home)).map(|url| url.to_string()).collect();
        if homes.is_empty() {
            return false;
        }
        (self.cache.homes, self.cache.single) = (homes, false);
        self.cache.homes.truncate(MOST_BOOKS);
        true
    }

    fn take_books(&self, work: &mut Work, read: &Multistatus) {
        for response in read.responses.iter().filter(|response| response.props.is_addressbook) {
            // one book may have another path than the one that was asked, after a redirect
            let url = if self.cache.single { Some(work.url.clone()) } else { work.url.join(&response.href) };
            let Some(url) = url else { continue };
            let known = work.found.iter().any(|found| found.url == url);
            if work.found.len() < MOST_BOOKS && !known {
                let props = &response.props;
                let can_sync = props.can_sync || props.sync_token.is_some();
                work.found.push(Found { url, token: props.sync_token.clone(), ctag: props.ctag.clone(), can_sync });
            }
        }
    }

    fn take_changes(&mut self, now: Instant, work: Work, book: Found, mut pending: Pending, read: Multistatus) {
        self.take_members(&book, &mut pending, &read);
        let more = read.responses.iter().any(|response| response.status == Some(507));
        let moved = read.sync_token.is_some() && read.sync_token != pending.token;
        pending.token = read.sync_token;
        if more && moved {
            return self.ask_changes(now, work, book, pending);
        }
        self.ask_cards(now, work, book, pending);
    }

    /// Members of a book: which are gone, which have another entity tag than ours.
    fn take_members(&self, book: &Found, pending: &mut Pending, read: &Multistatus) {
        let itself = comparable(&book.url.path);
        let known = self.book(&book.url);
        for response in &read.responses {
            let Some(key) = member(book, response).filter(|key| *key != itself && !key.ends_with('/')) else {
                continue;
            };
            if response.status == Some(404) {
                pending.named.remove(&key);
                pending.wanted.retain(|wanted| wanted.key != key);
                pending.removed.push(key);
                continue;
            }
            if response.props.is_collection || response.status.is_some_and(|status| status >= 400) {
                continue;
            }
            let etag = response.props.etag.clone();
            let card = known.and_then(|known| known.cards.get(&key));
            let same = card.is_some_and(|card| card.etag.is_some() && card.etag == etag);
            pending.removed.retain(|removed| *removed != key);
            if !same && pending.named.len() < MOST_CARDS {
                pending.wanted.push_back(Wanted { key: key.clone(), href: response.href.clone(), etag });
            }
            pending.named.insert(key);
        }
    }

    fn take_cards(&mut self, work: &mut Work, book: &Found, asked: &[Wanted], read: &Multistatus) {
        for wanted in asked {
            let response =
                read.responses.iter().find(|response| member(book, response).as_deref() == Some(wanted.key.as_str()));
            match response {
                Some(Response { props, .. }) if props.card.is_some() => {
                    let card = props.card.as_deref().unwrap_or_default();
                    let mut contact = vcard::read(card).contacts.into_iter().next();
                    if let Some(contact) = contact.as_mut().filter(|contact| contact.uid.is_empty()) {
                        contact.uid.clone_from(&wanted.key);
                    }
                    let etag = props.etag.clone().or(wanted.etag.clone());
                    self.put(work, book, wanted, Card { etag, contact });
                }
                // gone since it was named
                Some(Response { status: Some(404), .. }) => {
                    let card = self.book_mut(&book.url).and_then(|known| known.cards.remove(&wanted.key));
                    work.changed |= card.is_some_and(|card| card.contact.is_some());
                }
                // without an entity tag it is asked for again the next time
                _ => self.put(work, book, wanted, Card::default()),
            }
        }
    }

    fn put(&mut self, work: &mut Work, book: &Found, wanted: &Wanted, card: Card) {
        let full = self.cache.cards() >= MOST_CARDS;
        let Some(known) = self.book_mut(&book.url) else { return };
        if full && !known.cards.contains_key(&wanted.key) {
            return;
        }
        let before = known.cards.get(&wanted.key).and_then(|card| card.contact.as_ref());
        work.changed |= before != card.contact.as_ref();
        known.cards.insert(wanted.key.clone(), card);
    }

    // ---- the end

    fn over(&mut self, now: Instant, changed: bool, result: Result<(), Trouble>) {
        self.work = None;
        let (wait, result) = match result {
            Ok(()) => {
                (self.failures, self.denials) = (0, 0);
                (self.refresh, Ok(()))
            }
            Err(Trouble::Denied(why)) => {
                self.denials += 1;
                let wait = BACK_OFF_DENIED * 2u32.saturating_pow((self.denials - 1).min(5));
                (Some(wait.max(self.refresh.unwrap_or_default())), Err(why))
            }
            Err(Trouble::Busy(wait, why)) => (Some(wait.max(BACK_OFF_FIRST)), Err(why)),
            Err(Trouble::Other(why)) => {
                self.failures += 1;
                let wait = BACK_OFF_FIRST * 2u32.saturating_pow((self.failures - 1).min(10));
                (Some(wait.min(BACK_OFF_LAST)), Err(why))
            }
        };
        self.due = wait.map(|wait| now + self.spread(wait));
        self.outputs.push_back(Output::Refreshed { changed, result });
    }

    /// 5 % to either side, so that forty phones do not come at once.
    fn spread(&mut self, wait: Duration) -> Duration {
        // SplitMix64
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = ((z ^ (z >> 31)) % 1001) as u32;
        wait.mul_f64(0.95 + f64::from(share) / 10_000.0)
    }

    fn book(&self, url: &Url) -> Option<&Book> {
        let url = url.to_string();
        self.cache.books.iter().find(|book| book.url == url)
    }

    fn book_mut(&mut self, url: &Url) -> Option<&mut Book> {
        let url = url.to_string();
        self.cache.books.iter_mut().find(|book| book.url == url)
    }
}

/// The key of a member; nothing of another server or outside of the book is one.
fn member(book: &Found, response: &Response) -> Option<String> {
    let url = book.url.join(&response.href)?;
    let key = comparable(&url.path);
    (url.authority == book.url.authority && key.starts_with(&comparable(&book.url.path))).then_some(key)
}
