//! The wires of a panel as Linux has them: lines of a GPIO character device, LEDs under `/sys/class/leds`, an
//! input-event device. Everything is asked for once, when the panel is opened; waiting is one `poll`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_hal::digital::{ErrorKind, ErrorType, InputPin, OutputPin};
use gpiocdev::Request;
use gpiocdev::line::{Bias, Drive, EdgeDetection, EdgeKind, Value};
use offhook_board::{HookWiring, LampWiring, LightPlace, LinesWiring, MatrixWiring, Pin as BoardPin};
use offhook_hal::matrix::{self, Closed};
use offhook_hal::{Hook, PanelError, PanelEvent};

use super::waker::WakeUp;
use super::{Raw, Wires, keys};

/// How long a driven row needs before its columns can be read: pull-ups of 50 kΩ against the capacity of a ribbon.
const SETTLE: Duration = Duration::from_micros(10);
const CONSUMER: &str = "offhook";
const LEDS: &str = "/sys/class/leds";

pub(super) struct LinuxWires {
    /// hook and keys: the offsets are in `hook` and `keys`
    inputs: Option<Request>,
    hook: Option<u32>,
    keys: Vec<u32>,
    matrix: Option<MatrixLines>,
    outputs: Option<Request>,
    lamps: Vec<LampWire>,
    bell: Option<u32>,
    wake: WakeUp,
    device: Option<evdev::Device>,
    /// read from the input device, not yet asked for
    waiting: VecDeque<Raw>,
    /// did anything become readable since we last read everything?
    readable: bool,
}

struct MatrixLines {
    rows: Request,
    columns: Request,
    row_lines: Vec<u32>,
    column_lines: Vec<u32>,
    resting: bool,
}

enum LampWire {
    Line(u32),
    Led { name: String, brightness: File, most: u32 },
}

impl LinuxWires {
    pub(super) fn open(wiring: &LinesWiring) -> Result<Self, PanelError> {
        let hook = wiring.hook.as_ref().map(|hook| line(hook.pin)).transpose()?;
        let keys: Vec<u32> = wiring.keys.iter().map(|(_, pin)| line(*pin)).collect::<Result<_, _>>()?;
        let input_lines: Vec<u32> = hook.iter().chain(&keys).copied().collect();
        let lamp_lines = wiring.lamps.iter().filter_map(|(_, lamp)| match place(lamp) {
            Some(LightPlace::Pin(BoardPin::Line(line))) => Some(*line),
            _ => None,
        });
        let bell = wiring.bell.map(line).transpose()?;
        let output_lines: Vec<u32> = lamp_lines.chain(bell).collect();
        let uses_chip = !input_lines.is_empty() || !output_lines.is_empty() || wiring.matrix.is_some();
        let chip = if uses_chip { chip(&wiring.chip)? } else { PathBuf::new() };

        let inputs = match input_lines.is_empty() {
            true => None,
            false => Some(request(&chip, "hook and keys", |builder| {
                builder
                    .with_lines(&input_lines)
                    .as_input()
                    .with_bias(Bias::PullUp)
                    .with_edge_detection(EdgeDetection::BothEdges);
            })?),
        };
        let outputs = match output_lines.is_empty() {
            true => None,
            false => Some(request(&chip, "lamps and bell", |builder| {
                builder.with_lines(&output_lines).as_output(Value::Inactive);
            })?),
        };
        let matrix = wiring.matrix.as_ref().map(|wired| MatrixLines::open(&chip, wired)).transpose()?;
        let lamps = wiring.lamps.iter().map(|(_, lamp)| match place(lamp) {
            Some(LightPlace::Pin(pin)) => line(*pin).map(LampWire::Line),
            Some(LightPlace::Led(name)) => led(Path::new(LEDS), name),
            _ => Err(unsupported()),
        });
        let lamps = lamps.collect::<Result<_, _>>()?;
        let mut waiting = VecDeque::new();
        let device = match wiring.input_devices.first() {
            Some(name) => {
                let device = input_device(name)?;
                initial(&device, wiring.hook.as_ref(), &mut waiting);
                Some(device)
            }
            None => None,
        };
        let wake = WakeUp::new()
            .map_err(|error| PanelError::Device("eventfd".to_owned(), format!("none can be had ({error})")))?;
        Ok(Self { inputs, hook, keys, matrix, outputs, lamps, bell, wake, device, waiting, readable: true })
    }

