//! Random calls over a bad network, and random inputs: nothing leaks, nothing panics, time never stands still.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
#![allow(clippy::needless_range_loop)]

mod common;
use common::*;
use offhook_sip::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// 200 calls that do anything at any moment, over a network that loses, doubles and reorders.
fn random_calls(seed: u64, transport: Transport) {
    let mut world = World::new();
    world.seed(seed);
    (world.loss, world.duplication, world.jitter) = (100, 100, ms(50));
    for n in 0..2 {
        world.add(&format!("10.0.0.{}", n + 1), config());
        world.listen(n, transport, 5060);
    }
    let now = world.now;
    let users: Vec<IdentityId> = (0..2)
        .map(|n| {
            let mut identity = identity(&format!("u{n}"), &format!("10.0.0.{}", n + 1));
            identity.transport = transport;
            world.ends[n].endpoint.add_identity(now, identity)
        })
        .collect();
    let mut live: Vec<HashMap<SessionId, bool>> = vec![HashMap::new(), HashMap::new()];
    let mut ended = [HashMap::new(), HashMap::new()];
    let mut started = 0;
    for _ in 0..4000 {
        if started < 200 && world.random(10) == 0 && live[0].len() + live[1].len() < 40 {
            let from = world.random(2) as usize;
            let target = Uri::sip(&format!("u{}", 1 - from), &format!("10.0.0.{}", 2 - from)).unwrap();
            let offer = if world.random(5) == 0 { None } else { sdp("o") };
            let user = users[from];
            let id = world.with(from, |e, now| e.invite(now, user, target, offer, Headers::new()).unwrap());
            live[from].insert(id, true);
            started += 1;
        }
        for end in 0..2 {
            let mut sessions: Vec<SessionId> = live[end].keys().copied().collect();
            sessions.sort_unstable();
            for session in sessions {
                let dice = world.random(400);
                // whatever is asked in whatever state: it works or is misuse
                world.with(end, |e, now| match dice {
                    0..=9 => drop(e.ring(now, session, 180, None)),
                    10..=24 => drop(e.answer(now, session, sdp("a"))),
                    25..=27 => drop(e.reject(now, session, 486, None, Headers::new())),
                    28..=35 => drop(e.end(now, session, Some("SIP;cause=200"))),
                    36..=45 => drop(e.reoffer(now, session, sdp("r"))),
                    46..=48 => drop(e.reoffer(now, session, None)),
                    49..=80 => drop(e.answer_offer(now, session, sdp("ra"))),
                    81..=83 => drop(e.refuse_offer(now, session, 488)),
                    84..=86 => drop(e.info(now, session, sdp("i").unwrap())),
                    _ => {}
                });
            }
        }
        let step = world.random(120);
        world.run(ms(step));
        for end in 0..2 {
            for event in world.take(end) {
                match event {
                    Event::Incoming { session, .. } => drop(live[end].insert(session, false)),
                    Event::Ended { session, .. } => {
                        live[end].remove(&session);
                        *ended[end].entry(session).or_insert(0) += 1;
                    }
                    _ => {}
                }
            }
        }
    }
    assert_eq!(started, 200);
    for end in 0..2 {
        let sessions: Vec<SessionId> = live[end].keys().copied().collect();
        for session in sessions {
            let _ = world.with(end, |e, now| e.end(now, session, None));
        }
    }
    world.run(Duration::from_secs(200));
    for end in 0..2 {
        for event in world.take(end) {
            if let Event::Ended { session, .. } = event {
                *ended[end].entry(session).or_insert(0) += 1;
            }
        }
        assert!(ended[end].values().all(|n| *n == 1), "a session ended twice");
        let mut census = world.ends[end].endpoint.census();
        // connections stay open for the identity
        if transport == Transport::Tcp {
            census.flows = 0;
        }
        assert_eq!(census, Census::default(), "seed {seed}");
    }
}

#[test]
fn two_hundred_random_calls_over_a_bad_udp_network_leave_nothing() {
    for seed in 1..=5 {
        random_calls(seed, Transport::Udp);
    }
}

#[test]
fn two_hundred_random_calls_over_tcp_leave_nothing() {
    random_calls(11, Transport::Tcp);
}

