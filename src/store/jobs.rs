//! The queue's table: claiming, promoting what is due, and looking after what is claimed.

use std::time::Duration;

use sqlx::types::chrono::{DateTime, Utc};

use super::commit::ClaimColumns;
use super::queues::Queues;
use super::{Store, StoreError};
use crate::model::claim::{Claim, Place};
use crate::model::id::{AttemptKey, RunKey, VersionId, WorkerId, WorkflowId};

/// Jobs promoted by one statement.
const PROMOTE_AT_ONCE: i64 = 1000;

/// What a running stage last said about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Progress {
    pub(crate) done: u64,
    pub(crate) of: u64,
    pub(crate) note: String,
}

/// What a promotion did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Promoted {
    /// There may be more that are due.
    pub(crate) more: bool,
    /// When the next one is due, if any waits.
    pub(crate) next_due: Option<Duration>,
}

/// Where a claim of one workflow begins: behind this place and job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    pub(crate) place: Place,
    pub(crate) job: i64,
}

impl Cursor {
    /// Before every job there can be.
    pub(crate) const START: Cursor =
        Cursor { place: Place { rank: i16::MIN, due_at: DateTime::UNIX_EPOCH }, job: i64::MIN };
}

type ClaimRow = (i64, i64, i64, i64, i16, i32, i32, i32, DateTime<Utc>, i16, DateTime<Utc>, DateTime<Utc>);

fn claim_row(row: ClaimRow, worker: WorkerId) -> Claim {
    let (run, job, workflow, version, stage, item, until, attempt, since, rank, due_at, claimable_since) = row;
    Claim {
        key: AttemptKey { run: RunKey(run), job, stage, item, attempt },
        until,
        workflow: WorkflowId(workflow),
        version: VersionId(version),
        worker,
        started_at: since,
        waited: (since - claimable_since).to_std().unwrap_or_default(),
        place: Place { rank, due_at },
        in_a_row: 0,
    }
}

impl Store {
    /// Claims up to `each` ready jobs of each queue behind its cursor, and up to `all` together. A boot that was given up
    /// gets none.
    pub(crate) async fn claim(
        &self,
        queues: Queues<'_>,
        cursors: &[Cursor],
        (each, all): (usize, usize),
        worker: WorkerId,
    ) -> Result<Vec<Claim>, StoreError> {
        let queues = queues.columns();
        let limit = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let rows: Vec<ClaimRow> = sqlx::query_as(include_str!("sql/claim.sql"))
            .bind(worker.0)
            .bind(&queues.workflows)
            .bind(limit(each))
            .bind(limit(all))
            .bind(cursors.iter().map(|c| c.place.rank).collect::<Vec<_>>())
            .bind(cursors.iter().map(|c| c.place.due_at).collect::<Vec<_>>())
            .bind(cursors.iter().map(|c| c.job).collect::<Vec<_>>())
            .bind(&queues.unknown_versions)
            .bind(&queues.unknown_stages)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| claim_row(row, worker)).collect())
    }

    /// Claims one suspected job, if one waits.
    pub(crate) async fn claim_alone(&self, queues: Queues<'_>, worker: WorkerId) -> Result<Vec<Claim>, StoreError> {
        let queues = queues.columns();
        let rows: Vec<ClaimRow> = sqlx::query_as(include_str!("sql/claim_alone.sql"))
            .bind(worker.0)
            .bind(&queues.workflows)
            .bind(&queues.unknown_versions)
            .bind(&queues.unknown_stages)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| claim_row(row, worker)).collect())
    }

    /// Makes jobs ready whose time has come.
    pub(crate) async fn promote(&self) -> Result<Promoted, StoreError> {
        let (jobs, next_due_ms): (i64, Option<i64>) =
            sqlx::query_as(include_str!("sql/promote.sql")).bind(PROMOTE_AT_ONCE).fetch_one(&self.pool).await?;
        let next_due = next_due_ms.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs()));
        Ok(Promoted { more: jobs >= PROMOTE_AT_ONCE, next_due })
    }

    /// Everything a boot holds by the database's account. What it does not know of was claimed by a statement whose
    /// answer was lost.
    pub(crate) async fn held(&self, worker: WorkerId) -> Result<Vec<Claim>, StoreError> {
        let rows: Vec<ClaimRow> = sqlx::query_as(
            "select run_id, id, workflow_id, version_id, stage, item, until, attempt, since, rank, due_at, since
             from piton.jobs where worker_id = $1 and state = 'running'",
        )
        .bind(worker.0)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| claim_row(row, worker)).collect())
    }

    /// Writes progress for claims that have some, and returns the positions of claims that no longer hold.
    pub(crate) async fn touch(&self, claims: &[(Claim, Option<Progress>)]) -> Result<Vec<usize>, StoreError> {
        let columns = ClaimColumns::of(claims.iter().map(|(claim, _)| claim));
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let done: Vec<Option<i64>> = claims.iter().map(|(_, p)| p.as_ref().map(|p| number(p.done))).collect();
        let of: Vec<Option<i64>> = claims.iter().map(|(_, p)| p.as_ref().map(|p| number(p.of))).collect();
        let note: Vec<Option<&str>> = claims.iter().map(|(_, p)| p.as_ref().map(|p| p.note.as_str())).collect();
        let gone: Vec<i64> = sqlx::query_scalar(
            "with claim as materialized (
                 select * from unnest($1::int8[], $2::int8[], $3::int2[], $4::int4[], $5::int4[], $6::int8[],
                                      $7::int8[], $8::int8[], $9::text[]) with ordinality
                     as c (run_id, job_id, stage, item, attempt, worker_id, done, of, note, ord)),
             noted as (
                 update piton.jobs j set progress_done = c.done, progress_of = c.of, progress_note = c.note
                 from claim c
                 where c.note is not null and j.run_id = c.run_id and j.id = c.job_id and j.state = 'running'
                   and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id)
             select c.ord from claim c
             where not exists (
                 select from piton.jobs j
                 where j.run_id = c.run_id and j.id = c.job_id and j.state = 'running'
                   and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id)",
        )
        .bind(&columns.run)
        .bind(&columns.job)
        .bind(&columns.stage)
        .bind(&columns.item)
        .bind(&columns.attempt)
        .bind(&columns.worker)
        .bind(&done)
        .bind(&of)
        .bind(&note)
        .fetch_all(&self.pool)
        .await?;
        Ok(gone.into_iter().filter_map(|ord| usize::try_from(ord - 1).ok()).collect())
    }
}
