//! News of sound cards: the kernel makes and removes their device files, and says so by inotify. What the news mean is
//! decided by [`offhook_hal::audio::routing`].

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Where the device files of sound cards are.
const FOLDER: &str = "/dev/snd";
/// The folder above, because the first card makes the other one.
const ABOVE: &str = "/dev";

/// Watches for cards that come and go.
#[derive(Debug)]
pub struct CardWatch {
    inotify: OwnedFd,
    folder: CString,
}

impl CardWatch {
    /// Starts watching.
    ///
    /// # Errors
    /// The system has no inotify left to give (`fs.inotify.max_user_instances`).
    pub fn new() -> io::Result<Self> {
        Self::of(ABOVE, FOLDER)
    }

    #[allow(unsafe_code)]
    fn of(above: &str, folder: &str) -> io::Result<Self> {
        // SAFETY: plain system call.
        let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let inotify = unsafe { OwnedFd::from_raw_fd(fd) };
        let watch = Self { inotify, folder: CString::new(folder)? };
        watch.add(&CString::new(above)?, libc::IN_CREATE);
        watch.add_folder();
        Ok(watch)
    }

    /// Readable when there are news.
    pub fn fd(&self) -> RawFd {
        self.inotify.as_raw_fd()
    }

    /// Takes the news; true if cards may have come or gone.
    #[allow(unsafe_code)]
    pub fn news(&mut self) -> bool {
        let mut any = false;
        let mut events = [0_u8; 4_096];
        // SAFETY: the pointer and the length are those of `events`.
        while unsafe { libc::read(self.fd(), events.as_mut_ptr().cast(), events.len()) } > 0 {
            any = true;
        }
        if any {
            // The folder may be the news. Watching it twice is watching it once.
            self.add_folder();
        }
        any
    }

    fn add_folder(&self) {
        // Creation is too early for those who are no root: udev gives the file its group afterwards.
        self.add(&self.folder, libc::IN_CREATE | libc::IN_DELETE | libc::IN_ATTRIB);
    }

    #[allow(unsafe_code)]
    fn add(&self, path: &CString, events: u32) {
        // SAFETY: `path` ends with a zero and outlives the call. A folder that is not there is watched from above.
        let _ = unsafe { libc::inotify_add_watch(self.fd(), path.as_ptr(), events) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_card_and_every_later_one_are_news() {
        let above = std::env::temp_dir().join(format!("offhook-cards-{}", std::process::id()));
        let folder = above.join("snd");
        std::fs::create_dir_all(&above).unwrap();
        let mut watch = CardWatch::of(above.to_str().unwrap(), folder.to_str().unwrap()).unwrap();
        assert!(!watch.news());
        std::fs::create_dir(&folder).unwrap();
        assert!(watch.news());
        assert!(!watch.news());
        std::fs::write(folder.join("pcmC1D0p"), "").unwrap();
        assert!(watch.news());
        std::fs::remove_file(folder.join("pcmC1D0p")).unwrap();
        assert!(watch.news());
        // The last card takes the folder along; the next one brings it back.
        std::fs::remove_dir(&folder).unwrap();
        let _ = watch.news();
        std::fs::create_dir(&folder).unwrap();
        assert!(watch.news());
        std::fs::write(folder.join("pcmC2D0p"), "").unwrap();
        assert!(watch.news());
        std::fs::remove_dir_all(&above).unwrap();
    }
}
