//! A DHCP server for one board (RFC 2131): whoever asks gets the one address, with the rig as time server and without a
//! router, because there is nothing beyond the rig.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};

/// How long the address is the board's [s]; a board that is pulled from the network keeps it.
const LEASE: u32 = 3600;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;
const INFORM: u8 = 8;

/// What is handed out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pool {
    pub(crate) server: Ipv4Addr,
    pub(crate) board: Ipv4Addr,
    pub(crate) mask: Ipv4Addr,
    pub(crate) broadcast: Ipv4Addr,
}

/// The provisioning server that the network names (option 160), if it names one.
pub(crate) type Provisioning = Mutex<Option<String>>;

/// Answers until `go_on` says no; the socket has a read timeout.
pub(crate) fn serve(socket: &UdpSocket, pool: Pool, provisioning: &Provisioning, go_on: impl Fn() -> bool) {
    let mut packet = [0; 1500];
    while go_on() {
        let Ok((count, _)) = socket.recv_from(&mut packet) else { continue };
        let named = provisioning.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(answer) = pool.answer(&packet[..count], named.as_deref()) else { continue };
        // The board has no address yet, so everybody hears it. A link that is pulled out is the board's trouble.
        let _ = socket.send_to(&answer, SocketAddr::from((pool.broadcast, 68)));
    }
}

impl Pool {
    /// The answer to a packet, if it is one to answer.
    fn answer(self, packet: &[u8], provisioning: Option<&str>) -> Option<Vec<u8>> {
        let option = |code: u8| find(packet.get(240..)?, code);
        if packet.first() != Some(&1) || packet.get(236..240) != Some(&MAGIC) {
            return None;
        }
        let kind = match *option(53)?.first()? {
            DISCOVER => OFFER,
            REQUEST => {
                // Somebody else's offer was taken.
                if option(54).is_some_and(|server| server != self.server.octets()) {
                    return None;
                }
                let wanted = option(50).unwrap_or(&packet[12..16]);
                if wanted == self.board.octets() { ACK } else { NAK }
            }
            INFORM => ACK,
            _ => return None,
        };
        let mut answer = vec![0; 240];
        answer[..4].copy_from_slice(&[2, 1, 6, 0]);
        // The transaction, the flags, a relay, and the hardware address are the asker's.
        answer[4..8].copy_from_slice(&packet[4..8]);
        answer[10..12].copy_from_slice(&packet[10..12]);
        answer[28..44].copy_from_slice(&packet[28..44]);
        answer[20..24].copy_from_slice(&self.server.octets());
        answer[236..].copy_from_slice(&MAGIC);
        answer.extend([53, 1, kind, 54, 4]);
        answer.extend(self.server.octets());
        if kind != NAK {
            answer[16..20].copy_from_slice(&self.board.octets());
            answer.extend([51, 4]);
            answer.extend(LEASE.to_be_bytes());
            answer.extend([1, 4]);
            answer.extend(self.mask.octets());
            answer.extend([28, 4]);
            answer.extend(self.broadcast.octets());
            answer.extend([42, 4]);
            answer.extend(self.server.octets());
            // Who did not ask for it is not told.
            if let Some(url) = provisioning.filter(|_| option(55).is_some_and(|wanted| wanted.contains(&160))) {
                answer.extend([160, u8::try_from(url.len()).ok()?]);
                answer.extend(url.as_bytes());
            }
        }
        answer.push(255);
        answer.resize(answer.len().max(300), 0);
        Some(answer)
    }
}

/// The value of an option.
fn find(mut options: &[u8], code: u8) -> Option<&[u8]> {
    loop {
        match options {
            [0, rest @ ..] => options = rest,
            [255, ..] | [] | [_] => return None,
            [found, length, rest @ ..] => {
                let (value, rest) = rest.split_at_checked(usize::from(*length))?;
                if *found == code {
                    return Some(value);
                }
                options = rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: Pool = Pool {
        server: Ipv4Addr::new(10, 0, 2, 2),
        board: Ipv4Addr::new(10, 0, 2, 15),
        mask: Ipv4Addr::new(255, 255, 255, 0),
        broadcast: Ipv4Addr::new(10, 0, 2, 255),
    };

    fn packet(options: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 240];
        packet[..8].copy_from_slice(&[1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
        packet[236..].copy_from_slice(&MAGIC);
        packet.extend(options);
        packet.push(255);
        packet
    }

    fn kind(answer: &[u8]) -> u8 {
        find(&answer[240..], 53).unwrap()[0]
    }

    #[test]
    fn a_discover_is_offered_the_address_under_its_transaction() {
        let answer = POOL.answer(&packet(&[53, 1, DISCOVER]), Some("http://a/")).unwrap();
        assert_eq!(kind(&answer), OFFER);
        assert_eq!(answer[4..8], [0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(answer[16..20], [10, 0, 2, 15]);
        assert_eq!(find(&answer[240..], 42), Some([10, 0, 2, 2].as_slice()));
        assert_eq!(find(&answer[240..], 160), None);
        let asked = POOL.answer(&packet(&[53, 1, DISCOVER, 55, 2, 42, 160]), Some("http://a/")).unwrap();
        assert_eq!(find(&asked[240..], 160), Some(b"http://a/".as_slice()));
    }

    #[test]
    fn a_request_for_another_address_is_refused() {
        let wanted = |last| POOL.answer(&packet(&[53, 1, REQUEST, 50, 4, 10, 0, 2, last]), None).unwrap();
        assert_eq!(kind(&wanted(15)), ACK);
        assert_eq!(kind(&wanted(16)), NAK);
    }

    #[test]
    fn a_request_to_another_server_is_not_answered() {
        assert_eq!(POOL.answer(&packet(&[53, 1, REQUEST, 54, 4, 10, 0, 2, 3]), None), None);
    }

    #[test]
    fn cut_off_packets_are_not_answered() {
        let whole = packet(&[53, 1, DISCOVER]);
        assert!((0..whole.len() - 1).all(|count| POOL.answer(&whole[..count], None).is_none()));
    }
}
