//! What this machine has, for comparing a board with it ([`offhook_board::check`]): chips, LEDs, buses, input devices,
//! sound, rights. Looking changes nothing: no line is taken, no register written.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use embedded_hal::i2c::I2c;
use evdev::{KeyCode, SwitchCode};
use linux_embedded_hal::I2cdev;
use offhook_board::machine::{
    Access, GpioChip, I2cBus, InputDevice, Led, Machine, Pcm, PcmTrial, PwmChip, Rights, SoundCard, UsbHandset,
    Watchdog,
};
use offhook_board::{AudioWiring, Board, PanelWiring};
use offhook_hal::hid::Handset;

use crate::panel::{keys, usb_handset};

/// Gathers what `board` could care about on the running system.
pub fn machine(board: &Board) -> Machine {
    let root = Path::new("/");
    let mut unknown = Vec::new();
    Machine {
        gpio_chips: gpio_chips(&mut unknown),
        leds: leds(&root.join("sys/class/leds")),
        pwm_chips: pwm_chips(&root.join("sys/class/pwm")),
        i2c_buses: i2c_buses(board, &mut unknown),
        input_devices: input_devices(&mut unknown),
        usb_handsets: usb_handsets(),
        sound_cards: sound_cards(),
        pcms: pcms(&board.audio),
        watchdogs: watchdogs(&root.join("sys/class/watchdog")),
        rights: rights(),
        unknown,
    }
}

fn gpio_chips(unknown: &mut Vec<String>) -> Vec<GpioChip> {
    let mut chips = Vec::new();
    for path in device_files("/dev", "gpiochip") {
        let access = access(&path, true);
        let mut found =
            GpioChip { path: path.display().to_string(), name: name_of(&path), access, ..GpioChip::default() };
        match gpiocdev::chip::Chip::from_path(&path).and_then(|chip| Ok((chip.info()?, chip))) {
            Ok((info, chip)) => {
                found.label = info.label;
                found.lines = info.num_lines;
                for line in 0..info.num_lines {
                    if let Ok(line) = chip.line_info(line)
                        && line.used
                    {
                        let consumer = if line.consumer.is_empty() { "kernel".to_owned() } else { line.consumer };
                        found.used.push((line.offset, consumer));
                    }
                }
            }
            Err(error) => {
                // Its label is there for everybody.
                let label = format!("/sys/bus/gpio/devices/{}/../label", found.name);
                found.label = read(Path::new(&label)).unwrap_or_default();
                unknown.push(format!("{}: its lines cannot be looked at ({error}).", found.path));
            }
        }
        chips.push(found);
    }
    chips
}

fn leds(class: &Path) -> Vec<Led> {
    let led = |folder: PathBuf| Led {
        most: read(&folder.join("max_brightness")).and_then(|most| most.parse().ok()).unwrap_or(1),
        access: access(&folder.join("brightness"), true),
        name: name_of(&folder),
    };
    entries(class).into_iter().map(led).collect()
}

fn pwm_chips(class: &Path) -> Vec<PwmChip> {
    let chip = |folder: PathBuf| {
        Some(PwmChip {
            number: name_of(&folder).strip_prefix("pwmchip")?.parse().ok()?,
            channels: read(&folder.join("npwm"))?.parse().ok()?,
            access: access(&folder.join("export"), true),
        })
    };
    entries(class).into_iter().filter_map(chip).collect()
}

