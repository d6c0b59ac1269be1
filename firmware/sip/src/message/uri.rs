//! URIs: sip, sips, tel and anything else kept opaque (RFC 3261 section 19, RFC 3966).
//!
//! Escapes stay as they were written; [`Uri::user`] undoes them once. Reading refuses blanks, controls,
//! quotes and angle brackets, a host that is no host and a port that is no port, and is lenient about
//! the characters of a user part, because equipment in the field is.

use super::scan;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One `name=value` or bare `name` parameter, as written (values still quoted or escaped).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    pub value: Option<String>,
}

impl Param {
    pub fn new(name: &str, value: Option<&str>) -> Self {
        Self { name: name.to_owned(), value: value.map(str::to_owned) }
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.value {
            Some(value) => write!(f, "={value}"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Sip,
    Sips,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Name(String),
    Ip(IpAddr),
}

impl Host {
    /// `name`, `1.2.3.4` or `[v6]`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return ipv6(inner.strip_suffix(']')?).map(|ip| Self::Ip(IpAddr::V6(ip)));
        }
        if text.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && let Ok(ip) = text.parse()
        {
            return Some(Self::Ip(IpAddr::V4(ip)));
        }
        let well_formed =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        well_formed.then(|| Self::Name(text.to_owned()))
    }

    /// `host` or `host:port`; blanks round the colon are allowed (Via).
    pub fn parse_with_port(text: &str) -> Option<(Self, Option<u16>)> {
        let (host, port) = if text.starts_with('[') {
            let end = text.find(']')?;
            let (host, rest) = text.split_at(end + 1);
            let rest = scan::trim(rest);
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = match port.map(scan::trim) {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
            None => None,
        };
        Some((Self::parse(scan::trim(host))?, port))
    }

    /// Names compare without case.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::Ip(a), Self::Ip(b)) => a == b,
            _ => false,
        }
    }
}

/// Takes the third colon that the grammar of RFC 3261 allowed by mistake (RFC 5118 section 4.10).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| text.replacen(":::", "::", 1).parse().ok())
}

/// `sip:user:password@host:port;params?headers`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri {
    pub scheme: Scheme,
    /// As written, still %-escaped; see [`Uri::user`] for the decoded form.
    pub user: Option<String>,
    pub password: Option<String>,
    pub host: Host,
    pub port: Option<u16>,
    pub params: Vec<Param>,
    /// What follows `?`, as written.
    pub headers: Vec<Param>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri {
    Sip(SipUri),
    /// number and parameters
    Tel {
        number: String,
        params: Vec<Param>,
    },
    /// any other scheme, whole
    Other {
        scheme: String,
        rest: String,
    },
}

impl Uri {
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().any(|b| b <= b' ' || matches!(b, 0x7f | b'<' | b'>' | b'"')) {
            return None;
        }
        let (scheme, rest) = text.split_once(':')?;
        if scheme.eq_ignore_ascii_case("sip") {
            SipUri::parse_rest(Scheme::Sip, rest).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case("sips") {
            SipUri::parse_rest(Scheme::Sips, rest).map(Self::Sip)
        } else if let Some(tel) = tel(scheme, rest) {
            Some(tel)
        } else {
            let well_formed = scheme.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
                && !rest.is_empty();
            well_formed.then(|| Self::Other { scheme: scheme.to_owned(), rest: rest.to_owned() })
        }
    }

    /// `sip:user@host` ; the user part is escaped as needed; `host` may be `name`, `name:port`, `1.2.3.4`, `[v6]:port`.
    /// An empty user gives a URI without user part.
    pub fn sip(user: &str, host_port: &str) -> Option<Self> {
        let (host, port) = match host_port.parse::<Ipv6Addr>() {
            Ok(bare) => (Host::Ip(IpAddr::V6(bare)), None),
            Err(_) => Host::parse_with_port(host_port)?,
        };
        Some(Self::Sip(SipUri {
            scheme: Scheme::Sip,
            user: (!user.is_empty()).then(|| escape_user(user)),
            password: None,
            host,
            port,
            params: Vec::new(),
            headers: Vec::new(),
        }))
    }

    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// The user part unescaped, or the number of a tel URI.
    pub fn user(&self) -> Option<String> {
        match self {
            Self::Sip(uri) => uri.user.as_deref().map(unescape),
            Self::Tel { number, .. } => Some(number.clone()),
            Self::Other { .. } => None,
        }
    }

    /// RFC 3261 section 19.1.4; tel by RFC 3966 section 4; others when they are spelt the same.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.equivalent(b),
            (Self::Tel { number: a, params: p }, Self::Tel { number: b, params: q }) => {
                digits_of(a) == digits_of(b) && by_name(p) == by_name(q)
            }
            (Self::Other { scheme: a, rest: r }, Self::Other { scheme: b, rest: s }) => {
                a.eq_ignore_ascii_case(b) && r == s
            }
            _ => false,
        }
    }
}

