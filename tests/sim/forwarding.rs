//! Forwarding in an office: the phone sends its caller on, the PBX takes him there.

use crate::provisioning::document;
use crate::{all_quiet, three};
use offhook_tests::{Action, World};

/// The PBX gives these users these nodes from now on.
fn given(world: &mut World, nodes: &[(&str, &str, &str)]) {
    for (phone, user, nodes) in nodes {
        let text = document(world, user, |text| text.replace("</account>", &format!("{nodes}</account>")));
        world.act(Action::Provisioning { user: (*user).into(), status: 200, body: Some(text) });
        world.act(Action::Provision { phone: (*phone).into() });
    }
    world.seconds(1.0);
    for (phone, ..) in nodes {
        let view = world.view(phone);
        assert_eq!(view.provisioning[0].ok, Some(true), "{:?}", view.provisioning);
    }
}

/// Bob calls Alice and hears this after some time, and these phones ring.
fn bob_calls_alice(world: &mut World, seconds: f64) -> (Option<&'static str>, Vec<&'static str>) {
    world.lift("bob");
    world.dial("bob", "100#");
    world.seconds(seconds);
    let rings = ["alice", "carol"].into_iter().filter(|phone| world.desk(phone).ring).collect();
    (world.tone("bob"), rings)
}

fn bob_and_carol_hear_each_other(world: &mut World) {
    world.say("bob", 1000);
    world.say("carol", 440);
    world.seconds(1.0);
    let (at_bob, at_carol) = (world.hears("bob", 440), world.hears("carol", 1000));
    assert!(at_bob > 20.0 && at_carol > 20.0, "Bob hears {at_bob:.1} dB, Carol {at_carol:.1} dB\n{}", world.summary());
}

/// Covers: axml.cw.01
#[test]
fn a_call_that_finds_alice_busy_reaches_carol_and_alice_keeps_talking() {
    let mut world = three("forward_busy");
    given(
        &mut world,
        &[("alice", "100", "<callWaiting>0</callWaiting><forwardingBusyNumber>102</forwardingBusyNumber>")],
    );
    assert_eq!(bob_calls_alice(&mut world, 1.0), (Some("ringing"), vec!["alice"]), "she is not busy");
    world.put_down("bob");
    world.seconds(1.0);
    world.lift("alice");
    world.dial("alice", "600#");
    world.until(2.0, "Alice hears the echo", |world| world.calls("alice") == ["talking"]);
    assert_eq!(bob_calls_alice(&mut world, 1.0), (Some("ringing"), vec!["carol"]));
    assert_eq!(world.view("carol").calls[0].peer, "101", "Carol sees who calls, not who sent him on");
    world.lift("carol");
    world.until(2.0, "Bob and Carol talk", |world| world.calls("carol") == ["talking"]);
    bob_and_carol_hear_each_other(&mut world);
    assert_eq!(world.calls("alice"), ["talking"], "Alice was not disturbed");
    for phone in ["bob", "carol", "alice"] {
        world.put_down(phone);
    }
    all_quiet(&mut world, &["alice", "bob", "carol"]);
}

#[test]
fn a_call_that_alice_does_not_answer_rings_at_carols_after_the_time_that_is_set() {
    let mut world = three("forward_no_answer");
    let nodes = "<forwardingNoAnswerNumber>102</forwardingNoAnswerNumber>\
                 <forwardingNoAnswerTimeoutInSeconds>5</forwardingNoAnswerTimeoutInSeconds>";
    given(&mut world, &[("alice", "100", nodes)]);
    assert_eq!(bob_calls_alice(&mut world, 4.5), (Some("ringing"), vec!["alice"]));
    world.seconds(1.5);
    assert!(!world.desk("alice").ring && world.desk("carol").ring, "{}", world.summary());
    world.lift("carol");
    world.until(2.0, "Bob and Carol talk", |world| world.calls("carol") == ["talking"]);
    bob_and_carol_hear_each_other(&mut world);
    world.put_down("bob");
    world.put_down("carol");
    all_quiet(&mut world, &["alice", "bob", "carol"]);
}

/// Covers: axml.fwd.01, axml.fwd.02
#[test]
fn two_phones_that_forward_to_each_other_end_the_call_instead_of_sending_it_round_for_ever() {
    let mut world = three("forward_circle");
    let to =
        |number: &str| format!("<forwardingEnabled>1</forwardingEnabled><forwardingNumber>{number}</forwardingNumber>");
    given(&mut world, &[("alice", "100", &to("102")), ("carol", "102", &to("100"))]);
    let (tone, rings) = bob_calls_alice(&mut world, 1.0);
    assert!(rings.is_empty() && tone.is_some_and(|tone| tone != "ringing"), "{tone:?} {rings:?}");
    world.put_down("bob");
    // to a number outside nothing is followed either
    given(&mut world, &[("alice", "100", &to("+49301234567"))]);
    let (tone, rings) = bob_calls_alice(&mut world, 1.0);
    assert!(rings.is_empty() && tone.is_some_and(|tone| tone != "ringing"), "{tone:?} {rings:?}");
    let pbx_log = world.cupboard.log.join("\n");
    assert!(pbx_log.contains("circle") && pbx_log.contains("nobody has the number"), "{pbx_log}");
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob", "carol"]);
}
