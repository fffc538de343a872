//! Ends of jobs that are counted together with others of their run: with the run's row locked nothing else arrives, so that what is
//! counted is what counts.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::children;
use super::commit::{Landed, commit_on};
use super::endings::Ending;
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::id::RunKey;
use crate::workflow::quorum::{AtLeast, is_within_reach};

/// What the end of an item is counted by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct By {
    pub(crate) at_least: AtLeast,
    /// The others are cancelled once enough are done.
    pub(crate) cancels: bool,
    /// JSON text in place of an output.
    pub(crate) missing: Option<String>,
}

/// A counted end.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) by: By,
    /// What it becomes where too many are lost already.
    pub(crate) otherwise: Option<Ending>,
}

/// What became of counted ends.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) landed: Landed,
    /// Positions in the batch of those that were decided otherwise.
    pub(crate) otherwise: Vec<(usize, Ending)>,
    pub(crate) stopped: Vec<Stopped>,
}

impl From<Landed> for Settled {
    fn from(landed: Landed) -> Settled {
        Settled { landed, ..Settled::default() }
    }
}

/// Jobs that were ended without a result, because enough others have one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stopped {
    pub(crate) run: RunKey,
    pub(crate) stage: i16,
    pub(crate) jobs: u64,
}

impl Store {
    /// Commits a batch of them in one transaction; `parents` are as in [`Store::commit_children`]. The same batch may be sent again after an error, as with [`Store::commit`].
    pub(crate) async fn commit_counted(
        &self,
        batch: &[(Claim, Ending)],
        counted: &[Counted],
        artifacts: &[Option<i32>],
        parents: &[RunKey],
    ) -> Result<Settled, StoreError> {
        let mut transaction = self.pool.begin().await?;
        children::lock_parents(&mut transaction, parents).await?;
        hold_runs(&mut transaction, batch).await?;
        let mut settled = commit_counted_on(&mut transaction, batch, counted, artifacts).await?;
        children::answer_parents(&mut transaction, parents, batch, &mut settled.landed).await?;
        transaction.commit().await?;
        Ok(settled)
    }
}

/// Waits for whoever decides about these runs or adds to them. Before any job of theirs is locked: the order of all who lock several.
pub(super) async fn hold_runs(connection: &mut PgConnection, batch: &[(Claim, Ending)]) -> Result<(), StoreError> {
    let runs: BTreeSet<i64> = batch.iter().map(|(claim, _)| claim.key.run.0).collect();
    sqlx::query("select from piton.runs where id = any($1) order by id for update")
        .bind(runs.into_iter().collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// In a transaction that holds the runs.
pub(super) async fn commit_counted_on(
    connection: &mut PgConnection,
    batch: &[(Claim, Ending)],
    counted: &[Counted],
    artifacts: &[Option<i32>],
) -> Result<Settled, StoreError> {
    let otherwise = decided_otherwise(connection, batch, counted).await?;
    let mut ends = batch.to_vec();
    for (at, ending) in &otherwise {
        ends[*at].1 = ending.clone();
    }
    let mut settled =
        Settled { landed: commit_on(&mut *connection, &ends, artifacts).await?, otherwise, ..Settled::default() };
    let mut stages = BTreeSet::new();
    for (at, ((claim, ending), Counted { by, .. })) in ends.iter().zip(counted).enumerate() {
        let is_done =
            matches!(ending, Ending::Done { .. } | Ending::Skipped { .. }) && settled.landed.positions.contains(&at);
        if by.cancels && is_done && stages.insert((claim.key.run, claim.key.stage)) {
            settle_quorum(connection, at, claim, by, &mut settled).await?;
        }
    }
    Ok(settled)
}

/// Which of them are given up, with their positions: too many others are lost for the rest to be enough.
async fn decided_otherwise(
    connection: &mut PgConnection,
    batch: &[(Claim, Ending)],
    counted: &[Counted],
) -> Result<Vec<(usize, Ending)>, StoreError> {
    let contested = || batch.iter().zip(counted).enumerate().filter(|(_, (_, counted))| counted.otherwise.is_some());
    let stages: BTreeSet<(RunKey, i16)> =
        contested().map(|(_, ((claim, _), _))| (claim.key.run, claim.key.stage)).collect();
    if stages.is_empty() {
        return Ok(Vec::new());
    }
    let mut counts = counts(connection, stages).await?;
    let mut otherwise = Vec::new();
    for (at, ((claim, _), Counted { by, otherwise: ending })) in contested() {
        let (items, lost) = counts.entry((claim.key.run, claim.key.stage)).or_default();
        *lost = lost.saturating_add(1);
        if !is_within_reach(*items, *lost, by.at_least.of(*items)) {
            otherwise.extend(ending.clone().map(|ending| (at, ending)));
        }
    }
    Ok(otherwise)
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
async fn settle_quorum(
    connection: &mut PgConnection,
    at: usize,
    claim: &Claim,
    by: &By,
    settled: &mut Settled,
) -> Result<(), StoreError> {
    let (items, millionths) = match by.at_least {
        AtLeast::Items(items) => (Some(i64::from(items)), None),
        AtLeast::Millionths(share) => (None, Some(i64::from(share))),
    };
    let (jobs, woke, ends_run): (i64, bool, bool) =
        sqlx::query_as("select jobs, woke, ends_run from piton.settle_quorum($1, $2, $3, $4, $5, $6)")
            .bind(claim.key.run.0)
            .bind(claim.key.stage)
            .bind(items)
            .bind(millionths)
            .bind(by.missing.as_deref().unwrap_or("null"))
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
