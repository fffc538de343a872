//! A temporary folder that is gone when this process is, however that ended.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::error::EmbeddedError;
use super::folder;

/// Deletes the folder when its standard input ends, which this process holds open. What still writes into it is killed at the same
/// time: until it has ended, a part may have to be deleted again.
const GUARDIAN: &str = r#"cat > /dev/null
tries=0
until rm -rf "$1" 2> /dev/null || [ $tries -ge 100 ]; do tries=$((tries + 1)); sleep 0.1; done"#;

const SHELL: &str = "/bin/sh";

/// A folder in the temporary folder. Only this process' user can list it, and as root's others may pass through, as their programs
/// may have to.
#[derive(Debug)]
pub(crate) struct ThrowawayFolder {
    path: PathBuf,
    /// Its standard input ends with this value, or with this process.
    _guardian: Child,
}

impl ThrowawayFolder {
    /// Makes one. Its guardian runs before there is a folder, so that none is left behind by a process that is killed meanwhile.
    pub(crate) fn make() -> Result<ThrowawayFolder, EmbeddedError> {
        let temporary = std::env::temp_dir();
        let unusable = |error: std::io::Error| EmbeddedError::Temporary {
            folder: temporary.clone(),
            problem: error.to_string(),
            cure: "set TMPDIR to a folder that exists and that you may write to".to_owned(),
        };
        let path = std::path::absolute(&temporary).map_err(unusable)?;
        // Short, for the paths of sockets; and never another's, who would lose it.
        let path = path.join(format!("piton-{:016x}", rand::random::<u64>()));
        let mut command = Command::new(SHELL);
        command.args(["-c", GUARDIAN, "piton-testing"]).arg(&path).current_dir("/");
        // Ctrl-C is for the tests: the folder goes after them.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let guardian = command.spawn().map_err(EmbeddedError::run(SHELL))?;
        DirBuilder::new().mode(folder::mode()).create(&path).map_err(unusable)?;
        // Whatever the umask.
        std::fs::set_permissions(&path, Permissions::from_mode(folder::mode())).map_err(unusable)?;
        Ok(ThrowawayFolder { path, _guardian: guardian })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
