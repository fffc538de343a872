//! The same programs without an engine: what this machine can do at most.

use std::process::Stdio;
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::case::PROGRAM;
use super::numbers::rounded;
use super::result::Xargs;
use super::{BenchError, machine};

/// Runs the program so often, so many side by side. `None` where there is no xargs that can.
///
/// Dropped before its end, it kills xargs, which starts no more.
pub(super) async fn run(programs: u64, side_by_side: u32) -> Result<Option<Xargs>, BenchError> {
    let mut command = Command::new("xargs");
    command.args(["-P", &side_by_side.to_string(), "-n", "1", PROGRAM]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let (begin, cpu_before) = (Instant::now(), machine::children_cpu());
    let Ok(mut xargs) = command.spawn() else { return Ok(None) };
    if let Some(mut arguments) = xargs.stdin.take() {
        // If it goes away before it has read them all, its status says so.
        arguments.write_all("-\n".repeat(programs as usize).as_bytes()).await.ok();
    }
    let status = xargs.wait().await.map_err(|error| BenchError::Process("waited for", error))?;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu_s = machine::children_cpu().zip(cpu_before).map(|(after, before)| after - before);
    // One without -P (it is not in POSIX) fails.
    Ok(status.success().then(|| Xargs {
        programs_per_s: rounded(programs as f64 / seconds, 1),
        cpu_us_per_program: cpu_s.map(|seconds| rounded(seconds * 1e6 / programs as f64, 2)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn programs_are_counted_and_timed() {
        let xargs = run(20, 4).await.expect("it ran").expect("this machine has xargs");
        assert!(xargs.programs_per_s > 1.0 && xargs.cpu_us_per_program.is_some(), "{xargs:?}");
    }
}
