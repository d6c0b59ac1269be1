//! The main story: a hand lifts, dials, talks, sees its lamps and hangs up, as somebody at a desk does.

use super::office::{CLEAR, DIAL_TONE, OTHER_SONG, Office, SONG, WHISTLE, figure, one_of_several};
use crate::boards::{Board, Kind};
use crate::case::{Case, Outcome, Tool};
use crate::hand::{MS, ms, number, time};
use crate::network::{self, Network};
use crate::{Entry, account, baresip, kamailio, sound, wait};
use std::time::{Duration, Instant};

/// A lift must be heard within this, emulated or not [ms].
const TONE_AT_MOST: f64 = 400.0;

pub(super) fn cases() -> Vec<Entry> {
    let entry = |name, run, needs, limit| Entry {
        name,
        run,
        boards: &Kind::ALL,
        needs,
        alone: true,
        limit: Duration::from_secs(limit),
    };
    vec![
        entry("first_lift", first_lift, &[], 90),
        entry("calls_and_lamps", calls_and_lamps, &[], 120),
        entry("real_peer", real_peer, &[Tool::Baresip, Tool::Kamailio], 90),
        Entry { alone: false, ..entry("dials_by_other_means", dials_by_other_means, &[], 120) },
    ]
}

/// From power to the first dial tone, to being registered, and from the hook to the tone.
///
/// Covers: feat.106, feat.130
fn first_lift(case: &Case, kind: Kind) -> Outcome {
    let power = Instant::now();
    let mut office = Office::open(case, kind)?;
    let lifted = office.hand.lift()?;
    let tone = office.hand.hear(DIAL_TONE, lifted, 20)?;
    let to_tone = office.since_power(power, tone)?;
    figure(kind, &format!("power to registered {:.1} s, to dial tone {to_tone:.1} s", office.registered.as_secs_f64()));
    office.hand.put_down()?;
    let mut times = Vec::new();
    for _ in 0..10 {
        let now = office.hand.clock()?;
        office.hand.hear_silence(now, 10)?;
        let answer = office.hand.ask("latency hook lift sound")?;
        times.push((number(&answer, "ms")?, number(&answer, "uncertain_ms")?));
        office.hand.put_down()?;
    }
    times.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (median, uncertain) = times[times.len() / 2];
    let worst = times[times.len() - 1].0;
    figure(
        kind,
        &format!("hook edge to dial tone {median:.0} ms (median of 10, worst {worst:.0}, known to {uncertain:.0} ms)"),
    );
    wait::ensure(median <= TONE_AT_MOST, || format!("hook to dial tone takes {median:.0} ms, more than {TONE_AT_MOST}"))
}

