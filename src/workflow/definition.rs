//! The definition of a workflow: a graph of stages that cannot be wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::name::{StageName, WorkflowName};

/// How long an attempt may take where the file says nothing.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// A workflow: its name and its stages, in the order of the file. There is at least one stage, the names of the stages
/// differ, every need names another stage of the same workflow, and no stage needs itself by any way round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Workflow {
    pub(crate) name: WorkflowName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) stages: Vec<Stage>,
}

impl Workflow {
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) for_each: Option<ForEach>,
    pub(crate) kind: StageKind,
    /// The time limit of one attempt.
    #[serde(rename = "timeout_ms", with = "super::duration::millis")]
    pub(crate) timeout: Duration,
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

/// How a stage runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum StageKind {
    /// An async function, registered under this name in the worker's binary.
    Rust { handler: String },
}

/// The array that a fanned-out stage makes one job per element of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForEach {
    pub(crate) source: Source,
    /// Keys from the outside in; empty where the source itself is the array.
    pub(crate) path: Vec<String>,
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
