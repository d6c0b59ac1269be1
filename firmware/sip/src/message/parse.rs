//! Octets into a [`Message`], or into the reason why not and the answer to that (RFC 3261 sections 7,
//! 8.1.1, 18.3; verdicts of RFC 4475 and RFC 5118).
//!
//! Liberal: blanks round the parts of a request line, any case of names, folding, UTF-8 anywhere, octets
//! that are no UTF-8, a missing Max-Forwards, branch or From tag (RFC 2543).
//! Strict: line ends are CRLF (a bare CR or LF could be read as a line end by the next hop), and whatever
//! decides where a message ends or which transaction it belongs to.

use super::header::long_name;
use super::scan;
use super::{CSeq, Headers, Message, Method, NameAddr, ParseError, ParseErrorKind, Request, Response, Uri, Via};

/// Largest message that is read [octets]: what a UDP datagram can hold.
pub(crate) const LARGEST: usize = 65_535;

/// Room that is made at once for fields.
const USUAL_FIELDS: usize = 16;

/// Fields that a message has once (section 7.3.1 and the table in section 20).
const SINGLE: [&str; 7] = ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type"];

impl Message {
    /// Reads one datagram (RFC 3261 section 18.3: octets past Content-Length are ignored).
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let head = Head::read(bytes);
        match head.start {
            Start::Request { method, uri, version } => head.request(bytes, method, uri, version),
            Start::Response { version, status, reason } => head.response(bytes, version, status, reason),
            Start::Neither if bytes.len() > LARGEST => Err(head.refuse(head.at, ParseErrorKind::TooLarge, 513)),
            Start::Neither => Err(head.refuse(head.at, ParseErrorKind::StartLine, 400)),
        }
    }
}

/// Octets of body that follow `head` (start line to empty line) on a stream, where Content-Length is
/// mandatory (section 18.3). An error here means that nobody knows where the next message starts.
pub(crate) fn stream_length(octets: &[u8]) -> Result<usize, ParseError> {
    let head = Head::read(octets);
    if let Some((at, kind)) = head.fault.clone() {
        return Err(head.refuse(at, kind, 400));
    }
    match head.content_length() {
        Ok(Some(length)) if octets.len().saturating_add(length) > LARGEST => {
            Err(head.refuse(head.field_at("Content-Length"), ParseErrorKind::TooLarge, 513))
        }
        Ok(Some(length)) => Ok(length),
        Ok(None) => Err(head.refuse(head.at, ParseErrorKind::MissingHeader("Content-Length"), 400)),
        Err(kind) => Err(head.refuse(head.field_at("Content-Length"), kind, 400)),
    }
}

/// For a head on a stream that goes on and on.
pub(crate) fn endless_head(octets: &[u8]) -> ParseError {
    Head::read(octets).refuse(octets.len(), ParseErrorKind::TooLarge, 513)
}

enum Start<'a> {
    Request { method: &'a str, uri: &'a str, version: &'a str },
    Response { version: &'a str, status: &'a str, reason: &'a [u8] },
    Neither,
}

/// Everything up to the empty line, read as far as it can be, with the first thing that was wrong.
struct Head<'a> {
    start: Start<'a>,
    /// Offset of the start line.
    at: usize,
    headers: Headers,
    /// Offset of each field of `headers`.
    offsets: Vec<usize>,
    /// Offset of the body; `None`: the octets end before the empty line.
    body_at: Option<usize>,
    fault: Option<(usize, ParseErrorKind)>,
}

