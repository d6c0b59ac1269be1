//! The plug is pulled between any two steps of the store, and the medium then has any part of what was not synced, in
//! any order; and any step may fail. What is loaded afterwards is the old or the new record, whole, with its own secrets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use offhook_account::{Document, Layers, layers::Source};
use offhook_net::seal::Seal;
use offhook_net::store::{FileSystem, Folder, Store};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// A folder on a medium that keeps no more than it must (POSIX `fsync`): contents of files and names in the folder are
/// permanent each by its own sync; without it each of the changes may survive or not, alone.
#[derive(Debug, Default, Clone)]
struct Medium {
    files: Vec<File>,
    /// What a running system sees: name to place in `files`.
    seen: BTreeMap<String, usize>,
    /// What is permanent.
    kept: BTreeMap<String, usize>,
    /// Changes of names since the last sync of the folder.
    changes: Vec<Change>,
    steps: usize,
    /// The step at which it ends, and how.
    end: Option<(usize, End)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// The power goes: this step and all later ones do not happen.
    Cut,
    /// This one step fails, half done; the system runs on.
    Fails,
}

#[derive(Debug, Default, Clone)]
struct File {
    bytes: Vec<u8>,
    synced: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
enum Change {
    Link(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

type Names = BTreeMap<String, usize>;

fn make(names: &mut Names, change: &Change) {
    match change {
        Change::Link(name, file) => {
            names.insert(name.clone(), *file);
        }
        Change::Rename(from, to, file) => {
            if names.get(from) == Some(file) {
                names.remove(from);
            }
            names.insert(to.clone(), *file);
        }
        Change::Remove(name) => {
            names.remove(name);
        }
    }
}

impl Medium {
    /// `Err` at the end; with `End::Fails` the caller does half of its work first.
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        match self.end {
            Some((at, End::Cut)) if self.steps > at => Err(io::Error::other("no power")),
            Some((at, End::Fails)) if self.steps == at + 1 => Err(io::Error::from(io::ErrorKind::StorageFull)),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        make(&mut self.seen, &change);
        self.changes.push(change);
    }

    /// Every folder that may be found after the power comes back.
    fn after_cut(&self) -> Vec<Self> {
        let mut found = BTreeSet::new();
        assert!(self.changes.len() <= 10, "{:?}", self.changes);
        for survived in 0..1_u32 << self.changes.len() {
            let mut names = self.kept.clone();
            for (at, change) in self.changes.iter().enumerate() {
                if survived & (1 << at) != 0 {
                    make(&mut names, change);
                }
            }
            let mut folders: Vec<BTreeMap<String, Vec<u8>>> = vec![BTreeMap::new()];
            for (name, file) in names {
                let contents = self.files[file].after_cut();
                let with = |folder: &BTreeMap<String, Vec<u8>>, content: &Vec<u8>| {
                    let mut folder = folder.clone();
                    folder.insert(name.clone(), content.clone());
                    folder
                };
                folders = folders.iter().flat_map(|folder| contents.iter().map(move |c| with(folder, c))).collect();
            }
            found.extend(folders);
        }
        found.into_iter().map(|files| Self::of(&files)).collect()
    }

    fn of(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let names: Names = files.keys().cloned().zip(0..).collect();
        let files = files.values().map(|bytes| File { bytes: bytes.clone(), synced: Some(bytes.clone()) }).collect();
        Self { files, seen: names.clone(), kept: names, ..Self::default() }
    }

    fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.seen.iter().map(|(name, file)| (name.clone(), self.files[*file].bytes.clone())).collect()
    }
}

impl File {
    fn after_cut(&self) -> Vec<Vec<u8>> {
        let synced = self.synced.clone().unwrap_or_default();
        if synced == self.bytes && self.synced.is_some() {
            return vec![synced];
        }
        // As it was, half, the right length without content, or all of it.
        let half = self.bytes[..self.bytes.len() / 2].to_vec();
        let all = BTreeSet::from([synced, half, vec![0; self.bytes.len()], self.bytes.clone()]);
        all.into_iter().collect()
    }
}

impl FileSystem for Medium {
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let result = self.step();
        if let (Err(_), Some((_, End::Cut))) = (&result, self.end) {
            return result;
        }
        // A full medium takes the first half.
        let bytes = if result.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        match self.seen.get(name) {
            Some(file) => self.files[*file].bytes = bytes.to_vec(),
            None => {
                self.files.push(File { bytes: bytes.to_vec(), synced: None });
                self.change(Change::Link(name.into(), self.files.len() - 1));
            }
        }
        result
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.step()?;
        let file = &mut self.files[self.seen[name]];
        file.synced = Some(file.bytes.clone());
        Ok(())
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        self.change(Change::Rename(from.into(), to.into(), self.seen[from]));
        Ok(())
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.step()?;
        if self.seen.contains_key(name) {
            self.change(Change::Remove(name.into()));
        }
        Ok(())
    }
    fn sync_folder(&mut self) -> io::Result<()> {
        self.step()?;
        self.kept = self.seen.clone();
        self.changes.clear();
        Ok(())
    }
    fn read_all(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
        Ok(self.contents().into_iter().collect())
    }
}

/// The store has its file system to itself, so it is looked at from outside by sharing it.
#[derive(Debug, Clone)]
struct Shared(std::sync::Arc<std::sync::Mutex<Medium>>);

impl Shared {
    fn new(medium: Medium) -> Self {
        Self(std::sync::Arc::new(std::sync::Mutex::new(medium)))
    }
    fn medium(&self) -> std::sync::MutexGuard<'_, Medium> {
        self.0.lock().unwrap()
    }
}

