//! What becomes of a number that is dialled, and of a call that comes in: pure functions of the account's settings, the
//! number, and what is known of the moment ([`Moment`]). The phone asks them for every call; `offhook-lint --dial` and
//! `--ring` ask the same ones.
//!
//! [`dialled`] applies `rewriting`; [`rings`] asks `incomingRewriting`, forwarding, do not disturb and call waiting in
//! their order. Neither keeps anything, reads a clock or knows the phone's calls.

mod dialled;
mod emergency;
mod number;
mod read;
mod rewriting;
mod rings;
mod schedule;
mod uplink;
mod zone;

pub use dialled::{DialAction, Dialled, dialled, programmed};
pub use emergency::{CALL_BACK_TIME, is_emergency};
pub use number::{bare, same_number};
pub use rewriting::{Action, Condition, Rewriting, Rewritten, Rule, apply};
pub use rings::{Caller, Rings, Why, rings, unanswered};
pub use schedule::{DndContact, DndEntry, DoNotDisturb, TimeOfDay};
pub use uplink::{Link, Uplink};
pub use zone::{LocalTime, Zone};

pub(crate) use read::{do_not_disturb, read_rules, rewriting as read_rewriting};

use crate::ContactFacts;
use std::time::SystemTime;

/// What is known when a call is made or comes in.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// `None` until the date is known: schedules do not act then, since a clock of 1970 says nothing about the weekday.
    pub wall: Option<SystemTime>,
    /// The device's zone, for schedules without one of their own.
    pub zone: &'a Zone,
    pub uplink: &'a Uplink,
    /// What the phone's books say about the number as dialled, or about the caller's.
    pub contacts: &'a ContactFacts,
}
