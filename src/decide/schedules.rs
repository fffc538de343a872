//! Schedules: pause, resume and trigger them, tell their next ticks, and make up for those of the past.

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::types::Uuid;

use super::start_batch;
use crate::events;
use crate::model::actor::Actor;
use crate::model::payload::{Payload, PayloadError, PayloadLimits};
use crate::store::batches::{BatchRow, BatchStart};
use crate::store::schedules::{Named, ScheduleRow};
use crate::store::{Store, StoreError};
use crate::workflow::schedule::Schedule;
use crate::workflow::schedule::outlook::{Place, Tick};

/// Runs of one backfill.
const MOST_TICKS: usize = 10_000;

/// Why nothing comes of what was asked of a schedule; says what would be right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScheduleProblem {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Unknown(String),
    #[error("schedule `{schedule}` cannot be read: {why}")]
    Broken { schedule: String, why: String },
    #[error(
        "schedule `{schedule}` has no tick between {from} and {to} that has no run yet; give other times, or ask for ticks that have one, too (again)"
    )]
    NoTick { schedule: String, from: String, to: String },
    #[error("there are more than {MOST_TICKS} ticks between the two times; take them in parts")]
    TooMany,
    #[error("the input of its runs is none: {0}")]
    Input(#[from] PayloadError),
}

/// What is made up for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backfill<'b> {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    /// Maximum number of unfinished runs at a time.
    pub(crate) cap: i32,
    /// Of the batch.
    pub(crate) name: Option<&'b str>,
    /// Ticks that have a run, too.
    pub(crate) again: bool,
}

/// It starts no run until it is resumed; or is refused with the reason.
pub(crate) async fn pause_schedule(
    store: &Store,
    named: Named<'_>,
    reason: &str,
    by: Actor<'_>,
) -> Result<(), StoreError> {
    store.pause_schedule(named, reason, by).await?;
    events::schedule::paused(named.workflow, named.schedule, by.name, reason);
    Ok(())
}

/// It goes on with its next tick; or is refused with the reason.
pub(crate) async fn resume_schedule(
    store: &Store,
    named: Named<'_>,
    reason: Option<&str>,
    by: Actor<'_>,
) -> Result<(), StoreError> {
    store.resume_schedule(named, reason, by).await?;
    events::schedule::resumed(named.workflow, named.schedule, by.name);
    Ok(())
}

/// Starts a run of it now; the run's id, or a refusal with the reason.
pub(crate) async fn trigger_schedule(
    store: &Store,
    named: Named<'_>,
    reason: Option<&str>,
    by: Actor<'_>,
) -> Result<Uuid, StoreError> {
    let run = store.trigger_schedule(named, reason, by).await?;
    events::schedule::triggered(named.workflow, named.schedule, &run, by.name);
    Ok(run)
}

/// One schedule, as it stands.
pub(crate) async fn schedule(store: &Store, named: Named<'_>) -> Result<ScheduleRow, ScheduleProblem> {
    let found = store.schedules(Some(named.workflow), Some(named.schedule)).await?.pop();
    found.ok_or_else(|| {
        let Named { workflow, schedule } = named;
        ScheduleProblem::Unknown(format!(
            "workflow `{workflow}` has no schedule `{schedule}`; see which there are in the list of schedules"
        ))
    })
}

/// The next ticks from now on, or from where it stands.
pub(crate) fn next_ticks(row: &ScheduleRow, now: DateTime<Utc>, count: usize) -> Result<Vec<Tick>, ScheduleProblem> {
    let schedule = read(row)?;
    // A paused one would go on from now.
    let from = if row.paused_at.is_some() { now } else { row.settled_until };
    Ok(schedule.ticks(from, row.anchor_at).take(count).collect())
}

/// A batch with a run for every tick of that time.
pub(crate) async fn backfill(
    store: &Store,
    named: Named<'_>,
    asked: Backfill<'_>,
    by: &str,
) -> Result<BatchRow, ScheduleProblem> {
    let row = schedule(store, named).await?;
    let schedule = read(&row)?;
    let just_before = asked.from - chrono::TimeDelta::microseconds(1);
    // What ticks by elapsed time did so before it was made, as far as anybody asks.
    let anchor = schedule.anchor_before(row.anchor_at, just_before);
    let mut ticks: Vec<Tick> =
        schedule.ticks(just_before, anchor).take_while(|tick| tick.at <= asked.to).take(MOST_TICKS + 1).collect();
    if ticks.len() > MOST_TICKS {
        return Err(ScheduleProblem::TooMany);
    }
    let first = schedule.before(Place { name: named.schedule, anchor, settled: DateTime::UNIX_EPOCH }, just_before);
    let mut previous: Vec<Option<String>> =
        std::iter::once(first).chain(ticks.iter().map(|tick| Some(tick.text.clone()))).take(ticks.len()).collect();
    if !asked.again {
        let keys: Vec<String> = ticks.iter().map(|tick| tick.key(named.schedule)).collect();
        let known = store.known_keys(named.workflow, &keys).await?;
        let is_new: Vec<bool> = keys.iter().map(|key| !known.contains(key)).collect();
        let mut of_tick = is_new.iter();
        ticks.retain(|_| of_tick.next().copied().unwrap_or(true));
        let mut of_previous = is_new.iter();
        previous.retain(|_| of_previous.next().copied().unwrap_or(true));
    }
    let [from, to] = [asked.from, asked.to].map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    if ticks.is_empty() {
        return Err(ScheduleProblem::NoTick { schedule: named.schedule.to_owned(), from, to });
    }
    let texts: Vec<String> = ticks.into_iter().map(|tick| tick.text).collect();
    let inputs = store.tick_inputs(named.workflow, &schedule.input, &texts, &previous).await?;
    let limit = PayloadLimits::default().payload_bytes;
    let inputs = inputs.iter().map(|input| Payload::parse(input, limit)).collect::<Result<Vec<_>, _>>()?;
    let name = asked.name.map_or_else(
        || {
            format!("{}-{}-{}", named.schedule, from.replace(':', "."), to.replace(':', "."))
                .chars()
                .take(100)
                .collect()
        },
        str::to_owned,
    );
    let start = BatchStart { name: &name, workflow: named.workflow, cap: Some(asked.cap), priority: 0 };
    let batch = start_batch(store, start, &inputs, by).await?;
    Ok(store.batch(&batch.to_string()).await?)
}

fn read(row: &ScheduleRow) -> Result<Schedule, ScheduleProblem> {
    serde_json::from_str(&row.definition).map_err(|error| ScheduleProblem::Broken {
        schedule: row.schedule.clone(),
        why: format!("{error}; set it again, or change its file"),
    })
}
