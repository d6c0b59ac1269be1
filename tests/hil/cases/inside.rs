//! What only shows inside the board: the rights that the daemon has and has not, its test of itself, and the drivers' own
//! tests on this kernel.

use super::boot::wait_health;
use super::image::Looks;
use super::office::figure;
use crate::boards::{Board, Kind};
use crate::case::{Case, Outcome};
use crate::hand::{Hand, number};
use crate::network::{self, Network};
use crate::{Entry, case, metal, pbxd, wait};
use serde_json::Value;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The user `offhook` of the image.
const USER: &str = "800";
/// What `systemd-analyze security` calls more than this is a service with rights it does not need.
const EXPOSURE: f64 = 3.0;
/// Steps of the self-test that nobody has to be there for.
const ALONE: [&str; 4] = ["audio", "network", "provisioning", "registration"];

pub(super) fn cases() -> Vec<Entry> {
    let entry = |name, run, alone, limit| Entry {
        name,
        run,
        boards: &Kind::ALL,
        needs: &[],
        alone,
        limit: Duration::from_secs(limit),
    };
    vec![
        entry("least_privilege", least_privilege, false, 90),
        entry("tests_itself", tests_itself, false, 120),
        entry("drivers_on_this_kernel", drivers_on_this_kernel, true, 180),
    ]
}

/// A registered phone, provisioned from the boot partition.
fn phone(case: &Case, kind: Kind) -> Outcome<(Network, pbxd::Pbxd, Board, Hand)> {
    if kind == Kind::Metal {
        return Err(metal::cannot("its hand is not in it"));
    }
    let network = Network::start()?;
    let pbx = pbxd::start_on(case, network::rig(), 5060)?;
    let mut board = Board::new(case, kind, "board")?;
    board.owner_file("provision", pbx.url("100")?)?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    wait_health(&mut hand, kind, "registered")?;
    Ok((network, pbx, board, hand))
}

/// Covers: feat.117
fn least_privilege(case: &Case, kind: Kind) -> Outcome {
    let (_network, _pbx, _board, mut hand) = phone(case, kind)?;
    let pid = hand.ask("process offhookd")?["pid"].as_i64().ok_or("offhookd does not run")?;
    let mut looks = Looks::default();
    looks.at("its process", || process(&mut hand, pid, kind));
    looks.at("what it may write", || writable(&mut hand, pid));
    looks.at("the system", || {
        let mounts = hand.run("cat /proc/mounts", 10)?;
        let options = |place: &str| {
            let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some(place));
            line.ok_or_else(|| format!("nothing is mounted at {place}: {mounts}"))
        };
        let root = options("/")?;
        wait::ensure(root.contains(" squashfs ro"), || format!("the root is not read-only: {root}"))?;
        let data = options("/data")?;
        let safe = ["nosuid", "nodev", "noexec"].iter().all(|option| data.contains(option));
        wait::ensure(safe, || format!("programs or devices may be on /data: {data}"))?;
        let setuid = hand.run("find / -xdev -type f -perm /6000", 60)?;
        wait::ensure(setuid.is_empty(), || format!("programs that give rights away: {setuid}"))
    });
    looks.at("systemd-analyze security", || {
        let (_, out, err) = hand.try_run("systemd-analyze security --no-pager offhookd.service", 60)?;
        let last =
            out.lines().rev().find(|line| line.contains("exposure level")).ok_or_else(|| format!("{out}{err}"))?;
        let level = last.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        let level = level.ok_or_else(|| format!("no figure in {last:?}"))?;
        figure(kind, last.trim_start_matches(|c: char| !c.is_ascii_alphabetic()));
        wait::ensure(level <= EXPOSURE, || format!("{level} is more than {EXPOSURE}:\n{out}"))
    });
    looks.verdict()
}

