//! A program that is run to its end, and what it said.

use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::stop::Stop;

/// A program that was asked to stop puts away what it began: worker processes, a database.
const FAREWELL: Duration = Duration::from_secs(30);

/// Its standard output.
///
/// # Errors
/// With all it said on standard error, if it failed; if someone asked to stop.
pub(crate) async fn output(mut command: Command, stop: &mut Stop) -> Result<String> {
    command.stderr(Stdio::piped());
    run(command, stop).await
}

/// The same of a program whose standard error people see at once.
pub(crate) async fn output_shown(mut command: Command, stop: &mut Stop) -> Result<String> {
    command.stderr(Stdio::inherit());
    run(command, stop).await
}

async fn run(mut command: Command, stop: &mut Stop) -> Result<String> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().with_context(|| format!("cannot run {name}"))?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let end = child.wait_with_output();
    tokio::pin!(end);
    let Output { status, stdout, stderr } = tokio::select! {
        output = &mut end => output?,
        () = stop.asked() => {
            // It may have ended just now, or have got the same signal; then there is nobody to tell.
            pid.map(|pid| kill_process(pid, Signal::TERM).ok());
            tokio::time::timeout(FAREWELL, end).await.ok();
            bail!("stopped");
        }
    };
    if !status.success() {
        bail!("{name} failed ({status}):\n{}", String::from_utf8_lossy(&stderr).trim_end());
    }
    Ok(String::from_utf8(stdout)?)
}
