//! What the daemon does for finding and asking web servers: leases, the socket of SIP PnP, and the certificates that were
//! named on the command line.

use crate::args::Args;
use offhook_net::pnp::PnpSocket;
use offhook_net::{lease, tls};
use offhook_phone::PnpOrder;
use offhook_phone::account::Secret;
use offhook_phone::account::fetch::{FetchRequest, Identity, Trust};
use offhook_phone::account::finding::DhcpOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::{spawn_blocking, spawn_local};

/// What the world answers to a phone that looks for a server.
#[derive(Debug)]
pub(crate) enum FindingEvent {
    Leases(Vec<DhcpOptions>),
    PnpOpened(Option<SocketAddr>),
    PnpHeard(SocketAddr, Vec<u8>),
}

pub(crate) struct Web<T> {
    happened: mpsc::Sender<T>,
    event: fn(FindingEvent) -> T,
    socket: Option<PnpSocket>,
    places: Vec<PathBuf>,
    /// for servers that are not the provisioning server
    others: Arc<Trust>,
}

impl<T: Send + 'static> Web<T> {
    pub(crate) fn new(args: &Args, trust: &Trust, happened: mpsc::Sender<T>, event: fn(FindingEvent) -> T) -> Self {
        let places = match &args.leases {
            Some(folder) => vec![folder.clone()],
            None => lease::PLACES.map(PathBuf::from).to_vec(),
        };
        // A pin is about one server's key, and a certificate tells who the phone is: neither is for everybody.
        let others = Arc::new(Trust { authorities: trust.authorities.clone(), ..Trust::default() });
        Self { happened, event, socket: None, places, others }
    }

    pub(crate) fn read_leases(&self) {
        let (happened, event, places) = (self.happened.clone(), self.event, self.places.clone());
        spawn_local(async move {
            let leases = spawn_blocking(move || lease::read(&places)).await.unwrap_or_default();
            let _ = happened.send(event(FindingEvent::Leases(leases))).await;
        });
    }

    pub(crate) fn pnp(&mut self, order: PnpOrder) {
        match order {
            PnpOrder::Open => {
                let (heard, event) = (self.happened.clone(), self.event);
                // Whoever floods is dropped, not queued.
                let opened = PnpSocket::open(move |from, bytes| {
                    let _ = heard.try_send(event(FindingEvent::PnpHeard(from, bytes.to_vec())));
                });
                self.socket = opened.inspect_err(|error| tracing::debug!("no SIP PnP: {error}")).ok();
                let local = self.socket.as_ref().map(PnpSocket::local);
                let happened = self.happened.clone();
                spawn_local(async move { happened.send(event(FindingEvent::PnpOpened(local))).await });
            }
            PnpOrder::Send { to, bytes } => {
                if let Some(socket) = &self.socket {
                    socket.send(to, &bytes);
                }
            }
            PnpOrder::Close => self.socket = None,
        }
    }

    /// A request that says nothing about certificates believes whom the phone was told to believe.
    pub(crate) fn prepared(&self, mut request: FetchRequest) -> FetchRequest {
        if *request.trust == Trust::default() {
            request.trust = Arc::clone(&self.others);
        }
        request
    }
}

/// From the files on the command line.
pub(crate) fn trust(args: &Args) -> Result<Trust, String> {
    let read = |option: &str, path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("{option} {}: {error}; name a PEM file", path.display()))
    };
    let mut trust = Trust { pins: args.pins.clone(), ..Trust::default() };
    for path in &args.authorities {
        trust.authorities.push_str(&read("--authorities", path)?);
        trust.authorities.push('\n');
    }
    trust.identity = match (&args.certificate, &args.key) {
        (Some(chain), Some(key)) => {
            Some(Identity { chain: read("--certificate", chain)?, key: Secret::new(read("--key", key)?) })
        }
        (None, None) => None,
        _ => return Err("--certificate and --key belong together: name both PEM files".into()),
    };
    if trust != Trust::default() {
        // Better said now than at the first fetch.
        tls::client(&trust, true).map_err(|error| error.to_string())?;
    }
    Ok(trust)
}
