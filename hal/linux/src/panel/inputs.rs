//! Input-event devices, which may come and go. Their drivers debounce.

use std::os::fd::{AsRawFd, RawFd};

use evdev::{Device, KeyCode, SwitchCode};

use super::{Raw, keys};

/// A device the board names.
pub(super) struct Input {
    /// path, or the name its driver gave it
    name: String,
    device: Option<Device>,
}

impl Input {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), device: None }
    }

    pub(super) fn name(&self) -> String {
        format!("input device {}", self.name)
    }

    pub(super) fn is_open(&self) -> bool {
        self.device.is_some()
    }

    pub(super) fn fd(&self) -> Option<RawFd> {
        self.device.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Opens the device and says how things lie: hook and headset, if it has them, and keys that are down.
    pub(super) fn open(&mut self, source: usize, into: &mut impl Extend<Raw>) -> Result<(), String> {
        let device = open(&self.name)?;
        device.set_nonblocking(true).map_err(|error| format!("cannot be read without waiting ({error})"))?;
        grab(&device);
        let down = device.get_key_state().unwrap_or_default();
        if device.supported_keys().is_some_and(|keys| keys.contains(KeyCode::KEY_PHONE)) {
            into.extend([Raw::Hook { source, lifted: down.contains(KeyCode::KEY_PHONE) }]);
        }
        if device.supported_switches().is_some_and(|switches| switches.contains(SwitchCode::SW_HEADPHONE_INSERT)) {
            let plugged = device.get_switch_state().is_ok_and(|on| on.contains(SwitchCode::SW_HEADPHONE_INSERT));
            into.extend([Raw::Jack { source, plugged }]);
        }
        into.extend(down.iter().filter_map(keys::key).map(|key| Raw::Key { source, key, down: true }));
        self.device = Some(device);
        Ok(())
    }

    /// What happened, without blocking; an error if the device is gone.
    pub(super) fn read(&mut self, source: usize, into: &mut impl Extend<Raw>) -> Result<(), String> {
        let Some(device) = &mut self.device else { return Ok(()) };
        let gone = match device.fetch_events() {
            Ok(events) => {
                into.extend(events.filter_map(|event| keys::raw(&event.destructure(), source)));
                return Ok(());
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => error,
        };
        self.device = None;
        Err(format!("went away ({gone}); plug it in again"))
    }
}

/// Otherwise the digits would also be typed into the console. Somebody else's grab is no reason not to start. Not by
/// `Device::grab`: that one complains on standard error when a device was pulled out.
#[allow(unsafe_code)]
fn grab(device: &Device) {
    /// `EVIOCGRAB` of `linux/input.h`: `_IOW('E', 0x90, int)`
    const GRAB: u32 = 0x4004_4590;
    // SAFETY: the argument is a number; closing the descriptor ends the grab.
    let _ = unsafe { libc::ioctl(device.as_raw_fd(), GRAB as _, 1) };
}

fn open(name: &str) -> Result<Device, String> {
    if name.starts_with('/') {
        return Device::open(name)
            .map_err(|error| format!("cannot be opened ({error}); the group `input` may read it"));
    }
    let named = evdev::enumerate().map(|(_, device)| device).find(|device| device.name() == Some(name));
    named.ok_or_else(|| {
        "is not there, or this user may not read it; `cat /proc/bus/input/devices` lists them, the group `input` may read them".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_are_not_there_are_refused_with_what_to_do() {
        for name in ["/dev/null", "no such keys"] {
            let mut raws = Vec::new();
            let mut input = Input::new(name);
            let remedy = input.open(3, &mut raws).unwrap_err();
            assert!(remedy.contains("group `input`"), "{remedy}");
            assert!(input.read(3, &mut raws).is_ok() && raws.is_empty() && !input.is_open());
        }
    }
}
