//! Runs that a stage starts and waits for: begun with the wait, and ended with its answer, in one transaction each.

use sqlx::postgres::PgConnection;

use super::commit::{Landed, commit_on};
use super::endings::Ending;
use super::waits::{Begun, begin_on};
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::id::RunKey;
use crate::model::wait::NewWait;

impl Store {
    /// As [`Store::begin_waits`], for waits with runs, which are started with them.
    pub(crate) async fn begin_children(&self, waits: &[(Claim, NewWait)]) -> Result<Option<Begun>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let Some(mut begun) = begin_on(&mut *transaction, waits).await? else { return Ok(None) };
        let new = begun.positions.iter().filter_map(|at| waits.get(*at));
        let new: Vec<_> = new.filter_map(|(claim, wait)| Some((&claim.key, wait.child.as_deref()?))).collect();
        let over: Vec<bool> = sqlx::query_scalar(
            "select piton.begin_child(c.run_id, c.stage, c.item, c.workflow, c.input::json, c.detached)
             from unnest($1::int8[], $2::int2[], $3::int4[], $4::text[], $5::text[], $6::bool[])
                 as c (run_id, stage, item, workflow, input, detached)",
        )
        .bind(new.iter().map(|(key, _)| key.run.0).collect::<Vec<_>>())
        .bind(new.iter().map(|(key, _)| key.stage).collect::<Vec<_>>())
        .bind(new.iter().map(|(key, _)| key.item).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, child)| child.workflow.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, child)| child.input.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, child)| child.detached).collect::<Vec<_>>())
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        // Either the runs that began have jobs, or those that let them go.
        begun.woke |= !over.is_empty();
        Ok(Some(begun))
    }

    /// As [`Store::commit`], for ends that may end runs which a stage waits for: `parents` are those of that stage's.
    pub(crate) async fn commit_children(
        &self,
        batch: &[(Claim, Ending)],
        artifacts: &[Option<i32>],
        parents: &[RunKey],
    ) -> Result<Landed, StoreError> {
        let mut transaction = self.pool.begin().await?;
        lock_parents(&mut transaction, parents).await?;
        let mut landed = commit_on(&mut *transaction, batch, artifacts).await?;
        answer_parents(&mut transaction, parents, batch, &mut landed).await?;
        transaction.commit().await?;
        Ok(landed)
    }
}

/// Before anything of their children is locked: whoever cancels a run takes it and then its children.
pub(super) async fn lock_parents(connection: &mut PgConnection, parents: &[RunKey]) -> Result<(), StoreError> {
    if parents.is_empty() {
        return Ok(());
    }
    let keys: Vec<i64> = parents.iter().map(|parent| parent.0).collect();
    let locked = sqlx::query("select from piton.runs where id = any($1) order by id for key share").bind(keys);
    locked.execute(connection).await?;
    Ok(())
}

/// Tells the stages that wait for runs which have ended in this transaction. `parents` are theirs, and locked.
pub(super) async fn answer_parents(
    connection: &mut PgConnection,
    parents: &[RunKey],
    batch: &[(Claim, Ending)],
    landed: &mut Landed,
) -> Result<(), StoreError> {
    if parents.is_empty() || landed.ended_runs.is_empty() {
        return Ok(());
    }
    let ended = landed.ended_runs.iter().filter_map(|at| batch.get(*at));
    let keys: Vec<i64> = ended.map(|(claim, _)| claim.key.run.0).collect();
    let sql = "select coalesce(bool_or(piton.answer_parent(id)), false) from unnest($1::int8[]) as id";
    landed.woke |= sqlx::query_scalar::<_, bool>(sql).bind(keys).fetch_one(connection).await?;
    Ok(())
}
