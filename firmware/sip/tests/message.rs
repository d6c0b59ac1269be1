//! Messages: what is refused and how, what is kept, what a hostile one costs, and round trips.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_sip::message::{CSeq, Host, Param, ParseErrorKind, Scheme, SipUri, Valued, Via};
use offhook_sip::{Body, Headers, Message, Method, NameAddr, ParseError, Request, Response, Uri};
use proptest::prelude::*;

const CORPORA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/");
const ROUTING: &str =
    "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: e\r\n";

fn options_with(fields: &str) -> String {
    format!("OPTIONS sip:c@d SIP/2.0\r\n{ROUTING}CSeq: 1 OPTIONS\r\n{fields}\r\n")
}

fn refused(text: &str) -> ParseError {
    Message::parse(text.as_bytes()).expect_err(text)
}

fn status(text: &str) -> Option<u16> {
    refused(text).answer.map(|answer| answer.status)
}

fn request(text: &str) -> Request {
    match Message::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e} in {text}")) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("{text}"),
    }
}

// What is refused

#[test]
fn bad_field_values_in_a_request_are_answered_400_at_their_place() {
    let cases = [
        ("Max-Forwards: 256", "Max-Forwards"),
        ("Max-Forwards: -1", "Max-Forwards"),
        ("Max-Forwards: ", "Max-Forwards"),
        ("Contact: <sip:a@b", "Contact"),
        ("Contact: sip:a@b?x=y", "Contact"),
        ("Record-Route: nonsense", "Record-Route"),
        ("No colon here", "No colon here"),
        ("Two words: x", "Two words"),
        (": x", ""),
        ("Subject: a\rb", "Subject"),
        ("Subject: a\nX-Smuggled: b", "Subject"),
    ];
    for (field, name) in cases {
        let text = options_with(&format!("{field}\r\n"));
        let error = refused(&text);
        assert_eq!(error.kind, ParseErrorKind::Header(name.into()), "{field}");
        assert!(text[error.at..].starts_with(field.split(['\r', '\n']).next().unwrap()), "{field}: {error}");
        let answer = error.answer.unwrap();
        assert_eq!(answer.status, 400);
        assert!(answer.headers.to().unwrap().tag().is_some());
        assert!(answer.headers.iter().all(|(n, _)| n != "X-Smuggled"));
    }
}

#[test]
fn sequence_numbers_from_2_to_the_31_are_refused() {
    let with = |number: &str| format!("OPTIONS sip:c@d SIP/2.0\r\n{ROUTING}CSeq: {number} OPTIONS\r\n\r\n");
    assert_eq!(request(&with("2147483647")).headers.cseq().unwrap().number, 2_147_483_647);
    for number in ["2147483648", "4294967296", "-1", "x", "1x", ""] {
        assert_eq!(status(&with(number)), Some(400), "{number}");
    }
}

#[test]
fn fields_that_stand_once_are_refused_twice_and_when_missing() {
    for name in ["From", "To", "Call-ID", "CSeq"] {
        let lines: Vec<&str> = options_with("").leak().split_inclusive("\r\n").collect();
        let without: String = lines.iter().filter(|l| !l.starts_with(&format!("{name}:"))).copied().collect();
        assert_eq!(
            refused(&without).kind,
            ParseErrorKind::MissingHeader(match name {
                "From" => "From",
                "To" => "To",
                "Call-ID" => "Call-ID",
                _ => "CSeq",
            })
        );
        assert_eq!(status(&without), Some(400));
        let line = lines.iter().find(|l| l.starts_with(&format!("{name}:"))).unwrap();
        let twice = options_with(line);
        assert!(matches!(refused(&twice).kind, ParseErrorKind::Repeated(n) if n == name));
    }
    assert_eq!(status(&options_with("l: 0\r\nContent-Length: 0\r\n")), Some(400));
    assert_eq!(status(&options_with("Max-Forwards: 7\r\nmax-forwards: 8\r\n")), Some(400));
}

