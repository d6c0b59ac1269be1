use super::*;
use crate::measure::{cadence, goertzel, level_dbov, strongest, tone_ratio_db, tones_ratio_db};
use proptest::prelude::*;

fn play(expression: &str, rate: u32, millis: u32) -> Vec<i16> {
    let mut tone = Tone::parse(expression).unwrap();
    tone.reset(rate);
    heard(&mut tone, rate, millis)
}

/// Filled in periods of an odd size, as no device would ask.
fn heard(tone: &mut Tone, rate: u32, millis: u32) -> Vec<i16> {
    let mut sound = vec![0; (rate / 1000 * millis) as usize];
    for period in sound.chunks_mut(173) {
        tone.fill(period);
    }
    sound
}

fn sine_level(peak: f64) -> f64 {
    20.0 * (peak / 32768.0).log10() - 3.01
}

fn refused(expression: &str) -> ToneError {
    Tone::parse(expression).unwrap_err()
}

/// Covers: axml.tones.01
#[test]
fn a_sine_has_its_frequency_its_peak_and_its_length() {
    for rate in [8000, 16000, 48000] {
        let sound = play("sine(500ms,2000,400Hz)", rate, 700);
        let (tone, rest) = sound.split_at(rate as usize / 2);
        assert!(rest.iter().all(|sample| *sample == 0));
        assert!((strongest(tone, rate) - 400.0).abs() < 1.0);
        assert!(tone_ratio_db(tone, rate, 400.0) > 40.0);
        assert!(tone.iter().all(|sample| sample.abs() <= 2000));
        assert!(tone.iter().any(|sample| sample.abs() > 1990));
        let middle = &tone[rate as usize / 10..rate as usize * 4 / 10];
        assert!((level_dbov(middle) - sine_level(2000.0)).abs() < 0.1);
        assert!(tone[tone.len() - 1].abs() < 100 && tone[tone.len() - 20..].iter().any(|sample| *sample != 0));
    }
}

/// Covers: axml.tones.01
#[test]
fn a_negative_amplitude_is_a_level_in_dbm0() {
    // 0 dBm0 is -3.14 dB under full scale, and a sine at full scale is -3.01 dBov
    let sound = play("sine(1000ms,-24dBm0,1000Hz)", 8000, 1000);
    assert!((level_dbov(&sound[800..7200]) - (-24.0 - 3.14 - 3.01)).abs() < 0.1);
    let louder = play("sine(1000ms,-6,1000Hz)", 8000, 1000);
    assert!((level_dbov(&louder[800..7200]) - level_dbov(&sound[800..7200]) - 18.0).abs() < 0.1);
}

/// Covers: axml.tones.01, axml.tones.05
#[test]
fn several_frequencies_sound_as_when_compounded() {
    let short = play("sine(400ms,3000,440Hz,480Hz)", 8000, 400);
    let long = play("compound(sine(400ms,3000,440Hz),sine(400ms,3000,480Hz))", 8000, 400);
    assert!(short.iter().zip(&long).all(|(a, b)| (a - b).abs() <= 1));
    for hz in [440.0, 480.0] {
        // half the square of the peak each
        let power = goertzel(&short[200..2200], 8000, hz);
        assert!((power / 4.5e6 - 1.0).abs() < 0.05, "{hz} Hz: {power}");
    }
    assert!(tones_ratio_db(&short, 8000, &[440.0, 480.0]) > 30.0);
}

/// Covers: axml.tones.05
#[test]
fn a_compound_lasts_as_long_as_its_longest_part() {
    let sound = play("compound(sine(100ms,4000,500Hz),sine(300ms,4000,1200Hz)),sine(100ms,4000,800Hz)", 8000, 500);
    assert!(tones_ratio_db(&sound[..800], 8000, &[500.0, 1200.0]) > 20.0);
    assert!(tone_ratio_db(&sound[800..2400], 8000, 1200.0) > 20.0);
    assert!(tone_ratio_db(&sound[2400..3200], 8000, 800.0) > 20.0);
    assert!(sound[3200..].iter().all(|sample| *sample == 0));
}

