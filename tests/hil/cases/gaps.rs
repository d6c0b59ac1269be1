//! Calls that last, and every gap in their sound: where it was, and whose it was. A machine that stands still takes the sound of
//! its emulated board with it; the hand in the board and the rig beside it both notice when that happens, and a gap at another
//! moment is the telephone's. On a machine that is disturbed all the time this finds nothing; how much it was is told.

use super::office::{Office, SONG, WHISTLE, figure};
use super::quiet::is_long;
use crate::Entry;
use crate::boards::Kind;
use crate::case::{Case, Outcome};
use crate::hand::{MS, number};
use crate::hold_up::HoldUps;
use crate::wait;
use serde_json::Value;
use std::time::Duration;

/// Sound that is listened to in one piece [s].
const PIECE: u64 = 30;
/// Pieces of one call: another one begins every four minutes.
const CALL: usize = 8;
/// A hold-up explains a gap that begins so long after it: what was late lies in the jitter buffer and on the way [ns].
const LATE: i64 = 700 * MS;
/// A gap begins at most so long before the hold-up that it is part of, because of how exactly times are known [ns].
const EARLY: i64 = 100 * MS;
/// How long a gap of the telephone's own may be [ms].
const LONGEST: f64 = 200.0;

pub(super) fn cases() -> Vec<Entry> {
    let limit = Duration::from_secs(if is_long() { 2400 } else { 240 });
    vec![Entry {
        name: "sound_without_gaps",
        run: sound_without_gaps,
        boards: &Kind::ALL,
        needs: &[],
        alone: true,
        limit,
    }]
}

/// Gaps at one end.
#[derive(Default)]
struct Gaps {
    count: usize,
    /// [ms]
    longest: f64,
    /// when nothing stood still
    own: usize,
    /// [ms]
    own_longest: f64,
}

impl Gaps {
    /// A gap at `at` of the board's clock [ns] for so many milliseconds, in a piece with these hold-ups.
    fn add(&mut self, at: i64, ms: f64, held: &[(i64, i64)]) -> bool {
        let end = at + (ms * MS as f64) as i64;
        let explained = held.iter().any(|held| held.0 <= end + EARLY && held.1 >= at - LATE);
        self.count += 1;
        self.longest = self.longest.max(ms);
        if !explained {
            self.own += 1;
            self.own_longest = self.own_longest.max(ms);
        }
        explained
    }
}

impl std::fmt::Display for Gaps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.count {
            0 => f.write_str("no gap over 20 ms"),
            n => write!(
                f,
                "{n} gaps over 20 ms (longest {:.0} ms), {} of them when nothing stood still",
                self.longest, self.own
            ),
        }
    }
}

