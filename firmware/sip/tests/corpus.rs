//! The bad and odd SIP messages of `tests/corpora` through a whole endpoint (a user agent, not a server).
//!
//! The verdict of each row of the index says which statuses are right; rows it leaves open must be taken
//! without harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod common;
use common::*;
use offhook_sip::*;
use std::time::Duration;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/");
const SOURCE: &str = "192.0.2.200:5060";

fn read(path: &str) -> Vec<u8> {
    std::fs::read(format!("{ROOT}{path}")).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Statuses answered, and the events.
fn feed(bytes: &[u8]) -> (Vec<u16>, Vec<Event>) {
    let mut world = World::new();
    let end = world.add("192.0.2.1", config());
    world.listen(end, Transport::Udp, 5060);
    let now = world.now;
    world.ends[end].endpoint.add_identity(now, identity("1001", "192.0.2.1"));
    let source = SOURCE.parse().unwrap();
    world.datagram(source, "192.0.2.1:5060".parse().unwrap(), bytes.to_vec());
    world.run(ms(20));
    let statuses = world.trace.iter().filter_map(|t| t.3.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok());
    let statuses = statuses.collect();
    let events = world.take(end);
    assert!(world.trace.iter().all(|t| t.2.ip() == std::net::IpAddr::from([192, 0, 2, 200])), "{:?}", world.trace);
    world.run(Duration::from_secs(120));
    (statuses, events)
}

/// What the index asks of a user agent.
fn allowed(file: &str) -> Option<&'static [u16]> {
    Some(match file.rsplit('/').next().unwrap() {
        "wsinv.dat" => &[100, 481],
        "intmeth.dat" | "esc02.dat" => &[501, 405],
        "esc01.dat" | "longreq.dat" | "inv2543.dat" => &[100],
        "escnull.dat" | "dblreq.dat" | "unksm2.dat" | "cparam01.dat" | "cparam02.dat" | "regescrt.dat"
        | "regaut01.dat" => &[405, 501],
        "lwsdisp.dat" | "semiuri.dat" | "transports.dat" | "zeromf.dat" => &[200],
        "mpart01.dat" => &[200, 415, 405],
        "badinv01.dat" | "clerr.dat" | "ncl.dat" | "scalar02.dat" | "mismatch01.dat" | "insuf.dat" | "multi01.dat"
        | "mcl01.dat" => &[400],
        "quotbal.dat" | "ltgtruri.dat" | "lwsruri.dat" | "lwsstart.dat" | "trws.dat" | "badaspec.dat" | "baddn.dat"
        | "baddate.dat" | "escruri.dat" => &[100, 200, 400],
        "regbadct.dat" => &[400, 405, 501],
        "badvers.dat" => &[505],
        "mismatch02.dat" => &[501, 400],
        "badbranch.dat" => &[200, 400],
        "unkscm.dat" | "novelsc.dat" => &[416],
        "bext01.dat" => &[420],
        "invut.dat" => &[415],
        "sdp01.dat" => &[406],
        "unreason.dat" | "noreason.dat" | "scalarlg.dat" | "bigcode.dat" | "bcast.dat" => &[],
        "ipv6-good.sip" | "port-ambiguous.sip" | "port-unambiguous.sip" => &[405, 501],
        "ipv6-bad.sip" => &[400],
        "via-received-param-no-delim.sip" | "ipv6-bug-abnf-3-colons.sip" | "ipv6-correct-abnf-2-colons.sip" => &[200],
        "via-received-param-with-delim.sip" | "mult-ip-in-header.sip" => &[481],
        "ipv6-in-sdp.sip" | "mult-ip-in-sdp.sip" | "ipv4-mapped-ipv6.sip" => &[100],
        "o02_autoanswer_callinfo.sip" | "o03_autoanswer_alert.sip" => &[100],
        "o04_refer_unsolicited.sip" => &[403, 481, 603, 405],
        "o05_notify_checksync.sip" => &[401, 403, 481],
        "o06_notify_resync_url.sip" => &[401, 403, 481, 489],
        "o07_notify_fake_blf.sip" | "o08_mwi_fake.sip" | "o20_replaces_hijack.sip" => &[481],
        "o15_callid_empty.sip" => &[400],
        "o16_resp_unknown_via.sip" | "o18_crlf_keepalive.bin" => &[],
        "test.dat" => return None,
        _ => return None,
    })
}

