//! Calls that a phone sends on (302): followed within the office, once to everybody, and never out of it.

use super::office::{ANSWER, Desk, OFFER, Office};
use crate::routing::NO_ANSWER;
use offhook_sip::event_package::dialog_info::{DialogInfo, DialogState};
use offhook_sip::{Ended, Event, Headers};
use std::time::Duration;

/// The phone that rings sends its caller to `contact`, as phones do that forward.
fn send_on(office: &mut Office, desk: Desk, user: &str, contact: &str, reason: &str) {
    let session = office.ringing(desk);
    let mut headers = Headers::new();
    headers.push("Contact", contact);
    headers.push("Diversion", format!("<sip:{user}@10.0.0.1:5060>;reason={reason};counter=1"));
    office.at(desk, |endpoint, _, now| endpoint.reject(now, session, 302, None, headers).unwrap());
    office.run_ms(50);
}

fn at_office(number: &str) -> String {
    format!("<sip:{number}@10.0.0.1:5060>")
}

/// The words of the Warning header of a refusal that the PBX sent.
fn warned(office: &Office, words: &str) -> bool {
    office.spoken.iter().any(|message| message.lines().any(|l| l.starts_with("Warning: 399") && l.contains(words)))
}

/// Covers: axml.fwd.01
#[test]
fn a_call_goes_where_the_phone_sends_it_and_the_next_phone_is_told_by_whom_and_why() {
    let mut office = Office::new();
    let (ann, bob, carol) = (office.registered("100"), office.registered("101"), office.registered("102"));
    let call = office.call(bob, "100");
    send_on(&mut office, ann, "100", &at_office("102"), "user-busy");
    assert_eq!(office.refused(bob, call), None);
    let (_, request, offer) = office.invitation(carol);
    assert_eq!(offer.unwrap().bytes, OFFER.as_bytes());
    assert_eq!(request.headers.from().unwrap().uri.user().as_deref(), Some("101"));
    assert_eq!(request.headers.list("Diversion"), ["<sip:100@10.0.0.1:5060>;reason=user-busy;counter=1"]);
    assert!(request.headers.first("P-Asserted-Identity").unwrap().contains("sip:101@"));
    office.ring(carol);
    assert_eq!(office.progress(bob, call), [181, 180]);
    let called = office.answer(carol);
    assert_eq!(office.answered(bob, call).unwrap().unwrap().bytes, ANSWER.as_bytes());
    office.hang_up(bob, call);
    assert!(matches!(office.ended(carol, called), Some(Ended::Remote { .. })));
    office.assert_no_call_is_left();
}

#[test]
fn a_phone_that_sends_the_call_on_waits_for_the_others_of_its_user() {
    for answered in [true, false] {
        let mut office = Office::new();
        let (ann, other) = (office.registered("100"), office.registered("100"));
        let (bob, carol) = (office.registered("101"), office.registered("102"));
        let call = office.call(bob, "100");
        office.ring(other);
        send_on(&mut office, ann, "100", &at_office("102"), "user-busy");
        assert!(!office.rings(carol), "the other phone of the user still rings");
        if answered {
            office.answer(other);
            assert!(office.answered(bob, call).is_some());
            office.hang_up(bob, call);
        } else {
            office.run(NO_ANSWER);
            assert!(matches!(office.ended(other, office.ringing(other)), Some(Ended::Remote { .. })));
            office.answer(carol);
            assert!(office.answered(bob, call).is_some());
            office.hang_up(bob, call);
        }
        assert_eq!(office.rings(carol), !answered);
        office.assert_no_call_is_left();
    }
}

#[test]
fn who_declines_at_one_phone_declines_what_another_would_send_on() {
    let mut office = Office::new();
    let (ann, other) = (office.registered("100"), office.registered("100"));
    let (bob, carol) = (office.registered("101"), office.registered("102"));
    let call = office.call(bob, "100");
    send_on(&mut office, ann, "100", &at_office("102"), "unconditional");
    office.reject(other, 603);
    assert_eq!(office.refused(bob, call), Some(603));
    assert!(!office.rings(carol));
    office.assert_no_call_is_left();
}

#[test]
fn a_circle_of_forwarding_phones_ends_as_busy_and_says_so() {
    for (reason, status) in [("user-busy", 486), ("unconditional", 480)] {
        let mut office = Office::new();
        let (ann, bob, carol) = (office.registered("100"), office.registered("101"), office.registered("102"));
        let call = office.call(bob, "100");
        send_on(&mut office, ann, "100", &at_office("102"), reason);
        send_on(&mut office, carol, "102", &at_office("100"), reason);
        assert_eq!(office.refused(bob, call), Some(status));
        assert!(warned(&office, "circle"));
        let rang = office.phones[0].events.iter().filter(|event| matches!(event, Event::Incoming { .. })).count();
        assert_eq!(rang, 1, "nobody is asked twice");
        office.assert_no_call_is_left();
    }
}

