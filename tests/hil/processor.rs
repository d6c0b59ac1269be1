//! A processor for each board that is a program of this machine. User-Mode Linux is several processes of which one runs at a
//! time, each waking the next with every system call. On two processors that was measured to cost up to six times what it costs
//! on one: probably each step has to wake an idle processor, which is dear in a virtual machine.

use crate::case::Outcome;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Boards on each processor, by its number.
static TAKEN: Mutex<[usize; CpuSet::MAX_CPU]> = Mutex::new([0; CpuSet::MAX_CPU]);

/// The processor that a board runs on, until this is dropped.
#[derive(Debug)]
pub(crate) struct Processor(usize);

impl Processor {
    /// Of those that this thread may use the one with the fewest boards. From now on this thread, and what it starts, runs there.
    pub(crate) fn take() -> Outcome<Self> {
        let text = |error: rustix::io::Errno| format!("a processor for the board: {error}");
        let allowed = sched_getaffinity(None).map_err(text)?;
        let number = {
            let mut taken = taken();
            let number = least(&*taken, |number| allowed.is_set(number)).ok_or("no processor for the board")?;
            taken[number] += 1;
            number
        };
        let this = Self(number);
        let mut only = CpuSet::new();
        only.set(number);
        sched_setaffinity(None, &only).map_err(text)?;
        Ok(this)
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        taken()[self.0] -= 1;
    }
}

fn taken() -> MutexGuard<'static, [usize; CpuSet::MAX_CPU]> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first of the allowed ones with the fewest boards. The last ones come first: the first serves most interrupts.
fn least(taken: &[usize], allowed: impl Fn(usize) -> bool) -> Option<usize> {
    (0..taken.len()).rev().filter(|&number| allowed(number)).min_by_key(|&number| taken[number])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_spread_over_the_processors_that_there_are() {
        assert_eq!(least(&[0, 0, 0], |_| true), Some(2));
        assert_eq!(least(&[0, 0, 1], |_| true), Some(1));
        assert_eq!(least(&[1, 2, 1], |number| number < 2), Some(0));
        assert_eq!(least(&[0, 0], |_| false), None);
    }

    #[test]
    fn a_board_has_one_processor_and_gives_it_back() {
        std::thread::spawn(|| {
            let before = *taken();
            let processor = Processor::take().unwrap();
            assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
            assert!(sched_getaffinity(None).unwrap().is_set(processor.0));
            drop(processor);
            assert_eq!(*taken(), before);
        })
        .join()
        .unwrap();
    }
}
