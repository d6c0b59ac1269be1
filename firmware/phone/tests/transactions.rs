//! Provisioned settings as a transaction: several accounts, proof, return, report, and what survives a power cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use offhook_phone::sip::Method;
use offhook_phone::{AccountState, CallState, Command, Event, Input, PROOF_TIME, PhoneConfig};
use std::time::Duration;
use support::{Office, account, config};

const URL: &str = "https://pbx.example/phones/{mac}";

fn provisioned() -> PhoneConfig {
    PhoneConfig { accounts: Vec::new(), provision: vec![URL.into()], ..config("") }
}

/// Registered with [`account`].
fn office() -> Office {
    let mut office = Office::with(provisioned());
    office.fetched(200, &account(""));
    office.seconds(1);
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);
    office.heard.clear();
    office
}

fn fetch(office: &mut Office, document: &[u8]) {
    office.command(Command::Provision).unwrap();
    office.fetched(200, document);
    office.seconds(1);
}

fn one(user: &str, more: &str) -> String {
    format!("<account{more}><username>{user}</username><password>p</password><host>192.0.2.1</host></account>")
}

fn several(accounts: &[String]) -> Vec<u8> {
    format!("<accounts>{}</accounts>", accounts.concat()).into_bytes()
}

fn users(office: &Office) -> Vec<(u32, String, AccountState)> {
    let accounts = office.view().accounts.into_iter();
    accounts.map(|account| (account.number, account.username, account.state)).collect()
}

fn report(office: &Office) -> serde_json::Value {
    serde_json::from_str(office.view().provisioning[0].report.as_deref().unwrap()).unwrap()
}

fn records(office: &Office) -> Vec<(String, Vec<u8>)> {
    office.stored.clone().into_iter().collect()
}

/// Power off and on.
fn restarted(office: &Office) -> Office {
    let stored = office.stored.clone();
    let mut office = Office::unstarted(PhoneConfig { records: records(office), ..provisioned() });
    office.stored = stored;
    office.input(Input::Start);
    office.seconds(1);
    office
}

/// Whether the account that would be restored after a power cut is this user's.
fn stored(office: &Office, text: &str) -> bool {
    String::from_utf8_lossy(&office.stored["account-1.xml"]).contains(text)
}

// ---- several accounts

/// Covers: axml.root.02
#[test]
fn every_account_of_a_document_is_a_line_and_comes_and_goes_by_itself() {
    let mut office = Office::with(provisioned());
    office.fetched(200, &several(&[one("100", ""), one("101", ""), one("102", "")]));
    office.seconds(1);
    let registered = |number: u32, user: &str| (number, user.to_owned(), AccountState::Registered);
    assert_eq!(users(&office), [registered(1, "100"), registered(2, "101"), registered(3, "102")]);
    office.heard.clear();
    fetch(&mut office, &several(&[one("100", ""), one("103", ""), one("102", "")]));
    assert_eq!(users(&office), [registered(1, "100"), registered(3, "102"), registered(4, "103")]);
    let unregistered = office.request(Method::Register);
    assert_eq!(unregistered.headers.from().unwrap().uri.to_string(), "sip:101@192.0.2.1");
    assert_eq!(report(&office)["removed"], serde_json::json!(["101@192.0.2.1"]));
    assert!(!office.stored.contains_key("account-2.xml"));
    // the same accounts after a restart, whose first fetch finds nothing new
    let mut office = Office::with(PhoneConfig { records: records(&office), ..provisioned() });
    assert_eq!(users(&office), [registered(1, "100"), registered(2, "102"), registered(3, "103")]);
    office.fetched(200, &several(&[one("103", ""), one("100", ""), one("102", "")]));
    office.seconds(1);
    assert_eq!(users(&office), [registered(1, "100"), registered(2, "102"), registered(3, "103")]);
}

