//! From INVITE to 180, from the start to REGISTER, from a key to the packet that says so.

use crate::case::{Case, Outcome};
use crate::rtp::Voice;
use crate::subject::{Sound, Subject};
use crate::table::{Row, Sample, report};
use crate::virtual_card::VirtualCard;
use crate::wait;
use std::time::{Duration, Instant};

const INVITES: usize = 200;
const STARTS: usize = 10;
const KEYS: usize = 50;
/// Payload type of telephone-events in the peer's SDP.
const EVENT: u8 = 101;

pub(crate) fn invite_to_180(case: &Case) -> Outcome {
    let mut subject = Subject::start(case, "ringing", Sound::None)?;
    let mut times = Sample::default();
    for _ in 0..INVITES {
        let invite = subject.peer.invite(&subject.target);
        let begin = Instant::now();
        subject.peer.send(&invite, subject.address);
        let (_, at) = subject.peer.response(&invite, 180)?;
        times.push(at.duration_since(begin).as_secs_f64() * 1000.0);
        subject.peer.cancel(&invite, subject.address)?;
        // The ringing has to stop before the next one is a call of its own.
        wait::pass(3);
    }
    let note = format!("median of {}; 95 % under {:.2} ms", times.len(), times.quantile(0.95));
    report(Row::at_most("INVITE to 180", 2.0, times.median(), "ms", &note));
    Ok(())
}

/// With the virtual card where there is one, as on a real board; else without sound.
pub(crate) fn start_to_register(case: &Case) -> Outcome {
    let card = VirtualCard::start(case, "start-card").ok();
    let mut times = Sample::default();
    for run in 0..STARTS {
        let sound = card.as_ref().map_or(Sound::None, |card| Sound::Card(card, "offhook"));
        let subject = Subject::start(case, &format!("start-{run}"), sound)?;
        times.push(subject.to_register.as_secs_f64() * 1000.0);
    }
    let sound = if card.is_some() { "with the virtual card" } else { "without sound" };
    let note = format!("median of {}, {} ms; {sound}", times.len(), times.range());
    report(Row::at_most("start to REGISTER on the wire", 150.0, times.median(), "ms", &note));
    Ok(())
}

pub(crate) fn key_to_event(case: &Case) -> Outcome {
    let mut subject = Subject::start(case, "keys", Sound::None)?;
    let mut dialog = subject.call()?;
    let voice = Voice::start(&subject.peer.rtp, dialog.media)?;
    voice.wait(Duration::from_secs(3), |packet| (packet.payload_type == 0).then_some(()))?;
    let mut times = Sample::default();
    for key in 0..KEYS {
        voice.forget();
        let begin = Instant::now();
        subject.phone.say("down 5")?;
        let event = |packet: &crate::rtp::Packet| (packet.payload_type == EVENT).then_some(());
        let (packet, ()) = voice.wait(Duration::from_secs(1), event)?;
        times.push(packet.at.duration_since(begin).as_secs_f64() * 1000.0);
        wait::pass(60);
        subject.phone.say("up 5")?;
        // Until sound is back; then every key meets another moment of the phone's beat.
        wait::pass(120 + (key as u64 * 7) % 20);
    }
    drop(voice);
    subject.end(&mut dialog)?;
    let note = format!("median of {}, {} ms", times.len(), times.range());
    report(Row::at_most("key to first telephone-event packet", 30.0, times.median(), "ms", &note));
    Ok(())
}
