//! What the image promises to the owner of a phone that was just flashed: a card that is used whole, a name, nobody who gets in
//! uninvited, the right time before certificates are looked at, and a log that is there when it is needed.

use super::boot::wait_health;
use super::office::figure;
use crate::boards::{Board, HAND_PORT, Kind};
use crate::case::{self, Case, Outcome};
use crate::disk::{SECTOR, output};
use crate::hand::{Hand, MS};
use crate::network::{self, BOARD, Network};
use crate::{Entry, mdns, metal, wait};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// A name without an owner's: the end of the network card's address (`network::MAC`).
const OWN_NAME: &str = "offhook-0ff001";
/// How much larger the card is than the image [octets].
const LARGER: u64 = 512 << 20;
/// What is lost to a second partition table and to round numbers, at most [octets].
const ROUND: u64 = 4 << 20;
/// The ring of messages on the card, at most [KiB]: four files of 256, and their folder.
const RING: u64 = 4 * 256 + 8;

pub(super) fn cases() -> Vec<Entry> {
    let entry = |name, run, limit| Entry {
        name,
        run,
        boards: &Kind::ALL,
        needs: &[],
        alone: false,
        limit: Duration::from_secs(limit),
    };
    vec![
        entry("first_start", first_start, 120),
        entry("ssh_by_key_only", ssh_by_key_only, 90),
        entry("time_before_certificates", time_before_certificates, 180),
        entry("log_is_kept_and_bounded", log_is_kept_and_bounded, 120),
    ]
}

/// Several things to look at in one start: the first that is wrong does not hide the others.
#[derive(Debug, Default)]
pub(super) struct Looks(Vec<String>);

impl Looks {
    pub(super) fn at(&mut self, what: &str, look: impl FnOnce() -> Outcome) {
        if let Err(why) = look() {
            self.0.push(format!("{what}: {why}"));
        }
    }

    pub(super) fn verdict(self) -> Outcome {
        if self.0.is_empty() { Ok(()) } else { Err(self.0.join("\n  ")) }
    }
}

/// A board that is flashed onto a larger card and switched on, with nothing prepared; then with a name that its owner gave it.
///
/// Covers: feat.114
fn first_start(case: &Case, kind: Kind) -> Outcome {
    if kind == Kind::Metal {
        return Err(metal::cannot("it has started before"));
    }
    let network = Network::start()?;
    let mut board = Board::new(case, kind, "board")?;
    let card = enlarge(&board)?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    wait_health(&mut hand, kind, "healthy")?;
    let mut looks = Looks::default();
    looks.at("the data partition", || {
        let (partition, files) = data(&mut hand)?;
        figure(
            kind,
            &format!(
                "card of {} MiB: {} MiB for data, {} MiB in its file system",
                mib(card),
                mib(partition),
                mib(files)
            ),
        );
        wait::ensure(files >= partition - ROUND, || format!("{partition} octets, its file system only {files}"))
    });
    looks.at("no way in", || nobody_gets_in(&mut hand));
    looks.at("/etc/offhook-release", || release(&mut hand, kind));
    looks.at("the name", || named(OWN_NAME, Some(BOARD)));
    hand.ask("start systemctl poweroff")?;
    board.wait_off(60)?;

    looks.at("the data partition", || {
        let data = board.disk()?.partition("data")?;
        let unused = card.saturating_sub(data.start + data.size);
        wait::ensure(unused <= ROUND, || format!("{unused} octets of the card are in no partition"))
    });
    let before = board.disk()?.partition("data")?;
    let said = board.serial_log().len();
    board.owner_file("hostname", "# for the front door\r\n Front_Desk \r\n")?;
    board.owner_file("time-servers", "# the office's own\r\n10.0.2.7\r\nntp.office.example;rm\r\n")?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    wait_health(&mut hand, kind, "healthy")?;
    looks.at("the second start", || {
        let log = hand.run("dmesg", 20)?;
        let grew = |text: &str| text.contains("growing the data partition") || text.contains("resizing filesystem");
        let serial = board.serial_log();
        wait::ensure(!grew(&log) && !grew(serial.get(said..).unwrap_or_default()), || {
            "it grows the partition again".into()
        })
    });
    looks.at("the owner's name", || {
        let name = hand.run("hostname; cat /etc/hostname", 10)?;
        wait::ensure(name == "front-desk\nfront-desk\n", || format!("the board calls itself {name:?}"))?;
        named("front-desk", Some(BOARD))?;
        named(OWN_NAME, None)
    });
    looks.at("the owner's time servers", || {
        let told =
            hand.run("cat /run/systemd/timesyncd.conf.d/owner.conf; systemctl is-active systemd-timesyncd", 20)?;
        let wanted = "[Time]\nNTP=10.0.2.7 ntp.office.examplerm \nFallbackNTP=\nactive\n";
        wait::ensure(told == wanted, || format!("the board was told {told:?}"))
    });
    looks.at("the data partition", || {
        board.cut_power();
        let after = board.disk()?.partition("data")?;
        wait::ensure(after == before, || format!("it was {before:?} and is {after:?} after the second start"))
    });
    drop(network);
    looks.verdict()
}

