//! Calls between two endpoints in virtual time: RFC 3261 sections 9, 12 to 15, one test per transition.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod common;
use common::*;
use offhook_sip::*;
use std::time::Duration;

// Setting up (section 13)

#[test]
fn call_rings_is_answered_and_ended_by_the_caller() {
    let mut pair = pair();
    let call = pair.call();
    pair.world.run(ms(50));
    let called = pair.incoming();
    pair.world.with(pair.bob, |e, now| e.ring(now, called, 180, None).unwrap());
    pair.world.run(ms(50));
    let events = pair.world.take(pair.alice);
    assert!(matches!(&events[..], [Event::Progress { status: 180, .. }]), "{events:?}");
    pair.world.with(pair.bob, |e, now| e.answer(now, called, sdp("answer")).unwrap());
    pair.world.run(ms(50));
    let events = pair.world.take(pair.alice);
    assert!(matches!(&events[..], [Event::Answered { body: Some(_), .. }]), "{events:?}");
    assert!(matches!(&pair.world.take(pair.bob)[..], [Event::Confirmed { body: None, .. }]));
    let (ours, theirs) = (
        pair.world.ends[pair.alice].endpoint.dialog(call).unwrap(),
        pair.world.ends[pair.bob].endpoint.dialog(called).unwrap(),
    );
    assert_eq!((ours.call_id, ours.local_tag, ours.remote_tag), (theirs.call_id, theirs.remote_tag, theirs.local_tag));
    pair.world.with(pair.alice, |e, now| e.end(now, call, Some("SIP;cause=200;text=\"bye\"")).unwrap());
    pair.world.run(ms(50));
    assert_eq!(ended(&pair.world.take(pair.alice)), [Ended::Local]);
    let reason = Some("SIP;cause=200;text=\"bye\"".to_owned());
    assert_eq!(ended(&pair.world.take(pair.bob)), [Ended::Remote { reason }]);
    pair.assert_empty();
}

#[test]
fn called_party_hangs_up() {
    let mut pair = pair();
    let (_, called) = pair.talk();
    pair.world.with(pair.bob, |e, now| e.end(now, called, None).unwrap());
    pair.world.run(ms(50));
    assert_eq!(ended(&pair.world.take(pair.alice)), [Ended::Remote { reason: None }]);
    pair.assert_empty();
}

/// RFC 3261 section 8.1.3.4: who called decides whether to follow.
#[test]
fn a_redirection_is_told_with_its_contacts_before_the_end() {
    let mut pair = pair();
    let call = pair.call();
    pair.world.run(ms(50));
    let called = pair.incoming();
    let mut headers = Headers::new();
    headers.push("Contact", "<sip:102@example.com>");
    pair.world.with(pair.bob, |e, now| e.reject(now, called, 302, None, headers).unwrap());
    pair.world.run(ms(50));
    let events = pair.world.take(pair.alice);
    let [Event::Redirected { session, response }, Event::Ended { why: Ended::Refused { status: 302, .. }, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*session, response.headers.contacts()[0].uri.user().as_deref()), (call, Some("102")));
    pair.assert_empty();
}

#[test]
fn who_has_hung_up_is_not_told_where_else_to_call() {
    let mut pair = pair();
    let call = pair.call();
    pair.world.run(ms(50));
    let called = pair.incoming();
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    let mut headers = Headers::new();
    headers.push("Contact", "<sip:102@example.com>");
    pair.world.with(pair.bob, |e, now| e.reject(now, called, 302, None, headers).unwrap());
    pair.world.run(ms(50));
    let events = pair.world.take(pair.alice);
    assert!(matches!(&events[..], [Event::Ended { why: Ended::Local, .. }]), "{events:?}");
    pair.assert_empty();
}

#[test]
fn busy_is_told_with_its_status_and_reason() {
    let mut pair = pair();
    pair.call();
    pair.world.run(ms(50));
    let called = pair.incoming();
    pair.world.with(pair.bob, |e, now| e.reject(now, called, 486, Some("Not Now"), Headers::new()).unwrap());
    pair.world.run(ms(50));
    let why = Ended::Refused { status: 486, reason: "Not Now".into() };
    assert_eq!(ended(&pair.world.take(pair.alice)), [why]);
    assert_eq!(ended(&pair.world.take(pair.bob)), [Ended::Local]);
    pair.assert_empty();
}

