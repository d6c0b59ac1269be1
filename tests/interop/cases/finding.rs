//! A phone that is told nothing, in a network of its own: it finds its server by what DHCP said, registers and calls, and
//! speaks to nobody else.

use super::together;
use crate::case::{Case, Outcome};
use crate::wire::{self, Wire};
use crate::{Entry, offhook, pbxd, wait};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

pub(super) fn cases() -> Vec<Entry> {
    vec![
        together("dhcp_leads_to_the_server_and_no_packet_to_a_third_party", by_dhcp, &[]),
        together("pnp_leads_to_the_server", by_pnp, &[]),
    ]
}

const PHONE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 7);
const PBX: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// sip.mcast.net
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 75);
const UDP: u8 = 17;

/// Everybody who was sent something is the PBX, the phone, or the group in which phones ask for their settings.
fn only_friends(wire: &Wire) -> Outcome {
    let strangers: Vec<_> = wire
        .destinations()
        .into_iter()
        .filter(|(address, protocol, port)| match address {
            IpAddr::V4(address) => {
                let known = [PHONE, PBX].contains(address) || address.is_loopback();
                // IGMP (2) is the kernel's, and stays in the local network.
                let asking = (*address == GROUP && (*protocol, *port) == (UDP, 5060)) || *protocol == 2;
                !known && !asking
            }
            // Neighbour discovery and multicast reports (58) are the kernel's, and stay in the local network.
            IpAddr::V6(address) => !(*protocol == 58 || *protocol == 0 || address.is_loopback()),
        })
        .collect();
    wait::ensure(strangers.is_empty(), || format!("packets went to {strangers:?}"))
}

/// Covers: feat.89, feat.116
fn by_dhcp(case: &Case) -> Outcome {
    // The phone's address first: it is the one that the system takes for itself.
    let wire = wire::alone_with(&[PHONE, PBX])?;
    let pbx = pbxd::start_on(case, PBX.into(), 5060)?;
    let leases = case.path("leases");
    std::fs::create_dir_all(&leases).map_err(|error| error.to_string())?;
    // As the DHCP client of the image writes it.
    let hex: String = pbx.url("100")?.bytes().map(|octet| format!("{octet:02x}")).collect();
    std::fs::write(leases.join("eth0"), format!("interface=eth0\noption66={hex}\n"))
        .map_err(|error| error.to_string())?;
    let mut phone = offhook::phone(case, "phone")?.silent().option("--leases", &leases).start(case)?;
    phone.wait_registered()?;
    phone.lift()?;
    phone.call("600")?;
    phone.wait_calls(&["talking"])?;
    wait::pass(2000);
    phone.put_down()?;
    phone.wait_idle()?;
    // Whatever it does by itself when nobody looks.
    wait::pass(15_000);
    phone.process.stop()?;
    let to = wire.destinations();
    let seen = |address: Ipv4Addr, port: u16| to.iter().any(|(ip, _, at)| (*ip, *at) == (address.into(), port));
    wait::ensure(
        wire.packets() > 50 && seen(PBX, pbx.sip.port()) && seen(PBX, pbx.http.port()) && seen(GROUP, 5060),
        || format!("this is not the whole story: {} packets to {to:?}", wire.packets()),
    )?;
    only_friends(&wire)
}

/// Covers: feat.89.
fn by_pnp(case: &Case) -> Outcome {
    let wire = wire::alone_with(&[PHONE, PBX])?;
    let pbx = pbxd::start_on(case, PBX.into(), 5070)?;
    let url = pbx.url("101")?.to_owned();
    let text = |error: std::io::Error| error.to_string();
    // A server as offices have it: it hears the group, answers 200 and sends the URL.
    let server = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5060)).map_err(text)?;
    server.join_multicast_v4(&GROUP, &PBX).map_err(text)?;
    server.set_read_timeout(Some(std::time::Duration::from_secs(20))).map_err(text)?;
    let leases = case.path("no-leases");
    let mut phone = offhook::phone(case, "phone")?.silent().option("--leases", &leases).start(case)?;
    let mut buffer = [0; 4096];
    let (length, from) = server.recv_from(&mut buffer).map_err(|error| format!("no SUBSCRIBE: {error}"))?;
    let asked = String::from_utf8_lossy(&buffer[..length]).into_owned();
    wait::ensure(asked.starts_with("SUBSCRIBE sip:MAC%3a") && asked.contains("Event: ua-profile"), || asked.clone())?;
    let header = |name: &str| {
        let line = asked.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned).ok_or(format!("no {name} in {asked}"))
    };
    let (via, from_header, to, call) = (header("Via")?, header("From")?, header("To")?, header("Call-ID")?);
    let ok = format!(
        "SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: {from_header}\r\nTo: {to};tag=s\r\nCall-ID: {call}\r\nCSeq: 1 SUBSCRIBE\r\n\
         Expires: 0\r\nContent-Length: 0\r\n\r\n"
    );
    server.send_to(ok.as_bytes(), from).map_err(text)?;
    let notify = format!(
        "NOTIFY sip:{from} SIP/2.0\r\nVia: SIP/2.0/UDP {PBX}:5060;branch=z9hG4bKpnp\r\nMax-Forwards: 20\r\nFrom: {to};tag=s\r\n\
         To: {from_header}\r\nCall-ID: {call}\r\nCSeq: 1 NOTIFY\r\nEvent: ua-profile;effective-by=0\r\n\
         Subscription-State: terminated;reason=timeout\r\nContent-Type: application/url\r\nContent-Length: {}\r\n\r\n{url}",
        url.len()
    );
    server.send_to(notify.as_bytes(), from).map_err(text)?;
    // The SUBSCRIBE may have been sent again before our answer came.
    let answered = (0..5)
        .any(|_| server.recv_from(&mut buffer).is_ok_and(|(length, _)| buffer[..length].starts_with(b"SIP/2.0 200 ")));
    wait::ensure(answered, || "the NOTIFY was not answered with 200".to_owned())?;
    phone.wait_registered()?;
    only_friends(&wire)
}
