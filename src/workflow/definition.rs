//! The definition of a workflow: a graph of stages that cannot be wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::input::DeclaredInput;
use super::name::{ScheduleName, StageName, WorkflowName};
use super::quorum::Quorum;
use super::rate::Rate;
use super::retry_rules::RetryRules;
use super::schedule::Schedule;
use super::service::{Door, ServiceWait};
use super::template::Template;

pub(crate) use super::stage_kind::{
    AnswerFormat, CommandStage, HttpStage, OutputFormat, RunStage, SignalStage, SleepStage, SqlStage, StageKind,
    StandardInput,
};

/// How long an attempt may take where the file says nothing.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a server may take to be connected where the file says nothing.
pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A workflow: its name and its stages, in the order of the file. There is at least one stage, the names of the stages
/// differ, every need names another stage of the same workflow, and no stage needs itself by any way round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Workflow {
    pub(crate) name: WorkflowName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// For every stage.
    #[serde(skip_serializing_if = "RetryRules::is_empty")]
    pub(crate) retry: RetryRules,
    /// What its runs are started on, where the file says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<DeclaredInput>,
    pub(crate) stages: Vec<Stage>,
    /// When it starts by itself, once this version is current.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) schedules: BTreeMap<ScheduleName, Schedule>,
}

impl Workflow {
    /// Of each stage whether it may be skipped as a whole: by its own condition, or because of what it needs.
    pub(crate) fn may_be_skipped(&self) -> Vec<bool> {
        let mut may = vec![false; self.stages.len()];
        for index in self.topological() {
            let Some(stage) = self.stage(index) else { continue };
            let is_open = |need: &StageIndex| may.get(need.at()).copied().unwrap_or_default();
            let by_need = stage.needs.iter().any(|need| is_open(need) && !stage.accepts(*need));
            let by_all = !stage.needs.is_empty() && stage.needs.iter().all(is_open);
            let by_failure = stage.on_failure_of.is_some() || self.is_tolerated(index);
            let open = stage.needs.iter().filter(|need| is_open(need)).count();
            let by_race = stage.first.is_some_and(|first| stage.needs.len() < open.saturating_add(first as usize));
            let by_condition = stage.when.is_some() && stage.for_each.is_none();
            may[index.at()] = by_need || by_all || by_race || by_failure || by_condition;
        }
        // Whoever loses a race is, and nobody else needs it.
        for need in self.stages.iter().filter(|stage| stage.first.is_some()).flat_map(|stage| &stage.needs) {
            if let Some(may) = may.get_mut(need.at()) {
                *may = true;
            }
        }
        may
    }

    /// Whether its run goes on when that stage is given up.
    pub(crate) fn is_tolerated(&self, index: StageIndex) -> bool {
        self.stage(index).is_some_and(|stage| stage.optional)
            || self.stages.iter().any(|stage| stage.on_failure_of == Some(index))
    }

    /// The stage of that number; an index of this workflow always has one.
    pub(crate) fn stage(&self, index: StageIndex) -> Option<&Stage> {
        self.stages.get(index.at())
    }
}

/// One node of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    pub(crate) name: StageName,
    pub(crate) needs: Vec<StageIndex>,
    /// Those of them that may have been skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accepts_skipped: Vec<StageIndex>,
    /// It begins when that many of them are done, and the others are stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first: Option<u32>,
    /// What its jobs are skipped without; for each item, where it is fanned out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) when: Option<Condition>,
    /// Given up, it is tolerated: the run goes on as after a skip.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) optional: bool,
    /// Of a fan-out: it is content with a part of its items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quorum: Option<Quorum>,
    /// It runs only if that stage is given up, which is then tolerated; that is one of its needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) on_failure_of: Option<StageIndex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) for_each: Option<ForEach>,
    /// It decides whether it and stages before it are done again. Functions of the schema read this, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repeat: Option<Repeat>,
    /// How the outputs of needed stages come in.
    #[serde(default, skip_serializing_if = "InputForm::is_value")]
    pub(crate) inputs: InputForm,
    pub(crate) kind: StageKind,
    /// The time limit of one attempt.
    #[serde(rename = "timeout_ms", with = "super::duration::millis")]
    pub(crate) timeout: Duration,
    /// How long an attempt may go without progress; shorter than the timeout.
    #[serde(
        rename = "stall_ms",
        default,
        with = "super::duration::optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) stall: Option<Duration>,
    /// Attempts that may run at once, over all runs and workers; at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) concurrency: Option<u32>,
    /// Attempts that may run at once on each worker; at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) per_worker: Option<u32>,
    /// Attempts that may begin in a time, over all runs and workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<Rate>,
    /// Tools and places that a worker must have; of the run they know nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requires: Vec<Template>,
    /// What it waits for when it has asked a service. A Piton that knows nothing of that cannot read this, and leaves the stage to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wait: Option<ServiceWait>,
    #[serde(default, skip_serializing_if = "RetryRules::is_empty")]
    pub(crate) retry: RetryRules,
    /// Its texts name the run. A Piton that would look for it in the input cannot read this, and leaves the stage to others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) knows_run: bool,
    /// It names files of other stages, or files that it makes. A Piton that knows nothing of that leaves it to others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) knows_files: bool,
}

