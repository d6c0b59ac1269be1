//! Signs of life of the daemon's threads: a counter each, that nobody waits for.
//!
//! A thread calls [`Heartbeat::beat`] in each turn of its loop, at least once a second, and the main thread looks
//! whether the counter moves. One relaxed addition: the media thread may do it in every period.

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) static MEDIA: Heartbeat = Heartbeat::new();
pub(crate) static SCREEN: Heartbeat = Heartbeat::new();

/// A counter that moves while its thread lives.
#[derive(Debug)]
pub(crate) struct Heartbeat(AtomicU64);

impl Heartbeat {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
