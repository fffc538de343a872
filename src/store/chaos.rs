//! What a crash campaign asks of a database, seen from outside the engine.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::types::Uuid;

use super::StoreError;
use super::connect::Server;
use super::moment::Moment;
use crate::model::id::{RunId, VersionId};
use crate::model::payload::Payload;

/// Looks from outside the engine, with statements of its own.
#[derive(Debug, Clone)]
pub(crate) struct Inspector {
    pool: PgPool,
}

/// A promise that does not hold.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
pub(crate) struct Broken {
    pub(crate) what: String,
    pub(crate) times: i64,
    /// Where it can be seen.
    pub(crate) example: String,
}

/// A run as it ended.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct RunEnd {
    pub(crate) id: i64,
    pub(crate) uuid: Uuid,
    pub(crate) state: String,
    pub(crate) input: String,
    /// The run whose stage has started it.
    pub(crate) parent: Option<i64>,
}

/// How an attempt ended: as a checkpoint, or otherwise.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct AttemptEnd {
    pub(crate) run_id: i64,
    pub(crate) stage: i16,
    pub(crate) item: i32,
    pub(crate) attempt: i32,
    /// `done`, or the outcome of an attempt that left no checkpoint.
    pub(crate) outcome: String,
    pub(crate) class: Option<String>,
    pub(crate) output: Option<String>,
    /// Why it was skipped, if it was.
    pub(crate) skipped: Option<String>,
    /// When its job began to wait, maybe in an attempt before it; otherwise when it began.
    #[sqlx(try_from = "Moment")]
    pub(crate) waited_since: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) started_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) ended_at: DateTime<Utc>,
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct Death {
    pub(crate) run_id: i64,
    pub(crate) stage: i16,
    pub(crate) item: i32,
    pub(crate) class: String,
}

/// An attempt whose worker was taken for gone.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct Loss {
    pub(crate) worker: String,
    #[sqlx(try_from = "Moment")]
    pub(crate) booted_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) lost_at: DateTime<Utc>,
    pub(crate) message: String,
    pub(crate) place: String,
    /// Its job was convicted of killing its processes.
    pub(crate) convicted: bool,
    /// Who made the next attempt, if there was one.
    pub(crate) next_worker: Option<String>,
}

/// An artifact that can be seen.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct Kept {
    pub(crate) run_id: i64,
    pub(crate) stage: i16,
    pub(crate) item: i32,
    pub(crate) attempt: i32,
    pub(crate) digest: Vec<u8>,
}

/// The numbers that were given last.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
pub(crate) struct Numbers {
    pub(crate) runs: i64,
    pub(crate) jobs: i64,
}

/// How much there is of what.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
pub(crate) struct Counted {
    pub(crate) what: String,
    pub(crate) count: i64,
}

