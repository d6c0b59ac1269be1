//! Calling, answering, hanging up, and what can happen instead.

use crate::{all_quiet, connect, hear_each_other, talking, three, two};
use offhook_hal::{Pattern, Route};
use offhook_tests::World;

/// Covers: feat.1, feat.4, axml.cred.02, axml.cred.03, axml.cred.09
#[test]
fn alice_dials_bob_rings_and_both_hear_each_other_until_alice_hangs_up() {
    let mut world = two("alice_hangs_up");
    world.lift("alice");
    world.seconds(0.1);
    assert_eq!(world.tone("alice"), Some("dial"));
    assert!(world.level("alice", 50) > -40.0, "the dial tone is heard");
    world.dial("alice", "1");
    assert_eq!(world.tone("alice"), None, "the first digit ends the dial tone");
    world.dial("alice", "01#");
    world.until(1.0, "Bob's phone rings", |world| world.desk("bob").ring);
    assert_eq!(world.lamp("bob", "line1"), Pattern::Fast);
    assert_eq!(world.calls("bob"), ["incoming"]);
    world.until(1.0, "Alice hears that it rings", |world| world.tone("alice") == Some("ringing"));
    world.say("alice", 440);
    world.say("bob", 1000);
    world.lift("bob");
    world.until(1.0, "they talk", |world| world.calls("alice") == ["talking"]);
    assert!(!world.desk("bob").ring);
    assert_eq!(world.desk("bob").route, Route::Handset);
    assert_eq!(world.lamp("bob", "line1"), Pattern::On);
    hear_each_other(&mut world);
    world.put_down("alice");
    world.until(1.0, "Bob hears that it is over", |world| world.tone("bob") == Some("endcall"));
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob"]);
    assert_eq!(world.lamp("bob", "line1"), Pattern::Off);
}

