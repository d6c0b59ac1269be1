//! What the builder said about this binary, by environment variables at build time; a build by hand says nothing.

use std::time::{Duration, SystemTime};

/// The commit (`OFFHOOK_BUILD`).
pub const COMMIT: Option<&str> = option_env!("OFFHOOK_BUILD");

/// 2026-01-01T00:00:00Z [s since 1970]: the project is not older.
const FIRST: u64 = 1_767_225_600;

/// When the binary was built, or a date before that: no correct clock shows an earlier one. Reproducible builds say it
/// in `SOURCE_DATE_EPOCH`.
pub fn date() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds(option_env!("SOURCE_DATE_EPOCH")))
}

/// `offhookd 0.1.0 (1234abcd)`
pub fn version(name: &str, version: &str) -> String {
    match COMMIT {
        Some(commit) if !commit.is_empty() => format!("{name} {version} ({commit})"),
        _ => format!("{name} {version}"),
    }
}

fn seconds(epoch: Option<&str>) -> u64 {
    epoch.and_then(|text| text.parse().ok()).map_or(FIRST, |epoch: u64| epoch.max(FIRST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builder_can_only_make_the_earliest_date_later() {
        assert_eq!(seconds(Some("1800000000")), 1_800_000_000);
        for earlier in [None, Some("0"), Some("soon"), Some("1700000000")] {
            assert_eq!(seconds(earlier), FIRST);
        }
    }
}
