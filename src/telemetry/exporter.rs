//! Keeps the numbers of this process, and writes them in Prometheus' format.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_process::Collector;
use tokio_util::sync::CancellationToken;

use super::series::{Bounded, Series};
use crate::meters::callbacks::Callback;
use crate::meters::catalog::{ALL, BUILD_INFO, LOOP_LAG, RECONNECTS, SERIES_LEFT_OUT, SNAPSHOT_AGE, SNAPSHOT_LEADER};
use crate::meters::file_cache;
use crate::meters::part::Part;
use crate::meters::recovered::Recovered;
use crate::meters::{Kind, Meter, Source};

/// Samples of histograms wait in memory until they are put into their buckets, which a scrape does too.
const UPKEEP: Duration = Duration::from_secs(5);
/// Between two looks at how late timers fire.
const LAG_EVERY: Duration = Duration::from_millis(500);

/// Asked before every scrape: sets gauges from what their owners know at that moment.
type Refresh = Box<dyn Fn() + Send + Sync>;

/// Series of workflows and stages that a worker shows when nobody says otherwise: a thousand stages have run in it by then.
pub(crate) const MOST_SERIES: u32 = 50_000;

/// The numbers of this process, and for as long as it takes them, those of the database.
pub(crate) struct Exporter {
    own: PrometheusHandle,
    series: Arc<Series>,
    most: usize,
    process: Collector,
    refresh: Mutex<Vec<Refresh>>,
    state: Mutex<Option<State>>,
}

/// What was in the database, and until when this worker may say so.
struct State {
    recorder: Bounded<PrometheusRecorder>,
    taken: Instant,
    until: Instant,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exporter")
    }
}

/// Why nothing is counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExporterError {
    /// A bucket list of the catalog is empty.
    #[error("metrics are not kept: {0}")]
    Recorder(#[from] BuildError),
    /// The process has a recorder already.
    #[error("metrics are not kept: another part of this program keeps them already")]
    Taken,
}

impl Exporter {
    /// From here on, what this process counts is kept, with at most that many series of workflows and stages. Once in a process.
    pub(crate) fn install(most: usize) -> Result<Arc<Exporter>, ExporterError> {
        let recorder = Bounded::new(builder(Source::Process)?.build_recorder(), most);
        let (own, series) = (recorder.recorder().handle(), recorder.series());
        metrics::set_global_recorder(recorder).map_err(|_| ExporterError::Taken)?;
        of(Source::Process).for_each(Meter::describe);
        let process = Collector::default();
        process.describe();
        BUILD_INFO.gauge(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        begin_at_zero();
        Ok(Arc::new(Exporter { own, series, most, process, refresh: Mutex::default(), state: Mutex::default() }))
    }

    /// Has `refresh` asked before every scrape. It must not wait.
    pub(crate) fn before_scrapes(&self, refresh: impl Fn() + Send + Sync + 'static) {
        lock(&self.refresh).push(Box::new(refresh));
    }

    /// Shows the state that `set` puts into the gauges of the catalog, until `until`: after that another worker may.
    pub(crate) fn show_state(&self, taken: Instant, until: Instant, set: impl FnOnce()) -> Result<(), ExporterError> {
        let recorder = Bounded::new(builder(Source::Database)?.build_recorder(), self.most);
        metrics::with_local_recorder(&recorder, || {
            of(Source::Database).for_each(Meter::describe);
            set();
        });
        *lock(&self.state) = Some(State { recorder, taken, until });
        SNAPSHOT_LEADER.gauge(&[]).set(1.0);
        Ok(())
    }

    /// Another worker shows the state now.
    pub(crate) fn hide_state(&self) {
        *lock(&self.state) = None;
        SNAPSHOT_LEADER.gauge(&[]).set(0.0);
    }

    /// Everything, as text. Asks nobody outside of this process.
    pub(crate) fn render(&self) -> String {
        let (state, left_out) = self.state();
        self.process.collect();
        SERIES_LEFT_OUT.gauge(&[]).set((self.series.left_out() + left_out) as f64);
        lock(&self.refresh).iter().for_each(|refresh| refresh());
        let mut text = self.own.render();
        text.push_str(&state);
        text
    }

    /// And how many series it leaves out.
    fn state(&self) -> (String, usize) {
        let mut shown = lock(&self.state);
        if shown.as_ref().is_some_and(|state| Instant::now() >= state.until) {
            *shown = None;
            SNAPSHOT_LEADER.gauge(&[]).set(0.0);
        }
        let Some(state) = shown.as_ref() else { return Default::default() };
        metrics::with_local_recorder(&state.recorder, || {
            SNAPSHOT_AGE.gauge(&[]).set(state.taken.elapsed().as_secs_f64());
        });
        (state.recorder.recorder().handle().render(), state.recorder.series().left_out())
    }

    /// What has to be done beside the scrapes, until told to stop.
    pub(crate) async fn keep_up(self: Arc<Exporter>, stop: CancellationToken) {
        let lag = LOOP_LAG.histogram(&[]);
        let mut kept = Instant::now();
        loop {
            let due = Instant::now() + LAG_EVERY;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(due.into()) => lag.record(due.elapsed()),
            }
            if kept.elapsed() >= UPKEEP {
                self.own.run_upkeep();
                kept = Instant::now();
            }
        }
    }
}

/// What alerts go by is there before the first of its kind.
fn begin_at_zero() {
    SNAPSHOT_LEADER.gauge(&[]).set(0.0);
    RECONNECTS.counter(&[]).increment(0);
    Part::ALL.into_iter().for_each(Part::begins_at_zero);
    Recovered::begins_at_zero();
    file_cache::begin_at_zero();
    Callback::begin_at_zero();
}

fn of(source: Source) -> impl Iterator<Item = &'static Meter> {
    ALL.iter().filter(move |meter| meter.source == source)
}

/// Histograms with buckets, so that those of several workers can be added up.
fn builder(source: Source) -> Result<PrometheusBuilder, BuildError> {
    of(source).try_fold(PrometheusBuilder::new(), |builder, meter| match meter.kind {
        Kind::Histogram(bounds) => builder.set_buckets_for_metric(Matcher::Full(meter.name.to_owned()), bounds),
        Kind::Counter | Kind::Gauge => Ok(builder),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters::catalog::{ATTEMPT_DURATION, JOB_WAIT};

    /// The least bound that has half of these, as Prometheus would take it for the median.
    fn bound_of(meter: &Meter, seconds: f64) -> f64 {
        let recorder = builder(Source::Process).expect("bounds").build_recorder();
        let labels: Vec<&str> = meter.labels.to_vec();
        metrics::with_local_recorder(&recorder, || meter.histogram(&labels).record(seconds));
        let text = recorder.handle().render();
        let buckets = text.lines().filter_map(|line| {
            let (_, rest) = line.split_once("le=\"")?;
            let (bound, count) = rest.split_once("\"} ")?;
            (count == "1").then(|| bound.parse::<f64>().expect("a bound"))
        });
        buckets.fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn waits_and_attempts_of_seconds_minutes_and_hours_are_told_apart() {
        let (minute, hour) = (60.0, 3600.0);
        for meter in [&JOB_WAIT, &ATTEMPT_DURATION] {
            let told = [1.5, 4.0, 12.0, 50.0, 4.0 * minute, 14.0 * minute, 50.0 * minute, 5.0 * hour, 20.0 * hour];
            let bounds = told.map(|seconds| bound_of(meter, seconds));
            assert_eq!(bounds, [2.5, 5.0, 15.0, minute, 5.0 * minute, 15.0 * minute, hour, 6.0 * hour, 24.0 * hour]);
        }
    }
}
