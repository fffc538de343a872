//! The channel from ended attempts to the committers. Its length is a metric, since they wait in memory.

use metrics::Gauge;
use tokio::sync::mpsc::{UnboundedSender, error::SendError};

use super::ended::Ended;
use crate::meters::catalog::RESULTS_WAITING;

/// Sends ends. Bounded by the slots, for a slot is held until its end has landed.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    sender: UnboundedSender<Ended>,
    waiting: Gauge,
}

impl Ends {
    pub(crate) fn new(sender: UnboundedSender<Ended>) -> Ends {
        Ends { sender, waiting: RESULTS_WAITING.gauge(&[]) }
    }

    pub(crate) fn send(&self, ended: Ended) {
        self.waiting.increment(1);
        if let Err(SendError(ended)) = self.sender.send(ended) {
            tracing::error!(key = ?ended.claim.key, "the committers are gone; recovery will free this claim");
        }
    }
}
