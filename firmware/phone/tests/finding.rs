//! A phone that was told nothing finds its server, keeps what it found, and is told by its server, and nobody else, to look
//! again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use offhook_phone::account::Secret;
use offhook_phone::account::fetch::Trust;
use offhook_phone::account::finding::DhcpOptions;
use offhook_phone::account::template::Login;
use offhook_phone::{Command, Input, PhoneConfig};
use std::sync::Arc;
use support::{Office, account, config};

fn looking() -> PhoneConfig {
    PhoneConfig { accounts: Vec::new(), find: true, ..config("") }
}

fn lease(option_66: &str) -> Vec<DhcpOptions> {
    vec![DhcpOptions { tftp_server_name: Some(option_66.into()), ..DhcpOptions::default() }]
}

/// The phone looks for a server, and DHCP says this.
fn office(option_66: &str) -> Office {
    let mut office = Office::unstarted(looking());
    office.leases = lease(option_66);
    office.input(Input::Start);
    office
}

fn urls(office: &Office) -> Vec<&str> {
    office.requests.iter().map(|request| request.url.as_str()).collect()
}

/// Covers: feat.89, feat.90.
#[test]
fn a_phone_without_settings_takes_those_that_dhcp_leads_to_and_registers() {
    let mut office = office("http://pbx.example/phones/");
    assert_eq!(urls(&office), ["http://pbx.example/phones/02000000000a.xml"]);
    office.fetched(200, &account(""));
    // now as if the URL had been given
    assert_eq!(urls(&office).len(), 2);
    office.fetched(200, &account(""));
    office.seconds(1);
    assert_eq!(office.phone.view(office.clock()).accounts.len(), 1);
    assert!(office.phone.view(office.clock()).finding.is_none());
    assert!(office.stored.contains_key("found.json"));
}

#[test]
fn what_was_found_is_remembered_over_a_restart_without_looking_again() {
    let mut first = office("http://pbx.example/{mac}");
    first.fetched(200, &account(""));
    first.fetched(200, &account(""));
    let records = first.stored.clone().into_iter().collect();
    let mut second = Office::unstarted(PhoneConfig { records, ..looking() });
    second.leases = lease("http://evil.example/{mac}");
    second.input(Input::Start);
    second.seconds(3600);
    assert!(
        second.requests.iter().all(|request| request.url.starts_with("http://pbx.example/")),
        "{:?}",
        urls(&second)
    );
    assert_eq!(second.phone.view(second.clock()).accounts.len(), 1);
}

#[test]
fn a_phone_that_was_told_where_to_go_looks_nowhere_else() {
    let mut office = Office::unstarted(PhoneConfig { provision: vec!["http://pbx.example/a".into()], ..looking() });
    office.leases = lease("http://evil.example/{mac}");
    office.input(Input::Start);
    office.fetched(404, b"");
    office.seconds(600);
    assert!(office.requests.iter().all(|request| request.url == "http://pbx.example/a"), "{:?}", urls(&office));
}

#[test]
fn a_login_makes_an_account_that_can_be_fetched_again_with_the_same_name_and_password() {
    let mut office = office("https://pbx.example/{mac}");
    office.fetched(401, b"");
    assert!(office.phone.view(office.clock()).finding.unwrap().login.is_some());
    let login = Login { username: "anna".into(), password: Secret::new("s3cret"), code: String::new() };
    office.command(Command::Login { server: String::new(), login }).unwrap();
    office.fetched(200, &account(""));
    office.seconds(1);
    assert_eq!(office.phone.view(office.clock()).accounts.len(), 1);
    office.command(Command::Provision).unwrap();
    let request = office.requests.last().unwrap();
    assert_eq!(request.url, "https://pbx.example/02000000000a");
    let credentials = request.credentials.as_ref().unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password.reveal()), ("anna", "s3cret"));
    // and after a restart
    let records = office.stored.clone().into_iter().collect();
    let again = Office::with(PhoneConfig { records, ..looking() });
    assert_eq!(again.requests[0].credentials.as_ref().unwrap().username, "anna");
    assert_eq!(again.phone.view(again.clock()).accounts.len(), 1);
}

#[test]
fn a_login_is_refused_when_there_is_an_account() {
    let mut office = Office::new("");
    let login = Login { username: "x".into(), ..Login::default() };
    assert!(office.command(Command::Login { server: "evil.example".into(), login }).is_err());
    assert!(office.requests.is_empty());
}