#[test]
fn the_account_that_fetches_for_all_may_go_and_fetching_goes_on() {
    let mut office = Office::with(provisioned());
    office.fetched(200, &several(&[one("100", ""), one("101", "")]));
    office.seconds(1);
    fetch(&mut office, one("101", "").as_bytes());
    assert_eq!(users(&office).iter().map(|user| user.1.as_str()).collect::<Vec<_>>(), ["101"]);
    fetch(&mut office, &several(&[one("101", ""), one("105", "")]));
    assert_eq!(users(&office).iter().map(|user| user.1.as_str()).collect::<Vec<_>>(), ["101", "105"]);
    assert!(office.fetches.is_empty(), "{:?}", office.fetches);
}

#[test]
fn an_account_that_is_taken_away_finishes_its_call() {
    let mut office = Office::with(provisioned());
    office.fetched(200, &several(&[one("100", ""), one("101", "")]));
    office.seconds(1);
    office.dial("102").unwrap();
    office.pick_up();
    assert_eq!(office.call().account, 1);
    fetch(&mut office, &several(&[one("101", "")]));
    assert_eq!(office.call().state, CallState::Talking);
    office.seconds(300);
    assert_eq!(office.call().state, CallState::Talking);
    assert_eq!(users(&office).len(), 2);
    office.hang_up_all();
    office.seconds(1);
    assert_eq!(users(&office), [(2, "101".to_owned(), AccountState::Registered)]);
    office.dial("102").unwrap();
    let invite = office.request(Method::Invite);
    assert_eq!(invite.headers.from().unwrap().uri.to_string(), "sip:101@192.0.2.1");
}

#[test]
fn the_users_values_stay_with_the_account_whatever_its_place_or_address() {
    let mut office = Office::with(provisioned());
    office.fetched(200, &several(&[one("100", " id=\"a\""), one("101", " id=\"b\"")]));
    office.seconds(1);
    let set = Command::Set { account: Some(2), node: "userDisplayName".into(), value: Some("Me".into()) };
    office.command(set).unwrap();
    fetch(&mut office, &several(&[one("110", " id=\"b\""), one("100", " id=\"a\"")]));
    let view = office.view();
    let mine: Vec<_> =
        view.accounts.iter().map(|account| (account.username.as_str(), account.display_name.as_str())).collect();
    assert_eq!(mine, [("100", ""), ("110", "Me")]);
}

// ---- proof and return

/// Covers: feat.87
#[test]
fn settings_that_do_not_register_are_taken_back_by_themselves() {
    let mut office = office();
    office.refuses = Some(("sip:666@".into(), 403));
    let wrong = String::from_utf8(account("<ptime>40</ptime>")).unwrap().replace(">100<", ">666<");
    fetch(&mut office, wrong.as_bytes());
    assert_eq!(users(&office), [(1, "100".to_owned(), AccountState::Registered)]);
    assert!(stored(&office, "<username>100</username>") && !stored(&office, "666"));
    assert!(office.view().notice.unwrap().contains("the old ones are back"));
    assert!(office.view().provisioning[0].last.contains("taken back"));
    let report = report(&office);
    assert_eq!((&report["result"], &report["accounts"][0]["result"]), (&"returned".into(), &"returned".into()));
    let rows = report["accounts"][0]["rows"].as_array().unwrap();
    let of = |node: &str| rows.iter().find(|row| row["node"] == node).unwrap()["outcome"].clone();
    assert_eq!((of("username"), of("ptime"), of("title")), ("returned".into(), "returned".into(), "unchanged".into()));
    // the server goes on giving it: the phone does not try it again for an hour
    for _ in 0..6 {
        office.heard.clear();
        office.input(Input::NetworkUp);
        if !office.fetches.is_empty() {
            office.fetched(200, wrong.as_bytes());
        }
        office.seconds(60);
        assert!(office.summary().iter().all(|line| line == "REGISTER"), "{:?}", office.summary());
        for message in &office.heard {
            assert!(!String::from_utf8_lossy(&message.to_bytes()).contains("666@"));
        }
    }
    // somebody asks for it, and the server knows 666 by now
    office.refuses = None;
    fetch(&mut office, wrong.as_bytes());
    assert_eq!(users(&office), [(1, "666".to_owned(), AccountState::Registered)]);
    assert!(stored(&office, "666"));
}

