//! Ctrl-C and SIGTERM: what was begun is put away before the process ends.

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether someone asked to stop; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(crate) fn on_signals() -> Result<Stop> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            sender.send_replace(true);
            // Kept for ever, so that a receiver sees nothing but the one change.
            sender.closed().await;
        });
        Ok(Stop(receiver))
    }

    /// Comes back when someone has asked.
    pub(crate) async fn asked(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // The task that listens is gone with its runtime; nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }
}
