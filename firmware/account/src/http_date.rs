//! `Retry-After` (RFC 9110 section 10.2.3) and the dates of HTTP (section 5.6.7), without a clock: a date is compared with the
//! `Date` of the same response, so that neither side's clock matters.

use crate::fetch::FetchResponse;
use std::time::Duration;

/// How long the server asks to wait; `None`: it does not, or not in words we know.
pub fn retry_after(response: &FetchResponse) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (then, now) = (seconds(text)?, seconds(response.header("date")?)?);
    Some(Duration::from_secs(then.checked_sub(now).and_then(|wait| u64::try_from(wait).ok()).unwrap_or(0)))
}

/// Seconds since 1970 of a date in one of the three forms; all are in UTC.
fn seconds(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split([' ', '-', ',']).filter(|word| !word.is_empty()).collect();
    // Sun, 06 Nov 1994 08:49:37 GMT; Sunday, 06-Nov-94 08:49:37 GMT; Sun Nov  6 08:49:37 1994
    let (day, month, year, time) = match words.as_slice() {
        [_, day, month, year, time, "GMT"] => (day, month, year, time),
        [_, month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| name == month)? as i64 + 1;
    let digits = |text: &str| text.parse::<u16>().ok().map(i64::from);
    let (day, mut year) = (digits(day)?, digits(year)?);
    if year < 100 {
        // Nobody sends a phone away for fifty years.
        year += 2000;
    }
    let mut clock = time.splitn(3, ':').map(digits);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let fits = (1970..=9999).contains(&year) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !fits {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days since 1970 in the Gregorian calendar: years begin in March, so that a leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_the_rfc_are_one_moment() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(seconds(text), Some(784_111_777), "{text}");
        }
        assert_eq!(seconds("Sunday, 06-Nov-26 08:49:37 GMT"), seconds("Fri, 06 Nov 2026 08:49:37 GMT"));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Tue, 29 Feb 2028 00:00:00 GMT"), Some(1_835_395_200));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "soon",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 99 Nov 1994 08:49:37 GMT",
            "x, 1 Foo 2026 0:0:0 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 99999999 08:49:37 GMT",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_counts_from_the_servers_own_date() {
        let response = |after: &str, date: &str| FetchResponse {
            status: 503,
            headers: vec![("Retry-After".into(), after.into()), ("date".into(), date.into())],
            body: Vec::new(),
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(&response("120", "")), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&response("Sun, 06 Nov 1994 09:49:37 GMT", date)), Some(Duration::from_secs(3600)));
        assert_eq!(retry_after(&response("Sun, 06 Nov 1994 07:49:37 GMT", date)), Some(Duration::ZERO));
        assert_eq!(retry_after(&response("Sun, 06 Nov 1994 09:49:37 GMT", "")), None);
        assert_eq!(retry_after(&response("-1", date)), None);
    }
}
