//! What was read for an attempt and travels with it: the next job of its branch is made from it, so nothing is read twice.

use std::sync::Arc;

use super::room::Taken;
use super::round::Round;
use super::version::Version;
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::id::{RunId, RunKey};
use crate::model::trace::TraceContext;
use crate::model::wait::EndedWait;
use crate::stage::fan_out::{Item, Split};
use crate::stage::input::StageInput;
use crate::store::checkpoints::StoredRun;

/// What an attempt has to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// Call the handler with this input.
    Handle(StageInput),
    /// The stage fans out: its job becomes that many.
    Split(u32),
    /// Nothing: what it needs was skipped. With the reason.
    Skip(Arc<str>),
    /// End the attempt with what its wait came to.
    Waited(EndedWait),
    /// Ask the service again that it waits for.
    Poll(StageInput, EndedWait),
}

/// A claim with what was read for it and its work; a failure where the inputs themselves are the trouble.
pub(crate) struct Prepared {
    pub(crate) claim: Claim,
    pub(crate) known: Known,
    pub(crate) work: Result<Work, Failure>,
}

impl Prepared {
    /// Bytes that its input will have in memory.
    pub(crate) fn bytes(&self) -> usize {
        match &self.work {
            Ok(Work::Handle(input) | Work::Poll(input, _)) => input.bytes(),
            Ok(Work::Waited(wait)) => wait.answer.as_ref().map_or(0, |(text, _)| text.len()),
            Ok(Work::Split(_) | Work::Skip(_)) | Err(_) => 0,
        }
    }
}

/// What an attempt and those after it in its branch are made of.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) version: Arc<Version>,
    pub(crate) run: RunInput,
    /// `None` where no item comes after this one.
    pub(crate) lane: Option<Arc<Lane>>,
    /// `None` where its stage is done once.
    pub(crate) round: Option<Round>,
    /// What its input takes of the room for inputs; `None` for a small one.
    pub(crate) taken: Option<Taken>,
}

/// What every stage of a run gets: kept from stage to stage while its branch stays claimed.
#[derive(Debug, Clone)]
pub(crate) struct RunInput {
    pub(crate) id: RunId,
    /// `None` where the run's row could not be read.
    pub(crate) input: Option<Arc<str>>,
    /// How often each stage was begun anew; `None` where none was.
    redone: Option<Arc<[i16]>>,
    /// The trace it was started in.
    pub(super) trace: Option<Arc<TraceContext>>,
    /// The run with the stage that waits for the end of this one.
    pub(super) parent: Option<RunKey>,
}

impl RunInput {
    pub(super) const UNREAD: RunInput =
        RunInput { id: RunId(uuid::Uuid::nil()), input: None, redone: None, trace: None, parent: None };

    /// How often that stage was begun anew.
    pub(super) fn again(&self, stage: i16) -> u16 {
        let redone = self.redone.as_deref().unwrap_or_default();
        usize::try_from(stage).ok().and_then(|at| redone.get(at)).map_or(0, |times| times.unsigned_abs())
    }
}

impl From<StoredRun> for RunInput {
    fn from(StoredRun { run: _, id, input, redone, trace, parent }: StoredRun) -> RunInput {
        RunInput { id, input: Some(input.into()), redone: redone.map(Arc::from), trace: trace.map(Arc::new), parent }
    }
}

/// The inputs of the items that one branch does one after another. It keeps those and not the whole array.
#[derive(Debug)]
pub(crate) struct Lane {
    /// The input of the item that was read for.
    like: StageInput,
    /// Number of the first one after it.
    first: i32,
    items: Vec<Item>,
}

impl Lane {
    /// Of a claim on an item with that input; `None` where none comes after it.
    pub(super) fn of(claim: &Claim, input: &StageInput, split: &Split) -> Option<Arc<Lane>> {
        let rest = claim.spot().rest()?;
        let items =
            (rest.item..rest.until).map(|item| split.item(usize::try_from(item).ok()?)).collect::<Option<_>>()?;
        Some(Arc::new(Lane { like: input.clone(), first: rest.item, items }))
    }

    /// The input of an item of the lane.
    pub(super) fn input(&self, item: i32) -> Option<StageInput> {
        let at = usize::try_from(item.checked_sub(self.first)?).ok()?;
        Some(self.like.of_another_item(self.items.get(at)?.clone()))
    }
}
