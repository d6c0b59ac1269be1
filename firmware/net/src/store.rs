//! Records in a folder that survive a power cut at any moment: write beside, sync, rename, sync the folder.
//!
//! After a cut each record is either as it was or as it was to be, never in between. The file system stands behind a
//! trait so that tests can pull the plug after every single step.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

/// Largest record read back [octets].
const MAX_RECORD: u64 = 16 << 20;
/// Ending of a record that is being written.
const BESIDE: &str = ".new";

/// The few steps a store is made of. Each is what the operating system promises, no more: without `sync` a write or a
/// rename may be lost by a power cut.
pub trait FileSystem: Send {
    /// Creates or truncates a file and writes it; no promise that it is on the medium.
    ///
    /// # Errors
    /// As the system says.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Makes the file's content permanent.
    ///
    /// # Errors
    /// As the system says.
    fn sync(&mut self, name: &str) -> io::Result<()>;
    /// Replaces `to` by `from` at once.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// # Errors
    /// As the system says; a file that is not there is no error.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Makes renames and removals permanent.
    ///
    /// # Errors
    /// As the system says.
    fn sync_folder(&mut self) -> io::Result<()>;
    /// Every file of the folder.
    ///
    /// # Errors
    /// As the system says.
    fn read_all(&mut self) -> io::Result<Vec<(String, Vec<u8>)>>;
}

/// A folder of the real file system, open to its owner only.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held while the store lives: two daemons must not share a state folder.
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be and locks it.
    ///
    /// # Errors
    /// It cannot be made or written, or another process uses it (`WouldBlock`).
    pub fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = File::options().create(true).truncate(false).write(true).mode(0o600).open(path.join(".lock"))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::WouldBlock, "another process uses this folder")
            }
            fs::TryLockError::Error(error) => error,
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }
}

impl FileSystem for Folder {
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file =
            File::options().create(true).truncate(true).write(true).mode(0o600).open(self.path.join(name))?;
        file.write_all(bytes)
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        File::open(self.path.join(name))?.sync_all()
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
    fn sync_folder(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
    fn read_all(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = entry.metadata()?;
            if metadata.is_file() && metadata.len() <= MAX_RECORD && name != ".lock" {
                files.push((name, fs::read(entry.path())?));
            }
        }
        Ok(files)
    }
}

/// Saves records one after the other.
#[derive(Debug)]
pub struct Store<F> {
    files: F,
}

impl<F: FileSystem> Store<F> {
    pub fn new(files: F) -> Self {
        Self { files }
    }

    /// All records; what a cut left half-written beside them is removed.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn load(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let (beside, records): (Vec<_>, Vec<_>) =
            self.files.read_all()?.into_iter().partition(|(name, _)| name.ends_with(BESIDE));
        for (name, _) in beside {
            self.files.remove(&name)?;
        }
        Ok(records)
    }

    /// Writes a record, or deletes it when `bytes` is empty. When this returns `Ok`, it is permanent.
    ///
    /// # Errors
    /// The name is not a plain file name, or the system refused a step; the old record is still there.
    pub fn save(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let plain = !name.is_empty()
            && !name.starts_with('.')
            && !name.ends_with(BESIDE)
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !plain {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not a record name")));
        }
        if bytes.is_empty() {
            self.files.remove(name)?;
        } else {
            let beside = format!("{name}{BESIDE}");
            self.files.write(&beside, bytes)?;
            self.files.sync(&beside)?;
            self.files.rename(&beside, name)?;
        }
        self.files.sync_folder()
    }
}

/// A store on a thread of its own, because syncing a memory card can take seconds.
#[derive(Debug)]
pub struct StoreThread {
    jobs: Option<mpsc::Sender<(String, Vec<u8>)>>,
    asked: AtomicU64,
    done: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl StoreThread {
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn<F: FileSystem + 'static>(mut store: Store<F>) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<(String, Vec<u8>)>();
        let done = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&done);
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            while let Ok(first) = waiting.recv() {
                // Of several versions of one record only the newest is worth a sync.
                let mut taken = 1;
                let mut newest = BTreeMap::from([first]);
                newest.extend(waiting.try_iter().inspect(|_| taken += 1));
                for (name, bytes) in newest {
                    if let Err(error) = store.save(&name, &bytes) {
                        tracing::error!("cannot save {name}: {error}; free some space or check the state folder");
                    }
                }
                counter.fetch_add(taken, Ordering::Relaxed);
            }
        })?;
        Ok(Self { jobs: Some(jobs), asked: AtomicU64::new(0), done, thread: Some(thread) })
    }

    /// Saves soon; never waits.
    pub fn save(&self, name: String, bytes: Vec<u8>) {
        if let Some(jobs) = &self.jobs {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let _ = jobs.send((name, bytes));
        }
    }

    /// Records dealt with so far, or `None` when nothing waits: for whoever watches that the thread gets on.
    pub fn progress(&self) -> Option<u64> {
        let done = self.done.load(Ordering::Relaxed);
        (done != self.asked.load(Ordering::Relaxed)).then_some(done)
    }
}

