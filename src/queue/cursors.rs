//! Where the next claim of each queue starts: behind the last job claimed, or at the head.
//!
//! While an old snapshot elsewhere stops the clean-up, the head of the index is full of entries of jobs that were
//! claimed long ago, and a claim that begins there walks over all of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::id::WorkflowId;
use crate::model::place::Place;
use crate::store::jobs::{Claimed, Cursor};

/// A claim begins at the head again after that long: a job may have come in before the cursors.
const HEAD_EVERY: Duration = Duration::from_millis(250);
/// Claims from the head take at most one part in this many of the time, where an old snapshot makes them slow.
const HEAD_SHARE: u32 = 20;

/// The cursors of one worker's queues.
#[derive(Debug)]
pub(crate) struct Cursors {
    workflows: Vec<WorkflowId>,
    behind: HashMap<WorkflowId, Cursor>,
    at_head: Option<Instant>,
    cost: Duration,
    /// What the last claim has shown of who waits.
    waiting: Shown,
}

/// What a claim shows of the best place among the jobs that wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shown {
    Nothing,
    /// That one, or none: every queue was asked from its head.
    All(Option<Place>),
    /// All that was known between these places is taken, and the best of the others has that place, or there is none.
    Taken {
        from: Place,
        best: Option<Place>,
    },
}

impl Shown {
    /// The best place among the jobs that wait, where `known` was it before.
    pub(super) fn best(self, known: Option<Place>) -> Option<Place> {
        match self {
            Shown::All(best) => best,
            // Otherwise branches would yield to a job that this very worker has claimed. What has come in before `from` is for the next look.
            Shown::Taken { from, best }
                if known.is_some_and(|known| from <= known && best.is_none_or(|b| known < b)) =>
            {
                best
            }
            Shown::Taken { .. } | Shown::Nothing => known,
        }
    }
}

impl Cursors {
    pub(crate) fn new(workflows: Vec<WorkflowId>) -> Cursors {
        Cursors { workflows, behind: HashMap::new(), at_head: None, cost: Duration::ZERO, waiting: Shown::Nothing }
    }

    /// The queues, another one first each time, and where a claim begins in each.
    pub(super) fn next(&mut self) -> (&[WorkflowId], Vec<Cursor>) {
        if self.at_head.is_none_or(|at| at.elapsed() > HEAD_EVERY.max(self.cost * HEAD_SHARE)) {
            self.behind.clear();
        }
        if !self.workflows.is_empty() {
            self.workflows.rotate_left(1);
        }
        let cursors = self.workflows.iter().map(|workflow| self.begins_at(workflow)).collect();
        (&self.workflows, cursors)
    }

    /// Notes what a claim of up to `each` per queue and `free` in all took; `true` when another may take more.
    pub(super) fn moved(&mut self, each: usize, free: usize, claimed: &Claimed, took: Duration) -> bool {
        let from_head = self.behind.is_empty();
        if from_head {
            (self.at_head, self.cost) = (Some(Instant::now()), took);
        }
        let all_asked = self.workflows.len() <= free;
        let from = self.workflows.iter().map(|workflow| self.begins_at(workflow).place).max();
        let mut best: Option<Place> = None;
        let mut more = !all_asked && claimed.places().count() >= free;
        for workflow in &self.workflows {
            let of_it = || claimed.places().filter(|(of, _)| of == workflow).map(|(_, cursor)| cursor);
            match of_it().max() {
                Some(last) if of_it().count() >= each => {
                    more = true;
                    best = Some(best.map_or(last.place, |best| best.min(last.place)));
                    self.behind.insert(*workflow, last);
                }
                // Nothing more behind the cursor, but perhaps before it.
                Some(_) | None => more |= self.behind.remove(workflow).is_some(),
            }
        }
        self.waiting = match from {
            Some(from) if all_asked && !from_head => Shown::Taken { from, best },
            _ if all_asked => Shown::All(best),
            _ => Shown::Nothing,
        };
        more
    }

