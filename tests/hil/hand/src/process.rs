//! Processes of the board by name: what they cost, and ends that nobody asked them for.

use crate::clock::{self, MS};
use crate::request::Outcome;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The first process with this name.
pub(crate) fn find(name: &str) -> Option<i32> {
    let entries = std::fs::read_dir("/proc").ok()?;
    let mut pids: Vec<i32> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter().find(|pid| is_named(*pid, name))
}

/// An error that names what is not running.
pub(crate) fn need(name: &str) -> Outcome<i32> {
    find(name).ok_or_else(|| format!("no process is called {name:?}"))
}

fn is_named(pid: i32, name: &str) -> bool {
    let folder = Path::new("/proc").join(pid.to_string());
    // The kernel cuts names after 15 octets; a zombie has no command line, and counts as gone.
    let Ok(line) = std::fs::read(folder.join("cmdline")) else { return false };
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    if program.is_empty() {
        return false;
    }
    let comm = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
    let short: String = name.chars().take(15).collect();
    comm.trim_end() == short
        || Path::new(&String::from_utf8_lossy(program).into_owned()).file_name().is_some_and(|file| file == name)
}

/// Waits until a process with this name runs, and is not `not`.
pub(crate) fn wait(name: &str, not: Option<i32>, within: i64) -> Outcome<(i32, i64)> {
    let deadline = clock::monotonic() + within;
    loop {
        if let Some(pid) = find(name).filter(|pid| Some(*pid) != not) {
            return Ok((pid, clock::monotonic()));
        }
        if clock::monotonic() > deadline {
            return Err(format!(
                "no {}process is called {name:?}, after {} ms",
                if not.is_some() { "new " } else { "" },
                within / MS
            ));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn kill(pid: i32, signal: i32) -> Outcome<i64> {
    let pid = Pid::from_raw(pid).ok_or("not a process")?;
    let signal = Signal::from_named_raw(signal).ok_or_else(|| format!("{signal} is no signal"))?;
    let at = clock::monotonic();
    kill_process(pid, signal).map_err(|error| error.to_string())?;
    Ok(at)
}

/// A thread by its name; `main` is the first one.
pub(crate) fn thread(pid: i32, name: &str) -> Outcome<i32> {
    if name == "main" {
        return Ok(pid);
    }
    let threads = threads(pid)?;
    threads.iter().find(|thread| thread.name == name).map(|thread| thread.tid).ok_or_else(|| {
        let known: Vec<&str> = threads.iter().map(|thread| thread.name.as_str()).collect();
        format!("no thread is called {name:?}; there are {}", known.join(", "))
    })
}

#[derive(Debug)]
struct Thread {
    tid: i32,
    name: String,
    state: char,
    user: i64,
    system: i64,
}

fn threads(pid: i32) -> Outcome<Vec<Thread>> {
    let folder = format!("/proc/{pid}/task");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
    let mut all: Vec<Thread> = entries
        .filter_map(|entry| {
            let tid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            stat(&std::fs::read_to_string(format!("{folder}/{tid}/stat")).ok()?).map(|stat| Thread { tid, ..stat })
        })
        .collect();
    all.sort_by_key(|thread| thread.tid);
    Ok(all)
}

/// Name, state and times out of a line of `/proc/<pid>/stat` (proc(5)); the name may contain anything.
fn stat(text: &str) -> Option<Thread> {
    let (head, rest) = text.rsplit_once(')')?;
    let (tid, name) = head.split_once('(')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<i64>().ok());
    Some(Thread {
        tid: tid.trim().parse().ok()?,
        name: name.to_owned(),
        state: fields.first()?.chars().next()?,
        user: ticks(11)?,
        system: ticks(12)?,
    })
}

/// Everything about a process.
pub(crate) fn describe(pid: i32) -> Outcome<Value> {
    let tick_ms = 1000 / i64::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100).max(1);
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).map_err(|error| format!("/proc/{pid}/{file}: {error}"))
    };
    let whole = stat(&read("stat")?).ok_or_else(|| format!("/proc/{pid}/stat cannot be read"))?;
    let status = read("status")?;
    let kib = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split_whitespace().next()?.parse::<i64>().ok())
    };
    let threads: Vec<Value> = threads(pid)?
        .into_iter()
        .map(|thread| {
            json!({
                "tid": thread.tid, "name": thread.name, "state": thread.state.to_string(),
                "utime_ms": thread.user * tick_ms, "stime_ms": thread.system * tick_ms,
            })
        })
        .collect();
    Ok(json!({
        "pid": pid, "state": whole.state.to_string(), "rss_kib": kib("VmRSS"), "locked_kib": kib("VmLck"),
        "utime_ms": whole.user * tick_ms, "stime_ms": whole.system * tick_ms, "threads": threads,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let thread = stat("42 (a) b (c) S 1 42 42 0 -1 0 1 2 3 4 50 60 7 8 20 0 1").unwrap();
        assert_eq!(
            (thread.tid, thread.name.as_str(), thread.state, thread.user, thread.system),
            (42, "a) b (c", 'S', 50, 60)
        );
        assert!(stat("nonsense").is_none());
    }

    #[test]
    fn a_process_is_found_described_and_killed_by_name() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id() as i32;
        // The program is there a moment before its command line is.
        while !is_named(pid, "sleep") {
            std::thread::sleep(Duration::from_millis(1));
        }
        let described = describe(pid).unwrap();
        assert_eq!(described["pid"], pid);
        assert!(described["rss_kib"].as_i64().unwrap() > 0);
        assert_eq!(thread(pid, "sleep"), Ok(pid));
        assert!(thread(pid, "media").unwrap_err().contains("there are sleep"));
        kill(pid, 9).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(describe(pid).is_err());
        assert!(wait("no-such-process", None, 1).is_err());
    }
}
