//! Speaks into the telephone's microphone: tones, from a known moment on.

use crate::card::{self, PERIOD, RATE};
use crate::clock::{self, MS};
use crate::hold_up::HoldUps;
use crate::request::Outcome;
use crate::signal;
use alsa::pcm::IO;
use alsa::{Direction, PCM};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Pieces in the card's buffer: a tone begins at most so many times 10 ms after it was asked for.
const PERIODS: usize = 24;
/// Silence at the beginning, and after it ran dry [ns].
const SILENCE: i64 = PERIODS as i64 / 2 * 10 * MS;
/// After so many silent pieces the card is closed.
const QUIET: u32 = 300;
const AGAIN: Duration = Duration::from_millis(100);

/// What to play.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sound {
    /// frequencies together [Hz]; none is silence
    pub(crate) hz: Vec<f64>,
    /// level of each [dB under a full-scale sine]
    pub(crate) db: f64,
    /// `None`: until told otherwise [samples]
    pub(crate) left: Option<u64>,
}

/// When it can be heard [ns].
type Answer = Outcome<i64>;

/// The way to the thread that plays.
#[derive(Debug)]
pub(crate) struct Mouth(Sender<(Sound, Sender<Answer>)>);

impl Mouth {
    /// Speaks at this PCM; times at which it had nothing to say although it should have go into `hold_ups`.
    pub(crate) fn start(pcm: Option<String>, hold_ups: Arc<HoldUps>) -> Self {
        let (orders, wanted) = channel();
        std::thread::spawn(move || speak(pcm.as_deref(), &wanted, &hold_ups));
        Self(orders)
    }

    /// Plays from now on; answers when the first sample of it is at the microphone.
    pub(crate) fn play(&self, sound: Sound) -> Answer {
        let (answer, answered) = channel();
        self.0.send((sound, answer)).map_err(|_| "the mouth's thread has ended".to_owned())?;
        answered.recv_timeout(Duration::from_secs(5)).map_err(|_| "the sound card does not take sound".to_owned())?
    }
}

fn speak(name: Option<&str>, orders: &Receiver<(Sound, Sender<Answer>)>, hold_ups: &HoldUps) {
    card::in_a_hurry(card::SOUND);
    let Ok(mut order) = orders.recv() else { return };
    loop {
        let opened = name
            .ok_or_else(|| "no [sound] in the wiring file".to_owned())
            .and_then(|name| card::open(name, Direction::Playback, PERIODS));
        match opened {
            Ok(pcm) => match play(&pcm, order, orders, hold_ups) {
                // The card has gone in the middle of it: on with the same sound when it is back.
                Some(rest) => order = (rest, channel().0),
                None => match orders.recv() {
                    Ok(next) => order = next,
                    Err(_) => return,
                },
            },
            Err(why) => {
                let _ = order.1.send(Err(why));
                match orders.recv_timeout(AGAIN) {
                    Ok(next) => order = next,
                    Err(RecvTimeoutError::Timeout) => order = (order.0, channel().0),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }
}

/// Until there was silence for a while (`None`) or the card is gone (what was to be played).
fn play(
    pcm: &PCM,
    first: (Sound, Sender<Answer>),
    orders: &Receiver<(Sound, Sender<Answer>)>,
    hold_ups: &HoldUps,
) -> Option<Sound> {
    let (mut sound, answer) = first;
    let mut pending = Some(answer);
    let (mut phase, mut quiet) = (0_u64, 0);
    let mut buffer = [0_i16; PERIOD];
    let Ok(io) = pcm.io_i16() else { return Some(sound) };
    // Half a buffer of silence, so that the device runs before anything counts.
    if start(pcm, &io).is_err() {
        return Some(sound);
    }
    loop {
        if let Ok((next, answer)) = orders.try_recv() {
            (sound, phase, quiet) = (next, 0, 0);
            pending = Some(answer);
        }
        quiet = if sound.hz.is_empty() { quiet + 1 } else { 0 };
        if quiet > QUIET {
            return None;
        }
        fill(&mut buffer, &mut sound, &mut phase);
        let Ok(at) = write(pcm, &io, &buffer, hold_ups) else { return Some(sound) };
        if let Some(answer) = pending.take() {
            let _ = answer.send(Ok(at));
        }
    }
}

fn start(pcm: &PCM, io: &IO<'_, i16>) -> alsa::Result<()> {
    for _ in 0..PERIODS / 2 {
        io.writei(&[0; PERIOD])?;
    }
    pcm.start()
}

/// Writes a piece; when its first sample will be played [ns].
fn write(pcm: &PCM, io: &IO<'_, i16>, piece: &[i16], hold_ups: &HoldUps) -> alsa::Result<i64> {
    let mut at = None;
    let mut from = 0;
    while let Some(rest) = piece.get(from..).filter(|rest| !rest.is_empty()) {
        let written = pcm.wait(Some(1000)).and_then(|_| {
            let (now, waiting) = card::position(pcm)?;
            at.get_or_insert(now + waiting.max(0) * 1_000_000_000 / i64::from(RATE));
            io.writei(rest)
        });
        match written {
            Ok(written) => from += written,
            Err(error) if error.errno() == libc::EAGAIN => {}
            // It ran dry: this hand was held up.
            Err(error) if error.errno() == libc::EPIPE && card::recover(pcm) => {
                let dry = clock::monotonic();
                start(pcm, io)?;
                hold_ups.add(dry, dry + SILENCE);
                at = None;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(at.unwrap_or_else(clock::monotonic))
}

fn fill(buffer: &mut [i16], sound: &mut Sound, phase: &mut u64) {
    for sample in buffer {
        if sound.left == Some(0) {
            *sound = Sound::default();
        }
        if let Some(left) = &mut sound.left {
            *left -= 1;
        }
        let sum: f64 = sound
            .hz
            .iter()
            .map(|hz| {
                signal::amplitude(sound.db) * (std::f64::consts::TAU * hz * *phase as f64 / f64::from(RATE)).sin()
            })
            .sum();
        *sample = sum.round().clamp(-32768.0, 32767.0) as i16;
        *phase += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_length_level_and_frequency() {
        let mut sound = Sound { hz: vec![1000.0], db: -15.0, left: Some(1600) };
        let (mut all, mut phase) = (Vec::new(), 0);
        for _ in 0..20 {
            let mut piece = [0; PERIOD];
            fill(&mut piece, &mut sound, &mut phase);
            all.extend(piece);
        }
        assert!((signal::level(&all[..1600]) + 15.0).abs() < 0.1);
        assert!(all[1600..].iter().all(|sample| *sample == 0));
        assert!(signal::tones(&all[..1600], RATE, &[1000.0]).iter().all(|tone| tone.clear > 30.0));
    }

    #[test]
    fn two_tones_that_are_too_loud_together_are_cut_and_do_not_wrap() {
        let mut sound = Sound { hz: vec![425.0, 425.0], db: 0.0, left: None };
        let mut piece = [0; 1600];
        fill(&mut piece, &mut sound, &mut 0);
        assert!(piece.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 20_000));
    }
}
