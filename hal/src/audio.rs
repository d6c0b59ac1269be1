//! Sound in and out: the routes, the format of a period, and the trait of a sound device.
//! Mono, 16 bit, one rate for both directions; whatever the device really does is the driver's business. The pure parts
//! of such drivers are here too: [`terms`] agreed with a card, [`resampler`], [`drift`] between two clocks, [`gain`],
//! [`routing`] between cards, and the [`loop_test`].

pub mod drift;
pub mod gain;
pub mod loop_test;
pub mod resampler;
pub mod routing;
pub mod terms;

use std::time::{Duration, Instant};

/// Where the microphone and the loudspeaker of a call are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// nothing is heard, nothing is picked up
    Off,
    /// the receiver on the hook
    Handset,
    /// a headset in its jack
    Headset,
    /// hands-free
    Speaker,
}

impl Route {
    /// Every route, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Off, Self::Handset, Self::Headset, Self::Speaker];

    /// `off`, `handset`, `headset`, `speaker`
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Handset => "handset",
            Self::Headset => "headset",
            Self::Speaker => "speaker",
        }
    }

    /// The route with this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.name() == name)
    }
}

/// How a device delivers and takes sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioFormat {
    /// [Hz]
    pub rate: u32,
    /// [samples per channel]
    pub period: usize,
    /// periods in the playback buffer
    pub periods: usize,
}

impl AudioFormat {
    /// How long one period lasts; zero if the rate is.
    pub fn duration(self) -> Duration {
        self.duration_of(1)
    }

    /// How long `periods` periods last, exact to the nanosecond so that a beat made of it does not drift.
    pub fn duration_of(self, periods: u64) -> Duration {
        let samples = u128::from(periods) * self.period as u128;
        let nanos = (samples * 1_000_000_000).checked_div(u128::from(self.rate)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What can go wrong with a sound device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioError {
    /// Under- or overrun, already recovered; sound went on. Count it and carry on with the next step.
    Xrun,
    /// The device went away (name, or what the system said): open it again later.
    Lost(String),
    /// It cannot be opened: (device, what to do).
    Open(String, String),
}

impl std::fmt::Display for AudioError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Xrun => f.write_str("sound was interrupted (over- or underrun)"),
            Self::Lost(what) => write!(f, "the sound device went away: {what}"),
            Self::Open(device, remedy) => write!(f, "{device}: {remedy}"),
        }
    }
}

impl std::error::Error for AudioError {}

/// What went wrong with a sound device since it was opened, and was mended on the spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interruptions {
    /// over- and underruns, of both directions
    pub xruns: u64,
    /// periods not played, or not in full: they came together after a pause, and would be heard late for ever
    pub left_out: u64,
}

/// A sound device, used by the media thread only; mono 16 bit. Nothing may allocate, lock or block (except where
/// said) after opening; only the text of an [`AudioError::Lost`] may be allocated, because sound has ended then.
///
/// The loop of the user: wait (poll [`descriptors`](Self::descriptors), or sleep for [`due`](Self::due) when there
/// are none), ask [`ready`](Self::ready), and when it says yes call [`read`](Self::read) and then
/// [`write`](Self::write) once each; ask again until it says no.
pub trait Audio: Send {
    /// What was agreed with the device.
    fn format(&self) -> AudioFormat;

    /// Starts both directions (may block a little).
    fn start(&mut self) -> Result<(), AudioError>;

    /// Descriptors to poll until a period is due, written into `into`; answers how many (0: use `due`).
    fn descriptors(&self, into: &mut [PollFd]) -> usize;

    /// After poll: is a period of capture available and room for one of playback? A device that counts its time by
    /// `due` ignores `descriptors` and answers by what `due` last said.
    fn ready(&mut self, descriptors: &mut [PollFd]) -> Result<bool, AudioError>;

    /// For devices without descriptors: time until the next period.
    fn due(&self, now: Instant) -> Duration;

    /// Exactly one period; missing samples are silence, also when the answer is [`AudioError::Xrun`].
    fn read(&mut self, into: &mut [i16]) -> Result<(), AudioError>;

    /// Exactly one period. After [`AudioError::Xrun`] the samples have been queued all the same.
    fn write(&mut self, from: &[i16]) -> Result<(), AudioError>;

    /// Playback already queued in the device [samples].
    fn queued(&mut self) -> usize;

    /// Takes the levels of a route, as far as they are made in software; the mixer of the card is somebody else's.
    fn route(&mut self, route: Route) -> Result<(), AudioError>;

    /// What went wrong since it was opened; a device that cannot be late says nothing.
    fn interruptions(&self) -> Interruptions {
        Interruptions::default()
    }

    /// What was agreed with the device, a sentence per direction, for the log. Not for the media thread.
    fn facts(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The layout of `struct pollfd`, so that this crate needs no libc.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct PollFd {
    /// file descriptor
    pub fd: i32,
    /// events waited for (`POLLIN` …)
    pub events: i16,
    /// events that happened
    pub revents: i16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_name() {
        for route in Route::ALL {
            assert_eq!(Route::from_name(route.name()), Some(route));
        }
        assert_eq!(Route::from_name("Handset"), None);
        assert_eq!(Route::from_name(""), None);
    }

    #[test]
    fn periods_of_an_odd_rate_do_not_drift() {
        let format = AudioFormat { rate: 44_100, period: 441, periods: 3 };
        assert_eq!(format.duration(), Duration::from_millis(10));
        let odd = AudioFormat { rate: 11_025, period: 100, periods: 3 };
        assert_eq!(odd.duration_of(11_025), Duration::from_secs(100));
        let none = AudioFormat { rate: 0, period: 100, periods: 3 };
        assert_eq!(none.duration(), Duration::ZERO);
    }
}
