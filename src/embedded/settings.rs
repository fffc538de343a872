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

/// The programs of Postgres that Piton gets by itself where none are installed that fit.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The folder that holds one folder per download; see [`Programs::default_folder`].
    pub folder: PathBuf,
    /// Allows the download, and is called with a sentence for people before it begins and when it is done. `None`: what was
    /// downloaded before is used, and nothing more is.
    pub download: Option<fn(&str)>,
}

impl Programs {
    /// `programs` in the user's data folder for Piton, see [`Settings::default_root`].
    ///
    /// # Errors
    /// [`EmbeddedError::NoHome`] if the environment names no home.
    pub fn default_folder() -> Result<PathBuf, EmbeddedError> {
        Settings::default_root().map(|root| Self::folder_in(&root))
    }

    /// The folder for programs beside the data in `root`.
    #[must_use]
    pub fn folder_in(root: &std::path::Path) -> PathBuf {
        root.join("programs")
    }
}

/// Where the private Postgres keeps its data, and how it runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that holds one folder per major version of Postgres; see [`Settings::default_root`].
    pub root: PathBuf,
    /// Programs that were downloaded, or may be, where none are installed that fit. `None`: only installed ones are used.
    pub programs: Option<Programs>,
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