#[test]
fn nobody_there_ends_with_408_after_timer_b() {
    let mut pair = pair();
    let target = Uri::sip("x", "10.0.0.99").unwrap();
    let from = pair.from;
    pair.world.with(pair.alice, |e, now| e.invite(now, from, target, sdp("o"), Headers::new()).unwrap());
    pair.world.run(ms(31_900));
    assert_eq!(ended(&pair.world.take(pair.alice)), []);
    pair.world.run(ms(200));
    let why = Ended::Failed { status: 408, reason: "Request Timeout".into() };
    assert_eq!(ended(&pair.world.take(pair.alice)), [why]);
    assert_eq!(pair.world.sent("INVITE"), 7);
    pair.assert_empty();
}

#[test]
fn offer_may_come_in_the_2xx_and_its_answer_in_the_ack() {
    let mut pair = pair();
    let call = pair.call_with(None);
    pair.world.run(ms(50));
    let called = pair.incoming();
    pair.world.with(pair.bob, |e, now| e.answer(now, called, sdp("offer")).unwrap());
    pair.world.run(ms(50));
    assert_eq!(pair.world.sent("ACK"), 0);
    pair.world.with(pair.alice, |e, now| e.answer_offer(now, call, sdp("answer")).unwrap());
    pair.world.run(ms(50));
    let events = pair.world.take(pair.bob);
    let Event::Confirmed { body: Some(body), .. } = &events[0] else { panic!("{events:?}") };
    assert_eq!(Some(body.clone()), sdp("answer"));
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    pair.assert_empty();
}

// 2xx and ACK (section 13.3.1.4)

#[test]
fn answer_is_repeated_until_ack_and_ack_with_every_repetition() {
    let mut pair = pair();
    let call = pair.call();
    pair.world.run(ms(50));
    let called = pair.incoming();
    pair.world.with(pair.bob, |e, now| e.answer(now, called, sdp("a")).unwrap());
    // every ACK is lost for 10 s
    pair.world.muted = Some(pair.world.ends[pair.alice].ip);
    pair.world.run(Duration::from_secs(10));
    pair.world.muted = None;
    pair.world.run(Duration::from_secs(5));
    // at 0, 0.5, 1.5, 3.5, 7.5 and 11.5 s
    assert_eq!((pair.world.sent("SIP/2.0 200"), pair.world.sent("ACK")), (6, 6));
    let events = pair.world.take(pair.bob);
    assert_eq!(events.iter().filter(|e| matches!(e, Event::Confirmed { .. })).count(), 1, "{events:?}");
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    pair.assert_empty();
}

#[test]
fn answer_without_ack_ends_with_bye_after_64_t1() {
    let mut pair = pair();
    pair.call();
    pair.world.run(ms(50));
    let called = pair.incoming();
    pair.world.loss = 1000;
    pair.world.with(pair.bob, |e, now| e.answer(now, called, sdp("a")).unwrap());
    pair.world.run(ms(31_990));
    assert_eq!(pair.world.sent("BYE"), 0);
    pair.world.run(ms(20));
    assert_eq!(pair.world.sent("BYE"), 1);
    assert!(matches!(&ended(&pair.world.take(pair.bob))[..], [Ended::Failed { status: 408, .. }]));
    pair.world.loss = 0;
    pair.world.run(Duration::from_secs(5));
    assert!(pair.world.ends[pair.bob].endpoint.census().sessions == 0);
}

#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut pair = pair();
    pair.call();
    pair.world.run(ms(50));
    let called = pair.incoming();
    pair.world.with(pair.bob, |e, now| {
        e.answer(now, called, sdp("a")).unwrap();
        e.end(now, called, None).unwrap();
    });
    assert_eq!(pair.world.sent("BYE"), 0);
    pair.world.run(ms(100));
    assert_eq!(pair.world.sent("BYE"), 1);
    assert_eq!(ended(&pair.world.take(pair.alice)), [Ended::Remote { reason: None }]);
    pair.assert_empty();
}

// CANCEL (section 9)

