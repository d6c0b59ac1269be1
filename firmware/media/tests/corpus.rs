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
