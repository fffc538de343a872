//! The worker, from the first handler to the last one, as in its own benchmark. The last ends are committed a moment later.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use baselines::handlers;
use baselines::workload::Workload;
use graphile_worker::{LocalQueueConfig, Worker, WorkerOptions};
use sqlx::PgPool;

use crate::step::Job;

/// Jobs at once, jobs fetched at once, and how long ends gather: those of its own benchmark (`benches/perf_test.rs`).
const CONCURRENCY: usize = 500;
const LOCAL_QUEUE: usize = 5_000;
const GATHER: Duration = Duration::from_millis(5);
const POLL: Duration = Duration::from_millis(5);
/// Between two looks whether all handlers have run.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// No handler has begun for so long: it hangs.
const STALLED: Duration = Duration::from_secs(60);

pub(crate) async fn worker(pool: &PgPool) -> Result<Worker> {
    let options = WorkerOptions::default()
        .pg_pool(pool.clone())
        .concurrency(CONCURRENCY)
        .local_queue(LocalQueueConfig::default().with_size(LOCAL_QUEUE))
        .poll_interval(POLL)
        .complete_job_batch_delay(GATHER)
        .listen_os_shutdown_signals(false)
        .define_job::<Job>();
    Ok(options.init().await?)
}

/// Works until all jobs are done. The worker that is asked to stop does so when its last ends are committed.
pub(crate) async fn drain(worker: Worker, work: &Workload) -> Result<Duration> {
    let running = worker.run();
    let watching = async {
        let (mut calls, mut moved) = (handlers::calls(), Instant::now());
        while calls < work.all_stages() {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = handlers::calls();
            if now != calls {
                (calls, moved) = (now, Instant::now());
            } else if moved.elapsed() > STALLED {
                bail!("nothing moved for {} s after {calls} jobs", STALLED.as_secs());
            }
        }
        let end = Instant::now();
        worker.request_shutdown();
        Ok(end)
    };
    let (ended, watched) = tokio::join!(running, watching);
    let end = watched?;
    ended?;
    Ok(end - handlers::first_began().context("no handler ran")?)
}
