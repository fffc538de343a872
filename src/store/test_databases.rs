//! Databases of tests: each is a copy of a template that is migrated once, and goes with its test.

use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::connect::{Pooling, Server};
use super::migrate::LOCK_WAIT;
use super::migrator::embedded;
use super::schema::SchemaError;
use super::{Store, StoreError, functions};
use crate::model::digest::hex;
use crate::model::id::RunId;

/// One process at a time makes the template, or copies it: Postgres copies no database that somebody is connected to. The value
/// is "pitntest".
const LOCK: i64 = 0x7069_746e_7465_7374;
/// A session that has just ended is counted for a moment yet.
const COPY_AGAIN: Duration = Duration::from_millis(50);
const COPIES_TRIED: usize = 100;
/// Migrating uses one, and asks over another.
const CONNECTIONS: u32 = 2;

/// Makes a database with this Piton's schema, by that name: a name of letters, digits and `_`. `server` leads to a database in which
/// databases can be made.
pub(crate) async fn make(server: &PgConnectOptions, name: &str) -> Result<(), SchemaError> {
    let mut admin = server.clone().disable_statement_logging().connect().await?;
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut admin).await?;
    let template = template();
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&template)
        .fetch_one(&mut admin)
        .await?;
    if !exists {
        let sql = format!("create database {template} template template0 encoding 'UTF8'");
        admin.execute(AssertSqlSafe(sql)).await?;
    }
    // One that was cut short before is brought to its end.
    if !exists || !is_migrated(server, &template).await? {
        let store = store(server, &template);
        let migrated = store.migrate(LOCK_WAIT).await;
        store.close().await;
        migrated?;
    }
    copy(&mut admin, &template, name).await?;
    // The lock ends with the session.
    admin.close().await?;
    Ok(())
}

/// Takes it away, and whoever is connected to it.
pub(crate) async fn drop(server: &PgConnectOptions, name: &str) -> Result<(), StoreError> {
    let mut admin = server.clone().disable_statement_logging().connect().await?;
    admin.execute(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).await?;
    admin.close().await?;
    Ok(())
}

async fn is_migrated(server: &PgConnectOptions, template: &str) -> Result<bool, SchemaError> {
    let store = store(server, template);
    let fits = store.check_schema().await;
    store.close().await;
    match fits {
        Err(error) if error.is_mended_by_migrating() => Ok(false),
        checked => checked.map(|()| true),
    }
}

async fn copy(admin: &mut PgConnection, template: &str, name: &str) -> Result<(), StoreError> {
    let mut tried = 0;
    loop {
        let sql = format!("create database {name} template {template}");
        match admin.execute(AssertSqlSafe(sql)).await.map_err(StoreError::from) {
            // object_in_use
            Err(error) if error.code().as_deref() == Some("55006") && tried < COPIES_TRIED => tried += 1,
            made => return made.map(|_| ()),
        }
        tokio::time::sleep(COPY_AGAIN).await;
    }
}

fn store(server: &PgConnectOptions, database: &str) -> Store {
    Store::open(Server::private(server.clone().database(database)), Pooling::Session, CONNECTIONS)
}

/// By the schema that it has: Pitons of several versions may share a server.
fn template() -> String {
    let mut hash = Sha256::new();
    for migration in embedded() {
        hash.update(&migration.checksum);
    }
    hash.update(functions::digest());
    let digest = hex(&hash.finalize());
    format!("piton_template_{}", &digest[..16])
}

impl Store {
    /// All that a run has recorded: stage, item and output, in their order.
    pub(crate) async fn all_outputs(&self, run: RunId) -> Result<Vec<(String, i32, String)>, StoreError> {
        Ok(sqlx::query_as(
            "select coalesce(v.definition -> 'stages' -> k.stage::int4 ->> 'name', '#' || k.stage), k.item, k.output::text
             from piton.runs r
             join piton.workflow_versions v on v.id = r.version_id
             join piton.checkpoints k on k.run_id = r.id
             where r.uuid = $1
             order by k.stage, k.item",
        )
        .bind(run.0)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Something that is left in the queue and that nobody will work on; there never is (SPEC promise 3).
    pub(crate) async fn unexplained_job(&self) -> Result<Option<String>, StoreError> {
        let sql = "select concat_ws(' ', stage, item, what) from piton.unexplained_jobs limit 1";
        Ok(sqlx::query_scalar(sql).fetch_optional(&self.pool).await?)
    }
}
