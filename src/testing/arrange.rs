//! An app as a test runs it.

use super::mocked;
use super::mocks::Mock;
use crate::client::{BuildError, was_called};
use crate::stage::handler::Handlers;
use crate::workflow::definition::{StageKind, Workflow};

/// A stage that is answered by a mock: the names of workflow and stage.
#[derive(Debug, Clone)]
pub(super) struct Mocked {
    pub(super) workflow: String,
    pub(super) stage: String,
    pub(super) mock: Mock,
}

/// The workflows with their mocks.
pub(super) fn arrange(
    workflows: Vec<Workflow>,
    mocked: &[Mocked],
    handlers: &mut Handlers,
) -> Result<Vec<Workflow>, BuildError> {
    let names: Vec<String> = workflows.iter().map(|workflow| workflow.name.to_string()).collect();
    if let Some(stray) = mocked.iter().find(|mocked| !names.contains(&mocked.workflow)) {
        let (workflow, names) = (&stray.workflow, names.join(", "));
        return Err(BuildError::App(format!("a mock is for workflow `{workflow}`; the app has {names}")));
    }
    let arranged = workflows.into_iter().map(|workflow| {
        let its = mocked.iter().filter(|mocked| mocked.workflow == workflow.name.as_str());
        let its: Vec<(String, Mock)> = its.map(|mocked| (mocked.stage.clone(), mocked.mock.clone())).collect();
        let workflow = mocked::apply(workflow, &its, handlers).map_err(|error| BuildError::App(error.to_string()))?;
        refuse_programs(&workflow)?;
        Ok(workflow)
    });
    arranged.collect()
}

/// Programs are watched over by a process that is started from the test's own file, whose `main` is mostly that of a test harness.
fn refuse_programs(workflow: &Workflow) -> Result<(), BuildError> {
    if was_called() {
        return Ok(());
    }
    let command = workflow.stages.iter().find(|stage| matches!(stage.kind, StageKind::Command(_)));
    command.map_or(Ok(()), |stage| {
        Err(BuildError::App(format!(
            "stage `{}` of workflow `{}` runs a program, and a test harness cannot watch over programs: mock the stage, try it \
             out with `piton workflows test`, or give the test `harness = false` and a `main` that begins with piton::child",
            stage.name, workflow.name
        )))
    })
}
