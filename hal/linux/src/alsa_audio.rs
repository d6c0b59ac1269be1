//! An ALSA card as [`Audio`]: one PCM each way, non-blocking, mono 16 bit, one period in and one out per beat.
//!
//! Capture is the clock: its descriptors wake the media thread, and for every period read one is written. The first
//! pieces captured are thrown away, and playback begins with the first whole period after them: so a period is complete
//! the moment the device delivers, and not most of a period later. Playback is kept short: two periods less than its
//! buffer holds, but at least one, lie ahead of what is written. `periods = 3` of 10 ms means 10 to 20 ms between
//! writing a sample and the device taking it, and a thread that may be 10 ms late. Where the two directions have clocks
//! of their own, playback slowly fills or drains: filled, a period is left out and counted; drained, the device reports
//! an underrun and starts anew.
//!
//! Whatever is captured is fetched at once into a buffer of our own. That is not only for devices whose pieces are not
//! our periods: the pulse plugin keeps its descriptor readable as long as a piece is fetched in part, and polling it
//! would burn a whole processor.
//!
//! The name is tried as given, mono and then stereo, and then behind ALSA's `plug`, which converts whatever the card
//! cannot do. The device may work in periods of another size; the user of this type never sees that.
//! [`read`](Audio::read), [`write`](Audio::write), [`ready`](Audio::ready), [`queued`](Audio::queued) and
//! [`route`](Audio::route) do not allocate.

use std::time::{Duration, Instant};

use alsa::pcm::{Access, Format, HwParams, State};
use alsa::poll::Descriptors;
use alsa::{Direction, PCM, ValueOr};
use offhook_board::AudioWiring;
use offhook_hal::{Audio, AudioError, AudioFormat, PollFd, Route};

use crate::mixer::RouteMixer;

/// Descriptors of one direction we can serve; ALSA's plugins use one or two.
const DESCRIPTORS: usize = 8;
/// Capture is buffered generously: it costs no delay, and a thread that was held up finds everything still there.
const CAPTURE_PERIODS: i64 = 16;
/// Pieces of capture thrown away at the start: the first are cut short and full of clicks.
const SETTLING_PIECES: u32 = 2;
/// Beats between two looks at how full playback is: asking costs as much as writing.
const LOOK_EVERY: u32 = 8;
/// Looks over which the filling of playback is watched before a period is left out: two seconds of 10 ms beats.
const WATCHED_LOOKS: u32 = 25;

/// A pair of ALSA PCMs.
pub struct AlsaAudio {
    format: AudioFormat,
    capture: Side,
    /// what tells that something was captured; the same as long as the device is open
    polled: Vec<PollFd>,
    /// captured and not yet read
    captured: Captured,
    /// whether playback runs, or waits for the first whole period
    phase: Phase,
    playback: Side,
    /// written before start and after an underrun
    silence: Vec<i16>,
    mixer: Option<RouteMixer>,
    watch: FillWatch,
    lost: bool,
    xruns: u64,
    left_out: u64,
}

impl std::fmt::Debug for AlsaAudio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlsaAudio")
            .field("format", &self.format)
            .field("capture", &self.capture)
            .field("playback", &self.playback)
            .field("xruns", &self.xruns)
            .field("left_out", &self.left_out)
            .finish_non_exhaustive()
    }
}

impl AlsaAudio {
    /// Opens both directions and agrees on rate, period and buffers; nothing sounds before
    /// [`start`](Audio::start).
    ///
    /// # Errors
    /// [`AudioError::Open`] with the device that refused and what to do about it.
    pub fn open(wiring: &AudioWiring) -> Result<Self, AudioError> {
        quieten();
        let format = AudioFormat { rate: wiring.rate, period: wiring.period, periods: wiring.periods.max(2) };
        let capture = Side::open(&wiring.capture, Direction::Capture, format)?;
        let playback = Side::open(&wiring.playback, Direction::Playback, format)?;
        let mixer = RouteMixer::open(wiring)?;
        // A card that delivers capture in larger pieces needs as much more silence ahead.
        let ahead = (format.periods - 2).max(1) * format.period;
        let ahead = ahead.max(capture.device_period).min(playback.buffer);
        let polled = capture.descriptors();
        Ok(Self {
            format,
            polled,
            captured: Captured::new(capture.buffer + 2 * format.period),
            phase: Phase::Settling(SETTLING_PIECES),
            capture,
            playback,
            silence: vec![0; ahead],
            mixer,
            watch: FillWatch::new(ahead),
            lost: false,
            xruns: 0,
            left_out: 0,
        })
    }

