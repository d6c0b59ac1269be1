//! What a call costs on arm64, in instructions, next to baresip's. `cross/instructions` prepares everything and runs it:
//! beside this program lies an `offhookd` and first in `PATH` a `baresip`, both arm64 under qemu-user with `cross/count.c`.
//!
//! Counted are the program's own instructions and its libraries', of all threads; the kernel's are not. The call is that
//! of `bench cpu-file`: G.711 in both directions, speaking from a file, listening into nothing.
// A harness speaks to a person who reads a failure: it may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../interop/account.rs"]
mod account;
#[allow(dead_code)]
#[path = "../interop/case.rs"]
mod case;
#[allow(dead_code)]
#[path = "../bench/cost.rs"]
mod cost;
mod count;
#[allow(dead_code)]
#[path = "../interop/offhook.rs"]
mod offhook;
#[allow(dead_code)]
#[path = "../bench/peer.rs"]
mod peer;
#[path = "../interop/ports.rs"]
mod ports;
#[allow(dead_code)]
#[path = "../interop/process.rs"]
mod process;
#[path = "../interop/reaper.rs"]
mod reaper;
#[allow(dead_code)]
#[path = "../bench/reference.rs"]
mod reference;
#[allow(dead_code)]
#[path = "../bench/rtp.rs"]
mod rtp;
#[allow(dead_code)]
#[path = "../interop/sound.rs"]
mod sound;
#[allow(dead_code)]
#[path = "../bench/subject.rs"]
mod subject;
#[allow(dead_code)]
#[path = "../bench/table.rs"]
mod table;
#[allow(dead_code)]
#[path = "../bench/virtual_card.rs"]
mod virtual_card;
#[allow(dead_code)]
#[path = "../interop/wait.rs"]
mod wait;

use case::{Case, Outcome, Verdict};
use count::Counts;
use peer::Peer;
use reference::Baresip;
use rtp::Voice;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use subject::{Sound, Subject};

/// How long each phone is watched while nothing happens.
const IDLE: Duration = Duration::from_secs(5);

/// Millions of instructions a second.
#[derive(Debug, Clone, Copy)]
struct Cost {
    idle: f64,
    call: f64,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().map(String::as_str) == Some(reaper::ARGUMENT) {
        reaper::run();
        return ExitCode::SUCCESS;
    }
    let [folder] = &args[..] else {
        eprintln!("instructions: cross/instructions runs this, with the folder of the counts");
        return ExitCode::from(2);
    };
    reaper::start();
    let folder = PathBuf::from(folder);
    match case::run("instructions", move |case| compare(case, &folder), &[], Duration::from_secs(150)) {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Skipped(why) => {
            println!("skipped: {why}");
            ExitCode::SUCCESS
        }
        Verdict::Failed(why, folder) => {
            eprintln!("instructions: {why}\n  logs: {}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn compare(case: &Case, folder: &Path) -> Outcome {
    // Each at the rate at which it takes sound from a card: another would be converted before the phone is ready, which an
    // emulated processor is long at.
    let [wide, narrow] = ["wide.wav", "narrow.wav"].map(|name| case.path(name));
    cost::write_noise(&wide, 16_000)?;
    cost::write_noise(&narrow, 8_000)?;
    let ours = of_offhook(case, folder, &wide)?;
    let theirs = of_baresip(case, folder, &narrow)?;
    println!("arm64, millions of instructions a second (the program and its libraries, without the kernel)\n");
    println!("| | at rest | in a G.711 call |\n|---|---|---|");
    for (name, cost) in [("offhookd", ours), ("baresip", theirs)] {
        println!("| {name} | {:.2} | {:.2} |", cost.idle, cost.call);
    }
    println!("\nin a call, offhookd runs {:.2} of baresip's instructions", ours.call / theirs.call);
    Ok(())
}

fn of_offhook(case: &Case, folder: &Path, input: &Path) -> Outcome<Cost> {
    let mut subject = Subject::start(case, "ours", Sound::From(input))?;
    let counts = Counts::of(folder, subject.phone.process.id());
    wait::pass(1000);
    let idle = over(&counts, IDLE)?;
    let mut dialog = subject.call()?;
    let voice = Voice::start(&subject.peer.rtp, dialog.media)?;
    let call = in_call(&counts, &voice)?;
    drop(voice);
    subject.end(&mut dialog)?;
    Ok(Cost { idle, call })
}

fn of_baresip(case: &Case, folder: &Path, input: &Path) -> Outcome<Cost> {
    let baresip = Baresip::on_a_file(case, "theirs", input)?;
    let counts = Counts::of(folder, baresip.process.id());
    wait::pass(1000);
    let idle = over(&counts, IDLE)?;
    let mut peer = Peer::new().map_err(|error| format!("no socket: {error}"))?;
    let mut dialog = baresip.call(&mut peer)?;
    let voice = Voice::start(&peer.rtp, dialog.media)?;
    let call = in_call(&counts, &voice)?;
    drop(voice);
    peer.bye(&mut dialog)?;
    Ok(Cost { idle, call })
}

/// A phone that cannot keep up sends less than it should, and would look cheap.
fn in_call(counts: &Counts, voice: &Voice) -> Outcome<f64> {
    wait::pass(1000);
    voice.forget();
    let cost = over(counts, cost::CALL)?;
    cost::still_talks(voice)?;
    wait::ensure(cost > 0.0, || "no instruction was counted in a call: the counts are not of this process".into())?;
    Ok(cost)
}

fn over(counts: &Counts, length: Duration) -> Outcome<f64> {
    let (begin, before) = (Instant::now(), counts.all()?);
    std::thread::sleep(length);
    let (elapsed, after) = (begin.elapsed(), counts.all()?);
    Ok((after - before) as f64 / 1e6 / elapsed.as_secs_f64())
}
