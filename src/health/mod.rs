//! Whether a worker is well: live, ready, and how each component is that it depends on.
//!
//! ```text
//!  checks, one task per component ──▶ Board ──▶ gauges, asked at every scrape
//!                                       └─────▶ piton.health_history, a row for each change
//!  parts of the worker ─────────────▶ Pulse ──▶ live, ready
//! ```

mod board;
mod checks;
mod disk;
mod external;
mod lock;
mod memory;
mod pulse;
mod queue;
mod stuck;
mod watched;
mod work;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(crate) use external::External;
pub(crate) use pulse::Phase;
pub(crate) use queue::JobsEnded;
pub(crate) use watched::Watched;
pub(crate) use work::Work;

use self::board::Board;
use self::pulse::Pulse;
use crate::artifacts::Artifacts;
use crate::meters::catalog::COMPONENT_THRESHOLD;
use crate::model::health::{Component, Finding, Measure, Status, Thresholds};
use crate::stage::resources::Resources;

/// How a worker looks at itself.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
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
    pub(crate) pulse: Pulse,
    board: Board,
    settings: Settings,
    changed: tokio::sync::Notify,
    /// What stages need; not known before the worker works.
    resources: OnceLock<Arc<Resources>>,
}

impl Health {
    pub(crate) fn new(settings: Settings) -> Arc<Health> {
        let board = Board::new(settings.thresholds.clone());
        let (changed, resources) = (tokio::sync::Notify::new(), OnceLock::new());
        Arc::new(Health { pulse: Pulse::default(), board, settings, changed, resources })
    }

    /// What the worker waits for, before it could begin or since its database fell silent.
    pub(crate) fn database_is_away(&self, error: &dyn std::fmt::Display) {
        self.put(Component::Database, &Finding::failure(error), Duration::ZERO);
    }

    /// Sets every gauge. Asks nobody.
    pub(crate) fn show(&self) {
        self.pulse.show(self.resources.get().is_none_or(|resources| resources.are_all_there()));
        self.board.show();
        for measure in Measure::ALL {
            let threshold = self.board.thresholds.of(*measure);
            for (status, from) in [(Status::Degraded, threshold.degraded), (Status::Unhealthy, threshold.unhealthy)] {
                let labels = [measure.component().as_str(), measure.name(), status.as_str()];
                COMPONENT_THRESHOLD.gauge(&labels).set(from);
            }
        }
    }

    fn put(&self, component: Component, finding: &Finding, took: Duration) {
        if self.board.put(component, finding, took) {
            self.changed.notify_one();
        }
    }
}
