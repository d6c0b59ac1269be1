//! The jitter buffer's two halves: a fixed table of packets in sequence order, and an estimate of how long packets must
//! wait so that nearly all arrive in time.
//!
//! Sequence numbers are extended to 64 bits (RFC 3550 appendix A.1 in spirit), so wrap-around, reordering and duplicates are
//! plain comparisons. The table holds payloads, not sound: decoding happens when a packet is due, in order. What to do with the
//! estimate (stretch, shorten, wait) is decided in [`crate::stream`].
use crate::rtp::PAYLOAD_MAX;
use std::time::Instant;

/// Packets held at most: 640 ms of 10 ms packets.
pub const SLOTS: usize = 64;
/// Width of a bucket of the delay histogram [ms].
const BUCKET_MS: f32 = 2.0;
const BUCKETS: usize = 160;
/// Share of packets that shall be in time.
const IN_TIME: f32 = 0.97;
/// Packets that the histogram remembers, about: 10 s of 20 ms packets. Makes the attack fast (3 % of it are 15 packets) and the
/// decay slow.
const MEMORY: f32 = 500.0;
/// The fastest packet of this time is the reference [s]; the window moves so that a drifting clock does not look like jitter.
const REFERENCE_SECONDS: f32 = 4.0;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Kept,
    Duplicate,
    /// Its time has passed.
    Late,
    /// So far ahead that everything before was thrown away.
    Jumped,
}

/// A packet at the front of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Front {
    /// Extended sequence number.
    pub sequence: i64,
    pub timestamp: u32,
    pub payload_type: u8,
    /// False for a packet without sound (a telephone-event), which only takes its place in the sequence.
    pub audio: bool,
    pub arrived: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    front: Front,
    length: usize,
}

/// Packets waiting for their time.
#[derive(Debug)]
pub struct Packets {
    slots: Box<[Option<Slot>]>,
    octets: Box<[u8]>,
    /// Next to be played; `None` before the first packet.
    next: Option<i64>,
    newest: i64,
    count: usize,
}

impl Default for Packets {
    fn default() -> Self {
        Self::new()
    }
}

impl Packets {
    /// Takes all memory it will use: about 100 kB.
    pub fn new() -> Self {
        Self {
            slots: vec![None; SLOTS].into_boxed_slice(),
            octets: vec![0; SLOTS * PAYLOAD_MAX].into_boxed_slice(),
            next: None,
            newest: 0,
            count: 0,
        }
    }

    /// Keeps a packet. `payload` is `None` for one without sound.
    pub fn put(
        &mut self,
        now: Instant,
        sequence: u16,
        timestamp: u32,
        payload_type: u8,
        payload: Option<&[u8]>,
    ) -> Put {
        let mut verdict = Put::Kept;
        let extended = self.extend(sequence);
        if let Some(next) = self.next {
            if extended < next {
                return Put::Late;
            }
            if extended >= next + SLOTS as i64 {
                self.clear();
                verdict = Put::Jumped;
            }
        } else if self.count > 0 && extended <= self.newest - SLOTS as i64 {
            return Put::Late;
        } else if self.count > 0 && self.oldest().is_some_and(|oldest| extended >= oldest + SLOTS as i64) {
            self.clear();
            verdict = Put::Jumped;
        }
        let index = extended.rem_euclid(SLOTS as i64) as usize;
        let Some(slot) = self.slots.get_mut(index) else { return Put::Late };
        if slot.is_some() {
            return Put::Duplicate;
        }
        let payload_octets = payload.unwrap_or_default();
        let Some(room) =
            self.octets.get_mut(index * PAYLOAD_MAX..index * PAYLOAD_MAX + payload_octets.len().min(PAYLOAD_MAX))
        else {
            return Put::Late;
        };
        room.copy_from_slice(&payload_octets[..room.len()]);
        let length = room.len();
        let front = Front { sequence: extended, timestamp, payload_type, audio: payload.is_some(), arrived: now };
        *slot = Some(Slot { front, length });
        self.newest = if self.count == 0 && self.next.is_none() { extended } else { self.newest.max(extended) };
        self.count += 1;
        verdict
    }

    /// The packet to be played next, or the first one after a gap.
    pub fn front(&self) -> Option<Front> {
        if self.count == 0 {
            return None;
        }
        let from = self.next.unwrap_or(self.newest - SLOTS as i64 + 1);
        (from..=self.newest).find_map(|sequence| self.slot(sequence).map(|slot| slot.front))
    }

    /// The last packet in sequence order.
    pub fn back(&self) -> Option<Front> {
        if self.count == 0 { None } else { self.slot(self.newest).map(|slot| slot.front) }
    }

