//! Stops one thread of a process and no other: signals stop whole processes, so the thread is traced (ptrace(2),
//! `PTRACE_SEIZE` and `PTRACE_INTERRUPT`). Who traces must also take note of the thread's end, or the process that was
//! killed meanwhile would never quite be gone.
#![allow(unsafe_code)]

use crate::clock;
use crate::request::Outcome;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Threads that are stopped now.
#[derive(Debug, Default)]
pub(crate) struct Frozen(Mutex<BTreeMap<i32, Sender<()>>>);

impl Frozen {
    /// Stops the thread; when it stood still [ns].
    pub(crate) fn freeze(&self, tid: i32) -> Outcome<i64> {
        let mut frozen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (thaw, thawed) = channel();
        let (tell, told) = channel();
        // A thread may only be let go by the thread that stopped it.
        std::thread::spawn(move || match stop(tid) {
            Ok(()) => {
                let _ = tell.send(Ok(clock::monotonic()));
                stand(tid, &thawed);
            }
            Err(error) => drop(tell.send(Err(format!("thread {tid}: {error}")))),
        });
        let at = told.recv_timeout(Duration::from_secs(5)).map_err(|_| format!("thread {tid} does not stop"))??;
        frozen.insert(tid, thaw);
        Ok(at)
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self, tid: i32) -> Outcome<i64> {
        let thaw = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&tid);
        let thaw = thaw.ok_or_else(|| format!("thread {tid} is not frozen"))?;
        thaw.send(()).map_err(|_| format!("thread {tid} has ended"))?;
        Ok(clock::monotonic())
    }
}

fn stop(tid: i32) -> std::io::Result<()> {
    // SAFETY: neither request reads or writes memory of ours.
    let traced = unsafe {
        libc::ptrace(libc::PTRACE_SEIZE, tid, 0_usize, 0_usize) == 0
            && libc::ptrace(libc::PTRACE_INTERRUPT, tid, 0_usize, 0_usize) == 0
    };
    if !traced {
        return Err(std::io::Error::last_os_error());
    }
    let mut status = 0;
    // SAFETY: `status` is ours and lives longer than the call.
    match unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) } {
        found if found == tid && libc::WIFSTOPPED(status) => Ok(()),
        _ => Err(std::io::Error::other("it ended instead of stopping")),
    }
}

/// Until it is let go or has ended.
fn stand(tid: i32, thawed: &Receiver<()>) {
    loop {
        match thawed.recv_timeout(Duration::from_millis(10)) {
            Err(RecvTimeoutError::Timeout) => {
                let mut status = 0;
                // SAFETY: as above.
                let found = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
                if found < 0 || (found == tid && (libc::WIFEXITED(status) || libc::WIFSIGNALED(status))) {
                    return;
                }
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                // SAFETY: no memory of ours; a thread that is gone is an error that changes nothing.
                unsafe { libc::ptrace(libc::PTRACE_DETACH, tid, 0_usize, 0_usize) };
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn state(pid: i32) -> char {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        text.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    }

    #[test]
    fn a_thread_stands_still_goes_on_and_can_be_killed_while_it_stands() {
        let mut child = std::process::Command::new("sh").args(["-c", "while :; do sleep 0.01; done"]).spawn().unwrap();
        let pid = child.id() as i32;
        let frozen = Frozen::default();
        frozen.freeze(pid).unwrap();
        assert_eq!(state(pid), 't');
        frozen.thaw(pid).unwrap();
        assert!(frozen.thaw(pid).is_err());
        std::thread::sleep(Duration::from_millis(50));
        assert_ne!(state(pid), 't');
        frozen.freeze(pid).unwrap();
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(frozen.freeze(i32::MAX).is_err());
    }
}
