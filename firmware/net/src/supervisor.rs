//! The service manager's socket (`sd_notify(3)`): that we are up, what we are doing, that we are alive.
//!
//! Without `NOTIFY_SOCKET` in the environment everything here does nothing, so a daemon started by hand is the same
//! daemon.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// The unit's `WatchdogSec=`, if it is meant for this process.
    pub watchdog: Option<Duration>,
}

impl Supervisor {
    /// What the environment says. To be called once, before threads start: children must not inherit the variables, and
    /// they do not, because neither daemon has any.
    pub fn from_environment() -> Self {
        let watchdog = watchdog(
            std::env::var("WATCHDOG_USEC").ok().as_deref(),
            std::env::var("WATCHDOG_PID").ok().as_deref(),
            std::process::id(),
        );
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| match open(name.as_bytes()) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!("NOTIFY_SOCKET {}: {error}; the service manager hears nothing", name.display());
                None
            }
        });
        Self { watchdog: watchdog.filter(|_| socket.is_some()), socket }
    }

    /// Somebody listens.
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Sockets answer; `status` is one line for `systemctl status`.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// What we are doing, in one line.
    pub fn status(&self, status: &str) {
        self.say(&format!("STATUS={status}"));
    }

    /// A sign of life, due within every [`watchdog`](Self::watchdog).
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// We are not: whatever the unit says about a missed watchdog is to happen now.
    pub fn stuck(&self, status: &str) {
        self.say(&format!("STATUS={status}\nWATCHDOG=trigger"));
    }

    /// An orderly end has begun.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    fn say(&self, text: &str) {
        if let Some((socket, to)) = &self.socket {
            // A manager that is gone, or has not read for long, is no reason to do anything else.
            let _ = socket.send_to_addr(text.as_bytes(), to);
        }
    }
}

fn open(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a path nor an abstract name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// `sd_watchdog_enabled(3)`: an interval for another process is not ours.
fn watchdog(microseconds: Option<&str>, process: Option<&str>, own: u32) -> Option<Duration> {
    if process.is_some_and(|process| process.parse() != Ok(own)) {
        return None;
    }
    let interval = Duration::from_micros(microseconds?.parse().ok()?);
    (interval > Duration::ZERO).then_some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchdog_of_another_process_and_nonsense_are_not_ours() {
        assert_eq!(watchdog(Some("10000000"), None, 7), Some(Duration::from_secs(10)));
        assert_eq!(watchdog(Some("10000000"), Some("7"), 7), Some(Duration::from_secs(10)));
        for (microseconds, process) in
            [(Some("10000000"), Some("8")), (Some("0"), None), (Some("soon"), None), (None, None), (None, Some("7"))]
        {
            assert_eq!(watchdog(microseconds, process, 7), None, "{microseconds:?} {process:?}");
        }
    }

    #[test]
    fn manager_hears_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("offhook-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (manager, name) in
            [(by_path, path.into_os_string().into_encoded_bytes()), (by_name, format!("@{name}").into())]
        {
            manager.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let supervisor = Supervisor { socket: Some(open(&name).unwrap()), watchdog: None };
            let mut buffer = [0; 100];
            supervisor.ready("registered");
            let n = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..n], b"READY=1\nSTATUS=registered");
            supervisor.alive();
            let n = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..n], b"WATCHDOG=1");
        }
    }

    #[test]
    fn without_a_manager_nothing_happens_and_a_bad_name_is_refused() {
        Supervisor::default().ready("alone");
        assert_eq!(open(b"vsock:2:1").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