    /// The payload of a packet that [`Self::front`] showed.
    pub fn payload(&self, sequence: i64) -> &[u8] {
        let index = sequence.rem_euclid(SLOTS as i64) as usize;
        self.slot(sequence)
            .and_then(|slot| self.octets.get(index * PAYLOAD_MAX..index * PAYLOAD_MAX + slot.length))
            .unwrap_or_default()
    }

    /// `sequence` has been played (or given up): it and all before it are done.
    pub fn done(&mut self, sequence: i64) {
        let from = self.next.unwrap_or(self.newest - SLOTS as i64 + 1).max(sequence - SLOTS as i64);
        for old in from..=sequence {
            if let Some(slot) = self.slots.get_mut(old.rem_euclid(SLOTS as i64) as usize)
                && slot.is_some_and(|slot| slot.front.sequence == old)
            {
                *slot = None;
                self.count -= 1;
            }
        }
        self.next = Some(sequence + 1);
        self.newest = self.newest.max(sequence);
    }

    /// Extended number of the packet expected next.
    pub fn next(&self) -> Option<i64> {
        self.next
    }

    /// Packets held.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if nothing is held.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets all packets and the place in the sequence (a new source).
    pub fn clear(&mut self) {
        self.slots.fill(None);
        self.count = 0;
        self.next = None;
    }

    fn oldest(&self) -> Option<i64> {
        self.front().map(|front| front.sequence)
    }

    fn extend(&self, sequence: u16) -> i64 {
        if self.next.is_none() && self.count == 0 {
            // Away from zero, so that a packet before the first one has a number as well.
            return (1 << 32) + i64::from(sequence);
        }
        self.newest + i64::from(sequence.wrapping_sub(self.newest as u16) as i16)
    }

    fn slot(&self, sequence: i64) -> Option<&Slot> {
        self.slots
            .get(sequence.rem_euclid(SLOTS as i64) as usize)?
            .as_ref()
            .filter(|slot| slot.front.sequence == sequence)
    }
}

/// How much later than the fastest packets the others come.
#[derive(Debug)]
pub struct DelayEstimate {
    clock: f32,
    reference: Option<Reference>,
    /// Share of packets by excess delay.
    histogram: Box<[f32]>,
    packets: f32,
}

#[derive(Debug, Clone, Copy)]
struct Reference {
    arrived: Instant,
    timestamp: u32,
    /// Transit of the last packet, and smallest of this window and the last one [ms, arbitrary zero].
    last: f32,
    smallest: f32,
    smallest_before: f32,
    window: Instant,
}

impl DelayEstimate {
    /// For timestamps at `clock` [Hz].
    pub fn new(clock: u32) -> Self {
        Self { clock: clock as f32, reference: None, histogram: vec![0.0; BUCKETS].into_boxed_slice(), packets: 0.0 }
    }

    /// A packet came. Answers its excess delay over the fastest ones [ms].
    pub fn arrived(&mut self, now: Instant, timestamp: u32) -> f32 {
        let Some(reference) = &mut self.reference else {
            self.reference = Some(Reference {
                arrived: now,
                timestamp,
                last: 0.0,
                smallest: 0.0,
                smallest_before: 0.0,
                window: now,
            });
            self.count(0.0);
            return 0.0;
        };
        let elapsed = now.saturating_duration_since(reference.arrived).as_secs_f64() * 1000.0;
        let sent = f64::from(timestamp.wrapping_sub(reference.timestamp) as i32) * 1000.0 / f64::from(self.clock);
        let transit = (elapsed - sent) as f32;
        let difference = (transit - reference.last).abs();
        if difference > 2000.0 {
            // The sender's timestamps jumped: another recording, not jitter.
            self.reference = Some(Reference {
                arrived: now,
                timestamp,
                last: 0.0,
                smallest: 0.0,
                smallest_before: 0.0,
                window: now,
            });
            return 0.0;
        }
        reference.last = transit;
        reference.smallest = reference.smallest.min(transit);
        let smallest = reference.smallest.min(reference.smallest_before);
        if now.saturating_duration_since(reference.window).as_secs_f32() > REFERENCE_SECONDS {
            // Moving the zero keeps the differences small for ever (timestamps wrap after 12 hours at 48 kHz).
            reference.arrived = now;
            reference.timestamp = timestamp;
            reference.smallest_before = reference.smallest - transit;
            reference.smallest = 0.0;
            reference.last = 0.0;
            reference.window = now;
        }
        let excess = (transit - smallest).max(0.0);
        self.count(excess);
        excess
    }

    /// Excess delay that 97 % of packets stay under [ms].
    pub fn quantile(&self) -> f32 {
        let mut sum = 0.0;
        for (bucket, share) in self.histogram.iter().enumerate() {
            sum += share;
            if sum >= IN_TIME {
                return bucket as f32 * BUCKET_MS;
            }
        }
        if self.packets == 0.0 { 0.0 } else { BUCKETS as f32 * BUCKET_MS }
    }

