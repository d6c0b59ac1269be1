//! Time of day, if it is known. A board without a clock battery starts in 1970 or at the date of its image; until the
//! network has told the time, the date is better absent than wrong.

use crate::build_info;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

/// Names, in the environment, the file that the system makes as soon as the network has told the time. Without it the system's
/// clock is believed. An image needs it: systemd starts the clock of a board without a battery at the date of the image, or
/// where it was at the last message, which is late enough to look right and too early for certificates.
const TOLD: &str = "OFFHOOK_TIME_TOLD";

/// The date, or `None` while the system clock has evidently not been set: it shows a time before this binary was made, or the
/// system says that the network has not told the time since the start.
pub fn wall() -> Option<SystemTime> {
    let now = SystemTime::now();
    (now >= build_info::date() && is_told()).then_some(now)
}

fn is_told() -> bool {
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    // Asked in every turn of a main loop; once told, always told.
    static SEEN: AtomicBool = AtomicBool::new(false);
    let Some(file) = FILE.get_or_init(|| std::env::var_os(TOLD).map(PathBuf::from)) else { return true };
    if SEEN.load(Ordering::Relaxed) {
        return true;
    }
    let there = file.exists();
    SEEN.store(there, Ordering::Relaxed);
    there
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
