//! U-Boot's environment as it lies in the partition `env`: CRC-32 of the rest, then `name=value` texts that end in NUL, in one
//! sector of 512 octets.

use crate::case::Outcome;
use crate::disk::{Disk, SECTOR};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Env(BTreeMap<String, String>);

impl Env {
    /// What is on this disk; an error if the checksum is wrong, which no power cut may cause.
    pub(crate) fn read(disk: &Disk) -> Outcome<Self> {
        let octets = disk.read(disk.partition("env")?.start, SECTOR as usize)?;
        Self::from_octets(&octets)
            .ok_or_else(|| format!("{}: the environment's checksum is wrong", disk.path().display()))
    }

    pub(crate) fn write(&self, disk: &Disk) -> Outcome {
        let octets = self.to_octets().ok_or_else(|| format!("an environment that does not fit: {self:?}"))?;
        disk.write(disk.partition("env")?.start, &octets)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// How many more times a slot may be tried.
    pub(crate) fn left(&self, slot: &str) -> u32 {
        self.get(&format!("BOOT_{slot}_LEFT")).and_then(|text| u32::from_str_radix(text, 16).ok()).unwrap_or(0)
    }

    pub(crate) fn set_left(&mut self, slot: &str, attempts: u32) {
        self.set(&format!("BOOT_{slot}_LEFT"), format!("{attempts:x}"));
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        let (sum, rest) = octets.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*sum) != crc32(rest) {
            return None;
        }
        let texts = rest.split(|&octet| octet == 0).take_while(|text| !text.is_empty());
        let pairs = texts.filter_map(|text| {
            let (name, value) = std::str::from_utf8(text).ok()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Some(Self(pairs.collect()))
    }

    fn to_octets(&self) -> Option<[u8; SECTOR as usize]> {
        let mut octets = [0; SECTOR as usize];
        let text: String = self.0.iter().map(|(name, value)| format!("{name}={value}\0")).collect();
        // One more NUL ends it.
        octets.get_mut(4..4 + text.len() + 1)?[..text.len()].copy_from_slice(text.as_bytes());
        let sum = crc32(&octets[4..]);
        octets[..4].copy_from_slice(&sum.to_le_bytes());
        Some(octets)
    }
}

/// CRC-32 of ISO 3309, bit by bit: it is computed over half a KiB.
fn crc32(octets: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !octets.iter().fold(!0, |crc, &octet| (0..8).fold(crc ^ u32::from(octet), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut env = Env::default();
        env.set("BOOT_ORDER", "A B");
        env.set("BOOT_A_LEFT", "3");
        let octets = env.to_octets().unwrap();
        assert_eq!(Env::from_octets(&octets), Some(env));
    }

    #[test]
    fn a_damaged_sector_is_refused() {
        let mut octets = Env::default().to_octets().unwrap();
        octets[100] ^= 1;
        assert_eq!(Env::from_octets(&octets), None);
    }

    #[test]
    fn an_environment_larger_than_the_sector_is_refused() {
        let mut env = Env::default();
        env.set("a", "x".repeat(504));
        assert!(env.to_octets().is_some());
        env.set("a", "x".repeat(505));
        assert!(env.to_octets().is_none());
    }
}
