//! The rig's end of the hand's protocol (`hand/PROTOCOL.md`): a request is a line of words, an answer a line of JSON.

use crate::case::Outcome;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection to the hand; its requests are answered in order.
#[derive(Debug)]
pub(crate) struct Hand {
    stream: BufReader<TcpStream>,
}

impl Hand {
    /// Connects, and makes sure that a hand answers.
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Self> {
        let text = |error: std::io::Error| format!("the hand at {address}: {error}");
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(text)?;
        let mut hand = Self { stream: BufReader::new(stream) };
        hand.ask("about")?;
        Ok(hand)
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
        Err(format!("{request}: {}", answer["error"].as_str().unwrap_or(&line)))
    }
}
