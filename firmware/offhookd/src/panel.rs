//! The panel thread: hook, keys and lamps of a board with wiring. The laptop board has none; its keys are the screen's.

use offhook_board::{Board, PanelWiring};
use offhook_hal::{Lamp, Panel, PanelError, PanelEvent, Pattern};
use offhook_hal_linux::LinuxPanel;
use std::sync::mpsc;
use std::time::Duration;

/// How long an indication may wait for its lamp.
const TURN: Duration = Duration::from_millis(5);

/// To the panel thread.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ToPanel {
    Indicate(Lamp, Pattern),
    Bell(bool),
}

#[derive(Debug)]
pub(crate) struct PanelThread {
    orders: Option<mpsc::Sender<ToPanel>>,
    thread: Option<std::thread::JoinHandle<()>>,
    pub(crate) lamps: Vec<Lamp>,
    pub(crate) has_bell: bool,
}

impl PanelThread {
    /// Opens the board's lines; `event` is called on the panel thread.
    pub(crate) fn start(board: &Board, event: impl Fn(PanelEvent) + Send + 'static) -> Result<Self, String> {
        let PanelWiring::Lines(wiring) = &board.panel else {
            let lamps = (1..=4).map(Lamp::Line).chain((1..=board.lamp_keys).map(Lamp::Key)).chain([Lamp::Message]);
            return Ok(Self { orders: None, thread: None, lamps: lamps.collect(), has_bell: false });
        };
        let mut panel = LinuxPanel::open(board).map_err(|error| match error {
            PanelError::Device(path, what) => format!("{path}: {what}"),
            PanelError::Gone => "the panel went away".into(),
        })?;
        let (orders, waiting) = mpsc::channel();
        let lamps = panel.lamps();
        let run = move || {
            loop {
                loop {
                    match waiting.try_recv() {
                        Ok(ToPanel::Indicate(lamp, pattern)) => drop(panel.indicate(lamp, pattern)),
                        Ok(ToPanel::Bell(on)) => drop(panel.bell(on)),
                        Err(mpsc::TryRecvError::Empty) => break,
                        Err(mpsc::TryRecvError::Disconnected) => return,
                    }
                }
                match panel.wait(TURN) {
                    Ok(Some(happened)) => event(happened),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!("the panel is lost: {error:?}; check its wiring");
                        return;
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("panel".into()).spawn(run).map_err(|error| error.to_string())?;
        let has_bell = wiring.bell.is_some();
        Ok(Self { orders: Some(orders), thread: Some(thread), lamps, has_bell })
    }

    pub(crate) fn send(&self, order: ToPanel) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }
}

impl Drop for PanelThread {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
