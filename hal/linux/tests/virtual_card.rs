//! [`AlsaAudio`] on a real ALSA PCM with a real clock: PulseAudio null sinks behind ALSA's pulse plugin, set up by
//! `tests/scripts/virtual-card.sh`. Each test runs itself again inside that script; without a sound server it is skipped
//! by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use offhook_board::machine::PcmTrial;
use offhook_board::{AudioWiring, Board, RouteWiring};
use offhook_hal::audio::terms::Way;
use offhook_hal::{Audio, AudioError, PollFd, Route};
use offhook_hal_linux::AlsaAudio;
use offhook_hal_linux::alsa_audio::try_out;
use offhook_hal_linux::jack::{JackControl, JackWatch};
use offhook_hal_linux::loop_test::measure;
use offhook_hal_linux::mixer::RouteMixer;

thread_local! {
    /// Allocations and frees of this thread while counting is on.
    static COUNTED: Cell<Option<u64>> = const { Cell::new(None) };
}

struct Counting;

fn count() {
    let _ = COUNTED.try_with(|counted| counted.set(counted.get().map(|many| many + 1)));
}

// SAFETY: every call goes to the system's allocator unchanged; the counter is a thread's own and never allocates.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as promised by the caller
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: as promised by the caller
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Which test runs inside the script.
const INSIDE: &str = "OFFHOOK_INSIDE_VIRTUAL_CARD";

/// Says something that is shown even when the test passes: the test runner keeps only what `println!` prints.
#[allow(clippy::explicit_write)]
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

/// Are we inside the script? Otherwise runs `test` there, or says why it is skipped.
fn inside(test: &str) -> bool {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return true;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/scripts/virtual-card.sh");
    let output = Command::new(script)
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .env(INSIDE, test)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) {
        say(&format!("skipped: {test}: {}", err.trim().replace('\n', "; ")));
        return false;
    }
    assert!(output.status.success(), "{test} inside the virtual card:\n{out}\n{err}");
    assert!(out.contains("1 passed"), "{test} did not run inside:\n{out}");
    for line in err.lines().filter(|line| line.starts_with("measured: ") || line.starts_with("skipped: ")) {
        say(line);
    }
    false
}

fn wiring(pcm: &str) -> AudioWiring {
    let mut audio = Board::parse(Board::built_in("laptop").unwrap()).unwrap().audio;
    audio.playback = pcm.to_owned();
    audio.capture = pcm.to_owned();
    audio
}

fn poll(descriptors: &mut [PollFd], timeout: Duration) {
    let mut own: Vec<libc::pollfd> =
        descriptors.iter().map(|d| libc::pollfd { fd: d.fd, events: d.events, revents: 0 }).collect();
    let ms = i32::try_from(timeout.as_millis()).unwrap();
    // SAFETY: the pointer and the length are those of `own`.
    #[allow(unsafe_code)]
    let done = unsafe { libc::poll(own.as_mut_ptr(), own.len() as libc::nfds_t, ms) };
    assert!(done >= 0);
    for (to, from) in descriptors.iter_mut().zip(&own) {
        to.revents = from.revents;
    }
}

/// What a run of the loop found.
struct Heard {
    samples: Vec<i16>,
    took: Duration,
    xruns: u64,
    /// after the first period
    wakes: u64,
    allocations: u64,
    queued: usize,
}

/// Runs the media thread's loop for `beats` periods; `play` gives the sample at a position.
fn run(audio: &mut AlsaAudio, beats: usize, play: impl Fn(usize) -> i16) -> Heard {
    let format = audio.format();
    let mut heard = Heard {
        samples: Vec::with_capacity(beats * format.period),
        took: Duration::ZERO,
        xruns: 0,
        wakes: 0,
        allocations: 0,
        queued: 0,
    };
    let mut period = vec![0_i16; format.period];
    let mut descriptors = [PollFd::default(); 8];
    audio.start().unwrap();
    let began = Instant::now();
    let mut beat = 0;
    let mut xrun = |done: Result<(), AudioError>| match done {
        Ok(()) => {}
        Err(AudioError::Xrun) => heard.xruns += 1,
        Err(other) => panic!("{other}"),
    };
    while beat < beats {
        assert!(began.elapsed() < Duration::from_secs(30), "the card stands still at beat {beat}");
        let count = audio.descriptors(&mut descriptors);
        assert!(count > 0);
        poll(&mut descriptors[..count], Duration::from_millis(100));
        heard.wakes += u64::from(beat > 0);
        COUNTED.set(Some(0));
        while beat < beats && audio.ready(&mut descriptors[..count]).unwrap_or(false) {
            xrun(audio.read(&mut period));
            heard.samples.extend_from_slice(&period);
            for (index, sample) in period.iter_mut().enumerate() {
                *sample = play(beat * format.period + index);
            }
            xrun(audio.write(&period));
            heard.queued = heard.queued.max(audio.queued());
            beat += 1;
        }
        heard.allocations += COUNTED.replace(None).unwrap_or(0);
    }
    heard.took = began.elapsed();
    heard
}

