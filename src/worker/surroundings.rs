//! Looks now and then for the programs that stages need: they are installed and removed while a worker runs.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::queue::catalog::Catalog;
use crate::queue::wake::Wake;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

pub(super) struct Surroundings {
    pub(super) catalog: Arc<Catalog>,
    pub(super) wake: Arc<Wake>,
}

impl Surroundings {
    /// Until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        let looking = async {
            loop {
                tokio::time::sleep(EVERY).await;
                let catalog = self.catalog.clone();
                // A folder on a network may take its time.
                match tokio::task::spawn_blocking(move || catalog.look_again()).await {
                    Ok(true) => self.wake.now(),
                    Ok(false) => {}
                    Err(error) => tracing::warn!("looking for programs did not end well: {error}"),
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = looking => {}
        }
    }
}