#[test]
fn bob_hangs_up_and_alice_hears_it() {
    let mut world = talking("bob_hangs_up");
    world.put_down("bob");
    world.until(1.0, "Alice hears that it is over", |world| world.tone("alice") == Some("endcall"));
    world.put_down("alice");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn calls_over_tcp_are_like_calls_over_udp() {
    let mut world = World::new("tcp", 2);
    world.phone_over("alice", "100", "tcp");
    world.phone_over("bob", "101", "tcp");
    world.until(10.0, "registered over TCP", |world| {
        ["alice", "bob"].iter().all(|phone| {
            world.registered(phone) && world.view(phone).accounts.iter().all(|account| account.transport == "tcp")
        })
    });
    connect(&mut world);
    world.put_down("alice");
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn busy_line_without_call_waiting_makes_a_busy_tone() {
    let mut world = three("busy");
    world.act(offhook_tests::Action::Set { phone: "bob".into(), node: "callWaiting".into(), value: "0".into() });
    connect(&mut world);
    world.lift("carol");
    world.dial("carol", "101#");
    world.until(2.0, "Carol hears busy", |world| world.tone("carol") == Some("busy"));
    assert_eq!(world.calls("bob"), ["talking"]);
    world.put_down("carol");
    for phone in ["alice", "bob"] {
        world.put_down(phone);
    }
    all_quiet(&mut world, &["alice", "bob", "carol"]);
}

/// Covers: axml.cw.01, feat.3, feat.11
#[test]
fn second_call_waits_with_a_tone_in_the_ear_and_is_taken_by_its_line_key() {
    let mut world = three("call_waiting");
    connect(&mut world);
    world.say("carol", 2000);
    world.lift("carol");
    world.dial("carol", "101#");
    world.until(2.0, "Bob's second line flashes", |world| world.lamp("bob", "line2") == Pattern::Flutter);
    assert!(!world.desk("bob").ring, "the phone does not ring beside the ear");
    world.press("bob", "line2");
    world.until(2.0, "Bob talks to Carol", |world| world.calls("bob") == ["held", "talking"]);
    world.seconds(1.0);
    assert!(world.hears("bob", 2000) > 20.0, "Bob hears Carol: {}", world.hears("bob", 2000));
    assert!(world.hears("carol", 1000) > 20.0, "Carol hears Bob");
    assert!(world.level("alice", 300) < -60.0, "Alice is held and hears nothing: {}", world.level("alice", 300));
    world.press("bob", "line1");
    world.until(2.0, "Bob is back with Alice", |world| world.calls("bob") == ["talking", "held"]);
    hear_each_other(&mut world);
    world.put_down("carol");
    world.put_down("alice");
    world.seconds(1.0);
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob", "carol"]);
}

#[test]
fn nobody_answers_and_alice_is_told() {
    let mut world = two("no_answer");
    world.lift("alice");
    world.dial("alice", "101#");
    world.until(2.0, "Bob's phone rings", |world| world.desk("bob").ring);
    world.until(60.0, "the PBX gives up", |world| world.tone("alice") == Some("congestion"));
    assert!(!world.desk("bob").ring);
    assert_eq!(world.view("bob").missed, 1);
    world.put_down("alice");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn alice_changes_her_mind_and_bobs_phone_stops_ringing() {
    let mut world = two("cancel");
    world.lift("alice");
    world.dial("alice", "101#");
    world.until(2.0, "Bob's phone rings", |world| world.desk("bob").ring);
    world.put_down("alice");
    world.until(1.0, "Bob's phone is silent", |world| !world.desk("bob").ring);
    assert_eq!(world.view("bob").missed, 1);
    assert_eq!(world.view("bob").history[0].peer, "100");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn bob_refuses_by_soft_key_and_alice_hears_busy() {
    let mut world = two("reject");
    world.lift("alice");
    world.dial("alice", "101#");
    world.until(2.0, "Bob's phone rings", |world| world.desk("bob").ring);
    let key = world.view("bob").soft_keys.iter().position(|key| key.label == "Reject").unwrap();
    world.press("bob", &format!("soft{}", key + 1));
    world.until(2.0, "Alice hears busy", |world| world.tone("alice") == Some("busy"));
    assert!(!world.desk("bob").ring);
    world.put_down("alice");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn unknown_number_is_refused_with_words() {
    let mut world = two("unknown_number");
    world.lift("alice");
    world.dial("alice", "999#");
    world.until(2.0, "Alice hears that it does not work", |world| world.tone("alice") == Some("congestion"));
    assert!(world.view("alice").calls[0].end.as_ref().unwrap().status == Some(404), "{}", world.summary());
    world.put_down("alice");
    all_quiet(&mut world, &["alice"]);
}

/// Covers: feat.5
#[test]
fn hold_silences_both_ways_and_resume_brings_both_back() {
    let mut world = talking("hold");
    world.press("alice", "hold");
    world.until(2.0, "Alice holds", |world| world.calls("alice") == ["held"]);
    world.until(2.0, "Bob sees it", |world| world.view("bob").calls[0].held_by_them);
    assert_eq!(world.lamp("alice", "line1"), Pattern::Slow);
    world.seconds(1.0);
    assert!(world.level("bob", 300) < -60.0, "Bob hears nothing: {}", world.level("bob", 300));
    assert!(world.level("alice", 300) < -60.0, "Alice hears nothing: {}", world.level("alice", 300));
    world.press("alice", "hold");
    world.until(2.0, "they talk again", |world| world.calls("alice") == ["talking"]);
    world.until(2.0, "Bob sees it", |world| !world.view("bob").calls[0].held_by_them);
    hear_each_other(&mut world);
    world.put_down("alice");
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn both_may_hold_and_both_must_resume() {
    let mut world = talking("hold_both");
    world.press("alice", "hold");
    world.seconds(1.0);
    world.press("bob", "hold");
    world.seconds(1.0);
    world.press("alice", "hold");
    world.seconds(1.0);
    assert!(world.level("alice", 300) < -60.0, "Bob still holds");
    world.press("bob", "hold");
    world.seconds(1.0);
    hear_each_other(&mut world);
    world.put_down("alice");
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn number_is_sent_four_seconds_after_the_last_digit() {
    let mut world = two("inter_digit");
    world.lift("alice");
    world.dial("alice", "101");
    world.seconds(3.0);
    assert!(!world.desk("bob").ring);
    world.until(2.0, "Bob's phone rings", |world| world.desk("bob").ring);
    world.put_down("alice");
    all_quiet(&mut world, &["alice", "bob"]);
}

/// Covers: feat.56
#[test]
fn digits_during_a_call_reach_the_other_phone() {
    let mut world = talking("digits");
    world.dial("alice", "159#");
    world.seconds(1.0);
    let digits: String = world
        .desk("bob")
        .events
        .iter()
        .filter_map(|event| match event {
            offhook_phone::Event::Digit { digit, .. } => Some(*digit),
            _ => None,
        })
        .collect();
    assert_eq!(digits, "159#");
    hear_each_other(&mut world);
    world.put_down("alice");
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn muted_microphone_is_silent_at_the_other_end() {
    let mut world = talking("mute");
    world.press("alice", "mute");
    world.seconds(1.0);
    assert!(world.level("bob", 300) < -60.0, "{}", world.level("bob", 300));
    assert!(world.hears("alice", 1000) > 20.0);
    world.press("alice", "mute");
    world.seconds(1.0);
    hear_each_other(&mut world);
    world.put_down("alice");
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob"]);
}

#[test]
fn echo_number_returns_what_is_said_and_tone_number_sounds() {
    let mut world = two("echo");
    world.say("alice", 700);
    world.lift("alice");
    world.dial("alice", "600#");
    world.until(2.0, "the echo answers", |world| world.calls("alice") == ["talking"]);
    world.seconds(1.5);
    assert!(world.hears("alice", 700) > 20.0, "{}", world.hears("alice", 700));
    world.put_down("alice");
    world.seconds(1.0);
    world.say("alice", 0);
    world.lift("alice");
    world.dial("alice", "601#");
    world.until(2.0, "the tone answers", |world| world.calls("alice") == ["talking"]);
    world.seconds(1.5);
    assert!(world.hears("alice", 1004) > 20.0, "{}", world.hears("alice", 1004));
    world.put_down("alice");
    all_quiet(&mut world, &["alice"]);
}

#[test]
fn same_seed_gives_the_same_run_packet_for_packet() {
    let run = |seed| {
        let mut world = World::new("same_seed", seed);
        world.act(offhook_tests::Action::Weather { lost: 5, duplicated: 5, reordered: 5 });
        world.phone("alice", "100");
        world.phone("bob", "101");
        world.until(30.0, "registered", |world| world.registered("alice") && world.registered("bob"));
        world.lift("alice");
        world.dial("alice", "101#");
        world.seconds(3.0);
        world.lift("bob");
        world.seconds(3.0);
        world.put_down("alice");
        world.seconds(5.0);
        world.capture.digest()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
