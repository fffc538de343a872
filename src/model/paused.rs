//! What is paused: none of its jobs start, and running ones finish.

use std::collections::HashSet;

use super::id::{VersionId, WorkflowId};

/// All pauses, as a worker last saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Paused {
    workflows: Vec<WorkflowId>,
    stages: HashSet<(VersionId, i16)>,
}

impl Paused {
    /// The workflow 0 is every one.
    pub(crate) fn new(workflows: Vec<WorkflowId>, stages: impl IntoIterator<Item = (VersionId, i16)>) -> Paused {
        Paused { workflows, stages: stages.into_iter().collect() }
    }

    /// Whether that stage of a version of that workflow must not begin now.
    pub(crate) fn holds(&self, workflow: WorkflowId, version: VersionId, stage: i16) -> bool {
        self.workflows.iter().any(|paused| paused.0 == 0 || *paused == workflow)
            || self.stages.contains(&(version, stage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_holds_what_it_is_about_and_nothing_else() {
        let (workflow, version) = (WorkflowId(1), VersionId(10));
        let holds = |paused: Paused| paused.holds(workflow, version, 2);
        assert!(!holds(Paused::default()));
        assert!(holds(Paused::new(vec![WorkflowId(0)], [])));
        assert!(holds(Paused::new(vec![WorkflowId(9), workflow], [])));
        assert!(!holds(Paused::new(vec![WorkflowId(9)], [(version, 1), (VersionId(11), 2)])));
        assert!(holds(Paused::new(vec![], [(version, 2)])));
    }
}
