//! Times as people write and read them.

use chrono::{DateTime, Days, Local, LocalResult, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};

use crate::model::times;
use crate::workflow::duration;

/// A point in time as somebody wrote it. What it means depends on when and where it is asked, and `now` is the database's: no
/// other clock is the same for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// With its zone.
    At(DateTime<Utc>),
    /// A time of day, as clocks show it here.
    OfDay(NaiveTime),
    /// So far from now.
    Span(TimeDelta),
}

/// Reads a time with its zone, a local time of day, or a span.
pub(crate) fn parse(text: &str) -> Result<When, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return times::checked(at.to_utc()).map(When::At);
    }
    let time = ["%H:%M:%S", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok());
    if let Some(time) = time {
        return Ok(When::OfDay(time));
    }
    // Spans are no longer than a month.
    let span = duration::parse(text).ok().and_then(|span| TimeDelta::from_std(span).ok());
    span.map(When::Span).ok_or_else(|| {
        "give a time such as 2026-12-24T18:00:00Z or 18:00, or a span such as 30m or 2h (30d at most)".to_owned()
    })
}

impl When {
    /// To come: a time of day is the next moment at which clocks in that zone show it.
    pub(crate) fn next(self, now: DateTime<Utc>, zone: &impl TimeZone) -> DateTime<Utc> {
        match self {
            When::At(at) => at,
            When::OfDay(time) => moments(time, now, zone).into_iter().find(|at| *at > now).unwrap_or(now),
            When::Span(span) => now + span,
        }
    }

    /// That has been: a time of day is the last moment at which clocks in that zone showed it.
    pub(crate) fn last(self, now: DateTime<Utc>, zone: &impl TimeZone) -> DateTime<Utc> {
        match self {
            When::At(at) => at,
            When::OfDay(time) => moments(time, now, zone).into_iter().rev().find(|at| *at < now).unwrap_or(now),
            When::Span(span) => now - span,
        }
    }
}

/// The moments around now at which clocks show that time, in order.
fn moments(time: NaiveTime, now: DateTime<Utc>, zone: &impl TimeZone) -> Vec<DateTime<Utc>> {
    let today = now.with_timezone(zone).date_naive();
    let days = [today - Days::new(2), today - Days::new(1), today, today + Days::new(1), today + Days::new(2)];
    let shown =
        days.map(|day| day.and_time(time)).into_iter().flat_map(|local| match zone.from_local_datetime(&local) {
            LocalResult::Single(at) => vec![at.to_utc()],
            // Clocks are put back, and show it twice.
            LocalResult::Ambiguous(first, second) => vec![first.to_utc(), second.to_utc()],
            // Clocks are put forward, and do not show it that day.
            LocalResult::None => vec![after_the_gap(local, zone)],
        });
    shown.collect()
}

/// The first moment after clocks were put forward over that time.
fn after_the_gap(local: NaiveDateTime, zone: &impl TimeZone) -> DateTime<Utc> {
    let offset =
        |at: NaiveDateTime| TimeDelta::seconds(zone.offset_from_utc_datetime(&at).fix().local_minus_utc().into());
    // No zone is a day away from UTC: a day earlier clocks had not been put forward, and a day later they had.
    let (before, after) = (offset(local - Days::new(1)), offset(local + Days::new(1)));
    // By the later offset it lies before the change, by the earlier one behind it.
    let (mut early, mut late) = (local - after, local - before);
    while late - early > TimeDelta::seconds(1) {
        let middle = early + TimeDelta::seconds((late - early).num_seconds() / 2);
        if offset(middle) == after { late = middle } else { early = middle }
    }
    late.and_utc()
}

/// Local time of day with its zone, and with the date when it is not today.
pub(crate) fn clock(at: DateTime<Utc>) -> String {
    clock_in(at, Utc::now(), &Local)
}

