//! One measure, from an empty database to its figures.

use std::process::Command;

use super::case::{Case, Shape};
use super::drain::{self, Goal};
use super::meter::Meter;
use super::numbers::rounded;
use super::offer::{self, Latencies};
use super::proof::{Expected, Proof};
use super::prove::prove;
use super::result::Measured;
use super::spread::Spread;
use super::start::{register, start_ahead};
use super::target::Target;
use super::workers::Workers;
use super::{BenchError, Teller, starts, xargs};
use crate::store::bench::{Observer, WindowRow};

/// Waits that are looked at; more would not change their percentiles.
const SAMPLE: u64 = 20_000;

/// Measures, and proves. `workers` are the commands that start the worker processes.
///
/// What was started is left in the database. Dropped before its end, it kills its workers.
pub(crate) async fn measure(
    case: &Case,
    target: &Target,
    workers: Vec<Command>,
    teller: &dyn Teller,
) -> Result<Measured, BenchError> {
    let start = register(case, &target.store).await?;
    if let Some(clients) = case.starts {
        return starts::measure(clients, case, &start, target, workers, teller).await;
    }
    let ahead = if case.offered.is_some() { 0 } else { case.runs + case.backlog };
    let mut starts_per_s = start_ahead(ahead, &start, &target.store, teller).await?;
    target.observer.settle().await?;
    let snapshot = if case.hold_snapshot { Some(target.observer.hold_snapshot().await?) } else { None };

    let before = Meter::read(&target.observer).await?;
    let mut workers = Workers::spawn(workers)?;
    let latencies = match case.offered {
        Some(offered) => {
            let latencies = offer::offer(offered, case, &start, target, &mut workers, teller).await?;
            starts_per_s = latencies.starts_per_s;
            Some(latencies)
        }
        None => {
            teller.begin("stages", case.checkpoints());
            let goal = Goal { checkpoints: case.checkpoints(), more_behind: case.backlog > 0 };
            drain::until(goal, &target.observer, &mut workers, teller).await?;
            teller.end();
            None
        }
    };
    let peak_memory = workers.peak_memory();
    workers.stop().await?;
    if let Some(snapshot) = snapshot {
        target.observer.release_snapshot(snapshot).await.map_err(BenchError::SnapshotLost)?;
    }
    let spent = Meter::read(&target.observer).await?.since(&before);

    let all_done = case.backlog == 0;
    let proof = prove(&target.observer, Expected { runs: Some(case.runs + case.backlog), all_done }).await?;
    let window = target.observer.window().await?;
    let mut measured = figures(case, proof, &window, &spent);
    measured.starts_per_s = rounded(starts_per_s, 1);
    measured.wait_ms = waits(case, &target.observer).await?;
    if case.shape == Shape::Commands {
        measured.xargs = xargs::run(case.runs, case.slots * case.workers).await?;
    }
    measured.worker_peak_memory_bytes = peak_memory;
    if let Some(latencies) = latencies {
        put(latencies, &mut measured);
        measured.observer_cpu_us_per_stage = spent.observer_s.map(|seconds| per_stage(seconds, &window));
    }
    Ok(measured)
}

fn put(Latencies { hops, result_durable_ms, .. }: Latencies, measured: &mut Measured) {
    measured.start_ms = hops.start_ms;
    measured.asked_to_first_handler_ms = hops.asked_to_first_handler_ms;
    measured.asked_to_last_handler_ms = hops.asked_to_last_handler_ms;
    measured.first_handler_ms = hops.first_handler_ms;
    measured.hops_ms = Some(hops.between_ms);
    measured.last_handler_ms = hops.last_handler_ms;
    measured.result_durable_ms = Spread::of(result_durable_ms);
}

async fn waits(case: &Case, observer: &Observer) -> Result<Option<Spread>, BenchError> {
    let (fan_out, each) = match case.shape {
        Shape::Sequential => (false, u64::from(case.stages) - 1),
        Shape::FanOut => (true, u64::from(case.items)),
        Shape::OneStage | Shape::Starts | Shape::Commands => return Ok(None),
    };
    let step = (case.runs * each).div_ceil(SAMPLE).clamp(1, case.runs);
    Ok(Spread::of(observer.waits_ms(fan_out, step.cast_signed()).await?))
}

/// CPU time in microseconds.
fn per_stage(seconds: f64, window: &WindowRow) -> f64 {
    rounded(seconds * 1e6 / window.checkpoints.max(1) as f64, 2)
}

fn figures(case: &Case, proof: Proof, window: &WindowRow, spent: &Meter) -> Measured {
    let checkpoints = window.checkpoints.max(1) as f64;
    let elapsed = window.elapsed_s.max(1e-6);
    let tenth = |count: i64| rounded(count as f64 / (elapsed / 10.0), 1);
    let per_stage = |seconds: f64| per_stage(seconds, window);
    let runs_done = proof.runs_done as f64;
    Measured {
        elapsed_s: rounded(elapsed, 3),
        stages_per_s: Some(rounded(window.checkpoints as f64 / elapsed, 1)),
        first_tenth_stages_per_s: Some(tenth(window.first_tenth)),
        last_tenth_stages_per_s: Some(tenth(window.last_tenth)),
        runs_per_s: Some(rounded(runs_done / elapsed, 1)),
        worker_cpu_us_per_stage: spent.workers_s.map(per_stage),
        postgres_cpu_us_per_stage: spent.postgres_s.map(per_stage),
        wal_bytes_per_stage: Some(rounded(spent.wal_bytes as f64 / checkpoints, 1)),
        ..Measured::of(case, proof)
    }
}
