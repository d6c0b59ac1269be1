//! Rules of the account at work: what is dialled, who rings, who is sent on, which codecs, and what a lost network does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use offhook_account::rules::{Link, Uplink, Zone};
use offhook_phone::hal::{Lamp, Pattern};
use offhook_phone::sip::{Method, Request};
use offhook_phone::{CallState, Command, Input, PhoneConfig};
use std::time::{Duration, SystemTime};
use support::{Office, config, sdp};

/// A desk in Berlin at this local time.
fn berlin(more: &str, at: &str) -> Office {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let wall = zone.moment(at).unwrap();
    let mut office = Office::with(PhoneConfig { zone, ..config(more) });
    office.set_wall(wall);
    office
}

fn rewriting(rules: &[(&str, &str)]) -> String {
    let rule = |(conditions, actions): &(&str, &str)| {
        format!("<rule><conditions>{conditions}</conditions><actions>{actions}</actions></rule>")
    };
    format!("<rewriting>{}</rewriting>", rules.iter().map(rule).collect::<String>())
}

fn dialled(office: &mut Office, number: &str) -> Request {
    office.dial(number).unwrap();
    let invite = office.request(Method::Invite);
    office.respond(&invite, 486, None);
    // until the busy tone is over
    office.seconds(6);
    office.heard.clear();
    invite
}

/// Covers: axml.rew.01, axml.rew.16, axml.rew.17, axml.rew.19, axml.rew.26
#[test]
fn a_dialled_number_goes_out_as_the_rules_make_it_with_their_headers_and_is_redialled_as_it_was_typed() {
    let mut office = Office::new(&rewriting(&[
        (
            "<condition type=\"startsWith\" param=\"00\"/>",
            "<action type=\"replace\" param=\"+\"/><action type=\"continue\"/>\
             <action type=\"setHeader\" param=\"X-Way: world\"/>",
        ),
        ("<condition type=\"startsWith\" param=\"+\"/>", "<action type=\"prepend\" param=\"9\"/>"),
    ]));
    let invite = dialled(&mut office, "00 49 445-566");
    assert_eq!(invite.uri.to_string(), "sip:9+49445566@192.0.2.1");
    assert_eq!(invite.headers.first("X-Way"), Some("world"));
    let plain = dialled(&mut office, "102");
    assert_eq!((plain.uri.to_string().as_str(), plain.headers.first("X-Way")), ("sip:102@192.0.2.1", None));
    dialled(&mut office, "0049445566");
    office.command(Command::Redial).unwrap();
    assert_eq!(office.request(Method::Invite).uri.to_string(), "sip:9+49445566@192.0.2.1");
    office.hang_up_all();
}

/// Covers: axml.rew.11
#[test]
fn lamp_keys_are_the_speed_dials_that_rules_ask_for() {
    let rules = rewriting(&[(
        "<condition type=\"contactIsFromSource\" param=\"qd\"/>",
        "<action type=\"prepend\" param=\"*\"/>",
    )]);
    let mut office = Office::new(&format!("{rules}<blf><uri label=\"Bob\">102</uri></blf>"));
    assert_eq!(dialled(&mut office, "102").uri.to_string(), "sip:*102@192.0.2.1");
    assert_eq!(dialled(&mut office, "103").uri.to_string(), "sip:103@192.0.2.1");
}

/// Covers: axml.rew.21
#[test]
fn a_rule_sends_a_call_out_through_another_account_and_without_it_as_before() {
    let rules =
        rewriting(&[("<condition type=\"equals\" param=\"112\"/>", "<action type=\"dialOut\" param=\"Second\"/>")]);
    let second = "<account><title>Second</title><username>200</username><password>secret</password>\
                  <host>192.0.2.1</host><codecOrder>8,0</codecOrder></account>";
    let mut config = config(&rules);
    config.accounts.push(("second.xml".into(), second.as_bytes().to_vec()));
    let mut office = Office::with(config);
    let from = |invite: &Request| invite.headers.from().unwrap().uri.user().unwrap();
    assert_eq!(from(&dialled(&mut office, "112")), "200");
    assert_eq!(from(&dialled(&mut office, "113")), "100");
    office.command(Command::Unregister(Some(2))).unwrap();
    office.seconds(1);
    office.heard.clear();
    assert_eq!(from(&dialled(&mut office, "112")), "100", "an emergency call is not lost over a rule");
}

