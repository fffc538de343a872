//! Ends of jobs that are counted together with others of their run: with the run's row locked nothing else arrives, so that what is
//! counted is what counts.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::children;
use super::commit::commit_on;
use super::counts::{By, Counted, CountedBatch, Settled};
use super::endings::Ending;
use super::{Store, StoreError, quorums, races};
use crate::model::claim::Claim;

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
    let CountedBatch { ends: given, counted, artifacts, parents } = batch;
    children::lock_parents(connection, parents).await?;
    hold_runs(connection, given).await?;
    let mut otherwise = quorums::decided_otherwise(connection, batch).await?;
    otherwise.extend(races::decided_otherwise(connection, batch).await?);
    let mut ends = given.to_vec();
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
    children::answer_parents(connection, parents, &ends, &mut settled.landed).await?;
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
