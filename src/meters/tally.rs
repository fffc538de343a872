//! Counts of one stage between two additions to `piton.throughput`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::model::counts::Counts;

/// Counters that begin at 0 again whenever they are taken.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ran: Sum,
    waited: Sum,
    split: Sum,
    failed: AtomicU64,
    /// Of the jobs, which are counted elsewhere, those that were taken.
    taken: (AtomicU64, AtomicU64),
}

/// How many, and how much together.
#[derive(Debug, Default)]
struct Sum(AtomicU64, AtomicU64);

impl Sum {
    fn add(&self, much: u64) {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.fetch_add(much, Ordering::Relaxed);
    }

    fn take(&self) -> (u64, u64) {
        (self.0.swap(0, Ordering::Relaxed), self.1.swap(0, Ordering::Relaxed))
    }
}

impl Tally {
    pub(super) fn begins(&self, waited: Duration) {
        self.waited.add(micros(waited));
    }

    pub(super) fn ran(&self, took: Duration) {
        self.ran.add(micros(took));
    }

    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn split(&self, items: u64) {
        self.split.add(items);
    }

    /// `jobs` are those that were ever done and given up.
    pub(super) fn take(&self, jobs: (u64, u64)) -> Counts {
        let ((attempts, ran), (begun, waited), (splits, items)) =
            (self.ran.take(), self.waited.take(), self.split.take());
        Counts {
            done: jobs.0.saturating_sub(self.taken.0.swap(jobs.0, Ordering::Relaxed)),
            given_up: jobs.1.saturating_sub(self.taken.1.swap(jobs.1, Ordering::Relaxed)),
            failed: self.failed.swap(0, Ordering::Relaxed),
            attempts,
            seconds: ran as f64 / 1e6,
            begun,
            waited: waited as f64 / 1e6,
            splits,
            items,
            ..Counts::default()
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_not_taken_again() {
        let tally = Tally::default();
        tally.begins(Duration::from_millis(500));
        tally.ran(Duration::from_millis(1500));
        tally.ran(Duration::from_millis(500));
        tally.failed();
        tally.split(7);
        let first = tally.take((3, 1));
        assert_eq!((first.done, first.given_up, first.failed, first.attempts), (3, 1, 1, 2));
        assert_eq!((first.seconds, first.begun, first.waited, first.splits, first.items), (2.0, 1, 0.5, 1, 7));
        assert!(tally.take((3, 1)).is_empty(), "nothing happened since");
        assert_eq!(tally.take((5, 1)).done, 2);
    }
}
