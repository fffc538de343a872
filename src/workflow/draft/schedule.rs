//! The tables `[schedules.<name>]` of a workflow.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::workflow::cron::Cron;
use crate::workflow::json::json;
use crate::workflow::keys::{self, Key, Shape};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::name::{self, ScheduleName};
use crate::workflow::schedule::{Missed, Overlap, Schedule, ScheduleError};
use crate::workflow::suggestion::suggestion;
use crate::workflow::timing::Timing;
use crate::workflow::value::{self, Field, Value, Word};
use crate::workflow::zone::Zone;

/// A workflow has no more: what differs in the input alone can be one schedule that fans out.
const MOST: usize = 1_000;

/// Those that are right, each with its place.
pub(super) fn schedules(
    value: &Value<'_>,
    found: &mut Vec<Mistake>,
) -> BTreeMap<ScheduleName, (Schedule, Range<usize>)> {
    let Some(table) = value::table(value, keys::SCHEDULES, found) else { return BTreeMap::new() };
    if let Some((key, _)) = table.iter().nth(MOST) {
        let title = format!("the workflow has {} schedules, over the limit of {MOST}", table.len());
        let help = "let one schedule start a run that fans out over what differs";
        found.push(Mistake::new(key.span(), title, "the first schedule over the limit", help));
        return BTreeMap::new();
    }
    let read = value::entries(table).filter_map(|(word, value)| {
        let name = schedule_name(&word, found);
        let DeValue::Table(table) = value.get_ref() else {
            let one = Key { example: "[schedules.nightly] and below it cron = \"30 2 * * *\"", ..keys::SCHEDULES };
            return value::wrong_type(value, one, found);
        };
        let schedule = schedule(&word, table, found);
        Some((name?, (schedule?, word.span)))
    });
    read.collect()
}

fn schedule_name(word: &Word, found: &mut Vec<Mistake>) -> Option<ScheduleName> {
    match word.text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let help = match name::nearest(&word.text) {
                Some(name) => format!("write [schedules.{name}]"),
                None => "choose a name such as [schedules.nightly]".to_owned(),
            };
            found.push(value::bad_name("schedule", word, &error, help));
            None
        }
    }
}

/// One table, key by key.
#[derive(Default)]
struct Draft {
    cron: Field<Cron>,
    every: Field<std::time::Duration>,
    zone: Field<Zone>,
    input: Option<String>,
    overlap: Option<Overlap>,
    missed: Option<Missed>,
    within: Option<std::time::Duration>,
    pause_after_failures: Option<u32>,
    jitter: Option<std::time::Duration>,
}

fn schedule(word: &Word, table: &DeTable<'_>, found: &mut Vec<Mistake>) -> Option<Schedule> {
    let before = found.len();
    let mut draft = Draft::default();
    for (key, value) in value::entries(table) {
        match key.text.as_str() {
            "cron" => draft.cron = Field::of(cron(value, found)),
            "every" => draft.every = Field::of(value::duration(value, keys::EVERY, found)),
            "zone" => draft.zone = Field::of(zone(value, found)),
            "input" => {
                draft.input = value::table(value, keys::SCHEDULE_INPUT, found)
                    .and_then(|_| json(value, keys::SCHEDULE_INPUT, found));
            }
            "overlap" => draft.overlap = word_of(value, keys::OVERLAP, Overlap::from_word, found),
            "missed" => draft.missed = word_of(value, keys::MISSED, Missed::from_word, found),
            "within" => draft.within = value::duration(value, keys::WITHIN, found),
            "pause_after_failures" => {
                draft.pause_after_failures = value::number(value, keys::PAUSE_AFTER_FAILURES, found);
            }
            "jitter" => draft.jitter = value::duration(value, keys::SCHEDULE_JITTER, found),
            unknown => {
                let meant = suggestion(unknown, keys::SCHEDULE, found.len());
                value::unknown_key(&key, "a schedule", keys::SCHEDULE, meant, None, found);
            }
        }
    }
    if found.len() > before {
        return None;
    }
    match draft.schedule() {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            // What is wrong and the cure, as the message has them.
            let said = error.to_string();
            let (what, cure) = said.split_once("; ").unwrap_or((&said, ""));
            let title = format!("schedule {}: {what}", shown(&word.text));
            found.push(Mistake::new(word.span.clone(), title, "", cure));
            None
        }
    }
}

impl Draft {
    fn schedule(self) -> Result<Schedule, ScheduleError> {
        let timing = match (self.cron.right(), self.every.right(), self.zone.right()) {
            (Some(_), Some(_), _) => return Err(ScheduleError::TwoTimings),
            (None, None, _) => return Err(ScheduleError::NoTiming),
            (None, Some(_), Some(_)) => return Err(ScheduleError::ZoneOfEvery),
            (None, Some(every), None) => Timing::Every(every),
            (Some(cron), None, zone) => Timing::Cron { cron, zone: zone.unwrap_or_else(Zone::utc) },
        };
        let schedule = Schedule {
            timing,
            input: self.input.unwrap_or_else(|| "{}".to_owned()),
            overlap: self.overlap.unwrap_or_default(),
            missed: self.missed.unwrap_or_default(),
            within: self.within,
            pause_after_failures: self.pause_after_failures,
            jitter: self.jitter,
        };
        schedule.checked()
    }
}

fn cron(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<Cron> {
    let word = value::text(value, keys::CRON, false, found)?;
    match word.text.parse() {
        Ok(cron) => Some(cron),
        Err(error) => {
            let said: crate::workflow::cron::CronError = error;
            value::wrong(value, format!("{} is no cron text", shown(&word.text)), "", said.to_string(), found)
        }
    }
}

fn zone(value: &Value<'_>, found: &mut Vec<Mistake>) -> Option<Zone> {
    let word = value::text(value, keys::ZONE, false, found)?;
    match Zone::named(&word.text) {
        Ok(zone) => Some(zone),
        Err(error) => {
            value::wrong(value, format!("{} is no time zone", shown(&word.text)), "", error.to_string(), found)
        }
    }
}

fn word_of<T>(value: &Value<'_>, key: Key, read: fn(&str) -> Option<T>, found: &mut Vec<Mistake>) -> Option<T> {
    let Shape::Word(words) = key.shape else { return None };
    read(value::one_of(value, key, words, found)?)
}
