//! What a service manager, an image and a factory have of the daemon: signs of life, health, silence on the memory card,
//! the self-test and the factory reset.

use super::together;
use crate::case::{Case, Outcome, daemon};
use crate::process::Process;
use crate::{Entry, offhook, pbxd, wait};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

pub(super) fn cases() -> Vec<Entry> {
    vec![
        together("service_manager_and_health", service_manager_and_health, &[]),
        together("killed_in_a_call_and_back", killed_in_a_call_and_back, &[]),
        together("an_idle_phone_writes_nothing", an_idle_phone_writes_nothing, &[]),
        together("self_test_as_json", self_test_as_json, &[]),
        together("factory_reset_by_keys", factory_reset_by_keys, &[]),
    ]
}

// As `map_err` wants it.
#[allow(clippy::needless_pass_by_value)]
fn text(error: impl ToString) -> String {
    error.to_string()
}

/// What the daemon tells its manager until it has said `wanted`.
fn told(manager: &UnixDatagram, wanted: &str) -> Outcome<Vec<String>> {
    let mut heard = Vec::new();
    let end = Instant::now() + Duration::from_secs(5);
    let mut buffer = [0; 1000];
    while Instant::now() < end {
        // The time-out of the socket is an error, too; the loop's end says what was waited for.
        let Ok(n) = manager.recv(&mut buffer) else { continue };
        heard.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
        if heard.last().is_some_and(|last| last.contains(wanted)) {
            return Ok(heard);
        }
    }
    Err(format!("never said {wanted}: {heard:?}"))
}

fn health(folder: &Path) -> Outcome<Value> {
    let bytes = std::fs::read(folder.join("health.json")).map_err(text)?;
    serde_json::from_slice(&bytes).map_err(text)
}

fn service_manager_and_health(case: &Case) -> Outcome {
    let (socket, runtime) = (case.path("notify"), case.path("runtime"));
    std::fs::create_dir_all(&runtime).map_err(text)?;
    let manager = UnixDatagram::bind(&socket).map_err(text)?;
    manager.set_read_timeout(Some(Duration::from_millis(200))).map_err(text)?;
    let mut pbx = pbxd::start(case)?;
    let mut phone = offhook::phone(case, "100")?
        .silent()
        .provision(pbx.url("100")?)
        .env("NOTIFY_SOCKET", &socket)
        .env("RUNTIME_DIRECTORY", &runtime)
        .env("WATCHDOG_USEC", "2000000")
        .start(case)?;
    told(&manager, "READY=1")?;
    phone.wait_registered()?;
    // Whether this machine has a network or not, a registered phone is healthy.
    let good = wait::until(
        5,
        || Ok(health(&runtime).ok().filter(|health| health["registered"] == true)),
        || format!("not healthy: {:?}", health(&runtime)),
    )?;
    wait::ensure(good["healthy"] == true && good["audio"] == true && good["board"] == "laptop", || good.to_string())?;
    // Signs of life come at least twice as often as they must.
    let _ = told(&manager, "STATUS=registered")?;
    let mut last = Instant::now();
    for _ in 0..6 {
        told(&manager, "WATCHDOG=1")?;
        wait::ensure(last.elapsed() < Duration::from_millis(1000), || format!("{:?} without a sign", last.elapsed()))?;
        last = Instant::now();
    }
    let before = std::fs::metadata(runtime.join("health.json")).and_then(|file| file.modified()).map_err(text)?;
    wait::pass(1500);
    let after = std::fs::metadata(runtime.join("health.json")).and_then(|file| file.modified()).map_err(text)?;
    wait::ensure(before == after, || "health.json is written without news".to_owned())?;
    phone.process.signal(rustix::process::Signal::TERM);
    told(&manager, "STOPPING=1")?;
    phone.process.wait(8)?;
    pbx.process.stop()?;
    Ok(())
}

fn killed_in_a_call_and_back(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let url = pbx.url("100")?.to_owned();
    let mut phone = offhook::phone(case, "100")?.silent().provision(&url).start(case)?;
    phone.wait_registered()?;
    phone.call("600")?;
    phone.wait_calls(&["talking"])?;
    phone.process.kill();
    let began = Instant::now();
    let mut again = offhook::phone(case, "100")?.silent().provision(&url).start(case)?;
    again.wait_registered()?;
    let took = began.elapsed();
    eprintln!("registered {} ms after a kill in a call", took.as_millis());
    // Three seconds are promised, and a service manager takes some of them.
    wait::ensure(took < Duration::from_secs(2), || format!("registered again only after {took:?}"))?;
    again.call("600")?;
    again.wait_calls(&["talking"])?;
    Ok(())
}

