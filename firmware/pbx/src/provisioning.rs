//! What the PBX answers over HTTP: the Account XML of a user, and the switch of his message lamp.
//!
//! `GET /provision/<user>/account.xml?token=…` and `POST /messages/<user>?new=1&old=0&token=…`; `docs/pbx.md` describes both.
//! The token is all that guards a password, so a wrong token and a user that does not exist are answered alike and in the
//! same time. Entity tags are strong: a hash of the document (RFC 9110 section 8.8.3).

use crate::users::{User, Users};
use crate::{HttpRequest, HttpResponse, messages};
use offhook_account::Document;
use offhook_account::document::Node;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;

/// Where phones reach us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    pub(crate) sip: SocketAddr,
    pub(crate) http: SocketAddr,
}

/// Longest request target that is looked at [octets].
const MAX_TARGET: usize = 1024;
/// Dialled by the message key.
const VOICEMAIL_NUMBER: &str = "*97";

/// What a request leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answer(HttpResponse),
    /// Set the message counts of a user, then answer.
    Messages {
        user: String,
        new: u32,
        old: u32,
        response: HttpResponse,
    },
}

/// The URL that `pbxd` prints and `extProvUrl` carries.
pub(crate) fn url(site: Site, user: &User) -> String {
    format!("http://{}/provision/{}/account.xml?token={}", site.http, user.number, user.token.reveal())
}

/// The Account XML of `user`: everything a phone needs to be his.
pub(crate) fn document(site: Site, users: &Users, user: &User) -> String {
    let mut document = Document::default();
    document.set("title", user.shown_name());
    document.set("username", &user.number);
    document.set("password", user.password.reveal());
    document.set("userDisplayName", user.shown_name());
    document.set("host", &site.sip.to_string());
    document.set("transport", "udp");
    document.set("expires", "600");
    document.set("codecOrder", "103,9,8,0");
    document.set("subscribeForVoicemail", "1");
    document.set("voiceMailNumber", VOICEMAIL_NUMBER);
    document.set("callWaiting", "1");
    let others = users.iter().filter(|other| other.number != user.number);
    let uris: Vec<Node> =
        others.map(|other| Node { name: "uri".to_owned(), text: other.number.clone(), ..Node::default() }).collect();
    if !uris.is_empty() {
        document.nodes.push(Node { name: "blf".to_owned(), children: uris, ..Node::default() });
    }
    document.set("extProvUrl", &url(site, user));
    document.set("extProvInterval", "3600");
    document.to_xml()
}

pub(crate) fn respond(site: Site, users: &Users, request: &HttpRequest) -> Outcome {
    if request.target.len() > MAX_TARGET {
        return Outcome::Answer(text(414, "The address is too long."));
    }
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["provision", number, "account.xml"] => match request.method.as_str() {
            "GET" | "HEAD" => Outcome::Answer(match allowed(users, number, query) {
                Some(user) => account(site, users, user, request),
                None => forbidden(),
            }),
            _ => Outcome::Answer(wrong_method("GET, HEAD")),
        },
        ["messages", number] => match (request.method.as_str(), allowed(users, number, query)) {
            ("POST", Some(user)) => {
                let count = |name| {
                    parameter(query, name)
                        .map_or(Some(0), |text| text.parse().ok().filter(|&n: &u32| n <= messages::MAX_COUNT))
                };
                match (count("new"), count("old")) {
                    (Some(new), Some(old)) => {
                        let response = HttpResponse { status: 204, headers: vec![no_store()], body: Vec::new() };
                        Outcome::Messages { user: user.number.clone(), new, old, response }
                    }
                    _ => Outcome::Answer(text(400, "new and old are numbers from 0 to 9999.")),
                }
            }
            ("POST", None) => Outcome::Answer(forbidden()),
            _ => Outcome::Answer(wrong_method("POST")),
        },
        _ => Outcome::Answer(text(404, "There is nothing here. Phones ask for /provision/<user>/account.xml.")),
    }
}

