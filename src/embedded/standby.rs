//! The data of a standby: a copy of a running server's, which follows it once it is started as a cluster of its own.

use super::binaries;
use super::connection::USER;
use super::error::EmbeddedError;
use super::folder::Folder;
use super::{initdb, log_file};
use std::ffi::OsString;
use std::path::Path;

const PROGRAM: &str = "pg_basebackup";

/// Whether what copies a server is installed beside it.
pub(crate) fn can_be_copied() -> bool {
    binaries::find_binaries().is_ok_and(|binaries| binaries.program(PROGRAM).is_file())
}

/// Copies the server that this port of 127.0.0.1 leads to into `root`, where no data are yet. Started from there
/// ([`super::Cluster::start`]), it follows the server through that same port until it is promoted.
pub(crate) async fn copy_data(root: &Path, port: u16) -> Result<(), EmbeddedError> {
    let found = tokio::task::spawn_blocking(binaries::find_binaries).await;
    let binaries = found.map_err(|_| EmbeddedError::SearchInterrupted)??;
    let folder = Folder::of_major(root, binaries.major);
    folder.prepare()?;
    let mut arguments = ["-R", "-X", "stream", "-c", "fast", "-d"].map(OsString::from).to_vec();
    arguments.push(format!("host=127.0.0.1 port={port} user={USER} dbname=postgres sslmode=disable").into());
    let failed = |problem| EmbeddedError::BaseBackup { problem, log: folder.log(), tail: log_file::tail(&folder) };
    initdb::make_data(&folder, &binaries.program(PROGRAM), &arguments, failed).await
}
