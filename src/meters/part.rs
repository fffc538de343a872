//! The parts of a worker that query the database, and wait while it does not answer.

use super::catalog::DATABASE_ERRORS;

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Claim,
    Inputs,
    Commit,
    Look,
    Session,
    Snapshot,
    Health,
}

impl Part {
    pub(crate) const ALL: [Part; 7] =
        [Part::Claim, Part::Inputs, Part::Commit, Part::Look, Part::Session, Part::Snapshot, Part::Health];

    fn as_str(self) -> &'static str {
        match self {
            Part::Claim => "claim",
            Part::Inputs => "inputs",
            Part::Commit => "commit",
            Part::Look => "look",
            Part::Session => "session",
            Part::Snapshot => "snapshot",
            Part::Health => "health",
        }
    }

    /// A statement had no answer, and is sent again.
    pub(crate) fn had_no_answer(self) {
        DATABASE_ERRORS.counter(&[self.as_str()]).increment(1);
    }

    /// Shows it from the start: an alert sees the first error as a change only where there was a 0 before.
    pub(crate) fn begins_at_zero(self) {
        DATABASE_ERRORS.counter(&[self.as_str()]).increment(0);
    }
}