fn i2c_buses(board: &Board, unknown: &mut Vec<String>) -> Vec<I2cBus> {
    let expanders = match &board.panel {
        PanelWiring::Lines(wiring) => wiring.expanders.as_slice(),
        PanelWiring::Keyboard => &[],
    };
    let mut buses = Vec::new();
    for path in device_files("/dev", "i2c-") {
        let access = access(&path, true);
        let number = name_of(&path).trim_start_matches("i2c-").to_owned();
        let mut claimed = Vec::new();
        for device in entries(Path::new("/sys/bus/i2c/devices")) {
            let name = name_of(&device);
            if let Some(address) = name.strip_prefix(&format!("{number}-"))
                && let Ok(address) = u8::from_str_radix(address, 16)
                && let Ok(driver) = std::fs::read_link(device.join("driver"))
            {
                claimed.push((address, name_of(&driver)));
            }
        }
        let path = path.display().to_string();
        let mut answering = Vec::new();
        let ours = expanders.iter().filter(|expander| expander.bus == path);
        for expander in ours.filter(|expander| !claimed.iter().any(|(address, _)| *address == expander.address)) {
            // Reading the chip's port is what the driver does all the time; it changes nothing.
            let mut byte = [0_u8];
            let answers = I2cdev::new(&path).map(|mut bus| bus.read(expander.address, &mut byte));
            match answers {
                Ok(Ok(())) => answering.push(expander.address),
                Ok(Err(_)) => {}
                Err(error) => unknown.push(format!("{path}: nobody can be asked there ({error}).")),
            }
        }
        buses.push(I2cBus { path, claimed, answering, access });
    }
    buses
}

fn input_devices(unknown: &mut Vec<String>) -> Vec<InputDevice> {
    let mut devices = Vec::new();
    for path in device_files("/dev/input", "event") {
        let name = read(&Path::new("/sys/class/input").join(name_of(&path)).join("device/name")).unwrap_or_default();
        let (access, shown) = (access(&path, false), path.display().to_string());
        let mut found = InputDevice { path: shown, name, access, ..InputDevice::default() };
        match evdev::Device::open(&path) {
            Ok(device) => {
                let supported = device.supported_keys();
                found.hook = supported.is_some_and(|keys| keys.contains(KeyCode::KEY_PHONE));
                found.keys = supported.into_iter().flat_map(|keys| keys.iter()).filter_map(keys::key).collect();
                found.keys.sort();
                found.keys.dedup();
                let jack = SwitchCode::SW_HEADPHONE_INSERT;
                found.jack = device.supported_switches().is_some_and(|switches| switches.contains(jack));
            }
            Err(error) => unknown.push(format!("{}: its keys cannot be looked at ({error}).", found.path)),
        }
        devices.push(found);
    }
    devices
}

fn usb_handsets() -> Vec<UsbHandset> {
    let devices = usb_handset::devices(Path::new(usb_handset::CLASS)).into_iter();
    let telephony =
        |device: &usb_handset::HidDevice| offhook_hal::hid::Descriptor::parse(&device.report_descriptor).has_page(0x0b);
    devices
        .filter(telephony)
        .map(|device| UsbHandset {
            usb: device.usb,
            hook: Handset::new(&device.report_descriptor, false).is_some(),
            access: access(&device.path, true),
            path: device.path.display().to_string(),
            name: device.name,
        })
        .collect()
}

fn sound_cards() -> Vec<SoundCard> {
    crate::alsa_audio::quieten();
    let mut cards = Vec::new();
    for card in alsa::card::Iter::new().flatten() {
        let number = u32::try_from(card.get_index()).unwrap_or(0);
        let id = read(Path::new(&format!("/proc/asound/card{number}/id"))).unwrap_or_else(|| number.to_string());
        let control = format!("hw:{number}");
        let mixer = alsa::mixer::Mixer::new(&control, false).ok().map(|mixer| {
            let names = mixer
                .iter()
                .filter_map(|element| alsa::mixer::Selem::new(element)?.get_id().get_name().ok().map(str::to_owned));
            names.collect()
        });
        let name = card.get_name().unwrap_or_default();
        cards.push(SoundCard { number, id, name, mixer: mixer.unwrap_or_default(), jacks: jacks(&control) });
    }
    cards
}

