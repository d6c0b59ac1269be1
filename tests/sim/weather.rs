//! Bad networks and servers that come and go.

use crate::{all_quiet, connect, hear_each_other, talking, two};
use offhook_tests::{Action, World};
use std::time::Duration;

#[test]
fn calls_work_while_ten_percent_of_the_packets_are_lost_doubled_and_reordered() {
    for seed in 0..10 {
        let mut world = World::new(&format!("weather_{seed}"), seed);
        world.act(Action::Weather { lost: 10, duplicated: 10, reordered: 10 });
        world.phone("alice", "100");
        world.phone("bob", "101");
        world.until(60.0, "registered", |world| world.registered("alice") && world.registered("bob"));
        world.say("alice", 440);
        world.say("bob", 1000);
        world.lift("alice");
        world.dial("alice", "101#");
        world.until(20.0, "Bob's phone rings", |world| world.desk("bob").ring);
        world.lift("bob");
        world
            .until(20.0, "they talk", |world| world.calls("alice") == ["talking"] && world.calls("bob") == ["talking"]);
        world.seconds(3.0);
        // Ten percent of the sound is missing: over two seconds the tone is there, not pure.
        let (at_bob, at_alice) = (world.hears_over("bob", 440, 2000), world.hears_over("alice", 1000, 2000));
        assert!(at_bob > 6.0 && at_alice > 6.0, "seed {seed}: {at_bob:.1} {at_alice:.1}");
        world.put_down("alice");
        world.until(40.0, "Bob hears that it is over", |world| world.calls("bob") != ["talking"]);
        world.put_down("bob");
        world.act(Action::Weather { lost: 0, duplicated: 0, reordered: 0 });
        all_quiet(&mut world, &["alice", "bob"]);
    }
}

#[test]
fn registration_outlives_the_nonce() {
    let mut world = two("stale_nonce");
    // Several nonces and registrations grow old; each refresh meets a stale nonce and is answered without a pause.
    for _ in 0..4 {
        world.seconds(590.0);
        assert!(world.registered("alice") && world.registered("bob"), "{}", world.summary());
    }
    let stale = world.capture.sip().filter(|(_, _, _, text)| text.to_lowercase().contains("stale=true")).count();
    assert!(stale > 0, "the PBX never called a nonce stale: the story proves nothing");
    connect(&mut world);
}

#[test]
fn pbx_restarts_and_calls_go_on_while_it_is_away() {
    let mut world = talking("pbx_restart");
    world.act(Action::PbxOff(Duration::from_secs(20)));
    world.seconds(10.0);
    // Sound flows between the phones: the PBX is not missed.
    hear_each_other(&mut world);
    world.seconds(60.0);
    world.put_down("alice");
    world.put_down("bob");
    world.seconds(60.0);
    // Bindings were remembered: Bob is reachable before he registers again.
    connect(&mut world);
}

#[test]
fn phones_register_when_a_pbx_that_was_away_comes_back() {
    let mut world = two("pbx_away");
    world.act(Action::PbxOff(Duration::from_secs(1200)));
    world.until(1000.0, "the phones notice", |world| !world.registered("alice") && !world.registered("bob"));
    world.lift("alice");
    world.seconds(0.5);
    assert_ne!(world.tone("alice"), Some("dial"), "no dial tone without a PBX");
    world.put_down("alice");
    world.until(3000.0, "registered again", |world| world.registered("alice") && world.registered("bob"));
    connect(&mut world);
}

#[test]
fn phone_restarts_with_its_settings_and_is_reached_again() {
    let mut world = two("phone_restart");
    world.act(Action::RestartPhone { phone: "bob".into() });
    world.until(5.0, "Bob is registered again", |world| world.registered("bob"));
    connect(&mut world);
    world.put_down("alice");
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn phone_starts_with_stored_settings_while_its_provisioning_server_is_away() {
    let mut world = two("provisioning_away");
    world.act(Action::Provisioning { user: "101".into(), status: 503, body: None });
    world.act(Action::RestartPhone { phone: "bob".into() });
    world.until(5.0, "Bob is registered again", |world| world.registered("bob"));
    connect(&mut world);
}