impl Drop for StoreThread {
    /// Waits until everything is written.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that forgets what was not synced when the power goes, in the worst way allowed: unsynced file contents
    /// become empty or half, unsynced renames are undone or kept.
    #[derive(Debug, Default, Clone)]
    struct Medium {
        /// What a running system sees.
        seen: BTreeMap<String, Vec<u8>>,
        /// Contents that are safe, whatever their name is now.
        synced: Vec<Vec<u8>>,
        /// Names that are safe, as of the last folder sync.
        folder: BTreeMap<String, Vec<u8>>,
        steps_left: usize,
    }

    impl Medium {
        fn step(&mut self) -> io::Result<()> {
            self.steps_left = self.steps_left.checked_sub(1).ok_or_else(|| io::Error::other("power cut"))?;
            Ok(())
        }
        /// What is found after a cut. `keep`: do unsynced directory changes survive?
        fn after_cut(&self, keep: bool) -> Self {
            let names = if keep { &self.seen } else { &self.folder };
            let files = names.iter().map(|(name, content)| {
                let safe = self.synced.contains(content);
                (name.clone(), if safe { content.clone() } else { content[..content.len() / 2].to_vec() })
            });
            let files: BTreeMap<_, _> = files.collect();
            let synced = files.values().cloned().collect();
            Self { seen: files.clone(), synced, folder: files, steps_left: usize::MAX }
        }
    }

    impl FileSystem for Medium {
        fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
            self.step()?;
            self.seen.insert(name.into(), bytes.to_vec());
            Ok(())
        }
        fn sync(&mut self, name: &str) -> io::Result<()> {
            self.step()?;
            let content = self.seen[name].clone();
            self.synced.push(content);
            Ok(())
        }
        fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
            self.step()?;
            let content = self.seen.remove(from).unwrap();
            self.seen.insert(to.into(), content);
            Ok(())
        }
        fn remove(&mut self, name: &str) -> io::Result<()> {
            self.step()?;
            self.seen.remove(name);
            Ok(())
        }
        fn sync_folder(&mut self) -> io::Result<()> {
            self.step()?;
            self.folder = self.seen.clone();
            Ok(())
        }
        fn read_all(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
            Ok(self.seen.clone().into_iter().collect())
        }
    }

    #[test]
    fn power_cut_after_any_step_leaves_the_old_or_the_new_record() {
        for steps in 0..=5 {
            for keep in [false, true] {
                let mut store = Store::new(Medium { steps_left: usize::MAX, ..Medium::default() });
                store.save("account-1.xml", b"old settings").unwrap();
                store.files.steps_left = steps;
                let done = store.save("account-1.xml", b"new settings").is_ok();
                let mut after = Store::new(store.files.after_cut(keep));
                let records = after.load().unwrap();
                let allowed: &[&[u8]] = if done { &[b"new settings"] } else { &[b"old settings", b"new settings"] };
                assert_eq!(records.len(), 1, "after {steps} steps: {records:?}");
                assert!(allowed.contains(&records[0].1.as_slice()), "after {steps} steps: {records:?}");
            }
        }
    }

    #[test]
    fn records_are_private_deleted_when_empty_and_cannot_leave_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::new(Folder::open(folder.path()).unwrap());
        store.save("a.xml", b"secret").unwrap();
        let mode = fs::metadata(folder.path().join("a.xml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(store.load().unwrap(), [("a.xml".to_owned(), b"secret".to_vec())]);
        store.save("a.xml", b"").unwrap();
        assert!(store.load().unwrap().is_empty());
        for name in ["../a", "", ".lock", "a/b", "a.new"] {
            assert_eq!(store.save(name, b"x").unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }

    #[test]
    fn folder_in_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Folder::open(folder.path()).unwrap();
        assert_eq!(Folder::open(folder.path()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn progress_stands_still_while_a_record_cannot_be_written_and_ends_with_the_last_one() {
        struct Slow(mpsc::Receiver<()>);
        impl FileSystem for Slow {
            fn write(&mut self, _: &str, _: &[u8]) -> io::Result<()> {
                self.0.recv().map_err(io::Error::other)
            }
            fn sync(&mut self, _: &str) -> io::Result<()> {
                Ok(())
            }
            fn rename(&mut self, _: &str, _: &str) -> io::Result<()> {
                Ok(())
            }
            fn remove(&mut self, _: &str) -> io::Result<()> {
                Ok(())
            }
            fn sync_folder(&mut self) -> io::Result<()> {
                Ok(())
            }
            fn read_all(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
                Ok(Vec::new())
            }
        }
        let (card, waits) = mpsc::channel();
        let thread = StoreThread::spawn(Store::new(Slow(waits))).unwrap();
        assert_eq!(thread.progress(), None);
        for record in ["a", "b", "a"] {
            thread.save(record.into(), b"x".to_vec());
        }
        assert_eq!(thread.progress(), Some(0));
        for _ in 0..3 {
            card.send(()).unwrap();
        }
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while thread.progress().is_some() && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        assert_eq!(thread.progress(), None);
    }

    #[test]
    fn thread_writes_everything_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let thread = StoreThread::spawn(Store::new(Folder::open(folder.path()).unwrap())).unwrap();
        for i in 0..20 {
            thread.save("n.txt".into(), format!("{i}").into_bytes());
        }
        drop(thread);
        assert_eq!(fs::read(folder.path().join("n.txt")).unwrap(), b"19");
    }
}
