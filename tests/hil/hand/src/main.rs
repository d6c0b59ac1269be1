//! The hand of a hardware-in-the-loop test: lifts the handset, presses keys, sees lamps, listens and speaks, and makes
//! trouble, on request over TCP (`PROTOCOL.md`). It runs in the emulated board, or on a second computer whose GPIO
//! lines are wired to a real telephone.
//!
//! It decides nothing about right or wrong; it reports what happened and when.

mod answers;
mod card;
mod clock;
mod contacts;
mod ear;
mod eye;
mod freeze;
mod hand;
mod heard;
mod hold_up;
mod keypad;
mod lines;
mod mouth;
mod pattern;
mod process;
mod request;
mod signal;
mod sim;
mod system;
mod timeline;
mod wiring;

use hand::Hand;
use request::Outcome;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use wiring::Wiring;

const USAGE: &str = "offhook-hand [--wiring <file>] [--listen <address:port>]";
/// A request longer than this is none [octets].
const LONGEST: u64 = 64 * 1024;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("offhook-hand: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let (mut wiring, mut listen) = (None, "0.0.0.0:7000".to_owned());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value; {USAGE}"));
        match argument.as_str() {
            "--wiring" => wiring = Some(value()?),
            "--listen" => listen = value()?,
            "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            _ => return Err(format!("{argument:?} means nothing; {USAGE}")),
        }
    }
    let wiring = match wiring {
        Some(path) => {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            Wiring::parse(&text).map_err(|error| format!("{path}: {error}"))?
        }
        None => Wiring::parse(wiring::SIM)?,
    };
    let hand = Arc::new(Hand::open(wiring)?);
    let listener = TcpListener::bind(&listen).map_err(|error| format!("{listen}: {error}"))?;
    println!("ready {listen}");
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let hand = Arc::clone(&hand);
        std::thread::spawn(move || {
            // Whoever asked has gone: nobody to tell.
            let _ = serve(&hand, stream);
        });
    }
    Ok(())
}

fn serve(hand: &Hand, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = Vec::new();
        if lines.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        if text.trim().is_empty() {
            continue;
        }
        let mut answer = hand.answer(text.trim()).to_string();
        answer.push('\n');
        stream.write_all(answer.as_bytes())?;
    }
}