#[test]
fn without_a_via_nobody_is_answered() {
    let text =
        "OPTIONS sip:c@d SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: e\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let error = refused(text);
    assert_eq!((error.kind, error.answer), (ParseErrorKind::MissingHeader("Via"), None));
}

#[test]
fn an_ack_is_never_answered() {
    let ack = format!("ACK sip:c@d SIP/2.0\r\n{ROUTING}CSeq: 1 INVITE\r\n\r\n");
    let error = refused(&ack);
    assert_eq!((error.kind, error.answer), (ParseErrorKind::Mismatch, None));
}

#[test]
fn versions_schemes_and_lengths_have_their_own_answers() {
    let line = |line: &str| format!("{line}\r\n{ROUTING}CSeq: 1 OPTIONS\r\n\r\n");
    assert_eq!(status(&line("OPTIONS sip:c@d SIP/3.0")), Some(505));
    assert_eq!(status(&line("OPTIONS sip:c@d HTTP/1.1")), Some(400));
    assert_eq!(status(&line("OPTIONS sip:c@d")), Some(400));
    assert_eq!(status(&line("OPTIONS urn:service:sos SIP/2.0")), Some(416));
    assert_eq!(status(&line("OPTIONS nonsense SIP/2.0")), Some(400));
    assert_eq!(status(&line("OPT(IONS sip:c@d SIP/2.0")), Some(400));
    assert_eq!(status(&options_with("Content-Length: 1\r\n")), Some(400));
    assert_eq!(status(&options_with("Content-Length: 1a\r\n")), Some(400));
    assert_eq!(status(&format!("{}{}", options_with(""), "x".repeat(65_536))), Some(513));
    assert!(request(&line("OPTIONS tel:+4930123456 sip/2.0")).uri.user().is_some());
}

#[test]
fn a_message_that_ends_in_its_head_is_answered_400() {
    let text = options_with("");
    let cut = text.strip_suffix("\r\n").unwrap();
    assert_eq!((refused(cut).kind, status(cut)), (ParseErrorKind::Truncated, Some(400)));
    for end in 0..cut.len() {
        assert!(Message::parse(&cut.as_bytes()[..end]).is_err(), "{end}");
    }
}

