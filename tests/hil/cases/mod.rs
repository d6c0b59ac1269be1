//! The cases, by what they are about.

mod boot;

use crate::Entry;

pub(crate) fn all() -> Vec<Entry> {
    [boot::cases()].into_iter().flatten().collect()
}