impl<'a> Head<'a> {
    /// One pass over the octets; never fails, so that an answer can be built from what is there.
    fn read(bytes: &'a [u8]) -> Self {
        let bytes = bytes.get(..LARGEST).unwrap_or(bytes);
        let mut lines = Lines { bytes, at: 0 };
        let mut head = Self {
            start: Start::Neither,
            at: 0,
            headers: Headers::with_capacity(USUAL_FIELDS),
            offsets: Vec::with_capacity(USUAL_FIELDS),
            body_at: None,
            fault: None,
        };
        // Empty lines before the start line are keep-alives (section 7.5).
        let first = loop {
            head.at = lines.at;
            match lines.next() {
                Some(line) if line.text.is_empty() => {}
                line => break line,
            }
        };
        let Some(first) = first else { return head };
        head.start = start_line(first.text);
        if !first.clean {
            head.fault = Some((head.at, ParseErrorKind::StartLine));
        }
        let mut next = lines.next();
        while let Some(line) = next.take() {
            if line.text.is_empty() && line.ended {
                head.body_at = Some(lines.at);
                break;
            }
            let (at, mut end, mut clean) = (line.at, line.at + line.text.len(), line.clean && line.ended);
            next = lines.next();
            while let Some(fold) = next.take_if(|l| l.text.first().copied().is_some_and(scan::is_lws)) {
                end = fold.at + fold.text.len();
                clean &= fold.clean && fold.ended;
                next = lines.next();
            }
            head.field(bytes, at, end, clean);
        }
        head
    }

    fn field(&mut self, bytes: &[u8], at: usize, end: usize, clean: bool) {
        let line = bytes.get(at..end).unwrap_or_default();
        let colon = line.iter().position(|b| *b == b':');
        let name = colon.and_then(|c| line.get(..c)).unwrap_or(line).trim_ascii_end();
        let named = colon.is_some() && !name.is_empty() && name.iter().copied().all(scan::is_token_byte);
        if !(clean && named) && self.fault.is_none() {
            let shown = String::from_utf8_lossy(name.get(..name.len().min(40)).unwrap_or(name)).into_owned();
            self.fault = Some((at, ParseErrorKind::Header(shown)));
        }
        if let (Some(colon), true) = (colon, named) {
            self.headers.push_received(line, colon, !clean);
            self.offsets.push(at);
        }
    }

    fn field_at(&self, name: &str) -> usize {
        let position = self.headers.iter().position(|(n, _)| long_name(n).eq_ignore_ascii_case(name));
        position.and_then(|n| self.offsets.get(n).copied()).unwrap_or(self.at)
    }

