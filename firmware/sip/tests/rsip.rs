//! The crate rsip as a judge of ordinary traffic: what it accepts, we accept with the same meaning.
//! Then, one by one, what it cannot read and a phone meets every day.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_sip::auth::{ChallengeOutcome, ClientAuth, Credentials, Password, Secret, ServerAuth, Verdict};
use offhook_sip::{Message, Method, NameAddr, Request, Response, Uri};
use rsip::prelude::*;

// The same meaning

/// Ordinary messages: every start line with every way of writing the addresses.
fn ordinary() -> Vec<String> {
    let starts = [
        ("INVITE sip:bob@biloxi.example.com SIP/2.0", "INVITE"),
        ("ACK sip:bob@192.0.2.4:5080 SIP/2.0", "ACK"),
        ("BYE sip:bob@biloxi.example.com;transport=tcp SIP/2.0", "BYE"),
        ("CANCEL sips:bob@biloxi.example.com:5061 SIP/2.0", "CANCEL"),
        ("REGISTER sip:registrar.biloxi.example.com SIP/2.0", "REGISTER"),
        ("OPTIONS sip:carol@chicago.example.com;user=phone SIP/2.0", "OPTIONS"),
        ("SUBSCRIBE sip:bob:secret@biloxi.example.com SIP/2.0", "SUBSCRIBE"),
        ("NOTIFY sip:+1-212-555-1212@gw.example.com;maddr=192.0.2.9;ttl=15 SIP/2.0", "NOTIFY"),
        ("MESSAGE sip:b%6Fb@biloxi.example.com SIP/2.0", "MESSAGE"),
        ("INFO sip:bob@biloxi.example.com;unknown=value SIP/2.0", "INFO"),
        ("UPDATE sip:bob@biloxi.example.com;lr SIP/2.0", "UPDATE"),
        ("REFER sip:192.0.2.4 SIP/2.0", "REFER"),
        ("PRACK sip:bob@192.0.2.4 SIP/2.0", "PRACK"),
        ("PUBLISH sip:presentity@example.com SIP/2.0", "PUBLISH"),
        ("SIP/2.0 100 Trying", "INVITE"),
        ("SIP/2.0 180 Ringing", "INVITE"),
        ("SIP/2.0 200 OK", "REGISTER"),
        ("SIP/2.0 302 Moved Temporarily", "INVITE"),
        ("SIP/2.0 404 Not Found", "MESSAGE"),
        ("SIP/2.0 486 Busy Here", "INVITE"),
        ("SIP/2.0 603 Decline", "INVITE"),
    ];
    let addresses = [
        (
            "Via: SIP/2.0/UDP pc33.atlanta.example.com;branch=z9hG4bK776asdhds",
            "From: Alice <sip:alice@atlanta.example.com>;tag=1928301774",
            "To: Bob <sip:bob@biloxi.example.com>",
            "Contact: <sip:alice@pc33.atlanta.example.com>",
        ),
        (
            "Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKnashds8;received=192.0.2.7",
            "From: \"Alice Liddell\" <sip:alice@atlanta.example.com:5070;transport=tcp>;tag=88sja8x",
            "To: \"Bob\" <sip:bob@biloxi.example.com>;tag=a6c85cf",
            "Contact: <sip:alice@192.0.2.1:5060;transport=tcp>;expires=60",
        ),
        (
            "Via: SIP/2.0/TLS server10.biloxi.example.com:5061;branch=z9hG4bK4b43c2ff8.1;rport",
            "From: <sips:alice@atlanta.example.com>;tag=9fxced76sl",
            "To: sip:bob@biloxi.example.com",
            "Contact: \"Mr. Watson\" <sip:watson@worcester.bell-telephone.com>;q=0.7;expires=3600",
        ),
        (
            "Via: SIP/2.0/UDP 192.0.2.1:5060;maddr=192.0.2.2;ttl=16;branch=z9hG4bK87asdks7",
            "From: sip:+12125551212@server.phone2net.com;tag=887s",
            "To: The Operator <sip:operator@cs.columbia.edu>;tag=287447",
            "Contact: sip:caller@u1.example.com",
        ),
    ];
    let mut messages = Vec::new();
    for (n, (start, method)) in starts.iter().enumerate() {
        for (m, (via, from, to, contact)) in addresses.iter().enumerate() {
            let body = if (n + m) % 2 == 0 { "" } else { "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n" };
            messages.push(format!(
                "{start}\r\n{via}\r\nMax-Forwards: 70\r\n{to}\r\n{from}\r\nCall-ID: a84b4c76e66710.{n}.{m}@pc33\r\n\
                 CSeq: {} {method}\r\n{contact}\r\nUser-Agent: Softphone Beta1.5\r\nContent-Type: application/sdp\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                1 + n * 31_415_926,
                body.len(),
            ));
        }
    }
    messages
}

