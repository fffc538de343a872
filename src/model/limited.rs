//! Which stages have limits: a branch that reaches one goes through the queue, whoever did the stage before.

use std::collections::HashSet;

use super::id::VersionId;

/// All of them, as a worker last saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limited {
    stages: HashSet<(VersionId, i16)>,
    /// Jobs wait that a limit has room for.
    pub(crate) has_room: bool,
    /// The best rank among them, where it is known.
    rank: Option<i16>,
}

impl Limited {
    /// `rank` is the best one among the jobs that wait and that a limit has room for.
    pub(crate) fn new(stages: impl IntoIterator<Item = (VersionId, i16)>, rank: Option<i16>) -> Limited {
        Limited { stages: stages.into_iter().collect(), has_room: rank.is_some(), rank }
    }

    /// Whether that stage of that version has one.
    pub(crate) fn holds(&self, version: VersionId, stage: i16) -> bool {
        self.stages.contains(&(version, stage))
    }

    /// Whether jobs may have been set aside.
    pub(crate) fn may_wait(&self) -> bool {
        self.has_room || !self.stages.is_empty()
    }

    /// How many of the free slots they get before the ready ones are asked, the best of which has the rank `ready`: all or
    /// none where one of the two has a higher priority, else half of them, and of an odd number the larger half every other
    /// turn. What either of them leaves, the other one gets.
    pub(crate) fn share(&self, free: usize, ready: Option<i16>, turn: bool) -> usize {
        match (self.rank, ready) {
            (Some(limited), Some(ready)) if limited < ready => free,
            (Some(limited), Some(ready)) if limited > ready => 0,
            _ if turn => free.div_ceil(2),
            _ => free / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_higher_priority_is_asked_first_and_equal_ones_share() {
        let of_rank = |rank| Limited::new([], Some(rank));
        assert_eq!(of_rank(-5).share(7, Some(0), false), 7, "a lower rank is a higher priority");
        assert_eq!(of_rank(5).share(7, Some(0), true), 0);
        assert_eq!((of_rank(0).share(7, Some(0), true), of_rank(0).share(7, Some(0), false)), (4, 3));
        assert_eq!(of_rank(5).share(2, None, true), 1, "who else waits is not known");
        assert_eq!(Limited::default().share(2, Some(0), true), 1);
    }
}