#[test]
fn bad_responses_are_dropped() {
    let with = |line: &str| format!("{line}\r\n{ROUTING}CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
    for line in ["SIP/2.0 99 x", "SIP/2.0 700 x", "SIP/2.0 2000 x", "SIP/2.0 +20 x", "SIP/2.0", "SIP/2.1 200 OK"] {
        assert_eq!(refused(&with(line)).answer, None, "{line}");
    }
    let no_cseq = format!("SIP/2.0 200 OK\r\n{ROUTING}\r\n");
    assert_eq!(refused(&no_cseq).answer, None);
    for line in ["SIP/2.0 699 ", "sip/2.0 100", "SIP/2.0 200 OK"] {
        assert!(Message::parse(with(line).as_bytes()).is_ok(), "{line}");
    }
}

#[test]
fn the_answer_to_a_retransmission_is_the_same() {
    let text = options_with("Max-Forwards: x\r\n");
    assert_eq!(refused(&text), refused(&text));
}

// What is kept

#[test]
fn fields_keep_order_spelling_and_octets() {
    let mut octets = b"\r\n\r\nOPTIONS sip:c@d SIP/2.0\r\nSUBJECT :\t caf\xe9 \r\n".to_vec();
    octets.extend_from_slice(ROUTING.as_bytes());
    octets.extend_from_slice(b"s:a\r\n \tb\r\n\tc  d\r\nCSeq: 1 OPTIONS\r\nX:\r\nL: 003\r\n\r\n\xff\x00\r");
    let message = Message::parse(&octets).unwrap();
    let headers = message.headers();
    assert_eq!(headers.first("Subject"), Some("caf\u{fffd}"));
    assert_eq!(headers.all("subject").nth(1), Some("a b c  d"));
    assert_eq!(headers.first("x"), Some(""));
    assert_eq!(message.to_bytes(), octets[4..]);
}

#[test]
fn a_content_length_is_made_to_fit_and_otherwise_left_alone() {
    let mut options = request(&options_with("l  :  0\r\n"));
    assert!(options.to_bytes().windows(9).any(|w| w == b"l  :  0\r\n"));
    options.set_body(Body { content_type: "text/plain".into(), bytes: b"hello".to_vec() });
    let text = String::from_utf8(options.to_bytes()).unwrap();
    assert!(text.contains("\r\nl: 5\r\n") && text.ends_with("Content-Type: text/plain\r\n\r\nhello"), "{text}");
    assert!(options.body().unwrap().is("TEXT/Plain"));
    assert!(Body { content_type: "application/SDP ; charset=utf-8".into(), bytes: vec![] }.is("application/sdp"));
}

#[test]
fn no_value_can_smuggle_in_a_field() {
    let mut request =
        Request::new(Method::Other("A B\r\n".into()), Uri::Other { scheme: "x".into(), rest: "y z\r\nQ: r".into() });
    request.headers.push("Sub ject\r\nX", " a\r\nEvil: 1\r\n\r\nbody ");
    request.headers.set("Reason", "a\nb");
    let from = NameAddr {
        display_name: Some("a\"\r\nEvil: 2".into()),
        uri: Uri::sip("x", "y").unwrap(),
        params: vec![Param::new("tag", Some("1\r\nEvil: 3"))],
    };
    request.headers.push("From", from.to_string());
    let text = String::from_utf8(request.to_bytes()).unwrap();
    assert!(text.starts_with("AB x:yzQ:r SIP/2.0\r\nSubjectX: a  Evil: 1    body\r\nReason: a b\r\n"), "{text}");
    assert!(!text.contains("\r\nEvil"), "{text}");
    let mut response = Response::to(&request, 486, None);
    response.reason = "Busy\r\nEvil: 4".into();
    assert!(!String::from_utf8(response.to_bytes()).unwrap().contains("\r\nEvil"));
}

#[test]
fn lists_are_split_outside_quotes_and_setting_replaces_all() {
    let mut headers = Headers::new();
    headers.push("Contact", "\"a, b\" <sip:c,d@e>, <sip:f@g>");
    headers.push("m", "sip:h@i;q=1,");
    assert_eq!(headers.contacts().len(), 3);
    assert_eq!(headers.list("CONTACT")[2], "sip:h@i;q=1");
    assert_eq!(headers.contacts()[0].display_name.as_deref(), Some("a, b"));
    headers.push_front("k", "100rel, Timer");
    assert!(headers.lists("Supported", "timer") && !headers.lists("Supported", "replaces"));
    headers.set("Contact", "*");
    assert!(headers.contact_is_star() && headers.contacts().is_empty());
    assert_eq!(headers.iter().map(|(n, _)| n).collect::<Vec<_>>(), ["k", "Contact"]);
    headers.remove("Supported");
    assert_eq!(headers.len(), 1);
}

#[test]
fn a_response_copies_what_section_8_2_6_says() {
    let text = format!(
        "INVITE sip:c@d SIP/2.0\r\nv:SIP/2.0/UDP one\r\n{ROUTING}CSeq: 1 INVITE\r\nRecord-Route: <sip:p;lr>\r\nTimestamp: 54\r\nSubject: x\r\n\r\n"
    );
    let invite = request(&text);
    let ringing = Response::to(&invite, 180, Some("t"));
    assert_eq!(ringing.reason, "Ringing");
    assert_eq!(ringing.headers.vias().len(), 2);
    assert_eq!(ringing.headers.to().unwrap().tag(), Some("t"));
    assert_eq!(ringing.headers.record_route().len(), 1);
    assert_eq!(ringing.headers.first("Subject"), None);
    let trying = Response::to(&invite, 100, None);
    assert_eq!((trying.headers.first("Timestamp"), trying.headers.to().unwrap().tag()), (Some("54"), None));
    assert!(Response::to(&invite, 486, Some("t")).headers.record_route().is_empty());
    let mut again = invite;
    again.headers.set("To", "<sip:c@d>;tag=old");
    assert_eq!(Response::to(&again, 200, Some("new")).headers.to().unwrap().tag(), Some("old"));
}

// URIs

#[test]
fn uris_compare_as_section_19_1_4_says() {
    let same = |a: &str, b: &str| Uri::parse(a).unwrap().equivalent(&Uri::parse(b).unwrap());
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
    ] {
        assert!(same(a, b) && same(b, a), "{a} {b}");
    }
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("tel:+12015550123", "tel:+12015550123;ext=1"),
    ] {
        assert!(!same(a, b) && !same(b, a), "{a} {b}");
    }
}