/// What both sides say about a message.
#[derive(Debug, PartialEq)]
struct Meaning {
    start: String,
    from: Address,
    to: Address,
    contact: Address,
    cseq: (u32, String),
    call_id: String,
    via: (String, String, Option<String>),
    body: Vec<u8>,
}

#[derive(Debug, PartialEq)]
struct Address {
    display_name: Option<String>,
    /// In lower case: rsip writes `transport=TCP` whatever it read.
    uri: String,
    user: Option<String>,
    port: Option<u16>,
    tag: Option<String>,
    params: usize,
}

fn of_rsip(octets: &[u8]) -> Result<Meaning, rsip::Error> {
    let message = rsip::SipMessage::try_from(octets)?;
    let (from, to) = (message.from_header()?.typed()?, message.to_header()?.typed()?);
    let (via, cseq) = (message.via_header()?.typed()?, message.cseq_header()?.typed()?);
    let contact = message.contact_header()?.typed()?;
    let address = |name: Option<String>, uri: &rsip::Uri, params: &[rsip::Param]| Address {
        display_name: name.map(|n| n.trim().trim_matches('"').to_owned()).filter(|n| !n.is_empty()),
        uri: uri.to_string().to_lowercase(),
        user: uri.user().map(str::to_owned),
        port: uri.port().map(|p| *p.value()),
        tag: params
            .iter()
            .find_map(|p| if let rsip::Param::Tag(tag) = p { Some(tag.value().to_owned()) } else { None }),
        params: params.len(),
    };
    Ok(Meaning {
        start: match &message {
            rsip::SipMessage::Request(r) => format!("{} {}", r.method, r.uri.to_string().to_lowercase()),
            rsip::SipMessage::Response(r) => r.status_code.code().to_string(),
        },
        from: address(from.display_name.clone(), &from.uri, &from.params),
        to: address(to.display_name.clone(), &to.uri, &to.params),
        contact: address(contact.display_name.clone(), &contact.uri, &contact.params),
        cseq: (cseq.seq, cseq.method.to_string()),
        call_id: message.call_id_header()?.value().to_owned(),
        via: (
            via.transport.to_string(),
            via.uri.host_with_port.to_string(),
            via.branch().map(|b| b.value().to_owned()),
        ),
        body: message.body().clone(),
    })
}

fn of_ours(octets: &[u8]) -> Meaning {
    let message = Message::parse(octets).unwrap_or_else(|e| panic!("{e}: {}", octets.escape_ascii()));
    let headers = message.headers();
    let address = |name_addr: NameAddr| Address {
        display_name: name_addr.display_name.clone(),
        uri: name_addr.uri.to_string().to_lowercase(),
        user: name_addr.uri.as_sip().and_then(|uri| uri.user.clone()),
        port: name_addr.uri.as_sip().and_then(|uri| uri.port),
        tag: name_addr.tag().map(str::to_owned),
        params: name_addr.params.len(),
    };
    let via = headers.vias().remove(0);
    let cseq = headers.cseq().unwrap();
    Meaning {
        start: match &message {
            Message::Request(r) => format!("{} {}", r.method, r.uri.to_string().to_lowercase()),
            Message::Response(r) => r.status.to_string(),
        },
        from: address(headers.from().unwrap()),
        to: address(headers.to().unwrap()),
        contact: address(headers.contacts().remove(0)),
        cseq: (cseq.number, cseq.method.to_string()),
        call_id: headers.call_id().unwrap().to_owned(),
        via: (
            via.transport.clone(),
            via.port.map_or(via.host.to_string(), |port| format!("{}:{port}", via.host)),
            via.branch().map(str::to_owned),
        ),
        body: match &message {
            Message::Request(r) => r.body.clone(),
            Message::Response(r) => r.body.clone(),
        },
    }
}

#[test]
fn what_rsip_accepts_we_accept_with_the_same_meaning() {
    let messages = ordinary();
    let mut compared = 0;
    for text in &messages {
        if let Ok(theirs) = of_rsip(text.as_bytes()) {
            assert_eq!(of_ours(text.as_bytes()), theirs, "{text}");
            compared += 1;
        }
        // And what we write means the same to both of us.
        let written = Message::parse(text.as_bytes()).unwrap().to_bytes();
        assert_eq!(written, text.as_bytes());
    }
    assert!(compared >= 50, "{compared} of {} were compared", messages.len());
}

#[test]
fn typed_values_that_we_write_are_read_by_rsip() {
    for text in ordinary() {
        let Ok(theirs) = of_rsip(text.as_bytes()) else { continue };
        let Message::Request(mut request) = Message::parse(text.as_bytes()).unwrap() else { continue };
        let headers = &mut request.headers;
        for (name, value) in [("From", headers.from()), ("To", headers.to()), ("Contact", headers.contacts().pop())] {
            headers.set(name, value.unwrap().to_string());
        }
        headers.set("Via", headers.vias()[0].to_string());
        headers.set("CSeq", headers.cseq().unwrap().to_string());
        assert_eq!(of_rsip(&request.to_bytes()).unwrap(), theirs);
    }
}

