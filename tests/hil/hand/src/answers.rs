//! What eye and ear answer: lamps, patterns, levels, tones, gaps, and the times between two things.

use crate::clock::{self, MS, as_ms};
use crate::contacts;
use crate::hand::{Hand, lifted};
use crate::heard::Stretch;
use crate::request::{Outcome, Request, frequencies};
use crate::{card, pattern, signal};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A lamp is looked at this far back unless told otherwise: two cycles of the slowest pattern [ns].
const LOOK_BACK: i64 = 4500 * MS;
/// An ear is asked about this much unless told otherwise [ns].
const LISTEN_BACK: i64 = 1000 * MS;
/// A tone below this is not there [dB].
const FAINT: f64 = -50.0;
/// Gaps shorter than this are not counted: they are waves, not gaps [samples].
const SHORTEST_GAP: usize = card::RATE as usize / 50;
/// So many gaps are told one by one: an answer is to stay a line that can be read.
const MOST_GAPS: usize = 100;
/// Finds a moment in what was heard [ns].
type Look = dyn Fn(&Stretch) -> Option<i64>;

/// How long one waits before looking again.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn lamps(hand: &Hand, request: &Request<'_>) -> Outcome<Value> {
    let now = clock::monotonic();
    match request.words.as_slice() {
        ["lamps"] => Ok(json!({"lamps": hand.eye.now()})),
        ["lamp", name] => {
            request.only(&["from", "until"])?;
            let until = request.time("until")?.unwrap_or(now).min(now);
            let from = request.time("from")?.unwrap_or(until - LOOK_BACK);
            let (before, edges) = seen(hand, name, from, until)?;
            let seen = pattern::recognise(before, &edges, from, until);
            Ok(json!({
                "lit": edges.last().map_or(before, |edge| edge.1), "pattern": seen.pattern,
                "on_ms": as_ms(seen.lit), "off_ms": as_ms(seen.dark), "edges": edges, "step_ms": step_ms(hand),
            }))
        }
        ["lamp-wait", name, wanted] => {
            request.only(&["from", "within"])?;
            if pattern::certain_after(wanted).is_none() {
                return Err(format!("{wanted:?} is no pattern; on, off, slow, fast, flutter and wink are"));
            }
            let from = request.time("from")?.unwrap_or(now);
            let deadline = now + request.number("within", 10_000, 0..=3_600_000)? * MS;
            loop {
                let now = clock::monotonic();
                let (before, edges) = seen(hand, name, from, now)?;
                // What is steady must have been so for a while; a lamp that was just looked at has not.
                let known = now - from >= pattern::STEADY || !edges.is_empty();
                if known && let Some(at) = pattern::since(before, &edges, from, now, wanted) {
                    return Ok(json!({"at": at, "seen": now}));
                }
                if now > deadline {
                    let there = pattern::recognise(before, &edges, from, now);
                    let last: Vec<_> = edges.iter().rev().take(6).map(|edge| (as_ms(edge.0 - from), edge.1)).collect();
                    return Err(format!(
                        "lamp {name} is {} and not {wanted} (before: {before}, last changes after so many ms: {last:?})",
                        there.pattern
                    ));
                }
                hand.eye.wait(LOOK);
            }
        }
        ["eye", "off"] => {
            hand.eye.set_step(0);
            Ok(Value::Null)
        }
        ["eye"] => {
            request.only(&["us"])?;
            hand.eye.set_step(request.number("us", 10_000, 200..=1_000_000)?);
            Ok(Value::Null)
        }
        _ => Err(request.unknown()),
    }
}

fn seen(hand: &Hand, name: &str, from: i64, until: i64) -> Outcome<(bool, Vec<pattern::Edge>)> {
    hand.eye.seen(name, from, until).ok_or_else(|| {
        let known: Vec<&str> = hand.wiring.lamps.keys().map(String::as_str).collect();
        format!("no lamp {name:?} is wired; there are {}", known.join(" "))
    })
}

fn step_ms(hand: &Hand) -> f64 {
    as_ms(hand.eye.step() * 1000)
}

