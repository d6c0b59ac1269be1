//! One direction of a sound card: mono, 16 bits, at the telephone's rate, with time stamps of the monotonic clock.

use crate::request::Outcome;
use alsa::pcm::{Access, Format, Frames, HwParams, State, TstampType};
use alsa::{Direction, PCM, ValueOr};

/// [Hz]; wideband telephony.
pub(crate) const RATE: u32 = 16_000;
/// Samples per piece: 10 ms.
pub(crate) const PERIOD: usize = 160;
/// Real-time priority of whoever moves sound.
pub(crate) const SOUND: i32 = 1;

/// Opens and prepares `name` with a buffer of so many pieces.
///
/// # Errors
/// The card's name, and what ALSA says.
pub(crate) fn open(name: &str, direction: Direction, periods: usize) -> Outcome<PCM> {
    let text = |error: alsa::Error| format!("{name}: {error}");
    let pcm = PCM::new(name, direction, true).map_err(text)?;
    configure(&pcm, direction, periods).map_err(text)?;
    Ok(pcm)
}

fn configure(pcm: &PCM, direction: Direction, periods: usize) -> alsa::Result<()> {
    let hardware = HwParams::any(pcm)?;
    hardware.set_access(Access::RWInterleaved)?;
    hardware.set_format(Format::s16())?;
    hardware.set_channels(1)?;
    hardware.set_rate(RATE, ValueOr::Nearest)?;
    hardware.set_period_size_near(PERIOD as Frames, ValueOr::Nearest)?;
    hardware.set_buffer_size_near((PERIOD * periods) as Frames)?;
    pcm.hw_params(&hardware)?;
    let software = pcm.sw_params_current()?;
    software.set_tstamp_mode(true)?;
    software.set_tstamp_type(TstampType::Monotonic)?;
    software.set_avail_min(PERIOD as Frames)?;
    if direction == Direction::Playback {
        // Started by hand, with a known amount of silence ahead.
        software.set_start_threshold(hardware.get_buffer_size()? + 1)?;
    }
    pcm.sw_params(&software)?;
    pcm.prepare()
}

/// When the device last said where it is [ns], and how many frames wait in its buffer: captured and unread, or written
/// and unplayed.
pub(crate) fn position(pcm: &PCM) -> alsa::Result<(i64, i64)> {
    let status = pcm.status()?;
    let stamp = status.get_htstamp();
    #[allow(clippy::useless_conversion)] // 32 bits on some boards
    let at = i64::from(stamp.tv_sec) * 1_000_000_000 + i64::from(stamp.tv_nsec);
    // Some plugins have no stamp: then the answer is from now.
    let at = if at == 0 { crate::clock::monotonic() } else { at };
    Ok((at, status.get_delay()))
}

/// Puts a device that ran over or dry back to its beginning; `false` if it is gone.
pub(crate) fn recover(pcm: &PCM) -> bool {
    !matches!(pcm.state(), State::Disconnected) && pcm.prepare().is_ok()
}

/// This thread is served before all that are not in a hurry: a tone with a hole is no tone, and a hole that the hand made
/// says nothing of the phone. At [`SOUND`] it stays below the phone's own sound; without the right to it, it is as good as the
/// machine has time.
#[allow(unsafe_code)]
pub(crate) fn in_a_hurry(priority: i32) {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: plain system call on this thread with a valid, initialised argument.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
}