fn mib(octets: u64) -> u64 {
    octets >> 20
}

/// Puts the image on a larger card; its size [octets].
fn enlarge(board: &Board) -> Outcome<u64> {
    let path = board.disk()?.path();
    let text = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = std::fs::File::options().write(true).open(path).map_err(text)?;
    let size = file.metadata().map_err(text)?.len() + LARGER;
    file.set_len(size).map_err(text)?;
    Ok(size)
}

/// Sizes of the data partition and of the file system in it [octets].
fn data(hand: &mut Hand) -> Outcome<(u64, u64)> {
    // The file system counts its blocks at 4, their size at 24 (Documentation/filesystems/ext4/super.rst).
    let script = "d=$(readlink -f /dev/disk/by-partlabel/data); cat /sys/class/block/${d#/dev/}/size; \
                  sync; od -An -tu4 -j1028 -N4 $d; od -An -tu4 -j1048 -N4 $d; grep ' /data ' /proc/mounts";
    let text = hand.run(script, 30)?;
    let number = |line: usize| text.lines().nth(line).and_then(|line| line.trim().parse::<u64>().ok());
    let (Some(sectors), Some(blocks), Some(log)) = (number(0), number(1), number(2)) else {
        return Err(format!("cannot tell the sizes: {text:?}"));
    };
    wait::ensure(text.contains(" ext4 "), || format!("/data is no file system of the card: {text:?}"))?;
    Ok((sectors * SECTOR, blocks * (1024 << log)))
}

/// No ssh, nobody with a password, and nothing that listens but the phone, and the test's hand.
fn nobody_gets_in(hand: &mut Hand) -> Outcome {
    wait::ensure(!listens(22), || "somebody answers on port 22, and nobody put a key on the boot partition".into())?;
    let shadow = hand.ask("read /etc/shadow")?;
    let shadow = shadow["text"].as_str().unwrap_or_default();
    wait::ensure(shadow.lines().count() > 3, || format!("/etc/shadow is {shadow:?}"))?;
    for line in shadow.lines() {
        let password = line.split(':').nth(1).unwrap_or_default();
        wait::ensure(password.starts_with(['!', '*']), || format!("an account with a password: {line:?}"))?;
    }
    let sockets = hand.run("cat /proc/net/tcp; cat /proc/net/tcp6 2>/dev/null || true", 10)?;
    let open: Vec<(bool, u16)> = sockets.lines().filter_map(listener).collect();
    let known = [HAND_PORT, 5060, 5061];
    let strange: Vec<u16> =
        open.iter().filter(|(local, port)| !local && !known.contains(port)).map(|open| open.1).collect();
    wait::ensure(open.iter().any(|open| open.1 == HAND_PORT), || format!("the hand's port is not in {sockets:?}"))?;
    wait::ensure(strange.is_empty(), || format!("the network reaches TCP ports {strange:?}"))
}

fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((BOARD, port)), Duration::from_secs(2)).is_ok()
}

/// Of a line of /proc/net/tcp or tcp6: does this machine only reach it, and at which port; nothing if it does not listen.
fn listener(line: &str) -> Option<(bool, u16)> {
    let mut words = line.split_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    let local = address.ends_with("00007F") || address == "00000000000000000000000001000000";
    let listening = words.nth(1)? == "0A";
    listening.then_some(())?;
    Some((local, u16::from_str_radix(port, 16).ok()?))
}

/// What it is, for people and for support; and the list of what is in it.
fn release(hand: &mut Hand, kind: Kind) -> Outcome {
    let text = hand.run("cat /etc/offhook-release", 10)?;
    let value = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.filter(|value| !value.is_empty()).ok_or_else(|| format!("no {name} in {text:?}"))
    };
    wait::ensure(value("NAME")? == "Offhook" && value("BOARD")? == kind.name(), || {
        format!("it is for another board: {text:?}")
    })?;
    value("COMPATIBLE")?;
    let health = hand.health()?.unwrap_or_default();
    let daemon = health["version"].as_str().ok_or_else(|| format!("the phone tells no version: {health}"))?;
    wait::ensure(value("VERSION")?.starts_with(daemon), || format!("offhookd is {daemon}, the image {text:?}"))?;
    let build = value("BUILD")?;
    wait::ensure(build.len() >= 7, || format!("BUILD={build} is no commit"))?;
    let path = value("SBOM")?.to_owned();
    let sbom = hand.ask(&format!("read {path}"))?;
    let sbom: serde_json::Value =
        serde_json::from_str(sbom["text"].as_str().unwrap_or_default()).map_err(|error| format!("{path}: {error}"))?;
    let packages = sbom["packages"].as_array().ok_or_else(|| format!("{path} lists no packages"))?;
    let listed = |name: &str| packages.iter().any(|package| package["name"] == name);
    // Ours, what it is linked with, and what lies beside it.
    for name in ["offhookd", "offhook-sip", "rustls", "alsa", "systemd", "rauc"] {
        wait::ensure(listed(name), || format!("{path} has {} packages and no {name}", packages.len()))?;
    }
    figure(kind, &format!("version {} of {build}; {} packages in its SBOM", value("VERSION")?, packages.len()));
    Ok(())
}

