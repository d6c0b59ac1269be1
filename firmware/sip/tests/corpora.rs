//! Every SIP row of tests/corpora/index.csv at the level of the message: accepted, answered or dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_sip::{Message, Method, Uri};
use std::fs;

const CORPORA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/");

/// File and verdict of each row whose file starts with `folder`.
fn rows(folder: &str) -> Vec<(String, String)> {
    let index = fs::read_to_string(format!("{CORPORA}index.csv")).unwrap();
    index
        .lines()
        .filter(|line| line.starts_with(folder))
        .map(|line| {
            let cells = cells(line);
            (cells[0].clone(), cells[2].clone())
        })
        .collect()
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

fn bytes(file: &str) -> Vec<u8> {
    fs::read(format!("{CORPORA}{file}")).unwrap()
}

fn parsed(file: &str) -> Message {
    Message::parse(&bytes(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn request(file: &str) -> offhook_sip::Request {
    match parsed(file) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("{file} is a response"),
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Accepted,
    Answered(u16),
    Dropped,
}

/// What the words of a verdict ask of the parser; what follows (501, 405, 420 …) is the user agent's.
fn allowed(verdict: &str) -> Vec<Outcome> {
    use Outcome::{Accepted, Answered, Dropped};
    let begins = |words: &str| verdict.starts_with(words);
    if begins("valid") || begins("edge") || begins("compat: accept") || begins("invalid: accept") {
        vec![Accepted]
    } else if begins("invalid: 505") {
        vec![Answered(505)]
    } else if begins("invalid: 501") {
        vec![Answered(501)]
    } else if begins("app: 416") {
        vec![Answered(416)]
    } else if verdict.contains("accept liberally") {
        vec![Accepted, Answered(400)]
    } else if begins("invalid: 400")
        || begins("invalid: UDP: 400")
        || begins("invalid: error response (400)")
        || begins("app-invalid: 400")
    {
        vec![Answered(400)]
    } else if begins("invalid: discard") || begins("invalid: drop") {
        vec![Dropped]
    } else if begins("app") {
        vec![Accepted]
    } else if begins("unreferenced: no crash") {
        vec![Dropped]
    } else {
        panic!("a verdict nobody has thought of: {verdict}")
    }
}

fn outcome(bytes: &[u8]) -> Outcome {
    match Message::parse(bytes) {
        Ok(_) => Outcome::Accepted,
        Err(error) => match error.answer {
            Some(answer) => Outcome::Answered(answer.status),
            None => Outcome::Dropped,
        },
    }
}

#[test]
fn the_49_messages_of_rfc_4475_get_their_verdicts() {
    let rows = rows("rfc4475/");
    assert_eq!(rows.len(), 50, "49 messages and the unreferenced one");
    for (file, verdict) in rows {
        let outcome = outcome(&bytes(&file));
        assert!(allowed(&verdict).contains(&outcome), "{file}: {outcome:?}, but {verdict}");
    }
}

#[test]
fn the_12_messages_of_rfc_5118_get_their_verdicts() {
    let rows = rows("rfc5118/wire/");
    assert_eq!(rows.len(), 12);
    for (file, verdict) in rows {
        let outcome = outcome(&bytes(&file));
        assert!(allowed(&verdict).contains(&outcome), "{file}: {outcome:?}, but {verdict}");
    }
}

#[test]
fn bare_line_feeds_are_not_wire_bytes() {
    for (file, _) in rows("rfc5118/archive/") {
        assert!(Message::parse(&bytes(&file)).is_err(), "{file}");
    }
}

#[test]
fn own_messages_are_syntactically_fine_but_for_the_empty_call_id_and_the_keep_alive() {
    let rows = rows("sip-own/");
    assert_eq!(rows.len(), 11);
    for (file, _) in rows {
        let expected = match file.as_str() {
            "sip-own/o15_callid_empty.sip" => Outcome::Answered(400),
            "sip-own/o18_crlf_keepalive.bin" => Outcome::Dropped,
            _ => Outcome::Accepted,
        };
        assert_eq!(outcome(&bytes(&file)), expected, "{file}");
    }
}

#[test]
fn answers_to_refused_requests_carry_what_routes_them() {
    for (file, _) in rows("rfc4475/").into_iter().chain(rows("rfc5118/wire/")) {
        let octets = bytes(&file);
        let Err(error) = Message::parse(&octets) else { continue };
        assert!(error.at <= octets.len(), "{file}");
        let Some(answer) = error.answer else { continue };
        assert!(answer.headers.first("Via").is_some(), "{file}");
        let text = String::from_utf8(answer.to_bytes()).unwrap();
        assert!(text.starts_with(&format!("SIP/2.0 {} ", answer.status)), "{file}");
        assert!(text.ends_with("Content-Length: 0\r\n\r\n"), "{file}: {text}");
        // An answer to a message that only lacked sense is a message itself.
        if file.contains("unkscm") || file.contains("mismatch") || file.contains("escruri") {
            let Message::Response(again) = Message::parse(text.as_bytes()).unwrap() else { panic!() };
            assert!(again.headers.to().unwrap().tag().is_some(), "{file}");
        }
    }
}

#[test]
fn accepted_messages_leave_with_the_header_octets_they_came_with() {
    for (file, _) in rows("rfc4475/").into_iter().chain(rows("rfc5118/wire/")) {
        let octets = bytes(&file);
        let Ok(message) = Message::parse(&octets) else { continue };
        let written = message.to_bytes();
        let fields = |octets: &[u8]| {
            let start = octets.windows(2).position(|w| w == b"\r\n").unwrap() + 2;
            let end = octets.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 2;
            octets[start..end].to_vec()
        };
        // inv2543 has no Content-Length; one is added.
        let written_fields = fields(&written);
        assert_eq!(written_fields[..fields(&octets).len()], fields(&octets), "{file}");
        assert_eq!(
            Message::parse(&written).unwrap(),
            Message::parse(&Message::parse(&written).unwrap().to_bytes()).unwrap(),
            "{file}"
        );
    }
}

#[test]
fn torture_invite_means_what_rfc_4475_says() {
    let invite = request("rfc4475/wsinv.dat");
    let headers = &invite.headers;
    assert_eq!(invite.method, Method::Invite);
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    let from = headers.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(headers.cseq().unwrap().number, 9);
    let vias = headers.vias();
    let branches: Vec<_> = vias.iter().map(|via| via.branch().unwrap()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!(headers.first("Subject"), Some(""));
    assert_eq!(headers.first("newfangledheader"), Some("newfangled value continued newfangled value"));
    assert_eq!(headers.first("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let contact = headers.contacts().remove(0);
    assert_eq!(contact.display_name.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.param("newparam"), Some("newvalue"));
    assert!(contact.has_param("secondparam"));
    assert_eq!(contact.param("q"), Some("0.33"));
    assert!(headers.route()[0].uri.as_sip().unwrap().has_param("lr"));
    assert_eq!(invite.body.len(), 150);
}

#[test]
fn unusual_but_legal_characters_are_kept() {
    let odd = request("rfc4475/intmeth.dat");
    assert_eq!(odd.method, Method::Other("!interesting-Method0123456789_*+`.%indeed'~".to_owned()));
    let uri = odd.uri.as_sip().unwrap();
    assert_eq!(uri.user.as_deref(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password.as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    let from = odd.headers.from().unwrap();
    assert_eq!(from.display_name.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(from.param("fromParam''~+*_!.-%"), Some("\"работающий\""));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(odd.headers.to().unwrap().display_name.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(odd.headers.call_id(), Some("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"));
}

#[test]
fn escapes_are_undone_once_and_only_in_uris() {
    let escaped = request("rfc4475/esc01.dat");
    assert_eq!(escaped.uri.user().as_deref(), Some("sips:user@example.com"));
    assert_eq!(escaped.headers.to().unwrap().uri.user().as_deref(), Some("user"));
    let contact = escaped.headers.contacts().remove(0).uri;
    assert_eq!(contact.as_sip().unwrap().param("n%61me").unwrap().value.as_deref(), Some("v%61lue%25%34%31"));
    assert!(contact.equivalent(&Uri::parse("sip:caller@host5.example.net;lr;name=value%2541").unwrap()));
    assert!(!contact.equivalent(&Uri::parse("sip:caller@host5.example.net;lr;name=valueA").unwrap()));

    let nul = request("rfc4475/escnull.dat");
    assert_eq!(nul.headers.to().unwrap().uri.user().as_deref(), Some("null-\0-null"));
    let contacts = nul.headers.contacts();
    assert_eq!(contacts.len(), 2);
    assert!(!contacts[0].uri.equivalent(&contacts[1].uri));

    let not_escapes = request("rfc4475/esc02.dat");
    assert_eq!(not_escapes.method, Method::Other("RE%47IST%45R".to_owned()));
    assert_eq!(not_escapes.headers.contacts().len(), 2);
    assert_eq!(not_escapes.headers.to().unwrap().display_name.as_deref(), Some("%Z%45"));
}

#[test]
fn a_second_request_in_a_datagram_is_not_seen() {
    let register = request("rfc4475/dblreq.dat");
    assert_eq!((register.method, register.body.len()), (Method::Register, 0));
}

#[test]
fn a_semicolon_in_the_user_part_starts_no_parameter() {
    let options = request("rfc4475/semiuri.dat");
    assert_eq!(options.uri.user().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(options.headers.list("Accept").len(), 6);
}

#[test]
fn parameters_outside_brackets_are_of_the_header_and_inside_of_the_uri() {
    let outside = request("rfc4475/cparam01.dat").headers.contacts().remove(0);
    assert!(outside.has_param("unknownparam") && outside.uri.as_sip().unwrap().params.is_empty());
    let inside = request("rfc4475/cparam02.dat").headers.contacts().remove(0);
    assert!(inside.params.is_empty() && inside.uri.as_sip().unwrap().has_param("unknownparam"));
    let escaped = request("rfc4475/regescrt.dat").headers.contacts().remove(0);
    assert_eq!(escaped.uri.to_string(), "sip:user@example.com?Route=%3Csip:sip.example.com%3E");
}

#[test]
fn eight_bit_bodies_and_reasons_arrive_whole() {
    let multipart = request("rfc4475/mpart01.dat");
    assert_eq!(multipart.body.len(), 553);
    let raw = bytes("rfc4475/mpart01.dat");
    assert!(raw.ends_with(&multipart.body));
    let Message::Response(response) = parsed("rfc4475/unreason.dat") else { panic!() };
    assert!(response.reason.starts_with("= 2**3 * 5**2 но сто девяносто девять"), "{}", response.reason);
    let Message::Response(response) = parsed("rfc4475/noreason.dat") else { panic!() };
    assert_eq!((response.status, response.reason.as_str()), (100, ""));
}

#[test]
fn unknown_schemes_are_fine_outside_the_request_line() {
    let register = request("rfc4475/unksm2.dat");
    assert_eq!(register.headers.to().unwrap().uri.to_string(), "isbn:2983792873");
    assert_eq!(register.headers.from().unwrap().tag(), Some("3234233"));
    assert_eq!(register.headers.contacts()[0].uri.to_string(), "name:John_Smith");
}

#[test]
fn ipv6_addresses_and_ports_are_told_apart() {
    let host = |file: &str| {
        let uri = request(file).uri;
        let sip = uri.as_sip().unwrap().clone();
        (sip.host.to_string(), sip.port)
    };
    assert_eq!(host("rfc5118/wire/port-ambiguous.sip"), ("[2001:db8::10:5070]".to_owned(), None));
    assert_eq!(host("rfc5118/wire/port-unambiguous.sip"), ("[2001:db8::10]".to_owned(), Some(5070)));
    assert_eq!(host("rfc5118/wire/ipv6-bug-abnf-3-colons.sip"), host("rfc5118/wire/ipv6-correct-abnf-2-colons.sip"));
    let received = |file: &str| request(file).headers.vias()[0].received().unwrap().to_string();
    assert_eq!(received("rfc5118/wire/via-received-param-with-delim.sip"), "2001:db8::9:255");
    assert_eq!(received("rfc5118/wire/via-received-param-no-delim.sip"), "2001:db8::9:255");
    assert_eq!(request("rfc5118/wire/mult-ip-in-header.sip").headers.vias().len(), 3);
    assert_eq!(request("rfc5118/wire/ipv4-mapped-ipv6.sip").headers.vias()[0].port, Some(19823));
}

fn framed(file: &str) -> Vec<offhook_sip::framing::Framed> {
    let mut framing = offhook_sip::framing::Framing::default();
    framing.push(&bytes(file));
    std::iter::from_fn(|| framing.next()).collect()
}

#[test]
fn on_a_stream_doubtful_lengths_are_answered_400_and_close_it() {
    use offhook_sip::framing::Framed;
    for file in ["rfc4475/ncl.dat", "rfc4475/mcl01.dat", "rfc4475/inv2543.dat"] {
        let framed = framed(file);
        let [Framed::Broken(error)] = framed.as_slice() else { panic!("{file}: {framed:?}") };
        assert_eq!(error.answer.as_ref().unwrap().status, 400, "{file}");
    }
}

#[test]
fn on_a_stream_a_short_body_is_waited_for_and_a_second_message_is_one() {
    use offhook_sip::framing::Framed;
    assert_eq!(framed("rfc4475/clerr.dat"), []);
    let messages = framed("rfc4475/dblreq.dat");
    let [Framed::Message(register), rest @ ..] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(register.starts_with(b"REGISTER"));
    let invite = rest.iter().find_map(|f| match f {
        Framed::Message(m) => Some(m),
        _ => None,
    });
    assert!(invite.unwrap().starts_with(b"INVITE"), "{rest:?}");
    assert_eq!(framed("sip-own/o18_crlf_keepalive.bin"), [Framed::Ping]);
}
