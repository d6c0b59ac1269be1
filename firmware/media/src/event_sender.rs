//! Sending digits: the packets of a telephone-event (RFC 4733 section 2.5.1) or a dual tone in place of the sound.
//!
//! A digit waits its turn, lasts until its duration is over or it is let go, at least [`SHORTEST_MS`], and is followed by
//! [`PAUSE_MS`] of rest, so that even a fast typist's digits are told apart. The first packet leaves with the period after the
//! key; updates follow at the packet time; the end is sent three times. Events longer than a 16-bit duration go
//! out in segments (section 2.5.1.3). Time is counted in ticks of the stream's RTP clock.
use crate::inband_dtmf::Generator;
use crate::telephone_event::{Digit, DigitMethod};

/// Shortest digit [ms]; receivers need 40 (ITU-T Q.24).
pub const SHORTEST_MS: u32 = 70;
/// Rest between digits [ms].
pub const PAUSE_MS: u32 = 50;
/// Digits that may wait.
const WAITING: usize = 32;
/// Power of the tone as told to the peer [-dBm0].
const VOLUME: u8 = 10;

/// A packet to be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    pub marker: bool,
    pub timestamp: u32,
    pub payload: [u8; 4],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Press {
    digit: Digit,
    method: DigitMethod,
    /// [ticks]; `None` while held down.
    limit: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Rest,
    Sounding {
        press: Press,
        /// Timestamp of the event, or of its present segment.
        timestamp: u32,
        /// Ticks since the event and since its present segment began, and since the last packet.
        elapsed: u32,
        segment: u32,
        since_packet: u32,
    },
    Ending {
        packet: EventPacket,
        left: u8,
        since_packet: u32,
    },
    Pause {
        left: u32,
    },
}

/// The digits of one stream.
#[derive(Debug)]
pub struct EventSender {
    clock: u32,
    /// Units of the duration field [Hz].
    units: u32,
    /// Time between updates [ticks].
    update: u32,
    state: State,
    waiting: [Option<Press>; WAITING],
    generator: Generator,
}

impl EventSender {
    /// `clock`: of the stream [Hz]; `units`: of the duration field [Hz]; `packet_time`: between updates [ms], 20 to 50; `rate`: of
    /// the sound that dual tones replace [Hz].
    pub fn new(clock: u32, units: u32, packet_time: u32, rate: u32) -> Self {
        Self {
            clock,
            units,
            update: packet_time.clamp(20, 50) * clock / 1000,
            state: State::Rest,
            waiting: [None; WAITING],
            generator: Generator::new(rate),
        }
    }

    /// A key went down. False if too many wait already. A digit still held ends.
    pub fn start(&mut self, digit: Digit, method: DigitMethod, duration_ms: Option<u32>) -> bool {
        self.end();
        let limit = duration_ms.map(|ms| self.ticks(ms.max(SHORTEST_MS)));
        let Some(free) = self.waiting.iter_mut().find(|slot| slot.is_none()) else { return false };
        *free = Some(Press { digit, method, limit });
        true
    }

    /// The key went up: the digit last started ends as soon as it has lasted long enough.
    pub fn end(&mut self) {
        let shortest = self.ticks(SHORTEST_MS);
        if let Some(last) = self.waiting.iter_mut().rev().find_map(Option::as_mut) {
            last.limit.get_or_insert(shortest);
        } else if let State::Sounding { press, elapsed, .. } = &mut self.state {
            press.limit.get_or_insert((*elapsed).max(shortest));
        }
    }

    /// True while a digit takes the place of the sound.
    pub fn sounding(&self) -> bool {
        matches!(self.state, State::Sounding { .. })
    }

    /// True while that is a dual tone, which is sent as sound.
    pub fn in_band(&self) -> bool {
        matches!(self.state, State::Sounding { press, .. } if press.method == DigitMethod::InBand)
    }

    /// True if there is nothing to do.
    pub fn idle(&self) -> bool {
        matches!(self.state, State::Rest) && self.waiting.first().is_none_or(Option::is_none)
    }

