//! The engine's commands and events: who hears whom, who is believed, what is given back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
mod common;
use common::*;
use offhook_media::codec::CodecKind;
use offhook_media::engine::{Command, Event, Retired, ToneSlot};
use offhook_media::measure::{level_dbov, tone_ratio_db};
use offhook_media::rtp::{self, Header};
use offhook_media::sdp::{Direction, StreamConfig};
use offhook_media::stream::{Stream, StreamId};
use offhook_media::tone::Tone;
use offhook_media::{Engine, EngineConfig};
use std::time::{Duration, Instant};

const OTHER: StreamId = StreamId(8);
const THIRD: StreamId = StreamId(9);

/// One engine that plays against packets made by the test.
struct Desk {
    engine: Engine,
    now: Instant,
    sent: Vec<(StreamId, u16, bool, Vec<u8>)>,
    events: Vec<Event>,
    heard: Vec<i16>,
    said: u64,
    voice: Voice,
}

impl Desk {
    fn new() -> Self {
        let engine = Engine::new(EngineConfig { rate: 8000, period: 80, streams: 3 });
        let now = Instant::now() + Duration::from_secs(100);
        Self { engine, now, sent: vec![], events: vec![], heard: vec![], said: 0, voice: Voice::Silent }
    }

    fn with_call(id: StreamId) -> Self {
        let mut desk = Self::new();
        desk.add(id, 4000);
        desk
    }

    fn add(&mut self, id: StreamId, port: u16) {
        self.command(Command::Add(Stream::new(id, &config(CodecKind::Pcmu, port), &options(id.0), 8000).unwrap()));
    }

    fn command(&mut self, command: Command) {
        self.engine.command(self.now, command);
    }

    fn periods(&mut self, count: usize) {
        for _ in 0..count {
            self.now += Duration::from_millis(10);
            let mut captured = [0; 80];
            self.voice.fill(8000, self.said, &mut captured);
            self.said += 80;
            let at = self.heard.len();
            self.heard.resize(at + 80, 0);
            self.engine.period(self.now, &captured, &mut self.heard[at..], None);
            while let Some(packet) = self.engine.poll_transmit() {
                self.sent.push((packet.stream, packet.to.port(), packet.rtcp, packet.bytes.to_vec()));
            }
            while let Some(event) = self.engine.poll_event() {
                self.events.push(event);
            }
        }
    }

    /// A packet of µ-law; answers the count of packets taken so far.
    fn packet(&mut self, id: StreamId, port: u16, ssrc: u32, sequence: u16, sound: u8) -> u64 {
        let timestamp = u32::from(sequence) * 160;
        let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend([sound; 160]);
        self.engine.receive(self.now, id, false, address(port), &mut bytes);
        self.engine.statistics(id).unwrap().received
    }

    /// A tone from the peer of a stream for `count` packets, with periods in between.
    fn peer_tone(&mut self, voices: &[(StreamId, u16, f64)], count: u16) {
        let mut encoder = offhook_media::codec::encoder(CodecKind::Pcmu, 8000, 20, &opus()).unwrap();
        for sequence in 0..count {
            for &(id, port, hz) in voices {
                let mut sound = [0; 160];
                Voice::Tone(hz).fill(8000, u64::from(sequence) * 160, &mut sound);
                let header = Header {
                    marker: false,
                    payload_type: 0,
                    sequence,
                    timestamp: u32::from(sequence) * 160,
                    ssrc: id.0,
                };
                let mut bytes = [0; 172];
                bytes[..12].copy_from_slice(&header.to_bytes());
                encoder.encode(&sound, &mut bytes[12..]);
                self.engine.receive(self.now, id, false, address(port), &mut bytes);
            }
            self.periods(2);
        }
    }

    /// What a stream was sent, decoded, from its packet number `skip` on.
    fn sent_sound(&self, id: StreamId, skip: usize) -> Vec<i16> {
        let mut decoder = offhook_media::codec::decoder(CodecKind::Pcmu, 8000).unwrap();
        let mut sound = Vec::new();
        for (_, _, _, bytes) in self.sent.iter().filter(|packet| packet.0 == id && !packet.2).skip(skip) {
            let mut out = [0; 1500];
            let (_, payload) = rtp::parse(bytes).unwrap();
            let count = decoder.decode(&bytes[payload], &mut out);
            sound.extend_from_slice(&out[..count]);
        }
        sound
    }

    fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }
}

#[test]
fn each_conference_party_hears_the_others_and_not_itself() {
    let mut desk = Desk::with_call(ID);
    desk.add(OTHER, 4100);
    desk.command(Command::Bridge(ID, OTHER, true));
    desk.voice = Voice::Tone(1500.0);
    desk.peer_tone(&[(ID, 4000, 500.0), (OTHER, 4100, 900.0)], 100);
    let power = |sound: &[i16], hz| offhook_media::measure::goertzel(sound, 8000, hz);
    for (id, own, others) in [(ID, 500.0, [900.0, 1500.0]), (OTHER, 900.0, [500.0, 1500.0])] {
        let sound = desk.sent_sound(id, 20);
        for hz in others {
            assert!(power(&sound, hz) > 1000.0 * power(&sound, own), "{id:?} hears {hz}");
        }
    }
    let heard = &desk.heard[8000..];
    assert!(power(heard, 500.0) > 1e6 && power(heard, 900.0) > 1e6);
    assert!(power(heard, 1500.0) < 1e3, "no side tone");
}

#[test]
fn a_loop_sends_back_what_it_hears_and_ends() {
    let mut desk = Desk::with_call(ID);
    desk.command(Command::Loop(ID, true));
    desk.peer_tone(&[(ID, 4000, 1004.0)], 60);
    assert!(tone_ratio_db(&desk.sent_sound(ID, 10), 8000, 1004.0) > 20.0);
    desk.command(Command::Loop(ID, false));
    let packets = desk.sent.len();
    desk.periods(20);
    assert!(level_dbov(&desk.sent_sound(ID, packets + 2)) < -80.0);
}

#[test]
fn a_tone_to_a_stream_is_sent_and_its_box_comes_back() {
    let mut desk = Desk::with_call(ID);
    let tone = Box::new(Tone::parse("periodic(sine(1000ms,2500,1004Hz))").unwrap());
    desk.command(Command::ToneTo(ID, Some(tone)));
    desk.periods(100);
    assert!(tone_ratio_db(&desk.sent_sound(ID, 2), 8000, 1004.0) > 20.0);
    desk.command(Command::ToneTo(ID, None));
    desk.periods(2);
    assert_eq!(desk.count(|event| matches!(event, Event::Retired(Retired::Tone(_)))), 1);
}

/// Covers: axml.tones.09
#[test]
fn a_progress_tone_is_heard_with_the_next_period_and_its_end_is_told() {
    let mut desk = Desk::new();
    assert!(desk.engine.idle());
    desk.command(Command::Tone(ToneSlot::Progress, Some(Box::new(Tone::parse("sine(200ms,4000,425Hz)").unwrap()))));
    assert!(!desk.engine.idle());
    desk.periods(1);
    assert!(desk.heard.iter().any(|&sample| sample != 0), "the first period sounds");
    desk.periods(30);
    assert_eq!(desk.count(|event| matches!(event, Event::ToneEnded(ToneSlot::Progress))), 1);
    assert!(desk.engine.idle());
}

#[test]
fn the_ringer_sounds_on_its_own_device_if_there_is_one() {
    let mut desk = Desk::new();
    desk.command(Command::Tone(ToneSlot::Ringer, Some(Box::new(Tone::ringer(0)))));
    let (mut ear, mut ring) = ([1i16; 80], [0i16; 80]);
    let now = desk.now;
    for _ in 0..5 {
        desk.engine.period(now, &[0; 80], &mut ear, Some(&mut ring));
    }
    assert!(level_dbov(&ring) > -50.0 && ear.iter().all(|&sample| sample == 0));
    desk.periods(5);
    assert!(level_dbov(&desk.heard) > -50.0);
}