fn clock_in(at: DateTime<Utc>, now: DateTime<Utc>, zone: &impl TimeZone) -> String {
    // The bounds of what a row can hold are a day within those of the calendar.
    let offset = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    let (local, today) = (at.with_timezone(&offset), now.with_timezone(zone).date_naive());
    let zone = if offset.local_minus_utc() == 0 { "Z".to_owned() } else { offset.to_string() };
    let format = if local.date_naive() == today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    format!("{}{zone}", local.format(format))
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
    use chrono::FixedOffset;

    use super::*;

    /// The rules of a zone for one year: ahead of UTC by `winter` minutes, but for `summer` from one moment to another.
    #[derive(Debug, Clone, Copy)]
    struct Zone {
        winter: i32,
        summer: i32,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn offset(minutes: i32) -> FixedOffset {
        FixedOffset::east_opt(minutes * 60).expect("an offset")
    }

    /// Clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.
    fn berlin() -> Zone {
        Zone { winter: 60, summer: 120, from: utc("2026-03-29T01:00:00Z"), until: utc("2026-10-25T01:00:00Z") }
    }

    /// Clocks go by half an hour: from 02:00 to 02:30 on 4 October 2026, and from 02:00 back to 01:30 on 4 April 2027.
    fn lord_howe() -> Zone {
        Zone { winter: 630, summer: 660, from: utc("2026-10-03T15:30:00Z"), until: utc("2027-04-03T15:00:00Z") }
    }

    impl TimeZone for Zone {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Zone {
            berlin()
        }

        fn offset_from_local_date(&self, local: &chrono::NaiveDate) -> LocalResult<FixedOffset> {
            self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
        }

        fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<FixedOffset> {
            let fits = |minutes: i32| {
                let at = *local - TimeDelta::minutes(minutes.into());
                (self.offset_from_utc_datetime(&at) == offset(minutes)).then_some(offset(minutes))
            };
            match (fits(self.summer), fits(self.winter)) {
                (Some(first), Some(second)) => LocalResult::Ambiguous(first, second),
                (Some(one), None) | (None, Some(one)) => LocalResult::Single(one),
                (None, None) => LocalResult::None,
            }
        }

        fn offset_from_utc_date(&self, at: &chrono::NaiveDate) -> FixedOffset {
            self.offset_from_utc_datetime(&at.and_time(NaiveTime::MIN))
        }

        fn offset_from_utc_datetime(&self, at: &NaiveDateTime) -> FixedOffset {
            let is_summer = (self.from..self.until).contains(&at.and_utc());
            offset(if is_summer { self.summer } else { self.winter })
        }
    }

    fn next(text: &str, now: &str, zone: Zone) -> String {
        let at = parse(text).expect(text).next(utc(now), &zone);
        at.with_timezone(&zone).fixed_offset().to_rfc3339()
    }

    fn last(text: &str, now: &str, zone: Zone) -> String {
        let at = parse(text).expect(text).last(utc(now), &zone);
        at.with_timezone(&zone).fixed_offset().to_rfc3339()
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        let exact = When::At(utc("2026-12-24T17:00:00Z"));
        assert_eq!(parse("2026-12-24T18:00:00+01:00"), Ok(exact));
        assert_eq!(parse("2h"), Ok(When::Span(TimeDelta::hours(2))));
        for wrong in ["", "noon", "25:00", "2026-12-24", "1.5h", "-2h", "infinity", "1969-12-31T00:00:00Z", "31d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let far = parse("+262142-01-01T00:00:00Z").or_else(|_| parse("0001-01-01T00:00:00Z"));
        assert!(far.is_err_and(|error| error == "a time lies between the years 1970 and 9999"));
    }

    #[test]
    fn spans_are_added_to_the_clock_that_is_handed_in() {
        assert_eq!(next("8s", "2001-01-01T00:00:00Z", berlin()), "2001-01-01T01:00:08+01:00");
        assert_eq!(last("2h", "2001-01-01T02:00:00Z", berlin()), "2001-01-01T01:00:00+01:00");
    }

    #[test]
    fn a_time_of_day_on_the_eve_of_a_clock_change_is_that_time_on_the_next_day() {
        assert_eq!(next("08:00", "2026-03-28T20:00:00Z", berlin()), "2026-03-29T08:00:00+02:00");
        assert_eq!(next("08:00", "2026-10-24T20:00:00Z", berlin()), "2026-10-25T08:00:00+01:00");
        assert_eq!(next("08:00", "2026-10-03T10:00:00Z", lord_howe()), "2026-10-04T08:00:00+11:00");
        assert_eq!(next("08:00", "2027-04-03T10:00:00Z", lord_howe()), "2027-04-04T08:00:00+10:30");
        assert_eq!(last("22:00", "2026-03-29T06:00:00Z", berlin()), "2026-03-28T22:00:00+01:00");
        assert_eq!(last("22:00", "2026-10-25T06:00:00Z", berlin()), "2026-10-24T22:00:00+02:00");
    }

    #[test]
    fn a_time_that_clocks_leave_out_is_the_first_moment_after_it() {
        assert_eq!(next("02:30", "2026-03-28T20:00:00Z", berlin()), "2026-03-29T03:00:00+02:00");
        assert_eq!(next("02:10", "2026-10-03T10:00:00Z", lord_howe()), "2026-10-04T02:30:00+11:00");
        assert_eq!(last("02:30", "2026-03-29T06:00:00Z", berlin()), "2026-03-29T03:00:00+02:00");
    }

    #[test]
    fn a_time_that_clocks_show_twice_is_the_next_of_the_two() {
        assert_eq!(next("02:30", "2026-10-24T20:00:00Z", berlin()), "2026-10-25T02:30:00+02:00");
        assert_eq!(next("02:30", "2026-10-25T00:45:00Z", berlin()), "2026-10-25T02:30:00+01:00");
        assert_eq!(next("02:30", "2026-10-25T01:30:00Z", berlin()), "2026-10-26T02:30:00+01:00");
        assert_eq!(next("01:45", "2027-04-03T10:00:00Z", lord_howe()), "2027-04-04T01:45:00+11:00");
        assert_eq!(last("02:30", "2026-10-25T06:00:00Z", berlin()), "2026-10-25T02:30:00+01:00");
    }

    #[test]
    fn local_times_are_shown_with_their_zone() {
        let shown = |at: &str, zone: Zone| clock_in(utc(at), utc("2026-10-25T12:00:00Z"), &zone);
        assert_eq!(shown("2026-10-25T00:30:00Z", berlin()), "02:30:00+02:00");
        assert_eq!(shown("2026-10-25T01:30:00Z", berlin()), "02:30:00+01:00");
        assert_eq!(shown("2026-12-24T17:00:00Z", lord_howe()), "2026-12-25 04:00:00+11:00");
        assert_eq!(clock_in(utc("2026-10-25T01:30:00Z"), utc("2026-10-25T12:00:00Z"), &Utc), "01:30:00Z");
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
