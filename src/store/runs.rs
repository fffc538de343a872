//! Runs: look them up by the id that people see, and end them.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::conditions::ConditionColumns;
use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError, through_a_face};
use crate::model::actor::Actor;
use crate::model::condition::Condition;
use crate::model::id::{RunId, RunKey, VersionId};
use crate::model::state::{RunState, ShownState};
use crate::model::trace::TraceContext;

/// A run as its row tells it.
#[derive(Debug, Clone)]
pub(crate) struct RunRow {
    pub(crate) key: RunKey,
    pub(crate) id: RunId,
    pub(crate) version: VersionId,
    pub(crate) workflow: String,
    pub(crate) state: RunState,
    /// What people are shown for it.
    pub(crate) shown: ShownState,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
    pub(crate) failure: Option<RunFailure>,
    /// When it may begin, where that is to come.
    pub(crate) starts_at: Option<DateTime<Utc>>,
    /// Its dead letters that are tolerated: with some it is degraded.
    pub(crate) tolerated: i64,
    /// The trace it was started in.
    pub(crate) trace: Option<TraceContext>,
    /// The run whose stage started it.
    pub(crate) parent: Option<RunId>,
}

/// Which runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RunFilter<'a> {
    pub(crate) workflow: Option<&'a str>,
    pub(crate) state: Option<ShownState>,
    /// Those that its stages have started.
    pub(crate) parent: Option<RunId>,
    pub(crate) conditions: &'a [Condition],
}

/// Runs past their deadline that one statement cancels.
const OVERDUE_AT_ONCE: i32 = 100;

/// Why a run failed, or is blocked.
#[derive(Debug, Clone)]
pub(crate) struct RunFailure {
    pub(crate) stage: String,
    pub(crate) class: String,
    pub(crate) message: String,
    /// Of a blocked run: its other dead letters that are pending.
    pub(crate) more: i64,
}

#[derive(sqlx::FromRow)]
struct RunColumns {
    id: i64,
    uuid: Uuid,
    version_id: i64,
    workflow: String,
    state: String,
    shown: String,
    #[sqlx(try_from = "Moment")]
    started_at: DateTime<Utc>,
    #[sqlx(try_from = "MaybeMoment")]
    finished_at: Option<DateTime<Utc>>,
    #[sqlx(try_from = "MaybeMoment")]
    starts_at: Option<DateTime<Utc>>,
    failed_stage: Option<String>,
    failure_class: Option<String>,
    failure_message: Option<String>,
    dead_letters: i64,
    tolerated: i64,
    traceparent: Option<String>,
    tracestate: Option<String>,
    parent: Option<Uuid>,
}

