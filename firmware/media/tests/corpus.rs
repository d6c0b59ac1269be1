//! Bad and odd RTP and RTCP from the corpus, each through `Engine::receive` with its verdict.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
mod common;
use common::*;
use offhook_media::codec::CodecKind;
use offhook_media::engine::{Command, Event};
use offhook_media::stream::Stream;
use std::path::Path;
use std::time::{Duration, Instant};

fn rows(folder: &str) -> Vec<(String, String, Vec<u8>)> {
    let corpora = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora"));
    let index = std::fs::read_to_string(corpora.join("index.csv")).unwrap();
    let rows: Vec<_> = index
        .lines()
        .filter(|line| line.starts_with(folder))
        .map(|line| {
            let mut fields = line.split(',');
            let file = fields.next().unwrap().to_owned();
            let verdict = fields.nth(1).unwrap().to_owned();
            let bytes = std::fs::read(corpora.join(&file)).unwrap();
            (file, verdict, bytes)
        })
        .collect();
    assert!(rows.len() > 9, "{folder}: {} rows", rows.len());
    rows
}

#[test]
fn every_rtp_row_of_the_corpus_gets_its_verdict() {
    for (file, verdict, mut bytes) in rows("rtp/") {
        for rate in [8000, 16_000, 48_000] {
            let mut config = config(CodecKind::Pcmu, 4000);
            config.receive = vec![(0, CodecKind::Pcmu), (96, CodecKind::Opus)];
            let mut engine = engine(rate);
            let mut now = Instant::now();
            engine.command(now, Command::Add(Stream::new(ID, &config, &options(1), rate).unwrap()));
            assert!(!engine.receive(now, ID, false, address(4000), &mut bytes), "{file} is neither STUN nor DTLS");
            let statistics = engine.statistics(ID).unwrap();
            match verdict.as_str() {
                "A" => assert_eq!((statistics.received, statistics.malformed), (1, 0), "{file}"),
                "R" => assert_eq!((statistics.received, statistics.malformed), (0, 1), "{file}"),
                "A or R" | "R or bounded" => assert_eq!(statistics.received + statistics.malformed, 1, "{file}"),
                "ignore" | "no crash" => assert_eq!(statistics.received, 1, "{file}"),
                other => panic!("unknown verdict {other} of {file}"),
            }
            let mut out = vec![0; rate as usize / 100];
            let mut sound = 0;
            for _ in 0..100 {
                now += Duration::from_millis(10);
                engine.period(now, &[], &mut out, None);
                sound += usize::from(out.iter().any(|&sample| sample != 0));
                while engine.poll_transmit().is_some() {}
            }
            while let Some(event) = engine.poll_event() {
                assert!(!matches!(event, Event::Digit { .. }), "{file} is no digit");
            }
            // 20 ms of sound, then at most 80 ms of concealment and what the filters hold.
            assert!(sound <= 14 || file.contains("opus"), "{file} sounds for {sound} periods");
            // The call goes on: a good packet is taken.
            let mut good = vec![0x80, 0, 0, 2, 0, 0, 1, 0x40, 0x11, 0x22, 0x33, 0x44];
            good.extend([0x55; 160]);
            engine.receive(now, ID, false, address(4000), &mut good);
            assert_eq!(engine.statistics(ID).unwrap().received, statistics.received + 1, "{file}");
        }
    }
}

#[test]
fn every_rtcp_row_of_the_corpus_is_taken_or_counted_as_malformed() {
    for (file, verdict, mut bytes) in rows("rtcp/") {
        let mut engine = engine(8000);
        let now = Instant::now();
        engine.command(now, Command::Add(Stream::new(ID, &config(CodecKind::Pcmu, 4000), &options(1), 8000).unwrap()));
        assert!(!engine.receive(now, ID, true, address(4001), &mut bytes));
        let statistics = engine.statistics(ID).unwrap();
        match verdict.as_str() {
            "A" => assert_eq!(statistics.malformed, 0, "{file}"),
            "R" => assert_eq!(statistics.malformed, 1, "{file}"),
            _ => {}
        }
    }
}

#[test]
fn stun_and_dtls_belong_to_the_main_thread() {
    let mut engine = engine(8000);
    let now = Instant::now();
    engine.command(now, Command::Add(Stream::new(ID, &config(CodecKind::Pcmu, 4000), &options(1), 8000).unwrap()));
    assert!(engine.receive(now, ID, false, address(4000), &mut [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]));
    assert!(engine.receive(now, ID, false, address(4000), &mut [22, 254, 253, 0]));
    assert_eq!(engine.statistics(ID).unwrap().malformed, 0);
}

