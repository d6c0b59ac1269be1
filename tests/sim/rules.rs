//! Rules of an account in an office: what is dialled here is heard there, and who may ring when.

use crate::provisioning::{document, password};
use crate::{all_quiet, gets_through, hear_each_other, two};
use offhook_tests::{Action, World};

/// The PBX gives this user these nodes from now on.
fn given(world: &mut World, phone: &str, user: &str, nodes: &str) {
    let text = document(world, user, |text| text.replace("</account>", &format!("{nodes}</account>")));
    assert!(!password(world, user).is_empty());
    world.act(Action::Provisioning { user: user.into(), status: 200, body: Some(text) });
    world.act(Action::Provision { phone: phone.into() });
    world.seconds(1.0);
    let view = world.view(phone);
    assert_eq!(view.provisioning[0].ok, Some(true), "{:?}", view.provisioning);
}

/// Covers: feat.12, axml.rew.01, axml.rew.02, axml.rew.16, axml.rew.18, axml.rew.19
#[test]
fn a_chain_of_rules_turns_what_alice_dials_into_bobs_number_each_time_she_does() {
    let mut world = two("rewriting_chain");
    let rules = "<rewriting>\
        <rule><conditions><condition type=\"startsWith\" param=\"00491\"/></conditions>\
        <actions><action type=\"replace\" param=\"+491\"/><action type=\"continue\"/></actions></rule>\
        <rule><conditions><condition type=\"startsWith\" param=\"+49\"/><condition type=\"lengthEquals\" param=\"5\"/>\
        </conditions><actions><action type=\"replace\" param=\"\"/><action type=\"append\" param=\"1\"/></actions></rule>\
        <rule><actions><action type=\"prepend\" param=\"never\"/></actions></rule></rewriting>";
    given(&mut world, "alice", "100", rules);
    world.say("alice", 440);
    world.say("bob", 1000);
    for attempt in 0..2 {
        world.lift("alice");
        match attempt {
            // 004910: +4910, then 10, then 101
            0 => world.dial("alice", "004910#"),
            // the number is dialled again as it was typed, not as it became
            _ => {
                let redial = world.view("alice").soft_keys.iter().position(|key| key.label == "Redial").unwrap();
                world.press("alice", &format!("soft{}", redial + 1));
            }
        }
        world.until(2.0, "Bob's phone rings", |world| world.desk("bob").ring);
        assert_eq!(world.view("alice").calls[0].peer, "101");
        world.lift("bob");
        world.until(2.0, "they talk", |world| world.calls("alice") == ["talking"]);
        hear_each_other(&mut world);
        world.put_down("alice");
        world.put_down("bob");
        world.seconds(1.0);
    }
    all_quiet(&mut world, &["alice", "bob"]);
}

/// Covers: feat.10, axml.dnd.01, axml.dnd.06
#[test]
fn bob_is_not_disturbed_while_his_schedule_says_so_but_by_the_colleague_it_leaves_out() {
    let mut world = two("do_not_disturb");
    // The office opens its eyes on Saturday, 21 November 2026, 09:00 in Berlin.
    let entry = |weekdays: u8, contacts: &str| {
        format!(
            "<doNotDisturb><dndEntry><from>09:02</from><to>09:03</to><weekdays>{weekdays}</weekdays>\
             <contacts>{contacts}</contacts></dndEntry></doNotDisturb>"
        )
    };
    given(&mut world, "bob", "101", &entry(32, ""));
    assert!(gets_through(&mut world, "alice", "101", "bob"), "it is not 09:02 yet");
    let until = |world: &mut World, seconds: u64| {
        let now = world.time().as_secs();
        world.seconds((seconds - now) as f64);
    };
    until(&mut world, 121);
    assert!(!gets_through(&mut world, "alice", "101", "bob"), "09:02");
    let bob = world.view("bob");
    let away = bob.history.iter().find(|record| record.end.text == "do not disturb").unwrap();
    assert!(away.missed && away.peer == "100", "{away:?}");
    given(&mut world, "bob", "101", &entry(32, "<contactInfo phone=\"102\"/>"));
    assert!(gets_through(&mut world, "alice", "101", "bob"), "the schedule is about Carol only");
    given(&mut world, "bob", "101", &entry(31, ""));
    assert!(gets_through(&mut world, "alice", "101", "bob"), "today is Saturday");
    given(&mut world, "bob", "101", &entry(96, "<contactInfo phone=\"100\"/>"));
    assert!(!gets_through(&mut world, "alice", "101", "bob"), "Alice, on a weekend");
    until(&mut world, 241);
    assert!(gets_through(&mut world, "alice", "101", "bob"), "09:04");
    // Subscriptions are refreshed before their 300 s are over, and what that brings lingers as well.
    until(&mut world, 330);
    all_quiet(&mut world, &["alice", "bob"]);
}

/// Covers: feat.10, axml.dnd.12
#[test]
fn who_presses_do_not_disturb_has_quiet_until_he_presses_it_again_whatever_happens_meanwhile() {
    let mut world = two("do_not_disturb_key");
    let press = |world: &mut World, label: &str| {
        let key = world.view("bob").soft_keys.iter().position(|key| key.label == label).expect(label);
        world.press("bob", &format!("soft{}", key + 1));
    };
    assert!(gets_through(&mut world, "alice", "101", "bob"));
    press(&mut world, "DND");
    assert!(!gets_through(&mut world, "alice", "101", "bob"));
    world.act(Action::RestartPhone { phone: "bob".into() });
    world.until(5.0, "Bob is registered", |world| world.registered("bob"));
    assert!(world.view("bob").do_not_disturb && !gets_through(&mut world, "alice", "101", "bob"), "after a restart");
    given(&mut world, "bob", "101", "<expires>300</expires><doNotDisturbNow>0</doNotDisturbNow>");
    assert!(!gets_through(&mut world, "alice", "101", "bob"), "what the PBX provisions does not take it back");
    press(&mut world, "DND off");
    assert!(gets_through(&mut world, "alice", "101", "bob"));
    assert!(!world.view("bob").do_not_disturb);
}