    /// Over- and underruns since opening, both directions.
    pub fn xruns(&self) -> u64 {
        self.xruns
    }

    /// Periods not played because the playback clock is slower than the capture clock.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The names that were really opened (capture, playback), with `plug` if it was needed.
    pub fn devices(&self) -> (&str, &str) {
        (&self.capture.name, &self.playback.name)
    }

    fn alive(&self) -> Result<(), AudioError> {
        if self.lost {
            return Err(AudioError::Lost("it is closed".to_owned()));
        }
        Ok(())
    }

    /// Recovers from an interruption, or declares the device lost.
    fn interrupted(&mut self, direction: Direction, error: alsa::Error) -> AudioError {
        match error.errno() {
            libc::EPIPE | libc::ESTRPIPE | libc::EINTR => {
                self.xruns += 1;
                let again = match direction {
                    Direction::Capture => self.capture.restart(),
                    Direction::Playback => self.playback.pcm.prepare().and_then(|()| self.start_playback()),
                };
                match again {
                    Ok(()) => AudioError::Xrun,
                    Err(error) => self.gone(error),
                }
            }
            _ => self.gone(error),
        }
    }

    fn gone(&mut self, error: alsa::Error) -> AudioError {
        self.lost = true;
        AudioError::Lost(error.to_string())
    }

    /// Fetches what was captured; true if a period is complete.
    fn fetch(&mut self) -> Result<bool, alsa::Error> {
        let mut fetched = 0;
        loop {
            let room = self.captured.room();
            let wanted = self.capture.at_once(room.len());
            if wanted == 0 {
                break;
            }
            let read = self.capture.read(room)?;
            self.captured.filled(read);
            fetched += read;
            // Less than asked for is all there is; asking again would cost as much as reading.
            if read < wanted {
                break;
            }
        }
        if let Phase::Settling(pieces) = self.phase
            && fetched > 0
        {
            self.captured.clear();
            self.phase = match pieces {
                0 => Phase::Waiting,
                more => Phase::Settling(more - 1),
            };
        }
        Ok(self.captured.len() >= self.format.period)
    }

    /// Fills playback with silence up to where it starts.
    fn start_playback(&mut self) -> Result<(), alsa::Error> {
        self.watch.begin();
        let mut from = 0;
        while let Some(rest) = self.silence.get(from..).filter(|rest| !rest.is_empty()) {
            match self.playback.write(rest)? {
                0 => break,
                written => from += written,
            }
        }
        match self.playback.pcm.state() {
            State::Running => Ok(()),
            _ => self.playback.pcm.start(),
        }
    }
}

impl Audio for AlsaAudio {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn start(&mut self) -> Result<(), AudioError> {
        self.alive()?;
        quieten();
        self.captured.clear();
        self.phase = Phase::Settling(SETTLING_PIECES);
        // Stopped first: what an earlier run left in the device would be heard late for ever.
        let _ = self.playback.pcm.drop();
        let _ = self.capture.pcm.drop();
        let started = self.playback.pcm.prepare().and_then(|()| self.capture.restart());
        started.map_err(|error| self.gone(error))
    }

    fn descriptors(&self, into: &mut [PollFd]) -> usize {
        // Playback nearly always has room; polling it would only spin.
        let count = self.polled.len().min(into.len());
        for (to, from) in into.iter_mut().zip(&self.polled) {
            *to = *from;
        }
        count
    }

