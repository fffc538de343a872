//! What happened in a stage, as it is added to `piton.throughput`.

use serde::Serialize;

/// What happened in a stage since it was last asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Counts {
    pub(crate) workflow: String,
    pub(crate) stage: String,
    /// Jobs that are done, and jobs that were given up.
    pub(crate) done: u64,
    pub(crate) given_up: u64,
    /// Attempts that failed, and attempts that ended, with the seconds that these took together.
    pub(crate) failed: u64,
    pub(crate) attempts: u64,
    pub(crate) seconds: f64,
    /// Attempts that began, and the seconds that they had waited together.
    pub(crate) begun: u64,
    pub(crate) waited: f64,
    /// Times that it was split, and into how many items.
    pub(crate) splits: u64,
    pub(crate) items: u64,
}

impl Counts {
    /// Nothing happened.
    pub(crate) fn is_empty(&self) -> bool {
        let Counts { done, given_up, failed, attempts, begun, splits, .. } = self;
        [done, given_up, failed, attempts, begun, splits].into_iter().all(|count| *count == 0)
    }

    /// Both together: a stage has the same name in several versions of a workflow.
    pub(crate) fn add(&mut self, other: &Counts) {
        self.done += other.done;
        self.given_up += other.given_up;
        self.failed += other.failed;
        self.attempts += other.attempts;
        self.seconds += other.seconds;
        self.begun += other.begun;
        self.waited += other.waited;
        self.splits += other.splits;
        self.items += other.items;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_stage_of_two_versions_is_one() {
        let one = Counts { done: 2, seconds: 1.5, items: 4, ..Counts::default() };
        let mut both = one.clone();
        both.add(&Counts { done: 3, begun: 1, seconds: 0.5, ..Counts::default() });
        assert_eq!((both.done, both.seconds, both.begun, both.items), (5, 2.0, 1, 4));
    }
}
