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
            tracing::info!("panel: {report}");
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use offhook_hal::{Hook, PanelError};
    use std::collections::VecDeque;
    use std::task::Wake;
    use std::time::Instant;

    /// A panel that really sleeps in its wait, until it is woken.
    struct Sleeper {
        woken: Arc<Woken>,
        wakes: mpsc::Receiver<()>,
        shown: mpsc::Sender<(Lamp, Pattern)>,
        says: VecDeque<Result<PanelEvent, PanelError>>,
        reports: VecDeque<PanelReport>,
    }

    struct Woken(mpsc::SyncSender<()>);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            let _ = self.0.try_send(());
        }
    }

    impl Panel for Sleeper {
        fn wait(&mut self, timeout: Duration) -> Result<Option<PanelEvent>, PanelError> {
            if let Some(says) = self.says.pop_front() {
                return says.map(Some);
            }
            if self.reports.is_empty() {
                let _ = self.wakes.recv_timeout(timeout);
            }
            Ok(None)
        }
        fn waker(&self) -> Waker {
            Waker::from(Arc::clone(&self.woken))
        }
        fn report(&mut self) -> Option<PanelReport> {
            self.reports.pop_front()
        }
        fn indicate(&mut self, lamp: Lamp, pattern: Pattern) -> Result<(), PanelError> {
            let _ = self.shown.send((lamp, pattern));
            Ok(())
        }
        fn bell(&mut self, _: bool) -> Result<(), PanelError> {
            Ok(())
        }
        fn lamps(&self) -> Vec<Lamp> {
            vec![Lamp::Mute]
        }
    }

    type Shown = mpsc::Receiver<(Lamp, Pattern)>;

    fn sleeper() -> (Sleeper, Shown) {
        let (sender, wakes) = mpsc::sync_channel(1);
        let (shown, seen) = mpsc::channel();
        let woken = Arc::new(Woken(sender));
        (Sleeper { woken, wakes, shown, says: VecDeque::new(), reports: VecDeque::new() }, seen)
    }

    fn run(panel: Sleeper) -> (PanelThread, mpsc::Receiver<PanelEvent>) {
        let (events, happened) = mpsc::channel();
        let event = move |event| {
            let _ = events.send(event);
        };
        (PanelThread::run(panel, false, PanelSigns::default(), event).unwrap(), happened)
    }

    #[test]
    fn an_order_wakes_the_sleeping_thread_and_so_does_its_end() {
        let (panel, seen) = sleeper();
        let (thread, _) = run(panel);
        std::thread::sleep(Duration::from_millis(50));
        let began = Instant::now();
        thread.send(ToPanel::Indicate(Lamp::Mute, Pattern::Slow));
        assert_eq!(seen.recv_timeout(BEAT), Ok((Lamp::Mute, Pattern::Slow)));
        drop(thread);
        assert!(began.elapsed() < BEAT / 2, "it waited for its time to pass");
    }

    #[test]
    fn what_happens_is_passed_on_and_what_is_missing_counted() {
        let (mut panel, _seen) = sleeper();
        panel.says.push_back(Ok(PanelEvent::Hook(Hook::Off)));
        let lost = |name: &str| PanelReport::Lost(name.into(), String::new());
        panel.reports = [lost("a"), lost("b"), PanelReport::Unplugged("c".into(), String::new())].into();
        panel.reports.push_back(PanelReport::Found("a".into()));
        let (thread, happened) = run(panel);
        assert_eq!(happened.recv_timeout(BEAT), Ok(PanelEvent::Hook(Hook::Off)));
        let signs = thread.signs.clone();
        drop(thread);
        assert_eq!(signs.missing.load(Ordering::Relaxed), 1);
        assert!(signs.beats.load(Ordering::Relaxed) >= 1);
    }

    #[test]
    fn a_panel_that_fails_counts_as_missing_and_its_thread_ends() {
        let (mut panel, _seen) = sleeper();
        panel.says.push_back(Err(PanelError::Gone));
        let (mut thread, _) = run(panel);
        thread.thread.take().unwrap().join().unwrap();
        assert_eq!(thread.signs.missing.load(Ordering::Relaxed), 1);
        thread.send(ToPanel::Bell(true));
    }
}
