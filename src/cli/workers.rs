//! `piton workers`: which workers are alive, and what they run.

use super::args::{Global, WorkersArgs};
use super::database::Database;
use super::exit::Exit;
use crate::cli::output::outln;
use crate::config;
use crate::store::warm::WarmPrograms;
use crate::store::workers::{EndedToo, WorkerRow};
use crate::view::when;

pub(crate) async fn workers(global: Global, args: WorkersArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let ended_too = if args.all { EndedToo::All } else { EndedToo::Lately };
    let workers = database.store.workers(ended_too, None, i64::from(args.limit)).await?;
    let now = database.store.now().await?;
    database.close().await;
    if global.json {
        outln!("{}", serde_json::to_string(&workers)?);
        return Ok(Exit::Done);
    }
    for worker in &workers {
        outln!("{}", lines(worker, now));
    }
    if !workers.iter().any(|worker| worker.state == "alive") {
        outln!("No worker is alive. Start one with:  {} worker", config::program());
    }
    Ok(Exit::Done)
}

/// How it is, where it is, and what it runs.
fn lines(worker: &WorkerRow, now: chrono::DateTime<chrono::Utc>) -> String {
    let WorkerRow { worker: name, host, pid, jobs, .. } = worker;
    let state = match (worker.state.as_str(), worker.stopped_at, worker.stopping_at) {
        ("silent", _, _) => format!("silent for {}", when::span(now - worker.last_seen)),
        ("stopping", _, Some(at)) => format!("stopping since {}", when::clock(at)),
        (state, Some(at), _) => format!("{state} at {}", when::clock(at)),
        (state, _, _) => state.to_owned(),
    };
    let busy = match worker.slots {
        Some(slots) if worker.stopped_at.is_none() => format!(", runs {jobs} of {slots} at once"),
        _ => String::new(),
    };
    let runners = match worker.runners {
        0 => String::new(),
        1 => ", and 1 suspect in a process of its own".to_owned(),
        runners => format!(", and {runners} suspects in processes of their own"),
    };
    let build = worker.build.as_ref().map_or_else(|| "an older version".to_owned(), |build| format!("version {build}"));
    let since = when::clock(worker.started_at);
    let mut text = format!("{name}: {state}{busy}{runners}\n    on {host}, process {pid}, since {since}, {build}");
    for busy in &worker.stages {
        let oldest = when::span(now - busy.oldest_since);
        text.push_str(&format!("\n    {}, {}: {}, the oldest for {oldest}", busy.workflow, busy.stage, busy.jobs));
    }
    for programs in &worker.warm {
        let WarmPrograms { workflow, stage, starting, idle, busy, stopping } = programs;
        let states = [(busy, "busy"), (idle, "idle"), (starting, "starting"), (stopping, "stopping")];
        let states = states.iter().filter(|(count, _)| **count > 0).map(|(count, state)| format!("{count} {state}"));
        text.push_str(&format!(
            "\n    warm programs of {workflow}, {stage}: {}",
            states.collect::<Vec<_>>().join(", ")
        ));
    }
    text
}
