//! Messages out of a byte stream (RFC 3261 section 18.3, keep-alive of RFC 5626 section 4.4.1).
//!
//! A stream is cut by Content-Length alone, so whatever makes that doubtful (none, two, no number, a
//! field that cannot be told from its neighbours) ends the stream. How long to wait for the rest of a
//! message is not decided here; [`Framing::is_partial`] says that there is one to wait for.

use crate::message::{LARGEST, ParseError, ParseErrorKind, endless_head, stream_length};

/// Cuts a TCP byte stream into messages. Bounded: a peer cannot make it grow past `MAX_MESSAGE`
/// and what one `push` brings, as long as `next` is called until it has no more.
#[derive(Debug, Default)]
pub struct Framing {
    buffer: Vec<u8>,
    /// Octets of `buffer` that were given out already.
    consumed: usize,
    /// Octets after `consumed` in which no end of a head begins.
    searched: usize,
    /// Whole length of the message at `consumed`, once its head is complete.
    length: Option<usize>,
    broken: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Framed {
    /// One whole message, head and body.
    Message(Vec<u8>),
    /// A double CRLF: answer with a single CRLF.
    Ping,
    /// A single CRLF: our ping was answered.
    ///
    /// A ping that the network cut exactly in its middle looks like two of these; there is no telling
    /// without a clock, and the peer pings again.
    Pong,
    /// The stream cannot be followed any more: answer if there is an answer, then close.
    Broken(ParseError),
}

/// Largest message taken from a stream [octets].
pub const MAX_MESSAGE: usize = LARGEST;

impl Framing {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        if self.consumed > 0 {
            self.buffer.drain(..self.consumed);
            self.consumed = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// `None`: more octets are needed. After `Broken` there is nothing more.
    #[allow(clippy::should_implement_trait)] // not an iterator: more may come after `None`
    pub fn next(&mut self) -> Option<Framed> {
        if self.broken {
            return None;
        }
        if self.length.is_none() {
            match self.unread() {
                [b'\r', b'\n', b'\r', b'\n', ..] => return Some(self.skip(4, Framed::Ping)),
                [b'\r', b'\n', b'\r'] | [b'\r'] | [] => return None,
                [b'\r', b'\n', ..] => return Some(self.skip(2, Framed::Pong)),
                [first, ..] if !first.is_ascii_graphic() => {
                    return Some(self.fail(ParseError { at: 0, kind: ParseErrorKind::StartLine, answer: None }));
                }
                _ => {}
            }
            let end = self.find_head_end()?;
            match end.and_then(|end| stream_length(self.unread().get(..end).unwrap_or_default()).map(|n| end + n)) {
                Ok(length) => self.length = Some(length),
                Err(error) => return Some(self.fail(error)),
            }
        }
        let length = self.length?;
        let message = self.unread().get(..length)?.to_vec();
        self.length = None;
        Some(self.skip(length, Framed::Message(message)))
    }

    /// Has a message begun that is not complete?
    pub fn is_partial(&self) -> bool {
        !self.broken && !self.unread().is_empty()
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.consumed..).unwrap_or_default()
    }

    fn skip(&mut self, octets: usize, framed: Framed) -> Framed {
        self.consumed += octets;
        self.searched = 0;
        if self.consumed >= self.buffer.len() {
            // An idle connection keeps no buffer.
            *self = Self::default();
        }
        framed
    }

    fn fail(&mut self, error: ParseError) -> Framed {
        *self = Self { broken: true, ..Self::default() };
        Framed::Broken(error)
    }

