//! The phone: `offhookd` with a bench socket, a hand on its keys and an eye on what it shows.

use crate::case::{self, Case, Outcome};
use crate::process::Process;
use crate::wait;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a phone is started.
#[derive(Debug)]
pub(crate) struct Options {
    command: Command,
    name: String,
    socket: PathBuf,
    pub(crate) state: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Offhook {
    pub(crate) process: Process,
    name: String,
    bench: UnixStream,
    heard: Arc<Mutex<Heard>>,
    /// How many lines `wait_line` has gone past.
    seen: usize,
}

#[derive(Debug, Default)]
struct Heard {
    /// What happened, in order.
    lines: Vec<String>,
    /// Answers to `view`.
    views: Vec<String>,
    closed: bool,
}

/// A phone on the laptop board, without sound and control API until told otherwise.
pub(crate) fn phone(case: &Case, name: &str) -> Outcome<Options> {
    let mut command = Command::new(case::daemon("offhookd")?);
    let (socket, state) = (case.path(format!("{name}.sock")), case.path(name));
    command.args(["--board", "laptop", "--screen", "off", "--log", "debug"]);
    command.arg("--state").arg(&state).arg("--bench").arg(&socket);
    Ok(Options { command, name: name.to_owned(), socket, state })
}

impl Options {
    pub(crate) fn option(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.arg(name).arg(value);
        self
    }

    pub(crate) fn provision(self, url: &str) -> Self {
        self.option("--provision", url)
    }

    /// Writes the document beside the state and names it.
    pub(crate) fn account(self, xml: &str) -> Outcome<Self> {
        let path = self.state.with_extension("xml");
        std::fs::write(&path, xml).map_err(|error| error.to_string())?;
        Ok(self.option("--account", &path))
    }

    pub(crate) fn silent(self) -> Self {
        self.option("--audio", "none")
    }

    /// Speaks from one file and listens into another.
    pub(crate) fn files(self, input: &Path, output: &Path) -> Self {
        let value = format!("{},{}", input.display(), output.display());
        self.option("--audio", value)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn control(self, address: Option<SocketAddr>) -> Self {
        let value = address.map_or("off".to_owned(), |address| address.to_string());
        self.option("--control", value)
    }

    /// Starts it and waits until it says `ready`.
    pub(crate) fn start(&mut self, case: &Case) -> Outcome<Offhook> {
        let Self { command, name, .. } = self;
        if !command.get_args().any(|arg| arg == "--control") {
            command.args(["--control", "off"]);
        }
        // Output of an earlier life must not be taken for this one's.
        let _ = std::fs::remove_file(case.path(format!("{name}.out")));
        let mut process = Process::start(case, name, command)?;
        process.wait_output("ready", |line| (line == "ready").then_some(()))?;
        self.attach(case, process)
    }

    /// Starts it with its screen on a terminal that nobody reads; answers the end of the terminal's output, full or not.
    pub(crate) fn start_on_a_stuck_terminal(&mut self, case: &Case) -> Outcome<(Offhook, std::io::PipeReader)> {
        let text = |error: std::io::Error| error.to_string();
        let quoted = |arg: &OsStr| format!("'{}'", arg.to_string_lossy().replace('\'', "'\\''"));
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args()).map(quoted);
        let line = words.collect::<Vec<_>>().join(" ").replace("'--screen' 'off'", "'--screen' 'on'");
        let (unread, output) = std::io::pipe().map_err(text)?;
        rustix::pipe::fcntl_setpipe_size(&output, 4096).map_err(|error| error.to_string())?;
        // Somebody leans on the Tab key, so that there is always a page to draw.
        let script = format!("stty rows 24 cols 80; exec {line} --control off").replace('\'', "'\\''");
        let mut shell = Command::new("sh");
        shell
            .env("TERM", "xterm")
            .args(["-c", &format!("(while sleep 0.03; do printf '\\t'; done) | script -qfec '{script}' /dev/null")]);
        let process = Process::start_into(case, &format!("{}-terminal", self.name), &mut shell, output.into())?;
        let socket = self.socket.clone();
        wait::until(10, || Ok(socket.exists().then_some(())), || "no bench socket".to_owned())?;
        Ok((self.attach(case, process)?, unread))
    }

    fn attach(&self, case: &Case, process: Process) -> Outcome<Offhook> {
        let Self { name, socket, .. } = self;
        let bench = UnixStream::connect(socket).map_err(|error| format!("{name}: bench socket: {error}"))?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let from = bench.try_clone().map_err(|error| error.to_string())?;
        let into = Arc::clone(&heard);
        let record = case.path(format!("{name}.bench"));
        std::thread::spawn(move || {
            let mut record = std::fs::File::options().create(true).append(true).open(record).ok();
            let begin = std::time::Instant::now();
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                if let Some(file) = &mut record {
                    let _ = writeln!(file, "{:9.3} {line}", begin.elapsed().as_secs_f64());
                }
                let mut heard = into.lock().unwrap();
                if line.starts_with('{') { heard.views.push(line) } else { heard.lines.push(line) }
            }
            into.lock().unwrap().closed = true;
        });
        Ok(Offhook { process, name: name.clone(), bench, heard, seen: 0 })
    }
}