/// Who answers to `<host>.local`?
fn named(host: &str, expected: Option<Ipv4Addr>) -> Outcome {
    let IpAddr::V4(rig) = network::rig() else { return Err("no IPv4 here".into()) };
    let within = Duration::from_secs(if expected.is_some() { 20 } else { 3 });
    let found = mdns::resolve(host, rig, within)?;
    wait::ensure(found == expected, || format!("{host}.local is {found:?}, {expected:?} was expected"))
}

/// With a key on the boot partition, and then for this key only.
fn ssh_by_key_only(case: &Case, kind: Kind) -> Outcome {
    if kind == Kind::Metal {
        return Err(metal::cannot("its owner's key is on it, and this case would put another there"));
    }
    for tool in ["ssh", "ssh-keygen"] {
        case::find(tool).ok_or_else(|| case::skip(&format!("no {tool} here; apt install openssh-client")))?;
    }
    for key in ["owner", "stranger"] {
        let mut keygen = Command::new("ssh-keygen");
        output(keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(case.path(key)))?;
    }
    let _network = Network::start()?;
    let mut board = Board::new(case, kind, "board")?;
    board.owner_copy("authorized_keys", &case.path("owner.pub"))?;
    board.power_on(case)?;
    board.wait_for_hand()?;
    let ssh = |key: &str, options: &[&str], command: &str| -> Outcome<(bool, String)> {
        let mut ssh = Command::new("ssh");
        // Nothing of this machine's own: no configuration, no agent, no known hosts.
        ssh.args(["-F", "none", "-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no"]);
        ssh.args([
            "-o",
            "IdentityAgent=none",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "ConnectTimeout=5",
            "-o",
            "LogLevel=ERROR",
        ]);
        ssh.args(options).arg("-i").arg(case.path(key)).arg(format!("root@{BOARD}")).arg(command);
        // Without a terminal, and without a program that could ask a person.
        ssh.env_remove("SSH_ASKPASS").env_remove("DISPLAY").stdin(Stdio::null());
        let ran = ssh.output().map_err(|error| format!("ssh: {error}"))?;
        let said = [ran.stdout, ran.stderr].concat();
        Ok((ran.status.success(), String::from_utf8_lossy(&said).trim().to_owned()))
    };
    wait::until(kind.patience(), || Ok(listens(22).then_some(())), || "nobody answers on port 22".into())?;
    let batch = ["-o", "BatchMode=yes"];
    // The first connection waits for keys to be made.
    let (came, said) = ssh("owner", &batch, "id -un; cat /etc/offhook-release")?;
    wait::ensure(came && said.starts_with("root\nNAME=Offhook"), || format!("the owner's key: {said:?}"))?;
    let (came, said) = ssh("stranger", &batch, "true")?;
    wait::ensure(!came && said.contains("Permission denied"), || format!("a stranger's key: {said:?}"))?;
    // What is in brackets is what the server would accept instead.
    let passwords = ["-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive"];
    let (came, said) = ssh("owner", &passwords, "true")?;
    wait::ensure(!came && said.contains("Permission denied (publickey)"), || format!("a password: {said:?}"))
}

