//! Ends of jobs that are counted together with others of their run: with the run's row locked nothing else arrives, so that what is
//! counted is what counts.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::commit::{Landed, commit_on};
use super::endings::Ending;
use super::quorums::{self, Quorum};
use super::races::{self, Race};
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::id::RunKey;

/// What an end is counted by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum By {
    /// An item of a fan-out that is content with a part of them.
    Quorum(Quorum),
    /// A stage that another one may begin without.
    Race(Race),
}

/// A counted end.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) by: By,
    /// What it becomes where too many are lost already, or enough are done.
    pub(crate) otherwise: Option<Ending>,
}

/// A batch of them.
#[derive(Clone, Copy)]
pub(crate) struct CountedBatch<'b> {
    pub(crate) ends: &'b [(Claim, Ending)],
    pub(crate) counted: &'b [Counted],
    pub(crate) artifacts: &'b [Option<i32>],
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
    /// Commits a batch of them in one transaction. The same batch may be sent again after an error, as with [`Store::commit`].
    pub(crate) async fn commit_counted(&self, batch: CountedBatch<'_>) -> Result<Settled, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let settled = commit_counted_on(&mut transaction, batch).await?;
        transaction.commit().await?;
        Ok(settled)
    }
}

/// In a transaction that has locked nothing of the engine's: whoever locks several rows begins with those of runs.
pub(super) async fn commit_counted_on(
    connection: &mut PgConnection,
    batch: CountedBatch<'_>,
) -> Result<Settled, StoreError> {
    let CountedBatch { ends, counted, artifacts } = batch;
    hold_runs(connection, ends).await?;
    let mut otherwise = quorums::decided_otherwise(connection, batch).await?;
    otherwise.extend(races::decided_otherwise(connection, batch).await?);
    let mut ends = ends.to_vec();
    for (at, ending) in &otherwise {
        ends[*at].1 = ending.clone();
    }
    let landed = commit_on(&mut *connection, &ends, artifacts).await?;
    let mut settled = Settled { landed, otherwise, ..Settled::default() };
    let mut seen = BTreeSet::new();
    for (at, ((claim, ending), Counted { by, .. })) in ends.iter().zip(counted).enumerate() {
        if !settled.landed.positions.contains(&at) {
            continue;
        }
        let is_done = matches!(ending, Ending::Done { .. } | Ending::Skipped { .. });
        match by {
            By::Quorum(quorum) => {
                if quorum.cancels && is_done && seen.insert((claim.key.run, claim.key.stage)) {
                    quorums::settle(connection, (at, claim), quorum, &mut settled).await?;
                }
            }
            By::Race(race) => {
                if seen.insert((claim.key.run, race.stage)) {
                    races::settle(connection, claim, race, &mut settled).await?;
                }
            }
        }
    }
    Ok(settled)
}

/// Waits for whoever decides about these runs or adds to them.
async fn hold_runs(connection: &mut PgConnection, ends: &[(Claim, Ending)]) -> Result<(), StoreError> {
    let runs: BTreeSet<i64> = ends.iter().map(|(claim, _)| claim.key.run.0).collect();
    sqlx::query("select from piton.runs where id = any($1) order by id for update")
        .bind(runs.into_iter().collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
