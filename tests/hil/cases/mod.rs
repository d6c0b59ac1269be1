//! The cases, by what they are about.

mod boot;
mod contacts;
mod office;
mod story;
mod trouble;

use crate::Entry;

pub(crate) fn all() -> Vec<Entry> {
    [boot::cases(), story::cases(), trouble::cases(), contacts::cases()].into_iter().flatten().collect()
}
