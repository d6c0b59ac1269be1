//! Hardware in the loop: whole boards, booted from the image that is flashed, with the rig as hand, ear, network and PBX.
//!
//! `hil [--board uml|qemu-virt] [filter]...` runs the cases whose names contain a filter; `--list` names them, `--brief` takes on
//! qemu-virt only what its own parts are needed for, `--images <folder>` says where `image/build` put its work (default `target/image`).
//! `hil --target <ssh host> --hand <host>` runs them with a phone of metal, moved by the hand on that host. A case's name begins with its board: `uml/boots`. Each
//! has its own folder, its own network and a time limit; the folder of a failed case is kept, with the serial line and every
//! log in it. A case whose software or image is absent is skipped by name, never passed. `tests/hil/run` builds what is needed.
// A harness speaks to a person who reads a failure: it may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../interop/account.rs"]
mod account;
#[allow(dead_code)]
#[path = "../interop/baresip.rs"]
mod baresip;
#[allow(dead_code)]
#[path = "../interop/case.rs"]
mod case;
#[allow(dead_code)]
#[path = "../interop/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../interop/kamailio.rs"]
mod kamailio;
#[allow(dead_code)]
#[path = "../interop/offhook.rs"]
mod offhook;
#[allow(dead_code)]
#[path = "../interop/pbxd.rs"]
mod pbxd;
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

mod boards;
mod cases;
mod dhcp;
mod disk;
mod env;
mod hand;
mod hold_up;
mod machine;
mod mdns;
mod metal;
mod network;
mod ntp;
mod processor;
mod qemu;
mod side_by_side;
mod uml;

use boards::Kind;
use case::{Case, Outcome, Tool, Verdict};
use hold_up::HoldUps;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Boards of one processor that run side by side when nothing is measured. One that emulates several gets slower by more than its
/// share beside another: its processors wait for each other while this machine's are taken.
const WORKERS: usize = 2;

/// More failures than this are no matter of the moment, and are not tried again.
const AGAIN: usize = 3;

/// One entry of the suite; it runs once on each of its boards.
#[derive(Clone)]
struct Entry {
    name: &'static str,
    run: fn(&Case, Kind) -> Outcome,
    boards: &'static [Kind],
    needs: &'static [Tool],
    /// Measures sound or time, so nothing else may run beside it.
    alone: bool,
    /// How long it may take on a fast board; QEMU gets three times that.
    limit: Duration,
}

/// An entry on one board.
struct Run<'a> {
    entry: &'a Entry,
    kind: Kind,
    name: String,
}

struct Options {
    boards: Vec<Kind>,
    /// The phone of metal and the host of its hand.
    target: Option<String>,
    hand: Option<String>,
    list: bool,
    /// Leave out on the slow board what the fast one shows as well.
    brief: bool,
    /// Try once more what failed.
    again: bool,
    filters: Vec<String>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == reaper::ARGUMENT) {
        reaper::run();
        return ExitCode::SUCCESS;
    }
    let options = match parse(&args) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("hil: {why}");
            return ExitCode::from(2);
        }
    };
    let all = cases::all();
    let runs: Vec<Run> = runs(&all, &options);
    if options.list {
        runs.iter().for_each(|run| say(&run.name));
        return ExitCode::SUCCESS;
    }
    let ready = match (&options.target, &options.hand) {
        (Some(target), Some(hand)) => metal::choose(target, hand),
        (None, None) => privileges(&args),
        _ => Err("--target and --hand belong together".to_owned()),
    };
    if let Err(why) = ready {
        eprintln!("hil: {why}");
        return ExitCode::from(2);
    }
    reaper::start();
    let side_by_side = |run: &Run<'_>| !run.entry.alone && run.kind == Kind::Uml;
    let (mut together, alone): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(side_by_side);
    // The longest first, so that none is left over when the others are done.
    together.sort_by_key(|run| std::cmp::Reverse(run.entry.limit));
    let (count, trouble) = (Mutex::new([0_usize; 3]), Mutex::new(Vec::new()));
    for (runs, workers) in [(together, WORKERS), (alone, 1)] {
        let queue = Mutex::new(runs.into_iter());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let Some(run) = queue.lock().unwrap().next() else { return };
                        let at = report(&run, "");
                        count.lock().unwrap()[at] += 1;
                        if at == FAILED {
                            trouble.lock().unwrap().push(run);
                        }
                    }
                });
            }
        });
    }
    let ([mut passed, mut failed, skipped], trouble) = (count.into_inner().unwrap(), trouble.into_inner().unwrap());
    if options.again && trouble.len() <= AGAIN {
        for run in trouble {
            say(&format!("again, with nothing beside it: {}", run.name));
            if report(&run, "-again") == PASSED {
                say(&format!("{} failed once and passed once: see what it said the first time", run.name));
                (passed, failed) = (passed + 1, failed - 1);
            }
        }
    }
    say(&format!("hil: {passed} passed, {failed} failed, {skipped} skipped"));
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(args: &[String]) -> Outcome<Options> {
    let mut options = Options {
        boards: Kind::ALL.to_vec(),
        target: None,
        hand: None,
        list: false,
        brief: false,
        again: false,
        filters: Vec::new(),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--list" => options.list = true,
            "--brief" => options.brief = true,
            "--again" => options.again = true,
            "--board" => {
                let name = value()?;
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
                let names = Kind::ALL.map(Kind::name).join(", ");
                options.boards = vec![kind.ok_or_else(|| format!("--board {name}? there are {names}"))?];
            }
            "--target" => {
                options.target = Some(value()?.clone());
                options.boards = vec![Kind::Metal];
            }
            "--hand" => options.hand = Some(value()?.clone()),
            "--images" => {
                let folder = PathBuf::from(value()?);
                let _ = boards::IMAGES.set(folder);
            }
            _ if arg.starts_with('-') => {
                return Err(format!("{arg}? there are --list, --brief, --again, --board, --images, --target, --hand"));
            }
            filter => options.filters.push(filter.to_owned()),
        }
    }
    Ok(options)
}

