//! The phone that is measured: `offhookd`, registered at our peer.

use crate::account::document;
use crate::case::{Case, Outcome};
use crate::offhook::{self, Offhook, Options};
use crate::peer::{self, Dialog, Peer};
use crate::virtual_card::VirtualCard;
use offhook_sip::{Message, Method, Uri};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the phone's sound is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sound<'a> {
    /// Nothing, at the pace of a card.
    None,
    /// This PCM of the virtual card.
    Card(&'a VirtualCard, &'a str),
    /// What is heard goes into this file.
    File(&'a Path),
    /// It speaks from this file and listens into nothing.
    From(&'a Path),
}

#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) phone: Offhook,
    pub(crate) peer: Peer,
    pub(crate) target: Uri,
    pub(crate) address: SocketAddr,
    /// From the start of the process to its first REGISTER.
    pub(crate) to_register: Duration,
}

/// How the phone is started; `peer` is its registrar.
fn options(case: &Case, name: &str, peer: &Peer, sound: Sound<'_>) -> Outcome<Options> {
    let server = peer.address().to_string();
    let nodes = [
        ("title", "Bench"),
        ("username", "100"),
        ("password", ""),
        ("host", server.as_str()),
        ("udpFromUnknownAddresses", "1"),
    ];
    let options = offhook::phone(case, name)?.option("--log", "warn").account(&document(&nodes))?;
    Ok(match sound {
        Sound::None => options.silent(),
        Sound::Card(card, pcm) => card
            .environment()
            .into_iter()
            .fold(options.option("--audio", pcm), |options, (name, value)| options.env(name, value)),
        Sound::From(path) => options.option("--audio", format!("{},", path.display())),
        Sound::File(path) => options.option("--audio", format!(",{}", path.display())),
    })
}

impl Subject {
    /// Starts it and lets it register.
    pub(crate) fn start(case: &Case, name: &str, sound: Sound<'_>) -> Outcome<Self> {
        let peer = Peer::new().map_err(|error| format!("no socket: {error}"))?;
        let mut options = options(case, name, &peer, sound)?;
        let (phone, register) = std::thread::scope(|scope| {
            let register = scope.spawn(|| {
                crate::rtp::punctual();
                let registers =
                    |message: &Message| matches!(message, Message::Request(it) if it.method == Method::Register);
                let found = peer.serve_until(registers);
                if let Ok((Message::Request(request), from, _)) = &found {
                    peer.answer(request, 200, *from);
                }
                found
            });
            let begin = Instant::now();
            let phone = options.start(case);
            (phone, register.join().map(|found| (begin, found)))
        });
        let mut phone = phone?;
        let (begin, found) = register.map_err(|_| "the peer's thread ended")?;
        let (message, _, at) = found.map_err(|error| format!("no REGISTER: {error}"))?;
        let Message::Request(register) = message else { return Err("no REGISTER".into()) };
        let (target, address) = peer::contact(&register)?;
        phone.wait_registered()?;
        Ok(Self { phone, peer, target, address, to_register: at.duration_since(begin) })
    }

    /// Calls it; it lifts.
    pub(crate) fn call(&mut self) -> Outcome<Dialog> {
        let Self { phone, peer, target, address, .. } = self;
        peer.call(target, *address, || phone.lift())
    }

    /// The peer hangs up, and the handset goes down.
    pub(crate) fn end(&mut self, dialog: &mut Dialog) -> Outcome {
        self.peer.bye(dialog)?;
        self.phone.put_down()?;
        self.phone.wait_idle().map(|_| ())
    }
}
