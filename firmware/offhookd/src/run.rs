//! The loop: one input at a time into the machine, each output performed by one call.

use crate::args::{Args, Mode};
use crate::bench::{self, BenchInput};
use crate::control_server::{self, ControlInput};
use crate::media_thread::{self, FromMedia, MediaThread, ToMedia};
use crate::panel::{PanelThread, ToPanel};
use crate::screen::ScreenThread;
use crate::self_test_report::Report;
use crate::sound_thread::{SoundEvent, SoundThread};
use crate::vitals::{Seen, Vitals, runtime_folder};
use crate::{device, export, factory_reset, network, sound, sound_files, uplink};
use offhook_board::{AudioWiring, Board, PanelWiring};
use offhook_hal::sim::NoneAudio;
use offhook_hal::{AudioFormat, PanelEvent};
use offhook_net::flows::{FlowEvent, Flows};
use offhook_net::rtp_sockets::Pair;
use offhook_net::store::{Folder, Store, StoreThread};
use offhook_net::supervisor::Supervisor;
use offhook_net::{clock, fetch};
use offhook_phone::account::Document;
use offhook_phone::account::provisioner::{FetchError, FetchResponse};
use offhook_phone::account::rules::Uplink;
use offhook_phone::{
    Command, CommandId, Event, Input, Level, MediaId, Now, Output, Phone, PhoneConfig, PhoneFetchId, Probe, Probed,
    SelfTestOrder,
};
use offhook_tui::Reaction;
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::UnixDatagram;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, mpsc};
use tokio::task::{spawn_blocking, spawn_local};

/// Command ids of the screen; those of control clients begin above.
const SCREEN_COMMANDS: u64 = 1;
/// Ids that one control client may use.
const CLIENT_COMMANDS: u64 = 1 << 32;
/// A phone that cannot say goodbye ends anyway.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Answers to questions that the machine asked of the world, and what other threads saw.
enum Happened {
    Fetched(PhoneFetchId, Result<FetchResponse, FetchError>),
    Panel(PanelEvent),
    Screen(Reaction),
    Sound(SoundEvent),
    Probed(Probed),
}

/// Why the daemon ended, when nothing was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was told to.
    Stopped,
    /// Everything was forgotten; it is to be started again.
    Reset,
    /// The self-test is over.
    Tested { passed: bool },
}

struct Daemon {
    phone: Phone,
    flows: Flows,
    happened: mpsc::Sender<Happened>,
    media: MediaThread,
    sound: SoundThread,
    panel: PanelThread,
    screen: Option<ScreenThread>,
    store: StoreThread,
    clients: HashMap<u64, Client>,
    to_serve: BTreeSet<u64>,
    bench: broadcast::Sender<String>,
    bound: Vec<(MediaId, Result<SocketAddr, String>)>,
    timeout: Option<Instant>,
    shown: Option<u64>,
    next_command: u64,
    seed: u64,
    stopped: bool,
    /// What the health is made of has changed.
    news: bool,
    /// Somebody asked for a factory reset, and nobody else does it.
    reset: bool,
    /// As the phone was told last.
    uplink: Option<Uplink>,
    /// As the phone was told last.
    unsaved: Option<String>,
    /// The sound device that was asked for is open.
    audio: bool,
    args: Rc<Args>,
    board: Rc<Board>,
}

struct Client {
    session: offhook_api::Session,
    writer: mpsc::Sender<Vec<u8>>,
}

fn now() -> Now {
    Now { instant: Instant::now(), wall: clock::wall() }
}

