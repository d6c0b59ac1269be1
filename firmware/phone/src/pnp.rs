//! SIP PnP: a phone asks the local network for its profile (ua-profile, RFC 6080 section 5.1.2, as the makers of phones do
//! it): a SUBSCRIBE to sip.mcast.net, 224.0.1.75, which no router forwards, and a NOTIFY with a URL in it from whoever
//! knows. Bytes in, bytes out; one subscription, for one look around.

use offhook_account::template::Device;
use offhook_sip::{Message, Method, Request, Response, Uri};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// sip.mcast.net
pub const GROUP: &str = "224.0.1.75:5060";
/// Media type of the answer.
const TYPE: &str = "application/url";
/// When the question is asked, counted from the first time: datagrams get lost, and some switches let the first one of a new
/// port wait.
const ASKED_AT: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(500), Duration::from_millis(1500), Duration::from_millis(3500)];
/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_secs(6);

/// One look around.
#[derive(Debug)]
pub struct Pnp {
    bytes: Vec<u8>,
    call_id: String,
    began: Instant,
    asked: usize,
    over: bool,
}

/// What came in by the socket.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// to be sent back to where it came from
    pub answer: Option<Vec<u8>>,
    pub url: Option<String>,
}

impl Pnp {
    /// `local`: where answers come back to. `chance`: two numbers that nobody can guess.
    pub fn new(now: Instant, device: &Device, local: SocketAddr, chance: [u64; 2]) -> Option<Self> {
        let [first, second] = chance;
        let call_id = format!("{first:016x}{second:016x}");
        let name =
            |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).collect::<String>();
        // The colon is part of the name, so it is escaped.
        let address = format!("sip:MAC%3a{}@{}", name(&device.mac), GROUP.split(':').next().unwrap_or_default());
        let mut request = Request::new(Method::Subscribe, Uri::parse(&address)?);
        let headers = &mut request.headers;
        headers.push("Via", format!("SIP/2.0/UDP {local};branch=z9hG4bK{second:016x};rport"));
        headers.push("Max-Forwards", "1");
        headers.push("From", format!("<{address}>;tag={first:016x}"));
        headers.push("To", format!("<{address}>"));
        headers.push("Call-ID", call_id.clone());
        headers.push("CSeq", "1 SUBSCRIBE");
        headers.push("Contact", format!("<sip:{local}>"));
        headers.push(
            "Event",
            format!(
                "ua-profile;profile-type=\"device\";vendor=\"Offhook\";model=\"{}\";version=\"{}\"",
                name(&device.model),
                name(&device.version)
            ),
        );
        headers.push("Accept", TYPE);
        // One answer now, no subscription that would have to be kept.
        headers.push("Expires", "0");
        headers.push("Content-Length", "0");
        Some(Self { bytes: request.to_bytes(), call_id, began: now, asked: 0, over: false })
    }

    /// What is to be sent to [`GROUP`] now.
    pub fn due(&mut self, now: Instant) -> Option<Vec<u8>> {
        if now >= self.began + PATIENCE {
            self.over = true;
        }
        let at = self.began + *ASKED_AT.get(self.asked).filter(|_| !self.over)?;
        if now < at {
            return None;
        }
        self.asked += 1;
        Some(self.bytes.clone())
    }

    pub fn deadline(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        Some(self.began + ASKED_AT.get(self.asked).copied().unwrap_or(PATIENCE))
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    /// A datagram. What is not about our question is dropped in silence.
    pub fn heard(&mut self, bytes: &[u8]) -> Heard {
        match Message::parse(bytes) {
            Ok(Message::Request(request)) if request.method == Method::Notify => self.notified(&request),
            _ => Heard::default(),
        }
    }

    fn notified(&mut self, request: &Request) -> Heard {
        if request.headers.call_id() != Some(self.call_id.as_str()) {
            return Heard::default();
        }
        let event = request.headers.event().map(|event| event.value).unwrap_or_default();
        let body = request.body().filter(|body| body.is(TYPE));
        let text = body.as_ref().and_then(|body| std::str::from_utf8(&body.bytes).ok());
        let url = text.and_then(|text| text.lines().map(str::trim).find(|line| !line.is_empty())).map(str::to_owned);
        let status = match (event.eq_ignore_ascii_case("ua-profile"), &url) {
            (false, _) => 489,
            (true, None) if request.body.is_empty() => 200,
            (true, None) => 415,
            (true, Some(_)) => 200,
        };
        self.over |= url.is_some() && status == 200;
        let answer = Some(Response::to(request, status, None).to_bytes());
        Heard { answer, url: url.filter(|_| status == 200) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pnp(now: Instant) -> Pnp {
        let device = Device {
            mac: "001122334455".into(),
            model: "desk \"phone\"\r\nX: y".into(),
            serial: "1".into(),
            version: "1.0".into(),
        };
        Pnp::new(now, &device, "10.0.0.7:40000".parse().unwrap(), [1, 2]).unwrap()
    }

    fn start() -> Instant {
        #[allow(clippy::disallowed_methods)]
        Instant::now()
    }

    fn notify(call_id: &str, event: &str, media: &str, body: &str) -> Vec<u8> {
        format!(
            "NOTIFY sip:10.0.0.7:40000 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1\r\nMax-Forwards: 20\r\n\
             From: <sip:MAC%3a001122334455@224.0.1.75>;tag=s\r\nTo: <sip:MAC%3a001122334455@224.0.1.75>;tag=0000000000000001\r\n\
             Call-ID: {call_id}\r\nCSeq: 3 NOTIFY\r\nEvent: {event}\r\nSubscription-State: terminated;reason=timeout\r\n\
             Content-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    const OURS: &str = "00000000000000010000000000000002";

    #[test]
    fn the_question_is_a_subscribe_that_names_the_phone_and_cannot_be_injected_into() {
        let now = start();
        let bytes = pnp(now).due(now).unwrap();
        let Ok(Message::Request(request)) = Message::parse(&bytes) else { panic!() };
        assert_eq!(request.method, Method::Subscribe);
        assert_eq!(request.uri.to_string(), "sip:MAC%3a001122334455@224.0.1.75");
        let event = request.headers.first("Event").unwrap();
        assert!(
            event.starts_with("ua-profile;profile-type=\"device\"") && event.contains("model=\"deskphoneXy\""),
            "{event}"
        );
        assert_eq!((request.headers.expires(), request.headers.first("X")), (Some(0), None));
    }

    #[test]
    fn it_asks_four_times_and_gives_up() {
        let now = start();
        let mut pnp = pnp(now);
        let mut asked = 0;
        while let Some(at) = pnp.deadline() {
            assert!(at <= now + PATIENCE);
            asked += usize::from(pnp.due(at).is_some());
        }
        assert_eq!((asked, pnp.is_over()), (4, true));
    }

    #[test]
    fn the_url_of_a_notify_is_taken_and_answered() {
        let mut pnp = pnp(start());
        let heard = pnp.heard(&notify(OURS, "ua-profile;effective-by=0", TYPE, "\r\nhttp://10.0.0.2/{mac}.xml\r\n"));
        assert_eq!(heard.url.as_deref(), Some("http://10.0.0.2/{mac}.xml"));
        assert!(heard.answer.unwrap().starts_with(b"SIP/2.0 200 "));
        assert!(pnp.is_over());
    }

    #[test]
    fn a_notify_of_another_call_says_nothing_and_gets_no_answer() {
        let mut pnp = pnp(start());
        assert_eq!(pnp.heard(&notify("guessed", "ua-profile", TYPE, "http://evil.test/")), Heard::default());
        assert_eq!(pnp.heard(b"\r\n\r\n"), Heard::default());
        assert_eq!(pnp.heard(b"SIP/2.0 200 OK\r\n\r\n"), Heard::default());
        let other = pnp.heard(&notify(OURS, "dialog", TYPE, "http://evil.test/"));
        assert!(other.url.is_none() && other.answer.unwrap().starts_with(b"SIP/2.0 489 "));
        let wrong = pnp.heard(&notify(OURS, "ua-profile", "text/html", "<a>"));
        assert!(wrong.url.is_none() && wrong.answer.unwrap().starts_with(b"SIP/2.0 415 "));
        assert!(!pnp.is_over());
    }
}