#[test]
fn every_row_is_answered_as_its_verdict_says() {
    let index = String::from_utf8(read("index.csv")).unwrap();
    let mut wrong = Vec::new();
    let mut rows = 0;
    let files = index.lines().skip(1).filter_map(|l| l.split(',').next());
    let sip = |f: &&str| f.starts_with("rfc4475/") || f.starts_with("rfc5118/wire/") || f.starts_with("sip-own/");
    for file in files.filter(sip) {
        rows += 1;
        let (statuses, events) = feed(&read(file));
        let Some(allowed) = allowed(file) else {
            assert!(file.ends_with("test.dat"), "{file} has no expectation");
            continue;
        };
        let right = match allowed {
            [] => statuses.is_empty(),
            some => statuses.first().is_some_and(|s| some.contains(s)),
        };
        let rings = events.iter().any(|e| matches!(e, Event::Incoming { .. }));
        if !right || rings != (statuses == [100]) {
            wrong.push(format!("{file}: {statuses:?} instead of {allowed:?}; {events:?}"));
        }
        let harmless = events.iter().all(|e| matches!(e, Event::Protest { .. } | Event::Incoming { .. }));
        assert!(harmless, "{file}: {events:?}");
    }
    assert!(rows >= 70, "{rows}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn refusals_name_what_is_missing() {
    let mut world = World::new();
    let end = world.add("192.0.2.1", config());
    world.listen(end, Transport::Udp, 5060);
    for (file, header, value) in [
        ("rfc4475/bext01.dat", "Unsupported", "nothingSupportsThis, nothingSupportsThisEither"),
        ("rfc4475/invut.dat", "Accept", "application/sdp"),
        ("rfc4475/intmeth.dat", "Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, NOTIFY"),
    ] {
        world.datagram(SOURCE.parse().unwrap(), "192.0.2.1:5060".parse().unwrap(), read(file));
        world.run(ms(20));
        let (_, _, message) = world.raw.pop_front().unwrap();
        assert_eq!(message.headers().first(header), Some(value), "{file}");
        world.raw.clear();
    }
}

// RFC 4475 section 3.1.2.2: on a stream the rest may still come, but not for ever
#[test]
fn half_a_message_on_a_stream_closes_it_in_bounded_time() {
    for file in ["rfc4475/clerr.dat", "rfc4475/ncl.dat", "rfc4475/mcl01.dat"] {
        let mut world = World::new();
        let end = world.add("192.0.2.1", config());
        let (flow, transport) = (FlowId(1), Transport::Tcp);
        let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), SOURCE.parse().unwrap());
        let now = world.now;
        let bytes = read(file);
        let endpoint = &mut world.ends[end].endpoint;
        endpoint.handle(now, Input::Accepted { flow, transport, local, remote });
        endpoint.handle(now, Input::Received { flow, remote, bytes: &bytes });
        world.run(Duration::from_secs(33));
        assert_eq!(world.ends[end].endpoint.census().flows, 0, "{file}");
    }
}

#[test]
fn keep_alive_on_a_stream_is_answered_and_on_udp_ignored() {
    let ping = read("sip-own/o18_crlf_keepalive.bin");
    let mut endpoint = Endpoint::new(config(), 1);
    let now = std::time::Instant::now();
    let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), SOURCE.parse().unwrap());
    endpoint.handle(now, Input::Accepted { flow: FlowId(1), transport: Transport::Tcp, local, remote });
    endpoint.handle(now, Input::Received { flow: FlowId(1), remote, bytes: &ping });
    assert!(matches!(endpoint.poll(), Output::Transmit { bytes, .. } if bytes == b"\r\n"));
    assert!(matches!(endpoint.poll(), Output::Timeout(_)));
    endpoint.handle(now, Input::Listening { flow: FlowId(3), transport: Transport::Udp, local });
    endpoint.handle(now, Input::Received { flow: FlowId(3), remote, bytes: &ping });
    assert!(matches!(endpoint.poll(), Output::Timeout(_)));
}
