//! The suite against real software: both daemons as they are shipped, and Kamailio, baresip and sipp beside them, on
//! loopback, with a sound card made of a sound server.
//!
//! `interop [filter]...` runs the cases whose names contain a filter; `--list` names them. Each case has its own folder,
//! its own ports and a time limit; the folder of a failed case is kept, with every log in it. A case whose software is
//! absent is skipped by name, never passed.
// A harness speaks to a person who reads a failure: it may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
mod baresip;
mod card;
mod case;
mod cases;
mod http;
mod kamailio;
mod offhook;
mod pbxd;
mod ports;
mod process;
mod radicale;
mod reaper;
mod sipp;
// Boards, whose calls last longer, ask it for more.
#[allow(dead_code)]
mod sound;
mod wait;
mod wire;

use case::{Case, Verdict};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Cases that measure no time run side by side.
const WORKERS: usize = 2;

/// One entry of the suite.
struct Entry {
    name: &'static str,
    run: fn(&Case) -> case::Outcome,
    needs: &'static [case::Tool],
    /// Measures sound or time, so nothing else may run beside it.
    alone: bool,
    limit: Duration,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == reaper::ARGUMENT) {
        reaper::run();
        return ExitCode::SUCCESS;
    }
    let all = cases::all();
    if args.iter().any(|arg| arg == "--list") {
        all.iter().for_each(|entry| println!("{}", entry.name));
        return ExitCode::SUCCESS;
    }
    // Other options are meant for the test programs that get the same arguments.
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let chosen: Vec<&Entry> = all
        .iter()
        .filter(|entry| filters.is_empty() || filters.iter().any(|filter| entry.name.contains(filter.as_str())))
        .collect();
    reaper::start();
    let (together, alone): (Vec<&Entry>, Vec<&Entry>) = chosen.into_iter().partition(|entry| !entry.alone);
    let count = Mutex::new([0_usize; 3]);
    for (entries, workers) in [(together, WORKERS), (alone, 1)] {
        let queue = Mutex::new(entries.into_iter());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let Some(entry) = queue.lock().unwrap().next() else { return };
                        let at = report(entry);
                        count.lock().unwrap()[at] += 1;
                    }
                });
            }
        });
    }
    let [passed, failed, skipped] = count.into_inner().unwrap();
    say(&format!("interop: {passed} passed, {failed} failed, {skipped} skipped"));
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One line for whoever watches; nobody watching is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Runs one case and says how it went; 0 passed, 1 failed, 2 skipped.
fn report(entry: &Entry) -> usize {
    let begin = Instant::now();
    let verdict = case::run(entry.name, entry.run, entry.needs, entry.limit);
    let seconds = begin.elapsed().as_secs_f64();
    match verdict {
        Verdict::Passed => {
            say(&format!("ok {} ({seconds:.1} s)", entry.name));
            0
        }
        Verdict::Failed(why, folder) => {
            say(&format!("FAILED {}: {why}\n  after {seconds:.1} s; logs: {}", entry.name, folder.display()));
            1
        }
        Verdict::Skipped(why) => {
            say(&format!("skipped {}: {why}", entry.name));
            if let Some(path) = std::env::var_os("OFFHOOK_SKIPPED") {
                let file = std::fs::File::options().create(true).append(true).open(path);
                let _ = file.and_then(|mut file| writeln!(file, "interop {}: {why}", entry.name));
            }
            2
        }
    }
}
