//! Do not disturb by the clock (`axml.dnd.*`). An entry is a daily span on some weekdays; both its minutes count whole, so
//! 00:00 to 23:59 is the whole day. A span whose end is before its begin goes over midnight and belongs to the day it
//! begins on (C-15). It is the clock on the wall that counts: an hour that summer time repeats is in the span twice.

use super::number::same_number;
use super::{LocalTime, Zone};
use crate::ContactFacts;

/// The account's schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoNotDisturb {
    pub entries: Vec<DndEntry>,
    /// Of `gmtOffsetInMinutes` or `tz`; else the device's zone counts.
    pub zone: Option<Zone>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DndEntry {
    pub from: TimeOfDay,
    pub to: TimeOfDay,
    /// Bit 0 Monday to bit 6 Sunday; 0 never.
    pub weekdays: u8,
    /// Empty: every caller.
    pub contacts: Vec<DndContact>,
    pub enabled: bool,
    /// Words for the screen, may be empty.
    pub comment: String,
    /// Which entry of the document it is, from 1, those that cannot be used counted.
    pub number: usize,
}

/// A caller that an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DndContact {
    pub name: String,
    pub phone: String,
    /// Key in its book, and the format's word for the book; both, or the number counts. A book that this phone has not
    /// matches nobody.
    pub identifier: Option<(String, String)>,
}

/// Minutes since midnight, 0 to 1439.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// `HH:MM`; one digit for the hour is taken, too.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.trim().split_once(':')?;
        let digits = |text: &str, most: usize| {
            let fits = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit());
            if fits { text.parse::<u16>().ok() } else { None }
        };
        let (hour, minute) = (digits(hour, 2)?, digits(minute, 2).filter(|_| minute.len() == 2)?);
        (hour < 24 && minute < 60).then_some(Self(hour * 60 + minute))
    }
}

impl std::fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl DoNotDisturb {
    /// The entry that keeps this caller away now. `numbers`: the caller's, as received and as rules made it.
    pub fn holding(&self, local: LocalTime, numbers: &[&str], contacts: &ContactFacts) -> Option<&DndEntry> {
        self.entries.iter().find(|entry| entry.holds(local, numbers, contacts))
    }

    /// Whether nobody rings now, whoever it is.
    pub fn is_total(&self, local: LocalTime) -> bool {
        self.entries.iter().any(|entry| entry.enabled && entry.contacts.is_empty() && entry.covers(local))
    }
}

impl DndEntry {
    fn holds(&self, local: LocalTime, numbers: &[&str], contacts: &ContactFacts) -> bool {
        self.enabled
            && self.covers(local)
            && (self.contacts.is_empty() || self.contacts.iter().any(|contact| contact.is(numbers, contacts)))
    }

    /// Whether the span has this minute in it.
    pub fn covers(&self, local: LocalTime) -> bool {
        let on = |weekday: u8| self.weekdays & (1 << (weekday % 7)) != 0;
        let minute = local.minutes();
        let (from, to) = (self.from.0, self.to.0);
        if from <= to {
            return on(local.weekday) && (from..=to).contains(&minute);
        }
        (minute >= from && on(local.weekday)) || (minute <= to && on(local.weekday + 6))
    }
}

