//! Radicale as CardDAV server: one user with one password, and cards written as any other client would.

use crate::case::{Case, Outcome, find};
use crate::process::{self, Process};
use crate::{ports, wait};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

pub(crate) const USER: &str = "anna";
pub(crate) const PASSWORD: &str = "secret book";
/// `anna:secret book`, RFC 7617
const BASIC: &str = "YW5uYTpzZWNyZXQgYm9vaw==";
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Radicale {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

/// Starts it; a second start on the same case finds what the first one stored.
pub(crate) fn start(case: &Case, port: Option<u16>) -> Outcome<Radicale> {
    let program = find("radicale").ok_or("no radicale")?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or_else(|| ports::take(1))));
    let (users, config) = (case.path("radicale.users"), case.path("radicale.config"));
    let text = |error: std::io::Error| error.to_string();
    std::fs::write(&users, format!("{USER}:{PASSWORD}\n")).map_err(text)?;
    let folder = case.path("radicale");
    let settings = format!(
        "[server]\nhosts = {address}\n[auth]\ntype = htpasswd\nhtpasswd_filename = {}\nhtpasswd_encryption = plain\ndelay = 0\n\
         [rights]\ntype = owner_only\n[storage]\nfilesystem_folder = {}\n[logging]\nlevel = info\n",
        users.display(),
        folder.display()
    );
    std::fs::write(&config, settings).map_err(text)?;
    let mut process = Process::start(
        case,
        "radicale",
        Command::new(program).arg("--config").arg(&config).env("PYTHONUNBUFFERED", "1"),
    )?;
    let log = process.log.clone();
    wait::until(
        20,
        || {
            if !process.is_alive() {
                return Err(format!("radicale ended: {}", process::last(&process::read(&log))));
            }
            Ok(TcpStream::connect(address).ok())
        },
        || format!("radicale does not listen: {}", process::last(&process::read(&log))),
    )?;
    Ok(Radicale { process, address })
}

impl Radicale {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// An empty address book of the user.
    pub(crate) fn make_book(&self, path: &str) -> Outcome {
        let body = "<mkcol xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:carddav\"><set><prop><resourcetype><collection/>\
                    <c:addressbook/></resourcetype><displayname>Book</displayname></prop></set></mkcol>";
        self.expect(201, "MKCOL", path, "application/xml", body)
    }

    pub(crate) fn put(&self, path: &str, card: &str) -> Outcome {
        self.expect(201, "PUT", path, "text/vcard; charset=utf-8", card)
    }

    pub(crate) fn delete(&self, path: &str) -> Outcome {
        self.expect(200, "DELETE", path, "text/plain", "")
    }

    fn expect(&self, status: u16, method: &str, path: &str, kind: &str, body: &str) -> Outcome {
        let answer = request(self.address, method, path, &[("Content-Type", kind)], body, true)?;
        wait::ensure(answer.status == status, || {
            format!("radicale answered {} to {method} {path}: {}", answer.status, answer.body)
        })
    }
}

/// One request, with the user's password or without.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    known: bool,
) -> Outcome<Answer> {
    let text = |error: std::io::Error| format!("{method} {path} to radicale: {error}");
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(text)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(text)?;
    // HTTP/1.0: the answer ends with the connection
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
    if known {
        head += &format!("Authorization: Basic {BASIC}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    write!(stream, "{head}\r\n{body}").map_err(text)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(text)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("radicale: an answer without an end of its headers")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("radicale: no status")?;
    let location = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    Ok(Answer { status, location, body: body.to_owned() })
}
