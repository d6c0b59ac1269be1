//! Typed header values: name-addr, CSeq, Via and `value;param` (RFC 3261 sections 20 and 25.1).

use super::scan::{self, EmptyParam};
use super::{Host, Method, Param, Uri};
use std::fmt;

/// `"Display" <uri>;params` (RFC 3261 section 20.10)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// unquoted
    pub display_name: Option<String>,
    pub uri: Uri,
    pub params: Vec<Param>,
}

impl NameAddr {
    pub fn new(uri: Uri) -> Self {
        Self { display_name: None, uri, params: Vec::new() }
    }

    /// Reads one name-addr or addr-spec with its header parameters. Parameters after a URI without
    /// brackets belong to the header; such a URI may not hold `?` or `,` (section 20).
    ///
    /// A display name without quotes may hold more than tokens as long as nobody can mistake where it ends.
    pub fn parse(text: &str) -> Option<Self> {
        let text = scan::trim(text);
        if text.starts_with('"') {
            let (name, rest) = scan::quoted_string(text)?;
            return Self::parse_brackets(Some(name), scan::trim(rest).strip_prefix('<')?);
        }
        match text.find(['<', '"', ',', ';']) {
            Some(at) if text.as_bytes().get(at) == Some(&b'<') => {
                let (name, rest) = text.split_at(at);
                let name = scan::trim(name);
                if name.contains('>') {
                    return None;
                }
                Self::parse_brackets((!name.is_empty()).then(|| name.to_owned()), rest.strip_prefix('<')?)
            }
            at => {
                let (uri, params) = text.split_at(at.unwrap_or(text.len()));
                if uri.contains('?') {
                    return None;
                }
                let params = scan::header_params(params, EmptyParam::Skip)?;
                Some(Self { display_name: None, uri: Uri::parse(scan::trim(uri))?, params })
            }
        }
    }

    /// `rest` follows the opening bracket.
    fn parse_brackets(display_name: Option<String>, rest: &str) -> Option<Self> {
        let (uri, params) = rest.split_once('>')?;
        let params = scan::header_params(params, EmptyParam::Skip)?;
        Some(Self { display_name, uri: Uri::parse(uri)?, params })
    }

    pub fn tag(&self) -> Option<&str> {
        self.param("tag")
    }

    pub fn set_tag(&mut self, tag: &str) {
        self.set_param("tag", Some(tag));
    }

    /// The value as written; `None` also for a parameter without value (see [`NameAddr::has_param`]).
    pub fn param(&self, name: &str) -> Option<&str> {
        scan::find_param(&self.params, name)?.value.as_deref()
    }

    pub fn has_param(&self, name: &str) -> bool {
        scan::find_param(&self.params, name).is_some()
    }

    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        scan::set_param(&mut self.params, name, value);
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.display_name {
            scan::write_quoted(f, name)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>", self.uri)?;
        scan::write_params(f, &self.params)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    pub number: u32,
    pub method: Method,
}

impl CSeq {
    /// `None` also for a number that 32 bits cannot hold.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, method) = scan::trim(text).split_once([' ', '\t'])?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self { number: number.parse().ok()?, method: Method::parse(scan::trim(method))? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// One Via value (RFC 3261 section 20.42, rport of RFC 3581).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, or anything
    pub transport: String,
    pub host: Host,
    pub port: Option<u16>,
    pub params: Vec<Param>,
}

impl Via {
    /// Strict about empty parameters (`;;`): what follows could be anything.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('/')?;
        let (version, rest) = rest.split_once('/')?;
        if !scan::trim(name).eq_ignore_ascii_case("SIP") || scan::trim(version) != "2.0" {
            return None;
        }
        let rest = scan::trim(rest);
        let (transport, rest) = rest.split_at(rest.find([' ', '\t'])?);
        if !scan::is_token(transport) {
            return None;
        }
        let (sent_by, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (host, port) = Host::parse_with_port(scan::trim(sent_by))?;
        let params = scan::header_params(params, EmptyParam::Refuse)?;
        Some(Self { transport: transport.to_owned(), host, port, params })
    }

    pub fn branch(&self) -> Option<&str> {
        self.param("branch")?.value.as_deref()
    }

    pub fn param(&self, name: &str) -> Option<&Param> {
        scan::find_param(&self.params, name)
    }

    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        scan::set_param(&mut self.params, name, value);
    }

    /// `received` as an address, with or without brackets (RFC 5118 section 4.5).
    pub fn received(&self) -> Option<std::net::IpAddr> {
        let value = self.param("received")?.value.as_deref()?;
        value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value).parse().ok()
    }

    /// The value of `rport`, if the parameter has one.
    pub fn rport(&self) -> Option<u16> {
        self.param("rport")?.value.as_deref()?.parse().ok()
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        scan::write_params(f, &self.params)
    }
}

/// `value;param=…` such as Event or Subscription-State.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valued {
    pub value: String,
    pub params: Vec<Param>,
}

impl Valued {
    pub fn parse(text: &str) -> Option<Self> {
        let (value, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let value = scan::trim(value);
        if value.is_empty() || value.bytes().any(scan::is_lws) {
            return None;
        }
        Some(Self { value: value.to_owned(), params: scan::header_params(params, EmptyParam::Skip)? })
    }

    /// As written; see [`unquote`].
    pub fn param(&self, name: &str) -> Option<&str> {
        scan::find_param(&self.params, name)?.value.as_deref()
    }
}

/// The text of a parameter value: without its quotes and escapes if it is a quoted string.
pub fn unquote(value: &str) -> String {
    scan::quoted_string(value).map_or_else(|| value.to_owned(), |(content, _)| content)
}

impl fmt::Display for Valued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)?;
        scan::write_params(f, &self.params)
    }
}
