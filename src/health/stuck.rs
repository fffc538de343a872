//! Whether this process makes progress: a process that is alive and answers may still hang, and then only a restart helps.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::Health;
use super::watched::Watched;
use super::work::Work;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(3);
/// So long may it take to get a thread for a file.
const THREAD: Duration = Duration::from_secs(15);
/// So long may a claim, or the begin of an attempt, take.
const WORK: Duration = Duration::from_secs(300);
/// Whoever did not look for that long was frozen, and so was all the rest.
const FROZEN: Duration = Duration::from_secs(30);

/// Since when each of the two has not moved.
#[derive(Debug, Default)]
struct Standstill {
    looked: Option<Instant>,
    claims: Option<(Instant, u64)>,
    attempts: Option<(Instant, u64)>,
}

impl Standstill {
    /// What stands still, by what is seen now.
    fn look(&mut self, now: Instant, work: Work) -> Option<&'static str> {
        if self.looked.replace(now).is_some_and(|before| now.duration_since(before) > FROZEN) {
            (self.claims, self.attempts) = (None, None);
        }
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
        if !self.liveness.is_stuck(what) {
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

    /// Looks every three seconds from one second to another, and tells the second at which it stood still.
    fn stands(standstill: &mut Standstill, begun: Instant, seconds: std::ops::Range<u64>, work: Work) -> Option<u64> {
        let mut looks = seconds.step_by(3);
        looks.find(|second| standstill.look(begun + Duration::from_secs(*second), work).is_some())
    }

    #[test]
    fn work_that_is_due_and_does_not_move_is_a_standstill_and_a_worker_without_work_is_not() {
        let (begun, mut standstill) = (Instant::now(), Standstill::default());
        let mut from = |seconds, work| stands(&mut standstill, begun, seconds, work);
        let idle = Work::default();
        assert_eq!(from(0..3000, idle), None);
        let due = Work { is_due: true, ..idle };
        assert_eq!(from(3000..3200, due), None);
        assert_eq!(from(3201..3501, Work { rounds: 1, ..due }), None, "it has tried to claim");
        assert_eq!(from(3501..3600, Work { rounds: 1, ..due }), Some(3501));
        assert_eq!(from(3504..3600, Work { rounds: 2, ..idle }), None);
        let waits = Work { handed_over: 7, begun: 6, ..idle };
        assert_eq!(from(3600..4000, waits), Some(3900));
        assert_eq!(from(3903..6000, Work { begun: 7, ..waits }), None);
    }

    #[test]
    fn a_process_that_was_frozen_has_not_stood_still() {
        let (begun, mut standstill) = (Instant::now(), Standstill::default());
        let due = Work { is_due: true, ..Work::default() };
        assert_eq!(stands(&mut standstill, begun, 0..200, due), None);
        assert_eq!(stands(&mut standstill, begun, 1000..1299, due), None);
        assert_eq!(stands(&mut standstill, begun, 1299..1400, due), Some(1302));
    }
}
