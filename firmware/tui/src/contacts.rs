//! The contacts page: what is typed is searched for in all address books, Enter calls what the cursor shows. Writing in the
//! phone's own book is [`contact_form`](crate::contact_form)'s.

use crate::bars::fit;
use crate::pages::heading;
use crate::{Reaction, Screen};
use offhook_phone::address_book::Hit;
use offhook_phone::{Command, View};
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// Nobody scrolls further; one types another letter.
pub(crate) const MOST: usize = 200;
/// Longest search [characters].
const LONGEST: usize = 40;

pub(crate) fn draw(view: &View, query: &str, cursor: usize, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let mut lines = vec![heading(fit(&format!("Contacts: {query}_"), width))];
    let hits = view.contacts.search(query, MOST);
    if hits.is_empty() {
        let text = if view.contacts.is_empty() { " none yet" } else { " nobody of that name or number" };
        lines.push(Line::raw(fit(text, width)));
    }
    // what is wrong with a server is said where its contacts are missing
    let failed: Vec<String> = view
        .directories
        .iter()
        .filter(|directory| directory.ok != Some(true))
        .map(|directory| format!(" {}: {}", directory.title, directory.last))
        .collect();
    let rows = usize::from(area.height).saturating_sub(1 + failed.len().min(1)).max(1);
    let first = (cursor + 1).saturating_sub(rows);
    for (index, hit) in hits.iter().enumerate().skip(first).take(rows) {
        let style = if index == cursor { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        lines.push(Line::styled(fit(&entry(hit), width), style));
    }
    lines.extend(failed.into_iter().take(1).map(|text| Line::raw(fit(&text, width))));
    frame.render_widget(Paragraph::new(lines), area);
}

fn entry(hit: &Hit<'_>) -> String {
    let label = hit.number.label().map(|label| format!(" ({label})")).unwrap_or_default();
    let organisation = match hit.contact.organisation.as_str() {
        "" => String::new(),
        organisation => format!(", {organisation}"),
    };
    format!("{}  {}{label}{organisation}", hit.contact.name, hit.number.address)
}

/// Keys of this page. `None`: not one of them.
pub(crate) fn react(screen: &mut Screen, code: KeyCode, view: &View) -> Option<Reaction> {
    match code {
        KeyCode::Char(letter) => {
            if screen.query.chars().count() < LONGEST {
                screen.query.push(letter);
            }
            screen.cursor = 0;
        }
        KeyCode::Backspace => {
            screen.query.pop();
            screen.cursor = 0;
        }
        KeyCode::Esc if !screen.query.is_empty() => {
            screen.query.clear();
            screen.cursor = 0;
        }
        KeyCode::Down => {
            let last = view.contacts.search(&screen.query, MOST).len().saturating_sub(1);
            screen.cursor = (screen.cursor + 1).min(last);
        }
        KeyCode::Enter => {
            let Some(hit) = view.contacts.search(&screen.query, MOST).into_iter().nth(screen.cursor) else {
                return Some(Reaction::Nothing);
            };
            let target = hit.number.address.clone();
            *screen = Screen::new();
            return Some(Reaction::Command(Command::Dial { account: None, target }));
        }
        _ => return None,
    }
    Some(Reaction::Redraw)
}
