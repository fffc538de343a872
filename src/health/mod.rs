//! Whether a worker is healthy: live, ready, and the state of each component it depends on.
//!
//! ```text
//!  checks, one task per component ──▶ Components ──▶ gauges, asked at every scrape
//!                                       └─────▶ piton.health_history, a row for each change
//!  parts of the worker ─────────────▶ Liveness ──▶ live, ready
//! ```

mod checks;
mod components;
mod disk;
mod external;
mod liveness;
mod lock;
mod memory;
mod queue;
mod stuck;
mod watched;
mod work;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(crate) use external::External;
pub(crate) use liveness::Phase;
pub(crate) use queue::JobsEnded;
pub(crate) use watched::Watched;
pub(crate) use work::Work;

use self::components::Components;
use self::liveness::Liveness;
use crate::artifacts::Artifacts;
use crate::meters::catalog::COMPONENT_THRESHOLD;
use crate::model::health::{Component, Finding, Measure, Status, Thresholds};
use crate::stage::resources::Resources;

/// How a worker looks at itself.
#[derive(Debug, Clone)]
pub(crate) struct HealthSettings {
    /// Between two checks of a component.
    pub(crate) every: Duration,
    pub(crate) thresholds: Thresholds,
    /// `None` where the worker has no place for any.
    pub(crate) artifacts: Option<Artifacts>,
    /// Servers that workflows depend on.
    pub(crate) externals: Vec<External>,
    /// Folders on whose disks the worker writes, beside the artifacts.
    pub(crate) folders: Vec<PathBuf>,
}

/// How a worker is. Its parts say it, its checks find it, and its metrics show it.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) liveness: Liveness,
    components: Components,
    settings: HealthSettings,
    changed: tokio::sync::Notify,
    /// What stages need; not known before the worker works.
    resources: OnceLock<Arc<Resources>>,
}

impl Health {
    pub(crate) fn new(settings: HealthSettings) -> Arc<Health> {
        let components = Components::new(settings.thresholds.clone());
        let (changed, resources) = (tokio::sync::Notify::new(), OnceLock::new());
        Arc::new(Health { liveness: Liveness::default(), components, settings, changed, resources })
    }

    /// What the worker waits for, before it could begin or since its database fell silent.
    pub(crate) fn database_is_away(&self, error: &dyn std::fmt::Display) {
        self.put(Component::Database, &Finding::failure(error), Duration::ZERO);
    }

    /// Sets every gauge. Asks nobody.
    pub(crate) fn show(&self) {
        self.liveness.show(self.resources.get().is_none_or(|resources| resources.are_all_there()));
        self.components.show();
        for measure in Measure::ALL {
            let threshold = self.components.thresholds.of(*measure);
            for (status, from) in [(Status::Degraded, threshold.degraded), (Status::Unhealthy, threshold.unhealthy)] {
                let labels = [measure.component().as_str(), measure.name(), status.as_str()];
                COMPONENT_THRESHOLD.gauge(&labels).set(from);
            }
        }
    }

    fn put(&self, component: Component, finding: &Finding, took: Duration) {
        if self.components.put(component, finding, took) {
            self.changed.notify_one();
        }
    }
}
