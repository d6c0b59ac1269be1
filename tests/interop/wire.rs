//! A network of a case's own, and everything that goes over its wires. The case's thread moves into a network namespace; what
//! it starts afterwards is in it too. The world is there as a route that leads nowhere, so that a packet to a stranger is
//! seen and not lost for want of a way.

use crate::case::{self, Outcome};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, recv, socket_with};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// ETH_P_ALL, in the order of the network.
const EVERYTHING: u32 = (0x0003_u16).to_be() as u32;

/// The wire: every packet so far.
#[derive(Debug)]
pub(crate) struct Wire {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    packets: usize,
    /// Whom packets went to: address, protocol, port if there is one.
    to: BTreeSet<(IpAddr, u8, u16)>,
}

/// Moves this thread into a network of its own, where `addresses` are this machine and all else is the world.
pub(crate) fn alone_with(addresses: &[Ipv4Addr]) -> Outcome<Wire> {
    #[allow(unsafe_code)]
    // SAFETY: only an unshared table of descriptors (FILES) is unsafe, and that is not asked for.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| case::skip(&format!("no network of its own here ({error}); run the suite as root")))?;
    // Listening before there is anything to hear. The namespace is this thread's, and so is the socket.
    let protocol = NonZeroU32::new(EVERYTHING).map(Protocol::from_raw);
    let socket = socket_with(AddressFamily::PACKET, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)
        .map_err(|error| case::skip(&format!("packets cannot be seen here ({error}); run the suite as root")))?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let into = Arc::clone(&seen);
    std::thread::spawn(move || {
        let mut packet = vec![0; 65_536];
        while let Ok((length, _)) = recv(&socket, &mut packet[..], RecvFlags::empty()) {
            let mut seen = into.lock().unwrap();
            seen.packets += 1;
            seen.to.extend(destination(&packet[..length]));
        }
    });
    ip("link set lo up")?;
    // A wire with nobody at its other end: a bridge without ports, which more kernels have than `dummy`.
    ip("link add wire type bridge")?;
    ip("link set wire up")?;
    for address in addresses {
        ip(&format!("address add {address}/24 dev wire"))?;
    }
    ip("route add default dev wire")?;
    Ok(Wire { seen })
}

fn ip(arguments: &str) -> Outcome {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.map_err(|error| case::skip(&format!("no ip here ({error}); apt install iproute2")))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Where an IP packet goes.
fn destination(packet: &[u8]) -> Option<(IpAddr, u8, u16)> {
    let (address, protocol, payload) = match packet.first()? >> 4 {
        4 => {
            let octets: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            let header = usize::from(packet.first()? & 15) * 4;
            (IpAddr::from(Ipv4Addr::from(octets)), *packet.get(9)?, packet.get(header..)?)
        }
        6 => {
            let octets: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            (IpAddr::from(Ipv6Addr::from(octets)), *packet.get(6)?, packet.get(40..)?)
        }
        _ => return None,
    };
    let port = match (protocol, payload) {
        (6 | 17, [_, _, high, low, ..]) => u16::from_be_bytes([*high, *low]),
        _ => 0,
    };
    Some((address, protocol, port))
}

impl Wire {
    pub(crate) fn packets(&self) -> usize {
        self.seen.lock().unwrap().packets
    }

    /// Whom packets went to so far: address, protocol (6 TCP, 17 UDP), port.
    pub(crate) fn destinations(&self) -> Vec<(IpAddr, u8, u16)> {
        self.seen.lock().unwrap().to.iter().copied().collect()
    }
}