impl FileSystem for Shared {
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.medium().write(name, bytes)
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.medium().sync(name)
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.medium().rename(from, to)
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.medium().remove(name)
    }
    fn sync_folder(&mut self) -> io::Result<()> {
        self.medium().sync_folder()
    }
    fn read_all(&mut self) -> io::Result<Vec<(String, Vec<u8>)>> {
        self.medium().read_all()
    }
}

fn key() -> Option<Seal> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, b"a key of this board").unwrap();
    Some(Seal::from_file(&path).unwrap())
}

/// A settings record as the phone stores it.
fn settings(password: &str, title: &str) -> Vec<u8> {
    let text = format!(
        "<account><title>{title}</title><username>u</username><host>h</host><password>{password}</password></account>"
    );
    let mut layers = Layers::new();
    layers.merge(Source::Provisioning, &Document::parse(text.as_bytes()).unwrap().0);
    layers.to_bytes()
}

type Records = BTreeMap<String, Vec<u8>>;

fn loaded(files: Shared, seal: bool) -> Records {
    let mut store = Store::new(files).sealed(if seal { key() } else { None });
    store.load().unwrap().into_iter().collect()
}

fn with(records: &Records, name: &str, bytes: &[u8]) -> Records {
    let mut records = records.clone();
    match bytes {
        [] => records.remove(name),
        bytes => records.insert(name.into(), bytes.to_vec()),
    };
    records
}

/// What a phone's life may be made of.
fn life() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("account-1.xml", settings("one", "A")),
        ("fetches-1", b"tag 1".to_vec()),
        ("account-1.xml", settings("two", "A")),
        ("account-2.xml", settings("one", "B")),
        ("account-1.xml", settings("two", "B")),
        ("history.json", b"[1,2,3]".to_vec()),
        ("account-1.xml", b"no settings any more".to_vec()),
        ("account-1.xml", settings("three", "C")),
        ("fetches-1", Vec::new()),
        ("account-2.xml", Vec::new()),
    ]
}

/// Saves one after the other until the end; what was there before the one that did not come to its end, and after it.
fn live(life: &[(&str, Vec<u8>)], medium: Medium, seal: bool) -> (Store<Shared>, Shared, Records, Records, bool) {
    let files = Shared::new(medium);
    let mut store = Store::new(files.clone()).sealed(if seal { key() } else { None });
    let mut before: Records = store.load().unwrap().into_iter().collect();
    for (name, bytes) in life {
        let after = with(&before, name, bytes);
        if store.save(name, bytes).is_err() {
            return (store, files, before, after, true);
        }
        before = after;
    }
    (store, files, before.clone(), before, false)
}

#[test]
fn power_cut_at_any_step_leaves_the_old_or_the_new_records_whatever_survived_unsynced() {
    for seal in [false, true] {
        let (mut cuts, mut states, mut recoveries) = (0, 0, 0);
        for at in 0.. {
            let medium = Medium { end: Some((at, End::Cut)), ..Medium::default() };
            let (_, files, before, after, cut) = live(&life(), medium, seal);
            let found = files.medium().after_cut();
            cuts += 1;
            for medium in found {
                states += 1;
                let now = loaded(Shared::new(medium.clone()), seal);
                assert!(now == before || now == after, "cut at step {at}: {medium:?}");
                // And again while the first start after it clears up.
                for again in 0..2 {
                    let files = Shared::new(Medium { end: Some((again, End::Cut)), ..medium.clone() });
                    let _ = Store::new(files.clone()).sealed(if seal { key() } else { None }).load();
                    for medium in files.medium().after_cut() {
                        recoveries += 1;
                        let later = loaded(Shared::new(medium.clone()), seal);
                        assert_eq!(later, now, "cut at steps {at} and {again}: {medium:?}");
                    }
                }
            }
            if !cut {
                break;
            }
        }
        println!("sealed {seal}: {cuts} cuts, {states} folders, {recoveries} cut again");
        assert!(cuts > 40 && states > 120 && recoveries > 300, "{cuts} {states} {recoveries}");
    }
}

