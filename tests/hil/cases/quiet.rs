//! What a phone does when nobody looks: writes to the card, interruptions of sound, provisioning that changes.

use super::office::{Office, SONG, WHISTLE, figure};
use crate::boards::{Board, Kind};
use crate::case::{Case, Outcome};
use crate::hand::{Hand, number};
use crate::network::{self, Network};
use crate::{Entry, account, http, pbxd, wait};
use serde_json::Value;
use std::time::Duration;

/// With this in the environment, the long measures take as long as they would by hand: 30 minutes of calls, one hour idle.
const LONG: &str = "OFFHOOK_HIL_LONG";

pub(super) fn cases() -> Vec<Entry> {
    let entry = |name, run, limit| Entry {
        name,
        run,
        boards: &Kind::ALL,
        needs: &[],
        alone: true,
        limit: Duration::from_secs(limit),
    };
    // A short run must not be allowed to take two hours.
    let (calls, idle) = if is_long() { (2400, 4200) } else { (240, 240) };
    vec![
        entry("sound_without_gaps", sound_without_gaps, calls),
        Entry { alone: false, ..entry("idle_writes_nothing", idle_writes_nothing, idle) },
        Entry { alone: false, ..entry("provisioning_over_http", provisioning_over_http, 120) },
        Entry { alone: false, ..entry("factory_reset", factory_reset, 120) },
    ]
}

fn is_long() -> bool {
    std::env::var_os(LONG).is_some()
}

/// A call of two minutes (30 with OFFHOOK_HIL_LONG): gaps that can be heard at either end, and what it costs.
///
/// Covers: feat.52
fn sound_without_gaps(case: &Case, kind: Kind) -> Outcome {
    let pieces = if is_long() { 60 } else { 4 };
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    office.hand.speak(WHISTLE)?;
    let (mut here, mut longest_here, mut there, mut longest_there, mut missing) = (0.0, 0.0_f64, 0, 0.0_f64, 0.0);
    let (mut cpu, mut rss) = (0.0, 0.0);
    for piece in 0..pieces {
        // Another call every four minutes.
        if piece % 8 == 0 {
            if piece > 0 {
                office.hang_up(&mut bob)?;
                bob = office.peer(case, ["101", "102"][piece / 8 % 2], SONG)?;
            }
            office.call(&mut bob, ["101", "102"][piece / 8 % 2])?;
            office.both_hear(&bob)?;
            wait::pass(1000);
        }
        let (from, at) = (office.hand.clock()?, bob.heard()?.0.len());
        let before = office.hand.ask("process offhookd")?;
        wait::pass(30_000);
        let after = office.hand.ask("process offhookd")?;
        let until = office.hand.clock()?;
        let ear = office.hand.ask(&format!("ear from={from} until={until} hz={SONG}"))?;
        here += number(&ear, "gaps")?;
        missing += number(&ear, "missing")?;
        longest_here = longest_here.max(number(&ear, "gap_ms")?);
        let (longest, count) = bob.gaps(at)?;
        there += count;
        longest_there = longest_there.max(longest);
        let used = |value: &Value| Ok::<f64, String>(number(value, "utime_ms")? + number(value, "stime_ms")?);
        cpu += used(&after)? - used(&before)?;
        rss = number(&after, "rss_kib")?;
    }
    office.hang_up(&mut bob)?;
    let seconds = 30.0 * pieces as f64;
    figure(
        kind,
        &format!(
            "{seconds:.0} s of calls: {here:.0} gaps over 20 ms in the ear (longest {longest_here:.0} ms, {missing:.0} samples missed by the \
             hand), {there} at the peer (longest {longest_there:.0} ms); processor {:.1} %, {:.1} MB resident",
            cpu / seconds / 10.0,
            rss / 1024.0
        ),
    );
    // An emulator on a busy host stands still now and then; speech stays intelligible with one such gap in ten seconds.
    let allowed = seconds / 10.0;
    wait::ensure(here <= allowed && f64::from(there as u32) <= allowed, || {
        format!("{here} gaps in the ear and {there} at the peer in {seconds} s, more than {allowed}")
    })
}

