//! One case: its folder, its processes, its time, and what became of it.

use crate::wait;
use rustix::process::{Pid, Signal, kill_process_group};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// What a case returns: an error says what was expected and what was there instead.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// Software that a case cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Kamailio,
    Baresip,
    Sipp,
    Radicale,
    /// PulseAudio, its command line tools, and ALSA's way to it.
    Sound,
    Nginx,
    Lighttpd,
    Openssl,
    /// `::1`
    Ipv6,
    /// Pseudo-terminals, and `script` to run a program on one.
    Terminal,
}

impl Tool {
    /// Why it cannot be used here, and what to do.
    fn absent(self) -> Option<String> {
        let missing = |programs: &[&str], packages: &str| {
            let missing: Vec<&str> = programs.iter().copied().filter(|name| find(name).is_none()).collect();
            (!missing.is_empty()).then(|| format!("no {} here; apt install {packages}", missing.join(", ")))
        };
        match self {
            Self::Kamailio => missing(&["kamailio"], "kamailio"),
            Self::Baresip => missing(&["baresip"], "baresip-core"),
            Self::Sipp => missing(&["sipp"], "sip-tester"),
            Self::Radicale => missing(&["radicale"], "radicale"),
            Self::Nginx => missing(&["nginx"], "nginx"),
            Self::Lighttpd => missing(&["lighttpd"], "lighttpd"),
            Self::Openssl => missing(&["openssl"], "openssl"),
            Self::Sound => missing(&["pulseaudio", "parec", "pacat"], "pulseaudio pulseaudio-utils libasound2-plugins"),
            Self::Terminal => missing(&["script", "stty"], "bsdutils coreutils").or_else(|| {
                let tried = Command::new("script").args(["-qec", "true", "/dev/null"]).stdin(Stdio::null()).output();
                let works = tried.is_ok_and(|output| output.status.success());
                (!works).then(|| "no pseudo-terminals here; mount -t devpts devpts /dev/pts".to_owned())
            }),
            Self::Ipv6 => std::net::UdpSocket::bind("[::1]:0")
                .err()
                .map(|error| format!("no IPv6 loopback here ({error}); sysctl net.ipv6.conf.lo.disable_ipv6=0")),
        }
    }
}

/// A program, also where only root looks.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// A daemon of ours: beside the running program.
pub(crate) fn daemon(name: &str) -> Outcome<PathBuf> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is not there; cargo build --workspace makes it", path.display()))
    }
}

pub(crate) enum Verdict {
    Passed,
    Failed(String, PathBuf),
    Skipped(String),
}

/// What a case has at hand.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) folder: PathBuf,
    groups: Arc<Groups>,
}

/// Process groups that are alive.
#[derive(Default)]
pub(crate) struct Groups(Mutex<Vec<Pid>>);

impl Groups {
    pub(crate) fn add(&self, group: Pid) {
        crate::reaper::tell('+', group);
        self.0.lock().unwrap().push(group);
    }

    pub(crate) fn remove(&self, group: Pid) {
        crate::reaper::tell('-', group);
        self.0.lock().unwrap().retain(|other| *other != group);
    }

    fn kill(&self) {
        for group in self.0.lock().unwrap().drain(..) {
            let _ = kill_process_group(group, Signal::KILL);
            crate::reaper::tell('-', group);
        }
    }
}

impl Case {
    pub(crate) fn groups(&self) -> Arc<Groups> {
        Arc::clone(&self.groups)
    }

    /// A file in the case's folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }
}

pub(crate) fn run(
    name: &str,
    run: impl FnOnce(&Case) -> Outcome + Send + 'static,
    needs: &[Tool],
    limit: Duration,
) -> Verdict {
    if let Some(why) = needs.iter().find_map(|tool| tool.absent()) {
        return Verdict::Skipped(why);
    }
    // Short: the names of Unix sockets inside may have 107 octets only.
    let folder = std::env::temp_dir().join(format!("offhook-{}-{name}", std::process::id()));
    if let Err(error) = std::fs::create_dir_all(&folder) {
        return Verdict::Failed(error.to_string(), folder);
    }
    let groups = Arc::new(Groups::default());
    let case = Case { folder: folder.clone(), groups: Arc::clone(&groups) };
    let (done, result) = mpsc::channel();
    let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
        wait::end_at(std::time::Instant::now() + limit);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&case)));
        let _ = done.send(outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Err(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned())
        }));
    });
    // Every wait inside ends with the case's time; this is for what waits elsewhere.
    let outcome = match result.recv_timeout(limit + Duration::from_secs(10)) {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("it did not end within {} s", limit.as_secs())),
    };
    groups.kill();
    drop(thread);
    match outcome {
        Ok(()) => {
            let _ = std::fs::remove_dir_all(&folder);
            Verdict::Passed
        }
        Err(why) => match why.strip_prefix(SKIP) {
            Some(why) => Verdict::Skipped(why.to_owned()),
            None => Verdict::Failed(why, folder),
        },
    }
}

const SKIP: &str = "skip: ";

/// The error that says: this cannot be tried here.
pub(crate) fn skip(why: &str) -> String {
    format!("{SKIP}{why}")
}