/// Covers: axml.tones.02, axml.tones.04
#[test]
fn periods_repeat_their_segments_and_silence_is_silent() {
    let sound = play("periodic(sine(300ms,5000,440Hz),silence(200ms))", 8000, 1500);
    assert_eq!(cadence(&sound, 8000, -60.0), [300, 200, 300, 200, 300, 200]);
    assert_eq!(sound[..4000], sound[4000..8000]);
    assert!(sound[2400..4000].iter().all(|sample| *sample == 0));
}

/// Covers: axml.tones.04, axml.tones.05
#[test]
fn operators_nest() {
    let sound = play("periodic(compound(sine(100ms,4000,700Hz),sine(200ms,4000,1100Hz)),silence(100ms))", 8000, 900);
    assert_eq!(cadence(&sound, 8000, -60.0), [200, 100, 200, 100, 200, 100]);
    // what follows an inner period is never reached
    let inner = play("periodic(periodic(sine(50ms,4000,700Hz),silence(50ms)),sine(1s,4000,1100Hz))", 8000, 1000);
    assert!(goertzel(&inner, 8000, 1100.0) < 100.0);
}

#[test]
fn one_sine_in_a_period_has_no_breaks() {
    let sound = play(DIAL, 8000, 5000);
    assert_eq!(cadence(&sound, 8000, -40.0), [5000]);
    assert!(tone_ratio_db(&sound[800..], 8000, 425.0) > 55.0);
}

#[test]
fn sines_begin_and_end_without_a_click() {
    let sound = play("periodic(sine(100ms,10000,440Hz),silence(20ms))", 16000, 1000);
    let steepest = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
    // a sine's own steepest step
    assert!(f64::from(steepest) <= 10000.0 * std::f64::consts::TAU * 440.0 / 16000.0 + 2.0);
    assert!(sound[0].abs() < 100);
}

