//! Reads a session description (RFC 8866 section 5) as far as offer/answer needs it.
//!
//! Lenient: bare LF, empty lines, lines in any order after v=, unknown lines and attributes, text that is not UTF-8. Bounded:
//! size, m= lines, formats; of attributes only those we use are kept, a fixed number per stream. Strict: what follows m=.
use super::{Direction, SdpError};
use std::net::IpAddr;

/// [octets] of a body
const LONGEST: usize = 64 * 1024;
const MOST_STREAMS: usize = 32;
/// There are 128 payload types.
const MOST_FORMATS: usize = 256;
const LONGEST_TOKEN: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Description<'a> {
    pub(super) streams: Vec<Stream<'a>>,
}

#[derive(Debug, Clone)]
pub(super) struct Stream<'a> {
    /// `audio`, `video`, ...
    pub(super) kind: &'a str,
    pub(super) port: u16,
    /// more than one pair of ports
    pub(super) layered: bool,
    pub(super) protocol: &'a str,
    /// never empty
    pub(super) formats: Vec<&'a str>,
    pub(super) address: Option<Address>,
    pub(super) attributes: Attributes<'a>,
}

/// Where media goes, by c= or a=rtcp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Address {
    Ip(IpAddr),
    /// a name, or a network we do not know
    Unusable,
}

/// Attributes that a stream has, or inherits from the session.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes<'a> {
    pub(super) direction: Option<Direction>,
    /// [ms]
    pub(super) ptime: Option<u32>,
    /// [ms]
    pub(super) maxptime: Option<u32>,
    pub(super) rtcp: Option<(u16, Option<Address>)>,
    /// payload type, name, clock [Hz]; a clock of 0 if it made no sense
    pub(super) maps: Vec<(u8, &'a str, u32)>,
    pub(super) parameters: Vec<(u8, &'a str)>,
}

pub(super) fn parse(body: &[u8]) -> Result<Description<'_>, SdpError> {
    if body.len() > LONGEST {
        return Err(SdpError::Malformed(1, format!("longer than {LONGEST} octets")));
    }
    // Some peers count the NUL of their C string into Content-Length.
    let end = body.iter().rposition(|octet| !matches!(octet, 0 | b'\r' | b'\n')).map_or(0, |last| last + 1);
    let body = body.get(..end).unwrap_or_default();

    let mut description = Description::default();
    let mut session_address = None;
    let mut session = Attributes::default();
    let mut begun = false;
    for (index, line) in body.split(|octet| *octet == b'\n').enumerate() {
        let wrong = |what: &str| SdpError::Malformed(index + 1, what.to_owned());
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let [letter, b'=', value @ ..] = line else {
            return Err(wrong("not a letter, an equals sign and a value"));
        };
        // Text in other encodings stands in names and titles only, which nobody reads here.
        let value = std::str::from_utf8(value).unwrap_or("").trim_end_matches([' ', '\0']);
        if !begun {
            if *letter != b'v' || value.trim() != "0" {
                return Err(wrong("v=0 is missing"));
            }
            begun = true;
            continue;
        }
        match (letter, description.streams.last_mut()) {
            (b'm', _) => {
                if description.streams.len() >= MOST_STREAMS {
                    return Err(wrong("too many m= lines"));
                }
                description.streams.push(stream(value).map_err(wrong)?);
            }
            (b'c', stream) => {
                let slot = stream.map_or(&mut session_address, |stream| &mut stream.address);
                // of several the first that is of use (RFC 8866 section 5.7 has several only for multicast)
                if !matches!(slot, Some(Address::Ip(_))) {
                    *slot = Some(connection(value));
                }
            }
            (b'a', stream) => stream.map_or(&mut session, |stream| &mut stream.attributes).read(value),
            _ => {}
        }
    }
    if !begun {
        return Err(SdpError::Malformed(1, "v=0 is missing".to_owned()));
    }
    for stream in &mut description.streams {
        stream.address = stream.address.or(session_address);
        let own = &mut stream.attributes;
        own.direction = own.direction.or(session.direction);
        own.ptime = own.ptime.or(session.ptime);
        own.maxptime = own.maxptime.or(session.maxptime);
    }
    Ok(description)
}

