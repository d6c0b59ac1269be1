//! Two engines in a call over a pretend network: what each hears of the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
mod common;
use common::*;
use offhook_media::codec::CodecKind;
use offhook_media::engine::Command;
use offhook_media::measure::tone_ratio_db;
use offhook_media::stream::Stream;
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
                // Opus keeps the sound, not the wave.
                let least = if codec == CodecKind::Opus { 0.6 } else { 0.9 };
                assert!(likeness > least, "{codec:?} {rate} side {side}: {likeness}");
                let ms = ms + offset;
                assert!(ms < 40.0, "{codec:?} at {rate} Hz, side {side}: {ms} ms");
            }
        }
    }
}

/// What a lossy call heard, against the same call without loss: the share of the sound's energy that is wrong.
fn damage(codec: CodecKind, loss: f64) -> (f64, f64) {
    let heard = |loss| {
        let mut call = Call::new(codec, [8000, 8000], Network { loss, ..Network::default() });
        call.voices = [Voice::Vowels; 2];
        call.run(Duration::from_secs(20));
        let statistics = call.statistics(1);
        let share = statistics.lost as f64 / (statistics.lost + statistics.received) as f64;
        (call.sides[1].heard.clone(), share)
    };
    let ((clean, _), (lossy, share)) = (heard(0.0), heard(loss));
    let (mut wrong, mut all) = (0.0, 1.0);
    for (a, b) in clean.iter().zip(&lossy) {
        wrong += (f64::from(*a) - f64::from(*b)).powi(2);
        all += f64::from(*a).powi(2);
    }
    (wrong / all, share)
}

/// Covers: feat.50
#[test]
fn concealment_is_better_than_silence_at_5_and_10_percent_loss() {
    for codec in [CodecKind::Pcmu, CodecKind::Pcma, CodecKind::G722] {
        for loss in [0.05, 0.10] {
            let (damage, share) = damage(codec, loss);
            assert!((share - loss).abs() < loss / 2.0, "the network loses {share}");
            // With silence in the gaps the damage would be the share of packets lost.
            assert!(damage < share * 0.6, "{codec:?} at {loss}: {damage:.4} of {share:.4}");
        }
    }
}

#[test]
fn opus_loses_little_of_its_level_at_10_percent_loss() {
    let mut call = Call::new(CodecKind::Opus, [16_000, 16_000], Network { loss: 0.10, ..Network::default() });
    call.run(Duration::from_secs(10));
    let ratio = tone_ratio_db(call.tail(1, Duration::from_secs(8)), 16_000, 1004.0);
    assert!(ratio > 15.0, "{ratio}");
}

/// Covers: feat.50
#[test]
fn jitter_of_30_ms_with_reordering_is_taken_up_and_the_delay_stays_bounded() {
    for codec in CodecKind::ALL {
        let network = Network {
            jitter: Duration::from_millis(30),
            duplicates: 0.02,
            delay: Duration::from_millis(20),
            ..Network::default()
        };
        let mut call = Call::new(codec, [16_000, 16_000], network);
        call.run(Duration::from_secs(5));
        let before = call.statistics(0);
        let mut most: f32 = 0.0;
        for _ in 0..100 {
            call.run(Duration::from_millis(200));
            most = most.max(call.statistics(0).buffer_ms);
        }
        let after = call.statistics(0);
        let (late, received) = (after.late - before.late, after.received - before.received);
        assert!(late * 100 <= received * 2, "{codec:?}: {late} late of {received}");
        assert!(after.duplicated > 0 && after.lost == 0);
        assert!((20.0..=60.0).contains(&most), "{codec:?}: {most} ms");
        let ratio = tone_ratio_db(call.tail(0, Duration::from_secs(20)), 16_000, 1004.0);
        assert!(ratio > 15.0, "{codec:?}: {ratio} dB");
    }
}

#[test]
fn the_delay_grows_with_jitter_and_shrinks_when_it_is_over() {
    let mut call = Call::new(CodecKind::Pcmu, [8000, 8000], Network::default());
    call.run(Duration::from_secs(5));
    let calm = call.statistics(1).buffer_ms;
    call.network.jitter = Duration::from_millis(80);
    call.run(Duration::from_secs(10));
    let rough = call.statistics(1).buffer_ms;
    call.network.jitter = Duration::ZERO;
    call.run(Duration::from_secs(60));
    let again = call.statistics(1).buffer_ms;
    assert!(calm < 25.0 && rough > 60.0 && rough < 120.0 && again < 30.0, "{calm} {rough} {again}");
}

