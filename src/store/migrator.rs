//! Applies migrations: everything in one transaction as far as that goes, by one process at a time, blocking nobody for long.
//!
//! Tables and the functions that need them change together: a worker that goes on meanwhile sees all of it or nothing.
//! A migration whose first line is `-- no-transaction` builds an index concurrently, which no transaction can; it is one
//! statement with `if not exists`, and what an interrupted build of it left is dropped first.
//!
//! Whoever migrates holds an advisory lock until its transaction ends, so that it holds behind a pooler, too.

use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::migrate::Migration;
use sqlx::postgres::{PgConnectOptions, PgConnection, Postgres};
use sqlx::{AssertSqlSafe, Transaction};

use super::blockers::Watch;
use super::connect::{Pooling, Server};
use super::functions;
use super::schema::{SchemaError, refuse_too_new};
use super::{Store, StoreError};

/// The advisory lock of whoever migrates, in its database.
const LOCK: i64 = 0x0070_6974_6f6e_6d67;
/// How long a statement may wait for a lock; everyone who wants the table queues up behind it for that long.
const LOCK_TIMEOUT: &str = "3s";
/// Between two tries: what queued up gets through.
const PAUSE: Duration = Duration::from_secs(2);
/// Between two looks whether another process has migrated.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is said again that another process migrates.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// The migrations of this binary, in order.
pub(super) fn embedded() -> Vec<Migration> {
    sqlx::migrate!("./migrations").iter().cloned().collect()
}

/// Migrations, and the functions that go with the last one.
pub(super) struct Migrator<'s> {
    store: &'s Store,
    migrations: Cow<'s, [Migration]>,
    /// The version whose functions these are.
    functions: Option<i64>,
    /// How long locks are waited for.
    patience: Duration,
}

/// What a step has come to.
enum Step {
    /// How many were applied; there may be more.
    Applied(usize),
    /// There is nothing to do.
    Done,
    /// Another process migrates.
    Busy,
}

