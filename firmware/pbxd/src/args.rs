//! The command line of pbxd.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
pbxd: a small-office PBX for SIP phones

Usage: pbxd --state <folder> [options]

  --state <folder>       where users, passwords and bindings live; made at first start, private to you
  --sip <ip:port>        address for SIP over UDP and TCP            [127.0.0.1:5060]
  --http <ip:port>       address for provisioning                    [127.0.0.1:8060]
  --users <n,n,...>      users to make at first start                [100,101,102]
  --log <level>          error, warn, info, debug or trace           [info]
  --help, --version

At start it prints one line `user <number> provision <url>` for each user, then `ready`. Give the URL to a phone:
    offhookd --board laptop --state phone --provision <url>
The URL carries a token; whoever has it gets that user's password, so treat it like one.

Numbers to dial: the users, 600 (echo test), 601 (1004 Hz tone). Both addresses are on loopback unless you say
otherwise; for phones elsewhere give the PBX's own address, such as --sip 192.168.1.2:5060 --http 192.168.1.2:8060.
";

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) state: PathBuf,
    pub(crate) sip: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) users: Vec<String>,
    pub(crate) log: tracing::Level,
}

#[derive(Debug)]
pub(crate) enum Parsed {
    Run(Args),
    Print(String),
}

pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, String> {
    use lexopt::prelude::*;
    let text = |error: lexopt::Error| error.to_string();
    let mut parser = lexopt::Parser::from_iter(args);
    let mut state = None;
    let mut sip = SocketAddr::from(([127, 0, 0, 1], 5060));
    let mut http = SocketAddr::from(([127, 0, 0, 1], 8060));
    let mut users = vec!["100".to_owned(), "101".into(), "102".into()];
    let mut log = tracing::Level::INFO;
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            Long("state") => state = Some(PathBuf::from(parser.value().map_err(text)?)),
            Long("sip") => sip = address(&mut parser, "--sip")?,
            Long("http") => http = address(&mut parser, "--http")?,
            Long("users") => users = self::users(&parser.value().map_err(text)?.string().map_err(text)?)?,
            Long("log") => {
                log = parser
                    .value()
                    .map_err(text)?
                    .parse()
                    .map_err(|_| "--log takes error, warn, info, debug or trace")?;
            }
            Long("help") | Short('h') => return Ok(Parsed::Print(HELP.into())),
            Long("version") => {
                let version = offhook_net::build_info::version("pbxd", env!("CARGO_PKG_VERSION"));
                return Ok(Parsed::Print(format!("{version}\n")));
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let state = state.ok_or("--state <folder> is missing: name a folder for users and bindings")?;
    Ok(Parsed::Run(Args { state, sip, http, users, log }))
}

fn address(parser: &mut lexopt::Parser, option: &str) -> Result<SocketAddr, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    let value = value.to_string_lossy();
    let address: SocketAddr =
        value.parse().map_err(|_| format!("{option} {value}: not an address like 127.0.0.1:5060 or [::1]:5060"))?;
    if address.ip().is_unspecified() {
        return Err(format!("{option} {value}: name one address of this machine, because phones are told to use it"));
    }
    Ok(address)
}

fn users(list: &str) -> Result<Vec<String>, String> {
    let users: Vec<String> = list.split(',').map(|user| user.trim().to_owned()).collect();
    let usable = |user: &String| {
        !user.is_empty() && user.len() <= 32 && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match users.iter().find(|user| !usable(user)) {
        Some(bad) => {
            Err(format!("--users: {bad:?} is not a user name (letters, digits, - _ . and at most 32 of them)"))
        }
        None => Ok(users),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Parsed, String> {
        parse(std::iter::once("pbxd").chain(args.iter().copied()).map(OsString::from))
    }

    #[test]
    fn defaults_are_loopback_and_three_users() {
        let Ok(Parsed::Run(args)) = of(&["--state", "x"]) else { panic!() };
        assert!(args.sip.ip().is_loopback() && args.http.ip().is_loopback());
        assert_eq!(args.users, ["100", "101", "102"]);
    }

    #[test]
    fn wrong_arguments_say_what_is_wrong() {
        for (args, word) in [
            (&[][..], "--state"),
            (&["--state", "x", "--sip", "5060"], "--sip"),
            (&["--state", "x", "--sip", "0.0.0.0:5060"], "one address"),
            (&["--state", "x", "--users", "100,,102"], "user name"),
            (&["--state", "x", "--nonsense"], "--nonsense"),
        ] {
            assert!(of(args).unwrap_err().contains(word), "{args:?}");
        }
    }
}
