//! Whether a process can be started.

use std::io;
use std::process::Stdio;

use tokio::process::Command;

use super::own_program::{FORK_SERVER, own_program};

/// Starts a process and waits for its end, to see whether one can be started.
pub(crate) async fn try_out_process() -> io::Result<()> {
    // Without a socket it says so and ends.
    let mut process = Command::new(own_program()?);
    process.arg(FORK_SERVER).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    process.spawn()?.wait().await.map(drop)
}
