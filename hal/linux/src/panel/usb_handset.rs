//! A USB handset at `/dev/hidraw*`, which may come and go. What its reports mean is in `offhook_hal::hid`.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use offhook_board::UsbHandsetWiring;
use offhook_hal::hid::{Handset, HandsetEvent, Indicator};

use super::Raw;

/// Where the kernel lists raw HID devices.
pub(crate) const CLASS: &str = "/sys/class/hidraw";
/// What we can show on it.
const INDICATORS: [Indicator; 4] = [Indicator::OffHook, Indicator::Ring, Indicator::Mute, Indicator::Message];

pub(super) struct UsbHandset {
    wiring: UsbHandsetWiring,
    open: Option<(File, Handset)>,
    /// what is to be shown, also on one that comes later; as in [`INDICATORS`]
    shown: [bool; INDICATORS.len()],
}

/// A raw HID device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HidDevice {
    pub(crate) path: PathBuf,
    pub(crate) usb: (u16, u16),
    pub(crate) name: String,
    pub(crate) report_descriptor: Vec<u8>,
}

impl UsbHandset {
    pub(super) fn new(wiring: &UsbHandsetWiring) -> Self {
        Self { wiring: wiring.clone(), open: None, shown: [false; INDICATORS.len()] }
    }

    pub(super) fn name(&self) -> String {
        match self.wiring.usb {
            Some((vendor, product)) => format!("USB handset {vendor:04x}:{product:04x}"),
            None => "USB handset".to_owned(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn fd(&self) -> Option<RawFd> {
        self.open.as_ref().map(|(file, _)| file.as_raw_fd())
    }

    /// Finds and opens the device, says how its hook lies and shows on it what is to be shown.
    pub(super) fn open(&mut self, source: usize, into: &mut impl Extend<Raw>) -> Result<(), String> {
        let devices = devices(Path::new(CLASS));
        let ours = |device: &HidDevice| self.wiring.usb.is_none_or(|usb| usb == device.usb);
        let found = devices
            .into_iter()
            .filter(ours)
            .find_map(|device| Some((Handset::new(&device.report_descriptor, self.wiring.headset)?, device.path)));
        let (mut handset, path) =
            found.ok_or("is not plugged in, or has no hook switch on the telephony page of HID")?;
        let open = |write| File::options().read(true).write(write).custom_flags(libc::O_NONBLOCK).open(&path);
        let file = open(true).or_else(|_| open(false)).map_err(|error| {
            format!("{} cannot be opened ({error}); a udev rule gives it to the group `input`", path.display())
        })?;
        for report in handset.hook_reports().collect::<Vec<_>>() {
            let length = handset.report_length(report);
            if let Some(bytes) = ask(&file, report, length) {
                handset.take(&bytes);
            }
        }
        let events: Vec<HandsetEvent> = std::iter::from_fn(|| handset.event()).collect();
        let lifted = events.contains(&HandsetEvent::Lifted(true));
        if self.wiring.headset {
            into.extend([Raw::Jack { source, plugged: true }]);
        } else {
            into.extend([Raw::Hook { source, lifted }]);
        }
        self.open = Some((file, handset));
        if !self.wiring.headset {
            self.shown[0] = lifted;
        }
        let shown = self.shown;
        for (indicator, lit) in INDICATORS.into_iter().zip(shown) {
            self.send(indicator, lit);
        }
        Ok(())
    }

    /// What happened, without blocking; an error if the device is gone.
    pub(super) fn read(&mut self, source: usize, into: &mut impl Extend<Raw>) -> Result<(), String> {
        let mut off_hook = None;
        let mut gone = None;
        if let Some((file, handset)) = &mut self.open {
            let mut bytes = [0_u8; 4096];
            loop {
                match file.read(&mut bytes) {
                    Ok(0) => gone = Some("end of file".to_owned()),
                    Ok(length) => {
                        handset.take(bytes.get(..length).unwrap_or_default());
                        continue;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => gone = Some(error.to_string()),
                }
                break;
            }
            while let Some(event) = handset.event() {
                into.extend([match event {
                    HandsetEvent::Lifted(lifted) => {
                        off_hook = Some(lifted);
                        Raw::Hook { source, lifted }
                    }
                    HandsetEvent::Down(key) => Raw::Key { source, key, down: true },
                    HandsetEvent::Up(key) => Raw::Key { source, key, down: false },
                }]);
            }
        }
        if let Some(lit) = off_hook {
            self.show(Indicator::OffHook, lit);
        }
        match gone {
            Some(reason) => {
                self.open = None;
                Err(format!("went away ({reason}); plug it in again"))
            }
            None => Ok(()),
        }
    }

    /// Shows something, or remembers it for one that comes.
    pub(super) fn show(&mut self, indicator: Indicator, lit: bool) {
        if let Some(index) = INDICATORS.iter().position(|known| *known == indicator)
            && let Some(shown) = self.shown.get_mut(index)
        {
            *shown = lit;
        }
        self.send(indicator, lit);
    }

    /// Is the hook switch a headset's talk button?
    pub(super) fn is_headset(&self) -> bool {
        self.wiring.headset
    }

    fn send(&mut self, indicator: Indicator, lit: bool) {
        if let Some((file, handset)) = &mut self.open {
            for report in handset.show(indicator, lit) {
                // A device that does not take it stays dark; if it is gone, reading says so.
                let _ = file.write_all(&report);
            }
        }
    }
}

/// How an input report is now (`HIDIOCGINPUT`, Linux 5.11), as if the device had sent it; `None` if it does not say.
#[allow(unsafe_code)]
fn ask(file: &File, report: u8, length: usize) -> Option<Vec<u8>> {
    // Behind the number of the report, which is there even if it is 0.
    let length = length + usize::from(report == 0);
    let mut bytes = vec![0_u8; length];
    *bytes.first_mut()? = report;
    let request = (3_u64 << 30) | (u64::try_from(length).ok()? << 16) | (u64::from(b'H') << 8) | 0x0a;
    // SAFETY: the request carries the length of the buffer, which outlives the call; the kernel writes no further.
    let got = unsafe { libc::ioctl(file.as_raw_fd(), request as _, bytes.as_mut_ptr()) };
    let got = usize::try_from(got).ok()?;
    bytes.truncate(got);
    if report == 0 && !bytes.is_empty() {
        bytes.remove(0);
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// The raw HID devices there are.
pub(crate) fn devices(class: &Path) -> Vec<HidDevice> {
    let entries = std::fs::read_dir(class).into_iter().flatten().flatten();
    let mut devices: Vec<HidDevice> = entries.filter_map(|entry| device(&entry.path())).collect();
    devices.sort_by(|one, other| one.path.cmp(&other.path));
    devices
}

fn device(folder: &Path) -> Option<HidDevice> {
    let uevent = std::fs::read_to_string(folder.join("device/uevent")).ok()?;
    let line = |key: &str| uevent.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    // Bus, vendor and product: HID_ID=0003:0000047F:0000C056
    let mut numbers = line("HID_ID")?.split(':').map(|number| u32::from_str_radix(number, 16).ok());
    let (_, vendor, product) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some(HidDevice {
        path: Path::new("/dev").join(folder.file_name()?),
        usb: (vendor as u16, product as u16),
        name: line("HID_NAME").unwrap_or_default().to_owned(),
        report_descriptor: std::fs::read(folder.join("device/report_descriptor")).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_listed_as_the_kernel_shows_them() {
        let class = std::env::temp_dir().join(format!("offhook-hidraw-{}", std::process::id()));
        for (name, id) in [("hidraw1", "0003:0000047F:0000C056"), ("hidraw0", "0003:00000B0E:00000410"), ("bad", "x")] {
            let folder = class.join(name).join("device");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("uevent"), format!("DRIVER=hid\nHID_ID={id}\nHID_NAME=A Phone\n")).unwrap();
            std::fs::write(folder.join("report_descriptor"), [5, 11]).unwrap();
        }
        let found = devices(&class);
        std::fs::remove_dir_all(&class).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].path.as_path(), found[1].usb), (Path::new("/dev/hidraw1"), (0x047f, 0xc056)));
        assert_eq!((found[0].name.as_str(), found[0].report_descriptor.as_slice()), ("A Phone", &[5_u8, 11][..]));
        assert_eq!(devices(&class), []);
    }

    #[test]
    fn a_handset_that_is_not_plugged_in_remembers_what_to_show() {
        let mut handset = UsbHandset::new(&UsbHandsetWiring { usb: Some((0xffff, 0xfffe)), headset: false });
        let mut raws = Vec::new();
        let reason = handset.open(5, &mut raws).unwrap_err();
        assert!(reason.contains("not plugged in"), "{reason}");
        handset.show(Indicator::Mute, true);
        assert_eq!(handset.shown, [false, false, true, false]);
        assert!(handset.read(5, &mut raws).is_ok() && raws.is_empty() && handset.fd().is_none());
        assert_eq!(handset.name(), "USB handset ffff:fffe");
    }
}