pub(crate) async fn run(args: Args) -> Result<Ending, String> {
    let supervisor = Supervisor::from_environment();
    let board = device::board(&args.board)?;
    let state = args.state.display();
    let folder = Folder::open(&args.state)
        .map_err(|error| format!("cannot use the state folder {state}: {error}; name another one with --state"))?;
    let seal = export::seal(args.seal_key.as_deref())?;
    let sealed = if seal.is_some() {
        "sealed with the key of this board"
    } else {
        "not sealed: no --seal-key; private to their owner"
    };
    tracing::debug!("stored secrets are {sealed}");
    let mut store = Store::new(folder).sealed(seal);
    let records = store.load().map_err(|error| format!("cannot read the state folder {state}: {error}"))?;
    let store = StoreThread::spawn(store).map_err(|error| format!("cannot start: {error}"))?;
    let mut accounts = Vec::new();
    for path in &args.accounts {
        let bytes = std::fs::read(path)
            .map_err(|error| format!("--account {}: {error}; name a file with an Account XML", path.display()))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        accounts.push((name, bytes));
    }
    let site = read_site(args.site.as_deref())?;
    let media_files = sound_files::read(&args.state.join("media"));

    media_thread::lock_memory();
    let (args, board) = (Rc::new(args), Rc::new(board));
    let (sound, missing) = open_sound(&args, &board)?;
    let media = MediaThread::start(sound.audio).map_err(|error| format!("cannot start sound: {error}"))?;

    let (happened, mut happened_in) = mpsc::channel(256);
    let sound_events = happened.clone();
    let sound_thread = SoundThread::start(&args.audio, &board, &args.state, !missing, move |event| {
        let _ = sound_events.blocking_send(Happened::Sound(event));
    })?;
    let panel_events = happened.clone();
    let panel = PanelThread::start(&board, move |event| {
        let _ = panel_events.blocking_send(Happened::Panel(event));
    })?;
    let (flow_events, mut flows_in) = mpsc::channel(1024);
    let (control, mut control_in) = mpsc::channel(64);
    // A test is nobody's to control, and the phone that was stopped for it may have left its address busy.
    if let Some(address) = args.control.filter(|_| args.mode == Mode::Phone) {
        control_server::listen(address, control).await.map_err(|error| {
            format!("cannot listen on {address} for the control API: {error}; choose another --control, or off")
        })?;
    }
    let (bench_inputs, mut bench_in) = mpsc::channel(64);
    let bench = broadcast::Sender::new(1024);
    if let Some(path) = &args.bench {
        bench::listen(path, bench_inputs, bench.clone()).map_err(|error| {
            format!("--bench {}: {error}; name a socket in a folder that you can write", path.display())
        })?;
    }

    let seed = clock::seed().map_err(|error| format!("no randomness: {error}"))?;
    let phone = Phone::new(PhoneConfig {
        device: device::device(&board),
        version: env!("CARGO_PKG_VERSION").into(),
        provision: args.provision.clone(),
        insecure_provisioning: args.insecure_provisioning,
        accounts,
        site,
        records,
        media: media_files,
        lamps: panel.lamps.clone(),
        engine_rate: media.rate,
        seed,
        bell: panel.has_bell,
        keys: device::keys(&board),
        hostname: device::hostname(),
        zone: device::zone(),
    });
    let testing = match args.mode {
        Mode::SelfTest { interactive } => Some(interactive),
        _ => None,
    };
    let signs = matches!(board.panel, PanelWiring::Lines(_)).then(|| panel.signs.clone());
    let mut vitals = (testing.is_none() && (supervisor.is_there() || runtime_folder().is_some()))
        .then(|| Vitals::new(supervisor, &board.name, signs, args.screen));
    let notify =
        media.notify.try_clone().and_then(UnixDatagram::from_std).map_err(|error| format!("cannot start: {error}"))?;
    let mut daemon = Daemon {
        phone,
        flows: Flows::new(flow_events),
        happened,
        media,
        sound: sound_thread,
        panel,
        screen: None,
        store,
        clients: HashMap::new(),
        to_serve: BTreeSet::new(),
        bench,
        bound: Vec::new(),
        timeout: None,
        shown: None,
        next_command: SCREEN_COMMANDS,
        seed,
        stopped: false,
        news: false,
        reset: false,
        uplink: None,
        unsaved: None,
        audio: sound.notice.is_none(),
        args,
        board,
    };
    let broken = |error| format!("cannot watch signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;

    // The first call's codecs depend on it.
    daemon.watch_uplink();
    daemon.handle(Input::Start);
    if let Some(text) = sound.notice {
        tracing::warn!("{text}");
        daemon.handle(Input::Audio { available: false, text });
    }
    let mut report = Report::new(daemon.args.json);
    if let Some(interactive) = testing {
        daemon.command(Command::SelfTest(SelfTestOrder::Start { interactive }));
    } else if daemon.args.screen {
        daemon.start_screen()?;
    } else {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "ready").and_then(|()| out.flush());
    }
    if let Some(vitals) = &vitals {
        vitals.supervisor.ready("starting");
    }
    let mut uplinks = tokio::time::interval(uplink::LOOK);
    uplinks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut end = None::<Instant>;
    while !daemon.stopped && end.is_none_or(|end| end > Instant::now()) {
        let wake = daemon.timeout.into_iter().chain(end).min();
        tokio::select! {
            biased;
            _ = terminate.recv() => end = Some(daemon.stop(vitals.as_ref())),
            _ = interrupt.recv() => end = Some(daemon.stop(vitals.as_ref())),
            () = due(vitals.as_mut()) => daemon.look(vitals.as_mut()),
            _ = uplinks.tick() => {
                daemon.watch_uplink();
                daemon.watch_store();
            }
            Ok(()) = notify.readable() => {
                while notify.try_recv(&mut [0]).is_ok() {}
                daemon.media_events();
            }
            Some(event) = flows_in.recv() => daemon.flow(&event),
            Some(what) = happened_in.recv() => if daemon.happened(what) {
                end = Some(daemon.stop(vitals.as_ref()));
            },
            Some(input) = bench_in.recv() => daemon.bench(input),
            Some(input) = control_in.recv() => daemon.control(input),
            () = sleep_until(wake) => {
                if daemon.timeout.is_some_and(|at| at <= Instant::now()) {
                    daemon.handle(Input::Timeout);
                }
            }
        }
        daemon.serve_clients();
        daemon.show();
        if std::mem::take(&mut daemon.news) {
            daemon.look(vitals.as_mut());
        }
        if daemon.reset && end.is_none() {
            end = Some(daemon.stop(vitals.as_ref()));
        }
        if testing.is_some() && end.is_none() && report.follow(&daemon.phone.view(now())) {
            end = Some(daemon.stop(None));
        }
    }
    let (reset, state) = (daemon.reset, daemon.args.state.clone());
    // The last records are written before anything is forgotten.
    drop(daemon);
    if reset {
        factory_reset::clear(&state).map_err(|error| format!("factory reset: {}: {error}", state.display()))?;
        return Ok(Ending::Reset);
    }
    Ok(if testing.is_some() { Ending::Tested { passed: report.passed() } } else { Ending::Stopped })
}

