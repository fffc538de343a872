//! The warm program of a campaign: it remembers in its process what it works on, answers with that, and dies and talks out of turn by
//! the seeds of its runs.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::workload::Given;

/// First argument of this program as that one.
pub(crate) const ROLE: &str = "__chaos-warm";
/// What one job takes.
const TAKES: Duration = Duration::from_millis(20);

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    run: Uuid,
    #[serde(default)]
    attempt: u32,
    /// As it was written.
    input: Option<Box<RawValue>>,
}

/// Works until it is told to stop, or is to die.
pub(crate) fn main() -> ExitCode {
    match serve() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            writeln!(std::io::stderr(), "the warm program of the campaign: {error}").ok();
            ExitCode::from(70)
        }
    }
}

fn serve() -> std::io::Result<u8> {
    let path = std::env::var_os("PITON_WARM").unwrap_or_default();
    let mut to = UnixStream::connect(path)?;
    let from = BufReader::new(to.try_clone()?);
    writeln!(to, r#"{{"type":"ready","protocol":1}}"#)?;
    // What this process works on: an answer that came out of another one's state would show it.
    let mut in_hand = 0;
    for line in from.lines() {
        let Message { kind, id, run, attempt, input } = serde_json::from_str(&line?)?;
        let input = match (kind.as_str(), input) {
            ("start", Some(input)) => input,
            ("stop", _) => return Ok(0),
            _ => continue,
        };
        let given: Given = serde_json::from_str(input.get())?;
        let seed = given.input.seed;
        in_hand = if in_hand == 0 { seed } else { in_hand };
        std::thread::sleep(TAKES);
        if seed.is_multiple_of(5) && attempt == 1 {
            kill_process(getpid(), Signal::KILL).ok();
        }
        let answer = format!(
            r#"{{"type":"result","id":"{id}","output":{{"attempt":{attempt},"run":"{run}","given":{},"in_hand":{in_hand}}}}}"#,
            input.get().replace(['\n', '\r'], " ")
        );
        writeln!(to, "{answer}")?;
        match seed % 5 {
            1 => return Ok(3),
            2 => writeln!(to, "{answer}")?,
            _ => {}
        }
        in_hand = 0;
    }
    Ok(0)
}
