//! Times, in zones whose clocks change.

use chrono::{FixedOffset, Utc};

use super::shown::{clock_in, here_in, zone_of_all_in};
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
fn a_day_is_when_it_began_where_it_is_asked() {
    let began = |text: &str, now: &str, zone: Zone| {
        let at = parse_past(text).expect(text).last(utc(now), &zone);
        at.with_timezone(&zone).fixed_offset().to_rfc3339()
    };
    assert_eq!(began("yesterday", "2026-03-30T03:00:00Z", berlin()), "2026-03-29T00:00:00+01:00");
    assert_eq!(began("yesterday", "2026-10-25T22:30:00Z", berlin()), "2026-10-24T00:00:00+02:00");
    assert_eq!(began("yesterday", "2026-10-25T23:30:00Z", berlin()), "2026-10-25T00:00:00+02:00");
    assert_eq!(began("today", "2026-10-25T23:30:00Z", berlin()), "2026-10-26T00:00:00+01:00");
    assert_eq!(began("2026-12-24", "2026-12-26T00:00:00Z", lord_howe()), "2026-12-24T00:00:00+11:00");
    for said in ["2h", "2h ago", "2h  ago"] {
        assert_eq!(began(said, "2026-03-29T02:00:00Z", berlin()), "2026-03-29T01:00:00+01:00");
    }
    for wrong in [
        "",
        "tomorrow",
        "yesterday ago",
        "18:00 ago",
        " ago",
        "ago",
        "Yesterday evening",
        "2026-02-30",
        "1969-12-31",
        "10000-01-01",
        "31d",
    ] {
        assert!(parse_past(wrong).is_err_and(|said| said.contains("yesterday") || said.contains("1970")), "{wrong}");
    }
    assert!(parse("yesterday").is_err(), "what is to come is not yesterday");
}

#[test]
fn times_in_texts_of_the_database_are_shown_as_all_others() {
    let now = utc("2026-10-25T12:00:00Z");
    let said = |text: &str| here_in(text, now, &berlin());
    assert_eq!(
        said("due at 2026-10-25 14:05:00 +00:00, the first at 2026-12-24 17:00:00 +00:00: é 2026-10-25 1"),
        "due at 15:05:00+01:00, the first at 2026-12-24 18:00:00+01:00: é 2026-10-25 1"
    );
    assert_eq!(here_in("2026-10-25 15:05:00 +01:00", now, &Utc), "14:05:00Z");
    assert_eq!(said("no time: 2026-99-25 14:05:00 +00:00 ß"), "no time: 2026-99-25 14:05:00 +00:00 ß");
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
fn one_zone_stands_above_times_only_where_it_is_that_of_all() {
    let zone_of = |times: &[&str], zone: Zone| zone_of_all_in(times.iter().map(|at| utc(at)), &zone);
    let (summer, winter) = ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
    assert_eq!(zone_of(&[summer, summer], berlin()).as_deref(), Some("UTC+02:00"));
    assert_eq!(zone_of(&[winter], berlin()).as_deref(), Some("UTC+01:00"));
    assert_eq!(zone_of(&[summer, winter], berlin()), None);
    assert_eq!(zone_of_all_in([utc(summer), utc(winter)], &Utc).as_deref(), Some("UTC"));
}

#[test]
fn spans_read_well() {
    let said = |ms| span(TimeDelta::milliseconds(ms));
    assert_eq!(
        [said(-1), said(7), said(1_250), said(2_000), said(61_000), said(120_000), said(3_720_000), said(7_200_000)],
        ["0 ms", "7 ms", "1.2 s", "2 s", "1 min 1 s", "2 min", "1 h 2 min", "2 h"]
    );
    assert_eq!([said(86_400_000), said(97_200_000), said(30 * 86_400_000)], ["1 d", "1 d 3 h", "30 d"]);
}
