//! Sealing: secrets at rest can be read only with a key that is not beside them. The key comes from wherever a board has
//! one that does not travel with the memory card (a TPM, one-time programmable memory), as a file that the system makes
//! at start.
//!
//! ChaCha20-Poly1305 (RFC 8439) under a key from HKDF-SHA256 (RFC 5869); the name of the file is authenticated too, so
//! that no sealed file can stand in for another.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use std::path::Path;

const MAGIC: &[u8] = b"offhook-sealed 1\n";
/// Fewer octets are no key.
const SHORTEST_KEY: usize = 16;
/// More than any key has.
const LONGEST_KEY: usize = 4096;

/// A key to seal with.
pub struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
}

/// Why sealed octets do not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// Sealed, and there is no key: give the one that this board had.
    NoKey,
    /// Another key, another file's octets, or changed ones: settings have to be fetched again.
    WrongKey,
}

impl Seal {
    /// Reads a key file: any octets that only this board has, at least 16.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let constant = bytes.first().is_some_and(|first| bytes.iter().all(|byte| byte == first));
        match bytes.len() {
            ..SHORTEST_KEY => Err(format!("a key has at least {SHORTEST_KEY} octets, this file has {}", bytes.len())),
            LONGEST_KEY.. => Err(format!("a key has fewer than {LONGEST_KEY} octets")),
            // One-time programmable memory that nobody has written yet.
            _ if constant => Err("every octet is the same: this is no key, write one first".into()),
            _ => Self::new(&bytes).ok_or_else(|| "the key cannot be used".into()),
        }
    }

    fn new(material: &[u8]) -> Option<Self> {
        let derived = Salt::new(HKDF_SHA256, b"offhook store").extract(material);
        let key = derived.expand(&[b"seal 1"], &CHACHA20_POLY1305).ok()?;
        Some(Self { key: LessSafeKey::new(UnboundKey::from(key)), random: SystemRandom::new() })
    }

    /// # Errors
    /// The system has no randomness.
    pub fn seal(&self, name: &str, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let broken = |_| std::io::Error::other("cannot seal: no randomness");
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(broken)?;
        let mut text = bytes.to_vec();
        let mut sealed = [MAGIC, &nonce].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(name), &mut text).map_err(broken)?;
        sealed.append(&mut text);
        Ok(sealed)
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.strip_prefix(MAGIC)?.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(name), &mut text).ok()?;
        Some(opened.to_vec())
    }
}

/// Whether these octets are sealed.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// What was sealed; octets that are not sealed as they are.
///
/// # Errors
/// They are sealed, and not with this key.
pub fn open(seal: Option<&Seal>, name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, SealError> {
    match seal {
        _ if !is_sealed(&bytes) => Ok(bytes),
        None => Err(SealError::NoKey),
        Some(seal) => seal.open(name, &bytes).ok_or(SealError::WrongKey),
    }
}

impl std::fmt::Display for SealError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoKey => "sealed, and no key was given: name the board's key with --seal-key",
            Self::WrongKey => "sealed with another key: the settings have to be fetched again",
        })
    }
}

impl std::error::Error for SealError {}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn seal(material: &[u8]) -> Seal {
        Seal::new(material).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_and_under_its_name_only() {
        let key = seal(b"0123456789abcdef");
        let sealed = key.seal("a", b"hunter2").unwrap();
        assert!(is_sealed(&sealed) && !sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(open(Some(&key), "a", sealed.clone()).unwrap(), b"hunter2");
        assert_eq!(open(Some(&key), "b", sealed.clone()), Err(SealError::WrongKey));
        assert_eq!(open(Some(&seal(b"another key 0000")), "a", sealed.clone()), Err(SealError::WrongKey));
        assert_eq!(open(None, "a", sealed.clone()), Err(SealError::NoKey));
        for at in MAGIC.len()..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(Some(&key), "a", changed), Err(SealError::WrongKey), "{at}");
            assert!(open(Some(&key), "a", sealed[..at].to_vec()).is_err(), "{at}");
        }
        assert_ne!(key.seal("a", b"x").unwrap(), key.seal("a", b"x").unwrap());
        assert_eq!(open(None, "a", b"plain".to_vec()).unwrap(), b"plain");
    }

    #[test]
    fn a_key_file_is_long_enough_and_not_blank() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for (bytes, words) in [(&b"short"[..], "at least 16"), (&[0; 32], "the same"), (&[0xff; 32], "the same")] {
            std::fs::write(&path, bytes).unwrap();
            assert!(Seal::from_file(&path).unwrap_err().contains(words));
        }
        std::fs::write(&path, b"0123456789abcdef").unwrap();
        assert!(Seal::from_file(&path).is_ok());
        assert!(Seal::from_file(&folder.path().join("none")).is_err());
    }
}
