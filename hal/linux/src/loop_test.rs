//! Runs the [`LoopTest`] on a device, for the self-test: does the microphone hear the loudspeaker, how late, how loud?

use std::time::{Duration, Instant};

use offhook_hal::audio::loop_test::{LoopResult, LoopTest};
use offhook_hal::{Audio, AudioError, PollFd};

/// A device that needs longer than this for a second and a half of sound stands still.
const DEADLINE: Duration = Duration::from_secs(6);
/// Descriptors a device may have.
const DESCRIPTORS: usize = 8;

/// Plays and listens for about 1.3 s; blocks, so it is nothing for the media thread. The device is started; its route
/// is set before.
///
/// # Errors
/// [`AudioError::Lost`] if the device goes away or stands still.
pub fn measure(audio: &mut dyn Audio) -> Result<LoopResult, AudioError> {
    let format = audio.format();
    let mut test = LoopTest::new(format);
    let (mut captured, mut playback) = (vec![0; format.period], vec![0; format.period]);
    let mut descriptors = [PollFd::default(); DESCRIPTORS];
    let end = Instant::now() + DEADLINE;
    audio.start()?;
    while !test.is_done() {
        if Instant::now() > end {
            return Err(AudioError::Lost("it stands still".to_owned()));
        }
        let count = audio.descriptors(&mut descriptors).min(DESCRIPTORS);
        let polled = descriptors.get_mut(..count).unwrap_or_default();
        let timeout = if count == 0 { audio.due(Instant::now()) } else { Duration::from_millis(100) };
        wait(polled, timeout);
        while !test.is_done() && tolerate(audio.ready(polled), false)? {
            tolerate(audio.read(&mut captured), ())?;
            test.period(&captured, &mut playback);
            tolerate(audio.write(&playback), ())?;
        }
    }
    Ok(test.result())
}

/// An interruption costs sound, and the signal is then not found or found late: no reason to give up.
fn tolerate<T>(done: Result<T, AudioError>, instead: T) -> Result<T, AudioError> {
    match done {
        Err(AudioError::Xrun) => Ok(instead),
        other => other,
    }
}

#[allow(unsafe_code)]
fn wait(descriptors: &mut [PollFd], timeout: Duration) {
    let timeout =
        libc::timespec { tv_sec: timeout.as_secs().try_into().unwrap_or(1), tv_nsec: timeout.subsec_nanos().into() };
    // SAFETY: `PollFd` has the layout of `struct pollfd`; pointer and length are those of the slice.
    unsafe {
        libc::ppoll(
            descriptors.as_mut_ptr().cast::<libc::pollfd>(),
            descriptors.len() as libc::nfds_t,
            &raw const timeout,
            std::ptr::null(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_hal::AudioFormat;
    use offhook_hal::sim::NoneAudio;

    #[test]
    fn silence_is_measured_to_its_end_and_has_no_loop() {
        let mut none = NoneAudio::new(AudioFormat { rate: 16_000, period: 160, periods: 3 });
        let began = Instant::now();
        let result = measure(&mut none).unwrap();
        assert_eq!(result.heard, None);
        assert!((1_200..2_500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    }
}