#[test]
fn a_muted_microphone_sends_silence_and_comes_back_without_a_click() {
    let mut desk = Desk::with_call(ID);
    desk.voice = Voice::Tone(400.0);
    desk.periods(50);
    desk.command(Command::Mute(true));
    desk.periods(50);
    desk.command(Command::Mute(false));
    desk.periods(50);
    let sound = desk.sent_sound(ID, 0);
    assert!(level_dbov(&sound[4400..7600]) < -80.0);
    assert!(level_dbov(&sound[8400..]) > -20.0);
    // The steepest slope of the tone is 8000 * 2π * 400 / 8000 = 2513 a sample, and µ-law rounds.
    assert!(sound.windows(2).all(|w| (i32::from(w[0]) - i32::from(w[1])).abs() < 2900));
}

#[test]
fn a_held_call_is_neither_heard_nor_spoken_to_but_goes_on_sending() {
    let mut desk = Desk::with_call(ID);
    desk.voice = Voice::Tone(400.0);
    desk.command(Command::Direction(ID, Direction::Inactive));
    desk.peer_tone(&[(ID, 4000, 1004.0)], 50);
    assert!(level_dbov(&desk.heard[800..]) < -80.0);
    assert!(level_dbov(&desk.sent_sound(ID, 5)) < -80.0);
    assert_eq!(desk.sent.iter().filter(|packet| !packet.2).count(), 50);
}

#[test]
fn replacing_keeps_source_sequence_and_counters_and_gives_the_old_stream_back() {
    let mut desk = Desk::with_call(ID);
    desk.peer_tone(&[(ID, 4000, 1004.0)], 10);
    let held = StreamConfig { direction: Direction::RecvOnly, ..config(CodecKind::Pcmu, 4000) };
    desk.command(Command::Replace(Stream::new(ID, &held, &options(999), 8000).unwrap()));
    let before = desk.sent.len();
    desk.periods(20);
    assert_eq!(desk.sent.iter().skip(before).filter(|packet| !packet.2).count(), 0, "we may not send");
    assert_eq!(desk.count(|event| matches!(event, Event::Retired(Retired::Stream(_)))), 1);
    let resumed = config(CodecKind::Pcma, 4000);
    desk.command(Command::Replace(Stream::new(ID, &resumed, &options(998), 8000).unwrap()));
    desk.periods(20);
    let headers: Vec<_> =
        desk.sent.iter().filter(|packet| !packet.2).map(|packet| rtp::parse(&packet.3).unwrap().0).collect();
    assert!(headers.iter().all(|header| header.ssrc == ID.0));
    assert!(headers.windows(2).all(|w| w[1].sequence == w[0].sequence.wrapping_add(1)));
    let resumed = headers.iter().position(|header| header.payload_type == 8).unwrap();
    assert!(headers[resumed].marker, "sound after silence is marked");
    let pause = headers[resumed].timestamp.wrapping_sub(headers[resumed - 1].timestamp);
    assert!((1600..=2080).contains(&pause), "the clock went on: {pause}");
    assert_eq!(desk.engine.statistics(ID).unwrap().received, 10);
}

#[test]
fn a_call_goes_on_sounding_while_it_is_replaced() {
    let mut desk = Desk::with_call(ID);
    desk.peer_tone(&[(ID, 4000, 1004.0)], 50);
    let from = desk.heard.len();
    desk.command(Command::Replace(Stream::new(ID, &config(CodecKind::Pcmu, 4000), &options(5), 8000).unwrap()));
    // The peer goes on with sequence 50.
    let mut encoder = offhook_media::codec::encoder(CodecKind::Pcmu, 8000, 20, &opus()).unwrap();
    for sequence in 50..100u16 {
        let mut sound = [0; 160];
        Voice::Tone(1004.0).fill(8000, u64::from(sequence) * 160, &mut sound);
        let header =
            Header { marker: false, payload_type: 0, sequence, timestamp: u32::from(sequence) * 160, ssrc: ID.0 };
        let mut bytes = [0; 172];
        bytes[..12].copy_from_slice(&header.to_bytes());
        encoder.encode(&sound, &mut bytes[12..]);
        desk.engine.receive(desk.now, ID, false, address(4000), &mut bytes);
        desk.periods(2);
    }
    assert!(tone_ratio_db(&desk.heard[from - 800..], 8000, 1004.0) > 20.0);
}

