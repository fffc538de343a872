//! The file of this program, and what it is as another process of a command stage.

use std::path::PathBuf;

/// First argument of this program as a fork server, whose standard input is the socket from which it takes orders.
pub(super) const FORK_SERVER: &str = "__command-fork-server";

/// This program's own file. On Linux the link names the very file that runs, also after a deploy has replaced it.
pub(crate) fn own_program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}
