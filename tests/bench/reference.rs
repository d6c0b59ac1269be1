//! baresip with its `alsa` module on the virtual card, or speaking from a file: with the configuration it writes for itself, and with its buffers
//! as short as they go. It registers nowhere and answers every call at once.

use crate::case::{Case, Outcome, find};
use crate::peer::{Dialog, Peer};
use crate::ports;
use crate::process::{self, Process};
use crate::virtual_card::VirtualCard;
use crate::wait;
use offhook_sip::Uri;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// How its buffers are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tuning {
    AsShipped,
    /// The shortest that still gives sound without gaps here.
    Lowest,
}

impl Tuning {
    /// Settings that differ from those it comes with.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::AsShipped => &[],
            Self::Lowest => &[("audio_buffer", "20-40"), ("jitter_buffer_delay", "0-0")],
        }
    }
}

#[derive(Debug)]
pub(crate) struct Baresip {
    pub(crate) process: Process,
    address: SocketAddr,
}

impl Baresip {
    /// On the virtual card.
    pub(crate) fn start(case: &Case, name: &str, card: &VirtualCard, pcm: &str, tuning: Tuning) -> Outcome<Self> {
        let device = format!("alsa,{pcm}");
        let settings = [&[("audio_player", device.as_str()), ("audio_source", &device)], tuning.settings()].concat();
        Self::with_settings(case, name, &settings, &card.environment())
    }

    /// It speaks from a file (at its codec's rate) and listens into nothing. `modules`: codecs that it does not load as shipped.
    pub(crate) fn on_a_file(case: &Case, name: &str, input: &Path, modules: &[&str]) -> Outcome<Self> {
        let source = format!("aufile,{}", input.display());
        let mut settings = vec![
            ("audio_player", "aubridge,sink"),
            ("audio_source", &source),
            ("module", "aufile.so"),
            ("module", "aubridge.so"),
        ];
        settings.extend(modules.iter().map(|module| ("module", *module)));
        Self::with_settings(case, name, &settings, &[])
    }

    fn with_settings(
        case: &Case,
        name: &str,
        settings: &[(&str, &str)],
        environment: &[(&str, String)],
    ) -> Outcome<Self> {
        let program = find("baresip").ok_or("no baresip")?;
        let folder = case.path(name);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let sip = ports::take(2);
        let address = SocketAddr::from(([127, 0, 0, 1], sip));
        let listen = address.to_string();
        let own = [("sip_listen", listen.as_str()), ("net_interface", "127.0.0.1")];
        let settings = [&own, settings].concat();
        let shipped = as_shipped(&program, &folder)?;
        std::fs::write(folder.join("config"), with(&shipped, &settings)).map_err(|error| error.to_string())?;
        let account = "<sip:bench@127.0.0.1>;regint=0;answermode=auto\n";
        std::fs::write(folder.join("accounts"), account).map_err(|error| error.to_string())?;
        let mut command = Command::new(&program);
        command.arg("-f").arg(&folder).envs(environment.iter().cloned());
        let mut process = Process::start(case, &format!("{name}-log"), &mut command)?;
        let (out, log) = (process.out.clone(), process.log.clone());
        let said = || process::read(&out) + &process::read(&log);
        wait::until(
            10,
            || {
                if !process.is_alive() {
                    return Err(format!("baresip ended: {}", process::last(&said())));
                }
                Ok(said().contains("baresip is ready").then_some(()))
            },
            || format!("baresip is not ready: {}", process::last(&said())),
        )?;
        Ok(Self { process, address })
    }

    pub(crate) fn call(&self, peer: &mut Peer) -> Outcome<Dialog> {
        let target = Uri::parse(&format!("sip:bench@{}", self.address)).ok_or("no URI")?;
        let invite = peer.invite(&target);
        peer.send(&invite, self.address);
        let (ok, _) = peer.response(&invite, 200)?;
        peer.confirm(&invite, &ok, self.address)
    }
}

/// The configuration that it writes at its first start.
fn as_shipped(program: &Path, folder: &Path) -> Outcome<String> {
    let path = folder.join("config");
    let mut command = Command::new(program);
    command.arg("-f").arg(folder).args(["-t", "1"]).env("HOME", folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first = command.spawn().map_err(|error| format!("baresip: {error}"))?;
    let _ = first.wait();
    std::fs::read_to_string(&path).map_err(|error| format!("baresip wrote no configuration: {error}"))
}

/// With these settings in place of its own, and without the module that reads the terminal.
fn with(config: &str, settings: &[(&str, &str)]) -> String {
    let key = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    // There may be many modules.
    let replaced = |line: &str| settings.iter().any(|(name, _)| *name != "module" && key(line) == *name);
    let keep = |line: &&str| !replaced(line) && !line.ends_with("stdio.so");
    let mut text: String = config.lines().filter(keep).map(|line| format!("{line}\n")).collect();
    for (name, value) in settings {
        text += &format!("{name} {value}\n");
    }
    text
}
