//! SIP messages as they travel: lossless, tolerant where RFC 4475 says so, never panicking.
//!
//! A message keeps every header field in order with the spelling and bytes it came with; typed
//! values (`NameAddr`, `Via`, `CSeq` …) are read from it on request and printed back the same way.

mod header;
mod uri;

pub use header::*;
pub use uri::*;

/// A request method (RFC 3261 section 7.1). Case-sensitive; unknown ones are kept as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    Invite, Ack, Bye, Cancel, Options, Register, Subscribe, Notify, Info, Message, Refer, Update, Prack, Publish,
    Other(String),
}

/// A body and its content type, such as `application/sdp`. Bytes are never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body { pub content_type: String, pub bytes: Vec<u8> }

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request { pub method: Method, pub uri: Uri, pub headers: Headers, pub body: Vec<u8> }

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response { /// 100 to 699
    pub status: u16, /// may be empty; UTF-8 (lossy if the peer sent something else)
    pub reason: String, pub headers: Headers, pub body: Vec<u8> }

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message { Request(Request), Response(Response) }

/// Why bytes are not a SIP message we act on, and what a user agent does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Octet offset in the message where it went wrong.
    pub at: usize,
    pub kind: ParseErrorKind,
    /// For a request whose routing headers were readable: the response that the user agent should
    /// send (400, 505, 416 …), already built with Via, From, To, Call-ID and CSeq copied. `None`: drop it.
    pub answer: Option<Box<Response>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseErrorKind { StartLine, Version, Uri, Header(String), ContentLength, Truncated, TooLarge, MissingHeader(&'static str), Repeated(&'static str), Mismatch }

impl Message {
    /// Reads one datagram (RFC 3261 section 18.3: octets past Content-Length are ignored).
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> { todo!() }
    /// The octets to send; Content-Length is written from the body.
    pub fn to_bytes(&self) -> Vec<u8> { todo!() }
    pub fn headers(&self) -> &Headers { todo!() }
}
impl Request {
    /// An empty request; the caller adds headers.
    pub fn new(method: Method, uri: Uri) -> Self { todo!() }
    pub fn to_bytes(&self) -> Vec<u8> { todo!() }
    pub fn set_body(&mut self, body: Body) { todo!() }
    /// The body with its type, if there is one.
    pub fn body(&self) -> Option<Body> { todo!() }
}
impl Response {
    /// A response to `request` with Via, From, To, Call-ID, CSeq (and Record-Route for dialog-forming
    /// ones) copied (RFC 3261 section 8.2.6). `to_tag` is added to To when it has none.
    pub fn to(request: &Request, status: u16, to_tag: Option<&str>) -> Self { todo!() }
    pub fn to_bytes(&self) -> Vec<u8> { todo!() }
    pub fn set_body(&mut self, body: Body) { todo!() }
    pub fn body(&self) -> Option<Body> { todo!() }
}
/// The default reason phrase of a status code ("Busy Here"), `""` for an unknown one.
pub fn reason_phrase(status: u16) -> &'static str { todo!() }
impl Method {
    pub fn as_str(&self) -> &str { todo!() }
}