#[test]
fn a_burst_after_a_stall_does_not_leave_its_delay_behind() {
    let mut call = Call::new(CodecKind::Pcmu, [8000, 8000], Network::default());
    call.run(Duration::from_secs(3));
    // Everything of one second arrives at once.
    call.network.delay = Duration::from_secs(1);
    call.run(Duration::from_millis(980));
    let at = call.now + Duration::from_millis(20);
    call.sides[1].inbox.iter_mut().for_each(|packet| packet.at = at);
    call.network.delay = Duration::ZERO;
    call.run(Duration::from_secs(1));
    assert!(call.statistics(1).buffer_ms <= 260.0, "{}", call.statistics(1).buffer_ms);
    call.run(Duration::from_secs(40));
    assert!(call.statistics(1).buffer_ms <= 40.0, "{}", call.statistics(1).buffer_ms);
}

/// A phone without real-time priority on a busy machine: its media thread is held up again and again.
#[test]
fn a_listener_that_is_held_up_hears_no_long_silence() {
    for codec in [CodecKind::Pcmu, CodecKind::G722, CodecKind::Opus] {
        let network = Network { delay: Duration::from_millis(2), ..Network::default() };
        let mut call = Call::new(codec, [16_000, 16_000], network);
        call.run(Duration::from_secs(30));
        call.run_held_up(Duration::from_secs(20), [10, 50], [10, 100]);
        let statistics = call.statistics(1);
        let heard = call.tail(1, Duration::from_secs(20));
        let (mut silent, mut longest, mut gaps) = (0, 0, 0);
        for sample in heard {
            silent = if sample.unsigned_abs() < 100 { silent + 1 } else { 0 };
            longest = longest.max(silent);
            gaps += usize::from(silent == 16 * 20);
        }
        println!("{codec:?}: longest {} ms, {gaps} gaps, {statistics:?}", longest / 16);
        assert!(longest <= 16 * 40, "{codec:?}: {} ms of silence; {statistics:?}", longest / 16);
    }
}

#[test]
fn clocks_200_ppm_apart_neither_grow_nor_starve_the_buffer_in_ten_minutes() {
    for drift in [-200i64, 200] {
        let mut call = Call::new(CodecKind::Pcmu, [8000, 8000], Network::default());
        call.sides[1].period = Duration::from_nanos((10_000_000 + 10 * drift) as u64);
        let mut most: f32 = 0.0;
        for _ in 0..600 {
            call.run(Duration::from_secs(1));
            for side in 0..2 {
                most = most.max(call.statistics(side).buffer_ms);
            }
        }
        assert!(most < 45.0, "{drift} ppm: {most} ms");
        for side in 0..2 {
            let statistics = call.statistics(side);
            assert!(statistics.concealed < 60, "{drift} ppm side {side}: {} pieces of 10 ms", statistics.concealed);
            let ratio = tone_ratio_db(call.tail(side, Duration::from_secs(60)), 8000, 1004.0);
            assert!(ratio > 15.0, "{drift} ppm side {side}: {ratio} dB");
        }
    }
}

#[test]
fn opus_saves_packets_in_silence_and_sound_comes_back_at_once() {
    let mut call = Call::new(
        CodecKind::Opus,
        [16_000, 16_000],
        Network { delay: Duration::from_millis(15), ..Network::default() },
    );
    for (n, side) in call.sides.iter_mut().enumerate() {
        let mut config = config(CodecKind::Opus, 4000 + (1 - n as u16) * 10);
        config.opus.dtx = true;
        let stream = Stream::new(ID, &config, &options(5), 16_000).unwrap();
        side.engine.command(call.now, Command::Replace(stream));
    }
    call.run(Duration::from_secs(2));
    call.voices = [Voice::Silent; 2];
    call.run(Duration::from_secs(2));
    let before = call.statistics(0).sent;
    call.run(Duration::from_secs(6));
    let in_silence = call.statistics(0).sent - before;
    assert!(in_silence < 60, "{in_silence} packets in 6 s");
    call.voices = [Voice::Tone(1004.0); 2];
    call.run(Duration::from_millis(1200));
    assert!(tone_ratio_db(call.tail(1, Duration::from_secs(1)), 16_000, 1004.0) > 15.0);
    let statistics = call.statistics(1);
    assert!(statistics.lost == 0 && statistics.late == 0 && statistics.buffer_ms < 45.0, "{statistics:?}");
}
