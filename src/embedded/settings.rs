//! What a caller decides about the private Postgres.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::error::EmbeddedError;
use crate::config;

/// How to start the supervisor: a program whose `main` hands what follows `args` to [`super::run_supervisor`].
#[derive(Debug, Clone)]
pub struct SupervisorCommand {
    /// The program, by its absolute path; as a rule [`std::env::current_exe`].
    pub exe: PathBuf,
    /// What comes before the supervisor's own arguments, such as `["__postgres-supervisor"]`.
    pub args: Vec<OsString>,
}

/// Where the private Postgres keeps its data, and how it runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that holds one folder per major version of Postgres; see [`Settings::default_root`].
    pub root: PathBuf,
    /// How to start the supervisor.
    pub supervisor: SupervisorCommand,
    /// How long the server stays after its last client is gone. Zero: it stops at once, and [`super::Cluster::stop`] waits for it.
    pub linger: Duration,
    /// More server settings, as in `postgresql.conf`. They count when this process is the one that starts the server.
    pub server_options: Vec<(String, String)>,
}

impl Settings {
    /// The user's data folder for Piton: `$XDG_DATA_HOME/piton`, else `~/.local/share/piton` (on macOS
    /// `~/Library/Application Support/piton`); for root `/var/lib/piton`, because the server's own user could not enter root's home.
    ///
    /// # Errors
    /// [`EmbeddedError::NoHome`] if the environment names no home.
    pub fn default_root() -> Result<PathBuf, EmbeddedError> {
        config::data_folder().ok_or(EmbeddedError::NoHome)
    }
}