/// Calls of two minutes together (30 with OFFHOOK_HIL_LONG): gaps that can be heard at either end, and what it costs.
///
/// Covers: feat.52
fn sound_without_gaps(case: &Case, kind: Kind) -> Outcome {
    let pieces = if is_long() { 60 } else { 4 };
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    office.hand.speak(WHISTLE)?;
    let hold_ups = HoldUps::start();
    let (mut ear, mut peer) = (Gaps::default(), Gaps::default());
    let (mut cpu, mut rss, mut missed) = (0.0, 0.0, 0.0);
    // How often the machine stood still, and for how long at most [ms].
    let mut still = (0, 0.0_f64);
    let card = interruptions(&office.hand.health()?);
    for piece in 0..pieces {
        if piece % CALL == 0 {
            let user = ["101", "102"][piece / CALL % 2];
            if piece > 0 {
                office.hang_up(&mut bob)?;
                bob = office.peer(case, user, SONG)?;
            }
            office.call(&mut bob, user)?;
            office.both_hear(&bob)?;
            wait::pass(1000);
        }
        let first = bob.heard_so_far()?;
        let (clock, from) = (hold_ups.now(), office.hand.clock()?);
        let before = office.hand.ask("process offhookd")?;
        wait::pass(PIECE * 1000);
        let after = office.hand.ask("process offhookd")?;
        let until = office.hand.clock()?;
        let heard = office.hand.ask(&format!("ear from={from} until={until} hz={SONG}"))?;
        let there = bob.gaps(first)?;
        // Both clocks count the same time; the rig's is moved to where the board's is.
        let [mut held, stolen] = hold_ups
            .since(clock)
            .map(|times| times.iter().map(|t| (t.0 - clock + from, t.1 - clock + from)).collect::<Vec<_>>());
        let answer = office.hand.ask(&format!("held from={} until={until}", from - LATE))?;
        held.extend(pairs(&answer["held"]).map(|pair| (pair.0, pair.1 as i64)));
        still.0 += held.len();
        still.1 = held.iter().map(|held| (held.1 - held.0) as f64 / MS as f64).fold(still.1, f64::max);
        held.extend(stolen);
        let tell = |who: &str, at: i64, ms: f64, explained: bool| {
            let when = piece as f64 * PIECE as f64 + (at - from) as f64 / 1e9;
            let why = if explained { "the machine stood still" } else { "nothing stood still" };
            figure(kind, &format!("{when:.1} s into the calls: {ms:.0} ms of silence {who}, while {why}"));
        };
        for (at, ms) in pairs(&heard["gaps_at"]) {
            tell("in the ear", at, ms, ear.add(at, ms, &held));
        }
        for (at, length) in there {
            let (at, ms) = (from + (at * 1e9) as i64, length * 1000.0);
            tell("at the peer", at, ms, peer.add(at, ms, &held));
        }
        missed += number(&heard, "missing")?;
        let used = |value: &Value| Ok::<f64, String>(number(value, "utime_ms")? + number(value, "stime_ms")?);
        cpu += used(&after)? - used(&before)?;
        rss = number(&after, "rss_kib")?;
    }
    let card = interruptions(&office.hand.health()?).map(|now| now - card.unwrap_or_default());
    office.hang_up(&mut bob)?;
    let seconds = PIECE as f64 * pieces as f64;
    let processor = match kind {
        // User-Mode Linux charges a whole tick to whoever runs when it comes, and sound runs when it comes.
        Kind::Uml => "the processor's share cannot be told here".to_owned(),
        _ => format!("processor {:.1} %", cpu / seconds / 10.0),
    };
    figure(
        kind,
        &format!(
            "{seconds:.0} s of calls: in the ear {ear}; at the peer {peer}; {processor}, {:.1} MB resident",
            rss / 1024.0
        ),
    );
    let card = card.map_or("not known".to_owned(), |times| times.to_string());
    figure(
        kind,
        &format!(
            "the machine stood still {} times (longest {:.0} ms) and others had {:.1} % of its time; interruptions of the phone's \
             sound card: {card}, samples that the hand missed: {missed:.0}",
            still.0,
            still.1,
            hold_ups.stolen() * 100.0
        ),
    );
    // One in the first minutes and one in ten more: a machine is held up in ways that neither hand nor rig can see.
    let allowed = 1 + seconds as usize / 600;
    for (who, gaps) in [("in the ear", &ear), ("at the peer", &peer)] {
        wait::ensure(gaps.own <= allowed && gaps.own_longest <= LONGEST, || {
            format!(
                "{} gaps {who} in {seconds} s while nothing stood still, the longest {:.0} ms; {allowed} of {LONGEST} ms are allowed",
                gaps.own, gaps.own_longest
            )
        })?;
    }
    Ok(())
}

/// Over- and underruns of the phone's card since it started; `None`: it does not say.
fn interruptions(health: &Option<Value>) -> Option<u64> {
    health.as_ref()?["xruns"].as_u64()
}

/// A list of pairs as the hand writes it: a time [ns], and something.
fn pairs(list: &Value) -> impl Iterator<Item = (i64, f64)> {
    list.as_array().into_iter().flatten().filter_map(|pair| Some((pair[0].as_i64()?, pair[1].as_f64()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_the_telephones_unless_something_stood_still_just_before() {
        let held = [(10_000 * MS, 10_050 * MS)];
        let mut gaps = Gaps::default();
        assert!(gaps.add(10_060 * MS, 30.0, &held));
        assert!(gaps.add(10_700 * MS, 30.0, &held));
        assert!(gaps.add(9_900 * MS, 40.0, &held), "times are known to some milliseconds only");
        assert!(!gaps.add(10_800 * MS, 25.0, &held));
        assert!(!gaps.add(9_000 * MS, 50.0, &held));
        assert!(!Gaps::default().add(9_000 * MS, 50.0, &[]));
        assert_eq!((gaps.count, gaps.own, gaps.longest, gaps.own_longest), (5, 2, 50.0, 50.0));
    }
}
