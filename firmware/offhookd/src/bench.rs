//! The bench socket: a test's hand on hook and keys, and its eye on lamps, sound and calls. Lines in, lines out.
//!
//! This file turns lines into inputs and news into lines; what they mean is the phone's business.

use offhook_hal::{Hook, Key, PanelEvent};
use offhook_phone::{Event, View};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::{broadcast, mpsc};
use tokio::task::spawn_local;

/// How long `press` holds a key when it does not say.
const PRESS: Duration = Duration::from_millis(100);
/// Longest press.
const MAX_PRESS: Duration = Duration::from_secs(60);

/// What a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Panel(PanelEvent),
    Press(Key, Duration),
    Lamps,
    View,
}

/// From a client to the main loop.
#[derive(Debug)]
pub(crate) enum BenchInput {
    Panel(PanelEvent),
    /// The answer goes back to this client alone.
    Ask(Line, mpsc::UnboundedSender<String>),
}

pub(crate) fn parse(line: &str) -> Result<Line, String> {
    let mut words = line.split_whitespace();
    let word = words.next().unwrap_or_default();
    let argument = words.next();
    let key = || {
        let name = argument.ok_or_else(|| format!("{word}: which key?"))?;
        Key::from_name(name).ok_or_else(|| format!("{name} is no key; keys are 0-9 * # line1 key1 soft1 hold mute …"))
    };
    let line = match word {
        "hook" => match argument {
            Some("off") => Line::Panel(PanelEvent::Hook(Hook::Off)),
            Some("on") => Line::Panel(PanelEvent::Hook(Hook::On)),
            _ => return Err("hook off (lifted) or hook on".into()),
        },
        "down" => Line::Panel(PanelEvent::Down(key()?)),
        "up" => Line::Panel(PanelEvent::Up(key()?)),
        "press" => {
            let key = key()?;
            let duration = match words.next() {
                None => PRESS,
                Some(text) => text
                    .strip_suffix("ms")
                    .and_then(|digits| digits.parse().ok())
                    .map(Duration::from_millis)
                    .filter(|duration| *duration <= MAX_PRESS)
                    .ok_or_else(|| format!("{text}: a duration like 800ms, at most 60000ms"))?,
            };
            Line::Press(key, duration)
        }
        "headset" => match argument {
            Some("in") => Line::Panel(PanelEvent::HeadsetJack(true)),
            Some("out") => Line::Panel(PanelEvent::HeadsetJack(false)),
            _ => return Err("headset in or headset out".into()),
        },
        "lamps" => Line::Lamps,
        "view" => Line::View,
        _ => return Err("the bench knows: hook, press, down, up, headset, lamps, view".into()),
    };
    if words.next().is_some() { Err(format!("{word}: too many words")) } else { Ok(line) }
}

/// The lines that a piece of news makes.
pub(crate) fn lines(event: &Event) -> Option<String> {
    let on = |on: bool| if on { "on" } else { "off" };
    Some(match event {
        Event::Lamp { lamp, pattern } => format!("lamp {} {}", lamp.name(), pattern.name()),
        Event::Ring(ringing) => format!("ring {}", on(*ringing)),
        Event::Route(route) => format!("route {}", route.name()),
        Event::Mic(open) => format!("mic {}", if *open { "open" } else { "closed" }),
        Event::Tone(tone) => format!("tone {}", tone.unwrap_or("off")),
        Event::Call { call } => format!("call {} {}", call.id.0, call.state.name()),
        Event::CallEnded { call, .. } => format!("call {} ended", call.id.0),
        _ => return None,
    })
}

pub(crate) fn answer(line: Line, view: &View) -> String {
    match line {
        Line::Lamps => {
            let lamps = view.lamps.iter().map(|(lamp, pattern)| format!("lamp {} {}", lamp.name(), pattern.name()));
            lamps.collect::<Vec<_>>().join("\n")
        }
        _ => view.to_json(),
    }
}

/// Listens on the socket until the process ends; replaces a socket that a dead process left.
pub(crate) fn listen(
    path: &Path,
    inputs: mpsc::Sender<BenchInput>,
    news: broadcast::Sender<String>,
) -> std::io::Result<()> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (read, mut write) = stream.into_split();
            let (own, mut answers) = mpsc::unbounded_channel::<String>();
            let mut news = news.subscribe();
            spawn_local(async move {
                loop {
                    let text = tokio::select! {
                        answer = answers.recv() => match answer { Some(answer) => answer, None => break },
                        line = news.recv() => match line {
                            Ok(line) => line,
                            Err(broadcast::error::RecvError::Lagged(n)) => format!("error {n} lines were lost: read faster"),
                            Err(broadcast::error::RecvError::Closed) => break,
                        },
                    };
                    if write.write_all(format!("{text}\n").as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
            let inputs = inputs.clone();
            spawn_local(async move {
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let sent = match parse(&line) {
                        Ok(Line::Panel(event)) => inputs.send(BenchInput::Panel(event)).await.is_ok(),
                        Ok(Line::Press(key, duration)) => {
                            let down = inputs.send(BenchInput::Panel(PanelEvent::Down(key))).await.is_ok();
                            tokio::time::sleep(duration).await;
                            down && inputs.send(BenchInput::Panel(PanelEvent::Up(key))).await.is_ok()
                        }
                        Ok(question) => inputs.send(BenchInput::Ask(question, own.clone())).await.is_ok(),
                        Err(error) => own.send(format!("error {error}")).is_ok(),
                    };
                    if !sent {
                        break;
                    }
                }
            });
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_bench_mean_hook_keys_and_questions() {
        assert_eq!(parse("hook off"), Ok(Line::Panel(PanelEvent::Hook(Hook::Off))));
        assert_eq!(parse("press 5"), Ok(Line::Press(Key::Digit('5'), PRESS)));
        assert_eq!(parse("press 5 800ms"), Ok(Line::Press(Key::Digit('5'), Duration::from_millis(800))));
        assert_eq!(parse("down key3"), Ok(Line::Panel(PanelEvent::Down(Key::Lamp(3)))));
        assert_eq!(parse("view"), Ok(Line::View));
        for wrong in ["", "hook", "press", "press x", "press 5 long", "press 5 99999999ms", "view now please"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