#[test]
fn certificates_of_the_command_line_and_of_the_account_go_along_with_its_requests() {
    let trust = Arc::new(Trust { authorities: "A".into(), pins: vec![[1; 32]], identity: None });
    let given = PhoneConfig {
        provision: vec!["https://pbx.example/a".into()],
        accounts: Vec::new(),
        trust: Arc::clone(&trust),
        ..config("")
    };
    let mut office = Office::with(given);
    assert_eq!(office.requests[0].trust, trust);
    let pem = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
    office.fetched(
        200,
        &account(&format!("<trustedAuthorities>{pem}</trustedAuthorities><extProvUsername>u</extProvUsername>")),
    );
    office.command(Command::Provision).unwrap();
    let request = office.requests.last().unwrap();
    assert_eq!(request.trust.authorities, format!("{pem}A"));
    assert_eq!(request.trust.pins, [[1; 32]]);
    assert_eq!(request.credentials.as_ref().unwrap().username, "u");
}

fn check_sync(from_server: bool, office: &mut Office) {
    let call = office.requests.len();
    let text = format!(
        "NOTIFY sip:100@desk SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKcs{call}\r\n\
         From: <sip:100@192.0.2.1>;tag=cs\r\nTo: <sip:100@192.0.2.1>\r\nCall-ID: cs{call}{from_server}\r\nCSeq: 1 NOTIFY\r\n\
         Event: check-sync;reboot=true\r\nSubscription-State: terminated\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    if from_server {
        office.say(text.as_bytes());
    } else {
        office.say_from("198.51.100.66:5060", text.as_bytes());
    }
}

/// Covers: feat.92.
#[test]
fn check_sync_fetches_at_once_and_only_when_the_accounts_server_says_so() {
    let mut office = Office::with(PhoneConfig {
        provision: vec!["http://pbx.example/a".into()],
        accounts: Vec::new(),
        ..config("")
    });
    office.fetched(200, &account(""));
    office.seconds(2);
    assert_eq!(office.requests.len(), 1);
    check_sync(false, &mut office);
    assert_eq!(office.requests.len(), 1, "a stranger is not obeyed");
    check_sync(true, &mut office);
    assert_eq!(office.requests.len(), 2);
    assert!(!office.stopped, "nothing is rebooted");
}

fn embedded() -> PhoneConfig {
    PhoneConfig { fallback: Some("http://127.0.0.1:18690/100".into()), ..looking() }
}

/// Covers: feat.89
#[test]
fn the_embedded_pbx_serves_until_the_network_names_another_server() {
    let mut office = Office::unstarted(embedded());
    office.input(Input::Start);
    let fallback = office.fetches.iter().position(|(_, url)| url == "http://127.0.0.1:18690/100").unwrap();
    let (id, _) = office.fetches.remove(fallback);
    office.answer_fetch(id, 200, &account(""));
    office.seconds(1);
    assert_eq!(office.phone.view(office.clock()).accounts.len(), 1);
    assert!(office.phone.view(office.clock()).finding.is_some(), "it goes on looking");
    office.leases = lease("http://pbx.example/phones/");
    office.input(Input::NetworkUp);
    let (id, url) = office.fetches.pop().unwrap();
    assert_eq!(url, "http://pbx.example/phones/02000000000a.xml");
    let other = String::from_utf8(account("")).unwrap().replace("<username>", "<username>9");
    office.answer_fetch(id, 200, other.as_bytes());
    office.seconds(1);
    let (id, _) = office.fetches.pop().unwrap();
    office.answer_fetch(id, 200, other.as_bytes());
    office.seconds(1);
    let view = office.phone.view(office.clock());
    let names: Vec<&str> = view.accounts.iter().map(|account| account.username.as_str()).collect();
    assert!(names.len() == 1 && names[0].starts_with('9'), "{names:?}");
    assert!(view.finding.is_none());
    // and stays so, whatever the fallback says
    let records = office.stored.clone().into_iter().collect();
    let mut again = Office::unstarted(PhoneConfig { records, ..embedded() });
    again.input(Input::Start);
    again.seconds(60);
    assert!(again.requests.iter().all(|request| request.url.starts_with("http://pbx.example/")), "{:?}", urls(&again));
}

#[test]
fn the_embedded_pbx_is_the_account_of_a_phone_that_starts_again_before_anything_was_found() {
    let mut first = Office::unstarted(embedded());
    first.input(Input::Start);
    let (id, _) = first.fetches.pop().unwrap();
    first.answer_fetch(id, 200, &account(""));
    first.seconds(1);
    let records = first.stored.clone().into_iter().collect();
    let mut second = Office::unstarted(PhoneConfig { records, ..embedded() });
    second.input(Input::Start);
    assert_eq!(second.phone.view(second.clock()).accounts.len(), 1);
}
