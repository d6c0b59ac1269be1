//! Measures what the phone promises, on this machine, and writes the table of `docs/performance.md`.
//!
//! `bench [filter]...` measures what contains a filter and only prints; without one the page is written too. Everything is
//! measured from outside, at the daemon as it is shipped: by a raw SIP and RTP peer, behind a sound card, in `/proc`.
//! What needs software that is absent is skipped by name. The exit status tells of failed measurements, not of goals
//! that are missed: those the table says.
// A harness speaks to a person who reads a failure: it may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// What it shares with the suite against real software; it does not use all of it.
#[allow(dead_code)]
#[path = "../interop/account.rs"]
mod account;
#[allow(dead_code)]
#[path = "../interop/case.rs"]
mod case;
#[allow(dead_code)]
#[path = "../interop/offhook.rs"]
mod offhook;
#[path = "../interop/ports.rs"]
mod ports;
#[allow(dead_code)]
#[path = "../interop/process.rs"]
mod process;
#[path = "../interop/reaper.rs"]
mod reaper;
#[allow(dead_code)]
#[path = "../interop/sound.rs"]
mod sound;
#[allow(dead_code)]
#[path = "../interop/wait.rs"]
mod wait;

mod cost;
mod dial_tone;
mod loopback;
// `instructions` asks it for more codecs.
#[allow(dead_code)]
mod peer;
mod reference;
#[allow(dead_code)]
mod rtp;
mod signalling;
mod sound_path;
mod subject;
mod table;
mod virtual_card;

use case::{Case, Outcome, Tool, Verdict};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use table::Row;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");

/// What is measured together.
struct Entry {
    name: &'static str,
    run: fn(&Case) -> Outcome,
    needs: &'static [Tool],
    /// What it measures and the goal, to be named when it cannot.
    figures: &'static [(&'static str, &'static str)],
    limit: u64,
}

const SOUND: &[Tool] = &[Tool::Sound];
const BOTH: &[Tool] = &[Tool::Sound, Tool::Baresip];

const ENTRIES: &[Entry] = &[
    Entry {
        name: "invite",
        run: signalling::invite_to_180,
        needs: &[],
        figures: &[("INVITE to 180", "≤ 2 ms")],
        limit: 30,
    },
    Entry {
        name: "tone",
        run: dial_tone::behind_the_card,
        needs: SOUND,
        figures: &[(dial_tone::WHAT, "≤ 40 ms")],
        limit: 40,
    },
    Entry {
        name: "tone-file",
        run: dial_tone::into_a_file,
        needs: &[],
        figures: &[("hook to first sample of dial tone, without a card", "≤ 40 ms")],
        limit: 30,
    },
    Entry {
        name: "key",
        run: signalling::key_to_event,
        needs: &[],
        figures: &[("key to first telephone-event packet", "≤ 30 ms")],
        limit: 30,
    },
    Entry {
        name: "start",
        run: signalling::start_to_register,
        needs: &[],
        figures: &[("start to REGISTER on the wire", "≤ 150 ms")],
        limit: 30,
    },
    Entry {
        name: "memory",
        run: cost::memory,
        needs: &[],
        figures: &[("resident memory in a G.711 call", "≤ 25 MB")],
        limit: 20,
    },
    Entry {
        name: "size",
        run: cost::size,
        needs: &[],
        figures: &[("size of the stripped daemon", "≤ 8 MB")],
        limit: 5,
    },
    Entry {
        name: "parse",
        run: cost::parse,
        needs: &[],
        figures: &[("parsing an INVITE of 800 octets with all typed headers", "≤ 10 µs")],
        limit: 20,
    },
    Entry {
        name: "account",
        run: cost::account,
        needs: &[],
        figures: &[
            (cost::ACCOUNT[0].0, "≤ 5 ms"),
            (cost::ACCOUNT[1].0, "≤ 20 ms"),
            (cost::ACCOUNT[2].0, "≤ 50 ms"),
            (cost::ACCOUNT[3].0, "≤ 2 MB"),
        ],
        limit: 30,
    },
    Entry {
        name: "loop",
        run: loopback::against_baresip,
        needs: BOTH,
        figures: &[(loopback::TO_LOWEST, "≤ 0.5"), (loopback::TO_SHIPPED, "≤ 0.25")],
        limit: 100,
    },
    Entry { name: "cpu", run: cost::processor, needs: BOTH, figures: &[(cost::RATIO, "≤ 1")], limit: 100 },
    Entry {
        name: "cpu-file",
        run: cost::processor_on_a_file,
        needs: &[Tool::Baresip],
        figures: &[(cost::RATIO_ON_A_FILE, "≤ 1")],
        limit: 70,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some(reaper::ARGUMENT) => {
            reaper::run();
            return ExitCode::SUCCESS;
        }
        Some(sound_path::ARGUMENT) => return status(sound_path::run()),
        Some("--list") => {
            ENTRIES.iter().for_each(|entry| println!("{}", entry.name));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    reaper::start();
    let begin = Instant::now();
    let machine = table::machine();
    println!("{machine}");
    let mut failed = false;
    for entry in ENTRIES {
        if args.is_empty() || args.iter().any(|filter| entry.name.contains(filter.as_str())) {
            failed |= !measure(entry);
        }
    }
    let seconds = begin.elapsed().as_secs();
    println!("measured in {seconds} s");
    if !args.is_empty() {
        return if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let text = format!("{machine}\n\n{}", table::markdown(&table::rows()));
    let written = table::write(Path::new(PAGE), &text);
    if failed { ExitCode::FAILURE } else { status(written) }
}

fn status(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `false`: it could not be measured although all it needs is here.
fn measure(entry: &Entry) -> bool {
    match case::run(entry.name, entry.run, entry.needs, Duration::from_secs(entry.limit)) {
        Verdict::Passed => true,
        Verdict::Skipped(why) => {
            for (what, goal) in entry.figures {
                table::report(Row::skipped(what, goal, &why));
            }
            true
        }
        Verdict::Failed(why, folder) => {
            eprintln!("bench {}: {why}\n  logs: {}", entry.name, folder.display());
            for (what, goal) in entry.figures {
                table::report(Row::failed(what, goal, &why));
            }
            false
        }
    }
}