/// User, capabilities, seccomp, locked memory, the media thread's priority (proc(5)).
fn process(hand: &mut Hand, pid: i64, kind: Kind) -> Outcome {
    let status = hand.run(&format!("cat /proc/{pid}/status"), 10)?;
    let value = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.map(str::trim).ok_or_else(|| format!("no {name} in {status:?}"))
    };
    let users: Vec<&str> = value("Uid")?.split_whitespace().collect();
    wait::ensure(users == [USER; 4], || format!("it runs as {users:?}"))?;
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let set = value(capabilities)?;
        wait::ensure(set.bytes().all(|digit| digit == b'0'), || format!("it has {capabilities} {set}"))?;
    }
    wait::ensure(value("NoNewPrivs")? == "1", || "it may get new rights".into())?;
    wait::ensure(value("Seccomp")? == "2", || format!("seccomp is {}", value("Seccomp").unwrap_or_default()))?;
    let kib = |name: &str| Ok::<u64, String>(value(name)?.trim_end_matches(" kB").trim().parse().unwrap_or_default());
    let (locked, resident) = (kib("VmLck")?, kib("VmRSS")?);
    wait::ensure(locked > 0, || "its memory is not locked".into())?;
    let limits = hand.run(&format!("cat /proc/{pid}/limits"), 10)?;
    let limit = |name: &str| limits.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    wait::ensure(limit("Max locked memory") == Some("unlimited"), || format!("it cannot lock its memory: {limits}"))?;
    wait::ensure(limit("Max realtime priority") == Some("40"), || format!("its real-time limit: {limits}"))?;
    // Fields 40 and 41: priority and policy; 1 is SCHED_FIFO. The name before them may hold anything.
    let threads = hand.run(&format!("cd /proc/{pid}/task && cat */stat"), 10)?;
    let real_time = threads.lines().filter_map(|line| {
        let (name, rest) = (line.split(['(', ')']).nth(1)?, line.rsplit(')').next()?);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        (fields.get(38) == Some(&"1")).then(|| format!("{name} {}", fields.get(37).unwrap_or(&"?")))
    });
    let real_time: Vec<String> = real_time.collect();
    figure(
        kind,
        &format!("offhookd: {locked} KiB of memory locked, {resident} KiB resident; real-time threads: {real_time:?}"),
    );
    wait::ensure(!real_time.is_empty(), || "no thread has a real-time priority".into())
}

/// Tried by root in the daemon's own view of the files: what is read-only there is so for everybody.
fn writable(hand: &mut Hand, pid: i64) -> Outcome {
    let folders = "/ /etc /usr /var /run /home /boot /data /data/etc /data/log /data/pbx /data/offhook /run/offhook /run/offhook-setup /tmp";
    let script = format!(
        "for f in {folders}; do p=/proc/{pid}/root$f/promise; if touch $p 2>/dev/null; then rm $p; echo $f; fi; done"
    );
    let found = hand.run(&script, 20)?;
    let found: Vec<&str> = found.lines().collect();
    wait::ensure(found == ["/data/offhook", "/run/offhook", "/tmp"], || format!("it may write in {found:?}"))?;
    let hidden =
        hand.run(&format!("for f in pbx etc log; do ls -A /proc/{pid}/root/data/$f 2>/dev/null; done; true"), 10)?;
    wait::ensure(hidden.trim().is_empty(), || format!("it sees what is not its own: {hidden:?}"))
}

/// The phone's own test for factory and support, with the service stopped: without a way from the receiver to the microphone it
/// says so, with one it measures it; afterwards the service finds its state as it left it.
///
/// Covers: feat.105, feat.111
fn tests_itself(case: &Case, kind: Kind) -> Outcome {
    let (_network, _pbx, _board, mut hand) = phone(case, kind)?;
    hand.run("systemctl stop offhookd", 30)?;
    let arguments = "--args-file /run/offhook-setup/offhookd.arguments --screen off --self-test --json";
    let (passed, deaf) = self_test(&mut hand, &format!("offhookd {arguments}"))?;
    let audio = step(&deaf, "audio")?;
    wait::ensure(!passed && audio["verdict"] == "failed", || {
        format!("nothing is in the ear, and the test says {audio}")
    })?;

    // The hand has the card's first place; another one, with a short wire from end to end.
    hand.run(
        "cp -r /usr/share/offhook/board /tmp/board && sed -i 's/DEV=0,SUBDEV=0/DEV=0,SUBDEV=2/' /tmp/board/board.toml && \
         grep -q SUBDEV=2 /tmp/board/board.toml && ln -sf /usr/bin/aplay /tmp/arecord && \
         grep -v -e --board /run/offhook-setup/offhookd.arguments >/tmp/arguments",
        20,
    )?;
    let format = "-q -D hw:Loopback,1,2 -t raw -f S16_LE -c 1 -r 16000 --period-size=160 --buffer-size=640";
    hand.ask(&format!("start while :; do /tmp/arecord {format} | aplay {format}; sleep 0.2; done"))?;
    let command = "offhookd --args-file /tmp/arguments --board /tmp/board --screen off --self-test --json";
    let (passed, report) = self_test(&mut hand, command)?;
    let audio = step(&report, "audio")?;
    let delay = number(&audio["figures"], "delay_ms").map_err(|_| format!("no delay was measured: {audio}"))?;
    let text = |value: &Value| value["text"].as_str().unwrap_or_default().to_owned();
    figure(
        kind,
        &format!(
            "self-test: without a way to the microphone {:?}; with one {:?}",
            text(step(&deaf, "audio")?),
            text(audio)
        ),
    );
    wait::ensure(delay > 0.0 && passed, || format!("the test did not pass: {report}"))?;

    hand.run("killall arecord aplay; systemctl start offhookd", 30)?;
    wait_health(&mut hand, kind, "registered").map(drop)
}