    fn begins_at(&self, workflow: &WorkflowId) -> Cursor {
        self.behind.get(workflow).copied().unwrap_or(Cursor::START)
    }

    /// What the last claim has shown of who waits.
    pub(super) fn waiting(&self) -> Shown {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::model::claim::Claim;
    use crate::model::id::{AttemptKey, RunKey};

    fn place(job: i64) -> Place {
        Place { rank: 0, due_at: DateTime::UNIX_EPOCH + chrono::Duration::seconds(job) }
    }

    fn claim(workflow: i64, job: i64) -> Claim {
        let made_up = Claim::made_up();
        let key = AttemptKey { run: RunKey(job), job, ..made_up.key };
        Claim { key, workflow: WorkflowId(workflow), place: place(job), ..made_up }
    }

    fn claimed<const N: usize>(workflow: i64, jobs: [i64; N]) -> Claimed {
        Claimed { claims: jobs.map(|job| claim(workflow, job)).to_vec(), set_aside: Vec::new() }
    }

    #[test]
    fn a_full_claim_moves_the_cursor_and_a_short_one_goes_back_to_the_head() {
        let mut cursors = Cursors::new(vec![WorkflowId(1)]);
        assert_eq!(cursors.next().1, [Cursor::START]);
        let set_aside = vec![(WorkflowId(1), Cursor { place: place(2), job: 2 })];
        let full = Claimed { set_aside, ..claimed(1, [1]) };
        assert!(cursors.moved(2, 2, &full, Duration::ZERO));
        assert_eq!(cursors.waiting(), Shown::All(Some(place(2))));
        let from = cursors.next().1;
        assert_eq!((from[0].job, from[0].place), (2, place(2)));
        assert!(cursors.moved(2, 2, &claimed(1, [3, 4]), Duration::ZERO));
        assert_eq!(cursors.waiting(), Shown::Taken { from: place(2), best: Some(place(4)) });
        assert!(cursors.moved(2, 2, &claimed(1, [5]), Duration::ZERO), "there may be more before the cursor");
        assert_eq!(cursors.waiting(), Shown::Taken { from: place(4), best: None });
        assert_eq!(cursors.next().1, [Cursor::START]);
        assert!(!cursors.moved(2, 2, &claimed(1, []), Duration::ZERO));
        assert_eq!(cursors.waiting(), Shown::All(None), "nobody waits");
    }

    #[test]
    fn nobody_yields_to_a_job_that_was_just_claimed() {
        let behind = |from, best: Option<i64>| Shown::Taken { from: place(from), best: best.map(place) };
        let cases = [
            (behind(2, Some(4)), Some(3), Some(4)),
            (behind(2, Some(4)), Some(2), Some(4)),
            (behind(2, None), Some(3), None),
            // It came in before the cursor, or was there before it behind another queue's: nobody has taken it.
            (behind(2, Some(4)), Some(1), Some(1)),
            (behind(2, None), Some(1), Some(1)),
            (behind(2, Some(4)), Some(5), Some(5)),
            (behind(2, Some(4)), None, None),
            (Shown::Nothing, Some(3), Some(3)),
            (Shown::All(None), Some(3), None),
            (Shown::All(Some(place(7))), Some(3), Some(7)),
        ];
        for (shown, known, best) in cases {
            assert_eq!(shown.best(known.map(place)), best.map(place), "{shown:?} {known:?}");
        }
    }

    #[test]
    fn with_fewer_slots_than_queues_every_queue_has_its_turn_and_an_idle_worker_rests() {
        let mut cursors = Cursors::new(vec![WorkflowId(1), WorkflowId(2)]);
        let first = cursors.next().0[0];
        assert!(!cursors.moved(1, 1, &claimed(1, []), Duration::ZERO), "nothing to claim");
        assert_ne!(cursors.next().0[0], first);
        assert!(cursors.moved(1, 1, &claimed(first.0, [1]), Duration::ZERO), "the other one was perhaps not asked");
        assert_eq!(cursors.waiting(), Shown::Nothing);
    }
}
