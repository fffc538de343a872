//! Files that runs are started on.

use sqlx::PgConnection;
use sqlx::types::Uuid;

use super::starts::{RunStart, start_current, start_run};
use super::{Store, StoreError};
use crate::model::id::{RunId, RunKey, VersionId};

/// A file that is in the artifact store, for a run that is not there yet.
#[derive(Debug, Clone)]
pub(crate) struct RunFile {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    /// Its address, below what this database has of the store.
    pub(crate) below: String,
    pub(crate) bytes: u64,
    pub(crate) digest: [u8; 32],
}

impl Store {
    /// What addresses of this database begin with.
    pub(crate) async fn own_addresses(&self) -> Result<String, StoreError> {
        Ok(sqlx::query_scalar("select 'runs/db-' || piton.store_owner()").fetch_one(&self.pool).await?)
    }

    /// Starts a run with its files, or nothing.
    pub(crate) async fn start_run_on_files(
        &self,
        id: RunId,
        version: VersionId,
        start: &RunStart,
        files: &[RunFile],
    ) -> Result<RunKey, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let key = start_run(&mut *transaction, id, version, start).await?;
        begin(&mut transaction, id, files).await?;
        transaction.commit().await?;
        Ok(key)
    }
}

/// The same of the current version of that workflow, in a transaction of the caller.
pub(crate) async fn start_current_on_files(
    connection: &mut PgConnection,
    workflow: &str,
    start: &RunStart,
    files: &[RunFile],
) -> Result<RunId, StoreError> {
    let id = start_current(&mut *connection, workflow, start).await?;
    begin(connection, id, files).await?;
    Ok(id)
}

/// In the transaction that starts the run.
async fn begin(connection: &mut PgConnection, run: RunId, files: &[RunFile]) -> Result<(), StoreError> {
    for file in files {
        sqlx::query("select piton.begin_on_file($1, $2, $3, $4, $5, $6)")
            .bind(run.0)
            .bind(file.id)
            .bind(&file.name)
            .bind(&file.below)
            .bind(i64::try_from(file.bytes).unwrap_or(i64::MAX))
            .bind(&file.digest[..])
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