/// Covers: axml.tones.06, axml.tones.07, axml.tones.08, axml.tones.09, axml.tones.10, axml.tones.11
#[test]
fn the_default_tones_are_heard_as_documented() {
    type Row = (&'static str, u32, f64, &'static [f64], &'static [u32]);
    let table: [Row; 6] = [
        (TRYING, 270, 500.0, &[440.0], &[50, 40, 50, 40, 50, 40]),
        (RINGING, 12000, 2500.0, &[440.0], &[2000, 4000, 2000, 4000]),
        (END_CALL, 60000, 1000.0, &[400.0], &[300, 400, 300, 400, 300, 58300]),
        (BUSY, 2000, 2000.0, &[400.0], &[500, 500, 500, 500]),
        (CALL_WAITING, 20600, 7500.0, &[440.0], &[0, 1000, 300, 10000, 300, 9000]),
        (ZRTP_HANDSHAKE, 260, 500.0, &[400.0, 450.0], &[50, 80, 50, 80]),
    ];
    for (expression, millis, peak, frequencies, expected) in table {
        let sound = play(expression, 8000, millis);
        assert_eq!(cadence(&sound, 8000, -62.0), expected, "{expression}");
        let begin = expected.first().filter(|first| **first > 0).map_or(8000, |_| 0);
        let length = *expected.iter().find(|length| **length > 0 && (begin == 0 || **length == 300)).unwrap();
        let burst = &sound[begin..begin + length as usize * 8];
        assert!(tones_ratio_db(burst, 8000, frequencies) > 20.0, "{expression}");
        let inside = &burst[40..burst.len() - 40];
        let expected_level = sine_level(peak) + 10.0 * (frequencies.len() as f64).log10();
        assert!((level_dbov(inside) - expected_level).abs() < 1.0, "{expression}: {}", level_dbov(inside));
    }
}

/// Covers: axml.tones.08
#[test]
fn the_end_tone_comes_again_only_after_its_long_silence() {
    let mut tone = Tone::parse(END_CALL).unwrap();
    tone.reset(8000);
    let first = heard(&mut tone, 8000, 701_700);
    assert!(first[8000 * 2..].iter().all(|sample| *sample == 0));
    let again = heard(&mut tone, 8000, 1000);
    assert_eq!(cadence(&again, 8000, -62.0), [300, 400, 300]);
}

#[test]
fn tones_without_a_sample_in_the_documentation_are_told_apart() {
    for expression in [DIAL, STUTTER_DIAL, CONGESTION, SPECIAL_INFORMATION, HOWLER] {
        assert!(Tone::parse(expression).unwrap().endless(), "{expression}");
    }
    let stutter = cadence(&play(STUTTER_DIAL, 8000, 4000), 8000, -50.0);
    assert_eq!(stutter, [[100; 20].as_slice(), &[2000]].concat());
    assert_eq!(cadence(&play(CONGESTION, 8000, 1000), 8000, -50.0), [250, 250, 250, 250]);
    let howler = play(HOWLER, 8000, 100);
    assert!(tones_ratio_db(&howler, 8000, &[1400.0, 2060.0, 2450.0, 2600.0]) > 20.0);
    assert!(level_dbov(&howler) > level_dbov(&play(DIAL, 8000, 100)) + 10.0);
}

#[test]
fn a_digit_sounds_its_two_frequencies_once() {
    for code in 0..16 {
        let digit = Digit::from_code(code).unwrap();
        let (low, high) = digit.frequencies();
        let mut tone = Tone::digit(digit);
        assert!(!tone.endless());
        tone.reset(16000);
        let sound = heard(&mut tone, 16000, 200);
        assert!(tones_ratio_db(&sound[..1600], 16000, &[f64::from(low), f64::from(high)]) > 20.0);
        assert!(sound[1600..].iter().all(|sample| *sample == 0));
    }
}

#[test]
fn ringers_of_inside_and_outside_calls_differ() {
    let mut outside = Tone::ringer(0);
    outside.reset(16000);
    // the fades between the two pitches are shorter than the blocks looked at
    let sound = heard(&mut outside, 16000, 6000);
    assert_eq!(cadence(&sound, 16000, -40.0), [1000, 4000, 1000]);
    let mut inside = Tone::ringer(1);
    inside.reset(16000);
    assert_eq!(cadence(&heard(&mut inside, 16000, 4400), 16000, -40.0), [400, 200, 400, 3000, 400]);
    assert!(tones_ratio_db(&sound[..16000], 16000, &[784.0, 988.0]) > 3.0);
    for number in 0..=255 {
        assert!(Tone::ringer(number).endless());
    }
    assert_ne!(Tone::ringer(0), Tone::ringer(2));
}

/// At 44.1 kHz a segment of 1 ms has 44.1 samples: after an hour the period must still be where it belongs.
#[test]
fn an_hour_of_short_segments_has_not_drifted() {
    let mut tone = Tone::parse("periodic(sine(1ms,1000,1000Hz),silence(1ms))").unwrap();
    tone.reset(44100);
    let mut buffer = vec![0; 44100];
    for _ in 0..3600 {
        tone.fill(&mut buffer);
    }
    let mut fresh = Tone::parse("periodic(sine(1ms,1000,1000Hz),silence(1ms))").unwrap();
    fresh.reset(44100);
    let (mut late, mut early) = (vec![0; 500], vec![0; 500]);
    tone.fill(&mut late);
    fresh.fill(&mut early);
    assert_eq!(late, early);
}

/// Phases are exact: a quarter of an hour of a tone stays on its frequency to a fraction of a sample.
#[test]
fn a_long_tone_keeps_its_phase() {
    let mut tone = Tone::parse("periodic(sine(1000ms,10000,425Hz))").unwrap();
    tone.reset(8000);
    let first = heard(&mut tone, 8000, 1000);
    for _ in 0..900 {
        heard(&mut tone, 8000, 1000);
    }
    let last = heard(&mut tone, 8000, 1000);
    // 425 whole turns a second
    assert!(first[100..].iter().zip(&last[100..]).all(|(a, b)| (a - b).abs() <= 2));
}

#[test]
fn the_end_is_told_once_reached_and_reset_begins_again() {
    let mut tone = Tone::parse("sine(20ms,1000,1000Hz)").unwrap();
    tone.reset(8000);
    let mut period = [0; 80];
    assert!(!tone.fill(&mut period));
    let begin = period;
    assert!(!tone.fill(&mut period));
    assert!(tone.fill(&mut period));
    assert_eq!(period, [0; 80]);
    assert!(tone.fill(&mut period));
    tone.reset(8000);
    assert!(!tone.fill(&mut period));
    assert_eq!(period, begin);
}

#[test]
fn frequencies_above_half_the_rate_are_left_out_instead_of_folded() {
    assert!(play("sine(100ms,10000,5000Hz)", 8000, 100).iter().all(|sample| *sample == 0));
    assert!((strongest(&play("sine(100ms,10000,5000Hz)", 16000, 100), 16000) - 5000.0).abs() < 5.0);
}

#[test]
fn spaces_units_and_letter_case_do_not_matter() {
    let plain = play("periodic(sine(100,2000,400,450),silence(50))", 8000, 300);
    assert_eq!(plain, play(" Periodic ( SINE( 100 ms ,+2000 , 400 Hz,450hertz ) ,\n silence(50.0ms) ) ", 8000, 300));
}

#[test]
fn errors_name_the_place_and_the_reason() {
    for (expression, at, word) in [
        ("", 0, "missing"),
        ("sine", 4, "'('"),
        ("sine(", 5, "number"),
        ("sine(100ms,2000)", 15, "','"),
        ("sine(100ms,2000,)", 16, "number"),
        ("sine(100ms,2000,0Hz)", 16, "frequency"),
        ("sine(100ms,40000,440Hz)", 11, "amplitude"),
        ("sine(-5,2000,440)", 5, "duration"),
        ("silence(1e9)", 9, ""),
        ("silence(99999999999)", 8, "duration"),
        ("periodic()", 9, "missing"),
        ("periodic(silence(0))", 0, "period"),
        ("periodic(silence(50)", 20, "')'"),
        ("silence(5))", 10, "follows"),
        ("beep(5)", 0, "beep"),
        ("silence(5),", 11, "missing"),
        ("sine(1..5,1,1)", 5, "number"),
    ] {
        let Err(error) = Tone::parse(expression) else {
            // letters after digits are a unit, whatever they are
            assert_eq!(expression, "silence(1e9)");
            continue;
        };
        assert_eq!(error.at, at, "{expression}: {error}");
        assert!(error.reason.contains(word), "{expression}: {error}");
        assert!(!error.not_yet);
    }
}

#[test]
fn depth_size_and_voices_are_bounded() {
    let deep = "periodic(".repeat(100);
    assert!(refused(&deep).reason.contains("deep"));
    assert!(refused(&vec!["silence(1)"; 300].join(",")).reason.contains("256"));
    assert!(refused(&" ".repeat(5000)).reason.contains("4096"));
    let voice = "sine(1,1,1,2,3,4,5,6,7,8,9)";
    assert!(refused(&format!("compound({voice},{voice})")).reason.contains("16"));
    assert!(Tone::parse(&format!("periodic({voice},{voice})")).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_within_its_bounds(text in "(sine|silence|periodic|compound|wav|[(),0-9\" .-]|ms|Hz|é){0,40}") {
        match Tone::parse(&text) {
            Err(error) => prop_assert!(error.at <= text.len()),
            Ok(mut tone) => {
                tone.reset(8000);
                tone.fill(&mut [0; 400]);
            }
        }
    }

    #[test]
    fn period_size_does_not_change_the_sound(size in 1usize..500) {
        let expression = "periodic(sine(7ms,9000,440Hz,620Hz),silence(3ms),compound(sine(5ms,900,900Hz),silence(6ms)))";
        let mut tone = Tone::parse(expression).unwrap();
        tone.reset(11025);
        let (mut one, mut other) = (vec![0; 3000], vec![0; 3000]);
        tone.fill(&mut one);
        tone.reset(11025);
        other.chunks_mut(size).for_each(|period| { tone.fill(period); });
        prop_assert_eq!(one, other);
    }
}
