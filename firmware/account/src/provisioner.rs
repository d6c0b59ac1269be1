//! Decides when to fetch, with what, how to back off, and whether the answer is a new document. One per URL.
use crate::{Document, Rejection, document::Finding, template::Device};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FetchId(pub u64);
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    pub url: String,
    /// `If-None-Match` and the like; `Accept`, `User-Agent` included
    pub headers: Vec<(String, String)>,
    /// stop reading past this [octets]
    pub max_bytes: usize,
    pub timeout: Duration,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchResponse {
    pub status: u16,
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

#[derive(Debug)]
pub enum Input {
    /// begin (power-on)
    Start,
    /// now, on demand
    FetchNow,
    Fetched {
        id: FetchId,
        result: Result<FetchResponse, FetchError>,
    },
    Timeout,
}
#[derive(Debug)]
pub enum Output {
    Timeout(Option<Instant>),
    Fetch {
        id: FetchId,
        request: FetchRequest,
    },
    /// A new, usable document: merge it.
    Document {
        document: Document,
        findings: Vec<Finding>,
    },
    /// 304, or the same bytes as before.
    Unchanged,
    /// Keep everything as it is; tell the user. `rejection` for an unusable document.
    Failed {
        url_without_secrets: String,
        reason: String,
        rejection: Option<Rejection>,
        retry_at: Option<Instant>,
    },
}
#[derive(Debug)]
pub struct Provisioner {}
impl Provisioner {
    /// `template`: URL with placeholders. `etag`: what was stored with the last good document.
    pub fn new(template: &str, device: Device, insecure: bool, seed: u64) -> Self {
        todo!()
    }
    /// From the account in force: placeholders, `extProvUrl`, `extProvInterval` (0: only at start and on demand).
    pub fn set_account(&mut self, now: Instant, account: Option<&Document>) {
        todo!()
    }
    pub fn interval(&self) -> Option<Duration> {
        todo!()
    }
    pub fn handle(&mut self, now: Instant, input: Input) {
        todo!()
    }
    pub fn poll(&mut self) -> Output {
        todo!()
    }
}
