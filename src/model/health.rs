//! What a worker checks about itself: components, their measures, and the thresholds.

use std::fmt;
use std::str::FromStr;

use super::quoted::quoted;
use super::state::states;

states! {
    /// What is looked at.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum Component {
        /// Postgres answers, and how fast.
        Database = "database",
        /// The artifact store can be written and read.
        Storage = "storage",
        /// Memory of the control group, or of the machine.
        Memory = "memory",
        /// Disks that this worker writes to.
        Disk = "disk",
        /// Jobs are claimed in time, and most of them succeed.
        Queue = "queue",
        /// Servers that workflows depend on, as they were named to the worker.
        External = "external",
    }
}

states! {
    /// How it is, from best to worst.
    #[derive(PartialOrd, Ord)]
    pub(crate) enum Status {
        Healthy = "healthy",
        /// It works, and somebody should look before it does not.
        Degraded = "degraded",
        Unhealthy = "unhealthy",
    }
}

states! {
    /// What is measured of a component, more being worse.
    pub(crate) enum Measure {
        /// Seconds that a statement took.
        DatabaseLatency = "database.latency_seconds",
        /// Seconds that it took to write, read and delete a small artifact.
        StorageLatency = "storage.latency_seconds",
        /// Share of the memory that is used, 0 to 1.
        MemoryUsed = "memory.used_share",
        /// Share of the fullest disk that is used, 0 to 1.
        DiskUsed = "disk.used_share",
        /// Seconds that a job has waited which could be claimed.
        OldestReady = "queue.oldest_ready_seconds",
        /// Share of the jobs that ended here lately which were given up, 0 to 1.
        FailedShare = "queue.failed_share",
        /// Seconds that the slowest dependency took to answer.
        ExternalLatency = "external.latency_seconds",
    }
}

impl Measure {
    pub(crate) fn component(self) -> Component {
        match self {
            Measure::DatabaseLatency => Component::Database,
            Measure::StorageLatency => Component::Storage,
            Measure::MemoryUsed => Component::Memory,
            Measure::DiskUsed => Component::Disk,
            Measure::OldestReady | Measure::FailedShare => Component::Queue,
            Measure::ExternalLatency => Component::External,
        }
    }

    /// Its name within its component.
    pub(crate) fn name(self) -> &'static str {
        self.as_str().split_once('.').map_or(self.as_str(), |(_, name)| name)
    }

    /// The same for people: without its unit, which stands behind the value.
    pub(crate) fn words(self) -> String {
        let name = self.name();
        name.trim_end_matches("_seconds").trim_end_matches("_share").replace('_', " ")
    }

    fn with_unit(self, value: f64) -> String {
        if self.name().ends_with("_share") { format!("{:.1} %", value * 100.0) } else { format!("{value:.3} s") }
    }

    fn by_default(self) -> Threshold {
        let (degraded, unhealthy) = match self {
            Measure::DatabaseLatency => (1.0, 5.0),
            Measure::StorageLatency | Measure::ExternalLatency => (2.0, 8.0),
            Measure::MemoryUsed | Measure::DiskUsed => (0.85, 0.95),
            Measure::OldestReady => (300.0, 1800.0),
            Measure::FailedShare => (0.1, 0.5),
        };
        Threshold { degraded, unhealthy }
    }
}

/// From where on a component is not healthy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Threshold {
    pub(crate) degraded: f64,
    pub(crate) unhealthy: f64,
}

impl Threshold {
    pub(crate) fn status(self, value: f64) -> Status {
        if value >= self.unhealthy {
            Status::Unhealthy
        } else if value >= self.degraded {
            Status::Degraded
        } else {
            Status::Healthy
        }
    }
}

/// The thresholds of every measure.
#[derive(Debug, Clone)]
pub(crate) struct Thresholds(Vec<SetThreshold>);

/// One threshold as it is given: `disk.used_share=0.8:0.9`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SetThreshold {
    measure: Measure,
    threshold: Threshold,
}

impl Thresholds {
    /// The defaults, with what was set.
    pub(crate) fn with(set: &[SetThreshold]) -> Thresholds {
        Thresholds(set.to_vec())
    }

    /// What was set last counts.
    pub(crate) fn of(&self, measure: Measure) -> Threshold {
        let set = self.0.iter().rev().find(|set| set.measure == measure);
        set.map_or_else(|| measure.by_default(), |set| set.threshold)
    }
}

