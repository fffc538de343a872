//! Runs: started here, looked up by the id that people see.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::conditions::ConditionColumns;
use super::moment::Moment;
use super::{Store, StoreError, through_a_face};
use crate::events;
use crate::model::actor::Actor;
use crate::model::condition::Condition;
use crate::model::id::{RunId, RunKey, VersionId};
use crate::model::payload::Payload;
use crate::model::state::RunState;
use crate::model::trace::TraceContext;

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
    /// The trace it was started in.
    pub(crate) trace: Option<TraceContext>,
}

/// The run under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct StartedOnce {
    pub(crate) run: Uuid,
    /// It was started now.
    pub(crate) is_new: bool,
    /// It was started before, on another input than was given now.
    pub(crate) is_other_input: bool,
}

/// Runs past their deadline that one statement cancels.
const OVERDUE_AT_ONCE: i32 = 100;

/// Why a run failed.
#[derive(Debug, Clone)]
pub(crate) struct RunFailure {
    pub(crate) stage: i16,
    pub(crate) class: String,
    pub(crate) message: String,
}

type RunColumns = (
    i64,
    Uuid,
    i64,
    String,
    String,
    Moment,
    Option<Moment>,
    Option<i16>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

const SELECT: &str = "select r.id, r.uuid, r.version_id, w.name, r.state, r.started_at, r.finished_at, \
                      r.failed_stage, r.failure_class, r.failure_message, r.traceparent, r.tracestate \
                      from piton.runs r join piton.workflow_versions v on v.id = r.version_id \
                      join piton.workflows w on w.id = v.workflow_id ";

fn run_row(columns: RunColumns) -> Result<RunRow, StoreError> {
    let (key, uuid, version, workflow, state, started_at, finished_at, stage, class, message, parent, trace_state) =
        columns;
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
        started_at: started_at.0,
        finished_at: finished_at.map(DateTime::from),
        failure,
        trace: parent.and_then(|parent| TraceContext::parse(&parent, trace_state.as_deref()).ok()),
    })
}

/// Why a run was cancelled.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Cancellation {
    pub(crate) reason: String,
    pub(crate) cancelled_by: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) cancelled_at: DateTime<Utc>,
}

/// What a run is started with.
#[derive(Debug, Clone)]
pub(crate) struct RunStart {
    pub(crate) input: Payload,
    /// Higher is claimed first.
    pub(crate) priority: i16,
    /// Not before that.
    pub(crate) run_at: Option<DateTime<Utc>>,
    /// It is cancelled when it is not finished by then.
    pub(crate) deadline: Option<DateTime<Utc>>,
    pub(crate) trace: Option<TraceContext>,
}

impl RunStart {
    /// At once, like any other, on that input.
    pub(crate) fn on(input: Payload) -> RunStart {
        RunStart { input, priority: 0, run_at: None, deadline: None, trace: None }
    }
}

impl Store {
    /// Ends a run that is not finished, or is refused with the reason.
    pub(crate) async fn cancel_run(&self, id: RunId, reason: &str, actor: Actor<'_>) -> Result<(), StoreError> {
        let sql = through_a_face!("piton.cancel_run($2, $3, $4)");
        let asked = sqlx::query(sql).bind(actor.face.as_str()).bind(id.0).bind(reason).bind(actor.name);
        asked.execute(&self.pool).await?;
        Ok(())
    }

    /// Why it was cancelled, if it was.
    pub(crate) async fn cancellation(&self, run: RunKey) -> Result<Option<Cancellation>, StoreError> {
        let sql = "select reason, cancelled_by, cancelled_at from piton.cancellations where run_id = $1";
        Ok(sqlx::query_as(sql).bind(run.0).fetch_optional(&self.pool).await?)
    }

    /// Cancels runs whose deadline has passed.
    pub(crate) async fn end_overdue_runs(&self) -> Result<(), StoreError> {
        let sql = "select piton.end_overdue_runs($1)";
        let ended: Vec<Uuid> = sqlx::query_scalar(sql).bind(OVERDUE_AT_ONCE).fetch_all(&self.pool).await?;
        ended.iter().for_each(|run| events::decision::cancelled(run, "piton"));
        Ok(())
    }

    /// Starts a run: its row, its first jobs and its joins in one statement. Started means committed.
    pub(crate) async fn start_run(
        &self,
        id: RunId,
        version: VersionId,
        start: &RunStart,
    ) -> Result<RunKey, StoreError> {
        start_run(&self.pool, id, version, start).await
    }

