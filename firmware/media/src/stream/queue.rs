//! Packets on their way out: a ring of fixed slots between the streams and `Engine::poll_transmit`.
use super::StreamId;
use std::net::SocketAddr;

/// Room of a slot: an RTP packet of Opus at its largest, and every RTCP packet we make.
pub(crate) const PACKET_MAX: usize = 1400;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    pub(crate) stream: StreamId,
    pub(crate) to: SocketAddr,
    pub(crate) rtcp: bool,
    length: usize,
}

/// The ring. What does not fit is lost and counted.
#[derive(Debug)]
pub(crate) struct Outgoing {
    addresses: Box<[Option<Address>]>,
    octets: Box<[u8]>,
    first: usize,
    count: usize,
    pub(crate) dropped: u64,
}

impl Outgoing {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            addresses: vec![None; slots].into_boxed_slice(),
            octets: vec![0; slots * PACKET_MAX].into_boxed_slice(),
            first: 0,
            count: 0,
            dropped: 0,
        }
    }

    /// Lets `write` fill a slot; it answers the length, 0 to send nothing. `None` if all slots are full.
    pub(crate) fn push(
        &mut self,
        stream: StreamId,
        to: SocketAddr,
        rtcp: bool,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Option<usize> {
        let slots = self.addresses.len();
        if self.count >= slots {
            self.dropped += 1;
            return None;
        }
        let index = (self.first + self.count) % slots;
        let room = self.octets.get_mut(index * PACKET_MAX..(index + 1) * PACKET_MAX)?;
        let length = write(room).min(PACKET_MAX);
        if length > 0 {
            *self.addresses.get_mut(index)? = Some(Address { stream, to, rtcp, length });
            self.count += 1;
        }
        Some(length)
    }

    /// The oldest packet; its slot is free again with the next `push`.
    pub(crate) fn pop(&mut self) -> Option<(Address, &[u8])> {
        if self.count == 0 {
            return None;
        }
        let index = self.first;
        self.first = (self.first + 1) % self.addresses.len();
        self.count -= 1;
        let address = self.addresses.get_mut(index)?.take()?;
        let bytes = self.octets.get(index * PACKET_MAX..index * PACKET_MAX + address.length)?;
        Some((address, bytes))
    }
}
