//! Rows that stages of a campaign write in the transaction that ends them.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use sqlx::{Connection, Executor};

use super::StoreError;
use super::chaos::{Inspector, unless_away};
use super::connect::Server;
use crate::model::id::RunId;

impl Inspector {
    /// Nothing keeps the tables free of doubles.
    pub(crate) async fn make_tables(&self) -> Result<(), StoreError> {
        for sql in [
            "create table public.chaos_totals (run uuid not null, attempt int not null)",
            "create table public.chaos_loads (run uuid not null, attempt int not null)",
            "create table public.chaos_asks (key text primary key, run uuid not null, seed int8 not null, token text not null,
                                             tokens int4 not null default 1, at timestamptz not null default clock_timestamp())",
        ] {
            sqlx::query(sql).execute(self.pool()).await?;
        }
        Ok(())
    }
}

pub(crate) async fn note_total(connection: &mut PgConnection, run: RunId, attempt: u32) -> Result<(), sqlx::Error> {
    sqlx::query("insert into public.chaos_totals (run, attempt) values ($1, $2)")
        .bind(run.0)
        .bind(i64::from(attempt))
        .execute(connection)
        .await?;
    Ok(())
}

/// What a service of a campaign is asked for.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct Asked {
    /// By which it knows what it was asked before.
    pub(crate) key: String,
    pub(crate) run: Uuid,
    pub(crate) seed: i64,
    /// With which it answers.
    pub(crate) token: String,
}

impl Asked {
    /// As a service would keep it that honours the key.
    pub(crate) async fn keep(&self, server: &Server) -> Result<(), StoreError> {
        let sql = "insert into public.chaos_asks as a (key, run, seed, token) values ($1, $2, $3, $4)
                   on conflict (key) do update set tokens = a.tokens + (a.token <> excluded.token)::int4";
        let mut connection = PgConnection::connect_with(server.swift()).await?;
        let asked = sqlx::query(sql).bind(&self.key).bind(self.run).bind(self.seed).bind(&self.token);
        asked.execute(&mut connection).await?;
        connection.close().await.ok();
        Ok(())
    }
}

impl Inspector {
    /// What the service was asked for of late; nothing while the server is away.
    pub(crate) async fn asked(&self) -> Result<Vec<Asked>, StoreError> {
        let sql = "select key, run, seed, token from public.chaos_asks where at > clock_timestamp() - interval '1 min'";
        let found = sqlx::query_as(sql).fetch_all(self.pool()).await.map_err(StoreError::from);
        Ok(unless_away(found)?.unwrap_or_default())
    }
}

/// What a program of a campaign commits.
pub(crate) struct Load {
    pub(crate) token: String,
    pub(crate) run: Uuid,
    pub(crate) attempt: i32,
    pub(crate) output: String,
    /// Time between its statements, for what goes wrong.
    pub(crate) pause: Duration,
}

impl Load {
    /// As any program would do it, on a connection of its own. `false` when the attempt was over, or has finished already.
    pub(crate) async fn commit(&self, server: &Server) -> Result<bool, StoreError> {
        let mut connection = PgConnection::connect_with(server.swift()).await?;
        connection.execute("begin").await?;
        sqlx::query("insert into public.chaos_loads (run, attempt) values ($1, $2)")
            .bind(self.run)
            .bind(self.attempt)
            .execute(&mut connection)
            .await?;
        tokio::time::sleep(self.pause).await;
        let finish = sqlx::query("select piton.finish($1, $2::json)").bind(&self.token).bind(&self.output);
        match finish.execute(&mut connection).await.map_err(StoreError::from) {
            Ok(_) => {}
            Err(error) if error.code().as_deref() == Some("55000") => return Ok(false),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(self.pause).await;
        connection.execute("commit").await?;
        connection.close().await.ok();
        Ok(true)
    }
}
