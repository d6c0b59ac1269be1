//! baresip without a screen, driven over its control socket: netstrings with JSON inside.
//!
//! It plays a sine and throws away what it hears, after its `sndfile` module has written that to a file.

use crate::case::{Case, Outcome, find};
use crate::process::{self, Process};
use crate::{kamailio::Kamailio, ports, sound, wait};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

#[derive(Debug)]
pub(crate) struct Baresip {
    _process: Process,
    control: TcpStream,
    heard: Arc<Mutex<Heard>>,
    /// How many events `wait_event` has gone past.
    seen: usize,
    folder: PathBuf,
}

#[derive(Debug, Default)]
struct Heard {
    events: Vec<Value>,
    answers: usize,
}

/// Starts it as `user`, playing `hz`, with one codec; waits until Kamailio has registered it.
pub(crate) fn start(
    case: &Case,
    kamailio: &Kamailio,
    user: &str,
    hz: u32,
    codec: &str,
    transport: &str,
) -> Outcome<Baresip> {
    let ip = kamailio.address.ip();
    let folder = case.path(format!("baresip-{user}"));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let modules = modules().ok_or("baresip's modules are not under /usr/lib; apt install baresip-core")?;
    // It takes the port after its SIP port for TLS.
    let (sip, control, rtp) = (ports::take(2), ports::take(2), ports::take(20));
    let mut config = format!(
        "sip_listen {ip}:{sip}\naudio_player aubridge,sink\naudio_source ausine,{hz}\naudio_alert aubridge,alert\n\
         audio_level no\nausrc_channels 2\nauplay_channels 1\nausrc_srate 48000\nauplay_srate 48000\nausrc_format s16\n\
         auplay_format s16\nrtp_ports {rtp}-{}\nrtcp_mux no\njitter_buffer_type fixed\njitter_buffer_delay 1-5\n\
         net_interface {ip}\ncall_local_timeout 120\ncall_max_calls 4\nctrl_tcp_listen 127.0.0.1:{control}\n\
         snd_path {}\nmodule_path {}\n",
        rtp + 19,
        folder.display(),
        modules.display()
    );
    for module in ["ausine", "aubridge", "g711", "g722", "opus", "sndfile", "uuid"] {
        config += &format!("module {module}.so\n");
    }
    for module in ["account", "contact", "menu", "ctrl_tcp"] {
        config += &format!("module_app {module}.so\n");
    }
    let account = format!(
        "<sip:{user}@offhook.test>;auth_user={user};auth_pass=pw{user};outbound=\"sip:{};transport={transport}\";regint=60;\
         audio_codecs={codec}\n",
        kamailio.address
    );
    for (name, text) in [("config", config.as_str()), ("accounts", &account), ("contacts", "")] {
        std::fs::write(folder.join(name), text).map_err(|error| error.to_string())?;
    }
    let mut command = process::ahead(&find("baresip").ok_or("no baresip")?);
    command.arg("-f").arg(&folder).arg("-v");
    let mut process = Process::start(case, &format!("baresip-{user}"), &mut command)?;
    let address = SocketAddr::from(([127, 0, 0, 1], control));
    let (out, log) = (process.out.clone(), process.log.clone());
    let said = || process::read(&out) + &process::read(&log);
    let (control, heard) = wait::until(
        10,
        || {
            if !process.is_alive() {
                return Err(format!("baresip ended: {}", process::last(&said())));
            }
            Ok(TcpStream::connect(address).ok().map(|stream| (stream, Arc::new(Mutex::new(Heard::default())))))
        },
        || "baresip has no control socket".into(),
    )?;
    let from = control.try_clone().map_err(|error| error.to_string())?;
    let into = Arc::clone(&heard);
    let record = folder.join("events");
    std::thread::spawn(move || listen(from, &into, std::fs::File::create(record).ok()));
    wait::until(
        10,
        || Ok(said().contains("binding").then_some(())),
        || format!("baresip did not register: {}", process::last(&said())),
    )?;
    Ok(Baresip { _process: process, control, heard, seen: 0, folder })
}

fn listen(mut from: TcpStream, into: &Mutex<Heard>, mut record: Option<std::fs::File>) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 8192]);
    while let Ok(count @ 1..) = from.read(&mut piece) {
        bytes.extend_from_slice(&piece[..count]);
        while let Some(colon) = bytes.iter().position(|&byte| byte == b':') {
            let length: usize = String::from_utf8_lossy(&bytes[..colon]).trim().parse().unwrap_or(0);
            if bytes.len() < colon + 2 + length {
                break;
            }
            let text = String::from_utf8_lossy(&bytes[colon + 1..colon + 1 + length]).into_owned();
            bytes.drain(..colon + 2 + length);
            if let Some(file) = &mut record {
                let _ = writeln!(file, "{text}");
            }
            let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
            let mut heard = into.lock().unwrap();
            if value["response"] == true { heard.answers += 1 } else { heard.events.push(value) }
        }
    }
}

impl Baresip {
    /// Gives a command of its menu, such as `dial` or `hangup`, and waits for the answer.
    pub(crate) fn command(&mut self, command: &str, parameters: &str) -> Outcome {
        let before = self.heard.lock().unwrap().answers;
        let text = json!({"command": command, "params": parameters, "token": "t"}).to_string();
        write!(self.control, "{}:{text},", text.len()).map_err(|error| format!("baresip: {error}"))?;
        let heard = Arc::clone(&self.heard);
        wait::until(
            5,
            || Ok((heard.lock().unwrap().answers > before).then_some(())),
            || format!("baresip did not answer {command}"),
        )
    }

    /// Waits for an event such as `CALL_ESTABLISHED`, after the last one waited for.
    pub(crate) fn wait_event(&mut self, kind: &str) -> Outcome<Value> {
        let (heard, from) = (Arc::clone(&self.heard), self.seen);
        let (at, event) = wait::until(
            10,
            || {
                let heard = heard.lock().unwrap();
                let at = heard.events[from..].iter().position(|event| event["type"] == kind);
                Ok(at.map(|at| (from + at, heard.events[from + at].clone())))
            },
            || {
                let heard = heard.lock().unwrap();
                let kinds: Vec<&str> = heard.events[from..].iter().filter_map(|event| event["type"].as_str()).collect();
                format!("baresip did not say {kind} but {kinds:?}")
            },
        )?;
        self.seen = at + 1;
        Ok(event)
    }

    /// Every event so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.heard.lock().unwrap().events.clone()
    }

    /// What it has heard in its newest call [samples at the rate that comes with them].
    pub(crate) fn ear(&self) -> Outcome<(Vec<i16>, u32)> {
        let files = std::fs::read_dir(&self.folder).map_err(|error| error.to_string())?;
        let newest = files
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().ends_with("dec.wav"))
            .max_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok())
            .ok_or("baresip wrote no file of what it heard")?;
        sound::read(&newest.path())
    }
}

fn modules() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let under = folders.filter_map(|entry| Some(entry.ok()?.path().join("baresip/modules")));
    under
        .chain(["/usr/lib/baresip/modules".into(), "/usr/lib64/baresip/modules".into()])
        .find(|path| path.join("g711.so").is_file())
}
