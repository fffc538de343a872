//! What a live view shows of everything at one moment. Costs what is live, and nothing of the history.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::moment::Moment;
use super::pauses::Pause;
use super::why::WaitingGroup;
use super::{Store, StoreError};

/// Dead letters and workers that are shown; there may be thousands.
const MOST: i64 = 200;

/// Runs of each kind, and attempts of each run, in which failures are looked for.
const SAMPLE: i64 = 200;

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct TopLook {
    pub(crate) runs: LiveRuns,
    pub(crate) queue: Vec<WaitingGroup>,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) workers: Vec<LiveWorker>,
    pub(crate) failures: Vec<FailureCount>,
    pub(crate) letters: Vec<PendingLetter>,
}

/// Runs that are not finished.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(crate) struct LiveRuns {
    /// When the database was asked, by its clock.
    #[sqlx(try_from = "Moment")]
    pub(crate) at: DateTime<Utc>,
    pub(crate) running: i64,
    pub(crate) blocked: i64,
}

/// One that is alive.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct LiveWorker {
    pub(crate) name: String,
    /// Empty for boots of older versions.
    pub(crate) slots: Option<i32>,
    /// Attempts that it runs.
    pub(crate) busy: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) last_seen: DateTime<Utc>,
}

/// Failures of one class in the last hour, as far as they are looked for.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct FailureCount {
    pub(crate) class: String,
    pub(crate) failures: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) last_at: DateTime<Utc>,
}

/// A dead letter that waits for a decision.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct PendingLetter {
    pub(crate) id: Uuid,
    pub(crate) run: Uuid,
    pub(crate) workflow: String,
    pub(crate) stage: String,
    pub(crate) item: Option<i32>,
    pub(crate) class: String,
    /// The beginning of it.
    pub(crate) message: String,
    pub(crate) attempts: i32,
    #[sqlx(try_from = "Moment")]
    pub(crate) dead_at: DateTime<Utc>,
}

impl Store {
    /// Looks at everything, one statement after another: a view needs no snapshot, and no second connection.
    pub(crate) async fn top_look(&self) -> Result<TopLook, StoreError> {
        let runs = sqlx::query_as(include_str!("sql/top_runs.sql")).fetch_one(&self.pool).await?;
        let queue = self.waiting_groups(None).await?;
        let pauses = self.pauses().await?;
        let workers = sqlx::query_as(include_str!("sql/top_workers.sql")).bind(MOST).fetch_all(&self.pool).await?;
        let failures = sqlx::query_as(include_str!("sql/top_failures.sql")).bind(SAMPLE).fetch_all(&self.pool).await?;
        let letters = sqlx::query_as(include_str!("sql/top_letters.sql")).bind(MOST).fetch_all(&self.pool).await?;
        Ok(TopLook { runs, queue, pauses, workers, failures, letters })
    }
}
