//! Starts runs one by one, as in ordinary operation: how long until the first handler, and until the result is durable.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::case::{Case, Offered};
use super::hops::{Hops, StartTimes, milliseconds};
use super::start::Start;
use super::target::Target;
use super::workers::Workers;
use super::{BenchError, Teller};
use crate::model::id::{RunId, RunKey};
use crate::store::StoreError;
use crate::store::bench::Observer;
use crate::store::starts::RunStart;

/// Between two looks for runs that are done: the grain of what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Nothing ends for so long although runs are there: an error.
const STALLED: Duration = Duration::from_secs(60);

/// What a stranger who starts runs and looks for their results has seen.
pub(super) struct Latencies {
    pub(super) starts_per_s: f64,
    pub(super) hops: Hops,
    pub(super) result_durable_ms: Vec<f64>,
}

/// A run, and when it was started.
#[derive(Debug, Clone, Copy)]
struct Started {
    run: RunKey,
    start: StartTimes,
}

/// Starts runs at the rate, each when its time has come, however long the others take; watches them to their end.
pub(super) async fn offer(
    offered: Offered,
    case: &Case,
    start: &Start,
    target: &Target,
    workers: &mut Workers,
    teller: &dyn Teller,
) -> Result<Latencies, BenchError> {
    workers.all_there(case.workers, &target.observer).await?;
    teller.begin("runs", case.runs);
    let (tell, started) = unbounded_channel();
    let begin = Instant::now();
    let starting = async {
        let mut starts = JoinSet::new();
        for number in 0..case.runs {
            tokio::time::sleep_until(begin + Duration::from_secs_f64(number as f64 / offered.per_s)).await;
            let (store, tell) = (target.store.clone(), tell.clone());
            let (version, run) = (start.version, RunStart::on(start.input.clone()));
            starts.spawn(async move {
                let asked = now_us();
                let run = store.start_run(RunId::new(), version, &run).await?;
                // Nobody listens only when the watch has failed, which ends the bench.
                tell.send(Started { run, start: StartTimes { asked, answered: now_us() } }).ok();
                Ok::<(), StoreError>(())
            });
        }
        drop(tell);
        while let Some(answer) = starts.join_next().await {
            // A start that panicked sends nothing; the proof misses it.
            answer.unwrap_or(Ok(()))?;
        }
        Ok::<f64, BenchError>(case.runs as f64 / begin.elapsed().as_secs_f64())
    };
    let watching = watch(started, target.observer.clone(), workers, teller);
    let (starts_per_s, watched) = tokio::try_join!(starting, watching)?;
    teller.end();
    let hops = Hops::of(&watched.starts, &target.observer.handlers().await?, case.stages);
    Ok(Latencies { starts_per_s, hops, result_durable_ms: watched.durable_ms })
}

#[derive(Default)]
struct Watched {
    starts: HashMap<RunKey, StartTimes>,
    durable_ms: Vec<f64>,
}

/// Looks for runs that are over until every one is that was started.
async fn watch(
    mut started: UnboundedReceiver<Started>,
    observer: Observer,
    workers: &mut Workers,
    teller: &dyn Teller,
) -> Result<Watched, BenchError> {
    let (mut watched, mut pending) = (Watched::default(), Vec::new());
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_end = Instant::now();
    loop {
        if pending.is_empty() {
            let Some(next) = started.recv().await else { return Ok(watched) };
            pending.push(next.run);
            watched.starts.insert(next.run, next.start);
            last_end = Instant::now();
        }
        while let Ok(next) = started.try_recv() {
            pending.push(next.run);
            watched.starts.insert(next.run, next.start);
        }
        let ended = observer.ended(&pending).await?;
        let seen = now_us();
        let since = |run: &RunKey| watched.starts.get(run).map(|start| milliseconds(seen - start.answered));
        watched.durable_ms.extend(ended.iter().filter_map(since));
        if !ended.is_empty() {
            pending.retain(|run| !ended.contains(run));
            teller.at(watched.durable_ms.len() as u64);
            last_end = Instant::now();
        } else if last_end.elapsed() > STALLED {
            return Err(BenchError::Stalled(STALLED.as_secs(), observer.checkpoints().await?));
        }
        workers.check()?;
        looks.tick().await;
    }
}

fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