impl<'s> Migrator<'s> {
    /// Everything of this binary.
    pub(super) fn ours(store: &'s Store, patience: Duration) -> Migrator<'s> {
        let migrations = embedded();
        let newest = migrations.iter().map(|migration| migration.version).max();
        Migrator { store, migrations: migrations.into(), functions: newest, patience }
    }

    /// Applies what is missing; tells how many there were.
    pub(super) async fn run(&self) -> Result<usize, SchemaError> {
        let watch = Watch::default();
        tokio::select! {
            applied = self.apply_all(&watch) => applied,
            () = watch.keep(self.store) => Ok(0),
        }
    }

    async fn apply_all(&self, watch: &Watch) -> Result<usize, SchemaError> {
        let (mut applied, mut began, mut said) = (0, Instant::now(), None);
        loop {
            let stepped = self.step(watch).await;
            watch.over(0);
            match stepped {
                Ok(Step::Done) => return Ok(applied),
                Ok(Step::Applied(more)) => (applied, began) = (applied + more, Instant::now()),
                Ok(Step::Busy) => {
                    // No end to it: the other process gives up where it cannot go on.
                    if said.is_none_or(|at: Instant| at.elapsed() > SAY_AGAIN) {
                        self.say_who_migrates().await?;
                        said = Some(Instant::now());
                    }
                    tokio::time::sleep(LOOK).await;
                    began = Instant::now();
                }
                Err(error) if is_in_the_way(&error) => {
                    if began.elapsed() >= self.patience {
                        return Err(SchemaError::Locked { waited: began.elapsed().as_secs(), holder: watch.last() });
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn say_who_migrates(&self) -> Result<(), SchemaError> {
        if let Some(holder) = self.store.lock_holder(LOCK).await? {
            tracing::warn!("waiting for another process that migrates: {holder}");
        }
        Ok(())
    }

    /// As many migrations as go into one transaction, or the one that goes into none.
    async fn step(&self, watch: &Watch) -> Result<Step, SchemaError> {
        let mut transaction = self.store.pool.begin().await?;
        watch.over(begin(&mut transaction).await?);
        let alone: bool =
            sqlx::query_scalar("select pg_try_advisory_xact_lock($1)").bind(LOCK).fetch_one(&mut *transaction).await?;
        if !alone {
            return Ok(Step::Busy);
        }
        ensure_table(&mut transaction).await?;
        let missing = self.missing(&mut transaction).await?;
        let (together, then) = first_group(&missing);
        if let ([], Some(alone)) = (together, then) {
            return self.apply_alone(alone, transaction, watch).await;
        }
        for migration in together {
            apply(migration, &mut transaction).await?;
            record(migration, &mut transaction).await?;
        }
        let last = missing.iter().rposition(|migration| !migration.no_tx);
        let is_last = last.is_none_or(|last| last < together.len());
        let replaced = match self.functions {
            Some(known) if is_last => functions::put(known, &mut transaction).await?,
            _ => false,
        };
        if together.is_empty() && !replaced {
            return Ok(Step::Done);
        }
        transaction.commit().await?;
        Ok(Step::Applied(together.len()))
    }

    /// What is not applied yet, in order. Nothing where a newer Piton has migrated.
    async fn missing(&self, connection: &mut PgConnection) -> Result<Vec<&Migration>, SchemaError> {
        let applied: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("select version, checksum from piton.migrations where success order by version")
                .fetch_all(&mut *connection)
                .await?;
        let known = self.migrations.iter().map(|migration| migration.version).max().unwrap_or_default();
        if let Some((found, _)) = applied.last().filter(|(found, _)| *found > known) {
            let oldest: i64 = sqlx::query_scalar(
                "select coalesce((to_jsonb(f) ->> 'oldest_binary')::int8, 0) from piton.function_set f",
            )
            .fetch_one(connection)
            .await?;
            refuse_too_new(*found, oldest, known)?;
            return Ok(Vec::new());
        }
        let mut missing = Vec::new();
        for migration in self.migrations.iter() {
            match applied.iter().find(|(version, _)| *version == migration.version) {
                None => missing.push(migration),
                Some((_, checksum)) if *checksum == *migration.checksum => {}
                Some((version, _)) => return Err(SchemaError::Other(*version)),
            }
        }
        Ok(missing)
    }

    /// Builds on a connection of its own, while `lock` stays open and has neither a snapshot nor a table: a concurrent
    /// build waits for nobody but those who use its table.
    async fn apply_alone(
        &self,
        migration: &Migration,
        mut lock: Transaction<'_, Postgres>,
        watch: &Watch,
    ) -> Result<Step, SchemaError> {
        let mut connection = self.store.pool.acquire().await?;
        let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *connection).await?;
        watch.over(pid);
        for index in half_built(migration, &mut connection).await? {
            tracing::warn!("building the index {index} was interrupted before: it begins anew");
            let sql = AssertSqlSafe(format!("drop index concurrently if exists {index}"));
            sqlx::raw_sql(sql).execute(&mut *connection).await?;
        }
        apply(migration, &mut connection).await?;
        record(migration, &mut lock).await?;
        lock.commit().await?;
        Ok(Step::Applied(1))
    }
}

/// Applies the migrations of a folder, without any functions, and tells how many there were: for tests of what releases to
/// come may bring, and of what earlier ones left.
#[doc(hidden)]
pub async fn migrate_from(
    options: PgConnectOptions,
    folder: &Path,
    patience: Duration,
) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
    let migrations: Vec<Migration> = sqlx::migrate::Migrator::new(folder).await?.iter().cloned().collect();
    let store = Store::open(Server::private(options), Pooling::Session, 4);
    let applied = Migrator { store: &store, migrations: migrations.into(), functions: None, patience }.run().await;
    store.pool.close().await;
    Ok(applied?)
}

/// The migrations up to the first one that goes into no transaction, and that one.
fn first_group<'m, 'g>(missing: &'g [&'m Migration]) -> (&'g [&'m Migration], Option<&'m Migration>) {
    let end = missing.iter().position(|migration| migration.no_tx).unwrap_or(missing.len());
    (&missing[..end], missing.get(end).copied())
}

/// Sets what migrating depends on, whatever roles and databases have as their defaults; tells the backend's pid.
async fn begin(connection: &mut PgConnection) -> Result<i32, SchemaError> {
    let sql =
        "select pg_backend_pid(), set_config('lock_timeout', $1, true), set_config('statement_timeout', '0', true),
                      set_config('idle_in_transaction_session_timeout', '0', true),
                      set_config('standard_conforming_strings', 'on', true)";
    let (pid, ..): (i32, String, String, String, String) =
        sqlx::query_as(sql).bind(LOCK_TIMEOUT).fetch_one(connection).await?;
    Ok(pid)
}

/// A schema that an administrator made is used: a role need not be allowed to create one.
async fn ensure_table(connection: &mut PgConnection) -> Result<(), SchemaError> {
    let (schema, table): (bool, bool) =
        sqlx::query_as("select to_regnamespace('piton') is not null, to_regclass('piton.migrations') is not null")
            .fetch_one(&mut *connection)
            .await?;
    if !schema {
        sqlx::raw_sql("create schema piton").execute(&mut *connection).await?;
    }
    if !table {
        sqlx::raw_sql(
            "create table piton.migrations (
                 version bigint primary key,
                 description text not null,
                 installed_on timestamptz not null default now(),
                 success boolean not null,
                 checksum bytea not null,
                 execution_time bigint not null)",
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn apply(migration: &Migration, connection: &mut PgConnection) -> Result<(), SchemaError> {
    let failed = |error: sqlx::Error| SchemaError::Failed { version: migration.version, source: error.into() };
    let sql = AssertSqlSafe(migration.sql.as_str().to_owned());
    sqlx::raw_sql(sql).execute(connection).await.map(|_| ()).map_err(failed)
}

async fn record(migration: &Migration, connection: &mut PgConnection) -> Result<(), SchemaError> {
    sqlx::query(
        "insert into piton.migrations (version, description, success, checksum, execution_time)
         values ($1, $2, true, $3, (extract(epoch from clock_timestamp() - now()) * 1e9)::int8)",
    )
    .bind(migration.version)
    .bind(&*migration.description)
    .bind(&*migration.checksum)
    .execute(connection)
    .await?;
    Ok(())
}

/// Indexes that the migration builds, and that an interrupted build left invalid. Nobody builds them at this moment: the
/// lock is ours.
async fn half_built(migration: &Migration, connection: &mut PgConnection) -> Result<Vec<String>, SchemaError> {
    let found: Vec<(String, String)> = sqlx::query_as(
        "select c.relname::text, c.oid::regclass::text
         from pg_index i join pg_class c on c.oid = i.indexrelid
         where c.relnamespace = 'piton'::regnamespace and not i.indisvalid",
    )
    .fetch_all(connection)
    .await?;
    let words: Vec<&str> = migration.sql.as_str().split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    Ok(found.into_iter().filter(|(name, _)| words.contains(&name.as_str())).map(|(_, index)| index).collect())
}

/// A lock was not to be had in time, or somebody waited for us as we waited for them.
fn is_in_the_way(error: &SchemaError) -> bool {
    let (SchemaError::Failed { source: said, .. } | SchemaError::Store(said)) = error else { return false };
    let (StoreError::Away(error) | StoreError::Refused(error)) = said else { return false };
    let code = error.as_database_error().and_then(|said| said.code());
    code.is_some_and(|code| matches!(code.as_ref(), "55P03" | "40P01"))
}