#[test]
fn any_step_may_fail_and_the_old_records_are_as_they_were() {
    for seal in [false, true] {
        let mut failures = 0;
        for at in 0..200 {
            let medium = Medium { end: Some((at, End::Fails)), ..Medium::default() };
            let (mut store, files, before, after, failed) = live(&life(), medium, seal);
            let now = loaded(Shared::new(Medium::of(&files.medium().contents())), seal);
            if !failed {
                // The last steps only clear up; that they failed changes nothing.
                assert_eq!(now, after);
                continue;
            }
            failures += 1;
            // Octet by octet; only where the last step failed is it the new one already.
            assert!(now == before || now == after, "step {at}");
            // The system runs on, and the same store takes another record later.
            let (name, bytes) = ("account-1.xml", settings("later", "L"));
            store.save(name, &bytes).unwrap();
            assert_eq!(loaded(files, seal), with(&now, name, &bytes), "step {at}");
        }
        assert!(failures > 40, "{failures}");
    }
}

#[test]
fn an_error_leaves_both_files_of_a_record_byte_identical_until_the_new_ones_are_safe() {
    let life = [("account-1.xml", settings("one", "A"))];
    let (_, files, ..) = live(&life, Medium::default(), false);
    let begin = files.medium().clone();
    let old = begin.contents();
    assert_eq!(old.len(), 2, "{old:?}");
    for at in 0..6 {
        let medium = Medium { end: Some((begin.steps + at, End::Fails)), ..begin.clone() };
        let files = Shared::new(medium);
        let mut store = Store::new(files.clone());
        store.load().unwrap();
        let error = store.save("account-1.xml", &settings("two", "B")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let now = files.medium().contents();
        for (name, bytes) in &old {
            assert_eq!(now.get(name), Some(bytes), "step {at}: {name}");
        }
    }
}

/// Covers: feat.115
#[test]
fn secrets_are_in_a_file_of_their_own_for_their_owner_only_and_sealed_with_a_key() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let record = settings("hunter2", "A");
    let files = || -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
        let all = entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
        all.filter(|(name, _)| name != ".lock").collect()
    };
    let with_password = || -> Vec<String> {
        let has = |bytes: &[u8]| bytes.windows(7).any(|window| window == b"hunter2");
        files().into_iter().filter(|(_, bytes)| has(bytes)).map(|(name, _)| name).collect()
    };
    {
        let mut store = Store::new(Folder::open(folder.path()).unwrap());
        store.load().unwrap();
        store.save("account-1.xml", &record).unwrap();
        assert_eq!(with_password(), ["account-1.xml.private-1"]);
        for name in files().keys() {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        // Something else changes: the secrets stay where they are.
        store.save("account-1.xml", &settings("hunter2", "B")).unwrap();
        assert_eq!(files().keys().collect::<Vec<_>>(), ["account-1.xml", "account-1.xml.private-1"]);
        store.save("account-1.xml", &record).unwrap();
    }
    // A key that comes later seals what is there.
    let mut store = Store::new(Folder::open(folder.path()).unwrap()).sealed(key());
    assert_eq!(store.load().unwrap(), [("account-1.xml".to_owned(), record.clone())]);
    assert_eq!(files().keys().collect::<Vec<_>>(), ["account-1.xml", "account-1.xml.private-2"]);
    assert!(with_password().is_empty());
    drop(store);
    assert_eq!(loaded_from(folder.path(), key()), [("account-1.xml".to_owned(), record)]);
    // Without it the record is not there, and nothing is thrown away.
    let before = files();
    assert!(loaded_from(folder.path(), None).is_empty());
    assert_eq!(files(), before);
    let mut store = Store::new(Folder::open(folder.path()).unwrap()).sealed(key());
    store.load().unwrap();
    store.save("account-1.xml", b"").unwrap();
    assert!(files().is_empty());
    assert_eq!(store.save("a.private-1", b"x").unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

fn loaded_from(folder: &std::path::Path, seal: Option<Seal>) -> Vec<(String, Vec<u8>)> {
    Store::new(Folder::open(folder).unwrap()).sealed(seal).load().unwrap()
}

#[test]
fn settings_stored_before_secrets_had_a_file_of_their_own_are_read() {
    let record = settings("hunter2", "A");
    let medium = Medium::of(&BTreeMap::from([("account-1.xml".to_owned(), record.clone())]));
    assert_eq!(loaded(Shared::new(medium), false)["account-1.xml"], record);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn any_life_cut_anywhere_is_found_as_it_was_or_was_to_be(
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
        at in 0_usize..60,
    ) {
        let all = life();
        let chosen: Vec<_> = order.iter().map(|index| all[index.index(all.len())].clone()).collect();
        let (_, files, before, after, _) = live(&chosen, Medium { end: Some((at, End::Cut)), ..Medium::default() }, false);
        for medium in files.medium().after_cut() {
            let now = loaded(Shared::new(medium), false);
            prop_assert!(now == before || now == after);
        }
    }
}
