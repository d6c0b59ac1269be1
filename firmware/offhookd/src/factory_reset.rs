//! What a factory reset comes to: a word to the system, which has more than us to forget, or, without such a system, an
//! empty state folder.

use crate::vitals::runtime_folder;
use std::fs;
use std::path::Path;

/// Asks the system by `$RUNTIME_DIRECTORY/factory-reset`; `false`: there is no system to ask. We run on meanwhile: the
/// folder, and the word in it, would go with us.
pub(crate) fn ask() -> bool {
    let Some(folder) = runtime_folder() else { return false };
    let path = folder.join("factory-reset");
    match fs::write(&path, "asked for by keys\n") {
        Ok(()) => {
            tracing::warn!("factory reset: asked for by keys");
            true
        }
        Err(error) => {
            tracing::error!("factory reset: {}: {error}; only our own state is cleared", path.display());
            false
        }
    }
}

/// Empties the state folder.
pub(crate) fn clear(state: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(state)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::File::open(state)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_the_state_and_what_a_link_names_is_not_touched() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("media")).unwrap();
        for name in ["account-1.xml", ".lock", "media/busy.wav"] {
            fs::write(state.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(outside.path(), state.path().join("link")).unwrap();
        clear(state.path()).unwrap();
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }
}
