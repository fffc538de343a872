//! What there is to know of a job that a person tries by hand: its attempts, and the input that its run had then.

use chrono::{DateTime, Utc};

use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError};
use crate::model::id::RunKey;

/// An attempt at a job, whatever became of it.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct Tried {
    pub(crate) attempt: i32,
    /// `running`, `done`, or as in piton.attempts.
    pub(crate) outcome: String,
    /// `None` while it runs.
    #[sqlx(try_from = "MaybeMoment")]
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

impl Store {
    /// The attempts at a job since its stage was last done again, oldest first.
    pub(crate) async fn attempts_at(&self, run: RunKey, stage: i16, item: i32) -> Result<Vec<Tried>, StoreError> {
        Ok(sqlx::query_as(
            "select attempt, outcome, ended_at from piton.attempts where run_id = $1 and stage = $2 and item = $3
             union all
             select attempt, 'done', finished_at from piton.checkpoints where run_id = $1 and stage = $2 and item = $3
             union all
             select attempt, 'running', null from piton.jobs
             where run_id = $1 and stage = $2 and item = $3 and state = 'running'
             order by 1",
        )
        .bind(run.0)
        .bind(stage)
        .bind(item)
        .fetch_all(&self.pool)
        .await?)
    }

    /// The input that a run had at that time, if it was corrected since.
    pub(crate) async fn input_before(&self, run: RunKey, at: DateTime<Utc>) -> Result<Option<String>, StoreError> {
        let input: Option<Option<String>> = sqlx::query_scalar(
            "select input_before::text from piton.dead_letters
             where run_id = $1 and input_before is not null and resolved_at >= $2
             order by resolved_at limit 1",
        )
        .bind(run.0)
        .bind(Moment(at))
        .fetch_optional(&self.pool)
        .await?;
        Ok(input.flatten())
    }
}
