//! Writing in the phone's own book: the form of one contact, and the question before one is deleted. What a server or a
//! lamp key says cannot be changed here; changing it makes a contact of the own book, which is believed first.

use crate::bars::fit;
use crate::pages::heading;
use crate::{Reaction, Screen};
use offhook_phone::address_book::{Contact, Hit, LocalBook, Number, Origin};
use offhook_phone::{Command, View};
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// Longest text of a field [characters].
const LONGEST: usize = 128;
const LABELS: [&str; 4] = ["Name", "Number", "Label", "Company"];
const NAME: usize = 0;
const NUMBER: usize = 1;
const LABEL: usize = 2;
const COMPANY: usize = 3;

/// What stands over the contacts page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sheet {
    Form(Box<Form>),
    Delete {
        uid: String,
        /// for people
        what: String,
    },
}

/// A contact being written. Of several numbers it is about one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// what it changes; its `uid` is empty if it is to be a new one of the own book
    before: Contact,
    /// which number of it; one more than there are: another one
    at: usize,
    fields: [String; LABELS.len()],
    field: usize,
    /// why it cannot be saved as it is
    problem: String,
    title: &'static str,
}

impl Form {
    /// An empty one; `typed` is what was searched for, and probably whom it is about.
    pub(crate) fn new(typed: &str) -> Self {
        let field = if typed.chars().any(char::is_alphabetic) { NAME } else { NUMBER };
        let mut form = Self { title: "New contact", ..Self::default() };
        if let Some(text) = form.fields.get_mut(field) {
            typed.clone_into(text);
        }
        form
    }

    /// What the cursor shows.
    pub(crate) fn of(hit: &Hit<'_>) -> Self {
        let own = hit.origin == Origin::Local;
        let before = Contact { uid: if own { hit.contact.uid.clone() } else { String::new() }, ..hit.contact.clone() };
        let at = before.numbers.iter().position(|number| number == hit.number).unwrap_or(before.numbers.len());
        let label = hit.number.label().unwrap_or_default();
        let fields = [&before.name, &hit.number.address, label, &before.organisation].map(str::to_owned);
        let title = if own { "Change contact" } else { "Copy into the phone's own book" };
        Self { before, at, fields, title, ..Self::default() }
    }

    fn text(&self, field: usize) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    /// The contact as it would be; without its text a number is taken out.
    fn contact(&self) -> Contact {
        let mut contact = self.before.clone();
        contact.name = self.text(NAME).trim().to_owned();
        contact.organisation = self.text(COMPANY).trim().to_owned();
        let (address, label) = (self.text(NUMBER).trim(), self.text(LABEL).trim());
        let number = |labels: &[String]| {
            // further labels of a number that nobody sees here stay
            let rest = labels.iter().skip(1).cloned();
            let first = Some(label.to_owned()).filter(|label| !label.is_empty());
            Number { address: address.to_owned(), labels: first.into_iter().chain(rest).collect() }
        };
        match contact.numbers.get_mut(self.at) {
            Some(_) if address.is_empty() => drop(contact.numbers.remove(self.at)),
            Some(known) => *known = number(&known.labels),
            None if address.is_empty() => {}
            None => contact.numbers.push(number(&[])),
        }
        contact
    }
}

impl Sheet {
    /// The question, if the contact is one of the own book.
    pub(crate) fn delete(hit: &Hit<'_>) -> Option<Self> {
        let contact = hit.contact;
        let what = match contact.numbers.len() {
            1 => contact.name.clone(),
            numbers => format!("{} with {numbers} numbers", contact.name),
        };
        (hit.origin == Origin::Local).then(|| Self::Delete { uid: contact.uid.clone(), what })
    }

