//! What a bench asks of a database: to start many runs at once, and what became of them, seen from outside the engine.

use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions, PgTransaction};
use sqlx::{ConnectOptions, Connection};

use super::connect::Server;
use super::{Store, StoreError};
use crate::model::id::RunKey;
use crate::model::payload::Payload;

impl Store {
    /// Starts `count` runs on one input in one statement. Started means committed: all of them, or none.
    pub(crate) async fn start_runs(&self, count: u64, workflow: &str, input: &Payload) -> Result<u64, StoreError> {
        let started: i64 =
            sqlx::query_scalar("select count(*) from piton.start_runs($1, array_fill($2::json, array[$3::int4]))")
                .bind(workflow)
                .bind(input.as_str())
                .bind(i32::try_from(count).unwrap_or(i32::MAX))
                .fetch_one(&self.pool)
                .await?;
        Ok(started.unsigned_abs())
    }

    /// Makes a database, unless there is one of that name: then `false`.
    pub(crate) async fn create_database(&self, name: &str) -> Result<bool, StoreError> {
        let made = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create database {}", quoted(name)))).execute(&self.pool);
        match made.await {
            Ok(_) => Ok(true),
            Err(sqlx::Error::Database(answer)) if answer.code().as_deref() == Some("42P04") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Drops a database with everything that is connected to it.
    pub(crate) async fn drop_database(&self, name: &str) -> Result<(), StoreError> {
        let sql = format!("drop database if exists {} with (force)", quoted(name));
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.pool).await?;
        Ok(())
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Somebody's application: a connection that starts runs.
#[derive(Debug)]
pub(crate) struct Client(PgConnection);

impl Client {
    /// Starts a run in a transaction of its own. The answer means that it is committed.
    pub(crate) async fn start(&mut self, workflow: &str, input: &Payload) -> Result<(), StoreError> {
        let start = sqlx::query("select piton.start_run($1, $2::json)").bind(workflow).bind(input.as_str());
        start.execute(&mut self.0).await?;
        Ok(())
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        Ok(self.0.close().await?)
    }
}

/// Looks at a database from outside the engine, with connections whose plans are the server's own choice.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    pool: PgPool,
}

/// The server, as results name it.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct ServerRow {
    pub(crate) version: String,
    pub(crate) fsync: bool,
    pub(crate) synchronous_commit: String,
}

/// The beginning of a handler.
#[derive(Debug, Clone, Copy, PartialEq, sqlx::FromRow)]
pub(crate) struct HandlerRow {
    pub(crate) run_id: i64,
    pub(crate) stage: i16,
    /// Microseconds since 1970 by the worker's clock.
    pub(crate) at: i64,
}

/// The time in which all checkpoints were written, by the database's clock.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct WindowRow {
    pub(crate) checkpoints: i64,
    /// From the first claim to the last commit.
    pub(crate) elapsed_s: f64,
    /// Checkpoints in the first and in the last tenth of that time.
    pub(crate) first_tenth: i64,
    pub(crate) last_tenth: i64,
}

/// What is there, and what of it should not be; see `sql/bench_proof.sql`.
#[derive(Debug, Clone, Default, PartialEq, sqlx::FromRow)]
pub(crate) struct ProofRow {
    pub(crate) runs: i64,
    pub(crate) done: i64,
    pub(crate) waiting: i64,
    pub(crate) failed: i64,
    pub(crate) adrift: i64,
    pub(crate) checkpoints: i64,
    pub(crate) missing: i64,
    pub(crate) unexpected: i64,
    pub(crate) twice: i64,
    pub(crate) damaged: i64,
    pub(crate) misnumbered: i64,
    pub(crate) jobs_astray: i64,
    pub(crate) joins_left: i64,
}

impl Observer {
    /// Opens no connection yet.
    pub(crate) fn open(server: &Server) -> Observer {
        let options = server.patient().clone();
        let pool = PgPoolOptions::new()
            .max_connections(3)
            // What a session has used is known as long as it lives.
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.disable_statement_logging().application_name("piton bench"));
        Observer { pool }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Another connection.
    pub(crate) async fn client(&self) -> Result<Client, StoreError> {
        let options = self.pool.connect_options().as_ref().clone();
        Ok(Client(options.application_name("piton bench client").connect().await?))
    }

