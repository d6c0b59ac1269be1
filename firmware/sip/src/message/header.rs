//! Header fields: the ordered list, and the typed readings of those the stack uses.
//!
//! A field that was received keeps the octets it came with (blanks, folding, case, octets that are not
//! UTF-8) and is sent on that way; what is read from it is unfolded and trimmed. A field that is added
//! here is one line: line ends in a value become spaces, so no value can smuggle in a field.

use super::scan;
use super::typed::{CSeq, NameAddr, Valued, Via};

/// Header fields in the order and spelling they came; names match case-insensitively and in
/// compact form (`v` = `Via`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<Field>,
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    /// Unfolded and trimmed; octets that are not UTF-8 show as U+FFFD here.
    value: String,
    /// The octets received without the final line end, if they are not just `name: value`.
    raw: Option<Box<[u8]>>,
}

/// Two fields are equal when they say the same, whatever blanks they were written with.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value == other.value
    }
}
impl Eq for Field {}

impl Headers {
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn with_capacity(fields: usize) -> Self {
        Self { fields: Vec::with_capacity(fields) }
    }

    /// First field of that name, its unfolded value trimmed.
    pub fn first(&self, name: &str) -> Option<&str> {
        let name = long_name(name);
        self.fields.iter().find(|f| f.is(name)).map(|f| f.value.as_str())
    }

