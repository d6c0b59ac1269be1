//! An office around one board: its PBX, other phones at the rig's end, and the board's own phone as extension 100.

use crate::boards::{Board, Kind};
use crate::case::{Case, Outcome};
use crate::hand::{Hand, ms};
use crate::network::{self, Network};
use crate::offhook::{self, Offhook};
use crate::pbxd::{self, Pbxd};
use crate::{process, sound, wait};
use offhook_media::measure;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What the board's phone plays for dialling [Hz].
pub(super) const DIAL_TONE: u32 = 425;
/// What is spoken into the board's microphone [Hz].
pub(super) const WHISTLE: u32 = 700;
/// What the first and the second peer say [Hz].
pub(super) const SONG: u32 = 1000;
pub(super) const OTHER_SONG: u32 = 1300;
/// The PBX's SIP port; HTTP is on the next.
const SIP: u16 = 5060;
/// A tone is heard when it stands this far above everything else [dB].
pub(super) const CLEAR: f64 = 20.0;
/// A peer sings this over and over; whole periods of every tone here, so that nothing is heard where it begins again [s].
const VERSE: u32 = 10;

/// The board and everybody else. Whatever is started on the same thread is in the board's network.
pub(super) struct Office {
    pub(super) hand: Hand,
    pub(super) board: Board,
    pub(super) pbx: Pbxd,
    pub(super) network: Network,
    /// from power to registered
    pub(super) registered: Duration,
}

/// A figure that was measured, for whoever reads the run.
pub(super) fn figure(kind: Kind, text: &str) {
    crate::say(&format!("  {}: {text}", kind.name()));
}

/// Listens again where a stretch of sound had a click in it: an emulator that its machine holds up for a moment makes one. This
/// cannot see a fault of the phone that comes and goes; `sound_without_gaps` counts those.
pub(super) fn one_of_several(mut listen: impl FnMut() -> Outcome) -> Outcome {
    let mut last = Ok(());
    for _ in 0..4 {
        wait::pass(1300);
        last = listen();
        if last.is_ok() {
            break;
        }
    }
    last
}

impl Office {
    /// Boots the board, provisioned by the PBX, and waits until it is registered there.
    pub(super) fn open(case: &Case, kind: Kind) -> Outcome<Self> {
        Self::open_with(case, kind, |_, _| Ok(()))
    }

    /// As `open`, after `prepare` has done something to the board without power.
    pub(super) fn open_with(case: &Case, kind: Kind, prepare: impl FnOnce(&Board, &Pbxd) -> Outcome) -> Outcome<Self> {
        let network = Network::start()?;
        let pbx = pbxd::start_on(case, network::rig(), SIP)?;
        let mut board = Board::new(case, kind, "board")?;
        board.owner_file("provision", pbx.url("100")?)?;
        prepare(&board, &pbx)?;
        let power = Instant::now();
        board.power_on(case)?;
        let hand = board.wait_for_hand()?;
        let mut office = Self { hand, board, pbx, network, registered: Duration::ZERO };
        office.wait_registrations(1)?;
        office.registered = power.elapsed();
        Ok(office)
    }

    /// How often the PBX has registered the board's phone.
    pub(super) fn registrations(&self) -> usize {
        process::read(&self.pbx.process.log).matches("100 is registered").count()
    }

    /// Waits until it has done so `count` times.
    pub(super) fn wait_registrations(&mut self, count: usize) -> Outcome {
        let patience = self.board.kind.patience();
        let log = self.pbx.process.log.clone();
        let found = wait::until(
            patience,
            || Ok((process::read(&log).matches("100 is registered").count() >= count).then_some(())),
            || "the board's phone is not registered".to_owned(),
        );
        found.map_err(|error| format!("{error}; {}", self.why()))
    }

    /// What the board says when something is wrong with its phone.
    fn why(&mut self) -> String {
        let health = self.hand.health();
        let journal = self.hand.try_run("journalctl -u offhookd -n 15 --no-pager -o cat", 10);
        format!("health {health:?}; journal: {}", journal.map_or_else(|error| error, |said| said.1))
    }