impl Offhook {
    pub(crate) fn say(&mut self, line: &str) -> Outcome {
        writeln!(self.bench, "{line}").map_err(|error| format!("{}: bench socket: {error}", self.name))
    }

    /// Waits for a line after the last one waited for; what comes in between is passed over.
    pub(crate) fn wait_line(&mut self, wanted: &str) -> Outcome<String> {
        self.wait_line_where(wanted, |line| line == wanted)
    }

    pub(crate) fn wait_line_where(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Outcome<String> {
        let heard = Arc::clone(&self.heard);
        let (name, from) = (&self.name, self.seen);
        let (at, line) = wait::until(
            10,
            || {
                let heard = heard.lock().unwrap();
                if heard.lines[from..].iter().any(|line| line.starts_with("error")) {
                    return Err(format!("{name} said {:?}", &heard.lines[from..]));
                }
                let at = heard.lines[from..].iter().position(|line| wanted(line));
                if at.is_none() && heard.closed {
                    return Err(format!("{name} is gone before it said {what:?}"));
                }
                Ok(at.map(|at| (from + at, heard.lines[from + at].clone())))
            },
            || format!("{name} did not say {what:?} but {:?}", &heard.lock().unwrap().lines[from..]),
        )?;
        self.seen = at + 1;
        Ok(line)
    }

    /// Forgets what was said so far.
    pub(crate) fn forget(&mut self) {
        self.seen = self.heard.lock().unwrap().lines.len();
    }

    pub(crate) fn view(&mut self) -> Outcome<Value> {
        let known = self.heard.lock().unwrap().views.len();
        self.say("view")?;
        let (heard, name) = (Arc::clone(&self.heard), &self.name);
        let line = wait::until(
            5,
            || {
                let heard = heard.lock().unwrap();
                if heard.closed {
                    return Err(format!("{name} is gone"));
                }
                Ok(heard.views.get(known).cloned())
            },
            || format!("{name} did not answer view"),
        )?;
        serde_json::from_str(&line).map_err(|error| format!("{name}: view is not JSON: {error}"))
    }

    /// Looks at the view until it is as wanted.
    pub(crate) fn wait_view(&mut self, seconds: u64, what: &str, wanted: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let name = self.name.clone();
        let last = std::cell::RefCell::new(Value::Null);
        wait::until(
            seconds,
            || {
                // A view takes the phone's time: look less often.
                std::thread::sleep(Duration::from_millis(20));
                let view = self.view()?;
                let found = wanted(&view).then(|| view.clone());
                last.replace(view);
                Ok(found)
            },
            || format!("{name} does not show {what}: {}", last.borrow()),
        )
    }

    pub(crate) fn wait_registered(&mut self) -> Outcome<Value> {
        self.wait_view(15, "a registered account", |view| view["accounts"][0]["state"] == "registered")
    }

    pub(crate) fn wait_calls(&mut self, states: &[&str]) -> Outcome<Value> {
        let what = format!("calls {states:?}");
        self.wait_view(10, &what, |view| {
            view["calls"].as_array().is_some_and(|calls| {
                calls.len() == states.len() && calls.iter().zip(states).all(|(call, state)| call["state"] == *state)
            })
        })
    }

    /// No call, no sound, handset down: as before a call.
    pub(crate) fn wait_idle(&mut self) -> Outcome<Value> {
        self.wait_view(10, "an idle phone", |view| {
            view["calls"].as_array().is_some_and(Vec::is_empty)
                && view["ringing"] == false
                && view["tone"].is_null()
                && view["dialling"].is_null()
                && view["hook"] != "off"
        })
    }

    /// Where it takes SIP.
    pub(crate) fn address(&mut self) -> Outcome<SocketAddr> {
        let view = self.wait_view(10, "a local address", |view| view["accounts"][0]["local"].is_string())?;
        view["accounts"][0]["local"].as_str().and_then(|text| text.parse().ok()).ok_or("no local address".into())
    }

    pub(crate) fn lift(&mut self) -> Outcome {
        self.say("hook off")
    }

    pub(crate) fn put_down(&mut self) -> Outcome {
        self.say("hook on")
    }

    pub(crate) fn press(&mut self, key: &str) -> Outcome {
        self.say(&format!("press {key} 60ms"))
    }

    /// One key after the other.
    pub(crate) fn dial(&mut self, number: &str) -> Outcome {
        number.chars().try_for_each(|key| self.press(&key.to_string()))
    }

    /// Lifts, dials and sends.
    pub(crate) fn call(&mut self, number: &str) -> Outcome {
        self.lift()?;
        self.dial(number)?;
        self.press("#")
    }
}