    /// The same under a key; what was started under it before, if something was.
    pub(crate) async fn start_run_once(
        &self,
        key: &str,
        workflow: &str,
        version: VersionId,
        start: &RunStart,
    ) -> Result<StartedOnce, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let under = sqlx::query_scalar("select piton.run_under($1, $2, $3)").bind(workflow).bind(key);
        let run: Uuid = under.bind(RunId::new().0).fetch_one(&mut *transaction).await?;
        let is_same: Option<bool> =
            sqlx::query_scalar("select piton.is_same_input(uuid, $2::json) from piton.runs where uuid = $1")
                .bind(run)
                .bind(start.input.as_str())
                .fetch_optional(&mut *transaction)
                .await?;
        if is_same.is_none() {
            start_run(&mut *transaction, RunId(run), version, start).await?;
        }
        transaction.commit().await?;
        Ok(StartedOnce { run, is_new: is_same.is_none(), is_other_input: is_same == Some(false) })
    }

    /// The same of the current version of that workflow, as whoever asks in SQL does; with `same_input`, one of another input is
    /// refused.
    pub(crate) async fn start_current_once(
        &self,
        workflow: &str,
        key: &str,
        start: &RunStart,
        same_input: bool,
    ) -> Result<StartedOnce, StoreError> {
        let trace = start.trace.as_ref();
        let sql =
            "select run, is_new, is_other_input from piton.start_run_once($1, $2, $3::json, $4, $5, $6, $7, $8, $9)";
        let asked = sqlx::query_as(sql)
            .bind(workflow)
            .bind(key)
            .bind(start.input.as_str())
            .bind(i32::from(start.priority))
            .bind(start.run_at.map(Moment))
            .bind(start.deadline.map(Moment))
            .bind(trace.map(TraceContext::parent))
            .bind(trace.and_then(TraceContext::state))
            .bind(same_input);
        Ok(asked.fetch_one(&self.pool).await?)
    }

    /// Starts a run of the current version of that workflow, as whoever asks in SQL does.
    pub(crate) async fn start_current(&self, workflow: &str, start: &RunStart) -> Result<RunId, StoreError> {
        let trace = start.trace.as_ref();
        let id = sqlx::query_scalar("select piton.start_run($1, $2::json, null, $3, $4, $5, $6, $7)")
            .bind(workflow)
            .bind(start.input.as_str())
            .bind(i32::from(start.priority))
            .bind(start.run_at.map(Moment))
            .bind(start.deadline.map(Moment))
            .bind(trace.map(TraceContext::parent))
            .bind(trace.and_then(TraceContext::state))
            .fetch_one(&self.pool)
            .await?;
        Ok(RunId(id))
    }

    /// The run of that id, if there is one.
    pub(crate) async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        let sql = with_filter(SELECT, "where r.uuid = $1");
        let row: Option<RunColumns> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.0).fetch_optional(&self.pool).await?;
        row.map(run_row).transpose()
    }

    /// The newest runs first, behind that one where one is given.
    pub(crate) async fn runs(
        &self,
        workflow: Option<&str>,
        state: Option<RunState>,
        conditions: &[Condition],
        after: Option<RunId>,
        limit: i64,
    ) -> Result<Vec<RunRow>, StoreError> {
        let conditions = ConditionColumns::of(conditions);
        let sql = with_filter(
            SELECT,
            "where ($1::text is null or w.name = $1) and ($2::text is null or r.state = $2) \
             and ($3::uuid is null or r.id < (select a.id from piton.runs a where a.uuid = $3)) \
             and ($7::text is null or strpos(r.input::text, $7) > 0 or strpos(r.input::text, '\\') > 0) \
             and ($5::text[] is null or piton.input_fits(r.input, $5, $6::text[])) order by r.id desc limit $4",
        );
        let rows: Vec<RunColumns> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(workflow)
            .bind(state.map(RunState::as_str))
            .bind(after.map(|after| after.0))
            .bind(limit)
            .bind(conditions.paths)
            .bind(conditions.values)
            .bind(conditions.needle)
            .fetch_all(&self.pool)
            .await?;
        // One that cannot be read does not hide the others; piton.unexplained_jobs names it.
        let read = rows.into_iter().filter_map(|row| {
            let id = row.1;
            run_row(row).inspect_err(|error| tracing::warn!(run = %id, "left out of a list: {error}")).ok()
        });
        Ok(read.collect())
    }
}

async fn start_run<'e>(
    executor: impl sqlx::PgExecutor<'e>,
    id: RunId,
    version: VersionId,
    start: &RunStart,
) -> Result<RunKey, StoreError> {
    let trace = start.trace.as_ref();
    let key: i64 = sqlx::query_scalar("select piton.start_run_of($1, $2, $3::json, $4, $5, $6, $7, $8)")
        .bind(version.0)
        .bind(id.0)
        .bind(start.input.as_str())
        .bind(i32::from(start.priority))
        .bind(trace.map(TraceContext::parent))
        .bind(trace.and_then(TraceContext::state))
        .bind(start.run_at.map(Moment))
        .bind(start.deadline.map(Moment))
        .fetch_one(executor)
        .await?;
    Ok(RunKey(key))
}

/// Both halves are constants of this file.
fn with_filter(select: &'static str, filter: &'static str) -> String {
    format!("{select}{filter}")
}
