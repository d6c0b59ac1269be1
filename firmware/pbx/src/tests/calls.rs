//! Calls between users: the story of each, and what the other leg sees (RFC 3261 sections 13 to 15).

use super::office::{ANSWER, Desk, OFFER, Office, sdp};
use crate::routing::{MAX_CALLS, NO_ANSWER};
use offhook_sip::{Body, Ended, Event, Transport};
use std::time::Duration;

/// The phones know nothing but their provisioning URL.
///
/// Covers: feat.129, office.user.05
#[test]
fn a_call_rings_is_answered_and_ends_from_either_side() {
    for caller_hangs_up in [true, false] {
        let mut office = Office::new();
        let (ann, bob) = (office.registered("100"), office.registered("101"));
        let call = office.call(ann, "101");
        let (_, request, offer) = office.invitation(bob);
        assert_eq!(offer.unwrap().bytes, OFFER.as_bytes(), "SDP passes untouched");
        let from = request.headers.from().unwrap();
        assert_eq!((from.uri.user().as_deref(), from.display_name.as_deref()), (Some("100"), Some("Phone 0")));
        let asserted = request.headers.first("P-Asserted-Identity").unwrap();
        assert!(asserted.contains("sip:100@10.0.0.1:5060") && asserted.contains("Phone 0"), "{asserted}");
        assert!(office.progress(ann, call).is_empty());
        office.ring(bob);
        assert_eq!(office.progress(ann, call), [180]);
        let called = office.answer(bob);
        assert_eq!(office.answered(ann, call).unwrap().unwrap().bytes, ANSWER.as_bytes());
        assert_eq!(office.pbx.census().sessions, 2);
        office.run(Duration::from_secs(60));
        assert!(office.ended(ann, call).is_none() && office.ended(bob, called).is_none());
        if caller_hangs_up {
            office.hang_up(ann, call);
            assert!(matches!(office.ended(bob, called), Some(Ended::Remote { .. })));
        } else {
            office.hang_up(bob, called);
            assert!(matches!(office.ended(ann, call), Some(Ended::Remote { .. })));
        }
        office.assert_no_call_is_left();
    }
}

#[test]
fn a_call_over_tcp_goes_back_over_the_phones_own_connection() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let bob = office.phone_with("101", |config| config.transport = Transport::Tcp);
    office.register(bob);
    let call = office.call(ann, "101");
    office.answer(bob);
    assert!(office.answered(ann, call).is_some());
    office.hang_up(ann, call);
    office.assert_no_call_is_left();
}

#[test]
fn busy_phone_makes_the_caller_hear_486() {
    let mut office = Office::new();
    let (ann, bob) = (office.registered("100"), office.registered("101"));
    let call = office.call(ann, "101");
    office.reject(bob, 486);
    assert_eq!(office.refused(ann, call), Some(486));
    office.assert_no_call_is_left();
}

#[test]
fn busy_and_unreachable_phones_together_are_answered_480_and_all_busy_486() {
    for (statuses, expected) in [([486, 480], 480), ([486, 486], 486), ([404, 503], 480), ([488, 488], 488)] {
        let mut office = Office::new();
        let ann = office.registered("100");
        let phones = [office.registered("101"), office.registered("101")];
        let call = office.call(ann, "101");
        office.reject(phones[0], statuses[0]);
        assert_eq!(office.refused(ann, call), None, "the other phone still rings");
        office.reject(phones[1], statuses[1]);
        assert_eq!(office.refused(ann, call), Some(expected));
        office.assert_no_call_is_left();
    }
}

#[test]
fn declining_at_one_phone_declines_for_all() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let (one, other) = (office.registered("101"), office.registered("101"));
    let call = office.call(ann, "101");
    office.reject(one, 603);
    assert_eq!(office.refused(ann, call), Some(603));
    let ringing = office.ringing(other);
    assert!(office.ended(other, ringing).is_some());
    office.assert_no_call_is_left();
}

