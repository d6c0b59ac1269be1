//! Records in a folder that survive a power cut at any moment: write beside, sync, rename, sync the folder.
//!
//! After a cut each record is either as it was or as it was to be, never in between. The file system stands behind a
//! trait so that tests can pull the plug after every single step.
//!
//! Secrets of settings are in a file of their own, `<record>.private-<number>`, sealed if there is a key. The record
//! names its file; a new one is permanent before the record names it, and the old one goes after that. So a record
//! and its secrets change at once although they are two files, and a change to anything else touches one file only.

pub use crate::store_thread::StoreThread;

use crate::seal::{self, Seal};
use offhook_account::set_apart;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Largest record read back [octets].
const MAX_RECORD: u64 = 16 << 20;
/// Ending of a record that is being written.
const BESIDE: &str = ".new";
/// Before the number of a record's file of secrets.
const PRIVATE: &str = ".private-";
/// Before the name of that file, in the first line of the record.
const NAMES: &str = "private ";

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
        read_folder(&self.path)
    }
}

fn read_folder(path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // A file may go while we look, and one that cannot be read does not take the others with it.
        let metadata = entry.metadata();
        if name == ".lock" || !metadata.is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_RECORD) {
            continue;
        }
        match fs::read(entry.path()) {
            Ok(bytes) => files.push((name, bytes)),
            Err(error) => tracing::error!("cannot read {}: {error}", entry.path().display()),
        }
    }
    Ok(files)
}

/// A folder that somebody else may be using, only to be looked at.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
}

impl Snapshot {
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

fn only_looking() -> io::Error {
    io::Error::from(io::ErrorKind::ReadOnlyFilesystem)
}

impl FileSystem for Snapshot {
    fn write(&mut self, _: &str, _: &[u8]) -> io::Result<()> {
        Err(only_looking())
    }
    fn sync(&mut self, _: &str) -> io::Result<()> {
        Err(only_looking())
    }
    fn rename(&mut self, _: &str, _: &str) -> io::Result<()> {
        Err(only_looking())
    }
    /// Clearing up is for whoever owns the folder.
    fn remove(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn sync_folder(&mut self) -> io::Result<()> {
        Err(only_looking())
    }
    fn read_all(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
        read_folder(&self.path)
    }
}

/// Saves records one after the other.
#[derive(Debug)]
pub struct Store<F> {
    files: F,
    seal: Option<Seal>,
    /// By record.
    private: BTreeMap<String, Private>,
    /// Highest number of a file of secrets.
    last: u64,
}

/// The secrets of a record, and where they are.
struct Private {
    file: String,
    text: Vec<u8>,
}

impl<F: FileSystem> Store<F> {
    /// [`Store::load`] comes before the first [`Store::save`].
    pub fn new(files: F) -> Self {
        Self { files, seal: None, private: BTreeMap::new(), last: 0 }
    }

    /// Seals secrets with this key; those that are stored unsealed are sealed by `load`.
    #[must_use]
    pub fn sealed(mut self, seal: Option<Seal>) -> Self {
        self.seal = seal;
        self
    }

    /// All records. What a cut left beside them is removed; a record whose secrets are lost is told in the log and left
    /// out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn load(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut private = BTreeMap::new();
        let mut stored = Vec::new();
        for (name, bytes) in self.files.read_all()? {
            if name.ends_with(BESIDE) {
                self.forget(&name);
            } else if let Some(number) = private_number(&name) {
                self.last = self.last.max(number);
                private.insert(name, bytes);
            } else {
                stored.push((name, bytes));
            }
        }
        let mut records = Vec::new();
        let mut named = BTreeSet::new();
        let mut unsealed = Vec::new();
        for (name, bytes) in stored {
            let Some((file, open)) = reference(&bytes) else {
                records.push((name, bytes));
                continue;
            };
            named.insert(file.to_owned());
            let plain = private.get(file).is_some_and(|bytes| !seal::is_sealed(bytes));
            match self.joined(file, open, private.remove(file)) {
                Ok((whole, text)) => {
                    if plain && self.seal.is_some() {
                        unsealed.push((name.clone(), whole.clone()));
                    }
                    self.private.insert(name.clone(), Private { file: file.to_owned(), text });
                    records.push((name, whole));
                }
                Err(reason) => tracing::error!("{name} cannot be used: {reason}"),
            }
        }
        for name in private.keys().filter(|name| !named.contains(*name)) {
            self.forget(name);
        }
        for (name, whole) in unsealed {
            let old = self.private.remove(&name);
            match (self.save(&name, &whole), old) {
                (Ok(()), Some(old)) => self.forget(&old.file),
                (Err(error), Some(old)) => {
                    tracing::error!("cannot seal the secrets of {name}: {error}");
                    self.private.insert(name, old);
                }
                _ => {}
            }
        }
        Ok(records)
    }

