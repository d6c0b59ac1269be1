//! DAV answers (RFC 4918 section 14.16, RFC 6352, RFC 6578) cut down to what an address book is followed by. Names are
//! told apart by namespace, not by prefix; what is not known is passed over; nothing is fetched or expanded.

use quick_xml::NsReader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};

/// Resources in one answer.
const MOST_RESPONSES: usize = 50_000;
const MOST_DEPTH: usize = 32;
/// Longest href, tag or token [octets].
const LONGEST_VALUE: usize = 2048;
/// Longest card [octets]: with the photo that servers send unasked.
const LONGEST_CARD: usize = 2 << 20;

const DAV: &str = "DAV:";
const CARDDAV: &str = "urn:ietf:params:xml:ns:carddav";
const CALENDARSERVER: &str = "http://calendarserver.org/ns/";

/// An answer with status 207.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Multistatus {
    pub(crate) responses: Vec<Response>,
    /// Where the next `sync-collection` goes on.
    pub(crate) sync_token: Option<String>,
}

/// One resource of it.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub(crate) struct Response {
    pub(crate) href: String,
    /// of the resource as a whole: 404 gone, 507 there is more
    pub(crate) status: Option<u16>,
    pub(crate) props: Props,
}

/// Properties that the resource has (those of a propstat without success are not there).
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub(crate) struct Props {
    pub(crate) etag: Option<String>,
    pub(crate) ctag: Option<String>,
    pub(crate) sync_token: Option<String>,
    pub(crate) is_collection: bool,
    pub(crate) is_addressbook: bool,
    pub(crate) can_sync: bool,
    pub(crate) principal: Option<String>,
    pub(crate) homes: Vec<String>,
    pub(crate) card: Option<String>,
}

/// The body is no multistatus document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// An element that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Multistatus,
    Response,
    Propstat,
    Prop,
    Href,
    Status,
    SyncToken,
    Etag,
    Ctag,
    ResourceType,
    Collection,
    Addressbook,
    Principal,
    Home,
    Card,
    SyncReport,
    Error,
    Other,
}

impl Element {
    fn of(namespace: &str, name: &str) -> Self {
        match (namespace, name) {
            (DAV, "multistatus") => Self::Multistatus,
            (DAV, "response") => Self::Response,
            (DAV, "propstat") => Self::Propstat,
            (DAV, "prop") => Self::Prop,
            (DAV, "href") => Self::Href,
            (DAV, "status") => Self::Status,
            (DAV, "sync-token") => Self::SyncToken,
            (DAV, "getetag") => Self::Etag,
            (DAV, "resourcetype") => Self::ResourceType,
            (DAV, "collection") => Self::Collection,
            (DAV, "current-user-principal") => Self::Principal,
            (DAV, "sync-collection") => Self::SyncReport,
            (DAV, "error") => Self::Error,
            (CARDDAV, "addressbook") => Self::Addressbook,
            (CARDDAV, "addressbook-home-set") => Self::Home,
            (CARDDAV, "address-data") => Self::Card,
            (CALENDARSERVER, "getctag") => Self::Ctag,
            _ => Self::Other,
        }
    }
}

/// Reads an answer.
pub(crate) fn read(body: &[u8]) -> Result<Multistatus, Unreadable> {
    let text = std::str::from_utf8(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).map_err(|_| Unreadable)?;
    let mut reader = NsReader::from_str(text);
    let mut reading = Reading::default();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| Unreadable)?;
        let namespace = match namespace {
            ResolveResult::Bound(Namespace(namespace)) => namespace,
            _ => "",
        };
        match event {
            Event::Start(tag) => reading.open(Element::of(namespace, tag.local_name().as_ref()))?,
            Event::Empty(tag) => {
                reading.open(Element::of(namespace, tag.local_name().as_ref()))?;
                reading.close();
            }
            Event::End(_) => reading.close(),
            Event::Text(text) => reading.text(&text)?,
            Event::CData(text) => reading.text(&text)?,
            Event::GeneralRef(name) => {
                let character = name.resolve_char_ref().map_err(|_| Unreadable)?;
                match character {
                    Some(character) => reading.text(character.encode_utf8(&mut [0; 4]))?,
                    None => reading.text(resolve_predefined_entity(&name).ok_or(Unreadable)?)?,
                }
            }
            // a document type could only define what must not be expanded
            Event::DocType(_) => return Err(Unreadable),
            Event::Eof => break,
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
    if reading.seen_root && reading.path.is_empty() { Ok(reading.done) } else { Err(Unreadable) }
}

