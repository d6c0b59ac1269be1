//! The PBX: `pbxd` with its users' URLs.

use crate::case::{self, Case, Outcome};
use crate::process::Process;
use crate::{account, http, ports};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

#[derive(Debug)]
pub(crate) struct Pbxd {
    pub(crate) process: Process,
    pub(crate) sip: SocketAddr,
    pub(crate) http: SocketAddr,
    urls: BTreeMap<String, String>,
}

/// A PBX on 127.0.0.1 with 100, 101 and 102.
pub(crate) fn start(case: &Case) -> Outcome<Pbxd> {
    start_on(case, Ipv4Addr::LOCALHOST.into(), ports::take(2))
}

/// A PBX on this address: SIP on `port`, HTTP on the next.
pub(crate) fn start_on(case: &Case, ip: IpAddr, port: u16) -> Outcome<Pbxd> {
    start_named(case, "pbx", ip, port)
}

/// One of several: `name` is its state folder's.
pub(crate) fn start_named(case: &Case, name: &str, ip: IpAddr, port: u16) -> Outcome<Pbxd> {
    let (sip, http) = (SocketAddr::new(ip, port), SocketAddr::new(ip, port + 1));
    let mut command = Command::new(case::daemon("pbxd")?);
    command.arg("--state").arg(case.path(name)).args(["--log", "debug"]);
    command.args(["--sip", &sip.to_string(), "--http", &http.to_string()]);
    let _ = std::fs::remove_file(case.path(format!("{name}d.out")));
    let mut process = Process::start(case, &format!("{name}d"), &mut command)?;
    process.wait_output("ready", |line| (line == "ready").then_some(()))?;
    let output = process.output();
    let users = output.lines().filter_map(|line| line.strip_prefix("user ")?.split_once(" provision "));
    let urls = users.map(|(user, url)| (user.to_owned(), url.to_owned())).collect();
    Ok(Pbxd { process, sip, http, urls })
}

impl Pbxd {
    pub(crate) fn url(&self, user: &str) -> Outcome<&str> {
        self.urls
            .get(user)
            .map(String::as_str)
            .ok_or_else(|| format!("pbxd printed no URL for {user}: {:?}", self.urls))
    }

    /// The user's Account XML, as a phone gets it.
    pub(crate) fn document(&self, user: &str) -> Outcome<String> {
        let answer = http::request("GET", self.url(user)?)?;
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("the PBX answered {} to GET", answer.status)) }
    }

    pub(crate) fn password(&self, user: &str) -> Outcome<String> {
        let document = self.document(user)?;
        account::node(&document, "password").map(str::to_owned).ok_or_else(|| "no password in the document".into())
    }

    /// Sets the message counts of a user.
    pub(crate) fn messages(&self, user: &str, new: u32, old: u32) -> Outcome {
        let token = self.url(user)?.split_once("token=").map_or("", |(_, token)| token);
        let url = format!("http://{}/messages/{user}?new={new}&old={old}&token={token}", self.http);
        let answer = http::request("POST", &url)?;
        if answer.status == 204 { Ok(()) } else { Err(format!("the PBX answered {} to POST /messages", answer.status)) }
    }
}
