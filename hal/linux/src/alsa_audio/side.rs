//! One direction of a card: opened at what card and board agree on, mono at the board's rate on our side whatever the
//! card does on its own. After opening nothing allocates.

use alsa::pcm::{Access, Format, HwParams, State};
use alsa::poll::Descriptors;
use alsa::{Direction, PCM, ValueOr};
use offhook_board::machine::PcmTrial;
use offhook_hal::audio::resampler::Resampler;
use offhook_hal::audio::terms::{Agreed, Offer, RATES, ROOM_PERIODS, Terms, Way, in_frames, negotiate};
use offhook_hal::{AudioError, AudioFormat, PollFd};

/// Descriptors of one direction we can serve; ALSA's plugins use one or two.
pub(super) const DESCRIPTORS: usize = 8;
/// The largest correction of the rate [samples per period] and what a period may gain by rounding.
const SPARE: usize = 8;

pub(super) struct Side {
    pub(super) pcm: PCM,
    pub(super) agreed: Agreed,
    /// frames the device works in
    pub(super) device_period: usize,
    /// frames the device holds
    pub(super) buffer: usize,
    channels: usize,
    /// between the board's rate and the card's; `None` for capture at the board's rate
    resampler: Option<Resampler>,
    /// one period at the card's rate
    mono: Vec<i16>,
    /// the same as interleaved frames, in stereo
    frames: Vec<i16>,
    /// how much of it waits to be played, from where [frames]
    waiting: std::ops::Range<usize>,
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Side")
            .field("agreed", &self.agreed)
            .field("device_period", &self.device_period)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}

impl Side {
    /// Opens a PCM: as named if the card can do anything that can be converted here, else behind ALSA's `plug`.
    pub(super) fn open(name: &str, way: Way, format: AudioFormat) -> Result<Self, AudioError> {
        try_open(name, way, format).map_err(|refusal| refusal.explain(name, way))
    }

    fn new(pcm: PCM, device: String, way: Way, format: AudioFormat, terms: Terms) -> Result<Self, Refusal> {
        let direct = way == Way::Capture && terms.rate == format.rate;
        let resampler = match (direct, way) {
            (true, _) => None,
            (false, Way::Capture) => Some(Resampler::new(terms.rate, format.rate).ok_or(Refusal::Rate)?),
            (false, Way::Playback) => Some(Resampler::new(format.rate, terms.rate).ok_or(Refusal::Rate)?),
        };
        let piece = in_frames(format.period, format.rate, terms.rate) + SPARE;
        let channels = terms.channels as usize;
        Ok(Self {
            pcm,
            agreed: Agreed { device, way, terms, wanted: format },
            device_period: terms.period,
            buffer: terms.buffer,
            channels,
            resampler,
            mono: vec![0; piece],
            frames: vec![0; if channels == 1 { 0 } else { piece * channels }],
            waiting: 0..0,
        })
    }

    /// Rate of the card [Hz].
    pub(super) fn rate(&self) -> u32 {
        self.agreed.terms.rate
    }

    /// The first [`DESCRIPTORS`] of its descriptors.
    pub(super) fn descriptors(&self) -> Vec<PollFd> {
        let mut own = [libc::pollfd { fd: -1, events: 0, revents: 0 }; DESCRIPTORS];
        let count = self.pcm.count().min(DESCRIPTORS);
        let filled = own.get_mut(..count).and_then(|wanted| self.pcm.fill(wanted).ok()).unwrap_or(0);
        let filled = own.iter().take(filled);
        filled.map(|from| PollFd { fd: from.fd, events: from.events, revents: 0 }).collect()
    }

    pub(super) fn restart(&mut self) -> Result<(), alsa::Error> {
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
        self.pcm.prepare()?;
        match self.pcm.state() {
            State::Running => Ok(()),
            _ => self.pcm.start(),
        }
    }

    /// Frames waiting to be played.
    pub(super) fn filled(&self) -> Result<usize, alsa::Error> {
        let room = usize::try_from(self.pcm.avail_update()?).unwrap_or(0);
        Ok(self.buffer.saturating_sub(room))
    }

    /// Plays so much faster [ppm].
    pub(super) fn correct(&mut self, ppm: f64) {
        if let Some(resampler) = &mut self.resampler {
            resampler.correct(ppm);
        }
    }

