//! Kamailio as registrar and proxy: users of three digits, the password of 100 is pw100, domain offhook.test.

use crate::case::{Case, Outcome, find, skip};
use crate::process::{self, Process};
use crate::{ports, wait};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

pub(crate) const DOMAIN: &str = "offhook.test";

#[derive(Debug)]
pub(crate) struct Kamailio {
    process: Process,
    pub(crate) address: SocketAddr,
}

/// A request that it saw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) user: String,
    /// `udp` or `tcp`
    pub(crate) transport: String,
    /// Carried an answer to a challenge.
    pub(crate) answered: bool,
}

/// Starts it with `algorithm` (`MD5` or `SHA-256`) for digests.
pub(crate) fn start(case: &Case, algorithm: &str) -> Outcome<Kamailio> {
    start_on(case, Ipv4Addr::LOCALHOST.into(), algorithm)
}

/// As `start`, at this address.
pub(crate) fn start_on(case: &Case, ip: IpAddr, algorithm: &str) -> Outcome<Kamailio> {
    let program = find("kamailio").ok_or("no kamailio")?;
    let modules = modules().ok_or_else(|| skip("Kamailio's modules are not under /usr/lib; apt install kamailio"))?;
    let address = SocketAddr::from((ip, ports::take(2)));
    let folder = case.path("kamailio");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let config = include_str!("data/kamailio.cfg")
        .replace("@ADDRESS@", &address.ip().to_string())
        .replace("@PORT@", &address.port().to_string())
        .replace("@ALGORITHM@", algorithm)
        .replace("@MODULES@", &format!("{}/", modules.display()));
    let path = folder.join("kamailio.cfg");
    std::fs::write(&path, config).map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    // In the foreground, its log on standard error; -m and -M are megabytes of shared and own memory.
    command.arg("-f").arg(&path).arg("-Y").arg(&folder).arg("-P").arg(folder.join("pid"));
    command.args(["-m", "64", "-M", "8", "-DD", "-E"]);
    let process = Process::start(case, "kamailio-server", &mut command)?;
    let mut kamailio = Kamailio { process, address };
    let log = kamailio.process.log.clone();
    wait::until(
        15,
        || {
            if !kamailio.process.is_alive() {
                return Err(format!("kamailio ended: {}", process::last(&process::read(&log))));
            }
            Ok(answers(address).then_some(()))
        },
        || format!("kamailio did not answer OPTIONS: {}", process::last(&process::read(&log))),
    )?;
    Ok(kamailio)
}

impl Kamailio {
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.process.log().lines().filter_map(seen).collect()
    }

    /// REGISTER requests of a user: how many there were, and how many of them carried an answer to a challenge.
    pub(crate) fn registers(&self, user: &str) -> (usize, usize) {
        let seen = self.seen();
        let of = seen.iter().filter(|seen| seen.method == "REGISTER" && seen.user == user);
        (of.clone().count(), of.filter(|seen| seen.answered).count())
    }

    /// Requests it found against RFC 3261.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.process.log();
        let complaint =
            |line: &&str| line.contains("insane ") || line.contains("parse error") || line.contains("sanity");
        log.lines().filter(complaint).map(str::to_owned).collect()
    }
}

/// `… saw REGISTER of 100 over udp answer 2650`
fn seen(line: &str) -> Option<Seen> {
    let mut words = line.split_once("saw ")?.1.split_whitespace();
    let method = words.next()?.to_owned();
    let user = words.nth(1)?.to_owned();
    let transport = words.nth(1)?.to_lowercase();
    let answered = words.nth(1).is_some_and(|length| length.bytes().any(|digit| digit != b'0'));
    Some(Seen { method, user, transport, answered })
}

fn modules() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let under = folders.filter_map(|entry| Some(entry.ok()?.path().join("kamailio/modules")));
    under
        .chain(["/usr/lib64/kamailio/modules".into(), "/usr/lib/kamailio/modules".into()])
        .find(|path| path.join("tm.so").is_file())
}

fn answers(address: SocketAddr) -> bool {
    let Ok(socket) = std::net::UdpSocket::bind("127.0.0.1:0") else { return false };
    let Ok(local) = socket.local_addr() else { return false };
    let request = format!(
        "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-ping\r\nMax-Forwards: 70\r\n\
         From: <sip:ping@{local}>;tag=1\r\nTo: <sip:{address}>\r\nCall-ID: ping-{local}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let _ = socket.set_read_timeout(Some(std::time::Duration::from_millis(200)));
    socket.send_to(request.as_bytes(), address).is_ok() && socket.recv(&mut [0; 2000]).is_ok()
}