pub(crate) fn ear(hand: &Hand, request: &Request<'_>) -> Outcome<Value> {
    let now = clock::monotonic();
    let rest = match request.words.as_slice() {
        ["ear"] => {
            request.only(&["from", "until", "hz", "gap", "frames"])?;
            return measure(hand, request);
        }
        ["save", path] => {
            request.only(&["from", "until"])?;
            let until = request.time("until")?.unwrap_or(now);
            let stretch = hand.ear.stretch(request.time("from")?.unwrap_or(0), until);
            std::fs::write(path, wav(&stretch.samples)).map_err(|error| format!("{path}: {error}"))?;
            return Ok(json!({"samples": stretch.samples.len()}));
        }
        ["ear-wait", rest @ ..] => rest,
        _ => return Err(request.unknown()),
    };
    let from = request.time("from")?.unwrap_or(now);
    let deadline = now + request.number("within", 10_000, 0..=3_600_000)? * MS;
    let length = request.number("for", 200, 10..=60_000)? * MS;
    let db = request.real("db", -50.0, -90.0..=0.0)?;
    let look: Box<Look> = match rest {
        ["tone", hz] => {
            request.only(&["from", "within", "for", "clear"])?;
            let (hz, clear) = (frequencies(hz, '+')?, request.real("clear", 10.0, 0.0..=60.0)?);
            Box::new(move |stretch| stretch.tone(&hz, clear, FAINT, length))
        }
        ["sound"] => {
            request.only(&["from", "within", "db"])?;
            Box::new(move |stretch| stretch.time_of(signal::first_sound(&stretch.samples, db)?))
        }
        ["silence"] => {
            request.only(&["from", "within", "for", "db"])?;
            let samples = usize::try_from(length / MS).unwrap_or(0) * card::RATE as usize / 1000;
            Box::new(move |stretch| stretch.time_of(signal::gaps(&stretch.samples, db, samples).first()?.0))
        }
        _ => return Err(request.unknown()),
    };
    wait(hand, from, deadline, look).map(|at| json!({"at": at, "uncertain_ms": as_ms(hand.ear.uncertain())}))
}

/// Listens on until `look` finds something; what was there instead, if it does not.
fn wait(hand: &Hand, from: i64, deadline: i64, look: impl Fn(&Stretch) -> Option<i64>) -> Outcome<i64> {
    loop {
        let stretch = hand.ear.stretch(from, i64::MAX);
        if let Some(at) = look(&stretch) {
            return Ok(at);
        }
        if clock::monotonic() > deadline {
            if let Some(trouble) = hand.ear.condition().trouble {
                return Err(format!("nothing is heard: {trouble}"));
            }
            let recent = stretch
                .samples
                .get(stretch.samples.len().saturating_sub(card::RATE as usize / 2)..)
                .unwrap_or_default();
            let strongest =
                signal::strongest(recent, card::RATE).map_or("silence".to_owned(), |hz| format!("{hz:.0} Hz"));
            return Err(format!(
                "it was not heard in {:.0} ms; the last half second has {:.0} dB, strongest is {strongest}",
                as_ms(clock::monotonic() - from),
                signal::level(recent)
            ));
        }
        std::thread::sleep(LOOK);
    }
}

