//! From the hook to the first sample of dial tone, behind a sound card and in a file.

use crate::case::{Case, Outcome};
use crate::sound_path;
use crate::subject::{Sound, Subject};
use crate::table::{Row, Sample, report, round};
use crate::virtual_card::VirtualCard;
use crate::{sound, wait};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(crate) const WHAT: &str = "hook to first sample of dial tone";
const GOAL: f64 = 40.0;
const LIFTS: usize = 15;
/// Handset down between two lifts.
const DOWN: Duration = Duration::from_millis(250);
/// What the phone writes at once [s].
const PERIOD: f64 = 0.01;
/// The header of the WAV files that the phone writes [octets].
const WAV_HEADER: u64 = 44;

/// Recorded behind the playback device of the virtual card.
pub(crate) fn behind_the_card(case: &Case) -> Outcome {
    let card = VirtualCard::start(case, "tone-card")?;
    let mut subject = Subject::start(case, "tone", Sound::Card(&card, "offhook"))?;
    let monitor = card.monitor()?;
    let mut times = Sample::default();
    for lift in 0..LIFTS {
        monitor.silence(DOWN)?;
        // Every lift meets another moment of the beat.
        wait::pass((lift as u64 * 3) % 10);
        let begin = Instant::now();
        subject.phone.lift()?;
        let at = monitor.sound(Duration::from_secs(2))?;
        times.push(at.duration_since(begin).as_secs_f64() * 1000.0);
        subject.phone.put_down()?;
    }
    drop(subject);
    let own = sound_path::measure(&card)?;
    let note = format!(
        "median of {}, {} ms; of it {} ms are the virtual card's own path",
        times.len(),
        times.range(),
        round(own.playback)
    );
    report(Row::at_most(WHAT, GOAL, times.median(), "ms", &note));
    Ok(())
}

/// Into a file, at the pace of a card. When which sample is played follows from how the file grows: a period is in it at
/// the earliest when its first sample is due, and sometimes right then.
pub(crate) fn into_a_file(case: &Case) -> Outcome {
    let file = case.path("tone.wav");
    let mut subject = Subject::start(case, "tone-file", Sound::File(&file))?;
    let ended = AtomicBool::new(false);
    let (growth, lifts) = std::thread::scope(|scope| {
        let growth = scope.spawn(|| watch(&file, &ended));
        let lifts = (0..LIFTS)
            .map(|_| {
                wait::pass(303);
                let at = Instant::now();
                subject.phone.lift()?;
                wait::pass(200);
                subject.phone.put_down()?;
                Ok(at)
            })
            .collect::<Outcome<Vec<Instant>>>();
        wait::pass(800);
        ended.store(true, Ordering::Relaxed);
        (growth.join(), lifts)
    });
    let (growth, lifts) = (growth.map_err(|_| "the file's watcher ended")?, lifts?);
    drop(subject);
    let (samples, rate) = sound::read(&file)?;
    let second = f64::from(rate);
    let zero = growth.first().map(|(at, _)| *at).ok_or("the file does not grow")?;
    let since = |at: Instant| at.duration_since(zero).as_secs_f64();
    // An empty file says nothing about when playing began.
    let grown = growth.iter().filter(|(_, samples)| *samples > 0);
    let first =
        grown.map(|&(at, samples)| since(at) - (samples as f64 / second - PERIOD)).fold(f64::INFINITY, f64::min);
    let mut times = Sample::default();
    for lift in lifts {
        // The sample that was played when the handset was lifted, and the first loud one after it.
        let from = ((since(lift) - first) * second).max(0.0) as usize;
        let silent = samples.iter().skip(from).position(|sample| sample.unsigned_abs() >= 100);
        times.push(silent.ok_or("no dial tone in the file")? as f64 * 1000.0 / second);
    }
    let note = format!("median of {}, {} ms", times.len(), times.range());
    let what = format!("{WHAT}, without a card (into a file)");
    report(Row::at_most(&what, GOAL, times.median(), "ms", &note));
    Ok(())
}

/// When the file had how many samples.
fn watch(file: &Path, ended: &AtomicBool) -> Vec<(Instant, u64)> {
    let mut growth: Vec<(Instant, u64)> = Vec::new();
    while !ended.load(Ordering::Relaxed) {
        let length = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        let at = Instant::now();
        let samples = length.saturating_sub(WAV_HEADER) / 2;
        if growth.last().is_none_or(|(_, last)| *last != samples) {
            growth.push((at, samples));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    growth
}