#[test]
fn same_seed_gives_the_same_run() {
    let trace = || {
        let mut pair = pair();
        pair.talk();
        let start = pair.world.start;
        pair.world.trace.iter().map(|t| (t.0 - start, t.3.clone())).collect::<Vec<_>>()
    };
    assert_eq!(trace(), trace());
}

// Random inputs

#[derive(Debug, Clone)]
enum Act {
    Bytes(Vec<u8>),
    Text(usize, Vec<(usize, u8)>),
    Wait(u64),
    Answer(u16),
    Flow(u64, bool),
    User(u8, u32),
}

const TEXTS: [&str; 6] = [
    "INVITE sip:u@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa;rport\r\nMax-Forwards: 70\r\n\
     From: <sip:x@10.0.0.2>;tag=f\r\nTo: <sip:u@10.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
     Contact: <sip:x@10.0.0.2>\r\nContent-Length: 0\r\n\r\n",
    "ACK sip:u@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa;rport\r\nMax-Forwards: 70\r\n\
     From: <sip:x@10.0.0.2>;tag=f\r\nTo: <sip:u@10.0.0.1>;tag=t\r\nCall-ID: c\r\nCSeq: 1 ACK\r\n\
     Content-Length: 0\r\n\r\n",
    "CANCEL sip:u@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKa;rport\r\nMax-Forwards: 70\r\n\
     From: <sip:x@10.0.0.2>;tag=f\r\nTo: <sip:u@10.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 CANCEL\r\n\
     Content-Length: 0\r\n\r\n",
    "SUBSCRIBE sip:u@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKs;rport\r\nMax-Forwards: 70\r\n\
     From: <sip:x@10.0.0.2>;tag=g\r\nTo: <sip:u@10.0.0.1>\r\nCall-ID: d\r\nCSeq: 1 SUBSCRIBE\r\nEvent: dialog\r\n\
     Expires: 0\r\nContact: <sip:x@10.0.0.2>\r\nContent-Length: 0\r\n\r\n",
    "OPTIONS sip:u@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 255.255.255.255:5060;branch=z9hG4bKo\r\nMax-Forwards: 0\r\n\
     From: <sip:x@10.0.0.2>;tag=h\r\nTo: <sip:u@10.0.0.1>\r\nCall-ID: e\r\nCSeq: 4294967295 OPTIONS\r\n\
     Content-Length: 0\r\n\r\n",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa\r\nFrom: <sip:u@10.0.0.1>;tag=l\r\n\
     To: <sip:x@10.0.0.2>;tag=r\r\nCall-ID: z\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
];

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Act::Bytes),
        (0..TEXTS.len(), prop::collection::vec((0..500_usize, any::<u8>()), 0..4)).prop_map(|(n, e)| Act::Text(n, e)),
        (0..40_000_u64).prop_map(Act::Wait),
        (100..700_u16).prop_map(Act::Answer),
        (0..6_u64, any::<bool>()).prop_map(|(f, up)| Act::Flow(f, up)),
        (0..14_u8, 0..5_u32).prop_map(|(a, n)| Act::User(a, n)),
    ]
}