/// `--site`: what is wrong with single values goes to the log.
fn read_site(path: Option<&Path>) -> Result<Document, String> {
    let Some(path) = path else { return Ok(Document::default()) };
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| format!("--site {shown}: {error}; name a file with an Account XML"))?;
    let (document, findings) =
        Document::parse_values(&bytes).map_err(|rejection| format!("--site {shown}: {rejection}"))?;
    for finding in findings {
        tracing::warn!("{shown}: {finding}");
    }
    Ok(document)
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn due(vitals: Option<&mut Vitals>) {
    match vitals {
        Some(vitals) => vitals.due().await,
        None => std::future::pending().await,
    }
}

/// Opens the sound device; `true`: it is not there, and silence stands in until it is. A device that somebody named on
/// the command line must be there.
fn open_sound(args: &Args, board: &Board) -> Result<(sound::Sound, bool), String> {
    match sound::open(&args.audio, board, &args.state) {
        Ok(sound) => Ok((sound, false)),
        Err(error) if args.audio.is_empty() || args.mode != Mode::Phone => {
            let AudioWiring { rate, period, periods, .. } = board.audio;
            let audio = Box::new(NoneAudio::new(AudioFormat { rate, period, periods }));
            Ok((sound::Sound { audio, notice: Some(format!("no sound yet: {error}")) }, true))
        }
        Err(error) => Err(format!("{error}; name another device with --audio, or none")),
    }
}

impl Daemon {
    fn look(&mut self, vitals: Option<&mut Vitals>) {
        if let Some(vitals) = vitals {
            let screen = self.screen.as_ref().is_none_or(ScreenThread::runs);
            if vitals.look(&Seen { phone: &self.phone, store: &self.store, audio: self.audio, screen }) {
                tracing::info!("there is a network");
                self.handle(Input::NetworkUp);
            }
        }
    }

    fn watch_uplink(&mut self) {
        let now = uplink::read(&self.args.metered);
        if self.uplink.as_ref() != Some(&now) {
            tracing::info!("calls go over {}{}", now.link.name(), if now.metered { ", which is metered" } else { "" });
            self.uplink = Some(now.clone());
            self.handle(Input::Uplink(now));
        }
    }

    fn watch_store(&mut self) {
        let trouble = self.store.trouble();
        if self.unsaved != trouble {
            self.unsaved.clone_from(&trouble);
            self.handle(Input::Storage { trouble });
        }
    }

    fn stop(&mut self, vitals: Option<&Vitals>) -> Instant {
        if let Some(vitals) = vitals {
            vitals.supervisor.stopping();
        }
        self.handle(Input::Stop);
        Instant::now() + STOP_TIMEOUT
    }

