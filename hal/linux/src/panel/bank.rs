//! Pins of one chip, asked for once: what the panel needs of a GPIO chip and of a port expander alike.

use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{Bias, Drive, EdgeDetection, EdgeEvent, EdgeKind, Value};
use offhook_hal::PanelError;

const CONSUMER: &str = "offhook";

/// Which pins of a chip are used, and as what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// pulled up, every change matters
    pub(super) contacts: Vec<u32>,
    /// columns of the matrix: pulled up
    pub(super) columns: Vec<u32>,
    /// rows of the matrix: pulled low or let go
    pub(super) rows: Vec<u32>,
    /// outputs, and whether they begin high
    pub(super) outputs: Vec<(u32, bool)>,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a chip says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// a contact went to a level, stamped by the kernel (`CLOCK_MONOTONIC`)
    Contact { at: Duration, pin: u32, high: bool },
    /// a column of the resting matrix
    Column,
}

/// Why a chip cannot be used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost(pub(super) String);

/// The pins of one chip.
pub(super) trait Bank: Send {
    /// What it is, for reports.
    fn name(&self) -> String;
    /// Takes hold of the pins, or takes hold of them again.
    ///
    /// # Errors
    /// [`PanelError::Device`] with what to do.
    fn open(&mut self) -> Result<(), PanelError>;
    /// Lets go of the pins, if there are any left.
    fn close(&mut self);
    /// Does it tell changes of its own, with their time? Else its inputs have to be looked at.
    fn is_stamped(&self) -> bool;
    /// Descriptors to poll; `resting`: those of the columns too.
    fn descriptors(&self, resting: bool, into: &mut Vec<RawFd>);
    /// The next change, without blocking; `resting`: of columns too.
    fn next(&mut self, resting: bool) -> Result<Option<Moved>, Lost>;
    /// Reads all inputs, for [`level`](Self::level) to answer; a chip whose pins are read one by one does nothing.
    fn look(&mut self) -> Result<(), Lost>;
    /// The level of an input, as of the last look.
    fn level(&mut self, pin: u32) -> Result<bool, Lost>;
    /// Sets an output, or a row, high (let go) or low.
    fn write(&mut self, pin: u32, high: bool) -> Result<(), Lost>;
    /// Forgets changes of columns that the scanning made.
    fn forget_columns(&mut self) -> Result<(), Lost>;
}

/// Lines of a GPIO character device.
pub(super) struct Lines {
    /// path, name or label, or the I2C device of an expander that the kernel drives
    chip: Chip,
    plan: Plan,
    held: Option<Held>,
}

pub(super) enum Chip {
    Named(String),
    /// folder of an I2C device that has a chip
    I2cDevice(PathBuf),
}

#[derive(Default)]
struct Held {
    contacts: Option<Request>,
    columns: Option<Request>,
    rows: Option<Request>,
    outputs: Option<Request>,
}

impl Lines {
    pub(super) fn new(chip: Chip, plan: Plan) -> Self {
        Self { chip, plan, held: None }
    }

    /// No lines, held for ever.
    pub(super) fn empty() -> Self {
        Self { chip: Chip::Named("no chip".to_owned()), plan: Plan::default(), held: Some(Held::default()) }
    }

    fn held(&self) -> Result<&Held, Lost> {
        self.held.as_ref().ok_or_else(|| Lost("it is not open".to_owned()))
    }
}

impl Bank for Lines {
    fn name(&self) -> String {
        match &self.chip {
            Chip::Named(name) => name.clone(),
            Chip::I2cDevice(folder) => folder.display().to_string(),
        }
    }

    fn open(&mut self) -> Result<(), PanelError> {
        self.held = None;
        let chip = match &self.chip {
            Chip::Named(name) => chip(name)?,
            Chip::I2cDevice(folder) => chip_of(folder).ok_or_else(|| {
                PanelError::Device(
                    folder.display().to_string(),
                    "its driver in the kernel gives no GPIO chip".to_owned(),
                )
            })?,
        };
        let Plan { contacts, columns, rows, outputs } = &self.plan;
        let want = |what: &str, lines: &[u32], how: &dyn Fn(&mut gpiocdev::request::Builder)| {
            if lines.is_empty() {
                return Ok(None);
            }
            let mut builder = Request::builder();
            builder.on_chip(&chip).with_consumer(CONSUMER).with_lines(lines);
            how(&mut builder);
            builder.request().map(Some).map_err(|error| {
                let remedy = format!("its lines for {what} cannot be had ({error}); `gpioinfo` shows who has them, the group `gpio` may open them");
                PanelError::Device(chip.display().to_string(), remedy)
            })
        };
        let input = |builder: &mut gpiocdev::request::Builder| {
            builder.as_input().with_bias(Bias::PullUp).with_edge_detection(EdgeDetection::BothEdges);
        };
        let lines: Vec<u32> = outputs.iter().map(|(line, _)| *line).collect();
        self.held = Some(Held {
            contacts: want("hook and keys", contacts, &input)?,
            columns: want("columns of the matrix", columns, &input)?,
            // Active means let go: an open-drain line that is high floats.
            rows: want("rows of the matrix", rows, &|builder| {
                builder.with_drive(Drive::OpenDrain).as_output(Value::Active);
            })?,
            outputs: want("lamps and bell", &lines, &|builder| {
                for (line, high) in outputs {
                    builder.with_line(*line).as_output(if *high { Value::Active } else { Value::Inactive });
                }
            })?,
        });
        Ok(())
    }

