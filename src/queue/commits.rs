//! Decided ends on their way into one commit.

use std::sync::Arc;

use super::catalog::Version;
use super::onward::Onward;
use crate::model::claim::Claim;
use crate::store::endings::Ending;

/// Ends that are decided.
#[derive(Default)]
pub(super) struct Commits {
    pub(super) ends: Vec<(Claim, Ending)>,
    /// For each, what its next stage or item needs if the branch stays here.
    pub(super) onward: Vec<Option<Onward>>,
    /// For each, the definition it follows, where it is known.
    pub(super) versions: Vec<Option<Arc<Version>>>,
    /// For each, how many artifacts it has kept whole, where it has to say what becomes of some.
    pub(super) artifacts: Vec<Option<i32>>,
}

impl Commits {
    pub(super) fn push(
        &mut self,
        version: Option<Arc<Version>>,
        (claim, ending, onward): (Claim, Ending, Option<Onward>),
        artifacts: Option<i32>,
    ) {
        self.ends.push((claim, ending));
        self.onward.push(onward);
        self.versions.push(version);
        self.artifacts.push(artifacts);
    }

    /// The definition that an end's job follows.
    pub(super) fn version(&self, at: usize) -> Option<&Version> {
        self.versions.get(at)?.as_deref()
    }
}
