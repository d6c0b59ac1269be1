//! Starting, ending, dying and coming back.

use super::{account_at, together};
use crate::case::{Case, Outcome, daemon};
use crate::offhook;
use crate::process::Process;
use crate::{Entry, account, http, pbxd, ports, wait};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;

pub(super) fn cases() -> Vec<Entry> {
    vec![
        together("exit_codes", exit_codes, &[]),
        together("pbx_restarts", pbx_restarts, &[]),
        together("phone_dies_in_a_call", phone_dies_in_a_call, &[]),
        together("provisioning_turns_bad", provisioning_turns_bad, &[]),
        together("state_folder_away", state_folder_away, &[]),
    ]
}

fn exit_codes(case: &Case) -> Outcome {
    // Asked to end, both end well; the phone also in a call.
    for signal in [Signal::TERM, Signal::INT] {
        let mut pbx = pbxd::start(case)?;
        let mut phone = offhook::phone(case, "100")?.silent().provision(pbx.url("100")?).start(case)?;
        phone.wait_registered()?;
        phone.call("600")?;
        phone.wait_calls(&["talking"])?;
        for (name, process) in [("offhookd", &mut phone.process), ("pbxd", &mut pbx.process)] {
            process.signal(signal);
            let status = process.wait(8)?;
            wait::ensure(status.code() == Some(0), || format!("{name} ended with {status} after {signal:?}"))?;
        }
    }

    let pbx = pbxd::start(case)?;
    let mut control = offhook::phone(case, "taken")?.silent().control(Some(([127, 0, 0, 1], ports::take(2)).into()));
    let mut phone = control.start(case)?;
    let state = |name: &str| case.path(name).display().to_string();
    let file = case.path("file");
    std::fs::write(&file, "this is no account").map_err(|error| error.to_string())?;
    let (sip, http) = (pbx.sip.to_string(), pbx.http.to_string());
    let free = format!("127.0.0.1:{}", ports::take(2));
    let taken_control = control_address(&phone.process)?;
    let new = ["--board", "laptop", "--control", "off", "--audio", "none", "--state"];
    let with = |more: &[&str]| -> Vec<String> {
        new.iter().map(ToString::to_string).chain([state("new")]).chain(more.iter().map(ToString::to_string)).collect()
    };
    let own = |args: &[&str]| -> Vec<String> { args.iter().map(ToString::to_string).collect() };
    // program, arguments, status, words that the line must have
    let tries: Vec<(&str, Vec<String>, i32, Vec<String>)> = vec![
        ("offhookd", own(&[]), 2, vec!["--help".into()]),
        ("offhookd", with(&["--nonsense"]), 2, vec!["--nonsense".into()]),
        ("offhookd", with(&["--log", "loud"]), 2, vec!["loud".into()]),
        ("offhookd", own(&["--board", "laptop"]), 2, vec!["--state".into()]),
        ("offhookd", own(&["--board", "no-such-board", "--state", &state("new")]), 1, vec!["no-such-board".into()]),
        ("offhookd", with(&["--account", &state("absent.xml")]), 1, vec!["absent.xml".into()]),
        ("offhookd", with(&["--control", &taken_control]), 1, vec![taken_control.clone(), "--control".into()]),
        ("offhookd", with(&["--bench", "/nonexistent/bench"]), 1, vec!["/nonexistent/bench".into()]),
        (
            "offhookd",
            own(&["--board", "laptop", "--control", "off", "--audio", "none", "--state", &state("taken")]),
            1,
            vec![state("taken"), "--state".into()],
        ),
        (
            "offhookd",
            own(&["--board", "laptop", "--audio", "none", "--state", &state("file")]),
            1,
            vec!["--state".into()],
        ),
        ("pbxd", own(&[]), 2, vec!["--state".into()]),
        ("pbxd", own(&["--state", &state("p"), "--sip", "everywhere"]), 2, vec!["everywhere".into()]),
        ("pbxd", own(&["--state", &state("p"), "--sip", &sip, "--http", &free]), 1, vec![sip.clone(), "--sip".into()]),
        (
            "pbxd",
            own(&["--state", &state("p"), "--sip", &free, "--http", &http]),
            1,
            vec![http.clone(), "--http".into()],
        ),
        ("pbxd", own(&["--state", &state("pbx"), "--sip", &free, "--http", &free]), 1, vec!["--state".into()]),
    ];
    for (at, (program, arguments, code, words)) in tries.into_iter().enumerate() {
        let what = format!("{program} {}", arguments.join(" "));
        let mut process = Process::start(case, &format!("try{at}"), Command::new(daemon(program)?).args(&arguments))?;
        let status = process.wait(8).map_err(|error| format!("{what}: {error}"))?;
        let log = process.log();
        let lines: Vec<&str> = log.lines().collect();
        wait::ensure(status.code() == Some(code), || format!("{what}: ended with {status}, not {code}: {log}"))?;
        wait::ensure(lines.len() == 1, || format!("{what}: said {} lines, not one: {log}", lines.len()))?;
        for word in words {
            wait::ensure(log.contains(&word), || format!("{what}: its line does not name {word}: {log}"))?;
        }
    }
    // The one whose folder and port were tried is unharmed.
    phone.view()?;
    Ok(())
}

