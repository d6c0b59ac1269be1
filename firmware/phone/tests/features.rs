//! Hold, swapping, call waiting, digits, forwarding, answering by itself, mute, volume, routes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use offhook_phone::hal::{Key, Lamp, PanelEvent, Pattern, Route};
use offhook_phone::media::telephone_event::Digit;
use offhook_phone::media::{Direction, Event as MediaEvent};
use offhook_phone::sip::{Method, Request};
use offhook_phone::{CallRef, CallState, Command, Event, Input, Refusal, VolumeDevice};
use std::time::Duration;
use support::{Incoming, Office, sdp};

fn body(request: &Request) -> String {
    String::from_utf8(request.body.clone()).unwrap()
}

/// Answers the phone's re-INVITE.
fn agree(office: &mut Office, direction: &str) -> String {
    let reinvite = office.request(Method::Invite);
    office.respond(&reinvite, 200, Some(&sdp(direction, 8)));
    office.request(Method::Ack);
    body(&reinvite)
}

/// Answers a ringing call and confirms it.
fn answered(office: &mut Office, call: &mut Incoming) {
    let answer = office.response(200);
    office.heard.push(offhook_phone::sip::Message::Response(answer));
    office.send(call, "ACK", 1, "", None);
    office.response(200);
}

/// Covers: feat.5
#[test]
fn hold_is_heard_of_by_the_peer_and_resume_brings_the_talk_back() {
    let mut office = Office::new("");
    office.talk();
    office.press(Key::Hold);
    assert_eq!(office.directions.values().copied().collect::<Vec<_>>(), [Direction::Inactive]);
    assert!(agree(&mut office, "recvonly").contains("a=sendonly"));
    let call = office.call();
    assert_eq!((call.state, call.held_by_us, call.held_by_them), (CallState::Held, true, false));
    assert_eq!(office.lamp(Lamp::Line(1)), Pattern::Slow);
    assert!(office.events.contains(&Event::Mic(false)));
    office.soft("Resume");
    assert!(agree(&mut office, "sendrecv").contains("a=sendrecv"));
    assert_eq!(office.directions.values().copied().collect::<Vec<_>>(), [Direction::SendRecv]);
    assert_eq!((office.call().state, office.lamp(Lamp::Line(1))), (CallState::Talking, Pattern::On));
    office.hang_up_all();
    office.assert_clean();
}

#[test]
fn both_sides_may_hold_at_once() {
    let mut office = Office::new("");
    let invite = office.talk();
    office.send_in(&invite, "INVITE", 1, "", Some(&sdp("sendonly", 8)));
    office.response(200);
    office.send_in(&invite, "ACK", 1, "", None);
    office.command(Command::Hold(CallRef::Current, true)).unwrap();
    assert!(agree(&mut office, "inactive").contains("a=inactive"));
    let call = office.call();
    assert!(call.held_by_us && call.held_by_them);
    office.send_in(&invite, "INVITE", 2, "", Some(&sdp("sendrecv", 8)));
    assert!(String::from_utf8(office.response(200).body).unwrap().contains("a=sendonly"));
    office.send_in(&invite, "ACK", 2, "", None);
    assert!(office.call().held_by_us && !office.call().held_by_them);
    office.hang_up_all();
    office.assert_clean();
}

#[test]
fn a_refused_hold_still_silences_us_and_a_crossing_one_is_asked_again() {
    let mut office = Office::new("");
    office.talk();
    office.press(Key::Hold);
    let reinvite = office.request(Method::Invite);
    office.respond(&reinvite, 491, None);
    office.request(Method::Ack);
    assert!(!office.has_request(&Method::Invite));
    let refused = office.now;
    while !office.has_request(&Method::Invite) {
        office.advance(Duration::from_millis(10));
    }
    let waited = office.now - refused;
    assert!(waited >= Duration::from_millis(2100) && waited <= Duration::from_secs(4), "{waited:?}");
    let again = office.request(Method::Invite);
    assert!(body(&again).contains("a=sendonly"));
    office.respond(&again, 488, None);
    office.request(Method::Ack);
    assert_eq!((office.call().state, office.directions.values().next()), (CallState::Held, Some(&Direction::Inactive)));
    office.seconds(10);
    assert!(!office.has_request(&Method::Invite));
    office.hang_up_all();
    office.assert_clean();
}

