//! What the lamps did: the last changes of each, with their times. Lines of real chips bring stamped edges; lines of the
//! simulated chip can only be looked at, so somebody looks every few milliseconds.

use crate::clock;
use crate::pattern::Edge;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Changes remembered per lamp.
const REMEMBERED: usize = 4096;
/// How often lamps are looked at unless told otherwise [µs].
const USUAL_STEP: i64 = 10_000;

/// Everything seen.
#[derive(Debug)]
pub(crate) struct Eye {
    lamps: Mutex<BTreeMap<String, History>>,
    changed: Condvar,
    /// [µs]; 0: do not look
    step: AtomicI64,
}

#[derive(Debug, Default)]
struct History {
    /// before the first edge
    first: bool,
    edges: VecDeque<Edge>,
}

impl History {
    fn lit(&self) -> bool {
        self.edges.back().map_or(self.first, |edge| edge.1)
    }
}

impl Eye {
    /// An eye for lamps with these names, all dark.
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        let lamps = names.map(|name| (name.clone(), History::default())).collect();
        Self { lamps: Mutex::new(lamps), changed: Condvar::new(), step: AtomicI64::new(USUAL_STEP) }
    }

    /// A lamp was seen at `at`; nothing happens if it is as it was.
    pub(crate) fn saw(&self, name: &str, at: i64, lit: bool) {
        let mut lamps = self.lamps.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(history) = lamps.get_mut(name) else { return };
        if history.lit() == lit {
            return;
        }
        if history.edges.len() == REMEMBERED
            && let Some(oldest) = history.edges.pop_front()
        {
            history.first = oldest.1;
        }
        history.edges.push_back((at, lit));
        self.changed.notify_all();
    }

    /// Every lamp, and whether it is lit.
    pub(crate) fn now(&self) -> BTreeMap<String, bool> {
        let lamps = self.lamps.lock().unwrap_or_else(PoisonError::into_inner);
        lamps.iter().map(|(name, history)| (name.clone(), history.lit())).collect()
    }

    /// Whether the lamp was lit at `from`, and its changes after that until `until`; `None` if there is no such lamp.
    pub(crate) fn seen(&self, name: &str, from: i64, until: i64) -> Option<(bool, Vec<Edge>)> {
        let lamps = self.lamps.lock().unwrap_or_else(PoisonError::into_inner);
        let history = lamps.get(name)?;
        let before = history.edges.iter().rev().find(|edge| edge.0 <= from).map_or(history.first, |edge| edge.1);
        Some((before, history.edges.iter().copied().filter(|edge| edge.0 > from && edge.0 <= until).collect()))
    }

    /// Sleeps until some lamp changes, at most so long.
    pub(crate) fn wait(&self, at_most: Duration) {
        let lamps = self.lamps.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout(lamps, at_most));
    }

    /// How often to look [µs]; 0 for not at all.
    pub(crate) fn step(&self) -> i64 {
        self.step.load(Ordering::Relaxed)
    }

    pub(crate) fn set_step(&self, microseconds: i64) {
        self.step.store(microseconds, Ordering::Relaxed);
    }

    /// Looks for ever, by `look` (name to lit; `None` for a lamp that cannot be seen now).
    pub(crate) fn watch(&self, look: impl Fn(&str) -> Option<bool>) -> ! {
        let names: Vec<String> = self.now().into_keys().collect();
        let mut next = clock::monotonic();
        loop {
            let step = self.step();
            if step == 0 {
                std::thread::sleep(Duration::from_millis(50));
                next = clock::monotonic();
                continue;
            }
            for name in &names {
                if let Some(lit) = look(name) {
                    self.saw(name, clock::monotonic(), lit);
                }
            }
            next = (next + step * 1000).max(clock::monotonic());
            clock::sleep_until(next);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn eye() -> Eye {
        Eye::new(["line1".to_owned()].iter())
    }

    #[test]
    fn only_changes_are_remembered_and_found_by_time() {
        let eye = eye();
        for (at, lit) in [(1, false), (2, true), (3, true), (4, false), (5, true)] {
            eye.saw("line1", at, lit);
        }
        eye.saw("nobody", 9, true);
        assert_eq!(eye.seen("line1", 0, 10).unwrap(), (false, vec![(2, true), (4, false), (5, true)]));
        assert_eq!(eye.seen("line1", 2, 4).unwrap(), (true, vec![(4, false)]));
        assert_eq!(eye.seen("nobody", 0, 10), None);
        assert_eq!(eye.now(), [("line1".to_owned(), true)].into());
    }

    #[test]
    fn what_is_forgotten_still_says_how_the_lamp_was() {
        let eye = eye();
        for at in 0..5000 {
            eye.saw("line1", at, at % 2 == 0);
        }
        let (before, edges) = eye.seen("line1", 0, 5000).unwrap();
        assert_eq!(edges.len(), REMEMBERED);
        assert_eq!(edges[0].1, !before);
    }
}
