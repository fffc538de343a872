//! What people decide, through whichever face: select, have the store do it, and log it.

mod batches;
mod log;
mod schedules;

use sqlx::types::Uuid;

pub(crate) use self::batches::{cancel_batch, feed_batch, retry_batch, start_batch};
pub(crate) use self::schedules::{
    Backfill, ScheduleProblem, backfill, next_ticks, pause_schedule, resume_schedule, schedule, trigger_schedule,
};

use crate::events;
use crate::model::actor::Actor;
use crate::model::id::RunId;
use crate::model::payload::Payload;
use crate::model::state::Resolution;
use crate::store::dead_letters::{Filter, Origin};
use crate::store::pauses::Queue;
use crate::store::retry_preview::PreviewRow;
use crate::store::{Store, StoreError};

/// What a verb is about.
#[derive(Debug)]
pub(crate) enum Chosen {
    One(Uuid),
    Those(Filter),
}

/// Why nothing is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotChosen {
    /// One is named, and a filter too.
    OneAndMany,
    /// Neither one nor a filter, nor that all are meant.
    Nothing,
}

impl Chosen {
    /// Many are chosen by a filter or by saying that all are meant, never by leaving something out.
    pub(crate) fn of(id: Option<Uuid>, filter: Filter, all: bool) -> Result<Chosen, NotChosen> {
        let filter = Filter { resolution: Some(Resolution::Pending), ..filter };
        match id {
            Some(id) if filter.is_open() && !all => Ok(Chosen::One(id)),
            Some(_) => Err(NotChosen::OneAndMany),
            None if filter.is_open() && !all => Err(NotChosen::Nothing),
            None => Ok(Chosen::Those(filter)),
        }
    }
}

/// How a job goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Again<'a> {
    pub(crate) from: Origin<'a>,
    pub(crate) note: Option<&'a str>,
}

/// Lets one go on, with another input of its run if one is given; or is refused with the reason.
pub(crate) async fn retry_one(
    store: &Store,
    id: Uuid,
    again: Again<'_>,
    input: Option<&Payload>,
    by: Actor<'_>,
) -> Result<(), StoreError> {
    store.retry_dead_letter(id, by, again.note, again.from, input).await?;
    log::decided(store, &[id], by.name).await;
    Ok(())
}

/// What a retry would do, and what it would cost; or a refusal with the reason, as the retry would be refused, also for the input
/// that one is to get. Changes nothing.
pub(crate) async fn preview(
    store: &Store,
    chosen: &Chosen,
    from: Origin<'_>,
    input: Option<&Payload>,
) -> Result<Vec<PreviewRow>, StoreError> {
    let ids = match chosen {
        Chosen::One(id) => {
            store.try_retry(*id, from, input).await?;
            vec![*id]
        }
        Chosen::Those(filter) => store.dead_letter_ids(filter).await?,
    };
    store.retry_preview(&ids, from).await
}

/// Lets all that are chosen go on, or none; tells how many there were.
pub(crate) async fn retry_those(
    store: &Store,
    filter: &Filter,
    again: Again<'_>,
    by: Actor<'_>,
) -> Result<i64, StoreError> {
    let ids = store.dead_letter_ids(filter).await?;
    let retried = store.retry_dead_letters(&ids, by, again.note, again.from).await?;
    log::decided(store, &ids, by.name).await;
    Ok(retried)
}