#[test]
fn hosts_and_ports_that_are_none_are_refused() {
    for text in [
        "sip:",
        "sip:@",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:65536",
        "sip:a@b:+1",
        "sip:a@2001:db8::1",
        "sip:a@[2001:db8::1",
        "sip:a@[2001:db8::1]x",
        "sip:a@[::1]:",
        "sip:a@[fe80::1%25eth0]",
        "sip:a@b c",
        "sip:a@b\r\n",
        "sip:a@\u{e4}",
        "a@b",
        ":x",
        "1a:x",
        "x:",
        "tel:",
        "<sip:a@b>",
        "",
    ] {
        assert_eq!(Uri::parse(text), None, "{text}");
    }
    assert_eq!(Uri::parse("sip:a@b;").unwrap().to_string(), "sip:a@b");
}

#[test]
fn a_tel_uri_without_a_number_is_kept_whole() {
    for text in ["tel:anonymous", "tel:;ext=1"] {
        let uri = Uri::parse(text).unwrap();
        assert!(matches!(uri, Uri::Other { .. }) && uri.to_string() == text && uri.user().is_none());
    }
    let from = "From: \"Anonymous\" <tel:anonymous>;tag=1";
    assert!(request(&options_with("").replace("From: <sip:a@b>;tag=1", from)).headers.from().is_some());
}

#[test]
fn made_uris_are_escaped_and_found_again() {
    let uri = Uri::sip("a b@c#1%2\u{e4}", "[::1]:5070").unwrap();
    assert_eq!(uri.to_string(), "sip:a%20b%40c%231%252%C3%A4@[::1]:5070");
    assert_eq!(uri.user().unwrap(), "a b@c#1%2\u{e4}");
    assert_eq!(Uri::parse(&uri.to_string()).unwrap(), uri);
    assert_eq!(Uri::sip("", "pbx").unwrap().to_string(), "sip:pbx");
    assert_eq!(Uri::sip("a", "::1").unwrap().to_string(), "sip:a@[::1]");
    assert_eq!(Uri::sip("a", "b c"), None);
}

// What hostile ones cost

#[test]
fn time_to_read_grows_with_the_size_and_not_with_its_square() {
    let of = |text: String| (text.len() < 65_000).then_some(text).unwrap();
    let long: [(&str, String); 12] = [
        ("fields", of(options_with(&"a:\r\n".repeat(16_000)))),
        ("folds", of(options_with(&format!("X: y{}\r\n", "\r\n ".repeat(20_000))))),
        ("commas", of(options_with(&format!("Contact: <sip:a@b>{}\r\n", ",".repeat(60_000))))),
        ("open quotes", of(options_with(&format!("Contact: {}\r\n", "\"a\\\",".repeat(12_000))))),
        ("open brackets", of(options_with(&format!("Contact: {}\r\n", "<".repeat(60_000))))),
        ("parameters", of(options_with(&format!("Contact: <sip:a@b>{}\r\n", ";a=b".repeat(15_000))))),
        ("URI parameters", of(options_with(&format!("Contact: <sip:a@b{}>\r\n", ";a=b".repeat(15_000))))),
        ("Vias", of(options_with(&"v: SIP/2.0/UDP a\r\n".repeat(3_500)))),
        ("joined Vias", of(options_with(&format!("v: SIP/2.0/UDP a{}\r\n", ",SIP/2.0/UDP a".repeat(4_500))))),
        ("Contacts", of(options_with(&"m: <sip:a@b>\r\n".repeat(4_500)))),
        ("contacts", of(options_with(&format!("m: {}\r\n", "<sip:a@b>,".repeat(6_000))))),
        ("escapes", of(options_with(&format!("m: <sip:{}@b>\r\n", "%25".repeat(20_000))))),
    ];
    for (what, text) in long {
        let started = std::time::Instant::now();
        if let Ok(message) = Message::parse(text.as_bytes()) {
            let headers = message.headers();
            let contacts = headers.contacts();
            let _ = (headers.vias(), headers.route(), headers.contact_is_star(), message.to_bytes());
            let uris = contacts.first().zip(contacts.last());
            assert!(uris.is_none_or(|(a, b)| a.uri.equivalent(&b.uri)));
        }
        assert!(started.elapsed().as_millis() < 500, "{what}: {:?}", started.elapsed());
    }
}