/// `audio 49170/2 RTP/AVP 0 8`
fn stream(value: &str) -> Result<Stream<'_>, &'static str> {
    let mut words = value.split_ascii_whitespace();
    let token = |word: &&str| word.len() <= LONGEST_TOKEN && word.bytes().all(|octet| octet.is_ascii_graphic());
    let kind = words.next().filter(token).ok_or("m= has no media")?;
    let ports = words.next().ok_or("m= has no port")?;
    let (port, count) = ports.split_once('/').unwrap_or((ports, "1"));
    let port = decimal(port).and_then(|port| u16::try_from(port).ok()).ok_or("the port is not between 0 and 65535")?;
    let count = decimal(count).ok_or("the number of ports is no number")?;
    let protocol = words.next().filter(token).ok_or("m= has no protocol")?;
    let formats: Vec<&str> = words.take(MOST_FORMATS + 1).collect();
    if formats.is_empty() {
        return Err("m= has no format");
    }
    if formats.len() > MOST_FORMATS {
        return Err("m= has too many formats");
    }
    Ok(Stream { kind, port, layered: count != 1, protocol, formats, address: None, attributes: Attributes::default() })
}

/// `IN IP4 192.0.2.1/127`
fn connection(value: &str) -> Address {
    let mut words = value.split_ascii_whitespace();
    let (network, family, address) = (words.next(), words.next(), words.next());
    let known = |word: Option<&str>, name: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(name));
    if !known(network, "IN") {
        return Address::Unusable;
    }
    let address = address.map(|address| address.split('/').next().unwrap_or(address));
    match address.and_then(|address| address.parse::<IpAddr>().ok()) {
        Some(ip @ IpAddr::V4(_)) if known(family, "IP4") => Address::Ip(ip),
        Some(ip @ IpAddr::V6(_)) if known(family, "IP6") => Address::Ip(ip.to_canonical()),
        _ => Address::Unusable,
    }
}

impl<'a> Attributes<'a> {
    /// Takes what we use; a value that makes no sense is as good as none.
    fn read(&mut self, attribute: &'a str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let value = value.trim();
        match name.trim() {
            "sendrecv" => self.direction = Some(Direction::SendRecv),
            "sendonly" => self.direction = Some(Direction::SendOnly),
            "recvonly" => self.direction = Some(Direction::RecvOnly),
            "inactive" => self.direction = Some(Direction::Inactive),
            "ptime" => self.ptime = millis(value).or(self.ptime),
            "maxptime" => self.maxptime = millis(value).or(self.maxptime),
            "rtcp" => {
                let (port, rest) = value.split_once(' ').unwrap_or((value, ""));
                if let Some(port) = decimal(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) {
                    let address = (!rest.trim().is_empty()).then(|| connection(rest));
                    self.rtcp = Some((port, address));
                }
            }
            "rtpmap" => {
                if let Some((payload, coding)) = of_payload(value)
                    && !self.maps.iter().any(|(known, ..)| *known == payload)
                {
                    let mut parts = coding.split('/');
                    let name = parts.next().unwrap_or("").trim();
                    let clock = parts.next().and_then(decimal).unwrap_or(0);
                    self.maps.push((payload, name, clock));
                }
            }
            "fmtp" => {
                if let Some((payload, parameters)) = of_payload(value)
                    && !self.parameters.iter().any(|(known, _)| *known == payload)
                {
                    self.parameters.push((payload, parameters));
                }
            }
            _ => {}
        }
    }
}

/// A payload type below 128 and what follows it.
fn of_payload(value: &str) -> Option<(u8, &str)> {
    let (payload, rest) = value.split_once([' ', '\t'])?;
    Some((payload_type(payload)?, rest.trim()))
}

pub(super) fn payload_type(word: &str) -> Option<u8> {
    decimal(word).and_then(|number| u8::try_from(number).ok()).filter(|number| *number < 128)
}

/// Digits only: no sign, no space.
pub(super) fn decimal(word: &str) -> Option<u32> {
    if word.is_empty() || !word.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    word.parse().ok()
}

/// Positive, with or without a fraction.
fn millis(value: &str) -> Option<u32> {
    decimal(value.split('.').next().unwrap_or(value)).filter(|millis| *millis > 0)
}
