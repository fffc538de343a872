//! What the last check of each component found, and what has changed since it was last recorded.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::lock::lock;
use crate::events;
use crate::meters::catalog::{CHECK_AGE, CHECK_DURATION, COMPONENT_STATUS, COMPONENT_VALUE};
use crate::model::health::{Component, Finding, Measure, Status, Thresholds};
use crate::store::health::Change;

/// Changes that wait for a database that is away; more of them take the oldest one's place.
const KEPT: usize = 1000;

#[derive(Debug)]
pub(super) struct Components {
    pub(super) thresholds: Thresholds,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    components: BTreeMap<Component, Checked>,
    unwritten: Vec<Change>,
}

#[derive(Debug, Clone)]
struct Checked {
    status: Status,
    values: Vec<(Measure, f64)>,
    /// All that was ever measured of it.
    measured: Vec<Measure>,
    at: Instant,
    took: Duration,
}

impl Components {
    pub(super) fn new(thresholds: Thresholds) -> Components {
        Components { thresholds, known: Mutex::default() }
    }

    /// A check has ended. `true` when the component's status is another one than before.
    pub(super) fn put(&self, component: Component, finding: &Finding, took: Duration) -> bool {
        let (status, reason) = finding.judge(&self.thresholds);
        let mut known = lock(&self.known);
        let mut measured = known.components.get(&component).map_or_else(Vec::new, |before| before.measured.clone());
        for (measure, _) in &finding.values {
            if !measured.contains(measure) {
                measured.push(*measure);
            }
        }
        let checked = Checked { status, values: finding.values.clone(), measured, at: Instant::now(), took };
        let was = known.components.insert(component, checked).map(|checked| checked.status);
        if was == Some(status) {
            return false;
        }
        if was.is_some() || status != Status::Healthy {
            events::health::changed(component, was, status, reason.as_deref());
        }
        if known.unwritten.len() == KEPT {
            known.unwritten.remove(0);
        }
        known.unwritten.push(Change {
            at: DateTime::<Utc>::from(std::time::SystemTime::now()),
            component,
            was,
            status,
            reason,
        });
        true
    }

    pub(super) fn take_unwritten(&self) -> Vec<Change> {
        std::mem::take(&mut lock(&self.known).unwritten)
    }

    /// They could not be written; newer ones may have come.
    pub(super) fn put_back(&self, mut changes: Vec<Change>) {
        let mut known = lock(&self.known);
        changes.append(&mut known.unwritten);
        let too_many = changes.len().saturating_sub(KEPT);
        known.unwritten = changes.split_off(too_many);
    }

    pub(super) fn show(&self) {
        for (component, checked) in &lock(&self.known).components {
            let component = component.as_str();
            for status in Status::ALL {
                let is = if *status == checked.status { 1.0 } else { 0.0 };
                COMPONENT_STATUS.gauge(&[component, status.as_str()]).set(is);
            }
            for measure in &checked.measured {
                // What was measured before is no value of a component that does not answer now.
                let value = checked.values.iter().find(|(of, _)| of == measure).map_or(f64::NAN, |(_, value)| *value);
                COMPONENT_VALUE.gauge(&[component, measure.name()]).set(value);
            }
            CHECK_AGE.gauge(&[component]).set(checked.at.elapsed().as_secs_f64());
            CHECK_DURATION.gauge(&[component]).set(checked.took.as_secs_f64());
        }
    }
}
