//! Waiting for something to become true, never longer than the case may take.

use crate::case::Outcome;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

thread_local! {
    static END: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// When the case on this thread must have ended.
pub(crate) fn end_at(end: Instant) {
    END.set(Some(end));
}

/// Looks until there is something; after `seconds` the error is what `otherwise` says.
pub(crate) fn until<T>(
    seconds: u64,
    mut look: impl FnMut() -> Outcome<Option<T>>,
    otherwise: impl FnOnce() -> String,
) -> Outcome<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if END.get().is_some_and(|end| end < Instant::now()) {
            return Err(format!("out of time: {}", otherwise()));
        }
        if begin.elapsed() > Duration::from_secs(seconds) {
            return Err(format!("within {seconds} s {}", otherwise()));
        }
        std::thread::sleep(LOOK);
    }
}

/// Time that a test lets pass on purpose: talking, being silent.
pub(crate) fn pass(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// An error unless `it` is true.
pub(crate) fn ensure(it: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if it { Ok(()) } else { Err(otherwise()) }
}