/// Dial, talk, be called, lamps of others, messages, a call that waits.
///
/// Covers: feat.31
fn calls_and_lamps(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    let mut carol = office.peer(case, "102", OTHER_SONG)?;
    let begin = office.hand.clock()?;
    office.hand.see("key1", "off", begin, 10)?;
    office.hand.speak(WHISTLE)?;

    // It calls. The tone ends with the first digit, Bob's lamp flashes while he rings and is lit while he talks.
    let lifted = office.hand.lift()?;
    office.hand.hear(DIAL_TONE, lifted, 5)?;
    let dialled = office.hand.dial("101#")?;
    bob.phone.wait_line("ring on")?;
    let fast = office.hand.see("key1", "fast", dialled, 10)?;
    bob.phone.lift()?;
    let answered = office.hand.clock()?;
    office.hand.see("key1", "on", answered, 10)?;
    bob.phone.wait_calls(&["talking"])?;
    figure(kind, &format!("last key of the number to the other's lamp flashing {:.0} ms", ms(dialled, fast)));
    office.both_hear(&bob).map_err(|error| format!("the board calls: {error}"))?;

    // Mute is a key with a lamp: the time from one to the other, and silence at the far end.
    office.hand.ask("eye us=1000")?;
    let mut keys = Vec::new();
    for _ in 0..6 {
        let answer = office.hand.ask("latency key mute lamp mute")?;
        keys.push(number(&answer, "ms")?);
        wait::pass(60);
        office.hand.ask("key mute up")?;
        wait::pass(150);
    }
    office.hand.ask("eye us=10000")?;
    keys.sort_by(f64::total_cmp);
    figure(kind, &format!("key to lamp {:.0} ms (median of 6, worst {:.0})", keys[3], keys[5]));
    office.both_hear(&bob).map_err(|error| format!("after mute: {error}"))?;

    // Carol calls meanwhile: the second line flutters, a press of its key takes her and holds Bob.
    let waiting = office.hand.clock()?;
    carol.phone.call("100")?;
    office.hand.see("line2", "flutter", waiting, 10)?;
    let taken = office.hand.press("line2")?;
    carol.phone.wait_calls(&["talking"])?;
    office.hand.hear(OTHER_SONG, taken, 5)?;
    office.hand.see("line1", "slow", taken, 10)?;
    office.hand.see("line2", "on", taken, 10)?;
    let back = office.hand.press("line1")?;
    office.hand.hear(SONG, back, 5)?;
    carol.phone.put_down()?;
    carol.phone.wait_idle()?;
    let down = office.hand.clock()?;
    office.hand.see("line2", "off", down, 10)?;
    office.both_hear(&bob).map_err(|error| format!("back with the first: {error}"))?;
    office.hang_up(&mut bob)?;
    let down = office.hand.clock()?;
    office.hand.see("key1", "off", down, 10)?;
    office.hand.see("line1", "off", down, 10)?;

    // It is called: the bell, the line's lamp, and the caller in the ear.
    let calls = office.hand.clock()?;
    bob.phone.call("100")?;
    let rings = office.hand.see("line1", "fast", calls, 10)?;
    let bell = office.hand.ask(&format!("lamp bell from={calls}"))?;
    let rang = bell["edges"].as_array().is_some_and(|edges| !edges.is_empty());
    wait::ensure(rang || bell["lit"] == true, || format!("the bell does not ring: {bell}"))?;
    office.hand.lift()?;
    bob.phone.wait_calls(&["talking"])?;
    let dark = office.hand.clock()?;
    office.hand.see("bell", "off", dark, 10)?;
    office.both_hear(&bob).map_err(|error| format!("the board is called: {error}"))?;
    figure(kind, &format!("a call comes in: lamp flashing {:.0} ms after the caller's first digit", ms(calls, rings)));
    office.hang_up(&mut bob)?;

    // Messages.
    let told = office.hand.clock()?;
    office.pbx.messages("100", 2, 1)?;
    let lit = office.hand.see("message", "on", told, 10)?;
    figure(kind, &format!("message count to message lamp {:.0} ms", ms(told, lit)));
    let told = office.hand.clock()?;
    office.pbx.messages("100", 0, 3)?;
    office.hand.see("message", "off", told, 10)?;
    office.hand.be_silent()
}

