//! The RTCP of a stream: reports every five seconds or so, what the peer's reports say, BYE in both directions.
//!
//! One clock serves all of it: the time since the first packet or report. RTCP goes to the negotiated address until the peer's
//! own RTCP shows another port of the host its media comes from.
use super::StreamId;
use super::queue::Outgoing;
use super::receive::Receiver;
use super::send::Sender;
use crate::rtcp::{self, Compound, Packet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What the engine tells about an RTCP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Refused,
    Reports,
    Bye,
}

#[derive(Debug)]
pub(crate) struct Reporter {
    pub(crate) to: Option<SocketAddr>,
    negotiated: Option<SocketAddr>,
    cname: String,
    origin: Option<Instant>,
    next: Option<Instant>,
    /// State of the generator that spreads the intervals; seeded by the SSRC, which is chance already.
    chance: u32,
    /// The sender's packets at the last report.
    packets_told: u64,
    pub(crate) round_trip: Option<Duration>,
    left: bool,
}

impl Reporter {
    pub(crate) fn new(to: Option<SocketAddr>, cname: &str, ssrc: u32) -> Self {
        Self {
            to,
            negotiated: to,
            cname: cname.to_owned(),
            origin: None,
            next: None,
            chance: ssrc,
            packets_told: 0,
            round_trip: None,
            left: false,
        }
    }

    /// Goes on where `old` was, with the new address and the old name and clock.
    pub(crate) fn take_over(&mut self, old: &mut Self) {
        if self.negotiated == old.negotiated {
            self.to = old.to;
            self.left = old.left;
        }
        std::mem::swap(&mut self.cname, &mut old.cname);
        self.origin = old.origin;
        self.next = old.next;
        self.chance = old.chance;
        self.packets_told = old.packets_told;
        self.round_trip = old.round_trip;
    }

    /// Time since the stream's clock began; begins it.
    pub(crate) fn clock(&mut self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.origin.get_or_insert(now))
    }

    /// True if a report is due; the next one is planned then.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        let first = self.next.is_none();
        if self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.next = Some(now + rtcp::interval(first, self.chance));
        !first
    }

    /// Makes the next report due.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.next = Some(now);
    }

    /// Sends a report, or with `bye` the last one.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        id: StreamId,
        sender: &Sender,
        receiver: &mut Receiver,
        bye: bool,
        out: &mut Outgoing,
    ) {
        let Some(to) = self.to else { return };
        let time = self.clock(now);
        let block = receiver.sequence.as_mut().map(|source| source.reception.report(source.ssrc, time));
        let about_us = (sender.packets > self.packets_told).then(|| rtcp::Sender {
            ntp: rtcp::ntp(time),
            rtp: sender.timestamp(),
            packets: sender.packets as u32,
            octets: sender.octets as u32,
        });
        self.packets_told = sender.packets;
        out.push(id, to, true, |room| {
            rtcp::write(room, sender.ssrc, about_us.as_ref(), block.as_slice(), &self.cname, bye).unwrap_or(0)
        });
    }

    /// A datagram of RTCP came. `latch`: to an own socket of a stream that sends to where media comes from.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        latch: bool,
        datagram: &[u8],
        our_ssrc: u32,
        receiver: &mut Receiver,
    ) -> Heard {
        let Ok(compound) = Compound::parse(datagram) else {
            receiver.counters.malformed += 1;
            return Heard::Refused;
        };
        let host = receiver.source.or(self.negotiated).map(|address| address.ip());
        if host.is_some_and(|host| host != from.ip()) && self.negotiated != Some(from) {
            receiver.counters.foreign += 1;
            return Heard::Refused;
        }
        if latch && self.to.is_some() {
            self.to = Some(from);
        }
        let time = self.clock(now);
        let peer = receiver.sequence.map(|source| source.ssrc);
        let mut heard = Heard::Reports;
        for packet in compound.packets() {
            let blocks = match packet {
                Packet::SenderReport { ssrc, sender, blocks } => {
                    if let Some(source) = receiver.sequence.as_mut().filter(|source| source.ssrc == ssrc) {
                        source.reception.sender_report(&sender, time);
                    }
                    Some(blocks)
                }
                Packet::ReceiverReport { blocks, .. } => Some(blocks),
                _ => None,
            };
            if let Some(report) = blocks.and_then(|blocks| blocks.about(our_ssrc)) {
                self.round_trip = rtcp::round_trip(time, &report).or(self.round_trip);
            }
            if peer.is_some_and(|peer| packet.leaves(peer)) && !self.left {
                self.left = true;
                heard = Heard::Bye;
            }
        }
        heard
    }
}
