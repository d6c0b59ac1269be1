//! Once a second: is every thread alive, is the phone healthy, and who has to be told.

use crate::health::{Facts, Health};
use crate::heartbeat;
use crate::interruptions;
use crate::network::Network;
use crate::panel::PanelSigns;
use crate::watchdog::{Part, Watchdog};
use offhook_hal::Interruptions;
use offhook_net::store::StoreThread;
use offhook_net::supervisor::Supervisor;
use offhook_phone::Phone;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// A screen that has not drawn for so long is not up. It draws at least twice a second.
const SCREEN_SILENCE: Duration = Duration::from_secs(10);
/// Between two lines of the log about interrupted sound.
const SOUND_TOLD: Duration = Duration::from_secs(60);

pub(crate) struct Vitals {
    pub(crate) supervisor: Supervisor,
    watchdog: Watchdog,
    health: Health,
    panel: Option<PanelSigns>,
    interval: tokio::time::Interval,
    stuck: Option<Part>,
    /// as of the look before
    network: Option<bool>,
    /// when interruptions of sound were last told, and how many there were
    sound_told: (Instant, Interruptions),
}

/// What the main loop knows at the moment of a look.
pub(crate) struct Seen<'a> {
    pub(crate) phone: &'a Phone,
    pub(crate) store: &'a StoreThread,
    pub(crate) audio: bool,
    /// the screen's thread runs, or none is wanted
    pub(crate) screen: bool,
}

impl Vitals {
    /// `panel`: the signs of a panel that has a thread. `screen`: one is wanted.
    pub(crate) fn new(supervisor: Supervisor, board: &str, panel: Option<PanelSigns>, screen: bool) -> Self {
        let wanted = [(true, Part::Media), (panel.is_some(), Part::Panel), (screen, Part::Screen), (true, Part::Store)];
        let parts: Vec<Part> = wanted.into_iter().filter(|(wanted, _)| *wanted).map(|(_, part)| part).collect();
        let period = supervisor.watchdog.map_or(LOOK, |limit| (limit / 3).min(LOOK));
        let mut interval = tokio::time::interval(period);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            health: Health::new(runtime_folder().as_deref(), env!("CARGO_PKG_VERSION"), board),
            watchdog: Watchdog::new(Instant::now(), &parts),
            supervisor,
            panel,
            interval,
            stuck: None,
            network: None,
            sound_told: (Instant::now(), Interruptions::default()),
        }
    }

    pub(crate) async fn due(&mut self) {
        self.interval.tick().await;
    }

    /// `true`: there is a network and was none before.
    pub(crate) fn look(&mut self, seen: &Seen<'_>) -> bool {
        let Self { watchdog, panel, .. } = self;
        let calls = seen.phone.census().calls > 0;
        watchdog.look(Instant::now(), |part| match part {
            Part::Media => Some(heartbeat::MEDIA.beats()),
            Part::Panel => panel.as_ref().map(|signs| signs.beats.load(Ordering::Relaxed)),
            // A call is worth more than its picture.
            Part::Screen => (!calls).then(|| heartbeat::SCREEN.beats()),
            Part::Store => seen.store.progress(),
        });
        let stuck = watchdog.stuck();
        let (accounts, registered) = seen.phone.accounts();
        let facts = Facts {
            accounts,
            registered,
            network: Network::read().is_up(),
            audio: seen.audio,
            screen: seen.screen && watchdog.silence(Part::Screen) < SCREEN_SILENCE,
            panel: panel.as_ref().is_none_or(|signs| signs.missing.load(Ordering::Relaxed) == 0),
            stuck: stuck.map(Part::name),
            interruptions: interruptions::ALL.read(),
        };
        self.tell_of_sound(facts.interruptions);
        if self.health.tell(uptime(), &facts) {
            self.supervisor.status(&facts.status());
        }
        match stuck {
            None => self.supervisor.alive(),
            Some(part) if self.stuck != stuck => {
                tracing::error!("thread {} stands still; nothing but a restart helps", part.name());
                self.supervisor.stuck(&facts.status());
            }
            Some(_) => {}
        }
        self.stuck = stuck;
        self.network.replace(facts.network) == Some(false) && facts.network
    }

    /// A line in the log for what happened since the last one, at most once a minute: whoever asks why somebody was hard to
    /// understand looks there.
    fn tell_of_sound(&mut self, now: Interruptions) {
        let (since, told) = self.sound_told;
        if now == told || since.elapsed() < SOUND_TOLD {
            return;
        }
        self.sound_told = (Instant::now(), now);
        tracing::info!(
            "sound was interrupted: {} over- or underruns and {} periods left out; {} and {} since the start",
            now.xruns - told.xruns,
            now.left_out - told.left_out,
            now.xruns,
            now.left_out
        );
    }
}

/// The folder that the service manager made for us, if there is one.
pub(crate) fn runtime_folder() -> Option<PathBuf> {
    let folders = std::env::var_os("RUNTIME_DIRECTORY")?;
    std::env::split_paths(&folders).next().filter(|path| path.is_absolute())
}

/// [s] on the machine's monotonic clock, the one that kernel and journal stamp with.
#[allow(unsafe_code)]
fn uptime() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer to a timespec of ours; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