fn measure(hand: &Hand, request: &Request<'_>) -> Outcome<Value> {
    let now = clock::monotonic();
    let until = request.time("until")?.unwrap_or(now);
    let from = request.time("from")?.unwrap_or(until - LISTEN_BACK);
    // The card may be some pieces behind.
    if !hand.ear.wait(until, (until + 500 * MS).max(now + 500 * MS))
        && let Some(trouble) = hand.ear.condition().trouble
        && hand.ear.until().is_none_or(|heard| heard < from)
    {
        return Err(format!("nothing is heard: {trouble}"));
    }
    let stretch = hand.ear.stretch(from, until);
    let samples = &stretch.samples;
    let wanted = request.frequencies("hz")?;
    let found: Map<String, Value> = signal::tones(samples, card::RATE, &wanted)
        .into_iter()
        .map(|tone| (tone.hz.to_string(), json!({"db": tenth(tone.db), "clear_db": tenth(tone.clear)})))
        .collect();
    let gaps = signal::gaps(samples, request.real("gap", -50.0, -90.0..=0.0)?, SHORTEST_GAP);
    let longest = gaps.iter().map(|gap| gap.1).max().unwrap_or(0);
    let places: Vec<(i64, f64)> =
        gaps.iter().take(MOST_GAPS).filter_map(|gap| Some((stretch.time_of(gap.0)?, as_samples_ms(gap.1)))).collect();
    let end = hand.ear.until().unwrap_or(from).min(until);
    let mut answer = json!({
        "from": stretch.time_of(0).unwrap_or(from), "until": end, "db": tenth(signal::level(samples)), "tones": found,
        "strongest_hz": signal::strongest(samples, card::RATE), "gap_ms": as_samples_ms(longest), "gaps": gaps.len(), "gaps_at": places,
        "missing": stretch.missing, "uncertain_ms": as_ms(hand.ear.uncertain()),
    });
    if request.number("frames", 0, 0..=1)? == 1 {
        let frames: Vec<f64> = samples.chunks(card::PERIOD).map(|frame| tenth(signal::level(frame))).collect();
        answer["frames"] = json!(frames);
    }
    Ok(answer)
}

fn tenth(db: f64) -> f64 {
    (db * 10.0).round() / 10.0
}

fn as_samples_ms(samples: usize) -> f64 {
    tenth(samples as f64 * 1000.0 / f64::from(card::RATE))
}

pub(crate) fn latency(hand: &Hand, request: &Request<'_>) -> Outcome<Value> {
    request.only(&["db", "within"])?;
    let within = request.number("within", 2000, 1..=60_000)? * MS;
    let (name, active, what) = match request.words.as_slice() {
        ["latency", "hook", way, what @ ..] => ("hook", lifted(way)?, what),
        ["latency", "key", name, what @ ..] => (*name, true, what),
        _ => return Err(request.unknown()),
    };
    let line = contacts::find(&hand.wiring, name)?;
    match what {
        ["sound"] => {
            let db = request.real("db", -50.0, -90.0..=0.0)?;
            let done = hand.fingers.set(line, active)?;
            let first = wait(hand, done.at, done.at + within, |stretch| {
                stretch.time_of(signal::first_sound(&stretch.samples, db)?)
            })?;
            Ok(json!({
                "at": done.at, "first": first, "ms": as_ms(first - done.at), "uncertain_ms": as_ms(hand.ear.uncertain()),
            }))
        }
        ["lamp", lamp] => {
            seen(hand, lamp, 0, 0)?;
            let done = hand.fingers.set(line, active)?;
            loop {
                let now = clock::monotonic();
                if let Some(&(first, lit)) = seen(hand, lamp, done.at, now)?.1.first() {
                    return Ok(json!({
                        "at": done.at, "first": first, "lit": lit, "ms": as_ms(first - done.at), "step_ms": step_ms(hand),
                    }));
                }
                if now > done.at + within {
                    return Err(format!("lamp {lamp} did not change within {} ms", within / MS));
                }
                hand.eye.wait(LOOK);
            }
        }
        _ => Err(request.unknown()),
    }
}

/// A WAV file: 16 bits, mono, at the card's rate.
fn wav(samples: &[i16]) -> Vec<u8> {
    let length = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX - 36);
    let mut bytes = Vec::with_capacity(44 + samples.len() * 2);
    bytes.extend(b"RIFF");
    bytes.extend((36 + length).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    for half in [1_u16, 1] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(card::RATE.to_le_bytes());
    bytes.extend((card::RATE * 2).to_le_bytes());
    for half in [2_u16, 16] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(b"data");
    bytes.extend(length.to_le_bytes());
    samples.iter().for_each(|sample| bytes.extend(sample.to_le_bytes()));
    bytes
}