// What it cannot read, and we must

fn with(start: &str, fields: &str) -> Request {
    let method = start.split(' ').next().unwrap();
    let text = format!(
        "{start} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
         Call-ID: e\r\nCSeq: 1 {method}\r\n{fields}\r\n"
    );
    match Message::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}")) {
        Message::Request(request) => request,
        Message::Response(_) => panic!(),
    }
}

#[test]
fn ipv6_literals_are_hosts() {
    let invite =
        with("INVITE sip:a@[2001:db8::1]:5070", "Contact: <sip:b@[2001:db8::2]>\r\nv: SIP/2.0/UDP [::1]:9\r\n");
    assert_eq!(invite.uri.as_sip().unwrap().host.to_string(), "[2001:db8::1]");
    assert_eq!(invite.uri.as_sip().unwrap().port, Some(5070));
    assert_eq!(invite.headers.contacts()[0].uri.to_string(), "sip:b@[2001:db8::2]");
    assert_eq!(invite.headers.vias()[1].port, Some(9));
}

#[test]
fn tel_uris_are_numbers_with_parameters() {
    let invite =
        with("INVITE tel:+49-30-1234;phone-context=x", "P-Asserted-Identity: <tel:+4930>, \"A\" <sip:a@b>\r\n");
    assert_eq!(invite.uri.user().as_deref(), Some("+49-30-1234"));
    assert_eq!(invite.headers.p_asserted_identity()[0].uri.to_string(), "tel:+4930");
}

fn refused(request: &Request, challenge: &str) -> Response {
    let mut response = Response::to(request, 401, Some("t"));
    response.headers.push("WWW-Authenticate", challenge);
    response
}

fn user() -> Credentials {
    Credentials { username: "u".into(), secret: Secret::Password(Password::new("p")) }
}

#[test]
fn sha_256_and_sha_512_256_challenges_are_answered() {
    for algorithm in ["SHA-256", "SHA-512-256"] {
        let mut request = with("REGISTER sip:b", "");
        let mut client = ClientAuth::default();
        let challenge = format!("Digest realm=\"r\", nonce=\"n\", algorithm={algorithm}, qop=\"auth\"");
        let outcome = client.challenged(&request, &refused(&request, &challenge), &user());
        assert_eq!(outcome, ChallengeOutcome::Retry);
        client.authorize(&mut request, &user(), "c");
        let length = request.headers.first("Authorization").unwrap().split("response=\"").nth(1).unwrap().find('"');
        assert_eq!(length, Some(64), "{algorithm}");
    }
}

#[test]
fn nonce_counts_past_255_are_written_and_read() {
    let now = std::time::Instant::now();
    let mut server = ServerAuth::new("r", [5; 32], std::time::Duration::from_secs(60));
    let mut client = ClientAuth::default();
    let request = with("REGISTER sip:b", "");
    let challenge = server.challenges(now, false).remove(0);
    client.challenged(&request, &refused(&request, &challenge), &user());
    for count in 1..=300 {
        let mut request = request.clone();
        client.authorize(&mut request, &user(), "c");
        let value = request.headers.first("Authorization").unwrap();
        assert!(value.contains(&format!("nc={count:08x}")), "{value}");
        let verdict = server.verify(now, &request, |_| Some(Password::new("p")));
        assert_eq!(verdict, Verdict::Accepted { username: "u".into() }, "use {count}");
    }
}

#[test]
fn a_contact_with_an_instance_is_read() {
    let contact = "<sip:a@192.0.2.1>;+sip.instance=\"<urn:uuid:0C67446E-F1A1-11D9-94D3-000A95A0E128>\";reg-id=1";
    let register = with("REGISTER sip:b", &format!("Contact: {contact}\r\n"));
    let read = register.headers.contacts().remove(0);
    assert_eq!(read.param("+sip.instance"), Some("\"<urn:uuid:0C67446E-F1A1-11D9-94D3-000A95A0E128>\""));
    assert_eq!((read.param("reg-id"), read.to_string().as_str()), (Some("1"), contact));
}

#[test]
fn the_second_of_two_comma_joined_vias_is_read() {
    let bye = with("BYE sip:c@d", "Via: SIP/2.0/TCP one;branch=z9hG4bK1, SIP/2.0/TLS two:5061;branch=z9hG4bK2\r\n");
    let hosts: Vec<String> = bye.headers.vias().iter().map(|via| via.host.to_string()).collect();
    assert_eq!(hosts, ["192.0.2.9", "one", "two"]);
}

