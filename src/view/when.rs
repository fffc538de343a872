//! Times as people write and read them.

mod shown;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};

use crate::model::times;
use crate::workflow::duration;
pub(crate) use shown::{clock, dated, full, here, span, zone_of_all};

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

/// A point in time that has been, as somebody wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// As a time to come is written, too.
    When(When),
    /// When that day began here.
    Day(NaiveDate),
    /// When the day began that was so many days ago.
    DaysAgo(u64),
}

/// Reads a time that has been: what [`parse`] reads, or a day.
pub(crate) fn parse_past(text: &str) -> Result<Past, String> {
    match text {
        "today" => return Ok(Past::DaysAgo(0)),
        "yesterday" => return Ok(Past::DaysAgo(1)),
        _ => {}
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return times::checked(day.and_time(NaiveTime::MIN).and_utc()).map(|_| Past::Day(day));
    }
    let cure = "give yesterday, a date such as 2026-12-24, a time such as 2026-12-24T18:00:00Z or 18:00, or a span such as 30m or \
                2h (30d at most)";
    let read = match text.strip_suffix(" ago") {
        // Only a span is so far from now.
        Some(span) => parse(span.trim_end()).ok().filter(|when| matches!(when, When::Span(_))),
        None => parse(text).ok(),
    };
    read.map(Past::When).ok_or_else(|| cure.to_owned())
}

impl Past {
    pub(crate) fn last(self, now: DateTime<Utc>, zone: &impl TimeZone) -> DateTime<Utc> {
        let day = match self {
            Past::When(when) => return when.last(now, zone),
            Past::Day(day) => day,
            Past::DaysAgo(days) => now.with_timezone(zone).date_naive() - Days::new(days),
        };
        let midnight = day.and_time(NaiveTime::MIN);
        let begins = zone.from_local_datetime(&midnight);
        begins.earliest().map_or_else(|| after_the_gap(midnight, zone), |begins| begins.to_utc())
    }
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
