//! baresip as the other side, Kamailio between. The phone plays into and hears from a virtual ALSA card: a whistle of
//! 440 Hz in front of its microphone, baresip sings 1000 Hz.

use super::{account_at, alone};
use crate::baresip::{self, Baresip};
use crate::card::{self, Card};
use crate::case::{Case, Outcome, Tool};
use crate::kamailio::{self, Kamailio};
use crate::offhook::{self, Offhook};
use crate::{Entry, sound, wait};

const NEEDS: &[Tool] = &[Tool::Kamailio, Tool::Baresip, Tool::Sound];
const WHISTLE: f64 = 440.0;
const SONG: f64 = 1000.0;

pub(super) fn cases() -> Vec<Entry> {
    vec![
        alone("peers_alone", peers_alone, &[Tool::Kamailio, Tool::Baresip]),
        alone("card_alone", card_alone, &[Tool::Sound]),
        alone("baresip_pcmu", |case| both_ways(case, "0", "PCMU", "udp"), NEEDS),
        alone("baresip_pcma", |case| both_ways(case, "8", "PCMA", "udp"), NEEDS),
        alone("baresip_g722", |case| both_ways(case, "9", "G722/16000/1", "udp"), NEEDS),
        alone("baresip_opus", |case| both_ways(case, "103", "opus/48000/2", "udp"), NEEDS),
        alone("baresip_tcp", |case| both_ways(case, "8", "PCMA", "tcp"), NEEDS),
        alone("baresip_hold", hold, NEEDS),
        alone("baresip_dtmf", dtmf, &[Tool::Kamailio, Tool::Baresip]),
    ]
}

struct Office {
    phone: Offhook,
    baresip: Baresip,
    card: Card,
    kamailio: Kamailio,
}

fn office(case: &Case, codec: &str, theirs: &str, transport: &str) -> Outcome<Office> {
    let mut card = card::start(case)?;
    let kamailio = kamailio::start(case, "MD5")?;
    card.whistle(case, WHISTLE)?;
    let baresip = baresip::start(case, &kamailio, "101", SONG as u32, theirs, transport)?;
    let phone = phone(case, &kamailio, codec, transport)?
        .option("--audio", "offhook")
        .env("ALSA_CONFIG_PATH", card.alsa_config())
        .start(case)?;
    let mut office = Office { phone, baresip, card, kamailio };
    office.phone.wait_registered()?;
    Ok(office)
}

fn phone(case: &Case, kamailio: &Kamailio, codec: &str, transport: &str) -> Outcome<offhook::Options> {
    let more = [("proxy", kamailio.address.to_string()), ("transport", transport.into()), ("codecOrder", codec.into())];
    let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
    offhook::phone(case, "100")?.account(&account_at(kamailio::DOMAIN, "100", "pw100", &more))
}

impl Office {
    /// Both have heard the other for the last second.
    fn both_hear(&self) -> Outcome {
        let heard = self.card.ear()?;
        sound::ensure_tone("the phone's ear", sound::tail(&heard, card::RATE, 1.5), card::RATE, SONG)?;
        let (heard, rate) = self.baresip.ear()?;
        sound::ensure_tone("baresip", sound::tail(&heard, rate, 1.5), rate, WHISTLE)
    }

    /// The phone calls and baresip answers.
    fn call(&mut self) -> Outcome {
        self.phone.call("101")?;
        self.baresip.wait_event("CALL_INCOMING")?;
        self.phone.wait_calls(&["ringing"])?;
        self.baresip.command("accept", "")?;
        self.baresip.wait_event("CALL_ESTABLISHED")?;
        self.phone.wait_calls(&["talking"])?;
        Ok(())
    }

    fn no_complaints(&self) -> Outcome {
        let complaints = self.kamailio.complaints();
        wait::ensure(complaints.is_empty(), || format!("Kamailio complained: {complaints:?}"))
    }
}

/// Covers: feat.47, axml.codec.01, axml.proxy.01, hosted.advanced.03
fn both_ways(case: &Case, codec: &str, theirs: &str, transport: &str) -> Outcome {
    let mut office = office(case, codec, theirs, transport)?;
    office.call()?;
    wait::pass(3000);
    office.both_hear().map_err(|error| format!("the phone called: {error}"))?;
    office.phone.put_down()?;
    office.baresip.wait_event("CALL_CLOSED")?;
    office.phone.wait_idle()?;

    office.baresip.command("dial", "100")?;
    office.phone.wait_line("ring on")?;
    office.phone.lift()?;
    office.baresip.wait_event("CALL_ESTABLISHED")?;
    let view = office.phone.wait_calls(&["talking"])?;
    wait::ensure(view["calls"][0]["peer"].as_str().is_some_and(|peer| peer.contains("101")), || {
        format!("the caller is {}", view["calls"][0]["peer"])
    })?;
    let name = theirs.split('/').next().unwrap_or_default();
    wait::ensure(view["calls"][0]["codec"].as_str().is_some_and(|codec| codec.eq_ignore_ascii_case(name)), || {
        format!("the codec is {}", view["calls"][0]["codec"])
    })?;
    wait::pass(3000);
    office.both_hear().map_err(|error| format!("baresip called: {error}"))?;
    office.baresip.command("hangup", "")?;
    office.phone.wait_view(5, "the end of the call", |view| view["calls"][0]["state"] != "talking")?;
    office.phone.put_down()?;
    office.phone.wait_idle()?;
    office.no_complaints()
}

