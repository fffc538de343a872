//! Whether this process does anything: what is alive and answers may still stand still, and only a restart helps it then.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::Health;
use super::checks::Watched;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(3);
/// So long may it take to get a thread for a file.
const THREAD: Duration = Duration::from_secs(15);
/// So long may a claim, or the begin of an attempt, take.
const WORK: Duration = Duration::from_secs(120);

/// What a worker's work came to so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Claims that were tried.
    pub(crate) rounds: u64,
    /// There is something to claim, and a slot for it.
    pub(crate) is_due: bool,
    /// Attempts that were handed over, and those of them that have begun.
    pub(crate) handed_over: u64,
    pub(crate) begun: u64,
}

/// Since when each of the two has not moved.
#[derive(Debug, Default)]
struct Standstill {
    claims: Option<(Instant, u64)>,
    attempts: Option<(Instant, u64)>,
}

impl Standstill {
    /// What stands still, by what is seen now.
    fn look(&mut self, now: Instant, work: Work) -> Option<&'static str> {
        if stands(&mut self.claims, now, work.is_due, work.rounds) {
            return Some("there are jobs and free slots, and nothing is claimed");
        }
        let waits = work.handed_over > work.begun;
        stands(&mut self.attempts, now, waits, work.begun)
            .then_some("jobs are claimed, and their attempts do not begin")
    }
}

fn stands(since: &mut Option<(Instant, u64)>, now: Instant, is_due: bool, count: u64) -> bool {
    match since {
        Some((at, before)) if is_due && *before == count => now.duration_since(*at) >= WORK,
        _ => {
            *since = is_due.then_some((now, count));
            false
        }
    }
}

impl Health {
    /// Looks until the end.
    pub(super) async fn watch_for_standstill(&self, watched: &Watched) {
        let mut standstill = Standstill::default();
        loop {
            sleep(EVERY).await;
            let mut thread = tokio::task::spawn_blocking(|| ());
            if timeout(THREAD, &mut thread).await.is_err() {
                self.note_standstill(Some("every thread for files waits for something that does not come"));
                // One thread is asked for at a time.
                thread.await.ok();
            }
            self.note_standstill(standstill.look(Instant::now(), (watched.work)()));
        }
    }

    fn note_standstill(&self, what: Option<&'static str>) {
        if !self.pulse.is_stuck(what) {
            return;
        }
        match what {
            Some(what) => tracing::error!("this worker stands still and is not live: {what}. Restart it"),
            None => tracing::info!("this worker goes on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_is_due_and_does_not_move_is_a_standstill_and_a_worker_without_work_is_not() {
        let begun = Instant::now();
        let mut standstill = Standstill::default();
        let mut at = |seconds, work| standstill.look(begun + Duration::from_secs(seconds), work).is_some();
        let idle = Work::default();
        assert!(!at(0, idle) && !at(1000, idle));
        let due = Work { is_due: true, ..idle };
        assert!(!at(1001, due) && !at(1100, due));
        assert!(!at(1110, Work { rounds: 1, ..due }), "it has tried to claim");
        assert!(!at(1229, Work { rounds: 1, ..due }) && at(1230, Work { rounds: 1, ..due }));
        assert!(!at(1231, Work { rounds: 2, ..idle }));
        let waits = Work { handed_over: 7, begun: 6, ..idle };
        assert!(!at(2000, waits) && !at(2119, waits) && at(2120, waits));
        assert!(!at(2121, Work { begun: 7, ..waits }) && !at(4000, Work { begun: 7, ..waits }));
    }
}
