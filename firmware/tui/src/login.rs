//! The page of a phone without an account: what it looks for, who it is (a code that an administrator scans), and a form for
//! those who have a user name. On a telephone's keypad letters are typed as on every telephone: `2` again and again for
//! a, b, c; Right goes on to the next letter, `#` changes between letters and digits.

use crate::bars::fit;
use crate::keys::Reaction;
use offhook_phone::account::Secret;
use offhook_phone::account::template::Login;
use offhook_phone::hal::Key;
use offhook_phone::{Command, FindingView, View};
use qrcode::{Color, EcLevel, QrCode};
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{self, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// Longest text of a field; longer than any that is typed at a phone.
const LONGEST: usize = 256;
/// Light modules around a code; the standard wants four, scanners read it with two, and displays are small.
const MARGIN: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Server,
    User,
    Password,
    Code,
}

impl Field {
    fn label(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::User => "User",
            Self::Password => "Password",
            Self::Code => "Code",
        }
    }
}

/// What is being typed.
#[derive(Debug, Default)]
pub(crate) struct Form {
    open: bool,
    /// Shown although there is an account.
    summoned: bool,
    texts: [String; 4],
    at: usize,
    digits: bool,
    /// Key that was pressed last, and how often, while its letter can still change.
    tapped: Option<(char, usize)>,
}

impl Form {
    /// The search, if this page is to be shown in place of the home page.
    pub(crate) fn shown<'a>(&self, view: &'a View) -> Option<&'a FindingView> {
        view.finding.as_ref().filter(|_| view.calls.is_empty() && (view.accounts.is_empty() || self.summoned))
    }

    pub(crate) fn is_open(&self, view: &View) -> bool {
        self.open && self.shown(view).is_some()
    }

    /// For a phone that has an account, but only for want of a better one.
    pub(crate) fn summoned() -> Self {
        Self { summoned: true, ..Self::default() }
    }

    pub(crate) fn open(&mut self) -> Reaction {
        *self = Self { open: true, summoned: self.summoned, ..Self::default() };
        Reaction::Redraw
    }

    /// A key of a terminal's keyboard.
    pub(crate) fn typed(&mut self, code: KeyCode, view: &View) -> Reaction {
        self.tapped = None;
        match code {
            KeyCode::Char(letter) => self.push(view, letter),
            KeyCode::Backspace => self.delete(view),
            KeyCode::Enter => return self.enter(view),
            KeyCode::Up => self.at = self.at.saturating_sub(1),
            KeyCode::Down | KeyCode::Tab => self.at = (self.at + 1) % fields(view).len(),
            KeyCode::Esc => self.open = false,
            _ => return Reaction::Nothing,
        }
        Reaction::Redraw
    }

    /// A key of the telephone.
    pub(crate) fn pressed(&mut self, key: Key, view: &View) -> Reaction {
        let code = match key {
            Key::Digit('#') => {
                self.digits = !self.digits;
                self.tapped = None;
                return Reaction::Redraw;
            }
            Key::Digit(digit) if self.digits => KeyCode::Char(digit),
            Key::Digit(digit) => {
                self.tap(view, digit);
                return Reaction::Redraw;
            }
            Key::Right => {
                self.tapped = None;
                return Reaction::Redraw;
            }
            Key::Left => KeyCode::Backspace,
            Key::Back if self.text(view).is_empty() => KeyCode::Esc,
            Key::Back => KeyCode::Backspace,
            Key::Up => KeyCode::Up,
            Key::Down => KeyCode::Down,
            Key::Ok => KeyCode::Enter,
            _ => return Reaction::Nothing,
        };
        self.typed(code, view)
    }

    fn tap(&mut self, view: &View, key: char) {
        let times = match self.tapped {
            Some((before, times)) if before == key => {
                self.delete(view);
                times + 1
            }
            _ => 0,
        };
        let letters = letters(key);
        let letter = letters.chars().cycle().nth(times % letters.chars().count().max(1));
        self.push(view, letter.unwrap_or(key));
        self.tapped = Some((key, times));
    }

    fn field(&self, view: &View) -> Field {
        fields(view).get(self.at).copied().unwrap_or(Field::User)
    }

    fn text(&self, view: &View) -> &str {
        self.texts.get(self.field(view) as usize).map_or("", String::as_str)
    }

    fn push(&mut self, view: &View, letter: char) {
        let field = self.field(view);
        if let Some(text) = self.texts.get_mut(field as usize).filter(|text| text.len() < LONGEST) {
            text.push(letter);
        }
    }

    fn delete(&mut self, view: &View) {
        let field = self.field(view);
        if let Some(text) = self.texts.get_mut(field as usize) {
            text.pop();
        }
    }

    /// The next field; behind the last one, the login itself.
    fn enter(&mut self, view: &View) -> Reaction {
        if self.at + 1 < fields(view).len() {
            self.at += 1;
            return Reaction::Redraw;
        }
        self.at = 0;
        let [server, username, password, code] = self.texts.clone();
        let login = Login { username, password: Secret::new(password), code };
        // What a server that asks is told goes to that server; a hidden field says nothing.
        let server = if fields(view).contains(&Field::Server) { server } else { String::new() };
        Reaction::Command(Command::Login { server, login })
    }

    fn lines(&self, view: &View, width: usize) -> Vec<Line<'static>> {
        let mut lines: Vec<Line<'static>> = Vec::new();
        for (index, field) in fields(view).iter().enumerate() {
            let text = self.texts.get(*field as usize).map_or("", String::as_str);
            let shown = match field {
                // The letter that one is choosing is shown.
                Field::Password => {
                    let count = text.chars().count();
                    let open = usize::from(self.tapped.is_some() && index == self.at);
                    let mut shown = "*".repeat(count.saturating_sub(open));
                    shown.extend(text.chars().skip(count.saturating_sub(open)));
                    shown
                }
                _ => text.to_owned(),
            };
            let room = width.saturating_sub(13).max(1);
            let end: String = shown.chars().skip(shown.chars().count().saturating_sub(room)).collect();
            let cursor = if index == self.at { "_" } else { "" };
            let style = if index == self.at { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
            lines.push(Line::styled(fit(&format!(" {:<9} {end}{cursor}", field.label()), width), style));
        }
        let mode = if self.digits { "123" } else { "abc" };
        lines.push(Line::raw(fit(&format!(" Enter goes on, Esc leaves, # {mode}"), width)));
        lines
    }
}