    fn request(self, bytes: &[u8], method: &str, uri: &str, version: &str) -> Result<Message, ParseError> {
        let Some(known) = Method::parse(method) else {
            return Err(self.refuse(self.at, ParseErrorKind::StartLine, 400));
        };
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            let version_at = self.at + method.len() + uri.len() + 2;
            return Err(match is_sip_version(version) {
                true => self.refuse(version_at, ParseErrorKind::Version, 505),
                false => self.refuse(version_at, ParseErrorKind::StartLine, 400),
            });
        }
        if bytes.len() > LARGEST {
            return Err(self.refuse(LARGEST, ParseErrorKind::TooLarge, 513));
        }
        if let Some((at, kind)) = self.common_faults().or_else(|| self.request_faults()) {
            return Err(self.refuse(at, kind, 400));
        }
        if self.headers.cseq().is_none_or(|cseq| cseq.method != known) {
            let status = if matches!(known, Method::Other(_)) { 501 } else { 400 };
            return Err(self.refuse(self.field_at("CSeq"), ParseErrorKind::Mismatch, status));
        }
        let uri_at = self.at + method.len() + 1;
        let uri = match Uri::parse(uri) {
            Some(Uri::Sip(uri)) if !uri.headers.is_empty() => None,
            Some(Uri::Other { .. }) => return Err(self.refuse(uri_at, ParseErrorKind::Uri, 416)),
            other => other,
        };
        let Some(uri) = uri else { return Err(self.refuse(uri_at, ParseErrorKind::Uri, 400)) };
        let body = self.body(bytes).map_err(|(at, kind)| self.refuse(at, kind, 400))?;
        Ok(Message::Request(Request { method: known, uri, headers: self.headers, body }))
    }

    fn response(self, bytes: &[u8], version: &str, status: &str, reason: &[u8]) -> Result<Message, ParseError> {
        let drop = |at, kind| ParseError { at, kind, answer: None };
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return Err(drop(self.at, ParseErrorKind::Version));
        }
        let status = match (status.len(), scan::saturating_number(status)) {
            (3, Some(code @ 100..=699)) => u16::try_from(code).ok(),
            _ => None,
        };
        let Some(status) = status else {
            return Err(drop(self.at + version.len() + 1, ParseErrorKind::StartLine));
        };
        if bytes.len() > LARGEST {
            return Err(drop(LARGEST, ParseErrorKind::TooLarge));
        }
        if let Some((at, kind)) = self.common_faults() {
            return Err(drop(at, kind));
        }
        let body = self.body(bytes).map_err(|(at, kind)| drop(at, kind))?;
        let reason = String::from_utf8_lossy(reason.trim_ascii()).into_owned();
        Ok(Message::Response(Response { status, reason, headers: self.headers, body }))
    }

    /// What no message may get wrong (section 8.1.1).
    fn common_faults(&self) -> Option<(usize, ParseErrorKind)> {
        if let Some((at, kind)) = &self.fault {
            return Some((*at, kind.clone()));
        }
        if self.body_at.is_none() {
            return Some((self.offsets.last().copied().unwrap_or(self.at), ParseErrorKind::Truncated));
        }
        let mut seen = [false; SINGLE.len()];
        for (n, (name, _)) in self.headers.iter().enumerate() {
            let name = long_name(name);
            for (single, seen) in SINGLE.iter().zip(&mut seen) {
                if name.eq_ignore_ascii_case(single) && std::mem::replace(seen, true) {
                    return Some((self.offsets.get(n).copied().unwrap_or(self.at), ParseErrorKind::Repeated(single)));
                }
            }
        }
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let Some(value) = self.headers.first(name) else {
                return Some((self.at, ParseErrorKind::MissingHeader(name)));
            };
            let well_formed = match name {
                // Lower Via lines are none of our business; the top one routes the response.
                "Via" => scan::split(value, b',').all(|via| Via::parse(via).is_some()),
                "From" | "To" => NameAddr::parse(value).is_some(),
                "Call-ID" => !value.is_empty() && !value.bytes().any(scan::is_lws),
                _ => CSeq::parse(value).is_some_and(|cseq| cseq.number < 1 << 31),
            };
            if !well_formed {
                return Some(self.bad(name));
            }
        }
        None
    }

    /// What is wrong in a request only: in a response that we wait for, these fields do not matter enough.
    fn request_faults(&self) -> Option<(usize, ParseErrorKind)> {
        let hops = self.headers.first("Max-Forwards");
        if hops.is_some_and(|text| scan::saturating_number(text).is_none_or(|hops| hops > 255)) {
            return Some(self.bad("Max-Forwards"));
        }
        let is_contact = |text: &str| text.is_empty() || text == "*" || NameAddr::parse(text).is_some();
        for value in self.headers.all("Contact") {
            if !scan::split(value, b',').all(is_contact) {
                return Some(self.bad("Contact"));
            }
        }
        for name in ["Route", "Record-Route"] {
            if !self.headers.all(name).flat_map(|v| scan::split(v, b',')).all(|v| v.is_empty() || is_contact(v)) {
                return Some(self.bad(name));
            }
        }
        None
    }

    fn bad(&self, name: &str) -> (usize, ParseErrorKind) {
        (self.field_at(name), ParseErrorKind::Header(name.to_owned()))
    }

    fn content_length(&self) -> Result<Option<usize>, ParseErrorKind> {
        let mut all = self.headers.all("Content-Length");
        let Some(text) = all.next() else { return Ok(None) };
        if all.next().is_some() {
            return Err(ParseErrorKind::Repeated("Content-Length"));
        }
        let length = scan::saturating_number(text).and_then(|n| usize::try_from(n).ok());
        length.map(Some).ok_or(ParseErrorKind::ContentLength)
    }

    fn body(&self, bytes: &[u8]) -> Result<Vec<u8>, (usize, ParseErrorKind)> {
        let rest = self.body_at.and_then(|at| bytes.get(at..)).unwrap_or_default();
        match self.content_length() {
            Ok(None) => Ok(rest.to_vec()),
            Ok(Some(length)) => match rest.get(..length) {
                Some(body) => Ok(body.to_vec()),
                None => Err((bytes.len(), ParseErrorKind::Truncated)),
            },
            Err(kind) => Err((self.field_at("Content-Length"), kind)),
        }
    }

    /// The error, with an answer if this is a request that may be answered and says by which way.
    fn refuse(&self, at: usize, kind: ParseErrorKind, status: u16) -> ParseError {
        let answerable = match self.start {
            Start::Request { method, .. } => method != "ACK" && self.headers.first("Via").is_some(),
            Start::Response { .. } => false,
            // Two words or four: a request line that was meant to be one.
            Start::Neither => {
                self.headers.first("Via").is_some() && self.headers.cseq().is_none_or(|cseq| cseq.method != Method::Ack)
            }
        };
        let mut error = ParseError { at, kind, answer: None };
        if answerable {
            let mut response = Response::copying(&self.headers, status, Some(&self.stateless_tag()));
            if status == 400 {
                response.reason = format!("Bad Request ({})", error.kind_in_words());
            }
            error.answer = Some(Box::new(response));
        }
        error
    }

    /// A To tag that is the same for every retransmission (section 8.2.7), without keeping anything.
    fn stateless_tag(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for name in ["Via", "From", "Call-ID", "CSeq"] {
            for byte in self.headers.first(name).unwrap_or_default().bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }
}