fn account(site: Site, users: &Users, user: &User, request: &HttpRequest) -> HttpResponse {
    let body = document(site, users, user).into_bytes();
    let hash = Sha256::digest(&body);
    let tag: String = hash.iter().take(16).map(|octet| format!("{octet:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let mut headers = vec![("ETag".to_owned(), tag.clone()), no_store()];
    let known =
        request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("If-None-Match")).any(|(_, value)| {
            // weak comparison (RFC 9110 section 13.1.2)
            value.trim() == "*" || value.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
        });
    if known {
        return HttpResponse { status: 304, headers, body: Vec::new() };
    }
    headers.push(("Content-Type".to_owned(), "application/xml; charset=utf-8".to_owned()));
    if request.method == "HEAD" {
        headers.push(("Content-Length".to_owned(), body.len().to_string()));
        return HttpResponse { status: 200, headers, body: Vec::new() };
    }
    HttpResponse { status: 200, headers, body }
}

/// The user whose token the query carries. An unknown user costs the same work as a wrong token.
fn allowed<'a>(users: &'a Users, number: &str, query: &str) -> Option<&'a User> {
    let given = parameter(query, "token").unwrap_or_default();
    let user = users.get(number);
    let expected = user.map_or("", |user| user.token.reveal());
    let right = same(&given, expected);
    user.filter(|_| right && !given.is_empty())
}

/// Compares hashes, octet by octet to the end: how long it takes says nothing about how much was right.
fn same(a: &str, b: &str) -> bool {
    let (a, b) = (Sha256::digest(a.as_bytes()), Sha256::digest(b.as_bytes()));
    let difference = a.iter().zip(b.iter()).fold(0_u8, |sum, (x, y)| sum | (x ^ y));
    std::hint::black_box(difference) == 0
}

/// First value of `name` in a query, %-decoded; `None` also if it is not UTF-8.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name)?.1;
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let digit =
                    |d: Option<u8>| d.and_then(|d| char::from(d).to_digit(16)).and_then(|d| u8::try_from(d).ok());
                digit(rest.next())? * 16 + digit(rest.next())?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(octets).ok()
}

fn text(status: u16, line: &str) -> HttpResponse {
    let headers = vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned()), no_store()];
    HttpResponse { status, headers, body: format!("{line}\n").into_bytes() }
}

fn forbidden() -> HttpResponse {
    text(403, "This user and token do not belong together.")
}

fn wrong_method(allow: &str) -> HttpResponse {
    let mut response = text(405, "This can be asked in another way only.");
    response.headers.push(("Allow".to_owned(), allow.to_owned()));
    response
}

