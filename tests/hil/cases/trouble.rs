//! What goes wrong while somebody talks: the network, the daemon, a thread, the sound card.

use super::office::{DIAL_TONE, Office, SONG, WHISTLE, figure};
use crate::boards::Kind;
use crate::case::{Case, Outcome};
use crate::hand::{ms, number, time};
use crate::{Entry, wait};
use std::time::{Duration, Instant};

/// A phone that was killed is registered again within this [s]; an emulated arm64 board gets three times that.
const BACK_WITHIN: f64 = 3.0;

pub(super) fn cases() -> Vec<Entry> {
    let entry = |name, run, limit| Entry {
        name,
        run,
        boards: &Kind::ALL,
        needs: &[],
        alone: true,
        limit: Duration::from_secs(limit),
    };
    vec![
        entry("network_away_in_a_call", network_away_in_a_call, 90),
        entry("killed_in_a_call", killed_in_a_call, 90),
        entry("thread_freezes", thread_freezes, 120),
        entry("sound_card_away_in_a_call", sound_card_away_in_a_call, 90),
        entry("panel_away", panel_away, 90),
        // User-Mode Linux has no watchdog that lives outside its kernel.
        Entry { boards: &[Kind::QemuVirt], alone: false, ..entry("system_stands_still", system_stands_still, 120) },
    ]
}

/// The cable is out for 5 s: the call goes on, and so does the sound.
fn network_away_in_a_call(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    office.hand.speak(WHISTLE)?;
    office.call(&mut bob, "101")?;
    office.both_hear(&bob)?;
    office.network.unplug()?;
    wait::pass(5000);
    let away = bob.hears(WHISTLE);
    office.network.plug()?;
    let back = Instant::now();
    wait::ensure(away.is_err(), || "the cable was out and the peer heard on".to_owned())?;
    // The hand's own connection had to live through it, too.
    let mut hand = office.hand.another()?;
    let now = hand.clock()?;
    hand.hear(SONG, now, 10)?;
    figure(kind, &format!("network away for 5 s: sound is back {:.1} s after the plug", back.elapsed().as_secs_f64()));
    office.hand = hand;
    office.both_hear(&bob).map_err(|error| format!("after the network was away: {error}"))?;
    let now = office.hand.clock()?;
    office.hand.see("line1", "on", now, 5)?;
    office.hang_up(&mut bob)
}

/// `kill -9`: registered again within 3 s, and the handset that was put down and lifted has a dial tone.
fn killed_in_a_call(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    office.hand.speak(WHISTLE)?;
    office.call(&mut bob, "101")?;
    office.both_hear(&bob)?;
    let mut times = Vec::new();
    for _ in 0..3 {
        let before = office.registrations();
        office.hand.ask("process offhookd kill")?;
        let begin = Instant::now();
        office.wait_registrations(before + 1)?;
        times.push(begin.elapsed().as_secs_f64());
        wait::pass(1000);
    }
    let worst = times.iter().copied().fold(0.0, f64::max);
    figure(kind, &format!("kill -9 in a call to registered again: {times:.1?} s"));
    office.hand.put_down()?;
    wait::pass(500);
    let lifted = office.hand.lift()?;
    office.hand.hear(DIAL_TONE, lifted, 10)?;
    office.hand.put_down()?;
    let allowed = if kind == Kind::QemuVirt { 3.0 * BACK_WITHIN } else { BACK_WITHIN };
    wait::ensure(worst <= allowed, || format!("it took {worst:.1} s to be registered again, more than {allowed}"))
}

