//! The checks: one after another for each component, all components in parallel, each check within a time limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::queue::{self, Lately};
use super::watched::Watched;
use super::{Health, disk, external, memory};
use crate::meters::part::Part;
use crate::model::health::{Component, Finding, Measure};
use crate::model::resource::Resource;
use crate::stage::resources::Resources;
use crate::store::StoreError;

/// Longest wait for the end of a check.
const LIMIT: Duration = Duration::from_secs(10);
/// Between two attempts to write the history.
const AGAIN: Duration = Duration::from_secs(1);

impl Health {
    /// Checks until told to stop.
    pub(crate) async fn check(self: Arc<Health>, watched: Watched, stop: CancellationToken) {
        self.resources.get_or_init(|| watched.resources.clone());
        let checks = async {
            tokio::join!(
                self.watch_for_standstill(&watched),
                self.repeat(Component::Memory, || blocking(memory::check)),
                self.repeat(Component::Disk, || self.disk(&watched.resources)),
                self.repeat(Component::Storage, || self.storage(&watched)),
                self.repeat(Component::External, || external::check(&self.settings.externals)),
                self.database(&watched),
                self.keep_history(&watched),
            )
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = checks => {}
        }
    }

    /// One that is overdue is told so, and waited for: what hangs in the system would pile up otherwise.
    async fn repeat<F: Future<Output = Option<Finding>>>(&self, component: Component, check: impl Fn() -> F) {
        loop {
            let begun = Instant::now();
            {
                let mut running = std::pin::pin!(check());
                let finding = match timeout(LIMIT, &mut running).await {
                    Ok(finding) => finding,
                    Err(_) => {
                        self.put(component, &overdue(), begun.elapsed());
                        running.await
                    }
                };
                if let Some(finding) = finding {
                    self.put(component, &finding, begun.elapsed());
                }
            }
            sleep(self.settings.every).await;
        }
    }

    async fn disk(&self, resources: &Resources) -> Option<Finding> {
        if let Some(why) = resources.why_lacking(Resource::TemporaryFolder) {
            return Some(Finding::failure(format!("the temporary folder cannot be used: {why}")));
        }
        let mut folders = self.settings.folders.clone();
        folders.extend(self.settings.artifacts.as_ref().and_then(|artifacts| Some(artifacts.folder()?.to_owned())));
        blocking(move || Some(disk::check(&folders))).await
    }

    async fn storage(&self, watched: &Watched) -> Option<Finding> {
        let begun = Instant::now();
        Some(match self.settings.artifacts.as_ref()?.probe(&watched.worker).await {
            Ok(()) => Finding::value(Measure::StorageLatency, begun.elapsed().as_secs_f64()),
            Err(error) => {
                // What needs it is left to others from now on.
                watched.resources.check_store().await;
                Finding::failure(error)
            }
        })
    }

    /// One statement tells of the database by how long it takes, and of the queue by its answer.
    async fn database(&self, watched: &Watched) {
        let mut lately = Lately::new(Instant::now());
        loop {
            let begun = Instant::now();
            let answer = timeout(LIMIT, watched.store.oldest_ready()).await;
            let took = begun.elapsed();
            let failed_share = lately.failed_share(Instant::now(), (watched.ended)());
            let finding = match answer {
                Ok(Ok(oldest_ready)) => {
                    self.put(Component::Queue, &queue::finding(oldest_ready, failed_share), took);
                    Finding::value(Measure::DatabaseLatency, took.as_secs_f64())
                }
                Ok(Err(error)) => unanswered(Finding::failure(error)),
                Err(_) => unanswered(overdue()),
            };
            self.put(Component::Database, &finding, took);
            sleep(self.settings.every).await;
        }
    }

    async fn keep_history(&self, watched: &Watched) {
        loop {
            self.changed.notified().await;
            while let Err(error) = self.write_history(watched).await {
                tracing::debug!("the history of health waits: {error}");
                sleep(AGAIN).await;
            }
        }
    }

    async fn write_history(&self, watched: &Watched) -> Result<(), StoreError> {
        let changes = self.components.take_unwritten();
        let written = watched.store.record_health(&watched.worker, &changes).await;
        if written.is_err() {
            Part::Health.had_no_answer();
            self.components.put_back(changes);
        }
        written
    }
}

fn overdue() -> Finding {
    Finding::failure(format!("no answer within {} seconds", LIMIT.as_secs()))
}

fn unanswered(finding: Finding) -> Finding {
    Part::Health.had_no_answer();
    finding
}

/// Runs what asks the system aside, for the system may not answer.
async fn blocking(check: impl FnOnce() -> Option<Finding> + Send + 'static) -> Option<Finding> {
    tokio::task::spawn_blocking(check).await.unwrap_or_else(|error| Some(Finding::failure(error)))
}
