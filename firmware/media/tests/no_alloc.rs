//! The media thread neither allocates nor frees: a minute of mixed calls under a counting allocator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
mod common;
use common::*;
use offhook_media::codec::CodecKind;
use offhook_media::engine::{Command, Engine, EngineConfig, Event, ToneSlot};
use offhook_media::sdp::Direction;
use offhook_media::stream::{Stream, StreamId};
use offhook_media::telephone_event::{Digit, DigitMethod};
use offhook_media::tone::{Sound, Tone};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

struct Counting;
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);
thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn counted() -> bool {
    COUNTED.try_with(Cell::get).unwrap_or(false)
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory it gives out.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(u64::from(counted()), Ordering::Relaxed);
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        FREES.fetch_add(u64::from(counted()), Ordering::Relaxed);
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(u64::from(counted()), Ordering::Relaxed);
        // SAFETY: as our caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counting<T>(work: impl FnOnce() -> T) -> T {
    COUNTED.with(|flag| flag.set(true));
    let result = work();
    COUNTED.with(|flag| flag.set(false));
    result
}

/// Two engines with a stream per codec each, packets carried by hand so that the network's allocations are not counted.
struct Office {
    engines: [Engine; 2],
    flying: Vec<(Instant, usize, StreamId, bool, Vec<u8>)>,
    chance: Chance,
    digits: usize,
    retired: usize,
    statistics: usize,
}

fn stream(side: usize, number: u32, codec: CodecKind, rate: u32) -> Box<Stream> {
    let remote = 5000 + (1 - side as u16) * 100 + number as u16 * 2;
    let mut config = config(codec, remote);
    if number == 1 {
        // One listens for dual tones instead.
        config.telephone_event = None;
    }
    Stream::new(StreamId(number), &config, &options(number + 100 * side as u32), rate).unwrap()
}

impl Office {
    fn command(&mut self, now: Instant, side: usize, command: Command) {
        counting(|| self.engines[side].command(now, command));
    }