/// baresip, which is nothing of ours, calls and is called, over Kamailio; the account comes from the boot partition.
fn real_peer(case: &Case, kind: Kind) -> Outcome {
    let _network = Network::start()?;
    let kamailio = kamailio::start_on(case, network::rig(), "MD5")?;
    let proxy = kamailio.address.to_string();
    let account = account::document(&[
        ("title", "100"),
        ("username", "100"),
        ("password", "pw100"),
        ("host", kamailio::DOMAIN),
        ("proxy", &proxy),
        ("transport", "udp"),
        ("codecOrder", "8"),
    ]);
    let mut board = Board::new(case, kind, "board")?;
    board.owner_file("accounts/100.xml", account)?;
    board.power_on(case)?;
    let mut hand = board.wait_for_hand()?;
    let mut baresip = baresip::start(case, &kamailio, "101", SONG, "PCMA", "udp")?;
    wait::until(
        kind.patience(),
        || Ok(hand.health()?.filter(|health| health["registered"] == true)),
        || "the board's phone is not registered at Kamailio".to_owned(),
    )?;
    hand.speak(WHISTLE)?;
    for board_calls in [true, false] {
        let begin = hand.clock()?;
        if board_calls {
            let lifted = hand.lift()?;
            hand.hear(DIAL_TONE, lifted, 5)?;
            hand.dial("101#")?;
            baresip.wait_event("CALL_INCOMING")?;
            baresip.command("accept", "")?;
        } else {
            baresip.command("dial", "100")?;
            hand.see("line1", "fast", begin, 10)?;
            hand.lift()?;
        }
        baresip.wait_event("CALL_ESTABLISHED")?;
        let now = hand.clock()?;
        hand.hear(SONG, now, 5)?;
        wait::pass(1200);
        one_of_several(|| {
            let (heard, rate) = baresip.ear()?;
            sound::ensure_tone("baresip", sound::tail(&heard, rate, 1.2), rate, f64::from(WHISTLE))
        })?;
        one_of_several(|| {
            let end = hand.clock()?;
            let ear = hand.ask(&format!("ear from={} until={end} hz={SONG}", end - 1200 * MS))?;
            let clear = ear["tones"][SONG.to_string()]["clear_db"].as_f64().unwrap_or(f64::NAN);
            figure(
                kind,
                &format!(
                    "baresip in the ear: {clear:.0} dB above all else, {} dB, longest gap {} ms",
                    ear["db"], ear["gap_ms"]
                ),
            );
            wait::ensure(clear >= CLEAR, || {
                format!("baresip stands only {clear:.0} dB above all else in the ear: {ear}")
            })
        })?;
        hand.put_down()?;
        baresip.wait_event("CALL_CLOSED")?;
        let now = hand.clock()?;
        hand.hear_silence(now, 5)?;
    }
    let complaints = kamailio.complaints();
    wait::ensure(complaints.is_empty(), || format!("Kamailio complained: {complaints:?}"))
}

/// The rotary dial, and a keypad that the kernel reads (evdev): both reach the same extension.
///
/// Covers: feat.130
fn dials_by_other_means(case: &Case, kind: Kind) -> Outcome {
    let mut office = Office::open(case, kind)?;
    let mut bob = office.peer(case, "101", SONG)?;
    // An emulator that stands still in the middle of a turn spoils it, and a spoilt turn is no digit: then once more.
    let mut rings = Err(String::new());
    for _ in 0..4 {
        let lifted = office.hand.lift()?;
        office.hand.hear(DIAL_TONE, lifted, 5)?;
        for digit in ["1", "0", "1"] {
            office.hand.ask(&format!("rotary {digit}"))?;
            wait::pass(400);
        }
        office.hand.press("#")?;
        rings = bob.phone.wait_line("ring on");
        office.hand.put_down()?;
        if rings.is_ok() {
            break;
        }
        let said = office.hand.run("journalctl -u offhookd --no-pager -o cat | grep -i dial", 20)?;
        rings = rings.map_err(|error| format!("by the dial: {error}; the log: {said}"));
    }
    rings?;
    bob.phone.wait_line("ring off")?;

    office.hand.ask("uinput create")?;
    wait::pass(1500);
    let lifted = time(&office.hand.ask("uinput key KEY_PHONE down")?, "at")?;
    office.hand.hear(DIAL_TONE, lifted, 5).map_err(|error| format!("KEY_PHONE: {error}"))?;
    for key in ["KEY_1", "KEY_0", "KEY_1", "KEY_NUMERIC_POUND"] {
        office.hand.ask(&format!("uinput key {key} press"))?;
        wait::pass(60);
    }
    bob.phone.wait_line("ring on").map_err(|error| format!("by the keypad: {error}"))?;
    // The keypad goes while it is lifted: somebody pulled the USB handset out.
    office.hand.ask("uinput remove")?;
    bob.phone.wait_line("ring off").map_err(|error| format!("a lifted USB handset was pulled out: {error}"))?;
    office.hand.lift()?;
    let now = office.hand.clock()?;
    office.hand.hear(DIAL_TONE, now, 5)?;
    office.hand.put_down().map(drop)
}
