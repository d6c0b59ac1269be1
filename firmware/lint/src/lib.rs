//! What the phone would make of an Account XML, for the person who writes the template: `offhook-lint`.
//!
//! The judgement is the phone's own (`offhook_account`); this crate prints it, for people ([`text`]) and for programs
//! ([`json`], whose shape [`json_schema`] describes from the same table that the phone reads by). It opens the files it
//! is given and nothing else.

pub mod args;
pub mod ask;
pub mod effective;
pub mod json;
pub mod json_schema;
pub mod text;

use offhook_account::inspect::{Inspection, Severity};

/// How a run ends, for scripts. The worst file decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// everything counts as written
    Good = 0,
    /// accepted, but something does not count as written
    Mistakes = 1,
    /// the phone would refuse the document
    Refused = 2,
    /// wrong arguments, or a file that cannot be read
    Trouble = 3,
}

/// The verdict on one document. `strict`: what had to be repaired counts as a mistake.
pub fn status(inspection: &Inspection, strict: bool) -> Status {
    match inspection.worst() {
        Some(Severity::Refused) => Status::Refused,
        Some(Severity::Mistake) => Status::Mistakes,
        Some(Severity::Warning) if strict => Status::Mistakes,
        _ => Status::Good,
    }
}

/// One file and what was found in it.
#[derive(Debug)]
pub struct Checked {
    /// as on the command line; `-` is standard input
    pub name: String,
    pub inspection: Inspection,
    pub status: Status,
    /// Of each account, if the document is accepted.
    pub answers: Vec<Vec<ask::Answer>>,
}