    /// Reads up to a period, as much as there is room for: how many samples, and whether that was all there is.
    pub(super) fn read(&mut self, into: &mut [i16]) -> Result<(usize, bool), alsa::Error> {
        // Asking for nothing would be answered with nothing less than asked for, and asked again.
        if into.is_empty() {
            return Ok((0, true));
        }
        if self.channels == 1 && self.resampler.is_none() {
            let read = quiet(io(&self.pcm).readi(into))?;
            return Ok((read, read < into.len()));
        }
        let room = self.resampler.as_ref().map_or(into.len(), |resampler| resampler.input_length(into.len()));
        let wanted = room.min(self.mono.len());
        let Some(mono) = self.mono.get_mut(..wanted).filter(|mono| !mono.is_empty()) else { return Ok((0, true)) };
        let read = if self.channels == 1 {
            quiet(io(&self.pcm).readi(mono))?
        } else {
            let frames = self.frames.get_mut(..wanted * 2).unwrap_or_default();
            let read = quiet(io(&self.pcm).readi(frames))?;
            to_mono(frames.get(..read * 2).unwrap_or_default(), mono);
            read
        };
        let mono = mono.get(..read).unwrap_or_default();
        let samples = match &mut self.resampler {
            Some(resampler) => resampler.process(mono, into),
            None => {
                into.iter_mut().zip(mono).for_each(|(to, from)| *to = *from);
                read
            }
        };
        Ok((samples, read < wanted))
    }

    /// Takes one period to be [pushed](Self::push).
    pub(super) fn take(&mut self, period: &[i16]) {
        let count = match &mut self.resampler {
            Some(resampler) => resampler.process(period, &mut self.mono),
            None => 0,
        };
        if self.channels != 1 {
            to_stereo(self.mono.get(..count).unwrap_or_default(), &mut self.frames);
        }
        self.waiting = 0..count;
    }

    /// Puts what was taken into the device; false if there was not room for all. Not lost after an error: push again.
    pub(super) fn push(&mut self) -> Result<bool, alsa::Error> {
        let buffer = if self.channels == 1 { &self.mono } else { &self.frames };
        while !self.waiting.is_empty() {
            let Some(rest) = buffer.get(self.waiting.start * self.channels..self.waiting.end * self.channels) else {
                break;
            };
            match quiet(io(&self.pcm).writei(rest))? {
                0 => return Ok(false),
                written => self.waiting.start += written,
            }
        }
        Ok(true)
    }

    /// Puts this many frames of `silence` into the device, or as many as there is room for.
    pub(super) fn push_silence(&self, silence: &[i16], mut frames: usize) -> Result<(), alsa::Error> {
        while frames > 0 {
            let piece = silence.get(..silence.len().min(frames * self.channels)).unwrap_or_default();
            match quiet(io(&self.pcm).writei(piece))? {
                0 => break,
                written => frames -= written.min(frames),
            }
        }
        Ok(())
    }

    /// A period of silence for [`push_silence`](Self::push_silence).
    pub(super) fn silence(&self) -> Vec<i16> {
        vec![0; self.mono.len() * self.channels]
    }
}

#[allow(unsafe_code)]
fn io(pcm: &PCM) -> alsa::pcm::IO<'_, i16> {
    // SAFETY: `agree` set the format of every PCM in here to native 16 bit, and the value lives for one call only, so
    // there never are two of them. (The checked call would allocate to ask for the format again.)
    unsafe { pcm.io_unchecked::<i16>() }
}

