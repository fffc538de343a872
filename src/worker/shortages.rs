//! Reports what this worker lacks for stages that it has everything for that their files name, when that has changed: nobody else
//! could say why it leaves them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::model::id::WorkerId;
use crate::queue::catalog::Catalog;
use crate::store::Store;

/// Between two reports at least.
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Shortages {
    pub(super) store: Store,
    pub(super) catalog: Arc<Catalog>,
    pub(super) boot: watch::Receiver<WorkerId>,
}

impl Shortages {
    pub(super) async fn run(self, stop: CancellationToken) {
        // A new boot of this process has reported nothing yet.
        let mut reported = (*self.boot.borrow(), Vec::new());
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let report = (*self.boot.borrow(), self.catalog.shortages());
            if report == reported || report.1.is_empty() && report.0 != reported.0 {
                reported = report;
                continue;
            }
            match self.store.report_shortages(report.0, &report.1).await {
                Ok(()) => reported = report,
                Err(error) => tracing::debug!("what is lacking is reported later: {error}"),
            }
        }
    }
}
