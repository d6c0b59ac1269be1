//! What `cross/count.c` counts: instructions of each thread of a program, read while it runs.

use crate::case::Outcome;
use std::path::{Path, PathBuf};

/// `struct record`: the count, the thread, and padding to a cache line.
const RECORD: usize = 64;

/// The file in which the counts of one process are.
#[derive(Debug)]
pub(crate) struct Counts(PathBuf);

impl Counts {
    /// Of the process with this number, whose wrapper named the file after it.
    pub(crate) fn of(folder: &Path, process: u32) -> Self {
        Self(folder.join(process.to_string()))
    }

    /// All instructions so far.
    pub(crate) fn all(&self) -> Outcome<u64> {
        let bytes = std::fs::read(&self.0).map_err(|error| format!("{}: {error}", self.0.display()))?;
        sum(&bytes).map_err(|error| format!("{}: {error}", self.0.display()))
    }
}

fn sum(bytes: &[u8]) -> Outcome<u64> {
    let (records, rest) = bytes.as_chunks::<RECORD>();
    if records.is_empty() || !rest.is_empty() {
        return Err(format!("{} octets are no counts", bytes.len()));
    }
    let number = |record: &[u8; RECORD], at: usize| {
        record[at..at + 8].try_into().map(u64::from_ne_bytes).map_err(|_| "a short record".to_owned())
    };
    // The plugin lets all further threads share the last record, which loses counts.
    if let Some(last) = records.last()
        && number(last, 8)? != 0
    {
        return Err(format!("more than {} threads; raise THREADS in cross/count.c", records.len() - 1));
    }
    records.iter().map(|record| number(record, 0)).sum()
}
