//! The two daemons as a newcomer starts them: a PBX, phones that it provisions, and what they hear and show.

use super::{account_at, alone, together};
use crate::case::{Case, Outcome, Tool};
use crate::offhook::{self, Offhook};
use crate::pbxd::{self, Pbxd};
use crate::{Entry, ports, sound, wait};
use std::net::Ipv6Addr;

pub(super) fn cases() -> Vec<Entry> {
    vec![
        alone("first_call", first_call, &[]),
        alone("echo_and_tone", echo_and_tone, &[]),
        alone("stuck_terminal", stuck_terminal, &[Tool::Terminal]),
        alone("ipv6_call", ipv6_call, &[Tool::Ipv6]),
        alone("tcp_call", tcp_call, &[]),
        together("lamp_follows_a_call", lamp_follows_a_call, &[]),
        together("message_lamp", message_lamp, &[]),
        together("caller_gives_up", caller_gives_up, &[]),
        together("nobody_there", nobody_there, &[]),
    ]
}

/// A phone that speaks with `hz` and keeps what it hears in `<name>-ear.wav`.
fn speaking(case: &Case, name: &str, hz: f64) -> Outcome<offhook::Options> {
    let mouth = case.path(format!("{name}-mouth.wav"));
    sound::write_tone(&mouth, hz, 1)?;
    Ok(offhook::phone(case, name)?.files(&mouth, &case.path(format!("{name}-ear.wav"))))
}

/// The newest two seconds that the phone `name` has heard.
fn hears(case: &Case, name: &str, hz: f64) -> Outcome {
    let (samples, rate) = sound::read(&case.path(format!("{name}-ear.wav")))?;
    sound::ensure_tone(name, sound::tail(&samples, rate, 2.0), rate, hz)
}

/// A phone without sound that the PBX provisions.
fn provisioned(case: &Case, pbx: &Pbxd, user: &str) -> Outcome<Offhook> {
    let mut phone = offhook::phone(case, user)?.silent().provision(pbx.url(user)?).start(case)?;
    phone.wait_registered()?;
    Ok(phone)
}

/// 100 calls 101, they talk, 101 puts down.
fn talk(case: &Case, caller: &mut Offhook, called: &mut Offhook) -> Outcome {
    caller.wait_registered()?;
    called.wait_registered()?;
    caller.lift()?;
    caller.wait_line("tone dial")?;
    caller.dial("101#")?;
    called.wait_line("ring on")?;
    called.wait_view(5, "a lamp for the ringing line", |view| {
        view["lamps"]["line1"].as_str().is_some_and(|pattern| pattern != "off") && view["calls"][0]["peer"] == "100"
    })?;
    caller.wait_calls(&["ringing"])?;
    called.lift()?;
    caller.wait_calls(&["talking"])?;
    called.wait_calls(&["talking"])?;
    wait::pass(3500);
    hears(case, "100", 1000.0)?;
    hears(case, "101", 440.0)?;
    called.put_down()?;
    called.wait_idle()?;
    caller.wait_view(5, "the end of the call", |view| {
        view["calls"].as_array().is_some_and(|calls| calls.iter().all(|call| call["state"] == "ended"))
    })?;
    caller.put_down()?;
    caller.wait_idle()?;
    Ok(())
}

/// Covers: feat.1, feat.4, feat.85, feat.129, office.user.01
fn first_call(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut caller = speaking(case, "100", 440.0)?.provision(pbx.url("100")?).start(case)?;
    let mut called = speaking(case, "101", 1000.0)?.provision(pbx.url("101")?).start(case)?;
    talk(case, &mut caller, &mut called)?;
    // Passwords and tokens stay out of every log.
    for (user, phone) in [("100", &caller), ("101", &called)] {
        let password = pbx.password(user)?;
        let token = pbx.url(user)?.split_once("token=").map_or("", |(_, token)| token);
        // Not even a piece of it.
        let token = token.get(..12).ok_or("a short token")?;
        for (name, text) in [("phone", phone.process.log()), ("PBX", pbx.process.log())] {
            wait::ensure(!text.contains(&password), || format!("the password of {user} is in the {name}'s log"))?;
            wait::ensure(!text.contains(token), || format!("the token of {user} is in the {name}'s log"))?;
        }
    }
    Ok(())
}

fn ipv6_call(case: &Case) -> Outcome {
    let pbx = pbxd::start_on(case, Ipv6Addr::LOCALHOST.into(), ports::take(2))?;
    let mut caller = speaking(case, "100", 440.0)?.provision(pbx.url("100")?).start(case)?;
    let mut called = speaking(case, "101", 1000.0)?.provision(pbx.url("101")?).start(case)?;
    talk(case, &mut caller, &mut called)
}

/// Covers: axml.cred.10, hosted.advanced.06
fn tcp_call(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let (host, over_tcp) = (pbx.sip.to_string(), [("transport", "tcp")]);
    let account = account_at(&host, "100", &pbx.password("100")?, &over_tcp);
    let mut caller = speaking(case, "100", 440.0)?.account(&account)?.start(case)?;
    let account = account_at(&host, "101", &pbx.password("101")?, &over_tcp);
    let mut called = speaking(case, "101", 1000.0)?.account(&account)?.start(case)?;
    talk(case, &mut caller, &mut called)
}

