//! The queue's table: claim jobs, promote due ones, and look after claimed ones.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Row};

use super::fence::fences;
use super::moment::Moment;
use super::queues::Queues;
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::id::{AttemptKey, ClaimToken, RunKey, VersionId, WorkerId, WorkflowId};
use crate::model::lane;
use crate::model::place::Place;

/// Jobs promoted by one statement.
const PROMOTE_AT_ONCE: i64 = 1000;
/// Jobs that one statement looks at to set some aside.
const SET_ASIDE_AT_ONCE: i64 = 1000;

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
    pub(crate) const START: Cursor = Cursor { place: Place { rank: i16::MIN, due_at: Moment::START }, job: i64::MIN };
}

/// What a claim took.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    pub(crate) claims: Vec<Claim>,
    /// Jobs whose stages have limits, are paused or cannot run here: claims under limits find them from now on.
    pub(crate) set_aside: Vec<(WorkflowId, Cursor)>,
}

impl Claimed {
    fn of(rows: Vec<PickedRow>, worker: WorkerId) -> Claimed {
        let mut claimed = Claimed::default();
        for PickedRow { job, set_aside } in rows {
            match set_aside {
                true => claimed.set_aside.push((WorkflowId(job.workflow_id), job.cursor())),
                false => claimed.claims.push(job.claim(worker)),
            }
        }
        claimed
    }

    /// Where all of them stood.
    pub(crate) fn places(&self) -> impl Iterator<Item = (WorkflowId, Cursor)> {
        let cursor = |claim: &Claim| Cursor { place: claim.place, job: claim.key.job };
        self.claims.iter().map(move |claim| (claim.workflow, cursor(claim))).chain(self.set_aside.iter().copied())
    }
}

/// What one statement has set aside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SetAside {
    /// It took as many as it may.
    pub(crate) may_be_more: bool,
}

/// Jobs claimed under limits.
#[derive(Debug)]
pub(crate) struct ClaimedUnderLimits {
    pub(crate) claims: Vec<Claim>,
    /// After which time a rate has room for another one.
    pub(crate) again: Option<Duration>,
}

#[derive(sqlx::FromRow)]
struct JobRow {
    run_id: i64,
    id: i64,
    workflow_id: i64,
    version_id: i64,
    stage: i16,
    item: i32,
    until: i32,
    attempt: i32,
    /// None where the previous release claimed it, for the boot that is asked about.
    token: Option<i64>,
    #[sqlx(try_from = "Moment")]
    since: DateTime<Utc>,
    rank: i16,
    #[sqlx(try_from = "Moment")]
    due_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    claimable_since: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct PickedRow {
    #[sqlx(flatten)]
    job: JobRow,
    set_aside: bool,
}

impl JobRow {
    fn cursor(&self) -> Cursor {
        Cursor { place: Place { rank: self.rank, due_at: self.due_at }, job: self.id }
    }

    fn claim(&self, worker: WorkerId) -> Claim {
        Claim {
            key: AttemptKey {
                run: RunKey(self.run_id),
                job: self.id,
                stage: self.stage,
                item: self.item,
                attempt: self.attempt,
                token: ClaimToken(self.token.unwrap_or_default()),
            },
            until: lane::end(self.item, self.until),
            workflow: WorkflowId(self.workflow_id),
            version: VersionId(self.version_id),
            worker,
            started_at: self.since,
            waited: (self.since - self.claimable_since).to_std().unwrap_or_default(),
            place: Place { rank: self.rank, due_at: self.due_at },
            in_a_row: 0,
        }
    }
}

impl Store {
    /// Claims up to `each` ready jobs of each queue behind its cursor, and up to `all` together. A boot that was given up
    /// gets none. What it meets of stages that have limits is set aside, and counts for both.
    pub(crate) async fn claim(
        &self,
        queues: Queues<'_>,
        cursors: &[Cursor],
        (each, all): (usize, usize),
        worker: WorkerId,
    ) -> Result<Claimed, StoreError> {
        let queues = queues.columns();
        let limit = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let mut connection = self.reserve.connection().await?;
        let rows: Vec<PickedRow> = sqlx::query_as(include_str!("sql/claim.sql"))
            .bind(worker.0)
            .bind(&queues.workflows)
            .bind(limit(each))
            .bind(limit(all))
            .bind(cursors.iter().map(|c| c.place.rank).collect::<Vec<_>>())
            .bind(cursors.iter().map(|c| Moment(c.place.due_at)).collect::<Vec<_>>())
            .bind(cursors.iter().map(|c| c.job).collect::<Vec<_>>())
            .bind(&queues.unknown_versions)
            .bind(&queues.unknown_stages)
            .bind(ClaimToken::new().0)
            .fetch_all(&mut *connection)
            .await?;
        connection.keep();
        Ok(Claimed::of(rows, worker))
    }