/// Controls of the kind that a jack has: on or off, named `… Jack`.
fn jacks(control: &str) -> Vec<String> {
    let Ok(controls) = alsa::hctl::HCtl::new(control, false) else { return Vec::new() };
    if controls.load().is_err() {
        return Vec::new();
    }
    let names = controls.elem_iter().filter_map(|element| element.get_id().ok()?.get_name().ok().map(str::to_owned));
    names.filter(|name| name.ends_with("Jack")).collect()
}

/// Tries the board's PCM names, each in its direction.
fn pcms(wiring: &AudioWiring) -> Vec<Pcm> {
    let routes = wiring.routes.iter().filter_map(|route| route.pcm.as_ref());
    let pairs = std::iter::once((&wiring.playback, &wiring.capture)).chain(routes.map(|(out, into)| (out, into)));
    let mut pcms: Vec<Pcm> = Vec::new();
    for (name, playback) in pairs.flat_map(|(out, into)| [(out, true), (into, false)]) {
        if !pcms.iter().any(|known| known.name == *name && known.playback == playback) {
            pcms.push(Pcm { name: name.clone(), playback, trial: try_pcm(name, playback, wiring) });
        }
    }
    pcms
}

fn try_pcm(name: &str, playback: bool, wiring: &AudioWiring) -> PcmTrial {
    let direction = if playback { alsa::Direction::Playback } else { alsa::Direction::Capture };
    let opened = alsa::PCM::new(name, direction, true);
    let pcm = match opened {
        Ok(pcm) => pcm,
        Err(error) if error.errno() == libc::EBUSY => return PcmTrial::Busy,
        Err(error) => return PcmTrial::Fails(error.to_string()),
    };
    let near = || -> alsa::Result<PcmTrial> {
        let params = alsa::pcm::HwParams::any(&pcm)?;
        let frames = |samples: usize| alsa::pcm::Frames::try_from(samples).unwrap_or(alsa::pcm::Frames::MAX);
        let channels = if params.set_channels(1).is_ok() { 1 } else { params.get_channels_min()? };
        let rate = params.set_rate_near(wiring.rate, alsa::ValueOr::Nearest)?;
        let period = params.set_period_size_near(frames(wiring.period), alsa::ValueOr::Nearest)?;
        let periods = params.set_periods_near(u32::try_from(wiring.periods).unwrap_or(2), alsa::ValueOr::Nearest)?;
        let count = |value: i64| usize::try_from(value).unwrap_or(0);
        Ok(PcmTrial::Opens { rate, period: count(period), periods: periods as usize, channels })
    };
    near().unwrap_or_else(|error| PcmTrial::Fails(error.to_string()))
}

fn watchdogs(class: &Path) -> Vec<Watchdog> {
    // The device files are not opened: opening one starts it.
    let watchdog = |folder: PathBuf| Watchdog {
        path: format!("/dev/{}", name_of(&folder)),
        identity: read(&folder.join("identity")).unwrap_or_default(),
        longest_s: read(&folder.join("max_timeout"))
            .and_then(|longest| longest.parse().ok())
            .filter(|longest| *longest > 0),
    };
    entries(class).into_iter().map(watchdog).collect()
}

#[allow(unsafe_code)]
fn rights() -> Rights {
    let limit = |resource| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure outlives the call and is all it writes to.
        let known = unsafe { libc::getrlimit(resource, &raw mut limit) } == 0;
        if known { limit.rlim_cur } else { 0 }
    };
    // SAFETY: no arguments, cannot fail.
    let uid = unsafe { libc::geteuid() };
    let is_root = uid == 0;
    let locked = limit(libc::RLIMIT_MEMLOCK);
    let unlimited = is_root || locked == libc::RLIM_INFINITY;
    Rights {
        user: user_name(uid),
        realtime: if is_root { 99 } else { u32::try_from(limit(libc::RLIMIT_RTPRIO).min(99)).unwrap_or(0) },
        locked_memory: if unlimited { u64::MAX } else { locked },
    }
}

fn user_name(uid: u32) -> String {
    named("/etc/passwd", uid).unwrap_or_else(|| uid.to_string())
}

