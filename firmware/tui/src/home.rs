//! The home page: accounts when nothing happens, else dialling, ringing and calls.

use crate::bars::{fit, state_word};
use offhook_phone::{CallState, CallView, View};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use std::time::Instant;

pub(crate) fn draw(view: &View, now: Instant, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let lines = if let Some(digits) = &view.dialling {
        dialling(view, digits, width)
    } else if view.calls.is_empty() {
        idle(view, width)
    } else {
        calls(view, now, width)
    };
    frame.render_widget(Paragraph::new(lines), area);
}

fn bold(text: String) -> Line<'static> {
    Line::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

fn dialling(view: &View, digits: &str, width: usize) -> Vec<Line<'static>> {
    // The end of a long number is what one is typing.
    let shown = digits.chars().count().saturating_sub(width.saturating_sub(3));
    let shown: String = digits.chars().skip(shown).collect();
    let mut lines = vec![Line::raw(""), bold(format!(" {}_", fit(&shown, width)))];
    lines.push(Line::raw(""));
    lines.push(Line::raw(match (digits.is_empty(), view.suggestions.is_empty()) {
        (true, _) => " Dial a number",
        (false, true) => " # sends it",
        (false, false) => " # sends it, Down chooses",
    }));
    for (index, suggestion) in view.suggestions.iter().enumerate() {
        let label = suggestion.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        let text = fit(&format!(" {}  {}{label}", suggestion.name, suggestion.number), width);
        let chosen = view.suggestion == Some(index);
        let style = if chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        lines.push(Line::styled(text, style));
    }
    for call in &view.calls {
        lines.push(Line::raw(fit(&format!(" {} {}", name_of(call), state_text(call)), width)));
    }
    lines
}

fn idle(view: &View, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::raw("")];
    if view.accounts.is_empty() {
        lines.push(bold(" No account yet".into()));
        for provisioning in &view.provisioning {
            lines.push(Line::raw(fit(&format!(" {}", provisioning.last), width)));
        }
        if view.provisioning.is_empty() {
            lines.push(Line::raw(fit(" start with --provision <url>", width)));
        }
    }
    for account in &view.accounts {
        lines.push(bold(fit(&format!(" {}  {}", account.username, account.title), width)));
        lines.push(Line::raw(fit(&format!("   {} — {}", account.domain, state_word(&account.state)), width)));
        if let Some(balance) = &account.balance {
            lines.push(Line::raw(fit(&format!("   {balance}"), width)));
        }
    }
    if let Some(service) = &view.service {
        lines.push(bold(fit(&format!(" {service}"), width)));
    }
    if view.do_not_disturb {
        lines.push(Line::raw(fit(" do not disturb: nobody rings", width)));
    }
    if let Some(target) = &view.forwarded {
        lines.push(Line::raw(fit(&format!(" all calls are forwarded to {target}"), width)));
    }
    if view.missed > 0 {
        let calls = if view.missed == 1 { "call" } else { "calls" };
        lines.push(Line::raw(format!(" {} missed {calls}", view.missed)));
    }
    lines
}

fn calls(view: &View, now: Instant, width: usize) -> Vec<Line<'static>> {
    let focus = view.calls.iter().find(|call| call.in_focus).or_else(|| view.calls.first());
    let mut lines = Vec::new();
    if let Some(call) = focus {
        lines.push(Line::raw(""));
        lines.push(bold(fit(&format!(" {}", name_of(call)), width)));
        if name_of(call) != call.peer {
            lines.push(Line::raw(fit(&format!(" {}", call.peer), width)));
        }
        lines.push(Line::raw(fit(&format!(" {}", detail(call, now)), width)));
    }
    for call in view.calls.iter().filter(|call| focus.is_none_or(|focus| focus.id != call.id)) {
        let text = format!(" {}  {} {}", call.line, name_of(call), state_text(call));
        lines.push(Line::raw(fit(&text, width)));
    }
    lines
}

fn name_of(call: &CallView) -> &str {
    call.peer_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&call.peer)
}

fn detail(call: &CallView, now: Instant) -> String {
    let mut words = vec![state_text(call)];
    if matches!(call.state, CallState::Talking | CallState::Held) {
        let seconds = call.since.map_or(call.seconds, |since| now.saturating_duration_since(since).as_secs());
        words.push(timer(seconds));
        if let Some(codec) = call.codec {
            words.push(codec.into());
        }
    }
    words.join("  ")
}

fn state_text(call: &CallView) -> String {
    match call.state {
        CallState::Trying => "calling…".into(),
        CallState::Ringing => "rings there".into(),
        CallState::Incoming => "is calling".into(),
        CallState::Talking if call.held_by_them => "holds you".into(),
        CallState::Talking if call.muted => "talking, muted".into(),
        CallState::Talking => "talking".into(),
        CallState::Held => "on hold".into(),
        CallState::Ended => call.end.as_ref().map_or_else(|| "ended".into(), |end| end.text.clone()),
    }
}

/// `m:ss`, or `h:mm:ss` from an hour on.
pub(crate) fn timer(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}
