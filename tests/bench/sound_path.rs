//! What the virtual card takes for itself: the phone's own sound driver with nothing but clicks behind it, from writing a
//! click to its sound at the monitor, and from writing it to reading it again.
//!
//! It runs in a process of its own, because ALSA takes the card's configuration from the environment.

use crate::case::Outcome;
use crate::table::Sample;
use crate::virtual_card::{Monitor, VirtualCard};
use offhook_board::Board;
use offhook_hal::Audio;
use offhook_hal_linux::AlsaAudio;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// What makes this program the one that clicks.
pub(crate) const ARGUMENT: &str = "--sound-path";
const CLICKS: usize = 15;
/// Between two looks at the card.
const LOOK: Duration = Duration::from_micros(300);

/// Medians [ms].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    pub(crate) playback: f64,
    pub(crate) around: f64,
}

/// Measures the card in a process of its own.
pub(crate) fn measure(card: &VirtualCard) -> Outcome<Own> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(own).arg(ARGUMENT).envs(card.environment()).output();
    let output = output.map_err(|error| format!("the card's own path: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(playback), Some(around)) => Ok(Own { playback, around }),
        _ => Err(format!("the card's own path: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The process: two numbers on standard output.
pub(crate) fn run() -> Outcome {
    let server = std::env::var("PULSE_SERVER").map_err(|_| "no PULSE_SERVER")?;
    println!("{:.3} {:.3}", to_the_monitor(&server)?, around()?);
    Ok(())
}

fn to_the_monitor(server: &str) -> Outcome<f64> {
    let monitor = Monitor::start(server, Path::new("/"))?;
    let clicker = Clicker::start("offhook")?;
    let mut times = Sample::default();
    for _ in 0..CLICKS {
        monitor.silence(Duration::from_millis(203))?;
        let begin = clicker.click()?;
        times.push(monitor.sound(Duration::from_secs(2))?.duration_since(begin).as_secs_f64() * 1000.0);
    }
    Ok(times.median())
}

fn around() -> Outcome<f64> {
    let clicker = Clicker::start("offhook_loop")?;
    std::thread::sleep(Duration::from_millis(500));
    let mut times = Sample::default();
    for _ in 0..CLICKS {
        let begin = clicker.click()?;
        let at = clicker.heard.recv_timeout(Duration::from_secs(2)).map_err(|_| "the click does not come back")?;
        times.push(at.duration_since(begin).as_secs_f64() * 1000.0);
        std::thread::sleep(Duration::from_millis(203));
        while clicker.heard.try_recv().is_ok() {}
    }
    Ok(times.median())
}

/// A thread that reads and writes periods as the phone's media thread does.
struct Clicker {
    orders: Sender<Sender<Instant>>,
    heard: Receiver<Instant>,
}

impl Clicker {
    fn start(pcm: &str) -> Outcome<Self> {
        let laptop = Board::built_in("laptop").ok_or("no board `laptop`")?;
        let wiring = Board::parse(laptop).map_err(|error| error.reason)?.audio.on(pcm);
        let mut audio = AlsaAudio::open(&wiring).map_err(|error| format!("{error:?}"))?;
        let (orders, ordered) = channel();
        let (hears, heard) = channel();
        std::thread::spawn(move || {
            crate::rtp::punctual();
            if let Err(error) = beat(&mut audio, &ordered, &hears) {
                eprintln!("{pcm_name}: {error:?}", pcm_name = wiring.playback);
            }
        });
        Ok(Self { orders, heard })
    }

    /// When it was written.
    fn click(&self) -> Outcome<Instant> {
        let (answer, written) = channel();
        self.orders.send(answer).map_err(|_| "the sound has ended")?;
        written.recv_timeout(Duration::from_secs(2)).map_err(|_| "the card stands still".into())
    }
}

fn beat(
    audio: &mut AlsaAudio,
    ordered: &Receiver<Sender<Instant>>,
    hears: &Sender<Instant>,
) -> Result<(), offhook_hal::AudioError> {
    let period = audio.format().period;
    let (mut captured, silence) = (vec![0; period], vec![0; period]);
    let click: Vec<i16> = (0..period).map(|n| if n % 16 < 8 { 16_000 } else { -16_000 }).collect();
    audio.start()?;
    let mut quiet = 0;
    loop {
        match audio.ready(&mut []) {
            Ok(true) => {}
            Ok(false) => {
                std::thread::sleep(LOOK);
                continue;
            }
            Err(offhook_hal::AudioError::Xrun) => continue,
            Err(error) => return Err(error),
        }
        audio.read(&mut captured)?;
        let at = Instant::now();
        // One click is one answer, however many periods it touches.
        let loud = captured.iter().any(|sample| sample.unsigned_abs() > 4_000);
        if loud && quiet > 5 && hears.send(at).is_err() {
            return Ok(());
        }
        quiet = if loud { 0 } else { quiet + 1 };
        match ordered.try_recv() {
            Ok(answer) => {
                let at = Instant::now();
                let _ = audio.write(&click);
                let _ = answer.send(at);
            }
            Err(std::sync::mpsc::TryRecvError::Empty) => {
                let _ = audio.write(&silence);
            }
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
        }
    }
}
