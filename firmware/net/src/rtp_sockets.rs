//! RTP/RTCP socket pairs in a fixed table, for a media thread: nothing here allocates, locks or waits after binding.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

/// Pairs at most in one table.
pub const MAX_PAIRS: usize = 16;
/// DSCP EF in the traffic class octet (RFC 3246): voice goes first.
const EXPEDITED_FORWARDING: u8 = 46 << 2;

/// One even/odd pair of UDP sockets (RFC 3550 section 11).
#[derive(Debug)]
pub struct Pair {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
}

impl Pair {
    /// Binds the first free pair of `local` within `range` (inclusive); `start` spreads where the search begins.
    ///
    /// # Errors
    /// No pair of the range is free, or the address is not ours.
    pub fn bind(local: IpAddr, range: (u16, u16), start: u16) -> io::Result<(Self, SocketAddr)> {
        let (low, high) = (range.0.saturating_add(range.0 % 2), range.1);
        let pairs = (high.saturating_sub(low).saturating_add(1)) / 2;
        if pairs == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the RTP port range has no room for RTP and RTCP"));
        }
        let mut last = None;
        for i in 0..pairs.min(512) {
            let port = low + ((start / 2).wrapping_add(i) % pairs) * 2;
            match Self::bind_at(local, port) {
                Ok(pair) => return Ok((pair, SocketAddr::new(local, port))),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    fn bind_at(local: IpAddr, port: u16) -> io::Result<Self> {
        let bind = |port| -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind((local, port))?;
            socket.set_nonblocking(true)?;
            // Marking is a wish; a network or kernel that refuses it still carries the call.
            let _ = match local {
                IpAddr::V4(_) => rustix::net::sockopt::set_ip_tos(&socket, EXPEDITED_FORWARDING),
                IpAddr::V6(_) => rustix::net::sockopt::set_ipv6_tclass(&socket, EXPEDITED_FORWARDING.into()),
            };
            Ok(socket)
        };
        Ok(Self { rtp: bind(port)?, rtcp: bind(port + 1)? })
    }
}

/// The table: an id (the stream's) and its pair.
#[derive(Debug)]
pub struct RtpSockets {
    slots: [Option<(u32, Pair)>; MAX_PAIRS],
}

impl Default for RtpSockets {
    fn default() -> Self {
        Self { slots: std::array::from_fn(|_| None) }
    }
}

impl RtpSockets {
    /// Takes a pair; gives it back when the table is full or the id is taken.
    ///
    /// # Errors
    /// The pair, unused.
    pub fn insert(&mut self, id: u32, pair: Pair) -> Result<(), Pair> {
        if self.slots.iter().flatten().any(|(taken, _)| *taken == id) {
            return Err(pair);
        }
        match self.slots.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => {
                *slot = Some((id, pair));
                Ok(())
            }
            None => Err(pair),
        }
    }

    /// Takes the pair out, to be closed.
    pub fn remove(&mut self, id: u32) -> Option<Pair> {
        let slot = self.slots.iter_mut().find(|slot| matches!(slot, Some((taken, _)) if *taken == id))?;
        slot.take().map(|(_, pair)| pair)
    }

    /// Sends without waiting. `false`: the packet is lost (full buffer, unreachable), as on the wire.
    pub fn send(&self, id: u32, rtcp: bool, to: SocketAddr, bytes: &[u8]) -> bool {
        self.slots.iter().flatten().find(|(taken, _)| *taken == id).is_some_and(|(_, pair)| {
            let socket = if rtcp { &pair.rtcp } else { &pair.rtp };
            socket.send_to(bytes, to).is_ok()
        })
    }

    /// The descriptors to poll for reading.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.slots.iter().flatten().flat_map(|(_, pair)| [pair.rtp.as_raw_fd(), pair.rtcp.as_raw_fd()])
    }

    /// Takes what has arrived, at most `limit` datagrams a socket so that a flood cannot hold up the beat:
    /// `each(id, rtcp, from, bytes)`.
    pub fn receive(&self, buffer: &mut [u8], limit: usize, mut each: impl FnMut(u32, bool, SocketAddr, &mut [u8])) {
        for (id, pair) in self.slots.iter().flatten() {
            for (socket, rtcp) in [(&pair.rtp, false), (&pair.rtcp, true)] {
                for _ in 0..limit {
                    match socket.recv_from(buffer) {
                        Ok((n, from)) => each(*id, rtcp, from, &mut buffer[..n]),
                        // An ICMP error of an earlier send is not the end of what waits.
                        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                        Err(_) => break,
                    }
                }
            }
        }
    }

    /// True if there is no pair.
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_even_and_odd_within_the_range_and_a_full_range_is_an_error() {
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        let (first, a) = Pair::bind(local, (41_001, 41_005), 7).unwrap();
        let (_second, b) = Pair::bind(local, (41_001, 41_005), 7).unwrap();
        assert_eq!((a.port() % 2, b.port() % 2), (0, 0));
        assert_ne!(a, b);
        assert_eq!(first.rtcp.local_addr().unwrap().port(), a.port() + 1);
        assert_eq!(Pair::bind(local, (41_001, 41_005), 0).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(Pair::bind(local, (41_001, 41_001), 0).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_arrives_is_given_with_id_and_kind() {
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        let (pair, address) = Pair::bind(local, (41_010, 41_100), 0).unwrap();
        let mut sockets = RtpSockets::default();
        sockets.insert(5, pair).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(b"rtp", address).unwrap();
        peer.send_to(b"rtcp", (local, address.port() + 1)).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let mut got = Vec::new();
        sockets.receive(&mut [0; 2048], 8, |id, rtcp, _, bytes| got.push((id, rtcp, bytes.to_vec())));
        assert_eq!(got, [(5, false, b"rtp".to_vec()), (5, true, b"rtcp".to_vec())]);
        assert!(sockets.send(5, false, peer.local_addr().unwrap(), b"back"));
        assert!(!sockets.send(6, false, peer.local_addr().unwrap(), b"nobody"));
        assert!(sockets.remove(5).is_some() && sockets.is_empty());
    }
}
