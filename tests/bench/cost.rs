//! What the phone costs: memory, size on disk, processor time.

use crate::case::{self, Case, Outcome, skip};
use crate::peer::{Codec, Peer};
use crate::reference::{Baresip, Tuning};
use crate::rtp::{Packet, Voice};
use crate::subject::{Sound, Subject};
use crate::table::{Row, report, round};
use crate::virtual_card::VirtualCard;
use crate::wait;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const RATIO: &str = "CPU per G.711 call through ALSA, as a share of baresip's";
pub(crate) const RATIO_ON_A_FILE: &str = "CPU per G.711 call without a sound server, as a share of baresip's";
/// A call that is measured.
pub(crate) const CALL: Duration = Duration::from_secs(20);
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
    let figure = figure(&example("parse_invite", "offhook-sip")?, "parse_invite_us")?;
    report(Row::at_most(
        "parsing an INVITE of 800 octets with all typed headers",
        10.0,
        figure,
        "µs",
        "best of 20 rounds",
    ));
    Ok(())
}

/// The figures of `firmware/account/examples/parse_account.rs`.
pub(crate) fn account(_: &Case) -> Outcome {
    let text = example("parse_account", "offhook-account")?;
    for ((what, goal), (name, unit, note)) in ACCOUNT.iter().zip([
        ("account_ms", "ms", "best of 20 rounds"),
        ("lamps_ms", "ms", "best of 20 rounds"),
        ("hostile_ms", "ms", "the slowest of all shapes"),
        ("hostile_mb", "MB", "the largest of all shapes, beside its own octets"),
    ]) {
        report(Row::at_most(what, *goal, figure(&text, name)?, unit, note));
    }
    Ok(())
}

/// What `account` measures, and the goals [ms, ms, ms, MB].
pub(crate) const ACCOUNT: [(&str, f64); 4] = [
    ("reading an Account XML of 20 kB", 5.0),
    ("reading an Account XML with 500 lamp keys", 20.0),
    ("refusing a hostile Account XML", 50.0),
    ("memory to refuse a hostile Account XML", 2.0),
];

/// What an example prints; it stands beside this program.
fn example(name: &str, package: &str) -> Result<String, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name("examples").join(name);
    let output = Command::new(&path).stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        skip(&format!("{}: {error}; cargo build --release -p {package} --examples makes it", path.display()))
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn figure(text: &str, name: &str) -> Result<f64, String> {
    let figure = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    figure.ok_or_else(|| format!("the example says no {name}"))
}

/// Shares of a core [%].
#[derive(Debug, Clone, Copy)]
struct Use {
    all: f64,
    /// Of it, PulseAudio's client library in threads of its own: there are none on a card without a sound server.
    client: f64,
    /// The sound server beside it.
    server: f64,
}

impl Use {
    fn described(self) -> String {
        let [all, client, server] = [self.all, self.client, self.server].map(round);
        if self.server > 0.0 {
            format!(
                "{all} % of a core, {client} % of it in threads of PulseAudio's client (the server beside it: {server} %)"
            )
        } else {
            format!("{all} % of a core")
        }
    }
}

/// Through ALSA on the virtual card.
pub(crate) fn processor(case: &Case) -> Outcome {
    let card = VirtualCard::start(case, "cpu-card")?;
    let mut subject = Subject::start(case, "cpu", Sound::Card(&card, "offhook_loop"))?;
    wait::pass(1500);
    let idle = over(IDLE, subject.phone.process.id(), card.server(), || {})?;
    let ours = of_offhook(&mut subject, card.server())?;
    drop(subject);
    drop(card);
    let mut theirs = Vec::new();
    for (name, tuning) in [("cpu-shipped", Tuning::AsShipped), ("cpu-lowest", Tuning::Lowest)] {
        let card = VirtualCard::start(case, &format!("{name}-card"))?;
        let baresip = Baresip::start(case, name, &card, "offhook_loop", tuning)?;
        theirs.push(of_baresip(&baresip, card.server())?);
    }
    let [shipped, lowest] = theirs[..] else { return Err("two measurements of baresip".into()) };
    report(Row::besides("CPU of the phone in a G.711 call through ALSA", &ours.described()));
    report(Row::besides("CPU of the phone at rest, sound device open", &idle.described()));
    report(Row::besides("CPU of baresip as shipped, the same call", &shipped.described()));
    report(Row::besides("CPU of baresip at its lowest tuning, the same call", &lowest.described()));
    let own = |it: Use| it.all - it.client;
    let note = format!(
        "as shipped; {} next to its lowest tuning, {} without the client's threads of both",
        round(ours.all / lowest.all),
        round(own(ours) / own(shipped))
    );
    report(Row::at_most(RATIO, 1.0, ours.all / shipped.all, "", &note));
    Ok(())
}

