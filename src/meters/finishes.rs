//! Counts of programs that may end their attempts with `piton.finish`.

use super::catalog::FINISHES;

/// How it took part in one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Finished,
    /// What the program did after its commit is ignored.
    FinishedThenFailed,
    /// An attempt before it had finished.
    TakenOver,
    /// The program printed its output.
    Returned,
    Failed,
    /// The attempt no longer held its job.
    Over,
    /// What was read is not what was recorded.
    Corrupt,
}

impl Finish {
    const ALL: [Finish; 7] = [
        Finish::Finished,
        Finish::FinishedThenFailed,
        Finish::TakenOver,
        Finish::Returned,
        Finish::Failed,
        Finish::Over,
        Finish::Corrupt,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Finish::Finished => "finished",
            Finish::FinishedThenFailed => "finished_then_failed",
            Finish::TakenOver => "taken_over",
            Finish::Returned => "returned",
            Finish::Failed => "failed",
            Finish::Over => "over",
            Finish::Corrupt => "corrupt",
        }
    }

    /// Every outcome shows from the first attempt on, so that the first of its kind is seen as a change.
    pub(crate) fn count(self, workflow: &str, stage: &str) {
        for outcome in Finish::ALL {
            FINISHES.counter(&[workflow, stage, outcome.as_str()]).increment(u64::from(outcome == self));
        }
    }
}
