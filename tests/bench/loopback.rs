//! Loop latency: sound comes in as RTP, out of the loudspeaker, into the microphone, and goes out as RTP. The card is
//! the virtual one whose microphone hears its loudspeaker.

use crate::case::{Case, Outcome};
use crate::peer::Peer;
use crate::reference::{Baresip, Tuning};
use crate::rtp::{RATE, SAMPLES, Voice};
use crate::sound_path;
use crate::subject::{Sound, Subject};
use crate::table::{Row, Sample, report, round};
use crate::virtual_card::VirtualCard;
use crate::wait;
use std::time::Duration;

pub(crate) const OURS: &str = "loop latency, wire to wire through ALSA";
pub(crate) const TO_LOWEST: &str = "the same, as a share of baresip's at its lowest tuning";
pub(crate) const TO_SHIPPED: &str = "the same, as a share of baresip's as shipped";
/// Where two periods meet is different in every call.
const CALLS: usize = 4;
const BURSTS: usize = 5;
/// From the answer to the first burst: buffers have found their length.
const SETTLING: u64 = 1500;
/// Between two bursts; no echo is under way any more.
const PAUSE: u64 = 250;

pub(crate) fn against_baresip(case: &Case) -> Outcome {
    let ours = of_offhook(case)?;
    let shipped = of_baresip(case, "shipped", Tuning::AsShipped)?;
    let lowest = of_baresip(case, "lowest", Tuning::Lowest)?;
    let own = sound_path::measure(&VirtualCard::start(case, "own-card")?)?;
    let described =
        |sample: &Sample| format!("{} ms (median of {}, {} ms)", round(sample.median()), sample.len(), sample.range());
    report(Row::besides(
        OURS,
        &format!("{}; of it {} ms are the virtual card's own way around", described(&ours), round(own.around)),
    ));
    report(Row::besides("loop latency of baresip at its lowest tuning", &described(&lowest)));
    report(Row::besides("loop latency of baresip as shipped", &described(&shipped)));
    report(Row::at_most(TO_LOWEST, 0.5, ours.median() / lowest.median().max(1.0), "", ""));
    report(Row::at_most(TO_SHIPPED, 0.25, ours.median() / shipped.median().max(1.0), "", ""));
    Ok(())
}

fn of_offhook(case: &Case) -> Outcome<Sample> {
    let card = VirtualCard::start(case, "loop-card")?;
    let mut subject = Subject::start(case, "loop", Sound::Card(&card, "offhook_loop"))?;
    let mut times = Sample::default();
    for _ in 0..CALLS {
        let mut dialog = subject.call()?;
        measure(&Voice::start(&subject.peer.rtp, dialog.media)?, &mut times)?;
        subject.end(&mut dialog)?;
    }
    Ok(times)
}

fn of_baresip(case: &Case, name: &str, tuning: Tuning) -> Outcome<Sample> {
    let card = VirtualCard::start(case, &format!("{name}-card"))?;
    let baresip = Baresip::start(case, name, &card, "offhook_loop", tuning)?;
    let mut times = Sample::default();
    for _ in 0..CALLS {
        let mut peer = Peer::new().map_err(|error| format!("no socket: {error}"))?;
        let mut dialog = baresip.call(&mut peer)?;
        let measured = measure(&Voice::start(&peer.rtp, dialog.media)?, &mut times);
        peer.bye(&mut dialog)?;
        measured.map_err(|error| format!("baresip {tuning:?}: {error}"))?;
        wait::pass(300);
    }
    Ok(times)
}

fn measure(voice: &Voice, times: &mut Sample) -> Outcome {
    wait::pass(SETTLING);
    for _ in 0..BURSTS {
        // Every burst begins elsewhere in a packet.
        let begins = (times.len() * 53) % SAMPLES;
        voice.forget();
        voice.burst(begins);
        let sent = voice.sent.recv_timeout(Duration::from_secs(1)).map_err(|_| "nothing is sent")?;
        let (packet, at) = voice.wait(Duration::from_secs(2), crate::rtp::Packet::onset)?;
        // How far the stream that comes is behind the one that goes, whatever their packets begin with.
        let within = (at as f64 - begins as f64) / RATE;
        times.push((packet.at.duration_since(sent).as_secs_f64() + within) * 1000.0);
        wait::pass(PAUSE);
    }
    Ok(())
}
