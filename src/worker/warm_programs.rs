//! Reports which processes of warm stages this worker keeps, when that has changed: a worker without warm stages reports nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::model::id::WorkerId;
use crate::stage::command::warm::{Count, Pools, State};
use crate::store::Store;
use crate::store::warm::WarmPrograms;

/// Between two reports at least.
const EVERY: Duration = Duration::from_secs(2);

pub(super) struct Reports {
    pub(super) store: Store,
    pub(super) pools: Arc<Pools>,
    pub(super) boot: watch::Receiver<WorkerId>,
}

impl Reports {
    pub(super) async fn run(self, stop: CancellationToken) {
        // A new boot of this process has reported nothing yet.
        let mut reported = (*self.boot.borrow(), Vec::new());
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let boot = *self.boot.borrow();
            let report = (boot, by_stage(self.pools.counts()));
            if report == reported || report.1.is_empty() && boot != reported.0 {
                continue;
            }
            match self.store.report_warm_programs(boot, &report.1).await {
                Ok(()) => reported = report,
                Err(error) => tracing::debug!("warm programs are reported later: {error}"),
            }
        }
    }
}

/// Stages that have none at the moment are left out.
fn by_stage(counts: Vec<Count>) -> Vec<WarmPrograms> {
    let mut stages: BTreeMap<(Arc<str>, Arc<str>), WarmPrograms> = BTreeMap::new();
    for count in counts.into_iter().filter(|count| count.processes > 0) {
        let (workflow, stage) = (count.workflow.to_string(), count.stage.to_string());
        let programs = stages.entry((count.workflow, count.stage)).or_insert_with(|| WarmPrograms {
            workflow,
            stage,
            ..WarmPrograms::default()
        });
        let place = match count.state {
            State::Starting => &mut programs.starting,
            State::Idle => &mut programs.idle,
            State::Busy => &mut programs.busy,
            State::Stopping => &mut programs.stopping,
        };
        *place = i64::try_from(count.processes).unwrap_or(i64::MAX);
    }
    stages.into_values().collect()
}