    fn close(&mut self) {
        self.held = None;
    }

    fn is_stamped(&self) -> bool {
        true
    }

    fn descriptors(&self, resting: bool, into: &mut Vec<RawFd>) {
        let Some(held) = &self.held else { return };
        into.extend(held.contacts.as_ref().map(AsRawFd::as_raw_fd));
        // Scanning moves the columns itself; only at rest their edges mean a key.
        into.extend(held.columns.as_ref().filter(|_| resting).map(AsRawFd::as_raw_fd));
    }

    fn next(&mut self, resting: bool) -> Result<Option<Moved>, Lost> {
        let held = self.held()?;
        if let Some(contacts) = &held.contacts
            && contacts.has_edge_event().map_err(lost)?
        {
            let edge = read_edge(contacts).map_err(lost)?;
            let at = Duration::from_nanos(edge.timestamp_ns);
            return Ok(Some(Moved::Contact { at, pin: edge.offset, high: edge.kind == EdgeKind::Rising }));
        }
        if resting
            && let Some(columns) = &held.columns
            && columns.has_edge_event().map_err(lost)?
        {
            return Ok(Some(Moved::Column));
        }
        Ok(None)
    }

    fn look(&mut self) -> Result<(), Lost> {
        Ok(())
    }

    fn level(&mut self, pin: u32) -> Result<bool, Lost> {
        let is_column = self.plan.columns.contains(&pin);
        let held = self.held()?;
        let request = if is_column { &held.columns } else { &held.contacts };
        let request = request.as_ref().ok_or_else(|| Lost(format!("line {pin} is no input")))?;
        request.value(pin).map(|value| value == Value::Active).map_err(lost)
    }

    fn write(&mut self, pin: u32, high: bool) -> Result<(), Lost> {
        let is_row = self.plan.rows.contains(&pin);
        let held = self.held()?;
        let request = if is_row { &held.rows } else { &held.outputs };
        let request = request.as_ref().ok_or_else(|| Lost(format!("line {pin} is no output")))?;
        let value = if high { Value::Active } else { Value::Inactive };
        request.set_value(pin, value).map(|_| ()).map_err(lost)
    }

    fn forget_columns(&mut self) -> Result<(), Lost> {
        if let Some(columns) = &self.held()?.columns {
            while columns.has_edge_event().map_err(lost)? {
                columns.read_edge_event().map_err(lost)?;
            }
        }
        Ok(())
    }
}

/// One edge. Not by `Request::read_edge_event`: without the old kernel interface that one (gpiocdev 0.8.0) has room for eight
/// edges, and forgets all but the first.
fn read_edge(request: &Request) -> Result<EdgeEvent, gpiocdev::Error> {
    let mut buffer = [0; 16];
    let words = request.edge_event_u64_size().min(buffer.len());
    let read = request.read_edge_events_into_slice(buffer.get_mut(..words).unwrap_or_default())?;
    request.edge_event_from_slice(buffer.get(..read).unwrap_or_default())
}

/// After opening, a line that fails has lost its chip.
#[allow(clippy::needless_pass_by_value)]
fn lost(error: gpiocdev::Error) -> Lost {
    Lost(error.to_string())
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

/// The chip that a driver of the kernel made of an I2C device.
pub(super) fn chip_of(device: &std::path::Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(device).ok()?;
    let named = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    named.into_iter().find(|name| name.starts_with("gpiochip")).map(|name| PathBuf::from("/dev").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_that_is_not_there_is_named_with_what_to_do() {
        for name in ["/dev/null", "no-such-chip"] {
            let mut lines = Lines::new(Chip::Named(name.to_owned()), Plan::default());
            let Err(PanelError::Device(device, remedy)) = lines.open() else { panic!("a chip") };
            assert_eq!(device, name);
            assert!(remedy.contains("gpiodetect"), "{remedy}");
            assert!(lines.level(1).is_err() && lines.next(true).is_err());
        }
    }

    #[test]
    fn a_chip_of_an_expander_is_found_below_its_i2c_device() {
        let folder = std::env::temp_dir().join(format!("offhook-i2c-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("gpiochip3")).unwrap();
        assert_eq!(chip_of(&folder), Some(PathBuf::from("/dev/gpiochip3")));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(chip_of(&folder), None);
    }
}
