//! A process of a case: its own group, its output in files of the case's folder, ended with the case whatever happens.

use crate::case::{Case, Groups, Outcome};
use crate::wait;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    group: Pid,
    groups: Arc<Groups>,
    ended: Option<ExitStatus>,
    /// Standard output and standard error.
    pub(crate) out: PathBuf,
    pub(crate) log: PathBuf,
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Groups")
    }
}

impl Process {
    /// Starts `command` in a group of its own; its output goes to `<name>.out` and `<name>.log`.
    pub(crate) fn start(case: &Case, name: &str, command: &mut Command) -> Outcome<Self> {
        let file = append(&case.path(format!("{name}.out")))?;
        Self::start_into(case, name, command, file.into())
    }

    /// As `start`, with standard output elsewhere.
    pub(crate) fn start_into(case: &Case, name: &str, command: &mut Command, stdout: Stdio) -> Outcome<Self> {
        let (out, log) = (case.path(format!("{name}.out")), case.path(format!("{name}.log")));
        command.stdin(Stdio::null()).stdout(stdout).stderr(append(&log)?).process_group(0);
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let group = Pid::from_child(&child);
        let groups = case.groups();
        groups.add(group);
        Ok(Self { name: name.to_owned(), child, group, groups, ended: None, out, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended.is_none()
    }

    /// Everything on standard output so far.
    pub(crate) fn output(&self) -> String {
        read(&self.out)
    }

    /// Everything on standard error so far, without colours.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// Waits for a line on standard output that `wanted` accepts.
    pub(crate) fn wait_output<T>(&mut self, what: &str, mut wanted: impl FnMut(&str) -> Option<T>) -> Outcome<T> {
        let name = self.name.clone();
        let log = self.log.clone();
        wait::until(
            10,
            || match self.output().lines().find_map(&mut wanted) {
                Some(found) => Ok(Some(found)),
                None if self.is_alive() => Ok(None),
                None => {
                    Err(format!("{name} ended ({:?}) before it said {what}: {}", self.ended, last(&read(&self.log))))
                }
            },
            || format!("{name} did not say {what}: {}", last(&read(&log))),
        )
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process(self.group, signal);
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, seconds: u64) -> Outcome<ExitStatus> {
        let name = self.name.clone();
        let status = wait::until(
            seconds,
            || {
                let alive = self.is_alive();
                Ok(if alive { None } else { self.ended })
            },
            || format!("{name} did not end"),
        )?;
        self.clean();
        Ok(status)
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(&mut self) -> Outcome<ExitStatus> {
        self.signal(Signal::TERM);
        self.wait(10)
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait().map(|status| self.ended = Some(status));
        self.clean();
    }

    /// A number out of `/proc/<pid>/status`, such as `VmRSS` [KiB] or `Threads`.
    pub(crate) fn status(&self, field: &str) -> Outcome<u64> {
        let path = format!("/proc/{}/status", self.id());
        read(&PathBuf::from(&path))
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.split_whitespace().next()?.parse().ok())
            .ok_or_else(|| format!("{path} has no {field}"))
    }

    /// Open descriptors: what each points at, sorted.
    pub(crate) fn descriptors(&self) -> Outcome<Vec<String>> {
        let path = format!("/proc/{}/fd", self.id());
        let folder = std::fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?;
        let mut list: Vec<String> = folder
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            .collect();
        list.sort();
        Ok(list)
    }

    fn clean(&mut self) {
        // What it started may still live.
        let _ = kill_process_group(self.group, Signal::KILL);
        self.groups.remove(self.group);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_alive() {
            // Most save or close something when asked to end.
            self.signal(Signal::TERM);
            for _ in 0..100 {
                if !self.is_alive() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        self.kill();
    }
}

pub(crate) fn read(path: &PathBuf) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    plain(&text)
}

/// Without the escape sequences of colours.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

/// The last words of a log, on one line.
pub(crate) fn last(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}

fn append(path: &PathBuf) -> Outcome<File> {
    File::options().create(true).append(true).open(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A command for `program` that runs ahead of ordinary work where the system allows that, as the phone's own sound does:
/// what a busy machine does to the peers says nothing about the phone.
pub(crate) fn ahead(program: &Path) -> Command {
    let allowed = Command::new("chrt")
        .args(["-f", "20", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !allowed {
        return Command::new(program);
    }
    let mut command = Command::new("chrt");
    command.args(["-f", "20"]).arg(program);
    command
}
