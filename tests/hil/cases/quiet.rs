//! What a phone does when nobody looks: writes to the card, provisioning that changes, forgetting.

use super::office::{Office, figure};
use crate::boards::{Board, Kind};
use crate::case::{Case, Outcome};
use crate::hand::{Hand, number};
use crate::network::{self, Network};
use crate::{Entry, account, http, pbxd, wait};
use std::time::Duration;

/// With this in the environment, the long measures take as long as they would by hand: 30 minutes of calls, one hour idle.
const LONG: &str = "OFFHOOK_HIL_LONG";

pub(super) fn cases() -> Vec<Entry> {
    let entry = |name, run, limit| Entry {
        name,
        run,
        boards: &Kind::ALL,
        needs: &[],
        alone: false,
        limit: Duration::from_secs(limit),
    };
    // A short run must not be allowed to take two hours.
    let idle = if is_long() { 4200 } else { 240 };
    vec![
        entry("idle_writes_nothing", idle_writes_nothing, idle),
        entry("provisioning_over_http", provisioning_over_http, 120),
        entry("factory_reset", factory_reset, 120),
    ]
}

pub(super) fn is_long() -> bool {
    std::env::var_os(LONG).is_some()
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
