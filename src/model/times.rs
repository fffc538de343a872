//! Which times are accepted from outside. Pure.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Datelike, TimeDelta, Utc};

/// Years from which and up to which.
pub(crate) const FIRST_YEAR: i32 = 1970;
pub(crate) const LAST_YEAR: i32 = 9999;

/// A time is of these years, or is refused with what would be right. `piton.check_time` does it for those who ask in SQL.
pub(crate) fn checked(at: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if (FIRST_YEAR..=LAST_YEAR).contains(&at.year()) {
        return Ok(at);
    }
    Err(format!("a time lies between the years {FIRST_YEAR} and {LAST_YEAR}"))
}

/// A time as RFC 3339 has it: with its zone, for without one nobody can say when it is.
pub(crate) fn parse(text: &str) -> Result<DateTime<Utc>, String> {
    let at = DateTime::parse_from_rfc3339(text.trim());
    let at = at.map_err(|_| "a time has date, time and zone, such as 2027-01-31T06:00:00+01:00".to_owned())?;
    checked(at.to_utc())
}

/// Of the system's clock, which knows far more years; `None` outside of these.
pub(crate) fn of_system(time: SystemTime) -> Option<DateTime<Utc>> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let at = DateTime::from_timestamp(i64::try_from(since.as_secs()).ok()?, since.subsec_nanos())?;
    checked(at).ok()
}

/// That much later, or the last moment there is.
pub(crate) fn later(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    at.checked_add_signed(by).and_then(|at| checked(at).ok()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_zone() {
        let utc = |text: &str| parse(text).map(|at| at.to_rfc3339());
        assert_eq!(utc("2027-01-31T06:00:00+01:00").as_deref(), Ok("2027-01-31T05:00:00+00:00"));
        assert_eq!(utc(" 2027-01-31t06:00:00.5z").as_deref(), Ok("2027-01-31T06:00:00.500+00:00"));
        for odd in ["2027-01-31T06:00:00", "2027-01-31", "tomorrow", "", "9999-12-31T23:59:59-10:00"] {
            assert!(utc(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn far_times_are_refused() {
        let said = |text: &str| checked(text.parse().expect("a time")).is_ok();
        assert!(said("1970-01-01T00:00:00Z") && said("9999-12-31T23:59:59Z"));
        assert!(!said("1969-12-31T23:59:59Z") && !said("+10000-01-01T00:00:00Z") && !said("+262000-01-01T00:00:00Z"));
    }
}
