//! Debouncing of a contact: a level counts once it has rested for the settling time.
//!
//! Feed every raw edge with the time it happened ([`Debouncer::edge`]); when [`Debouncer::timeout`] has come, ask
//! [`Debouncer::poll`]. Times are counted from any fixed moment, as long as edges and `now` share it: the kernel's
//! stamps of GPIO edges are such times. Edges read late are no problem, because a rest between two of them counts.
//! A contact whose driver debounces needs none of this: debouncing twice only costs time.

use std::time::Duration;

/// A debounced change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// the level from now on
    pub level: bool,
    /// when the contact came to rest at it
    pub at: Duration,
}

/// One contact.
#[derive(Debug, Clone)]
pub struct Debouncer {
    settle: Duration,
    /// the debounced level
    level: bool,
    /// the other level, and since when it rests
    candidate: Option<Duration>,
    /// the latest time seen: times never go back
    latest: Duration,
}

impl Debouncer {
    /// A contact that rests at `level`; a change counts after `settle`.
    pub fn new(level: bool, settle: Duration) -> Self {
        Self { settle, level, candidate: None, latest: Duration::ZERO }
    }

    /// The same contact anew, at rest at `level`.
    #[must_use]
    pub fn at(&self, level: bool) -> Self {
        Self { level, candidate: None, ..self.clone() }
    }

    /// The debounced level.
    pub fn level(&self) -> bool {
        self.level
    }

    /// Is it on its way to the other level?
    pub fn is_settling(&self) -> bool {
        self.candidate.is_some()
    }

    /// The contact changed to `level` at `at`, or was found at it. Answers a change that was complete before.
    #[must_use]
    pub fn edge(&mut self, at: Duration, level: bool) -> Option<Edge> {
        let done = self.poll(at);
        if level == self.level {
            self.candidate = None;
        } else if self.candidate.is_none() {
            self.candidate = Some(self.latest);
        }
        if done.is_none() && self.settle.is_zero() { self.poll(at) } else { done }
    }

    /// The contact was looked at and found at `level`. Between two looks nothing is known, so unlike with
    /// [`edge`](Self::edge) a change counts only if the contact is still at the new level after the settling time.
    #[must_use]
    pub fn sample(&mut self, now: Duration, level: bool) -> Option<Edge> {
        if level == self.level {
            self.latest = self.latest.max(now);
            self.candidate = None;
            return None;
        }
        self.latest = self.latest.max(now);
        self.candidate.get_or_insert(self.latest);
        self.poll(now)
    }

    /// The change that is complete at `now`.
    #[must_use]
    pub fn poll(&mut self, now: Duration) -> Option<Edge> {
        self.latest = self.latest.max(now);
        let at = self.candidate?;
        if self.latest - at < self.settle {
            return None;
        }
        self.candidate = None;
        self.level = !self.level;
        Some(Edge { level: self.level, at })
    }

