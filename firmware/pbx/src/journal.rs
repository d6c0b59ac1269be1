//! Log lines, bounded: a flood of bad requests must not become a flood of log lines.

use crate::Output;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Lines per [`PERIOD`]; what is more is counted.
pub(crate) const LINES: u32 = 50;
pub(crate) const PERIOD: Duration = Duration::from_secs(10);
/// Longest line [characters].
const MAX_LINE: usize = 240;

#[derive(Debug, Default)]
pub(crate) struct Journal {
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Journal {
    pub(crate) fn say(&mut self, now: Instant, outputs: &mut VecDeque<Output>, line: &str) {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            self.since = Some(now);
            self.lines = 0;
            if self.left_out > 0 {
                outputs.push_back(Output::Log(format!("{} further lines were left out", self.left_out)));
                self.left_out = 0;
            }
        }
        if self.lines >= LINES {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        // lines quote what peers sent: no control characters into a terminal or a log file
        outputs.push_back(Output::Log(
            line.chars().map(|c| if c.is_control() { '?' } else { c }).take(MAX_LINE).collect(),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let (mut journal, mut outputs) = (Journal::default(), VecDeque::new());
        let start = Instant::now();
        for _ in 0..1000 {
            journal.say(start, &mut outputs, "bad\r\nrequest");
        }
        assert_eq!(outputs.len(), LINES as usize);
        assert!(matches!(&outputs[0], Output::Log(line) if line == "bad??request"));
        journal.say(start + PERIOD, &mut outputs, "next");
        assert!(matches!(&outputs[LINES as usize], Output::Log(line) if line.starts_with("950 ")));
    }
}
