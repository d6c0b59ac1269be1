//! The power goes at any moment, a hundred times, while the phone provisions itself and while an update is written: the state
//! is whole afterwards, and there is always a slot that starts.

use super::office::figure;
use super::update::Bundles;
use crate::boards::{Board, Kind};
use crate::case::{Case, Outcome};
use crate::network::{self, Network};
use crate::side_by_side::side_by_side;
use crate::{Entry, account, http, pbxd, wait};
use std::time::{Duration, Instant};

/// Boards at once, and cuts for each.
const BOARDS: usize = 4;
const CUTS: u64 = 25;

pub(super) fn cases() -> Vec<Entry> {
    vec![Entry {
        name: "hundred_power_cuts",
        run: hundred_power_cuts,
        boards: &[Kind::Uml],
        needs: &[],
        alone: true,
        limit: Duration::from_secs(1200),
    }]
}

fn hundred_power_cuts(case: &Case, kind: Kind) -> Outcome {
    let bundles = Bundles::make(kind)?;
    let update = bundles.newer()?;
    // Another moment in every run; a failure names the seed.
    let seed = std::env::var("OFFHOOK_HIL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| since.as_secs())
    });
    let begin = Instant::now();
    let ends = side_by_side(2, BOARDS, |number| {
        let seed = seed + number as u64;
        one_board(case, kind, number, seed, &update).map_err(|error| format!("OFFHOOK_HIL_SEED={seed}: {error}"))
    })?;
    let cuts = CUTS as usize * BOARDS;
    let switched = ends.iter().filter(|end| end.as_str() == "B").count();
    figure(
        kind,
        &format!(
            "{cuts} power cuts in {:.0} s: every start had a slot, every state was whole; {switched} of {BOARDS} boards ended in slot B",
            begin.elapsed().as_secs_f64()
        ),
    );
    Ok(())
}

/// A generator that gives the same moments for the same seed (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// One board through its cuts; the slot that it ends in.
fn one_board(case: &Case, kind: Kind, number: usize, seed: u64, update: &[u8]) -> Outcome<String> {
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let _network = Network::start()?;
    let pbx = pbxd::start_named(case, &format!("pbx{number}"), network::rig(), 5060)?;
    let documents = ["100", "102"]
        .into_iter()
        .map(|user| {
            let (password, host) = (pbx.password(user)?, pbx.sip.to_string());
            Ok(account::document(&[
                ("title", user),
                ("username", user),
                ("password", &password),
                ("host", &host),
                ("transport", "udp"),
                ("extProvInterval", "1"),
            ]))
        })
        .collect::<Outcome<Vec<String>>>()?;
    let server = http::serve_on(network::rig(), documents[0].clone())?;
    let updates = http::serve_on(network::rig(), update)?;
    let mut board = Board::new(case, kind, &format!("board{number}"))?;
    board.owner_file("provision", server.url("phone.xml"))?;
    for cut in 0..CUTS {
        board.power_on(case)?;
        let power = Instant::now();
        let fail = |error: String| format!("cut {cut}: {error}");
        if chance.below(4) == 0 {
            // Anywhere, from the boot loader on.
            let at = Duration::from_millis(chance.below(6000));
            std::thread::sleep(at);
        } else {
            let mut hand = board.wait_for_hand().map_err(fail)?;
            if chance.below(2) == 0 {
                hand.ask(&format!("start offhook-update {}", updates.url("update.raucb"))).map_err(fail)?;
            }
            // Meanwhile the account changes, and changes back.
            let until = Instant::now() + Duration::from_millis(chance.below(5000));
            while Instant::now() < until {
                server.give(200, documents[chance.below(2) as usize].clone());
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        board.cut_power();
        // Whatever was being written: the boot loader can read its sector, and one slot has tries left or gets them back.
        board.env().map_err(|error| {
            format!("cut {cut}, {:.1} s after the power came: {error}", power.elapsed().as_secs_f64())
        })?;
    }
    // With no server at all it must come up, with an account that is whole.
    server.give(500, "");
    let count = || crate::process::read(&pbx.process.log).matches(" is registered").count();
    let before = count();
    board.power_on(case)?;
    let mut hand = board.wait_for_hand().map_err(|error| format!("after the last cut: {error}"))?;
    wait::until(
        kind.patience(),
        || Ok((count() > before).then_some(())),
        || "after the last cut nobody registers".to_owned(),
    )?;
    let trouble = hand.run(
        "journalctl -b --no-pager -o cat | grep -iE 'corrupt|ext4-fs error|squashfs error|i/o error' || true",
        20,
    )?;
    wait::ensure(trouble.trim().is_empty(), || format!("after the last cut: {trouble}"))?;
    let slot = hand.run("sed -n 's/.*rauc.slot=\\([AB]\\).*/\\1/p' /proc/cmdline", 20)?;
    board.cut_power();
    Ok(slot.trim().to_owned())
}