/// Covers: axml.cw.01, feat.11, axml.tones.10, feat.3
#[test]
fn a_waiting_call_is_announced_in_the_ear_and_answering_it_holds_the_first() {
    let mut office = Office::new("");
    office.talk();
    let mut second = office.ring("103", "", Some(&sdp("sendrecv", 8)));
    office.response(180);
    assert!(!office.bell);
    assert_eq!((office.tone, office.lamp(Lamp::Line(2))), (Some("callwaiting"), Pattern::Flutter));
    assert!(office.media.contains(&"tone Overlay on".to_owned()));
    office.press(Key::Line(2));
    answered(&mut office, &mut second);
    assert!(agree(&mut office, "recvonly").contains("a=sendonly"));
    assert_eq!(office.states(), [("held", false), ("talking", true)]);
    assert_eq!(office.tone, None);
    // and back: the line key of the held call swaps
    office.press(Key::Line(1));
    let mut said: Vec<String> = Vec::new();
    for direction in ["sendrecv", "recvonly"] {
        let reinvite = office.request(Method::Invite);
        said.push(if body(&reinvite).contains("sendonly") { "hold" } else { "resume" }.into());
        let direction = if said.last().unwrap() == "hold" { "recvonly" } else { direction };
        office.respond(&reinvite, 200, Some(&sdp(direction, 8)));
    }
    said.sort();
    assert_eq!(said, ["hold", "resume"]);
    assert_eq!(office.states(), [("talking", true), ("held", false)]);
    assert_eq!(office.view().calls.len(), 2);
    office.hang_up_all();
    office.assert_clean();
}

/// Covers: axml.cw.01, feat.11
#[test]
fn busy_line_with_call_waiting_off_answers_486() {
    let mut office = Office::new("<callWaiting>0</callWaiting>");
    office.talk();
    office.ring("103", "", Some(&sdp("sendrecv", 8)));
    office.response(486);
    assert_eq!((office.view().calls.len(), office.view().missed), (1, 1));
    office.hang_up_all();
    office.heard.clear();
    office.ring("103", "", Some(&sdp("sendrecv", 8)));
    office.response(180);
    office.hang_up_all();
    office.assert_clean();
}

#[test]
fn a_held_call_rings_again_when_the_handset_is_put_down_and_lifting_takes_it_back() {
    let mut office = Office::new("");
    office.lift();
    office.keys("102#");
    office.pick_up();
    office.soft("New call");
    agree(&mut office, "recvonly");
    assert_eq!(office.tone, Some("dial"));
    office.keys("103#");
    let invite = office.request(Method::Invite);
    office.respond(&invite, 200, Some(&sdp("sendrecv", 8)));
    office.request(Method::Ack);
    office.put_down();
    office.request(Method::Bye);
    assert_eq!(office.states(), [("held", false)]);
    assert!(office.bell);
    office.seconds(31);
    assert!(!office.bell);
    office.seconds(60);
    assert!(office.bell);
    office.lift();
    assert!(!office.bell);
    assert!(agree(&mut office, "sendrecv").contains("a=sendrecv"));
    assert_eq!(office.states(), [("talking", true)]);
    office.put_down();
    office.request(Method::Bye);
    office.assert_clean();
}

#[test]
fn a_call_left_on_hold_survives_hook_on_and_reminds_after_a_minute() {
    let mut office = Office::new("");
    office.lift();
    office.keys("102#");
    office.pick_up();
    office.press(Key::Hold);
    agree(&mut office, "recvonly");
    office.put_down();
    assert_eq!((office.states(), office.bell), (vec![("held", false)], false));
    office.seconds(61);
    assert!(office.bell);
    office.hang_up_all();
    assert!(!office.bell);
    office.assert_clean();
}

/// Covers: axml.dtmf.01, feat.56
#[test]
fn keys_in_a_call_are_events_as_long_as_they_are_held_and_at_least_70_ms() {
    let mut office = Office::new("");
    office.talk();
    let stream = office.stream().0;
    office.media.clear();
    office.down(Key::Digit('5'));
    assert!(office.media.contains(&format!("digit {stream} 5 Event false")), "{:?}", office.media);
    assert!(office.media.contains(&"tone Overlay on".to_owned()));
    office.advance(Duration::from_millis(300));
    office.up(Key::Digit('5'));
    assert!(office.media.contains(&format!("digit end {stream}")));
    office.media.clear();
    office.command(Command::Key(Key::Digit('#'))).unwrap();
    assert!(office.media.contains(&format!("digit {stream} # Event false")));
    assert!(!office.media.contains(&format!("digit end {stream}")));
    office.advance(Duration::from_millis(69));
    assert!(!office.media.contains(&format!("digit end {stream}")));
    office.advance(Duration::from_millis(1));
    assert!(office.media.contains(&format!("digit end {stream}")));
    assert_eq!(office.view().dialling, None);
    office.hang_up_all();
    office.assert_clean();
}