#[derive(Default)]
struct Reading {
    done: Multistatus,
    path: Vec<Element>,
    seen_root: bool,
    text: String,
    response: Response,
    /// of the propstat that is open: what it says, and whether it is true
    props: Props,
    propstat_status: Option<u16>,
}

impl Reading {
    fn open(&mut self, element: Element) -> Result<(), Unreadable> {
        if self.path.is_empty() && (element != Element::Multistatus || self.seen_root) {
            return Err(Unreadable);
        }
        if self.path.len() >= MOST_DEPTH {
            return Err(Unreadable);
        }
        match element {
            Element::Multistatus => self.seen_root = true,
            Element::Response => {
                if self.done.responses.len() >= MOST_RESPONSES {
                    return Err(Unreadable);
                }
                self.response = Response::default();
            }
            Element::Propstat => (self.props, self.propstat_status) = (Props::default(), None),
            Element::Collection if self.inside(Element::ResourceType) => self.props.is_collection = true,
            Element::Addressbook if self.inside(Element::ResourceType) => self.props.is_addressbook = true,
            Element::SyncReport => self.props.can_sync = true,
            _ => {}
        }
        self.text.clear();
        self.path.push(element);
        Ok(())
    }

    fn inside(&self, element: Element) -> bool {
        self.path.last() == Some(&element)
    }

    fn text(&mut self, text: &str) -> Result<(), Unreadable> {
        let longest = match self.path.last() {
            Some(Element::Card) => LONGEST_CARD,
            Some(Element::Href | Element::Etag | Element::Ctag | Element::SyncToken | Element::Status) => LONGEST_VALUE,
            _ => return Ok(()),
        };
        if self.text.len() + text.len() > longest {
            return Err(Unreadable);
        }
        self.text.push_str(text);
        Ok(())
    }

    fn close(&mut self) {
        let Some(element) = self.path.pop() else { return };
        let text = self.text.trim();
        match (element, self.path.last()) {
            (Element::Href, Some(Element::Response)) => self.response.href = text.to_owned(),
            (Element::Href, Some(Element::Principal)) => self.props.principal = Some(text.to_owned()),
            (Element::Href, Some(Element::Home)) => self.props.homes.push(text.to_owned()),
            (Element::Status, Some(Element::Response)) => self.response.status = status(text),
            (Element::Status, Some(Element::Propstat)) => self.propstat_status = status(text),
            (Element::SyncToken, Some(Element::Multistatus)) => self.done.sync_token = some(text),
            (Element::SyncToken, Some(Element::Prop)) => self.props.sync_token = some(text),
            (Element::Etag, Some(Element::Prop)) => self.props.etag = some(text),
            (Element::Ctag, Some(Element::Prop)) => self.props.ctag = some(text),
            (Element::Card, Some(Element::Prop)) => self.props.card = some(text),
            // no status means success to some servers
            (Element::Propstat, _) if self.propstat_status.is_none_or(|status| (200..300).contains(&status)) => {
                self.response.props.add(std::mem::take(&mut self.props));
            }
            (Element::Response, _) => self.done.responses.push(std::mem::take(&mut self.response)),
            _ => {}
        }
        self.text.clear();
    }
}

