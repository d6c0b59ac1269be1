//! Receiving digits as telephone-events (RFC 4733 section 2.5.2): each once, at the first packet that is seen of it.
//!
//! Whatever is lost, one packet of an event is enough: start, update or any of the three ends. Late and repeated packets are
//! known by their timestamp. Some senders move the timestamp with every update; the same digit without end, mark or pause is
//! therefore still the same press, and so is the next segment of a long event.
use crate::telephone_event::Digit;
use std::time::{Duration, Instant};

/// Packets of one press are closer together than this.
const TOGETHER: Duration = Duration::from_millis(120);
/// A new press begins at least this long after the last known end [ms].
const REST_MS: u32 = 30;

/// What a packet meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A new press.
    Digit(Digit),
    /// More of a known one, or an event that is no digit.
    Nothing,
    /// Shorter than an event.
    Malformed,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    code: u8,
    timestamp: u32,
    duration: u16,
    ended: bool,
    at: Instant,
}

/// The last event of one source.
#[derive(Debug, Default)]
pub struct EventReceiver {
    last: Option<Last>,
}

impl EventReceiver {
    /// A packet of a telephone-event payload type came; `clock` is the stream's [Hz].
    pub fn packet(&mut self, now: Instant, marker: bool, timestamp: u32, clock: u32, payload: &[u8]) -> Heard {
        let Some(&[code, flags, d0, d1]) = payload.get(..4) else { return Heard::Malformed };
        let Some(digit) = Digit::from_code(code) else { return Heard::Nothing };
        let (ended, duration) = (flags & 0x80 != 0, u16::from_be_bytes([d0, d1]));
        if let Some(last) = &mut self.last {
            let after = timestamp.wrapping_sub(last.timestamp) as i32;
            let recent = now.saturating_duration_since(last.at) < Duration::from_secs(10);
            if after == 0 || (after < 0 && recent) {
                if after == 0 {
                    last.ended |= ended;
                    last.duration = last.duration.max(duration);
                    last.at = now;
                }
                return Heard::Nothing;
            }
            let reach = i64::from(last.duration) + i64::from(clock * REST_MS / 1000);
            let same = code == last.code
                && !last.ended
                && !marker
                && i64::from(after) <= reach
                && now.saturating_duration_since(last.at) < TOGETHER;
            *last = Last { code, timestamp, duration, ended, at: now };
            return if same { Heard::Nothing } else { Heard::Digit(digit) };
        }
        self.last = Some(Last { code, timestamp, duration, ended, at: now });
        Heard::Digit(digit)
    }

    /// A new source begins: its timestamps have nothing to do with the old ones.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_sender::EventSender;
    use crate::telephone_event::DigitMethod;

    /// All packets of "5 5 #", 10 ms periods, with their time [ms].
    fn typed() -> Vec<(u64, crate::event_sender::EventPacket)> {
        let mut sender = EventSender::new(8000, 8000, 20, 8000);
        for c in "55#".chars() {
            sender.start(Digit::from_char(c).unwrap(), DigitMethod::Event, Some(80));
        }
        (1..100u32).filter_map(|n| sender.period(n * 80, 80).map(|packet| (u64::from(n) * 10, packet))).collect()
    }

    fn hear(packets: &[(u64, crate::event_sender::EventPacket)]) -> String {
        let start = Instant::now();
        let mut receiver = EventReceiver::default();
        packets
            .iter()
            .filter_map(|(at, packet)| {
                let now = start + Duration::from_millis(*at);
                match receiver.packet(now, packet.marker, packet.timestamp, 8000, &packet.payload) {
                    Heard::Digit(digit) => Some(digit.to_char()),
                    _ => None,
                }
            })
            .collect()
    }

    #[test]
    fn each_press_is_heard_once() {
        assert_eq!(hear(&typed()), "55#");
    }

    #[test]
    fn each_press_is_heard_once_whichever_half_of_its_packets_is_lost() {
        let all = typed();
        let no_starts: Vec<_> = all.iter().copied().filter(|(_, packet)| !packet.marker).collect();
        assert_eq!(hear(&no_starts), "55#");
        let no_ends: Vec<_> = all.iter().copied().filter(|(_, packet)| packet.payload[1] & 0x80 == 0).collect();
        assert_eq!(hear(&no_ends), "55#");
        let only_ends: Vec<_> = all.iter().copied().filter(|(_, packet)| packet.payload[1] & 0x80 != 0).collect();
        assert_eq!(hear(&only_ends), "55#");
    }

    #[test]
    fn duplicated_and_reordered_packets_are_no_new_press() {
        let mut all = typed();
        let doubled: Vec<_> = all.iter().flat_map(|&packet| [packet, packet]).collect();
        assert_eq!(hear(&doubled), "55#");
        for pair in all.chunks_mut(2) {
            pair.reverse();
        }
        assert_eq!(hear(&all), "55#");
    }

    #[test]
    fn a_sender_that_moves_the_timestamp_with_every_update_is_heard_once() {
        let start = Instant::now();
        let mut receiver = EventReceiver::default();
        let mut count = 0;
        for n in 0..8u32 {
            let end = if n >= 5 { 0x80 } else { 0 };
            let payload = [7, end | 10, 0, (n.min(5) * 16) as u8];
            let now = start + Duration::from_millis(u64::from(n) * 20);
            if let Heard::Digit(_) = receiver.packet(now, n == 0, n.min(5) * 160, 8000, &payload) {
                count += 1;
            }
        }
        assert_eq!(count, 1);
    }

    #[test]
    fn two_octets_are_malformed_and_event_255_is_nobody() {
        let mut receiver = EventReceiver::default();
        assert_eq!(receiver.packet(Instant::now(), true, 0, 8000, &[5, 10]), Heard::Malformed);
        assert_eq!(receiver.packet(Instant::now(), true, 0, 8000, &[255, 10, 3, 192]), Heard::Nothing);
    }
}
