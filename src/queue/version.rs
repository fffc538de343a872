//! A workflow version that a worker can work with: its definition, and what is worked out from it once.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::definitions::Definition;
use crate::meters::workflow::WorkflowMeters;
use crate::model::claim::Claim;
use crate::model::resource::Resource;
use crate::model::retry::RetryPolicy;
use crate::stage::resources::{Resources, StoreUse};
use crate::workflow::definition::{Stage, StageIndex};
use crate::workflow::plan::Plan;
use crate::workflow::retry_rules::RetryRules;
use crate::workflow::rounds::Group;

/// One version, ready for use.
#[derive(Debug)]
pub(crate) struct Version {
    definition: Arc<Definition>,
    pub(crate) plan: Plan,
    /// Of each stage whether it may be skipped as a whole.
    may_be_skipped: Vec<bool>,
    /// Of each stage the rounds that it is part of.
    groups: Vec<Option<Arc<Group>>>,
    /// How each stage's failures are retried.
    policies: Vec<RetryPolicy>,
    /// Whether each stage uses the artifact store, as far as was seen here.
    store_use: Vec<AtomicU8>,
    /// What attempts of each stage went back for; a bit for each resource.
    went_back_for: Vec<AtomicU8>,
    pub(crate) meters: WorkflowMeters,
}

/// Whatever its definition says.
impl Deref for Version {
    type Target = Definition;

    fn deref(&self) -> &Definition {
        &self.definition
    }
}

impl Version {
    pub(super) fn new(definition: Arc<Definition>) -> Version {
        let workflow = &definition.workflow;
        let plan = Plan::of(workflow);
        let policies = workflow.stages.iter().map(|s| RetryRules::policy(&workflow.retry, &s.retry)).collect();
        let unseen = || workflow.stages.iter().map(|_| AtomicU8::default()).collect();
        let (store_use, went_back_for) = (unseen(), unseen());
        let meters = WorkflowMeters::new(&definition.name, &definition.stage_names, plan.start.first().copied());
        let may_be_skipped = workflow.may_be_skipped();
        let groups = workflow.groups();
        Version { definition, plan, may_be_skipped, groups, policies, store_use, went_back_for, meters }
    }

    /// How its failures are retried; `None` where the definition has no such stage.
    pub(crate) fn policy(&self, stage: i16) -> Option<&RetryPolicy> {
        self.policies.get(usize::try_from(stage).ok()?)
    }

    /// Whether that stage may have been skipped as a whole.
    pub(super) fn may_be_skipped(&self, stage: i16) -> bool {
        usize::try_from(stage).ok().and_then(|at| self.may_be_skipped.get(at)).copied().unwrap_or_default()
    }

    /// Whether a run goes on when that stage is given up.
    pub(super) fn tolerates(&self, stage: i16) -> bool {
        u16::try_from(stage).is_ok_and(|stage| self.workflow.is_tolerated(StageIndex(stage)))
    }

    /// The rounds that the stage is part of.
    pub(super) fn group(&self, stage: i16) -> Option<&Group> {
        self.groups.get(usize::try_from(stage).ok()?)?.as_deref()
    }

    /// An attempt of that stage has ended, and has used the artifact store or not.
    pub(crate) fn note_store_use(&self, stage: i16, used: bool, is_done: bool) {
        let Some(known) = usize::try_from(stage).ok().and_then(|at| self.store_use.get(at)) else { return };
        let seen = if used { StoreUse::Some } else { StoreUse::None } as u8;
        // What was seen once holds; and a stage that came to nothing may have been about to use it.
        if (used || is_done) && known.load(Ordering::Relaxed) < seen {
            known.fetch_max(seen, Ordering::Relaxed);
        }
    }

    /// An attempt of that stage went back, for its worker lacked that.
    pub(super) fn note_went_back(&self, stage: i16, lacks: Resource) {
        if let Some(known) = usize::try_from(stage).ok().and_then(|at| self.went_back_for.get(at)) {
            known.fetch_or(bit(lacks), Ordering::Relaxed);
        }
    }

    fn store_use(&self, stage: usize) -> StoreUse {
        let known = self.store_use.get(stage).map_or(0, |known| known.load(Ordering::Relaxed));
        [StoreUse::Unknown, StoreUse::None, StoreUse::Some].into_iter().nth(known.into()).unwrap_or(StoreUse::Some)
    }

    /// Stages that need something which this worker's machine lacks, with what that is.
    pub(super) fn kept_from(&self, resources: &Resources) -> impl Iterator<Item = (i16, Resource)> {
        let stages = (0i16..).zip(&self.workflow.stages).enumerate();
        stages.filter_map(|(at, (number, stage))| {
            let known = self.went_back_for.get(at).map_or(0, |known| known.load(Ordering::Relaxed));
            let went_back_for = |resource| known & bit(resource) != 0;
            resources.keeps_from(&stage.kind, self.store_use(at), went_back_for).map(|lacks| (number, lacks))
        })
    }

    /// Whether jobs of that stage wait for something outside. One that is to be split does not.
    pub(super) fn waits(&self, stage: i16) -> bool {
        self.stage(stage).is_some_and(Stage::may_wait)
    }

    /// The claim is the first one of its run.
    pub(crate) fn begins_with(&self, claim: &Claim) -> bool {
        let key = claim.key;
        key.attempt == 1 && key.item().is_none() && self.plan.start.first() == Some(&key.stage)
    }
}

fn bit(resource: Resource) -> u8 {
    // There are six.
    1 << resource as u8
}
