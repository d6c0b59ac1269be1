//! The pages behind Tab: call list, settings, help.

use crate::bars::{fit, state_word};
use crate::home::timer;
use offhook_phone::{CallRecord, View};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// Newest first; the cursor's row is what Enter dials.
pub(crate) fn calls(view: &View, cursor: usize, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let mut lines = vec![heading("Calls  (Enter dials)")];
    if view.history.is_empty() {
        lines.push(Line::raw(" none yet"));
    }
    let rows = usize::from(area.height.saturating_sub(1)).max(1);
    // The cursor stays on the screen.
    let first = (cursor + 1).saturating_sub(rows);
    for (index, record) in view.history.iter().enumerate().skip(first).take(rows) {
        let text = fit(&entry(record), width);
        let style = if index == cursor { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        lines.push(Line::styled(text, style));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn entry(record: &CallRecord) -> String {
    let arrow = match (record.incoming, record.missed) {
        (true, true) => "missed ",
        (true, false) => "from   ",
        (false, _) => "to     ",
    };
    let name = record.peer_name.as_deref().filter(|name| !name.is_empty());
    let who = name.map_or_else(|| record.peer.clone(), |name| format!("{name} {}", record.peer));
    let time = if record.answered { timer(record.duration_ms / 1000) } else { record.end.text.clone() };
    format!("{arrow}{who}  {time}")
}

pub(crate) fn settings(view: &View, first: usize, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let mut lines = vec![heading("Settings")];
    if let Some(text) = &view.unsaved {
        lines.extend(wrapped(&format!("Not saved: {text}"), width).into_iter().map(Line::raw));
    }
    for account in &view.accounts {
        let local = account.local.map_or_else(String::new, |local| format!(" from {local}"));
        lines.push(Line::raw(fit(&format!("{} {}", account.number, account.title), width)));
        let address = format!("  {}@{} {}{local}", account.username, account.domain, account.transport);
        lines.push(Line::raw(fit(&address, width)));
        lines.push(Line::raw(fit(&format!("  {} ({})", state_word(&account.state), account.source), width)));
        for value in account.values.iter() {
            let locked = if value.locked { ", locked" } else { "" };
            // a list is one line here
            let text = value.value.split_whitespace().collect::<Vec<_>>().join(" ");
            let shown: String = text.chars().take(24).collect();
            let line = format!("  {} {shown}  {}{locked}", value.node, value.origin);
            lines.push(Line::raw(fit(&line, width)));
        }
    }
    for provisioning in &view.provisioning {
        lines.push(Line::raw(fit(&format!("provisioning: {}", provisioning.last), width)));
    }
    for directory in &view.directories {
        lines.push(Line::raw(fit(&format!("contacts of {}: {}", directory.title, directory.last), width)));
    }
    let volume = &view.volume;
    lines.push(Line::raw(fit(
        &format!("volume: handset {} speaker {} ringer {}", volume.handset, volume.speaker, volume.ringer),
        width,
    )));
    lines.push(Line::raw(fit(&format!("Offhook {}  {}", view.version, view.hostname), width)));
    scrolled(lines, first, area, frame);
}

/// Every key of the terminal.
const HELP: [&str; 19] = [
    "Space    lift, put down",
    "0-9 * #  keypad; # sends the number",
    "F1-F4    soft keys (bottom row)",
    "F5-F12   lamp keys 1 to 8",
    "Alt 1-4  line keys",
    "h        hold, resume",
    "m        mute",
    "s        speaker",
    "+ -      volume",
    "r        redial",
    "v        voice mail",
    "Backsp.  delete a digit",
    "Tab      next page",
    "Up Down  move; Enter dials in Calls",
    "letters  search in Contacts",
    "Ctrl-N   new contact; Ctrl-E changes,",
    "         -A adds a number, -D deletes",
    "* 0 #    held for 10 s: factory reset",
    "Ctrl-C   end the phone",
];

pub(crate) fn help(first: usize, area: Rect, frame: &mut Frame<'_>) {
    let lines = std::iter::once(heading("Keys")).chain(HELP.into_iter().map(Line::raw));
    scrolled(lines.collect(), first, area, frame);
}

pub(crate) fn heading(text: impl Into<String>) -> Line<'static> {
    Line::styled(text.into(), Style::new().add_modifier(Modifier::BOLD))
}

/// Lines of whole words, as far as they fit.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(&fit(word, width));
            }
            _ => lines.push(fit(word, width)),
        }
    }
    lines
}

fn scrolled(lines: Vec<Line<'static>>, first: usize, area: Rect, frame: &mut Frame<'_>) {
    let most = lines.len().saturating_sub(usize::from(area.height));
    let first = u16::try_from(first.min(most)).unwrap_or(0);
    frame.render_widget(Paragraph::new(lines).scroll((first, 0)), area);
}
