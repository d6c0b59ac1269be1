//! The panel thread: hook, keys and lamps of a board with wiring. The laptop board has none; its keys are the screen's.
//!
//! The thread sleeps in [`Panel::wait`] until a contact moves, a lamp has to change or an order arrives: orders wake
//! it, so a panel at rest costs nothing.

use offhook_board::{Board, PanelWiring};
use offhook_hal::{Lamp, Panel, PanelEvent, PanelReport, Pattern};
use offhook_hal_linux::LinuxPanel;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Waker;
use std::time::Duration;

/// The thread shows a sign of life at least this often.
pub(crate) const BEAT: Duration = Duration::from_secs(5);

/// To the panel thread.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ToPanel {
    Indicate(Lamp, Pattern),
    Bell(bool),
}

#[derive(Debug)]
pub(crate) struct PanelThread {
    orders: Option<(mpsc::Sender<ToPanel>, Waker)>,
    thread: Option<std::thread::JoinHandle<()>>,
    pub(crate) lamps: Vec<Lamp>,
    pub(crate) has_bell: bool,
    pub(crate) signs: PanelSigns,
}

/// What the panel thread says of itself, for the watchdog and the health of the phone.
#[derive(Debug, Clone, Default)]
pub(crate) struct PanelSigns {
    /// counts up at least every [`BEAT`]; stands still if the board has no panel
    pub(crate) beats: Arc<AtomicU64>,
    /// devices the board names and the panel misses at the moment
    pub(crate) missing: Arc<AtomicUsize>,
}

impl PanelThread {
    /// Opens the board's lines; `event` is called on the panel thread.
    pub(crate) fn start(board: &Board, event: impl Fn(PanelEvent) + Send + 'static) -> Result<Self, String> {
        let signs = PanelSigns::default();
        let PanelWiring::Lines(wiring) = &board.panel else {
            let lamps = (1..=4).map(Lamp::Line).chain((1..=board.lamp_keys).map(Lamp::Key)).chain([Lamp::Message]);
            return Ok(Self { orders: None, thread: None, lamps: lamps.collect(), has_bell: false, signs });
        };
        let panel = LinuxPanel::open(board).map_err(|error| error.to_string())?;
        let has_bell = wiring.bell.is_some();
        Self::run(panel, has_bell, signs, event)
    }

    fn run(
        mut panel: impl Panel + 'static,
        has_bell: bool,
        signs: PanelSigns,
        event: impl Fn(PanelEvent) + Send + 'static,
    ) -> Result<Self, String> {
        let (orders, waiting) = mpsc::channel();
        let (lamps, waker, shown) = (panel.lamps(), panel.waker(), signs.clone());
        let run = move || {
            loop {
                loop {
                    let done = match waiting.try_recv() {
                        Ok(ToPanel::Indicate(lamp, pattern)) => panel.indicate(lamp, pattern),
                        Ok(ToPanel::Bell(on)) => panel.bell(on),
                        Err(mpsc::TryRecvError::Empty) => break,
                        Err(mpsc::TryRecvError::Disconnected) => return,
                    };
                    if let Err(error) = done {
                        tracing::warn!("panel: {error}");
                    }
                }
                shown.beats.fetch_add(1, Ordering::Relaxed);
                match panel.wait(BEAT) {
                    Ok(Some(happened)) => event(happened),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!("the panel is lost: {error}; check its wiring");
                        shown.missing.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                }
                while let Some(report) = panel.report() {
                    tell(&report, &shown.missing);
                }
            }
        };
        let thread = std::thread::Builder::new().name("panel".into()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Self { orders: Some((orders, waker)), thread: Some(thread), lamps, has_bell, signs })
    }

    pub(crate) fn send(&self, order: ToPanel) {
        if let Some((orders, waker)) = &self.orders {
            let _ = orders.send(order);
            waker.wake_by_ref();
        }
    }
}

/// Into the log, and into the count of devices that are missing.
fn tell(report: &PanelReport, missing: &AtomicUsize) {
    match report {
        PanelReport::Lost(..) => {
            missing.fetch_add(1, Ordering::Relaxed);
            tracing::warn!("panel: {report}");
        }
        PanelReport::Found(_) => {
            let _ = missing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
            tracing::info!("panel: {report}");
        }
        PanelReport::Stuck(_) | PanelReport::Dial(_) => tracing::warn!("panel: {report}"),
        PanelReport::Freed(_) | PanelReport::Plugged(_) | PanelReport::Unplugged(..) => {
            tracing::info!("panel: {report}")
        }
    }
}

impl Drop for PanelThread {
    fn drop(&mut self) {
        if let Some((orders, waker)) = self.orders.take() {
            drop(orders);
            waker.wake();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