#[test]
fn a_chain_of_forwarding_phones_is_followed_five_times() {
    let users: Vec<String> = (100..108).map(|number| number.to_string()).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut office = Office::with(&names, 1);
    let desks: Vec<Desk> = names.iter().map(|user| office.registered(user)).collect();
    let call = office.call(desks[7], "100");
    for at in 0..6 {
        assert!(office.rings(desks[at]), "{at}");
        send_on(&mut office, desks[at], names[at], &at_office(names[at + 1]), "unconditional");
    }
    assert!(!office.rings(desks[6]));
    assert_eq!(office.refused(desks[7], call), Some(480));
    assert!(warned(&office, "too often"));
    let (_, request, _) = office.invitation(desks[5]);
    let by: Vec<&str> = request.headers.list("Diversion").iter().map(|value| &value[5..8]).collect();
    assert_eq!(by, ["104", "103", "102", "101", "100"], "the newest first");
    office.assert_no_call_is_left();
}

#[test]
fn a_call_is_not_sent_out_of_the_office_nor_to_nobody() {
    for (contact, status, words) in [
        ("<sip:102@evil.example>", 486, "not a number of this PBX"),
        ("<sip:102@10.0.0.1:5099>", 486, "not a number of this PBX"),
        ("<tel:+15551234>", 486, "not a number of this PBX"),
        ("<sip:999@10.0.0.1:5060>", 486, "nobody has the number"),
        ("<sip:600@10.0.0.1:5060>", 486, "nobody has the number"),
        ("<sip:102@10.0.0.1:5060>", 480, "nobody is there"),
        ("<sip:101@10.0.0.1:5060>", 486, "nobody is there"),
    ] {
        let mut office = Office::new();
        let (ann, bob) = (office.registered("100"), office.registered("101"));
        let call = office.call(bob, "100");
        send_on(&mut office, ann, "100", contact, "user-busy");
        assert_eq!(office.refused(bob, call), Some(status), "{contact}");
        assert!(warned(&office, words), "{contact}");
        assert!(!office.spoken.iter().any(|message| message.starts_with("INVITE") && message.contains("evil")));
        office.assert_no_call_is_left();
    }
}

#[test]
fn caller_who_hangs_up_after_the_call_was_sent_on_stops_the_ringing_there() {
    let mut office = Office::new();
    let (ann, bob, carol) = (office.registered("100"), office.registered("101"), office.registered("102"));
    let call = office.call(bob, "100");
    send_on(&mut office, ann, "100", &at_office("102"), "no-answer");
    office.ring(carol);
    office.hang_up(bob, call);
    assert!(matches!(office.ended(carol, office.ringing(carol)), Some(Ended::Remote { .. })));
    office.assert_no_call_is_left();
}

#[test]
fn nobody_answers_where_the_call_was_sent_on_and_the_caller_hears_480_after_another_thirty_seconds() {
    let mut office = Office::new();
    let (ann, bob, carol) = (office.registered("100"), office.registered("101"), office.registered("102"));
    let call = office.call(bob, "100");
    office.run(Duration::from_secs(20));
    send_on(&mut office, ann, "100", &at_office("102"), "no-answer");
    office.ring(carol);
    office.run(NO_ANSWER - Duration::from_secs(1));
    assert_eq!(office.ended(bob, call), None);
    office.run(Duration::from_secs(2));
    assert_eq!(office.refused(bob, call), Some(480));
    office.assert_no_call_is_left();
}

#[test]
fn lamps_go_from_who_sent_the_call_on_to_who_has_it() {
    use DialogState::{Confirmed, Early, Terminated, Trying};
    let mut office = Office::with(&["100", "101", "102", "103"], 1);
    let (ann, bob, carol) = (office.registered("100"), office.registered("101"), office.registered("102"));
    let dan = office.registered("103");
    let watched = ["100", "102"].map(|user| office.subscribe(dan, user, "dialog", 300));
    let call = office.call(bob, "100");
    send_on(&mut office, ann, "100", &at_office("102"), "user-busy");
    office.ring(carol);
    office.answer(carol);
    office.hang_up(bob, call);
    office.run_ms(500);
    let seen = watched.map(|id| {
        let bodies = office.notifications(dan, id);
        let states = bodies.iter().map(|body| DialogInfo::parse(&body.bytes).unwrap().dialogs);
        let mut states: Vec<Vec<DialogState>> =
            states.map(|dialogs| dialogs.iter().map(|dialog| dialog.state).collect()).collect();
        states.dedup();
        states
    });
    assert_eq!(seen[0], [vec![], vec![Trying], vec![Terminated]]);
    assert_eq!(seen[1], [vec![], vec![Early], vec![Confirmed], vec![Terminated]]);
    office.assert_no_call_is_left();
}
