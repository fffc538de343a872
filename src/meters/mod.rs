//! Everything that is counted and measured: every metric by its name, and the only way to change one.
//!
//! [`catalog`] is the one list of them: the exporter describes them from it, docs/metrics.md is made of it, and tests hold
//! dashboards and alert rules against it.

pub(crate) mod batches;
pub(crate) mod callbacks;
pub(crate) mod catalog;
pub(crate) mod file_cache;
pub(crate) mod finishes;
pub(crate) mod part;
pub(crate) mod recovered;
pub(crate) mod stage;
mod tally;
pub(crate) mod workflow;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata};

/// A metric, as Prometheus knows it.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Names of its labels, in the order in which their values are given.
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
    pub(crate) source: Source,
}

/// What its numbers mean.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Grows, and begins at 0 with its process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets, with these upper bounds.
    Histogram(&'static [f64]),
}

/// Where its numbers come from, which says how those of several workers are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// What this process did or is: add them up with `sum`.
    Process,
    /// What is in the database, from the worker that takes the snapshot: use `max`.
    Database,
}

/// Seconds of what takes a moment: statements and timers, from a tenth of a millisecond to a minute.
pub(crate) const MOMENTS: &[f64] =
    &[0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Seconds of waits and of attempts, which may be hours: from a millisecond to a day. As people reckon: 5 s, a quarter of a minute,
/// 1, 2, 5, 15 and 30 minutes, 1, 2, 6 and 24 hours.
pub(crate) const SPANS: &[f64] = &[
    0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0,
    21_600.0, 86_400.0,
];
/// Sizes of batches, up to the most that one statement takes.
pub(crate) const BATCHES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

static METADATA: Metadata<'static> = Metadata::new("piton", Level::INFO, None);

impl Meter {
    fn key(&self, values: &[&str]) -> Key {
        debug_assert_eq!(self.labels.len(), values.len(), "labels of {}", self.name);
        let labels = self.labels.iter().zip(values).map(|(label, value)| Label::new(*label, (*value).to_owned()));
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }

    /// The counter with these values of its labels. To hold on to it spares the look-up.
    pub(crate) fn counter(&self, values: &[&str]) -> Counter {
        metrics::with_recorder(|recorder| recorder.register_counter(&self.key(values), &METADATA))
    }

    /// The gauge with these values of its labels.
    pub(crate) fn gauge(&self, values: &[&str]) -> Gauge {
        metrics::with_recorder(|recorder| recorder.register_gauge(&self.key(values), &METADATA))
    }

    /// The histogram with these values of its labels.
    pub(crate) fn histogram(&self, values: &[&str]) -> Histogram {
        metrics::with_recorder(|recorder| recorder.register_histogram(&self.key(values), &METADATA))
    }

    /// Tells the recorder of the calling thread what this metric means.
    pub(crate) fn describe(&self) {
        let (name, help) = (self.name.into(), self.help.into());
        metrics::with_recorder(|recorder| match self.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
        });
    }
}
