//! `%account[key]%`, `{mac}` and friends in URLs and header values (`axml.root.06`).
//!
//! `{mac}`, `{model}`, `{serial}`, `{version}` come from the device; `%account[key]%` is any node of the account, also
//! one that nobody knows; `%username%`, `%password%` and `%cloud_username%` are short for the account's. A known node
//! that is not given stands for its default; username, password and host have none. `%41` stays what it is in a URL.
//! `%fullcode%` is the code of the login screen, `%targetNumber%` and the like are parameters of a web service.
//!
//! Functions: `%nonce%` is 16 hex digits, others in each request and the same all over one; `%sha1(text)%` is the SHA-1 of
//! the text as 40 lower-case hex digits, and there may be placeholders in the text, whose values stand there as they are.
//! What is made of a secret goes only where the secret itself may go.

mod fill;
mod pieces;

pub(crate) use fill::{Place, asks_for_password, asks_for_secret, encode, fill, never_known};

use crate::{Document, Secret, document::Node, schema};
use pieces::{Piece, pieces};

/// What the device contributes to templates. `mac`: 12 lower-case hex digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    pub mac: String,
    pub model: String,
    pub serial: String,
    pub version: String,
}

/// What somebody typed at the login screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
    pub code: String,
}

/// A placeholder that stands for nothing: its name, and where it starts in the template [octets].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPlaceholder {
    pub name: String,
    pub at: usize,
}

impl UnknownPlaceholder {
    /// The place of the function that it stands in.
    fn within(self, at: usize) -> Self {
        Self { at, ..self }
    }
}

impl std::fmt::Display for UnknownPlaceholder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the placeholder {} at position {} stands for nothing", self.name, self.at + 1)
    }
}

impl std::error::Error for UnknownPlaceholder {}

/// What placeholders stand for at one time.
#[derive(Debug, Clone, Copy)]
pub struct Values<'v> {
    pub device: &'v Device,
    pub account: Option<&'v Document>,
    /// Of a web service; names without percent signs.
    pub parameters: &'v [(&'v str, &'v str)],
    /// `%nonce%`; without one it stands for nothing.
    pub nonce: Option<u64>,
}

impl<'v> Values<'v> {
    pub fn new(device: &'v Device, account: Option<&'v Document>) -> Self {
        Self { device, account, parameters: &[], nonce: None }
    }

    #[must_use]
    pub fn with_nonce(self, nonce: u64) -> Self {
        Self { nonce: Some(nonce), ..self }
    }
}

/// Expands into a URL: values are %-encoded; password only if the URL is https, or http to a loopback address, or `insecure`; else `***`.
///
/// # Errors
/// An unknown placeholder is an error naming it.
pub fn expand_url(template: &str, values: Values<'_>, insecure: bool) -> Result<String, UnknownPlaceholder> {
    // Once without secrets, to see where it would go; then with them, if they may go there.
    let masked = fill(template, values, Place::Url, false)?;
    if insecure || keeps_secrets(&masked) { fill(template, values, Place::Url, true) } else { Ok(masked) }
}

/// [`expand_url`] for the first call of an account: `%username%`, `%password%` and `%fullcode%` are what somebody typed.
///
/// # Errors
/// As [`expand_url`].
pub fn expand_login(
    template: &str,
    device: &Device,
    login: &Login,
    nonce: u64,
    insecure: bool,
) -> Result<String, UnknownPlaceholder> {
    let node = |name: &str, text: &str| Node { name: name.to_owned(), text: text.to_owned(), ..Node::default() };
    let typed = [("username", login.username.as_str()), ("password", login.password.reveal()), (CODE, &login.code)];
    let mut account = Document::default();
    account.nodes.extend(typed.map(|(name, text)| node(name, text)));
    expand_url(template, Values::new(device, Some(&account)).with_nonce(nonce), insecure)
}