    pub(super) fn waker(&self) -> std::task::Waker {
        self.wake.waker()
    }

    /// Descriptors worth polling now.
    fn descriptors(&self) -> impl Iterator<Item = i32> + '_ {
        // Scanning moves the columns itself; only at rest their edges mean a key.
        let matrix = self.matrix.as_ref().filter(|matrix| matrix.resting).map(|matrix| matrix.columns.as_raw_fd());
        let inputs = self.inputs.as_ref().map(AsRawFd::as_raw_fd);
        let device = self.device.as_ref().map(AsRawFd::as_raw_fd);
        [self.wake.fd()].into_iter().chain(inputs).chain(matrix).chain(device)
    }

    fn output(&self, line: u32, on: bool) -> Result<(), PanelError> {
        let value = if on { Value::Active } else { Value::Inactive };
        match &self.outputs {
            Some(outputs) => outputs.set_value(line, value).map(|_| ()).map_err(gone),
            None => Ok(()),
        }
    }

    fn input(&self, line: Option<u32>) -> Result<bool, PanelError> {
        match (&self.inputs, line) {
            (Some(inputs), Some(line)) => inputs.value(line).map(|value| value == Value::Active).map_err(gone),
            _ => Ok(false),
        }
    }

    /// What an edge of the hook and key lines means.
    fn edge(&self, offset: u32, kind: EdgeKind, at: Duration) -> Option<Raw> {
        let high = kind == EdgeKind::Rising;
        if self.hook == Some(offset) {
            return Some(Raw::Hook { at, high });
        }
        let index = self.keys.iter().position(|line| *line == offset)?;
        Some(Raw::Key { at, index, closed: !high })
    }
}

