//! The sound thread: opens cards, sets their mixers, and listens for cards and plugs that come and go, because each of
//! these takes time that neither the media thread nor the main thread has. It sleeps until something happens.
//!
//! Which card is opened when decides [`Routing`]; this is its driver. An opened device goes by the main thread to the media
//! thread, and comes back the same way to be closed here.

use crate::sound;
use offhook_board::{AudioWiring, Board, JackWiring, PanelWiring};
use offhook_hal::audio::loop_test::LoopResult;
use offhook_hal::audio::routing::{BOARD, Routing, Step};
use offhook_hal::{Audio, PollFd, Route};
use offhook_hal_linux::AlsaAudio;
use offhook_hal_linux::jack::JackWatch;
use offhook_hal_linux::loop_test;
use offhook_hal_linux::mixer::{RouteMixer, mixer_card};
use offhook_hal_linux::sound_cards::CardWatch;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// An opened device. Devices are numbered, so that news of one that was replaced meanwhile are not taken for news of its
/// successor.
pub(crate) struct Device {
    pub(crate) audio: Box<dyn Audio>,
    pub(crate) number: u32,
}

/// What the sound thread has for the main thread.
pub(crate) enum SoundEvent {
    /// To be put to use; `instead`: not what the route should have, and why.
    Opened { device: Device, instead: Option<String> },
    /// The device in use is to be given back, see [`SoundThread::silent`].
    Silence,
    /// The device in use takes the levels of this route.
    Level(Route),
    /// A plug was put into the headset jack, or pulled.
    Jack(bool),
    /// What the handset's microphone heard of its receiver.
    Measured(Result<LoopResult, String>),
}

enum Order {
    Route(Route),
    Lost(u32),
    Close(Box<dyn Audio>),
    Silent,
    Measure,
}

/// The main thread's end.
#[derive(Debug)]
pub(crate) struct SoundThread {
    orders: Option<mpsc::Sender<Order>>,
    wake: Arc<OwnedFd>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl SoundThread {
    /// `opened`: device number 0 is open, as `choice` or the board names it; otherwise it is opened as soon as it is there.
    /// `event` is called on the sound thread.
    pub(crate) fn start(
        choice: &str,
        board: &Board,
        state: &Path,
        opened: bool,
        event: impl Fn(SoundEvent) + Send + 'static,
    ) -> Result<Self, String> {
        let wiring = if choice.is_empty() { board.audio.clone() } else { board.audio.on(choice) };
        let own = wiring.routes.iter().filter_map(|route| Some((route.route, route.pcm.clone()?))).collect();
        let now = Instant::now();
        let mut routing = Routing::new(now, (wiring.playback.clone(), wiring.capture.clone()), own);
        let mut mixer = None;
        if opened {
            routing.begin_opened(now);
            mixer = RouteMixer::open(&wiring).map_err(sound::text)?;
            if let Some(mixer) = &mut mixer {
                mixer.set(Route::Off).map_err(sound::text)?;
            }
        }
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = Arc::new(wake.map_err(|error| format!("cannot start sound: {error}"))?);
        let (orders, waiting) = mpsc::channel();
        let watch = CardWatch::new();
        if let Err(error) = &watch {
            tracing::warn!("cannot watch for sound cards ({error}); a card that comes is noticed some seconds later");
        }
        let worker = Worker {
            choice: choice.to_owned(),
            board: board.clone(),
            state: state.to_owned(),
            wiring,
            routing,
            mixer,
            jack: jack(choice, board),
            watch: watch.ok(),
            orders: waiting,
            wake: Arc::clone(&wake),
            number: 0,
            refused: None,
            measuring: false,
            begun: now,
            event: Box::new(event),
        };
        let thread = std::thread::Builder::new()
            .name("sound".into())
            .spawn(move || worker.run())
            .map_err(|error| format!("cannot start sound: {error}"))?;
        Ok(Self { orders: Some(orders), wake, thread: Some(thread) })
    }

    /// Sound shall go this way from now on.
    pub(crate) fn route(&self, route: Route) {
        self.order(Order::Route(route));
    }

    /// The device of this number went away, or could not be started; the media thread has none now.
    pub(crate) fn lost(&self, number: u32) {
        self.order(Order::Lost(number));
    }

    /// A device that is no longer in use.
    pub(crate) fn close(&self, audio: Box<dyn Audio>) {
        self.order(Order::Close(audio));
    }

    /// After [`SoundEvent::Silence`]: no device is in use, and the one before has been [closed](Self::close).
    pub(crate) fn silent(&self) {
        self.order(Order::Silent);
    }

    /// Measures the way from receiver to microphone; calls have no sound meanwhile. [`SoundEvent::Measured`] follows.
    pub(crate) fn measure(&self) {
        self.order(Order::Measure);
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
            self.wake();
        }
    }

