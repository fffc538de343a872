//! The folder of one cluster.
//!
//! ```text
//! <root>/pg15/data           the data, the server user's, 0700
//!            run             the socket, the server user's, 0700: who cannot enter it cannot connect
//!            postgres.log    what the server, `initdb` and the supervisor say
//!            *.lock          see the module's documentation
//! ```

use super::error::EmbeddedError;
use super::server_user::ServerUser;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The name that Postgres gives its socket on the port that the cluster uses.
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// Linux allows 107 bytes in a socket's path, macOS 103; a little is kept in hand.
const SOCKET_PATH_LIMIT: usize = 100;

/// The paths of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    base: PathBuf,
}

impl Folder {
    /// The folder for one major version under an absolute `root`.
    pub(crate) fn of_major(root: &Path, major: u32) -> Self {
        Self::at(root.join(format!("pg{major}")))
    }

    pub(crate) fn at(base: PathBuf) -> Self {
        Self { base }
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.base.join("data")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.base.join("run")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.run().join(SOCKET_NAME)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.base.join("postgres.log")
    }

    /// Whether `initdb` has been through; it works under another name until it is.
    pub(crate) fn has_data(&self) -> bool {
        self.data().join("PG_VERSION").exists()
    }

    /// Makes the folders, or says why they cannot serve. Needs no lock: every step may be repeated.
    pub(crate) fn prepare(&self) -> Result<(), EmbeddedError> {
        self.check_socket_path()?;
        let mode = mode();
        if let Some(root) = self.base.parent() {
            make_folder(root, mode)?;
        }
        make_folder(&self.base, mode)?;
        self.check_owner()?;
        make_folder(&self.run(), 0o700)?;
        if let Some(user) = ServerUser::of(&self.data())? {
            user.check_can_enter(&self.base)?;
            user.own(&self.run())?;
        }
        Ok(())
    }

    fn check_socket_path(&self) -> Result<(), EmbeddedError> {
        let path = self.socket();
        match path.as_os_str().as_bytes().len() {
            length if length < SOCKET_PATH_LIMIT => Ok(()),
            length => Err(EmbeddedError::SocketPathTooLong { path, length, limit: SOCKET_PATH_LIMIT }),
        }
    }

    /// Two users on one folder would lock each other out half-way; even root keeps to folders of its own.
    fn check_owner(&self) -> Result<(), EmbeddedError> {
        let metadata = fs::metadata(&self.base).map_err(EmbeddedError::file("read", &self.base))?;
        refuse_if_not_ours(&self.base, metadata.uid())
    }
}

/// Root's server runs as another user, who must pass through to programs, data and socket, and need not list.
pub(crate) fn mode() -> u32 {
    if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 }
}

/// Makes `path` with `mode`, whatever the umask, or leaves what is there as it is.
pub(crate) fn make_folder(path: &Path, mode: u32) -> Result<(), EmbeddedError> {
    match fs::metadata(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Err(closed(path, error));
        }
        Err(_) => {}
    }
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|error| {
        if error.kind() == ErrorKind::PermissionDenied { closed(path, error) } else { create_failed(path, error) }
    })?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(EmbeddedError::file("set the mode of", path))
}

/// "Permission denied" on a parent that is another user's says whose it is; else it stays what it was.
fn closed(path: &Path, error: std::io::Error) -> EmbeddedError {
    let parent = path.ancestors().skip(1).find_map(|parent| Some((parent, fs::metadata(parent).ok()?.uid())));
    match parent.map(|(parent, owner)| refuse_if_not_ours(parent, owner)) {
        Some(Err(not_ours)) => not_ours,
        Some(Ok(())) | None => create_failed(path, error),
    }
}

fn create_failed(path: &Path, error: std::io::Error) -> EmbeddedError {
    EmbeddedError::file("create", path)(error)
}

fn refuse_if_not_ours(folder: &Path, owner: u32) -> Result<(), EmbeddedError> {
    let user = rustix::process::geteuid().as_raw();
    if owner == user { Ok(()) } else { Err(EmbeddedError::NotOurs { folder: folder.to_path_buf(), owner, user }) }
}

/// The major versions that have a data folder under `root`.
pub(crate) fn majors_with_data(root: &Path) -> BTreeSet<u32> {
    let Ok(entries) = fs::read_dir(root) else {
        return BTreeSet::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_prefix("pg")?.parse().ok())
        .filter(|major| Folder::of_major(root, *major).base.join("data").is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_is_refused_at_one_hundred_bytes() {
        let base_of = |length: usize| Folder::at(PathBuf::from(format!("/{}", "x".repeat(length - 1))));
        let rest = "/run/".len() + SOCKET_NAME.len();
        assert!(base_of(99 - rest).check_socket_path().is_ok());
        let refused = base_of(100 - rest).check_socket_path();
        assert!(matches!(refused, Err(EmbeddedError::SocketPathTooLong { length: 100, .. })), "{refused:?}");
    }
}
