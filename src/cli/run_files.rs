//! Starts a run on the files that the command line names.

use anyhow::Context;

use super::refusal::refused;
use crate::artifacts::Artifacts;
use crate::model::id::{RunId, VersionId};
use crate::stage::run_files::{LocalFile, find, fits, listed, upload};
use crate::store::Store;
use crate::store::starts::RunStart;

/// Uploads them, and starts the run: with all of them, or not at all.
pub(super) async fn start(
    store: &Store,
    artifacts: Option<Artifacts>,
    (version, start): (VersionId, RunStart),
    files: &[LocalFile],
    most: usize,
) -> anyhow::Result<RunId> {
    let id = RunId::new();
    if files.is_empty() {
        store.start_run(id, version, &start).await.map_err(refused)?;
        return Ok(id);
    }
    let artifacts = artifacts.context("there is no artifact store for the files: name one with --artifacts STORE")?;
    let files = find(files).await?;
    // Said before anything is uploaded.
    fits(&start.input, &files, most)?;
    let files = upload(&artifacts, &store.own_addresses().await?, &files).await?;
    let start = RunStart { input: listed(&start.input, &files, most)?, ..start };
    store.start_run_on_files(id, version, &start, &files).await.map_err(refused)?;
    Ok(id)
}
