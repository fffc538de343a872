//! A Postgres program, ready to be run.

use super::error::EmbeddedError;
use super::folder::Folder;
use super::log_file;
use super::server_user::ServerUser;
use std::path::Path;
use std::process::{Command, Stdio};

/// The program at `path`: as the server's user, with nothing of the caller's Postgres environment, speaking into the log.
pub(crate) fn command(path: &Path, folder: &Folder) -> Result<Command, EmbeddedError> {
    let log = log_file::open(folder)?;
    let also_log = log.try_clone().map_err(EmbeddedError::file("open", folder.log()))?;
    let mut command = Command::new(path);
    command.current_dir("/").stdin(Stdio::null()).stdout(log).stderr(also_log);
    // PGDATA, PGPORT and their like are meant for another server.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C");
    if let Some(user) = ServerUser::of(&folder.data())? {
        user.run(&mut command);
    }
    Ok(command)
}
