//! A store on a thread of its own, because syncing a memory card can take seconds.

use crate::store::{FileSystem, Store};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time before what could not be written is tried again; it doubles up to the last.
const RETRY_FIRST: Duration = Duration::from_secs(10);
const RETRY_LAST: Duration = Duration::from_secs(3600);

/// The thread. Dropping it waits until everything is written, or has been tried once more.
#[derive(Debug)]
pub struct StoreThread {
    jobs: Option<mpsc::Sender<(String, Vec<u8>)>>,
    asked: AtomicU64,
    done: Arc<AtomicU64>,
    trouble: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl StoreThread {
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn<F: FileSystem + 'static>(store: Store<F>) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let done = Arc::new(AtomicU64::new(0));
        let trouble = Arc::new(Mutex::new(None));
        let writer = Writer { store, pending: BTreeMap::new(), trouble: Arc::clone(&trouble), retry: RETRY_FIRST };
        let counter = Arc::clone(&done);
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || writer.run(&waiting, &counter))?;
        Ok(Self { jobs: Some(jobs), asked: AtomicU64::new(0), done, trouble, thread: Some(thread) })
    }

    /// Saves soon; never waits.
    pub fn save(&self, name: String, bytes: Vec<u8>) {
        if let Some(jobs) = &self.jobs {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let _ = jobs.send((name, bytes));
        }
    }

    /// Records dealt with so far, or `None` when nothing waits: for whoever watches that the thread gets on. What could
    /// not be written is dealt with.
    pub fn progress(&self) -> Option<u64> {
        let done = self.done.load(Ordering::Relaxed);
        (done != self.asked.load(Ordering::Relaxed)).then_some(done)
    }

    /// Why the newest state is not on the medium, in words; `None`: it is, or soon will be.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok()?.clone()
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

struct Writer<F> {
    store: Store<F>,
    /// Newest version of what is not written yet.
    pending: BTreeMap<String, Vec<u8>>,
    trouble: Arc<Mutex<Option<String>>>,
    retry: Duration,
}

impl<F: FileSystem> Writer<F> {
    fn run(mut self, waiting: &mpsc::Receiver<(String, Vec<u8>)>, done: &AtomicU64) {
        loop {
            let first = match self.pending.is_empty() {
                true => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => waiting.recv_timeout(self.retry),
            };
            let mut taken = 0;
            match first {
                Ok((name, bytes)) => {
                    taken = 1;
                    self.pending.insert(name, bytes);
                    // Of several versions of one record only the newest is worth a sync.
                    self.pending.extend(waiting.try_iter().inspect(|_| taken += 1));
                }
                Err(RecvTimeoutError::Timeout) => self.retry = (self.retry * 2).min(RETRY_LAST),
                Err(RecvTimeoutError::Disconnected) => {
                    self.write();
                    return;
                }
            }
            self.write();
            done.fetch_add(taken, Ordering::Relaxed);
        }
    }

    /// In the order of their names, and none after one that failed: what was fetched (`fetches-1`) must not be on the
    /// medium without what it was fetched for (`account-1.xml`), or the server would be told that all is there.
    fn write(&mut self) {
        while let Some((name, bytes)) = self.pending.first_key_value() {
            match self.store.save(name, bytes) {
                Ok(()) => {
                    self.pending.pop_first();
                }
                // No time will make it a name.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    tracing::error!("{error}");
                    self.pending.pop_first();
                }
                Err(error) => {
                    let text = format!("cannot save {name}: {error}; free some space or check the state folder");
                    return self.tell(Some(text));
                }
            }
        }
        self.retry = RETRY_FIRST;
        self.tell(None);
    }

    /// Once for each kind of trouble, and once when it is over.
    fn tell(&self, trouble: Option<String>) {
        let Ok(mut last) = self.trouble.lock() else { return };
        if *last != trouble {
            match &trouble {
                Some(text) => tracing::error!("{text}"),
                None => tracing::info!("everything is saved again"),
            }
            *last = trouble;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Folder;
    use std::fs;

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
        let end = std::time::Instant::now() + Duration::from_secs(5);
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

    /// Fails every step while `full`.
    struct Card {
        full: Arc<std::sync::atomic::AtomicBool>,
        files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    }

    impl Card {
        fn step(&self) -> io::Result<()> {
            match self.full.load(Ordering::SeqCst) {
                true => Err(io::Error::from(io::ErrorKind::StorageFull)),
                false => Ok(()),
            }
        }
    }

    impl FileSystem for Card {
        fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
            self.step()?;
            self.files.lock().unwrap().insert(name.into(), bytes.to_vec());
            Ok(())
        }
        fn sync(&mut self, _: &str) -> io::Result<()> {
            self.step()
        }
        fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
            self.step()?;
            let mut files = self.files.lock().unwrap();
            let bytes = files.remove(from).unwrap();
            files.insert(to.into(), bytes);
            Ok(())
        }
        fn remove(&mut self, name: &str) -> io::Result<()> {
            self.step()?;
            self.files.lock().unwrap().remove(name);
            Ok(())
        }
        fn sync_folder(&mut self) -> io::Result<()> {
            self.step()
        }
        fn read_all(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
            Ok(self.files.lock().unwrap().clone().into_iter().collect())
        }
    }

    #[test]
    fn what_a_full_card_refused_is_told_kept_in_order_and_written_when_there_is_room() {
        let full = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let files = Arc::new(Mutex::new(BTreeMap::new()));
        let card = Card { full: Arc::clone(&full), files: Arc::clone(&files) };
        let thread = StoreThread::spawn(Store::new(card)).unwrap();
        thread.save("account-1.xml".into(), b"new".to_vec());
        thread.save("fetches-1".into(), b"tag".to_vec());
        let soon = |what: &dyn Fn() -> bool| {
            let end = std::time::Instant::now() + Duration::from_secs(5);
            while !what() && std::time::Instant::now() < end {
                std::thread::sleep(Duration::from_millis(2));
            }
            assert!(what());
        };
        soon(&|| thread.progress().is_none() && thread.trouble().is_some());
        let text = thread.trouble().unwrap();
        assert!(text.contains("account-1.xml") && text.contains("free some space"), "{text}");
        assert!(files.lock().unwrap().is_empty());
        full.store(false, Ordering::SeqCst);
        // The next record takes the others along.
        thread.save("history".into(), b"x".to_vec());
        soon(&|| thread.trouble().is_none() && files.lock().unwrap().len() == 3);
        drop(thread);
        assert_eq!(files.lock().unwrap()["account-1.xml"], b"new");
    }
}
