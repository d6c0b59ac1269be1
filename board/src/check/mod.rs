//! A board beside a machine: [`explain`] says what is wired where, [`missing`] what of it this machine has not got.
//! Both are for a person at a terminal (`offhookd --check-board`) and decide nothing about starting.

mod explain;
mod panel;
mod sound;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::machine::{Access, Machine};
use crate::{Board, PanelWiring};

pub use explain::explain;

/// The priority that the media thread asks for.
const REALTIME: u32 = 30;
/// What the daemon locks in memory at most [bytes].
const LOCKED_MEMORY: u64 = 64 << 20;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// the phone cannot be used as the board says
    Error,
    /// it can be used, and a part of it is missing or may come later
    Warning,
    /// worth knowing
    Note,
}

/// Something the board names and the machine has not got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// how bad it is
    pub severity: Severity,
    /// the entry of `board.toml`, such as `[panel.hook] pin`
    pub place: String,
    /// what is missing or wrong there
    pub problem: String,
    /// what to do
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "missing",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        write!(f, "{severity}: {}: {}", self.place, self.problem)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, ": {}", self.remedy) }
    }
}

/// What `board` names and `machine` has not got, the worst first, otherwise in the order of the board file.
pub fn missing(board: &Board, machine: &Machine) -> Vec<Finding> {
    let mut found = Findings::default();
    if let PanelWiring::Lines(wiring) = &board.panel {
        panel::missing(wiring, board, machine, &mut found);
    }
    sound::missing(&board.audio, machine, &mut found);
    watchdog(board, machine, &mut found);
    rights(machine, &mut found);
    for what in &machine.unknown {
        found.note("this machine", what.clone(), "run it as root to see that too");
    }
    found.0.sort_by_key(|finding| finding.severity);
    found.0
}

/// A list of findings in the making.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, place: impl Into<String>, problem: String, remedy: impl Into<String>) {
        self.0.push(Finding { severity, place: place.into(), problem, remedy: remedy.into() });
    }

    fn error(&mut self, place: impl Into<String>, problem: String, remedy: impl Into<String>) {
        self.add(Severity::Error, place, problem, remedy);
    }

    fn warning(&mut self, place: impl Into<String>, problem: String, remedy: impl Into<String>) {
        self.add(Severity::Warning, place, problem, remedy);
    }

    fn note(&mut self, place: impl Into<String>, problem: String, remedy: impl Into<String>) {
        self.add(Severity::Note, place, problem, remedy);
    }

    /// A device that is there but not for us.
    fn access(&mut self, severity: Severity, place: &str, device: &str, access: &Access, machine: &Machine) {
        match access {
            Access::Usable => {}
            Access::Denied { group: Some(group) } => {
                let user = &machine.rights.user;
                let problem = format!("{user} may not use {device}");
                self.add(
                    severity,
                    place,
                    problem,
                    format!("add the user to the group `{group}`: usermod -aG {group} {user}"),
                );
            }
            Access::Denied { group: None } => {
                let problem = format!("{} may not use {device}", machine.rights.user);
                self.add(severity, place, problem, "add a udev rule that gives it to a group, or run as root");
            }
            Access::Busy => {
                let problem = format!("another program has {device}");
                self.add(severity, place, problem, format!("stop it (`fuser {device}` names it)"));
            }
        }
    }
}

fn watchdog(board: &Board, machine: &Machine, found: &mut Findings) {
    let Some(wired) = &board.watchdog else { return };
    let Some(known) = machine.watchdogs.iter().find(|known| known.path == wired.device) else {
        let remedy = "load its driver (bcm2835_wdt on a Raspberry Pi, softdog anywhere), or remove [watchdog]";
        found.warning("[watchdog] device", format!("there is no {}", wired.device), remedy);
        return;
    };
    if let Some(longest) = known.longest_s.filter(|longest| *longest < wired.timeout_s) {
        let problem = format!("{} ({}) cannot wait for {} s", wired.device, known.identity, wired.timeout_s);
        found.warning("[watchdog] timeout_s", problem, format!("write timeout_s = {longest} or less"));
    }
}

fn rights(machine: &Machine, found: &mut Findings) {
    let rights = &machine.rights;
    if rights.realtime < REALTIME {
        let problem =
            format!("{} may not use real-time priority {REALTIME}, so a busy machine will be heard", rights.user);
        let remedy = format!("allow it in /etc/security/limits.d: `{} - rtprio {REALTIME}`", rights.user);
        found.warning("rights", problem, remedy);
    }
    if rights.locked_memory < LOCKED_MEMORY {
        let problem = format!(
            "{} may lock only {} KiB of memory, so swapping will be heard",
            rights.user,
            rights.locked_memory / 1024
        );
        let remedy =
            format!("allow it in /etc/security/limits.d: `{} - memlock {}`", rights.user, LOCKED_MEMORY / 1024);
        found.warning("rights", problem, remedy);
    }
}

/// `a`, `b` and `c`, or what to say if there is none.
fn list<S: AsRef<str>>(names: impl IntoIterator<Item = S>, none: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}
