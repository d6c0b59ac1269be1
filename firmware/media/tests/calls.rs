//! Two engines in a call over a pretend network: what each hears of the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod common;
use common::*;
use offhook_media::codec::CodecKind;
use offhook_media::measure::tone_ratio_db;
use std::time::Duration;

const RATES: [u32; 3] = [8000, 16_000, 48_000];

#[test]
fn a_tone_said_is_heard_20_db_above_everything_else_with_each_codec_at_each_engine_rate() {
    for codec in CodecKind::ALL {
        for here in RATES {
            for there in RATES {
                let mut call =
                    Call::new(codec, [here, there], Network { delay: Duration::from_millis(15), ..Network::default() });
                call.run(Duration::from_secs(4));
                for side in 0..2 {
                    let rate = call.sides[side].rate;
                    let ratio = tone_ratio_db(call.tail(side, Duration::from_secs(3)), rate, 1004.0);
                    assert!(ratio > 20.0, "{codec:?} {here} {there} side {side}: {ratio:.1} dB");
                    let statistics = call.statistics(side);
                    assert_eq!(
                        (statistics.lost, statistics.late, statistics.malformed, statistics.foreign),
                        (0, 0, 0, 0)
                    );
                }
            }
        }
    }
}

#[test]
fn without_jitter_the_engine_adds_at_most_a_packet_and_20_ms() {
    for codec in CodecKind::ALL {
        for rate in RATES {
            let mut call = Call::new(codec, [rate, rate], Network::default());
            call.voices = [Voice::Vowels; 2];
            call.run(Duration::from_secs(4));
            for side in 0..2 {
                let heard = call.tail(side, Duration::from_secs(2));
                let from = (call.sides[side].heard.len() - heard.len()) as u64;
                // The two sound devices begin 3.7 ms apart.
                let offset = if side == 0 { -3.7 } else { 3.7 };
                let (ms, likeness) = lag(heard, rate, from, Voice::Vowels, 80.0);
                assert!(likeness > 0.9, "{codec:?} {rate} side {side}: {likeness}");
                let ms = ms + offset;
                assert!(ms < 40.0, "{codec:?} at {rate} Hz, side {side}: {ms} ms");
            }
        }
    }
}