    /// A period of `ticks` ended at `timestamp`. Answers the packet to send, if any.
    pub fn period(&mut self, timestamp: u32, ticks: u32) -> Option<EventPacket> {
        match self.state {
            State::Rest => self.begin(timestamp.wrapping_sub(ticks), ticks),
            State::Sounding { press, timestamp, elapsed, segment, since_packet } => {
                self.sound(press, timestamp, elapsed + ticks, segment + ticks, since_packet + ticks)
            }
            State::Ending { packet, left, since_packet } => {
                let since_packet = since_packet + ticks;
                if since_packet < self.update {
                    self.state = State::Ending { packet, left, since_packet };
                    return None;
                }
                self.state = if left > 1 {
                    State::Ending { packet, left: left - 1, since_packet: 0 }
                } else {
                    // The repeated ends were already rest for the sound.
                    State::Pause { left: self.ticks(PAUSE_MS).saturating_sub(2 * self.update) }
                };
                Some(packet)
            }
            State::Pause { left } => {
                self.state = if left > ticks { State::Pause { left: left - ticks } } else { State::Rest };
                None
            }
        }
    }

    /// Replaces `sound` by the dual tone while an in-band digit sounds.
    pub fn tone(&mut self, sound: &mut [i16]) {
        self.generator.fill(sound);
    }

    fn ticks(&self, ms: u32) -> u32 {
        (u64::from(ms) * u64::from(self.clock) / 1000) as u32
    }

    fn begin(&mut self, timestamp: u32, ticks: u32) -> Option<EventPacket> {
        let press = self.waiting.first().copied().flatten()?;
        self.waiting.copy_within(1.., 0);
        if let Some(last) = self.waiting.last_mut() {
            *last = None;
        }
        if press.method == DigitMethod::InBand {
            self.generator.start(press.digit, None);
        }
        self.state = State::Sounding { press, timestamp, elapsed: ticks, segment: ticks, since_packet: 0 };
        let packet = self.packet(press.digit, timestamp, ticks, false);
        (press.method == DigitMethod::Event).then_some(EventPacket { marker: true, ..packet })
    }

    fn sound(
        &mut self,
        press: Press,
        timestamp: u32,
        elapsed: u32,
        segment: u32,
        since_packet: u32,
    ) -> Option<EventPacket> {
        let over = press.limit.is_some_and(|limit| elapsed >= limit);
        if press.method == DigitMethod::InBand {
            if over {
                self.generator.stop();
                self.state = State::Pause { left: self.ticks(PAUSE_MS) };
            } else {
                self.state = State::Sounding { press, timestamp, elapsed, segment, since_packet };
            }
            return None;
        }
        let longest = (0xffff * u64::from(self.clock) / u64::from(self.units.max(1))) as u32;
        if over && segment <= longest {
            let packet = self.packet(press.digit, timestamp, segment, true);
            self.state = State::Ending { packet, left: 2, since_packet: 0 };
            return Some(packet);
        }
        if segment > longest {
            // RFC 4733 section 2.5.1.3: this segment is full, the next begins where it ends.
            let packet = self.packet(press.digit, timestamp, longest, false);
            let timestamp = timestamp.wrapping_add(longest);
            self.state =
                State::Sounding { press, timestamp, elapsed, segment: segment - longest, since_packet: self.update };
            return Some(packet);
        }
        if since_packet >= self.update {
            self.state = State::Sounding { press, timestamp, elapsed, segment, since_packet: 0 };
            return Some(self.packet(press.digit, timestamp, segment, false));
        }
        self.state = State::Sounding { press, timestamp, elapsed, segment, since_packet };
        None
    }

