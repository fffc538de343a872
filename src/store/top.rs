//! What `top` shows of everything at one moment. Costs what is live, and nothing of the history.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::moment::Moment;
use super::pauses::Pause;
use super::throughput::Outlook;
use super::warm::WarmPrograms;
use super::why::WaitingGroup;
use super::{Store, StoreError};

/// Dead letters, causes and workers that are asked for; there may be thousands.
pub(crate) const MOST: i64 = 200;

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct TopLook {
    pub(crate) runs: LiveRuns,
    pub(crate) queue: Vec<WaitingGroup>,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) workers: Vec<FleetWorker>,
    pub(crate) causes: Vec<Cause>,
    pub(crate) flow: Vec<Outlook>,
}

/// Runs that are not finished.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(crate) struct LiveRuns {
    /// When the database was asked, by its clock.
    #[sqlx(try_from = "Moment")]
    pub(crate) at: DateTime<Utc>,
    pub(crate) running: i64,
    /// Put off to a time that has not come.
    pub(crate) scheduled: i64,
    pub(crate) blocked: i64,
}

/// One that is alive, or ought to be.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct FleetWorker {
    pub(crate) name: String,
    /// alive, silent, stopping or lost.
    pub(crate) state: String,
    /// Empty for boots of older versions.
    pub(crate) slots: Option<i32>,
    /// Attempts that it runs.
    pub(crate) busy: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) last_seen: DateTime<Utc>,
    /// Version of its program, and when that was written; empty for boots of older versions.
    pub(crate) build: Option<String>,
    pub(crate) host: String,
    /// Processes of warm stages.
    #[sqlx(json)]
    pub(crate) warm: Vec<WarmPrograms>,
}

/// Dead letters of one stage that wait for a decision and were given up for the same cause.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Cause {
    pub(crate) workflow: String,
    pub(crate) stage: String,
    pub(crate) class: String,
    pub(crate) fingerprint: String,
    pub(crate) letters: i64,
    pub(crate) runs: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) first_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) last_at: DateTime<Utc>,
    /// The message of the newest.
    pub(crate) example: String,
}

/// A dead letter that waits for a decision.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct PendingLetter {
    pub(crate) id: Uuid,
    pub(crate) run: Uuid,
    pub(crate) item: Option<i32>,
    /// The beginning of it.
    pub(crate) message: String,
    pub(crate) attempts: i32,
    #[sqlx(try_from = "Moment")]
    pub(crate) dead_at: DateTime<Utc>,
}

impl Store {
    /// Looks at everything, over two connections: a view needs no snapshot.
    pub(crate) async fn top_look(&self) -> Result<TopLook, StoreError> {
        let ((runs, causes), (queue, flow, pauses, workers)) = tokio::try_join!(
            async {
                let runs = sqlx::query_as(include_str!("sql/top_runs.sql")).fetch_one(&self.pool).await?;
                let causes = sqlx::query_as(include_str!("sql/top_causes.sql")).bind(MOST);
                Ok((runs, causes.fetch_all(&self.pool).await?))
            },
            async {
                let queue = sqlx::query_as(include_str!("sql/top_queue.sql")).fetch_all(&self.pool).await?;
                let (flow, pauses) = (self.outlook(None).await?, self.pauses().await?);
                let workers = sqlx::query_as(include_str!("sql/top_workers.sql")).bind(MOST);
                Ok::<_, StoreError>((queue, flow, pauses, workers.fetch_all(&self.pool).await?))
            },
        )?;
        Ok(TopLook { runs, queue, pauses, workers, causes, flow })
    }

    /// The newest dead letters of a stage that wait for a decision and were given up for that cause.
    pub(crate) async fn top_letters(
        &self,
        workflow: &str,
        stage: &str,
        fingerprint: &str,
    ) -> Result<Vec<PendingLetter>, StoreError> {
        let asked = sqlx::query_as(include_str!("sql/top_letters.sql")).bind(MOST);
        Ok(asked.bind(workflow).bind(stage).bind(fingerprint).fetch_all(&self.pool).await?)
    }
}
