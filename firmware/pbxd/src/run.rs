//! The loop: one input at a time into the machine, each output performed by one call.

use crate::args::Args;
use crate::media::{self, Media};
use offhook_net::flows::{FlowEvent, Flows};
use offhook_net::rtp_sockets::Pair;
use offhook_net::store::{Folder, Store, StoreThread};
use offhook_net::supervisor::Supervisor;
use offhook_net::{clock, serve};
use offhook_pbx::{HttpId, HttpRequest, Input, MediaId, Now, Output, Pbx, PbxConfig};
use offhook_sip::{FlowId, Transport};
use std::collections::HashMap;
use std::io::Write;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

struct World {
    pbx: Pbx,
    flows: Flows,
    media: Media,
    store: StoreThread,
    waiting: HashMap<HttpId, oneshot::Sender<serve::Response>>,
    bound: Vec<(MediaId, Result<std::net::SocketAddr, String>)>,
    timeout: Option<Instant>,
    stopped: bool,
}

fn now() -> Now {
    Now { instant: Instant::now(), wall: clock::wall() }
}

pub(crate) async fn run(args: Args) -> Result<(), String> {
    let supervisor = Supervisor::from_environment();
    let state = args.state.display();
    let folder = Folder::open(&args.state)
        .map_err(|error| format!("cannot use the state folder {state}: {error}; name another one with --state"))?;
    let mut store = Store::new(folder);
    let records = store.load().map_err(|error| format!("cannot read the state folder {state}: {error}"))?;
    let store = StoreThread::spawn(store).map_err(|error| format!("cannot start: {error}"))?;

    let (flow_events, mut flows_in) = mpsc::channel(4096);
    let (requests, mut requests_in) = mpsc::channel(64);
    let flows = Flows::new(flow_events);
    let taken = |option: &str, address, error: std::io::Error| {
        format!("cannot listen on {address}: {error}; choose another address with {option}")
    };
    let sip = flows.listen(FlowId(1), Transport::Udp, args.sip).await.map_err(|e| taken("--sip", args.sip, e))?;
    // With port 0 both transports must end up on the same port.
    flows.listen(FlowId(3), Transport::Tcp, sip).await.map_err(|e| taken("--sip", sip, e))?;
    let http = serve::listen(args.http, requests).await.map_err(|e| taken("--http", args.http, e))?;

    let random = |error| format!("no randomness: {error}");
    let pbx = Pbx::new(PbxConfig {
        users: args.users,
        sip,
        http,
        realm: "offhook".into(),
        records,
        seed: clock::seed().map_err(random)?,
        entropy: clock::entropy().map_err(random)?,
        engine_rate: media::RATE,
        version: env!("CARGO_PKG_VERSION").into(),
    });
    let mut world = World {
        pbx,
        flows,
        media: Media::new(),
        store,
        waiting: HashMap::new(),
        bound: Vec::new(),
        timeout: None,
        stopped: false,
    };
    let broken = |error| format!("cannot watch signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;

    world.handle(Input::Start);
    print_line("ready");
    supervisor.ready(&format!("SIP at {sip}, provisioning at http://{http}"));
    // A loop that hangs sends no signs of life; there is no other thread to watch.
    let mut alive = supervisor.watchdog.map(|limit| tokio::time::interval(limit / 3));
    let mut next_http = 0;
    while !world.stopped {
        let timeout = world.timeout.into_iter().chain(world.media.due()).min();
        tokio::select! {
            biased;
            _ = terminate.recv() => world.stop(&supervisor),
            _ = interrupt.recv() => world.stop(&supervisor),
            () = tick(alive.as_mut()) => supervisor.alive(),
            Some(event) = flows_in.recv() => world.flow(&event),
            Some(request) = requests_in.recv() => {
                next_http += 1;
                world.http(HttpId(next_http), request);
            }
            () = sleep_until(timeout) => {
                if world.media.due().is_some_and(|due| due <= Instant::now()) {
                    world.beat();
                }
                if world.timeout.is_some_and(|at| at <= Instant::now()) {
                    world.handle(Input::Timeout);
                }
            }
        }
    }
    Ok(())
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn tick(interval: Option<&mut tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

impl World {
    fn stop(&mut self, supervisor: &Supervisor) {
        supervisor.stopping();
        self.handle(Input::Stop);
    }

    fn flow(&mut self, event: &FlowEvent) {
        self.handle(Input::Sip(event.as_input()));
    }

    fn http(&mut self, id: HttpId, request: serve::Request) {
        let serve::Request { method, target, headers, body, source, answer } = request;
        self.waiting.insert(id, answer);
        self.handle(Input::Http { id, request: HttpRequest { method, target, headers, body }, source });
    }

    fn beat(&mut self) {
        self.media.beat(Instant::now());
        while let Some(event) = self.media.poll_event() {
            self.handle(Input::Media(event));
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.pbx.handle(now(), input);
        self.perform_all();
        // Binding is done at once here, so its answer is an input of its own.
        while let Some((id, result)) = self.bound.pop() {
            self.pbx.handle(now(), Input::MediaBound { id, result });
            self.perform_all();
        }
    }

    fn perform_all(&mut self) {
        loop {
            match self.pbx.poll() {
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
                let start = clock::seed().map_or(0, |seed| seed as u16);
                let bound = Pair::bind(local, range, start).map_err(|error| error.to_string());
                let result = bound.and_then(|(pair, address)| {
                    self.media.insert(id.0, pair).map_err(|_| "all media ports are taken".to_owned())?;
                    Ok(address)
                });
                self.bound.push((id, result));
            }
            Output::ReleaseMedia { id } => self.media.release(id.0),
            Output::Media(command) => self.media.command(Instant::now(), command),
            Output::Http { id, response } => {
                if let Some(answer) = self.waiting.remove(&id) {
                    let offhook_pbx::HttpResponse { status, headers, body } = response;
                    // The client may have gone.
                    let _ = answer.send(serve::Response { status, headers, body });
                }
            }
            Output::Persist { name, bytes } => self.store.save(name, bytes),
            Output::User { number, provision } => print_line(&format!("user {number} provision {provision}")),
            Output::Log(text) => tracing::info!("{text}"),
            Output::Stopped => self.stopped = true,
        }
    }
}

/// One line for whoever started us; a closed standard output is not our death.
fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
