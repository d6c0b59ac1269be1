//! Lines of the kernel's simulated GPIO chip, pulled and read through sysfs
//! (Documentation/admin-guide/gpio/gpio-sim.rst), and the contacts of the simulated key matrix (image/kernel/contacts).
//!
//! A real contact to ground is stronger than the pull-up that the telephone asks for; the simulated chip takes the
//! request itself for the pull. So lines that are held low are looked at again and again, and pulled down anew.

use crate::clock::{self, MS};
use crate::contacts::Wires;
use crate::eye::Eye;
use crate::request::Outcome;
use crate::wiring::{Contact, Line, Wiring};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const CONFIGFS: &str = "/sys/kernel/config/gpio-sim";
/// Where the driver of the matrix takes contacts: "<row> <column> <0 or 1>".
const CONTACTS: &str = "/sys/devices/platform/offhook-matrix/contacts";
const FOLDER: &str = "offhook-hand";
/// How often held lines are looked at.
const LOOK: Duration = Duration::from_millis(5);

/// The simulated chip.
#[derive(Debug)]
pub(crate) struct Sim {
    label: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// line to whether it is high
    wanted: BTreeMap<u32, bool>,
    /// open `pull` and `value` files
    files: BTreeMap<(u32, &'static str), File>,
}

impl Sim {
    /// Finds the chip, or makes it; starts to watch the lamps.
    ///
    /// # Errors
    /// What is missing in the kernel, and how to get it.
    pub(crate) fn open(wiring: &Wiring, eye: &Arc<Eye>) -> Outcome<Arc<Self>> {
        if chip_folder(&wiring.chip).is_none() {
            make(wiring)?;
        }
        if wiring.contacts().any(|(_, contact)| matches!(contact, Contact::Crossing { .. })) {
            find_matrix()?;
        }
        let sim = Arc::new(Self { label: wiring.chip.clone(), state: Mutex::default() });
        let holder = Arc::clone(&sim);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LOOK);
                holder.hold();
            }
        });
        let (watched, eye) = (Arc::clone(&sim), Arc::clone(eye));
        let lamps: BTreeMap<String, Line> = wiring.lamps.clone();
        std::thread::spawn(move || {
            eye.watch(|name| {
                let line = lamps.get(name)?;
                let value = watched.read(line.offset, "value").ok()?;
                Some((value.first() == Some(&b'1')) == line.is_high(true))
            })
        });
        Ok(sim)
    }

    fn read(&self, offset: u32, what: &'static str) -> Outcome<Vec<u8>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).read(&self.label, offset, what)
    }

    /// Pulls down anew what is held low and was pulled up.
    fn hold(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let low: Vec<u32> = state.wanted.iter().filter(|(_, high)| !**high).map(|(offset, _)| *offset).collect();
        for offset in low {
            // A chip that is gone for the moment comes back.
            if state.read(&self.label, offset, "pull").is_ok_and(|pull| pull.starts_with(b"pull-up")) {
                let _ = state.pull(&self.label, offset, false);
            }
        }
    }

    /// Takes the chip away (`false`), or brings it back with all its lines as they were.
    pub(crate) fn plug(&self, there: bool) -> Outcome<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let live = device_folder(&self.label).ok_or("no simulated chip in configfs")?.join("live");
        state.files.clear();
        std::fs::write(&live, if there { "1" } else { "0" }).map_err(|error| format!("{}: {error}", live.display()))?;
        if there {
            let wanted: Vec<(u32, bool)> = state.wanted.iter().map(|(offset, high)| (*offset, *high)).collect();
            for (offset, high) in wanted {
                state.pull(&self.label, offset, high)?;
            }
        }
        Ok(())
    }
}

impl Wires for Arc<Sim> {
    fn set(&self, contact: &Contact, active: bool) -> Outcome<()> {
        let line = match contact {
            Contact::Line(line) => line,
            Contact::Crossing { row, column } => return cross(*row, *column, active),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let high = line.is_high(active);
        state.wanted.insert(line.offset, high);
        state.pull(&self.label, line.offset, high)
    }
}

impl State {
    fn pull(&mut self, label: &str, offset: u32, high: bool) -> Outcome<()> {
        let text: &[u8] = if high { b"pull-up" } else { b"pull-down" };
        self.with(label, offset, "pull", |file| file.write_at(text, 0))
    }