    fn wake(&self) {
        // The counter can only be full of signals already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

impl Drop for SoundThread {
    fn drop(&mut self) {
        self.orders = None;
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The jack that the board's card watches; a device named on the command line has none.
fn jack(choice: &str, board: &Board) -> Option<JackWatch> {
    match &board.panel {
        PanelWiring::Lines(lines) if choice.is_empty() => match &lines.jack {
            Some(JackWiring::Control(control)) => Some(JackWatch::new(mixer_card(&board.audio), control.clone())),
            _ => None,
        },
        _ => None,
    }
}

struct Worker {
    choice: String,
    board: Board,
    state: PathBuf,
    wiring: AudioWiring,
    routing: Routing,
    mixer: Option<RouteMixer>,
    jack: Option<JackWatch>,
    watch: Option<CardWatch>,
    orders: mpsc::Receiver<Order>,
    wake: Arc<OwnedFd>,
    /// of the device opened last
    number: u32,
    /// what was said last of a card that does not open, so that it is said once
    refused: Option<String>,
    /// the card is wanted for a measurement as soon as it is given back
    measuring: bool,
    begun: Instant,
    event: Box<dyn Fn(SoundEvent) + Send>,
}

impl Worker {
    fn run(mut self) {
        while self.obey() {
            let until = self.perform();
            let plugged = self.jack.as_mut().and_then(|jack| jack.turn(self.begun.elapsed()));
            if let Some(plugged) = plugged {
                (self.event)(SoundEvent::Jack(plugged));
            }
            if let Some(complaint) = self.jack.as_mut().and_then(JackWatch::complaint) {
                tracing::debug!("no headset jack: {complaint}");
            }
            self.wait(until);
        }
    }

    /// Orders of the main thread; `false`: the end.
    fn obey(&mut self) -> bool {
        loop {
            let now = Instant::now();
            match self.orders.try_recv() {
                Ok(Order::Route(route)) => self.routing.route(now, route),
                Ok(Order::Lost(number)) if number == self.number => self.routing.lost(now),
                Ok(Order::Lost(_)) => {}
                Ok(Order::Close(audio)) => drop(audio),
                Ok(Order::Measure) => {
                    self.measuring = true;
                    (self.event)(SoundEvent::Silence);
                }
                Ok(Order::Silent) if std::mem::take(&mut self.measuring) => {
                    let result = self.measure();
                    (self.event)(SoundEvent::Measured(result));
                    // The card that was in use is not, however it was given up; it is opened again as after a loss.
                    self.routing.released(now);
                    self.routing.lost(Instant::now());
                }
                Ok(Order::Silent) => self.routing.released(now),
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Everything that can be done now; answers until when there is nothing more.
    fn perform(&mut self) -> Option<Instant> {
        loop {
            match self.routing.poll(Instant::now()) {
                Step::Open(card, route) => {
                    let opened = self.open(card, route);
                    self.routing.opened(Instant::now(), opened);
                }
                Step::Release => (self.event)(SoundEvent::Silence),
                Step::Level(route) => {
                    self.set_mixer(route);
                    (self.event)(SoundEvent::Level(route));
                }
                Step::Wait(until) => return until,
            }
        }
    }

    fn measure(&mut self) -> Result<LoopResult, String> {
        let sound::Sound { mut audio, .. } = sound::open(&self.choice, &self.board, &self.state)?;
        let _ = audio.route(Route::Handset);
        self.set_mixer(Route::Handset);
        loop_test::measure(&mut *audio).map_err(sound::text)
    }

    /// Opens a card, puts it on the route and hands it over.
    fn open(&mut self, card: usize, route: Route) -> bool {
        let began = Instant::now();
        let opened = match self.routing.pcms(card) {
            Some((playback, capture)) if card != BOARD => AlsaAudio::open_on(&self.wiring, playback, capture)
                .map(|audio| sound::Sound { audio: Box::new(audio), notice: None })
                .map_err(sound::text),
            _ => sound::open(&self.choice, &self.board, &self.state),
        };
        let sound::Sound { mut audio, notice } = match opened {
            Ok(sound) => sound,
            Err(error) => {
                if self.refused.as_ref() != Some(&error) {
                    tracing::warn!("{error}");
                    self.refused = Some(error);
                }
                return false;
            }
        };
        for fact in audio.facts() {
            tracing::info!("{fact}");
        }
        tracing::debug!("opened for {} in {} ms", route.name(), began.elapsed().as_millis());
        let missed = if self.wiring.route(route).is_some_and(|own| own.pcm.is_some()) && card == BOARD {
            self.refused.clone()
        } else {
            self.refused = None;
            None
        };
        // Levels in software; those of the mixer are set below, and what is missing there is said there.
        let _ = audio.route(route);
        match self.routing.pcms(card) {
            Some((playback, _)) if card != BOARD => set_own_mixer(&self.wiring, playback, route),
            _ => self.set_mixer(route),
        }
        self.number = self.number.wrapping_add(1);
        let device = Device { audio, number: self.number };
        (self.event)(SoundEvent::Opened { device, instead: notice.or(missed) });
        true
    }

    /// The mixer of the card in use.
    fn set_mixer(&mut self, route: Route) {
        if !self.choice.is_empty() {
            return;
        }
        if let Some(card) = self.routing.in_use().filter(|card| *card != BOARD) {
            if let Some((playback, _)) = self.routing.pcms(card) {
                set_own_mixer(&self.wiring, playback, route);
            }
            return;
        }
        if self.mixer.is_none() {
            match RouteMixer::open(&self.wiring) {
                Ok(mixer) => self.mixer = mixer,
                Err(error) => tracing::warn!("{error}"),
            }
        }
        if let Some(mixer) = &mut self.mixer
            && let Err(error) = mixer.set(route)
        {
            tracing::warn!("{error}");
        }
    }

    /// Sleeps until there is an order, a card or a plug, or it is `until`.
    #[allow(unsafe_code)]
    fn wait(&mut self, until: Option<Instant>) {
        let readable = |fd| PollFd { fd, events: libc::POLLIN, revents: 0 };
        let mut descriptors = vec![readable(self.wake.as_raw_fd())];
        // A negative descriptor is none.
        descriptors.push(readable(self.watch.as_ref().map_or(-1, CardWatch::fd)));
        let jack_due = self.jack.as_ref().and_then(JackWatch::timeout).map(|at| self.begun + at);
        descriptors.extend(self.jack.iter().flat_map(JackWatch::descriptors));
        let due = until.into_iter().chain(jack_due).min();
        // A millisecond more, so that it is due when we wake.
        let timeout = due.map(|due| due.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        let timeout = timeout.map_or(-1, |timeout| i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
        // SAFETY: `PollFd` has the layout of `struct pollfd`; pointer and length are those of the vector.
        unsafe {
            libc::poll(descriptors.as_mut_ptr().cast::<libc::pollfd>(), descriptors.len() as libc::nfds_t, timeout);
        }
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        if self.watch.as_mut().is_some_and(CardWatch::news) {
            self.routing.cards_changed(Instant::now());
            if let Some(jack) = &mut self.jack {
                jack.cards_changed(self.begun.elapsed());
            }
        }
    }
}

/// The mixer of a card that one route has for itself; what it does not have the board's card may.
fn set_own_mixer(wiring: &AudioWiring, playback: &str, route: Route) {
    match RouteMixer::open_own(wiring, playback) {
        Ok(Some(mut mixer)) => {
            if let Err(error) = mixer.set(route) {
                tracing::warn!("{error}");
            }
        }
        Ok(None) => {}
        Err(error) => tracing::debug!("{error}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::heartbeat;
    use crate::media_thread::{FromMedia, MediaThread, ToMedia};
    use offhook_board::RouteWiring;
    use offhook_hal::PollFd;

    fn next(events: &mpsc::Receiver<SoundEvent>) -> SoundEvent {
        events.recv_timeout(Duration::from_secs(10)).expect("nothing happened")
    }

    fn laptop() -> Board {
        Board::parse(Board::built_in("laptop").unwrap()).unwrap()
    }

    #[test]
    fn a_route_only_takes_its_levels_and_a_lost_device_is_opened_again_at_once() {
        let (told, events) = mpsc::channel();
        let sound = SoundThread::start("none", &laptop(), Path::new("/nowhere"), true, move |event| {
            let _ = told.send(event);
        })
        .unwrap();
        sound.route(Route::Speaker);
        assert!(matches!(next(&events), SoundEvent::Level(Route::Speaker)));
        let began = Instant::now();
        sound.lost(0);
        let SoundEvent::Opened { mut device, instead } = next(&events) else { panic!("another event") };
        assert!(instead.is_none() && device.number == 1);
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
        assert!(matches!(device.audio.ready(&mut [] as &mut [PollFd]), Ok(false)));
        sound.close(device.audio);
        // News of the device before are no news of this one.
        sound.lost(0);
        assert!(events.recv_timeout(Duration::from_millis(300)).is_err());
    }

    #[test]
    fn a_card_that_is_absent_is_not_in_the_way_of_the_end() {
        let mut board = laptop();
        (board.audio.playback, board.audio.capture) = ("hw:CARD=NoSuchCard".into(), "hw:CARD=NoSuchCard".into());
        board.name = "another".into();
        let (told, events) = mpsc::channel();
        let sound = SoundThread::start("", &board, Path::new("/nowhere"), false, move |event| {
            let _ = told.send(event);
        })
        .unwrap();
        sound.route(Route::Handset);
        assert!(events.recv_timeout(Duration::from_millis(200)).is_err());
        drop(sound);
    }

    /// Which test runs inside the virtual card.
    const INSIDE: &str = "OFFHOOK_INSIDE_VIRTUAL_CARD";

    /// Are we inside `virtual-card.sh`? Otherwise runs `test` there.
    fn inside(test: &str) -> bool {
        if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
            return true;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/scripts/virtual-card.sh");
        let output = std::process::Command::new(script)
            .arg("--")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &format!("sound_thread::tests::{test}"), "--test-threads=1"])
            .env(INSIDE, test)
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.code() == Some(77) {
            eprintln!("skipped: {test}: {}", err.trim());
            return false;
        }
        assert!(output.status.success() && out.contains("1 passed"), "{test} inside the virtual card:\n{out}\n{err}");
        false
    }

    /// The main thread's part in it.
    struct Desk {
        media: MediaThread,
        sound: SoundThread,
        events: mpsc::Receiver<SoundEvent>,
        lost: u32,
        opened: u32,
    }

    impl Desk {
        fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
            let end = Instant::now() + Duration::from_secs(15);
            let mut beats = (heartbeat::MEDIA.beats(), Instant::now());
            while !done(self) {
                assert!(Instant::now() < end, "waited in vain: {what}");
                while let Some(event) = self.media.poll() {
                    match event {
                        FromMedia::Audio(audio) => self.sound.close(audio),
                        FromMedia::Silent => self.sound.silent(),
                        FromMedia::Lost(number, _) => {
                            self.lost += 1;
                            self.sound.lost(number);
                        }
                        _ => {}
                    }
                }
                while let Ok(event) = self.events.try_recv() {
                    match event {
                        SoundEvent::Opened { device, .. } => {
                            self.opened += 1;
                            self.media.send(ToMedia::Audio(device));
                        }
                        SoundEvent::Silence => self.media.send(ToMedia::Silence),
                        SoundEvent::Level(route) => self.media.send(ToMedia::Route(route)),
                        SoundEvent::Jack(_) | SoundEvent::Measured(_) => {}
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
                // A call has its beat whatever becomes of the card: at most the second in which a stall is noticed.
                if heartbeat::MEDIA.beats() != beats.0 {
                    beats = (heartbeat::MEDIA.beats(), Instant::now());
                }
                assert!(beats.1.elapsed() < Duration::from_secs(2), "the media thread stands still: {what}");
            }
        }
    }

    #[test]
    fn a_call_outlives_its_card_and_the_card_comes_back_into_it() {
        if !inside("a_call_outlives_its_card_and_the_card_comes_back_into_it") {
            return;
        }
        let folder = PathBuf::from(std::env::var_os("OFFHOOK_VIRTUAL_CARD").unwrap());
        let mut board = laptop();
        board.name = "another".into();
        (board.audio.playback, board.audio.capture) = ("offhook".into(), "offhook".into());
        let own = ("offhook_loop".to_owned(), "offhook_loop".to_owned());
        board.audio.routes = vec![RouteWiring { route: Route::Handset, pcm: Some(own), output_db: 0, input_db: 0 }];
        let media = MediaThread::start(sound::open("", &board, &folder).unwrap().audio).unwrap();
        let (told, events) = mpsc::channel();
        let sound = SoundThread::start("", &board, &folder, true, move |event| {
            let _ = told.send(event);
        })
        .unwrap();
        let mut desk = Desk { media, sound, events, lost: 0, opened: 0 };
        desk.sound.route(Route::Handset);
        desk.until("the route's own card", |desk| desk.opened == 1);
        desk.sound.route(Route::Speaker);
        desk.until("the board's card again", |desk| desk.opened == 2);

        assert!(std::process::Command::new("pactl").arg("exit").status().unwrap().success());
        desk.until("the loss is noticed", |desk| desk.lost == 1);
        let server = std::process::Command::new("pulseaudio")
            .args(["-n", "-F"])
            .arg(folder.join("default.pa"))
            .args(["--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no"])
            .args(["--realtime=no", "--high-priority=no", "--log-target=null"])
            .envs([("HOME", folder.clone()), ("XDG_RUNTIME_DIR", folder.join("run"))])
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .spawn();
        let mut server = server.unwrap();
        desk.until("the card is back", |desk| desk.opened >= 3);
        // It stays, and is not lost again at once.
        let (lost, end) = (desk.lost, Instant::now() + Duration::from_millis(1_500));
        desk.until("a while passes", |_| Instant::now() > end);
        let kept = desk.lost == lost;
        drop(desk);
        server.kill().unwrap();
        let _ = server.wait();
        assert!(kept, "lost again");
    }

    #[test]
    fn a_measurement_gets_the_card_when_it_is_given_back_and_gives_it_back_itself() {
        let (told, events) = mpsc::channel();
        let sound = SoundThread::start("none", &laptop(), Path::new("/nowhere"), true, move |event| {
            let _ = told.send(event);
        })
        .unwrap();
        sound.measure();
        assert!(matches!(next(&events), SoundEvent::Silence));
        assert!(events.recv_timeout(Duration::from_millis(300)).is_err(), "the card is still in use");
        sound.silent();
        let SoundEvent::Measured(Ok(result)) = next(&events) else { panic!("another event") };
        assert_eq!(result.heard, None);
        assert!(matches!(next(&events), SoundEvent::Opened { .. }));
    }
}
