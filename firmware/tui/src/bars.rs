//! The rows that every page has: status on top; lamp keys, notice and soft keys at the bottom.

use offhook_hal::{Lamp, Pattern};
use offhook_phone::{AccountState, BlfState, View, hal as offhook_hal};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};

/// Lamp keys in one row of this width, each `label sign`.
const LAMP_CELL: usize = 10;

pub(crate) fn status(view: &View, area: Rect, frame: &mut Frame<'_>) {
    let mut left = match view.accounts.as_slice() {
        [] => "no account".to_owned(),
        [account, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" +{}", rest.len()) };
            format!("{}{more} {}", account.username, state_word(&account.state))
        }
    };
    let mut right = Vec::new();
    if view.unsaved.is_some() {
        right.push("UNSAVED".to_owned());
    }
    if view.do_not_disturb {
        right.push("DND".to_owned());
    }
    if view.forwarded.is_some() {
        right.push("FWD".to_owned());
    }
    if view.messages.waiting {
        right.push(match view.messages.new {
            0 => "MSG".to_owned(),
            new => format!("MSG {new}"),
        });
    }
    if view.missed > 0 {
        right.push(format!("MISSED {}", view.missed));
    }
    if view.muted {
        right.push("MUTE".into());
    }
    if let Some(route) = view.route.filter(|route| *route != offhook_hal::Route::Off) {
        right.push(route.name().to_uppercase());
    }
    let right = right.join(" ");
    let width = usize::from(area.width);
    let room = width.saturating_sub(right.chars().count() + 1);
    left = fit(&left, room);
    let gap = width.saturating_sub(left.chars().count() + right.chars().count());
    let text = format!("{left}{}{right}", " ".repeat(gap));
    frame.render_widget(Paragraph::new(text).style(Style::new().add_modifier(Modifier::REVERSED)), area);
}

/// One word for people.
pub(crate) fn state_word(state: &AccountState) -> &str {
    match state {
        AccountState::Off => "off",
        AccountState::Registering => "registering…",
        AccountState::Registered => "ready",
        AccountState::Failed(text) => text,
    }
}

/// Sign and colour of a lamp.
fn sign(pattern: Pattern) -> (&'static str, Style) {
    match pattern {
        Pattern::Off => ("○", Style::new()),
        Pattern::On => ("●", Style::new().fg(Color::Red)),
        Pattern::Slow => ("◐", Style::new().fg(Color::Yellow)),
        Pattern::Fast => ("◉", Style::new().fg(Color::Green).add_modifier(Modifier::SLOW_BLINK)),
        Pattern::Flutter => ("◈", Style::new().fg(Color::Green).add_modifier(Modifier::RAPID_BLINK)),
        Pattern::Wink => ("◍", Style::new().fg(Color::DarkGray)),
    }
}

fn lamp_of(view: &View, key: u8) -> Pattern {
    view.lamps.iter().find(|(lamp, _)| *lamp == Lamp::Key(key)).map_or(Pattern::Off, |(_, pattern)| *pattern)
}

fn blf_word(state: BlfState) -> &'static str {
    match state {
        BlfState::Unknown => "unknown",
        BlfState::Idle => "free",
        BlfState::Ringing => "ringing",
        BlfState::Busy => "busy",
    }
}

/// What a lamp key is for, as its row shows it.
struct KeyRow<'v> {
    key: u8,
    sign: (&'static str, Style),
    label: &'v str,
    /// the state of whom it watches, or the number that it dials
    word: &'v str,
}

/// Watched extensions and quick dials, as they lie beside the screen.
fn key_rows(view: &View) -> Vec<KeyRow<'_>> {
    let watched = view.blf.iter().map(|blf| KeyRow {
        key: blf.key,
        sign: sign(lamp_of(view, blf.key)),
        label: &blf.label,
        word: blf_word(blf.state),
    });
    let dials = view.quick_dials.iter().map(|dial| KeyRow {
        key: dial.key,
        sign: ("→", Style::new()),
        label: &dial.name,
        word: &dial.number,
    });
    let mut rows: Vec<_> = watched.chain(dials).collect();
    rows.sort_by_key(|row| row.key);
    rows
}

/// The lamp keys as lines for a narrow screen.
pub(crate) fn lamp_lines(view: &View, width: u16) -> Vec<Line<'static>> {
    let per_line = (usize::from(width) / LAMP_CELL).max(1);
    key_rows(view)
        .chunks(per_line)
        .map(|chunk| {
            let spans = chunk.iter().flat_map(|row| {
                let (sign, style) = row.sign;
                let label = fit(row.label, LAMP_CELL - 3);
                let pad = " ".repeat(LAMP_CELL - 2 - label.chars().count());
                [Span::styled(sign, style), Span::raw(format!(" {label}{pad}"))]
            });
            Line::from(spans.collect::<Vec<_>>())
        })
        .collect()
}

pub(crate) fn lamps(lines: Vec<Line<'static>>, area: Rect, frame: &mut Frame<'_>) {
    frame.render_widget(Paragraph::new(lines), area);
}

/// The lamp keys beside the page: key, label, state in words or number.
pub(crate) fn lamp_column(view: &View, area: Rect, frame: &mut Frame<'_>) {
    let rows = key_rows(view);
    let lines = rows.iter().map(|row| {
        let (sign, style) = row.sign;
        // keys beyond F12 are on the panel only
        let key = if row.key <= 8 { format!("F{:<2}", row.key + 4) } else { "   ".to_owned() };
        let text = format!(" {key} {:<8} {}", fit(row.label, 8), row.word);
        Line::from(vec![Span::styled(sign, style), Span::raw(fit(&text, usize::from(area.width).saturating_sub(2)))])
    });
    let block = Block::new().borders(Borders::LEFT);
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}

pub(crate) fn notice(view: &View, area: Rect, frame: &mut Frame<'_>) {
    if let Some(text) = &view.notice {
        let text = fit(text, usize::from(area.width));
        frame.render_widget(Paragraph::new(text).style(Style::new().fg(Color::Yellow)), area);
    }
}

/// Four cells: what each soft key does now; their places are F1 to F4.
pub(crate) fn soft_keys(view: &View, area: Rect, frame: &mut Frame<'_>) {
    let cell = usize::from(area.width) / 4;
    let mut spans = Vec::new();
    for number in 0..4 {
        let key = view.soft_keys.get(number);
        let label = key.map_or("", |key| key.label.as_str());
        let text = fit(label, cell.saturating_sub(1));
        let pad = " ".repeat(cell.saturating_sub(text.chars().count() + 1));
        let style = if key.is_some_and(|key| key.enabled) {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        };
        spans.push(Span::styled(format!("{text}{pad}"), style));
        spans.push(Span::raw(" "));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// At most `width` characters, the last one `…` if something was cut. Control characters never reach the terminal.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.chars().count() <= width {
        return clean;
    }
    let mut cut: String = clean.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push('…');
    }
    cut
}