fn sine(position: usize, rate: u32, hz: f64) -> i16 {
    let phase = position as f64 * hz * std::f64::consts::TAU / f64::from(rate);
    (phase.sin() * 12_000.0) as i16
}

/// Power of one frequency in `samples`, as a share of all power; in pieces of a tenth of a second, because a correction
/// of the clock turns the phase by a whole circle in a second and nobody hears it.
fn share(samples: &[i16], rate: u32, hz: f64) -> f64 {
    let (mut tone, mut all) = (0.0, 0.0);
    for piece in samples.chunks_exact(rate as usize / 10) {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (index, sample) in piece.iter().enumerate() {
            let (value, phase) = (f64::from(*sample), index as f64 * hz * std::f64::consts::TAU / f64::from(rate));
            real += value * phase.cos();
            imaginary += value * phase.sin();
            all += value * value;
        }
        tone += 2.0 * (real * real + imaginary * imaginary) / piece.len() as f64;
    }
    tone / f64::max(all, 1.0)
}

#[test]
fn a_tone_played_into_the_card_is_captured_in_time_and_in_pitch() {
    if !inside("a_tone_played_into_the_card_is_captured_in_time_and_in_pitch") {
        return;
    }
    let mut audio = AlsaAudio::open(&wiring("offhook_loop")).unwrap();
    let format = audio.format();
    assert_eq!((format.rate, format.period), (16_000, 160));
    // One second of silence, then the tone: its first sample is what is timed.
    let onset = 16_000;
    let heard =
        run(&mut audio, 400, |position| if position < onset { 0 } else { sine(position - onset, 16_000, 1_000.0) });
    let found = heard.samples.iter().position(|sample| sample.unsigned_abs() > 2_000).expect("the tone is heard");
    let delay = (found as f64 - onset as f64) / 16.0;
    say(&format!(
        "measured: loop {delay:.1} ms in the card, queued {:.1} ms at most, {} xruns, {} left out, {:.0} ppm, {} wakes for 400 beats, {:?}",
        heard.queued as f64 / 16.0,
        heard.xruns,
        audio.interruptions().left_out,
        audio.correction(),
        heard.wakes,
        audio
    ));
    assert!(delay > 0.0 && delay < 250.0, "{delay} ms");
    let tone = &heard.samples[found + 1_600..found + 1_600 + 16_000];
    let purity = share(tone, 16_000, 1_000.0);
    assert!(purity > 0.95, "{purity}");
    for wrong in [990.0, 1_010.0, 500.0, 2_000.0] {
        assert!(share(tone, 16_000, wrong) < 0.01, "{wrong} Hz");
    }
    // 400 periods of 10 ms, less what was already captured at the start; a card without a clock would race.
    assert!(heard.took > Duration::from_millis(3_500) && heard.took < Duration::from_millis(5_500), "{:?}", heard.took);
    assert_eq!(heard.allocations, 0);
    assert!(heard.wakes < 4 * 400, "polling spins: {} wakes", heard.wakes);
}

#[test]
fn a_tone_at_48_khz_with_a_longer_buffer_is_whole() {
    if !inside("a_tone_at_48_khz_with_a_longer_buffer_is_whole") {
        return;
    }
    let mut wiring = wiring("offhook_loop");
    (wiring.rate, wiring.period, wiring.periods) = (48_000, 480, 4);
    let mut audio = AlsaAudio::open(&wiring).unwrap();
    for agreed in audio.agreed() {
        assert_eq!((agreed.device.as_str(), agreed.terms.rate, agreed.terms.period), ("offhook_loop", 48_000, 480));
    }
    let heard = run(&mut audio, 300, |position| sine(position, 48_000, 1_000.0));
    let tail = &heard.samples[heard.samples.len() - 48_000..];
    let purity = share(tail, 48_000, 1_000.0);
    say(&format!(
        "measured: 48 kHz share {purity:.3}, {} xruns, {} left out, {:.0} ppm, {} wakes",
        heard.xruns,
        audio.interruptions().left_out,
        audio.correction(),
        heard.wakes
    ));
    assert!(purity > 0.95, "{purity}");
    let peak = tail.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!((11_000..=12_500).contains(&peak), "{peak}");
    assert_eq!(heard.allocations, 0);
}