    fn ready(&mut self, descriptors: &mut [PollFd]) -> Result<bool, AudioError> {
        self.alive()?;
        let signalled = descriptors.iter().any(|descriptor| descriptor.revents != 0);
        if signalled {
            // Plugins want to see what poll said, even when we look at the amount afterwards.
            let mut own = [libc::pollfd { fd: -1, events: 0, revents: 0 }; DESCRIPTORS];
            let count = self.polled.len().min(descriptors.len());
            for (to, from) in own.iter_mut().zip(descriptors.iter().take(count)) {
                *to = libc::pollfd { fd: from.fd, events: from.events, revents: from.revents };
            }
            if let Some(polled) = own.get(..count)
                && let Err(error) = self.capture.pcm.revents(polled)
            {
                return Err(self.interrupted(Direction::Capture, error));
            }
            // What was said is dealt with once.
            descriptors.iter_mut().for_each(|descriptor| descriptor.revents = 0);
        } else if !descriptors.is_empty() {
            // The thread woke for something else, or asks again within the same beat: nothing new was captured.
            return Ok(self.phase == Phase::Running && self.captured.len() >= self.format.period);
        }
        match self.fetch() {
            Ok(false) => return Ok(false),
            Ok(true) => {}
            Err(error) => return Err(self.interrupted(Direction::Capture, error)),
        }
        if self.phase == Phase::Waiting {
            self.phase = Phase::Running;
            self.start_playback().map_err(|error| self.gone(error))?;
        }
        Ok(true)
    }

    /// Never due by time: the descriptors say when.
    fn due(&self, _: Instant) -> Duration {
        self.format.duration()
    }

    fn read(&mut self, into: &mut [i16]) -> Result<(), AudioError> {
        let read = self.captured.take(into);
        if let Some(missing) = into.get_mut(read..) {
            missing.fill(0);
        }
        self.alive()
    }

    fn write(&mut self, from: &[i16]) -> Result<(), AudioError> {
        self.alive()?;
        if self.phase != Phase::Running {
            return Ok(());
        }
        let mut outcome = Ok(());
        if self.watch.is_due() {
            let filled = match self.playback.filled() {
                Ok(filled) => filled,
                Err(error) => {
                    match self.interrupted(Direction::Playback, error) {
                        AudioError::Xrun => outcome = Err(AudioError::Xrun),
                        other => return Err(other),
                    }
                    self.silence.len()
                }
            };
            if self.watch.leave_out(filled, from.len()) {
                self.left_out += 1;
                return outcome;
            }
        }
        let mut at = 0;
        while let Some(rest) = from.get(at..).filter(|rest| !rest.is_empty()) {
            match self.playback.write(rest) {
                Ok(0) => {
                    self.left_out += 1;
                    break;
                }
                Ok(written) => at += written,
                Err(error) => match self.interrupted(Direction::Playback, error) {
                    // Once per period: a device that underruns again at once is given up until the next.
                    AudioError::Xrun if outcome.is_ok() => outcome = Err(AudioError::Xrun),
                    other => return Err(other),
                },
            }
        }
        outcome
    }

    fn queued(&mut self) -> usize {
        self.playback.pcm.delay().ok().and_then(|frames| usize::try_from(frames).ok()).unwrap_or(0)
    }

    fn route(&mut self, route: Route) -> Result<(), AudioError> {
        match &self.mixer {
            Some(mixer) => mixer.set(route).map_err(|error| AudioError::Lost(error.to_string())),
            None => Ok(()),
        }
    }
}

/// How far the beat has come since [`start`](Audio::start).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// throws away so many more pieces of capture
    Settling(u32),
    /// the next whole period starts playback
    Waiting,
    /// sound goes both ways
    Running,
}

/// What was captured and not yet read: a buffer that never grows.
#[derive(Debug)]
struct Captured {
    samples: Vec<i16>,
    begin: usize,
    end: usize,
}

impl Captured {
    fn new(capacity: usize) -> Self {
        Self { samples: vec![0; capacity], begin: 0, end: 0 }
    }

    fn len(&self) -> usize {
        self.end - self.begin
    }