fn runs<'a>(all: &'a [Entry], options: &Options) -> Vec<Run<'a>> {
    let each = options.boards.iter().flat_map(|&kind| {
        // Metal takes what the board takes that has everything a board of metal has.
        let like = if kind == Kind::Metal { Kind::QemuVirt } else { kind };
        let on = all.iter().filter(move |entry| entry.boards.contains(&like));
        let on = on.filter(move |entry| !options.brief || cases::is_brief(entry.name, kind));
        on.map(move |entry| Run { entry, kind, name: format!("{}/{}", kind.name(), entry.name) })
    });
    let filters = &options.filters;
    each.filter(|run| filters.is_empty() || filters.iter().any(|filter| run.name.contains(filter.as_str()))).collect()
}

/// Boards need networks of their own: root has the right to make them, everybody else is root in a namespace of users.
fn privileges(args: &[String]) -> Outcome {
    const MARK: &str = "OFFHOOK_HIL_NAMESPACE";
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if std::env::var_os(MARK).is_some() {
        return Err("no rights in a namespace of users; run as root".into());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let error = Command::new("unshare").args(["--map-root-user", "--net"]).arg(own).args(args).env(MARK, "1").exec();
    Err(format!("unshare: {error}; apt install util-linux, or run as root"))
}

/// One line for whoever watches; nobody watching is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// What [`report`] answers.
const PASSED: usize = 0;
const FAILED: usize = 1;
const SKIPPED: usize = 2;

/// Runs one case and says how it went. Its folder's name ends in `suffix`: a second try finds nothing of the first.
fn report(run: &Run, suffix: &str) -> usize {
    let (entry, kind, name) = (run.entry, run.kind, &run.name);
    let (begin, hold_ups) = (Instant::now(), HoldUps::start());
    let image = kind.image().join("disk.img");
    let verdict = if kind == Kind::Metal || image.is_file() {
        let limit = if kind == Kind::QemuVirt { entry.limit * 3 } else { entry.limit };
        let on_board = entry.run;
        case::run(&(name.replace('/', "-") + suffix), move |case| on_board(case, kind), entry.needs, limit)
    } else {
        Verdict::Skipped(format!("no {}; image/build {} makes it", image.display(), kind.name()))
    };
    let seconds = begin.elapsed().as_secs_f64();
    match verdict {
        Verdict::Passed => {
            say(&format!("ok {name} ({seconds:.1} s)"));
            PASSED
        }
        Verdict::Failed(why, folder) => {
            let (logs, machine) = (folder.display(), hold_ups.summary());
            say(&format!("FAILED {name}: {why}\n  after {seconds:.1} s; {machine}; logs: {logs}"));
            FAILED
        }
        Verdict::Skipped(why) => {
            say(&format!("skipped {name}: {why}"));
            if let Some(path) = std::env::var_os("OFFHOOK_SKIPPED") {
                let file = std::fs::File::options().create(true).append(true).open(path);
                let _ = file.and_then(|mut file| writeln!(file, "hil {name}: {why}"));
            }
            SKIPPED
        }
    }
}
