//! Keys that are down, over all sources of a panel: matrix, lines, input devices, USB handset, dial.
//!
//! Feed presses and releases of each source ([`HeldKeys::down`], [`HeldKeys::up`]); what comes out alternates per key,
//! even if two sources have the same key. A key that is down for longer than any finger stays is stuck: it is said to
//! be up, reported once, and ignored until it opens, because a stuck key must not hold the telephone for ever. A source
//! that is lost with keys down lets go of them ([`HeldKeys::lost`]).

use std::collections::VecDeque;
use std::time::Duration;

use crate::{Key, PanelEvent, PanelReport};

/// A key held longer than this is stuck.
pub const STUCK_AFTER: Duration = Duration::from_secs(60);

/// The keys that are down.
#[derive(Debug)]
pub struct HeldKeys {
    stuck_after: Duration,
    held: Vec<Held>,
    events: VecDeque<PanelEvent>,
    reports: VecDeque<PanelReport>,
}

#[derive(Debug)]
struct Held {
    source: usize,
    key: Key,
    since: Duration,
    stuck: bool,
}

impl HeldKeys {
    /// No key is down yet; one is stuck after `stuck_after` ([`STUCK_AFTER`] is usual).
    pub fn new(stuck_after: Duration) -> Self {
        Self { stuck_after, held: Vec::new(), events: VecDeque::new(), reports: VecDeque::new() }
    }

    /// `source` says that its `key` went down.
    pub fn down(&mut self, now: Duration, source: usize, key: Key) {
        if self.held.iter().any(|held| held.source == source && held.key == key) {
            return;
        }
        let was_down = self.is_down(key);
        self.held.push(Held { source, key, since: now, stuck: false });
        if !was_down {
            self.events.push_back(PanelEvent::Down(key));
        }
    }

    /// `source` says that its `key` went up.
    pub fn up(&mut self, source: usize, key: Key) {
        let Some(index) = self.held.iter().position(|held| held.source == source && held.key == key) else { return };
        let released = self.held.remove(index);
        if released.stuck {
            self.reports.push_back(PanelReport::Freed(key));
        } else if !self.is_down(key) {
            self.events.push_back(PanelEvent::Up(key));
        }
    }

    /// `source` went away with whatever it held.
    pub fn lost(&mut self, source: usize) {
        while let Some(held) = self.held.iter().find(|held| held.source == source) {
            self.up(source, held.key);
        }
    }

    /// Finds keys that are stuck at `now`.
    pub fn poll(&mut self, now: Duration) {
        while let Some(held) =
            self.held.iter_mut().find(|held| !held.stuck && now.saturating_sub(held.since) >= self.stuck_after)
        {
            held.stuck = true;
            let key = held.key;
            self.reports.push_back(PanelReport::Stuck(key));
            if !self.is_down(key) {
                self.events.push_back(PanelEvent::Up(key));
            }
        }
    }

    /// When to ask [`poll`](Self::poll) again.
    pub fn timeout(&self) -> Option<Duration> {
        self.held.iter().filter(|held| !held.stuck).map(|held| held.since.saturating_add(self.stuck_after)).min()
    }

    /// The next event, oldest first.
    pub fn event(&mut self) -> Option<PanelEvent> {
        self.events.pop_front()
    }

    /// The next report, oldest first.
    pub fn report(&mut self) -> Option<PanelReport> {
        self.reports.pop_front()
    }

    /// Is every key that `source` holds stuck? Also if it holds none.
    pub fn only_stuck(&self, source: usize) -> bool {
        self.held.iter().filter(|held| held.source == source).all(|held| held.stuck)
    }

    fn is_down(&self, key: Key) -> bool {
        self.held.iter().any(|held| held.key == key && !held.stuck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: Key = Key::Digit('1');

    fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn events(keys: &mut HeldKeys) -> Vec<PanelEvent> {
        std::iter::from_fn(|| keys.event()).collect()
    }

    #[test]
    fn a_stuck_key_lets_go_once_and_comes_back_when_it_opened() {
        let mut keys = HeldKeys::new(STUCK_AFTER);
        keys.down(s(1), 0, ONE);
        assert_eq!(keys.timeout(), Some(s(61)));
        keys.poll(s(60));
        assert_eq!(events(&mut keys), [PanelEvent::Down(ONE)]);
        keys.poll(s(61));
        keys.poll(s(500));
        assert_eq!(events(&mut keys), [PanelEvent::Up(ONE)]);
        assert_eq!(keys.report(), Some(PanelReport::Stuck(ONE)));
        assert_eq!((keys.report(), keys.timeout()), (None, None), "not said again");
        assert!(keys.only_stuck(0));
        keys.up(0, ONE);
        assert_eq!((keys.event(), keys.report()), (None, Some(PanelReport::Freed(ONE))));
        keys.down(s(600), 0, ONE);
        assert_eq!(events(&mut keys), [PanelEvent::Down(ONE)]);
        assert!(!keys.only_stuck(0));
    }

    #[test]
    fn a_stuck_key_does_not_disable_the_same_key_elsewhere() {
        let mut keys = HeldKeys::new(STUCK_AFTER);
        keys.down(s(0), 0, ONE);
        keys.poll(s(60));
        events(&mut keys);
        keys.down(s(70), 1, ONE);
        keys.up(1, ONE);
        assert_eq!(events(&mut keys), [PanelEvent::Down(ONE), PanelEvent::Up(ONE)]);
    }

    #[test]
    fn a_key_of_two_sources_is_down_from_the_first_to_the_last() {
        let mut keys = HeldKeys::new(STUCK_AFTER);
        keys.down(s(0), 0, ONE);
        keys.down(s(1), 1, ONE);
        keys.down(s(1), 1, ONE);
        keys.up(0, ONE);
        assert_eq!(events(&mut keys), [PanelEvent::Down(ONE)]);
        keys.up(1, ONE);
        keys.up(1, ONE);
        assert_eq!(events(&mut keys), [PanelEvent::Up(ONE)]);
    }

    #[test]
    fn a_device_that_is_pulled_out_lets_go_of_its_keys() {
        let mut keys = HeldKeys::new(STUCK_AFTER);
        keys.down(s(0), 7, ONE);
        keys.down(s(0), 7, Key::Mute);
        keys.down(s(0), 8, Key::Hold);
        events(&mut keys);
        keys.lost(7);
        assert_eq!(events(&mut keys), [PanelEvent::Up(ONE), PanelEvent::Up(Key::Mute)]);
    }

    proptest! {
        #[test]
        fn downs_and_ups_alternate_and_end_up(
            steps in prop::collection::vec((0_u64..40, 0_usize..3, 0_usize..3, any::<bool>()), 0..80),
        ) {
            let mut keys = HeldKeys::new(STUCK_AFTER);
            let all = [ONE, Key::Mute, Key::Line(2)];
            let mut now = s(0);
            for (gap, source, key, down) in steps {
                now += s(gap);
                keys.poll(now);
                if down { keys.down(now, source, all[key]) } else { keys.up(source, all[key]) }
            }
            for source in 0..3 {
                keys.lost(source);
            }
            let mut down = Vec::new();
            for event in events(&mut keys) {
                match event {
                    PanelEvent::Down(key) => {
                        prop_assert!(!down.contains(&key));
                        down.push(key);
                    }
                    PanelEvent::Up(key) => {
                        prop_assert!(down.contains(&key));
                        down.retain(|held| *held != key);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert!(down.is_empty());
            prop_assert_eq!(keys.timeout(), None);
        }
    }
}