fn incoming(rules: &[(&str, &str)]) -> String {
    rewriting(rules).replace("rewriting>", "incomingRewriting>")
}

/// Covers: axml.rew.27, axml.rew.28, axml.rew.29, feat.13
#[test]
fn incoming_rules_reject_send_on_answer_and_rename_by_the_callers_number() {
    let mut office = Office::new(&incoming(&[
        ("<condition type=\"startsWith\" param=\"+1900\"/>", "<action type=\"rejectCall\"/>"),
        ("<condition type=\"equals\" param=\"201\"/>", "<action type=\"forwardCall\" param=\"0815\"/>"),
        ("<condition type=\"equals\" param=\"202\"/>", "<action type=\"answerImmediately\"/>"),
        ("<condition type=\"startsWith\" param=\"00\"/>", "<action type=\"replace\" param=\"+\"/>"),
    ]));
    office.ring("+19005551", "", Some(&sdp("sendrecv", 8)));
    office.response(486);
    assert_eq!((office.view().missed, office.view().history.len()), (0, 1), "in the list, but nobody has missed it");
    office.ring("201", "", Some(&sdp("sendrecv", 8)));
    let moved = office.response(302);
    assert_eq!(moved.headers.first("Contact"), Some("<sip:0815@192.0.2.1>"));
    assert!(moved.headers.first("Diversion").unwrap().contains("reason=deflection"));
    office.ring("0049445566", "", Some(&sdp("sendrecv", 8)));
    assert_eq!(office.call().peer, "+49445566");
    office.hang_up_all();
    office.ring("202", "", Some(&sdp("sendrecv", 8)));
    office.response(200);
    assert_eq!(office.call().state, CallState::Talking);
    office.hang_up_all();
}

const NIGHTS: &str =
    "<doNotDisturb><dndEntry><from>22:00</from><to>02:30</to><weekdays>64</weekdays></dndEntry></doNotDisturb>";

/// Whether a call would ring now; it is gone afterwards.
fn rings(office: &mut Office) -> bool {
    office.heard.clear();
    office.ring("103", "", Some(&sdp("sendrecv", 8)));
    let rings = office.bell;
    if rings {
        office.response(180);
        office.hang_up_all();
    } else {
        let refused = office.response(486);
        assert_eq!(refused.headers.first("Reason"), Some("SIP;cause=486;text=\"Do not disturb\""));
    }
    office.seconds(40);
    rings
}

/// Covers: axml.dnd.01, axml.dnd.04, axml.dnd.05, axml.dnd.06
#[test]
fn a_night_begins_on_its_day_goes_over_midnight_and_ends_by_the_clock_that_summer_time_has_moved() {
    let wait = |office: &mut Office, minutes: u64| office.seconds(minutes * 60 - 40);
    // Sunday, 25 October 2026: 03:00 became 02:00 in the morning; the night meant begins in the evening
    let mut office = berlin(NIGHTS, "2026-10-25T21:59");
    assert!(rings(&mut office));
    wait(&mut office, 1);
    assert!(!rings(&mut office), "22:00");
    wait(&mut office, 4 * 60);
    assert!(!rings(&mut office), "02:00 on Monday");
    wait(&mut office, 31);
    assert!(rings(&mut office), "02:31 on Monday");
    assert!(office.view().history.iter().any(|record| record.end.text == "do not disturb" && record.missed));
    // the night before is Saturday's: it would have been on at 02:15, twice
    let saturday = NIGHTS.replace("64", "32");
    let mut office = berlin(&saturday, "2026-10-25T00:15");
    wait(&mut office, 120);
    assert!(!rings(&mut office), "02:15, summer time");
    wait(&mut office, 30);
    assert!(rings(&mut office), "02:45, summer time");
    wait(&mut office, 30);
    assert!(!rings(&mut office), "02:15 again, an hour later");
    wait(&mut office, 30);
    assert!(rings(&mut office), "02:45 again");
    // and in spring 02:00 to 03:00 does not exist: 01:59 is followed by 03:00
    let mut office = berlin(&saturday, "2026-03-29T01:58");
    assert!(!rings(&mut office));
    wait(&mut office, 2);
    assert!(rings(&mut office), "03:00");
}