/// The value of `--control` that the process was started with.
fn control_address(process: &Process) -> Outcome<String> {
    let path = format!("/proc/{}/cmdline", process.id());
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    text.split('\0').skip_while(|word| *word != "--control").nth(1).map(str::to_owned).ok_or("no --control".into())
}

fn pbx_restarts(case: &Case) -> Outcome {
    let mut pbx = pbxd::start(case)?;
    let mut over_udp = offhook::phone(case, "100")?.silent().provision(pbx.url("100")?).start(case)?;
    let account = account_at(&pbx.sip.to_string(), "101", &pbx.password("101")?, &[("transport", "tcp")]);
    let mut over_tcp = offhook::phone(case, "101")?.silent().account(&account)?.start(case)?;
    over_udp.wait_registered()?;
    over_tcp.wait_registered()?;
    let url = pbx.url("100")?.to_owned();
    let log = pbx.process.log.clone();
    let registrations = || crate::process::read(&log).matches("101 is registered").count();
    let before = registrations();
    // The power goes, and comes back.
    pbx.process.kill();
    wait::pass(500);
    let pbx = pbxd::start_on(case, pbx.sip.ip(), pbx.sip.port())?;
    wait::ensure(pbx.url("100")? == url, || "the user's URL is another after the restart".into())?;
    // The one over TCP notices by itself and registers again, within the half minute of RFC 5626 section 4.5; the one over
    // UDP has nothing to notice, but its nonce is unknown now.
    wait::until(
        60,
        || Ok((registrations() > before).then_some(())),
        || format!("101 did not register again: {}", crate::process::last(&crate::process::read(&log))),
    )?;
    over_tcp.wait_registered()?;
    over_tcp.forget();
    over_udp.call("101")?;
    over_tcp.wait_line("ring on")?;
    over_tcp.lift()?;
    over_udp.wait_calls(&["talking"])?;
    over_tcp.put_down()?;
    over_tcp.wait_idle()?;
    over_udp.put_down()?;
    over_udp.wait_idle()?;
    Ok(())
}

fn phone_dies_in_a_call(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let document = pbx.document("100")?;
    // Its provisioning is our own server, so that we can take it away.
    let server = http::serve(without(&document, &["extProvUrl", "extProvInterval"]))?;
    let mut options = offhook::phone(case, "100")?.silent().provision(&server.url("100.xml"));
    let mut phone = options.start(case)?;
    let mut other = offhook::phone(case, "101")?.silent().provision(pbx.url("101")?).start(case)?;
    phone.wait_registered()?;
    other.wait_registered()?;
    // A setting of its own.
    let before = phone.view()?["volume"].clone();
    phone.press("volume-")?;
    phone.press("volume-")?;
    let changed = phone.wait_view(5, "another volume", |view| view["volume"] != before)?;
    wait::pass(500);
    let changed = phone.view().map(|view| view["volume"].clone()).unwrap_or(changed["volume"].clone());
    phone.call("101")?;
    other.wait_line("ring on")?;
    other.lift()?;
    phone.wait_calls(&["talking"])?;
    wait::pass(2500);
    phone.process.kill();
    // Whoever was talking to it is not stuck.
    other.put_down()?;
    other.wait_idle()?;
    // The server is gone as well: what it said is still known.
    server.give(503, "");
    let mut phone = options.start(case)?;
    phone.wait_registered()?;
    let view = phone.view()?;
    wait::ensure(view["volume"] == changed, || format!("the volume was {changed} and is {}", view["volume"]))?;
    wait::ensure(view["calls"] == serde_json::json!([]), || format!("it thinks of a call: {}", view["calls"]))?;
    other.call("100")?;
    phone.wait_line("ring on")?;
    phone.lift()?;
    other.wait_calls(&["talking"])?;
    phone.put_down()?;
    phone.wait_idle()?;
    Ok(())
}

