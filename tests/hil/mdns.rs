//! One question of multicast DNS (RFC 6762): who has this name? What a person's computer asks for `ssh root@desk.local`.

use crate::case::Outcome;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;
/// Between two questions; the answer to one may be lost.
const AGAIN: Duration = Duration::from_secs(1);
/// Resource record types (RFC 1035 section 3.2.2).
const A: u16 = 1;
const IN: u16 = 1;

/// The address that answers to `<host>.local` within this time; `from` is the asker's own.
pub(crate) fn resolve(host: &str, from: Ipv4Addr, within: Duration) -> Outcome<Option<Ipv4Addr>> {
    let text = |error: std::io::Error| format!("multicast DNS: {error}");
    // From the port itself: an answer to another port is a courtesy that not every responder has (section 6.7).
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).map_err(text)?;
    socket.join_multicast_v4(&GROUP, &from).map_err(text)?;
    socket.set_read_timeout(Some(Duration::from_millis(100))).map_err(text)?;
    let (begin, mut asked) = (Instant::now(), None::<Instant>);
    let mut packet = [0; 9000];
    while begin.elapsed() < within {
        if asked.is_none_or(|at| at.elapsed() > AGAIN) {
            socket.send_to(&question(host), (GROUP, PORT)).map_err(text)?;
            asked = Some(Instant::now());
        }
        let Ok((count, _)) = socket.recv_from(&mut packet) else { continue };
        if let Some(address) = answer(&packet[..count], host) {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

fn question(host: &str) -> Vec<u8> {
    let mut packet = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [host, "local"] {
        packet.push(label.len() as u8);
        packet.extend(label.bytes());
    }
    packet.push(0);
    packet.extend([A.to_be_bytes(), IN.to_be_bytes()].concat());
    packet
}

/// The address of `<host>.local` in a response.
fn answer(packet: &[u8], host: &str) -> Option<Ipv4Addr> {
    let number = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    let (flags, questions) = (number(2)?, number(4)?);
    let records = usize::from(number(6)?) + usize::from(number(8)?) + usize::from(number(10)?);
    if flags & 0x8000 == 0 {
        return None;
    }
    let mut at = 12;
    for _ in 0..questions {
        at = name(packet, at)?.1 + 4;
    }
    for _ in 0..records {
        let (owner, end) = name(packet, at)?;
        let (kind, length) = (number(end)?, usize::from(number(end + 8)?));
        if kind == A && length == 4 && owner.eq_ignore_ascii_case(&format!("{host}.local")) {
            let octets: [u8; 4] = packet.get(end + 10..end + 14)?.try_into().ok()?;
            return Some(octets.into());
        }
        at = end + 10 + length;
    }
    None
}

/// A name, and where the packet goes on behind it. Names may point back into the packet (RFC 1035 section 4.1.4).
fn name(packet: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut labels, mut end) = (Vec::<String>::new(), None);
    // No name has more labels; pointers in a circle end here, too.
    for _ in 0..128 {
        match usize::from(*packet.get(at)?) {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            length @ 1..64 => {
                labels.push(String::from_utf8_lossy(packet.get(at + 1..at + 1 + length)?).into_owned());
                at += 1 + length;
            }
            high @ 192.. => {
                end = end.or(Some(at + 2));
                at = (high & 63) << 8 | usize::from(*packet.get(at + 1)?);
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> Vec<u8> {
        let mut packet = question("desk");
        (packet[2], packet[7]) = (0x84, 1);
        // The owner's name is that of the question.
        packet.extend([0xc0, 12, 0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, 10, 0, 2, 15]);
        packet
    }

    #[test]
    fn an_answer_has_the_address_of_its_name_only() {
        assert_eq!(answer(&response(), "desk"), Some(Ipv4Addr::new(10, 0, 2, 15)));
        assert_eq!(answer(&response(), "Desk"), Some(Ipv4Addr::new(10, 0, 2, 15)));
        assert_eq!(answer(&response(), "door"), None);
        assert_eq!(answer(&question("desk"), "desk"), None, "a question is no answer");
    }

    #[test]
    fn nonsense_is_no_answer() {
        let whole = response();
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length], "desk"), None);
        }
        let mut circle = whole;
        let at = circle.len() - 16;
        (circle[at], circle[at + 1]) = (0xc0, at as u8);
        assert_eq!(answer(&circle, "desk"), None);
    }
}