impl SipUri {
    fn parse_rest(scheme: Scheme, rest: &str) -> Option<Self> {
        // A user part may hold `;` and `?`, a host part never an `@`: look for that first.
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo {
            Some(info) => match info.split_once(':') {
                Some((user, password)) => (Some(user.to_owned()), Some(password.to_owned())),
                None => (Some(info.to_owned()), None),
            },
            None => (None, None),
        };
        let (rest, headers) = rest.split_once('?').map_or((rest, ""), |(r, h)| (r, h));
        let (host_port, params) = rest.split_once(';').map_or((rest, ""), |(h, p)| (h, p));
        let (host, port) = Host::parse_with_port(host_port)?;
        Some(Self {
            scheme,
            user,
            password,
            host,
            port,
            params: uri_params(params, ';'),
            headers: uri_params(headers, '&'),
        })
    }

    pub fn param(&self, name: &str) -> Option<&Param> {
        scan::find_param(&self.params, name)
    }

    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        scan::set_param(&mut self.params, name, value);
    }

    pub fn has_param(&self, name: &str) -> bool {
        self.param(name).is_some()
    }

    fn equivalent(&self, other: &Self) -> bool {
        let same_part = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => normalised(a) == normalised(b),
            (None, None) => true,
            _ => false,
        };
        if self.scheme != other.scheme
            || self.port != other.port
            || !self.host.equivalent(&other.host)
            || !same_part(&self.user, &other.user)
            || !same_part(&self.password, &other.password)
        {
            return false;
        }
        let (mine, theirs) = (by_name(&self.params), by_name(&other.params));
        // These count even if only one of the two has them; any other parameter only if both have it.
        let telling = ["user", "ttl", "method", "maddr", "transport"];
        telling.iter().all(|name| mine.contains_key(*name) == theirs.contains_key(*name))
            && mine.iter().all(|(name, value)| theirs.get(name).is_none_or(|v| v == value))
            && by_name(&self.headers) == by_name(&other.headers)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Tel { number, params } => {
                write!(f, "tel:{number}")?;
                scan::write_params(f, params)
            }
            Self::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.scheme {
            Scheme::Sip => "sip:",
            Scheme::Sips => "sips:",
        })?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        scan::write_params(f, &self.params)?;
        for (n, header) in self.headers.iter().enumerate() {
            write!(f, "{}{header}", if n == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// A tel URI whose number is one. Gateways put `tel:anonymous` and the like into From; such a URI is
/// kept like one of an unknown scheme, so that the call still comes in.
fn tel(scheme: &str, rest: &str) -> Option<Uri> {
    let (number, params) = rest.split_once(';').map_or((rest, ""), |(n, p)| (n, p));
    let digit = |b: u8| b.is_ascii_hexdigit() || matches!(b, b'*' | b'#');
    let well_formed = scheme.eq_ignore_ascii_case("tel")
        && number.bytes().any(digit)
        && number.bytes().all(|b| digit(b) || matches!(b, b'+' | b'-' | b'.' | b'(' | b')'));
    well_formed.then(|| Uri::Tel { number: number.to_owned(), params: uri_params(params, ';') })
}

/// Undoes %-escapes once; a `%` that is none stays (RFC 4475 section 3.1.1.5).
pub fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match escape_at(rest) {
            Some(octet) => {
                octets.push(octet);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(octets).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Escapes what may not stand bare in a user part.
pub fn escape_user(user: &str) -> String {
    let mut text = String::with_capacity(user.len());
    for byte in user.bytes() {
        if is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/') {
            text.push(char::from(byte));
        } else {
            push_escape(&mut text, byte);
        }
    }
    text
}

fn push_escape(text: &mut String, byte: u8) {
    text.push('%');
    for digit in [byte >> 4, byte & 15] {
        text.push(char::from(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }));
    }
}

fn escape_at(octets: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = octets else { return None };
    let digit = |b: &u8| char::from(*b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

/// For comparing: escapes of unreserved characters undone, the others in upper case.
fn normalised(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        result.push_str(before);
        match escape_at(escape.as_bytes()) {
            Some(octet) => {
                if is_unreserved(octet) {
                    result.push(char::from(octet));
                } else {
                    push_escape(&mut result, octet);
                }
                rest = escape.get(3..).unwrap_or_default();
            }
            None => {
                result.push('%');
                rest = escape.get(1..).unwrap_or_default();
            }
        }
    }
    result.push_str(rest);
    result
}

fn digits_of(number: &str) -> String {
    number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).map(|c| c.to_ascii_lowercase()).collect()
}

/// The first of each name, without case and normalised.
fn by_name(params: &[Param]) -> BTreeMap<String, Option<String>> {
    let mut map = BTreeMap::new();
    for param in params {
        let value = param.value.as_deref().map(|v| normalised(v).to_ascii_lowercase());
        map.entry(normalised(&param.name).to_ascii_lowercase()).or_insert(value);
    }
    map
}

/// `a=b;c`; empty ones, which some phones send at the end, are skipped.
fn uri_params(text: &str, separator: char) -> Vec<Param> {
    if text.is_empty() {
        return Vec::new();
    }
    let read = |piece: &str| match piece.split_once('=') {
        Some((name, value)) => Param { name: name.to_owned(), value: Some(value.to_owned()) },
        None => Param { name: piece.to_owned(), value: None },
    };
    text.split(separator).filter(|piece| !piece.is_empty()).map(read).collect()
}
