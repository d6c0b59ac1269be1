//! The WAV files that tones may name (`axml.tones.03`): `media/*.wav` in the state folder, read once at start.
//!
//! What is skipped is logged with the reason. What the files contain is for the phone to judge.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Files at most.
const MOST: usize = 64;
/// Largest file [octets].
const LARGEST: u64 = 4 << 20;

/// By name, in the order of names; nothing if there is no such folder.
pub(crate) fn read(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!("cannot read {}: {error}; tones have no sound files", folder.display());
            return Vec::new();
        }
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            // a link or a pipe is no file: starting must not wait for one, nor read what lies elsewhere
            let name = entry.file_type().ok()?.is_file().then(|| entry.file_name().into_string().ok())??;
            plain(&name).then_some(name)
        })
        .collect();
    names.sort_unstable();
    for name in names.iter().skip(MOST) {
        tracing::warn!("media/{name} is skipped: there are more than {MOST} sound files");
    }
    names.truncate(MOST);
    let mut files = Vec::new();
    for name in names {
        match content(&folder.join(&name)) {
            Ok(bytes) if bytes.len() as u64 <= LARGEST => files.push((name, bytes)),
            Ok(_) => tracing::warn!("media/{name} is skipped: larger than {} MiB", LARGEST >> 20),
            Err(error) => tracing::warn!("media/{name} is skipped: {error}"),
        }
    }
    files
}

/// Letters, digits, `-`, `_`, `.` and spaces, not hidden, ending in `.wav`.
fn plain(name: &str) -> bool {
    let ending = name.len().checked_sub(4).and_then(|at| name.get(at..));
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case(".wav"))
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_. ".contains(&b))
}

/// One octet more than allowed tells a file that is too large.
fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_wav_files_of_a_bearable_size_are_read() {
        let folder = std::env::temp_dir().join(format!("offhook-media-{}", std::process::id()));
        assert!(read(&folder).is_empty());
        std::fs::create_dir_all(folder.join("folder.wav")).unwrap();
        for name in ["busy.wav", "A tone.WAV", ".hidden.wav", "notes.txt", "p\u{e4}use.wav", "wav"] {
            std::fs::write(folder.join(name), name).unwrap();
        }
        std::fs::write(folder.join("large.wav"), vec![0; LARGEST as usize + 1]).unwrap();
        std::os::unix::fs::symlink(folder.join("busy.wav"), folder.join("link.wav")).unwrap();
        let files = read(&folder);
        for number in 0..MOST {
            std::fs::write(folder.join(format!("z{number}.wav")), "z").unwrap();
        }
        let many = read(&folder).len();
        std::fs::remove_dir_all(&folder).unwrap();
        let expected = ["A tone.WAV", "busy.wav"].map(|name| (name.to_owned(), name.as_bytes().to_vec()));
        assert_eq!(files, expected);
        // of the 64 first names one is too large
        assert_eq!(many, MOST - 1);
    }
}
