//! A small CardDAV server for tests: one user, some books, and the ways in which real servers differ.

use std::collections::BTreeMap;

/// How it behaves.
#[derive(Debug, Clone)]
pub struct Manners {
    /// RFC 6578
    pub syncs: bool,
    /// Changes told at once; the rest is asked for again (507).
    pub page: usize,
    /// Tokens from before this one are refused.
    pub forgets: u64,
    /// `/.well-known/carddav` leads somewhere.
    pub well_known: bool,
    /// Instead of an answer.
    pub status: Option<u16>,
    /// Host that the principal is said to be on.
    pub elsewhere: Option<String>,
}

/// The server. Books are folders under `/books/anna/`.
#[derive(Debug, Clone)]
pub struct Server {
    pub manners: Manners,
    /// Name to the version of the book when the card was written, and the card; `None`: it was deleted then.
    cards: BTreeMap<String, BTreeMap<String, (u64, Option<String>)>>,
    version: u64,
    /// `METHOD path` of everything asked, and which cards were asked for.
    pub asked: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        let manners =
            Manners { syncs: true, page: usize::MAX, forgets: 0, well_known: true, status: None, elsewhere: None };
        Self { manners, cards: BTreeMap::from([("office".into(), BTreeMap::new())]), version: 1, asked: Vec::new() }
    }
}

impl Server {
    /// Writes a card, or deletes it.
    pub fn put(&mut self, book: &str, name: &str, card: Option<&str>) {
        self.version += 1;
        let book = self.cards.entry(book.into()).or_default();
        book.insert(name.into(), (self.version, card.map(str::to_owned)));
    }

    /// A card with one number.
    pub fn person(&mut self, book: &str, name: &str, number: &str) {
        let card =
            format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{name}\r\nFN:{name}\r\nTEL;TYPE=WORK:{number}\r\nEND:VCARD\r\n");
        self.put(book, &format!("{}.vcf", name.replace(' ', "%20")), Some(&card));
    }

    pub fn drop_book(&mut self, book: &str) {
        self.cards.remove(book);
    }

    /// Status and body.
    pub fn answer(&mut self, method: &str, path: &str, depth: &str, body: &str) -> (u16, String) {
        self.asked.push(format!("{method} {path}"));
        if let Some(status) = self.manners.status {
            return (status, "<html>no</html>".into());
        }
        let responses = match (method, path) {
            ("PROPFIND", "/.well-known/carddav") if !self.manners.well_known => return (404, String::new()),
            ("PROPFIND", "/" | "/.well-known/carddav") => {
                let host = self.manners.elsewhere.clone().unwrap_or_default();
                let href = format!("<d:href>{host}/principals/anna/</d:href>");
                props(path, &format!("<d:current-user-principal>{href}</d:current-user-principal>"))
            }
            ("PROPFIND", "/principals/anna/") => {
                let home = "<d:href>/books/anna/</d:href>";
                props(path, &format!("<c:addressbook-home-set>{home}</c:addressbook-home-set>"))
            }
            ("PROPFIND", "/books/anna/") => {
                let home = props(path, "<d:resourcetype><d:collection/></d:resourcetype>");
                let books: Vec<String> = self.cards.keys().cloned().collect();
                let books: String = books.iter().map(|book| self.book_props(book)).collect();
                if depth == "1" { home + &books } else { home }
            }
            (method, path) => {
                let Some((book, "")) = path.strip_prefix("/books/anna/").and_then(|rest| rest.split_once('/')) else {
                    return (404, String::new());
                };
                let book = book.to_owned();
                if !self.cards.contains_key(&book) {
                    return (404, String::new());
                }
                return self.of_book(method, &book, depth, body);
            }
        };
        (207, multistatus(&responses))
    }

    fn of_book(&mut self, method: &str, book: &str, depth: &str, body: &str) -> (u16, String) {
        let base = format!("/books/anna/{book}/");
        let cards = self.cards.get(book).cloned().unwrap_or_default();
        if method == "PROPFIND" {
            let members = cards.iter().filter(|(_, (_, card))| card.is_some());
            let members: String =
                members.map(|(name, (version, _))| etag(&format!("{base}{name}"), *version)).collect();
            let own = self.book_props(book);
            return (207, multistatus(&if depth == "1" { own + &members } else { own }));
        }
        if body.contains("addressbook-multiget") {
            let hrefs = body.split("<href>").skip(1).filter_map(|rest| rest.split("</href>").next());
            let mut responses = String::new();
            for href in hrefs {
                self.asked.push(format!("  {href}"));
                let card = href.strip_prefix(&base).and_then(|name| cards.get(name));
                responses += &match card {
                    Some((version, Some(card))) => props(
                        href,
                        &format!(
                            "<d:getetag>\"{version}\"</d:getetag><c:address-data>{}</c:address-data>",
                            card.replace('&', "&amp;").replace('<', "&lt;")
                        ),
                    ),
                    _ => gone(href),
                };
            }
            return (207, multistatus(&responses));
        }
        if !self.manners.syncs {
            return (403, "<d:error xmlns:d=\"DAV:\"><d:supported-report/></d:error>".into());
        }
        let token = body.split("<sync-token>").nth(1).and_then(|rest| rest.split("</sync-token>").next());
        let since: u64 = token.and_then(|token| token.strip_prefix("urn:t:")?.parse().ok()).unwrap_or(0);
        if since > 0 && since < self.manners.forgets {
            return (403, "<d:error xmlns:d=\"DAV:\"><d:valid-sync-token/></d:error>".into());
        }
        let mut changed: Vec<(&String, &(u64, Option<String>))> =
            cards.iter().filter(|(_, (version, card))| *version > since && (since > 0 || card.is_some())).collect();
        changed.sort_by_key(|(_, (version, _))| *version);
        let more = changed.len() > self.manners.page;
        changed.truncate(self.manners.page);
        let up_to = if more { changed.last().map_or(since, |(_, (version, _))| *version) } else { self.version };
        let mut responses: String = changed
            .iter()
            .map(|(name, (version, card))| match card {
                Some(_) => etag(&format!("{base}{name}"), *version),
                None => gone(&format!("{base}{name}")),
            })
            .collect();
        if more {
            responses += &format!(
                "<d:response><d:href>{base}</d:href><d:status>HTTP/1.1 507 Insufficient Storage</d:status></d:response>"
            );
        }
        (207, multistatus(&format!("{responses}<d:sync-token>urn:t:{up_to}</d:sync-token>")))
    }

    fn book_props(&self, book: &str) -> String {
        let newest = self.cards.get(book).into_iter().flat_map(BTreeMap::values).map(|(version, _)| *version).max();
        let syncs = match self.manners.syncs {
            true => format!("<d:sync-token>urn:t:{}</d:sync-token>", self.version),
            false => String::new(),
        };
        props(
            &format!("/books/anna/{book}/"),
            &format!(
                "<d:resourcetype><d:collection/><c:addressbook/></d:resourcetype>{syncs}<s:getctag>{}</s:getctag>",
                newest.unwrap_or(0)
            ),
        )
    }
}

fn props(href: &str, props: &str) -> String {
    format!(
        "<d:response><d:href>{href}</d:href><d:propstat><d:prop>{props}</d:prop>\
         <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )
}

fn etag(href: &str, version: u64) -> String {
    props(href, &format!("<d:getetag>\"{version}\"</d:getetag>"))
}

fn gone(href: &str) -> String {
    format!("<d:response><d:href>{href}</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>")
}

fn multistatus(responses: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:carddav\" \
         xmlns:s=\"http://calendarserver.org/ns/\">{responses}</d:multistatus>"
    )
}
