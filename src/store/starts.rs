//! Starts of runs: a row, its first jobs and its joins in one statement.

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgArguments, PgExecutor};
use sqlx::types::Uuid;
use sqlx::{Arguments, Encode, Postgres, Type};

use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::id::{RunId, RunKey, VersionId};
use crate::model::payload::Payload;
use crate::model::trace::TraceContext;

/// The run under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct StartedOnce {
    pub(crate) run: Uuid,
    /// It was started now.
    pub(crate) is_new: bool,
    /// It was started before, on another input than was given now.
    pub(crate) is_other_input: bool,
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

    /// What every start takes: $1 and $2 are its own, $3 is the input, and then priority, times and trace.
    fn arguments<'q, A, B>(&'q self, first: A, second: B) -> Result<PgArguments, StoreError>
    where
        A: Encode<'q, Postgres> + Type<Postgres> + 'q,
        B: Encode<'q, Postgres> + Type<Postgres> + 'q,
    {
        let trace = self.trace.as_ref();
        let mut arguments = PgArguments::default();
        let add = || {
            arguments.add(first)?;
            arguments.add(second)?;
            arguments.add(self.input.as_str())?;
            arguments.add(i32::from(self.priority))?;
            arguments.add(self.run_at.map(Moment))?;
            arguments.add(self.deadline.map(Moment))?;
            arguments.add(trace.map(TraceContext::parent))?;
            arguments.add(trace.and_then(TraceContext::state))
        };
        add().map_err(sqlx::Error::Encode)?;
        Ok(arguments)
    }
}

impl Store {
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
        start_current_once(&self.pool, workflow, key, start, same_input).await
    }

    /// The same on artifacts: a JSON array of their ids, or an object with a name for each.
    pub(crate) async fn start_current_on_artifacts(
        &self,
        (workflow, key): (&str, Option<&str>),
        start: &RunStart,
        files: &str,
        same_input: bool,
    ) -> Result<StartedOnce, StoreError> {
        start_current_on_artifacts(&self.pool, (workflow, key), start, files, same_input).await
    }

    /// Starts a run of the current version of that workflow, as whoever asks in SQL does.
    pub(crate) async fn start_current(&self, workflow: &str, start: &RunStart) -> Result<RunId, StoreError> {
        start_current(&self.pool, workflow, start).await
    }
}

/// Starts a run of the current version of that workflow, under a key.
pub(crate) async fn start_current_once<'e>(
    executor: impl PgExecutor<'e>,
    workflow: &str,
    key: &str,
    start: &RunStart,
    same_input: bool,
) -> Result<StartedOnce, StoreError> {
    let sql = "select run, is_new, is_other_input from piton.start_run_once($1, $2, $3::json, $4, $5, $6, $7, $8, $9)";
    let asked = sqlx::query_as_with(sql, start.arguments(workflow, key)?).bind(same_input);
    Ok(asked.fetch_one(executor).await?)
}

/// Starts a run of the current version of that workflow on artifacts.
pub(crate) async fn start_current_on_artifacts<'e>(
    executor: impl PgExecutor<'e>,
    (workflow, key): (&str, Option<&str>),
    start: &RunStart,
    files: &str,
    same_input: bool,
) -> Result<StartedOnce, StoreError> {
    let sql = "select run, is_new, is_other_input
               from piton.start_run_on_files($1, $9::json, $3::json, $2, $4, $5, $6, $7, $8, $10)";
    let asked = sqlx::query_as_with(sql, start.arguments(workflow, key)?).bind(files).bind(same_input);
    Ok(asked.fetch_one(executor).await?)
}

/// The same without a key.
pub(crate) async fn start_current<'e>(
    executor: impl PgExecutor<'e>,
    workflow: &str,
    start: &RunStart,
) -> Result<RunId, StoreError> {
    let sql = "select piton.start_run($1, $3::json, $2, $4, $5, $6, $7, $8)";
    let asked = sqlx::query_scalar_with(sql, start.arguments(workflow, None::<&str>)?);
    Ok(RunId(asked.fetch_one(executor).await?))
}

pub(super) async fn start_run<'e>(
    executor: impl PgExecutor<'e>,
    id: RunId,
    version: VersionId,
    start: &RunStart,
) -> Result<RunKey, StoreError> {
    let sql = "select piton.start_run_of($1, $2, $3::json, $4, $7, $8, $5, $6)";
    let asked = sqlx::query_scalar_with(sql, start.arguments(version.0, id.0)?);
    Ok(RunKey(asked.fetch_one(executor).await?))
}
