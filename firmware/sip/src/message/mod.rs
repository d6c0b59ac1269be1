//! SIP messages as they travel: lossless, tolerant where RFC 4475 says so, never panicking.
//!
//! A message keeps every header field in order with the spelling and bytes it came with; typed
//! values (`NameAddr`, `Via`, `CSeq` …) are read from it on request and printed back the same way.
//!
//! What [`Message::parse`] checks is what makes a message a message (RFC 3261 sections 7, 8.1.1 and
//! 18.3): start line, version, the fields every message has, their syntax, and lengths. What a user
//! agent does with a message that is one (405, 415, 420, 481, 483, 501 …) is not decided here.

mod header;
mod parse;
pub(crate) mod scan;
mod typed;
mod uri;

pub use header::*;
pub(crate) use parse::{LARGEST, endless_head, stream_length};
pub use typed::*;
pub use uri::*;

use std::fmt;

/// A request method (RFC 3261 section 7.1). Case-sensitive; unknown ones are kept as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Subscribe,
    Notify,
    Info,
    Message,
    Refer,
    Update,
    Prack,
    Publish,
    Other(String),
}

/// A body and its content type, such as `application/sdp`. Bytes are never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub content_type: String,
    pub bytes: Vec<u8>,
}

impl Body {
    /// Is the type `media_type` (`application/sdp`), whatever its case and parameters?
    pub fn is(&self, media_type: &str) -> bool {
        let bare = self.content_type.split(';').next().unwrap_or_default();
        bare.trim().eq_ignore_ascii_case(media_type)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699
    pub status: u16,
    /// may be empty; UTF-8 (lossy if the peer sent something else)
    pub reason: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Request(Request),
    Response(Response),
}

/// Why bytes are not a SIP message we act on, and what a user agent does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Octet offset in the message where it went wrong.
    pub at: usize,
    pub kind: ParseErrorKind,
    /// For a request whose routing headers were readable: the response that the user agent should
    /// send (400, 505, 416 …), already built with Via, From, To, Call-ID and CSeq copied. `None`: drop it.
    ///
    /// There is one as soon as a request has any Via field, even one that cannot be read: then the
    /// source address is the only place to send it to.
    pub answer: Option<Box<Response>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseErrorKind {
    StartLine,
    Version,
    Uri,
    Header(String),
    ContentLength,
    Truncated,
    TooLarge,
    MissingHeader(&'static str),
    Repeated(&'static str),
    Mismatch,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ParseErrorKind::StartLine => f.write_str("bad start line"),
            ParseErrorKind::Version => f.write_str("SIP version is not 2.0"),
            ParseErrorKind::Uri => f.write_str("bad Request-URI"),
            ParseErrorKind::Header(name) => write!(f, "bad header field {name:?}"),
            ParseErrorKind::ContentLength => f.write_str("bad Content-Length"),
            ParseErrorKind::Truncated => f.write_str("ends too early"),
            ParseErrorKind::TooLarge => f.write_str("too large"),
            ParseErrorKind::MissingHeader(name) => write!(f, "no {name}"),
            ParseErrorKind::Repeated(name) => write!(f, "more than one {name}"),
            ParseErrorKind::Mismatch => f.write_str("CSeq names another method"),
        }?;
        write!(f, " at octet {}", self.at)
    }
}

impl std::error::Error for ParseError {}

impl Message {
    /// The octets to send; Content-Length is written from the body.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }
}

impl Request {
    /// An empty request; the caller adds headers.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::new(), body: Vec::new() }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        // Blanks and line ends cannot come from a parsed URI or method; one built by hand loses them.
        let one_word = |text: String| -> String { text.chars().filter(|c| *c > ' ' && *c != '\u{7f}').collect() };
        let uri = one_word(self.uri.to_string());
        write_message(format!("{} {uri} SIP/2.0", one_word(self.method.to_string())), &self.headers, &self.body)
    }

    pub fn set_body(&mut self, body: Body) {
        self.headers.set("Content-Type", body.content_type);
        self.body = body.bytes;
    }

    /// The body with its type, if there is one.
    pub fn body(&self) -> Option<Body> {
        body_of(&self.headers, &self.body)
    }
}

impl Response {
    /// A response to `request` with Via, From, To, Call-ID, CSeq (and Record-Route for dialog-forming
    /// ones) copied (RFC 3261 section 8.2.6). `to_tag` is added to To when it has none.
    pub fn to(request: &Request, status: u16, to_tag: Option<&str>) -> Self {
        let mut response = Self::copying(&request.headers, status, to_tag);
        let forms_dialogs =
            matches!(request.method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify);
        if forms_dialogs && (101..300).contains(&status) {
            response.headers.copy(&request.headers, "Record-Route");
        }
        if status == 100 {
            response.headers.copy(&request.headers, "Timestamp");
        }
        response
    }

    fn copying(headers: &Headers, status: u16, to_tag: Option<&str>) -> Self {
        let mut copied = Headers::new();
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            copied.copy(headers, name);
        }
        if let Some(tag) = to_tag
            && copied.to().is_some_and(|to| to.tag().is_none())
        {
            copied.append_to_tag(tag);
        }
        Self { status, reason: reason_phrase(status).to_owned(), headers: copied, body: Vec::new() }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let reason = self.reason.replace(['\r', '\n'], " ");
        write_message(format!("SIP/2.0 {} {reason}", self.status), &self.headers, &self.body)
    }

    pub fn set_body(&mut self, body: Body) {
        self.headers.set("Content-Type", body.content_type);
        self.body = body.bytes;
    }

    pub fn body(&self) -> Option<Body> {
        body_of(&self.headers, &self.body)
    }
}

fn body_of(headers: &Headers, bytes: &[u8]) -> Option<Body> {
    if bytes.is_empty() {
        return None;
    }
    let content_type = headers.content_type().unwrap_or_default().to_owned();
    Some(Body { content_type, bytes: bytes.to_vec() })
}

fn write_message(start_line: String, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut octets = start_line.into_bytes();
    octets.reserve(headers.size() + body.len() + 32);
    octets.extend_from_slice(b"\r\n");
    headers.write(&mut octets, body.len());
    octets.extend_from_slice(b"\r\n");
    octets.extend_from_slice(body);
    octets
}

/// The default reason phrase of a status code ("Busy Here"), `""` for an unknown one.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        417 => "Unknown Resource-Priority",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity-Info",
        437 => "Unsupported Certificate",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => "",
    }
}

impl Method {
    /// `None` if it is no token.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "OPTIONS" => Self::Options,
            "REGISTER" => Self::Register,
            "SUBSCRIBE" => Self::Subscribe,
            "NOTIFY" => Self::Notify,
            "INFO" => Self::Info,
            "MESSAGE" => Self::Message,
            "REFER" => Self::Refer,
            "UPDATE" => Self::Update,
            "PRACK" => Self::Prack,
            "PUBLISH" => Self::Publish,
            other if scan::is_token(other) => Self::Other(other.to_owned()),
            _ => return None,
        })
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Info => "INFO",
            Self::Message => "MESSAGE",
            Self::Refer => "REFER",
            Self::Update => "UPDATE",
            Self::Prack => "PRACK",
            Self::Publish => "PUBLISH",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
