//! Exports the state of the database at /metrics: one worker at a time reads it, on a timer, so that no scrape queries the
//! database and more workers do not query it more often.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::meters::catalog::{ALL, JOBS, SNAPSHOT_DURATION, UNEXPLAINED};
use crate::meters::part::Part;
use crate::meters::{Kind, Source};
use crate::model::id::WorkerId;
use crate::store::snapshot::Reading;
use crate::store::{Store, StoreError};
use crate::telemetry::exporter::Exporter;

/// A worker that has not asked for this many intervals has left the snapshot to the others.
const INTERVALS_PER_LEASE: u32 = 3;

/// When a worker first reads the state: its first claims have the database for themselves.
const FIRST_AFTER: Duration = Duration::from_secs(2);

/// What is left to do is noted for each minute.
const SETTLE_EVERY: Duration = Duration::from_secs(20);

/// Takes part in showing the state.
pub(super) struct Snapshots {
    pub(super) store: Store,
    pub(super) exporter: Arc<Exporter>,
    pub(super) boot: watch::Receiver<WorkerId>,
    /// Between two of them.
    pub(super) every: Duration,
    pub(super) sweep: Sweep,
    pub(super) seen: SeenStages,
    /// When this worker last noted what is left to do.
    pub(super) settled: Option<Instant>,
}

/// Stages that had live jobs in a snapshot of this worker: of the others there is nothing to show.
#[derive(Debug, Default)]
pub(super) struct SeenStages(HashSet<(String, String)>);

impl SeenStages {
    /// Without what says of a stage that never had a job that it has none.
    fn of_what_happened<'r>(&mut self, readings: &'r [Reading]) -> Vec<&'r Reading> {
        let stage = |reading: &Reading| match reading.labels()[..] {
            [workflow, stage, _] if reading.metric == JOBS.name => Some((workflow.to_owned(), stage.to_owned())),
            _ => None,
        };
        self.0.extend(readings.iter().filter(|reading| reading.value != 0.0).filter_map(stage));
        readings.iter().filter(|reading| stage(reading).is_none_or(|stage| self.0.contains(&stage))).collect()
    }
}

/// How far the look at all runs has come, and what it has found.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    from: i64,
    found: f64,
    found_the_last_time: f64,
}

impl Sweep {
    /// What is wrong by all that is known: `now` was just seen, beside what the sweep found.
    fn goes_on(&mut self, found: f64, next: i64, now: f64) -> f64 {
        self.found += found;
        if next == 0 {
            self.found_the_last_time = std::mem::take(&mut self.found);
        }
        self.from = next;
        now + self.found.max(self.found_the_last_time)
    }
}

impl Snapshots {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut away = false;
        // What is left to do costs more than everything else.
        let mut is_first = true;
        let mut pause = self.every.min(FIRST_AFTER);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => pause = self.every,
            }
            match self.tick(!is_first).await {
                Ok(()) => away = false,
                Err(error) => {
                    Part::Snapshot.had_no_answer();
                    if !std::mem::replace(&mut away, true) {
                        tracing::warn!("the snapshot of the state waits: {error}");
                    }
                }
            }
            is_first = false;
        }
        self.exporter.hide_state();
        let boot = *self.boot.borrow();
        if let Err(error) = self.store.leave_snapshot(boot).await {
            tracing::debug!("the others take the snapshot when its time is over: {error}");
        }
    }

    async fn tick(&mut self, with_outlook: bool) -> Result<(), StoreError> {
        // Before the question: this worker stops to show the state before another one may begin.
        let asked = Instant::now();
        let lease = self.every * INTERVALS_PER_LEASE;
        let boot = *self.boot.borrow();
        let Some(mut readings) = self.store.snapshot(boot, lease, self.sweep.from).await? else {
            self.exporter.hide_state();
            return Ok(());
        };
        if with_outlook {
            readings.extend(self.store.outlook_state().await?);
        }
        let took = asked.elapsed();
        let unexplained = self.unexplained(&readings);
        let happened = self.seen.of_what_happened(&readings);
        let set = || {
            SNAPSHOT_DURATION.gauge(&[]).set(took.as_secs_f64());
            happened.into_iter().for_each(show);
            UNEXPLAINED.gauge(&[]).set(unexplained);
        };
        if let Err(error) = self.exporter.show_state(asked, asked + lease, set) {
            tracing::error!("the state is not shown: {error}");
        }
        if with_outlook && self.settled.is_none_or(|settled| settled.elapsed() >= SETTLE_EVERY) {
            self.store.settle_throughput().await?;
            self.settled = Some(asked);
        }
        Ok(())
    }

    fn unexplained(&mut self, readings: &[Reading]) -> f64 {
        let of = |name| readings.iter().find(|reading| reading.metric == name).map_or(0.0, |reading| reading.value);
        self.sweep.goes_on(of("sweep_found"), of("sweep_next") as i64, of(UNEXPLAINED.name))
    }
}

/// What is no metric of the catalog is for the next snapshot.
fn show(reading: &Reading) {
    let meter = ALL.iter().find(|meter| meter.name == reading.metric && meter.source == Source::Database);
    if let Some(meter) = meter {
        debug_assert!(matches!(meter.kind, Kind::Gauge), "{} is a state", meter.name);
        meter.gauge(&reading.labels()).set(reading.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sweep_found_is_known_until_the_next_one_is_through() {
        let mut sweep = Sweep::default();
        assert_eq!(sweep.goes_on(0.0, 50_000, 0.0), 0.0);
        assert_eq!(sweep.goes_on(2.0, 0, 1.0), 3.0, "the end of the first sweep");
        assert_eq!(sweep.goes_on(0.0, 50_000, 0.0), 2.0, "known from the last time");
        assert_eq!(sweep.goes_on(0.0, 0, 0.0), 0.0, "mended");
    }
}
