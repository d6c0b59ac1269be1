//! The accounts in force as one Account XML without secrets, read beside a phone that may be running.

use offhook_net::seal::Seal;
use offhook_net::store::{Snapshot, Store};
use offhook_phone::account::{self, Document, Layers};
use std::path::Path;
use std::time::Duration;

/// Whoever writes replaces a record and its secrets one after the other: what is caught in between is whole a little later.
const LOOKS: u32 = 3;
const BETWEEN: Duration = Duration::from_millis(200);

/// The document.
///
/// # Errors
/// There is nothing to export, or it cannot be read.
pub(crate) fn run(state: &Path, seal_key: Option<&Path>) -> Result<String, String> {
    let folder = state.display();
    let mut error = String::new();
    for look in 0..LOOKS {
        if look > 0 {
            std::thread::sleep(BETWEEN);
        }
        match accounts(state, seal(seal_key)?) {
            Ok(accounts) if accounts.is_empty() => error = format!("{folder}: no account is stored there"),
            Ok(accounts) => return Ok(account::export(&accounts)),
            Err(reason) => error = format!("{folder}: {reason}"),
        }
    }
    Err(error)
}

/// The key of a board, if it has one.
///
/// # Errors
/// The file of it cannot be used.
pub(crate) fn seal(path: Option<&Path>) -> Result<Option<Seal>, String> {
    let Some(path) = path else { return Ok(None) };
    let wrong = |error| format!("--seal-key {}: {error}", path.display());
    Seal::from_file(path).map(Some).map_err(wrong)
}

/// In the order of their numbers.
fn accounts(state: &Path, seal: Option<Seal>) -> Result<Vec<Document>, String> {
    let stored = |name: &str| name.strip_prefix("account-")?.strip_suffix(".xml")?.parse::<u32>().ok();
    let present = std::fs::read_dir(state).map_err(|error| error.to_string())?;
    let present =
        present.flatten().filter(|entry| entry.file_name().to_str().is_some_and(|name| stored(name).is_some()));
    let count = present.count();
    let records = Store::new(Snapshot::of(state)).sealed(seal).load().map_err(|error| error.to_string())?;
    let mut found: Vec<(u32, &[u8])> =
        records.iter().filter_map(|(name, bytes)| Some((stored(name)?, bytes.as_slice()))).collect();
    found.sort();
    if found.len() < count {
        return Err("the secrets of an account cannot be read".into());
    }
    let document = |(number, bytes): (u32, &[u8])| match Layers::restore(bytes) {
        Ok(layers) => Ok(layers.merged()),
        Err(rejection) => Err(format!("account {number}: {rejection}")),
    };
    found.into_iter().map(document).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use offhook_net::store::Folder;
    use offhook_phone::account::layers::Source;

    #[test]
    fn the_accounts_of_a_running_phone_are_exported_without_their_secrets() {
        let state = tempfile::tempdir().unwrap();
        let key = tempfile::tempdir().unwrap();
        let key = key.path().join("key");
        std::fs::write(&key, b"only this board has it").unwrap();
        let mut store = Store::new(Folder::open(state.path()).unwrap()).sealed(seal(Some(&key)).unwrap());
        store.load().unwrap();
        for (number, user) in [(2, "ben"), (1, "ann")] {
            let text =
                format!("<account><username>{user}</username><host>h</host><password>geheim</password></account>");
            let mut layers = Layers::new();
            layers.merge(Source::Provisioning, &Document::parse(text.as_bytes()).unwrap().0);
            store.save(&format!("account-{number}.xml"), &layers.to_bytes()).unwrap();
        }
        let text = run(state.path(), Some(&key)).unwrap();
        assert!(!text.contains("geheim") && text.find("ann").unwrap() < text.find("ben").unwrap(), "{text}");
        assert!(run(state.path(), None).unwrap_err().contains("secrets"));
        assert!(run(key.parent().unwrap(), None).unwrap_err().contains("no account"));
        assert!(run(Path::new("/nowhere"), None).is_err());
    }
}
