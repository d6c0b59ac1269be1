//! A phone of metal: reached by ssh, moved by a hand on a second machine that is wired to it (`wiring/`), on the network that both
//! are on. Nobody here can cut its power or write to its card: what needs that is skipped.

use crate::boards::HAND_PORT;
use crate::case::{self, Outcome};
use crate::wait;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// How long it takes from a restart to ssh, at most [s].
const PATIENCE: u64 = 120;

/// The one phone of this run.
static PHONE: OnceLock<Phone> = OnceLock::new();

#[derive(Debug)]
pub(crate) struct Phone {
    /// What ssh calls it.
    ssh: String,
    pub(crate) hand: SocketAddr,
    /// This machine, as the phone sees it.
    pub(crate) rig: IpAddr,
}

/// Is this run about a phone of metal?
pub(crate) fn phone() -> Option<&'static Phone> {
    PHONE.get()
}

/// The error of a case that needs what metal cannot do.
pub(crate) fn cannot(what: &str) -> String {
    case::skip(&format!("a phone of metal: {what}"))
}

/// This run is about the phone that ssh knows by this name, moved by the hand on that host.
pub(crate) fn choose(ssh: &str, hand: &str) -> Outcome {
    let hand = address(hand, HAND_PORT)?;
    let text = |error: std::io::Error| error.to_string();
    // No packet is sent; the system says which of its addresses it would use.
    let any: IpAddr = if hand.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).map_err(text)?;
    socket.connect(hand).map_err(text)?;
    let rig = socket.local_addr().map_err(text)?.ip();
    let phone = Phone { ssh: ssh.to_owned(), hand, rig };
    phone
        .run("true", b"")
        .map_err(|why| format!("{why}; put a key into offhook/authorized_keys on its boot partition"))?;
    PHONE.set(phone).map_err(|_| "one phone at a time".to_owned())
}

fn address(host: &str, port: u16) -> Outcome<SocketAddr> {
    let mut found = (host, port).to_socket_addrs().map_err(|error| format!("{host}: {error}"))?;
    found.next().ok_or_else(|| format!("{host} has no address"))
}

impl Phone {
    /// Writes a file into the owner's folder of its boot partition.
    pub(crate) fn owner_file(&self, name: &str, contents: &[u8]) -> Outcome {
        let script = format!(
            "set -e; d=/run/offhook-hil; mkdir -p $d; mount -t vfat /dev/disk/by-partlabel/boot $d; trap 'umount $d' EXIT; \
             mkdir -p \"$(dirname \"$d/offhook/{name}\")\"; cat >\"$d/offhook/{name}\"; sync"
        );
        self.run(&script, contents).map(drop)
    }

    /// Restarts it in good order, and waits until it is back.
    pub(crate) fn restart(&self) -> Outcome {
        let id = |phone: &Self| phone.run("cat /proc/sys/kernel/random/boot_id", b"");
        let before = id(self)?;
        // The connection ends in the middle of it.
        let _ = self.run("systemctl reboot", b"");
        wait::until(
            PATIENCE,
            || Ok(id(self).ok().filter(|now| *now != before).map(drop)),
            || format!("{} did not come back after a restart", self.ssh),
        )
    }

    /// Runs a script on it, with this standard input; its output.
    pub(crate) fn run(&self, script: &str, input: &[u8]) -> Outcome<String> {
        let text = |error: std::io::Error| format!("ssh {}: {error}", self.ssh);
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=3", &self.ssh, script]);
        let mut ssh = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(text)?;
        if let Some(mut pipe) = ssh.stdin.take() {
            // A script that does not read it is no trouble.
            let _ = pipe.write_all(input);
        }
        let ran = ssh.wait_with_output().map_err(text)?;
        if ran.status.success() {
            return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
        }
        Err(format!("ssh {}: {} ({})", self.ssh, String::from_utf8_lossy(&ran.stderr).trim(), ran.status))
    }
}