/// Covers: axml.nat.10
#[test]
fn media_goes_back_to_where_it_comes_from_if_asked() {
    for symmetric in [true, false] {
        let mut desk = Desk::new();
        let options = offhook_media::stream::StreamOptions { symmetric, ..options(1) };
        desk.command(Command::Add(Stream::new(ID, &config(CodecKind::Pcmu, 4000), &options, 8000).unwrap()));
        desk.periods(4);
        desk.packet(ID, 4567, 1, 1, 0xff);
        desk.periods(4);
        let ports: Vec<_> = desk.sent.iter().filter(|packet| !packet.2).map(|packet| packet.1).collect();
        assert_eq!(ports, if symmetric { [4000, 4000, 4567, 4567] } else { [4000; 4] });
    }
}

#[test]
fn a_stranger_cannot_take_over_a_talking_stream_but_the_negotiated_address_can() {
    let mut desk = Desk::with_call(ID);
    assert_eq!(desk.packet(ID, 4567, 1, 1, 0xff), 1);
    assert_eq!(desk.packet(ID, 5000, 1, 2, 0xff), 1, "a stranger");
    assert_eq!(desk.packet(ID, 4000, 1, 2, 0xff), 2, "the negotiated address");
    assert_eq!(desk.packet(ID, 4567, 1, 3, 0xff), 2, "the first one is a stranger now");
    desk.periods(210);
    assert_eq!(desk.packet(ID, 4567, 1, 110, 0xff), 3, "after two seconds of silence");
    assert_eq!(desk.engine.statistics(ID).unwrap().foreign, 2);
    assert_eq!(desk.count(|event| matches!(event, Event::Talking { .. })), 1);
}

#[test]
fn a_new_ssrc_is_believed_at_its_second_packet_in_sequence() {
    let mut desk = Desk::with_call(ID);
    assert_eq!(desk.packet(ID, 4000, 1, 100, 0xff), 1);
    assert_eq!(desk.packet(ID, 4000, 2, 7000, 0xff), 1);
    assert_eq!(desk.packet(ID, 4000, 1, 101, 0xff), 2, "a single stray packet changes nothing");
    assert_eq!(desk.packet(ID, 4000, 2, 7001, 0xff), 2);
    assert_eq!(desk.packet(ID, 4000, 2, 7002, 0xff), 3);
    assert_eq!(desk.packet(ID, 4000, 1, 102, 0xff), 3);
}

#[test]
fn timestamps_that_jump_leave_no_delay_behind() {
    for jump in [4000u32, 4000u32.wrapping_neg(), 80_000, 0x8000_0000] {
        let mut desk = Desk::with_call(ID);
        for sequence in 0..200u16 {
            let timestamp = (u32::from(sequence) * 160).wrapping_add(if sequence >= 100 { jump } else { 0 });
            let header = Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 1 };
            let mut bytes = header.to_bytes().to_vec();
            bytes.extend([0x20; 160]);
            desk.engine.receive(desk.now, ID, false, address(4000), &mut bytes);
            desk.periods(2);
        }
        let statistics = desk.engine.statistics(ID).unwrap();
        assert!(statistics.buffer_ms < 60.0 && statistics.concealed < 15, "{jump}: {statistics:?}");
        let last = &desk.heard[desk.heard.len() - 8000..];
        assert!(last.iter().all(|&sample| sample != 0), "{jump}: sound without a gap in the last second");
    }
}

#[test]
fn engine_commands_and_events_may_cross_threads() {
    fn sendable<T: Send>() {}
    sendable::<Engine>();
    sendable::<Command>();
    sendable::<Event>();
}

#[test]
fn silence_is_told_every_five_seconds_and_not_when_nothing_is_expected() {
    let mut desk = Desk::with_call(ID);
    let sendonly = StreamConfig { direction: Direction::SendOnly, ..config(CodecKind::Pcmu, 4100) };
    desk.command(Command::Add(Stream::new(OTHER, &sendonly, &options(2), 8000).unwrap()));
    desk.periods(1100);
    let told: Vec<_> = desk
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Silent { stream, seconds } => Some((*stream, *seconds)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(ID, 5), (ID, 10)]);
}

