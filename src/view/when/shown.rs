//! Times and spans as people read them: in the machine's time zone, which is named.

use chrono::{DateTime, FixedOffset, Local, Offset, TimeDelta, TimeZone, Utc};

use crate::workflow::duration;

/// Local time of day with its zone, and with the date when it is not today.
pub(crate) fn clock(at: DateTime<Utc>) -> String {
    clock_in(at, Utc::now(), &Local)
}

/// Local date and time with their zone.
pub(crate) fn full(at: DateTime<Utc>) -> String {
    format!("{}{}", dated(at), zone_of(local(at, &Local).offset()))
}

/// Local date and time, for where [`zone_of_all`] stands above.
pub(crate) fn dated(at: DateTime<Utc>) -> String {
    local(at, &Local).format(DATED).to_string()
}

/// The local zone of all these times; `None` where clocks were changed between them.
pub(crate) fn zone_of_all(times: impl IntoIterator<Item = DateTime<Utc>>) -> Option<String> {
    zone_of_all_in(times, &Local)
}

pub(super) fn zone_of_all_in(times: impl IntoIterator<Item = DateTime<Utc>>, zone: &impl TimeZone) -> Option<String> {
    let mut offsets = times.into_iter().map(|at| *local(at, zone).offset());
    let first = offsets.next()?;
    let name = || if first.local_minus_utc() == 0 { "UTC".to_owned() } else { format!("UTC{first}") };
    offsets.all(|offset| offset == first).then(name)
}

/// The text with every time in it that `piton.clock` wrote as [`clock`] writes it: views know the zone of their session, which
/// is not that of whoever reads them.
pub(crate) fn here(text: &str) -> String {
    here_in(text, Utc::now(), &Local)
}

/// As `piton.clock` writes a time, but for its zone.
const DATED: &str = "%Y-%m-%d %H:%M:%S";
/// Characters of it with its zone.
const WITH_ZONE: usize = "2026-12-24 18:00:00 +00:00".len();

pub(super) fn here_in(text: &str, now: DateTime<Utc>, zone: &impl TimeZone) -> String {
    let mut said = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let time = rest.get(..WITH_ZONE).filter(|_| first.is_ascii_digit());
        let read = time.and_then(|time| DateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S %:z").ok());
        let length = match read {
            Some(at) => {
                said += &clock_in(at.to_utc(), now, zone);
                WITH_ZONE
            }
            None => {
                said.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    said
}

pub(super) fn clock_in(at: DateTime<Utc>, now: DateTime<Utc>, zone: &impl TimeZone) -> String {
    let (local, today) = (local(at, zone), now.with_timezone(zone).date_naive());
    let format = if local.date_naive() == today { "%H:%M:%S" } else { DATED };
    format!("{}{}", local.format(format), zone_of(local.offset()))
}

fn local(at: DateTime<Utc>, zone: &impl TimeZone) -> DateTime<FixedOffset> {
    // The bounds of what a row can hold are a day within those of the calendar.
    at.with_timezone(&zone.offset_from_utc_datetime(&at.naive_utc()).fix())
}

fn zone_of(offset: &FixedOffset) -> String {
    if offset.local_minus_utc() == 0 { "Z".to_owned() } else { offset.to_string() }
}

/// A span in words, as [`duration::words`] has it; what is over before it began takes no time.
pub(crate) fn span(span: TimeDelta) -> String {
    duration::words(span.to_std().unwrap_or_default())
}