#[test]
fn the_loop_test_finds_the_way_through_the_card() {
    if !inside("the_loop_test_finds_the_way_through_the_card") {
        return;
    }
    let mut audio = AlsaAudio::open(&wiring("offhook_loop")).unwrap();
    let result = measure(&mut audio).unwrap();
    say(&format!("measured: {result:?}, {} xruns", audio.interruptions().xruns));
    let heard = result.heard.expect("a cable");
    assert!((5..250).contains(&heard.delay.as_millis()), "{heard:?}");
    // The sound server filters what lies near half of the rate.
    assert!(heard.level_db.abs() < 3.0 && heard.correlation > 0.5, "{heard:?}");
    // Nothing comes back where the microphone is another device.
    let mut audio = AlsaAudio::open(&wiring("offhook")).unwrap();
    assert_eq!(measure(&mut audio).unwrap().heard, None);
}

#[test]
fn a_card_is_tried_out_before_it_is_used() {
    if !inside("a_card_is_tried_out_before_it_is_used") {
        return;
    }
    let format = AlsaAudio::open(&wiring("offhook")).unwrap().format();
    for way in [Way::Capture, Way::Playback] {
        let PcmTrial::Opens { rate, period, periods, channels } = try_out("offhook", way, format) else {
            panic!("{way:?}")
        };
        assert_eq!((rate, period, channels), (16_000, 160, 1));
        assert!(periods >= format.periods, "{periods}");
    }
}

#[test]
fn a_plug_is_noticed_once_it_rests_and_a_card_that_goes_takes_it_along() {
    if !inside("a_plug_is_noticed_once_it_rests_and_a_card_that_goes_takes_it_along") {
        return;
    }
    // The sound server has no jack; its switch is a control that reads on or off as well.
    let (card, control) = ("offhook", "Master Playback Switch");
    let Err(AudioError::Open(_, remedy)) = JackControl::open(card, "Headphone Jack") else { panic!("opened") };
    assert!(remedy.contains("`Headphone Jack`"), "{remedy}");
    let Err(AudioError::Open(_, remedy)) = JackControl::open(card, "Master Playback Volume") else { panic!("opened") };
    assert!(remedy.contains("not on or off"), "{remedy}");
    let switch = |on: bool| {
        let mixer = alsa::mixer::Mixer::new(card, false).unwrap();
        let master = mixer.find_selem(&alsa::mixer::SelemId::new("Master", 0)).unwrap();
        master.set_playback_switch_all(i32::from(on)).unwrap();
    };
    switch(true);
    let began = Instant::now();
    let mut jack = JackWatch::new(card.into(), control.into());
    let mut next = |expected: Option<bool>, within: u64| {
        let end = Instant::now() + Duration::from_millis(within);
        loop {
            let change = jack.turn(began.elapsed());
            if change.is_some() || Instant::now() > end {
                assert_eq!(change, expected, "{:?}", began.elapsed());
                return;
            }
            let due = jack.timeout().map_or(Duration::from_secs(1), |at| at.saturating_sub(began.elapsed()));
            let mut descriptors = jack.descriptors();
            poll(&mut descriptors, due.min(end - Instant::now()) + Duration::from_millis(1));
        }
    };
    next(Some(true), 2_000);
    next(None, 300);
    switch(false);
    next(Some(false), 2_000);
    switch(true);
    next(Some(true), 2_000);
    if Command::new("pactl").arg("exit").status().is_ok() {
        next(Some(false), 2_000);
    }
}