/// "Would block" is no error here.
fn quiet(done: Result<usize, alsa::Error>) -> Result<usize, alsa::Error> {
    match done {
        Err(error) if error.errno() == libc::EAGAIN => Ok(0),
        other => other,
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

/// Why a PCM was not opened.
enum Refusal {
    Alsa(alsa::Error),
    /// nothing that can be converted
    Rate,
}

impl Refusal {
    fn errno(&self) -> i32 {
        match self {
            Self::Alsa(error) => error.errno(),
            Self::Rate => libc::EINVAL,
        }
    }

    fn explain(&self, name: &str, way: Way) -> AudioError {
        let what = match way {
            Way::Capture => "capture",
            Way::Playback => "playback",
        };
        let remedy = match self.errno() {
            libc::ENOENT | libc::ENODEV | libc::ENXIO => {
                "there is no such device; `aplay -L` and `arecord -L` list those there are"
            }
            libc::EBUSY => "another program has it; close that, or name a shared device such as `default`",
            libc::EACCES | libc::EPERM => "not allowed; add this user to the group `audio`",
            libc::ECONNREFUSED => "its sound server does not answer; start it",
            libc::EINVAL => "it can do nothing that becomes mono 16 bit at this rate; name another device",
            _ => "it cannot be used; `aplay -L` and `arecord -L` list the others",
        };
        let reason = std::io::Error::from_raw_os_error(self.errno());
        AudioError::Open(name.to_owned(), format!("{what}: {remedy} ({reason})"))
    }
}

fn try_open(name: &str, way: Way, format: AudioFormat) -> Result<Side, Refusal> {
    let direction = match way {
        Way::Capture => Direction::Capture,
        Way::Playback => Direction::Playback,
    };
    let mut refusal = None;
    for candidate in candidates(name) {
        let opened = PCM::new(&candidate, direction, true).map_err(Refusal::Alsa).and_then(|pcm| {
            let terms = agree(&pcm, way, format)?;
            Side::new(pcm, candidate, way, format, terms)
        });
        match opened {
            Ok(side) => return Ok(side),
            // What the device itself says tells more than that ALSA could not put a plug before it.
            Err(error) => _ = refusal.get_or_insert(error),
        }
    }
    Err(refusal.unwrap_or(Refusal::Rate))
}

/// What the card can do before anything is settled.
fn offer(hardware: &HwParams<'_>, wanted: u32) -> Result<Offer, alsa::Error> {
    let size = |frames: alsa::pcm::Frames| usize::try_from(frames).unwrap_or(0);
    let rates = RATES.into_iter().chain([wanted]).filter(|rate| hardware.test_rate(*rate).is_ok());
    Ok(Offer {
        s16: hardware.test_format(Format::s16()).is_ok(),
        channels: (hardware.get_channels_min()?, hardware.get_channels_max()?),
        rates: rates.collect(),
        period: (size(hardware.get_period_size_min()?), size(hardware.get_period_size_max()?)),
        buffer: (size(hardware.get_buffer_size_min()?), size(hardware.get_buffer_size_max()?)),
    })
}

/// Agrees with the device on everything; answers what it will really do.
fn agree(pcm: &PCM, way: Way, format: AudioFormat) -> Result<Terms, Refusal> {
    let hardware = HwParams::any(pcm).map_err(Refusal::Alsa)?;
    let terms = negotiate(&offer(&hardware, format.rate).map_err(Refusal::Alsa)?, format, way);
    let terms = terms.map_err(|_| Refusal::Rate)?;
    settle(pcm, &hardware, terms, format, way).map_err(Refusal::Alsa)
}

fn settle(
    pcm: &PCM,
    hardware: &HwParams<'_>,
    terms: Terms,
    format: AudioFormat,
    way: Way,
) -> Result<Terms, alsa::Error> {
    let frames = |count: usize| alsa::pcm::Frames::try_from(count).unwrap_or(alsa::pcm::Frames::MAX);
    let size = |frames: alsa::pcm::Frames| usize::try_from(frames).unwrap_or(0);
    hardware.set_access(Access::RWInterleaved)?;
    hardware.set_format(Format::s16())?;
    hardware.set_channels(terms.channels)?;
    hardware.set_rate(terms.rate, ValueOr::Nearest)?;
    hardware.set_period_size_near(frames(terms.period), ValueOr::Nearest)?;
    hardware.set_buffer_size_near(frames(terms.buffer))?;
    pcm.hw_params(hardware)?;
    let settled = Terms {
        rate: hardware.get_rate()?,
        channels: hardware.get_channels()?,
        period: size(hardware.get_period_size()?),
        buffer: size(hardware.get_buffer_size()?),
    };
    let software = pcm.sw_params_current()?;
    match way {
        Way::Capture => {
            software.set_avail_min(frames(in_frames(format.period, format.rate, settled.rate)))?;
            software.set_start_threshold(1)?;
        }
        Way::Playback => {
            software.set_avail_min(frames(settled.period))?;
            software.set_start_threshold(frames(in_frames(ahead(format), format.rate, settled.rate)))?;
        }
    }
    pcm.sw_params(&software)?;
    Ok(settled)
}

/// What shall lie ahead of the ear when a period is written [samples]: two periods less than the board wants to be held,
/// but one at least.
pub(super) fn ahead(format: AudioFormat) -> usize {
    format.periods.saturating_sub(2).max(1) * format.period
}

/// Tries a PCM out, as the phone would open it, and closes it again.
pub fn try_out(name: &str, way: Way, format: AudioFormat) -> PcmTrial {
    super::quieten();
    match try_open(name, way, format) {
        Ok(side) => {
            let Terms { rate, channels, period, buffer } = side.agreed.terms;
            // The room above what shall lie ahead is ours, not the board's.
            let periods = (buffer / period.max(1)).saturating_sub(ROOM_PERIODS);
            PcmTrial::Opens { rate, period, periods, channels }
        }
        Err(Refusal::Alsa(error)) if error.errno() == libc::EBUSY => PcmTrial::Busy,
        Err(refusal) => match refusal.explain(name, way) {
            AudioError::Open(_, reason) => PcmTrial::Fails(reason),
            other => PcmTrial::Fails(other.to_string()),
        },
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
    fn a_device_that_is_not_there_fails_its_trial_with_the_reason() {
        let format = AudioFormat { rate: 16_000, period: 160, periods: 3 };
        let PcmTrial::Fails(reason) = try_out("hw:CARD=NoSuchCard", Way::Capture, format) else { panic!("opened") };
        assert!(reason.starts_with("capture: there is no such device"), "{reason}");
    }
}