/// A server that asked need not be named.
fn fields(view: &View) -> &'static [Field] {
    match view.finding.as_ref().is_some_and(|finding| finding.login.is_some()) {
        true => &[Field::User, Field::Password, Field::Code],
        false => &[Field::Server, Field::User, Field::Password, Field::Code],
    }
}

/// ITU-T E.161, and what names of servers and passwords are made of.
fn letters(key: char) -> &'static str {
    match key {
        '1' => ".-@_:/1",
        '2' => "abc2ABC",
        '3' => "def3DEF",
        '4' => "ghi4GHI",
        '5' => "jkl5JKL",
        '6' => "mno6MNO",
        '7' => "pqrs7PQRS",
        '8' => "tuv8TUV",
        '9' => "wxyz9WXYZ",
        '0' => "0 +",
        '*' => "*!?&=%$,;()",
        _ => "#",
    }
}

pub(crate) fn draw(form: &Form, view: &View, finding: &FindingView, area: Rect, frame: &mut Frame<'_>) {
    let code = (!form.is_open(view)).then(|| scanned(finding, area)).flatten();
    let side = code.as_ref().map_or(0, |(columns, _)| *columns as u16);
    let [text, picture] = Layout::horizontal([Constraint::Min(1), Constraint::Length(side)]).areas(area);
    let width = usize::from(text.width);
    let title = if view.accounts.is_empty() { " No account yet" } else { " Another server" };
    let mut lines = vec![Line::styled(fit(title, width), Style::new().add_modifier(Modifier::BOLD))];
    let mut words = String::new();
    for word in finding.last.split_whitespace() {
        if words.chars().count() + word.chars().count() + 2 > width && !words.is_empty() {
            lines.push(Line::raw(fit(&words, width)));
            words.clear();
        }
        words.push(' ');
        words.push_str(word);
    }
    lines.push(Line::raw(fit(&words, width)));
    if finding.busy {
        lines.push(Line::raw(" logging in"));
    } else if form.is_open(view) {
        lines.extend(form.lines(view, width));
    } else {
        lines.push(Line::raw(fit(" Enter: log in", width)));
        lines.push(Line::raw(fit(&format!(" {}", finding.short), width)));
    }
    frame.render_widget(Paragraph::new(lines), text);
    if let Some((_, rows)) = code {
        frame.render_widget(Paragraph::new(rows), picture);
    }
}

/// The longer code if it fits beside the words, else the short one, else none; with its columns.
fn scanned(finding: &FindingView, area: Rect) -> Option<(usize, Vec<Line<'static>>)> {
    [&finding.code, &finding.short].into_iter().find_map(|text| {
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L).ok()?;
        let columns = code.width() + 2 * MARGIN;
        let fits = columns.div_ceil(2) <= usize::from(area.height) && columns + 14 <= usize::from(area.width);
        fits.then(|| (columns, rows(&code)))
    })
}

/// Two modules in one character cell, above and below; black on white, as scanners want it.
fn rows(code: &QrCode) -> Vec<Line<'static>> {
    let width = code.width();
    let dark = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(MARGIN).filter(|at| *at < width);
        inside(x).zip(inside(y)).is_some_and(|at| code[at] == Color::Dark)
    };
    let all = width + 2 * MARGIN;
    let style = Style::new().fg(style::Color::Black).bg(style::Color::White);
    let row = |y: usize| {
        let cell = |x: usize| match (dark(x, y), dark(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        Line::styled((0..all).map(cell).collect::<String>(), style)
    };
    (0..all).step_by(2).map(row).collect()
}

#[cfg(test)]
mod tests;