#[test]
fn a_new_server_that_does_not_answer_is_given_its_time_and_no_more() {
    let mut office = office();
    office.lenient = true;
    fetch(&mut office, &account("<proxy>192.0.2.66</proxy>"));
    assert_eq!(office.view().provisioning[0].last, "new settings are being tried");
    assert!(!stored(&office, "192.0.2.66"), "a power cut now gives the old settings");
    office.advance(PROOF_TIME - Duration::from_secs(2));
    assert_ne!(office.view().accounts[0].state, AccountState::Registered);
    office.seconds(3);
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);
    assert_eq!(report(&office)["result"], "returned");
}

#[test]
fn what_new_settings_cannot_have_caused_does_not_take_them_back() {
    let mut office = office();
    office.register_status = 0;
    fetch(&mut office, &account("<userDisplayName>Anna</userDisplayName>"));
    office.advance(PROOF_TIME);
    assert_eq!(office.view().accounts[0].display_name, "Anna");
    assert!(stored(&office, "Anna"));
    let report = report(&office);
    assert_eq!(report["result"], "applied");
    assert!(report["accounts"][0]["reason"].as_str().unwrap().contains("does not answer"), "{report}");
}

#[test]
fn first_settings_have_nothing_to_return_to_and_say_what_is_wrong() {
    let mut office = Office::unstarted(provisioned());
    office.register_status = 403;
    office.input(Input::Start);
    office.fetched(200, &account(""));
    office.seconds(1);
    assert!(matches!(office.view().accounts[0].state, AccountState::Failed(_)));
    assert_eq!(report(&office)["accounts"][0]["result"], "applied, not registered");
    assert!(office.stored.contains_key("account-1.xml"));
}

#[test]
fn what_would_cut_a_call_waits_and_is_then_proved_as_ever() {
    let mut office = office();
    office.refuses = Some(("sip:666@".into(), 403));
    office.talk();
    office.heard.clear();
    let wrong = String::from_utf8(account("<blf><uri>103</uri></blf>")).unwrap().replace(">100<", ">666<");
    fetch(&mut office, wrong.as_bytes());
    assert_eq!(office.view().provisioning[0].last, "new settings wait for the end of the call");
    assert!(office.has_request(&Method::Subscribe), "lamp keys act at once");
    assert_eq!(office.view().accounts[0].username, "100");
    // a second call goes out as who we still are
    office.dial("104").unwrap();
    let invite = office.request(Method::Invite);
    assert_eq!(invite.headers.from().unwrap().uri.to_string(), "sip:100@192.0.2.1");
    office.seconds(600);
    assert!(!stored(&office, "666"));
    office.hang_up_all();
    office.seconds(40);
    assert_eq!(users(&office), [(1, "100".to_owned(), AccountState::Registered)]);
    assert!(office.view().blf.is_empty(), "the lamp keys are back, too");
    assert_eq!(report(&office)["result"], "returned");
}

#[test]
fn a_power_cut_in_a_trial_gives_what_worked_and_the_document_is_tried_again() {
    let mut office = office();
    office.register_status = 0;
    let moved = String::from_utf8(account("")).unwrap().replace(">secret<", ">other<");
    fetch(&mut office, moved.as_bytes());
    let mut office = restarted(&office);
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);
    assert!(stored(&office, "secret"));
    office.fetched(200, moved.as_bytes());
    office.seconds(1);
    assert!(stored(&office, ">other<"), "it works now");
}

