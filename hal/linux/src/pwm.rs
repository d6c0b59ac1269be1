//! A channel of a PWM chip by sysfs (`Documentation/driver-api/pwm.rst`), as `embedded-hal`'s
//! [`SetDutyCycle`](embedded_hal::pwm::SetDutyCycle).

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use embedded_hal::pwm::{Error, ErrorKind, ErrorType, SetDutyCycle};

/// Length of a cycle [ns]: a thousand a second, too fast for eyes and slow enough for any driver transistor.
const PERIOD: u32 = 1_000_000;
/// Where the kernel shows its chips.
pub const CLASS: &str = "/sys/class/pwm";

/// A channel that runs.
#[derive(Debug)]
pub struct PwmChannel {
    duty: File,
}

/// What sysfs said.
#[derive(Debug)]
pub struct PwmError(pub std::io::Error);

impl Error for PwmError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl std::fmt::Display for PwmError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl PwmChannel {
    /// Exports the channel if nobody has, sets its period and lets it run, dark.
    ///
    /// # Errors
    /// The path and what happened there: no such chip or channel, or not ours.
    pub fn open(class: &Path, chip: u32, channel: u32) -> Result<Self, (PathBuf, std::io::Error)> {
        let chip = class.join(format!("pwmchip{chip}"));
        let folder = chip.join(format!("pwm{channel}"));
        if !folder.exists() {
            let export = chip.join("export");
            std::fs::write(&export, channel.to_string()).map_err(|error| (export, error))?;
        }
        let write = |name: &str, value: &str| {
            let path = folder.join(name);
            std::fs::write(&path, value).map_err(|error| (path, error))
        };
        // A period below the duty cycle is refused, so the duty cycle that somebody left goes first; a channel without
        // any period refuses that in turn.
        let _ = write("duty_cycle", "0");
        write("period", &PERIOD.to_string())?;
        write("duty_cycle", "0")?;
        write("enable", "1")?;
        let duty = folder.join("duty_cycle");
        let file = File::options().write(true).open(&duty).map_err(|error| (duty, error))?;
        Ok(Self { duty: file })
    }
}

impl ErrorType for PwmChannel {
    type Error = PwmError;
}

impl SetDutyCycle for PwmChannel {
    fn max_duty_cycle(&self) -> u16 {
        1000
    }

    fn set_duty_cycle(&mut self, duty: u16) -> Result<(), PwmError> {
        let nanoseconds = PERIOD / u32::from(self.max_duty_cycle()) * u32::from(duty.min(self.max_duty_cycle()));
        let written = self.duty.rewind().and_then(|()| self.duty.write_all(nanoseconds.to_string().as_bytes()));
        written.map_err(PwmError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_exported_runs_and_takes_a_duty_cycle() {
        let class = std::env::temp_dir().join(format!("offhook-pwm-{}", std::process::id()));
        let folder = class.join("pwmchip0/pwm1");
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["period", "duty_cycle", "enable"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let mut channel = PwmChannel::open(&class, 0, 1).unwrap();
        assert_eq!((read("period").as_str(), read("enable").as_str()), ("1000000", "1"));
        channel.set_duty_cycle_percent(100).unwrap();
        assert_eq!(read("duty_cycle"), "1000000");
        let (path, _) = PwmChannel::open(&class, 3, 0).unwrap_err();
        assert!(path.ends_with("pwmchip3/export"));
        std::fs::remove_dir_all(&class).unwrap();
    }
}
