//! REGISTER rows of RFC 4475 that only a registrar can judge, and floods.

use super::office::{Office, UDP, pbx_address};
use crate::Input;
use offhook_sip::auth::{ClientAuth, Credentials, Password, Secret};
use offhook_sip::{self as sip, Message, Request, Response};
use std::net::SocketAddr;

const USERS: [&str; 4] = ["user", "watson", "j.user", "null-"];

fn row(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../tests/corpora/rfc4475/{name}.dat", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// All files below a folder, in order.
fn files(folder: &std::path::PathBuf) -> Vec<std::path::PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().flat_map(|entry| if entry.is_dir() { files(entry) } else { vec![entry.clone()] }).collect()
}

fn stranger() -> SocketAddr {
    "10.0.9.9:5060".parse().unwrap()
}

/// The responses to one datagram.
fn ask(office: &mut Office, bytes: &[u8]) -> Vec<Response> {
    office.spoken.clear();
    office.pbx_input(Input::Sip(sip::Input::Received { flow: UDP, remote: stranger(), bytes }));
    let answers = office.spoken.iter().filter_map(|text| match Message::parse(text.as_bytes()) {
        Ok(Message::Response(response)) => Some(response),
        _ => None,
    });
    answers.collect()
}

/// The row sent once without and once with the digest of `user`; both final statuses.
fn register(office: &mut Office, name: &str, user: &str) -> (u16, Option<Response>) {
    let bytes = row(name);
    let first = ask(office, &bytes);
    let challenge = first.last().expect("an answer").clone();
    let Ok(Message::Request(request)) = Message::parse(&bytes) else { return (challenge.status, None) };
    if challenge.status != 401 {
        return (challenge.status, None);
    }
    let credentials =
        Credentials { username: user.to_owned(), secret: Secret::Password(Password::new(password(office, user))) };
    let mut client = ClientAuth::default();
    client.challenged(&request, &challenge, &credentials);
    let mut again: Request = request;
    client.authorize(&mut again, &credentials, "c0ffee");
    let number = again.headers.cseq().unwrap().number + 1;
    again.headers.set("CSeq", format!("{number} REGISTER"));
    let via = again.headers.first("Via").unwrap().replace("branch=z9hG4bKkdjuw", "branch=z9hG4bKkdjuwagain");
    again.headers.set("Via", via);
    (401, ask(office, &again.to_bytes()).last().cloned())
}

fn password(office: &mut Office, user: &str) -> String {
    office.settings(user).password.reveal().to_owned()
}

#[test]
fn register_rows_of_rfc_4475_get_their_verdicts() {
    // regaut01: an unknown scheme is no credentials
    let mut office = Office::with(&USERS, 1);
    assert_eq!(ask(&mut office, &row("regaut01")).last().unwrap().status, 401);

    // cparam01: the parameter belongs to the Contact; cparam02: to its URI. Both come back where they were
    for (name, expected) in [("cparam01", ">;unknownparam"), ("cparam02", ";unknownparam>")] {
        let mut office = Office::with(&USERS, 1);
        let (first, second) = register(&mut office, name, "watson");
        let second = second.unwrap();
        assert_eq!((first, second.status), (401, 200), "{name}");
        let contact = second.headers.first("Contact").unwrap().to_owned();
        assert!(contact.contains(expected) && contact.contains("expires=3600"), "{name}: {contact}");
    }

    // regescrt: the escaped Route stays with the contact and is never acted on
    let mut office = Office::with(&USERS, 1);
    let (_, second) = register(&mut office, "regescrt", "user");
    assert_eq!(second.unwrap().status, 200);
    assert!(office.pbx.contacts("user")[0].contains("?Route=%3Csip:sip.example.com%3E"));
    let target = office.pbx.location.targets(office.now, "user").remove(0);
    assert!(!target.uri.to_string().contains("Route"), "{}", target.uri);

    // regbadct: ? outside brackets is 400, with and without credentials nothing is bound
    let mut office = Office::with(&USERS, 1);
    let (first, second) = register(&mut office, "regbadct", "user");
    assert_eq!(second.map_or(first, |response| response.status), 400);
    assert!(office.pbx.contacts("user").is_empty());

    // unksm2: well formed, but isbn: is no address of ours
    let mut office = Office::with(&USERS, 1);
    let (first, second) = register(&mut office, "unksm2", "user");
    assert_eq!((first, second.unwrap().status), (401, 404));

    // escnull: null-%00-null is not null-, and %00 and %00%00 are two contacts
    let mut office = Office::with(&USERS, 1);
    let (first, second) = register(&mut office, "escnull", "null-");
    assert_eq!((first, second.unwrap().status), (401, 404));
    assert!(office.pbx.contacts("null-").is_empty());

    // dblreq: one REGISTER in the datagram is handled, what follows is not
    let mut office = Office::with(&USERS, 1);
    let answers = ask(&mut office, &row("dblreq"));
    assert!(answers.iter().all(|a| a.headers.cseq().unwrap().method == sip::Method::Register), "{answers:?}");
}

#[test]
fn every_row_of_rfc_4475_and_5118_leaves_the_pbx_in_order() {
    let mut office = Office::with(&USERS, 1);
    for folder in ["rfc4475", "rfc5118", "sip-own"] {
        let files = files(&format!("{}/../../tests/corpora/{folder}", env!("CARGO_MANIFEST_DIR")).into());
        assert!(!files.is_empty(), "{folder}");
        for file in files {
            let bytes = std::fs::read(file).unwrap();
            ask(&mut office, &bytes);
            // and cut short, and damaged in one place
            ask(&mut office, &bytes[..bytes.len() * 2 / 3]);
            for at in (0..bytes.len()).step_by(41) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x15;
                ask(&mut office, &damaged);
            }
        }
    }
    assert!(USERS.iter().all(|user| office.pbx.contacts(user).is_empty()));
    office.assert_no_call_is_left();
    // it still works
    office.registered("user");
}

#[test]
fn flood_of_calls_without_password_leaves_no_call_and_few_lines() {
    let mut office = Office::new();
    let lines = office.log.len();
    for n in 0..2000 {
        let invite = format!(
            "INVITE sip:101@{to} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.9.9:5060;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\nFrom: <sip:x@10.0.9.9>;tag={n}\r\n\
             To: <sip:101@{to}>\r\nCall-ID: flood{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@10.0.9.9>\r\nProxy-Authorization: Digest username=\"100\", \
             realm=\"offhook\", nonce=\"x\", uri=\"sip:101@{to}\", response=\"00\"\r\nContent-Length: 0\r\n\r\n",
            to = pbx_address()
        );
        office.pbx_input(Input::Sip(sip::Input::Received { flow: UDP, remote: stranger(), bytes: invite.as_bytes() }));
    }
    assert!(office.pbx.calls.deadline().is_none());
    assert!(office.log.len() - lines <= crate::journal::LINES as usize + 1);
    office.assert_no_call_is_left();
}

#[test]
fn options_is_answered_without_password() {
    let mut office = Office::new();
    let text = format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.9.9:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:x@10.0.9.9>;tag=1\r\nTo: <sip:{to}>\r\n\
         Call-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        to = pbx_address()
    );
    let answer = ask(&mut office, text.as_bytes()).pop().unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.headers.first("Allow").unwrap().contains("INVITE"));
    assert!(answer.headers.first("Allow-Events").unwrap().contains("dialog"));
}
