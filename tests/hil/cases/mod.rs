//! The cases, by what they are about.

mod boot;
mod contacts;
mod finding;
mod gaps;
mod image;
mod inside;
mod office;
mod power;
mod quiet;
mod story;
mod trouble;
mod update;

use crate::Entry;
use crate::boards::Kind;

/// What a brief run takes on the slow board: reset to registered, sound, lamps, a peer of others, what the image promises, its
/// updates, its watchdog and the drivers under its kernel. Everything else there is the same program with the same wiring as on
/// the fast board.
const BRIEF: [&str; 7] = [
    "first_start",
    "first_lift",
    "calls_and_lamps",
    "real_peer",
    "updates_itself",
    "system_stands_still",
    "drivers_on_this_kernel",
];

/// Whether a brief run has this case on this board.
pub(crate) fn is_brief(name: &str, kind: Kind) -> bool {
    kind == Kind::Uml || BRIEF.contains(&name)
}

pub(crate) fn all() -> Vec<Entry> {
    let all: Vec<Entry> = [
        boot::cases(),
        story::cases(),
        trouble::cases(),
        contacts::cases(),
        image::cases(),
        finding::cases(),
        inside::cases(),
        gaps::cases(),
        quiet::cases(),
        update::cases(),
        power::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    for name in BRIEF {
        assert!(all.iter().any(|entry| entry.name == name), "BRIEF names a case that is not there: {name}");
    }
    all
}
