//! Tags, branches, Call-IDs and jitter from one seeded source.
//!
//! SHA-256 over seed and counter, so that what is seen on the wire does not tell what comes next
//! (RFC 3261 section 19.3 wants tags that cannot be guessed). The same seed gives the same run.

use sha2::{Digest, Sha256};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Chance {
    seed: u64,
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0, block: [0; 32], used: 32 }
    }

    pub(crate) fn number(&mut self) -> u64 {
        if self.used + 8 > self.block.len() {
            let mut hash = Sha256::new();
            hash.update(b"offhook");
            hash.update(self.seed.to_be_bytes());
            hash.update(self.counter.to_be_bytes());
            self.block.copy_from_slice(&hash.finalize());
            self.counter += 1;
            self.used = 0;
        }
        let bytes = self.block.get(self.used..self.used + 8).and_then(|b| b.try_into().ok());
        self.used += 8;
        u64::from_be_bytes(bytes.unwrap_or_default())
    }

    /// 64 bits in hexadecimal.
    pub(crate) fn token(&mut self) -> String {
        format!("{:016x}", self.number())
    }

    /// A branch with the magic cookie (RFC 3261 section 8.1.1.7).
    pub(crate) fn branch(&mut self) -> String {
        format!("z9hG4bK{:016x}", self.number())
    }

    /// Below `bound`; 0 for 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.number() % bound }
    }

    /// Evenly between the two, in milliseconds.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = u64::try_from(high.saturating_sub(low).as_millis()).unwrap_or(u64::MAX);
        low + Duration::from_millis(self.below(span.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_same_tokens_and_another_seed_others() {
        let (mut a, mut b, mut c) = (Chance::new(1), Chance::new(1), Chance::new(2));
        let first: Vec<String> = (0..20).map(|_| a.token()).collect();
        assert_eq!(first, (0..20).map(|_| b.token()).collect::<Vec<_>>());
        assert_ne!(first, (0..20).map(|_| c.token()).collect::<Vec<_>>());
        assert!(first.iter().collect::<std::collections::HashSet<_>>().len() == 20);
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        let mut chance = Chance::new(7);
        for _ in 0..200 {
            let d = chance.between(Duration::from_secs(1), Duration::from_secs(2));
            assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&d));
        }
    }
}