/// Covers: axml.dtmf.01
#[test]
fn info_carries_digits_if_the_account_says_so() {
    let mut office = Office::new("<dtmfOrder>info,rfc2833</dtmfOrder>");
    office.talk();
    office.press(Key::Digit('*'));
    let info = office.request(Method::Info);
    assert_eq!(info.headers.content_type(), Some("application/dtmf-relay"));
    assert!(body(&info).starts_with("Signal=*\r\n"));
    assert!(!office.media.iter().any(|command| command.starts_with("digit")));
    office.hang_up_all();
    office.assert_clean();
}

#[test]
fn a_string_of_digits_goes_out_one_by_one_with_pauses() {
    let mut office = Office::new("");
    assert_eq!(office.command(Command::Dtmf(CallRef::Current, "1".into())), Err(Refusal::NoSuchCall));
    office.talk();
    office.media.clear();
    office.command(Command::Dtmf(CallRef::Current, "12,3".into())).unwrap();
    let sent = |office: &Office| office.media.iter().filter(|command| command.starts_with("digit")).count();
    assert_eq!(sent(&office), 1);
    office.advance(Duration::from_millis(200));
    assert_eq!(sent(&office), 2);
    office.advance(Duration::from_millis(1900));
    assert_eq!(sent(&office), 2);
    office.advance(Duration::from_millis(300));
    assert_eq!(sent(&office), 3);
    assert!(matches!(office.command(Command::Dtmf(CallRef::Current, "1x".into())), Err(Refusal::BadValue(_))));
    assert!(matches!(office.command(Command::Dtmf(CallRef::Current, "1".repeat(500))), Err(Refusal::BadValue(_))));
    office.hang_up_all();
    office.assert_clean();
}

#[test]
fn digits_of_the_peer_are_told_whether_they_come_as_event_or_info() {
    let mut office = Office::new("");
    let invite = office.talk();
    let id = office.call().id;
    let stream = office.stream();
    office.media_event(MediaEvent::Digit { stream, digit: Digit::from_char('7').unwrap() });
    assert!(office.events.contains(&Event::Digit { call: id, digit: '7' }));
    let kind = "Content-Type: application/dtmf-relay\r\n";
    office.send_in(&invite, "INFO", 1, kind, Some("Signal=8\r\nDuration=100\r\n"));
    office.response(200);
    assert!(office.events.contains(&Event::Digit { call: id, digit: '8' }));
    office.hang_up_all();
    office.assert_clean();
}

/// Covers: axml.fwd.01, axml.fwd.02
#[test]
fn a_forwarded_call_is_sent_on_with_diversion_and_does_not_ring() {
    let mut office = Office::new("<forwardingEnabled>1</forwardingEnabled><forwardingNumber>0815</forwardingNumber>");
    office.ring("102", "Diversion: <sip:7@192.0.2.1>;reason=no-answer;counter=2\r\n", Some(&sdp("sendrecv", 8)));
    let moved = office.response(302);
    assert_eq!(moved.headers.first("Contact"), Some("<sip:0815@192.0.2.1>"));
    let diversions: Vec<&str> = moved.headers.all("Diversion").collect();
    assert_eq!(diversions[0], "<sip:100@192.0.2.1>;reason=unconditional;counter=1");
    assert_eq!(diversions.len(), 2);
    assert!(!office.bell);
    // round in circles: it rings instead
    office.ring("102", "Diversion: <sip:7@192.0.2.1>;reason=unknown;counter=5\r\n", Some(&sdp("sendrecv", 8)));
    office.response(180);
    assert!(office.bell);
    office.hang_up_all();
    office.assert_clean();
}

/// Covers: axml.aa.01, axml.aa.02
#[test]
fn an_account_that_answers_by_itself_does_so_after_its_delay_but_never_into_a_talk() {
    let more = "<appInitiatedAutoAnswerEnabled>1</appInitiatedAutoAnswerEnabled>\
                <autoAnswerTimeoutInSeconds>3</autoAnswerTimeoutInSeconds>";
    let mut office = Office::new(more);
    let mut call = office.ring("102", "", Some(&sdp("sendrecv", 8)));
    assert!(office.bell);
    office.advance(Duration::from_millis(2900));
    assert_eq!(office.call().state, CallState::Incoming);
    office.advance(Duration::from_millis(100));
    answered(&mut office, &mut call);
    assert_eq!((office.call().state, office.route, office.bell), (CallState::Talking, Route::Speaker, false));
    office.ring("103", "", Some(&sdp("sendrecv", 8)));
    office.seconds(10);
    assert_eq!(office.states(), [("talking", true), ("incoming", false)]);
    office.hang_up_all();
    office.assert_clean();
}