#[test]
fn a_stalled_thread_loses_sound_but_not_the_card() {
    if !inside("a_stalled_thread_loses_sound_but_not_the_card") {
        return;
    }
    let mut audio = AlsaAudio::open(&wiring("offhook_loop")).unwrap();
    run(&mut audio, 30, |position| sine(position, 16_000, 1_000.0));
    std::thread::sleep(Duration::from_millis(1_500));
    // Whatever the card reports, sound comes back, and what came together while the thread stood is not heard late.
    let heard = run(&mut audio, 300, |position| sine(position, 16_000, 1_000.0));
    say(&format!(
        "measured: stalled: queued {:.1} ms in the end, {} xruns, {} left out, {:.0} ppm",
        audio.queued() as f64 / 16.0,
        audio.interruptions().xruns,
        audio.interruptions().left_out,
        audio.correction()
    ));
    let tail = &heard.samples[heard.samples.len() - 8_000..];
    let purity = share(tail, 16_000, 1_000.0);
    assert!(purity > 0.9, "{purity}");
}

#[test]
fn a_card_that_is_not_there_is_refused_with_what_to_do() {
    let Err(AudioError::Open(device, remedy)) = AlsaAudio::open(&wiring("hw:CARD=NoSuchCard")) else {
        panic!("opened");
    };
    assert_eq!(device, "hw:CARD=NoSuchCard");
    assert!(remedy.contains("aplay -L"), "{remedy}");
}

#[test]
fn a_missing_mixer_control_is_named() {
    if !inside("a_missing_mixer_control_is_named") {
        return;
    }
    let mut audio = wiring("offhook");
    audio.mixer_card = Some("offhook".into());
    let setting = |route: &str, control: &str, percent| offhook_board::MixerSetting {
        route: route.into(),
        control: control.into(),
        percent,
    };
    audio.mixer = vec![setting("handset", "Master", 60), setting("off", "Master", 0)];
    let mut mixer = RouteMixer::open(&audio).unwrap().unwrap();
    mixer.set(Route::Handset).unwrap();
    assert_eq!(volume(), (60, true));
    mixer.set(Route::Off).unwrap();
    assert_eq!(volume(), (0, false));
    mixer.set(Route::Speaker).unwrap();
    audio.mixer.push(setting("handset", "Sidetone", 10));
    let Err(AudioError::Open(card, remedy)) = RouteMixer::open(&audio) else { panic!("opened") };
    assert_eq!(card, "offhook");
    assert!(remedy.contains("`Sidetone`"), "{remedy}");
    // A route with a card of its own may have the control there.
    let own = Some(("offhook".to_owned(), "offhook".to_owned()));
    audio.routes = vec![RouteWiring { route: Route::Handset, pcm: own, output_db: 0, input_db: 0 }];
    assert!(RouteMixer::open(&audio).is_ok());
    RouteMixer::open_own(&audio, "offhook").unwrap().unwrap().set(Route::Handset).unwrap();
    assert_eq!(volume(), (60, true));
}

/// What another program sees of `Master`: percent and whether it is on.
fn volume() -> (i64, bool) {
    let mixer = alsa::mixer::Mixer::new("offhook", false).unwrap();
    let master = mixer.find_selem(&alsa::mixer::SelemId::new("Master", 0)).unwrap();
    let (least, most) = master.get_playback_volume_range();
    let channel = alsa::mixer::SelemChannelId::mono();
    let percent = (master.get_playback_volume(channel).unwrap() - least) * 100 / (most - least);
    (percent, master.get_playback_switch(channel).unwrap() != 0)
}

#[test]
fn a_sound_server_that_dies_is_a_lost_device() {
    if !inside("a_sound_server_that_dies_is_a_lost_device") {
        return;
    }
    let mut audio = AlsaAudio::open(&wiring("offhook_loop")).unwrap();
    run(&mut audio, 10, |_| 0);
    let killed = Command::new("pactl").arg("exit").status();
    if killed.is_err() {
        say("skipped: a_sound_server_that_dies_is_a_lost_device: pactl is not installed");
        return;
    }
    let mut descriptors = [PollFd::default(); 8];
    let mut period = vec![0_i16; audio.format().period];
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        assert!(Instant::now() < until, "nothing was noticed");
        let count = audio.descriptors(&mut descriptors);
        poll(&mut descriptors[..count], Duration::from_millis(20));
        let step = audio
            .ready(&mut descriptors[..count])
            .and_then(|ready| if ready { audio.read(&mut period).and_then(|()| audio.write(&period)) } else { Ok(()) });
        if let Err(AudioError::Lost(_)) = step {
            break;
        }
    }
    assert!(matches!(audio.write(&period), Err(AudioError::Lost(_))));
    assert!(matches!(audio.start(), Err(AudioError::Lost(_))));
}
