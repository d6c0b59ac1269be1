//! Requests to answers.

use crate::answers;
use crate::clock::{self, MS};
use crate::contacts::{self, Done, Fingers, Wires};
use crate::ear::Ear;
use crate::eye::Eye;
use crate::freeze::Frozen;
use crate::hold_up::HoldUps;
use crate::keypad::{self, Keypad};
use crate::lines::Lines;
use crate::mouth::{Mouth, Sound};
use crate::request::{Outcome, Request, frequencies};
use crate::sim::Sim;
use crate::wiring::{BackEnd, Wiring};
use crate::{card, process, system};
use serde_json::{Value, json};
use std::sync::Arc;

/// Everything there is to ask.
const REQUESTS: &[&str] = &[
    "hook lift|cradle",
    "jack in|out",
    "key <name> down|up|press [ms=80]",
    "keys <name>… down|up",
    "dial <digits> [ms=60] [gap=60]",
    "bounce hook|<key> edges=<n> us=<n> [end=lift|cradle|down|up]",
    "rotary <digit> [rate=10] [break=60]",
    "uinput create [name=…] | remove | key <code> down|up|press [ms=80] | headset in|out",
    "lamps",
    "lamp <name> [from=] [until=]",
    "lamp-wait <name> <pattern> [from=] [within=10000]",
    "eye us=<period> | off",
    "tone <hz>[+<hz>] [db=-15] [ms=0] | off",
    "ear [from=] [until=] [hz=<hz>,…] [gap=-50] [frames=1]",
    "ear-wait tone <hz> [from=] [within=10000] [for=200] [clear=10]",
    "ear-wait sound [db=-50] [from=] [within=10000]",
    "ear-wait silence [db=-50] [for=200] [from=] [within=10000]",
    "save <file> [from=] [until=]",
    "held [from=] [until=]",
    "latency hook lift|cradle sound [db=-50] [within=2000]",
    "latency hook lift|cradle lamp <lamp> | key <name> lamp <lamp> [within=2000]",
    "process <name> [kill] [signal=<n>]",
    "process-wait <name> [not=<pid>] [within=10000]",
    "thread <process> <thread> freeze|thaw",
    "disks",
    "device sound|gpio remove|return",
    "read <file>",
    "run [within=30000] <command line>",
    "start <command line>",
    "reboot [now]",
    "wait <ms>",
    "clock",
    "about",
    "help",
];

/// One hand with eye, ear and mouth.
#[derive(Debug)]
pub(crate) struct Hand {
    pub(crate) wiring: Wiring,
    pub(crate) fingers: Fingers,
    pub(crate) eye: Arc<Eye>,
    pub(crate) ear: Arc<Ear>,
    hold_ups: Arc<HoldUps>,
    mouth: Mouth,
    keypad: Keypad,
    frozen: Frozen,
    sim: Option<Arc<Sim>>,
}

impl Hand {
    /// Takes hold of what the wiring names; contacts are left as if nobody touched the phone. Sound cards may come later.
    ///
    /// # Errors
    /// A GPIO chip or line that cannot be had, with what to do.
    pub(crate) fn open(wiring: Wiring) -> Outcome<Self> {
        let eye = Arc::new(Eye::new(wiring.lamps.keys()));
        let (wires, sim): (Box<dyn Wires>, _) = match wiring.back_end {
            BackEnd::Sim => {
                let sim = Sim::open(&wiring, &eye)?;
                (Box::new(Arc::clone(&sim)), Some(sim))
            }
            BackEnd::Lines => {
                // Edges come by themselves.
                eye.set_step(0);
                (Box::new(Lines::open(&wiring, &eye)?), None)
            }
        };
        let fingers = Fingers::new(wires);
        fingers.let_go(&wiring)?;
        let sound = wiring.sound.clone();
        let ear = Ear::start(sound.as_ref().map(|sound| sound.ear.clone()));
        let hold_ups = HoldUps::start();
        let mouth = Mouth::start(sound.map(|sound| sound.mouth), Arc::clone(&hold_ups));
        Ok(Self {
            wiring,
            fingers,
            eye,
            ear,
            hold_ups,
            mouth,
            keypad: Keypad::default(),
            frozen: Frozen::default(),
            sim,
        })
    }

