//! A phone that nobody prepared, in an office whose DHCP server names the PBX.

use super::boot::wait_health;
use super::office::figure;
use crate::boards::{Board, Kind};
use crate::case::{Case, Outcome};
use crate::network::{self, Network};
use crate::{Entry, metal, pbxd, process, wait};
use std::time::{Duration, Instant};

const SIP: u16 = 5060;

pub(super) fn cases() -> Vec<Entry> {
    vec![Entry {
        name: "dhcp_names_the_pbx",
        run: dhcp_names_the_pbx,
        boards: &Kind::ALL,
        needs: &[],
        alone: false,
        limit: Duration::from_secs(150),
    }]
}

/// It starts with its own PBX, finds the office's by option 160, and comes back to that one after a restart, whatever DHCP says then.
///
/// Covers: feat.89
fn dhcp_names_the_pbx(case: &Case, kind: Kind) -> Outcome {
    if kind == Kind::Metal {
        return Err(metal::cannot("it is somebody's phone already"));
    }
    let network = Network::start()?;
    let pbx = pbxd::start_on(case, network::rig(), SIP)?;
    network.name_provisioning(pbx.url("100")?)?;
    let mut board = Board::new(case, kind, "board")?;
    let registered = |count: usize, hand: &mut crate::hand::Hand| {
        let log = &pbx.process.log;
        let found = wait::until(
            kind.patience() + 30,
            || Ok((process::read(log).matches("100 is registered").count() >= count).then_some(())),
            || format!("the office's PBX has not seen it {count} times"),
        );
        found.map_err(|why| {
            let said = hand.try_run(
                "cat /run/offhook-lease/*; ls /run/systemd/netif/leases; systemctl status offhook-lease.service --no-pager; \
                 journalctl -u offhookd -u offhook-lease -n 25 --no-pager -o cat",
                20,
            );
            format!("{why}; {}", said.map_or_else(|error| error, |said| said.1))
        })
    };
    let power = Instant::now();
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    registered(1, &mut hand)?;
    figure(
        kind,
        &format!(
            "with nothing prepared, registered where DHCP says {:.1} s after power",
            power.elapsed().as_secs_f64()
        ),
    );
    wait_health(&mut hand, kind, "registered")?;
    hand.run("sync", 20)?;
    board.cut_power();
    network.name_provisioning("http://10.0.2.3/{mac}.xml")?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    registered(2, &mut hand)
}
