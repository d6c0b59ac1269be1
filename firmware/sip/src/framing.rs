//! Messages out of a byte stream (RFC 3261 section 18.3, keep-alive of RFC 5626 section 4.4.1).

/// Cuts a TCP byte stream into messages. Bounded: a peer cannot make it grow past `MAX_MESSAGE`.
#[derive(Debug, Default)]
pub struct Framing { buffer: Vec<u8> }

#[derive(Debug, PartialEq, Eq)]
pub enum Framed {
    /// One whole message, head and body.
    Message(Vec<u8>),
    /// A double CRLF: answer with a single CRLF.
    Ping,
    /// A single CRLF: our ping was answered.
    Pong,
    /// The stream cannot be followed any more: answer if there is an answer, then close.
    Broken(super::ParseError),
}
/// Largest message taken from a stream [octets].
pub const MAX_MESSAGE: usize = 65_536;
impl Framing {
    pub fn push(&mut self, bytes: &[u8]) { todo!() }
    pub fn next(&mut self) -> Option<Framed> { todo!() }
}