impl Stage {
    /// Its job may find that its wait is over: it only waits, or it waits for a service.
    pub(crate) fn may_wait(&self) -> bool {
        self.kind.only_waits() || self.wait.is_some()
    }

    /// The service that it asks calls back.
    pub(crate) fn is_called_back(&self) -> bool {
        matches!(&self.wait, Some(ServiceWait { door: Door::Callback(_), .. }))
    }

    /// The texts that are filled in, with their places in the input.
    pub(crate) fn templates(&self) -> Vec<&Template> {
        let mut templates = self.kind.templates();
        templates.extend(self.wait.iter().flat_map(ServiceWait::templates));
        templates
    }

    /// It needs programs or places, which come and go while a worker lives.
    pub(crate) fn depends_on_the_machine(&self) -> bool {
        self.kind.is_command() || !self.requires.is_empty()
    }

    /// Needs whose outputs it gets. What it waits for the failure of has none.
    pub(crate) fn needs_output_of(&self) -> impl Iterator<Item = StageIndex> {
        self.needs.iter().copied().filter(|need| self.on_failure_of != Some(*need))
    }

    /// Whether it runs without the output of that need, which is `null` then.
    pub(crate) fn accepts(&self, need: StageIndex) -> bool {
        self.first.is_some() || self.accepts_skipped.contains(&need)
    }

    /// Whether that stage's output comes in as a file. What the stage is fanned out over comes item by item.
    pub(crate) fn takes_as_file(&self, need: StageIndex) -> bool {
        let is_source = || {
            self.for_each
                .as_ref()
                .is_some_and(|for_each| for_each.sources().any(|source| source == Source::Stage(need)))
        };
        self.inputs == InputForm::File && !is_source()
    }
}

/// Rounds of stages, until they are good enough. The stage that has this is the last one of a round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repeat {
    /// The first one.
    pub(crate) from: StageIndex,
    /// What ends the rounds.
    pub(crate) until: Condition,
    /// Rounds; at least one.
    pub(crate) at_most: u32,
    #[serde(default)]
    pub(crate) then: Then,
}

/// What becomes of the last round that there may be, if it is not good enough either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Then {
    /// Its last stage is given up.
    #[default]
    Fail,
    /// Its outputs stand.
    Keep,
}

/// How the outputs of needed stages come into a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InputForm {
    #[default]
    Value,
    /// The input has the name of a file with the output.
    File,
}

impl InputForm {
    fn is_value(&self) -> bool {
        *self == InputForm::Value
    }
}

/// The number of a stage: its place in the file, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StageIndex(pub(crate) u16);

impl StageIndex {
    /// The stage at that place of a list that is within [`super::limits::MOST_STAGES`].
    pub(crate) fn of(at: usize) -> StageIndex {
        StageIndex(u16::try_from(at).unwrap_or(u16::MAX))
    }

    /// Its place in a list of the stages.
    pub(crate) fn at(self) -> usize {
        usize::from(self.0)
    }
}

/// The array that a fanned-out stage makes one job per element of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForEach {
    pub(crate) source: Source,
    /// Keys from the outside in; empty where the source itself is the array.
    pub(crate) path: Vec<String>,
    /// The items are the elements of the arrays that stand there in its elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) within: Option<Vec<String>>,
    /// Further arrays: each element of one goes with each of the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) times: Vec<Factor>,
}

/// One more array of a product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Factor {
    pub(crate) source: Source,
    pub(crate) path: Vec<String>,
}

impl ForEach {
    /// Where its arrays come from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source> {
        std::iter::once(self.source).chain(self.times.iter().map(|factor| factor.source))
    }

    /// Whether each element of the one array is an item.
    pub(crate) fn is_plain(&self) -> bool {
        self.within.is_none() && self.times.is_empty()
    }

    /// Names of what an item has in its input.
    pub(crate) fn names(&self) -> &'static [&'static str] {
        ForEach::names_of(self.within.is_some(), !self.times.is_empty())
    }

    pub(super) fn names_of(is_flat: bool, is_product: bool) -> &'static [&'static str] {
        match (is_flat, is_product) {
            (true, _) => &["item", "parent", "index"],
            (false, true) => &["item", "index"],
            (false, false) => &["item"],
        }
    }
}

/// Where the array comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// The run's input.
    Input,
    /// The output of a stage that is needed.
    Stage(StageIndex),
}