    /// Does what a line asks for.
    pub(crate) fn answer(&self, line: &str) -> Value {
        match self.perform(line) {
            Ok(Value::Object(mut members)) => {
                members.insert("ok".to_owned(), true.into());
                Value::Object(members)
            }
            Ok(_) => json!({"ok": true}),
            Err(error) => json!({"ok": false, "error": error}),
        }
    }

    fn perform(&self, line: &str) -> Outcome<Value> {
        // The rest of these is a command line or a path, and not taken apart.
        match Request::verb(line) {
            ("run", rest) => {
                self.inside()?;
                let (within, rest) = match rest.strip_prefix("within=").and_then(|rest| rest.split_once(' ')) {
                    Some((ms, rest)) => {
                        (Request::parse(&format!("run within={ms}"))?.number("within", 0, 1..=3_600_000)?, rest)
                    }
                    None => (30_000, rest),
                };
                return system::run(rest, within * MS);
            }
            ("start", rest) => {
                self.inside()?;
                return system::start(rest).map(|pid| json!({"pid": pid}));
            }
            ("read", path) => {
                self.inside()?;
                return system::read(path).map(|text| json!({"text": text}));
            }
            _ => {}
        }
        let request = Request::parse(line)?;
        match request.words.as_slice() {
            ["hook" | "jack" | "key" | "keys" | "dial" | "bounce" | "rotary", ..] => self.touch(&request),
            ["uinput", rest @ ..] => self.uinput(&request, rest),
            ["lamps" | "lamp" | "lamp-wait" | "eye", ..] => answers::lamps(self, &request),
            ["ear" | "ear-wait" | "save", ..] => answers::ear(self, &request),
            ["latency", ..] => answers::latency(self, &request),
            ["tone", what] => self.tone(&request, what),
            ["held"] => {
                request.only(&["from", "until"])?;
                let until = request.time("until")?.unwrap_or_else(clock::monotonic);
                let from = request.time("from")?.unwrap_or(until - 60_000 * MS);
                Ok(json!({"held": self.hold_ups.within(from, until)}))
            }
            ["process" | "process-wait" | "thread" | "disks" | "device" | "reboot", ..] => self.board(&request),
            ["wait", ms] => {
                request.only(&[])?;
                let ms = ms.parse::<i64>().ok().filter(|ms| (0..=600_000).contains(ms));
                clock::sleep_awake(ms.ok_or("wait <ms>: 0 to 600000")? * MS);
                Ok(json!({"at": clock::monotonic()}))
            }
            ["clock"] => Ok(json!({"mono": clock::monotonic(), "boot": clock::since_boot(), "real": clock::real()})),
            ["about"] => Ok(self.about()),
            ["help"] => Ok(json!({"requests": REQUESTS})),
            _ => Err(request.unknown()),
        }
    }

    fn touch(&self, request: &Request<'_>) -> Outcome<Value> {
        let line = |name: &str| contacts::find(&self.wiring, name);
        match request.words.as_slice() {
            ["hook", way] => {
                request.only(&[])?;
                self.fingers.set(line("hook")?, lifted(way)?).map(done)
            }
            ["jack", way @ ("in" | "out")] => {
                let jack =
                    self.wiring.jack.as_ref().ok_or("no headset jack is wired; add [jack] to the wiring file")?;
                self.fingers.set(jack, *way == "in").map(done)
            }
            ["key", name, "press"] => {
                request.only(&["ms"])?;
                let length = request.number("ms", 80, 1..=600_000)?;
                let (down, up) = self.fingers.press(line(name)?, length * MS)?;
                Ok(json!({"at": down.at, "done": down.done, "up": up.at}))
            }
            ["key", name, way] => {
                request.only(&[])?;
                self.fingers.set(line(name)?, pressed(way)?).map(done)
            }
            ["keys", names @ .., way] if !names.is_empty() => {
                request.only(&[])?;
                let lines = names.iter().map(|name| line(name)).collect::<Outcome<Vec<_>>>()?;
                self.fingers.set_all(&lines, pressed(way)?).map(done)
            }
            ["dial", digits] => {
                request.only(&["ms", "gap"])?;
                let (length, gap) = (request.number("ms", 60, 1..=10_000)?, request.number("gap", 60, 0..=10_000)?);
                let lines = digits.chars().map(|digit| line(&digit.to_string())).collect::<Outcome<Vec<_>>>()?;
                let mut at = Vec::new();
                for line in lines {
                    let (down, _) = self.fingers.press(line, length * MS)?;
                    at.push(down.at);
                    clock::sleep_awake(gap * MS);
                }
                Ok(json!({"at": at, "done": clock::monotonic()}))
            }
            ["bounce", name] => {
                request.only(&["edges", "us", "end"])?;
                let edges = request.number("edges", 0, 1..=100_000)?;
                let length = request.number("us", 0, 0..=60_000_000)? * 1000;
                let end = match request.text("end") {
                    Some("lift" | "down") => true,
                    Some("cradle" | "up") => false,
                    Some(other) => return Err(format!("end={other}: lift, cradle, down or up")),
                    None => return Err("end= is wanted: how the contact is left".to_owned()),
                };
                if edges == 0 {
                    return Err("edges= is wanted: how many edges, from 1".to_owned());
                }
                let (Done { at, done }, widest) = self.fingers.bounce(line(name)?, edges, length, end)?;
                Ok(json!({"at": at, "done": done, "edges": edges, "widest_us": widest / 1000}))
            }
            ["rotary", digit] => {
                request.only(&["rate", "break"])?;
                let pulses = match digit.parse::<i64>() {
                    Ok(0) => 10,
                    Ok(pulses @ 1..=9) => pulses,
                    _ => return Err(format!("{digit:?} is not on a dial; 0 to 9 are")),
                };
                let (rate, open) = (request.number("rate", 10, 1..=100)?, request.number("break", 60, 1..=99)?);
                self.fingers.pulses(&self.wiring, pulses, rate, open).map(done)
            }
            _ => Err(request.unknown()),
        }
    }

    fn uinput(&self, request: &Request<'_>, words: &[&str]) -> Outcome<Value> {
        self.inside()?;
        match words {
            ["create"] => {
                request.only(&["name"])?;
                self.keypad
                    .create(request.text("name").unwrap_or("offhook-hand"))
                    .map(|device| json!({"device": device}))
            }
            ["remove"] => self.keypad.remove().map(|()| Value::Null),
            ["key", code, "press"] => {
                request.only(&["ms"])?;
                let (code, length) = (keypad::code(code)?, request.number("ms", 80, 1..=600_000)?);
                let down = self.keypad.key(code, true)?;
                clock::sleep_until(down.at + length * MS);
                let up = self.keypad.key(code, false)?;
                Ok(json!({"at": down.at, "done": down.done, "up": up.at}))
            }
            ["key", code, way] => self.keypad.key(keypad::code(code)?, pressed(way)?).map(done),
            ["headset", way @ ("in" | "out")] => self.keypad.headset(*way == "in").map(done),
            _ => Err(request.unknown()),
        }
    }

    fn tone(&self, request: &Request<'_>, what: &str) -> Outcome<Value> {
        request.only(&["db", "ms"])?;
        let sound = if what == "off" {
            Sound::default()
        } else {
            let length = request.number("ms", 0, 0..=3_600_000)?.unsigned_abs();
            let left = (length > 0).then_some(length * u64::from(card::RATE) / 1000);
            Sound { hz: frequencies(what, '+')?, db: request.real("db", -15.0, -90.0..=0.0)?, left }
        };
        let at = self.mouth.play(sound)?;
        Ok(json!({"at": at, "within_ms": clock::as_ms(self.ear.uncertain())}))
    }

    fn board(&self, request: &Request<'_>) -> Outcome<Value> {
        self.inside()?;
        match request.words.as_slice() {
            ["process", name, "kill"] => {
                let pid = process::need(name)?;
                process::kill(pid, libc::SIGKILL).map(|at| json!({"pid": pid, "at": at}))
            }
            ["process", name] => {
                request.only(&["signal"])?;
                let pid = process::need(name)?;
                if request.text("signal").is_none() {
                    return process::describe(pid);
                }
                let signal = i32::try_from(request.number("signal", 0, 1..=31)?).unwrap_or(0);
                process::kill(pid, signal).map(|at| json!({"pid": pid, "at": at}))
            }
            ["process-wait", name] => {
                request.only(&["not", "within"])?;
                let not = request.text("not").map(|_| request.number("not", 0, 1..=i64::from(i32::MAX))).transpose()?;
                let within = request.number("within", 10_000, 0..=3_600_000)? * MS;
                let (pid, at) = process::wait(name, not.and_then(|pid| i32::try_from(pid).ok()), within)?;
                Ok(json!({"pid": pid, "at": at}))
            }
            ["thread", name, thread, way @ ("freeze" | "thaw")] => {
                let tid = process::thread(process::need(name)?, thread)?;
                let at = if *way == "freeze" { self.frozen.freeze(tid) } else { self.frozen.thaw(tid) }?;
                Ok(json!({"tid": tid, "at": at}))
            }
            ["disks"] => system::disks(),
            ["device", which @ ("sound" | "gpio"), way @ ("remove" | "return")] => {
                let at = clock::monotonic();
                match (*which, &self.sim) {
                    ("sound", _) => system::sound_card(*way == "return")?,
                    (_, Some(sim)) => sim.plug(*way == "return")?,
                    (_, None) => return Err("there is no simulated chip here".to_owned()),
                }
                Ok(json!({"at": at, "done": clock::monotonic()}))
            }
            ["reboot"] => system::reboot(false).map(|()| Value::Null),
            ["reboot", "now"] => system::reboot(true).map(|()| Value::Null),
            _ => Err(request.unknown()),
        }
    }

    fn about(&self) -> Value {
        let ear = self.ear.condition();
        json!({
            "hand": env!("CARGO_PKG_VERSION"),
            "back_end": if self.sim.is_some() { "sim" } else { "lines" },
            "keys": self.wiring.keys.keys().collect::<Vec<_>>(),
            "lamps": self.wiring.lamps.keys().collect::<Vec<_>>(),
            "ear": ear.trouble.unwrap_or_else(|| "open".to_owned()),
            "overruns": ear.overruns,
            "uptime_ms": clock::since_boot() / MS,
        })
    }

    /// An error unless the hand is in the board itself: another computer's processes and disks say nothing.
    fn inside(&self) -> Outcome<()> {
        if self.sim.is_some() {
            return Ok(());
        }
        Err("this hand is not in the board (back_end is lines); ask the board itself, by ssh".to_owned())
    }
}

/// Whether a movement of the hook lifts it.
pub(crate) fn lifted(way: &str) -> Outcome<bool> {
    match way {
        "lift" => Ok(true),
        "cradle" => Ok(false),
        _ => Err(format!("hook {way}: lift or cradle")),
    }
}

fn pressed(way: &str) -> Outcome<bool> {
    match way {
        "down" => Ok(true),
        "up" => Ok(false),
        _ => Err(format!("{way:?}: down, up or press")),
    }
}

fn done(done: Done) -> Value {
    json!({"at": done.at, "done": done.done})
}