    /// A phone at the rig's end: it sings into its handset and records what it hears.
    pub(super) fn peer(&self, case: &Case, user: &str, hz: u32) -> Outcome<Peer> {
        let (song, ear) = (case.path(format!("{user}-song.wav")), case.path(format!("{user}-ear.wav")));
        sound::write_tone(&song, f64::from(hz), VERSE)?;
        let options = offhook::phone(case, user)?.provision(self.pbx.url(user)?);
        let mut phone = options.files(&song, &ear).start(case)?;
        phone.wait_registered()?;
        Ok(Peer { phone, ear })
    }

    /// The board's phone calls a peer, who answers.
    pub(super) fn call(&mut self, peer: &mut Peer, user: &str) -> Outcome {
        let lifted = self.hand.lift()?;
        self.hand.hear(DIAL_TONE, lifted, 5)?;
        self.hand.dial(&format!("{user}#"))?;
        peer.phone.wait_line("ring on")?;
        peer.phone.lift()?;
        peer.phone.wait_calls(&["talking"])?;
        Ok(())
    }

    /// Both hear the other: measured from now on. The board must be whistling.
    pub(super) fn both_hear(&mut self, peer: &Peer) -> Outcome {
        let now = self.hand.clock()?;
        self.hand.hear(SONG, now, 5)?;
        wait::pass(500);
        one_of_several(|| peer.hears(WHISTLE))
    }

    /// Hangs up at both ends and waits until the line is free.
    pub(super) fn hang_up(&mut self, peer: &mut Peer) -> Outcome {
        self.hand.put_down()?;
        wait::pass(200);
        peer.phone.put_down()?;
        peer.phone.wait_idle()?;
        let now = self.hand.clock()?;
        self.hand.hear_silence(now, 5).map(drop)
    }

    /// How a command ended in the board, without waiting for anything else.
    pub(super) fn restarts(&mut self) -> Outcome<u32> {
        let text = self.hand.run("systemctl show -p NRestarts --value offhookd", 20)?;
        text.trim().parse().map_err(|_| format!("NRestarts is {text:?}"))
    }

    /// A moment of the board's clock as time since the power came [s].
    pub(super) fn since_power(&mut self, power: Instant, at: i64) -> Outcome<f64> {
        let now = self.hand.clock()?;
        Ok(power.elapsed().as_secs_f64() - ms(at, now) / 1000.0)
    }
}

/// A phone at the rig's end.
pub(super) struct Peer {
    pub(super) phone: Offhook,
    ear: PathBuf,
}

impl Peer {
    /// Everything heard so far.
    pub(super) fn heard(&self) -> Outcome<(Vec<i16>, u32)> {
        sound::read(&self.ear)
    }

    /// An error unless the last second had this tone.
    pub(super) fn hears(&self, hz: u32) -> Outcome {
        let (samples, rate) = self.heard()?;
        let tail = sound::tail(&samples, rate, 1.2);
        // Pieces: where two clocks meet a sample is left out now and then, and after it the tone is out of step with itself.
        let mut pieces: Vec<f64> = tail
            .chunks_exact((rate as usize * 3 / 10).max(1))
            .map(|piece| measure::tone_ratio_db(piece, rate, f64::from(hz)))
            .collect();
        pieces.sort_by(f64::total_cmp);
        let clear = pieces.get(pieces.len() / 2).copied().unwrap_or(-200.0);
        let level = measure::level_dbov(tail);
        wait::ensure(clear >= CLEAR && level > -40.0, || {
            let strongest = measure::strongest(tail, rate);
            format!(
                "the peer should hear {hz} Hz: it stands {clear:.1} dB above the rest, the strongest is {strongest:.0} Hz, level {level:.0} dBov"
            )
        })
    }

    /// Samples heard so far.
    pub(super) fn heard_so_far(&self) -> Outcome<u64> {
        sound::frames(&self.ear)
    }

    /// Silences of over 20 ms since sample `from`: when, after that sample, and how long [s].
    pub(super) fn gaps(&self, from: u64) -> Outcome<Vec<(f64, f64)>> {
        let (samples, rate) = sound::read_since(&self.ear, from)?;
        let (mut gaps, mut length) = (Vec::new(), 0);
        for (at, sample) in samples.iter().copied().chain([i16::MAX]).enumerate() {
            // 50 dB under full scale: a tone is above that several times in each of its periods.
            if sample.unsigned_abs() < 100 {
                length += 1;
                continue;
            }
            if length > rate as usize / 50 {
                gaps.push(((at - length) as f64 / f64::from(rate), length as f64 / f64::from(rate)));
            }
            length = 0;
        }
        Ok(gaps)
    }
}