/// The name with this number in a file like `/etc/passwd` or `/etc/group`.
fn named(file: &str, number: u32) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut columns = line.split(':');
        let (name, _, known) = (columns.next()?, columns.next()?, columns.next()?);
        (known.parse() == Ok(number)).then(|| name.to_owned())
    })
}

/// Whether this process may open a file; tried by opening, which for files of sysfs and the devices asked here changes
/// nothing.
fn access(path: &Path, write: bool) -> Access {
    match File::options().read(!write || is_device(path)).write(write).open(path) {
        Ok(file) => {
            debug_assert!(file.as_raw_fd() >= 0);
            Access::Usable
        }
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Access::Busy,
        Err(_) => {
            let group = std::fs::metadata(path).ok().filter(|data| data.mode() & 0o060 != 0).map(|data| data.gid());
            Access::Denied { group: group.filter(|gid| *gid != 0).and_then(|gid| named("/etc/group", gid)) }
        }
    }
}

fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.file_type().is_char_device())
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The entries of a folder, in order of their names.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

/// Device files whose names are `prefix` and a number, in order of the numbers.
fn device_files(folder: &str, prefix: &str) -> Vec<PathBuf> {
    let number = |path: &PathBuf| name_of(path).strip_prefix(prefix)?.parse::<u32>().ok();
    let mut files: Vec<PathBuf> =
        entries(Path::new(folder)).into_iter().filter(|path| number(path).is_some()).collect();
    files.sort_by_key(|path| number(path));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("offhook-machine-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    fn put(path: PathBuf, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn leds_chips_and_watchdogs_are_what_sysfs_says() {
        let root = folder("sysfs");
        put(root.join("leds/offhook:line1/max_brightness"), "255\n");
        put(root.join("leds/offhook:line1/brightness"), "0\n");
        put(root.join("pwm/pwmchip2/npwm"), "4\n");
        put(root.join("pwm/pwmchip2/export"), "");
        put(root.join("watchdog/watchdog0/identity"), "Software Watchdog\n");
        put(root.join("watchdog/watchdog0/max_timeout"), "65535\n");
        let led = Led { name: "offhook:line1".into(), most: 255, access: Access::Usable };
        assert_eq!(leds(&root.join("leds")), [led]);
        let chip = PwmChip { number: 2, channels: 4, access: Access::Usable };
        assert_eq!(pwm_chips(&root.join("pwm")), [chip]);
        let dog =
            Watchdog { path: "/dev/watchdog0".into(), identity: "Software Watchdog".into(), longest_s: Some(65_535) };
        assert_eq!(watchdogs(&root.join("watchdog")), [dog]);
        assert_eq!(leds(&root.join("none")), []);
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn device_files_are_in_the_order_of_their_numbers() {
        let root = folder("order");
        for name in ["event10", "event2", "mouse0", "event", "by-id"] {
            put(root.join(name), "");
        }
        let names: Vec<String> =
            device_files(root.to_str().unwrap(), "event").iter().map(|path| name_of(path)).collect();
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(names, ["event2", "event10"]);
    }

    #[test]
    fn whatever_this_machine_has_can_be_gathered_for_every_board() {
        for name in Board::built_in_names() {
            let board = Board::parse(Board::built_in(name).unwrap()).unwrap();
            let machine = machine(&board);
            assert!(!machine.rights.user.is_empty());
            assert!(machine.pcms.iter().any(|pcm| pcm.name == board.audio.playback && pcm.playback), "{name}");
        }
    }

    #[test]
    fn a_file_of_others_is_denied_and_says_whose_it_is() {
        let file = folder("rights");
        std::fs::write(&file, "").unwrap();
        assert_eq!(access(&file, true), Access::Usable);
        assert_eq!(access(&file.join("x"), true), Access::Denied { group: None });
        std::fs::remove_file(&file).unwrap();
        assert_eq!(named("/etc/group", 0).as_deref(), Some("root"));
    }
}