    pub(crate) fn draw(&self, area: Rect, frame: &mut Frame<'_>) {
        let width = usize::from(area.width);
        let row = |text: &str| Line::raw(fit(text, width));
        let lines = match self {
            Self::Delete { what, .. } => {
                vec![
                    heading("Delete contact"),
                    Line::raw(""),
                    row(&format!(" {what}")),
                    row(" Enter deletes, Esc keeps"),
                ]
            }
            Self::Form(form) => {
                let mut lines = vec![heading(fit(form.title, width))];
                for (at, label) in LABELS.iter().enumerate() {
                    let (text, here) = (form.text(at), at == form.field);
                    // the end of a long text is what one is typing
                    let room = width.saturating_sub(12);
                    let skipped = text.chars().count().saturating_sub(room);
                    let shown: String = text.chars().skip(skipped).collect();
                    let style = if here { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
                    let cursor = if here { "_" } else { "" };
                    lines.push(Line::styled(fit(&format!(" {label:<8} {shown}{cursor}"), width), style));
                }
                lines.push(Line::raw(""));
                lines.push(row(&form.problem));
                lines.push(row(" Enter saves, Esc does not"));
                lines
            }
        };
        frame.render_widget(Paragraph::new(lines), area);
    }
}

/// Keys while a sheet is open. `None`: not one of them, such as the soft keys.
pub(crate) fn react(screen: &mut Screen, code: KeyCode) -> Option<Reaction> {
    match (screen.sheet.as_mut()?, code) {
        (_, KeyCode::Esc) => screen.sheet = None,
        (Sheet::Delete { uid, .. }, KeyCode::Enter) => {
            let command = Command::RemoveContact(std::mem::take(uid));
            (screen.sheet, screen.cursor) = (None, 0);
            return Some(Reaction::Command(command));
        }
        (Sheet::Form(form), KeyCode::Enter) => {
            let contact = form.contact();
            // what the book would refuse can still be put right here
            match LocalBook::default().put(contact.clone()) {
                Ok(_) => {
                    (screen.sheet, screen.cursor) = (None, 0);
                    return Some(Reaction::Command(Command::SaveContact(contact)));
                }
                Err(unfit) => form.problem = format!(" {unfit}"),
            }
        }
        (Sheet::Form(form), KeyCode::Down | KeyCode::Tab) => form.field = (form.field + 1) % LABELS.len(),
        (Sheet::Form(form), KeyCode::Up | KeyCode::BackTab) => {
            form.field = (form.field + LABELS.len() - 1) % LABELS.len();
        }
        (Sheet::Form(form), KeyCode::Char(letter)) => {
            let field = form.field;
            if let Some(text) = form.fields.get_mut(field).filter(|text| text.chars().count() < LONGEST) {
                text.push(letter);
            }
        }
        (Sheet::Form(form), KeyCode::Backspace) => {
            let field = form.field;
            if let Some(text) = form.fields.get_mut(field) {
                text.pop();
            }
        }
        (_, KeyCode::F(_)) => return None,
        _ => {}
    }
    Some(Reaction::Redraw)
}

/// Ctrl with a letter, on the contacts page: a new contact, another number of a contact, changing and deleting one.
pub(crate) fn open(screen: &mut Screen, letter: char, view: &View) -> Option<Reaction> {
    let hits = view.contacts.search(&screen.query, crate::contacts::MOST);
    let hit = hits.get(screen.cursor);
    let form = |form| Some(Sheet::Form(Box::new(form)));
    let sheet = match (letter, hit) {
        ('n', _) => form(Form::new(&screen.query)),
        ('e', Some(hit)) => form(Form::of(hit)),
        ('a', Some(hit)) => {
            let known = Form::of(hit);
            let at = known.before.numbers.len();
            let fields = [known.text(NAME), "", "", known.text(COMPANY)].map(str::to_owned);
            form(Form { at, fields, field: NUMBER, ..known })
        }
        ('d', Some(hit)) => Sheet::delete(hit),
        _ => None,
    };
    screen.sheet = Some(sheet?);
    Some(Reaction::Redraw)
}
