//! What the phone costs: memory, size on disk, processor time.

use crate::case::{self, Case, Outcome, skip};
use crate::peer::Peer;
use crate::reference::{Baresip, Tuning};
use crate::rtp::Voice;
use crate::subject::{Sound, Subject};
use crate::table::{Row, report, round};
use crate::virtual_card::VirtualCard;
use crate::wait;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const RATIO: &str = "CPU per G.711 call, as a share of baresip's";
/// A call that is measured.
const CALL: Duration = Duration::from_secs(20);
const IDLE: Duration = Duration::from_secs(5);

/// In a call with sound, if there is any.
pub(crate) fn memory(case: &Case) -> Outcome {
    let card = VirtualCard::start(case, "memory-card").ok();
    let sound = card.as_ref().map_or(Sound::None, |card| Sound::Card(card, "offhook"));
    let mut subject = Subject::start(case, "memory", sound)?;
    let mut dialog = subject.call()?;
    let voice = Voice::start(&subject.peer.rtp, dialog.media)?;
    wait::pass(3000);
    let (resident, most) = (subject.phone.process.status("VmRSS")?, subject.phone.process.status("VmHWM")?);
    let own = subject.phone.process.status("RssAnon")?;
    drop(voice);
    subject.end(&mut dialog)?;
    let megabytes = |kibibytes: u64| kibibytes as f64 * 1024.0 / 1e6;
    let with = if card.is_some() { "with ALSA" } else { "without sound" };
    let note = format!(
        "{with}; {} MB of it its own, the rest programs and libraries; at most {} MB since its start",
        round(megabytes(own)),
        round(megabytes(most))
    );
    report(Row::at_most("resident memory in a G.711 call", 25.0, megabytes(resident), "MB", &note));
    Ok(())
}

pub(crate) fn size(_: &Case) -> Outcome {
    let path = case::daemon("offhookd")?;
    let metadata = std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    // The release profile strips; a build that does not would be measured too large, never too small.
    report(Row::at_most("size of the stripped daemon", 8.0, metadata.len() as f64 / 1e6, "MB", "offhookd"));
    Ok(())
}

/// The figure of `firmware/sip/examples/parse_invite.rs`.
pub(crate) fn parse(_: &Case) -> Outcome {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let example = own.with_file_name("examples").join("parse_invite");
    let output = Command::new(&example).stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        skip(&format!("{}: {error}; cargo build --release -p offhook-sip --examples makes it", example.display()))
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = text.lines().find_map(|line| line.strip_prefix("parse_invite_us ")?.trim().parse().ok());
    let figure = figure.ok_or("parse_invite says no figure")?;
    report(Row::at_most(
        "parsing an INVITE of 800 octets with all typed headers",
        10.0,
        figure,
        "µs",
        "best of 20 rounds",
    ));
    Ok(())
}

/// What a process used of a core.
#[derive(Debug, Clone, Copy)]
struct Use {
    percent: f64,
    /// The sound server's at the same time.
    server: f64,
}

pub(crate) fn processor(case: &Case) -> Outcome {
    let card = VirtualCard::start(case, "cpu-card")?;
    let mut subject = Subject::start(case, "cpu", Sound::Card(&card, "offhook_loop"))?;
    wait::pass(1500);
    let idle = over(IDLE, subject.phone.process.id(), &card, || {})?;
    let mut dialog = subject.call()?;
    let voice = Voice::start(&subject.peer.rtp, dialog.media)?;
    wait::pass(1000);
    let ours = over(CALL, subject.phone.process.id(), &card, || voice.burst(0))?;
    let tasks = tasks(subject.phone.process.id());
    drop(voice);
    subject.end(&mut dialog)?;
    drop(subject);
    drop(card);
    let mut theirs = Vec::new();
    for (name, tuning) in [("cpu-shipped", Tuning::AsShipped), ("cpu-lowest", Tuning::Lowest)] {
        let card = VirtualCard::start(case, &format!("{name}-card"))?;
        let baresip = Baresip::start(case, name, &card, "offhook_loop", tuning)?;
        let mut peer = Peer::new().map_err(|error| format!("no socket: {error}"))?;
        let mut dialog = baresip.call(&mut peer)?;
        let voice = Voice::start(&peer.rtp, dialog.media)?;
        wait::pass(1000);
        theirs.push(over(CALL, baresip.process.id(), &card, || voice.burst(0))?);
        drop(voice);
        peer.bye(&mut dialog)?;
    }
    let described =
        |it: Use| format!("{} % of a core (PulseAudio beside it: {} %)", round(it.percent), round(it.server));
    report(Row::besides("CPU of the phone in a G.711 call", &format!("{}; {tasks}", described(ours))));
    report(Row::besides("CPU of the phone at rest, sound device open", &described(idle)));
    let [shipped, lowest] = theirs[..] else { return Err("two measurements of baresip".into()) };
    report(Row::besides("CPU of baresip as shipped, the same call", &described(shipped)));
    report(Row::besides("CPU of baresip at its lowest tuning, the same call", &described(lowest)));
    let note = format!("next to its lowest tuning {}", round(ours.percent / lowest.percent.max(0.001)));
    report(Row::at_most(RATIO, 1.0, ours.percent / shipped.percent.max(0.001), "", &format!("as shipped; {note}")));
    Ok(())
}

/// Lets time pass and measures; `often` is called ten times a second.
fn over(length: Duration, process: u32, card: &VirtualCard, often: impl Fn()) -> Outcome<Use> {
    let server = card.server();
    let used = || (nanoseconds(process), server.map_or(0.0, nanoseconds), Instant::now());
    let before = used();
    let end = before.2 + length;
    while Instant::now() < end {
        often();
        wait::pass(100);
    }
    let after = used();
    let share = |used: f64| used / after.2.duration_since(before.2).as_nanos() as f64 * 100.0;
    let percent = share(after.0 - before.0);
    if percent <= 0.0 {
        return Err("the process has used no time: it is gone".into());
    }
    Ok(Use { percent, server: share(after.1 - before.1) })
}

/// Time on a processor of all threads [ns]: as the scheduler counts it, to the nanosecond. (`utime` and `stime` are
/// counted by looking at every tick, which overlooks whoever wakes with the tick and sleeps before the next.)
fn nanoseconds(process: u32) -> f64 {
    let Ok(folder) = std::fs::read_dir(format!("/proc/{process}/task")) else { return 0.0 };
    let threads = folder.filter_map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    threads.sum()
}

/// Which thread had what share since the start.
fn tasks(process: u32) -> String {
    let Ok(folder) = std::fs::read_dir(format!("/proc/{process}/task")) else { return String::new() };
    let mut shares: Vec<(f64, String)> = folder
        .filter_map(|task| {
            let path = task.ok()?.path();
            let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            Some((text.split_whitespace().next()?.parse().ok()?, name.trim().to_owned()))
        })
        .collect();
    shares.sort_by(|one, other| other.0.total_cmp(&one.0));
    let all: f64 = shares.iter().map(|(share, _)| share).sum();
    let names = shares.iter().take(3).map(|(share, name)| format!("{name} {:.0} %", share / all.max(1.0) * 100.0));
    format!("by thread: {}", names.collect::<Vec<_>>().join(", "))
}