impl Inspector {
    /// Opens no connection yet.
    pub(crate) fn open(server: &Server) -> Inspector {
        let options = server.patient().clone();
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .connect_lazy_with(options.disable_statement_logging().application_name("piton chaos"));
        Inspector { pool }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Waits until the server answers, at most so long.
    pub(crate) async fn is_back(&self, within: Duration) -> Result<(), StoreError> {
        let end = tokio::time::Instant::now() + within;
        loop {
            match sqlx::query("select 1").execute(&self.pool).await {
                Ok(_) => return Ok(()),
                Err(error) if tokio::time::Instant::now() > end => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Ends every session of the workers.
    pub(crate) async fn end_sessions(&self) -> Result<(), StoreError> {
        let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and application_name = 'piton' and pid <> pg_backend_pid()";
        // It may just be being crashed.
        unless_away(sqlx::query(sql).execute(&self.pool).await.map_err(StoreError::from))?;
        Ok(())
    }

    /// Runs that are still to come to rest: they go on, or jobs of theirs are left. None is known of while the server is
    /// away.
    pub(crate) async fn unsettled(&self) -> Result<Option<i64>, StoreError> {
        let sql = "select greatest((select count(*) from piton.runs where state = 'running'),
                                   (select count(distinct run_id) from piton.jobs))";
        unless_away(sqlx::query_scalar(sql).fetch_one(&self.pool).await.map_err(StoreError::from))
    }

    /// One of the rows that should never be; none either when the server is away.
    pub(crate) async fn unexplained(&self) -> Result<Option<String>, StoreError> {
        let sql = "select what || ': run ' || coalesce(run::text, '?') || coalesce(' stage ' || stage, '')
                   from piton.unexplained_jobs limit 1";
        let found = sqlx::query_scalar(sql).fetch_optional(&self.pool).await.map_err(StoreError::from);
        unless_away(found).map(Option::flatten)
    }

    /// What does not hold of a database that has come to rest, whatever was worked on in it.
    pub(crate) async fn broken(&self) -> Result<Vec<Broken>, StoreError> {
        Ok(sqlx::query_as(include_str!("sql/chaos_broken.sql")).fetch_all(&self.pool).await?)
    }

    /// The next runs behind that one.
    pub(crate) async fn runs_behind(&self, id: i64, most: i64) -> Result<Vec<RunEnd>, StoreError> {
        let sql = "select id, uuid, state, input::text as input, parent_id as parent from piton.runs where id > $1 order by id limit $2";
        Ok(sqlx::query_as(sql).bind(id).bind(most).fetch_all(&self.pool).await?)
    }

    /// Every attempt of these runs.
    pub(crate) async fn attempts_of(&self, first: i64, last: i64) -> Result<Vec<AttemptEnd>, StoreError> {
        let sql =
            "select k.run_id, k.stage, k.item, k.attempt, 'done' as outcome, null as class, k.output::text as output,
                          k.skipped, coalesce(w.since, k.started_at) as waited_since, k.started_at, k.finished_at as ended_at
                   from piton.checkpoints k
                   left join piton.waits w on w.run_id = k.run_id and w.stage = k.stage and w.item = k.item
                   where k.run_id between $1 and $2
                   union all
                   select run_id, stage, item, attempt, outcome, class, null, null, started_at, started_at, ended_at
                   from piton.attempts where run_id between $1 and $2";
        Ok(sqlx::query_as(sql).bind(first).bind(last).fetch_all(&self.pool).await?)
    }

    /// What was given up in these runs.
    pub(crate) async fn deaths_of(&self, first: i64, last: i64) -> Result<Vec<Death>, StoreError> {
        let sql = "select run_id, stage, item, class from piton.dead_letters where run_id between $1 and $2";
        Ok(sqlx::query_as(sql).bind(first).bind(last).fetch_all(&self.pool).await?)
    }

    /// Attempts that were taken from a worker.
    pub(crate) async fn losses(&self) -> Result<Vec<Loss>, StoreError> {
        let sql = "select w.name as worker, w.started_at as booted_at, a.ended_at as lost_at, a.message,
                          r.uuid || ' stage ' || a.stage || ' item ' || a.item || ' attempt ' || a.attempt as place,
                          exists (select from piton.dead_letters d where d.run_id = a.run_id and d.stage = a.stage
                                  and d.item = a.item and d.class = 'crashed') as convicted,
                          (select n.name
                           from (select run_id, stage, item, attempt, worker_id from piton.checkpoints
                                 union all select run_id, stage, item, attempt, worker_id from piton.attempts) as next
                           join piton.workers n on n.id = next.worker_id
                           where next.run_id = a.run_id and next.stage = a.stage and next.item = a.item
                             and next.attempt = a.attempt + 1) as next_worker
                   from piton.attempts a
                   join piton.workers w on w.id = a.worker_id
                   join piton.runs r on r.id = a.run_id
                   where a.outcome = 'lost'";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }

    /// When the first of the jobs that a process held at its end was claimed again, by whichever worker.
    pub(crate) async fn claimed_again(
        &self,
        process: i32,
        died_at: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let sql = "select min(n.started_at)
                   from piton.attempts a
                   join piton.workers w on w.id = a.worker_id
                   join (select run_id, stage, item, attempt, started_at from piton.checkpoints
                         union all select run_id, stage, item, attempt, started_at from piton.attempts) as n
                     on n.run_id = a.run_id and n.stage = a.stage and n.item = a.item and n.attempt = a.attempt + 1
                   where a.outcome = 'lost' and w.pid = $1 and w.started_at < $2 and a.ended_at > $2";
        let first: Option<Moment> =
            sqlx::query_scalar(sql).bind(process).bind(Moment(died_at)).fetch_one(&self.pool).await?;
        Ok(first.map(DateTime::from))
    }

    /// Whether a worker of that name has been heard of since; `None` while the server is away.
    pub(crate) async fn has_heard_of(&self, name: &str, since: DateTime<Utc>) -> Result<Option<bool>, StoreError> {
        let sql = "select exists (select from piton.workers where name = $1 and stopped_at is null and last_seen > $2)";
        let asked = sqlx::query_scalar(sql).bind(name).bind(Moment(since));
        unless_away(asked.fetch_one(&self.pool).await.map_err(StoreError::from))
    }

    /// When the first attempt since then ended with a result.
    pub(crate) async fn first_result_since(&self, at: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
        let sql = "select min(finished_at) from piton.checkpoints where finished_at > $1";
        let first: Option<Moment> = sqlx::query_scalar(sql).bind(Moment(at)).fetch_one(&self.pool).await?;
        Ok(first.map(DateTime::from))
    }

    /// What these runs have kept and can be seen.
    pub(crate) async fn artifacts_of(&self, first: i64, last: i64) -> Result<Vec<Kept>, StoreError> {
        let sql = "select run_id, stage, item, attempt, digest from piton.artifacts
                   where run_id between $1 and $2 and type not in ('pending', 'failed', 'orphan', 'dead_letter')";
        Ok(sqlx::query_as(sql).bind(first).bind(last).fetch_all(&self.pool).await?)
    }

    /// How far the server has written.
    pub(crate) async fn written(&self) -> Result<String, StoreError> {
        Ok(sqlx::query_scalar("select pg_current_wal_lsn()::text").fetch_one(&self.pool).await?)
    }

    /// Whether a standby has come that far.
    pub(crate) async fn has_replayed(&self, written: &str) -> Result<bool, StoreError> {
        let sql = "select coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false)";
        Ok(sqlx::query_scalar(sql).bind(written).fetch_one(&self.pool).await?)
    }

    /// Starts them all in one statement.
    pub(crate) async fn start_runs(&self, version: VersionId, runs: &[(RunId, Payload)]) -> Result<(), StoreError> {
        let (ids, inputs): (Vec<Uuid>, Vec<&str>) = runs.iter().map(|(id, input)| (id.0, input.as_str())).unzip();
        let sql = "select piton.start_run_of($1, r.id, r.input::json, 0) from unnest($2::uuid[], $3::text[]) as r (id, input)";
        sqlx::query(sql).bind(version.0).bind(ids).bind(inputs).execute(&self.pool).await?;
        Ok(())
    }

    /// Answers a signal; `false` where it is too late for that, or the run is gone or over.
    pub(crate) async fn signal(
        &self,
        run: Uuid,
        name: &str,
        answer: &impl serde::Serialize,
    ) -> Result<bool, StoreError> {
        let asked =
            sqlx::query("select piton.signal($1, $2, $3::json)").bind(run).bind(name).bind(sqlx::types::Json(answer));
        unless_late(asked.execute(&self.pool).await)
    }

    /// Answers a callback; `false` where it is too late for that, or the token opens nothing.
    pub(crate) async fn complete(&self, token: &str, answer: &impl serde::Serialize) -> Result<bool, StoreError> {
        let asked = sqlx::query("select piton.complete($1, $2::json)").bind(token).bind(sqlx::types::Json(answer));
        unless_late(asked.execute(&self.pool).await)
    }

    /// Pauses a schedule; `false` while the server is away.
    pub(crate) async fn pause_schedule(&self, workflow: &str, schedule: &str) -> Result<bool, StoreError> {
        let asked =
            sqlx::query("select piton.pause_schedule($1, $2, 'the campaign is over')").bind(workflow).bind(schedule);
        Ok(unless_away(asked.execute(&self.pool).await.map_err(StoreError::from))?.is_some())
    }

    pub(crate) async fn numbers(&self) -> Result<Numbers, StoreError> {
        let sql = "select coalesce(max(last_value) filter (where sequencename = 'runs_id_seq'), 0) as runs,
                          coalesce(max(last_value) filter (where sequencename = 'jobs_id_seq'), 0) as jobs
                   from pg_sequences where schemaname = 'piton'";
        Ok(sqlx::query_as(sql).fetch_one(&self.pool).await?)
    }

    /// Skips numbers, as transactions that roll back do, until runs and jobs are as far from each other as they were. So
    /// what comes next gets the pairs of numbers that others had had after that.
    pub(crate) async fn use_up(&self, before: Numbers) -> Result<(), StoreError> {
        let now = self.numbers().await?;
        let further = (now.runs - before.runs).max(now.jobs - before.jobs);
        // Taken one by one and never set back: others take some at this moment.
        let sql = "select (select count(nextval('piton.runs_id_seq')) from generate_series(1, $1)),
                          (select count(nextval('piton.jobs_id_seq')) from generate_series(1, $2))";
        let (runs, jobs) = (before.runs + further - now.runs, before.jobs + further - now.jobs);
        sqlx::query(sql).bind(runs).bind(jobs).execute(&self.pool).await?;
        Ok(())
    }

    /// Makes a server of a standby, unless it is one.
    pub(crate) async fn promote(&self) -> Result<(), StoreError> {
        let sql = "select case when pg_is_in_recovery() then pg_promote(true, 60) end";
        sqlx::query(sql).execute(&self.pool).await?;
        Ok(())
    }

    /// Runs by state, dead letters by class, attempts by outcome.
    pub(crate) async fn counted(&self) -> Result<Vec<Counted>, StoreError> {
        let sql = "select 'runs ' || state as what, count(*) from piton.runs group by state
                   union all select 'dead letters ' || class, count(*) from piton.dead_letters group by class
                   union all select 'attempts done', count(*) from piton.checkpoints
                   union all select 'attempts ' || outcome, count(*) from piton.attempts group by outcome
                   order by 1";
        Ok(sqlx::query_as(sql).fetch_all(&self.pool).await?)
    }
}

/// Whether an answer counts.
fn unless_late<T>(answer: Result<T, sqlx::Error>) -> Result<bool, StoreError> {
    match answer.map_err(StoreError::from) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.code().as_deref(), Some("55000" | "P0002")) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `None` while the server is away, where it can be asked again or is not needed.
pub(crate) fn unless_away<T>(answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match answer {
        Err(StoreError::Away(_)) => Ok(None),
        answer => answer.map(Some),
    }
}
