//! What a phone does for itself: it does not wear out its memory card, waits for the date, tests itself, and forgets
//! everything when it is asked to by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use offhook_phone::account::provisioner::{FetchError, FetchResponse};
use offhook_phone::hal::audio::loop_test::{LoopHeard, LoopResult};
use offhook_phone::hal::{Key, Lamp, Pattern};
use offhook_phone::self_test::{Step, Verdict};
use offhook_phone::{AccountState, Command, Input, NetworkFacts, PhoneConfig, Probe, Probed, Refusal, SelfTestOrder};
use std::net::IpAddr;
use std::time::Duration;
use support::{Office, account, config, sdp};

const STAR: Key = Key::Digit('*');
const ZERO: Key = Key::Digit('0');
const HASH: Key = Key::Digit('#');

fn provisioned(url: &str) -> PhoneConfig {
    PhoneConfig { accounts: Vec::new(), provision: vec![url.into()], ..config("") }
}

/// The document arrives, fetched again every minute.
fn serve(office: &mut Office) {
    let (id, _) = office.fetches.remove(0);
    let body = account("<extProvUrl>https://pbx.example/a</extProvUrl><extProvInterval>60</extProvInterval>");
    let response = FetchResponse { status: 200, headers: vec![("etag".into(), "\"1\"".into())], body };
    office.input(Input::Fetched { id, result: Ok(response) });
}

// ---- writing

#[test]
fn a_quiet_day_with_provisioning_every_minute_writes_nothing() {
    let mut office = Office::with(provisioned("https://pbx.example/a"));
    serve(&mut office);
    office.seconds(60);
    assert!(office.writes > 0, "the account was stored once");
    office.writes = 0;
    let mut fetched = 0;
    for minute in 0..24 * 60 {
        office.seconds(60);
        while let Some((id, _)) = office.fetches.pop() {
            fetched += 1;
            // The server answers now with "unchanged", now with the same document once more.
            let (status, body) = if minute % 2 == 0 {
                (304, Vec::new())
            } else {
                (200, account("<extProvUrl>https://pbx.example/a</extProvUrl><extProvInterval>60</extProvInterval>"))
            };
            let response = FetchResponse { status, headers: vec![("etag".into(), "\"1\"".into())], body };
            office.input(Input::Fetched { id, result: Ok(response) });
        }
    }
    assert!(fetched > 1000, "{fetched} fetches");
    assert_eq!(office.writes, 0);
}

#[test]
fn a_restart_with_nothing_new_writes_nothing() {
    let mut office = Office::with(provisioned("https://pbx.example/a"));
    serve(&mut office);
    let records: Vec<_> = office.stored.clone().into_iter().collect();
    let office = Office::with(PhoneConfig { records, ..provisioned("https://pbx.example/a") });
    assert_eq!(office.writes, 0);
}

// ---- the date

#[test]
fn settings_behind_a_certificate_wait_for_the_date_and_others_do_not() {
    let mut office = Office::unstarted(provisioned("https://pbx.example/a"));
    office.undated = true;
    office.input(Input::Start);
    office.seconds(10);
    assert!(office.fetches.is_empty());
    office.undated = false;
    office.seconds(1);
    assert_eq!(office.fetches.len(), 1);

    let mut plain = Office::unstarted(provisioned("http://pbx.example/a"));
    plain.undated = true;
    plain.input(Input::Start);
    assert_eq!(plain.fetches.len(), 1);
}

#[test]
fn a_phone_that_nobody_tells_the_date_tries_in_the_end() {
    let mut office = Office::unstarted(provisioned("https://pbx.example/a"));
    office.undated = true;
    office.input(Input::Start);
    office.seconds(24);
    assert!(office.fetches.is_empty());
    office.seconds(2);
    assert_eq!(office.fetches.len(), 1);
    office.seconds(60);
    assert!(office.fetches.len() <= 3, "not again and again: {:?}", office.fetches);
}

// ---- the network

#[test]
fn what_failed_for_want_of_a_network_is_tried_again_as_soon_as_there_is_one() {
    let mut office = Office::unstarted(config(""));
    office.register_status = 0;
    office.input(Input::Start);
    office.seconds(100);
    assert!(office.view().accounts[0].state != AccountState::Registered);
    office.register_status = 200;
    office.input(Input::NetworkUp);
    office.seconds(1);
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);

    let mut office = Office::with(provisioned("http://pbx.example/a"));
    for _ in 0..5 {
        let (id, _) = office.fetches.pop().unwrap();
        let error = FetchError::NoConnection("no route".into());
        office.input(Input::Fetched { id, result: Err(error) });
        let mut waited = 0;
        while office.fetches.is_empty() && waited < 200 {
            office.seconds(1);
            waited += 1;
        }
    }
    let (id, _) = office.fetches.pop().unwrap();
    office.input(Input::Fetched { id, result: Err(FetchError::TimedOut) });
    assert!(office.fetches.is_empty(), "the next try is a long time away");
    office.input(Input::NetworkUp);
    assert_eq!(office.fetches.len(), 1);
}

// ---- factory reset

#[test]
fn the_bottom_row_held_for_ten_seconds_counts_down_on_lamps_and_screen_and_resets() {
    let mut office = Office::new("");
    for key in [STAR, ZERO, HASH] {
        office.down(key);
        office.advance(Duration::from_millis(80));
    }
    assert_eq!(office.view().factory_reset, Some(10));
    assert_eq!(office.lamp(Lamp::Message), Pattern::Fast);
    assert!(office.view().dialling.is_none() && office.view().calls.is_empty());
    office.seconds(4);
    assert_eq!(office.view().factory_reset, Some(6));
    office.seconds(7);
    assert_eq!((office.view().factory_reset, office.factory_resets), (Some(0), 1));
}