fn echo_and_tone(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut phone = speaking(case, "100", 440.0)?.provision(pbx.url("100")?).start(case)?;
    phone.wait_registered()?;
    phone.lift()?;
    phone.wait_line("tone dial")?;
    wait::pass(1500);
    // What a lifted handset hears first.
    let (samples, rate) = sound::read(&case.path("100-ear.wav"))?;
    sound::ensure_tone("a lifted handset", sound::tail(&samples, rate, 0.6), rate, 425.0)?;
    for (number, hz) in [("600", 440.0), ("601", 1004.0)] {
        phone.call(number)?;
        phone.wait_calls(&["talking"])?;
        wait::pass(3500);
        hears(case, "100", hz).map_err(|error| format!("{number}: {error}"))?;
        phone.put_down()?;
        phone.wait_idle()?;
    }
    Ok(())
}

fn stuck_terminal(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut options = speaking(case, "100", 440.0)?.provision(pbx.url("100")?);
    let (mut phone, unread) = options.start_on_a_stuck_terminal(case)?;
    phone.wait_registered()?;
    phone.lift()?;
    phone.call("601")?;
    phone.wait_calls(&["talking"])?;
    // Pages enough to fill what lies between the screen and the reader that never comes.
    wait::pass(9000);
    let drawn = || rustix::io::ioctl_fionread(&unread).map_err(|error| error.to_string());
    let before = drawn()?;
    wait::pass(1000);
    let after = drawn()?;
    wait::ensure(before == after && after > 2048, || {
        format!("{before}, then {after} octets: the terminal is not stuck")
    })?;
    hears(case, "100", 1004.0)?;
    phone.put_down()?;
    phone.wait_idle()?;
    Ok(())
}

/// Covers: feat.29, axml.blf.01
fn lamp_follows_a_call(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut watcher = provisioned(case, &pbx, "102")?;
    let mut caller = provisioned(case, &pbx, "100")?;
    let mut called = provisioned(case, &pbx, "101")?;
    // The PBX gives 102 lamp keys for 100 and 101, in this order.
    let lamp = |wanted: &'static [&'static str], key: &'static str| {
        move |view: &serde_json::Value| view["lamps"][key].as_str().is_some_and(|pattern| wanted.contains(&pattern))
    };
    watcher.wait_view(10, "both lamps off", |view| lamp(&["off"], "key1")(view) && lamp(&["off"], "key2")(view))?;
    caller.call("101")?;
    called.wait_line("ring on")?;
    let ringing = watcher.wait_view(5, "101 ringing", |view| !lamp(&["off", "on"], "key2")(view))?;
    wait::ensure(ringing["lamps"]["key2"].is_string(), || "there is no lamp key2".into())?;
    called.lift()?;
    watcher.wait_view(5, "100 and 101 busy", |view| lamp(&["on"], "key1")(view) && lamp(&["on"], "key2")(view))?;
    caller.put_down()?;
    watcher
        .wait_view(5, "both lamps off again", |view| lamp(&["off"], "key1")(view) && lamp(&["off"], "key2")(view))?;
    called.put_down()?;
    // The lamp key dials.
    watcher.press("key2")?;
    called.wait_line("ring on")?;
    called.lift()?;
    watcher.wait_calls(&["talking"])?;
    called.put_down()?;
    called.wait_idle()?;
    Ok(())
}

fn message_lamp(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut phone = provisioned(case, &pbx, "100")?;
    let count = |new: u32, old: u32| {
        move |view: &serde_json::Value| view["messages"]["new"] == new && view["messages"]["old"] == old
    };
    phone.wait_view(10, "no messages", |view| view["lamps"]["message"] == "off" && count(0, 0)(view))?;
    pbx.messages("100", 2, 1)?;
    phone.wait_view(5, "two new messages", |view| view["lamps"]["message"] != "off" && count(2, 1)(view))?;
    pbx.messages("100", 0, 3)?;
    phone.wait_view(5, "no new messages", |view| view["lamps"]["message"] == "off" && count(0, 3)(view))?;
    Ok(())
}

fn caller_gives_up(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut caller = provisioned(case, &pbx, "100")?;
    let mut called = provisioned(case, &pbx, "101")?;
    caller.call("101")?;
    called.wait_line("ring on")?;
    caller.put_down()?;
    called.wait_line("ring off")?;
    called.wait_view(5, "a missed call", |view| view["missed"] == 1)?;
    called.wait_idle()?;
    caller.wait_idle()?;
    // The called one is busy: the caller hears so.
    called.lift()?;
    called.wait_line("tone dial")?;
    let mut third = provisioned(case, &pbx, "102")?;
    called.dial("600#")?;
    called.wait_calls(&["talking"])?;
    third.call("100")?;
    caller.wait_line("ring on")?;
    third.put_down()?;
    caller.wait_line("ring off")?;
    called.put_down()?;
    called.wait_idle()?;
    Ok(())
}

fn nobody_there(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut phone = provisioned(case, &pbx, "100")?;
    // 101 has no phone, 999 is nobody's number: a tone says so, putting down ends it.
    for number in ["101", "999"] {
        phone.call(number)?;
        phone.wait_line_where("call … ended", |line| line.starts_with("call ") && line.ends_with(" ended"))?;
        let view = phone.wait_view(5, "a tone after the call", |view| view["tone"].is_string())?;
        wait::ensure(view["tone"] != "dial", || format!("{number}: the tone is {}", view["tone"]))?;
        phone.put_down()?;
        phone.wait_idle()?;
    }
    Ok(())
}