    fn clear(&mut self) {
        (self.begin, self.end) = (0, 0);
    }

    /// Where more can be put; what waits moves to the front first.
    fn room(&mut self) -> &mut [i16] {
        if self.begin > 0 {
            self.samples.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.len());
        }
        self.samples.get_mut(self.end..).unwrap_or_default()
    }

    fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.samples.len());
    }

    /// Moves up to a whole `into` out; how many.
    fn take(&mut self, into: &mut [i16]) -> usize {
        let count = self.len().min(into.len());
        let from = self.samples.get(self.begin..self.begin + count);
        if let (Some(from), Some(to)) = (from, into.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.begin += count;
        count
    }
}

/// One direction.
struct Side {
    pcm: PCM,
    name: String,
    channels: usize,
    /// frames the device works in
    device_period: usize,
    /// frames the device holds
    buffer: usize,
    /// interleaved frames while the device is stereo
    frames: Vec<i16>,
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Side")
            .field("name", &self.name)
            .field("channels", &self.channels)
            .field("device_period", &self.device_period)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

impl Side {
    fn open(name: &str, direction: Direction, format: AudioFormat) -> Result<Self, AudioError> {
        let mut refusal = None;
        for candidate in candidates(name) {
            let pcm = match PCM::new(&candidate, direction, true) {
                Ok(pcm) => pcm,
                Err(error) => {
                    refusal.get_or_insert(error);
                    continue;
                }
            };
            for channels in [1, 2] {
                match agree(&pcm, direction, format, channels) {
                    Ok((device_period, buffer)) => {
                        return Ok(Self {
                            pcm,
                            name: candidate,
                            channels: channels as usize,
                            device_period,
                            buffer,
                            frames: vec![0; if channels == 1 { 0 } else { format.period * 2 }],
                        });
                    }
                    Err(error) => refusal = Some(error),
                }
            }
        }
        let what = match direction {
            Direction::Capture => "capture",
            Direction::Playback => "playback",
        };
        let errno = refusal.map_or(0, |error| error.errno());
        let remedy = match errno {
            libc::ENOENT | libc::ENODEV | libc::ENXIO => {
                "there is no such device; `aplay -L` and `arecord -L` list those there are"
            }
            libc::EBUSY => "another program has it; close that, or name a shared device such as `default`",
            libc::EACCES | libc::EPERM => "not allowed; add this user to the group `audio`",
            libc::ECONNREFUSED => "its sound server does not answer; start it",
            libc::EINVAL => "it cannot do this rate in mono 16 bit; name a `plughw:` device or another rate",
            _ => "it cannot be used; `aplay -L` and `arecord -L` list the others",
        };
        let reason = std::io::Error::from_raw_os_error(errno);
        Err(AudioError::Open(name.to_owned(), format!("{what}: {remedy} ({reason})")))
    }

    /// The first [`DESCRIPTORS`] of its descriptors.
    fn descriptors(&self) -> Vec<PollFd> {
        let mut own = [libc::pollfd { fd: -1, events: 0, revents: 0 }; DESCRIPTORS];
        let count = self.pcm.count().min(DESCRIPTORS);
        let filled = own.get_mut(..count).and_then(|wanted| self.pcm.fill(wanted).ok()).unwrap_or(0);
        let filled = own.iter().take(filled);
        filled.map(|from| PollFd { fd: from.fd, events: from.events, revents: 0 }).collect()
    }

    fn restart(&self) -> Result<(), alsa::Error> {
        self.pcm.prepare()?;
        match self.pcm.state() {
            State::Running => Ok(()),
            _ => self.pcm.start(),
        }
    }

    /// Frames waiting to be played.
    fn filled(&self) -> Result<usize, alsa::Error> {
        let room = usize::try_from(self.pcm.avail_update()?).unwrap_or(0);
        Ok(self.buffer.saturating_sub(room))
    }

    #[allow(unsafe_code)]
    fn io(&self) -> alsa::pcm::IO<'_, i16> {
        // SAFETY: `agree` set the format of this PCM to native 16 bit, and the value lives for one call only, so there
        // never are two of them. (The checked call would allocate to ask for the format again.)
        unsafe { self.pcm.io_unchecked::<i16>() }
    }

