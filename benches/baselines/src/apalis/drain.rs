//! The workers, from the first handler to the last result that is in the database.
//!
//! Every step is pushed in a transaction of its own, with a NOTIFY, and transactions that notify commit one after the
//! other: that is what bounds the rate, and why the settings change so little. Rates over those of the settings below, on
//! 2 cores, medians of at least three pairs in alternation:
//!
//! | setting | tried |
//! |---|---|
//! | tasks fetched at once, 1000 | 100: 0.91, 500: 0.99, 3000: 0.98 |
//! | connections, 4 | 2: 0.88, 6: 0.95, 8: 0.93, 16: 0.9, 50: 0.8 |
//! | workers in the process, 2 | 1: 0.89, 3: 0.99, 4: 0.99 |
//! | polling every 50 ms | pubsub: 0.93 to 1.06, shared pubsub: 1.01, none: 1.00 |
//! | tokio's current thread | two threads: 1.00 |
//! | tasks at once, no limit | 50: 1.02, 100: 1.03, 1000: 1.0 |
//! | handlers in the worker's task | spawned by `parallelize`: 0.99 |
//! | `lock_tasks` off | on, as it is by default: 0.89 |
//! | `persist_results` on | off would leave every task unfinished |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use apalis_core::backend::ext::BackendExt;
use apalis_core::task::task_fn::task_fn;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_core::worker::event::Event;
use apalis_core::worker::ext::event_listener::EventListenerExt;
use apalis_postgres::{Config, PgPool, PostgresStorage};
use apalis_workflow::SteppedFlow;
use baselines::handlers;
use baselines::workload::Workload;
use tokio::task::JoinSet;

use crate::chain::Chain;
use crate::step::{self, Output};

pub(crate) const CONNECTIONS: u32 = 4;
const WORKERS: usize = 2;
const BATCH: usize = 1000;
const POLL: Duration = Duration::from_millis(50);

pub(crate) fn storage(pool: &PgPool) -> PostgresStorage<Output> {
    let config = Config::default().queue("bench").batch_size(BATCH).lock_tasks(false);
    PostgresStorage::new(pool).with_config(config)
}

/// Works until all stages are done. A worker ends when the last of its results is committed.
pub(crate) async fn drain(pool: &PgPool, work: &Workload) -> Result<Duration> {
    step::set_bytes(work.payload);
    let workers: Arc<[WorkerContext]> =
        (0..WORKERS).map(|number| WorkerContext::new(&format!("bench-{number}"))).collect();
    let missing = Arc::new(AtomicU64::new(work.all_stages()));
    let mut running = JoinSet::new();
    for context in workers.iter() {
        let (all, missing) = (Arc::clone(&workers), Arc::clone(&missing));
        let chain: Chain<_, Output> = Chain::of(work.stages, task_fn(step::step));
        let worker = WorkerBuilder::new(context)
            .backend(storage(pool).poll_with_interval(POLL))
            .on_event(move |_, event| match event {
                Event::Success(_) if missing.fetch_sub(1, Ordering::Relaxed) == 1 => stop(&all),
                Event::Error(error) => {
                    eprintln!("{error}");
                    stop(&all);
                }
                _ => {}
            })
            .build(SteppedFlow::new("bench").add_step::<_, Output>(chain));
        running.spawn(worker.run());
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let ended = Instant::now();
    Ok(ended - handlers::first_began().context("no handler ran")?)
}

fn stop(workers: &[WorkerContext]) {
    for worker in workers {
        // One that was stopped before, or has not begun, has nothing to do; the check afterwards would tell if it had.
        worker.stop().ok();
    }
}