/// The screen says so by itself, when the clock on the wall comes to it.
#[test]
fn the_view_says_when_a_schedule_begins_and_ends_without_anything_else_happening() {
    let mut office = berlin(NIGHTS, "2026-10-25T21:59");
    let version = office.phone.view_version();
    assert!(!office.view().do_not_disturb);
    office.seconds(60);
    assert!(office.view().do_not_disturb && office.phone.view_version() != version);
    office.seconds(4 * 3600 + 30 * 60);
    assert!(office.view().do_not_disturb);
    office.seconds(60);
    assert!(!office.view().do_not_disturb);
    let forwarded = Office::new("<forwardingEnabled>1</forwardingEnabled><forwardingNumber>0815</forwardingNumber>");
    assert_eq!(forwarded.view().forwarded.as_deref(), Some("0815"));
}

const ALWAYS: &str =
    "<doNotDisturb><dndEntry><from>00:00</from><to>23:59</to><weekdays>127</weekdays></dndEntry></doNotDisturb>";

/// Covers: axml.dnd.14
#[test]
fn an_emergency_comes_through_if_the_accounts_server_says_so_or_if_we_called_for_help() {
    let mut office = Office::new(ALWAYS);
    assert!(!rings(&mut office));
    office.ring("110", "Priority: emergency\r\n", Some(&sdp("sendrecv", 8)));
    office.response(180);
    office.hang_up_all();
    dialled(&mut office, "112");
    assert!(rings(&mut office), "the call back");
    office.seconds(3500);
    assert!(rings(&mut office), "within the hour");
    office.seconds(60);
    assert!(!rings(&mut office), "the hour is over");
}

/// Covers: axml.dnd.01
#[test]
fn before_the_date_is_known_no_schedule_keeps_anybody_away() {
    let mut office = Office::new(ALWAYS);
    office.undated = true;
    assert!(rings(&mut office));
    office.undated = false;
    assert!(!rings(&mut office));
}

/// Covers: axml.dnd.12
#[test]
fn a_person_switches_do_not_disturb_on_and_off_by_hand() {
    let mut office = Office::new("");
    let set = |office: &mut Office, value: Option<&str>| {
        let (node, value) = ("doNotDisturbNow".to_owned(), value.map(str::to_owned));
        office.command(Command::Set { account: None, node, value }).unwrap();
    };
    assert!(rings(&mut office));
    set(&mut office, Some("1"));
    assert!(!rings(&mut office) && office.view().do_not_disturb);
    set(&mut office, None);
    assert!(rings(&mut office) && !office.view().do_not_disturb);
}

/// Who set the switch, if anybody.
fn switch(office: &Office) -> Option<(String, &'static str)> {
    let values = office.view().accounts[0].values.clone();
    values.iter().find(|value| value.node == "doNotDisturbNow").map(|value| (value.value.clone(), value.origin))
}

/// Covers: feat.10
#[test]
fn the_soft_key_keeps_everybody_away_until_it_is_pressed_again() {
    let mut office = Office::new("");
    office.soft("DND");
    assert!(!rings(&mut office) && office.view().do_not_disturb);
    assert_eq!(switch(&office), Some(("1".into(), "set by you")));
    office.soft("DND off");
    assert!(rings(&mut office) && !office.view().do_not_disturb);
    assert_eq!(switch(&office), None, "off again is nobody's setting");

    let mut office = Office::new("<doNotDisturbNow>1</doNotDisturbNow>");
    assert!(!rings(&mut office));
    office.soft("DND off");
    assert!(rings(&mut office), "the PBX has switched it on, the person switches it off");
    assert_eq!(switch(&office), Some(("0".into(), "set by you")));
    office.command(Command::DoNotDisturb(Some(false))).unwrap();
    assert!(rings(&mut office));
    office.command(Command::DoNotDisturb(None)).unwrap();
    assert!(!rings(&mut office));
}

