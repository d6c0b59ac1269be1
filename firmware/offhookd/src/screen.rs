//! The screen thread: draws the newest view and reads the terminal's keys. A slow terminal holds up nobody else.

use crate::heartbeat;
use offhook_hal::Key;
use offhook_phone::View;
use offhook_tui::{Reaction, Screen};
use ratatui::crossterm::event;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Between two looks at keys and view.
const TURN: Duration = Duration::from_millis(25);
/// Call timers tick without news.
const REDRAW: Duration = Duration::from_millis(500);

pub(crate) struct ScreenThread {
    newest: Arc<Mutex<Option<View>>>,
    keys: mpsc::Sender<Key>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ScreenThread {
    /// `keypad`: the keyboard is the phone's keypad. `react` is called on the screen thread.
    pub(crate) fn start(keypad: bool, first: View, react: impl Fn(Reaction) + Send + 'static) -> std::io::Result<Self> {
        let newest = Arc::new(Mutex::new(None));
        let stop = Arc::new(AtomicBool::new(false));
        let mut terminal = ratatui::try_init()?;
        let (keys, pressed) = mpsc::channel();
        let (views, stopping) = (Arc::clone(&newest), Arc::clone(&stop));
        let run = move || {
            let mut screen = Screen::new();
            let mut view = first;
            let mut drawn = None::<Instant>;
            while !stopping.load(Ordering::Relaxed) {
                heartbeat::SCREEN.beat();
                if let Some(newer) = views.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    view = newer;
                    drawn = None;
                }
                if drawn.is_none_or(|at| at.elapsed() >= REDRAW) {
                    if terminal.draw(|frame| screen.draw(&view, Instant::now(), frame)).is_err() {
                        break;
                    }
                    drawn = Some(Instant::now());
                }
                while let Ok(key) = pressed.try_recv() {
                    match screen.panel_key(key, &view) {
                        Reaction::Nothing => {}
                        Reaction::Redraw => drawn = None,
                        reaction => react(reaction),
                    }
                }
                match event::poll(TURN) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(_) => break,
                }
                match event::read() {
                    Ok(event::Event::Key(key)) if key.kind != event::KeyEventKind::Release => {
                        match screen.key(key, &view, keypad) {
                            Reaction::Nothing => {}
                            Reaction::Redraw => drawn = None,
                            reaction => react(reaction),
                        }
                    }
                    Ok(event::Event::Resize(..)) => drawn = None,
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        };
        let thread = std::thread::Builder::new().name("screen".into()).spawn(run);
        if thread.is_err() {
            ratatui::restore();
        }
        Ok(Self { newest, keys, stop, thread: Some(thread?) })
    }

    /// It has not given up on its terminal.
    pub(crate) fn runs(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// A key of the telephone, for pages and menus.
    pub(crate) fn press(&self, key: Key) {
        let _ = self.keys.send(key);
    }

    /// Replaces what waits to be drawn.
    pub(crate) fn show(&self, view: View) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(view);
    }
}

impl Drop for ScreenThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        ratatui::restore();
    }
}