// Round trips

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z]([a-z0-9-]{0,8}[a-z])?(\\.[a-z]{2,5})?".prop_map(Host::Name),
        any::<[u8; 4]>().prop_map(|ip| Host::Ip(ip.into())),
        any::<[u16; 8]>().prop_map(|ip| Host::Ip(ip.into())),
    ]
}

fn uri_params() -> impl Strategy<Value = Vec<Param>> {
    let param = ("[a-z%-][a-z0-9%]{0,6}", proptest::option::of("[A-Za-z0-9:/+$%.\\[\\]]{0,9}"));
    proptest::collection::vec(param.prop_map(|(name, value)| Param { name, value }), 0..4)
}

fn sip_uri() -> impl Strategy<Value = SipUri> {
    let user = proptest::option::of((
        "[a-zA-Z0-9_.!~*'()&=+$,;?/%#\u{e4}-]{0,12}",
        proptest::option::of("[a-zA-Z0-9&=+$,%;?/:-]{0,8}"),
    ));
    let scheme = prop_oneof![Just(Scheme::Sip), Just(Scheme::Sips)];
    (scheme, user, host(), any::<Option<u16>>(), uri_params(), uri_params()).prop_map(
        |(scheme, user, host, port, params, headers)| {
            let (user, password) = user.map_or((None, None), |(user, password)| (Some(user), password));
            SipUri { scheme, user, password, host, port, params, headers }
        },
    )
}

fn uri() -> impl Strategy<Value = Uri> {
    prop_oneof![
        4 => sip_uri().prop_map(Uri::Sip),
        1 => ("\\+?[0-9][0-9.()-]{0,9}", uri_params()).prop_map(|(number, params)| Uri::Tel { number, params }),
        1 => ("http|urn|isbn|x\\.y", "[!#-;=?-~]{1,12}").prop_map(|(scheme, rest)| Uri::Other { scheme, rest }),
    ]
}

fn params() -> impl Strategy<Value = Vec<Param>> {
    let value = prop_oneof![token(), "\"([ !#-\\[\\]-~\u{e4}]|\\\\[ -~]){0,8}\"", "[0-9a-f:]{1,12}"];
    let param = (token(), proptest::option::of(value)).prop_map(|(name, value)| Param { name, value });
    proptest::collection::vec(param, 0..4)
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let mut files = Vec::new();
    for folder in ["rfc4475", "rfc5118/wire", "sip-own"] {
        let mut names: Vec<_> =
            std::fs::read_dir(format!("{CORPORA}{folder}")).unwrap().map(|f| f.unwrap().path()).collect();
        names.sort();
        files.extend(names.into_iter().map(|name| std::fs::read(name).unwrap()));
    }
    let edit = (any::<proptest::sample::Index>(), 0_usize..4, proptest::collection::vec(octet(), 0..4));
    (proptest::sample::select(files), proptest::collection::vec(edit, 1..6)).prop_map(|(mut octets, edits)| {
        for (at, cut, with) in edits {
            let at = at.index(octets.len() + 1);
            octets.splice(at..(at + cut).min(octets.len()), with);
        }
        octets
    })
}

