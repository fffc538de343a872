//! Passes the counts of a process that runs suspects to its worker, line by line on standard output, which adds them to its
//! own: such a process is too short-lived to be scraped.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SetRecorderError,
    SharedString, Unit,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use crate::meters::catalog::ALL;

/// One change of one metric.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    piton_meter: String,
    labels: BTreeMap<String, String>,
    change: Change,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Add(u64),
    Record(f64),
}

impl Told {
    /// A metric that the catalog does not have is from another program: handlers may print as well.
    fn count(&self) {
        let Some(meter) = ALL.iter().find(|meter| meter.name == self.piton_meter) else { return };
        let values: Option<Vec<&str>> =
            meter.labels.iter().map(|label| self.labels.get(*label).map(String::as_str)).collect();
        let Some(values) = values else { return };
        match self.change {
            Change::Add(more) => meter.counter(&values).increment(more),
            Change::Record(value) => meter.histogram(&values).record(value),
        }
    }
}

/// Bytes of a line; none that counts is longer.
const LONGEST: u64 = 64 << 10;

/// Counts what such a process tells, until the end of its output.
pub(crate) async fn count(output: impl AsyncRead + Unpin) {
    let (mut output, mut line) = (BufReader::new(output), Vec::new());
    // Whatever else is wrong with its output is no trouble of this process: a handler may print there, too.
    while let Ok(1..) = (&mut output).take(LONGEST).read_until(b'\n', &mut line).await {
        let told = serde_json::from_slice::<Told>(&line);
        line.clear();
        if let Ok(told) = told {
            told.count();
        }
    }
}

/// From here on, what this process counts is told on standard output. Once in a process.
pub(crate) fn install() -> Result<(), SetRecorderError<Relay>> {
    metrics::set_global_recorder(Relay)
}

/// Tells counters and histograms. Gauges say how things are in this process, and are nobody else's.
#[derive(Debug)]
pub(crate) struct Relay;

impl Recorder for Relay {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Teller(key.clone())))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Teller(key.clone())))
    }
}

/// Tells of one metric.
struct Teller(Key);

impl Teller {
    fn tell(&self, change: Change) {
        let labels = self.0.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        let told = Told { piton_meter: self.0.name().to_owned(), labels, change };
        let Ok(line) = serde_json::to_string(&told) else { return };
        // The worker is gone: so is this process in a moment.
        writeln!(std::io::stdout().lock(), "{line}").ok();
    }
}

impl CounterFn for Teller {
    fn increment(&self, value: u64) {
        // A counter that is only shown is the worker's own affair.
        if value > 0 {
            self.tell(Change::Add(value));
        }
    }

    /// Piton's counters count; none is set.
    fn absolute(&self, _: u64) {}
}

impl HistogramFn for Teller {
    fn record(&self, value: f64) {
        self.tell(Change::Record(value));
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::meters::catalog::{ATTEMPTS, JOB_WAIT};

    #[tokio::test]
    async fn what_was_told_is_counted_and_nothing_else() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let guard = metrics::set_default_local_recorder(&recorder);
        let told = |meter: &str, change| {
            let labels = [("workflow", "w"), ("stage", "s"), ("outcome", "done")];
            let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
            serde_json::to_string(&Told { piton_meter: meter.to_owned(), labels, change }).unwrap()
        };
        let lines = [
            told(ATTEMPTS.name, Change::Add(2)),
            "something that a handler printed".to_owned(),
            told("other_total", Change::Add(1)),
            told(JOB_WAIT.name, Change::Record(0.5)),
        ];
        count(lines.join("\n").as_bytes()).await;
        drop(guard);
        let text = recorder.handle().render();
        assert!(text.contains("piton_attempts_total{workflow=\"w\",stage=\"s\",outcome=\"done\"} 2"), "{text}");
        assert!(text.contains("piton_job_wait_seconds_sum{workflow=\"w\",stage=\"s\"} 0.5"), "{text}");
        assert!(!text.contains("other_total"), "{text}");
    }
}