/// Nothing happens for two minutes (an hour with OFFHOOK_HIL_LONG): the card is left alone.
fn idle_writes_nothing(case: &Case, kind: Kind) -> Outcome {
    let seconds: u64 = if is_long() { 3600 } else { 120 };
    let mut office = Office::open(case, kind)?;
    let disk = match kind {
        Kind::Uml => "ubda",
        _ => "vda",
    };
    // What the start has still to write: marks of the slot, the filesystem's own end of its growth.
    wait::pass(30_000);
    office.hand.run("sync", 30)?;
    wait::pass(6000);
    let writes = |hand: &mut Hand| number(&hand.ask("disks")?[disk], "writes");
    // One write of the phone is several requests to the card: data, folder, journal. Those of 15 s belong together.
    let (mut requests, mut occasions, mut quiet) = (0.0, 0, 15);
    let mut before = writes(&mut office.hand)?;
    for _ in 0..seconds / 5 {
        wait::pass(5000);
        let now = writes(&mut office.hand)?;
        if now > before {
            occasions += usize::from(quiet >= 15);
            requests += now - before;
            quiet = 0;
        } else {
            quiet += 5;
        }
        before = now;
    }
    figure(kind, &format!("{occasions} writes to the card in {seconds} s of idling ({requests:.0} requests)"));
    // The hourly one, so that what an hour costs is known after two minutes.
    office.hand.run("logger -t test something new; systemctl start offhook-log-hourly", 60)?;
    wait::pass(15_000);
    let hourly = writes(&mut office.hand)? - before;
    figure(kind, &format!("the hourly log is {hourly:.0} requests to the card"));
    wait::ensure(hourly <= 16.0, || format!("the hourly log is {hourly} requests to the card"))?;
    // That one may fall into any two minutes.
    wait::ensure(occasions <= 1, || {
        format!("the idle phone wrote {occasions} times in {seconds} s ({requests} requests)")
    })
}

/// A document over HTTP, a change of it, a bad one, and a server that is gone: the phone keeps what was good, also over a
/// power cut.
fn provisioning_over_http(case: &Case, kind: Kind) -> Outcome {
    let _network = Network::start()?;
    let pbx = pbxd::start_on(case, network::rig(), 5060)?;
    let document = |user: &str| -> Outcome<String> {
        let (password, host) = (pbx.password(user)?, pbx.sip.to_string());
        Ok(account::document(&[
            ("title", user),
            ("username", user),
            ("password", &password),
            ("host", &host),
            ("transport", "udp"),
            ("extProvInterval", "4"),
        ]))
    };
    let server = http::serve_on(network::rig(), document("100")?)?;
    let mut board = Board::new(case, kind, "board")?;
    board.owner_file("provision", server.url("phone.xml"))?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    let log = pbx.process.log.clone();
    let registered = |user: &str| crate::process::read(&log).matches(&format!("{user} is registered")).count();
    let wait_registered = |user: &str, count: usize| {
        let fine = || Ok((registered(user) >= count).then_some(()));
        wait::until(kind.patience(), fine, || format!("{user} is not registered"))
    };
    wait_registered("100", 1)?;
    // Another user, while nobody talks: at the next fetch.
    server.give(200, document("102")?);
    wait_registered("102", 1)?;
    // Nonsense changes nothing: neither half a document nor one that is none.
    let before = registered("100");
    for nonsense in [document("100")?.split_at(200).0, "<html>please log in</html>"] {
        server.give(200, nonsense);
        wait::pass(5000);
        let health = hand.health()?.unwrap_or_default();
        wait::ensure(health["registered"] == true, || format!("a bad document cost the registration: {health}"))?;
    }
    wait::ensure(registered("100") == before, || "half a document was believed".to_owned())?;
    // The server is gone, and then the power: the phone starts with what it has.
    server.give(500, "");
    board.cut_power();
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    wait_registered("102", 2)?;
    let health = hand.health()?.unwrap_or_default();
    figure(kind, &format!("provisioning: changed, refused, kept over a power cut; {health}"));
    Ok(())
}

/// `*`, `0` and `#` held for ten seconds with the handset down: everything is forgotten but what the owner put on the boot
/// partition; for nine seconds nothing is.
fn factory_reset(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    office.hand.run("touch /data/offhook/marker /data/log/marker", 10)?;
    let starts = office.board.starts()?;
    let hold = |hand: &mut Hand, ms: u64| {
        hand.ask("keys * 0 # down")?;
        wait::pass(ms);
        hand.ask("keys * 0 # up").map(drop)
    };
    hold(&mut office.hand, 8500)?;
    wait::pass(2500);
    office.hand.run("test -e /data/offhook/marker", 10).map_err(|_| "nine seconds were enough to forget".to_owned())?;
    let before = office.registrations();
    // The board goes down while the keys are held; nobody answers then.
    office.hand.ask("keys * 0 # down")?;
    office.hand = office.board.wait_for_restart(starts).map_err(|error| format!("the keys were held: {error}"))?;
    office.wait_registrations(before + 1)?;
    let left = office.hand.run("ls /data/offhook /data/log", 10)?;
    wait::ensure(!left.contains("marker"), || format!("the reset left something: {left}"))
}