    fn read(&mut self, label: &str, offset: u32, what: &'static str) -> Outcome<Vec<u8>> {
        let mut bytes = [0; 16];
        let mut count = 0;
        self.with(label, offset, what, |file| {
            count = file.read_at(&mut bytes, 0)?;
            Ok(count)
        })?;
        Ok(bytes.get(..count).unwrap_or_default().to_vec())
    }

    /// Does something with a file of a line; one that was open while its chip went away is opened anew, once.
    fn with(
        &mut self,
        label: &str,
        offset: u32,
        what: &'static str,
        mut act: impl FnMut(&File) -> std::io::Result<usize>,
    ) -> Outcome<()> {
        let text = |error: std::io::Error| format!("line {offset} of the simulated chip {label}: {error}");
        if let Some(file) = self.files.get(&(offset, what)) {
            if act(file).is_ok() {
                return Ok(());
            }
            // The chip went away, and with it every file.
            self.files.clear();
        }
        let chip = chip_folder(label)
            .ok_or_else(|| format!("the simulated chip {label} is not there; `device gpio return`"))?;
        let path = chip.join(format!("sim_gpio{offset}")).join(what);
        let file = File::options().read(true).write(what == "pull").open(path).map_err(text)?;
        let result = act(&file).map_err(text);
        self.files.insert((offset, what), file);
        result.map(|_| ())
    }
}

/// Closes or opens a contact of the matrix.
fn cross(row: u32, column: u32, closed: bool) -> Outcome<()> {
    let text = format!("{row} {column} {}\n", u8::from(closed));
    std::fs::write(CONTACTS, text).map_err(|error| format!("row {row}, column {column} in {CONTACTS}: {error}"))
}

/// Loads the driver of the matrix where it is a module and nobody has yet.
fn find_matrix() -> Outcome<()> {
    if !Path::new(CONTACTS).exists() {
        run("modprobe", &["offhook-contacts"]);
    }
    if Path::new(CONTACTS).exists() {
        return Ok(());
    }
    Err(format!(
        "{CONTACTS} is not there: this kernel has no offhook-contacts (image/kernel/contacts), or nobody let us load it"
    ))
}

/// Runs what fails where there is nothing left to do; what counts is what is there afterwards.
fn run(program: &str, arguments: &[&str]) {
    let _ = std::process::Command::new(program).args(arguments).stderr(std::process::Stdio::null()).status();
}

/// The bank with this label, in configfs: its device's folder and its own.
fn bank(label: &str) -> Option<(PathBuf, PathBuf)> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect()
    };
    folders(Path::new(CONFIGFS)).into_iter().find_map(|device| {
        let bank = folders(&device).into_iter().find(|bank| read(&bank.join("label")).as_deref() == Some(label))?;
        Some((device, bank))
    })
}

fn device_folder(label: &str) -> Option<PathBuf> {
    bank(label).map(|(device, _)| device)
}

/// Where the chip's lines are in sysfs, if it is there.
fn chip_folder(label: &str) -> Option<PathBuf> {
    let (device, bank) = bank(label)?;
    let (device, chip) = (read(&device.join("dev_name"))?, read(&bank.join("chip_name"))?);
    Some(Path::new("/sys/devices/platform").join(device).join(chip)).filter(|path| path.is_dir())
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Makes a chip with this label, mounting configfs and loading the module where that is needed.
fn make(wiring: &Wiring) -> Outcome<()> {
    if !Path::new(CONFIGFS).is_dir() {
        run("modprobe", &["gpio-sim"]);
        run("mount", &["-t", "configfs", "configfs", "/sys/kernel/config"]);
    }
    if !Path::new(CONFIGFS).is_dir() {
        return Err(format!(
            "{CONFIGFS} is not there: this kernel has no gpio-sim (CONFIG_GPIO_SIM), or nobody let us load it"
        ));
    }
    // Somebody else may make it at this moment, and then it is there after all.
    let device = Path::new(CONFIGFS).join(FOLDER);
    let write =
        |path: PathBuf, text: &str| std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()));
    if !device.is_dir() {
        let bank = device.join("bank0");
        std::fs::create_dir_all(&bank).map_err(|error| format!("{}: {error}", bank.display()))?;
        write(bank.join("num_lines"), &wiring.lines.to_string())?;
        write(bank.join("label"), &wiring.chip)?;
    }
    if read(&device.join("live")).as_deref() != Some("1") {
        write(device.join("live"), "1")?;
    }
    let until = clock::monotonic() + 2000 * MS;
    while chip_folder(&wiring.chip).is_none() {
        if clock::monotonic() > until {
            return Err(format!("the simulated chip {} was made and does not appear", wiring.chip));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