/// Whether this URL needs somebody to say who he is, because there is no account yet.
pub fn needs_login(template: &str, device: &Device) -> bool {
    let of_login = ["username", "password", CODE];
    expand_url_masked(template, Values::new(device, None).with_nonce(0)).is_err_and(|unknown| {
        let name = unknown.name.trim_matches('%');
        of_login.contains(&name.strip_prefix("account[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(name))
    })
}

/// [`expand_url`] with every secret as `***`, for logs.
///
/// # Errors
/// As [`expand_url`].
pub fn expand_url_masked(template: &str, values: Values<'_>) -> Result<String, UnknownPlaceholder> {
    fill(template, values, Place::Url, false)
}

/// Account placeholders in plain text such as a header value: not encoded, secrets never, unknown names left as they
/// are.
pub fn expand_text(template: &str, account: &Document) -> String {
    let mut out = String::new();
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Percent { name, whole, .. } => match lookup(name, Some(account)).filter(|(_, secret)| !secret) {
                Some((value, _)) => out.push_str(&value),
                None => out.push_str(whole),
            },
            Piece::Sha1 { argument, whole, .. } => {
                let value = fill(argument, Values::new(&Device::default(), Some(account)), Place::Argument, false);
                match value.ok().filter(|_| !asks_for_secret(argument)) {
                    Some(value) => out.push_str(&fill::sha1(&value)),
                    None => out.push_str(whole),
                }
            }
            Piece::Brace { name, .. } => {
                out.push('{');
                out.push_str(name);
                out.push('}');
            }
        }
    }
    out
}

/// Whether a URL goes where a password may go: https, or http to this machine.
pub fn keeps_secrets(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    if lower.starts_with("https://") {
        return true;
    }
    let Some(rest) = lower.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host_port = authority.rsplit('@').next().unwrap_or_default();
    let host = match host_port.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host_port.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL for logs: no user part, no query values, and no long random-looking path segment.
pub fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split('#').next().unwrap_or_default();
    let (before, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let mut segments = before.split('/');
    let authority = segments.next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let mut out = if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") };
    for segment in segments {
        out.push('/');
        let random = segment.len() >= 16
            && segment.bytes().any(|b| b.is_ascii_digit())
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_=%".contains(&b));
        out.push_str(if random { "***" } else { segment });
    }
    if let Some(query) = query {
        let names: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, _)) => format!("{name}=***"),
                None => "***".to_owned(),
            })
            .collect();
        out.push('?');
        out.push_str(&names.join("&"));
    }
    out.chars().filter(|c| !c.is_control()).collect()
}

/// Short names for nodes of the account.
const SHORT: [&str; 5] = ["username", "password", "cloud_username", "cloud_password", CODE];
/// The code of the login screen.
const CODE: &str = "fullcode";

/// Whether this is a placeholder without `account[]`.
pub(crate) fn is_short(name: &str) -> bool {
    SHORT.contains(&name)
}

/// The value and whether it is a secret.
pub(crate) fn lookup(name: &str, account: Option<&Document>) -> Option<(String, bool)> {
    let key = match name.strip_prefix("account[").and_then(|rest| rest.strip_suffix(']')) {
        Some(key) => key,
        None => SHORT.into_iter().find(|short| *short == name)?,
    };
    let secret = schema::is_secret(key) || key == CODE;
    let given = account.and_then(|account| account.value(key));
    if let Some(value) = given.filter(|value| !value.is_empty()) {
        return Some((value.to_owned(), secret));
    }
    match schema::row(key) {
        Some(_) if ["username", "password", "host"].contains(&key) => None,
        Some(row) => Some((row.default.to_owned(), secret)),
        None => given.map(|_| (String::new(), secret)),
    }
}

/// A value as it goes into a URL (RFC 3986 section 2.3): everything but the unreserved characters as %XX.
pub fn encoded(value: &str) -> String {
    let mut out = String::new();
    encode(&mut out, value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_the_first_call_needs_a_login_and_gets_what_was_typed() {
        let device = Device { mac: "001122334455".into(), ..Device::default() };
        let login = Login { username: "a b".into(), password: Secret::new("p&w"), code: "9".into() };
        for (template, needs, url) in [
            ("https://x/{mac}?c=%fullcode%&u=%username%", true, "https://x/001122334455?c=9&u=a%20b"),
            ("https://x/?p=%account[password]%", true, "https://x/?p=p%26w"),
            ("http://x/?p=%password%&c=%fullcode%", true, "http://x/?p=***&c=***"),
            ("https://x/{mac}", false, "https://x/001122334455"),
            ("https://x/?n=%nonce%&u=%username%", true, "https://x/?n=0000000000000005&u=a%20b"),
        ] {
            assert_eq!(needs_login(template, &device), needs, "{template}");
            assert_eq!(expand_login(template, &device, &login, 5, false).as_deref(), Ok(url));
        }
        assert!(!needs_login("https://x/%account[apiUser]%", &device), "only an account can help there");
    }
}
