//! A schedule as JSON: the keys of its table in a workflow file, those with a default left out.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Missed, Overlap, Schedule, ScheduleError};
use crate::workflow::cron::CronError;
use crate::workflow::duration::{self, DurationError};
use crate::workflow::timing::Timing;
use crate::workflow::zone::{Zone, ZoneError};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "is_default")]
    overlap: Overlap,
    #[serde(default, skip_serializing_if = "is_default")]
    missed: Missed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pause_after_failures: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jitter: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Why stored keys are no schedule.
#[derive(Debug, thiserror::Error)]
enum StoredError {
    #[error("`cron`: {0}")]
    Cron(#[from] CronError),
    #[error("`zone`: {0}")]
    Zone(#[from] ZoneError),
    #[error("`{0}`: {1}")]
    Duration(&'static str, DurationError),
    #[error("{0}")]
    Schedule(#[from] ScheduleError),
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Schedule, D::Error> {
        Schedule::try_from(Stored::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl TryFrom<Stored> for Schedule {
    type Error = StoredError;

    fn try_from(stored: Stored) -> Result<Schedule, StoredError> {
        let span = |name, text: Option<String>| {
            let read = text.map(|text| duration::parse(&text)).transpose();
            read.map_err(|error| StoredError::Duration(name, error))
        };
        let timing = match (stored.cron, span("every", stored.every)?) {
            (Some(_), Some(_)) => return Err(ScheduleError::TwoTimings.into()),
            (None, None) => return Err(ScheduleError::NoTiming.into()),
            (None, Some(_)) if stored.zone.is_some() => return Err(ScheduleError::ZoneOfEvery.into()),
            (None, Some(every)) => Timing::Every(every),
            (Some(cron), None) => {
                let zone = stored.zone.map(|zone| Zone::named(&zone)).transpose()?.unwrap_or_else(Zone::utc);
                Timing::Cron { cron: cron.parse()?, zone }
            }
        };
        let input = stored.input.map_or_else(|| "{}".to_owned(), |input| input.get().trim().to_owned());
        if !input.starts_with('{') {
            return Err(ScheduleError::Input.into());
        }
        let schedule = Schedule {
            timing,
            input,
            overlap: stored.overlap,
            missed: stored.missed,
            within: span("within", stored.within)?,
            pause_after_failures: stored.pause_after_failures,
            jitter: span("jitter", stored.jitter)?,
        };
        Ok(schedule.checked()?)
    }
}

impl From<Schedule> for Stored {
    fn from(schedule: Schedule) -> Stored {
        let Schedule { timing, input, overlap, missed, within, pause_after_failures, jitter } = schedule;
        let (cron, every, zone) = match timing {
            Timing::Every(every) => (None, Some(duration::format(every)), None),
            Timing::Cron { cron, zone } => {
                (Some(cron.to_string()), None, Some(zone.to_string()).filter(|zone| zone != "UTC"))
            }
        };
        Stored {
            cron,
            every,
            zone,
            // It is JSON since it was read.
            input: RawValue::from_string(input).ok().filter(|input| input.get() != "{}"),
            overlap,
            missed,
            within: within.map(duration::format),
            pause_after_failures,
            jitter: jitter.map(duration::format),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_and_what_is_none_says_why() {
        let read = |text: &str| serde_json::from_str::<Schedule>(text);
        let all = r#"{"cron":"30 2 * * *","zone":"Europe/Berlin","input":{"a":1.10},"overlap":"allow","missed":"all","within":"1d","pause_after_failures":3,"jitter":"5m"}"#;
        for text in [all, r#"{"every":"15m"}"#, r#"{"cron":"@daily"}"#] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
        let error = |text: &str| read(text).expect_err(text).to_string();
        insta::assert_snapshot!(error("{}"), @r#"it does not say when; add cron = "30 2 * * *" or every = "15m""#);
        insta::assert_snapshot!(error(r#"{"cron":"0 0 * * *","every":"1h"}"#), @"it has both `cron` and `every`; remove one of them");
        insta::assert_snapshot!(error(r#"{"every":"1h","zone":"UTC"}"#), @"`every` goes by the time that passes, in every zone alike; remove `zone`, or write `cron` instead");
        insta::assert_snapshot!(error(r#"{"every":"500ms"}"#), @r#"`every` is shorter than a second; write at least "1s""#);
        insta::assert_snapshot!(error(r#"{"every":"1h","jitter":"2h"}"#), @"`jitter` is 2h, and must be shorter than `every` and no longer than a day");
        insta::assert_snapshot!(error(r#"{"every":"1h","input":[1]}"#), @"`input` must be an object");
        insta::assert_snapshot!(error(r#"{"every":"1h","missed":"all"}"#), @r#"`missed = "all"` starts a run for each missed tick, several at once; add overlap = "allow", or write missed = "last""#);
        insta::assert_snapshot!(error(r#"{"every":"1h","missed":"none","within":"1h"}"#), @r#"`within` says which missed ticks are made up for, and `missed = "none"` makes up for none; remove one of them"#);
        insta::assert_snapshot!(error(r#"{"every":"1h","pause_after_failures":0}"#), @"`pause_after_failures` must be from 1 to 1000");
        insta::assert_snapshot!(error(r#"{"cron":"0 0 * * *","zone":"Mars"}"#), @r#"`zone`: write the name of a zone of the tz database, such as "Europe/Berlin" or "UTC""#);
    }
}
