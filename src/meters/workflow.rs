//! Counts of one workflow version's runs and stages.

use std::sync::{Arc, OnceLock};

use metrics::Counter;

use super::catalog::{RUNS_DONE, RUNS_STARTED};
use super::stage::StageMeters;
use crate::model::claim::Claim;

/// The meters of one version of a workflow.
#[derive(Debug)]
pub(crate) struct WorkflowMeters {
    workflow: String,
    /// None before its first run, as with stages.
    runs: OnceLock<Runs>,
    /// The stage whose first attempt is the start of a run.
    first: Option<i16>,
    stages: Vec<StageMeters>,
}

/// Runs that were started, and those that are done.
#[derive(Debug)]
struct Runs {
    started: Counter,
    done: Counter,
}

impl WorkflowMeters {
    /// Of a workflow with these stages; runs begin with `first`.
    pub(crate) fn new(workflow: &str, stages: &[Arc<str>], first: Option<i16>) -> WorkflowMeters {
        WorkflowMeters {
            workflow: workflow.to_owned(),
            runs: OnceLock::new(),
            first,
            stages: stages.iter().map(|stage| StageMeters::new(workflow, stage)).collect(),
        }
    }

    fn runs(&self) -> &Runs {
        let workflow = &[&*self.workflow];
        self.runs.get_or_init(|| Runs { started: RUNS_STARTED.counter(workflow), done: RUNS_DONE.counter(workflow) })
    }

    /// `None` where the definition has no such stage.
    pub(crate) fn stage(&self, stage: i16) -> Option<&StageMeters> {
        self.stages.get(usize::try_from(stage).ok()?)
    }

    /// In the order of the definition.
    pub(crate) fn stages(&self) -> &[StageMeters] {
        &self.stages
    }

    /// An attempt begins.
    pub(crate) fn begins(&self, claim: &Claim) {
        let key = claim.key;
        if key.attempt == 1 && key.item().is_none() && self.first == Some(key.stage) {
            self.runs().started.increment(1);
        }
        if let Some(stage) = self.stage(key.stage) {
            stage.begins(key.attempt, claim.waited);
        }
    }

    /// A run's last stage is committed.
    pub(crate) fn run_is_done(&self) {
        self.runs().done.increment(1);
    }
}
