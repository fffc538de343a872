//! A process that was given to an attempt.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::job::Job;
use super::life::{Order, Place};

/// A process for one job. Dropped without one, it goes back.
pub(super) struct Lease {
    pub(super) place: Arc<Place>,
    orders: mpsc::UnboundedSender<Order>,
    is_used: bool,
}

impl Lease {
    pub(super) fn of(place: Arc<Place>, orders: mpsc::UnboundedSender<Order>) -> Lease {
        Lease { place, orders, is_used: false }
    }

    /// Nobody was there to take it: the process knows nothing of it.
    pub(super) fn forget(mut self) {
        self.is_used = true;
    }

    pub(super) fn begin(mut self, job: Job) {
        self.is_used = true;
        // One that has just ended drops it, and its attempt sees that it never began.
        self.orders.send(Order::Job(job)).ok();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_used {
            self.orders.send(Order::Back).ok();
        }
    }
}