impl DndContact {
    fn is(&self, numbers: &[&str], contacts: &ContactFacts) -> bool {
        match &self.identifier {
            Some((identifier, source)) => contacts.is_contact(source, identifier),
            None => numbers.iter().any(|number| same_number(&self.phone, number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContactFact, ContactSource};
    use proptest::prelude::*;

    fn entry(from: &str, to: &str, weekdays: u8) -> DndEntry {
        DndEntry {
            from: TimeOfDay::parse(from).unwrap(),
            to: TimeOfDay::parse(to).unwrap(),
            weekdays,
            contacts: Vec::new(),
            enabled: true,
            comment: String::new(),
            number: 1,
        }
    }

    fn at(weekday: u8, time: &str) -> LocalTime {
        let minutes = TimeOfDay::parse(time).unwrap().0;
        LocalTime { weekday, hour: (minutes / 60) as u8, minute: (minutes % 60) as u8 }
    }

    /// Covers: axml.dnd.04, axml.dnd.05, axml.dnd.06
    #[test]
    fn both_minutes_of_a_span_are_in_it_and_other_days_are_not() {
        let workdays = entry("08:00", "10:00", 31);
        for (weekday, time, in_it) in [
            (0, "07:59", false),
            (0, "08:00", true),
            (4, "10:00", true),
            (4, "10:01", false),
            (5, "09:00", false),
            (6, "09:00", false),
        ] {
            assert_eq!(workdays.covers(at(weekday, time)), in_it, "{weekday} {time}");
        }
        assert!(entry("00:00", "23:59", 96).covers(at(6, "23:59")), "the whole last minute");
        assert!(!entry("00:00", "23:59", 0).covers(at(0, "12:00")), "0 is never");
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_it_begins_on() {
        let friday_night = entry("22:00", "06:00", 16);
        for (weekday, time, in_it) in [
            (4, "21:59", false),
            (4, "22:00", true),
            (5, "00:00", true),
            (5, "06:00", true),
            (5, "06:01", false),
            (4, "03:00", false),
            (5, "23:00", false),
        ] {
            assert_eq!(friday_night.covers(at(weekday, time)), in_it, "{weekday} {time}");
        }
        assert!(entry("22:00", "06:00", 64).covers(at(0, "05:00")), "Sunday night reaches into Monday");
    }

    /// Covers: axml.dnd.07, axml.dnd.08, axml.dnd.10, axml.dnd.11
    #[test]
    fn an_entry_with_contacts_is_about_them_only() {
        let always = |contact: DndContact| DndEntry { contacts: vec![contact], ..entry("00:00", "23:59", 127) };
        let by_number = always(DndContact { phone: "+12223334455".into(), ..DndContact::default() });
        let now = at(0, "12:00");
        assert!(by_number.holds(now, &["2223334455"], &ContactFacts::default()));
        assert!(!by_number.holds(now, &["2223334456"], &ContactFacts::default()));
        let of_book =
            |source: &str| DndContact { identifier: Some(("uid-7".into(), source.into())), ..DndContact::default() };
        let facts = |source: ContactSource, identifier: &str| {
            let (identifier, name) = (identifier.into(), String::new());
            ContactFacts(vec![ContactFact { source, identifier, name, labels: Vec::new() }])
        };
        let dav = always(of_book("dav"));
        assert!(dav.holds(now, &["1"], &facts(ContactSource::Dav, "uid-7")));
        assert!(!dav.holds(now, &["1"], &facts(ContactSource::Dav, "uid-8")));
        assert!(!dav.holds(now, &["1"], &facts(ContactSource::Local, "uid-7")));
        assert!(!always(of_book("google")).holds(now, &["1"], &facts(ContactSource::Dav, "uid-7")));
        assert!(
            !always(DndContact::default()).holds(now, &["", "1"], &ContactFacts::default()),
            "a contact without number is nobody"
        );
    }

    #[test]
    fn a_time_of_day_is_hours_and_minutes_and_nothing_else() {
        for (text, minutes) in [("00:00", 0), ("8:05", 485), (" 23:59 ", 1439)] {
            assert_eq!(TimeOfDay::parse(text), Some(TimeOfDay(minutes)));
        }
        for text in ["", ":", "24:00", "12:60", "12:5", "-1:00", "12:00:00", "123:00", "１２:00", "noon"] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
    }

    proptest! {
        /// A span and the one that begins a minute after its end and ends a minute before its begin share no minute
        /// and leave none out, on all days together.
        #[test]
        fn a_span_and_its_complement_fill_the_week(from in 0_u16..1440, to in 0_u16..1440) {
            let whole = (to + 1) % 1440 == from;
            prop_assume!(!whole);
            let clock = |minutes: u16| TimeOfDay(minutes % 1440).to_string();
            let one = entry(&clock(from), &clock(to), 127);
            let other = entry(&clock(to + 1), &clock(from + 1439), 127);
            for weekday in 0..7 {
                for minute in 0..1440 {
                    let now = at(weekday, &clock(minute));
                    prop_assert!(one.covers(now) != other.covers(now), "{now:?} {one:?} {other:?}");
                }
            }
        }
    }
}
