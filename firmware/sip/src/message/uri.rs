//! URIs: sip, sips, tel and anything else kept opaque (RFC 3261 section 19, RFC 3966).

/// One `name=value` or bare `name` parameter, as written (values still quoted or escaped).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param { pub name: String, pub value: Option<String> }

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme { Sip, Sips }

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host { Name(String), Ip(std::net::IpAddr) }

/// `sip:user:password@host:port;params?headers`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUri {
    pub scheme: Scheme,
    /// As written, still %-escaped; see [`SipUri::user`] for the decoded form.
    pub user: Option<String>,
    pub password: Option<String>,
    pub host: Host,
    pub port: Option<u16>,
    pub params: Vec<Param>,
    /// What follows `?`, as written.
    pub headers: Vec<Param>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uri { Sip(SipUri), /// number and parameters
    Tel { number: String, params: Vec<Param> }, /// any other scheme, whole
    Other { scheme: String, rest: String } }

impl Uri {
    pub fn parse(text: &str) -> Option<Self> { todo!() }
    /// `sip:user@host` ; the user part is escaped as needed; `host` may be `name`, `name:port`, `1.2.3.4`, `[v6]:port`.
    pub fn sip(user: &str, host_port: &str) -> Option<Self> { todo!() }
    pub fn as_sip(&self) -> Option<&SipUri> { todo!() }
    /// The user part unescaped, or the number of a tel URI.
    pub fn user(&self) -> Option<String> { todo!() }
    /// RFC 3261 section 19.1.4.
    pub fn equivalent(&self, other: &Self) -> bool { todo!() }
}
impl SipUri {
    pub fn param(&self, name: &str) -> Option<&Param> { todo!() }
    pub fn set_param(&mut self, name: &str, value: Option<&str>) { todo!() }
    pub fn has_param(&self, name: &str) -> bool { todo!() }
}
impl std::fmt::Display for Uri { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }
impl std::fmt::Display for SipUri { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }
impl std::fmt::Display for Host { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }
