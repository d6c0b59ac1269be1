//! The rig's end of the hand's protocol (`hand/PROTOCOL.md`): a request is a line of words, an answer a line of JSON. Times are
//! nanoseconds on the board's monotonic clock.

use crate::case::Outcome;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One millisecond [ns].
pub(crate) const MS: i64 = 1_000_000;

/// A connection to the hand; its requests are answered in order.
#[derive(Debug)]
pub(crate) struct Hand {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Hand {
    /// Connects, and makes sure that a hand answers.
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Self> {
        let text = |error: std::io::Error| format!("the hand at {address}: {error}");
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(text)?;
        let mut hand = Self { stream: BufReader::new(stream), address };
        hand.ask("about")?;
        Ok(hand)
    }

    /// A second connection, for what happens meanwhile.
    pub(crate) fn another(&self) -> Outcome<Self> {
        Self::connect(self.address)
    }

    /// How long an answer may take.
    pub(crate) fn patience(&self, seconds: u64) -> Outcome {
        self.stream.get_ref().set_read_timeout(Some(Duration::from_secs(seconds))).map_err(|error| error.to_string())
    }

    /// Asks, and answers what the hand answered; its refusal is an error.
    pub(crate) fn ask(&mut self, request: &str) -> Outcome<Value> {
        let text = |error: std::io::Error| format!("the hand did not answer {request:?}: {error}");
        writeln!(self.stream.get_mut(), "{request}").map_err(text)?;
        let mut line = String::new();
        if self.stream.read_line(&mut line).map_err(text)? == 0 {
            return Err(format!("the hand hung up on {request:?}"));
        }
        let answer: Value = serde_json::from_str(&line).map_err(|error| format!("the hand said {line:?}: {error}"))?;
        if answer["ok"] == true {
            return Ok(answer);
        }
        let why = answer["error"].as_str().unwrap_or(&line);
        if why.contains("back_end is lines") {
            return Err(crate::metal::cannot(&format!("its hand is not in it ({request})")));
        }
        Err(format!("{request}: {why}"))
    }

    /// The board's clock now [ns].
    pub(crate) fn clock(&mut self) -> Outcome<i64> {
        time(&self.ask("clock")?, "mono")
    }

    /// Lifts the handset; when [ns].
    pub(crate) fn lift(&mut self) -> Outcome<i64> {
        time(&self.ask("hook lift")?, "at")
    }

    /// Puts it down; when [ns].
    pub(crate) fn put_down(&mut self) -> Outcome<i64> {
        time(&self.ask("hook cradle")?, "at")
    }

    /// Presses a key as a finger does; when it went down [ns].
    pub(crate) fn press(&mut self, key: &str) -> Outcome<i64> {
        time(&self.ask(&format!("key {key} press ms=100"))?, "at")
    }

    /// Presses keys one after the other; when the last went down [ns].
    pub(crate) fn dial(&mut self, digits: &str) -> Outcome<i64> {
        // Unhurried: on a busy host an emulated board may stand still for some tens of milliseconds.
        let answer = self.ask(&format!("dial {digits} ms=100 gap=100"))?;
        let last = answer["at"].as_array().and_then(|all| all.last()).and_then(Value::as_i64);
        last.ok_or_else(|| format!("dial {digits}: {answer}"))
    }

    /// Speaks one tone into the microphone until told otherwise; when it begins [ns].
    pub(crate) fn speak(&mut self, hz: u32) -> Outcome<i64> {
        time(&self.ask(&format!("tone {hz}"))?, "at")
    }

    pub(crate) fn be_silent(&mut self) -> Outcome {
        self.ask("tone off").map(drop)
    }

    /// Waits until a tone is in the ear, heard after `from`; since when [ns].
    pub(crate) fn hear(&mut self, hz: u32, from: i64, seconds: u64) -> Outcome<i64> {
        time(&self.ask(&format!("ear-wait tone {hz} from={from} within={}", seconds * 1000))?, "at")
    }

    /// Waits until the ear has heard nothing for half a second; since when [ns].
    pub(crate) fn hear_silence(&mut self, from: i64, seconds: u64) -> Outcome<i64> {
        time(&self.ask(&format!("ear-wait silence for=500 from={from} within={}", seconds * 1000))?, "at")
    }

    /// Waits until a lamp shows a pattern; since when [ns].
    pub(crate) fn see(&mut self, lamp: &str, pattern: &str, from: i64, seconds: u64) -> Outcome<i64> {
        time(&self.ask(&format!("lamp-wait {lamp} {pattern} from={from} within={}", seconds * 1000))?, "at")
    }

    /// Runs a command in the board; an error if it fails.
    pub(crate) fn run(&mut self, command: &str, seconds: u64) -> Outcome<String> {
        let (status, out, err) = self.try_run(command, seconds)?;
        if status == Some(0) { Ok(out) } else { Err(format!("{command}: ended with {status:?}: {out}{err}")) }
    }

    /// As `run`: the status, what it said, and what it complained about.
    pub(crate) fn try_run(&mut self, command: &str, seconds: u64) -> Outcome<(Option<i64>, String, String)> {
        self.patience(seconds + 10)?;
        let answer = self.ask(&format!("run within={} {command}", seconds * 1000));
        self.patience(60)?;
        let answer = answer?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Ok((answer["status"].as_i64(), text("out"), text("err")))
    }

    /// What the phone says of its health; nothing: it says nothing (yet).
    pub(crate) fn health(&mut self) -> Outcome<Option<Value>> {
        match self.ask("read /run/offhook/health.json") {
            Ok(answer) => Ok(serde_json::from_str(answer["text"].as_str().unwrap_or_default()).ok()),
            Err(error) if error.contains("No such file") => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A time in an answer [ns].
pub(crate) fn time(answer: &Value, name: &str) -> Outcome<i64> {
    answer[name].as_i64().ok_or_else(|| format!("the hand's answer has no time {name:?}: {answer}"))
}

/// A number in an answer.
pub(crate) fn number(answer: &Value, name: &str) -> Outcome<f64> {
    answer[name].as_f64().ok_or_else(|| format!("the hand's answer has no number {name:?}: {answer}"))
}

/// From one time to another [ms].
pub(crate) fn ms(from: i64, to: i64) -> f64 {
    (to - from) as f64 / MS as f64
}