#[test]
fn headers_in_a_uri_are_kept() {
    let refer =
        with("REFER sip:c@d", "Refer-To: <sip:x@y?Replaces=12345%40z%3Bto-tag%3D1%3Bfrom-tag%3D2&Priority=urgent>\r\n");
    let target = refer.headers.refer_to().unwrap();
    let uri = target.uri.as_sip().unwrap();
    assert_eq!(uri.headers[0].name, "Replaces");
    let replaces = offhook_sip::message::unescape(uri.headers[0].value.as_deref().unwrap());
    assert_eq!(replaces, "12345@z;to-tag=1;from-tag=2");
    assert!(target.to_string().ends_with("?Replaces=12345%40z%3Bto-tag%3D1%3Bfrom-tag%3D2&Priority=urgent>"));
}

#[test]
fn compact_and_folded_fields_are_understood() {
    let text = "NOTIFY sip:c@d SIP/2.0\r\nv: SIP/2.0/UDP h\r\nf: <sip:a@b>;\r\n tag=1\r\nt:\r\n\t<sip:c@d>\r\ni: x\r\n\
        CSeq: 1\r\n  NOTIFY\r\nm: <sip:a@h>\r\no: dialog;id=7\r\nk: replaces,\r\n 100rel\r\nc: text/plain\r\nl: 2\r\n\r\nhi";
    let Message::Request(notify) = Message::parse(text.as_bytes()).unwrap() else { panic!() };
    let headers = &notify.headers;
    assert_eq!(headers.from().unwrap().tag(), Some("1"));
    assert_eq!(headers.cseq().unwrap().method, Method::Notify);
    assert_eq!((headers.call_id(), headers.contacts().len()), (Some("x"), 1));
    assert_eq!(headers.event().unwrap().param("id"), Some("7"));
    assert_eq!(headers.list("Supported"), ["replaces", "100rel"]);
    assert_eq!((notify.body().unwrap().content_type.as_str(), notify.body.len()), ("text/plain", 2));
    assert_eq!(notify.to_bytes(), text.as_bytes());
}

#[test]
fn unknown_methods_and_transports_are_possible() {
    let dance = with("DANCE sip:c@d;transport=carrier-pigeon", "v: SIP/2.0/SMOKE hill;branch=z9hG4bKp\r\n");
    assert_eq!(dance.method, Method::Other("DANCE".into()));
    assert_eq!(dance.headers.vias()[1].transport, "SMOKE");
    assert_eq!(Uri::parse("sip:a;transport=x-y").unwrap().to_string(), "sip:a;transport=x-y");
}

#[test]
fn bodies_that_are_not_utf_8_arrive_untouched() {
    let mut octets = with("MESSAGE sip:c@d", "Content-Type: image/gif\r\n").to_bytes();
    let body: Vec<u8> = (0..=255).collect();
    let Message::Request(mut message) = Message::parse(&octets).unwrap() else { panic!() };
    message.body = body.clone();
    octets = message.to_bytes();
    let Message::Request(again) = Message::parse(&octets).unwrap() else { panic!() };
    assert_eq!(again.body, body);
}

#[test]
fn the_fields_of_later_rfcs_have_types() {
    let refer = with(
        "REFER sip:c@d",
        "Refer-To: <sip:x@y>\r\nReplaces: 98asjd8@b.example;to-tag=12345;from-tag=67890;early-only\r\n\
         x: 1800;refresher=uac\r\nRSeq: 988789\r\nP-Asserted-Identity: \"C\" <sip:c@d>\r\nPath: <sip:p1;lr>, <sip:p2;lr>\r\n\
         Reason: SIP;cause=200;text=\"Call completed, elsewhere\", Q.850;cause=16\r\n",
    );
    let headers = &refer.headers;
    assert_eq!(headers.refer_to().unwrap().uri.to_string(), "sip:x@y");
    let replaces = headers.replaces().unwrap();
    assert_eq!((replaces.value.as_str(), replaces.param("from-tag")), ("98asjd8@b.example", Some("67890")));
    let session = headers.session_expires().unwrap();
    assert_eq!((session.value.as_str(), session.param("refresher")), ("1800", Some("uac")));
    assert_eq!(headers.rseq(), Some(988_789));
    assert_eq!(headers.p_asserted_identity()[0].display_name.as_deref(), Some("C"));
    assert_eq!(headers.path().len(), 2);
    let reasons = headers.reasons();
    assert_eq!(reasons.len(), 2);
    let text = reasons[0].param("text").map(offhook_sip::message::unquote);
    assert_eq!((reasons[0].value.as_str(), text.as_deref()), ("SIP", Some("Call completed, elsewhere")));
    assert_eq!(reasons[1].param("cause"), Some("16"));
}
