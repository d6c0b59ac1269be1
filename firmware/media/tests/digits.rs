//! Digits between two engines: as telephone-events and in-band.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]
mod common;
use common::*;
use offhook_media::codec::CodecKind;
use offhook_media::engine::{Command, Event};
use offhook_media::measure::tones_ratio_db;
use offhook_media::telephone_event::{Digit, DigitMethod};
use std::time::Duration;

fn digit(c: char) -> Digit {
    Digit::from_char(c).unwrap()
}

fn press(call: &mut Call, c: char, method: DigitMethod, ms: u64) {
    let duration = Some(Duration::from_millis(ms));
    let command = Command::Digit { stream: ID, digit: digit(c), method, duration };
    let now = call.now;
    call.sides[0].engine.command(now, command);
}

fn heard(call: &Call) -> String {
    let digit = |event: &Event| match event {
        Event::Digit { digit, .. } => Some(digit.to_char()),
        _ => None,
    };
    call.sides[1].events.iter().filter_map(digit).collect()
}

/// Covers: feat.56, axml.dtmf.03
#[test]
fn all_sixteen_digits_are_heard_once_each_with_every_codec() {
    for codec in CodecKind::ALL {
        let mut call = Call::new(codec, [16_000, 16_000], Network::default());
        call.run(Duration::from_millis(500));
        for c in "0123456789*#ABCD".chars() {
            press(&mut call, c, DigitMethod::Event, 100);
        }
        call.run(Duration::from_secs(5));
        assert_eq!(heard(&call), "0123456789*#ABCD", "{codec:?}");
        assert_eq!(call.statistics(1).lost, 0);
    }
}

#[test]
fn digits_survive_10_percent_loss_with_duplicates_and_reordering() {
    let network =
        Network { loss: 0.10, duplicates: 0.10, jitter: Duration::from_millis(30), delay: Duration::from_millis(10) };
    let mut call = Call::new(CodecKind::Pcmu, [8000, 8000], network);
    call.run(Duration::from_millis(500));
    let digits = "1122334455667788990011223344556677889900";
    for c in digits.chars() {
        press(&mut call, c, DigitMethod::Event, 100);
        call.run(Duration::from_millis(300));
    }
    call.run(Duration::from_secs(1));
    assert_eq!(heard(&call), digits);
}

#[test]
fn the_first_packet_leaves_within_a_period_of_the_key_and_no_sound_leaves_with_it() {
    let mut call = Call::new(CodecKind::Pcmu, [8000, 8000], Network::default());
    call.run(Duration::from_millis(505));
    let key = call.now;
    press(&mut call, '5', DigitMethod::Event, 200);
    call.run(Duration::from_millis(600));
    let rtp: Vec<_> = call.sides[0].sent.iter().filter(|(at, rtcp, _)| *at >= key && !rtcp).collect();
    let kind = |bytes: &[u8]| bytes[1] & 0x7f;
    let first = rtp.iter().position(|(_, _, bytes)| kind(bytes) == 101).unwrap();
    assert!(rtp[first].0 - key <= Duration::from_millis(10), "{:?}", rtp[first].0 - key);
    assert_eq!(rtp[first].2[1] & 0x80, 0x80);
    let last_update = rtp.iter().rposition(|(_, _, bytes)| kind(bytes) == 101 && bytes[13] & 0x80 == 0).unwrap();
    assert!(rtp[first..=last_update].iter().all(|(_, _, bytes)| kind(bytes) == 101), "sound within the digit");
    // One number and one clock for both.
    let number = |bytes: &[u8]| u16::from_be_bytes([bytes[2], bytes[3]]);
    assert!(rtp.windows(2).all(|w| number(&w[1].2) == number(&w[0].2).wrapping_add(1)));
    let stamp = |bytes: &[u8]| u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    let sound: Vec<_> = rtp.iter().filter(|(_, _, bytes)| kind(bytes) == 0).collect();
    for pair in sound.windows(2) {
        let (time, ticks) = (pair[1].0 - pair[0].0, stamp(&pair[1].2).wrapping_sub(stamp(&pair[0].2)));
        assert!((time.as_millis() as i64 - i64::from(ticks) / 8).abs() <= 10, "{time:?} {ticks}");
    }
}

/// Covers: axml.dtmf.01
#[test]
fn in_band_digits_arrive_as_their_two_tones() {
    for codec in CodecKind::ALL {
        let mut call = Call::new(codec, [16_000, 16_000], Network::default());
        call.run(Duration::from_secs(1));
        press(&mut call, '7', DigitMethod::InBand, 600);
        call.run(Duration::from_millis(500));
        let ratio = tones_ratio_db(call.tail(1, Duration::from_millis(300)), 16_000, &[852.0, 1209.0]);
        // A speech codec's model has room for one pitch, not for two.
        let least = if codec == CodecKind::Opus { 8.0 } else { 15.0 };
        assert!(ratio > least, "{codec:?}: {ratio} dB");
        assert_eq!(heard(&call), "");
    }
}

#[test]
fn an_event_that_was_not_agreed_on_is_refused() {
    use offhook_media::stream::Stream;
    let mut engine = engine(8000);
    let now = std::time::Instant::now();
    let config = offhook_media::sdp::StreamConfig { telephone_event: None, ..config(CodecKind::Pcmu, 4000) };
    engine.command(now, Command::Add(Stream::new(ID, &config, &options(1), 8000).unwrap()));
    let method = DigitMethod::Event;
    engine.command(now, Command::Digit { stream: ID, digit: digit('1'), method, duration: None });
    assert!(matches!(engine.poll_event(), Some(Event::Refused(Command::Digit { .. }))));
}

#[test]
fn dual_tones_are_heard_as_digits_if_no_events_were_agreed_on() {
    use offhook_media::stream::Stream;
    for codec in [CodecKind::Pcmu, CodecKind::Pcma, CodecKind::G722] {
        let mut call = Call::new(codec, [8000, 48_000], Network::default());
        for (n, side) in call.sides.iter_mut().enumerate() {
            let config =
                offhook_media::sdp::StreamConfig { telephone_event: None, ..config(codec, 4000 + (1 - n as u16) * 10) };
            let stream = Stream::new(ID, &config, &options(5), side.rate).unwrap();
            side.engine.command(call.now, Command::Replace(stream));
        }
        call.voices[0] = Voice::Vowels;
        call.run(Duration::from_secs(2));
        for c in "1590*#".chars() {
            press(&mut call, c, DigitMethod::InBand, 80);
        }
        call.run(Duration::from_secs(3));
        assert_eq!(heard(&call), "1590*#", "{codec:?}");
    }
}