/// Lets the first pending dead letter of a run go on from a stage that it comes after; tells which one. None where none is
/// pending, and a refusal where none comes after it.
pub(crate) async fn do_again(
    store: &Store,
    run: RunId,
    again: Again<'_>,
    by: Actor<'_>,
) -> Result<Option<Uuid>, StoreError> {
    let filter = Filter { resolution: Some(Resolution::Pending), run: Some(run), ..Filter::default() };
    let mut refused = None;
    for id in store.dead_letter_ids(&filter).await? {
        match retry_one(store, id, again, None, by).await {
            Ok(()) => return Ok(Some(id)),
            Err(StoreError::Refused(error)) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    refused.map_or(Ok(None), |error| Err(StoreError::Refused(error)))
}

/// Ends the run of one, or is refused with the reason.
pub(crate) async fn dismiss_one(store: &Store, id: Uuid, reason: &str, by: Actor<'_>) -> Result<(), StoreError> {
    store.dismiss_dead_letter(id, reason, by).await?;
    log::decided(store, &[id], by.name).await;
    Ok(())
}

/// Ends the runs of those that are chosen, one by one; tells how many there were. What stops it halfway leaves the rest
/// pending.
pub(crate) async fn dismiss_those(
    store: &Store,
    filter: &Filter,
    reason: &str,
    by: Actor<'_>,
) -> Result<i64, StoreError> {
    let mut dismissed = 0;
    for id in store.dead_letter_ids(filter).await? {
        match dismiss_one(store, id, reason, by).await {
            Ok(()) => dismissed += 1,
            // It went with another one of its run, or someone else has just decided.
            Err(StoreError::Refused(error)) => tracing::debug!("{error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(dismissed)
}

/// Gives up a live job; the id of its dead letter, or a refusal with the reason.
pub(crate) async fn force(
    store: &Store,
    run: RunId,
    (stage, item): (&str, Option<i32>),
    reason: &str,
    by: Actor<'_>,
) -> Result<Uuid, StoreError> {
    let id = store.force_dead_letter(run, stage, item, (reason, by)).await?;
    log::forced(store, id, by.name).await;
    Ok(id)
}

/// Ends a run that is not finished, or is refused with the reason.
pub(crate) async fn cancel_run(store: &Store, run: RunId, reason: &str, by: Actor<'_>) -> Result<(), StoreError> {
    store.cancel_run(run, reason, by).await?;
    events::decision::cancelled(&run, by.name);
    Ok(())
}

/// Answers a signal of a run, or is refused with the reason.
pub(crate) async fn signal(
    store: &Store,
    run: RunId,
    (signal, payload): (&str, &Payload),
    by: Actor<'_>,
) -> Result<(), StoreError> {
    store.signal(run, (signal, payload), by).await?;
    events::decision::signalled(&run, signal, by.name);
    Ok(())
}

/// Ends the sleeps of a stage, or of one item of it, and says how many; or is refused with the reason.
pub(crate) async fn wake(
    store: &Store,
    run: RunId,
    (stage, item): (&str, Option<i32>),
    by: Actor<'_>,
) -> Result<i64, StoreError> {
    let woken = store.wake(run, (stage, item), by).await?;
    events::decision::woken(&run, stage, by.name);
    Ok(woken)
}

/// Makes a registered version of a workflow current, and returns its digest; or is refused with the reason.
pub(crate) async fn deploy(
    store: &Store,
    workflow: &str,
    digest: &str,
    reason: Option<&str>,
    by: Actor<'_>,
) -> Result<String, StoreError> {
    let version = store.deploy_workflow(workflow, digest, reason, by).await?;
    events::decision::deployed(workflow, &version, by.name);
    Ok(version)
}

/// Makes the version before current again, or the one that is named, and returns its digest; or is refused with the reason.
pub(crate) async fn roll_back(
    store: &Store,
    workflow: &str,
    digest: Option<&str>,
    reason: Option<&str>,
    by: Actor<'_>,
) -> Result<String, StoreError> {
    let version = store.rollback_workflow(workflow, digest, reason, by).await?;
    events::decision::rolled_back(workflow, &version, by.name);
    Ok(version)
}

/// Lets nothing more of it begin, or is refused with the reason.
pub(crate) async fn pause(store: &Store, queue: Queue<'_>, reason: &str, by: Actor<'_>) -> Result<(), StoreError> {
    store.pause(queue, reason, by).await?;
    events::decision::paused(queue.workflow, queue.stage, by.name);
    Ok(())
}

/// Lets it go on, or is refused with the reason.
pub(crate) async fn resume(
    store: &Store,
    queue: Queue<'_>,
    reason: Option<&str>,
    by: Actor<'_>,
) -> Result<(), StoreError> {
    store.resume(queue, reason, by).await?;
    events::decision::resumed(queue.workflow, queue.stage, by.name);
    Ok(())
}
