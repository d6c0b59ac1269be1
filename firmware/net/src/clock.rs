//! Time of day, if it is known. A board without a clock battery starts in 1970 or at the date of its image; until the
//! network has told the time, the date is better absent than wrong.

use crate::build_info;
use std::time::SystemTime;

/// The date, or `None` while the system clock has evidently not been set: it shows a time before this binary was made.
pub fn wall() -> Option<SystemTime> {
    let now = SystemTime::now();
    (now >= build_info::date()).then_some(now)
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
