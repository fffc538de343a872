//! Requests are what the file says, and whatever a server does ends as an output or as a classified failure.

mod codings;
mod crashes;
mod misbehaviour;
mod secrets;
mod sending;
mod statuses;

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::{Process, SOON, World, until};

/// The rules of a stage whose failures wait for an hour, so that one failure does not end its run.
const WAIT_AN_HOUR: &str = r#"
[stages.ask.retry]
network_timeout = { base = "1h", cap = "1h", jitter = 0.0 }
rate_limited = { base = "1h", cap = "1h", jitter = 0.0 }
resource_unavailable = { base = "1h", cap = "1h", jitter = 0.0 }
out_of_memory = { base = "1h", cap = "1h", jitter = 0.0 }
unknown = { base = "1h", cap = "1h", jitter = 0.0 }
invalid_input = { max_retries = 1, base = "1h", cap = "1h", jitter = 0.0 }
auth_failure = { max_retries = 1, base = "1h", cap = "1h", jitter = 0.0 }
"#;

/// A workflow whose stage `ask` does something for each of `input.items`, and holds its failures for an hour.
fn ask_each(keys: &str) -> String {
    format!("name = \"ask\"\n[stages.ask]\nfor_each = \"input.items\"\n{keys}\n{WAIT_AN_HOUR}")
}

fn worker(world: &World, variables: &[(&str, &str)], arguments: &[&str]) -> Process {
    let folder = world.path("workflows");
    let all = ["worker", "--name", "w1", "--workflows", folder.to_str().unwrap()];
    let mut command = world.command(all);
    command.args(arguments).env("NO_PROXY", "*").envs(variables.iter().copied());
    Process::spawn(command, world.path("w1.log"))
}

/// A failed attempt as it is kept.
#[derive(sqlx::FromRow)]
struct Failed {
    stage: i16,
    item: i32,
    class: String,
    message: String,
    detail: Option<String>,
    /// Seconds from its claim to its end.
    took: f64,
    /// Seconds until it is tried again.
    wait: Option<f64>,
}

/// The failures of a run, once there are so many, in the order of stages, items and attempts.
async fn failures(world: &World, run: &str, count: usize) -> Vec<Failed> {
    let read = async || -> Vec<Failed> {
        sqlx::query_as(
            "select a.stage, a.item, a.class, a.message, a.detail::text as detail,
                    extract(epoch from a.ended_at - a.started_at)::float8 as took,
                    extract(epoch from a.retry_at - a.ended_at)::float8 as wait
             from piton.attempts a join piton.runs r on r.id = a.run_id
             where r.uuid = $1::uuid and a.outcome = 'failed' order by a.stage, a.item, a.attempt",
        )
        .bind(run)
        .fetch_all(&world.pool)
        .await
        .unwrap()
    };
    until(SOON, "the attempts have failed", async || read().await.len() >= count).await;
    read().await
}

/// Runs `ask` on items that all fail: the failures by item.
async fn ask(world: &World, items: &[&str]) -> BTreeMap<String, Failed> {
    let run = world.start("ask", &json!({"items": items}).to_string());
    let failed = failures(world, &run, items.len()).await;
    failed.into_iter().map(|failed| (items[usize::try_from(failed.item).unwrap()].to_owned(), failed)).collect()
}

#[track_caller]
fn assert_failed(failed: &Failed, class: &str, message: &str) {
    assert_eq!((failed.class.as_str(), failed.message.as_str()), (class, message));
}

/// Bytes, since the process began.
fn peak_memory(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
