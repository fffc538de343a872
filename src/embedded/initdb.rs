//! The making of a data folder.

use super::binaries::Binaries;
use super::connection::USER;
use super::error::EmbeddedError;
use super::folder::Folder;
use super::server_user::ServerUser;
use super::{log_file, program, unfinished};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// It takes a second, and far longer where `fsync` is slow.
const LIMIT: Duration = Duration::from_secs(120);

/// What a data folder is called until it is whole.
const UNFINISHED: &str = "data.new.";

/// Makes the data folder if there is none, as a whole or not at all: `initdb` works under a name of its own, and one rename
/// ends it. Says whether it did. For the holder of the start lock.
pub(crate) async fn ensure_data(folder: &Folder, binaries: &Binaries) -> Result<bool, EmbeddedError> {
    unfinished::sweep(folder.base(), UNFINISHED);
    if folder.has_data() {
        return Ok(false);
    }
    // Trust is for whoever reaches the socket, whose folder only the server's user may enter.
    let arguments = ["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C"].map(OsString::from);
    let failed = |problem| EmbeddedError::Initdb { problem, log: folder.log(), tail: log_file::tail(folder) };
    make_data(folder, &binaries.program("initdb"), &arguments, failed).await?;
    Ok(true)
}

/// Makes the data folder with a program that takes its name behind `-D`.
pub(super) async fn make_data(
    folder: &Folder,
    program: &Path,
    arguments: &[OsString],
    failed: impl Fn(String) -> EmbeddedError,
) -> Result<(), EmbeddedError> {
    let unfinished = unfinished::path(folder.base(), UNFINISHED);
    DirBuilder::new().mode(0o700).create(&unfinished).map_err(EmbeddedError::file("create", &unfinished))?;
    if let Some(user) = ServerUser::of(&folder.data())? {
        user.own(&unfinished)?;
    }
    let mut command = program::command(program, folder)?;
    command.arg("-D").arg(&unfinished).args(arguments);
    if let Err(error) = run(command, program, failed).await {
        unfinished::sweep(folder.base(), UNFINISHED);
        return Err(error);
    }
    fs::rename(&unfinished, folder.data()).map_err(EmbeddedError::file("rename", &unfinished))?;
    let base = File::open(folder.base()).and_then(|base| base.sync_all());
    base.map_err(EmbeddedError::file("sync", folder.base()))
}

async fn run(command: Command, program: &Path, failed: impl Fn(String) -> EmbeddedError) -> Result<(), EmbeddedError> {
    let mut child =
        tokio::process::Command::from(command).kill_on_drop(true).spawn().map_err(EmbeddedError::run(program))?;
    match tokio::time::timeout(LIMIT, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(format!("failed ({status})"))),
        Ok(Err(error)) => Err(EmbeddedError::run(program)(error)),
        Err(_) => Err(failed(format!("took more than {} s and was stopped", LIMIT.as_secs()))),
    }
}