    fn beat(&mut self, now: Instant, captured: &[Vec<i16>; 2], playback: &mut [Vec<i16>; 2]) {
        for side in 0..2 {
            let due: Vec<_> = self.flying.extract_if(.., |packet| packet.0 <= now && packet.1 == side).collect();
            for (at, _, stream, rtcp, mut bytes) in due {
                let port = 5000 + (1 - side as u16) * 100 + stream.0 as u16 * 2 + u16::from(rtcp);
                counting(|| self.engines[side].receive(at, stream, rtcp, address(port), &mut bytes));
            }
            counting(|| self.engines[side].period(now, &captured[side], &mut playback[side], None));
            while let Some(packet) = counting(|| self.engines[side].poll_transmit()) {
                let (id, rtcp, bytes) = (packet.stream, packet.rtcp, packet.bytes.to_vec());
                if self.chance.share() > 0.05 {
                    let at = now + Duration::from_millis(5) + Duration::from_millis(40).mul_f64(self.chance.share());
                    self.flying.push((at, 1 - side, id, rtcp, bytes));
                }
            }
            while let Some(event) = counting(|| self.engines[side].poll_event()) {
                match event {
                    Event::Digit { .. } => self.digits += 1,
                    Event::Retired(_) => self.retired += 1,
                    Event::Statistics { .. } => self.statistics += 1,
                    Event::Refused(command) => panic!("{command:?}"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_minute_of_mixed_calls_neither_allocates_nor_frees() {
    let rates = [16_000, 48_000];
    let engine = |rate: u32| Engine::new(EngineConfig { rate, period: rate as usize / 100, streams: 6 });
    let mut office = Office {
        engines: rates.map(engine),
        flying: Vec::new(),
        chance: Chance(99),
        digits: 0,
        retired: 0,
        statistics: 0,
    };
    let mut now = Instant::now() + Duration::from_secs(100);
    let codecs = [CodecKind::Pcmu, CodecKind::Pcma, CodecKind::G722, CodecKind::Opus];
    for (number, &codec) in codecs.iter().enumerate() {
        for (side, rate) in rates.into_iter().enumerate() {
            office.command(now, side, Command::Add(stream(side, number as u32, codec, rate)));
        }
    }
    let captured = rates.map(|rate| {
        let mut sound = vec![0; rate as usize / 100];
        Voice::Tone(500.0).fill(rate, 0, &mut sound);
        sound
    });
    let mut playback = rates.map(|rate| vec![0; rate as usize / 100]);
    // eight samples of 16 bits at 8 kHz
    let file = b"RIFF\x34\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x10\0\0\0abcdefghijklmnop";
    let sound = Sound::read(file, 16_000);
    let tone = |expression: &str| Some(Box::new(Tone::parse_with(expression, &|_| Some(sound.clone())).unwrap()));
    for n in 0..6000u32 {
        let id = StreamId(n / 50 % 4);
        let side = (n / 200 % 2) as usize;
        let digit = Digit::from_code((n / 50 % 16) as u8).unwrap();
        match n % 1000 {
            50 => office.command(
                now,
                0,
                Command::Tone(ToneSlot::Progress, tone("periodic(sine(100ms,2000,400Hz),wav(\"a.wav\"))")),
            ),
            100 => office.command(now, 0, Command::Tone(ToneSlot::Overlay, Some(Box::new(Tone::digit(digit))))),
            150 => office.command(now, 1, Command::Tone(ToneSlot::Ringer, Some(Box::new(Tone::ringer(1))))),
            200 => office.command(now, 0, Command::Tone(ToneSlot::Progress, None)),
            250 => office.command(now, 1, Command::Tone(ToneSlot::Ringer, None)),
            300 | 350 => {
                let method = if n % 1000 == 300 { DigitMethod::Event } else { DigitMethod::InBand };
                office.command(now, side, Command::Digit { stream: id, digit, method, duration: None });
            }
            320 | 370 => office.command(now, side, Command::DigitEnd { stream: id }),
            400 => office.command(now, 0, Command::Bridge(StreamId(0), StreamId(1), true)),
            420 => office.command(now, 1, Command::Loop(StreamId(3), true)),
            440 => office.command(now, 1, Command::ToneTo(StreamId(2), tone("sine(500ms,2000,1004Hz)"))),
            450 => office.command(now, 0, Command::Mute(true)),
            470 => office.command(now, 0, Command::Mute(false)),
            480 => office.command(now, 0, Command::Gain { ear: 200, mouth: 300, ringer: 100 }),
            500 => office.command(now, 0, Command::Direction(StreamId(0), Direction::Inactive)),
            550 => office.command(now, 0, Command::Direction(StreamId(0), Direction::SendRecv)),
            600 => {
                // A re-INVITE to another codec, on both sides.
                let codec = codecs[(n / 1000) as usize % 4];
                for (side, rate) in rates.into_iter().enumerate() {
                    office.command(now, side, Command::Replace(stream(side, 1, codec, rate)));
                }
            }
            700 => office.command(now, 0, Command::Report(StreamId(0))),
            800 => office.command(now, 0, Command::Bridge(StreamId(0), StreamId(1), false)),
            820 => office.command(now, 1, Command::Loop(StreamId(3), false)),
            900 => {
                for side in 0..2 {
                    office.command(now, side, Command::Remove(StreamId(2)));
                }
            }
            950 => {
                for (side, rate) in rates.into_iter().enumerate() {
                    office.command(now, side, Command::Add(stream(side, 2, CodecKind::G722, rate)));
                }
            }
            _ => {}
        }
        office.beat(now, &captured, &mut playback);
        now += Duration::from_millis(10);
    }
    // What was counted was a minute of real work.
    for side in 0..2 {
        let statistics = office.engines[side].statistics(StreamId(3)).unwrap();
        assert!(statistics.received > 2500 && statistics.concealed > 20, "{statistics:?}");
        assert!(office.engines[side].statistics(StreamId(3)).unwrap().round_trip_ms.is_some());
    }
    assert!(office.digits >= 6 && office.retired > 30 && office.statistics > 60);
    let (allocations, frees) = (ALLOCATIONS.load(Ordering::Relaxed), FREES.load(Ordering::Relaxed));
    assert_eq!((allocations, frees), (0, 0), "allocations and frees on the media thread");
    // And the counter does count.
    counting(|| drop(vec![0u8; 100]));
    assert!(ALLOCATIONS.load(Ordering::Relaxed) == 1 && FREES.load(Ordering::Relaxed) == 1);
}