    fn packet(&self, digit: Digit, timestamp: u32, ticks: u32, end: bool) -> EventPacket {
        let duration = (u64::from(ticks) * u64::from(self.units) / u64::from(self.clock.max(1))).min(0xffff) as u16;
        let [d0, d1] = duration.to_be_bytes();
        let payload = [digit.code(), if end { 0x80 | VOLUME } else { VOLUME }, d0, d1];
        EventPacket { marker: false, timestamp, payload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sender: &mut EventSender, periods: usize, from: u32, ticks: u32) -> Vec<(usize, EventPacket)> {
        (0..periods)
            .filter_map(|n| sender.period(from.wrapping_add((n as u32 + 1) * ticks), ticks).map(|packet| (n, packet)))
            .collect()
    }

    fn duration(packet: &EventPacket) -> u16 {
        u16::from_be_bytes([packet.payload[2], packet.payload[3]])
    }

    fn digit(c: char) -> Digit {
        Digit::from_char(c).unwrap()
    }

    /// Covers: axml.dtmf.01
    #[test]
    fn a_digit_is_one_marked_start_updates_and_three_ends_with_one_timestamp() {
        let mut sender = EventSender::new(8000, 8000, 20, 8000);
        sender.start(digit('5'), DigitMethod::Event, Some(100));
        let sent = run(&mut sender, 40, 1000, 80);
        assert_eq!(sent[0].0, 0, "the first packet leaves with the next period");
        assert!(sent[0].1.marker && sent[1..].iter().all(|(_, packet)| !packet.marker));
        assert!(sent.iter().all(|(_, packet)| packet.timestamp == 1000 && packet.payload[0] == 5));
        let ends: Vec<_> = sent.iter().filter(|(_, packet)| packet.payload[1] & 0x80 != 0).collect();
        assert_eq!(ends.len(), 3);
        assert!(ends.iter().all(|(_, packet)| duration(packet) == 800));
        assert!(sent.windows(2).all(|w| duration(&w[0].1) <= duration(&w[1].1)));
        assert_eq!(sent.len(), 8, "one every 20 ms, and the end twice more");
        assert!(sender.idle());
    }

    /// Covers: axml.dtmf.04
    #[test]
    fn durations_of_a_48_khz_stream_are_in_8_khz_units_if_asked() {
        let mut sender = EventSender::new(48_000, 8000, 20, 8000);
        sender.start(digit('1'), DigitMethod::Event, Some(100));
        let scaled = run(&mut sender, 30, 0, 480);
        assert_eq!(duration(&scaled.last().unwrap().1), 800);
        let mut sender = EventSender::new(48_000, 48_000, 20, 8000);
        sender.start(digit('1'), DigitMethod::Event, Some(100));
        let plain = run(&mut sender, 30, 0, 480);
        assert_eq!(duration(&plain.last().unwrap().1), 4800);
    }

    #[test]
    fn a_digit_held_down_lasts_until_let_go_and_a_tap_lasts_70_ms() {
        let mut sender = EventSender::new(8000, 8000, 20, 8000);
        sender.start(digit('#'), DigitMethod::Event, None);
        assert!(run(&mut sender, 200, 0, 80).iter().all(|(_, packet)| packet.payload[1] & 0x80 == 0));
        sender.end();
        assert_eq!(duration(&run(&mut sender, 20, 16_000, 80).last().unwrap().1), 201 * 80);
        sender.start(digit('1'), DigitMethod::Event, None);
        sender.end();
        let sent = run(&mut sender, 40, 0, 80);
        assert_eq!(duration(&sent.last().unwrap().1), 560);
    }

    #[test]
    fn digits_typed_at_once_leave_one_after_another_with_rest_between() {
        let mut sender = EventSender::new(8000, 8000, 20, 8000);
        for c in "123".chars() {
            sender.start(digit(c), DigitMethod::Event, Some(70));
        }
        let sent = run(&mut sender, 100, 0, 80);
        let starts: Vec<_> = sent.iter().filter(|(_, packet)| packet.marker).collect();
        assert_eq!(starts.iter().map(|(_, packet)| packet.payload[0]).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(starts.windows(2).all(|w| w[1].1.timestamp - w[0].1.timestamp >= 960));
    }

    #[test]
    fn an_event_longer_than_16_bits_goes_out_in_segments() {
        let mut sender = EventSender::new(48_000, 48_000, 20, 8000);
        sender.start(digit('9'), DigitMethod::Event, Some(3000));
        let sent = run(&mut sender, 350, 0, 480);
        let mut stamps: Vec<_> = sent.iter().map(|(_, packet)| packet.timestamp).collect();
        stamps.dedup();
        assert_eq!(stamps, [0, 0xffff, 2 * 0xffff]);
        let last = sent.last().unwrap().1;
        assert_eq!(last.timestamp + u32::from(duration(&last)), 144_000);
        assert_eq!(sent.iter().filter(|(_, packet)| packet.marker).count(), 1);
    }

    #[test]
    fn an_in_band_digit_is_its_two_frequencies_and_nothing_else() {
        let mut sender = EventSender::new(8000, 8000, 20, 8000);
        sender.start(digit('8'), DigitMethod::InBand, Some(100));
        let mut heard = Vec::new();
        for n in 0..10 {
            assert_eq!(sender.period(n * 80, 80), None);
            let mut sound = [77i16; 80];
            sender.tone(&mut sound);
            heard.extend_from_slice(&sound);
        }
        assert!(crate::measure::tones_ratio_db(&heard[80..720], 8000, &[852.0, 1336.0]) > 25.0);
    }
}