    /// Every field of that name, one string per line (comma lists not split).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        let name = long_name(name);
        self.fields.iter().filter(move |f| f.is(name)).map(|f| f.value.as_str())
    }

    /// Every comma-separated element of every field of that name, trimmed; empty ones are left out.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.elements(long_name(name)).collect()
    }

    /// Is `token` an element of the list `name` (`Require`, `Supported`, `Allow` …), without case?
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.elements(long_name(name)).any(|element| element.eq_ignore_ascii_case(token))
    }

    /// Adds a field at the end. Characters that no name may hold are left out of the name, and line ends
    /// in the value become spaces.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.fields.push(Field::new(name, value.into()));
    }

    /// Like [`Headers::push`], before all others.
    pub fn push_front(&mut self, name: &str, value: impl Into<String>) {
        self.fields.insert(0, Field::new(name, value.into()));
    }

    /// Replaces all fields of that name by one, which stands where the first of them stood.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let long = long_name(name);
        let mut replacement = Some(Field::new(name, value.into()));
        self.fields.retain_mut(|field| {
            if !field.is(long) {
                return true;
            }
            match replacement.take() {
                Some(new) => {
                    *field = new;
                    true
                }
                None => false,
            }
        });
        self.fields.extend(replacement);
    }

    pub fn remove(&mut self, name: &str) {
        let name = long_name(name);
        self.fields.retain(|f| !f.is(name));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|f| (f.name.as_str(), f.value.as_str()))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub fn from(&self) -> Option<NameAddr> {
        NameAddr::parse(self.first("From")?)
    }

    pub fn to(&self) -> Option<NameAddr> {
        NameAddr::parse(self.first("To")?)
    }

    /// Contacts that can be read; `*` is none of them.
    pub fn contacts(&self) -> Vec<NameAddr> {
        self.name_addrs("Contact")
    }

    /// `Contact: *`
    pub fn contact_is_star(&self) -> bool {
        self.elements("Contact").any(|element| element == "*")
    }

    pub fn call_id(&self) -> Option<&str> {
        self.first("Call-ID").filter(|id| !id.is_empty())
    }

    pub fn cseq(&self) -> Option<CSeq> {
        CSeq::parse(self.first("CSeq")?)
    }

    /// Topmost first; values that cannot be read are left out.
    pub fn vias(&self) -> Vec<Via> {
        self.elements("Via").filter_map(Via::parse).collect()
    }

    pub fn route(&self) -> Vec<NameAddr> {
        self.name_addrs("Route")
    }

    pub fn record_route(&self) -> Vec<NameAddr> {
        self.name_addrs("Record-Route")
    }

    /// [s]; more than 32 bits hold counts as 2^32 - 1.
    pub fn expires(&self) -> Option<u32> {
        scan::saturating_number(self.first("Expires")?)
    }

    pub fn event(&self) -> Option<Valued> {
        Valued::parse(self.first("Event")?)
    }

    pub fn subscription_state(&self) -> Option<Valued> {
        Valued::parse(self.first("Subscription-State")?)
    }

    /// The whole value, with parameters such as `boundary`; to compare, see [`super::Body::is`].
    pub fn content_type(&self) -> Option<&str> {
        self.first("Content-Type")
    }

    /// RFC 3515
    pub fn refer_to(&self) -> Option<NameAddr> {
        NameAddr::parse(self.first("Refer-To")?)
    }

    /// RFC 3891; the value is the Call-ID, the tags are parameters.
    pub fn replaces(&self) -> Option<Valued> {
        Valued::parse(self.first("Replaces")?)
    }

    /// RFC 4028; the value is in seconds, `refresher` a parameter.
    pub fn session_expires(&self) -> Option<Valued> {
        Valued::parse(self.first("Session-Expires")?)
    }

    /// RFC 3262
    pub fn rseq(&self) -> Option<u32> {
        self.first("RSeq")?.parse().ok()
    }

    /// RFC 3325: a SIP and a tel identity at most, in any order.
    pub fn p_asserted_identity(&self) -> Vec<NameAddr> {
        self.name_addrs("P-Asserted-Identity")
    }

    /// RFC 3327
    pub fn path(&self) -> Vec<NameAddr> {
        self.name_addrs("Path")
    }

    /// RFC 3326: `SIP;cause=200;text="Call completed elsewhere"`
    pub fn reasons(&self) -> Vec<Valued> {
        self.elements("Reason").filter_map(Valued::parse).collect()
    }

    /// Every value of a list of name-addrs that can be read.
    pub fn name_addrs(&self, name: &str) -> Vec<NameAddr> {
        self.elements(long_name(name)).filter_map(NameAddr::parse).collect()
    }

    fn elements<'a, 'n>(&'a self, long_name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.fields
            .iter()
            .filter(move |f| f.is(long_name))
            .flat_map(|f| scan::split(&f.value, b','))
            .filter(|element| !element.is_empty())
    }

    // What the parser and the printer use.

    /// `line` is a whole field without its final line end, folding included; `colon` its first colon.
    /// The octets are kept unless there are line ends in it that fold nothing: those are never sent on.
    pub(super) fn push_received(&mut self, line: &[u8], colon: usize, stray_line_ends: bool) {
        let name = line.get(..colon).unwrap_or_default().trim_ascii();
        let content = line.get(colon + 1..).unwrap_or_default();
        let trimmed = trim_octets(content);
        let folded = trimmed.contains(&b'\n');
        let value = match (folded, std::str::from_utf8(trimmed)) {
            (false, Ok(text)) => Some(text.to_owned()),
            _ => None,
        };
        let plain = value.is_some()
            && name.len() == colon
            && (content.len() == trimmed.len() + 1 && content.first() == Some(&b' '));
        let name = String::from_utf8_lossy(name).into_owned();
        let value = value.unwrap_or_else(|| unfold(trimmed));
        self.fields.push(match stray_line_ends {
            true => Field::new(&name, value),
            false => Field { name, value, raw: (!plain).then(|| line.into()) },
        });
    }

    /// Copies all fields of that name with their octets.
    pub(super) fn copy(&mut self, from: &Self, name: &str) {
        let name = long_name(name);
        self.fields.extend(from.fields.iter().filter(|f| f.is(name)).cloned());
    }

    /// Appends `;tag=…` to the first To.
    pub(super) fn append_to_tag(&mut self, tag: &str) {
        if let Some(field) = self.fields.iter_mut().find(|f| f.is("To")) {
            *field = Field::new(&field.name, format!("{};tag={tag}", field.value));
        }
    }

    /// Writes every field; a Content-Length says `length`, and comes last if there was none.
    pub(super) fn write(&self, out: &mut Vec<u8>, length: usize) {
        let mut length_written = false;
        for field in self.fields.iter().filter(|f| !f.name.is_empty()) {
            let is_length = field.is("Content-Length");
            if is_length && std::mem::replace(&mut length_written, true) {
                continue;
            }
            if is_length && field.value.parse() != Ok(length) {
                out.extend_from_slice(format!("{}: {length}", field.name).as_bytes());
            } else if let Some(raw) = &field.raw {
                out.extend_from_slice(raw);
            } else {
                out.extend_from_slice(field.name.as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(field.value.as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        }
        if !length_written {
            out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
        }
    }

    /// Octets that `write` needs, roughly.
    pub(super) fn size(&self) -> usize {
        self.fields.iter().map(|f| f.raw.as_ref().map_or(f.name.len() + f.value.len() + 4, |r| r.len() + 2)).sum()
    }
}

impl Field {
    fn new(name: &str, value: String) -> Self {
        let clean = |text: &str| text.bytes().all(|b| !matches!(b, b'\r' | b'\n'));
        let value = match trim_octets(value.as_bytes()).len() == value.len() && clean(&value) {
            true => value,
            false => value.replace(['\r', '\n'], " ").trim_matches([' ', '\t']).to_owned(),
        };
        let name: String = name.chars().filter(|c| u8::try_from(*c).is_ok_and(scan::is_token_byte)).collect();
        Self { name, value, raw: None }
    }

    fn is(&self, long: &str) -> bool {
        if self.name.len() == 1 { long_name(&self.name) } else { self.name.as_str() }.eq_ignore_ascii_case(long)
    }
}

fn trim_octets(octets: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let start = octets.iter().position(|b| !blank(b)).unwrap_or(octets.len());
    let end = octets.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
    octets.get(start..end).unwrap_or_default()
}

/// A line end with the blanks round it is one space (RFC 3261 section 7.3.1).
fn unfold(octets: &[u8]) -> String {
    let mut value = Vec::with_capacity(octets.len());
    for line in octets.split(|b| *b == b'\n') {
        if !value.is_empty() {
            value.push(b' ');
        }
        value.extend_from_slice(trim_octets(line));
    }
    String::from_utf8(value).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// The name behind a compact form (RFC 3261 section 7.3.3 and the IANA registry); others as they are.
pub(super) fn long_name(name: &str) -> &str {
    let &[letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'n' => "Identity-Info",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        b'y' => "Identity",
        _ => name,
    }
}
