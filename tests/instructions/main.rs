//! What a call costs on arm64, in instructions, next to baresip's. `cross/instructions` prepares everything and runs it:
//! beside this program lies an `offhookd` and first in `PATH` a `baresip`, both arm64 under qemu-user with `cross/count.c`.
//!
//! Counted are the program's own instructions and its libraries', of all threads; the kernel's are not. The calls are like that
//! of `bench cpu-file`: speaking noise from a file, listening into nothing, with each codec in both directions.
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
use peer::{Codec, Dialog, Peer};
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
    match case::run("instructions", move |case| compare(case, &folder), &[], Duration::from_secs(400)) {
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
    println!("arm64, millions of instructions a second (the program and its libraries, without the kernel)\n");
    println!("| | at rest | in a call | offhookd's share of baresip's |\n|---|---|---|---|");
    let wide = noise(case, 16_000, 1)?;
    for codec in Codec::ALL {
        let ours = of_offhook(case, folder, codec, &wide)?;
        // As each takes sound: another rate would be converted before the phone is ready, which an emulated processor is
        // long at. baresip encodes Opus of two channels only.
        let (rate, channels, modules): (_, _, &[&str]) = match codec {
            Codec::Pcmu => (8_000, 1, &[]),
            Codec::G722 => (16_000, 1, &["g722.so"]),
            Codec::Opus => (48_000, 2, &["opus.so"]),
        };
        let theirs = of_baresip(case, folder, codec, &noise(case, rate, channels)?, modules)?;
        for (name, cost) in [("offhookd", ours), ("baresip", theirs)] {
            let share = if name == "offhookd" { format!("{:.2}", ours.call / theirs.call) } else { String::new() };
            println!("| {name}, {} | {:.2} | {:.2} | {share} |", codec.name(), cost.idle, cost.call);
        }
    }
    Ok(())
}

/// A minute of noise at this rate [Hz], on so many channels.
fn noise(case: &Case, rate: u32, channels: u16) -> Outcome<PathBuf> {
    let path = case.path(format!("noise-{rate}.wav"));
    if !path.exists() {
        cost::write_noise(&path, rate, channels)?;
    }
    Ok(path)
}

fn of_offhook(case: &Case, folder: &Path, codec: Codec, input: &Path) -> Outcome<Cost> {
    let mut subject = Subject::start(case, &format!("ours-{codec:?}"), Sound::From(input))?;
    subject.peer.codec = codec;
    let counts = Counts::of(folder, subject.phone.process.id());
    wait::pass(1000);
    let idle = over(&counts, IDLE)?;
    let mut dialog = subject.call()?;
    let voice = talk(codec, &subject.peer, &dialog)?;
    let call = in_call(&counts, &voice, codec)?;
    drop(voice);
    subject.end(&mut dialog)?;
    Ok(Cost { idle, call })
}

fn of_baresip(case: &Case, folder: &Path, codec: Codec, input: &Path, modules: &[&str]) -> Outcome<Cost> {
    let baresip = Baresip::on_a_file(case, &format!("theirs-{codec:?}"), input, modules)?;
    let counts = Counts::of(folder, baresip.process.id());
    wait::pass(1000);
    let idle = over(&counts, IDLE)?;
    let mut peer = Peer::new().map_err(|error| format!("no socket: {error}"))?;
    peer.codec = codec;
    let mut dialog = baresip.call(&mut peer)?;
    let voice = talk(codec, &peer, &dialog)?;
    let call = in_call(&counts, &voice, codec)?;
    drop(voice);
    peer.bye(&mut dialog)?;
    Ok(Cost { idle, call })
}

/// The call's other end: G.711 of its own, else what it hears.
fn talk(codec: Codec, peer: &Peer, dialog: &Dialog) -> Outcome<Voice> {
    match codec {
        Codec::Pcmu => Voice::start(&peer.rtp, dialog.media),
        _ => Voice::echo(&peer.rtp, dialog.media),
    }
}

/// A phone that cannot keep up sends less than it should, and would look cheap.
fn in_call(counts: &Counts, voice: &Voice, codec: Codec) -> Outcome<f64> {
    wait::pass(1000);
    voice.forget();
    let cost = over(counts, cost::CALL)?;
    cost::still_talks(voice, codec)?;
    wait::ensure(cost > 0.0, || "no instruction was counted in a call: the counts are not of this process".into())?;
    Ok(cost)
}

fn over(counts: &Counts, length: Duration) -> Outcome<f64> {
    let (begin, before) = (Instant::now(), counts.all()?);
    std::thread::sleep(length);
    let (elapsed, after) = (begin.elapsed(), counts.all()?);
    Ok((after - before) as f64 / 1e6 / elapsed.as_secs_f64())
}