#[test]
fn letting_go_keeps_everything_and_the_phone_dials_as_before() {
    let mut office = Office::new("");
    for key in [STAR, ZERO, HASH] {
        office.down(key);
    }
    office.seconds(9);
    office.up(ZERO);
    office.seconds(5);
    assert_eq!((office.view().factory_reset, office.factory_resets), (None, 0));
    assert_eq!(office.lamp(Lamp::Message), Pattern::Off);
    office.up(STAR);
    office.up(HASH);
    office.keys("102");
    assert_eq!(office.view().dialling.as_deref(), Some("102"));
}

#[test]
fn a_number_whose_last_key_overlaps_with_the_hash_is_sent_when_a_key_is_let_go() {
    let mut office = Office::new("");
    office.keys("10");
    office.down(ZERO);
    office.down(HASH);
    assert!(office.view().calls.is_empty());
    office.up(ZERO);
    assert_eq!(office.call().peer, "100");
    office.up(HASH);
    assert_eq!(office.view().calls.len(), 1);
}

#[test]
fn with_the_handset_lifted_or_by_a_program_the_keys_are_only_keys() {
    let mut office = Office::new("");
    office.lift();
    for key in [STAR, ZERO, HASH] {
        office.down(key);
    }
    office.seconds(12);
    assert_eq!(office.factory_resets, 0);
    let mut office = Office::new("");
    for key in [STAR, ZERO, HASH] {
        office.command(Command::KeyDown(key)).unwrap();
    }
    office.seconds(12);
    assert_eq!(office.factory_resets, 0);
}

// ---- the self-test

fn start(office: &mut Office, interactive: bool) {
    office.command(Command::SelfTest(SelfTestOrder::Start { interactive })).unwrap();
}

fn verdicts(office: &Office) -> Vec<&'static str> {
    office.view().self_test.unwrap().steps.iter().map(|step| step.verdict.name()).collect()
}

fn answer_probes(office: &mut Office) {
    assert_eq!(office.probes.pop(), Some(Probe::Audio));
    let heard = LoopHeard { delay: Duration::from_millis(31), level_db: -18.0, correlation: 0.5 };
    office.input(Input::Probed(Probed::Audio(Ok(LoopResult { noise_dbov: -60.0, heard: Some(heard) }))));
    assert!(matches!(office.probes.pop(), Some(Probe::Network { .. })));
    let facts = NetworkFacts { addresses: vec![IpAddr::from([192, 0, 2, 10])], ..NetworkFacts::default() };
    office.input(Input::Probed(Probed::Network(facts)));
}

#[test]
fn a_self_test_without_a_person_asks_the_world_and_the_servers() {
    let mut office = Office::with(provisioned("https://pbx.example/a"));
    serve(&mut office);
    office.seconds(1);
    start(&mut office, false);
    answer_probes(&mut office);
    let (id, _) = office.fetches.pop().expect("settings are fetched anew");
    let response = FetchResponse { status: 304, headers: Vec::new(), body: Vec::new() };
    office.input(Input::Fetched { id, result: Ok(response) });
    assert_eq!(verdicts(&office), ["skipped", "skipped", "skipped", "passed", "passed", "passed", "passed"]);
    assert!(office.view().self_test.unwrap().passed());
    office.command(Command::SelfTest(SelfTestOrder::Stop)).unwrap();
    assert_eq!(office.view().self_test, None);
}

#[test]
fn a_person_presses_keys_looks_at_lamps_and_lifts_and_the_phone_does_not_dial_meanwhile() {
    let mut office = Office::new("");
    start(&mut office, true);
    office.keys("1");
    office.down(HASH);
    assert_eq!(verdicts(&office)[..2], ["passed", "running"]);
    assert_eq!(office.lamp(Lamp::Key(2)), Pattern::On);
    office.up(HASH);
    office.press(HASH);
    office.lift();
    assert_eq!(office.tone, None, "no dial tone during the test");
    office.put_down();
    assert_eq!(verdicts(&office)[..3], ["passed"; 3]);
    assert_eq!(office.lamp(Lamp::Key(2)), Pattern::Off);
    answer_probes(&mut office);
    assert_eq!(verdicts(&office)[3..], ["passed", "passed", "skipped", "passed"]);
    assert!(office.view().calls.is_empty() && office.view().dialling.is_none());
    office.keys("1");
    assert_eq!(office.view().dialling.as_deref(), Some("1"), "afterwards keys are keys");
}

#[test]
fn a_call_ends_a_self_test_and_a_self_test_does_not_begin_in_a_call() {
    let mut office = Office::new("");
    start(&mut office, true);
    office.ring("102", "", Some(&sdp("sendrecv", 8)));
    let test = office.view().self_test.unwrap();
    assert!(test.finished && test.steps.iter().all(|step| step.verdict == Verdict::Skipped));
    assert!(office.bell);
    office.lift();
    assert_eq!(office.call().state.name(), "talking");
    let refused = office.command(Command::SelfTest(SelfTestOrder::Start { interactive: true }));
    assert!(matches!(refused, Err(Refusal::WrongState(_))));
}

#[test]
fn a_self_test_that_nobody_and_nothing_answers_comes_to_an_end() {
    let mut office = Office::new("");
    start(&mut office, true);
    office.seconds(200);
    let test = office.view().self_test.unwrap();
    assert!(test.finished && !test.passed());
    assert_eq!(test.steps.iter().map(|step| step.step).collect::<Vec<_>>(), Step::ALL);
}
