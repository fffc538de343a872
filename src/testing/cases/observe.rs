//! What a run has come to, as far as a case may expect something of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::id::NO_ITEM;
use crate::store::checkpoints::Wanted;
use crate::store::dead_letters::Filter;
use crate::store::{Store, StoreError};
use crate::testing::mocks::{Mock, MockCall};
use crate::view::report;
use crate::view::snapshot::Snapshot;
use crate::workflow::cases::Ending;

/// How many rows of a kind are read: more than a run may have.
const ALL: i64 = i64::MAX;

/// A run that is at rest.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// `None` for another end than those that a case may expect.
    pub(super) ending: Option<Ending>,
    /// In words.
    pub(super) state: String,
    /// JSON, where it is done.
    pub(super) output: Option<String>,
    /// Jobs by stage and item, which is [`NO_ITEM`] for a whole stage and for the split of a fanned-out one.
    jobs: BTreeMap<(String, i32), ObservedJob>,
    /// Rounds of stages that are done again.
    rounds: BTreeMap<String, u32>,
    /// Stages with `for_each`.
    fanned: BTreeSet<String>,
}

/// One job that something has become of.
#[derive(Debug, Default, Clone)]
pub(super) struct ObservedJob {
    pub(super) output: Option<String>,
    /// Why it was skipped.
    pub(super) skipped: Option<String>,
    pub(super) attempts: u32,
    /// Class and message of its dead letter.
    pub(super) failure: Option<(String, String)>,
    /// The last call of its mock.
    pub(super) call: Option<MockCall>,
}

impl Observed {
    pub(super) async fn read(
        store: &Store,
        snapshot: &Snapshot,
        mocks: &[(String, Mock)],
    ) -> Result<Observed, StoreError> {
        let run = &snapshot.run;
        let ending = [Ending::Done, Ending::Blocked].into_iter().find(|ending| ending.as_str() == run.state.as_str());
        let mut observed = Observed { ending, state: run.state.as_str().to_owned(), ..Observed::default() };
        if ending == Some(Ending::Done) {
            observed.output = Some(report::output(&report::outputs(store, snapshot).await?));
        }
        let fanned = snapshot.stages.iter().filter(|stage| stage.fanned);
        observed.fanned = fanned.map(|stage| stage.name.clone()).collect();
        let rounds = snapshot.stages.iter().filter_map(|stage| Some((stage.name.clone(), stage.round?.number)));
        observed.rounds = rounds.collect();
        let names: Vec<&str> = snapshot.stages.iter().map(|stage| stage.name.as_str()).collect();
        let wanted: Vec<Wanted> =
            (0i16..).zip(&names).map(|(stage, _)| Wanted { run: run.key, stage, item: None }).collect();
        for stored in store.outputs(&wanted).await? {
            let name = usize::try_from(stored.stage).ok().and_then(|at| names.get(at)).copied().unwrap_or_default();
            let job = observed.job(name, stored.item);
            (job.output, job.skipped) = (Some(stored.output), stored.skipped);
        }
        for row in store.checkpoints(run.key, None, ALL).await? {
            observed.job(&row.stage, row.item).attempts = row.attempt.unsigned_abs();
        }
        let of_run = Filter { run: Some(run.id), ..Filter::default() };
        for letter in store.dead_letters(&of_run, None, ALL).await? {
            let job = observed.job(&letter.stage, letter.item.unwrap_or(NO_ITEM));
            job.attempts = letter.attempts.unsigned_abs();
            job.failure = Some((letter.class, letter.message));
        }
        for (stage, mock) in mocks {
            for call in mock.calls() {
                let item = call.item().map_or(NO_ITEM, u32::cast_signed);
                observed.job(stage, item).call = Some(call);
            }
        }
        Ok(observed)
    }

    fn job(&mut self, stage: &str, item: i32) -> &mut ObservedJob {
        self.jobs.entry((stage.to_owned(), item)).or_default()
    }

    /// A stage that is not fanned out.
    pub(super) fn stage(&self, name: &str) -> ObservedJob {
        self.jobs.get(&(name.to_owned(), NO_ITEM)).cloned().unwrap_or_default()
    }

    /// In which round the stage has ended; one that is done once, in the first.
    pub(super) fn round(&self, stage: &str) -> u32 {
        self.rounds.get(stage).copied().unwrap_or(1)
    }

    /// The items of a fanned-out stage: none where it was never split. `None` for another stage.
    pub(super) fn items(&self, stage: &str) -> Option<Vec<ObservedJob>> {
        let split = self.fanned.contains(stage).then(|| self.stage(stage).output)?;
        let items: i32 = split.and_then(|split| split.parse().ok()).unwrap_or_default();
        Some((0..items).map(|item| self.jobs.get(&(stage.to_owned(), item)).cloned().unwrap_or_default()).collect())
    }

    /// Dead letters, with stage and item.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&str, Option<i32>, &(String, String))> {
        self.jobs.iter().filter_map(|((stage, item), job)| {
            let item = (*item != NO_ITEM).then_some(*item);
            Some((stage.as_str(), item, job.failure.as_ref()?))
        })
    }

    /// What dead letters say, each in a line.
    pub(super) fn failures_in_words(&self) -> Vec<String> {
        self.failures().map(|(stage, item, failure)| in_words(stage, item, failure)).collect()
    }
}

pub(super) fn in_words(stage: &str, item: Option<i32>, (class, message): &(String, String)) -> String {
    let item = item.map_or_else(String::new, |item| format!(", item {item},"));
    format!("stage `{stage}`{item} failed: {class}: {message}")
}
