//! Nothing outlives the suite, not even when it is killed: a second process learns of every process group that is alive,
//! and when the pipe to the suite closes it ends them.

use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// What makes the program the reaper.
pub(crate) const ARGUMENT: &str = "--reap";

static REAPER: OnceLock<Mutex<Child>> = OnceLock::new();

pub(crate) fn start() {
    let own = std::env::current_exe().expect("the program's own path");
    let mut command = Command::new(own);
    // Its own group: Ctrl-C in a terminal is for the suite only.
    command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    let child = command.spawn().expect("a second process");
    let _ = REAPER.set(Mutex::new(child));
}

/// `+` a group is alive, `-` it has ended.
pub(crate) fn tell(what: char, group: Pid) {
    if let Some(Ok(mut reaper)) = REAPER.get().map(Mutex::lock)
        && let Some(pipe) = &mut reaper.stdin
    {
        let _ = writeln!(pipe, "{what}{}", group.as_raw_nonzero());
    }
}

pub(crate) fn run() {
    // Whoever ends the suite by its name is to leave this one to its work.
    let _ = rustix::thread::set_name(c"reaper");
    let mut alive = BTreeSet::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Some((what, group)) = line.split_at_checked(1) else { continue };
        let Some(group) = group.parse().ok().filter(|&group: &i32| group > 1) else { continue };
        if what == "+" {
            alive.insert(group)
        } else {
            alive.remove(&group)
        };
    }
    for group in alive.into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}