fn no_store() -> (String, String) {
    ("Cache-Control".to_owned(), "no-store".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use offhook_account::Settings;

    fn office() -> (Site, Users) {
        let numbers: Vec<String> = ["100", "101", "102"].map(str::to_owned).to_vec();
        let (users, _) = Users::new(&numbers, Vec::new(), &[], &mut Chance::new(&[5; 32], "users"));
        (Site { sip: "127.0.0.1:5070".parse().unwrap(), http: "127.0.0.1:8070".parse().unwrap() }, users)
    }
    fn ask(method: &str, target: &str, headers: &[(&str, &str)]) -> Outcome {
        let (site, users) = office();
        let headers = headers.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        respond(site, &users, &HttpRequest { method: method.into(), target: target.into(), headers, body: Vec::new() })
    }
    fn answer(method: &str, target: &str, headers: &[(&str, &str)]) -> HttpResponse {
        match ask(method, target, headers) {
            Outcome::Answer(response) | Outcome::Messages { response, .. } => response,
        }
    }
    fn path(number: &str) -> String {
        let (site, users) = office();
        let url = url(site, users.get(number).unwrap());
        url.strip_prefix("http://127.0.0.1:8070").unwrap().to_owned()
    }
    fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
        response.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Covers: office.system.03, office.user.03, office.user.04, office.user.05
    #[test]
    fn account_xml_is_read_by_the_account_crate_without_findings() {
        let response = answer("GET", &path("101"), &[]);
        assert_eq!(response.status, 200);
        assert_eq!(header(&response, "Content-Type"), Some("application/xml; charset=utf-8"));
        assert_eq!(header(&response, "Cache-Control"), Some("no-store"));
        let (document, findings) = Document::parse(&response.body).unwrap();
        assert_eq!(findings, []);
        let (settings, findings) = Settings::of(&document);
        assert_eq!(findings, []);
        let (site, users) = office();
        let user = users.get("101").unwrap();
        assert_eq!(settings.username, "101");
        assert_eq!(settings.password.reveal(), user.password.reveal());
        assert_eq!(settings.display_name, "101");
        assert_eq!(settings.host, "127.0.0.1:5070");
        assert!(settings.subscribe_for_voicemail && settings.call_waiting);
        assert_eq!(settings.voicemail_number.as_deref(), Some("*97"));
        assert_eq!(settings.blf.iter().map(|b| b.uri.as_str()).collect::<Vec<_>>(), ["100", "102"]);
        assert_eq!(settings.ext_prov_url.as_deref(), Some(url(site, user).as_str()));
        assert_eq!(settings.ext_prov_interval, Some(std::time::Duration::from_secs(3600)));
    }

    #[test]
    fn known_entity_tag_is_answered_304_without_body() {
        let first = answer("GET", &path("100"), &[]);
        let tag = header(&first, "ETag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.len() == 34);
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let again = answer("GET", &path("100"), &[("if-none-match", &known)]);
            assert_eq!((again.status, again.body.len(), header(&again, "ETag")), (304, 0, Some(tag.as_str())));
        }
        assert_eq!(answer("GET", &path("100"), &[("If-None-Match", "\"other\"")]).body, first.body);
        assert_ne!(header(&answer("GET", &path("101"), &[]), "ETag"), Some(tag.as_str()));
        let head = answer("HEAD", &path("100"), &[]);
        assert_eq!((head.status, head.body.len(), header(&head, "ETag")), (200, 0, Some(tag.as_str())));
        assert_eq!(header(&head, "Content-Length"), Some(first.body.len().to_string().as_str()));
    }

    #[test]
    fn wrong_token_and_unknown_user_are_told_nothing() {
        let other = path("102").replace("/102/", "/100/");
        for target in [
            other.as_str(),
            "/provision/100/account.xml",
            "/provision/100/account.xml?token=",
            "/provision/999/account.xml?token=",
            "/provision/100/account.xml?token=%zz",
            "/provision/100/account.xml?token=%",
        ] {
            let refused = answer("GET", target, &[]);
            assert_eq!(refused, forbidden(), "{target}");
        }
    }

    #[test]
    fn everything_else_is_404_405_or_414() {
        for target in [
            "/",
            "",
            "/provision",
            "/provision/100",
            "/provision/100/account.xml/",
            "/../provision/100/account.xml",
            "/x?y",
        ] {
            assert_eq!(answer("GET", target, &[]).status, 404, "{target}");
        }
        let refused = answer("POST", &path("100"), &[]);
        assert_eq!((refused.status, header(&refused, "Allow")), (405, Some("GET, HEAD")));
        assert_eq!(answer("GET", "/messages/100", &[]).status, 405);
        assert_eq!(answer("GET", &"/".repeat(2000), &[]).status, 414);
    }

    #[test]
    fn message_counts_are_set_with_the_users_own_token_only() {
        let token = path("100").split_once('=').unwrap().1.to_owned();
        match ask("POST", &format!("/messages/100?new=2&old=1&token={token}"), &[]) {
            Outcome::Messages { user, new, old, response } => {
                assert_eq!((user.as_str(), new, old, response.status), ("100", 2, 1, 204));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(answer("POST", &format!("/messages/101?new=2&token={token}"), &[]).status, 403);
        for bad in ["new=-1", "new=x", "old=99999999999", "new=10000"] {
            assert_eq!(answer("POST", &format!("/messages/100?{bad}&token={token}"), &[]).status, 400, "{bad}");
        }
    }
}
