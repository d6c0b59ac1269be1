//! Header fields: the ordered list, and the typed readings of those the stack uses.

use super::{Method, Param, Uri};

/// Header fields in the order and spelling they came; names match case-insensitively and in
/// compact form (`v` = `Via`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers { fields: Vec<(String, String)> }

impl Headers {
    pub fn new() -> Self { Self::default() }
    /// First field of that name, its unfolded value trimmed.
    pub fn first(&self, name: &str) -> Option<&str> { todo!() }
    /// Every field of that name, one string per line (comma lists not split).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a { std::iter::empty() }
    /// Every comma-separated element of every field of that name.
    pub fn list(&self, name: &str) -> Vec<&str> { todo!() }
    pub fn push(&mut self, name: &str, value: impl Into<String>) { todo!() }
    pub fn push_front(&mut self, name: &str, value: impl Into<String>) { todo!() }
    /// Replaces all fields of that name by one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) { todo!() }
    pub fn remove(&mut self, name: &str) { todo!() }
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> { self.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())) }

    pub fn from(&self) -> Option<NameAddr> { todo!() }
    pub fn to(&self) -> Option<NameAddr> { todo!() }
    pub fn contacts(&self) -> Vec<NameAddr> { todo!() }
    /// `Contact: *`
    pub fn contact_is_star(&self) -> bool { todo!() }
    pub fn call_id(&self) -> Option<&str> { todo!() }
    pub fn cseq(&self) -> Option<CSeq> { todo!() }
    pub fn vias(&self) -> Vec<Via> { todo!() }
    pub fn route(&self) -> Vec<NameAddr> { todo!() }
    pub fn record_route(&self) -> Vec<NameAddr> { todo!() }
    pub fn expires(&self) -> Option<u32> { todo!() }
    pub fn event(&self) -> Option<Valued> { todo!() }
    pub fn subscription_state(&self) -> Option<Valued> { todo!() }
    pub fn content_type(&self) -> Option<&str> { todo!() }
}

/// `"Display" <uri>;params` (RFC 3261 section 20.10)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr { /// unquoted
    pub display_name: Option<String>, pub uri: Uri, pub params: Vec<Param> }
impl NameAddr {
    pub fn new(uri: Uri) -> Self { Self { display_name: None, uri, params: Vec::new() } }
    pub fn parse(text: &str) -> Option<Self> { todo!() }
    pub fn tag(&self) -> Option<&str> { todo!() }
    pub fn set_tag(&mut self, tag: &str) { todo!() }
    pub fn param(&self, name: &str) -> Option<&str> { todo!() }
}
impl std::fmt::Display for NameAddr { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq { pub number: u32, pub method: Method }
impl std::fmt::Display for CSeq { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }

/// One Via value (RFC 3261 section 20.42, rport of RFC 3581).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via { /// `UDP`, `TCP`, or anything
    pub transport: String, pub host: super::Host, pub port: Option<u16>, pub params: Vec<Param> }
impl Via {
    pub fn parse(text: &str) -> Option<Self> { todo!() }
    pub fn branch(&self) -> Option<&str> { todo!() }
    pub fn param(&self, name: &str) -> Option<&Param> { todo!() }
    pub fn set_param(&mut self, name: &str, value: Option<&str>) { todo!() }
}
impl std::fmt::Display for Via { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }

/// `value;param=…` such as Event or Subscription-State.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valued { pub value: String, pub params: Vec<Param> }
impl Valued {
    pub fn parse(text: &str) -> Option<Self> { todo!() }
    pub fn param(&self, name: &str) -> Option<&str> { todo!() }
}
