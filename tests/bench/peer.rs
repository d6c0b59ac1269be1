//! A raw SIP and RTP peer in real time: it sends what it is told to and says when something came. No transactions: on
//! loopback nothing is lost.

use offhook_sip::{Body, Headers, Message, Method, NameAddr, Request, Response, Uri};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// What the peer offers, besides telephone-events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Codec {
    #[default]
    Pcmu,
    G722,
    Opus,
}

impl Codec {
    pub(crate) const ALL: [Self; 3] = [Self::Pcmu, Self::G722, Self::Opus];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "G.711",
            Self::G722 => "G.722",
            Self::Opus => "Opus",
        }
    }

    pub(crate) fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::G722 => 9,
            Self::Opus => 96,
        }
    }

    /// Encoding name, clock rate and channels (RFC 3551 section 6, RFC 7587 section 7).
    fn rtpmap(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::G722 => "G722/8000",
            Self::Opus => "opus/48000/2",
        }
    }
}

/// One UDP socket for SIP and one for RTP.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) codec: Codec,
    pub(crate) sip: UdpSocket,
    pub(crate) rtp: UdpSocket,
    calls: u32,
}

/// A call that the phone has answered.
#[derive(Debug)]
pub(crate) struct Dialog {
    remote: SocketAddr,
    target: Uri,
    from: String,
    to: String,
    call_id: String,
    cseq: u32,
    /// Where the phone wants RTP.
    pub(crate) media: SocketAddr,
}

