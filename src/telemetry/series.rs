//! Limits the number of series of workflows and stages: with thousands of them, a worker would need more memory for its
//! numbers, and longer for a scrape, than for its work.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::meters::Kind;
use crate::meters::catalog::ALL;

/// A recorder that takes series of workflows up to a number. Those that come later are not kept; they are counted.
pub(super) struct Bounded<R> {
    recorder: R,
    series: Arc<Series>,
}

/// The series of workflows that there are.
#[derive(Debug)]
pub(super) struct Series {
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    kept: HashSet<u64>,
    left_out: HashSet<u64>,
    series: usize,
    series_left_out: usize,
}

impl Series {
    /// How many are not kept.
    pub(super) fn left_out(&self) -> usize {
        self.known().series_left_out
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has no workflow has few values, and is always kept.
    fn takes(&self, key: &Key) -> bool {
        if !key.labels().any(|label| label.key() == "workflow") {
            return true;
        }
        let (hash, mut known) = (key.get_hash(), self.known());
        if known.kept.contains(&hash) {
            return true;
        }
        let series = series_of(key.name());
        if known.series + series <= self.most {
            known.kept.insert(hash);
            known.series += series;
            return true;
        }
        if known.left_out.insert(hash) {
            if known.series_left_out == 0 {
                tracing::warn!(
                    "there are more than {} series of workflows and stages; the others are not shown. Allow more with \
                     --metrics-series",
                    self.most
                );
            }
            known.series_left_out += series;
        }
        false
    }
}

/// A histogram has one for each bucket, and three more.
fn series_of(name: &str) -> usize {
    let kind = ALL.iter().find(|meter| meter.name == name).map(|meter| meter.kind);
    match kind {
        Some(Kind::Histogram(bounds)) => bounds.len() + 3,
        Some(Kind::Counter | Kind::Gauge) | None => 1,
    }
}

impl<R> Bounded<R> {
    pub(super) fn new(recorder: R, most: usize) -> Bounded<R> {
        Bounded { recorder, series: Arc::new(Series { most, known: Mutex::default() }) }
    }

    pub(super) fn series(&self) -> Arc<Series> {
        self.series.clone()
    }

    pub(super) fn recorder(&self) -> &R {
        &self.recorder
    }
}

impl<R: Recorder> Recorder for Bounded<R> {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.recorder.describe_counter(name, unit, help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.recorder.describe_gauge(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.recorder.describe_histogram(name, unit, help);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        if self.series.takes(key) { self.recorder.register_counter(key, metadata) } else { Counter::noop() }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        if self.series.takes(key) { self.recorder.register_gauge(key, metadata) } else { Gauge::noop() }
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        if self.series.takes(key) { self.recorder.register_histogram(key, metadata) } else { Histogram::noop() }
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::meters::catalog::{ATTEMPT_DURATION, JOBS_STARTED, LIVE};

    #[test]
    fn series_beyond_the_bound_are_counted_and_not_kept() {
        let bounded = Bounded::new(PrometheusBuilder::new().build_recorder(), 30);
        let series = bounded.series();
        metrics::with_local_recorder(&bounded, || {
            for _ in 0..2 {
                ATTEMPT_DURATION.histogram(&["w", "a"]).record(1.0);
                (0..10).for_each(|stage| JOBS_STARTED.counter(&["w", &format!("s{stage}")]).increment(1));
                ATTEMPT_DURATION.histogram(&["w", "b"]).record(1.0);
                LIVE.gauge(&[]).set(1.0);
            }
        });
        // 23 of the first histogram, and 7 of 10 counters.
        assert_eq!(series.left_out(), 3 + 23);
        let text = bounded.recorder().handle().render();
        assert_eq!(text.matches("piton_jobs_started_total{").count(), 7, "{text}");
        assert!(text.contains("{workflow=\"w\",stage=\"s6\"} 2") && !text.contains("stage=\"s7\""), "{text}");
        assert!(text.contains("piton_live 1") && !text.contains("stage=\"b\""), "{text}");
    }
}
