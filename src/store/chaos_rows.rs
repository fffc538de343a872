//! Rows that a stage of a campaign writes in the transaction that ends it.

use sqlx::postgres::PgConnection;

use super::StoreError;
use super::chaos::Inspector;
use crate::model::id::RunId;

impl Inspector {
    /// Nothing keeps the table free of doubles.
    pub(crate) async fn make_tables(&self) -> Result<(), StoreError> {
        sqlx::query("create table public.chaos_totals (run uuid not null, attempt int not null)")
            .execute(self.pool())
            .await?;
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
