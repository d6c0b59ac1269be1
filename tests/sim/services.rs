//! Web services: a callback that connects two people, call-through by an access number that wants digits, a balance that is
//! followed through bad days.

use crate::provisioning::document;
use crate::{all_quiet, hear_each_other, two};
use offhook_phone::Event;
use offhook_tests::{Action, World};
use std::time::Duration;

/// Numbers of Alice that begin with 9 get this action; what follows the 9 is meant.
fn give(world: &mut World, action: &str, more: &str) {
    let text = document(world, "100", |text| {
        let rule = format!(
            "<rewriting><rule><conditions><condition type=\"startsWith\" param=\"9\"/></conditions><actions>\
             <action type=\"replace\" param=\"\"/>{action}</actions></rule></rewriting>"
        );
        text.replace("</account>", &format!("{rule}{more}</account>"))
    });
    world.act(Action::Provisioning { user: "100".into(), status: 200, body: Some(text) });
    world.act(Action::Provision { phone: "alice".into() });
    world.seconds(2.0);
}

fn office(name: &str, action: &str, more: &str) -> World {
    let mut world = two(name);
    give(&mut world, action, more);
    world
}

const CALLBACK: &str = "<wcb_enabled>1</wcb_enabled><wcb_url>https://web.example.com/callback</wcb_url>\
    <wcb_contentType>application/json</wcb_contentType>\
    <wcb_postData>{\"to\":\"%targetNumber%\",\"from\":\"%account[username]%\",\"key\":\"%account[password]%\"}</wcb_postData>";
const OVERRIDE: &str = "<action type=\"overrideDialAction\" param=\"webCallback\"/>";
const THROUGH: &str = "<action type=\"callThrough\"/>";
const DONE: &str = "<response><error>0</error></response>";

/// Covers: axml.wcb.01, axml.wcb.05, axml.rew.25, feat.24
#[test]
fn a_callback_connects_two_people_though_nobody_here_made_a_call() {
    let mut world = office("web_callback", OVERRIDE, CALLBACK);
    world.web.insert("/callback".into(), (200, DONE.into()));
    world.say("alice", 440);
    world.say("bob", 1000);
    world.lift("alice");
    world.dial("alice", "9101#");
    world.until(2.0, "the service is asked", |world| world.web_asked.len() == 1);
    let asked = world.web_asked[0].1.clone();
    let body = String::from_utf8(asked.body).unwrap();
    assert!(body.starts_with("{\"to\":\"101\",\"from\":\"100\",\"key\":\"") && !body.contains("***"), "{body}");
    world.until(1.0, "Alice waits", |world| {
        world.view("alice").service.as_deref() == Some("Waiting for the call to 101") && world.tone("alice").is_none()
    });
    // the service calls from Bob's number
    world.lift("bob");
    world.dial("bob", "100#");
    world.until(3.0, "they talk", |world| world.calls("alice") == ["talking"] && world.calls("bob") == ["talking"]);
    hear_each_other(&mut world);
    world.put_down("bob");
    world.put_down("alice");
    let record = world.view("alice").history[0].clone();
    assert_eq!((record.incoming, record.answered, record.peer.as_str()), (true, true, "101"));
    all_quiet(&mut world, &["alice", "bob"]);
    assert_eq!(world.web_asked.len(), 1);
}

#[test]
fn a_callback_service_that_is_away_leaves_a_phone_that_works() {
    let mut world = office("web_callback_away", OVERRIDE, CALLBACK);
    world.lift("alice");
    world.dial("alice", "9101#");
    world.until(3.0, "congestion", |world| world.tone("alice") == Some("congestion"));
    assert!(world.view("alice").notice.unwrap().contains("no callback: no connection"));
    world.dial("alice", "101#");
    world.until(3.0, "Bob's phone rings", |world| world.desk("bob").ring);
    world.put_down("alice");
    all_quiet(&mut world, &["alice", "bob"]);
}

/// Covers: axml.cth.02, axml.cth.03, axml.rew.24
#[test]
fn the_access_number_hears_the_digits_that_the_service_wants_it_to_hear() {
    let nodes = "<cth_enabled>1</cth_enabled><cth_ws_enabled>1</cth_ws_enabled>\
                 <cth_ws_url>https://web.example.com/through?to=%targetNumber%</cth_ws_url>";
    let mut world = office("call_through", THROUGH, nodes);
    let answer = "<response><error>0</error><dialString>101,4*2#</dialString></response>";
    world.web.insert("/through".into(), (200, answer.into()));
    world.lift("alice");
    world.dial("alice", "90301234#");
    world.until(3.0, "the access number rings", |world| world.desk("bob").ring);
    assert_eq!(world.view("alice").calls[0].peer, "0301234");
    world.seconds(5.0);
    world.lift("bob");
    world.seconds(5.0);
    let heard = |event: &Event| if let Event::Digit { digit, .. } = event { Some(*digit) } else { None };
    let heard: String = world.desk("bob").events.iter().filter_map(heard).collect();
    assert_eq!(heard, "4*2#");
    assert_eq!(world.calls("alice"), ["talking"]);
    world.put_down("alice");
    world.put_down("bob");
    all_quiet(&mut world, &["alice", "bob"]);
}

/// Covers: axml.bal.04, feat.44
#[test]
fn a_balance_is_followed_through_a_bad_hour_without_a_storm() {
    let nodes = "<genericBalanceCheckUrl>https://web.example.com/balance</genericBalanceCheckUrl>\
                 <balanceCheckIntervalInSeconds>300</balanceCheckIntervalInSeconds>";
    let mut world = office("balance", THROUGH, nodes);
    let balance = |world: &World| world.view("alice").accounts[0].balance.clone();
    world.until(120.0, "the service was asked", |world| !world.web_asked.is_empty());
    assert_eq!(balance(&world), None);
    let answer = "<response><error>0</error><balanceString>$60.20</balanceString></response>";
    world.web.insert("/balance".into(), (200, answer.into()));
    world.until(700.0, "the balance is known", |world| balance(world).is_some());
    world.web_asked.clear();
    world.seconds(1230.0);
    assert!((3..=4).contains(&world.web_asked.len()), "{} in twenty minutes", world.web_asked.len());
    // the server breaks for an hour
    world.web.insert("/balance".into(), (200, "<html>maintenance</html>".into()));
    world.web_asked.clear();
    world.seconds(3600.0);
    assert!((4..=6).contains(&world.web_asked.len()), "{} in an hour", world.web_asked.len());
    let gap = world.web_asked.windows(2).map(|pair| pair[1].0 - pair[0].0).min().unwrap();
    assert!(gap >= Duration::from_secs(300));
    assert_eq!(balance(&world).as_deref(), Some("$60.20"), "the last word counts");
    world.web.insert("/balance".into(), (200, answer.replace("60.20", "5.00")));
    world.until(3700.0, "it is asked again", |world| balance(world).as_deref() == Some("$5.00"));
}