/// Runs it; did it pass, and its report, with a verdict for every part.
fn self_test(hand: &mut Hand, command: &str) -> Outcome<(bool, Value)> {
    let (status, out, err) = hand.try_run(command, 120)?;
    let report: Value = serde_json::from_str(&out).map_err(|error| format!("{command}: {error}: {out:?} {err}"))?;
    wait::ensure(out.trim_end().lines().count() == 1, || format!("more than one line: {out:?}"))?;
    wait::ensure(report["finished"] == true, || format!("it did not finish: {report}"))?;
    let steps = report["steps"].as_array().cloned().unwrap_or_default();
    for name in ["keys", "lamps", "hook"].iter().chain(&ALONE) {
        let verdict = step(&report, name)?["verdict"].as_str().unwrap_or_default().to_owned();
        let allowed: &[&str] = if ALONE.contains(name) { &["passed", "failed"] } else { &["skipped"] };
        wait::ensure(allowed.contains(&verdict.as_str()), || format!("{name} is {verdict:?}: {report}"))?;
    }
    let failed = steps.iter().any(|step| step["verdict"] == "failed");
    let passed = report["passed"] == true;
    wait::ensure(passed != failed && (status == Some(0)) == passed, || format!("status {status:?}, {report}"))?;
    Ok((passed, report))
}

fn step<'a>(report: &'a Value, name: &str) -> Outcome<&'a Value> {
    let steps = report["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().find(|step| step["name"] == name).ok_or_else(|| format!("no step {name} in {report}"))
}

/// `hal/linux/tests/emulated_panel.rs`, built for the board, in the board: simulated chips, input devices and LEDs, and a USB
/// handset that the kernel believes in.
fn drivers_on_this_kernel(case: &Case, kind: Kind) -> Outcome {
    if kind == Kind::Metal {
        return Err(metal::cannot("its kernel simulates nothing"));
    }
    let program = test_program(kind);
    if !program.is_file() {
        return Err(case::skip(&format!("no {}; tests/hil/run builds it", program.display())));
    }
    let _network = Network::start()?;
    let mut board = Board::new(case, kind, "board")?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    wait_health(&mut hand, kind, "healthy")?;
    // Nobody else looks at devices that come and go, nor takes the processor.
    hand.run("systemctl stop offhookd", 30)?;
    hand.run("for module in uhid hid-generic uleds; do modprobe -q $module; done; true", 30)?;
    fetch(&mut hand, &program, "/tmp/emulated_panel")?;
    let patience = if kind == Kind::QemuVirt { 240 } else { 120 };
    let run = "/tmp/emulated_panel --test-threads=1 --nocapture";
    let (status, out, err) = hand.try_run(run, patience)?;
    let said = format!("{out}\n{err}");
    let result = out.lines().find(|line| line.starts_with("test result:")).unwrap_or("no test ended");
    let count = |what: &str| {
        let before = result.split(&[' ', ';', '.']).collect::<Vec<_>>();
        before.windows(2).find(|pair| pair[1] == what).and_then(|pair| pair[0].parse::<usize>().ok()).unwrap_or(0)
    };
    let skipped: Vec<&str> = said.lines().filter_map(|line| line.split_once("skipped: ").map(|(_, why)| why)).collect();
    let passed = count("passed").saturating_sub(skipped.len());
    for line in out.lines().filter(|line| line.contains("beyond the") || line.contains("woken")) {
        figure(kind, line.trim_start_matches(|c: char| c != 'h' && c != 'w'));
    }
    figure(kind, &format!("tests of the drivers: {passed} passed, {} failed, skipped {skipped:?}", count("failed")));
    wait::ensure(status == Some(0) && count("failed") == 0 && passed > 0, || format!("status {status:?}: {said}"))?;
    let strange: Vec<&&str> =
        skipped.iter().filter(|why| !not_there(kind).iter().any(|known| why.contains(known))).collect();
    wait::ensure(strange.is_empty(), || format!("skipped, and nobody said why: {strange:?}"))
}

/// What a board's kernel does not have, so that its tests skip it.
fn not_there(kind: Kind) -> &'static [&'static str] {
    match kind {
        // Debian's kernel is built without CONFIG_LEDS_USER.
        Kind::QemuVirt => &["no /dev/uleds"],
        _ => &[],
    }
}

/// Where `tests/hil/run` puts it.
fn test_program(kind: Kind) -> PathBuf {
    let triple = if kind == Kind::QemuVirt { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/cross").join(triple).join("release/emulated_panel")
}

/// Brings a program into the board.
fn fetch(hand: &mut Hand, program: &Path, into: &str) -> Outcome {
    let octets = std::fs::read(program).map_err(|error| format!("{}: {error}", program.display()))?;
    let size = octets.len();
    let listener = TcpListener::bind((network::rig(), 0)).map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    std::thread::spawn(move || listener.accept().and_then(|(mut board, _)| board.write_all(&octets)));
    hand.run(&format!("nc {} {port} </dev/null >{into} && chmod 755 {into}", network::rig()), 60)?;
    let there = hand.run(&format!("stat -c %s {into}"), 10)?;
    wait::ensure(there.trim() == size.to_string(), || format!("{} of {size} octets arrived", there.trim()))
}