/// Covers: feat.5
fn hold(case: &Case) -> Outcome {
    let mut office = office(case, "8", "PCMA", "udp")?;
    office.call()?;
    wait::pass(2000);
    office.both_hear()?;

    // We hold: nothing goes either way.
    office.phone.press("hold")?;
    office.phone.wait_calls(&["held"])?;
    wait::pass(500);
    let before = office.baresip.ear()?.0.len();
    wait::pass(2000);
    let heard = office.card.ear()?;
    sound::ensure_silence("the phone's ear, holding,", sound::tail(&heard, card::RATE, 1.0), card::RATE)?;
    // It writes nothing while nothing comes.
    let (heard, rate) = office.baresip.ear()?;
    sound::ensure_silence("baresip, held,", &heard[before.min(heard.len())..], rate)?;
    office.phone.press("hold")?;
    office.phone.wait_calls(&["talking"])?;
    wait::pass(3000);
    office.both_hear().map_err(|error| format!("after hold: {error}"))?;

    // They hold.
    office.baresip.command("hold", "")?;
    office.phone.wait_view(5, "that the other side holds", |view| view["calls"][0]["held_by_peer"] == true)?;
    wait::pass(2500);
    let heard = office.card.ear()?;
    sound::ensure_silence("the phone's ear, held,", sound::tail(&heard, card::RATE, 1.0), card::RATE)?;
    office.baresip.command("resume", "")?;
    office.phone.wait_view(5, "that the call goes on", |view| view["calls"][0]["held_by_peer"] == false)?;
    wait::pass(3000);
    office.both_hear().map_err(|error| format!("after the other side's hold: {error}"))?;
    office.phone.put_down()?;
    office.baresip.wait_event("CALL_CLOSED")?;
    office.phone.wait_idle()?;
    office.no_complaints()
}

/// Covers: axml.dtmf.01, hosted.advanced.04
fn dtmf(case: &Case) -> Outcome {
    let kamailio = kamailio::start(case, "MD5")?;
    let mut baresip = baresip::start(case, &kamailio, "101", SONG as u32, "PCMA", "udp")?;
    let mut phone = phone(case, &kamailio, "8", "udp")?.silent().start(case)?;
    phone.wait_registered()?;
    phone.call("101")?;
    baresip.wait_event("CALL_INCOMING")?;
    baresip.command("accept", "")?;
    baresip.wait_event("CALL_ESTABLISHED")?;
    phone.wait_calls(&["talking"])?;
    wait::pass(500);
    for key in ["1", "2", "3", "*", "0", "#"] {
        phone.say(&format!("press {key} 120ms"))?;
        wait::pass(250);
    }
    let digits = || {
        let events = baresip.events();
        let starts = events.iter().filter(|event| event["type"] == "CALL_DTMF_START");
        starts.filter_map(|event| event["param"].as_str()).collect::<String>()
    };
    wait::until(
        5,
        || Ok((digits() == "123*0#").then_some(())),
        || format!("baresip should have got 123*0# and got {:?}", digits()),
    )?;
    phone.put_down()?;
    baresip.wait_event("CALL_CLOSED")?;
    phone.wait_idle()?;
    Ok(())
}

/// The virtual card by itself: silence, then a tone.
fn card_alone(case: &Case) -> Outcome {
    let mut card = card::start(case)?;
    sound::ensure_silence("the recorder", &card.ear()?, card::RATE)?;
    card.play(case, SONG)?;
    wait::pass(2500);
    sound::ensure_tone("the recorder", sound::tail(&card.ear()?, card::RATE, 1.0), card::RATE, SONG)
}

/// Two baresips by themselves: if this fails, a failure of the others says nothing about the phone.
fn peers_alone(case: &Case) -> Outcome {
    let kamailio = kamailio::start(case, "MD5")?;
    let mut one = baresip::start(case, &kamailio, "101", 1000, "PCMA", "udp")?;
    let mut other = baresip::start(case, &kamailio, "102", 440, "PCMA", "tcp")?;
    one.command("dial", "102")?;
    other.wait_event("CALL_INCOMING")?;
    other.command("accept", "")?;
    one.wait_event("CALL_ESTABLISHED")?;
    wait::pass(2500);
    for (who, ear, hz) in [("101", one.ear()?, 440.0), ("102", other.ear()?, 1000.0)] {
        sound::ensure_tone(who, sound::tail(&ear.0, ear.1, 1.5), ear.1, hz)?;
    }
    one.command("hangup", "")?;
    other.wait_event("CALL_CLOSED")?;
    wait::ensure(kamailio.registers("101").1 >= 1, || format!("{:?}", kamailio.seen()))
}
