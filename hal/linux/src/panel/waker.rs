//! Ends a wait of the panel thread from another thread: an `eventfd` beside the wires in the same poll.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::{Wake, Waker};

/// The descriptor that the panel thread polls along with its wires.
pub(super) struct WakeUp(Arc<EventFd>);

struct EventFd(OwnedFd);

impl WakeUp {
    #[allow(unsafe_code)]
    pub(super) fn new() -> std::io::Result<Self> {
        // SAFETY: no pointers; the descriptor is fresh and ours alone.
        let fd = unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            if fd < 0 {
                return Err(std::io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self(Arc::new(EventFd(fd))))
    }

    pub(super) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }

    /// Was it used since the last time?
    #[allow(unsafe_code)]
    pub(super) fn take(&self) -> bool {
        let mut count = 0_u64;
        // SAFETY: eight bytes are read into eight bytes.
        let read = unsafe { libc::read(self.fd(), (&raw mut count).cast(), size_of::<u64>()) };
        read > 0
    }
}

impl Wake for EventFd {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    #[allow(unsafe_code)]
    fn wake_by_ref(self: &Arc<Self>) {
        let one = 1_u64;
        // SAFETY: eight bytes are written from eight bytes. It fails only if it was used 2^64 times: awake then.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_once_however_often_it_is_used() {
        let wake = WakeUp::new().unwrap();
        assert!(!wake.take());
        let waker = wake.waker();
        waker.wake_by_ref();
        waker.wake();
        assert!(wake.take());
        assert!(!wake.take());
    }
}
