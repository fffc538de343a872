//! The queue: whether jobs are claimed in time, and the share of those ended here that were given up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::health::{Finding, Measure};

/// How far back jobs count.
const LATELY: Duration = Duration::from_secs(600);
/// Fewer jobs say nothing about their share.
const ENOUGH: u64 = 20;

/// Jobs that ended in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct JobsEnded {
    pub(crate) done: u64,
    pub(crate) given_up: u64,
}

/// What ended in the last ten minutes.
#[derive(Debug)]
pub(super) struct Lately {
    /// What had ended at that moment since the process began.
    seen: VecDeque<(Instant, JobsEnded)>,
}

impl Lately {
    /// Nothing has ended yet.
    pub(super) fn new(now: Instant) -> Lately {
        Lately { seen: VecDeque::from([(now, JobsEnded::default())]) }
    }

    /// `ended` is what has ended since the process began.
    pub(super) fn failed_share(&mut self, now: Instant, ended: JobsEnded) -> f64 {
        self.seen.push_back((now, ended));
        // The last one from before the ten minutes is what they are counted from.
        while self.seen.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= LATELY) {
            self.seen.pop_front();
        }
        let before = self.seen.front().map(|(_, ended)| *ended).unwrap_or_default();
        let (done, given_up) = (ended.done - before.done, ended.given_up - before.given_up);
        if done + given_up < ENOUGH { 0.0 } else { given_up as f64 / (done + given_up) as f64 }
    }
}

pub(super) fn finding(oldest_ready: f64, failed_share: f64) -> Finding {
    let values = vec![(Measure::OldestReady, oldest_ready), (Measure::FailedShare, failed_share)];
    Finding { values, ..Finding::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_last_ten_minutes() {
        let begun = Instant::now();
        let mut lately = Lately::new(begun);
        let mut at = |seconds, done, given_up| {
            lately.failed_share(begun + Duration::from_secs(seconds), JobsEnded { done, given_up })
        };
        assert_eq!(at(15, 0, 19), 0.0, "too few to tell");
        assert_eq!(at(30, 20, 20), 0.5);
        assert_eq!(at(620, 40, 20), 1.0 / 41.0, "since the fifteenth second");
        assert_eq!(at(1300, 80, 20), 0.0, "what was given up is long ago");
    }
}
