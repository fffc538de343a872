//! What ends of jobs are counted by, and what becomes of them then.

use super::commit::Landed;
use super::endings::Ending;
use crate::model::claim::Claim;
use crate::model::id::RunKey;
use crate::workflow::quorum::AtLeast;

/// What an end is counted by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum By {
    /// An item of a fan-out that is content with a part of them.
    Quorum(Quorum),
    /// A stage that another one may begin without.
    Race(Race),
}

/// A counted end.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) by: By,
    /// What it becomes where too many are lost already, or enough are done.
    pub(crate) otherwise: Option<Ending>,
}

/// A batch of them.
#[derive(Clone, Copy)]
pub(crate) struct CountedBatch<'b> {
    pub(crate) ends: &'b [(Claim, Ending)],
    pub(crate) counted: &'b [Counted],
    pub(crate) artifacts: &'b [Option<i32>],
    /// The runs of stages that wait for the runs which these ends may end.
    pub(crate) parents: &'b [RunKey],
}

/// What became of counted ends.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) landed: Landed,
    /// Positions in the batch of those that were decided otherwise.
    pub(crate) otherwise: Vec<(usize, Ending)>,
    pub(crate) stopped: Vec<Stopped>,
}

impl From<Landed> for Settled {
    fn from(landed: Landed) -> Settled {
        Settled { landed, ..Settled::default() }
    }
}

/// Jobs that were ended without a result, because enough others have one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stopped {
    pub(crate) run: RunKey,
    pub(crate) stage: i16,
    pub(crate) jobs: u64,
}

/// What the end of an item is counted by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quorum {
    pub(crate) at_least: AtLeast,
    /// The others are cancelled once enough are done.
    pub(crate) cancels: bool,
    /// JSON text in place of an output.
    pub(crate) missing: Option<String>,
}

/// What the end of a stage is counted by that another one may begin without.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Race {
    /// The one that begins.
    pub(crate) stage: i16,
    /// How many it begins with.
    pub(crate) first: u32,
    /// All that race for it.
    pub(crate) needs: Vec<i16>,
}