/// In a call, the servers of four phones begin to answer badly, each in its own way: every phone stays as it is and says
/// why. Where the server is well again, its document counts again.
///
/// Covers: feat.87, feat.88, axml.prov.01, axml.prov.02
fn provisioning_turns_bad(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let plain = without(&pbx.document("100")?, &["extProvUrl", "extProvInterval", "title"]);
    let titled = |title: &str, url: &str| {
        let nodes = account::document(&[("title", title), ("extProvUrl", url), ("extProvInterval", "5")]);
        let nodes = nodes.split_once("<account>").map_or("", |(_, nodes)| nodes).replace("</account>", "");
        plain.replace("</account>", &format!("{nodes}</account>"))
    };
    let half = plain.as_bytes()[..plain.len() / 2].to_vec();
    // what is wrong, status, body, words that the notice must have
    let bad = [
        ("cut", 200, half, "line "),
        ("senseless", 200, b"<html><body>Please log in<br></body></html>".to_vec(), "line "),
        ("large", 200, vec![b' '; 3 << 20], "large"),
        ("failing", 500, b"no".to_vec(), "500"),
    ];
    let mut phones = Vec::new();
    for (what, ..) in &bad {
        let server = http::serve("")?;
        let url = server.url("account.xml");
        server.give(200, titled("Reception", &url));
        let mut phone = offhook::phone(case, what)?.silent().provision(&url).start(case)?;
        phone.wait_registered()?;
        phone.wait_view(5, "its title", |view| view["accounts"][0]["title"] == "Reception")?;
        let good = phone.view()?["accounts"].clone();
        phone.call("600")?;
        phone.wait_calls(&["talking"])?;
        phones.push((phone, server, url, good));
    }
    for ((what, status, body, words), (phone, server, _, good)) in bad.into_iter().zip(&mut phones) {
        server.give(status, body);
        let view = phone.wait_view(15, &format!("{words:?} in a notice ({what})"), |view| {
            view["notice"].as_str().is_some_and(|notice| notice.contains(words))
        })?;
        wait::ensure(view["accounts"] == *good, || format!("{what}: the account changed: {}", view["accounts"]))?;
        wait::ensure(view["calls"][0]["state"] == "talking", || format!("{what}: the call: {}", view["calls"]))?;
    }
    for (phone, server, url, _) in &mut phones {
        phone.put_down()?;
        phone.wait_idle()?;
        server.give(200, titled("Front desk", url));
    }
    let Some((phone, ..)) = phones.last_mut() else { return Ok(()) };
    phone.wait_view(40, "the new title", |view| view["accounts"][0]["title"] == "Front desk")?;
    phone.wait_registered()?;
    Ok(())
}

/// The state folder goes while somebody changes a setting, as a memory card does that has come loose: the phone says so as
/// long as it lasts, and writes when the folder is there again.
fn state_folder_away(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut options = offhook::phone(case, "100")?.silent().provision(pbx.url("100")?);
    let mut phone = options.start(case)?;
    phone.wait_registered()?;
    wait::pass(500);
    let (state, away) = (options.state.clone(), case.path("away"));
    let moved = |from: &Path, to: &Path| std::fs::rename(from, to).map_err(|error| format!("{}: {error}", from.display()));
    moved(&state, &away)?;
    // do not disturb
    phone.press("soft3")?;
    let view = phone.wait_view(10, "the trouble", |view| view["unsaved"].is_string())?;
    let (text, notice) = (view["unsaved"].as_str().unwrap_or_default(), &view["notice"]);
    wait::ensure(text.contains("account-1.xml") && text.contains("state folder"), || format!("it says: {text}"))?;
    wait::ensure(notice == text, || format!("the notice is {notice}"))?;
    moved(&away, &state)?;
    let view = phone.wait_view(20, "its end", |view| view["unsaved"].is_null())?;
    wait::ensure(view["notice"] == "everything is saved again", || format!("the notice is {}", view["notice"]))?;
    phone.process.kill();
    let mut phone = options.start(case)?;
    phone.wait_registered()?;
    let view = phone.view()?;
    wait::ensure(view["do_not_disturb"] == true, || "what was changed meanwhile is lost".to_owned())
}

/// The document without some nodes.
fn without(xml: &str, nodes: &[&str]) -> String {
    let mut xml = xml.to_owned();
    for name in nodes {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        if let (Some(from), Some(to)) = (xml.find(&open), xml.find(&close)) {
            xml.replace_range(from..to + close.len(), "");
        }
    }
    xml
}
