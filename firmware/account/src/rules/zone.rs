//! Local time. The zone's rules come from the bundled time zone database: nothing of the system is read here.

use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, civil};
use std::time::{Duration, SystemTime};

/// A time zone with its summer time.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// What the clock on the wall says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// 0 Monday to 6 Sunday
    pub weekday: u8,
    /// 0 to 23
    pub hour: u8,
    /// 0 to 59
    pub minute: u8,
}

impl LocalTime {
    /// Since midnight [min].
    pub fn minutes(self) -> u16 {
        u16::from(self.hour) * 60 + u16::from(self.minute)
    }
}

impl Zone {
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// An IANA name such as `Europe/Berlin`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name.trim()).ok().map(Self)
    }

    /// The words of a `TZ` variable (POSIX, such as `CET-1CEST,M3.5.0,M10.5.0/3`) or an IANA name.
    pub fn of_words(words: &str) -> Option<Self> {
        let words = words.trim().trim_start_matches(':');
        Self::named(words).or_else(|| TimeZone::posix(words).ok().map(Self))
    }

    /// A compiled zone file (RFC 9636), as `/etc/localtime` is one.
    pub fn of_tzif(bytes: &[u8]) -> Option<Self> {
        TimeZone::tzif("", bytes).ok().map(Self)
    }

    /// East of Greenwich [min], the whole year the same; at most a day and an hour.
    pub fn fixed(minutes: i32) -> Option<Self> {
        Offset::from_seconds(minutes.checked_mul(60)?).ok().map(|offset| Self(offset.to_time_zone()))
    }

    /// `None` for a date before 1970, or one that no calendar has.
    pub fn local(&self, wall: SystemTime) -> Option<LocalTime> {
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let at = Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok()?;
        let local = self.0.to_datetime(at);
        Some(LocalTime {
            weekday: u8::try_from(local.weekday().to_monday_zero_offset()).ok()?,
            hour: u8::try_from(local.hour()).ok()?,
            minute: u8::try_from(local.minute()).ok()?,
        })
    }

    /// The moment of a local date and time such as `2026-12-24T09:00`; of a time that the change of summer time skips or
    /// repeats, the one a clock that was not set would show, and the first.
    pub fn moment(&self, text: &str) -> Option<SystemTime> {
        let local: civil::DateTime = text.trim().parse().ok()?;
        let at = self.0.to_ambiguous_zoned(local).compatible().ok()?;
        let since = u64::try_from(at.timestamp().as_second()).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since))
    }

    /// For people: the IANA name, or `+01:00`.
    pub fn name(&self) -> String {
        if let Some(name) = self.0.iana_name().filter(|name| !name.is_empty()) {
            return name.to_owned();
        }
        match self.0.to_fixed_offset() {
            Ok(offset) => offset.to_string(),
            Err(_) => "local".to_owned(),
        }
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn clock(zone: &Zone, wall: SystemTime) -> (u8, u8, u8) {
        let local = zone.local(wall).unwrap();
        (local.weekday, local.hour, local.minute)
    }

    #[test]
    fn summer_time_begins_and_ends_where_the_database_says() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        // 2026-03-29T00:59:59Z and a second later; 2026-10-25T00:59:59Z and a second later
        assert_eq!(clock(&berlin, at(1_774_745_999)), (6, 1, 59));
        assert_eq!(clock(&berlin, at(1_774_746_000)), (6, 3, 0));
        assert_eq!(clock(&berlin, at(1_792_889_999)), (6, 2, 59));
        assert_eq!(clock(&berlin, at(1_792_890_000)), (6, 2, 0));
        let posix = Zone::of_words("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(clock(&posix, at(1_774_746_000)), (6, 3, 0));
    }

    #[test]
    fn a_fixed_offset_has_no_summer_time() {
        let zone = Zone::fixed(60).unwrap();
        assert_eq!(clock(&zone, at(1_774_746_000)), (6, 2, 0));
        assert_eq!(clock(&Zone::fixed(-330).unwrap(), at(0)), (2, 18, 30));
        assert_eq!(Zone::fixed(i32::MAX), None);
    }

    #[test]
    fn a_local_time_is_found_again_also_where_the_clock_jumps() {
        let berlin = Zone::named("europe/berlin").unwrap();
        for text in ["2026-12-24T09:00", "2026-07-01 23:59", "2026-10-25T02:30"] {
            let local = berlin.local(berlin.moment(text).unwrap()).unwrap();
            assert_eq!(format!("{:02}:{:02}", local.hour, local.minute), text[11..]);
        }
        // 02:30 of this morning does not exist
        assert_eq!(clock(&berlin, berlin.moment("2026-03-29T02:30").unwrap()), (6, 3, 30));
        assert_eq!(berlin.moment("yesterday"), None);
    }

    #[test]
    fn what_is_no_zone_is_none() {
        for words in ["", "Europe/Atlantis", "12", "\u{0}"] {
            assert_eq!(Zone::of_words(words), None, "{words:?}");
        }
        assert_eq!(Zone::of_tzif(b"TZif?"), None);
        assert_eq!(Zone::named("Europe/Berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(Zone::fixed(60).unwrap().name(), "+01");
    }
}