#[test]
fn a_switch_that_the_administrator_has_locked_stays_and_the_screen_says_why() {
    let mut office = Office::new("<doNotDisturbNow priority=\"50\">0</doNotDisturbNow>");
    office.soft("DND");
    assert!(office.view().notice.is_some_and(|text| text.contains("locked")));
    assert!(rings(&mut office) && !office.view().do_not_disturb);
}

#[test]
fn silent_do_not_disturb_shows_a_call_without_a_sound() {
    let mut office = Office::new(&format!("{ALWAYS}<dndSilent>1</dndSilent>"));
    let mut call = office.ring("103", "", Some(&sdp("sendrecv", 8)));
    office.response(180);
    assert!(!office.bell);
    assert_eq!((office.call().state, office.lamp(Lamp::Line(1))), (CallState::Incoming, Pattern::Fast));
    office.lift();
    let answer = office.response(200);
    office.heard.push(offhook_phone::sip::Message::Response(answer));
    office.send(&mut call, "ACK", 1, "", None);
    assert_eq!(office.call().state, CallState::Talking);
    office.hang_up_all();
    let mut office = Office::new(&format!("{ALWAYS}<dndRejectCode>480</dndRejectCode>"));
    office.ring("103", "", Some(&sdp("sendrecv", 8)));
    office.response(480);
}

/// Covers: axml.fwd.01, axml.fwd.02, feat.9
#[test]
fn busy_unanswered_and_unreachable_calls_go_where_the_account_says() {
    let to = |office: &mut Office| {
        let moved = office.response(302);
        let reason = moved.headers.first("Diversion").unwrap().split(';').nth(1).unwrap().to_owned();
        (moved.headers.first("Contact").unwrap().to_owned(), reason)
    };
    let call = |office: &mut Office| drop(office.ring("103", "", Some(&sdp("sendrecv", 8))));
    let mut office = Office::new("<callWaiting>0</callWaiting><forwardingBusyNumber>601</forwardingBusyNumber>");
    office.talk();
    call(&mut office);
    assert_eq!(to(&mut office), ("<sip:601@192.0.2.1>".into(), "reason=user-busy".into()));
    office.hang_up_all();

    let more = "<forwardingNoAnswerNumber>602</forwardingNoAnswerNumber>\
                <forwardingNoAnswerTimeoutInSeconds>15</forwardingNoAnswerTimeoutInSeconds>";
    let mut office = Office::new(more);
    call(&mut office);
    office.response(180);
    office.advance(Duration::from_millis(14_900));
    assert!(office.bell);
    office.advance(Duration::from_millis(100));
    assert_eq!(to(&mut office), ("<sip:602@192.0.2.1>".into(), "reason=no-answer".into()));
    assert_eq!((office.bell, office.view().calls.len(), office.view().missed), (false, 0, 1));
    call(&mut office);
    office.lift();
    office.response(200);
    office.seconds(20);
    assert_eq!(office.call().state, CallState::Talking, "an answered call stays");
    office.hang_up_all();

    let unreachable = "<forwardingUnreachableNumber>603</forwardingUnreachableNumber>";
    let mut office = Office::new(unreachable);
    office.input(Input::Audio { available: false, text: String::new() });
    call(&mut office);
    assert_eq!(to(&mut office), ("<sip:603@192.0.2.1>".into(), "reason=unavailable".into()));
    office.input(Input::Audio { available: true, text: String::new() });
    call(&mut office);
    office.response(180);
    office.hang_up_all();
}

/// Covers: axml.aa.01, axml.aa.03, feat.14, feat.15
#[test]
fn nobody_answers_by_itself_while_the_handset_is_up_or_do_not_disturb_is_on() {
    let auto = "<appInitiatedAutoAnswerEnabled>1</appInitiatedAutoAnswerEnabled>\
                <sipInitiatedAutoAnswerEnabled>1</sipInitiatedAutoAnswerEnabled>";
    let mut office = Office::new(auto);
    office.lift();
    office.ring("103", "Call-Info: <sip:x>;answer-after=0\r\n", Some(&sdp("sendrecv", 8)));
    office.seconds(2);
    assert_eq!(office.call().state, CallState::Incoming);
    office.hang_up_all();
    let mut office = Office::new(&format!("{auto}{ALWAYS}<dndSilent>1</dndSilent>"));
    office.ring("103", "Call-Info: <sip:x>;answer-after=0\r\n", Some(&sdp("sendrecv", 8)));
    office.seconds(2);
    assert_eq!(office.call().state, CallState::Incoming);
    office.hang_up_all();
}