impl Wires for LinuxWires {
    #[allow(unsafe_code)]
    fn now(&self) -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` outlives the call and is all it writes to.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    fn woken(&mut self) -> bool {
        self.wake.take()
    }

    #[allow(unsafe_code)]
    fn sleep(&mut self, timeout: Duration) -> Result<(), PanelError> {
        let mut descriptors = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; 4];
        for (to, fd) in descriptors.iter_mut().zip(self.descriptors()) {
            to.fd = fd;
        }
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
        };
        let count = descriptors.len() as libc::nfds_t;
        // SAFETY: pointer and count are those of the array, the timeout outlives the call; negative descriptors are
        // ignored by the kernel.
        let ready = unsafe { libc::ppoll(descriptors.as_mut_ptr(), count, &raw const timeout, std::ptr::null()) };
        if descriptors
            .iter()
            .any(|descriptor| descriptor.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0)
        {
            return Err(PanelError::Gone);
        }
        // An interrupted wait is an early one.
        self.readable = ready > 0;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Raw>, PanelError> {
        if let Some(raw) = self.waiting.pop_front() {
            return Ok(Some(raw));
        }
        if !self.readable {
            return Ok(None);
        }
        if let Some(inputs) = &self.inputs {
            while inputs.has_edge_event().map_err(gone)? {
                let edge = inputs.read_edge_event().map_err(gone)?;
                if let Some(raw) = self.edge(edge.offset, edge.kind, Duration::from_nanos(edge.timestamp_ns)) {
                    return Ok(Some(raw));
                }
            }
        }
        if let Some(matrix) = &mut self.matrix
            && matrix.resting
            && matrix.columns.has_edge_event().map_err(gone)?
        {
            matrix.resting = false;
            return Ok(Some(Raw::Stirred));
        }
        if let Some(device) = &mut self.device {
            match device.fetch_events() {
                Ok(events) => {
                    self.waiting.extend(events.filter_map(|event| keys::event(&event.destructure())).map(Raw::Event));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(PanelError::Gone),
            }
        }
        let next = self.waiting.pop_front();
        self.readable = next.is_some();
        Ok(next)
    }

    fn hook_is_high(&mut self) -> Result<bool, PanelError> {
        self.input(self.hook)
    }

    fn key_is_closed(&mut self, index: usize) -> Result<bool, PanelError> {
        match self.keys.get(index) {
            Some(line) => Ok(!self.input(Some(*line))?),
            None => Ok(false),
        }
    }

    fn scan(&mut self) -> Result<Closed, PanelError> {
        match &mut self.matrix {
            Some(matrix) => matrix.scan(),
            None => Ok(Closed::default()),
        }
    }

    fn rest(&mut self) -> Result<bool, PanelError> {
        match &mut self.matrix {
            Some(matrix) => matrix.rest(),
            None => Ok(true),
        }
    }

    fn light(&mut self, index: usize, lit: bool) -> Result<(), PanelError> {
        match self.lamps.get_mut(index) {
            Some(LampWire::Line(line)) => {
                let line = *line;
                self.output(line, lit)
            }
            Some(LampWire::Led { name, brightness, most }) => {
                let level = if lit { *most } else { 0 };
                let written = brightness.rewind().and_then(|()| brightness.write_all(level.to_string().as_bytes()));
                written.map_err(|error| {
                    PanelError::Device(format!("{LEDS}/{name}"), format!("cannot be switched ({error})"))
                })
            }
            None => Ok(()),
        }
    }

    fn bell(&mut self, on: bool) -> Result<(), PanelError> {
        self.bell.map_or(Ok(()), |line| self.output(line, on))
    }
}

fn place(lamp: &LampWiring) -> Option<&LightPlace> {
    lamp.lights.first().map(|(_, light)| &light.place)
}

fn line(pin: BoardPin) -> Result<u32, PanelError> {
    match pin {
        BoardPin::Line(line) => Ok(line),
        BoardPin::Expander { .. } => Err(unsupported()),
    }
}

fn unsupported() -> PanelError {
    PanelError::Device("board.toml".to_owned(), "names something this driver does not drive".to_owned())
}

impl MatrixLines {
    fn open(chip: &Path, wired: &MatrixWiring) -> Result<Self, PanelError> {
        let row_lines: Vec<u32> = wired.rows.iter().map(|pin| line(*pin)).collect::<Result<_, _>>()?;
        let column_lines: Vec<u32> = wired.columns.iter().map(|pin| line(*pin)).collect::<Result<_, _>>()?;
        // Active means let go: an open-drain line that is high floats.
        let rows = request(chip, "rows of the matrix", |builder| {
            builder.with_lines(&row_lines).with_drive(Drive::OpenDrain).as_output(Value::Active);
        })?;
        let columns = request(chip, "columns of the matrix", |builder| {
            builder
                .with_lines(&column_lines)
                .as_input()
                .with_bias(Bias::PullUp)
                .with_edge_detection(EdgeDetection::BothEdges);
        })?;
        Ok(Self { rows, columns, row_lines, column_lines, resting: false })
    }

    fn scan(&mut self) -> Result<Closed, PanelError> {
        self.resting = false;
        self.drive_all(Value::Active)?;
        let mut rows: Vec<Pin<'_>> = self.row_lines.iter().map(|line| Pin(&self.rows, *line)).collect();
        let mut columns: Vec<Pin<'_>> = self.column_lines.iter().map(|line| Pin(&self.columns, *line)).collect();
        matrix::scan(&mut rows, &mut columns, || std::thread::sleep(SETTLE)).map_err(|_| PanelError::Gone)
    }

    /// Drives every row, so that any key pulls its column down.
    fn rest(&mut self) -> Result<bool, PanelError> {
        self.drive_all(Value::Inactive)?;
        std::thread::sleep(SETTLE);
        // The edges of the scan just made are no keys. A key that closes from here on is either read below or waits
        // as an edge.
        while self.columns.has_edge_event().map_err(gone)? {
            self.columns.read_edge_event().map_err(gone)?;
        }
        for line in &self.column_lines {
            if self.columns.value(*line).map_err(gone)? == Value::Inactive {
                return Ok(false);
            }
        }
        self.resting = true;
        Ok(true)
    }

    fn drive_all(&self, value: Value) -> Result<(), PanelError> {
        for line in &self.row_lines {
            self.rows.set_value(*line, value).map_err(gone)?;
        }
        Ok(())
    }
}

/// A line of a request as an `embedded-hal` pin.
struct Pin<'a>(&'a Request, u32);

#[derive(Debug)]
struct PinError;

impl embedded_hal::digital::Error for PinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Pin<'_> {
    type Error = PinError;
}

impl OutputPin for Pin<'_> {
    fn set_low(&mut self) -> Result<(), PinError> {
        self.0.set_value(self.1, Value::Inactive).map(|_| ()).map_err(|_| PinError)
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        self.0.set_value(self.1, Value::Active).map(|_| ()).map_err(|_| PinError)
    }
}

impl InputPin for Pin<'_> {
    fn is_high(&mut self) -> Result<bool, PinError> {
        self.0.value(self.1).map(|value| value == Value::Active).map_err(|_| PinError)
    }

    fn is_low(&mut self) -> Result<bool, PinError> {
        self.is_high().map(|high| !high)
    }
}

/// After opening, a line that fails has lost its chip.
fn gone(_: gpiocdev::Error) -> PanelError {
    PanelError::Gone
}

/// The path of a chip named by path or label.
fn chip(name: &str) -> Result<PathBuf, PanelError> {
    if name.starts_with('/') {
        return gpiocdev::chip::is_chip(name).map_err(|_| {
            PanelError::Device(name.to_owned(), "is no GPIO chip; `gpiodetect` lists those there are".to_owned())
        });
    }
    let chips = gpiocdev::chip::chips().unwrap_or_default();
    let labelled = chips.into_iter().find(|path| {
        let info = gpiocdev::chip::Chip::from_path(path).and_then(|chip| chip.info());
        info.is_ok_and(|info| info.label == name || info.name == name)
    });
    labelled.ok_or_else(|| {
        let remedy = "no GPIO chip has this label, or this user may not open it; `gpiodetect` lists the chips, the group `gpio` may open them";
        PanelError::Device(name.to_owned(), remedy.to_owned())
    })
}

fn request(
    chip: &Path,
    what: &str,
    lines: impl FnOnce(&mut gpiocdev::request::Builder),
) -> Result<Request, PanelError> {
    let mut builder = Request::builder();
    builder.on_chip(chip).with_consumer(CONSUMER);
    lines(&mut builder);
    builder.request().map_err(|error| {
        let remedy = format!("its lines for {what} cannot be had ({error}); `gpioinfo` shows who has them, the group `gpio` may open them");
        PanelError::Device(chip.display().to_string(), remedy)
    })
}

fn led(class: &Path, name: &str) -> Result<LampWire, PanelError> {
    let folder = class.join(name);
    let refuse = |remedy: String| PanelError::Device(folder.display().to_string(), remedy);
    let most = std::fs::read_to_string(folder.join("max_brightness")).map_err(|error| {
        refuse(format!("there is no such LED ({error}); `ls {}` lists those there are", class.display()))
    })?;
    // A trigger (heartbeat, disk) would switch the lamp behind our back; not every LED has one.
    let _ = std::fs::write(folder.join("trigger"), "none");
    let brightness = File::options().write(true).open(folder.join("brightness")).map_err(|error| {
        refuse(format!("cannot be switched by this user ({error}); a udev rule gives it to the group `gpio`"))
    })?;
    let most = most.trim().parse().unwrap_or(1);
    Ok(LampWire::Led { name: name.to_owned(), brightness, most })
}

/// Opens an input device by path or by the name its driver gave it.
fn input_device(name: &str) -> Result<evdev::Device, PanelError> {
    let refuse = |remedy: String| PanelError::Device(name.to_owned(), remedy);
    let device = if name.starts_with('/') {
        evdev::Device::open(name).map_err(|error| {
            refuse(format!("the input device cannot be opened ({error}); the group `input` may read it"))
        })?
    } else {
        let named = evdev::enumerate().map(|(_, device)| device).find(|device| device.name() == Some(name));
        named.ok_or_else(|| {
            refuse("no input device has this name, or this user may not read it; `cat /proc/bus/input/devices` lists them, the group `input` may read them".to_owned())
        })?
    };
    device.set_nonblocking(true).map_err(|error| refuse(format!("cannot be read without waiting ({error})")))?;
    let mut device = device;
    // Otherwise the digits would also be typed into the console. Somebody else's grab is no reason not to start.
    let _ = device.grab();
    Ok(device)
}

/// How things lie at the start: the hook, if this device is the one that has it, and the headset.
fn initial(device: &evdev::Device, hook_line: Option<&HookWiring>, into: &mut VecDeque<Raw>) {
    let has_hook = device.supported_keys().is_some_and(|keys| keys.contains(evdev::KeyCode::KEY_PHONE));
    if hook_line.is_none() && has_hook {
        let lifted = device.get_key_state().is_ok_and(|keys| keys.contains(evdev::KeyCode::KEY_PHONE));
        let hook = if lifted { Hook::Off } else { Hook::On };
        into.push_back(Raw::Event(PanelEvent::Hook(hook)));
    }
    let jack = evdev::SwitchCode::SW_HEADPHONE_INSERT;
    if device.get_switch_state().is_ok_and(|switches| switches.contains(jack)) {
        into.push_back(Raw::Event(PanelEvent::HeadsetJack(true)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> LinuxWires {
        LinuxWires::open(&LinesWiring::default()).unwrap()
    }

    #[test]
    fn an_led_is_switched_between_nothing_and_its_brightest() {
        let class = std::env::temp_dir().join(format!("offhook-leds-{}", std::process::id()));
        let folder = class.join("offhook:line1");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("max_brightness"), "255\n").unwrap();
        std::fs::write(folder.join("brightness"), "").unwrap();
        let mut wires = nothing();
        wires.lamps.push(led(&class, "offhook:line1").unwrap());
        wires.light(0, true).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join("brightness")).unwrap(), "255");
        wires.light(1, true).unwrap();
        let Err(PanelError::Device(path, remedy)) = led(&class, "absent") else { panic!("found") };
        assert!(path.ends_with("absent") && remedy.contains("ls "), "{path} {remedy}");
        std::fs::remove_dir_all(&class).unwrap();
    }

    #[test]
    fn edges_find_their_hook_and_keys() {
        let mut wires = nothing();
        wires.hook = Some(17);
        wires.keys = vec![5, 6];
        let at = Duration::from_millis(3);
        assert_eq!(wires.edge(17, EdgeKind::Rising, at), Some(Raw::Hook { at, high: true }));
        assert_eq!(wires.edge(6, EdgeKind::Falling, at), Some(Raw::Key { at, index: 1, closed: true }));
        assert_eq!(wires.edge(9, EdgeKind::Rising, at), None);
    }

    #[test]
    fn the_clock_is_the_one_that_stamps_edges() {
        let wires = nothing();
        let before = wires.now();
        assert!(before > Duration::ZERO);
        assert!(wires.now() >= before);
    }

    #[test]
    fn devices_that_are_not_there_are_named_with_what_to_do() {
        for name in ["/dev/null", "no such keys"] {
            let Err(PanelError::Device(device, remedy)) = input_device(name) else { panic!("{name}") };
            assert_eq!(device, name);
            assert!(remedy.contains("group `input`"), "{remedy}");
        }
        let Err(PanelError::Device(device, remedy)) = chip("/dev/null") else { panic!("a chip") };
        assert_eq!(device, "/dev/null");
        assert!(remedy.contains("gpiodetect"));
    }
}
