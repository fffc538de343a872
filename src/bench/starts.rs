//! How fast clients start runs by SQL, each run in a transaction of its own.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use super::case::{Case, Starts};
use super::drain::{self, Goal};
use super::meter::Meter;
use super::numbers::rounded;
use super::proof::Expected;
use super::prove::prove;
use super::result::Measured;
use super::spread::Spread;
use super::start::Start;
use super::target::Target;
use super::workers::Workers;
use super::{BenchError, Teller};
use crate::store::StoreError;
use crate::store::bench::Client;

/// Starts that a client makes before the clock, so that the server has planned what they need.
const WARM_UP: u64 = 10;
/// Between two reports of how far it is.
const TELL_EVERY: u64 = 256;

/// Measures starts, and proves that each is there: done if there are workers, otherwise waiting with one job.
pub(super) async fn measure(
    starts: Starts,
    case: &Case,
    start: &Start,
    target: &Target,
    workers: Vec<Command>,
    teller: &dyn Teller,
) -> Result<Measured, BenchError> {
    let observer = &target.observer;
    if !starts.notify {
        observer.never_notify().await?;
    }
    observer.settle().await?;
    let snapshot = if case.hold_snapshot { Some(observer.hold_snapshot().await?) } else { None };
    let mut workers = Workers::spawn(workers)?;
    workers.all_there(case.workers, observer).await?;
    let clients = warm(starts.clients, start, target).await?;

    teller.begin("starts", case.runs);
    let before = Meter::read(observer).await?;
    let begin = Instant::now();
    let (clients, latencies_ms) = all(case.runs, clients, start, teller).await?;
    let elapsed_s = begin.elapsed().as_secs_f64();
    let spent = Meter::read(observer).await?.since(&before);
    teller.end();
    for client in clients {
        client.close().await?;
    }

    let runs = case.runs + WARM_UP * u64::from(starts.clients);
    if case.workers > 0 {
        let goal = Goal { checkpoints: runs * case.checkpoints_per_run(), more_behind: false };
        drain::until(goal, observer, &mut workers, teller).await?;
    }
    let peak_memory = workers.peak_memory();
    workers.stop().await?;
    if let Some(snapshot) = snapshot {
        observer.release_snapshot(snapshot).await.map_err(BenchError::SnapshotLost)?;
    }
    let proof = prove(observer, Expected { runs: Some(runs), all_done: case.workers > 0 }).await?;
    let per_start = |value: f64| rounded(value / case.runs as f64, 2);
    Ok(Measured {
        elapsed_s: rounded(elapsed_s, 3),
        starts_per_s: rounded(case.runs as f64 / elapsed_s, 1),
        start_ms: Spread::of(latencies_ms),
        postgres_cpu_us_per_start: spent.postgres_s.map(|seconds| per_start(seconds * 1e6)),
        wal_bytes_per_start: Some(per_start(spent.wal_bytes as f64)),
        worker_peak_memory_bytes: peak_memory,
        ..Measured::of(case, proof)
    })
}

/// Connected clients that have started some runs.
async fn warm(count: u32, start: &Start, target: &Target) -> Result<Vec<Client>, BenchError> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = target.observer.client().await?;
        for _ in 0..WARM_UP {
            client.start(&start.workflow, &start.input).await?;
        }
        clients.push(client);
    }
    Ok(clients)
}

/// Starts so many runs, each by whichever client is free; how long each took, in milliseconds.
async fn all(
    runs: u64,
    clients: Vec<Client>,
    start: &Start,
    teller: &dyn Teller,
) -> Result<(Vec<Client>, Vec<f64>), BenchError> {
    let (taken, (tell, mut told)) = (Arc::new(AtomicU64::new(0)), tokio::sync::mpsc::unbounded_channel());
    let mut working = JoinSet::new();
    for mut client in clients {
        let (taken, tell) = (Arc::clone(&taken), tell.clone());
        let (workflow, input) = (start.workflow.clone(), start.input.clone());
        working.spawn(async move {
            let mut latencies_ms = Vec::new();
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number >= runs {
                    return Ok::<_, StoreError>((client, latencies_ms));
                }
                let begin = Instant::now();
                client.start(&workflow, &input).await?;
                latencies_ms.push(begin.elapsed().as_secs_f64() * 1000.0);
                if number % TELL_EVERY == 0 {
                    // Nobody listens only when another client has failed, which ends the bench.
                    tell.send(number).ok();
                }
            }
        });
    }
    drop(tell);
    while let Some(number) = told.recv().await {
        teller.at(number);
    }
    let (mut clients, mut latencies_ms) = (Vec::new(), Vec::new());
    while let Some(ended) = working.join_next().await {
        let (client, its_ms) = ended.map_err(|error| BenchError::Client(error.to_string()))??;
        clients.push(client);
        latencies_ms.extend(its_ms);
    }
    Ok((clients, latencies_ms))
}
