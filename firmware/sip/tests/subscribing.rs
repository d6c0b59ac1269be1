//! Subscriptions both ways: RFC 6665.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod common;
use common::*;
use offhook_sip::*;
use std::net::SocketAddr;
use std::time::Duration;

const KIND: &str = "application/dialog-info+xml";

fn state_body(text: &str) -> Option<Body> {
    Some(Body { content_type: KIND.into(), bytes: text.as_bytes().to_vec() })
}

fn subscribe(pair: &mut Pair, expires: u32) -> SubscriptionId {
    let from = pair.from;
    let target = Uri::sip("bob", "10.0.0.2").unwrap();
    pair.world.with(pair.alice, |e, now| e.subscribe(now, from, target, "dialog", KIND, expires).unwrap())
}

/// Bob accepts and sends `text`.
fn accept(pair: &mut Pair, text: &str) -> NotifierId {
    let bob = pair.bob;
    let (id, expires) = pair
        .world
        .take(bob)
        .iter()
        .find_map(|e| match e {
            Event::Subscribed { notifier, expires, .. } => Some((*notifier, *expires)),
            _ => None,
        })
        .expect("no SUBSCRIBE came");
    pair.world.with(bob, |e, now| {
        e.accept_subscription(now, id, expires).unwrap();
        e.notify(now, id, state_body(text)).unwrap();
    });
    id
}

fn bodies(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::Notify { body: Some(body), .. } => Some(String::from_utf8_lossy(&body.bytes).into_owned()),
            _ => None,
        })
        .collect()
}

