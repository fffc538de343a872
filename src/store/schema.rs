//! Whether a schema and a binary fit together, and why not.

use super::StoreError;

/// The oldest newest-migration of a binary that works on the schema of this one: such a binary never migrates, and leaves
/// the functions alone. Raise it with the migration that an older binary cannot work with, at the earliest in the
/// release after the one that no longer needs what goes.
pub(super) const OLDEST_BINARY: i64 = 18;

/// Why the schema does not fit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    /// The database was migrated by a Piton so new that this one cannot work beside it.
    #[error(
        "the schema is at version {found} and needs a Piton that knows version {oldest}, this one knows versions up to \
         {known}: start a newer Piton"
    )]
    Newer {
        /// Version found in the database.
        found: i64,
        /// What a binary has to know at least.
        oldest: i64,
        /// Newest version of this binary.
        known: i64,
    },
    /// It has to be migrated first.
    #[error("the schema is at version {found} and this Piton needs version {needed}: run `piton migrate`")]
    Older {
        /// Version found in the database.
        found: i64,
        /// Version this binary needs.
        needed: i64,
    },
    /// Nobody has migrated this database yet.
    #[error(
        "this database has no schema of Piton's yet (version 0), and version {needed} is needed: run `piton migrate`"
    )]
    Missing {
        /// Version this binary needs.
        needed: i64,
    },
    /// The functions are others than those of this binary.
    #[error("the schema is at version {0}, but its functions are not up to date: run `piton migrate`")]
    OldFunctions(i64),
    /// A migration that was applied is another one than this binary's of that number.
    #[error(
        "migration {0} in this database differs from this Piton's: they were built from different sources. Use the Piton that migrated it"
    )]
    Other(i64),
    /// A migration failed, and with it everything that was applied together with it.
    #[error("migration {version} failed, and nothing of it was kept")]
    Failed {
        /// Which one.
        version: i64,
        /// What Postgres said.
        #[source]
        source: StoreError,
    },
    /// Somebody holds what the tables have to be locked for.
    #[error(
        "migrating gave up after {waited} s, and nothing was changed: a lock is held by {holder}. Wait until it is done, or \
         end it with `select pg_terminate_backend(PID)`; then run `piton migrate` again"
    )]
    Locked {
        /// Seconds.
        waited: u64,
        /// Who was seen in the way last.
        holder: String,
    },
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
    /// What names mean while it migrates is a setting of the session.
    #[error(
        "the schema is at version {found}, and a pooler in transaction mode is no way to migrate it; run `piton migrate` \
         over a direct connection"
    )]
    Pooled {
        /// Version found in the database.
        found: i64,
    },
    /// The database gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SchemaError {
    /// The schema is only older than this binary.
    pub(crate) fn is_mended_by_migrating(&self) -> bool {
        matches!(self, SchemaError::Older { .. } | SchemaError::Missing { .. } | SchemaError::OldFunctions(_))
    }
}

impl From<sqlx::Error> for SchemaError {
    fn from(error: sqlx::Error) -> SchemaError {
        SchemaError::Store(error.into())
    }
}

/// A binary that is older than its schema works on it, unless the schema says that it cannot.
pub(super) fn refuse_too_new(found: i64, oldest: i64, known: i64) -> Result<(), SchemaError> {
    if known >= oldest { Ok(()) } else { Err(SchemaError::Newer { found, oldest, known }) }
}
