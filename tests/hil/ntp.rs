//! A time server (SNTP, RFC 4330 section 6) that tells the rig's time, for boards without a clock of their own.

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From 1900, where NTP begins, to 1970 [s].
const TO_1970: u64 = 2_208_988_800;

/// Answers until `go_on` says no; the socket has a read timeout.
pub(crate) fn serve(socket: &UdpSocket, go_on: impl Fn() -> bool) {
    let mut packet = [0; 512];
    while go_on() {
        let Ok((count, from)) = socket.recv_from(&mut packet) else { continue };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(answer) = answer(&packet[..count], now) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn answer(packet: &[u8], now: Duration) -> Option<[u8; 48]> {
    let packet: &[u8; 48] = packet.first_chunk()?;
    let (version, mode) = (packet[0] >> 3 & 7, packet[0] & 7);
    if mode != 3 || !(1..=4).contains(&version) {
        return None;
    }
    let now = timestamp(now);
    let mut answer = [0; 48];
    // Server mode, stratum 1, the asker's poll interval, a microsecond's precision.
    answer[..4].copy_from_slice(&[version << 3 | 4, 1, packet[2], 0xec]);
    answer[12..16].copy_from_slice(b"LOCL");
    answer[16..24].copy_from_slice(&now);
    answer[24..32].copy_from_slice(&packet[40..48]);
    answer[32..40].copy_from_slice(&now);
    answer[40..48].copy_from_slice(&now);
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
        let answer = answer(&question, Duration::from_millis(1_500)).unwrap();
        assert_eq!(answer[0], 4 << 3 | 4);
        assert_eq!(answer[24..32], question[40..]);
        assert_eq!(answer[40..44], 2_208_988_801_u32.to_be_bytes());
        assert_eq!(answer[44..], [0x80, 0, 0, 0]);
    }

    #[test]
    fn answers_of_servers_are_not_answered() {
        assert_eq!(answer(&[4 << 3 | 4; 48], Duration::ZERO), None);
        assert_eq!(answer(&[4 << 3 | 3; 47], Duration::ZERO), None);
    }
}
