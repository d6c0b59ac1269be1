//! What a call costs: time the engine needs for one second of a two-way call, for each codec and engine rate.
//!
//! `cargo run --release -p offhook-media --example engine_cost`
//!
//! One engine talks to itself for a virtual minute, as fast as it can. Printed are microseconds per second of call and the
//! share of one core. Sockets and the sound device come on top.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
use offhook_media::codec::{CodecKind, OpusParams};
use offhook_media::engine::{Command, Engine, EngineConfig};
use offhook_media::sdp::{Direction, StreamConfig};
use offhook_media::stream::{Stream, StreamId, StreamOptions};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SECONDS: u32 = 60;
const ID: StreamId = StreamId(1);

fn main() {
    println!("{:<6} {:>9} {:>8} {:>10} {:>9}", "codec", "engine", "ptime", "µs/s", "of a core");
    for codec in CodecKind::ALL {
        for rate in [8000, 16_000, 48_000] {
            let cost = cost(codec, rate, true);
            println!("{:<6} {:>6} Hz {:>5} ms {:>10.0} {:>8.3}%", codec.name(), rate, 20, cost, cost / 10_000.0);
        }
    }
    for rate in [8000, 16_000, 48_000] {
        let cost = cost(CodecKind::Pcmu, rate, false);
        println!("{:<6} {rate:>6} Hz {:>8} {cost:>10.0} {:>8.3}%", "idle", "", cost / 10_000.0);
    }
}

/// [µs] for a second of call, or of an engine without one.
fn cost(codec: CodecKind, rate: u32, call: bool) -> f64 {
    let period = rate as usize / 100;
    let mut engine = Engine::new(EngineConfig { rate, period, streams: 4 });
    let address = SocketAddr::from(([127, 0, 0, 1], 4000));
    let payload = codec.static_payload().unwrap_or(96);
    let config = StreamConfig {
        remote_rtp: Some(address),
        remote_rtcp: None,
        codec,
        payload,
        receive: vec![(payload, codec)],
        opus: OpusParams { dtx: false, ..OpusParams::default() },
        telephone_event: Some((101, 8000)),
        telephone_event_receive: vec![],
        ptime: 20,
        direction: Direction::SendRecv,
    };
    let options = StreamOptions {
        symmetric: true,
        ssrc: 1,
        first_sequence: 1,
        first_timestamp: 1,
        cname: "cost".to_owned(),
        dtmf_8k_units: false,
        jitter_min_ms: 20,
        jitter_max_ms: 200,
    };
    let mut now = Instant::now();
    if call {
        engine.command(now, Command::Add(Stream::new(ID, &config, &options, rate).unwrap()));
    }
    // Something like a voice: a moving pitch with harmonics and syllables.
    let sound: Vec<i16> = (0..rate)
        .map(|n| {
            let t = f64::from(n) / f64::from(rate);
            let phase = 130.0 * t + 4.5 * (4.4 * t).sin();
            let syllable = 0.55 + 0.45 * (15.7 * t).sin();
            let sum: f64 = (1..12).map(|h| (std::f64::consts::TAU * phase * f64::from(h)).sin() / f64::from(h)).sum();
            (sum * syllable * 4000.0) as i16
        })
        .collect();
    let mut playback = vec![0; period];
    let mut wire = [0u8; 1500];
    let began = Instant::now();
    for _ in 0..SECONDS {
        for captured in sound.chunks_exact(period) {
            now += Duration::from_millis(10);
            engine.period(now, captured, &mut playback, None);
            let mut length = 0;
            while let Some(packet) = engine.poll_transmit() {
                wire[..packet.bytes.len()].copy_from_slice(packet.bytes);
                length = packet.bytes.len();
            }
            if length > 0 {
                engine.receive(now, ID, false, address, &mut wire[..length]);
            }
            while engine.poll_event().is_some() {}
        }
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(SECONDS)
}
