//! Notices that device files come or become ours, by inotify: no daemon to ask, no polling.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Folders in which devices of a panel appear.
const FOLDERS: [&str; 2] = ["/dev", "/dev/input"];

pub(super) struct Watch {
    fd: OwnedFd,
    /// is the second folder, which may come late, watched too?
    complete: bool,
}

impl Watch {
    #[allow(unsafe_code)]
    pub(super) fn new() -> std::io::Result<Self> {
        // SAFETY: no pointers; the descriptor is fresh and ours alone.
        let fd = unsafe {
            let fd = libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC);
            if fd < 0 {
                return Err(std::io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let mut this = Self { fd, complete: false };
        this.add();
        Ok(this)
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Did a device file come, or change its owner or mode, since the last question?
    #[allow(unsafe_code)]
    pub(super) fn stirred(&mut self) -> bool {
        let mut stirred = false;
        let mut bytes = [0_u8; 4096];
        // SAFETY: at most the length of the array is written into it.
        while unsafe { libc::read(self.fd(), bytes.as_mut_ptr().cast(), bytes.len()) } > 0 {
            stirred = true;
        }
        if stirred && !self.complete {
            self.add();
        }
        stirred
    }

    #[allow(unsafe_code)]
    fn add(&mut self) {
        self.complete = true;
        for folder in FOLDERS {
            let Ok(path) = CString::new(folder) else { continue };
            // SAFETY: the path is a C string that outlives the call. Adding a folder again only renews it.
            let watch = unsafe { libc::inotify_add_watch(self.fd(), path.as_ptr(), libc::IN_CREATE | libc::IN_ATTRIB) };
            self.complete &= watch >= 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_new_is_nothing() {
        let mut watch = Watch::new().unwrap();
        watch.stirred();
        assert!(!watch.stirred());
    }
}
