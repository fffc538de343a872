//! The schema: whether it fits this binary, and brought up to date by those who may.

use std::time::Duration;

use super::connect::lacks_rights;
use super::migrator::{Migrator, embedded};
use super::{Store, StoreError};

/// The oldest newest-migration of a binary that works on the schema of this one: such a binary never migrates, and leaves
/// the functions alone. Raise it with the migration that an older binary cannot work with, at the earliest in the
/// release after the one that no longer needs what goes.
pub(super) const OLDEST_BINARY: i64 = 18;

/// How long migrating waits for locks where nothing else is said.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(60);

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

/// What was done to the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Migrated {
    /// The version it is at now; newer than this binary's where a newer Piton was quicker.
    pub(crate) version: i64,
    /// How many migrations were applied.
    pub(crate) applied: usize,
}

/// Newest migration this binary knows.
pub(crate) fn newest() -> i64 {
    embedded().iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// What the database says of its schema.
#[derive(Debug, Clone, Copy)]
struct Found {
    version: i64,
    oldest_binary: i64,
}

impl Store {
    /// Migrates to the newest version. A schema that is newer and that this binary can work with is left as it is.
    pub(crate) async fn migrate(&self, patience: Duration) -> Result<Migrated, SchemaError> {
        self.refuse_unfit_database().await?;
        let found = self.found().await?.version;
        let is_outdated = found < newest() || found == newest() && !self.functions_fit().await?;
        if is_outdated {
            if self.is_pooled() {
                return Err(SchemaError::Pooled { found });
            }
            self.refuse_read_only().await?;
        }
        let applied = match Migrator::ours(self, patience).run().await {
            // Nothing was to be done, and nothing is what this role may do.
            Err(SchemaError::Store(StoreError::Refused(error))) if !is_outdated && lacks_rights(&error) => 0,
            ran => ran?,
        };
        // Not with the migrations: it takes no lock for long, and nothing waits for it.
        if applied > 0
            && let Err(error) = self.renew_fingerprints().await
        {
            tracing::warn!("a worker will renew the fingerprints of dead letters, for here it failed: {error}");
        }
        let version = self.found().await?.version;
        Ok(Migrated { version, applied })
    }

    /// Checks that this binary can work on the schema, without touching it.
    pub(crate) async fn check_schema(&self) -> Result<(), SchemaError> {
        self.refuse_unfit_database().await?;
        let (found, known) = (self.found().await?, newest());
        match found.version.cmp(&known) {
            std::cmp::Ordering::Less if found.version == 0 => Err(SchemaError::Missing { needed: known }),
            std::cmp::Ordering::Less => Err(SchemaError::Older { found: found.version, needed: known }),
            std::cmp::Ordering::Equal if self.functions_fit().await? => Ok(()),
            std::cmp::Ordering::Equal => Err(SchemaError::OldFunctions(known)),
            std::cmp::Ordering::Greater => refuse_too_new(found.version, found.oldest_binary, known),
        }
    }

    /// 0 before the first migration.
    async fn found(&self) -> Result<Found, StoreError> {
        let exists: bool = sqlx::query_scalar(
            "select to_regclass('piton.migrations') is not null and to_regclass('piton.function_set') is not null",
        )
        .fetch_one(&self.pool)
        .await?;
        if !exists {
            return Ok(Found { version: 0, oldest_binary: 0 });
        }
        // A schema from before the bound was kept has no such column; whoever made it knows none newer.
        let (version, oldest_binary): (i64, i64) = sqlx::query_as(
            "select greatest((select coalesce(max(m.version), 0) from piton.migrations m where m.success), f.version),
                    coalesce((to_jsonb(f) ->> 'oldest_binary')::int8, 0)
             from piton.function_set f",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Found { version, oldest_binary })
    }
}

/// A binary that is older than its schema works on it, unless the schema says that it cannot.
pub(super) fn refuse_too_new(found: i64, oldest: i64, known: i64) -> Result<(), SchemaError> {
    if known >= oldest { Ok(()) } else { Err(SchemaError::Newer { found, oldest, known }) }
}
