//! What a machine has, as plain data: the other side of a board file. A driver gathers it from the running system,
//! [`crate::check`] compares the two. Nothing here reads a device, so the comparison is tested without any.
//!
//! An empty list means that the machine has none, or that nobody could look; the drivers say the latter in `unknown`.

use offhook_hal::Key;

/// A machine, as far as a board can care.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// GPIO character devices
    pub gpio_chips: Vec<GpioChip>,
    /// devices under /sys/class/leds
    pub leds: Vec<Led>,
    /// chips under /sys/class/pwm
    pub pwm_chips: Vec<PwmChip>,
    /// I2C buses with a device file
    pub i2c_buses: Vec<I2cBus>,
    /// devices under /dev/input
    pub input_devices: Vec<InputDevice>,
    /// USB devices with the telephony page of HID
    pub usb_handsets: Vec<UsbHandset>,
    /// ALSA cards
    pub sound_cards: Vec<SoundCard>,
    /// the board's PCM names, tried out one by one
    pub pcms: Vec<Pcm>,
    /// hardware watchdogs
    pub watchdogs: Vec<Watchdog>,
    /// what the user of this process may do
    pub rights: Rights,
    /// what could not be looked at, with the reason, one sentence each
    pub unknown: Vec<String>,
}

/// Whether this process may use a device file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// it opens
    #[default]
    Usable,
    /// it belongs to others; the group that has it, if a group does
    Denied {
        /// such as `gpio`
        group: Option<String>,
    },
    /// another program has it
    Busy,
}

/// A GPIO character device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpioChip {
    /// such as `/dev/gpiochip0`
    pub path: String,
    /// such as `gpiochip0`
    pub name: String,
    /// such as `pinctrl-bcm2711`
    pub label: String,
    /// number of lines
    pub lines: u32,
    /// lines in use, with who uses them (the consumer, `kernel` if it gives none)
    pub used: Vec<(u32, String)>,
    /// may it be opened?
    pub access: Access,
}

/// An LED device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Led {
    /// name under /sys/class/leds
    pub name: String,
    /// brightness at most; 1: it can only be on or off
    pub most: u32,
    /// may `brightness` be written?
    pub access: Access,
}

/// A PWM chip.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PwmChip {
    /// the number in `pwmchip0`
    pub number: u32,
    /// number of channels
    pub channels: u32,
    /// may channels be exported and written?
    pub access: Access,
}

/// An I2C bus.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct I2cBus {
    /// such as `/dev/i2c-1`
    pub path: String,
    /// addresses a driver of the kernel holds, with the driver's name
    pub claimed: Vec<(u8, String)>,
    /// addresses of the board's expanders at which something answered
    pub answering: Vec<u8>,
    /// may it be opened?
    pub access: Access,
}

/// An input-event device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputDevice {
    /// such as `/dev/input/event3`
    pub path: String,
    /// what it calls itself
    pub name: String,
    /// it can send `KEY_PHONE`
    pub hook: bool,
    /// it can send `SW_HEADPHONE_INSERT`
    pub jack: bool,
    /// keys of the telephone it can send
    pub keys: Vec<Key>,
    /// may it be opened?
    pub access: Access,
}

/// A USB device with telephony keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsbHandset {
    /// vendor and product
    pub usb: (u16, u16),
    /// such as `/dev/hidraw0`
    pub path: String,
    /// what it calls itself
    pub name: String,
    /// its report descriptor has a hook switch
    pub hook: bool,
    /// may it be opened?
    pub access: Access,
}

/// An ALSA card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SoundCard {
    /// its number
    pub number: u32,
    /// its id, as in `hw:CARD=id`
    pub id: String,
    /// what it calls itself
    pub name: String,
    /// simple mixer controls, as `amixer scontrols` prints them
    pub mixer: Vec<String>,
    /// names of its controls that say whether a plug is in, such as `Headphone Jack`
    pub jacks: Vec<String>,
}

/// One of the board's PCM names, tried in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pcm {
    /// as the board file has it
    pub name: String,
    /// playback, else capture
    pub playback: bool,
    /// what came of it
    pub trial: PcmTrial,
}

/// What came of opening a PCM with the board's rate and period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PcmTrial {
    /// it opens with this format
    Opens {
        /// [Hz]
        rate: u32,
        /// [samples]
        period: usize,
        /// periods in its buffer
        periods: usize,
        /// channels of the device itself
        channels: u32,
    },
    /// another program has it
    Busy,
    /// it cannot, with what ALSA said
    Fails(String),
}

/// A hardware watchdog.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watchdog {
    /// such as `/dev/watchdog0`
    pub path: String,
    /// what it calls itself
    pub identity: String,
    /// longest timeout it can [s]; `None` if it does not say
    pub longest_s: Option<u32>,
}

/// What the user of this process may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// name, or number, of the user
    pub user: String,
    /// highest real-time priority; 0: none
    pub realtime: u32,
    /// memory that may be locked [bytes]; `u64::MAX`: all
    pub locked_memory: u64,
}

impl Machine {
    /// The chip a board file names: by path, name or label.
    pub fn gpio_chip(&self, chip: &str) -> Option<&GpioChip> {
        self.gpio_chips
            .iter()
            .find(|known| [&known.path, &known.name, &known.label].into_iter().any(|name| name == chip))
    }

    /// The input device a board file names: by path or by what it calls itself.
    pub fn input_device(&self, device: &str) -> Option<&InputDevice> {
        self.input_devices.iter().find(|known| known.path == device || known.name == device)
    }
}
