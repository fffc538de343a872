//! The schema: tables and functions brought up to date one process at a time, and refused when newer than this binary.

use sqlx::migrate::{MigrateError, Migrator};

use super::{Store, StoreError};

/// Why the schema does not fit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    /// The database was migrated by a newer Piton.
    #[error("the schema is at version {found}, this binary knows versions up to {known}; start a newer Piton")]
    Newer {
        /// Version found in the database.
        found: i64,
        /// Newest version of this binary.
        known: i64,
    },
    /// Migrating was switched off, and is needed.
    #[error("the schema is at version {found}, this binary needs {needed}; run `piton migrate`")]
    Older {
        /// Version found in the database.
        found: i64,
        /// Version this binary needs.
        needed: i64,
    },
    /// Migrating was switched off, and functions are others than those of this binary.
    #[error("the functions of the schema are not up to date; run `piton migrate`")]
    OldFunctions,
    /// A migration failed.
    #[error("migrating failed: {0}")]
    Migrate(#[from] MigrateError),
    /// Postgres is too old.
    #[error("this is Postgres {0}; Piton needs 13 or later")]
    OldPostgres(String),
    /// The database cannot hold every text.
    #[error(
        "the encoding of database \"{database}\" is {encoding}; Piton needs UTF8, in which every text can be kept. Make another \
         one: createdb -E UTF8 -T template0 NAME"
    )]
    WrongEncoding {
        /// Its name.
        database: String,
        /// Its encoding, as Postgres calls it.
        encoding: String,
    },
    /// Nothing can be written.
    #[error(
        "transactions in database \"{0}\" are read-only by default (default_transaction_read_only is on, for the database, the \
         role or the server); in psql: set default_transaction_read_only = off; \
         alter database \"{0}\" reset default_transaction_read_only;"
    )]
    ReadOnly(String),
    /// The database gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.dangerous_set_table_name("piton.migrations");
    migrator
}

/// Newest migration this binary knows.
pub(crate) fn newest() -> i64 {
    migrator().iter().map(|m| m.version).max().unwrap_or_default()
}

impl Store {
    /// Migrates to the newest version; tells how many versions were applied.
    pub(crate) async fn migrate(&self) -> Result<usize, SchemaError> {
        self.refuse_unfit_database().await?;
        let before = self.schema_version().await?;
        if before > newest() {
            return Err(SchemaError::Newer { found: before, known: newest() });
        }
        if before == newest() && self.functions_fit().await? && self.roles_fit().await? {
            return Ok(0);
        }
        self.refuse_read_only().await?;
        if before < newest() {
            let mut migrator = migrator();
            // Who has no right to make one may be given one: "create schema if not exists" asks for the right even so.
            if !self.has_schema().await? {
                migrator.create_schema("piton");
            }
            let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
            migrator.run_direct(None, &mut *connection, false).await?;
        }
        if !self.functions_fit().await? || !self.roles_fit().await? {
            self.put_functions(newest()).await?;
        }
        Ok(migrator().iter().filter(|m| m.version > before).count())
    }

    /// Checks that the schema fits without touching it.
    pub(crate) async fn check_schema(&self) -> Result<(), SchemaError> {
        self.refuse_unfit_database().await?;
        let found = self.schema_version().await?;
        match found.cmp(&newest()) {
            std::cmp::Ordering::Less => Err(SchemaError::Older { found, needed: newest() }),
            std::cmp::Ordering::Equal if self.functions_fit().await? => Ok(()),
            std::cmp::Ordering::Equal => Err(SchemaError::OldFunctions),
            std::cmp::Ordering::Greater => Err(SchemaError::Newer { found, known: newest() }),
        }
    }

    /// Newest applied migration; 0 before the first.
    async fn schema_version(&self) -> Result<i64, StoreError> {
        let exists: bool =
            sqlx::query_scalar("select to_regclass('piton.migrations') is not null").fetch_one(&self.pool).await?;
        if !exists {
            return Ok(0);
        }
        Ok(sqlx::query_scalar("select coalesce(max(version), 0) from piton.migrations where success")
            .fetch_one(&self.pool)
            .await?)
    }

    async fn has_schema(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("select to_regnamespace('piton') is not null").fetch_one(&self.pool).await?)
    }
}
