//! Registration: RFC 3261 sections 10 and 22, waiting times of RFC 5626 section 4.5.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod common;
use common::*;
use offhook_sip::auth::{Credentials, Password, Secret};
use offhook_sip::*;
use std::time::Duration;

const PHONE: usize = 0;
const PBX: usize = 1;

fn office(transport: Transport, change: impl FnOnce(&mut IdentityConfig)) -> (World, IdentityId) {
    let mut world = World::new();
    world.add("10.0.0.1", config());
    world.add("10.0.0.9", server_config());
    world.ends[PBX].registrar = Some(Registrar::new());
    world.listen(PBX, transport, 5060);
    let mut identity = identity("100", "10.0.0.9");
    identity.transport = transport;
    change(&mut identity);
    let now = world.now;
    let id = world.ends[PHONE].endpoint.add_identity(now, identity);
    (world, id)
}

fn register(world: &mut World, id: IdentityId) {
    world.with(PHONE, |e, now| e.register(now, id).unwrap());
}

fn state(world: &World, id: IdentityId) -> RegistrationState {
    world.ends[PHONE].endpoint.registration(id).unwrap().clone()
}

fn seen(world: &World) -> usize {
    world.ends[PBX].registrar.as_ref().unwrap().seen.len()
}

fn is_registered(world: &World, id: IdentityId) -> bool {
    matches!(state(world, id), RegistrationState::Registered { .. })
}