/// Any octet, and those that mean something more often.
fn octet() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), proptest::sample::select(b"\r\n \t:;,<>\"\\@%=?&[]/0".to_vec())]
}

/// Everything that can be asked of a message.
fn read_all(octets: &[u8]) {
    let message = match Message::parse(octets) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.at <= octets.len());
            if let Some(answer) = error.answer {
                let text = answer.to_bytes();
                assert!(text.starts_with(b"SIP/2.0 ") && text.ends_with(b"\r\n\r\n"));
            }
            return;
        }
    };
    let headers = message.headers();
    let _ = (headers.from(), headers.to(), headers.vias(), headers.contacts(), headers.route(), headers.record_route());
    let _ = (headers.event(), headers.subscription_state(), headers.expires(), headers.refer_to(), headers.reasons());
    let written = message.to_bytes();
    let again = Message::parse(&written).unwrap_or_else(|e| panic!("{e}: {}", written.escape_ascii()));
    assert_eq!(again.to_bytes(), written);
    assert!(again.headers().iter().zip(headers.iter()).all(|(a, b)| a == b));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_messages_are_read_or_refused_and_never_panic(octets in mutated()) {
        read_all(&octets);
    }

    #[test]
    fn damaged_streams_never_panic(octets in mutated(), size in 1_usize..200) {
        let mut framing = offhook_sip::framing::Framing::default();
        for chunk in octets.chunks(size) {
            framing.push(chunk);
            while framing.next().is_some() {}
        }
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused_and_never_panic(octets in proptest::collection::vec(octet(), 0..300)) {
        read_all(&octets);
        let text = String::from_utf8_lossy(&octets);
        let _ = (Uri::parse(&text), NameAddr::parse(&text), Via::parse(&text), Valued::parse(&text), CSeq::parse(&text));
    }

    #[test]
    fn uris_are_read_back_as_they_were_written(uri in uri()) {
        let text = uri.to_string();
        prop_assert_eq!(Uri::parse(&text), Some(uri.clone()), "{}", text);
        prop_assert!(uri.equivalent(&uri));
    }

    #[test]
    fn name_addrs_are_read_back_as_they_were_written(
        display_name in proptest::option::of("[^\r\n]{0,12}"), uri in uri(), params in params(),
    ) {
        let name_addr = NameAddr { display_name, uri, params };
        let text = name_addr.to_string();
        prop_assert_eq!(NameAddr::parse(&text), Some(name_addr.clone()), "{}", text);
        let mut headers = Headers::new();
        headers.push("Contact", format!("{text}, {text}"));
        prop_assert_eq!(headers.contacts(), vec![name_addr.clone(), name_addr]);
    }

    #[test]
    fn vias_are_read_back_as_they_were_written(transport in token(), host in host(), port: Option<u16>, params in params()) {
        let via = Via { transport, host, port, params };
        prop_assert_eq!(Via::parse(&via.to_string()), Some(via.clone()), "{}", via);
    }

    #[test]
    fn values_and_sequence_numbers_are_read_back_as_they_were_written(value in token(), params in params(), number: u32, method in token()) {
        let valued = Valued { value, params };
        prop_assert_eq!(Valued::parse(&valued.to_string()), Some(valued.clone()), "{}", valued);
        let cseq = CSeq { number, method: Method::parse(&method).unwrap() };
        prop_assert_eq!(CSeq::parse(&cseq.to_string()), Some(cseq));
    }

    #[test]
    fn users_of_any_text_survive_a_uri(user in "\\PC{1,12}") {
        let uri = Uri::sip(&user, "host").unwrap();
        prop_assert_eq!(uri.user(), Some(user.clone()));
        prop_assert_eq!(Uri::parse(&uri.to_string()).unwrap().user(), Some(user));
    }
}
