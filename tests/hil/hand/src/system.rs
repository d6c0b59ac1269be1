//! The rest of the board: its disks, its devices, commands, and the way down.

use crate::clock::{self, MS};
use crate::request::Outcome;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// At most so much of a file or of a command's output [octets].
const MOST: u64 = 1 << 20;
/// A sector of /sys/block/*/stat [octets], whatever the disk's own are.
const SECTOR: u64 = 512;
const ALOOP: &str = "/sys/bus/platform/drivers/snd_aloop";
const ALOOP_DEVICE: &str = "snd_aloop.0";

/// What every disk has read and written since the start.
pub(crate) fn disks() -> Outcome<Value> {
    let entries = std::fs::read_dir("/sys/block").map_err(|error| format!("/sys/block: {error}"))?;
    let mut disks = Map::new();
    for entry in entries.filter_map(Result::ok) {
        let Ok(text) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(value) = disk(&text) {
            disks.insert(entry.file_name().to_string_lossy().into_owned(), value);
        }
    }
    Ok(Value::Object(disks))
}

/// Documentation/block/stat.rst.
fn disk(text: &str) -> Option<Value> {
    let numbers: Vec<u64> = text.split_whitespace().map_while(|number| number.parse().ok()).collect();
    let at = |index: usize| numbers.get(index).copied();
    Some(
        json!({"reads": at(0)?, "read_kib": at(2)? * SECTOR / 1024, "writes": at(4)?, "written_kib": at(6)? * SECTOR / 1024}),
    )
}

/// Takes the loopback card away from its driver, or gives it back.
pub(crate) fn sound_card(there: bool) -> Outcome<()> {
    let path = format!("{ALOOP}/{}", if there { "bind" } else { "unbind" });
    let bound = std::path::Path::new(ALOOP).join(ALOOP_DEVICE).exists();
    if bound == there {
        return Err(format!("the loopback card is {} already", if there { "there" } else { "gone" }));
    }
    // The driver waits until the last user has closed the card.
    let (done, finished) = std::sync::mpsc::channel();
    let written = path.clone();
    std::thread::spawn(move || drop(done.send(std::fs::write(written, ALOOP_DEVICE))));
    let result = finished
        .recv_timeout(Duration::from_secs(10))
        .map_err(|_| format!("{path}: not done after 10 s; somebody keeps the lost card open (`fuser /dev/snd/*`)"))?;
    result.map_err(|error| format!("{path}: {error}; is snd-aloop loaded?"))
}

pub(crate) fn read(path: &str) -> Outcome<String> {
    let text = |error: std::io::Error| format!("{path}: {error}");
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(text)?.take(MOST).read_to_end(&mut bytes).map_err(text)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A command line in a group of its own.
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null()).process_group(0);
    command
}

/// Runs a command line and waits for its end, at most so long [ns].
pub(crate) fn run(line: &str, within: i64) -> Outcome<Value> {
    let mut child =
        shell(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| format!("sh: {error}"))?;
    let collect = |from: Option<Box<dyn Read + Send>>| {
        let (done, finished) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut from) = from {
                // What is beyond the limit is read and forgotten: the command must not block on us.
                let _ = from.by_ref().take(MOST).read_to_end(&mut bytes);
                let _ = std::io::copy(&mut from, &mut std::io::sink());
            }
            let _ = done.send(String::from_utf8_lossy(&bytes).into_owned());
        });
        finished
    };
    let out = collect(child.stdout.take().map(|from| Box::new(from) as _));
    let err = collect(child.stderr.take().map(|from| Box::new(from) as _));
    let deadline = clock::monotonic() + within;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if clock::monotonic() < deadline => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                }
                let _ = child.wait();
                let text = |from: std::sync::mpsc::Receiver<String>| {
                    from.recv_timeout(Duration::from_secs(1)).unwrap_or_default()
                };
                return Err(format!("{line:?} did not end within {} ms: {} {}", within / MS, text(out), text(err)));
            }
            Err(error) => return Err(format!("{line:?}: {error}")),
        }
    };
    // Something it started may keep the pipes open.
    let text = |from: std::sync::mpsc::Receiver<String>| from.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
    Ok(json!({"status": status.code(), "out": text(out), "err": text(err)}))
}

/// Starts a command line that nobody waits for.
pub(crate) fn start(line: &str) -> Outcome<u32> {
    let mut child =
        shell(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|error| format!("sh: {error}"))?;
    let pid = child.id();
    std::thread::spawn(move || child.wait());
    Ok(pid)
}

/// Starts the board again: orderly, or at once.
pub(crate) fn reboot(now: bool) -> Outcome<()> {
    if now {
        std::fs::write("/proc/sysrq-trigger", "b").map_err(|error| format!("/proc/sysrq-trigger: {error}"))
    } else {
        start("systemctl reboot || reboot").map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_disk_has_counted_its_writes() {
        let value = disk("  10 1 200 3 40 5 600 7 0 0 0").unwrap();
        assert_eq!((value["writes"].as_u64(), value["written_kib"].as_u64()), (Some(40), Some(300)));
        assert_eq!(disk("1 2"), None);
    }

    #[test]
    fn commands_end_or_are_ended() {
        let value = run("echo out; echo err >&2; exit 3", 5000 * MS).unwrap();
        assert_eq!(
            (value["status"].as_i64(), value["out"].as_str(), value["err"].as_str()),
            (Some(3), Some("out\n"), Some("err\n"))
        );
        let begin = clock::monotonic();
        assert!(run("echo early; sleep 60", 100 * MS).unwrap_err().contains("early"));
        assert!(clock::monotonic() - begin < 5000 * MS);
        assert_eq!(run("yes | head -c 5000000", 20_000 * MS).unwrap()["out"].as_str().unwrap().len(), 1 << 20);
    }
}
