//! Provisioning that cannot break a phone: what does not work goes back by itself, and accounts come and go.

use crate::provisioning::{document, password};
use crate::{connect, talking, three, two};
use offhook_tests::{Action, World};
use std::time::Duration;

fn give(world: &mut World, body: String) {
    world.act(Action::Provisioning { user: "100".into(), status: 200, body: Some(body) });
    world.act(Action::Provision { phone: "alice".into() });
}

fn last(world: &World) -> String {
    world.view("alice").provisioning[0].last.clone()
}

/// REGISTERs that Alice has sent.
fn registers(world: &World) -> usize {
    let ip = world.desk("alice").ip;
    let of_alice = world.capture.sip().filter(|(_, from, _, text)| from.ip() == ip && text.starts_with("REGISTER"));
    of_alice.count()
}

/// Covers: feat.87, feat.94
#[test]
fn a_new_password_that_is_wrong_goes_back_within_seconds_and_is_reported() {
    let mut world = two("wrong_password");
    let right = password(&world, "100");
    let text = document(&world, "100", |text| text.replace(&right, "not-the-password"));
    give(&mut world, text);
    world.until(5.0, "the old password is back", |world| last(world).contains("taken back"));
    world.until(5.0, "Alice is registered", |world| world.registered("alice"));
    assert!(last(&world).contains("wrong password"), "{}", last(&world));
    let report = world.view("alice").provisioning[0].report.clone().unwrap();
    assert!(report.contains("\"result\":\"returned\"") && !report.contains("not-the-password"), "{report}");
    assert_eq!(password(&world, "100"), right);
    connect(&mut world);
    world.put_down("alice");
    world.put_down("bob");
    // It is not tried again and again: what is left are refreshes, each of them asked for the password once.
    let before = registers(&world);
    world.seconds(3600.0);
    assert!(registers(&world) - before <= 20, "{} REGISTERs in an hour", registers(&world) - before);
    assert!(world.registered("alice"));
}

#[test]
fn a_wrong_password_that_comes_in_a_call_neither_cuts_it_nor_stays() {
    let mut world = talking("wrong_password_in_call");
    let right = password(&world, "100");
    let text = document(&world, "100", |text| text.replace(&right, "not-the-password"));
    give(&mut world, text);
    world.seconds(120.0);
    assert_eq!(world.calls("alice"), ["talking"]);
    assert_eq!(last(&world), "new settings wait for the end of the call");
    world.put_down("alice");
    world.put_down("bob");
    world.until(10.0, "the old password is back", |world| last(world).contains("taken back"));
    world.until(5.0, "Alice is registered", |world| world.registered("alice"));
    connect(&mut world);
}

/// Covers: axml.root.02
#[test]
fn a_second_account_comes_rings_and_goes_while_the_first_talks() {
    let mut world = three("second_account");
    let first = document(&world, "100", |text| text);
    let second = document(&world, "102", |text| text);
    connect(&mut world);
    give(&mut world, format!("<accounts>{first}{second}</accounts>"));
    world.until(5.0, "both accounts are registered", |world| {
        world.view("alice").accounts.len() == 2 && world.registered("alice")
    });
    assert_eq!(world.calls("alice"), ["talking"]);
    world.put_down("alice");
    world.put_down("bob");
    world.seconds(1.0);
    // 102 is Carol's and now Alice's, too
    world.lift("bob");
    world.dial("bob", "102#");
    world.until(3.0, "Alice's phone rings for 102", |world| world.desk("alice").ring && world.desk("carol").ring);
    world.lift("alice");
    world.until(3.0, "they talk", |world| world.calls("alice") == ["talking"] && world.calls("bob") == ["talking"]);
    assert_eq!(world.view("alice").calls[0].account, 2);
    // It is taken away in that very call, which goes on.
    give(&mut world, first);
    world.seconds(30.0);
    assert_eq!((world.calls("alice"), world.calls("bob")), (vec!["talking"], vec!["talking"]));
    world.put_down("alice");
    world.put_down("bob");
    world.until(5.0, "one account is left", |world| world.view("alice").accounts.len() == 1);
    connect(&mut world);
}

#[test]
fn a_phone_that_starts_without_a_network_finds_it_later() {
    let mut world = World::new("network_later", 3);
    world.phone("bob", "101");
    world.until(5.0, "Bob is registered", |world| world.registered("bob"));
    world.act(Action::PbxOff(Duration::from_secs(90)));
    world.phone("alice", "100");
    world.seconds(60.0);
    assert!(world.view("alice").accounts.is_empty());
    assert_eq!(world.view("alice").provisioning[0].ok, Some(false));
    world.until(200.0, "both are registered", |world| world.registered("alice") && world.registered("bob"));
    connect(&mut world);
}

/// The PBX and the user each have their say, over a restart, too.
#[test]
fn what_the_user_set_stays_until_the_pbx_locks_it() {
    let mut world = two("priorities");
    let set = |name: &str| Action::Set { phone: "alice".into(), node: "userDisplayName".into(), value: name.into() };
    let shown = |world: &World| {
        let account = &world.view("alice").accounts[0];
        let value = account.values.iter().find(|value| value.node == "userDisplayName").cloned();
        (account.display_name.clone(), value.map(|value| (value.origin, value.locked)))
    };
    let named = |world: &World, attributes: &str, name: &str| {
        let node = format!("<userDisplayName{attributes}>{name}</userDisplayName></account>");
        document(world, "100", |text| text.replace("</account>", &node))
    };
    let text = named(&world, "", "From the PBX");
    give(&mut world, text);
    world.until(5.0, "applied", |world| shown(world) == ("From the PBX".into(), Some(("set by the PBX", false))));
    world.act(set("Anna"));
    assert_eq!(shown(&world), ("Anna".into(), Some(("set by you", false))));
    let text = named(&world, "", "Once more");
    give(&mut world, text);
    world.seconds(5.0);
    world.act(Action::RestartPhone { phone: "alice".into() });
    world.until(10.0, "registered", |world| world.registered("alice"));
    assert_eq!(shown(&world), ("Anna".into(), Some(("set by you", false))));
    let text = named(&world, " priority=\"50\"", "Reception");
    give(&mut world, text);
    world.until(5.0, "locked", |world| shown(world) == ("Reception".into(), Some(("set by the PBX", true))));
    world.act(set("Anna"));
    assert_eq!(shown(&world).0, "Reception");
}