/// Settings over https are not fetched with a date that the network has not confirmed; without a time server the phone does
/// not wait for ever, and without a network not at all.
fn time_before_certificates(case: &Case, kind: Kind) -> Outcome {
    if kind == Kind::Metal {
        return Err(metal::cannot("the time of its network is not ours to tell"));
    }
    let network = Network::start()?;
    // Tomorrow: nobody but our server can have told it. The answer is late, as over a bad line.
    network.time.set_ahead(Duration::from_secs(86_400));
    network.time.set_slow(Duration::from_secs(6));
    let listener = TcpListener::bind((network::rig(), 0)).map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let (came, visits) = mpsc::channel();
    // Whoever comes is sent away: what counts is how often the time had been told when he came.
    let teller = Arc::clone(&network.time);
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).all(|_| came.send(teller.told()).is_ok()));
    let visit = |seconds: u64| {
        let came = visits.recv_timeout(Duration::from_secs(seconds));
        came.map_err(|_| format!("nothing was fetched over https within {seconds} s"))
    };

    let mut board = Board::new(case, kind, "board")?;
    board.owner_file("provision", format!("https://{}:{port}/phone.xml\n", network::rig()))?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    let told = visit(kind.patience())?;
    wait::ensure(told > 0, || "settings were fetched over https before the network had told the time".into())?;
    let answer = hand.ask("clock")?;
    let real = answer["real"].as_i64().ok_or_else(|| format!("the hand's clock: {answer}"))?;
    let off = real / MS - network.time.now().as_millis() as i64;
    figure(kind, &format!("settings over https after the time had come; the clock is {off} ms off"));
    wait::ensure(off.abs() < 2000, || format!("the board's clock is {off} ms off the time server's"))?;

    board.cut_power();
    network.time.set_silent(true);
    network.unplug()?;
    board.power_on(case)?;
    // As long as a start takes; nobody can ask meanwhile.
    wait::pass(kind.patience() * 1000 / 3);
    while visits.try_recv().is_ok() {}
    network.plug()?;
    let plugged = Instant::now();
    let mut hand = board.wait_for_hand()?;
    let (now, since) = (hand.clock()?, plugged.elapsed());
    let ready = hand.run("systemctl show -p ActiveEnterTimestampMonotonic --value offhookd", 20)?;
    let ready: i64 = ready.trim().parse().map_err(|_| format!("offhookd has been active since {ready:?}"))?;
    let plug = now / 1000 - since.as_micros() as i64;
    wait::ensure(ready > 0 && ready < plug, || {
        format!("without a network the phone was ready {} ms after the cable came", (ready - plug) / 1000)
    })?;
    visit(60).map_err(|why| format!("without a time server {why}"))?;
    figure(
        kind,
        &format!(
            "without network the phone is ready {:.1} s after the kernel's start; without time server it fetches {:.1} s after the cable",
            ready as f64 / 1e6,
            plugged.elapsed().as_secs_f64()
        ),
    );
    Ok(())
}

/// Messages are in memory; what was said before a restart is on the card, and no flood fills either.
fn log_is_kept_and_bounded(case: &Case, kind: Kind) -> Outcome {
    if kind == Kind::Metal {
        return Err(metal::cannot("this case would fill its owner's log"));
    }
    let _network = Network::start()?;
    let mut board = Board::new(case, kind, "board")?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    wait_health(&mut hand, kind, "healthy")?;
    let volatile =
        "test -d /run/log/journal && test ! -e /var/log/journal && grep -qE '^[^ ]+ /run tmpfs ' /proc/mounts";
    hand.run(volatile, 10).map_err(|why| format!("the journal is not in memory: {why}"))?;
    hand.run("echo the-lamp-was-green | systemd-cat -t promise", 20)?;
    let starts = board.starts()?;
    hand.ask("reboot")?;
    let mut hand = board.wait_for_restart(starts)?;
    wait_health(&mut hand, kind, "healthy")?;
    hand.run("grep -q the-lamp-was-green /data/log/messages", 10)
        .map_err(|_| "what was said before the restart is not in /data/log/messages".to_owned())?;
    let journal = hand.run("journalctl --no-pager -o cat -t promise", 20)?;
    wait::ensure(!journal.contains("the-lamp-was-green"), || {
        "the journal outlived the restart: it is not in memory".into()
    })?;
    // Six hours of somebody who never stops talking.
    let line = "x".repeat(400);
    for hour in 0..6 {
        hand.run(&format!("yes 'hour {hour} {line}' | head -n 1500 | systemd-cat -t flood"), 60)?;
        wait::pass(300);
        hand.run("systemctl reset-failed offhook-log-hourly; systemctl start offhook-log-hourly", 60)?;
    }
    let text = hand.run("du -sk /data/log | cut -f1; du -sk /run/log/journal | cut -f1; ls -l /data/log", 20)?;
    let kib = |line: usize| text.lines().nth(line).and_then(|line| line.trim().parse::<u64>().ok());
    let (Some(ring), Some(memory)) = (kib(0), kib(1)) else { return Err(format!("no sizes in {text:?}")) };
    figure(kind, &format!("six floods of 600 KiB: {ring} KiB on the card, {memory} KiB of journal in memory"));
    // Less than two files means that the flood never arrived.
    wait::ensure(ring > 512, || format!("the flood did not reach the card: {text}"))?;
    wait::ensure(ring <= RING, || format!("the ring on the card has {ring} KiB: {text}"))?;
    wait::ensure(memory <= 9 << 10, || format!("the journal has {memory} KiB in memory"))?;
    hand.run("grep -q 'hour 5 ' /data/log/messages", 10).map_err(|_| "the last hour is not in the ring".to_owned())?;
    Ok(())
}
