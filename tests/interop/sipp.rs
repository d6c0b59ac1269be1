//! sipp with a scenario of ours.

use crate::case::{Case, Outcome, find};
use crate::ports;
use crate::process::{self, Process};
use std::net::SocketAddr;
use std::process::Command;

/// Makes `calls` calls to `target`, one after the other, each `milliseconds` long; all must succeed.
pub(crate) fn calls_in_a_row(case: &Case, name: &str, target: SocketAddr, calls: u32, milliseconds: u32) -> Outcome {
    let scenario = case.path("calls.xml");
    std::fs::write(&scenario, include_str!("data/sipp-calls.xml")).map_err(|error| error.to_string())?;
    let errors = case.path(format!("{name}.errors"));
    let mut command = Command::new(find("sipp").ok_or("no sipp")?);
    command.current_dir(&case.folder).arg("-sf").arg(&scenario).arg(target.to_string());
    let (own, media) = (ports::take(2), ports::take(2));
    for (option, value) in [
        ("-s", "phone".to_owned()),
        ("-i", target.ip().to_string()),
        ("-p", own.to_string()),
        ("-mi", target.ip().to_string()),
        ("-mp", media.to_string()),
        // Never more than one at a time, however fast they may begin.
        ("-l", "1".into()),
        ("-r", "100".into()),
        ("-m", calls.to_string()),
        ("-d", milliseconds.to_string()),
        ("-timer_resol", "1".into()),
        ("-error_file", errors.display().to_string()),
    ] {
        command.args([option, &value]);
    }
    command.args(["-nostdin", "-trace_err"]);
    let mut sipp = Process::start(case, name, &mut command)?;
    let status = sipp.wait(110)?;
    let output = sipp.output();
    let number = |what: &str| {
        let line = output.lines().rev().find(|line| line.trim_start().starts_with(what))?;
        line.rsplit('|').next()?.trim().parse::<u32>().ok()
    };
    match (number("Successful call"), number("Failed call")) {
        (Some(good), Some(0)) if good == calls && status.success() => Ok(()),
        (good, bad) => Err(format!(
            "sipp ended with {:?}: {good:?} of {calls} calls succeeded, {bad:?} failed; {}",
            status.code(),
            process::last(&process::read(&errors))
        )),
    }
}