    /// The most that one call of [`read`](Self::read) gives, with room for so many.
    fn at_once(&self, room: usize) -> usize {
        if self.channels == 1 { room } else { room.min(self.frames.len() / 2) }
    }

    /// Reads as much as there is room for, a period at most from a stereo device; 0 when nothing is there.
    fn read(&mut self, into: &mut [i16]) -> Result<usize, alsa::Error> {
        if self.channels == 1 {
            return quiet(self.io().readi(into));
        }
        let wanted = (into.len() * 2).min(self.frames.len());
        let mut frames = std::mem::take(&mut self.frames);
        let read = match frames.get_mut(..wanted) {
            Some(room) => quiet(self.io().readi(room)),
            None => Ok(0),
        };
        if let Ok(count) = read {
            to_mono(frames.get(..count * 2).unwrap_or_default(), into);
        }
        self.frames = frames;
        read
    }

    /// Writes up to one period; 0 when there is no room.
    fn write(&mut self, from: &[i16]) -> Result<usize, alsa::Error> {
        if self.channels == 1 {
            return quiet(self.io().writei(from));
        }
        let wanted = (from.len() * 2).min(self.frames.len());
        let mut frames = std::mem::take(&mut self.frames);
        to_stereo(from, &mut frames);
        let written = match frames.get(..wanted) {
            Some(frames) => quiet(self.io().writei(frames)),
            None => Ok(0),
        };
        self.frames = frames;
        written
    }
}

/// The mean of both channels: some codecs have their microphone on the left, some on the right, most on both.
fn to_mono(frames: &[i16], into: &mut [i16]) {
    for (to, frame) in into.iter_mut().zip(frames.chunks_exact(2)) {
        if let [left, right] = frame {
            *to = left.midpoint(*right);
        }
    }
}

/// The same on both channels, as far as there is room.
fn to_stereo(from: &[i16], frames: &mut [i16]) {
    for (frame, sample) in frames.chunks_exact_mut(2).zip(from) {
        frame.fill(*sample);
    }
}

/// ALSA's library writes its complaints to standard error, across the screen. On this thread it keeps them to itself
/// from now on; what matters comes back as an error.
fn quieten() {
    let _ = alsa::Output::local_error_handler();
}

/// "Would block" is no error here.
fn quiet(done: Result<usize, alsa::Error>) -> Result<usize, alsa::Error> {
    match done {
        Err(error) if error.errno() == libc::EAGAIN => Ok(0),
        other => other,
    }
}

/// Under which names a device is tried: as given, then with ALSA's conversions in front.
fn candidates(name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if let Some(card) = name.strip_prefix("hw:") {
        names.push(format!("plughw:{card}"));
    } else if !name.starts_with("plug") && !name.contains('\'') {
        names.push(format!("plug:SLAVE='{name}'"));
    }
    names
}

/// Agrees with the device on everything; answers its period and buffer in frames.
fn agree(pcm: &PCM, direction: Direction, format: AudioFormat, channels: u32) -> Result<(usize, usize), alsa::Error> {
    let period = i64::try_from(format.period).unwrap_or(i64::MAX);
    let periods = match direction {
        Direction::Capture => CAPTURE_PERIODS,
        Direction::Playback => i64::try_from(format.periods).unwrap_or(2),
    };
    let hardware = HwParams::any(pcm)?;
    hardware.set_access(Access::RWInterleaved)?;
    hardware.set_format(Format::s16())?;
    hardware.set_channels(channels)?;
    hardware.set_rate(format.rate, ValueOr::Nearest)?;
    hardware.set_period_size_near(period, ValueOr::Nearest)?;
    hardware.set_buffer_size_near(period.saturating_mul(periods))?;
    pcm.hw_params(&hardware)?;
    let device_period = hardware.get_period_size()?;
    let buffer = hardware.get_buffer_size()?;

    let software = pcm.sw_params_current()?;
    match direction {
        Direction::Capture => {
            software.set_avail_min(period)?;
            software.set_start_threshold(1)?;
        }
        Direction::Playback => {
            software.set_avail_min(device_period)?;
            let ahead = (period * (periods - 2).max(1)).clamp(1, buffer.max(1));
            software.set_start_threshold(ahead)?;
        }
    }
    pcm.sw_params(&software)?;
    Ok((usize::try_from(device_period).unwrap_or(0), usize::try_from(buffer).unwrap_or(0)))
}