    /// Length of the head with its empty line; looks at every octet once, however they arrive.
    fn find_head_end(&mut self) -> Option<Result<usize, ParseError>> {
        let unread = self.unread();
        let from = self.searched;
        if let Some(at) = unread.get(from..)?.windows(4).position(|w| w == b"\r\n\r\n") {
            return Some(Ok(from + at + 4));
        }
        if unread.len() > MAX_MESSAGE {
            return Some(Err(endless_head(unread)));
        }
        self.searched = unread.len().saturating_sub(3);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING_FREE: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:x@y>;tag=1\r\n\
        To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";

    fn with(fields: &str) -> Vec<u8> {
        format!("{PING_FREE}{fields}").into_bytes()
    }

    fn all(framing: &mut Framing) -> Vec<Framed> {
        std::iter::from_fn(|| framing.next()).collect()
    }

    fn framed(bytes: &[u8]) -> Vec<Framed> {
        let mut framing = Framing::default();
        framing.push(bytes);
        all(&mut framing)
    }

    #[test]
    fn messages_are_cut_the_same_however_the_octets_arrive() {
        let mut stream = b"\r\n\r\n".to_vec();
        let first = with("l: 5\r\n\r\nab\r\n\r");
        let second = with("Content-Length: 0\r\n\r\n");
        stream.extend_from_slice(&first);
        stream.extend_from_slice(&second);
        let expected = [Framed::Ping, Framed::Message(first), Framed::Message(second)];
        assert_eq!(framed(&stream), expected);
        // Chunks that do not cut the ping in its middle, which no receiver could tell from two pongs.
        for size in (1..stream.len()).filter(|s| *s != 2 && *s != 1) {
            let mut framing = Framing::default();
            let mut got = Vec::new();
            for chunk in stream.chunks(size) {
                framing.push(chunk);
                got.extend(all(&mut framing));
            }
            assert_eq!(got, expected, "chunks of {size}");
            assert!(!framing.is_partial());
        }
    }

    #[test]
    fn a_single_crlf_is_a_pong_and_a_double_one_a_ping() {
        assert_eq!(framed(b"\r\n"), [Framed::Pong]);
        assert_eq!(framed(b"\r\n\r\n"), [Framed::Ping]);
        assert_eq!(framed(b"\r\n\r\n\r\n"), [Framed::Ping, Framed::Pong]);
        let mut framing = Framing::default();
        for octet in [b"\r", b"\n"] {
            framing.push(octet);
        }
        assert_eq!(framing.next(), Some(Framed::Pong));
    }

    #[test]
    fn a_request_without_content_length_is_answered_400_and_ends_the_stream() {
        let mut framing = Framing::default();
        framing.push(&with("\r\n"));
        let Some(Framed::Broken(error)) = framing.next() else { panic!() };
        assert_eq!(error.kind, ParseErrorKind::MissingHeader("Content-Length"));
        assert_eq!(error.answer.unwrap().status, 400);
        framing.push(&with("l: 0\r\n\r\n"));
        assert_eq!(framing.next(), None);
    }

    #[test]
    fn lengths_that_are_none_or_two_end_the_stream() {
        for fields in ["l: -1", "l: 1x", "l:", "l: 1\r\nContent-Length: 1", "l: 1, 1", "l: 99999999999999999999"] {
            let got = framed(&with(&format!("{fields}\r\n\r\nx")));
            assert!(matches!(got.as_slice(), [Framed::Broken(e)] if e.answer.is_some()), "{fields}: {got:?}");
        }
    }

    #[test]
    fn a_length_past_the_limit_is_refused_before_the_body_comes() {
        let got = framed(&with("l: 65536\r\n\r\n"));
        let [Framed::Broken(error)] = got.as_slice() else { panic!() };
        assert_eq!(error.kind, ParseErrorKind::TooLarge);
        assert_eq!(error.answer.as_ref().unwrap().status, 513);
    }

    #[test]
    fn an_endless_head_is_given_up_at_the_limit() {
        let mut framing = Framing::default();
        framing.push(PING_FREE.as_bytes());
        let mut pushed = PING_FREE.len();
        let broken = loop {
            framing.push(b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
            pushed += 67;
            if let Some(framed) = framing.next() {
                break framed;
            }
            assert!(pushed <= MAX_MESSAGE && framing.buffer.len() <= MAX_MESSAGE);
        };
        assert!(matches!(broken, Framed::Broken(e) if e.kind == ParseErrorKind::TooLarge && e.answer.is_some()));
        assert_eq!(framing.buffer.capacity(), 0);
    }

    #[test]
    fn another_protocol_is_noticed_at_its_first_octet() {
        assert!(matches!(framed(&[0x16, 3, 1, 2]).as_slice(), [Framed::Broken(e)] if e.answer.is_none()));
    }

    #[test]
    fn a_message_that_is_short_of_its_length_is_waited_for() {
        let mut framing = Framing::default();
        framing.push(&with("l: 9999\r\n\r\nv=0"));
        assert_eq!(framing.next(), None);
        assert!(framing.is_partial());
    }
}