impl ParseError {
    /// For a reason phrase: what the display says, without what the peer sent.
    fn kind_in_words(&self) -> String {
        match &self.kind {
            ParseErrorKind::Header(name) if scan::is_token(name) => format!("Bad {name}"),
            ParseErrorKind::Header(_) => "Bad Header Field".to_owned(),
            ParseErrorKind::StartLine => "Bad Request Line".to_owned(),
            ParseErrorKind::Uri => "Bad Request-URI".to_owned(),
            ParseErrorKind::ContentLength => "Bad Content-Length".to_owned(),
            ParseErrorKind::Truncated => "Incomplete Message".to_owned(),
            ParseErrorKind::MissingHeader(name) => format!("Missing {name}"),
            ParseErrorKind::Repeated(name) => format!("Repeated {name}"),
            ParseErrorKind::Mismatch => "CSeq Method Mismatch".to_owned(),
            ParseErrorKind::Version | ParseErrorKind::TooLarge => "Not Acceptable".to_owned(),
        }
    }
}

/// One line without its line end.
struct Line<'a> {
    at: usize,
    text: &'a [u8],
    /// No bare CR or LF in it or at its end.
    clean: bool,
    /// It has an end, rather than being what is left.
    ended: bool,
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<Line<'a>> {
        let at = self.at;
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let Some(feed) = rest.iter().position(|b| *b == b'\n') else {
            self.at = self.bytes.len();
            return Some(Line { at, text: rest, clean: !rest.contains(&b'\r'), ended: false });
        };
        self.at = at + feed + 1;
        let line = rest.get(..feed).unwrap_or_default();
        let (text, crlf) = match line.strip_suffix(b"\r") {
            Some(text) => (text, true),
            None => (line, false),
        };
        Some(Line { at, text, clean: crlf && !text.contains(&b'\r'), ended: true })
    }
}

fn start_line(line: &[u8]) -> Start<'_> {
    if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/")) {
        let (version, rest) = split_octets(line);
        let (status, reason) = split_octets(rest);
        return match (std::str::from_utf8(version), std::str::from_utf8(status)) {
            (Ok(version), Ok(status)) => Start::Response { version, status, reason },
            _ => Start::Neither,
        };
    }
    let Ok(line) = std::str::from_utf8(line) else { return Start::Neither };
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(uri), Some(version), None) => Start::Request { method, uri, version },
        _ => Start::Neither,
    }
}

/// The octets before and after the first space.
fn split_octets(octets: &[u8]) -> (&[u8], &[u8]) {
    match octets.iter().position(|b| *b == b' ') {
        Some(at) => (octets.get(..at).unwrap_or_default(), octets.get(at + 1..).unwrap_or_default()),
        None => (octets, &[]),
    }
}

/// `SIP/x.y`
fn is_sip_version(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let rest = text.get(..4).filter(|s| s.eq_ignore_ascii_case("SIP/")).and_then(|_| text.get(4..));
    rest.and_then(|v| v.split_once('.')).is_some_and(|(major, minor)| digits(major) && digits(minor))
}
