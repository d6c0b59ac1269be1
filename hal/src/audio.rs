//! Sound in and out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route { Off, Handset, Headset, Speaker }
impl Route { /// `off`, `handset`, `headset`, `speaker`
    pub fn name(self) -> &'static str { todo!() } }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioFormat { /// [Hz]
    pub rate: u32, /// [samples per channel]
    pub period: usize, /// periods in the playback buffer
    pub periods: usize }
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioError { /// under- or overrun, already recovered; sound went on
    Xrun, /// the device went away
    Lost(String), /// (device, what to do)
    Open(String, String) }
/// A sound device, used by the media thread only; mono 16 bit. Nothing may allocate, lock or block (except where said) after opening.
pub trait Audio: Send {
    fn format(&self) -> AudioFormat;
    /// Starts both directions (may block a little).
    fn start(&mut self) -> Result<(), AudioError>;
    /// Descriptors to poll until a period is due, written into `into`; answers how many (0: use `due`).
    fn descriptors(&self, into: &mut [PollFd]) -> usize;
    /// After poll: is a period of capture available and room for one of playback?
    fn ready(&mut self, descriptors: &mut [PollFd]) -> Result<bool, AudioError>;
    /// For devices without descriptors: time until the next period.
    fn due(&self, now: std::time::Instant) -> std::time::Duration;
    /// Exactly one period; missing samples are silence.
    fn read(&mut self, into: &mut [i16]) -> Result<(), AudioError>;
    fn write(&mut self, from: &[i16]) -> Result<(), AudioError>;
    /// Playback already queued in the device [samples].
    fn queued(&mut self) -> usize;
    fn route(&mut self, route: Route) -> Result<(), AudioError>;
}
/// The layout of `struct pollfd`, so that this crate needs no libc.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct PollFd { pub fd: i32, pub events: i16, pub revents: i16 }
