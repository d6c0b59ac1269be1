//! Stories: a whole office in virtual time. Each reads like the manual.
//!
//! Alice is 100, Bob 101, Carol 102. A story that fails leaves a capture and its inputs under `target/stories/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod applying;
mod calls;
mod contacts;
mod forwarding;
mod lamps;
mod provisioning;
mod rules;
mod services;
mod weather;

use offhook_tests::World;

/// Alice and Bob, registered.
fn two(name: &str) -> World {
    let mut world = World::new(name, 1);
    world.phone("alice", "100");
    world.phone("bob", "101");
    world.until(5.0, "both are registered", |world| world.registered("alice") && world.registered("bob"));
    world
}

/// Alice, Bob and Carol, registered.
fn three(name: &str) -> World {
    let mut world = two(name);
    world.phone("carol", "102");
    world.until(5.0, "Carol is registered", |world| world.registered("carol"));
    world
}

/// Alice has dialled Bob, Bob has lifted, they talk: Alice says 440 Hz, Bob 1000 Hz.
fn talking(name: &str) -> World {
    let mut world = two(name);
    connect(&mut world);
    world
}

fn connect(world: &mut World) {
    world.say("alice", 440);
    world.say("bob", 1000);
    world.lift("alice");
    world.dial("alice", "101#");
    world.until(2.0, "Bob's phone rings", |world| world.desk("bob").ring);
    world.lift("bob");
    world.until(2.0, "they talk", |world| world.calls("alice") == ["talking"] && world.calls("bob") == ["talking"]);
    hear_each_other(world);
}

/// Each hears the other's tone 20 dB above everything else.
fn hear_each_other(world: &mut World) {
    world.seconds(1.0);
    let (at_alice, at_bob) = (world.hears("alice", 1000), world.hears("bob", 440));
    assert!(at_alice > 20.0 && at_bob > 20.0, "Alice hears {at_alice:.1} dB, Bob {at_bob:.1} dB\n{}", world.summary());
}

/// Both handsets down, nothing left anywhere: no call, no dialog, no socket.
fn all_quiet(world: &mut World, phones: &[&str]) {
    // Transactions linger for 32 s (64 T1), as RFC 3261 section 17 asks.
    world.seconds(40.0);
    for phone in phones {
        assert!(world.calls(phone).is_empty(), "{}", world.summary());
        let census = world.desk(phone).phone.census();
        assert_eq!((census.calls, census.sip.sessions), (0, 0), "{phone}: {census:?}");
        assert_eq!(census.sip.server_transactions, 0, "{phone}: {census:?}");
    }
    let census = world.cupboard.pbx.as_ref().unwrap().census();
    assert_eq!(census.sessions, 0, "PBX: {census:?}");
    assert_eq!(world.media_sockets(), 0, "sockets of calls that are over");
}

/// One calls another: whether his phone rings. If not, the caller hears that it is busy.
fn gets_through(world: &mut World, caller: &str, number: &str, called: &str) -> bool {
    world.lift(caller);
    world.dial(caller, &format!("{number}#"));
    world.seconds(1.0);
    let rings = world.desk(called).ring;
    assert_eq!(world.tone(caller), Some(if rings { "ringing" } else { "busy" }), "{}", world.summary());
    world.put_down(caller);
    world.seconds(1.0);
    rings
}