#[test]
fn whatever_comes_the_engine_neither_panics_nor_overfills_nor_loses_its_beat() {
    let mut chance = Chance(4711);
    for round in 0..24u64 {
        let rate = [8000, 16_000, 48_000][(round % 3) as usize];
        let mut config = config(CodecKind::ALL[(round % 4) as usize], 4000);
        config.receive = vec![(0, CodecKind::Pcmu), (8, CodecKind::Pcma), (9, CodecKind::G722), (96, CodecKind::Opus)];
        let mut engine = engine(rate);
        let mut now = Instant::now();
        engine.command(now, Command::Add(Stream::new(ID, &config, &options(1), rate).unwrap()));
        let mut out = vec![0; rate as usize / 100];
        let (mut sequence, mut timestamp, mut ssrc) = (chance.next() as u16, chance.next() as u32, 1u32);
        for _ in 0..400 {
            for _ in 0..chance.next() % 4 {
                // Mostly a stream, with every kind of leap in between.
                match chance.next() % 40 {
                    0 => sequence = chance.next() as u16,
                    1 => timestamp = chance.next() as u32,
                    2 => ssrc = chance.next() as u32 % 3,
                    3 => sequence = sequence.wrapping_sub(chance.next() as u16 % 200),
                    4 => timestamp = timestamp.wrapping_add(chance.next() as u32 % 100_000),
                    _ => {}
                }
                sequence = sequence.wrapping_add(1);
                timestamp = timestamp.wrapping_add(160);
                let kind = [0u8, 0, 8, 9, 96, 96, 101, 13][(chance.next() % 8) as usize];
                let rtcp = chance.next().is_multiple_of(20);
                let mut bytes = vec![0x80, if rtcp { 200 + (chance.next() % 8) as u8 } else { kind }];
                bytes.extend(if rtcp { 6u16 } else { sequence }.to_be_bytes());
                bytes.extend(timestamp.to_be_bytes());
                bytes.extend(ssrc.to_be_bytes());
                let length = if chance.next().is_multiple_of(10) { chance.next() % 1600 } else { 160 };
                bytes.extend((0..length).map(|_| chance.next() as u8));
                if chance.next().is_multiple_of(30) {
                    bytes[0] = chance.next() as u8;
                }
                let port = if chance.next().is_multiple_of(15) { 4444 } else { 4000 };
                engine.receive(now, ID, rtcp, address(port), &mut bytes);
            }
            now += Duration::from_micros(chance.next() % 25_000);
            engine.period(now, &[], &mut out, None);
            while engine.poll_transmit().is_some() {}
            while engine.poll_event().is_some() {}
            let statistics = engine.statistics(ID).unwrap();
            assert!(statistics.buffer_ms.is_finite() && statistics.buffer_ms < 6000.0, "{statistics:?}");
        }
        // A proper talker is heard again soon.
        talk(&mut engine, &mut now, rate, &mut out);
    }
}

/// Eight seconds of a good sender, the last of which must be heard.
fn talk(engine: &mut offhook_media::Engine, now: &mut Instant, rate: u32, out: &mut [i16]) {
    let before = engine.statistics(ID).unwrap().received;
    let mut encoder = offhook_media::codec::encoder(CodecKind::Pcmu, rate, 20, &opus()).unwrap();
    let mut heard = Vec::new();
    for n in 0..400u32 {
        let mut sound = [0; 160];
        Voice::Tone(1004.0).fill(8000, u64::from(n) * 160, &mut sound);
        let mut bytes = vec![0x80, 0];
        bytes.extend((n as u16).to_be_bytes());
        bytes.extend((n * 160).to_be_bytes());
        bytes.extend([7, 7, 7, 7]);
        bytes.resize(172, 0);
        encoder.encode(&sound, &mut bytes[12..]);
        engine.receive(*now, ID, false, address(4000), &mut bytes);
        for _ in 0..2 {
            *now += Duration::from_millis(10);
            engine.period(*now, &[], out, None);
            heard.extend_from_slice(out);
            while engine.poll_transmit().is_some() {}
            while engine.poll_event().is_some() {}
        }
    }
    assert!(engine.statistics(ID).unwrap().received >= before + 398);
    let tail = &heard[heard.len() - rate as usize..];
    let ratio = offhook_media::measure::tone_ratio_db(tail, rate, 1004.0);
    assert!(ratio > 15.0, "{ratio} dB");
}