    fn start_screen(&mut self) -> Result<(), String> {
        let keypad = matches!(self.board.panel, PanelWiring::Keyboard);
        let happened = self.happened.clone();
        let react = move |reaction| drop(happened.blocking_send(Happened::Screen(reaction)));
        let view = self.phone.view(now());
        let screen = ScreenThread::start(keypad, view, react)
            .map_err(|error| format!("cannot draw on this terminal: {error}; use --screen off"))?;
        self.screen = Some(screen);
        Ok(())
    }

    /// Gives the screen the newest picture, if there is a newer one.
    fn show(&mut self) {
        if let Some(screen) = &self.screen {
            let version = self.phone.view_version();
            if self.shown != Some(version) {
                self.shown = Some(version);
                screen.show(self.phone.view(now()));
            }
        }
    }

    fn flow(&mut self, event: &FlowEvent) {
        self.handle(Input::Sip(event.as_input()));
    }

    fn media_events(&mut self) {
        self.media.flush();
        while let Some(event) = self.media.poll() {
            match event {
                FromMedia::Engine(event) => self.handle(Input::Media(event)),
                FromMedia::Pair(_) => {}
                FromMedia::Audio(audio) => self.sound.close(audio),
                FromMedia::Silent => self.sound.silent(),
                FromMedia::Lost(device, why) => {
                    (self.audio, self.news) = (false, true);
                    self.handle(Input::Audio { available: false, text: why.into() });
                    self.sound.lost(device);
                }
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.handle(Input::Command { id, command });
    }

    /// Finds out what the self-test asks for.
    fn probe(&self, probe: Probe) {
        let files = self.args.audio == "none" || self.args.audio.ends_with(".wav") || self.args.audio.contains(".wav,");
        let answer = match probe {
            Probe::Audio if files => Err(Probed::Nothing("no sound device was asked for".into())),
            Probe::Audio => return self.sound.measure(),
            Probe::Network { names } => Ok(names),
        };
        let happened = self.happened.clone();
        spawn_local(async move {
            let answer = match answer {
                Ok(names) => match spawn_blocking(move || network::probe(names)).await {
                    Ok(facts) => Probed::Network(facts),
                    Err(error) => Probed::Nothing(error.to_string()),
                },
                Err(answer) => answer,
            };
            let _ = happened.send(Happened::Probed(answer)).await;
        });
    }

    fn sound(&mut self, event: SoundEvent) {
        match event {
            SoundEvent::Opened { device, instead } => {
                self.media.send(ToMedia::Audio(device));
                let was_lost = !std::mem::replace(&mut self.audio, true);
                self.news = true;
                if was_lost || instead.is_some() {
                    self.handle(Input::Audio { available: instead.is_none(), text: instead.unwrap_or_default() });
                }
            }
            SoundEvent::Silence => self.media.send(ToMedia::Silence),
            SoundEvent::Level(route) => self.media.send(ToMedia::Route(route)),
            SoundEvent::Measured(result) => self.handle(Input::Probed(Probed::Audio(result))),
            SoundEvent::Jack(plugged) => self.handle(Input::Panel(PanelEvent::HeadsetJack(plugged))),
        }
    }

    /// `true`: the user wants to leave.
    fn happened(&mut self, what: Happened) -> bool {
        match what {
            Happened::Fetched(id, result) => self.handle(Input::Fetched { id, result }),
            Happened::Panel(event) => {
                if let (PanelEvent::Down(key), Some(screen)) = (event, &self.screen) {
                    screen.press(key);
                }
                self.handle(Input::Panel(event));
            }
            Happened::Probed(answer) => self.handle(Input::Probed(answer)),
            Happened::Screen(Reaction::Command(command)) => self.command(command),
            Happened::Screen(Reaction::Quit) => return true,
            Happened::Screen(Reaction::Redraw | Reaction::Nothing) => {}
            Happened::Sound(event) => self.sound(event),
        }
        false
    }

    fn bench(&mut self, input: BenchInput) {
        match input {
            BenchInput::Panel(event) => self.handle(Input::Panel(event)),
            BenchInput::Ask(question, client) => {
                let _ = client.send(bench::answer(question, &self.phone.view(now())));
            }
        }
    }

    fn control(&mut self, input: ControlInput) {
        let client = match input {
            ControlInput::Opened { client, writer } => {
                let session = offhook_api::Session::new((client + 1) * CLIENT_COMMANDS);
                self.clients.insert(client, Client { session, writer });
                client
            }
            ControlInput::Received { client, bytes } => {
                let view = self.phone.view(now());
                if let Some(known) = self.clients.get_mut(&client) {
                    known.session.receive(&bytes, &view);
                }
                client
            }
            ControlInput::Closed { client } => {
                self.clients.remove(&client);
                return;
            }
        };
        self.to_serve.insert(client);
    }

    /// What control sessions have to say or to ask; apart from `perform`, so that a session's command never meets a
    /// machine whose outputs are only half performed.
    fn serve_clients(&mut self) {
        while let Some(client) = self.to_serve.pop_first() {
            self.serve(client);
        }
    }

    /// Performs what a control session wants, until it wants nothing more.
    fn serve(&mut self, client: u64) {
        loop {
            let Some(known) = self.clients.get_mut(&client) else { return };
            match known.session.poll() {
                None => return,
                Some(offhook_api::Output::Bytes(bytes)) => {
                    // A client that does not read is cut off, not waited for.
                    if known.writer.try_send(bytes).is_err() {
                        self.clients.remove(&client);
                    }
                }
                Some(offhook_api::Output::Command { id, command }) => self.handle(Input::Command { id, command }),
                Some(offhook_api::Output::Close) => {
                    self.clients.remove(&client);
                }
            }
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.phone.handle(now(), input);
        self.perform_all();
        // Binding is done at once here, so its answer is an input of its own.
        while let Some((id, result)) = self.bound.pop() {
            self.phone.handle(now(), Input::MediaBound { id, result });
            self.perform_all();
        }
    }

    fn perform_all(&mut self) {
        loop {
            match self.phone.poll() {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return;
                }
                output => self.perform(output),
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Timeout(_) => {}
            Output::Sip(output) => self.flows.perform(output),
            Output::BindMedia { id, local, range } => {
                self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let bound = Pair::bind(local, range, (self.seed >> 40) as u16);
                let result = bound.map(|(pair, address)| {
                    self.media.send(ToMedia::Insert(id.0, pair));
                    address
                });
                self.bound.push((id, result.map_err(|error| error.to_string())));
            }
            Output::ReleaseMedia { id } => self.media.send(ToMedia::Release(id.0)),
            Output::Media(command) => self.media.send(ToMedia::Engine(command)),
            Output::Fetch { id, request } => {
                let happened = self.happened.clone();
                spawn_local(async move {
                    let result = spawn_blocking(move || fetch::fetch(&request)).await;
                    let result = result.unwrap_or_else(|error| Err(FetchError::Other(error.to_string())));
                    let _ = happened.send(Happened::Fetched(id, result)).await;
                });
            }
            Output::Persist { name, bytes } => self.store.save(name, bytes),
            Output::Indicate(lamp, pattern) => self.panel.send(ToPanel::Indicate(lamp, pattern)),
            Output::Ring(on) => self.panel.send(ToPanel::Bell(on)),
            Output::Route(route) => self.sound.route(route),
            Output::Notify(event) => self.notify(&event),
            Output::Probe(probe) => self.probe(probe),
            Output::FactoryReset => self.reset = !factory_reset::ask(),
            Output::Done { id, result } => self.done(id, result),
            Output::Stopped => self.stopped = true,
        }
    }

    fn notify(&mut self, event: &Event) {
        self.news |= matches!(event, Event::Registration { .. });
        match event {
            Event::Notice { level: Level::Error, text } => tracing::error!("{text}"),
            Event::Notice { level: Level::Warning, text } => tracing::warn!("{text}"),
            Event::Notice { text, .. } => tracing::info!("{text}"),
            Event::Provisioned { source, changes, report } => {
                tracing::info!("{source}: {changes} settings changed\n{report}");
            }
            Event::ProvisioningFailed { source, reason } => tracing::warn!("{source}: {reason}"),
            Event::Registration { account, state } => tracing::info!("account {account}: {state:?}"),
            Event::Protest(text) => tracing::debug!("{text}"),
            _ => {}
        }
        if let Some(line) = bench::lines(event) {
            // No client is no error.
            let _ = self.bench.send(line);
        }
        if self.clients.is_empty() {
            return;
        }
        let view = self.phone.view(now());
        for (client, known) in &mut self.clients {
            known.session.notify(event, &view);
            self.to_serve.insert(*client);
        }
    }

    fn done(&mut self, id: CommandId, result: Result<(), offhook_phone::Refusal>) {
        let client = (id.0 / CLIENT_COMMANDS).wrapping_sub(1);
        let view = self.phone.view(now());
        if let Some(known) = self.clients.get_mut(&client) {
            known.session.done(id, result, &view);
            self.to_serve.insert(client);
        } else if let Err(refusal) = result {
            tracing::info!("{refusal}");
        }
    }
}
