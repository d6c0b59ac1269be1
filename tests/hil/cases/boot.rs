//! From power to a phone that is registered, and what a board does when the power goes, when it restarts, and when it is
//! switched off.

use crate::boards::{Board, Kind};
use crate::case::{Case, Outcome};
use crate::hand::Hand;
use crate::network::{self, Network};
use crate::pbxd::Pbxd;
use crate::{Entry, metal, pbxd, wait};
use std::time::{Duration, Instant};

/// Attempts that a slot has when its system is content.
const ATTEMPTS: u32 = 3;

pub(super) fn cases() -> Vec<Entry> {
    let entry = |name, run: fn(&Case, Kind) -> Outcome| Entry {
        name,
        run,
        boards: &Kind::ALL,
        needs: &[],
        alone: true,
        limit: Duration::from_secs(180),
    };
    vec![
        entry("boots_and_registers", boots_and_registers),
        Entry { alone: false, ..entry("starts_again", starts_again) },
    ]
}

/// Covers: feat.133
fn boots_and_registers(case: &Case, kind: Kind) -> Outcome {
    let (_network, _pbx, mut board) = provisioned(case, kind)?;
    let power = Instant::now();
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    let answered = power.elapsed();
    let health = wait_health(&mut hand, kind, "registered")?;
    let registered = power.elapsed();
    // What a card would have to read meanwhile.
    let disks = hand.ask("disks")?;
    let read: f64 = ["ubda", "vda"].iter().filter_map(|disk| disks[*disk]["read_kib"].as_f64()).sum();
    crate::say(&format!(
        "  {}: power to hand {:.1} s, to registered {:.1} s ({} s of the kernel's clock, {:.0} MiB read by it)",
        kind.name(),
        answered.as_secs_f64(),
        registered.as_secs_f64(),
        health["since"],
        read / 1024.0
    ));
    wait::ensure(kind == Kind::Metal || board.starts()? == 1, || "it started more than once".into())
}

/// A power cut, a restart and a switch-off; after each the same slot starts, and nothing is left of its attempts but what
/// the system gives back when it is content.
fn starts_again(case: &Case, kind: Kind) -> Outcome {
    if kind == Kind::Metal {
        return Err(metal::cannot("nobody is there to cut its power"));
    }
    let (_network, _pbx, mut board) = provisioned(case, kind)?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    let slot = content(&board, &mut hand, kind)?;

    board.cut_power();
    wait::ensure(Hand::connect(board.address()).is_err(), || "the hand answers without power".into())?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    let same = content(&board, &mut hand, kind)?;
    wait::ensure(same == slot, || format!("slot {same} after a power cut in slot {slot}"))?;

    let starts = board.starts()?;
    hand.ask("reboot")?;
    let mut hand = board.wait_for_restart(starts)?;
    let same = content(&board, &mut hand, kind)?;
    wait::ensure(same == slot, || format!("slot {same} after a restart in slot {slot}"))?;
    wait::ensure(board.starts()? == 3, || format!("{:?} starts, 3 were expected", board.starts()))?;

    hand.ask("start systemctl poweroff")?;
    board.wait_off(60)?;
    // Orderly: the data partition needs no repair.
    let data = board.disk()?.partition("data")?;
    let state = board.disk()?.read(data.start + 1024 + 0x60, 4)?;
    wait::ensure(state[0] & 4 == 0, || "the data partition was not unmounted: its journal is to be replayed".into())
}

/// A board that will be provisioned by a PBX in its network.
fn provisioned(case: &Case, kind: Kind) -> Outcome<(Network, Pbxd, Board)> {
    let network = Network::start()?;
    let pbx = pbxd::start_on(case, network::rig(), 5060)?;
    let board = Board::new(case, kind, "board")?;
    board.owner_file("provision", pbx.url("100")?)?;
    Ok((network, pbx, board))
}

/// Waits until the system is content with itself, and its slot has its attempts back; which slot that is.
fn content(board: &Board, hand: &mut Hand, kind: Kind) -> Outcome<String> {
    wait_health(hand, kind, "healthy")?;
    let command = hand.ask("run cat /proc/cmdline")?;
    let command = command["out"].as_str().unwrap_or_default();
    let slot = command.split_whitespace().find_map(|word| word.strip_prefix("rauc.slot="));
    let slot = slot.ok_or_else(|| format!("no rauc.slot= in {command:?}"))?.to_owned();
    wait::until(
        kind.patience(),
        // The board may write it at this very moment.
        || Ok(board.env().ok().filter(|env| env.left(&slot) == ATTEMPTS).map(drop)),
        || format!("slot {slot} does not get its attempts back: {:?}", board.env()),
    )?;
    Ok(slot)
}

/// Waits until the phone says so of itself.
pub(super) fn wait_health(hand: &mut Hand, kind: Kind, what: &str) -> Outcome<serde_json::Value> {
    let said = std::cell::RefCell::new(String::new());
    wait::until(
        kind.patience(),
        || {
            let answer = hand.ask("run cat /run/offhook/health.json")?;
            let text = answer["out"].as_str().unwrap_or_default();
            said.replace(text.to_owned());
            let health: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
            if health[what] == true {
                return Ok(Some(health));
            }
            wait::pass(100);
            Ok(None)
        },
        || format!("offhookd is not {what}: {}", said.borrow().trim()),
    )
}