    /// When to ask [`poll`](Self::poll); `None`: not before the next edge.
    pub fn timeout(&self) -> Option<Duration> {
        Some(self.candidate?.saturating_add(self.settle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const SETTLE: Duration = Duration::from_millis(20);

    /// Feeds raw levels, asking in between at every timeout and at `extra` times; all that came out.
    fn run(edges: &[(Duration, bool)], asks: &[Duration], until: Duration) -> Vec<Edge> {
        let mut contact = Debouncer::new(false, SETTLE);
        let mut out = Vec::new();
        let mut steps: Vec<(Duration, Option<bool>)> = edges.iter().map(|(at, level)| (*at, Some(*level))).collect();
        steps.extend(asks.iter().map(|at| (*at, None)));
        steps.sort_by_key(|(at, _)| *at);
        for (at, step) in steps {
            out.extend(match step {
                Some(level) => contact.edge(at, level),
                None => contact.poll(at),
            });
        }
        out.extend(contact.poll(until));
        out
    }

    #[test]
    fn a_bouncing_hook_is_lifted_once() {
        let edges = [(0, true), (1, false), (3, true), (4, false), (9, true)].map(|(at, level)| (ms(at), level));
        assert_eq!(run(&edges, &[ms(28)], ms(28)), []);
        assert_eq!(run(&edges, &[], ms(29)), [Edge { level: true, at: ms(9) }]);
    }

    #[test]
    fn a_spike_shorter_than_the_settling_time_is_nothing() {
        assert_eq!(run(&[(ms(5), true), (ms(24), false)], &[], ms(500)), []);
    }

    #[test]
    fn a_press_read_late_is_still_a_press() {
        let mut contact = Debouncer::new(false, SETTLE);
        assert_eq!(contact.edge(ms(100), true), None);
        // Both edges are read at once, long after: the rest between them counts.
        assert_eq!(contact.edge(ms(180), false), Some(Edge { level: true, at: ms(100) }));
        assert_eq!(contact.timeout(), Some(ms(200)));
        assert_eq!(contact.poll(ms(900)), Some(Edge { level: false, at: ms(180) }));
        assert_eq!(contact.timeout(), None);
    }

    #[test]
    fn a_contact_that_is_looked_at_must_be_seen_at_the_new_level_to_the_end() {
        let mut contact = Debouncer::new(false, SETTLE);
        assert_eq!(contact.sample(ms(100), true), None);
        assert_eq!(contact.sample(ms(119), true), None);
        assert_eq!(contact.sample(ms(120), false), None, "open again when it should have rested");
        assert_eq!(contact.sample(ms(125), true), None);
        assert_eq!(contact.sample(ms(145), true), Some(Edge { level: true, at: ms(125) }));
    }

    #[test]
    fn a_contact_without_settling_time_follows_every_edge() {
        let mut contact = Debouncer::new(false, Duration::ZERO);
        assert_eq!(contact.edge(ms(1), true), Some(Edge { level: true, at: ms(1) }));
        assert_eq!(contact.edge(ms(1), false), Some(Edge { level: false, at: ms(1) }));
        assert_eq!(contact.edge(ms(2), false), None);
    }

    #[test]
    fn a_stamp_from_the_past_does_not_turn_time_back() {
        let mut contact = Debouncer::new(false, SETTLE);
        assert_eq!(contact.edge(ms(100), true), None);
        assert_eq!(contact.edge(ms(50), true), None);
        assert_eq!(contact.poll(ms(119)), None);
        assert_eq!(contact.poll(ms(120)), Some(Edge { level: true, at: ms(100) }));
    }

    fn trains() -> impl Strategy<Value = Vec<(Duration, bool)>> {
        prop::collection::vec((0_u64..60_000, any::<bool>()), 0..60).prop_map(|steps| {
            let mut at = 0;
            steps
                .into_iter()
                .map(|(gap, level)| {
                    at += gap;
                    (Duration::from_micros(at), level)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn changes_alternate_and_each_had_its_rest(edges in trains()) {
            let end = edges.last().map_or(Duration::ZERO, |(at, _)| *at) + SETTLE;
            let out = run(&edges, &[], end);
            let mut level = false;
            let mut before = None;
            for edge in &out {
                prop_assert_eq!(edge.level, !level);
                level = edge.level;
                prop_assert!(before.is_none_or(|before| before < edge.at));
                before = Some(edge.at);
                let disturbed = edges.iter().any(|(at, raw)| *at > edge.at && *at < edge.at + SETTLE && *raw != level);
                prop_assert!(!disturbed);
            }
            // Left alone, it ends where the contact is.
            prop_assert_eq!(level, edges.last().is_some_and(|(_, raw)| *raw));
        }

        #[test]
        fn asking_more_often_changes_nothing(
            edges in trains(), asks in prop::collection::vec(0_u64..3_000_000, 0..100),
        ) {
            let asks: Vec<Duration> = asks.into_iter().map(Duration::from_micros).collect();
            let end = Duration::from_secs(10);
            prop_assert_eq!(run(&edges, &asks, end), run(&edges, &[], end));
        }
    }
}