#[test]
fn cancel_before_any_response_waits_for_one() {
    let mut pair = pair();
    let call = pair.call();
    pair.world.with(pair.alice, |e, now| e.end(now, call, Some("SIP;cause=200")).unwrap());
    assert_eq!(pair.world.sent("CANCEL"), 0);
    pair.world.run(ms(100));
    assert_eq!(pair.world.sent("CANCEL"), 1);
    let reason = Some("SIP;cause=200".to_owned());
    assert_eq!(ended(&pair.world.take(pair.bob)), [Ended::Remote { reason }]);
    assert_eq!(ended(&pair.world.take(pair.alice)), [Ended::Local]);
    assert!(pair.world.sent("SIP/2.0 487") == 1);
    pair.assert_empty();
}

#[test]
fn cancel_while_ringing_ends_both_sides() {
    let mut pair = pair();
    let call = pair.call();
    pair.world.run(ms(50));
    let called = pair.incoming();
    pair.world.with(pair.bob, |e, now| e.ring(now, called, 180, None).unwrap());
    pair.world.run(ms(50));
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    pair.world.run(ms(50));
    assert_eq!(ended(&pair.world.take(pair.bob)), [Ended::Remote { reason: None }]);
    let after = pair.world.with(pair.bob, |e, now| e.answer(now, called, None));
    assert_eq!(after, Err(Misuse::NoSuchSession));
    pair.assert_empty();
}

#[test]
fn answer_that_crosses_cancel_is_acknowledged_and_ended() {
    let mut pair = pair();
    let call = pair.call();
    pair.world.run(ms(50));
    let called = pair.incoming();
    pair.world.with(pair.bob, |e, now| e.answer(now, called, sdp("a")).unwrap());
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    pair.world.run(ms(100));
    assert_eq!((pair.world.sent("ACK"), pair.world.sent("BYE")), (1, 1));
    let events = pair.world.take(pair.alice);
    assert_eq!(ended(&events), [Ended::Local]);
    assert!(!events.iter().any(|e| matches!(e, Event::Answered { .. })));
    assert_eq!(ended(&pair.world.take(pair.bob)), [Ended::Remote { reason: None }]);
    pair.assert_empty();
}

// Inside the session (section 14)

#[test]
fn hold_and_resume_are_offers_both_ways() {
    let mut pair = pair();
    let (call, called) = pair.talk();
    for (side, session, other, theirs) in [(pair.alice, call, pair.bob, called), (pair.bob, called, pair.alice, call)] {
        pair.world.with(side, |e, now| e.reoffer(now, session, sdp("hold")).unwrap());
        pair.world.run(ms(50));
        let events = pair.world.take(other);
        let Event::Reoffered { offer, .. } = &events[0] else { panic!("{events:?}") };
        assert_eq!(*offer, sdp("hold"));
        pair.world.with(other, |e, now| e.answer_offer(now, theirs, sdp("held")).unwrap());
        pair.world.run(ms(50));
        let events = pair.world.take(side);
        let Event::OfferAnswered { result, .. } = &events[0] else { panic!("{events:?}") };
        assert_eq!(*result, Ok(sdp("held")));
        pair.world.take(other);
    }
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    pair.assert_empty();
}

#[test]
fn refused_offer_leaves_the_session_as_it_was() {
    let mut pair = pair();
    let (call, called) = pair.talk();
    pair.world.with(pair.alice, |e, now| e.reoffer(now, call, sdp("x")).unwrap());
    pair.world.run(ms(50));
    pair.world.with(pair.bob, |e, now| e.refuse_offer(now, called, 488).unwrap());
    pair.world.run(ms(50));
    let events = pair.world.take(pair.alice);
    assert!(matches!(&events[..], [Event::OfferAnswered { result: Err((488, _)), .. }]), "{events:?}");
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    pair.assert_empty();
}

#[test]
fn offerless_reinvite_is_answered_in_the_ack() {
    let mut pair = pair();
    let (call, called) = pair.talk();
    pair.world.with(pair.alice, |e, now| e.reoffer(now, call, None).unwrap());
    pair.world.run(ms(50));
    assert!(matches!(&pair.world.take(pair.bob)[..], [Event::Reoffered { offer: None, .. }]));
    pair.world.with(pair.bob, |e, now| e.answer_offer(now, called, sdp("offer")).unwrap());
    pair.world.run(ms(50));
    assert!(matches!(&pair.world.take(pair.alice)[..], [Event::OfferAnswered { result: Ok(Some(_)), .. }]));
    pair.world.with(pair.alice, |e, now| e.answer_offer(now, call, sdp("answer")).unwrap());
    pair.world.run(ms(50));
    assert!(matches!(&pair.world.take(pair.bob)[..], [Event::Confirmed { body: Some(_), .. }]));
    pair.world.with(pair.bob, |e, now| e.end(now, called, None).unwrap());
    pair.assert_empty();
}

