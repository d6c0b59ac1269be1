//! A time server (SNTP, RFC 4330 section 6) that tells the rig's time, for boards without a clock of their own.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From 1900, where NTP begins, to 1970 [s].
const TO_1970: u64 = 2_208_988_800;

/// What the server does; a case may change it at any moment.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    /// Tells the time of so much later than it is [s]: a board that follows it shows that.
    ahead: AtomicU64,
    /// How long it thinks before it answers [ms].
    slow: AtomicU64,
    silent: AtomicBool,
    /// How often it has answered.
    told: AtomicU64,
}

impl Teller {
    pub(crate) fn set_ahead(&self, ahead: Duration) {
        self.ahead.store(ahead.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn set_slow(&self, slow: Duration) {
        self.slow.store(slow.as_millis() as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    pub(crate) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// What it believes the time is, since 1970.
    pub(crate) fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now + Duration::from_secs(self.ahead.load(Ordering::Relaxed))
    }

    /// Answers until `go_on` says no; the socket has a read timeout.
    pub(crate) fn serve(&self, socket: &UdpSocket, go_on: impl Fn() -> bool) {
        let mut packet = [0; 512];
        while go_on() {
            let Ok((count, from)) = socket.recv_from(&mut packet) else { continue };
            let (arrived, begin) = (self.now(), Instant::now());
            let slow = Duration::from_millis(self.slow.load(Ordering::Relaxed));
            while begin.elapsed() < slow && go_on() {
                std::thread::sleep(Duration::from_millis(10));
            }
            if self.silent.load(Ordering::Relaxed) {
                continue;
            }
            if let Some(answer) = answer(&packet[..count], arrived, self.now()) {
                self.told.fetch_add(1, Ordering::Relaxed);
                let _ = socket.send_to(&answer, from);
            }
        }
    }
}

/// The answer to a packet that came at `arrived` and is answered at `now`, both since 1970.
fn answer(packet: &[u8], arrived: Duration, now: Duration) -> Option<[u8; 48]> {
    let packet: &[u8; 48] = packet.first_chunk()?;
    let (version, mode) = (packet[0] >> 3 & 7, packet[0] & 7);
    if mode != 3 || !(1..=4).contains(&version) {
        return None;
    }
    let mut answer = [0; 48];
    // Server mode, stratum 1, the asker's poll interval, a microsecond's precision.
    answer[..4].copy_from_slice(&[version << 3 | 4, 1, packet[2], 0xec]);
    answer[12..16].copy_from_slice(b"LOCL");
    answer[16..24].copy_from_slice(&timestamp(arrived));
    answer[24..32].copy_from_slice(&packet[40..48]);
    answer[32..40].copy_from_slice(&timestamp(arrived));
    answer[40..48].copy_from_slice(&timestamp(now));
    Some(answer)
}

/// Seconds since 1900 and 2^-32 seconds.
fn timestamp(now: Duration) -> [u8; 8] {
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    ((now.as_secs() + TO_1970) << 32 | fraction).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_carries_the_askers_time_and_ours() {
        let mut question = [0; 48];
        question[0] = 4 << 3 | 3;
        question[40..].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let answer = answer(&question, Duration::from_millis(1_500), Duration::from_millis(2_000)).unwrap();
        assert_eq!(answer[0], 4 << 3 | 4);
        assert_eq!(answer[24..32], question[40..]);
        assert_eq!(answer[32..36], 2_208_988_801_u32.to_be_bytes());
        assert_eq!(answer[36..40], [0x80, 0, 0, 0]);
        assert_eq!(answer[40..44], 2_208_988_802_u32.to_be_bytes());
    }

    #[test]
    fn answers_of_servers_are_not_answered() {
        assert_eq!(answer(&[4 << 3 | 4; 48], Duration::ZERO, Duration::ZERO), None);
        assert_eq!(answer(&[4 << 3 | 3; 47], Duration::ZERO, Duration::ZERO), None);
    }
}