/// The runs of `$picked`, with what the view says of each.
macro_rules! runs_among {
    ($($picked:tt)*) => {
        concat!(
            "select r.id, r.uuid, r.version_id, o.workflow, r.state, o.state as shown, r.started_at, r.finished_at, o.starts_at,
                    o.failed_stage, o.failure_class, o.failure_message, o.dead_letters, o.tolerated, r.traceparent, r.tracestate, o.parent
             from (",
            $($picked)*,
            ") as r
             cross join lateral (select * from piton.runs_overview o where o.run = r.uuid offset 0) as o
             order by r.id desc"
        )
    };
}

/// Those that a filter lets through, the newest first.
macro_rules! filtered {
    ($parent:literal) => {
        concat!(
            "select r.* from piton.runs r
             join piton.workflow_versions v on v.id = r.version_id join piton.workflows w on w.id = v.workflow_id
             where ($1::text is null or w.name = $1)
               and ($2::text is null
                    or r.state = $3
                        and ($2 <> 'scheduled' or r.id in (select j.run_id from piton.jobs j where j.state = 'scheduled' and j.attempt = 0))
                        and ($3 <> 'running' or (select o.state from piton.runs_overview o where o.run = r.uuid) = $2))
               and ($4::uuid is null or r.id < (select a.id from piton.runs a where a.uuid = $4))
               and ($8::text is null or strpos(r.input::text, $8) > 0 or strpos(r.input::text, '\\') > 0)
               and ($6::text[] is null or piton.input_fits(r.input, $6, $7::text[]))
               and ",
            $parent,
            " order by r.id desc limit $5"
        )
    };
}

fn run_row(columns: RunColumns) -> Result<RunRow, StoreError> {
    let word = |word: &str| StoreError::Damaged(format!("a run in state {word}"));
    let state = RunState::from_word(&columns.state).ok_or_else(|| word(&columns.state))?;
    let shown = ShownState::from_word(&columns.shown).ok_or_else(|| word(&columns.shown))?;
    let failure = match (columns.failed_stage, columns.failure_class, columns.failure_message) {
        (Some(stage), Some(class), Some(message)) => {
            Some(RunFailure { stage, class, message, more: (columns.dead_letters - 1).max(0) })
        }
        _ => None,
    };
    Ok(RunRow {
        key: RunKey(columns.id),
        id: RunId(columns.uuid),
        version: VersionId(columns.version_id),
        workflow: columns.workflow,
        state,
        shown,
        started_at: columns.started_at,
        finished_at: columns.finished_at,
        failure,
        starts_at: columns.starts_at,
        tolerated: columns.tolerated,
        parent: columns.parent.map(RunId),
        trace: columns.traceparent.and_then(|parent| TraceContext::parse(&parent, columns.tracestate.as_deref()).ok()),
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

    /// Cancels runs whose deadline has passed, and returns them.
    pub(crate) async fn end_overdue_runs(&self) -> Result<Vec<RunId>, StoreError> {
        let sql = "select piton.end_overdue_runs($1)";
        let ended: Vec<Uuid> = sqlx::query_scalar(sql).bind(OVERDUE_AT_ONCE).fetch_all(&self.pool).await?;
        Ok(ended.into_iter().map(RunId).collect())
    }

    /// Those of these runs of which nothing more happens by itself: ended, blocked with nothing live, or gone.
    pub(crate) async fn at_rest(&self, runs: &[RunId]) -> Result<Vec<RunId>, StoreError> {
        let asked: Vec<Uuid> = runs.iter().map(|run| run.0).collect();
        let found: Vec<Uuid> = sqlx::query_scalar(
            "select a.uuid from unnest($1::uuid[]) as a (uuid)
             left join piton.runs r on r.uuid = a.uuid
             where r.id is null or r.finished_at is not null
                or r.state = 'blocked' and not exists (select from piton.jobs j where j.run_id = r.id)",
        )
        .bind(asked)
        .fetch_all(&self.pool)
        .await?;
        Ok(found.into_iter().map(RunId).collect())
    }

    /// The run of that id, if there is one.
    pub(crate) async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        let sql = runs_among!("select r.* from piton.runs r where r.uuid = $1");
        let row: Option<RunColumns> = sqlx::query_as(sql).bind(id.0).fetch_optional(&self.pool).await?;
        row.map(run_row).transpose()
    }

    /// The newest runs first, behind that one where one is given.
    pub(crate) async fn runs(
        &self,
        filter: RunFilter<'_>,
        after: Option<RunId>,
        limit: i64,
    ) -> Result<Vec<RunRow>, StoreError> {
        let RunFilter { workflow, state, parent, conditions } = filter;
        let conditions = ConditionColumns::of(conditions);
        // Children have an index, which "or" would hide.
        let sql = match parent {
            None => runs_among!(filtered!("$9::uuid is null")),
            Some(_) => runs_among!(filtered!("r.parent_id = (select p.id from piton.runs p where p.uuid = $9)")),
        };
        let rows: Vec<RunColumns> = sqlx::query_as(sql)
            .bind(workflow)
            .bind(state.map(ShownState::as_str))
            .bind(state.map(|state| state.on_record().as_str()))
            .bind(after.map(|after| after.0))
            .bind(limit)
            .bind(conditions.paths)
            .bind(conditions.values)
            .bind(conditions.needle)
            .bind(parent.map(|parent| parent.0))
            .fetch_all(&self.pool)
            .await?;
        // One that cannot be read does not hide the others; piton.unexplained_jobs names it.
        let read = rows.into_iter().filter_map(|row| {
            let id = row.uuid;
            run_row(row).inspect_err(|error| tracing::warn!(run = %id, "left out of a list: {error}")).ok()
        });
        Ok(read.collect())
    }
}
