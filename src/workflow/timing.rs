//! When a schedule ticks: from the calendar, or the time that has passed, to instants. Pure.
//!
//! A cron text names civil times. One that a zone's clocks skip ticks once, at the end of the gap; one that they show twice
//! ticks the first time. A text that names every hour goes by the time that passes instead: it neither pauses for the hour
//! that comes twice, nor ticks for the one that is skipped.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use jiff::civil::DateTime as Civil;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;
use super::zone::Zone;

/// When it ticks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Timing {
    Cron {
        cron: Cron,
        zone: Zone,
    },
    /// From when the schedule was made, in this or that zone alike.
    Every(Duration),
}

impl Timing {
    /// The first tick after that time; none where the years end. `anchor` is when the schedule was made.
    pub(crate) fn after(&self, at: DateTime<Utc>, anchor: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Timing::Every(every) => elapsed(*every, at, anchor),
            Timing::Cron { cron, zone } => {
                let after = Timestamp::from_microsecond(at.timestamp_micros()).ok()?;
                let found = if cron.is_every_hour() { by_time } else { by_calendar }(cron, zone.rules(), after)?;
                DateTime::from_timestamp(found.as_second(), 0)
            }
        }
    }

    /// A tick as runs are told of it: by the clocks of its zone.
    pub(crate) fn text(&self, tick: DateTime<Utc>) -> String {
        let offset = match self {
            Timing::Every(_) => 0,
            Timing::Cron { zone, .. } => {
                Timestamp::from_second(tick.timestamp()).map_or(0, |at| zone.rules().to_offset(at).seconds())
            }
        };
        match FixedOffset::east_opt(offset) {
            Some(offset) => tick.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::AutoSi, true),
            None => tick.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        }
    }
}

fn elapsed(every: Duration, at: DateTime<Utc>, anchor: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let step = i64::try_from(every.as_micros()).ok().filter(|step| *step > 0)?;
    let passed = (at - anchor).num_microseconds()?;
    let ticks = passed.div_euclid(step).checked_add(1)?.max(1);
    anchor.checked_add_signed(chrono::TimeDelta::microseconds(ticks.checked_mul(step)?))
}

/// Each civil time once. Their instants have the order of the civil times, so none before that of `after` is to come.
fn by_calendar(cron: &Cron, rules: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut civil = rules.to_datetime(after);
    loop {
        civil = cron.from(next_minute(civil)?)?;
        let at = instant(rules, civil)?;
        if at > after {
            return Some(at);
        }
    }
}

/// When the zone's clocks first show that time, or have skipped it.
fn instant(rules: &TimeZone, civil: Civil) -> Option<Timestamp> {
    match rules.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(civil).ok()
        }
        // By the clocks behind the gap it is a time before it.
        AmbiguousOffset::Gap { after, .. } => {
            rules.following(after.to_timestamp(civil).ok()?).next().map(|transition| transition.timestamp())
        }
    }
}

/// From one change of the clocks to the next, in each stretch as its clocks go.
fn by_time(cron: &Cron, rules: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut from = after;
    loop {
        let end = rules.following(from).next().map(|transition| transition.timestamp());
        let offset = rules.to_offset(from);
        let civil = offset.to_datetime(from);
        let at = offset.to_timestamp(cron.from(if from == after { next_minute(civil)? } else { civil })?).ok()?;
        match end {
            Some(end) if at >= end => from = end,
            _ => return Some(at),
        }
    }
}

fn next_minute(civil: Civil) -> Option<Civil> {
    let minute = civil.date().at(civil.hour(), civil.minute(), 0, 0);
    minute.checked_add(SignedDuration::from_mins(1)).ok()
}

#[cfg(test)]
mod tests;