impl Props {
    fn add(&mut self, other: Self) {
        self.etag = other.etag.or(self.etag.take());
        self.ctag = other.ctag.or(self.ctag.take());
        self.sync_token = other.sync_token.or(self.sync_token.take());
        self.principal = other.principal.or(self.principal.take());
        self.card = other.card.or(self.card.take());
        self.homes.extend(other.homes);
        self.is_collection |= other.is_collection;
        self.is_addressbook |= other.is_addressbook;
        self.can_sync |= other.can_sync;
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// `HTTP/1.1 404 Not Found`
fn status(line: &str) -> Option<u16> {
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Text as it stands between tags.
pub(crate) fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str = r#"<?xml version="1.0"?>
<d:multistatus xmlns:d="DAV:" xmlns:card="urn:ietf:params:xml:ns:carddav" xmlns:cs="http://calendarserver.org/ns/">
 <d:response><d:href>/books/anna/</d:href>
  <d:propstat><d:prop>
    <d:resourcetype><d:collection/><card:addressbook/></d:resourcetype><cs:getctag>7</cs:getctag>
    <d:supported-report-set><d:supported-report><d:report><d:sync-collection/></d:report></d:supported-report></d:supported-report-set>
  </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>
  <d:propstat><d:prop><d:sync-token>not there</d:sync-token></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat>
 </d:response>
 <d:response><d:href>/books/anna/a%20b.vcf</d:href><d:propstat><d:prop><d:getetag>&quot;x&#38;y&quot;</d:getetag>
   <card:address-data><![CDATA[BEGIN:VCARD]]>
TEL:1 &lt;2</card:address-data></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
 <d:response><d:href>/books/anna/gone.vcf</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>
 <d:sync-token>http://x/ns/sync/9</d:sync-token>
</d:multistatus>"#;

    #[test]
    fn properties_count_only_where_the_server_has_them() {
        let answer = read(ANSWER.as_bytes()).unwrap();
        assert_eq!(answer.sync_token.as_deref(), Some("http://x/ns/sync/9"));
        let [book, card, gone] = answer.responses.as_slice() else { panic!("{answer:?}") };
        assert!(book.props.is_collection && book.props.is_addressbook && book.props.can_sync);
        assert_eq!((book.props.ctag.as_deref(), book.props.sync_token.as_deref()), (Some("7"), None));
        assert_eq!(card.props.etag.as_deref(), Some("\"x&y\""));
        assert_eq!(card.props.card.as_deref(), Some("BEGIN:VCARD\nTEL:1 <2"));
        assert_eq!((gone.href.as_str(), gone.status), ("/books/anna/gone.vcf", Some(404)));
    }

    #[test]
    fn prefixes_do_not_matter_and_foreign_namespaces_do() {
        let default = r#"<multistatus xmlns="DAV:"><response><href>/a</href><propstat><prop><current-user-principal><href>/p/</href></current-user-principal></prop></propstat></response></multistatus>"#;
        assert_eq!(read(default.as_bytes()).unwrap().responses[0].props.principal.as_deref(), Some("/p/"));
        assert_eq!(read(default.replace("DAV:", "other:").as_bytes()), Err(Unreadable));
    }

    #[test]
    fn web_pages_entities_and_cut_answers_are_unreadable() {
        let bomb =
            "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><multistatus xmlns=\"DAV:\">&e;</multistatus>";
        let entity = "<multistatus xmlns=\"DAV:\"><response><href>&e;</href></response></multistatus>";
        let deep = format!("<multistatus xmlns=\"DAV:\">{}", "<a>".repeat(100_000));
        for bad in ["", "<html></html>", "{}", "\u{feff}", bomb, entity, &deep] {
            assert_eq!(read(bad.as_bytes()), Err(Unreadable), "{}", bad.chars().take(40).collect::<String>());
        }
        for cut in 0..ANSWER.len() {
            assert_eq!(read(&ANSWER.as_bytes()[..cut]), Err(Unreadable), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(text in "(<d:multistatus xmlns:d=\"DAV:\">|</?d:(response|href|prop|propstat)>|&[a-z#0-9]{0,4};?|\\PC{0,6}){0,30}") {
            let _ = read(text.as_bytes());
        }
    }
}
