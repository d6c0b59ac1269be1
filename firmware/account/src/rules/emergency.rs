//! Emergency calls, and the calls back that must come through (`axml.dnd.14`).

use super::number::bare;
use crate::Settings;
use std::time::Duration;

/// After an emergency call every call rings for so long: the call taker calls back from a number that nobody knows
/// beforehand (RFC 7090 section 3.2 leaves the time to the operator; this is the longest in common use).
pub const CALL_BACK_TIME: Duration = Duration::from_secs(3600);

/// Whether this is one of the account's emergency numbers (`offhook.emergency.01`), as dialled or as rules made it.
pub fn is_emergency(settings: &Settings, number: &str) -> bool {
    let number = bare(number);
    settings.emergency_numbers.contains(&number)
}
