//! Screens for the attached display: draws a [`View`], turns keys of a terminal into commands.
//!
//! There is no state here but which page is shown, where its cursor stands and what is searched for; the phone knows everything else. Fits 40
//! columns by 12 rows and uses what is larger. Colours only repeat what words and signs say already.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods))]

mod bars;
mod contact_form;
mod contacts;
mod home;
mod keys;
mod pages;
mod self_test;

pub use keys::Reaction;

use offhook_phone::View;
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Constraint, Layout, Rect};
use std::time::Instant;

/// Which page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Page {
    /// Accounts when idle, else calls and dialling.
    #[default]
    Home,
    Calls,
    Contacts,
    Settings,
    SelfTest,
    Help,
}

impl Page {
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Home => Self::Calls,
            Self::Calls => Self::Contacts,
            Self::Contacts => Self::Settings,
            Self::Settings => Self::SelfTest,
            Self::SelfTest => Self::Help,
            Self::Help => Self::Home,
        }
    }

    fn before(self) -> Self {
        match self {
            Self::Home => Self::Help,
            Self::Calls => Self::Home,
            Self::Contacts => Self::Calls,
            Self::Settings => Self::Contacts,
            Self::SelfTest => Self::Settings,
            Self::Help => Self::SelfTest,
        }
    }
}

/// The screen: a page, a cursor, a search.
#[derive(Debug, Default)]
pub struct Screen {
    page: Page,
    /// Row of the call list, or first line of a page that is longer than the screen.
    cursor: usize,
    /// What is searched for on the contacts page.
    query: String,
    /// A contact that is being written or deleted there.
    sheet: Option<contact_form::Sheet>,
}

impl Screen {
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws everything. `now`: for call timers, in the clock of [`offhook_phone::CallView::since`].
    pub fn draw(&self, view: &View, now: Instant, frame: &mut Frame<'_>) {
        let area = frame.area();
        let lamps = bars::lamp_lines(view, area.width);
        // A wide screen has room for the lamp keys beside the page.
        let beside = area.width >= 64;
        let under = if beside { 0 } else { lamps.len().min(2) as u16 };
        let rows = [
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(under),
            Constraint::Length(1),
            Constraint::Length(1),
        ];
        let [top, middle, lamp_rows, notice, soft_keys] = Layout::vertical(rows).areas(area);
        bars::status(view, top, frame);
        let page = if beside {
            let [page, side] = Layout::horizontal([Constraint::Min(40), Constraint::Length(24)]).areas(middle);
            bars::lamp_column(view, side, frame);
            page
        } else {
            bars::lamps(lamps, lamp_rows, frame);
            middle
        };
        self.draw_page(view, now, page, frame);
        bars::notice(view, notice, frame);
        bars::soft_keys(view, soft_keys, frame);
    }

    fn draw_page(&self, view: &View, now: Instant, area: Rect, frame: &mut Frame<'_>) {
        if let Some(seconds) = view.factory_reset {
            return self_test::factory_reset(seconds, area, frame);
        }
        match self.page {
            // Whoever tests is told what to do, wherever he was before.
            _ if self_test::runs(view) => self_test::draw(view, area, frame),
            Page::SelfTest => self_test::draw(view, area, frame),
            Page::Home => home::draw(view, now, area, frame),
            Page::Calls => pages::calls(view, self.cursor, area, frame),
            Page::Contacts => match &self.sheet {
                Some(sheet) => sheet.draw(area, frame),
                None => contacts::draw(view, &self.query, self.cursor, area, frame),
            },
            Page::Settings => pages::settings(view, self.cursor, area, frame),
            Page::Help => pages::help(self.cursor, area, frame),
        }
    }

    /// What a key of the telephone means to the screen: arrows turn pages and move, `Ok` does what the page offers.
    pub fn panel_key(&mut self, key: offhook_phone::hal::Key, view: &View) -> Reaction {
        keys::react_panel(self, key, view)
    }

    /// What a key of the terminal means. `keypad`: the keyboard is the phone's keypad too (laptop board).
    pub fn key(&mut self, event: KeyEvent, view: &View, keypad: bool) -> Reaction {
        keys::react(self, event, view, keypad)
    }
}

#[cfg(test)]
mod tests;
