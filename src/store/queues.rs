//! The queues a worker serves: the workflows it claims from, without the stages that it has no handler for.

use crate::model::id::{VersionId, WorkflowId};

/// What is claimable for one worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queues<'q> {
    pub(crate) workflows: &'q [WorkflowId],
    /// Stages to leave for a worker that knows them.
    pub(crate) unknown: &'q [(VersionId, i16)],
}

/// The same as columns.
pub(super) struct QueueColumns {
    pub(super) workflows: Vec<i64>,
    pub(super) unknown_versions: Vec<i64>,
    pub(super) unknown_stages: Vec<i16>,
}

impl Queues<'_> {
    pub(super) fn columns(&self) -> QueueColumns {
        let (unknown_versions, unknown_stages) = self.unknown.iter().map(|(v, s)| (v.0, *s)).unzip();
        QueueColumns { workflows: self.workflows.iter().map(|w| w.0).collect(), unknown_versions, unknown_stages }
    }
}
