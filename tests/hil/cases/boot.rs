//! From power to a phone that is registered.

use crate::boards::{Board, Kind};
use crate::case::{Case, Outcome};
use crate::network::{self, Network};
use crate::{Entry, pbxd, wait};
use std::time::{Duration, Instant};

pub(super) fn cases() -> Vec<Entry> {
    vec![Entry {
        name: "boots_and_registers",
        run: boots_and_registers,
        boards: &Kind::ALL,
        needs: &[],
        alone: true,
        limit: Duration::from_secs(120),
    }]
}

fn boots_and_registers(case: &Case, kind: Kind) -> Outcome {
    let _network = Network::start()?;
    let pbx = pbxd::start_on(case, network::rig(), 5060)?;
    let mut board = Board::new(case, kind, "board")?;
    board.owner_file("provision", pbx.url("100")?)?;
    let power = Instant::now();
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    let answered = power.elapsed();
    let health = wait::until(
        kind.patience(),
        || {
            let answer = hand.ask("run cat /run/offhook/health.json")?;
            let health: serde_json::Value =
                serde_json::from_str(answer["out"].as_str().unwrap_or_default()).unwrap_or_default();
            Ok((health["registered"] == true).then_some(health))
        },
        || "offhookd is not registered".into(),
    )?;
    crate::say(&format!(
        "  power to hand {:.1} s, to registered {:.1} s; {health}",
        answered.as_secs_f64(),
        power.elapsed().as_secs_f64()
    ));
    wait::ensure(board.starts()? == 1, || "it started more than once".into())
}