    /// Sets aside what has a limit, is paused or cannot run here among the first ready jobs of each queue.
    pub(crate) async fn set_aside(&self, queues: Queues<'_>) -> Result<SetAside, StoreError> {
        let queues = queues.columns();
        let jobs: i64 = sqlx::query_scalar(include_str!("sql/set_aside.sql"))
            .bind(&queues.workflows)
            .bind(SET_ASIDE_AT_ONCE)
            .bind(&queues.unknown_versions)
            .bind(&queues.unknown_stages)
            .fetch_one(&self.pool)
            .await?;
        Ok(SetAside { may_be_more: jobs >= SET_ASIDE_AT_ONCE })
    }

    /// Lets jobs of stages that a worker cannot run be set aside.
    pub(crate) async fn leave_stages(&self, stages: &[(VersionId, i16)]) -> Result<(), StoreError> {
        sqlx::query("select piton.leave_stages($1, $2)")
            .bind(stages.iter().map(|(version, _)| version.0).collect::<Vec<_>>())
            .bind(stages.iter().map(|(_, stage)| *stage).collect::<Vec<_>>())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Claims up to `at_most` jobs that were set aside, as the limits of their stages allow; or suspects among them.
    pub(crate) async fn claim_limited(
        &self,
        queues: Queues<'_>,
        at_most: usize,
        worker: WorkerId,
        suspects: bool,
    ) -> Result<ClaimedUnderLimits, StoreError> {
        let queues = queues.columns();
        let rows = sqlx::query("select * from piton.claim_limited($1, $2, $3, $4, $5, $6, $7)")
            .bind(worker.0)
            .bind(&queues.workflows)
            .bind(i32::try_from(at_most).unwrap_or(i32::MAX))
            .bind(&queues.unknown_versions)
            .bind(&queues.unknown_stages)
            .bind(if suspects { "suspect" } else { "limited" })
            .bind(ClaimToken::new().0)
            .fetch_all(&self.pool)
            .await?;
        let mut claimed = ClaimedUnderLimits { claims: Vec::with_capacity(rows.len()), again: None };
        for row in rows {
            match row.try_get::<Option<i64>, _>("again_ms")? {
                None => claimed.claims.push(JobRow::from_row(&row)?.claim(worker)),
                Some(ms) => claimed.again = Some(Duration::from_millis(ms.max(0).unsigned_abs())),
            }
        }
        Ok(claimed)
    }

    /// Claims one suspected job, if one waits.
    pub(crate) async fn claim_alone(&self, queues: Queues<'_>, worker: WorkerId) -> Result<Claimed, StoreError> {
        let queues = queues.columns();
        let rows: Vec<PickedRow> = sqlx::query_as(include_str!("sql/claim_alone.sql"))
            .bind(worker.0)
            .bind(&queues.workflows)
            .bind(&queues.unknown_versions)
            .bind(&queues.unknown_stages)
            .bind(ClaimToken::new().0)
            .fetch_all(&self.pool)
            .await?;
        Ok(Claimed::of(rows, worker))
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
        let rows: Vec<JobRow> = sqlx::query_as(
            "select run_id, id, workflow_id, version_id, stage, item, until, attempt, token, since, rank, due_at,
                    since as claimable_since
             from piton.jobs where worker_id = $1 and state = 'running'",
        )
        .bind(worker.0)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().map(|row| row.claim(worker)).collect())
    }

    /// Writes progress for claims that have some, and returns the positions of claims that no longer hold.
    pub(crate) async fn touch(&self, claims: &[(Claim, Option<Progress>)]) -> Result<Vec<usize>, StoreError> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let done: Vec<Option<i64>> = claims.iter().map(|(_, p)| p.as_ref().map(|p| number(p.done))).collect();
        let of: Vec<Option<i64>> = claims.iter().map(|(_, p)| p.as_ref().map(|p| number(p.of))).collect();
        let note: Vec<Option<&str>> = claims.iter().map(|(_, p)| p.as_ref().map(|p| p.note.as_str())).collect();
        let gone: Vec<i64> = sqlx::query_scalar_with(
            "with claim as materialized (
                 select * from unnest($1::int8[], $2::int8[], $3::int2[], $4::int4[], $5::int4[], $6::int8[],
                                      $7::int8[], $8::int8[], $9::int8[], $10::text[]) with ordinality
                     as c (run_id, job_id, stage, item, attempt, worker_id, token, done, of, note, ord)),
             noted as (
                 update piton.jobs j set progress_done = c.done, progress_of = c.of, progress_note = c.note
                 from claim c
                 where c.note is not null and j.run_id = c.run_id and j.id = c.job_id and j.state = 'running'
                   and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id
                   and j.token = c.token)
             select c.ord from claim c
             where not exists (
                 select from piton.jobs j
                 where j.run_id = c.run_id and j.id = c.job_id and j.state = 'running'
                   and j.stage = c.stage and j.item = c.item and j.attempt = c.attempt and j.worker_id = c.worker_id
                   and j.token = c.token)",
            fences(claims.iter().map(|(claim, _)| claim))?,
        )
        .bind(&done)
        .bind(&of)
        .bind(&note)
        .fetch_all(&self.pool)
        .await?;
        Ok(gone.into_iter().filter_map(|ord| usize::try_from(ord - 1).ok()).collect())
    }
}