/// Covers: axml.inc.08
#[test]
fn who_asks_for_privacy_is_not_named_by_what_the_server_asserts() {
    let mut office = Office::new("");
    let asserted = "P-Asserted-Identity: \"Boss\" <sip:1@192.0.2.1>\r\n";
    office.ring("anonymous", asserted, Some(&sdp("sendrecv", 8)));
    assert_eq!(office.call().peer_name.as_deref(), Some("Boss"));
    office.hang_up_all();
    office.heard.clear();
    office.ring("anonymous", &format!("{asserted}Privacy: id;critical\r\n"), Some(&sdp("sendrecv", 8)));
    assert_eq!((office.call().peer.as_str(), office.call().peer_name.as_deref()), ("anonymous", Some("Bob")));
    office.hang_up_all();
}

fn uplink(link: Link, metered: bool) -> Input<'static> {
    Input::Uplink(Uplink { link, ssid: None, metered })
}

/// Covers: axml.codec.02, axml.codec.06, axml.codec.04, axml.codec.08
#[test]
fn a_metered_uplink_has_codecs_of_its_own_from_the_next_call_on() {
    let mut office = Office::new("<codecOrder3G>0,8</codecOrder3G><ptime3G>40</ptime3G>");
    let offer = |office: &mut Office| {
        let invite = dialled(office, "102");
        let text = String::from_utf8(invite.body.clone()).unwrap();
        let line = |prefix: &str| text.lines().find(|line| line.starts_with(prefix)).unwrap().to_owned();
        (line("m=audio").split(' ').nth(3).unwrap().to_owned(), line("a=ptime"))
    };
    assert_eq!(offer(&mut office), ("8".into(), "a=ptime:20".into()));
    office.input(uplink(Link::Cellular, true));
    assert_eq!(offer(&mut office), ("0".into(), "a=ptime:40".into()));
    // both sets as answerer: the main one takes the caller's first, the metered one its own
    let answer = |office: &mut Office| {
        let theirs = sdp("sendrecv", 8).replace("RTP/AVP 8", "RTP/AVP 8 0");
        let mut call = office.ring("103", "", Some(&theirs));
        office.lift();
        let answer = office.response(200);
        let text = String::from_utf8(answer.body.clone()).unwrap();
        office.heard.push(offhook_phone::sip::Message::Response(answer));
        office.send(&mut call, "ACK", 1, "", None);
        office.hang_up_all();
        office.put_down();
        office.heard.clear();
        text.lines().find(|line| line.starts_with("m=audio")).unwrap().split(' ').nth(3).unwrap().to_owned()
    };
    assert_eq!(answer(&mut office), "0");
    office.input(uplink(Link::Ethernet, false));
    assert_eq!(answer(&mut office), "8");
}

/// Covers: axml.nat.16
#[test]
fn a_call_outlives_the_network_for_as_long_as_the_account_says() {
    let mut office = Office::new("");
    office.talk();
    office.input(uplink(Link::None, false));
    office.advance(Duration::from_millis(14_900));
    assert_eq!(office.call().state, CallState::Talking);
    office.input(uplink(Link::Wifi, false));
    office.seconds(60);
    assert_eq!(office.call().state, CallState::Talking, "the network came back");
    office.input(uplink(Link::None, false));
    office.advance(Duration::from_millis(15_000));
    assert_eq!(office.call().end.unwrap().text, "no network");
    office.hang_up_all();
    let mut short = Office::new(
        "<maxTimeToWaitForWorkingNetworkInMilliseconds>2000</maxTimeToWaitForWorkingNetworkInMilliseconds>",
    );
    short.talk();
    short.input(uplink(Link::None, false));
    short.seconds(2);
    assert_eq!(short.call().state, CallState::Ended);
}

#[test]
fn the_date_of_the_tests_is_the_one_they_say() {
    let office = berlin("", "2026-10-25T21:59");
    let wall = office.clock().wall.unwrap();
    assert_eq!(wall, SystemTime::UNIX_EPOCH + Duration::from_secs(1_792_961_940));
}
