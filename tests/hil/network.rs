//! The network of one emulated board: a namespace with a bridge that is the rig, 10.0.2.2, and a tap device that is the board's
//! cable. Every case, and every board of a case that runs several at once, has its own, so addresses never differ.
//!
//! A namespace belongs to a thread and is passed on to the threads and processes that it starts. `Network::start` moves the
//! thread that calls it; whatever is to reach the board (a PBX, a peer, a second phone) must be started from there.

use crate::case::Outcome;
use crate::dhcp::{self, Pool};
use crate::disk::output;
use crate::{metal, ntp};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The rig in an emulated board's network.
const RIG: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
pub(crate) const BOARD: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The board's hardware address, locally administered.
pub(crate) const MAC: &str = "52:54:00:0f:f0:01";
const RIG_MAC: &str = "52:54:00:0f:f0:02";
/// The board's cable: what an emulator opens.
pub(crate) const TAP: &str = "tap0";

/// The rig's own address, as the board sees it: PBX, peers, provisioning, time.
pub(crate) fn rig() -> IpAddr {
    metal::phone().map_or(RIG.into(), |phone| phone.rig)
}

#[derive(Debug)]
pub(crate) struct Network {
    /// The network's time server.
    pub(crate) time: Arc<ntp::Teller>,
    provisioning: Arc<dhcp::Provisioning>,
    go_on: Arc<AtomicBool>,
}

impl Network {
    /// A network of its own for the calling thread and whatever it starts from now on.
    ///
    /// A phone of metal has a network already.
    pub(crate) fn start() -> Outcome<Self> {
        let (go_on, time) = (Arc::new(AtomicBool::new(true)), Arc::<ntp::Teller>::default());
        if metal::phone().is_some() {
            return Ok(Self { time, provisioning: Arc::default(), go_on });
        }
        own_namespace()?;
        let address = format!("{RIG}/24");
        let commands: [&[&str]; 10] = [
            &["link", "set", "lo", "up"],
            // An address of its own: otherwise it is that of its ports, and what is known of neighbours goes with them.
            &["link", "add", "lan", "address", RIG_MAC, "type", "bridge"],
            &["address", "add", &address, "broadcast", "+", "dev", "lan"],
            &["link", "set", "lan", "up"],
            // There is no way out, and what is said to everybody needs one.
            &["route", "add", "224.0.0.0/4", "dev", "lan"],
            // A bridge that is down passes nothing on: the end of a cable that is pulled out.
            &["link", "add", "nowhere", "type", "bridge"],
            &["tuntap", "add", TAP, "mode", "tap"],
            // Nothing longer than a packet: User-Mode Linux drops what the rig would leave to a card to cut up.
            &["link", "set", "lan", "gso_max_segs", "1"],
            &["link", "set", TAP, "master", "lan", "up"],
            // A peer notices a pulled cable by silence only, as if it were in another building.
            &["neighbour", "add", &BOARD.to_string(), "lladdr", MAC, "dev", "lan"],
        ];
        for arguments in commands {
            ip(arguments)?;
        }
        let pool = Pool {
            server: RIG,
            board: BOARD,
            mask: Ipv4Addr::new(255, 255, 255, 0),
            broadcast: Ipv4Addr::new(10, 0, 2, 255),
        };
        let socket = server(67)?;
        socket.set_broadcast(true).map_err(|error| error.to_string())?;
        let provisioning = Arc::<dhcp::Provisioning>::default();
        let (on, named) = (Arc::clone(&go_on), Arc::clone(&provisioning));
        std::thread::spawn(move || dhcp::serve(&socket, pool, &named, || on.load(Ordering::Relaxed)));
        let socket = server(123)?;
        let (on, teller) = (Arc::clone(&go_on), Arc::clone(&time));
        std::thread::spawn(move || teller.serve(&socket, || on.load(Ordering::Relaxed)));
        Ok(Self { time, provisioning, go_on })
    }

    /// From now on DHCP names this provisioning server (option 160).
    pub(crate) fn name_provisioning(&self, url: &str) -> Outcome {
        if metal::phone().is_some() {
            return Err(metal::cannot("its network has a DHCP server of its own"));
        }
        *self.provisioning.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.to_owned());
        Ok(())
    }

    /// Pulls the cable: nothing arrives on either side, and nobody is told.
    pub(crate) fn unplug(&self) -> Outcome {
        if metal::phone().is_some() {
            return Err(metal::cannot("nobody is there to pull its cable"));
        }
        // Its tap stays up, because User-Mode Linux gives up its network card when writing to it fails; and it stays in a
        // bridge, because outside this machine itself would take its packets.
        ip(&["link", "set", TAP, "master", "nowhere"])
    }

    pub(crate) fn plug(&self) -> Outcome {
        ip(&["link", "set", TAP, "master", "lan"])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.go_on.store(false, Ordering::Relaxed);
    }
}

fn ip(arguments: &[&str]) -> Outcome {
    output(Command::new("ip").args(arguments)).map(drop)
}

/// A socket that wakes up to see whether it is still needed.
fn server(port: u16) -> Outcome<UdpSocket> {
    let text = |error: std::io::Error| format!("port {port} of the board's network: {error}");
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).map_err(text)?;
    socket.set_read_timeout(Some(Duration::from_millis(200))).map_err(text)?;
    Ok(socket)
}

#[allow(unsafe_code)]
fn own_namespace() -> Outcome {
    // SAFETY: only an unshared table of descriptors (FILES) is unsafe, and that is not asked for.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| format!("no network namespace of its own: {error}; run as root or allow user namespaces"))
}
