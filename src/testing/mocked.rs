//! Workflows with stages that are answered by mocks.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::mocks::{Mock, MockCall};
use crate::model::failure::Failure;
use crate::model::json::Object;
use crate::model::quoted::quoted;
use crate::stage::context::StageContext;
use crate::stage::filled;
use crate::stage::handler::{Handlers, Input};
use crate::workflow::definition::{Stage, StageKind, Workflow};
use crate::workflow::similar::similar;

/// Why stages cannot be mocked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MockError {
    #[error("workflow `{workflow}` has no stage `{}`{}", quoted(stage), meant(near))]
    NoStage { workflow: String, stage: String, near: Option<String> },
    #[error("stage `{0}` is mocked twice; keep one of the two")]
    Twice(String),
    #[error(
        "the mock of stage `{0}` answers by items, and the stage has none; leave `items` out, or give it `for_each`"
    )]
    NoItems(String),
    #[error(
        "the mock of stage `{0}` answers by rounds, and the stage is done once; leave `rounds` out, or add `repeat` to it or to a stage behind it"
    )]
    NoRounds(String),
    #[error("the mock of stage `{stage}` has an output that the stage never has: {why}")]
    Output { stage: String, why: String },
}

fn meant(near: &Option<String>) -> String {
    near.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// The workflow with these stages answered by their mocks, which are registered as handlers.
pub(crate) fn apply(
    mut workflow: Workflow,
    mocks: &[(String, Mock)],
    handlers: &mut Handlers,
) -> Result<Workflow, MockError> {
    let mut mocked = Vec::new();
    let in_rounds: Vec<bool> = workflow.groups().iter().map(Option::is_some).collect();
    let names: Vec<String> = workflow.stages.iter().map(|stage| stage.name.to_string()).collect();
    for (name, mock) in mocks {
        let Some(at) = workflow.stages.iter().position(|stage| stage.name.as_str() == name) else {
            let near = similar(name, names.iter().map(String::as_str)).map(str::to_owned);
            return Err(MockError::NoStage { workflow: workflow.name.to_string(), stage: name.clone(), near });
        };
        if mocked.contains(&at) {
            return Err(MockError::Twice(name.clone()));
        }
        mocked.push(at);
        let stage = &mut workflow.stages[at];
        if mock.has_items() && stage.for_each.is_none() {
            return Err(MockError::NoItems(name.clone()));
        }
        if mock.has_rounds() && !in_rounds[at] {
            return Err(MockError::NoRounds(name.clone()));
        }
        let unfit = |output: &Result<Box<RawValue>, Failure>| match output {
            Ok(output) => stage.never_outputs(output.get()),
            Err(failure) => Some(failure.message().to_owned()),
        };
        if let Some(why) = mock.outputs().into_iter().find_map(unfit) {
            return Err(MockError::Output { stage: name.clone(), why });
        }
        // No handler of a program is called that: a name in a workflow file is no sentence.
        let handler = format!("mock of stage {name} of workflow {}", workflow.name);
        // Its mock is the answer that the stage would wait for.
        let waited = stage.wait.take().is_some();
        let kind = std::mem::replace(&mut stage.kind, StageKind::Rust { handler: handler.clone() });
        let files: Vec<String> = files_of(&workflow.stages[at], &names);
        let (kind, mock) = (Arc::new(kind), mock.clone());
        handlers.add(&handler, move |context: StageContext, Input(input): Input<Box<RawValue>>| {
            let answered = answered((&kind, waited), &mock, &context, input, &files);
            async move { answered }
        });
    }
    Ok(workflow)
}

/// One attempt of a mocked stage.
fn answered(
    (kind, waited): (&StageKind, bool),
    mock: &Mock,
    context: &StageContext,
    input: Box<RawValue>,
    files: &[String],
) -> Result<Box<RawValue>, Failure> {
    let texts = filled::texts(kind, input.get(), context)?;
    let input = with_contents(input, files)?;
    let (stage, item, attempt) = (context.stage().to_owned(), context.item(), context.attempt());
    let round = context.round();
    let output = mock.answer(&MockCall { stage, item, attempt, round, input, texts })?;
    match kind.never_outputs(output.get()).filter(|_| !waited) {
        Some(why) => Err(Failure::invalid_input(format!("the mock answers what the stage never does: {why}"))),
        None => Ok(output),
    }
}

/// Stages whose outputs come into this one as files.
fn files_of(stage: &Stage, names: &[String]) -> Vec<String> {
    let as_files = stage.needs.iter().filter(|need| stage.takes_as_file(**need));
    as_files.filter_map(|need| names.get(need.at()).cloned()).collect()
}

/// The input with what is in its files: they are gone when a test looks.
fn with_contents(input: Box<RawValue>, files: &[String]) -> Result<Box<RawValue>, Failure> {
    if files.is_empty() {
        return Ok(input);
    }
    let mut object = Object::read(input.get()).unwrap_or_default();
    for name in files {
        let Some(path) = object.get(name).and_then(|path| serde_json::from_str::<PathBuf>(path).ok()) else { continue };
        let text = std::fs::read_to_string(&path)?;
        let has_lines = path.extension().is_some_and(|extension| extension == "jsonl");
        let value = if has_lines { format!("[{}]", text.lines().collect::<Vec<_>>().join(",")) } else { text };
        object.put(name, value);
    }
    Ok(serde_json::from_str(&object.to_text())?)
}