impl FromStr for SetThreshold {
    type Err = String;

    fn from_str(text: &str) -> Result<SetThreshold, String> {
        let shape = "give COMPONENT.MEASURE=DEGRADED:UNHEALTHY, such as disk.used_share=0.8:0.9";
        let (name, values) = text.split_once('=').ok_or(shape)?;
        let measure = Measure::from_word(name).ok_or_else(|| {
            let known: Vec<&str> = Measure::ALL.iter().map(|m| m.as_str()).collect();
            format!("nothing measures `{}`; give one of {}", quoted(name), known.join(", "))
        })?;
        let (degraded, unhealthy) = values.split_once(':').ok_or(shape)?;
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).ok_or(shape);
        let threshold = Threshold { degraded: number(degraded)?, unhealthy: number(unhealthy)? };
        if threshold.degraded > threshold.unhealthy {
            return Err("what is unhealthy is degraded too: the first number is at most the second".to_owned());
        }
        Ok(SetThreshold { measure, threshold })
    }
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finding {
    pub(crate) values: Vec<(Measure, f64)>,
    /// What does not work at all, in words.
    pub(crate) failure: Option<String>,
    /// What a value is about: the fullest disk, the slowest dependency.
    pub(crate) about: Option<String>,
}

impl Finding {
    pub(crate) fn value(measure: Measure, value: f64) -> Finding {
        Finding { values: vec![(measure, value)], ..Finding::default() }
    }

    pub(crate) fn failure(why: impl fmt::Display) -> Finding {
        Finding { failure: Some(why.to_string()), ..Finding::default() }
    }

    /// How the component is by that, and why, where it is not healthy.
    pub(crate) fn judge(&self, thresholds: &Thresholds) -> (Status, Option<String>) {
        if let Some(failure) = &self.failure {
            return (Status::Unhealthy, Some(failure.clone()));
        }
        let judged =
            self.values.iter().map(|(measure, value)| (thresholds.of(*measure).status(*value), *measure, *value));
        let Some((status, measure, value)) = judged.max_by_key(|(status, ..)| *status) else {
            return (Status::Healthy, None);
        };
        let threshold = thresholds.of(measure);
        let from = match status {
            Status::Healthy => return (status, None),
            Status::Degraded => threshold.degraded,
            Status::Unhealthy => threshold.unhealthy,
        };
        let about = self.about.as_ref().map_or_else(String::new, |about| format!(" ({about})"));
        let (value, from) = (measure.with_unit(value), measure.with_unit(from));
        (status, Some(format!("{} is {value}, and {status} from {from} on{about}", measure.words())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_judged_by_its_thresholds() {
        let thresholds = Thresholds::with(&["disk.used_share=0.5:0.7".parse().unwrap()]);
        let judged = |value| Finding::value(Measure::DiskUsed, value).judge(&thresholds);
        assert_eq!(judged(0.49), (Status::Healthy, None));
        assert_eq!(judged(0.5).0, Status::Degraded);
        let (status, why) = judged(0.9);
        assert_eq!((status, why.as_deref()), (Status::Unhealthy, Some("used is 90.0 %, and unhealthy from 70.0 % on")));
    }

    #[test]
    fn the_worst_of_a_component_counts() {
        let values = vec![(Measure::OldestReady, 2000.0), (Measure::FailedShare, 0.2)];
        let finding = Finding { values, ..Finding::default() };
        let (status, why) = finding.judge(&Thresholds::with(&[]));
        assert_eq!(status, Status::Unhealthy);
        assert!(why.unwrap().starts_with("oldest ready is 2000.000 s"));
        assert_eq!(Finding::failure("it is gone").judge(&Thresholds::with(&[])).0, Status::Unhealthy);
    }

    #[test]
    fn a_threshold_that_cannot_be_is_refused() {
        for (text, why) in [
            ("disk.used_share", "give COMPONENT.MEASURE"),
            ("disk.used=1:2", "nothing measures `disk.used`; give one of database.latency_seconds, "),
            ("disk.used_share=0.9:0.8", "the first number is at most the second"),
            ("disk.used_share=NaN:1", "give COMPONENT.MEASURE"),
            ("disk.used_share=-1:1", "give COMPONENT.MEASURE"),
        ] {
            let refused = text.parse::<SetThreshold>().unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
