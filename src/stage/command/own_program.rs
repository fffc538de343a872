//! The file of this program.

use std::path::PathBuf;

/// This program's own file. On Linux the link names the very file that runs, also after a deploy has replaced it.
pub(crate) fn own_program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}
