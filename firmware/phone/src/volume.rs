//! Loudness: a percentage for each route, the ringer and the microphone, kept over a power cut as the record
//! `volume.json`. 70 % is the sound as it comes; each percent is 0.4 dB, 0 % is silence.

use crate::phone::Phone;
use crate::{Refusal, Volume, VolumeDevice};
use offhook_hal::Route;
use offhook_media::Command;

pub(crate) const RECORD: &str = "volume.json";
pub(crate) const DEFAULT: Volume = Volume { handset: 70, speaker: 70, headset: 70, ringer: 70, microphone: 70 };
/// One press of a volume key [percent].
const STEP: i32 = 5;
/// [dB] for each percent
const SLOPE: f32 = 0.4;
const UNITY: f32 = 70.0;

pub(crate) fn restore(bytes: &[u8]) -> Volume {
    let stored: Volume = serde_json::from_slice(bytes).unwrap_or(DEFAULT);
    let fit = |percent: u8| percent.min(100);
    Volume {
        handset: fit(stored.handset),
        speaker: fit(stored.speaker),
        headset: fit(stored.headset),
        ringer: fit(stored.ringer),
        microphone: fit(stored.microphone),
    }
}

/// Linear gain x 256 of a percentage.
fn gain(percent: u8) -> u16 {
    if percent == 0 {
        return 0;
    }
    let decibels = (f32::from(percent.min(100)) - UNITY) * SLOPE;
    (256.0 * 10_f32.powf(decibels / 20.0)).round() as u16
}

impl Phone {
    pub(crate) fn set_volume(&mut self, device: VolumeDevice, percent: u8) -> Result<(), Refusal> {
        if percent > 100 {
            return Err(Refusal::BadValue("volume is 0 to 100 percent".into()));
        }
        let volume = &mut self.volume;
        match (device, self.ear.route) {
            (VolumeDevice::Microphone, _) => volume.microphone = percent,
            (VolumeDevice::Ringer, _) => volume.ringer = percent,
            (VolumeDevice::Playback, Route::Handset) => volume.handset = percent,
            (VolumeDevice::Playback, Route::Speaker) => volume.speaker = percent,
            (VolumeDevice::Playback, Route::Headset) => volume.headset = percent,
            (VolumeDevice::Playback, Route::Off) => {
                volume.handset = percent;
                volume.speaker = percent;
                volume.headset = percent;
            }
        }
        self.persist_volume();
        Ok(())
    }

    /// Louder or softer: what is heard now, or the ringer when nothing is.
    pub(crate) fn step_volume(&mut self, steps: i8) {
        let percent = match self.ear.route {
            Route::Off => &mut self.volume.ringer,
            Route::Handset => &mut self.volume.handset,
            Route::Speaker => &mut self.volume.speaker,
            Route::Headset => &mut self.volume.headset,
        };
        let wanted = (i32::from(*percent) + i32::from(steps) * STEP).clamp(0, 100);
        *percent = u8::try_from(wanted).unwrap_or(*percent);
        self.persist_volume();
    }

    /// As the engine takes it.
    pub(crate) fn gains(&self) -> (u16, u16, u16) {
        let ear = match self.ear.route {
            Route::Headset => self.volume.headset,
            Route::Speaker => self.volume.speaker,
            Route::Handset | Route::Off => self.volume.handset,
        };
        (gain(ear), gain(self.volume.microphone), gain(self.volume.ringer))
    }

    pub(crate) fn gain_command((ear, mouth, ringer): (u16, u16, u16)) -> Command {
        Command::Gain { ear, mouth, ringer }
    }

    fn persist_volume(&mut self) {
        let bytes = serde_json::to_vec(&self.volume).unwrap_or_default();
        self.persist(RECORD, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seventy_percent_is_the_sound_as_it_comes_and_zero_is_silence() {
        assert_eq!(gain(70), 256);
        assert_eq!(gain(0), 0);
        assert_eq!(gain(100), 1019);
        assert!((1..100).all(|percent| gain(percent) <= gain(percent + 1)));
        assert!(gain(1) > 0);
    }

    #[test]
    fn a_stored_volume_that_cannot_be_is_made_possible() {
        assert_eq!(restore(b"rubbish"), DEFAULT);
        let loud = restore(br#"{"handset":255,"speaker":0,"headset":1,"ringer":100,"microphone":101}"#);
        assert_eq!(loud, Volume { handset: 100, speaker: 0, headset: 1, ringer: 100, microphone: 100 });
    }
}
