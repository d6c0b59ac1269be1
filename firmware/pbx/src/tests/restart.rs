//! What survives: users, passwords and tokens, bindings of UDP phones, message counts.

use super::office::{Office, config};
use crate::{Input, Now, Output, Pbx};
use offhook_sip::Transport;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Covers: office.user.01
#[test]
fn passwords_and_tokens_are_made_once_and_never_printed() {
    let mut office = Office::new();
    let numbers = ["100", "101", "102"];
    let before: Vec<_> = numbers.map(|n| office.settings(n).password.reveal().to_owned()).to_vec();
    let urls = office.provision.clone();
    for (number, password) in numbers.iter().zip(&before) {
        assert!(password.len() >= 20 && !password.contains(number));
        assert!(
            !urls[*number].contains(password.as_str())
                && !office.log.iter().any(|line| line.contains(password.as_str()))
        );
    }
    office.power_cycle();
    assert_eq!(numbers.map(|n| office.settings(n).password.reveal().to_owned()).to_vec(), before);
    assert_eq!(office.provision, urls);
    let other = Office::with(&["100"], 2).settings("100");
    assert_ne!(other.password.reveal(), before[0]);
}

#[test]
fn udp_phones_are_reachable_right_after_a_restart_and_tcp_phones_after_their_next_register() {
    let mut office = Office::new();
    let (ann, bob) = (office.registered("100"), office.registered("101"));
    let carol = office.phone_with("102", |config| config.transport = Transport::Tcp);
    office.register(carol);
    office.power_cycle();
    assert_eq!(office.pbx.contacts("101").len(), 1);
    assert!(office.pbx.contacts("102").is_empty());
    let call = office.call(ann, "101");
    office.answer(bob);
    assert!(office.answered(ann, call).is_some());
    office.run(Duration::from_secs(700));
    assert_eq!(office.pbx.contacts("102").len(), 1, "the phone has come back");
}

#[test]
fn registration_that_ran_out_while_the_pbx_was_off_is_gone() {
    let mut office = Office::new();
    office.registered("100");
    office.phones[0].unplugged = true;
    let records = office.records.clone();
    office.run(Duration::from_secs(601));
    let mut pbx = Pbx::new(config(&["100"], &records, 3));
    pbx.handle(Now { instant: office.now, wall: Some(office.wall()) }, Input::Start);
    assert!(pbx.contacts("100").is_empty());
    // without a clock nobody knows how long it was: what was left then counts
    let mut pbx = Pbx::new(config(&["100"], &records, 3));
    pbx.handle(Now { instant: office.now, wall: None }, Input::Start);
    assert_eq!(pbx.contacts("100").len(), 1);
}

#[test]
fn damaged_records_are_named_and_the_pbx_comes_up_without_them() {
    for bytes in
        [&b""[..], b"{", b"{\"version\":1,\"rows\":[{\"user\":\"100\"}]}", b"\x00\xff", b"{\"version\":2,\"rows\":[]}"]
    {
        let records: BTreeMap<String, Vec<u8>> =
            ["users.json", "bindings.json", "messages.json"].map(|name| (name.to_owned(), bytes.to_vec())).into();
        let mut pbx = Pbx::new(config(&["100"], &records, 3));
        pbx.handle(Now { instant: Instant::now(), wall: None }, Input::Start);
        let (mut complaints, mut users, mut written) = (0, 0, Vec::new());
        loop {
            match pbx.poll() {
                Output::Timeout(_) => break,
                Output::Log(line) if line.contains("not used") => complaints += 1,
                Output::User { .. } => users += 1,
                Output::Persist { name, .. } => written.push(name),
                _ => {}
            }
        }
        assert_eq!((complaints, users), (3, 1));
        assert!(written.contains(&"users.json".to_owned()));
    }
}

#[test]
fn debug_output_of_words_shows_no_secret() {
    let mut office = Office::new();
    let password = office.settings("100").password.reveal().to_owned();
    let token = office.provision["100"].split_once("token=").unwrap().1.to_owned();
    let request =
        crate::HttpRequest { method: "GET".into(), target: format!("/x?token={token}"), headers: vec![], body: vec![] };
    let user = Output::User { number: "100".into(), provision: office.provision["100"].clone() };
    let persist = Output::Persist { name: "users.json".into(), bytes: office.records["users.json"].clone() };
    let text = format!("{:?} {request:?} {user:?} {persist:?} {:?}", office.pbx, config(&["100"], &office.records, 1));
    let octets = format!("{:?}", password.as_bytes());
    assert!(!text.contains(&password) && !text.contains(&token) && !text.contains(octets.trim_matches(['[', ']'])));
}
