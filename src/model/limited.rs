//! Which stages have limits: a branch that comes to one goes through the queue, whoever has done the stage before.

use std::collections::HashSet;

use super::id::VersionId;

/// All of them, as a worker last saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limited {
    stages: HashSet<(VersionId, i16)>,
    /// Jobs wait that a limit has room for.
    pub(crate) has_room: bool,
}

impl Limited {
    pub(crate) fn new(stages: impl IntoIterator<Item = (VersionId, i16)>, has_room: bool) -> Limited {
        Limited { stages: stages.into_iter().collect(), has_room }
    }

    /// Whether that stage of that version has one.
    pub(crate) fn holds(&self, version: VersionId, stage: i16) -> bool {
        self.stages.contains(&(version, stage))
    }

    /// Whether jobs may have been set aside.
    pub(crate) fn may_wait(&self) -> bool {
        self.has_room || !self.stages.is_empty()
    }
}