#[test]
fn registers_with_digest_and_reports_addresses() {
    let (mut world, id) = office(Transport::Udp, |_| {});
    register(&mut world, id);
    world.run(ms(100));
    let local = "10.0.0.1:40001".parse().unwrap();
    assert_eq!(state(&world, id), RegistrationState::Registered { expires: 600, local, public: Some(local) });
    assert_eq!(world.ends[PHONE].endpoint.local_address(id), Some(local));
    let registrar = world.ends[PBX].registrar.as_ref().unwrap();
    let ids: Vec<_> = registrar.seen.iter().map(|(_, r)| r.headers.call_id().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    assert!(registrar.seen[1].1.headers.cseq().unwrap().number > registrar.seen[0].1.headers.cseq().unwrap().number);
    assert!(registrar.bindings.contains_key("100"));
    let states = world.take(PHONE);
    assert_eq!(states.len(), 2, "{states:?}");
}

#[test]
fn refreshes_between_80_and_90_percent_for_a_day() {
    let (mut world, id) = office(Transport::Udp, |_| {});
    register(&mut world, id);
    world.run(Duration::from_secs(86_400));
    assert!(is_registered(&world, id));
    let seen = &world.ends[PBX].registrar.as_ref().unwrap().seen;
    let mut accepted: Vec<_> = seen.iter().map(|(at, _)| *at).collect();
    accepted.dedup_by(|b, a| b.duration_since(*a) < Duration::from_secs(1));
    for pair in accepted.windows(2) {
        let gap = pair[1].duration_since(pair[0]).as_secs();
        assert!((479..=541).contains(&gap), "{gap}");
    }
    let numbers: Vec<_> = seen.iter().map(|(_, r)| r.headers.cseq().unwrap().number).collect();
    assert!(numbers.windows(2).all(|n| n[1] > n[0]));
    // stale nonces never showed
    assert!(
        !world
            .take(PHONE)
            .iter()
            .any(|e| matches!(e, Event::Registration { state: RegistrationState::Failed { .. }, .. }))
    );
}

#[test]
fn wrong_password_fails_for_good_without_hammering_and_new_credentials_start_again() {
    let wrong = Credentials { username: "100".into(), secret: Secret::Password(Password::new("wrong")) };
    let (mut world, id) = office(Transport::Udp, |c| c.credentials = Some(wrong));
    register(&mut world, id);
    world.run(Duration::from_secs(36_000));
    assert!(matches!(state(&world, id), RegistrationState::Failed { status: Some(401), retry_at: None, .. }));
    assert!(seen(&world) <= 3, "{}", seen(&world));
    world.with(PHONE, |e, now| e.change_identity(now, id, identity("100", "10.0.0.9")).unwrap());
    world.run(ms(200));
    assert!(is_registered(&world, id));
}

#[test]
fn interval_too_brief_is_raised_to_min_expires() {
    let (mut world, id) = office(Transport::Udp, |c| c.expires = 60);
    world.ends[PBX].registrar.as_mut().unwrap().least = 1800;
    register(&mut world, id);
    world.run(ms(200));
    assert!(matches!(state(&world, id), RegistrationState::Registered { expires: 1800, .. }));
}

#[test]
fn failures_back_off_from_30_s_doubling_to_30_min() {
    let (mut world, id) = office(Transport::Udp, |_| {});
    world.ends[PBX].registrar.as_mut().unwrap().refuse = Some((500, vec![]));
    register(&mut world, id);
    world.run(Duration::from_secs(36_000));
    let times: Vec<_> = world.ends[PBX].registrar.as_ref().unwrap().seen.iter().map(|(at, _)| *at).collect();
    let gaps: Vec<_> = times.windows(2).map(|t| t[1].duration_since(t[0]).as_secs()).collect();
    for (n, gap) in gaps.iter().enumerate() {
        let longest = (30 << n.min(10)).min(1800);
        assert!((longest / 2..=longest + 1).contains(gap), "{n}: {gap}");
    }
    assert!((20..60).contains(&gaps.len()), "{}", gaps.len());
}

#[test]
fn retry_after_of_a_503_is_kept() {
    let (mut world, id) = office(Transport::Udp, |_| {});
    world.ends[PBX].registrar.as_mut().unwrap().refuse = Some((503, vec![("Retry-After", "77")]));
    register(&mut world, id);
    world.run(Duration::from_secs(75));
    assert_eq!(seen(&world), 1);
    world.ends[PBX].registrar.as_mut().unwrap().refuse = None;
    world.run(Duration::from_secs(3));
    assert!(is_registered(&world, id));
}

#[test]
fn no_server_is_tried_again_and_found_when_it_comes_back() {
    let (mut world, id) = office(Transport::Udp, |_| {});
    world.loss = 1000;
    register(&mut world, id);
    world.run(Duration::from_secs(33));
    assert!(matches!(state(&world, id), RegistrationState::Failed { status: Some(408), retry_at: Some(_), .. }));
    world.loss = 0;
    world.run(Duration::from_secs(31));
    assert!(is_registered(&world, id));
}

#[test]
fn unregistering_removes_the_binding() {
    let (mut world, id) = office(Transport::Udp, |_| {});
    register(&mut world, id);
    world.run(ms(100));
    world.with(PHONE, |e, now| e.unregister(now, id).unwrap());
    world.run(ms(100));
    assert_eq!(state(&world, id), RegistrationState::Unregistered);
    assert!(world.ends[PBX].registrar.as_ref().unwrap().bindings.is_empty());
    let before = seen(&world);
    world.run(Duration::from_secs(4000));
    assert_eq!(seen(&world), before);
}

#[test]
fn removed_identity_unregisters_and_leaves_nothing_behind() {
    let (mut world, id) = office(Transport::Tcp, |_| {});
    register(&mut world, id);
    world.run(ms(100));
    world.with(PHONE, |e, now| e.remove_identity(now, id).unwrap());
    world.run(Duration::from_secs(70));
    assert_eq!(world.ends[PHONE].endpoint.census(), Census::default());
    assert!(world.ends[PHONE].endpoint.registration(id).is_none());
    assert!(world.ends[PBX].registrar.as_ref().unwrap().bindings.is_empty());
    assert_eq!(world.ends[PBX].endpoint.census(), Census::default());
}

#[test]
fn lost_tcp_connection_is_opened_again_and_registered_over() {
    let (mut world, id) = office(Transport::Tcp, |_| {});
    register(&mut world, id);
    world.run(ms(100));
    assert!(is_registered(&world, id));
    let flow = world.flows(PHONE, Transport::Tcp)[0];
    world.break_flow(PHONE, flow, FlowError::ClosedByPeer);
    assert_eq!(state(&world, id), RegistrationState::Registering);
    world.run(ms(1500));
    assert!(is_registered(&world, id));
    let (contact, ..) = &world.ends[PBX].registrar.as_ref().unwrap().bindings["100"];
    let local = world.ends[PHONE].endpoint.local_address(id).unwrap();
    assert!(contact.to_string().contains(&local.to_string()), "{contact} {local}");
    assert!(contact.to_string().contains("transport=tcp"));
}

#[test]
fn refused_tcp_connection_backs_off() {
    let (mut world, id) = office(Transport::Tcp, |_| {});
    world.no_tcp.push("10.0.0.9:5060".parse().unwrap());
    register(&mut world, id);
    world.run(ms(100));
    assert!(matches!(state(&world, id), RegistrationState::Failed { status: Some(503), retry_at: Some(_), .. }));
    world.no_tcp.clear();
    world.run(Duration::from_secs(31));
    assert!(is_registered(&world, id));
}

/// Covers: axml.nat.09
#[test]
fn forced_contact_is_shown() {
    let (mut world, id) = office(Transport::Udp, |c| c.forced_contact = Some("198.51.100.7:5070".into()));
    register(&mut world, id);
    world.run(ms(100));
    let (contact, ..) = &world.ends[PBX].registrar.as_ref().unwrap().bindings["100"];
    assert!(contact.to_string().starts_with("sip:100@198.51.100.7:5070"), "{contact}");
}

// RFC 3581: what the server saw
/// Covers: axml.nat.08
#[test]
fn external_contact_is_learned_from_rport_and_the_old_one_withdrawn() {
    let mut world = World::new();
    world.add("10.0.0.1", config());
    let mut identity = identity("100", "192.0.2.9");
    identity.contact_external = true;
    let now = world.now;
    let id = world.ends[0].endpoint.add_identity(now, identity);
    world.with(0, |e, now| e.register(now, id).unwrap());
    let local = "10.0.0.1:40001".parse().unwrap();
    let mut contacts = Vec::new();
    for _ in 0..2 {
        world.run(ms(50));
        let request = world.raw_request(Method::Register);
        let mut response = Response::to(&request, 200, Some("t"));
        let via = request.headers.first("Via").unwrap().replace(";rport", ";rport=6000;received=203.0.113.5");
        response.headers.set("Via", via);
        response.headers.push("Expires", "600");
        contacts.push(request.headers.contacts());
        world.datagram("192.0.2.9:5060".parse().unwrap(), local, response.to_bytes());
    }
    world.run(ms(50));
    assert_eq!(contacts[1].len(), 2);
    assert_eq!(contacts[1][0].uri, contacts[0][0].uri);
    assert_eq!(contacts[1][0].param("expires"), Some("0"));
    assert!(contacts[1][1].uri.to_string().contains("203.0.113.5:6000"));
    let public = Some("203.0.113.5:6000".parse().unwrap());
    let registered = world.ends[0].endpoint.registration(id).unwrap();
    assert_eq!(*registered, RegistrationState::Registered { expires: 600, local, public });
    world.run(Duration::from_secs(100));
    assert_eq!(world.sent("REGISTER"), 2);
}

/// Covers: axml.nat.11, axml.nat.12
#[test]
fn keep_alive_is_sent_at_its_interval() {
    let (mut world, id) = office(Transport::Udp, |c| c.keep_alive = Some(Duration::from_secs(15)));
    register(&mut world, id);
    world.run(Duration::from_secs(61));
    let pings = world.trace.iter().filter(|t| t.3.is_empty()).count();
    assert_eq!(pings, 4);
}

// RFC 5626 section 4.4.1
#[test]
fn connection_that_stops_answering_pings_is_replaced() {
    let (mut world, id) = office(Transport::Tcp, |c| c.keep_alive = Some(Duration::from_secs(15)));
    register(&mut world, id);
    world.run(Duration::from_secs(40));
    let first = world.flows(PHONE, Transport::Tcp)[0];
    // the other end goes silent without closing
    world.delay = Duration::from_secs(3600);
    world.run(Duration::from_secs(30));
    world.delay = ms(5);
    world.run(Duration::from_secs(60));
    let flows = world.flows(PHONE, Transport::Tcp);
    assert!(!flows.contains(&first));
    assert!(is_registered(&world, id));
}

// RFC 3263 section 4.3
/// Covers: axml.proxy.05
#[test]
fn second_server_of_the_srv_records_takes_over() {
    let (mut world, _) = office(Transport::Udp, |_| {});
    world.dns = vec![
        (
            Query::Srv("_sip._udp.office.example".into()),
            Answer::Srv(vec![
                Srv { priority: 1, weight: 0, port: 5060, target: "dead.example".into() },
                Srv { priority: 2, weight: 0, port: 5060, target: "alive.example".into() },
            ]),
        ),
        (Query::Addresses("dead.example".into()), Answer::Addresses(vec!["10.0.0.77".parse().unwrap()])),
        (Query::Addresses("alive.example".into()), Answer::Addresses(vec!["10.0.0.9".parse().unwrap()])),
    ];
    let now = world.now;
    let id = world.ends[PHONE].endpoint.add_identity(now, identity("101", "office.example"));
    register(&mut world, id);
    world.run(Duration::from_secs(33));
    assert!(is_registered(&world, id));
}

/// Covers: axml.proxy.01, axml.proxy.03
#[test]
fn outbound_proxy_comes_before_server_and_server_before_domain() {
    let (mut world, _) = office(Transport::Udp, |_| {});
    let now = world.now;
    let mut config = identity("101", "nowhere.example");
    config.server = Some("10.0.0.9".into());
    let id = world.ends[PHONE].endpoint.add_identity(now, config.clone());
    register(&mut world, id);
    world.run(ms(100));
    assert!(is_registered(&world, id));
    config.server = Some("10.0.0.66".into());
    config.outbound_proxy = Uri::parse("sip:10.0.0.9");
    world.with(PHONE, |e, now| e.change_identity(now, id, config).unwrap());
    world.run(ms(100));
    assert!(is_registered(&world, id));
    let (_, last) = world.ends[PBX].registrar.as_ref().unwrap().seen.last().unwrap();
    assert_eq!(last.headers.list("Route"), ["<sip:10.0.0.9;lr>"]);
}

#[test]
fn shutting_down_unregisters() {
    let (mut world, id) = office(Transport::Udp, |_| {});
    register(&mut world, id);
    world.run(ms(100));
    world.with(PHONE, Endpoint::shut_down);
    world.run(Duration::from_secs(70));
    assert!(world.ends[PBX].registrar.as_ref().unwrap().bindings.is_empty());
    assert_eq!(world.ends[PHONE].endpoint.census(), Census::default());
}

#[test]
fn change_of_network_registers_the_new_address_within_a_second() {
    let (mut world, id) = office(Transport::Udp, |_| {});
    register(&mut world, id);
    world.run(ms(100));
    let flow = world.flows(PHONE, Transport::Udp)[0];
    world.ends[PHONE].ip = "10.0.5.5".parse().unwrap();
    world.break_flow(PHONE, flow, FlowError::Unreachable);
    world.run(ms(1200));
    let RegistrationState::Registered { local, .. } = state(&world, id) else { panic!("{:?}", state(&world, id)) };
    assert_eq!(local.ip().to_string(), "10.0.5.5");
    let (_, last) = world.ends[PBX].registrar.as_ref().unwrap().seen.last().unwrap();
    // the old address is withdrawn in the same request
    assert_eq!(last.headers.contacts().len(), 2);
    assert_eq!(last.headers.contacts()[0].param("expires"), Some("0"));
}

#[test]
fn changed_settings_register_again_and_leave_no_connection_to_the_old_server() {
    let (mut world, id) = office(Transport::Tcp, |_| {});
    register(&mut world, id);
    world.run(ms(100));
    world.add("10.0.0.10", server_config());
    world.ends[2].registrar = Some(Registrar::new());
    world.listen(2, Transport::Tcp, 5060);
    let mut config = identity("100", "10.0.0.9");
    config.transport = Transport::Tcp;
    config.server = Some("10.0.0.10:5060".into());
    world.with(PHONE, |e, now| e.change_identity(now, id, config).unwrap());
    world.run(ms(200));
    assert!(is_registered(&world, id));
    assert!(world.ends[2].registrar.as_ref().unwrap().bindings.contains_key("100"));
    assert_eq!(world.flows(PHONE, Transport::Tcp).len(), 1);
    assert_eq!(world.ends[PBX].endpoint.census().flows, 0);
}

#[test]
fn a_registration_that_is_announced_waits_until_it_may_go_or_45_s() {
    let (mut world, id) = office(Transport::Udp, |c| c.announce_registration = true);
    let announced = |world: &mut World| {
        let told = |event: &Event| matches!(event, Event::BeforeRegistration { identity } if *identity == id);
        world.take(PHONE).iter().filter(|event| told(event)).count()
    };
    register(&mut world, id);
    register(&mut world, id);
    world.run(Duration::from_secs(10));
    assert_eq!((announced(&mut world), seen(&world), state(&world, id)), (1, 0, RegistrationState::Registering));
    world.with(PHONE, |e, now| e.proceed(now, id).unwrap());
    world.run(ms(100));
    assert!(is_registered(&world, id));
    assert_eq!((announced(&mut world), seen(&world)), (0, 2), "the challenge is of the same attempt");
    world.with(PHONE, |e, now| e.proceed(now, id).unwrap());
    world.run(Duration::from_secs(470));
    assert_eq!((announced(&mut world), seen(&world)), (0, 2), "nothing waits");
    world.run(Duration::from_secs(120));
    assert_eq!(announced(&mut world), 1, "the refresh");
    assert!(is_registered(&world, id) && seen(&world) >= 3, "after 45 s it goes out by itself");
    // not wanted any more while it waits
    let before = seen(&world);
    register(&mut world, id);
    world.with(PHONE, |e, now| e.unregister(now, id).unwrap());
    world.run(Duration::from_secs(60));
    assert_eq!(state(&world, id), RegistrationState::Unregistered);
    assert_eq!(seen(&world), before + 1, "only what unregisters");
}