    /// Writes a record, or deletes it when `bytes` is empty. When this returns `Ok`, it is permanent.
    ///
    /// # Errors
    /// The name is not a plain file name, or the system refused a step; the old record is still there, unless only the
    /// last step failed: then it is the old or the new one.
    pub fn save(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let plain = !name.is_empty()
            && !name.starts_with('.')
            && !name.ends_with(BESIDE)
            && !name.contains(PRIVATE)
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !plain {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not a record name")));
        }
        if bytes.is_empty() {
            self.files.remove(name)?;
            self.files.sync_folder()?;
            self.forget_private(name);
            return Ok(());
        }
        let Some(apart) = set_apart::split(bytes) else {
            self.replace(name, bytes)?;
            self.forget_private(name);
            return Ok(());
        };
        if let Some(known) = self.private.get(name).filter(|known| known.text == apart.private) {
            return self.replace(name, &naming(&known.file.clone(), &apart.open));
        }
        self.last += 1;
        let file = format!("{name}{PRIVATE}{}", self.last);
        match &self.seal {
            Some(seal) => self.files.write(&file, &seal.seal(&file, &apart.private)?)?,
            None => self.files.write(&file, &apart.private)?,
        }
        self.files.sync(&file)?;
        self.files.sync_folder()?;
        self.replace(name, &naming(&file, &apart.open))?;
        self.forget_private(name);
        self.private.insert(name.to_owned(), Private { file, text: apart.private });
        Ok(())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = format!("{name}{BESIDE}");
        self.files.write(&beside, bytes)?;
        self.files.sync(&beside)?;
        self.files.rename(&beside, name)?;
        self.files.sync_folder()
    }

    fn joined(&self, file: &str, open: &[u8], private: Option<Vec<u8>>) -> Result<(Vec<u8>, Vec<u8>), String> {
        let private = private.ok_or_else(|| format!("{file} is missing"))?;
        let text = seal::open(self.seal.as_ref(), file, private).map_err(|error| format!("{file} is {error}"))?;
        let whole = set_apart::join(open, &text)?;
        Ok((whole, text))
    }

    fn forget_private(&mut self, name: &str) {
        if let Some(old) = self.private.remove(name) {
            self.forget(&old.file);
        }
    }

    /// Removes what nothing refers to; if that fails it is removed at the next start.
    fn forget(&mut self, file: &str) {
        if let Err(error) = self.files.remove(file) {
            tracing::warn!("cannot remove {file}: {error}");
        }
    }
}

fn naming(file: &str, open: &[u8]) -> Vec<u8> {
    [NAMES.as_bytes(), file.as_bytes(), b"\n", open].concat()
}

/// The file of secrets that a record names, and the rest of it.
fn reference(record: &[u8]) -> Option<(&str, &[u8])> {
    let rest = record.strip_prefix(NAMES.as_bytes())?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (file, open) = rest.split_at_checked(end)?;
    let file = std::str::from_utf8(file).ok().filter(|file| private_number(file).is_some())?;
    let open = open.get(1..)?;
    set_apart::is_open_part(open).then_some((file, open))
}

fn private_number(name: &str) -> Option<u64> {
    name.rsplit_once(PRIVATE)?.1.parse().ok()
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
