//! Time of day, if it is known. A board without a clock battery starts in 1970 or at the date of its image; until the
//! network has told the time, the date is better absent than wrong.

use std::time::{Duration, SystemTime};

/// 2026-01-01T00:00:00Z [s since 1970]: no correct clock shows an earlier date.
const PLAUSIBLE: Duration = Duration::from_secs(1_767_225_600);

/// The date, or `None` while the system clock has evidently not been set.
pub fn wall() -> Option<SystemTime> {
    let now = SystemTime::now();
    (now >= SystemTime::UNIX_EPOCH + PLAUSIBLE).then_some(now)
}

/// Random octets of the operating system.
///
/// # Errors
/// `/dev/urandom` cannot be read.
pub fn entropy<const N: usize>() -> std::io::Result<[u8; N]> {
    use std::io::Read;
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A seed for a machine's generator.
///
/// # Errors
/// As [`entropy`].
pub fn seed() -> std::io::Result<u64> {
    entropy::<8>().map(u64::from_le_bytes)
}
