//! The worker, from the first handler to the last result that is in the database.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use apalis_core::task::task_fn::task_fn;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_core::worker::event::Event;
use apalis_core::worker::ext::event_listener::EventListenerExt;
use apalis_postgres::PostgresStorage;
use apalis_workflow::SteppedFlow;
use baselines::workload::Workload;

use crate::chain::Chain;
use crate::step::{self, Output};

pub(crate) const CONNECTIONS: u32 = 8;
pub(crate) const BATCH: usize = 1000;

/// Works until all stages are done; the worker ends when the last of their results is committed.
pub(crate) async fn drain(storage: PostgresStorage<Output>, work: &Workload) -> Result<Duration> {
    step::set_bytes(work.payload);
    let chain: Chain<_, Output> = Chain::of(work.stages, task_fn(step::step));
    let missing = AtomicU64::new(work.all_stages());
    let worker = WorkerBuilder::new("bench")
        .backend(storage)
        .on_event(move |worker, event| match event {
            Event::Success(_) if missing.fetch_sub(1, Ordering::Relaxed) == 1 => stop(worker),
            Event::Error(error) => {
                eprintln!("{error}");
                stop(worker);
            }
            _ => {}
        })
        .build(SteppedFlow::new("bench").add_step::<_, Output>(chain));
    worker.run().await?;
    let ended = Instant::now();
    Ok(ended - step::first_began().context("no handler ran")?)
}

fn stop(worker: &WorkerContext) {
    // It is stopped once, and after it was started; the check afterwards would tell if not.
    worker.stop().ok();
}