impl Peer {
    pub(crate) fn new() -> std::io::Result<Self> {
        let sip = UdpSocket::bind("127.0.0.1:0")?;
        let rtp = UdpSocket::bind("127.0.0.1:0")?;
        sip.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self { codec: Codec::default(), sip, rtp, calls: 0 })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.sip.local_addr().unwrap_or_else(|error| panic!("no address: {error}"))
    }

    /// The next message and when it came.
    pub(crate) fn receive(&self) -> Result<(Message, SocketAddr, Instant), String> {
        let mut buffer = [0; 65_536];
        loop {
            let (n, from) = self.sip.recv_from(&mut buffer).map_err(|error| format!("nothing came: {error}"))?;
            let at = Instant::now();
            if let Ok(message) = Message::parse(&buffer[..n]) {
                return Ok((message, from, at));
            }
        }
    }

    /// Answers REGISTER, SUBSCRIBE and the like with 200 until `wanted` comes.
    pub(crate) fn serve_until(
        &self,
        wanted: impl Fn(&Message) -> bool,
    ) -> Result<(Message, SocketAddr, Instant), String> {
        loop {
            let (message, from, at) = self.receive()?;
            if wanted(&message) {
                return Ok((message, from, at));
            }
            if let Message::Request(request) = &message
                && request.method != Method::Ack
            {
                self.answer(request, 200, from);
            }
        }
    }

    pub(crate) fn answer(&self, request: &Request, status: u16, to: SocketAddr) {
        let mut response = Response::to(request, status, Some("bench"));
        if request.method == Method::Register {
            response.headers.set("Expires", "600");
            for contact in request.headers.contacts() {
                response.headers.push("Contact", format!("{contact};expires=600"));
            }
        }
        let _ = self.sip.send_to(&response.to_bytes(), to);
    }

    /// Its codec and telephone-events.
    fn sdp(&self) -> Vec<u8> {
        let port = self.rtp.local_addr().map_or(0, |address| address.port());
        let (payload_type, rtpmap) = (self.codec.payload_type(), self.codec.rtpmap());
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {payload_type} 101\r\na=rtpmap:{payload_type} {rtpmap}\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n"
        )
        .into_bytes()
    }

    /// An INVITE to `target`, ready to send.
    pub(crate) fn invite(&mut self, target: &Uri) -> Request {
        self.calls += 1;
        let mut request = Request::new(Method::Invite, target.clone());
        let (local, n) = (self.address(), self.calls);
        let headers: &mut Headers = &mut request.headers;
        headers.push("Via", format!("SIP/2.0/UDP {local};branch=z9hG4bKbench{n};rport"));
        headers.push("Max-Forwards", "70");
        headers.push("From", format!("<sip:bench@{local}>;tag=bench{n}"));
        headers.push("To", format!("<{target}>"));
        headers.push("Call-ID", format!("bench-{n}@{local}"));
        headers.push("CSeq", "1 INVITE");
        headers.push("Contact", format!("<sip:bench@{local}>"));
        let bytes = self.sdp();
        request.set_body(Body { content_type: "application/sdp".into(), bytes });
        request
    }

    pub(crate) fn send(&self, request: &Request, to: SocketAddr) {
        let _ = self.sip.send_to(&request.to_bytes(), to);
    }

    /// Waits for a response of this status to this request. Another final one is an error.
    pub(crate) fn response(&self, request: &Request, status: u16) -> Result<(Response, Instant), String> {
        let (message, _, at) = self.serve_until(|message| {
            let Message::Response(response) = message else { return false };
            let same = |name: &str| response.headers.first(name) == request.headers.first(name);
            same("Call-ID") && same("CSeq") && (response.status == status || response.status >= 200)
        })?;
        match message {
            Message::Response(response) if response.status == status => Ok((response, at)),
            Message::Response(response) => Err(format!("{} {}", response.status, response.reason)),
            Message::Request(_) => Err("a request".into()),
        }
    }

    /// Calls the phone and hands the call over when it is answered; `pick_up` is called when it rings.
    pub(crate) fn call(
        &mut self,
        target: &Uri,
        remote: SocketAddr,
        pick_up: impl FnOnce() -> Result<(), String>,
    ) -> Result<Dialog, String> {
        let invite = self.invite(target);
        self.send(&invite, remote);
        self.response(&invite, 180)?;
        pick_up()?;
        let (ok, _) = self.response(&invite, 200)?;
        self.confirm(&invite, &ok, remote)
    }

    /// Acknowledges a 2xx.
    pub(crate) fn confirm(&self, invite: &Request, ok: &Response, remote: SocketAddr) -> Result<Dialog, String> {
        let missing = |what: &str| format!("200 without {what}");
        let target = ok.headers.contacts().into_iter().next().ok_or_else(|| missing("Contact"))?.uri;
        let body = String::from_utf8_lossy(&ok.body).into_owned();
        let field = |prefix: &str| body.lines().find_map(|line| line.strip_prefix(prefix)).map(str::to_owned);
        let host = field("c=IN IP4 ").ok_or_else(|| missing("c="))?;
        let port = field("m=audio ").and_then(|rest| rest.split(' ').next().map(str::to_owned));
        let media = format!("{}:{}", host.trim(), port.ok_or_else(|| missing("m="))?);
        let text = |name: &str| ok.headers.first(name).unwrap_or_default().to_owned();
        let dialog = Dialog {
            remote,
            target,
            from: invite.headers.first("From").unwrap_or_default().to_owned(),
            to: text("To"),
            call_id: text("Call-ID"),
            cseq: 1,
            media: media.parse().map_err(|_| missing("a media address"))?,
        };
        self.send(&self.within(&dialog, &Method::Ack, 1), remote);
        Ok(dialog)
    }

    fn within(&self, dialog: &Dialog, method: &Method, cseq: u32) -> Request {
        let mut request = Request::new(method.clone(), dialog.target.clone());
        let local = self.address();
        let headers = &mut request.headers;
        let branch = format!("z9hG4bK{}{cseq}{}", method.as_str(), self.calls);
        headers.push("Via", format!("SIP/2.0/UDP {local};branch={branch};rport"));
        headers.push("Max-Forwards", "70");
        headers.push("From", dialog.from.clone());
        headers.push("To", dialog.to.clone());
        headers.push("Call-ID", dialog.call_id.clone());
        headers.push("CSeq", format!("{cseq} {}", method.as_str()));
        request
    }

    pub(crate) fn bye(&self, dialog: &mut Dialog) -> Result<(), String> {
        dialog.cseq += 1;
        let bye = self.within(dialog, &Method::Bye, dialog.cseq);
        self.send(&bye, dialog.remote);
        self.response(&bye, 200).map(|_| ())
    }

    /// Cancels an INVITE that rings and waits for its 487.
    pub(crate) fn cancel(&self, invite: &Request, remote: SocketAddr) -> Result<(), String> {
        let mut request = Request::new(Method::Cancel, invite.uri.clone());
        for name in ["Via", "Max-Forwards", "From", "To", "Call-ID"] {
            request.headers.push(name, invite.headers.first(name).unwrap_or_default());
        }
        request.headers.push("CSeq", "1 CANCEL");
        self.send(&request, remote);
        let (message, _, _) =
            self.serve_until(|message| matches!(message, Message::Response(response) if response.status == 487))?;
        let mut ack = Request::new(Method::Ack, invite.uri.clone());
        for name in ["Via", "Max-Forwards", "From", "Call-ID"] {
            ack.headers.push(name, invite.headers.first(name).unwrap_or_default());
        }
        ack.headers.push("To", message.headers().first("To").unwrap_or_default());
        ack.headers.push("CSeq", "1 ACK");
        self.send(&ack, remote);
        Ok(())
    }
}

/// The Contact that a REGISTER gave: where the phone is reached.
pub(crate) fn contact(register: &Request) -> Result<(Uri, SocketAddr), String> {
    let contact: NameAddr = register.headers.contacts().into_iter().next().ok_or("REGISTER without Contact")?;
    let sip = contact.uri.as_sip().ok_or("Contact is no SIP URI")?;
    let address = format!("{}:{}", sip.host, sip.port.unwrap_or(5060));
    let address = address.parse().map_err(|_| format!("{address} is no address"))?;
    Ok((contact.uri, address))
}
