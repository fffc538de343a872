//! A run as it is right now, for people. Costs what the run has, and nothing of other runs.

use chrono::{DateTime, Utc};

use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError};
use crate::model::id::{NO_ITEM, RunId, RunKey};
use crate::model::state::AttemptOutcome;

/// One stage of one run.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct StageRow {
    pub(crate) stage: i16,
    /// Checkpoints, the record of a split left out.
    pub(crate) done: i64,
    /// Those of them that were skipped, and why the stage or one of them was.
    pub(crate) skipped: i64,
    /// Of the skipped items, those that were cancelled because enough were done.
    pub(crate) cancelled: i64,
    /// Jobs that were given up, and that the run goes on without.
    pub(crate) tolerated: i64,
    pub(crate) skip_reason: Option<String>,
    /// Items of a fanned-out stage, once it is split.
    pub(crate) items: Option<i64>,
    pub(crate) running: i64,
    pub(crate) ready: i64,
    pub(crate) scheduled: i64,
    /// For something outside.
    pub(crate) waiting: i64,
    /// Dead letters that are pending.
    pub(crate) dead: i64,
    /// When the next scheduled job is due.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) due_at: Option<DateTime<Utc>>,
    /// Highest attempt that is live or ended.
    pub(crate) attempt: i32,
    /// Attempts that failed, and the class of the last.
    pub(crate) failures: i64,
    pub(crate) last_class: Option<String>,
    pub(crate) last_message: Option<String>,
    pub(crate) progress_done: Option<i64>,
    pub(crate) progress_of: Option<i64>,
    pub(crate) progress_note: Option<String>,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// Since when the oldest of those that run.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) running_since: Option<DateTime<Utc>>,
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

impl StageRow {
    /// It has jobs.
    pub(crate) fn is_live(&self) -> bool {
        self.running + self.ready + self.scheduled + self.waiting > 0
    }
}

/// An attempt that left no checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AttemptRow {
    pub(crate) stage: String,
    pub(crate) item: i32,
    pub(crate) attempt: i32,
    pub(crate) outcome: AttemptOutcome,
    pub(crate) class: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) worker: String,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: DateTime<Utc>,
    pub(crate) retry_at: Option<DateTime<Utc>>,
}

/// A finished job.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = Checkpoint))]
pub(crate) struct CheckpointRow {
    pub(crate) stage: String,
    /// Item of a fanned-out stage; -1 for a whole stage, and for the record of a split.
    pub(crate) item: i32,
    pub(crate) attempt: i32,
    /// Of its output.
    pub(crate) bytes: i32,
    #[sqlx(try_from = "Moment")]
    pub(crate) started_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) finished_at: DateTime<Utc>,
    /// Why it has no output, where it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<String>,
}

type AttemptColumns =
    (String, i32, i32, String, Option<String>, Option<String>, String, Moment, Moment, Option<Moment>);

fn attempt_row(columns: AttemptColumns) -> Result<AttemptRow, StoreError> {
    let (stage, item, attempt, outcome, class, message, worker, Moment(started_at), Moment(ended_at), retry_at) =
        columns;
    let retry_at = retry_at.map(DateTime::from);
    let outcome = AttemptOutcome::from_word(&outcome)
        .ok_or_else(|| StoreError::Damaged(format!("an attempt that ended as {outcome}")))?;
    Ok(AttemptRow { stage, item, attempt, outcome, class, message, worker, started_at, ended_at, retry_at })
}

impl Store {
    /// Checkpoints of a run, without their outputs, by stage and item; behind that one where one is given.
    pub(crate) async fn checkpoints(
        &self,
        run: RunKey,
        after: Option<(i16, i32)>,
        limit: i64,
    ) -> Result<Vec<CheckpointRow>, StoreError> {
        let (after_stage, after_item) = after.unzip();
        let rows = sqlx::query_as(
            "select coalesce(v.definition -> 'stages' -> k.stage::int4 ->> 'name', '#' || k.stage) as stage, k.item, k.attempt, k.bytes,
                    k.started_at, k.finished_at, k.skipped
             from piton.runs r
             join piton.workflow_versions v on v.id = r.version_id
             join piton.checkpoints k on k.run_id = r.id
             where r.id = $1 and ($2::int2 is null or (k.stage, k.item) > ($2, $3::int4))
             order by k.stage, k.item
             limit $4",
        )
        .bind(run.0)
        .bind(after_stage)
        .bind(after_item)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// Every stage of the run that anything happened to; `fanned` are the numbers of its fanned-out stages.
    pub(crate) async fn stages(&self, run: RunKey, fanned: &[i16]) -> Result<Vec<StageRow>, StoreError> {
        Ok(sqlx::query_as(include_str!("sql/stages.sql")).bind(run.0).bind(fanned).fetch_all(&self.pool).await?)
    }

    /// The last attempts of the run that left no checkpoint, oldest first.
    pub(crate) async fn attempts(&self, run: RunId, limit: i64) -> Result<Vec<AttemptRow>, StoreError> {
        let rows: Vec<AttemptColumns> = sqlx::query_as(
            "select a.stage, coalesce(a.item, -1), a.attempt, a.outcome, a.class, a.message, coalesce(a.worker, '?') as worker,
                    a.started_at, a.ended_at, a.retry_at
             from piton.attempts_overview a
             where a.run = $1 and a.outcome not in ('running', 'done')
             order by a.ended_at desc, a.stage_number desc, a.item desc nulls last, a.attempt desc limit $2",
        )
        .bind(run.0)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().rev().map(attempt_row).collect()
    }

    /// The output of one whole stage, if it is done.
    pub(crate) async fn output(&self, run: RunKey, stage: i16) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select output::text from piton.checkpoints where run_id = $1 and stage = $2 and item = $3",
        )
        .bind(run.0)
        .bind(stage)
        .bind(NO_ITEM)
        .fetch_optional(&self.pool)
        .await?)
    }
}
