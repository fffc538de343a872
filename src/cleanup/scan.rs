//! Compares the artifact store with the catalogue, both ways.

use std::time::Duration;

use chrono::Utc;
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;
use sqlx::types::Uuid;

use crate::artifacts::{ArtifactError, Artifacts, StoredFile};
use crate::model::address::Made;
use crate::store::cleanup::Unknown;
use crate::store::{Store, StoreError};

/// A younger file may be of an attempt whose row is on its way.
const SAFETY: Duration = Duration::from_secs(3600);
/// Files, and rows, of one question.
const AT_ONCE: usize = 500;
/// Of what is wrong so much is told by name.
const TOLD: usize = 100;

/// What does not fit.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Found {
    /// Files of this database that nobody knows of, older than an hour.
    pub(crate) unknown_files: u64,
    pub(crate) unknown_bytes: u64,
    /// They were deleted.
    pub(crate) deleted: bool,
    /// Files as old that are not this database's: those of another one that shares the store, or that Piton did not make. They
    /// stay.
    pub(crate) foreign_files: u64,
    pub(crate) foreign_bytes: u64,
    /// Artifacts whose file is gone.
    pub(crate) missing_files: u64,
    /// The first of both.
    pub(crate) addresses: Vec<String>,
}

/// Why it could not be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the artifact store: {0}")]
    Artifacts(#[from] ArtifactError),
}

/// Looks at every file and every row. With `delete`, files that this database made and no longer knows are deleted.
pub(crate) async fn scan(store: &Store, artifacts: &Artifacts, delete: bool) -> Result<Found, ScanError> {
    let mut found = Found { deleted: delete, ..Found::default() };
    files(store, artifacts, delete, &mut found).await?;
    rows(store, artifacts, &mut found).await?;
    Ok(found)
}

async fn files(store: &Store, artifacts: &Artifacts, delete: bool, found: &mut Found) -> Result<(), ScanError> {
    let young = Utc::now() - SAFETY;
    let old = artifacts.files().await?.try_filter(|file| std::future::ready(file.modified < young));
    let mut batches = std::pin::pin!(old.chunks(AT_ONCE));
    while let Some(batch) = batches.next().await {
        let batch = batch.into_iter().collect::<Result<Vec<StoredFile>, ArtifactError>>()?;
        let addresses: Vec<(&str, Option<Made<'_>>)> =
            batch.iter().map(|file| (file.address.as_str(), Made::of(&file.address))).collect();
        let unknown = store.unknown_addresses(&addresses).await?;
        for file in &batch {
            let Some(Unknown { ours, .. }) = unknown.iter().find(|unknown| unknown.address == file.address) else {
                continue;
            };
            if !ours {
                found.foreign_files += 1;
                found.foreign_bytes += file.bytes;
                continue;
            }
            found.unknown_files += 1;
            found.unknown_bytes += file.bytes;
            found.tell(&file.address);
            if delete {
                artifacts.delete_stray(&file.address).await?;
            }
        }
    }
    Ok(())
}

async fn rows(store: &Store, artifacts: &Artifacts, found: &mut Found) -> Result<(), ScanError> {
    let mut after = Uuid::nil();
    loop {
        let page = store.artifact_addresses(after, AT_ONCE as i64).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, address) in &page {
            if !artifacts.has(address).await? {
                found.missing_files += 1;
                found.tell(address);
            }
        }
    }
}

impl Found {
    fn tell(&mut self, address: &str) {
        if self.addresses.len() < TOLD {
            self.addresses.push(address.to_owned());
        }
    }
}
