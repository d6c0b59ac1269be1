//! What a lamp does, told from its changes. The patterns are the telephone's (`on`, `slow`, …), seen from outside:
//! nothing here knows how the telephone makes them.

/// A change: when [ns], and whether it is lit since.
pub(crate) type Edge = (i64, bool);

const MS: i64 = 1_000_000;
/// Without a change for so long a lamp is steady: longer than any phase of a pattern [ns].
pub(crate) const STEADY: i64 = 2_200 * MS;

/// Name, time lit and time dark [ms].
const BLINKING: [(&str, i64, i64); 4] =
    [("slow", 1000, 1000), ("fast", 250, 250), ("flutter", 100, 100), ("wink", 1900, 100)];

/// What was seen.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    /// a pattern's name, or `other`
    pub(crate) pattern: &'static str,
    /// mean time lit and dark of the whole phases seen [ns]; 0 if there was none
    pub(crate) lit: i64,
    pub(crate) dark: i64,
}

/// What a lamp did from `from` to `until`, if it was `before` lit at `from` and changed as `edges` (within that time, in order) say.
pub(crate) fn recognise(before: bool, edges: &[Edge], from: i64, until: i64) -> Seen {
    let phases: Vec<(bool, i64)> = edges.windows(2).map(|pair| (pair[0].1, pair[1].0 - pair[0].0)).collect();
    let mean = |lit: bool| {
        let lengths: Vec<i64> = phases.iter().filter(|phase| phase.0 == lit).map(|phase| phase.1).collect();
        lengths.iter().sum::<i64>().checked_div(lengths.len() as i64).unwrap_or(0)
    };
    let (lit, dark) = (mean(true), mean(false));
    let seen = |pattern| Seen { pattern, lit, dark };
    let (last, state) = edges.last().copied().unwrap_or((from, before));
    if until - last >= STEADY || (edges.is_empty() && until > from) {
        return seen(if state { "on" } else { "off" });
    }
    // One phase lit and one dark, all of them alike, and the one that has begun not longer than it may be.
    let fits = |&(_, on, off): &(&str, i64, i64)| {
        let wanted = |lit: bool| if lit { on * MS } else { off * MS };
        let near = |lit: bool, length: i64| (length - wanted(lit)).abs() <= slack(wanted(lit));
        let both = phases.iter().any(|phase| phase.0) && phases.iter().any(|phase| !phase.0);
        both && phases.iter().all(|&(lit, length)| near(lit, length))
            && until - last <= wanted(state) + slack(wanted(state))
    };
    seen(BLINKING.iter().find(|pattern| fits(pattern)).map_or("other", |pattern| pattern.0))
}

/// When the pattern that is there at `until` began: the earliest edge after `from` from which on `recognise` says the same.
pub(crate) fn since(before: bool, edges: &[Edge], from: i64, until: i64, pattern: &str) -> Option<i64> {
    if recognise(before, edges, from, until).pattern == pattern {
        return Some(if matches!(pattern, "on" | "off") {
            edges.last().map_or(from, |edge| edge.0)
        } else {
            edges.first().map_or(from, |edge| edge.0)
        });
    }
    edges.iter().enumerate().find_map(|(at, &(time, lit))| {
        // From this edge on; the edge itself stays in the list, so that the first phase counts.
        let rest = &edges[at..];
        (recognise(!lit, rest, time, until).pattern == pattern).then_some(if matches!(pattern, "on" | "off") {
            rest.last().map_or(time, |edge| edge.0)
        } else {
            time
        })
    })
}

/// How far a phase may be from its length: a sampled lamp on a busy emulator is late by some ticks, and 100 and 250 ms must
/// still be told apart [ns].
fn slack(length: i64) -> i64 {
    (length / 4).max(45 * MS)
}

/// How long it takes at most until a pattern is certain [ms].
pub(crate) fn certain_after(pattern: &str) -> Option<i64> {
    match pattern {
        "on" | "off" => Some(STEADY / MS),
        other => BLINKING.iter().find(|known| known.0 == other).map(|&(_, on, off)| 2 * (on + off)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Edges of a lamp that blinks from `begin`, each late by up to `late` ms.
    fn blink(begin: i64, on: i64, off: i64, until: i64, late: i64) -> Vec<Edge> {
        let (mut edges, mut at, mut lit) = (Vec::new(), begin, true);
        while at < until {
            edges.push(((at + (at * 7 % (late + 1))) * MS, lit));
            at += if lit { on } else { off };
            lit = !lit;
        }
        edges
    }

    #[test]
    fn every_pattern_is_recognised_after_two_cycles_also_when_it_is_seen_late() {
        for (name, on, off) in BLINKING {
            for late in [0, 5, 20] {
                for begin in [0, 3, 170] {
                    let until = begin + certain_after(name).unwrap() + late;
                    let edges = blink(begin, on, off, until, late);
                    assert_eq!(recognise(false, &edges, 0, until * MS).pattern, name, "{late} {begin} {edges:?}");
                }
            }
        }
    }

    #[test]
    fn steady_lamps_are_on_or_off() {
        assert_eq!(recognise(true, &[], 0, 50 * MS).pattern, "on");
        assert_eq!(recognise(false, &[], 0, 50 * MS).pattern, "off");
        assert_eq!(recognise(false, &[(MS, true)], 0, 3000 * MS).pattern, "on");
        assert_eq!(recognise(false, &blink(0, 250, 250, 1000, 0), 0, 4000 * MS).pattern, "off");
    }

    #[test]
    fn too_little_was_seen_to_say() {
        assert_eq!(recognise(false, &[(MS, true)], 0, 500 * MS).pattern, "other");
        assert_eq!(recognise(false, &[(MS, true), (101 * MS, false)], 0, 150 * MS).pattern, "other");
    }

    #[test]
    fn a_lamp_that_stopped_blinking_is_not_blinking() {
        let edges = blink(0, 100, 100, 1000, 0);
        assert_eq!(recognise(false, &edges, 0, 1500 * MS).pattern, "other", "not yet steady either");
    }

    #[test]
    fn an_uneven_blink_is_other() {
        let edges: Vec<Edge> =
            [0, 100, 200, 600, 700].iter().zip([true, false].iter().cycle()).map(|(at, lit)| (at * MS, *lit)).collect();
        assert_eq!(recognise(false, &edges, 0, 750 * MS).pattern, "other");
    }

    #[test]
    fn the_beginning_of_a_pattern_is_found_behind_what_came_before() {
        let mut edges = blink(0, 250, 250, 2000, 0);
        edges.extend(blink(2000, 100, 100, 3000, 0));
        assert_eq!(recognise(false, &edges, 0, 3000 * MS).pattern, "other");
        let began = since(false, &edges, 0, 3000 * MS, "flutter").unwrap();
        assert_eq!(began, 2000 * MS);
        assert_eq!(since(false, &edges, 0, 3000 * MS, "slow"), None);
        let on = [(5 * MS, true), (105 * MS, false), (205 * MS, true)];
        assert_eq!(since(false, &on, 0, 2500 * MS, "on"), Some(205 * MS));
    }
}
