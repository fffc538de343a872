//! Whether a database can hold what Piton stores.

use super::schema::SchemaError;
use super::{Store, StoreError};

/// What is known of a database before anything is read from it.
#[derive(sqlx::FromRow)]
struct Facts {
    version_number: i32,
    version: String,
    database: String,
    encoding: String,
    /// Every transaction is, unless it says otherwise; a standby, which may become a primary at any moment, does not count.
    is_read_only: bool,
}

impl Store {
    /// Refuses what will not do, whoever asks.
    ///
    /// In another encoding, there are texts that the database does not take, and whatever holds one could never be recorded.
    pub(super) async fn refuse_unfit_database(&self) -> Result<(), SchemaError> {
        let Facts { version_number, version, database, encoding, .. } = self.facts().await?;
        if version_number < 130_000 {
            return Err(SchemaError::OldPostgres(version));
        }
        if encoding != "UTF8" {
            return Err(SchemaError::WrongEncoding { database, encoding });
        }
        Ok(())
    }

    /// Refuses a database in which nothing can be written, for those who have to write.
    pub(crate) async fn refuse_read_only(&self) -> Result<(), SchemaError> {
        let Facts { database, is_read_only, .. } = self.facts().await?;
        if is_read_only { Err(SchemaError::ReadOnly(database)) } else { Ok(()) }
    }

    async fn facts(&self) -> Result<Facts, StoreError> {
        let sql = "select current_setting('server_version_num')::int4 as version_number,
                          current_setting('server_version') as version, d.datname::text as database,
                          pg_encoding_to_char(d.encoding)::text as encoding,
                          current_setting('default_transaction_read_only')::bool and not pg_is_in_recovery() as is_read_only
                   from pg_database d where d.datname = current_database()";
        Ok(sqlx::query_as(sql).fetch_one(&self.pool).await?)
    }
}
