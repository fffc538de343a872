//! The schema: whether it fits this binary, and bringing it up to date.

use std::time::Duration;

use super::connect::lacks_rights;
use super::migrator::{Migrator, embedded};
use super::schema::{SchemaError, refuse_too_new};
use super::{Store, StoreError};

/// How long migrating waits for locks where nothing else is said.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(60);

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
