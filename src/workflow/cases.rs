//! Test files: the cases that a workflow is tried on. From the file to cases that fit their workflow, or to every mistake. Pure.

mod check;
mod expect;
mod keys;
mod mock;
mod read;
mod reader;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod text_keys;

use std::collections::BTreeMap;
use std::time::Duration;

use super::value::Word;
use crate::model::failure::FailureClass;

/// What the name of a test file ends with; what stands before it is the name of its workflow's file.
pub(crate) const ENDING: &str = ".test.toml";

/// How long a case may take where the file says nothing, by the clock on the wall.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// A test file whose every key is right by itself.
#[derive(Debug)]
pub(crate) struct TestFile {
    /// As messages call it.
    file: String,
    text: String,
    /// A workflow of the program, by name; else the file beside this one has it.
    pub(crate) workflow: Option<Word>,
    pub(crate) cases: Vec<Case>,
}

/// One run of the workflow, and what is expected of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: Word,
    /// JSON; an empty object where nothing is said.
    pub(crate) input: String,
    /// Variables of the environment for stages that really run.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) timeout: Duration,
    pub(crate) mocks: Vec<(Word, Answer)>,
    pub(crate) expect: Expectation,
}

/// What a mocked stage answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// JSON, with its place in the file.
    Output(Word),
    Fail {
        class: FailureClass,
        message: String,
        retry_after: Option<Duration>,
    },
    /// One for each attempt, and the last one for those after it.
    Attempts(Vec<Answer>),
    /// One for each round, and the last one for those after it, with the place of the list.
    Rounds(Word, Vec<Answer>),
    /// One for each item, with the place of the list.
    Items(Word, Vec<Answer>),
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Blocked,
}

/// What is expected of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expectation {
    /// As the file says, with its place.
    state: Option<(Ending, std::ops::Range<usize>)>,
    /// It does not start, for a reason that holds this text.
    pub(crate) refused: Option<String>,
    pub(crate) output: Option<Wanted>,
    pub(crate) stages: Vec<(Word, StageExpectation)>,
}

/// What is expected of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    /// The same JSON.
    Equal(String),
    /// Everything that this JSON has.
    Containing(String),
}

/// What is expected of a stage.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageExpectation {
    /// Of the stage; of a fanned-out one nothing but the output, which is an array.
    pub(crate) job: JobExpectation,
    /// In which round it ends.
    pub(crate) rounds: Option<u32>,
    /// Of its items, in their order, with the place of the list.
    pub(crate) items: Option<(std::ops::Range<usize>, Vec<JobExpectation>)>,
}

/// What is expected of one job: a stage, or an item of a fanned-out one.
#[derive(Debug, Clone, Default)]
pub(crate) struct JobExpectation {
    pub(crate) output: Option<Wanted>,
    pub(crate) attempts: Option<u32>,
    /// Keys of the input of its last attempt, with their place.
    pub(crate) input: Option<Word>,
    /// Texts of its last attempt, filled in.
    pub(crate) texts: Option<Word>,
    pub(crate) failure: Option<ExpectedFailure>,
    /// Whether it is skipped.
    pub(crate) skipped: Option<bool>,
}

/// What a job ends with as a dead letter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExpectedFailure {
    pub(crate) class: FailureClass,
    /// Stands somewhere in its message.
    pub(crate) message: Option<String>,
}

impl Case {
    /// How its run is expected to end.
    pub(crate) fn ending(&self) -> Ending {
        let fails = self.expect.stages.iter().any(|(_, stage)| stage.fails());
        let default = if fails { Ending::Blocked } else { Ending::Done };
        self.expect.state.as_ref().map_or(default, |(state, _)| *state)
    }
}

impl StageExpectation {
    fn jobs(&self) -> impl Iterator<Item = &JobExpectation> {
        [&self.job].into_iter().chain(self.items.iter().flat_map(|(_, items)| items))
    }

    /// A dead letter is expected of it.
    pub(crate) fn fails(&self) -> bool {
        self.jobs().any(|job| job.failure.is_some())
    }
}

impl Ending {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Ending::Done => "done",
            Ending::Blocked => "blocked",
        }
    }
}
