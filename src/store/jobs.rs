//! The queue's table: claiming, promoting what is due, and looking after what is claimed.

use std::time::Duration;

use sqlx::types::chrono::{DateTime, Utc};

use super::commit::ClaimColumns;
use super::{Store, StoreError};
use crate::model::claim::Claim;
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
    pub(crate) jobs: i64,
    /// There may be more that are due.
    pub(crate) more: bool,
    /// When the next one is due, if any waits.
    pub(crate) next_due: Option<Duration>,
}

type ClaimRow = (i64, i64, i64, i16, i32, i32, DateTime<Utc>);

fn claim_row((run, job, version, stage, item, attempt, since): ClaimRow, worker: WorkerId) -> Claim {
    let key = AttemptKey { run: RunKey(run), job, stage, item, attempt };
    Claim { key, version: VersionId(version), worker, started_at: since }
}

impl Store {
    /// Claims up to `limit` ready jobs of each workflow, but none of the `unknown` stages.
    pub(crate) async fn claim(
        &self,
        workflows: &[WorkflowId],
        limit: i64,
        unknown: &[(VersionId, i16)],
        worker: WorkerId,
    ) -> Result<Vec<Claim>, StoreError> {
        let workflows: Vec<i64> = workflows.iter().map(|w| w.0).collect();
        let (versions, stages): (Vec<i64>, Vec<i16>) = unknown.iter().map(|(v, s)| (v.0, *s)).unzip();
        let rows: Vec<ClaimRow> = sqlx::query_as(include_str!("sql/claim.sql"))
            .bind(&workflows)
            .bind(limit)
            .bind(&versions)
            .bind(&stages)
            .bind(worker.0)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| claim_row(row, worker)).collect())
    }

    /// Makes jobs ready whose time has come.
    pub(crate) async fn promote(&self) -> Result<Promoted, StoreError> {
        let (jobs, next_due_ms): (i64, Option<i64>) =
            sqlx::query_as(include_str!("sql/promote.sql")).bind(PROMOTE_AT_ONCE).fetch_one(&self.pool).await?;
        let next_due = next_due_ms.map(|ms| Duration::from_millis(ms.max(0).unsigned_abs()));
        Ok(Promoted { jobs, more: jobs >= PROMOTE_AT_ONCE, next_due })
    }

    /// Everything a boot holds by the database's account. What it does not know of was claimed by a statement whose
    /// answer was lost.
    pub(crate) async fn held(&self, worker: WorkerId) -> Result<Vec<Claim>, StoreError> {
        let rows: Vec<ClaimRow> = sqlx::query_as(
            "select run_id, id, version_id, stage, item, attempt, since
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
