//! Runs: started here, looked up by the id that people see.

use sqlx::types::chrono::{DateTime, Utc};

use super::{Store, StoreError};
use crate::model::id::{RunId, RunKey, VersionId, WorkflowId};
use crate::model::payload::Payload;
use crate::model::state::RunState;
use crate::workflow::plan::Plan;

/// A run as its row tells it.
#[derive(Debug, Clone)]
pub(crate) struct RunRow {
    pub(crate) key: RunKey,
    pub(crate) id: RunId,
    pub(crate) version: VersionId,
    pub(crate) workflow: String,
    pub(crate) state: RunState,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) failure: Option<RunFailure>,
}

/// Why a run failed.
#[derive(Debug, Clone)]
pub(crate) struct RunFailure {
    pub(crate) stage: i16,
    pub(crate) class: String,
    pub(crate) message: String,
}

type RunColumns = (
    i64,
    sqlx::types::Uuid,
    i64,
    String,
    String,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    Option<i16>,
    Option<String>,
    Option<String>,
);

const SELECT: &str = "select r.id, r.uuid, r.version_id, w.name, r.state, r.started_at, r.finished_at, \
                      r.failed_stage, r.failure_class, r.failure_message \
                      from piton.runs r join piton.workflow_versions v on v.id = r.version_id \
                      join piton.workflows w on w.id = v.workflow_id ";

fn run_row(columns: RunColumns) -> Result<RunRow, StoreError> {
    let (key, uuid, version, workflow, state, started_at, finished_at, stage, class, message) = columns;
    let state = RunState::from_word(&state).ok_or_else(|| StoreError::Damaged(format!("a run in state {state}")))?;
    let failure = match (stage, class, message) {
        (Some(stage), Some(class), Some(message)) => Some(RunFailure { stage, class, message }),
        _ => None,
    };
    Ok(RunRow {
        key: RunKey(key),
        id: RunId(uuid),
        version: VersionId(version),
        workflow,
        state,
        started_at,
        finished_at,
        failure,
    })
}

impl Store {
    /// Starts a run: its row, its first jobs and its joins in one statement. Started means committed.
    pub(crate) async fn start_run(
        &self,
        id: RunId,
        (workflow, version): (WorkflowId, VersionId),
        plan: &Plan,
        input: &Payload,
        priority: i16,
    ) -> Result<RunKey, StoreError> {
        let (join_stages, join_missing): (Vec<i16>, Vec<i32>) = plan.joins.iter().copied().unzip();
        let (key, _): (i64, i64) = sqlx::query_as(
            "with run as (
                 insert into piton.runs (uuid, version_id, priority, input) values ($1, $2, $3, $4::json) returning id),
             job as (
                 insert into piton.jobs (run_id, workflow_id, version_id, stage, state, rank)
                 select run.id, $5, $2, s, 'ready', -$3 from run, unnest($6::int2[]) s),
             joined as (
                 insert into piton.joins (run_id, stage, missing)
                 select run.id, j.stage, j.missing from run, unnest($7::int2[], $8::int4[]) as j (stage, missing))
             select id, (select count(*) from (select pg_notify('piton_jobs', '')) as woken) from run",
        )
        .bind(id.0)
        .bind(version.0)
        .bind(priority)
        .bind(input.as_str())
        .bind(workflow.0)
        .bind(&plan.start)
        .bind(&join_stages)
        .bind(&join_missing)
        .fetch_one(&self.pool)
        .await?;
        Ok(RunKey(key))
    }

    /// The run of that id, if there is one.
    pub(crate) async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        let sql = with_filter(SELECT, "where r.uuid = $1");
        let row: Option<RunColumns> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.0).fetch_optional(&self.pool).await?;
        row.map(run_row).transpose()
    }

    /// The newest runs first.
    pub(crate) async fn runs(
        &self,
        workflow: Option<&str>,
        state: Option<RunState>,
        limit: i64,
    ) -> Result<Vec<RunRow>, StoreError> {
        let sql = with_filter(
            SELECT,
            "where ($1::text is null or w.name = $1) and ($2::text is null or r.state = $2) order by r.id desc limit $3",
        );
        let rows: Vec<RunColumns> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(workflow)
            .bind(state.map(RunState::as_str))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(run_row).collect()
    }
}

/// Both halves are constants of this file.
fn with_filter(select: &'static str, filter: &'static str) -> String {
    format!("{select}{filter}")
}
