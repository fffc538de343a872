//! A schedule of a workflow: when it starts runs by itself, on which input, and what becomes of ticks that do not fit. Pure.

pub(crate) mod outlook;
mod stored;

use std::fmt;
use std::time::Duration;

use super::duration;
use super::timing::Timing;
use crate::model::state::states;

/// A schedule that can be kept. In JSON it has the keys of its table in a workflow file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schedule {
    pub(crate) timing: Timing,
    /// JSON text of the input, an object; the runs get the tick with it.
    pub(crate) input: String,
    pub(crate) overlap: Overlap,
    pub(crate) missed: Missed,
    /// Older ticks are not made up for.
    pub(crate) within: Option<Duration>,
    pub(crate) pause_after_failures: Option<u32>,
    pub(crate) jitter: Option<Duration>,
}

states! {
    /// What becomes of a tick while a run of an earlier one works.
    #[derive(Default, serde::Deserialize)]
    pub(crate) enum Overlap {
        #[default]
        Skip = "skip",
        QueueOne = "queue_one",
        Allow = "allow",
        Cancel = "cancel",
    }
}

states! {
    /// Which ticks are made up for that passed while no worker looked.
    #[derive(Default, serde::Deserialize)]
    pub(crate) enum Missed {
        #[default]
        Last = "last",
        None = "none",
        All = "all",
    }
}

/// Shorter ones would be late more often than not: workers look about once a second.
pub(crate) const SHORTEST: Duration = Duration::from_secs(1);
/// A tick is not put off by more.
pub(crate) const MOST_JITTER: Duration = Duration::from_secs(86_400);
pub(crate) const MOST_FAILURES: u32 = 1_000;

/// Why the keys of a schedule do not go together; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScheduleError {
    #[error("it does not say when; add cron = \"30 2 * * *\" or every = \"15m\"")]
    NoTiming,
    #[error("it has both `cron` and `every`; remove one of them")]
    TwoTimings,
    #[error("`every` goes by the time that passes, in every zone alike; remove `zone`, or write `cron` instead")]
    ZoneOfEvery,
    #[error("`every` is shorter than a second; write at least \"1s\"")]
    TooOften,
    #[error("`jitter` is {0}, and must be shorter than `every` and no longer than a day")]
    Jitter(String),
    #[error(
        "`within` says which missed ticks are made up for, and `missed = \"none\"` makes up for none; remove one of them"
    )]
    WithinOfNone,
    #[error(
        "`missed = \"all\"` starts a run for each missed tick, several at once; add overlap = \"allow\", or write missed = \"last\""
    )]
    AllOverlap,
    #[error("`pause_after_failures` must be from 1 to {MOST_FAILURES}")]
    Failures,
    #[error("`input` must be an object")]
    Input,
}

impl Schedule {
    /// Whether its parts go together.
    pub(crate) fn checked(self) -> Result<Schedule, ScheduleError> {
        let every = if let Timing::Every(every) = self.timing { Some(every) } else { None };
        if every.is_some_and(|every| every < SHORTEST) {
            return Err(ScheduleError::TooOften);
        }
        if let Some(jitter) = self.jitter
            && (jitter > MOST_JITTER || every.is_some_and(|every| jitter >= every))
        {
            return Err(ScheduleError::Jitter(duration::format(jitter)));
        }
        if self.missed == Missed::None && self.within.is_some() {
            return Err(ScheduleError::WithinOfNone);
        }
        if self.missed == Missed::All && self.overlap != Overlap::Allow {
            return Err(ScheduleError::AllOverlap);
        }
        if self.pause_after_failures.is_some_and(|failures| failures == 0 || failures > MOST_FAILURES) {
            return Err(ScheduleError::Failures);
        }
        Ok(self)
    }
}