#[test]
fn nobody_answers_for_thirty_seconds_and_the_caller_hears_480() {
    let mut office = Office::new();
    let (ann, bob) = (office.registered("100"), office.registered("101"));
    let call = office.call(ann, "101");
    office.ring(bob);
    office.run(NO_ANSWER - Duration::from_secs(1));
    assert_eq!(office.ended(ann, call), None);
    office.run(Duration::from_secs(2));
    assert_eq!(office.refused(ann, call), Some(480));
    assert!(matches!(office.ended(bob, office.ringing(bob)), Some(Ended::Remote { .. })));
    office.assert_no_call_is_left();
}

#[test]
fn caller_who_hangs_up_while_it_rings_stops_the_ringing() {
    let mut office = Office::new();
    let (ann, bob) = (office.registered("100"), office.registered("101"));
    let call = office.call(ann, "101");
    office.ring(bob);
    office.hang_up(ann, call);
    assert!(matches!(office.ended(bob, office.ringing(bob)), Some(Ended::Remote { .. })));
    office.assert_no_call_is_left();
}

#[test]
fn first_phone_that_answers_wins_and_the_others_learn_why_they_stop() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let phones = [office.registered("101"), office.registered("101"), office.registered("101")];
    let call = office.call(ann, "101");
    for phone in phones {
        office.ring(phone);
    }
    assert_eq!(office.progress(ann, call), [180], "one caller, one ringing tone");
    let called = office.answer(phones[1]);
    for loser in [phones[0], phones[2]] {
        match office.ended(loser, office.ringing(loser)) {
            Some(Ended::Remote { reason: Some(reason) }) => assert!(reason.contains("cause=200"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(office.ended(phones[1], called).is_none());
    assert!(office.answered(ann, call).is_some());
    office.hang_up(ann, call);
    office.assert_no_call_is_left();
}

#[test]
fn two_phones_that_answer_in_the_same_moment_leave_one_call() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let phones = [office.registered("101"), office.registered("101")];
    let call = office.call(ann, "101");
    let sessions = phones.map(|phone| office.ringing(phone));
    for (phone, session) in phones.into_iter().zip(sessions) {
        office.at(phone, |endpoint, _, now| endpoint.answer(now, session, Some(sdp(ANSWER))).unwrap());
    }
    office.run_ms(200);
    let over: Vec<bool> = (0..2).map(|i| office.ended(phones[i], sessions[i]).is_some()).collect();
    assert_eq!(over.iter().filter(|&&over| over).count(), 1, "{over:?}");
    assert!(office.answered(ann, call).is_some() && office.ended(ann, call).is_none());
    office.hang_up(ann, call);
    office.assert_no_call_is_left();
}

#[test]
fn calling_the_own_number_reaches_the_other_phones_only() {
    let mut office = Office::new();
    let desk = office.registered("100");
    let call = office.call(desk, "100");
    assert_eq!(office.refused(desk, call), Some(486));
    let kitchen = office.registered("100");
    let call = office.call(desk, "100");
    assert!(office.rings(kitchen) && !office.rings(desk));
    office.answer(kitchen);
    assert!(office.answered(desk, call).is_some());
}

#[test]
fn unknown_number_is_404_and_unregistered_user_480() {
    let mut office = Office::new();
    let ann = office.registered("100");
    for (number, status) in [("777", 404), ("101", 480), ("*97", 404)] {
        let call = office.call(ann, number);
        assert_eq!(office.refused(ann, call), Some(status), "{number}");
    }
    office.assert_no_call_is_left();
}

#[test]
fn call_without_password_is_challenged_and_goes_nowhere() {
    let mut office = Office::new();
    let bob = office.registered("101");
    let stranger = office.phone_with("100", |config| config.credentials = None);
    let call = office.call(stranger, "101");
    assert_eq!(office.refused(stranger, call), Some(407));
    assert!(!office.rings(bob));
    assert!(office.spoken.iter().any(|m| m.starts_with("SIP/2.0 407") && m.contains("Proxy-Authenticate: Digest")));
    office.assert_no_call_is_left();
}

#[test]
fn early_sdp_of_a_single_phone_reaches_the_caller() {
    let mut office = Office::new();
    let (ann, bob) = (office.registered("100"), office.registered("101"));
    let call = office.call(ann, "101");
    let session = office.ringing(bob);
    office.at(bob, |endpoint, _, now| endpoint.ring(now, session, 183, Some(sdp(ANSWER))).unwrap());
    office.run_ms(50);
    let early = office.phones[0].events.iter().find_map(|event| match event {
        Event::Progress { session, status: 183, body, .. } if *session == call => body.clone(),
        _ => None,
    });
    assert_eq!(early, Some(sdp(ANSWER)));
}

fn talking() -> (Office, [(Desk, offhook_sip::SessionId); 2]) {
    let mut office = Office::new();
    let (ann, bob) = (office.registered("100"), office.registered("101"));
    let call = office.call(ann, "101");
    let called = office.answer(bob);
    office.run_ms(500);
    (office, [(ann, call), (bob, called)])
}

fn offers(office: &Office, desk: usize) -> Vec<Body> {
    office.phones[desk]
        .events
        .iter()
        .filter_map(|e| if let Event::Reoffered { offer, .. } = e { offer.clone() } else { None })
        .collect()
}

fn results(office: &Office, desk: usize) -> Vec<Result<Option<Body>, u16>> {
    let results = office.phones[desk].events.iter().filter_map(|e| match e {
        Event::OfferAnswered { result, .. } => Some(result.clone().map_err(|(status, _)| status)),
        _ => None,
    });
    results.collect()
}

#[test]
fn hold_and_resume_pass_both_ways() {
    let (mut office, ends) = talking();
    for (holder, other) in [(0, 1), (1, 0)] {
        let hold = sdp(&OFFER.replace("sendrecv", "sendonly"));
        let held = sdp(&ANSWER.replace("sendrecv", "recvonly"));
        let (desk, session) = ends[holder];
        office.at(desk, |endpoint, _, now| endpoint.reoffer(now, session, Some(hold.clone())).unwrap());
        office.run_ms(50);
        assert_eq!(offers(&office, other).last(), Some(&hold));
        assert!(results(&office, holder).is_empty());
        let (desk, session) = ends[other];
        office.at(desk, |endpoint, _, now| endpoint.answer_offer(now, session, Some(held.clone())).unwrap());
        office.run_ms(50);
        assert_eq!(results(&office, holder), [Ok(Some(held))]);
        for phone in &mut office.phones {
            phone.events.clear();
        }
    }
    let (ann, call) = ends[0];
    office.hang_up(ann, call);
    office.assert_no_call_is_left();
}

#[test]
fn refused_offer_leaves_the_call_as_it_was() {
    let (mut office, ends) = talking();
    let (ann, call) = ends[0];
    office.at(ann, |endpoint, _, now| endpoint.reoffer(now, call, Some(sdp(OFFER))).unwrap());
    office.run_ms(50);
    let (bob, called) = ends[1];
    office.at(bob, |endpoint, _, now| endpoint.refuse_offer(now, called, 488).unwrap());
    office.run_ms(50);
    assert_eq!(results(&office, 0), [Err(488)]);
    assert!(office.ended(ann, call).is_none() && office.ended(bob, called).is_none());
    office.hang_up(bob, called);
    office.assert_no_call_is_left();
}

#[test]
fn offers_from_both_sides_in_the_same_moment_do_not_lock_the_call() {
    let (mut office, ends) = talking();
    let hold = sdp(&OFFER.replace("sendrecv", "sendonly"));
    for (desk, session) in ends {
        office.at(desk, |endpoint, _, now| endpoint.reoffer(now, session, Some(hold.clone())).unwrap());
    }
    // the phones answer what reaches them, for as long as their endpoints try again
    for _ in 0..200 {
        office.run_ms(50);
        for (desk, session) in ends {
            office.at(desk, |endpoint, _, now| {
                let _ = endpoint.answer_offer(now, session, Some(sdp(ANSWER)));
            });
        }
    }
    office.run(Duration::from_secs(10));
    assert!((0..2).any(|phone| matches!(results(&office, phone).last(), Some(Ok(_)))), "one of the two got through");
    for phone in &mut office.phones {
        phone.events.clear();
    }
    // and a later offer passes
    let (ann, call) = ends[0];
    office.at(ann, |endpoint, _, now| endpoint.reoffer(now, call, Some(hold.clone())).unwrap());
    office.run_ms(50);
    assert_eq!(offers(&office, 1), [hold]);
    let (bob, called) = ends[1];
    office.at(bob, |endpoint, _, now| endpoint.answer_offer(now, called, Some(sdp(ANSWER))).unwrap());
    office.run_ms(50);
    assert!(matches!(results(&office, 0).as_slice(), [Ok(_)]));
    office.hang_up(ann, call);
    office.assert_no_call_is_left();
}

#[test]
fn request_for_an_offer_reaches_the_other_side_and_the_answer_comes_with_the_ack() {
    let (mut office, ends) = talking();
    let ((ann, call), (bob, called)) = (ends[0], ends[1]);
    office.at(ann, |endpoint, _, now| endpoint.reoffer(now, call, None).unwrap());
    office.run_ms(50);
    let asked = office.phones[1].events.iter().any(|e| matches!(e, Event::Reoffered { offer: None, .. }));
    assert!(asked);
    office.at(bob, |endpoint, _, now| endpoint.answer_offer(now, called, Some(sdp(OFFER))).unwrap());
    office.run_ms(50);
    assert_eq!(results(&office, 0), [Ok(Some(sdp(OFFER)))]);
    office.at(ann, |endpoint, _, now| endpoint.answer_offer(now, call, Some(sdp(ANSWER))).unwrap());
    office.run_ms(50);
    assert_eq!(confirmed(&office, 1), Some(sdp(ANSWER)));
    // and the next offer passes again
    office.at(bob, |endpoint, _, now| endpoint.reoffer(now, called, Some(sdp(OFFER))).unwrap());
    office.run_ms(50);
    assert_eq!(offers(&office, 0), [sdp(OFFER)]);
    office.hang_up(ann, call);
    office.assert_no_call_is_left();
}

/// Body of the newest ACK that a phone got.
fn confirmed(office: &Office, phone: usize) -> Option<Body> {
    let bodies = office.phones[phone].events.iter().rev();
    bodies.filter_map(|e| if let Event::Confirmed { body, .. } = e { Some(body.clone()) } else { None }).next()?
}

#[test]
fn digits_by_info_reach_the_other_side() {
    let (mut office, ends) = talking();
    let digit = Body { content_type: "application/dtmf-relay".into(), bytes: b"Signal=5\r\nDuration=160\r\n".to_vec() };
    let (bob, called) = ends[1];
    office.at(bob, |endpoint, _, now| endpoint.info(now, called, digit.clone()).unwrap());
    office.run_ms(50);
    let heard =
        office.phones[0].events.iter().find_map(|e| if let Event::Info { body, .. } = e { body.clone() } else { None });
    assert_eq!(heard, Some(digit));
}

#[test]
fn call_without_an_offer_gets_the_phones_and_the_phone_gets_the_answer() {
    let mut office = Office::new();
    let (ann, bob) = (office.registered("100"), office.registered("101"));
    let call = office.call_with(ann, "101", None);
    let (called, _, offer) = office.invitation(bob);
    assert!(offer.is_none());
    office.at(bob, |endpoint, _, now| endpoint.answer(now, called, Some(sdp(OFFER))).unwrap());
    office.run_ms(50);
    assert_eq!(office.answered(ann, call), Some(Some(sdp(OFFER))));
    office.at(ann, |endpoint, _, now| endpoint.answer_offer(now, call, Some(sdp(ANSWER))).unwrap());
    office.run_ms(50);
    assert_eq!(confirmed(&office, 1), Some(sdp(ANSWER)));
    office.hang_up(ann, call);
    office.assert_no_call_is_left();
}

#[test]
fn phone_that_vanishes_while_ringing_does_not_hold_the_call_for_ever() {
    let mut office = Office::new();
    let (ann, _bob) = (office.registered("100"), office.registered("101"));
    office.phones[1].unplugged = true;
    let call = office.call(ann, "101");
    office.run(Duration::from_secs(40));
    assert_eq!(office.refused(ann, call), Some(480));
    office.assert_no_call_is_left();
}

#[test]
fn one_call_more_than_there_is_room_for_is_503() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let _bob = office.registered("101");
    let calls: Vec<_> = (0..=MAX_CALLS).map(|_| office.call(ann, "101")).collect();
    let (last, others) = calls.split_last().unwrap();
    assert!(others.iter().all(|&call| office.ended(ann, call).is_none()));
    assert_eq!(office.refused(ann, *last), Some(503));
    office.run(NO_ANSWER);
    assert!(others.iter().all(|&call| office.refused(ann, call) == Some(480)));
    office.assert_no_call_is_left();
}

#[test]
fn stopping_ends_calls_and_says_so_in_time() {
    let (mut office, ends) = talking();
    office.pbx_input(crate::Input::Stop);
    office.run(crate::STOP_TIME);
    assert!(office.stopped);
    for (desk, session) in ends {
        assert!(matches!(office.ended(desk, session), Some(Ended::Remote { .. })));
    }
}

#[test]
fn same_seed_gives_the_same_run() {
    let story = || {
        let mut office = Office::with(&["100", "101"], 5);
        let (ann, bob) = (office.registered("100"), office.registered("101"));
        office.subscribe(ann, "101", "dialog", 300);
        let call = office.call(ann, "101");
        office.ring(bob);
        office.answer(bob);
        office.run(Duration::from_secs(700));
        office.hang_up(ann, call);
        office.run(Duration::from_secs(40));
        (office.spoken, office.log)
    };
    assert_eq!(story(), story());
}

#[test]
fn calls_go_through_and_leave_nothing_when_a_tenth_of_all_datagrams_is_lost_doubled_or_late() {
    for seed in 1..=20 {
        let mut office = Office::with(&["100", "101"], seed);
        let (ann, bob) = (office.phone("100"), office.phone("101"));
        office.trouble = 10;
        for desk in [ann, bob] {
            office.register(desk);
        }
        office.run(Duration::from_secs(20));
        assert!(office.pbx.contacts("101").len() == 1, "seed {seed}");
        office.subscribe(ann, "101", "dialog", 300);
        let call = office.call(ann, "101");
        office.run(Duration::from_secs(15));
        office.ring(bob);
        let called = office.answer(bob);
        office.run(Duration::from_secs(15));
        assert!(office.answered(ann, call).is_some(), "seed {seed}");
        office.hang_up(bob, called);
        office.run(Duration::from_secs(35));
        assert!(matches!(office.ended(ann, call), Some(Ended::Remote { .. })), "seed {seed}");
        office.assert_no_call_is_left();
    }
}

#[test]
fn five_hundred_calls_in_a_row_leave_nothing_behind() {
    let mut office = Office::new();
    let (ann, bob) = (office.registered("100"), office.registered("101"));
    office.subscribe(ann, "101", "dialog", 3600);
    for turn in 0..500 {
        let call = office.call(ann, "101");
        match turn % 3 {
            0 => office.reject(bob, 486),
            1 => {
                let called = office.answer(bob);
                office.hang_up(bob, called);
            }
            _ => office.hang_up(ann, call),
        }
        office.run_ms(200);
        office.phones.iter_mut().for_each(|phone| phone.events.clear());
    }
    office.assert_no_call_is_left();
    let census = office.pbx.census();
    assert_eq!((census.notifiers, census.requests), (1, 0));
}