/// Notices that playback has filled up for good: the least it held over many looks is more than it should.
#[derive(Debug)]
struct FillWatch {
    /// frames ahead at the start
    ahead: usize,
    /// since the last look
    beats: u32,
    looks: u32,
    least: usize,
}

impl FillWatch {
    fn new(ahead: usize) -> Self {
        Self { ahead, beats: 0, looks: 0, least: usize::MAX }
    }

    fn begin(&mut self) {
        self.looks = 0;
        self.least = usize::MAX;
    }

    /// At every beat: is it time to look?
    fn is_due(&mut self) -> bool {
        self.beats = (self.beats + 1) % LOOK_EVERY;
        self.beats == 0
    }

    /// Before writing `period` frames to a device that still holds `filled`: shall they be left out?
    fn leave_out(&mut self, filled: usize, period: usize) -> bool {
        self.least = self.least.min(filled);
        self.looks += 1;
        if self.looks < WATCHED_LOOKS {
            return false;
        }
        let too_full = self.least >= self.ahead + period;
        self.begin();
        too_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stereo_card_hears_the_mean_and_plays_the_same_on_both_sides() {
        let mut mono = [9; 3];
        to_mono(&[100, 200, -32_768, -32_768, 32_767, -32_767], &mut mono);
        assert_eq!(mono, [150, -32_768, 0]);
        to_mono(&[4, 4], &mut mono);
        assert_eq!(mono, [4, -32_768, 0]);
        let mut frames = [0; 4];
        to_stereo(&[7, -8, 9], &mut frames);
        assert_eq!(frames, [7, 7, -8, -8]);
    }

    #[test]
    fn a_device_is_tried_as_named_and_then_converted() {
        assert_eq!(candidates("hw:1,0"), ["hw:1,0", "plughw:1,0"]);
        assert_eq!(candidates("offhook"), ["offhook", "plug:SLAVE='offhook'"]);
        assert_eq!(candidates("plughw:CARD=x"), ["plughw:CARD=x"]);
        assert_eq!(candidates("it's"), ["it's"]);
    }

    #[test]
    fn captured_samples_come_out_in_order_through_a_buffer_that_never_grows() {
        let mut captured = Captured::new(10);
        let (mut next_in, mut next_out) = (0, 0);
        for round in 0..100 {
            let room = captured.room();
            let count = room.len().min(round % 7);
            for to in room.iter_mut().take(count) {
                *to = next_in;
                next_in += 1;
            }
            captured.filled(count);
            let mut out = [0; 3];
            let taken = captured.take(&mut out);
            for sample in &out[..taken] {
                assert_eq!(*sample, next_out);
                next_out += 1;
            }
            assert!(captured.len() <= 10);
        }
        assert!(next_out > 100);
    }

    #[test]
    fn a_period_is_left_out_only_when_playback_stays_too_full() {
        let mut watch = FillWatch::new(160);
        // A jam that passes within the time watched is nothing.
        for look in 0..WATCHED_LOOKS * 3 {
            assert!(!watch.leave_out(if look % 20 == 0 { 160 } else { 480 }, 160));
        }
        let left_out: Vec<u32> = (0..WATCHED_LOOKS * 2).filter(|_| watch.leave_out(330, 160)).collect();
        assert_eq!(left_out, [WATCHED_LOOKS - 1, 2 * WATCHED_LOOKS - 1]);
        let due = (0..LOOK_EVERY * 10).filter(|_| watch.is_due()).count();
        assert_eq!(due, 10, "not at every beat");
    }
}