#[test]
fn the_users_own_change_in_a_trial_stays_when_the_rest_is_taken_back() {
    let mut office = office();
    office.lenient = true;
    let moved = account("<proxy>192.0.2.66</proxy>");
    fetch(&mut office, &moved);
    let set = Command::Set { account: None, node: "ptime".into(), value: Some("40".into()) };
    office.command(set).unwrap();
    office.advance(PROOF_TIME);
    office.seconds(1);
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);
    assert!(stored(&office, "<ptime>40</ptime>") && !stored(&office, "192.0.2.66"));
}

/// The PBX changes a password: the document says so first, the registrar a little later.
#[test]
fn settings_taken_back_get_another_chance_when_the_old_ones_stop_working() {
    let mut office = office();
    office.refuses = Some(("sip:200@".into(), 403));
    let renamed = String::from_utf8(account("")).unwrap().replace(">100<", ">200<");
    fetch(&mut office, renamed.as_bytes());
    assert_eq!(users(&office)[0].1, "100");
    office.refuses = Some(("sip:100@".into(), 403));
    // the next refresh is refused
    office.seconds(600);
    assert!(!office.fetches.is_empty(), "the phone asks by itself");
    // those were not answered in time
    office.fetches.clear();
    for _ in 0..900 {
        if office.fetches.is_empty() {
            office.seconds(1);
        }
    }
    office.fetched(200, renamed.as_bytes());
    office.seconds(1);
    assert_eq!(users(&office), [(1, "200".to_owned(), AccountState::Registered)]);
}

/// Neither works: the phone does not hammer.
#[test]
fn two_sets_of_settings_that_both_fail_are_tried_ever_more_rarely() {
    let mut office = office();
    office.register_status = 401;
    let renamed = String::from_utf8(account("")).unwrap().replace(">100<", ">200<");
    fetch(&mut office, renamed.as_bytes());
    let mut registers = 0;
    for _ in 0..240 {
        office.seconds(60);
        while !office.fetches.is_empty() {
            office.fetched(200, renamed.as_bytes());
        }
        registers +=
            office.heard.iter().filter(|m| String::from_utf8_lossy(&m.to_bytes()).starts_with("REGISTER")).count();
        office.heard.clear();
    }
    assert!((4..=24).contains(&registers), "{registers} REGISTERs in four hours");
}

// ---- the report

/// Covers: feat.94
#[test]
fn the_report_goes_to_the_server_once_and_again_until_it_is_taken() {
    let mut office = office();
    let url = "https://pbx.example/report?mac={mac}&amp;user=%account[username]%";
    let document = account(&format!("<reportUrl>{url}</reportUrl><expires>often</expires><future>1</future>"));
    fetch(&mut office, &document);
    let (id, to, body) = office.posts.remove(0);
    assert_eq!(to, "https://pbx.example/report?mac=02000000000a&user=100");
    assert!(!body.contains("secret"), "{body}");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&json["result"], &json["phone"]["mac"]), (&"applied".into(), &"02000000000a".into()));
    assert_eq!(json["time"], "2027-01-15T08:00:01Z");
    let rows = json["accounts"][0]["rows"].as_array().unwrap();
    let expires = rows.iter().find(|row| row["node"] == "expires").unwrap();
    assert_eq!((&expires["outcome"], &expires["line"]), (&"wrong".into(), &1.into()));
    assert!(expires["column"].as_u64().unwrap() > 1 && expires["expected"].is_string());
    office.input(Input::Fetched { id, result: Err(offhook_phone::account::FetchError::TimedOut) });
    office.seconds(61);
    let (id, _, again) = office.posts.remove(0);
    assert_eq!(again, body);
    let taken = offhook_phone::account::FetchResponse { status: 204, headers: vec![], body: vec![] };
    office.input(Input::Fetched { id, result: Ok(taken) });
    office.seconds(3600);
    assert!(office.posts.is_empty());
    // the same document once more is no news
    fetch(&mut office, &document);
    office.seconds(1);
    assert!(office.posts.is_empty(), "{:?}", office.posts);
    // a document that is refused as a whole is
    fetch(&mut office, b"<account>\n<username>100</usernam></account>");
    let json: serde_json::Value = serde_json::from_str(&office.posts[0].2).unwrap();
    assert_eq!((&json["result"], &json["line"]), (&"refused".into(), &2.into()));
    // the report stays on the phone over a restart
    let office = Office::with(PhoneConfig { records: records(&office), ..provisioned() });
    assert_eq!(report(&office)["result"], "refused");
}