// Section 14.1: both at once
#[test]
fn glare_is_refused_with_491_and_both_offers_get_through() {
    let mut pair = pair();
    let (call, called) = pair.talk();
    pair.world.with(pair.alice, |e, now| e.reoffer(now, call, sdp("from alice")).unwrap());
    pair.world.with(pair.bob, |e, now| e.reoffer(now, called, sdp("from bob")).unwrap());
    let mut answered = [0, 0];
    for _ in 0..100 {
        pair.world.run(ms(100));
        for (n, (side, session)) in [(pair.alice, call), (pair.bob, called)].into_iter().enumerate() {
            for event in pair.world.take(side) {
                match event {
                    Event::Reoffered { .. } => {
                        pair.world.with(side, |e, now| e.answer_offer(now, session, sdp("ok")).unwrap());
                    }
                    Event::OfferAnswered { result, .. } => {
                        assert!(result.is_ok());
                        answered[n] += 1;
                    }
                    _ => {}
                }
            }
        }
    }
    assert_eq!(answered, [1, 1]);
    assert!(pair.world.sent("SIP/2.0 491") >= 1);
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    pair.assert_empty();
}

#[test]
fn second_offer_while_one_is_open_is_misuse() {
    let mut pair = pair();
    let (call, _) = pair.talk();
    pair.world.with(pair.alice, |e, now| {
        e.reoffer(now, call, sdp("1")).unwrap();
        assert_eq!(e.reoffer(now, call, sdp("2")), Err(Misuse::OfferPending));
    });
}

#[test]
fn hanging_up_with_an_open_offer_of_the_peer_answers_it() {
    let mut pair = pair();
    let (call, called) = pair.talk();
    pair.world.with(pair.alice, |e, now| e.reoffer(now, call, sdp("x")).unwrap());
    pair.world.run(ms(50));
    pair.world.with(pair.bob, |e, now| e.end(now, called, None).unwrap());
    pair.world.run(ms(100));
    assert_eq!(ended(&pair.world.take(pair.alice)), [Ended::Remote { reason: None }]);
    pair.assert_empty();
}

#[test]
fn info_reaches_the_other_side() {
    let mut pair = pair();
    let (call, called) = pair.talk();
    let digit = Body { content_type: "application/dtmf-relay".into(), bytes: b"Signal=5\r\n".to_vec() };
    for (side, session, other) in [(pair.alice, call, pair.bob), (pair.bob, called, pair.alice)] {
        pair.world.with(side, |e, now| e.info(now, session, digit.clone()).unwrap());
        pair.world.run(ms(50));
        let events = pair.world.take(other);
        let Event::Info { body: Some(body), .. } = &events[0] else { panic!("{events:?}") };
        assert_eq!(*body, digit);
    }
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    pair.assert_empty();
}

#[test]
fn both_hang_up_in_the_same_moment() {
    let mut pair = pair();
    let (call, called) = pair.talk();
    pair.world.with(pair.alice, |e, now| e.end(now, call, None).unwrap());
    pair.world.with(pair.bob, |e, now| e.end(now, called, None).unwrap());
    pair.world.run(ms(100));
    assert_eq!(ended(&pair.world.take(pair.alice)), [Ended::Local]);
    assert_eq!(ended(&pair.world.take(pair.bob)), [Ended::Local]);
    pair.assert_empty();
}

#[test]
fn session_whose_peer_forgot_it_ends_with_481() {
    let mut pair = pair();
    let (call, _) = pair.talk();
    let bob = pair.bob;
    pair.world.ends[bob].endpoint = Endpoint::new(config(), 77);
    let local = "10.0.0.2:5060".parse().unwrap();
    let now = pair.world.now;
    let (flow, transport) = (FlowId(1), Transport::Udp);
    pair.world.ends[bob].endpoint.handle(now, Input::Listening { flow, transport, local });
    pair.world.with(pair.alice, |e, now| e.reoffer(now, call, sdp("x")).unwrap());
    pair.world.run(ms(100));
    assert!(matches!(&ended(&pair.world.take(pair.alice))[..], [Ended::Failed { status: 481, .. }]));
    pair.assert_empty();
}