    /// From now on nothing that the functions of this database do notifies anybody: they find a `pg_notify` that does
    /// nothing before Postgres' own.
    pub(crate) async fn never_notify(&self) -> Result<(), StoreError> {
        sqlx::raw_sql(include_str!("sql/bench_never_notify.sql")).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn server(&self) -> Result<ServerRow, StoreError> {
        Ok(sqlx::query_as(
            "select current_setting('server_version') as version, current_setting('fsync') = 'on' as fsync,
                    current_setting('synchronous_commit') as synchronous_commit",
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Process id of a session of ours, and the database it is on.
    pub(crate) async fn session(&self) -> Result<(i32, String), StoreError> {
        Ok(sqlx::query_as("select pg_backend_pid(), current_database()::text").fetch_one(&self.pool).await?)
    }

    /// Process ids of all sessions of ours.
    pub(crate) async fn sessions(&self) -> Result<Vec<i32>, StoreError> {
        Ok(sqlx::query_scalar(
            "select pid from pg_stat_activity where datname = current_database() and application_name = 'piton bench'",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Bytes of WAL the server ever wrote.
    pub(crate) async fn wal_bytes(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8")
            .fetch_one(&self.pool)
            .await?)
    }

    /// Tidies up after the runs were started, so that the drain does not pay for it.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        sqlx::raw_sql("vacuum (analyze) piton.runs").execute(&self.pool).await?;
        sqlx::raw_sql("vacuum (analyze) piton.jobs").execute(&self.pool).await?;
        // Not every user may; then the server makes one when it is time.
        sqlx::raw_sql("checkpoint").execute(&self.pool).await.ok();
        Ok(())
    }

    /// A transaction with a snapshot: as long as it lives, no vacuum takes away what became dead after it began.
    pub(crate) async fn hold_snapshot(&self) -> Result<PgTransaction<'static>, StoreError> {
        let mut transaction = self.pool.begin_with("begin isolation level repeatable read").await?;
        let held: bool =
            sqlx::query_scalar("select backend_xmin is not null from pg_stat_activity where pid = pg_backend_pid()")
                .fetch_one(&mut *transaction)
                .await?;
        if held { Ok(transaction) } else { Err(StoreError::Damaged("a snapshot that holds nothing back".to_owned())) }
    }

    /// Ends that transaction; an error when the server had ended it before.
    pub(crate) async fn release_snapshot(&self, transaction: PgTransaction<'static>) -> Result<(), StoreError> {
        Ok(transaction.commit().await?)
    }

    /// Checkpoints written so far, by the server's statistics: about a second late, and free of any scan.
    pub(crate) async fn checkpoints_by_statistics(&self) -> Result<u64, StoreError> {
        let inserted: i64 =
            sqlx::query_scalar("select n_tup_ins from pg_stat_user_tables where relid = 'piton.checkpoints'::regclass")
                .fetch_one(&self.pool)
                .await?;
        Ok(inserted.unsigned_abs())
    }

    /// Checkpoints there are, counted.
    pub(crate) async fn checkpoints(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("select count(*) from piton.checkpoints").fetch_one(&self.pool).await?;
        Ok(count.unsigned_abs())
    }

    /// Whether a run still goes on.
    pub(crate) async fn is_running(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("select exists (select from piton.runs where state = 'running')")
            .fetch_one(&self.pool)
            .await?)
    }

    /// Workers that have registered and not stopped.
    pub(crate) async fn workers(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("select count(*) from piton.workers where stopped_at is null")
            .fetch_one(&self.pool)
            .await?;
        Ok(count.unsigned_abs())
    }

    /// Which of these runs are over.
    pub(crate) async fn ended(&self, runs: &[RunKey]) -> Result<Vec<RunKey>, StoreError> {
        let keys: Vec<i64> = runs.iter().map(|run| run.0).collect();
        let ended: Vec<i64> = sqlx::query_scalar("select id from piton.runs where id = any($1) and state <> 'running'")
            .bind(&keys)
            .fetch_all(&self.pool)
            .await?;
        Ok(ended.into_iter().map(RunKey).collect())
    }

    /// When each handler of a chain began.
    pub(crate) async fn handlers(&self) -> Result<Vec<HandlerRow>, StoreError> {
        Ok(sqlx::query_as("select run_id, stage, (output ->> 'at')::int8 as at from piton.checkpoints where item = -1")
            .fetch_all(&self.pool)
            .await?)
    }

    /// Milliseconds from the commit a stage waited for to its handler's begin, for every `step`th run: in a fan-out
    /// from the record of the split to each item, otherwise from stage to stage.
    pub(crate) async fn waits_ms(&self, fan_out: bool, step: i64) -> Result<Vec<f64>, StoreError> {
        Ok(sqlx::query_scalar(
            "select greatest(((k.output ->> 'at')::int8 - (extract(epoch from p.finished_at) * 1000000)::int8)::float8
                             / 1000, 0)
             from piton.checkpoints k
             join piton.checkpoints p
               on p.run_id = k.run_id and p.item = -1 and p.stage = case when $1 then k.stage else k.stage - 1 end
             where (k.item >= 0) = $1 and k.run_id % $2 = 0",
        )
        .bind(fan_out)
        .bind(step)
        .fetch_all(&self.pool)
        .await?)
    }

    pub(crate) async fn window(&self) -> Result<WindowRow, StoreError> {
        Ok(sqlx::query_as(
            "with span as materialized (
                 select min(started_at) as first, max(finished_at) as last, (max(finished_at) - min(started_at)) / 10 as tenth
                 from piton.checkpoints)
             select count(*) as checkpoints,
                    coalesce(extract(epoch from max(span.last) - min(span.first))::float8, 0) as elapsed_s,
                    count(*) filter (where finished_at < span.first + span.tenth) as first_tenth,
                    count(*) filter (where finished_at > span.last - span.tenth) as last_tenth
             from piton.checkpoints, span",
        )
        .fetch_one(&self.pool)
        .await?)
    }

    pub(crate) async fn proof(&self) -> Result<ProofRow, StoreError> {
        Ok(sqlx::query_as(include_str!("sql/bench_proof.sql")).fetch_one(&self.pool).await?)
    }
}
