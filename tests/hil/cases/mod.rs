//! The cases, by what they are about.

mod boot;
mod contacts;
mod image;
mod inside;
mod office;
mod power;
mod quiet;
mod story;
mod trouble;
mod update;

use crate::Entry;

pub(crate) fn all() -> Vec<Entry> {
    [
        boot::cases(),
        story::cases(),
        trouble::cases(),
        contacts::cases(),
        image::cases(),
        inside::cases(),
        quiet::cases(),
        update::cases(),
        power::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
