//! The log of a daemon on standard error: for people in a terminal, for journald under a service manager.
//!
//! The journal has its own clock and colours; what it wants is a level in front of each line (`sd-daemon(3)`:
//! `<3>` error to `<7>` debug), or everything is "info" to `journalctl -p warning`.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging to standard error.
pub fn to_stderr(level: Level) {
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    if stderr_is_the_journal() {
        log.event_format(Journal).init();
    } else {
        log.with_target(false).init();
    }
}

/// Starts logging to something else, as for people but without colours.
pub fn to_writer<W>(level: Level, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().with_max_level(level).with_target(false).with_ansi(false).with_writer(writer).init();
}

/// Does standard error end in the journal, and not in a terminal or in a file that inherited the variable?
pub fn stderr_is_the_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let Ok(own) = std::fs::metadata("/proc/self/fd/2") else { return false };
    is_stream(&stream, own.dev(), own.ino())
}

/// `JOURNAL_STREAM` is `device:inode` (`systemd.exec(5)`).
fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(dev, ino)| dev.parse() == Ok(device) && ino.parse() == Ok(inode))
}

/// One level in front of each line, nothing else.
struct Journal;

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = String::new();
        context.format_fields(Writer::new(&mut text), event)?;
        writer.write_str(&lines(*event.metadata().level(), &text))
    }
}

/// A report of several lines keeps its level in all of them.
fn lines(level: Level, text: &str) -> String {
    let priority = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("<{priority}>{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_journal_has_its_level_and_nothing_else() {
        assert_eq!(lines(Level::WARN, "no answer"), "<4>no answer\n");
        assert_eq!(
            lines(Level::INFO, "2 settings changed\n\ntitle: a -> b\n"),
            "<6>2 settings changed\n<6>title: a -> b\n"
        );
        assert_eq!(lines(Level::ERROR, "x"), "<3>x\n");
        assert_eq!(lines(Level::DEBUG, "x"), "<7>x\n");
    }

    #[test]
    fn only_the_very_stream_of_the_journal_counts() {
        assert!(is_stream("8:1234", 8, 1234));
        for other in ["", "8:1235", "9:1234", "8", "a:b", "8:1234:5"] {
            assert!(!is_stream(other, 8, 1234), "{other}");
        }
    }
}