#[test]
fn a_document_with_one_unusable_account_changes_none() {
    let mut office = Office::with(provisioned());
    office.fetched(200, &several(&[one("100", ""), one("101", "")]));
    office.seconds(1);
    let before = (users(&office), office.stored.get("account-1.xml").cloned());
    fetch(&mut office, &several(&[one("105", ""), "<account><username>x</username></account>".into()]));
    assert_eq!((users(&office), office.stored.get("account-1.xml").cloned()), before);
    assert!(office.events.iter().any(|event| matches!(event, Event::ProvisioningFailed { .. })));
}

// ---- layers

/// Covers: feat.86
#[test]
fn values_of_this_place_lie_below_the_pbx_and_the_user() {
    let (site, _) = offhook_phone::account::Document::parse_values(
        b"<account><expires>120</expires><ptime>30</ptime><callWaiting priority=\"50\">0</callWaiting></account>",
    )
    .unwrap();
    let mut office = Office::with(PhoneConfig { site, ..provisioned() });
    office.fetched(200, &account("<ptime>40</ptime><callWaiting>1</callWaiting>"));
    assert_eq!(office.request(Method::Register).headers.first("Expires"), Some("120"));
    let values = office.view().accounts[0].values.clone();
    let of = |node: &str| {
        let value = values.iter().find(|value| value.node == node).unwrap();
        (value.value.clone(), value.origin, value.locked)
    };
    assert_eq!(of("expires"), ("120".into(), "set for this place", false));
    assert_eq!(of("ptime"), ("40".into(), "set by the PBX", false));
    assert_eq!(of("callWaiting"), ("0".into(), "set for this place", true));
    assert_eq!(of("password"), ("***".into(), "set by the PBX", false));
    let set = |node: &str| Command::Set { account: None, node: node.into(), value: Some("60".into()) };
    office.command(set("expires")).unwrap();
    assert!(office.command(set("callWaiting")).is_err());
    let values = office.view().accounts[0].values.clone();
    let expires = values.iter().find(|value| value.node == "expires").unwrap();
    assert_eq!((expires.value.as_str(), expires.origin), ("60", "set by you"));
    // the place takes its values back
    let office = Office::with(PhoneConfig { records: records(&office), ..provisioned() });
    let values = office.view().accounts[0].values.clone();
    assert!(values.iter().any(|value| value.node == "callWaiting" && value.value == "1"));
}

// ---- the date

/// A board without a clock battery: certificates are checked against a real date or not at all.
#[test]
fn a_phone_that_starts_in_1970_fetches_when_the_date_is_known_however_late() {
    let mut office = Office::unstarted(PhoneConfig { records: records(&office()), ..provisioned() });
    office.undated = true;
    office.input(Input::Start);
    office.seconds(2);
    assert_eq!(office.view().accounts[0].state, AccountState::Registered, "calls need no date");
    assert!(office.fetches.is_empty(), "it waits for the date first");
    for _ in 0..3600 {
        office.seconds(5);
        while let Some((id, _)) = office.fetches.pop() {
            let error = offhook_phone::account::FetchError::Tls("the certificate is not valid yet".into());
            office.input(Input::Fetched { id, result: Err(error) });
        }
    }
    assert!(office.view().provisioning[0].last.contains("not valid yet"));
    office.undated = false;
    office.seconds(6);
    assert_eq!(office.fetches.len(), 1);
    office.fetched(200, &account("<ptime>30</ptime>"));
    office.seconds(1);
    assert_eq!(office.view().provisioning[0].ok, Some(true));
}
