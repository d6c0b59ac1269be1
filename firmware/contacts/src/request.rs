//! The requests of CardDAV (RFC 6352, RFC 6578), as method, depth and body.

use crate::multistatus::escape;

/// Largest answer [octets].
pub const MOST_OCTETS: usize = 8 << 20;
/// What every request says its body is.
pub const CONTENT_TYPE: &str = "application/xml; charset=utf-8";

/// One question to the server. Credentials and whatever else HTTP needs are added by whoever sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `PROPFIND` or `REPORT`
    pub method: &'static str,
    pub url: String,
    /// `Depth` header
    pub depth: u8,
    /// XML, [`CONTENT_TYPE`]
    pub body: String,
    /// stop reading past this [octets]
    pub max_bytes: usize,
}

const NAMESPACES: &str =
    r#"xmlns="DAV:" xmlns:card="urn:ietf:params:xml:ns:carddav" xmlns:cs="http://calendarserver.org/ns/""#;
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";

fn propfind(url: String, depth: u8, props: &str) -> Request {
    let body = format!("{HEAD}<propfind {NAMESPACES}><prop>{props}</prop></propfind>");
    Request { method: "PROPFIND", url, depth, body, max_bytes: MOST_OCTETS }
}

/// What is this, whose is it, and where are their books?
pub(crate) fn find(url: String) -> Request {
    propfind(url, 0, "<resourcetype/><current-user-principal/><card:addressbook-home-set/>")
}

/// The books of a home, or the one book itself, and whether they have changed.
pub(crate) fn books(url: String, depth: u8) -> Request {
    propfind(url, depth, "<resourcetype/><sync-token/><supported-report-set/><cs:getctag/>")
}

/// Everything that is in a book.
pub(crate) fn list(url: String) -> Request {
    propfind(url, 1, "<getetag/><resourcetype/>")
}

/// What has changed in a book since `token`; empty: everything (RFC 6578 section 3.2).
pub(crate) fn changes(url: String, token: &str) -> Request {
    let token = escape(token);
    let body = format!(
        "{HEAD}<sync-collection {NAMESPACES}><sync-token>{token}</sync-token><sync-level>1</sync-level>\
         <prop><getetag/></prop></sync-collection>"
    );
    // section 3.2: the depth of this report is in its body
    Request { method: "REPORT", url, depth: 0, body, max_bytes: MOST_OCTETS }
}

/// These cards (RFC 6352 section 8.7), without what is of no use here where the server can leave it out (section 10.4).
pub(crate) fn cards<'h>(url: String, hrefs: impl Iterator<Item = &'h str>) -> Request {
    let wanted = ["VERSION", "UID", "KIND", "FN", "N", "NICKNAME", "ORG", "TEL", "IMPP", "X-SIP", "X-ABLABEL"];
    let props: String = wanted.iter().map(|name| format!("<card:prop name=\"{name}\"/>")).collect();
    let hrefs: String = hrefs.map(|href| format!("<href>{}</href>", escape(href))).collect();
    let body = format!(
        "{HEAD}<card:addressbook-multiget {NAMESPACES}><prop><getetag/><card:address-data>{props}</card:address-data>\
         </prop>{hrefs}</card:addressbook-multiget>"
    );
    Request { method: "REPORT", url, depth: 0, body, max_bytes: MOST_OCTETS }
}
