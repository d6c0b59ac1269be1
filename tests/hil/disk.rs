//! A board's disk: an image file with a GUID partition table (UEFI 2.10 section 5.3), read and changed from outside while
//! the board has no power. FAT partitions are changed with mtools, which needs neither root nor a loop device.

use crate::case::Outcome;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Octets of a sector, and of a write that happens wholly or not at all.
pub(crate) const SECTOR: u64 = 512;

/// An image file; what is done to it is done to this board's copy only.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    path: PathBuf,
}

/// Where a partition lies in the image [octets].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) start: u64,
    pub(crate) size: u64,
}

impl Disk {
    /// A copy of `master` at `path`; holes stay holes.
    pub(crate) fn copy(master: &Path, path: PathBuf) -> Outcome<Self> {
        let mut command = Command::new("cp");
        command.args(["--sparse=always", "--reflink=auto"]).arg(master).arg(&path);
        output(&mut command)?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The partition with this name in the table.
    pub(crate) fn partition(&self, label: &str) -> Outcome<Partition> {
        let wrong = |what: &str| format!("{}: {what}", self.path.display());
        let header = self.read(SECTOR, SECTOR as usize)?;
        if header.get(..8) != Some(b"EFI PART") {
            return Err(wrong("no GUID partition table in sector 1"));
        }
        let number = |from: &[u8], at: usize| {
            let octets = from.get(at..at + 8).and_then(|octets| octets.try_into().ok());
            octets.map(u64::from_le_bytes).unwrap_or_default()
        };
        let (table, count_size) = (number(&header, 72), number(&header, 80));
        let (count, size) = ((count_size & 0xffff_ffff) as usize, (count_size >> 32) as usize);
        if count > 1024 || !(128..=4096).contains(&size) {
            return Err(wrong(&format!("a partition table of {count} entries of {size} octets")));
        }
        let entries = self.read(table * SECTOR, count * size)?;
        let name = |entry: &[u8]| {
            let units = entry[56..128].chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            String::from_utf16_lossy(&units.take_while(|&unit| unit != 0).collect::<Vec<_>>())
        };
        let Some(entry) = entries.chunks_exact(size).find(|entry| name(entry) == label) else {
            let all: Vec<String> = entries.chunks_exact(size).map(name).filter(|name| !name.is_empty()).collect();
            return Err(wrong(&format!("no partition {label}, only {all:?}")));
        };
        let (first, last) = (number(entry, 32), number(entry, 40));
        Ok(Partition { start: first * SECTOR, size: (last + 1).saturating_sub(first) * SECTOR })
    }

    pub(crate) fn read(&self, at: u64, count: usize) -> Outcome<Vec<u8>> {
        let mut octets = vec![0; count];
        let file = File::open(&self.path).map_err(|error| self.failed(&error))?;
        file.read_exact_at(&mut octets, at).map_err(|error| self.failed(&error))?;
        Ok(octets)
    }

    pub(crate) fn write(&self, at: u64, octets: &[u8]) -> Outcome {
        let file = File::options().write(true).open(&self.path).map_err(|error| self.failed(&error))?;
        file.write_all_at(octets, at).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> String {
        format!("{}: {error}", self.path.display())
    }

    /// Puts a file into a FAT partition, with the folders on its way: `put("boot", "offhook/provision", file)`.
    pub(crate) fn put(&self, label: &str, name: &str, from: &Path) -> Outcome {
        let mut folder = String::new();
        let parents = name.split('/').collect::<Vec<_>>();
        for parent in &parents[..parents.len() - 1] {
            folder = if folder.is_empty() { (*parent).to_owned() } else { format!("{folder}/{parent}") };
            // It may be there already.
            if !self.has(label, &folder)? {
                output(self.mtool("mmd", label)?.arg(format!("::{folder}")))?;
            }
        }
        output(self.mtool("mcopy", label)?.arg("-oQ").arg(from).arg(format!("::{name}"))).map(drop)
    }

    /// Takes a file out of a FAT partition.
    pub(crate) fn take(&self, label: &str, name: &str, into: &Path) -> Outcome {
        output(self.mtool("mcopy", label)?.arg("-no").arg(format!("::{name}")).arg(into)).map(drop)
    }

    /// Is there such a file or folder in a FAT partition?
    pub(crate) fn has(&self, label: &str, name: &str) -> Outcome<bool> {
        let mut command = self.mtool("mdir", label)?;
        let ran = command.arg("-b").arg(format!("::{name}")).output();
        ran.map(|ran| ran.status.success()).map_err(|error| format!("mdir: {error}"))
    }

    fn mtool(&self, tool: &str, label: &str) -> Outcome<Command> {
        let mut command = Command::new(tool);
        // Partitions made by other tools do not always have the geometry that mtools would choose.
        command.env("MTOOLS_SKIP_CHECK", "1");
        command.arg("-i").arg(format!("{}@@{}", self.path.display(), self.partition(label)?.start));
        Ok(command)
    }
}

/// Runs it to its end; an error carries what it said.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ran = command.stdin(std::process::Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let said = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    Err(format!("{name} {}: {said} ({})", arguments.join(" "), ran.status))
}
