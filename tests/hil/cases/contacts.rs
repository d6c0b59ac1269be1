//! Contacts as they are: bouncing, stuck, two at once, a hook that flutters.

use super::office::{DIAL_TONE, OTHER_SONG, Office, SONG, figure};
use crate::Entry;
use crate::boards::Kind;
use crate::case::{Case, Outcome, skip};
use crate::hand::{MS, ms};
use crate::wait;
use std::time::Duration;

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
        // Bounces of half a millisecond want a hand that nothing holds up.
        Entry { alone: true, ..entry("bouncing_contacts", bouncing_contacts, 150) },
        // A relay hand does not know how the keys of its phone are wired.
        Entry { boards: &[Kind::Uml, Kind::QemuVirt], ..entry("ghost_key", ghost_key, 90) },
        Entry { boards: &[Kind::Uml], ..entry("stuck_key", stuck_key, 150) },
    ]
}

/// Every contact bounces, and still each counts once; a hook that never rests is no lift; two keys at once are two digits.
fn bouncing_contacts(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    // 5 ms of bounce with every change. A digit that counted twice would be another number, and nobody would ring.
    office.hand.ask("bounce hook edges=11 us=5000 end=lift")?;
    let now = office.hand.clock()?;
    office.hand.hear(DIAL_TONE, now, 5)?;
    for key in ["1", "0", "1", "#"] {
        for way in ["down", "up"] {
            office.hand.ask(&format!("bounce {key} edges=9 us=5000 end={way}"))?;
            office.hand.ask("wait 120")?;
        }
    }
    bob.phone.wait_line("ring on").map_err(|error| format!("bouncing keys: {error}"))?;
    office.hand.ask("bounce hook edges=11 us=5000 end=cradle")?;
    bob.phone.wait_line("ring off").map_err(|error| format!("bouncing hook: {error}"))?;
    wait::pass(500);

    // Two keys at once: the second goes down before the first is up. Then the rest of the number.
    office.hand.lift()?;
    let now = office.hand.clock()?;
    office.hand.hear(DIAL_TONE, now, 5)?;
    office.keys(&["1 down", "0 down", "1 0 up"])?;
    office.hand.dial("1#")?;
    bob.phone.wait_line("ring on").map_err(|error| format!("two keys at once: {error}"))?;
    office.hand.put_down()?;
    bob.phone.wait_line("ring off")?;
    wait::pass(500);
    flutter(&mut office, kind)
}

/// The hook changes every 10 ms for half a second, faster than any hook settles, and then lies still: that is no lift, three
/// times of three. Not faster, because the simulated chip of User-Mode Linux tells of its edges only with the kernel's tick of
/// 10 ms, and shows the level of that moment. Where edges and ticks nearly meet, one tick sees none and the next two, which the
/// phone cannot tell from a hook at rest. That is chance, so there one silent time is enough and only six lifts are a failure.
fn flutter(office: &mut Office, kind: Kind) -> Outcome {
    let (wanted, allowed) = if kind == Kind::Uml { (1, 5) } else { (3, 0) };
    let (mut silent, mut taken) = (0, 0);
    for _ in 0..12 {
        let before = office.hand.clock()?;
        office.hand.hear_silence(before, 10)?;
        let begin = office.hand.clock()?;
        let answer = office.hand.ask("bounce hook edges=51 us=500000 end=cradle")?;
        let ear = office.hand.ask(&format!("ear from={begin}"))?;
        let now = office.hand.clock()?;
        office.hand.hear_silence(now, 10)?;
        // A hand on a busy host stands still itself; what it then did was a lift.
        if answer["widest_us"].as_i64().is_none_or(|widest| widest >= 18_000) {
            continue;
        }
        if ear["db"].as_f64().unwrap_or(0.0) < -60.0 {
            silent += 1;
        } else {
            taken += 1;
        }
        wait::ensure(taken <= allowed, || format!("{taken} times a fluttering hook was taken for a lift: {ear}"))?;
        if silent == wanted {
            figure(kind, &format!("a fluttering hook: {silent} times no lift, {taken} times one"));
            return Ok(());
        }
    }
    Err(skip("this machine is too busy to move a hook every 10 ms; everything else of this case passed"))
}

/// Three keys in the corners of a rectangle of the matrix close the fourth. Neither it nor the third key, which could as well be
/// the ghost, is taken; as soon as the others are up, there is no doubt and the third key counts.
fn ghost_key(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    let mut carol = office.peer(case, "102", OTHER_SONG)?;
    // 1 and 0 are opposite corners, 2 is the third, * the fourth. On a keypad with diodes, or if a ghost were a digit, these
    // would not be the numbers 101 and 102.
    let lifted = office.hand.lift()?;
    office.hand.hear(DIAL_TONE, lifted, 5)?;
    let first = office.hand.ask("key 1 down")?["at"].as_i64().unwrap_or(lifted);
    let silent = office.hand.hear_silence(first, 5)?;
    figure(kind, &format!("first digit of the matrix to the end of the dial tone {:.0} ms", ms(first, silent)));
    office.keys(&["0 down", "2 down", "2 up", "1 0 up"])?;
    office.hand.dial("1#")?;
    bob.phone.wait_line("ring on").map_err(|error| format!("two corners and a doubtful third: {error}"))?;
    office.hand.put_down()?;
    bob.phone.wait_line("ring off")?;
    wait::pass(500);

    let lifted = office.hand.lift()?;
    office.hand.hear(DIAL_TONE, lifted, 5)?;
    office.keys(&["1 down", "0 down", "2 down", "1 0 up", "2 up"])?;
    office.hand.dial("#")?;
    carol.phone.wait_line("ring on").map_err(|error| format!("the third key alone: {error}"))?;
    office.hand.put_down()?;
    carol.phone.wait_line("ring off").map(drop)
}

impl Office {
    /// Moves keys one after the other, slowly enough for any settling time.
    fn keys(&mut self, moves: &[&str]) -> Outcome {
        for keys in moves {
            self.hand.ask(&format!("keys {keys}"))?;
            self.hand.ask("wait 150")?;
        }
        Ok(())
    }
}

/// A key that hangs is let go after a minute, the others work on, and it works again once it is free.
fn stuck_key(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    let down = office.hand.ask("key 5 down")?["at"].as_i64().unwrap_or(0);
    wait::until(
        80,
        || {
            let now = office.hand.clock()?;
            Ok((now - down > 63_000 * MS).then_some(()))
        },
        || "a minute takes longer than that".to_owned(),
    )?;
    let lifted = office.hand.lift()?;
    office.hand.hear(DIAL_TONE, lifted, 5).map_err(|error| format!("a key is stuck: {error}"))?;
    office.hand.dial("101#")?;
    bob.phone.wait_line("ring on").map_err(|error| format!("a key is stuck, the others are pressed: {error}"))?;
    office.hand.put_down()?;
    bob.phone.wait_line("ring off")?;
    let said = office.hand.run("journalctl -u offhookd --no-pager -o cat", 20)?;
    wait::ensure(said.to_lowercase().contains("stuck"), || format!("the log does not tell of the stuck key: {said}"))?;
    office.hand.ask("key 5 up")?;
    wait::pass(200);
    // Free again it is a key: a number with a 5 in it is nobody's.
    let lifted = office.hand.lift()?;
    office.hand.hear(DIAL_TONE, lifted, 5)?;
    let pressed = office.hand.press("5")?;
    office.hand.hear_silence(pressed, 3).map_err(|error| format!("the key is free and does nothing: {error}"))?;
    office.hand.put_down().map(drop)
}
