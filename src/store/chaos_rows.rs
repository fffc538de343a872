//! Rows that stages of a campaign write in the transaction that ends them.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use sqlx::{Connection, Executor};

use super::StoreError;
use super::chaos::Inspector;
use super::connect::Server;
use crate::model::id::RunId;

impl Inspector {
    /// Nothing keeps the tables free of doubles.
    pub(crate) async fn make_tables(&self) -> Result<(), StoreError> {
        for sql in [
            "create table public.chaos_totals (run uuid not null, attempt int not null)",
            "create table public.chaos_loads (run uuid not null, attempt int not null)",
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