    /// The timestamps begin anew (new source); what is known of the network stays.
    pub fn restart(&mut self, clock: u32) {
        self.clock = clock as f32;
        self.reference = None;
    }

    fn count(&mut self, excess: f32) {
        self.packets = (self.packets + 1.0).min(MEMORY);
        let share = 1.0 / self.packets;
        self.histogram.iter_mut().for_each(|bucket| *bucket *= 1.0 - share);
        let bucket = ((excess / BUCKET_MS) as usize).min(BUCKETS - 1);
        if let Some(bucket) = self.histogram.get_mut(bucket) {
            *bucket += share;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn put(packets: &mut Packets, sequence: u16) -> Put {
        packets.put(Instant::now(), sequence, u32::from(sequence) * 160, 0, Some(&[sequence as u8]))
    }

    fn take(packets: &mut Packets) -> Option<u16> {
        let front = packets.front()?;
        assert_eq!(packets.payload(front.sequence), &[front.sequence as u8]);
        packets.done(front.sequence);
        Some(front.sequence as u16)
    }

    #[test]
    fn reordered_packets_come_out_in_order_across_the_wrap() {
        let mut packets = Packets::new();
        for sequence in [65534, 0, 65535, 2, 1] {
            assert_eq!(put(&mut packets, sequence), Put::Kept);
        }
        let order: Vec<_> = std::iter::from_fn(|| take(&mut packets)).collect();
        assert_eq!(order, [65534, 65535, 0, 1, 2]);
    }

    #[test]
    fn a_packet_before_the_first_one_is_still_taken_if_nothing_was_played() {
        let mut packets = Packets::new();
        put(&mut packets, 0);
        assert_eq!(put(&mut packets, 65535), Put::Kept);
        assert_eq!(take(&mut packets), Some(65535));
    }

    #[test]
    fn duplicates_and_late_packets_are_named() {
        let mut packets = Packets::new();
        put(&mut packets, 10);
        assert_eq!(put(&mut packets, 10), Put::Duplicate);
        assert_eq!(take(&mut packets), Some(10));
        assert_eq!(put(&mut packets, 10), Put::Late);
        assert_eq!(put(&mut packets, 9), Put::Late);
        assert_eq!(put(&mut packets, 11), Put::Kept);
    }

    #[test]
    fn a_jump_beyond_the_table_starts_over() {
        let mut packets = Packets::new();
        put(&mut packets, 1);
        take(&mut packets);
        put(&mut packets, 2);
        assert_eq!(put(&mut packets, 500), Put::Jumped);
        assert_eq!(packets.len(), 1);
        assert_eq!(take(&mut packets), Some(500));
    }

    #[test]
    fn the_estimate_follows_jitter_up_fast_and_down_slowly() {
        let mut estimate = DelayEstimate::new(8000);
        let start = Instant::now();
        let mut sent = 0u32;
        let mut run = |estimate: &mut DelayEstimate, packets: u32, jitter_ms: u32| {
            for n in 0..packets {
                let late = (n * 7919) % (jitter_ms + 1);
                estimate.arrived(start + Duration::from_millis(u64::from(sent * 20 + late)), sent * 160);
                sent += 1;
            }
        };
        run(&mut estimate, 250, 0);
        assert!(estimate.quantile() <= BUCKET_MS);
        run(&mut estimate, 50, 60);
        assert!(estimate.quantile() >= 40.0, "one second later {}", estimate.quantile());
        run(&mut estimate, 250, 0);
        assert!(estimate.quantile() >= 20.0, "not at once {}", estimate.quantile());
        run(&mut estimate, 1500, 0);
        assert!(estimate.quantile() <= BUCKET_MS, "after half a minute {}", estimate.quantile());
    }

    #[test]
    fn a_drifting_clock_is_not_jitter() {
        let mut estimate = DelayEstimate::new(8000);
        let start = Instant::now();
        for n in 0..30_000u32 {
            estimate.arrived(start + Duration::from_nanos(u64::from(n) * 20_004_000), n.wrapping_mul(160));
        }
        assert!(estimate.quantile() <= 2.0 * BUCKET_MS, "{}", estimate.quantile());
    }

    proptest! {
        #[test]
        fn whatever_the_order_the_table_stays_bounded_and_sorted(sequences in proptest::collection::vec((any::<u16>(), any::<bool>()), 0..400)) {
            let mut packets = Packets::new();
            let mut last = None;
            for (sequence, play) in sequences {
                let verdict = put(&mut packets, sequence % 300);
                prop_assert!(packets.len() <= SLOTS);
                if verdict == Put::Jumped {
                    last = None;
                }
                if play && let Some(front) = packets.front() {
                    prop_assert!(last.is_none_or(|last| front.sequence > last));
                    last = Some(front.sequence);
                    packets.done(front.sequence);
                }
            }
        }
    }
}
