//! Items of a fan-out that is content with a part of them. In a transaction that holds their run.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::StoreError;
use super::counts::{By, CountedBatch, Quorum, Settled, Stopped};
use super::endings::Ending;
use crate::model::claim::Claim;
use crate::model::id::RunKey;
use crate::workflow::quorum::{AtLeast, is_within_reach};

/// Which of the items are given up, with their positions: too many others are lost for the rest to be enough.
pub(super) async fn decided_otherwise(
    connection: &mut PgConnection,
    batch: CountedBatch<'_>,
) -> Result<Vec<(usize, Ending)>, StoreError> {
    let contested = || {
        let all = batch.ends.iter().zip(batch.counted).enumerate();
        all.filter_map(|(at, ((claim, _), counted))| match (&counted.by, &counted.otherwise) {
            (By::Quorum(quorum), Some(otherwise)) => Some((at, (claim.key.run, claim.key.stage), quorum, otherwise)),
            (By::Quorum(_), None) | (By::Race(_), _) => None,
        })
    };
    let stages: BTreeSet<(RunKey, i16)> = contested().map(|(_, stage, ..)| stage).collect();
    if stages.is_empty() {
        return Ok(Vec::new());
    }
    let mut counts = counts(connection, stages).await?;
    let mut decided = Vec::new();
    for (at, stage, quorum, otherwise) in contested() {
        let (items, lost) = counts.entry(stage).or_default();
        *lost = lost.saturating_add(1);
        if !is_within_reach(*items, *lost, quorum.at_least.of(*items)) {
            decided.push((at, otherwise.clone()));
        }
    }
    Ok(decided)
}

/// Into how many items each stage was split, and how many of them are lost: given up, whether anybody must decide about them or not.
async fn counts(
    connection: &mut PgConnection,
    stages: BTreeSet<(RunKey, i16)>,
) -> Result<HashMap<(RunKey, i16), (u32, u32)>, StoreError> {
    let (runs, numbers): (Vec<i64>, Vec<i16>) = stages.into_iter().map(|(run, stage)| (run.0, stage)).unzip();
    let rows: Vec<(i64, i16, Option<i32>, i64)> = sqlx::query_as(
        "select c.run_id, c.stage, k.items, d.lost
         from unnest($1::int8[], $2::int2[]) as c (run_id, stage)
         left join lateral (
             select case when k.output::text ~ '^[0-9]{1,9}$' then (k.output::text)::int4 end as items
             from piton.checkpoints k
             where k.run_id = any(array[c.run_id]) and k.stage = c.stage and k.item = -1) as k on true
         cross join lateral (
             select count(distinct d.item) as lost from piton.dead_letters d
             where d.run_id = any(array[c.run_id]) and d.stage = c.stage and d.item >= 0 and not d.done_again
               and d.resolution in ('pending', 'tolerated', 'dismissed')) as d",
    )
    .bind(runs)
    .bind(numbers)
    .fetch_all(connection)
    .await?;
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let counts = rows.into_iter().map(|(run, stage, items, lost)| {
        ((RunKey(run), stage), (count(items.unwrap_or_default().into()), count(lost)))
    });
    Ok(counts.collect())
}

/// Ends the other items of the stage if enough are done.
pub(super) async fn settle(
    connection: &mut PgConnection,
    (at, claim): (usize, &Claim),
    quorum: &Quorum,
    settled: &mut Settled,
) -> Result<(), StoreError> {
    let (items, millionths) = match quorum.at_least {
        AtLeast::Items(items) => (Some(i64::from(items)), None),
        AtLeast::Millionths(share) => (None, Some(i64::from(share))),
    };
    let (jobs, woke, ends_run): (i64, bool, bool) =
        sqlx::query_as("select jobs, woke, ends_run from piton.settle_quorum($1, $2, $3, $4, $5, $6)")
            .bind(claim.key.run.0)
            .bind(claim.key.stage)
            .bind(items)
            .bind(millionths)
            .bind(quorum.missing.as_deref().unwrap_or("null"))
            .bind(claim.worker.0)
            .fetch_one(connection)
            .await?;
    if let Some(jobs) = u64::try_from(jobs).ok().filter(|jobs| *jobs > 0) {
        settled.stopped.push(Stopped { run: claim.key.run, stage: claim.key.stage, jobs });
    }
    settled.landed.woke |= woke;
    settled.landed.ended_runs.extend(ends_run.then_some(at));
    Ok(())
}