#[test]
fn reports_carry_loss_both_ways_and_bye_is_told_once() {
    let network = Network { loss: 0.1, delay: Duration::from_millis(25), ..Network::default() };
    let mut call = Call::new(CodecKind::Pcmu, [8000, 8000], network);
    call.run(Duration::from_secs(40));
    let reports = call.sides[0].sent.iter().filter(|(_, rtcp, _)| *rtcp).count();
    assert!((5..=14).contains(&reports), "{reports} in 40 s");
    let statistics = call.statistics(0);
    let round_trip = statistics.round_trip_ms.unwrap();
    assert!((49.0..75.0).contains(&round_trip), "{round_trip} ms");
    assert!(
        call.sides[0]
            .events
            .iter()
            .any(|event| matches!(event, Event::Statistics { statistics, .. } if statistics.lost > 0))
    );
    call.network.loss = 0.0;
    let now = call.now;
    call.sides[1].engine.command(now, Command::Remove(ID));
    call.run(Duration::from_millis(500));
    let left = call.sides[0].events.iter().filter(|event| matches!(event, Event::PeerLeft { .. })).count();
    assert_eq!(left, 1);
}

#[test]
fn what_cannot_be_done_is_refused_with_its_boxes() {
    let mut desk = Desk::with_call(ID);
    desk.add(ID, 4000);
    desk.add(OTHER, 4100);
    desk.add(THIRD, 4200);
    desk.add(StreamId(10), 4300);
    desk.command(Command::Remove(StreamId(99)));
    desk.command(Command::ToneTo(StreamId(99), Some(Box::new(Tone::ringer(0)))));
    desk.command(Command::Bridge(ID, ID, true));
    desk.command(Command::Replace(Stream::new(ID, &config(CodecKind::Pcmu, 4000), &options(1), 16_000).unwrap()));
    desk.periods(1);
    assert_eq!(desk.count(|event| matches!(event, Event::Refused(_))), 6);
}

#[test]
fn queues_that_nobody_empties_are_bounded_and_counted() {
    let mut desk = Desk::with_call(ID);
    let mut out = [0; 80];
    for n in 0..3000u32 {
        desk.engine.period(desk.now + Duration::from_millis(10) * n, &[0; 80], &mut out, None);
    }
    for _ in 0..300 {
        desk.command(Command::Report(ID));
    }
    let overflows = desk.engine.overflows();
    assert!(overflows.packets > 1000 && overflows.events > 100 && overflows.leaked == 0, "{overflows:?}");
    assert!(std::iter::from_fn(|| desk.engine.poll_event()).count() <= 256);
}

#[test]
fn periods_of_5_to_20_ms_carry_sound_at_every_packet_time() {
    for period_ms in [5usize, 10, 16, 20] {
        for ptime in [10, 20, 30, 60] {
            let rate = 16_000usize;
            let period = rate * period_ms / 1000;
            let mut engine = Engine::new(EngineConfig { rate: rate as u32, period, streams: 1 });
            let mut now = Instant::now() + Duration::from_secs(10);
            let config = StreamConfig { ptime, ..config(CodecKind::G722, 4000) };
            engine.command(now, Command::Add(Stream::new(ID, &config, &options(3), rate as u32).unwrap()));
            engine.command(now, Command::Direction(ID, Direction::SendRecv));
            let (mut heard, mut said, mut lengths) = (vec![], 0u64, vec![]);
            for _ in 0..3000 / period_ms {
                now += Duration::from_millis(period_ms as u64);
                let (mut captured, mut playback) = (vec![0; period], vec![0; period]);
                Voice::Tone(1004.0).fill(rate as u32, said, &mut captured);
                said += period as u64;
                engine.period(now, &captured, &mut playback, None);
                heard.extend_from_slice(&playback);
                let mut own = Vec::new();
                while let Some(packet) = engine.poll_transmit() {
                    if !packet.rtcp {
                        own.push(packet.bytes.to_vec());
                    }
                }
                // It talks to itself.
                for mut bytes in own {
                    lengths.push(bytes.len() - 12);
                    engine.receive(now, ID, false, address(4000), &mut bytes);
                }
            }
            assert!(lengths.iter().all(|&length| length == ptime as usize * 8), "{period_ms} {ptime}");
            let ratio = tone_ratio_db(&heard[heard.len() / 2..], rate as u32, 1004.0);
            assert!(ratio > 20.0, "periods of {period_ms}, packets of {ptime} ms: {ratio} dB");
        }
    }
}
