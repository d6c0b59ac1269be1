//! Screens for the attached display: draws a `View`, turns keys into commands. No state but which screen is shown.
use offhook_phone::{Command, View};
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
#[derive(Debug, Default)]
pub struct Screen { }
/// What a key of the terminal means.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction { Command(Command), /// draw again
    Redraw, /// Ctrl-C
    Quit, Nothing }
impl Screen {
    pub fn new() -> Self { Self::default() }
    pub fn draw(&self, view: &View, now: std::time::Instant, frame: &mut Frame<'_>) { todo!() }
    /// `keypad`: the terminal's keyboard is the phone's keypad as well (laptop board): digits, `*`, `#`, Space = hook, …
    pub fn key(&mut self, event: KeyEvent, view: &View, keypad: bool) -> Reaction { todo!() }
}
