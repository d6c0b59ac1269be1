use crate::measure::{cadence, level_dbov, strongest, tone_ratio_db};
use crate::tone::{Sound, SoundError, Tone};
use proptest::prelude::*;

/// A file of one `fmt ` and one `data` chunk.
fn wav(coding: u16, channels: u16, rate: u32, block: u16, bits: u16, more: &[u8], data: &[u8]) -> Vec<u8> {
    let mut body = b"WAVEfmt ".to_vec();
    body.extend((16 + more.len() as u32).to_le_bytes());
    for part in [&coding.to_le_bytes()[..], &channels.to_le_bytes(), &rate.to_le_bytes(), &rate.to_le_bytes()] {
        body.extend(part);
    }
    body.extend(block.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body.extend(more);
    // chunks of an odd length are filled up, unknown ones skipped
    body.extend(b"LIST\x03\0\0\0abc\0data");
    body.extend((data.len() as u32).to_le_bytes());
    body.extend(data);
    let mut file = b"RIFF".to_vec();
    file.extend((body.len() as u32).to_le_bytes());
    file.extend(body);
    file
}

fn sine(rate: u32, hz: f64, peak: f64, millis: u32) -> Vec<i16> {
    let turn = std::f64::consts::TAU * hz / f64::from(rate);
    (0..rate * millis / 1000).map(|n| ((f64::from(n) * turn).sin() * peak) as i16).collect()
}

fn pcm16(channels: u16, rate: u32, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    wav(1, channels, rate, 2 * channels, 16, &[], &data)
}

fn refused(file: &[u8]) -> String {
    Sound::read(file, 16000).unwrap_err().0
}

fn with(expression: &str, file: &[u8], rate: u32) -> Tone {
    let sound = Sound::read(file, rate);
    Tone::parse_with(expression, &|name| (name == "busy.wav").then(|| sound.clone())).unwrap()
}

fn heard(tone: &mut Tone, rate: u32, millis: u32) -> Vec<i16> {
    let mut sound = vec![0; (rate / 1000 * millis) as usize];
    sound.chunks_mut(173).for_each(|period| {
        tone.fill(period);
    });
    sound
}

/// Covers: axml.tones.03
#[test]
fn a_file_of_any_rate_is_heard_at_its_pitch_level_and_length() {
    for from in [8000, 11025, 16000, 22050, 44100, 44101, 48000] {
        for to in [8000, 16000, 48000] {
            let file = pcm16(1, from, &sine(from, 620.0, 8000.0, 500));
            let mut tone = with("wav(\"busy.wav\")", &file, to);
            assert!(!tone.endless());
            tone.reset(to);
            let sound = heard(&mut tone, to, 700);
            let (inside, rest) = sound.split_at(to as usize / 2);
            assert!(rest[1..].iter().all(|sample| *sample == 0), "{from} to {to}");
            assert!((strongest(inside, to) - 620.0).abs() < 1.0, "{from} to {to}");
            let middle = &inside[to as usize / 10..to as usize * 4 / 10];
            assert!(tone_ratio_db(middle, to, 620.0) > 45.0, "{from} to {to}: {}", tone_ratio_db(middle, to, 620.0));
            let expected = 20.0 * (8000.0f64 / 32768.0).log10() - 3.01;
            assert!((level_dbov(middle) - expected).abs() < 0.2, "{from} to {to}: {}", level_dbov(middle));
        }
    }
}

/// Covers: axml.tones.03
#[test]
fn what_the_lower_rate_cannot_carry_is_left_out_instead_of_folded() {
    let sound = Sound::read(&pcm16(1, 48000, &sine(48000, 6000.0, 16000.0, 500)), 8000).unwrap();
    let middle = &sound.samples()[400..3600];
    assert!(level_dbov(middle) < -55.0, "{}", level_dbov(middle));
}

/// Covers: axml.tones.03
#[test]
fn two_channels_become_their_mean_and_8_bits_are_as_loud_as_16() {
    let stereo: Vec<i16> = sine(8000, 500.0, 9000.0, 200).into_iter().flat_map(|left| [left, 3000]).collect();
    let sound = Sound::read(&pcm16(2, 8000, &stereo), 8000).unwrap();
    assert_eq!((sound.rate(), sound.samples().len()), (8000, 1600));
    for (sample, pair) in sound.samples().iter().zip(stereo.chunks(2)) {
        assert_eq!(i32::from(*sample), (i32::from(pair[0]) + 3000) / 2);
    }
    let octets = wav(1, 1, 8000, 1, 8, &[], &[128, 255, 0, 192]);
    assert_eq!(Sound::read(&octets, 8000).unwrap().samples(), [0, 127 << 8, -32768, 64 << 8]);
    // the long form of the format, with PCM as the beginning of its name
    let mut long = vec![22, 0, 16, 0, 4, 0, 0, 0, 1, 0];
    long.extend([0; 14]);
    let file = wav(0xfffe, 1, 8000, 2, 16, &long, &[1, 0, 2, 0]);
    assert_eq!(Sound::read(&file, 8000).unwrap().samples(), [1, 2]);
}

/// An encoder for the test: the code whose step comes nearest.
fn adpcm(samples: &[i16], block: usize) -> Vec<u8> {
    let mut data = Vec::new();
    let mut state = (0, 60);
    for part in samples.chunks_exact(1 + (block - 4) * 2) {
        state.0 = i32::from(part[0]);
        data.extend(part[0].to_le_bytes());
        data.extend([state.1 as u8, 0]);
        for pair in part[1..].chunks_exact(2) {
            let mut octet = 0;
            for (shift, &sample) in [0, 4].into_iter().zip(pair) {
                let error = |code: u8| (super::step(&mut state.clone(), code) - i32::from(sample)).abs();
                let code = (0..16).min_by_key(|code| error(*code)).unwrap();
                super::step(&mut state, code);
                octet |= code << shift;
            }
            data.push(octet);
        }
    }
    data
}

/// Covers: axml.tones.03
#[test]
fn ima_adpcm_is_heard_as_it_was() {
    let original = sine(16000, 700.0, 9000.0, 505);
    let data = adpcm(&original, 256);
    let sound = Sound::read(&wav(0x11, 1, 16000, 256, 4, &[2, 0, 249, 1], &data), 16000).unwrap();
    assert_eq!(sound.samples().len(), 505 * 16);
    assert!(tone_ratio_db(sound.samples(), 16000, 700.0) > 25.0);
    for (one, other) in sound.samples().iter().zip(&original) {
        assert!((i32::from(*one) - i32::from(*other)).abs() < 2000);
    }
    // words of both channels take turns; the right one is silent, so half of it is left
    let pair: Vec<u8> = data
        .chunks(256)
        .flat_map(|block| {
            block.chunks(4).enumerate().flat_map(|(n, word)| [word, if n == 0 { &[0; 4] } else { &[0x80; 4] }])
        })
        .flatten()
        .copied()
        .collect();
    let stereo = Sound::read(&wav(0x11, 2, 16000, 512, 4, &[2, 0, 249, 1], &pair), 16000).unwrap();
    assert_eq!(stereo.samples().len(), 505 * 16);
    for (half, whole) in stereo.samples().iter().zip(sound.samples()) {
        assert!((i32::from(*half) - i32::from(*whole) / 2).abs() <= 8, "{half} {whole}");
    }
}

/// Two octets worked out by hand: codes 7 and 15 from a step of 16 (place 8), then 0 and 4.
#[test]
fn ima_adpcm_steps_are_those_of_its_table() {
    let file = wav(0x11, 1, 8000, 8, 4, &[2, 0, 9, 0], &[100, 0, 8, 0, 0xf7, 0x40, 0, 0]);
    // 16+8+4+2 up; place 16, step 34: 34+17+8+4 down; place 24, step 73: 9 up; place 23, step 66: 66+8 up; place 25, step 80
    let expected = [100, 130, 67, 76, 150];
    assert_eq!(Sound::read(&file, 8000).unwrap().samples()[..5], expected);
}

/// Covers: axml.tones.03
#[test]
fn files_stand_anywhere_in_an_expression() {
    let file = pcm16(1, 16000, &sine(16000, 620.0, 8000.0, 200));
    let mut tone = with("periodic(wav(\"busy.wav\"),silence(300ms))", &file, 16000);
    assert!(tone.endless());
    tone.reset(16000);
    let sound = heard(&mut tone, 16000, 1500);
    assert_eq!(cadence(&sound, 16000, -50.0), [200, 300, 200, 300, 200, 300]);
    assert_eq!(sound[..8000], sound[8000..16000]);
    let mut both = with("compound( WAV ( \"busy.wav\" ) , sine(100ms,5000,1500Hz))", &file, 16000);
    both.reset(16000);
    let sound = heard(&mut both, 16000, 300);
    assert!(crate::measure::tones_ratio_db(&sound[..1600], 16000, &[620.0, 1500.0]) > 20.0);
    assert!(tone_ratio_db(&sound[1600..3200], 16000, 620.0) > 35.0);
    assert!(sound[3200..].iter().all(|sample| *sample == 0));
    // in the middle of the file begun again
    both.reset(16000);
    let first = heard(&mut both, 16000, 50);
    both.reset(16000);
    assert_eq!(heard(&mut both, 16000, 50), first);
}

/// Covers: axml.tones.03
#[test]
fn at_another_rate_than_it_was_read_for_the_pitch_stays() {
    let mut tone = with("wav(\"busy.wav\")", &pcm16(1, 8000, &sine(8000, 620.0, 8000.0, 500)), 16000);
    tone.reset(44100);
    let mut sound = vec![0; 44100];
    assert!(tone.fill(&mut sound));
    assert!((strongest(&sound[..22050], 44100) - 620.0).abs() < 1.0);
    assert!(sound[22051..].iter().all(|sample| *sample == 0));
}

/// A period of files that are shorter than a sample of the device must still get on.
#[test]
fn files_of_one_sample_take_time() {
    let file = pcm16(1, 48000, &[1000]);
    let many = vec!["wav(\"busy.wav\")"; 100].join(",");
    let mut tone = with(&format!("periodic({many})"), &file, 48000);
    tone.reset(8000);
    assert!(!tone.fill(&mut [0; 8000]));
}

/// Covers: axml.tones.03
#[test]
fn files_that_cannot_be_played_say_why() {
    let good = pcm16(1, 8000, &sine(8000, 500.0, 1000.0, 100));
    assert!(refused(b"").contains("not a WAV"));
    assert!(refused(b"caff\0\x01\0\0").contains("CAF"));
    assert!(refused(&good[..good.len() - 1]).contains("cut off"));
    let mut long = good.clone();
    long[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(refused(&long).contains("\"fmt \""));
    assert!(refused(&wav(1, 1, 8000, 3, 24, &[], &[0; 30])).contains("24 bits"));
    assert!(refused(&wav(3, 1, 8000, 4, 32, &[], &[0; 40])).contains("0x0003"));
    assert!(refused(&wav(8, 1, 8000, 1, 8, &[], &[0; 40])).contains("0x0008"));
    assert!(refused(&wav(1, 1, 8000, 0, 16, &[], &[0; 40])).contains("size of a sample"));
    assert!(refused(&wav(0x11, 2, 8000, 12, 4, &[], &[0; 48])).contains("block"));
    assert!(refused(&wav(1, 6, 8000, 12, 16, &[], &[0; 48])).contains("6 channels"));
    assert!(refused(&wav(1, 1, 96000, 2, 16, &[], &[0; 48])).contains("96000"));
    assert!(refused(&wav(1, 1, 0, 2, 16, &[], &[0; 48])).contains("0 samples"));
    assert!(refused(&wav(1, 1, 8000, 2, 16, &[], &[])).contains("no sound"));
    assert!(refused(&wav(1, 1, 8000, 2, 16, &[], &vec![0; 8000 * 60 * 2 + 2])).contains("60 s"));
    assert!(Sound::read(&wav(1, 1, 8000, 2, 16, &[], &vec![0; 8000 * 60 * 2]), 8000).is_ok());
}

/// Covers: axml.tones.03
#[test]
fn an_expression_with_a_missing_or_broken_file_is_refused_with_place_name_and_reason() {
    let error = Tone::parse("periodic(wav(\"bell.wav\"),silence(1000ms))").unwrap_err();
    assert!(error.at == 9 && error.reason.contains("no sound file \"bell.wav\"") && !error.not_yet, "{error}");
    let broken = |_: &str| Some(Err(SoundError("the file is cut off".into())));
    let error = Tone::parse_with("wav(\"bell.wav\")", &broken).unwrap_err();
    assert!(error.reason.contains("bell.wav") && error.reason.contains("cut off"), "{error}");
    for (expression, at) in [("wav(bell)", 4), ("wav(\"bell", 9), ("wav()", 4)] {
        assert_eq!(Tone::parse(expression).unwrap_err().at, at, "{expression}");
    }
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(
        octets in prop::collection::vec(any::<u8>(), 0..300),
        place in 0usize..80,
        coding in prop::sample::select(vec![1u16, 0x11, 0xfffe]),
        channels in 0u16..4, block in 0u16..40, bits in prop::sample::select(vec![4u16, 8, 16]),
        rate in prop::sample::select(vec![0u32, 1, 4000, 8001, 47999, u32::MAX]),
    ) {
        let _ = Sound::read(&octets, 8000);
        let mut file = wav(coding, channels, rate, block, bits, &[2, 0, 9, 0], &octets);
        let _ = Sound::read(&file, 8000);
        for (at, octet) in file.iter_mut().skip(place).zip(&octets).take(3) {
            *at = *octet;
        }
        if let Ok(sound) = Sound::read(&file, 8000) {
            prop_assert!(!sound.samples().is_empty() && sound.samples().len() <= 60 * 8000 + 1);
        }
    }
}
