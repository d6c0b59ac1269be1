//! What the phone asks of a web server, and what comes back. The deciding code makes requests; a driver performs them,
//! with redirects, challenges and certificates on the way, and answers once.

use crate::{document, secret::Secret, template};
use std::sync::Arc;
use std::time::Duration;

/// Time for one request, redirects and challenges included.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// One request. Debug output shows the URL without its secrets, and neither values of headers nor the body.
#[derive(Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// `GET`, `POST`, `PROPFIND`, ... as it goes out
    pub method: String,
    pub url: String,
    /// `If-None-Match`, `Accept`, `User-Agent`, `Content-Type` and the like. `Host`, `Content-Length`,
    /// `Authorization` and `Accept-Encoding` are the driver's.
    pub headers: Vec<(String, String)>,
    /// Empty: none.
    pub body: Vec<u8>,
    /// For a server that asks who is there (Digest or Basic), and only for the one that `url` names. Basic goes out over
    /// https, or plainly to this machine, or with `insecure`.
    pub credentials: Option<Credentials>,
    /// A laboratory: passwords may be sent in the clear.
    pub insecure: bool,
    /// It is not sent on to another host, whatever the server answers: what is in it is for this one only.
    pub only_home: bool,
    /// What https believes beside the system's authorities, and what it shows of itself.
    pub trust: Arc<Trust>,
    /// stop reading past this, after decompression [octets]
    pub max_bytes: usize,
    pub timeout: Duration,
}

/// A name and a password for a web server (RFC 7616, RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
}

/// Certificates that are not the system's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// Authorities to believe beside the system's: PEM, several one after the other.
    pub authorities: String,
    /// SHA-256 of a public key (SubjectPublicKeyInfo, RFC 7469 section 2.4). Given, the chain of the server must hold
    /// one of them; the chain and the name are checked all the same.
    pub pins: Vec<[u8; 32]>,
    /// The phone's own certificate, for servers that ask for one.
    pub identity: Option<Identity>,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// PEM: the phone's certificate first, then those that signed it.
    pub chain: String,
    /// PEM: PKCS#8, PKCS#1 or SEC1, without a password.
    pub key: Secret,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchResponse {
    pub status: u16,
    /// Names in any case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The request got no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    NoConnection(String),
    Tls(String),
    TimedOut,
    TooLarge,
    BadUrl(String),
    Other(String),
}

impl FetchRequest {
    /// A GET with nothing special about it, for a document of at most [`document::MAX_DOCUMENT`].
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            credentials: None,
            insecure: false,
            only_home: false,
            trust: Arc::default(),
            max_bytes: document::MAX_DOCUMENT,
            timeout: TIMEOUT,
        }
    }

    /// A POST of `body`.
    pub fn post(url: impl Into<String>, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST".to_owned(),
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into(),
            ..Self::get(url)
        }
    }
}

impl Trust {
    /// Pins as people write them: base64 (`openssl ... | openssl enc -base64`) or hexadecimal, with blanks, commas or
    /// line breaks between them.
    ///
    /// # Errors
    /// The one that is no SHA-256.
    pub fn read_pins(text: &str) -> Result<Vec<[u8; 32]>, String> {
        let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        let pin = |word: &str| {
            let octets = if word.len() == 44 { from_base64(word) } else { from_hex(&word.replace(':', "")) };
            octets.and_then(|octets| octets.try_into().ok()).ok_or_else(|| {
                format!("{word}: a pin is the SHA-256 of a public key, in 44 characters of base64 or 64 of hexadecimal")
            })
        };
        words.map(pin).collect()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    digits?.chunks(2).map(|pair| if let [high, low] = pair { Some(high << 4 | low) } else { None }).collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(octets)
}

impl FetchResponse {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoConnection(why) => write!(f, "no connection: {why}"),
            Self::Tls(why) => write!(f, "no secure connection: {why}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::TooLarge => write!(f, "the answer is larger than {} octets", document::MAX_DOCUMENT),
            Self::BadUrl(why) => write!(f, "the URL is not usable: {why}"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for FetchError {}

impl std::fmt::Debug for FetchRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("FetchRequest")
            .field("method", &self.method)
            .field("url", &template::without_secrets(&self.url))
            .field("headers", &names)
            .field("body", &self.body.len())
            .field("max_bytes", &self.max_bytes)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_in_base64_and_hexadecimal() {
        let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let hex = "d1:58:49".to_owned() + &"00".repeat(29);
        let pins = Trust::read_pins(&format!("{zeros}, {hex}\n")).unwrap();
        assert_eq!((pins.len(), pins[0], &pins[1][..4]), (2, [0; 32], &[0xd1, 0x58, 0x49, 0][..]));
        let same = Trust::read_pins("0VhJAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        assert_eq!(same[0], pins[1]);
        for wrong in ["x", "d158", &"g".repeat(64), "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
            assert!(Trust::read_pins(wrong).unwrap_err().contains("SHA-256"), "{wrong}");
        }
        assert_eq!(Trust::read_pins(" \n"), Ok(Vec::new()));
    }

    #[test]
    fn debug_output_of_a_request_has_no_secrets() {
        let mut request = FetchRequest::post("https://u:hunter2@a/?p=hunter2", "text/plain", "hunter2");
        request.headers.push(("X-Key".into(), "hunter2".into()));
        request.credentials = Some(Credentials { username: "u".into(), password: Secret::new("hunter2") });
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