/// Covers: axml.aa.03
#[test]
fn a_caller_may_ask_for_an_answer_only_if_the_account_allows_it() {
    let asking = [
        "Call-Info: <sip:x>;answer-after=0\r\n",
        "Alert-Info: info=alert-autoanswer;delay=0\r\n",
        "Alert-Info: <http://x>;info=\"alert-autoanswer\"\r\n",
        "Answer-Mode: Auto\r\n",
        "P-Auto-Answer: normal\r\n",
    ];
    for header in asking {
        let mut office = Office::new("");
        office.ring("102", header, Some(&sdp("sendrecv", 8)));
        office.seconds(1);
        assert_eq!(office.call().state, CallState::Incoming, "{header}");
        office.hang_up_all();
        let mut office = Office::new("<sipInitiatedAutoAnswerEnabled>1</sipInitiatedAutoAnswerEnabled>");
        office.ring("102", header, Some(&sdp("sendrecv", 8)));
        office.seconds(1);
        assert_eq!(office.call().state, CallState::Talking, "{header}");
        assert_eq!(office.route, Route::Speaker);
        office.hang_up_all();
    }
    let mut office = Office::new("<sipInitiatedAutoAnswerEnabled>1</sipInitiatedAutoAnswerEnabled>");
    office.ring("102", "Call-Info: <sip:x>;answer-after=99999999999\r\n", Some(&sdp("sendrecv", 8)));
    office.seconds(1);
    assert_eq!(office.call().state, CallState::Incoming);
}

#[test]
fn mute_lights_its_lamp_and_ends_with_the_call() {
    let mut office = Office::new("");
    assert!(matches!(office.command(Command::Mute(None)), Err(Refusal::WrongState(_))));
    office.talk();
    office.press(Key::Mute);
    assert!(office.media.contains(&"mute true".to_owned()));
    assert_eq!(office.lamp(Lamp::Mute), Pattern::On);
    assert!(office.call().muted && office.view().muted);
    assert_eq!(office.events.iter().rev().find(|event| matches!(event, Event::Mic(_))), Some(&Event::Mic(false)));
    office.hang_up_all();
    assert!(office.media.contains(&"mute false".to_owned()));
    assert_eq!(office.lamp(Lamp::Mute), Pattern::Off);
    office.assert_clean();
}

#[test]
fn volume_keys_change_what_is_heard_now_and_the_ringer_when_nothing_is() {
    let mut office = Office::new("");
    office.press(Key::VolumeDown);
    assert_eq!(office.view().volume.ringer, 65);
    office.lift();
    for _ in 0..20 {
        office.press(Key::VolumeUp);
    }
    let volume = office.view().volume;
    assert_eq!((volume.handset, volume.speaker, volume.ringer), (100, 70, 65));
    office.command(Command::Volume { device: VolumeDevice::Microphone, percent: 0 }).unwrap();
    assert!(office.media.last().unwrap().starts_with("gain 1019 0 "), "{:?}", office.media.last());
    assert!(office.command(Command::Volume { device: VolumeDevice::Ringer, percent: 101 }).is_err());
    let records = office.stored.clone().into_iter().collect();
    let office = Office::with(offhook_phone::PhoneConfig { records, ..support::config("") });
    assert_eq!((office.view().volume.handset, office.view().volume.microphone), (100, 0));
}

#[test]
fn sound_moves_between_handset_speaker_and_headset_without_ending_the_call() {
    let mut office = Office::new("");
    office.lift();
    office.keys("102#");
    office.pick_up();
    office.press(Key::Speaker);
    assert_eq!(office.route, Route::Speaker);
    office.put_down();
    assert_eq!((office.route, office.call().state), (Route::Speaker, CallState::Talking));
    office.lift();
    assert_eq!(office.route, Route::Handset);
    office.input(Input::Panel(PanelEvent::HeadsetJack(true)));
    office.press(Key::Headset);
    assert_eq!((office.route, office.lamp(Lamp::Headset)), (Route::Headset, Pattern::On));
    office.put_down();
    office.input(Input::Panel(PanelEvent::HeadsetJack(false)));
    assert_eq!((office.route, office.call().state), (Route::Speaker, CallState::Talking));
    office.press(Key::Speaker);
    office.request(Method::Bye);
    assert_eq!(office.route, Route::Off);
    office.assert_clean();
}

#[test]
fn a_handset_left_off_the_hook_howls_and_a_forgotten_speaker_closes() {
    let mut office = Office::new("");
    office.lift();
    office.seconds(59);
    assert_eq!(office.tone, Some("dial"));
    office.seconds(1);
    assert_eq!(office.tone, Some("howler"));
    office.seconds(600);
    assert_eq!(office.tone, Some("howler"));
    office.put_down();
    assert_eq!(office.tone, None);
    office.press(Key::Speaker);
    assert_eq!((office.route, office.tone), (Route::Speaker, Some("dial")));
    office.seconds(61);
    assert_eq!((office.route, office.tone), (Route::Off, None));
}