/// Every file of a folder with its time and size.
fn files(folder: &Path) -> Outcome<BTreeMap<String, (SystemTime, u64)>> {
    let entries = std::fs::read_dir(folder).map_err(text)?;
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry.map_err(text)?;
        let data = entry.metadata().map_err(text)?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), (data.modified().map_err(text)?, data.len()));
    }
    Ok(files)
}

/// What the process has sent to storage [octets].
fn written(process: &Process) -> Outcome<u64> {
    let path = format!("/proc/{}/io", process.id());
    let table = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let number = table.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.trim().parse().ok());
    number.ok_or_else(|| format!("{path} has no write_bytes"))
}

fn an_idle_phone_writes_nothing(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let options = offhook::phone(case, "100")?.silent().provision(pbx.url("100")?);
    let state = options.state.clone();
    let mut options = options;
    let mut phone = options.start(case)?;
    phone.wait_registered()?;
    wait::pass(1000);
    let (before, bytes) = (files(&state)?, written(&phone.process)?);
    wait::ensure(before.len() > 2, || format!("nothing was stored: {before:?}"))?;
    wait::pass(6000);
    let (after, more) = (files(&state)?, written(&phone.process)?);
    wait::ensure(before == after, || format!("files changed: {before:?}, {after:?}"))?;
    // What it logs here goes to a file of the test; on a phone it goes to the journal. Nothing is said while idle.
    wait::ensure(more == bytes, || format!("{} octets written", more - bytes))?;
    let mut pbx = pbx;
    wait::ensure(pbx.process.is_alive(), || "the PBX ended".to_owned())
}

fn self_test_as_json(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let test = |name: &str, more: &[&str]| -> Outcome<(Option<i32>, Value)> {
        let mut command = Command::new(daemon("offhookd")?);
        command.args(["--board", "laptop", "--self-test", "--json", "--audio", "none", "--log", "error"]).args(more);
        let mut process = Process::start(case, name, &mut command)?;
        let status = process.wait(60)?;
        let output = process.output();
        Ok((status.code(), serde_json::from_str(&output).map_err(|error| format!("{error}: {output}"))?))
    };
    let verdict = |report: &Value, name: &str| {
        let steps = report["steps"].as_array().cloned().unwrap_or_default();
        steps.iter().find(|step| step["name"] == name).map(|step| step["verdict"].clone()).unwrap_or_default()
    };
    let (_, report) = test("good", &["--provision", pbx.url("100")?])?;
    for (name, wanted) in
        [("keys", "skipped"), ("audio", "skipped"), ("provisioning", "passed"), ("registration", "passed")]
    {
        wait::ensure(verdict(&report, name) == wanted, || format!("{name} is not {wanted}: {report}"))?;
    }
    let (code, report) = test("bad", &["--provision", &format!("http://{}/provision/none", pbx.http)])?;
    wait::ensure(code == Some(1) && report["passed"] == false, || format!("{code:?}: {report}"))?;
    wait::ensure(verdict(&report, "provisioning") == "failed", || report.to_string())
}

/// Covers: feat.115
fn factory_reset_by_keys(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let runtime = case.path("runtime");
    std::fs::create_dir_all(&runtime).map_err(text)?;
    let mut alone = offhook::phone(case, "100")?.silent().provision(pbx.url("100")?);
    let state = alone.state.clone();
    let mut alone = alone.start(case)?;
    let mut managed = offhook::phone(case, "101")?
        .silent()
        .provision(pbx.url("101")?)
        .env("RUNTIME_DIRECTORY", &runtime)
        .start(case)?;
    for phone in [&mut alone, &mut managed] {
        phone.wait_registered()?;
        for key in ["*", "0", "#"] {
            phone.say(&format!("down {key}"))?;
        }
        phone.wait_view(3, "a countdown", |view| view["factory_reset"].as_u64().is_some_and(|seconds| seconds > 5))?;
    }
    // Nobody else forgets for the one: it does so itself and wants to be started again.
    let status = alone.process.wait(15)?;
    wait::ensure(status.code() == Some(3), || format!("ended with {status}"))?;
    wait::ensure(files(&state)?.is_empty(), || format!("left: {:?}", files(&state)))?;
    // The other's system is asked, and the phone goes on until that acts.
    wait::until(
        5,
        || Ok(runtime.join("factory-reset").exists().then_some(())),
        || "the system was not asked".to_owned(),
    )?;
    managed.wait_view(2, "life", |view| view["factory_reset"] == 0)?;
    Ok(())
}
