//! Times as people read them.

use chrono::{DateTime, Local, NaiveTime, TimeDelta, Utc};

use crate::workflow::duration;

/// A moment to come: a time with its zone, a local time of day, or a span from now.
pub(crate) fn later(text: &str) -> Result<DateTime<Utc>, String> {
    let now = Local::now();
    moment(text, now, |today| if today > now { today } else { today + TimeDelta::days(1) }, now + span_of(text))
}

/// A moment that has been: a time with its zone, a local time of day, or a span before now.
pub(crate) fn earlier(text: &str) -> Result<DateTime<Utc>, String> {
    let now = Local::now();
    moment(text, now, |today| if today < now { today } else { today - TimeDelta::days(1) }, now - span_of(text))
}

fn span_of(text: &str) -> TimeDelta {
    duration::parse(text).ok().and_then(|span| TimeDelta::from_std(span).ok()).unwrap_or_default()
}

fn moment(
    text: &str,
    now: DateTime<Local>,
    of_day: impl Fn(DateTime<Local>) -> DateTime<Local>,
    by_span: DateTime<Local>,
) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let time = ["%H:%M:%S", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok());
    if let Some(today) = time.and_then(|time| now.with_time(time).earliest()) {
        return Ok(of_day(today).to_utc());
    }
    if by_span == now {
        return Err("give a time such as 2026-12-24T18:00:00Z or 18:00, or a span such as 30m or 2h".to_owned());
    }
    Ok(by_span.to_utc())
}

/// Local time of day, with the date when it is not today.
pub(crate) fn clock(at: DateTime<Utc>) -> String {
    let local = at.with_timezone(&Local);
    let today = Local::now().date_naive() == local.date_naive();
    local.format(if today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
}

/// A span: milliseconds under a second, tenths under a minute.
pub(crate) fn span(span: chrono::TimeDelta) -> String {
    let ms = span.num_milliseconds().max(0);
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {:02} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let exact = "2026-12-24T18:00:00+01:00".parse::<DateTime<Utc>>().unwrap();
        assert_eq!(later("2026-12-24T18:00:00+01:00"), Ok(exact));
        assert_eq!(earlier("2026-12-24T17:00:00Z"), Ok(exact));
        let (now, hour) = (Utc::now(), TimeDelta::minutes(60));
        assert!((later("1h").unwrap() - now - hour).num_seconds().abs() < 10);
        assert!((now - earlier("1h").unwrap() - hour).num_seconds().abs() < 10);
        assert!(later("18:00").unwrap() > now && later("18:00").unwrap() - now <= TimeDelta::hours(25));
        assert!(earlier("18:00").unwrap() < Utc::now() + TimeDelta::seconds(1));
        for wrong in ["", "noon", "25:00", "2026-12-24", "1.5h", "-2h"] {
            assert!(later(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_read_well() {
        let said = |ms| span(TimeDelta::milliseconds(ms));
        assert_eq!(
            [said(7), said(1_250), said(61_000), said(3_720_000)],
            ["7 ms", "1.2 s", "1 min 01 s", "1 h 02 min"]
        );
    }
}
