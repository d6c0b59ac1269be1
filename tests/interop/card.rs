//! A sound card that is not there: `tests/scripts/virtual-card.sh`, with what the phone plays recorded behind the
//! playback device, and a tone in front of its microphone.

use crate::case::{Case, Outcome, find, skip};
use crate::process::{self, Process};
use crate::{sound, wait};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Rate of the recording [Hz].
pub(crate) const RATE: u32 = 16_000;

#[derive(Debug)]
pub(crate) struct Card {
    // In the order in which they end.
    recorder: Process,
    voice: Option<Process>,
    _card: Process,
    folder: PathBuf,
    recording: PathBuf,
}

pub(crate) fn start(case: &Case) -> Outcome<Card> {
    let folder = case.path("card");
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/virtual-card.sh"));
    command.arg(&folder).args(["--", "sh", "-c", "echo ready; exec sleep 1000"]);
    let mut card = Process::start(case, "virtual-card", &mut command)?;
    match card.wait_output("ready", |line| (line == "ready").then_some(())) {
        Ok(()) => {}
        // It says why: no sound server here.
        Err(_) if card.wait(1).is_ok_and(|status| status.code() == Some(77)) => return Err(skip(card.log().trim())),
        Err(error) => return Err(error),
    }
    let recording = case.path("card.s16");
    let file = std::fs::File::create(&recording).map_err(|error| error.to_string())?;
    let mut command = process::ahead(&find("parec").ok_or("no parec")?);
    command.args(["--device=spk.monitor", "--format=s16le", "--channels=1", "--latency-msec=50", "--raw"]);
    command.arg(format!("--rate={RATE}")).env("PULSE_SERVER", server(&folder)).env("HOME", &folder);
    let recorder = Process::start_into(case, "parec", &mut command, Stdio::from(file))?;
    let mut card = Card { recorder, voice: None, _card: card, folder, recording };
    // A null sink plays silence when nobody plays, so the recording grows from the start.
    wait::until(
        10,
        || {
            if !card.recorder.is_alive() {
                return Err(format!("parec ended: {}", card.recorder.log()));
            }
            Ok((card.ear()?.len() > RATE as usize / 10).then_some(()))
        },
        || "nothing can be recorded from the virtual card".into(),
    )?;
    Ok(card)
}

fn server(folder: &std::path::Path) -> String {
    format!("unix:{}/run/native", folder.display())
}

impl Card {
    /// For the phone: with it, the PCM `offhook` is this card.
    pub(crate) fn alsa_config(&self) -> PathBuf {
        self.folder.join("asound.conf")
    }

    /// What the card has played so far, 16 kHz.
    pub(crate) fn ear(&self) -> Outcome<Vec<i16>> {
        let bytes = std::fs::read(&self.recording).map_err(|error| error.to_string())?;
        Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
    }

    /// Plays a tone as a phone would, until the card goes away.
    pub(crate) fn play(&mut self, case: &Case, hz: f64) -> Outcome {
        self.sing(case, "spk", hz)
    }

    /// Someone whistles at `hz` into the microphone until the card goes away.
    pub(crate) fn whistle(&mut self, case: &Case, hz: f64) -> Outcome {
        self.sing(case, "mic", hz)
    }

    fn sing(&mut self, case: &Case, sink: &str, hz: f64) -> Outcome {
        let path = case.path("whistle.wav");
        // Longer than any case.
        sound::write_tone(&path, hz, 200)?;
        let mut command = process::ahead(&find("pacat").ok_or("no pacat")?);
        command
            .args(["--playback", "--latency-msec=100", "--file-format=wav"])
            .arg(format!("--device={sink}"))
            .arg(&path);
        command.env("PULSE_SERVER", server(&self.folder)).env("HOME", &self.folder);
        self.voice = Some(Process::start(case, "pacat", &mut command)?);
        Ok(())
    }
}