/// Without any sound server: both speak from a file and listen into nothing.
pub(crate) fn processor_on_a_file(case: &Case) -> Outcome {
    let input = case.path("speech.wav");
    write_noise(&input, 8_000, 1)?;
    let mut subject = Subject::start(case, "cpu-file", Sound::From(&input))?;
    wait::pass(500);
    let ours = of_offhook(&mut subject, None)?;
    drop(subject);
    let baresip = Baresip::on_a_file(case, "cpu-file-theirs", &input, &[])?;
    let theirs = of_baresip(&baresip, None)?;
    report(Row::besides("CPU of the phone in a G.711 call, sound from a file", &ours.described()));
    report(Row::besides("CPU of baresip as shipped, the same call", &theirs.described()));
    report(Row::at_most(RATIO_ON_A_FILE, 1.0, ours.all / theirs.all, "", ""));
    Ok(())
}

/// A minute of sound that is never the same, at this rate [Hz], on so many channels alike.
pub(crate) fn write_noise(path: &Path, sample_rate: u32, channels: u16) -> Outcome {
    let text = |error: hound::Error| format!("{}: {error}", path.display());
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels, sample_rate, bits_per_sample: 16, sample_format };
    let mut file = hound::WavWriter::create(path, spec).map_err(text)?;
    let mut seed = 1_u32;
    for _ in 0..60 * spec.sample_rate {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        for _ in 0..channels {
            file.write_sample((seed >> 16) as i16 / 8).map_err(text)?;
        }
    }
    file.finalize().map_err(text)
}

fn of_offhook(subject: &mut Subject, server: Option<u32>) -> Outcome<Use> {
    let mut dialog = subject.call()?;
    let voice = Voice::start(&subject.peer.rtp, dialog.media)?;
    wait::pass(1000);
    let used = over(CALL, subject.phone.process.id(), server, || voice.burst(0))?;
    still_talks(&voice, Codec::Pcmu)?;
    drop(voice);
    subject.end(&mut dialog)?;
    Ok(used)
}

fn of_baresip(baresip: &Baresip, server: Option<u32>) -> Outcome<Use> {
    let mut peer = Peer::new().map_err(|error| format!("no socket: {error}"))?;
    let mut dialog = baresip.call(&mut peer)?;
    let voice = Voice::start(&peer.rtp, dialog.media)?;
    wait::pass(1000);
    let used = over(CALL, baresip.process.id(), server, || voice.burst(0))?;
    still_talks(&voice, Codec::Pcmu)?;
    drop(voice);
    peer.bye(&mut dialog)?;
    Ok(used)
}

/// Who sends nothing is cheap.
pub(crate) fn still_talks(voice: &Voice, codec: Codec) -> Outcome {
    let sound = |packet: &Packet| packet.payload_type == codec.payload_type();
    let packets = voice.heard.try_iter().filter(sound).count() as f64;
    let expected = CALL.as_secs_f64() * 50.0;
    wait::ensure(packets > expected * 0.95, || format!("only {packets} packets of sound came, not {expected}"))
}

/// Lets time pass and measures; `often` is called ten times a second.
fn over(length: Duration, process: u32, server: Option<u32>, often: impl Fn()) -> Outcome<Use> {
    let used = || (threads(process), server.map(threads).unwrap_or_default(), Instant::now());
    let before = used();
    let end = before.2 + length;
    while Instant::now() < end {
        often();
        wait::pass(100);
    }
    let after = used();
    let nanoseconds = after.2.duration_since(before.2).as_nanos() as f64;
    let sum = |threads: &[(String, f64)]| threads.iter().map(|(_, used)| used).sum::<f64>() / nanoseconds * 100.0;
    let client = |threads: &[(String, f64)]| {
        let of_client = threads.iter().filter(|(name, _)| name.starts_with("threaded-ml"));
        of_client.map(|(_, used)| used).sum::<f64>() / nanoseconds * 100.0
    };
    let all = sum(&after.0) - sum(&before.0);
    // Threads that are made and end within the time would be missed; neither phone has such in a call.
    wait::ensure(all > 0.0, || "the process has used no time: it is gone".into())?;
    Ok(Use { all, client: client(&after.0) - client(&before.0), server: sum(&after.1) - sum(&before.1) })
}

/// Every thread and its time on a processor so far [ns], as the scheduler counts it. (`utime` and `stime` are counted by
/// looking at every tick, which overlooks whoever wakes with the tick and sleeps before the next.)
fn threads(process: u32) -> Vec<(String, f64)> {
    let Ok(folder) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    folder
        .filter_map(|task| {
            let path = task.ok()?.path();
            let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            Some((name.trim().to_owned(), text.split_whitespace().next()?.parse().ok()?))
        })
        .collect()
}
