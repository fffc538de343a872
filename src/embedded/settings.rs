//! What a caller decides about the private Postgres.

use super::error::EmbeddedError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
        let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        choose_root(
            rustix::process::geteuid().is_root(),
            variable("XDG_DATA_HOME").as_deref(),
            variable("HOME").as_deref(),
        )
        .ok_or(EmbeddedError::NoHome)
    }
}

fn choose_root(is_root: bool, xdg_data_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/piton"));
    }
    let in_home = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    let parent = xdg_data_home.map(Path::to_path_buf).or_else(|| home.map(|home| home.join(in_home)))?;
    Some(parent.join("piton"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_where_the_user_keeps_data() {
        let (xdg, home) = (Path::new("/data"), Path::new("/home/ada"));
        assert_eq!(choose_root(true, Some(xdg), Some(home)), Some("/var/lib/piton".into()));
        assert_eq!(choose_root(false, Some(xdg), Some(home)), Some("/data/piton".into()));
        assert_eq!(choose_root(false, None, None), None);
        if cfg!(target_os = "linux") {
            assert_eq!(choose_root(false, None, Some(home)), Some("/home/ada/.local/share/piton".into()));
        }
    }
}