fn states(events: &[Event]) -> Vec<SubscriptionState> {
    events
        .iter()
        .filter_map(|e| match e {
            Event::Subscription { state, .. } => Some(state.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn subscriber_hears_every_state_until_it_leaves() {
    let mut pair = pair();
    let id = subscribe(&mut pair, 300);
    pair.world.run(ms(50));
    let notifier = accept(&mut pair, "one");
    pair.world.run(ms(50));
    pair.world.with(pair.bob, |e, now| e.notify(now, notifier, state_body("two")).unwrap());
    pair.world.with(pair.bob, |e, now| e.notify(now, notifier, state_body("three")).unwrap());
    pair.world.run(ms(100));
    let events = pair.world.take(pair.alice);
    assert_eq!(bodies(&events), ["one", "two", "three"]);
    assert_eq!(states(&events).len(), 1 + usize::from(states(&events).len() > 1));
    assert!(matches!(states(&events)[0], SubscriptionState::Active { .. }));
    pair.world.with(pair.alice, |e, now| e.unsubscribe(now, id).unwrap());
    pair.world.run(ms(50));
    accept(&mut pair, "last");
    pair.world.run(ms(100));
    let end = states(&pair.world.take(pair.alice));
    assert!(matches!(&end[..], [SubscriptionState::Terminated { retry_at: None, .. }]), "{end:?}");
    assert!(pair.world.take(pair.bob).iter().any(|e| matches!(e, Event::NotifierEnded { .. })));
    pair.assert_empty();
}

#[test]
fn leaving_needs_no_notify_of_the_user() {
    let mut pair = pair();
    let id = subscribe(&mut pair, 300);
    pair.world.run(ms(50));
    let notifier = accept(&mut pair, "one");
    pair.world.run(ms(50));
    pair.world.with(pair.alice, |e, now| e.unsubscribe(now, id).unwrap());
    pair.world.run(ms(50));
    pair.world.with(pair.bob, |e, now| e.accept_subscription(now, notifier, 0).unwrap());
    pair.world.run(ms(200));
    assert_eq!(pair.world.ends[pair.alice].endpoint.census().subscriptions, 0);
    assert_eq!(pair.world.ends[pair.bob].endpoint.census().notifiers, 0);
}

#[test]
fn refreshed_in_time_for_hours() {
    let mut pair = pair();
    subscribe(&mut pair, 300);
    pair.world.run(ms(50));
    let notifier = accept(&mut pair, "one");
    let mut refreshes = 0;
    for _ in 0..7200 {
        pair.world.run(Duration::from_secs(1));
        for event in pair.world.take(pair.bob) {
            match event {
                Event::Subscribed { refresh: true, expires, .. } => {
                    refreshes += 1;
                    pair.world.with(pair.bob, |e, now| {
                        e.accept_subscription(now, notifier, expires).unwrap();
                        e.notify(now, notifier, state_body("full")).unwrap();
                    });
                }
                Event::NotifierEnded { .. } => panic!("the subscription ran out"),
                _ => {}
            }
        }
    }
    assert!((26..=30).contains(&refreshes), "{refreshes}");
}

#[test]
fn subscription_that_is_not_refreshed_ends_with_timeout() {
    let mut pair = pair();
    subscribe(&mut pair, 300);
    pair.world.run(ms(50));
    accept(&mut pair, "one");
    pair.world.run(ms(50));
    pair.world.muted = Some(pair.world.ends[pair.alice].ip);
    pair.world.run(Duration::from_secs(340));
    assert!(pair.world.take(pair.bob).iter().any(|e| matches!(e, Event::NotifierEnded { .. })));
    assert_eq!(pair.world.ends[pair.bob].endpoint.census().notifiers, 0);
}

#[test]
fn notifier_that_ends_is_subscribed_again_only_if_it_invites() {
    for (reason, again) in [("deactivated", true), ("timeout", true), ("rejected", false), ("noresource", false)] {
        let mut pair = pair();
        subscribe(&mut pair, 300);
        pair.world.run(ms(50));
        let notifier = accept(&mut pair, "one");
        pair.world.run(ms(600));
        pair.world.take(pair.alice);
        pair.world.with(pair.bob, |e, now| e.end_subscription(now, notifier, reason).unwrap());
        pair.world.run(ms(1000));
        let end = states(&pair.world.take(pair.alice));
        let SubscriptionState::Terminated { retry_at, reason: told, .. } = &end[0] else { panic!("{end:?}") };
        assert_eq!((retry_at.is_some(), told.as_str()), (again, reason));
        let came = pair.world.take(pair.bob).iter().any(|e| matches!(e, Event::Subscribed { refresh: false, .. }));
        assert_eq!(came, again, "{reason}");
    }
}

#[test]
fn restarted_notifier_is_subscribed_anew_after_its_481() {
    let mut pair = pair();
    subscribe(&mut pair, 60);
    pair.world.run(ms(50));
    accept(&mut pair, "one");
    pair.world.run(ms(50));
    pair.world.ends[pair.bob].endpoint = Endpoint::new(config(), 99);
    let local = "10.0.0.2:5060".parse().unwrap();
    let now = pair.world.now;
    let input = Input::Listening { flow: FlowId(1), transport: Transport::Udp, local };
    pair.world.ends[pair.bob].endpoint.handle(now, input);
    pair.world.run(Duration::from_secs(56));
    accept(&mut pair, "again");
    pair.world.run(ms(100));
    assert_eq!(bodies(&pair.world.take(pair.alice)), ["one", "again"]);
}

#[test]
fn unknown_event_is_refused_with_489() {
    let mut pair = pair();
    let from = pair.from;
    let target = Uri::sip("bob", "10.0.0.2").unwrap();
    pair.world.with(pair.alice, |e, now| e.subscribe(now, from, target, "weather", "", 300).unwrap());
    pair.world.run(ms(100));
    let state = states(&pair.world.take(pair.alice));
    assert!(matches!(&state[..], [SubscriptionState::Terminated { status: Some(489), .. }]), "{state:?}");
}

#[test]
fn subscriber_that_vanished_is_removed_by_a_failing_notify() {
    let mut pair = pair();
    subscribe(&mut pair, 3600);
    pair.world.run(ms(50));
    let notifier = accept(&mut pair, "one");
    pair.world.run(ms(50));
    pair.world.muted = Some(pair.world.ends[pair.alice].ip);
    pair.world.with(pair.bob, |e, now| e.notify(now, notifier, state_body("two")).unwrap());
    pair.world.run(Duration::from_secs(33));
    assert!(pair.world.take(pair.bob).iter().any(|e| matches!(e, Event::NotifierEnded { .. })));
}

#[test]
fn subscription_over_tcp_is_notified_over_the_same_connection() {
    let mut world = World::new();
    let phone = world.add("10.0.0.1", config());
    let pbx = world.add("10.0.0.9", server_config());
    world.ends[pbx].registrar = Some(Registrar::new());
    world.listen(pbx, Transport::Tcp, 5060);
    let now = world.now;
    let mut wanted = identity("100", "10.0.0.9");
    wanted.transport = Transport::Tcp;
    let id = world.ends[phone].endpoint.add_identity(now, wanted);
    let target = Uri::sip("101", "10.0.0.9").unwrap();
    world.with(phone, |e, now| e.subscribe(now, id, target, "dialog", KIND, 300).unwrap());
    world.run(ms(100));
    let notifier = world.take(pbx).iter().find_map(|e| match e {
        Event::Subscribed { notifier, .. } => Some(*notifier),
        _ => None,
    });
    world.with(pbx, |e, now| {
        e.accept_subscription(now, notifier.unwrap(), 300).unwrap();
        e.notify(now, notifier.unwrap(), state_body("one")).unwrap();
    });
    world.run(ms(100));
    assert_eq!(bodies(&world.take(phone)), ["one"]);
    assert_eq!(world.flows(phone, Transport::Tcp).len(), 1);
    assert_eq!(world.ends[pbx].endpoint.census().flows, 1);
}

// Scripted notifier

fn scripted() -> (World, SubscriptionId, SocketAddr) {
    let mut world = World::new();
    world.add("10.0.0.1", config());
    let now = world.now;
    let id = world.ends[0].endpoint.add_identity(now, identity("100", "192.0.2.9"));
    let target = Uri::sip("101", "192.0.2.9").unwrap();
    let subscription = world.with(0, |e, now| e.subscribe(now, id, target, "dialog", KIND, 300).unwrap());
    world.run(ms(20));
    (world, subscription, "10.0.0.1:40001".parse().unwrap())
}

fn notify_for(subscribe: &Request, tag: &str, number: u32, state: &str, event: &str) -> String {
    let from = subscribe.headers.first("From").unwrap();
    format!(
        "NOTIFY {} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKn{number}{tag}\nMax-Forwards: 70\n\
         From: <sip:101@192.0.2.9>;tag={tag}\nTo: {from}\nCall-ID: {}\nCSeq: {number} NOTIFY\n\
         Contact: <sip:101@192.0.2.9>\nEvent: {event}\nSubscription-State: {state}\nContent-Type: {KIND}\n\
         Content-Length: 1\n\nx",
        subscribe.headers.contacts()[0].uri,
        subscribe.headers.call_id().unwrap()
    )
}

fn accept_raw(world: &mut World, subscribe: &Request, tag: &str, to: SocketAddr) {
    let mut response = Response::to(subscribe, 200, Some(tag));
    response.headers.push("Expires", "300");
    response.headers.push("Contact", "<sip:101@192.0.2.9>");
    world.datagram("192.0.2.9:5060".parse().unwrap(), to, response.to_bytes());
}

// RFC 6665 section 4.1.2.4
#[test]
fn notify_before_the_200_counts() {
    let (mut world, _, phone) = scripted();
    let subscribe = world.raw_request(Method::Subscribe);
    world.send_raw("192.0.2.9:5060", phone, &notify_for(&subscribe, "n", 1, "active;expires=300", "dialog"));
    world.run(ms(20));
    assert_eq!(world.raw_statuses(), [200]);
    assert_eq!(bodies(&world.take(0)), ["x"]);
    accept_raw(&mut world, &subscribe, "n", phone);
    world.run(Duration::from_secs(230));
    assert_eq!(world.sent("SUBSCRIBE"), 1);
    world.run(Duration::from_secs(50));
    let refresh = world.raw_request(Method::Subscribe);
    assert_eq!(refresh.headers.to().unwrap().tag(), Some("n"));
    assert_eq!(refresh.headers.cseq().unwrap().number, 2);
}

#[test]
fn foreign_wrong_and_old_notifies_are_refused() {
    let (mut world, _, phone) = scripted();
    let subscribe = world.raw_request(Method::Subscribe);
    accept_raw(&mut world, &subscribe, "n", phone);
    world.run(ms(20));
    world.raw.clear();
    world.take(0);
    for (tag, number, event, status) in
        [("n", 5, "dialog", 200), ("n", 4, "dialog", 500), ("other", 6, "dialog", 481), ("n", 7, "presence", 481)]
    {
        world.send_raw("192.0.2.9:5060", phone, &notify_for(&subscribe, tag, number, "active", event));
        world.run(ms(20));
        assert_eq!(world.raw_statuses(), [status], "{tag} {number} {event}");
    }
    assert_eq!(bodies(&world.take(0)).len(), 1);
}

#[test]
fn shorter_time_in_notify_brings_the_refresh_forward() {
    let (mut world, _, phone) = scripted();
    let subscribe = world.raw_request(Method::Subscribe);
    accept_raw(&mut world, &subscribe, "n", phone);
    world.send_raw("192.0.2.9:5060", phone, &notify_for(&subscribe, "n", 1, "active;expires=60", "dialog"));
    world.run(Duration::from_secs(56));
    let mut sent = world.trace.iter().filter(|t| t.3.starts_with("SUBSCRIBE"));
    let first = sent.next().unwrap().0;
    let refresh = sent.next().unwrap().0.duration_since(first).as_secs();
    assert!((47..=55).contains(&refresh), "{refresh}");
}

#[test]
fn no_notify_after_the_200_is_a_failure() {
    let (mut world, _, phone) = scripted();
    let subscribe = world.raw_request(Method::Subscribe);
    accept_raw(&mut world, &subscribe, "n", phone);
    world.run(Duration::from_secs(33));
    let state = states(&world.take(0));
    assert!(matches!(&state[..], [SubscriptionState::Terminated { retry_at: Some(_), .. }]), "{state:?}");
}

// However the notifier misbehaves, SUBSCRIBEs are at least 500 ms apart and become rarer.
#[test]
fn hostile_notifier_never_makes_it_flood() {
    for mode in 0..6 {
        let (mut world, _, phone) = scripted();
        let begin = world.now;
        let mut times = Vec::new();
        let mut number = 0;
        while world.now < begin + Duration::from_secs(600) {
            let mut requests = Vec::new();
            while let Some((_, _, message)) = world.raw.pop_front() {
                if let Message::Request(request) = message
                    && request.method == Method::Subscribe
                {
                    requests.push(request);
                }
            }
            for subscribe in requests {
                times.push(world.now);
                number += 1;
                match mode {
                    0..=2 => {
                        let status = [481, 500, 423][mode];
                        let mut response = Response::to(&subscribe, status, Some("n"));
                        response.headers.push("Retry-After", "0");
                        let asked = subscribe.headers.expires().unwrap();
                        response.headers.push("Min-Expires", (asked + 1).to_string());
                        world.datagram("192.0.2.9:5060".parse().unwrap(), phone, response.to_bytes());
                    }
                    3 => {
                        accept_raw(&mut world, &subscribe, "n", phone);
                        let gone = "terminated;reason=deactivated;retry-after=0";
                        world.send_raw("192.0.2.9:5060", phone, &notify_for(&subscribe, "n", number, gone, "dialog"));
                    }
                    4 => {
                        let mut response = Response::to(&subscribe, 200, Some("n"));
                        response.headers.push("Expires", "0");
                        world.datagram("192.0.2.9:5060".parse().unwrap(), phone, response.to_bytes());
                        let live = "active;expires=0";
                        world.send_raw("192.0.2.9:5060", phone, &notify_for(&subscribe, "n", number, live, "dialog"));
                    }
                    _ => {
                        let mut response = Response::to(&subscribe, 401, Some("n"));
                        let challenge = format!("Digest realm=\"r\", nonce=\"{number}\", stale=true, algorithm=MD5");
                        response.headers.push("WWW-Authenticate", challenge);
                        world.datagram("192.0.2.9:5060".parse().unwrap(), phone, response.to_bytes());
                    }
                }
            }
            world.run(ms(20));
        }
        times.dedup();
        for gap in times.windows(3) {
            // one answer to a challenge may follow at once
            assert!(gap[2].duration_since(gap[0]) >= ms(480), "mode {mode}: {:?}", gap[2].duration_since(gap[0]));
        }
        if mode != 5 {
            for gap in times.windows(2) {
                assert!(gap[1].duration_since(gap[0]) >= ms(480), "mode {mode}");
            }
        }
        assert!(times.len() <= 40, "mode {mode}: {} SUBSCRIBEs in 10 minutes", times.len());
    }
}

// NOTIFY without subscription

#[test]
fn unsolicited_message_summary_and_check_sync_count_only_from_the_registrar() {
    let mut world = World::new();
    world.add("10.0.0.1", config());
    world.add("10.0.0.9", server_config());
    world.ends[1].registrar = Some(Registrar::new());
    world.listen(1, Transport::Udp, 5060);
    let now = world.now;
    let id = world.ends[0].endpoint.add_identity(now, identity("100", "10.0.0.9"));
    world.with(0, |e, now| e.register(now, id).unwrap());
    world.run(ms(100));
    world.take(0);
    let phone = world.ends[0].endpoint.local_address(id).unwrap();
    for (source, status, event) in [
        ("10.0.0.9:7777", 200, "message-summary"),
        ("10.0.0.10:5060", 481, "message-summary"),
        ("10.0.0.9:7777", 200, "check-sync"),
        ("10.0.0.10:5060", 481, "check-sync"),
        ("10.0.0.9:7777", 481, "presence"),
    ] {
        let text = format!(
            "NOTIFY sip:100@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP {source};branch=z9hG4bK{status}{event}{source}\n\
             Max-Forwards: 70\nFrom: <sip:100@10.0.0.9>;tag=1\nTo: <sip:100@10.0.0.9>\nCall-ID: u{source}{event}\n\
             CSeq: 1 NOTIFY\nEvent: {event}\nSubscription-State: active\nContent-Length: 0\n\n"
        );
        world.send_raw(source, phone, &text);
        world.run(ms(20));
        assert_eq!(world.raw_statuses(), [status], "{source} {event}");
    }
    let events = world.take(0);
    let counted = events.iter().filter(|e| matches!(e, Event::UnsolicitedNotify { .. })).count();
    assert_eq!(counted, 2, "{events:?}");
}

// Digest

#[test]
fn challenge_of_a_subscribe_is_answered_at_once_and_a_wrong_password_ends_it() {
    let (mut world, _, phone) = scripted();
    let peer = "192.0.2.9:5060".parse().unwrap();
    let first = world.raw_request(Method::Subscribe);
    let mut response = Response::to(&first, 401, Some("n"));
    response.headers.push("WWW-Authenticate", "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-256");
    world.datagram(peer, phone, response.to_bytes());
    world.run(ms(20));
    let second = world.raw_request(Method::Subscribe);
    assert!(second.headers.first("Authorization").is_some());
    assert_eq!(second.headers.cseq().unwrap().number, 2);
    assert_eq!(second.headers.call_id(), first.headers.call_id());
    let mut response = Response::to(&second, 401, Some("n"));
    response.headers.push("WWW-Authenticate", "Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256");
    world.datagram(peer, phone, response.to_bytes());
    world.run(Duration::from_secs(3600));
    let end = states(&world.take(0));
    assert!(matches!(&end[..], [SubscriptionState::Terminated { status: Some(401), retry_at: None, .. }]), "{end:?}");
    assert_eq!(world.sent("SUBSCRIBE"), 2);
}