/// A thread that stands still is noticed, and the phone starts again by itself.
fn thread_freezes(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    for thread in ["media", "main"] {
        let (before, restarts) = (office.registrations(), office.restarts()?);
        let pid = office.hand.ask("process offhookd")?["pid"].clone();
        office.hand.ask(&format!("thread offhookd {thread} freeze"))?;
        let begin = Instant::now();
        office
            .hand
            .ask(&format!("process-wait offhookd not={pid} within=50000"))
            .map_err(|error| format!("{thread}: {error}"))?;
        let bitten = begin.elapsed().as_secs_f64();
        office.wait_registrations(before + 1)?;
        figure(
            kind,
            &format!(
                "thread {thread} frozen: restarted after {bitten:.1} s, registered after {:.1} s",
                begin.elapsed().as_secs_f64()
            ),
        );
        let now = office.restarts()?;
        wait::ensure(now > restarts, || format!("systemd counts {now} restarts, as before"))?;
        let lifted = office.hand.lift()?;
        office.hand.hear(DIAL_TONE, lifted, 10).map_err(|error| format!("after {thread} froze: {error}"))?;
        office.hand.put_down()?;
    }
    Ok(())
}

/// The sound card is pulled out in a call and put back: the call lives, and sound comes back in both directions.
fn sound_card_away_in_a_call(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    office.hand.speak(WHISTLE)?;
    office.call(&mut bob, "101")?;
    office.both_hear(&bob)?;
    let pid = office.hand.ask("process offhookd")?["pid"].clone();
    office.hand.ask("device sound remove")?;
    wait::pass(3000);
    let returned = time(&office.hand.ask("device sound return")?, "done")?;
    // Whoever speaks and hears has lost the card as well.
    let heard = office.hand.hear(SONG, returned, 20)?;
    figure(kind, &format!("sound card away for 3 s: sound is back {:.0} ms after the card", ms(returned, heard)));
    office.hand.speak(WHISTLE)?;
    office.both_hear(&bob).map_err(|error| format!("after the card was away: {error}"))?;
    let now = office.hand.ask("process offhookd")?["pid"].clone();
    wait::ensure(now == pid, || "the phone was restarted".to_owned())?;
    office.hang_up(&mut bob)
}

/// The GPIO chip goes and comes back, as a USB expander would: the hook works again.
fn panel_away(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let lifted = office.hand.lift()?;
    office.hand.hear(DIAL_TONE, lifted, 5)?;
    office.hand.put_down()?;
    office.hand.ask("device gpio remove")?;
    wait::pass(1000);
    let returned = time(&office.hand.ask("device gpio return")?, "done")?;
    // It may take a moment until the lines are taken again: the hand lifts until it hears something.
    let mut heard = Err(String::new());
    for _ in 0..15 {
        let answer = office.hand.ask("latency hook lift sound within=1000");
        office.hand.put_down()?;
        if let Ok(answer) = answer {
            heard = number(&answer, "first");
            break;
        }
        wait::pass(300);
        heard = answer.map(|_| 0.0);
    }
    let first = heard.map_err(|error| format!("after the GPIO chip was away: {error}"))?;
    figure(
        kind,
        &format!(
            "GPIO chip away for 1 s: a lift is heard {:.1} s after its return",
            ms(returned, first as i64) / 1000.0
        ),
    );
    Ok(())
}

/// The kernel itself stands still: nothing in the board can help any more, and the watchdog starts it again.
fn system_stands_still(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let watchdog = office.hand.run("cat /sys/class/watchdog/watchdog0/identity", 20)?;
    let timeout = office.hand.run("cat /sys/class/watchdog/watchdog0/timeout", 20)?;
    let (before, starts) = (office.registrations(), office.board.starts()?);
    // Without this a kernel that gave up might start again by itself.
    office.hand.run("echo 0 >/proc/sys/kernel/panic", 20)?;
    office.hand.ask("start sleep 1; echo c >/proc/sysrq-trigger")?;
    let begin = Instant::now();
    office.hand = office.board.wait_for_restart(starts).map_err(|error| format!("{}: {error}", watchdog.trim()))?;
    office.wait_registrations(before + 1)?;
    figure(
        kind,
        &format!(
            "kernel stands still: {} ({} s) starts it again, registered after {:.1} s",
            watchdog.trim(),
            timeout.trim(),
            begin.elapsed().as_secs_f64()
        ),
    );
    let lifted = office.hand.lift()?;
    office.hand.hear(DIAL_TONE, lifted, 10)?;
    office.hand.put_down().map(drop)
}
