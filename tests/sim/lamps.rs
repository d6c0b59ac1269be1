//! BLF and message lamps.

use crate::{three, two};
use offhook_hal::Pattern;
use offhook_tests::Action;

/// Covers: axml.blf.01, axml.blf.02, feat.29, office.other.06
#[test]
fn carols_lamp_key_follows_bobs_call() {
    let mut world = three("blf");
    // Carol's lamp keys are the other users in order: 100, 101.
    world.until(5.0, "Carol sees Bob idle", |world| world.lamp("carol", "key2") == Pattern::Off);
    let blf = &world.view("carol").blf;
    assert_eq!((blf[0].extension.as_str(), blf[1].extension.as_str()), ("100", "101"));
    world.lift("alice");
    world.dial("alice", "101#");
    world.until(2.0, "Carol sees Bob ringing", |world| world.lamp("carol", "key2") == Pattern::Fast);
    world.until(2.0, "Carol sees Alice busy", |world| world.lamp("carol", "key1") == Pattern::On);
    world.lift("bob");
    world.until(2.0, "Carol sees Bob busy", |world| world.lamp("carol", "key2") == Pattern::On);
    world.put_down("bob");
    world.until(2.0, "Carol sees Bob idle", |world| world.lamp("carol", "key2") == Pattern::Off);
    world.put_down("alice");
    world.until(2.0, "Carol sees Alice idle", |world| world.lamp("carol", "key1") == Pattern::Off);
}

#[test]
fn lamp_key_dials_its_extension() {
    let mut world = two("lamp_key_dials");
    world.lift("bob");
    // Bob's first lamp key is 100.
    world.press("bob", "key1");
    world.until(2.0, "Alice's phone rings", |world| world.desk("alice").ring);
    world.put_down("bob");
}

/// Covers: axml.voicemail.01, axml.voicemail.02, feat.25
#[test]
fn message_lamp_and_stutter_tone_show_that_messages_wait() {
    let mut world = two("message_lamp");
    assert_eq!(world.lamp("alice", "message"), Pattern::Off);
    world.act(Action::Messages { user: "100".into(), new: 2, old: 1 });
    world.until(2.0, "the message lamp is on", |world| world.lamp("alice", "message") != Pattern::Off);
    assert_eq!(world.view("alice").messages.new, 2);
    assert_eq!(world.lamp("bob", "message"), Pattern::Off);
    world.lift("alice");
    world.seconds(0.2);
    assert_eq!(world.tone("alice"), Some("stutter"));
    world.put_down("alice");
    world.act(Action::Messages { user: "100".into(), new: 0, old: 3 });
    world.until(2.0, "the message lamp is off", |world| world.lamp("alice", "message") == Pattern::Off);
}

#[test]
fn lamps_come_back_after_the_pbx_was_away() {
    let mut world = three("blf_restart");
    world.act(Action::RestartPbx);
    // Subscriptions are refreshed after 300 s at the latest, registrations after 600 s.
    world.seconds(700.0);
    world
        .until(30.0, "registered again", |world| ["alice", "bob", "carol"].iter().all(|phone| world.registered(phone)));
    world.lift("alice");
    world.dial("alice", "101#");
    world.until(2.0, "Carol sees Bob ringing", |world| world.lamp("carol", "key2") == Pattern::Fast);
    world.put_down("alice");
}
