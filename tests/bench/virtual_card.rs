//! The sound card that is not there (`tests/scripts/virtual-card.sh`), and who listens at it. Unlike the recorder of the
//! interop suite nobody listens unless asked to: a recorder with a short buffer makes the sound server work in short
//! pieces, which shortens everybody's delay.

use crate::case::{Case, Outcome, find, skip};
use crate::process::{Process, last};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A sample from here on is no silence: 50 dB under full scale.
const SOUND: u16 = 100;

#[derive(Debug)]
pub(crate) struct VirtualCard {
    process: Process,
    folder: PathBuf,
}

impl VirtualCard {
    /// `name` is its folder in that of the case.
    pub(crate) fn start(case: &Case, name: &str) -> Outcome<Self> {
        let folder = case.path(name);
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/virtual-card.sh"));
        command.arg(&folder).args(["--", "sh", "-c", "echo ready; exec sleep 1000"]);
        let mut process = Process::start(case, name, &mut command)?;
        match process.wait_output("ready", |line| (line == "ready").then_some(())) {
            Ok(()) => Ok(Self { process, folder }),
            Err(_) if process.wait(1).is_ok_and(|status| status.code() == Some(77)) => Err(skip(&last(&process.log()))),
            Err(error) => Err(error),
        }
    }

    /// What a program needs in its environment to find the card.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        let server = format!("unix:{}/run/native", self.folder.display());
        [("ALSA_CONFIG_PATH", format!("{}/asound.conf", self.folder.display())), ("PULSE_SERVER", server)]
    }

    /// The sound server's process.
    pub(crate) fn server(&self) -> Option<u32> {
        let own = self.process.id();
        std::fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(
            |process| {
                let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
                let Some((name, rest)) = stat.rsplit_once(')') else { return false };
                let parent = rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
                name.ends_with("(pulseaudio") && parent == Some(own)
            },
        )
    }

    /// Listens to what the card plays.
    pub(crate) fn monitor(&self) -> Outcome<Monitor> {
        let [_, (_, server)] = self.environment();
        Monitor::start(&server, &self.folder)
    }
}

/// What the card plays, with the time at which it could be heard here.
#[derive(Debug)]
pub(crate) struct Monitor {
    recorder: Child,
    pieces: Receiver<(Instant, bool)>,
}

impl Monitor {
    pub(crate) fn start(server: &str, home: &Path) -> Outcome<Self> {
        let mut command =
            Command::new(find("parec").ok_or_else(|| skip("no parec here; apt install pulseaudio-utils"))?);
        command.args(["--device=spk.monitor", "--format=s16le", "--channels=1", "--rate=48000", "--raw"]);
        command.arg("--latency-msec=5").env("PULSE_SERVER", server).env("HOME", home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut recorder = command.spawn().map_err(|error| format!("parec: {error}"))?;
        let mut from = recorder.stdout.take().ok_or("parec has no output")?;
        let (send, pieces) = channel();
        std::thread::spawn(move || {
            crate::rtp::punctual();
            // Whole samples only; parec writes in even pieces, a pipe cuts at pages.
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let at = Instant::now();
                let samples = buffer[..count].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
                let loud = samples.into_iter().any(|sample| sample.unsigned_abs() >= SOUND);
                if send.send((at, loud)).is_err() {
                    return;
                }
            }
        });
        let monitor = Self { recorder, pieces };
        monitor.pieces.recv_timeout(Duration::from_secs(5)).map_err(|_| "nothing can be recorded from the card")?;
        Ok(monitor)
    }

    /// When the next sound came.
    pub(crate) fn sound(&self, limit: Duration) -> Outcome<Instant> {
        self.next(limit).ok_or_else(|| format!("no sound within {limit:?}"))
    }

    /// Waits until it has been silent for so long.
    pub(crate) fn silence(&self, length: Duration) -> Outcome {
        let end = Instant::now() + Duration::from_secs(5);
        let mut since = Instant::now();
        while Instant::now() < end {
            let (at, loud) = self.pieces.recv_timeout(Duration::from_secs(1)).map_err(|_| "parec has ended")?;
            if loud {
                since = at;
            } else if at.saturating_duration_since(since) >= length {
                return Ok(());
            }
        }
        Err("it does not become silent".into())
    }

    fn next(&self, limit: Duration) -> Option<Instant> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok((at, true)) => return Some(at),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.recorder.kill();
        let _ = self.recorder.wait();
    }
}