/// Does `acts` to one endpoint; answers what it sends as told.
fn live(acts: &[Act], transport: Transport) {
    let mut endpoint = Endpoint::new(config(), 5);
    let mut now = Instant::now();
    let (local, remote) = ("10.0.0.1:5060".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
    let flow = FlowId(1);
    match transport {
        Transport::Udp => endpoint.handle(now, Input::Listening { flow, transport, local }),
        _ => endpoint.handle(now, Input::Accepted { flow, transport, local, remote }),
    }
    let mut config = identity("u", "10.0.0.2");
    config.transport = transport;
    let user = endpoint.add_identity(now, config);
    endpoint.register(now, user).unwrap();
    let target = Uri::sip("x", "10.0.0.2").unwrap();
    let mut last: Option<Request> = None;
    for act in acts {
        match act {
            Act::Bytes(bytes) => endpoint.handle(now, Input::Received { flow, remote, bytes }),
            Act::Text(n, edits) => {
                let mut bytes = TEXTS[*n].as_bytes().to_vec();
                for (at, byte) in edits {
                    if let Some(slot) = bytes.get_mut(*at) {
                        *slot = *byte;
                    }
                }
                endpoint.handle(now, Input::Received { flow, remote, bytes: &bytes });
            }
            Act::Wait(n) => {
                now += ms(*n);
                endpoint.handle(now, Input::Timeout);
            }
            Act::Answer(status) => {
                if let Some(request) = &last {
                    let mut response = Response::to(request, *status, Some("r"));
                    response.headers.push("Contact", "<sip:x@10.0.0.2>");
                    endpoint.handle(now, Input::Received { flow, remote, bytes: &response.to_bytes() });
                }
            }
            Act::Flow(n, up) => {
                let state = if *up { FlowState::Up { local } } else { FlowState::Down(FlowError::Refused) };
                endpoint.handle(now, Input::Flow { flow: FlowId(*n), state });
            }
            Act::User(what, n) => {
                let (s, t) = (SessionId(*n), SubscriptionId(*n));
                match what {
                    0 => drop(endpoint.invite(now, user, target.clone(), sdp("o"), Headers::new())),
                    1 => drop(endpoint.ring(now, s, 180, None)),
                    2 => drop(endpoint.answer(now, s, sdp("a"))),
                    3 => drop(endpoint.end(now, s, None)),
                    4 => drop(endpoint.reject(now, s, 486, Some("x\r\ny"), Headers::new())),
                    5 => drop(endpoint.reoffer(now, s, None)),
                    6 => drop(endpoint.answer_offer(now, s, sdp("a"))),
                    7 => drop(endpoint.subscribe(now, user, target.clone(), "dialog", "a/b", 60)),
                    8 => drop(endpoint.unsubscribe(now, t)),
                    9 => drop(endpoint.accept_subscription(now, NotifierId(*n), 60)),
                    10 => drop(endpoint.notify(now, NotifierId(*n), None)),
                    11 => drop(endpoint.register(now, user)),
                    12 => drop(endpoint.unregister(now, user)),
                    _ => drop(endpoint.request(now, user, Method::Options, target.clone(), None, Headers::new())),
                }
            }
        }
        let mut polls = 0;
        loop {
            polls += 1;
            assert!(polls < 10_000, "poll never ends");
            match endpoint.poll() {
                Output::Timeout(_) => break,
                Output::Transmit { bytes, remote, .. } => {
                    assert!(!matches!(remote.ip(), std::net::IpAddr::V4(ip) if ip.is_broadcast()));
                    match Message::parse(&bytes) {
                        Ok(Message::Request(request)) => last = Some(request),
                        Ok(Message::Response(_)) => {}
                        // A refusal repeats what could not be read.
                        Err(_) => assert!(
                            [&b"\r\n"[..], b"SIP/2.0 4", b"SIP/2.0 5"].iter().any(|start| bytes.starts_with(start))
                        ),
                    }
                }
                Output::Open { flow, .. } => {
                    endpoint.handle(now, Input::Flow { flow, state: FlowState::Up { local } });
                }
                _ => {}
            }
        }
    }
    // time passes, everything ends by itself or when told
    endpoint.shut_down(now);
    for n in 0..20_000_u32 {
        match endpoint.poll() {
            Output::Timeout(None) => break,
            Output::Timeout(Some(at)) => {
                now = now.max(at);
                endpoint.handle(now, Input::Timeout);
                if let Output::Timeout(Some(next)) = endpoint.poll() {
                    assert!(next > now, "due again at once");
                }
            }
            _ => {}
        }
        assert!(n < 19_999, "it never comes to rest");
    }
    let census = endpoint.census();
    assert_eq!(
        (
            census.client_transactions,
            census.server_transactions,
            census.subscriptions,
            census.notifiers,
            census.requests
        ),
        (0, 0, 0, 0, 0),
        "{census:?}"
    );
    assert_eq!(census.sessions, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_inputs_over_udp_neither_panic_nor_stay(acts in prop::collection::vec(act(), 1..60)) {
        live(&acts, Transport::Udp);
    }

    #[test]
    fn random_inputs_over_tcp_neither_panic_nor_stay(acts in prop::collection::vec(act(), 1..60)) {
        live(&acts, Transport::Tcp);
    }
}
