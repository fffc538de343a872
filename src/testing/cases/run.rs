//! One case, from its start to its judgement.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::compare::compare;
use super::observe::Observed;
use super::report::CaseReport;
use super::script::mock;
use crate::artifacts::Artifacts;
use crate::definitions::Definitions;
use crate::model::actor::{Actor, Face};
use crate::model::id::RunId;
use crate::model::payload::{Payload, PayloadLimits};
use crate::queue::catalog::Catalog;
use crate::stage::handler::Handlers;
use crate::stage::missing::Missing;
use crate::stage::resources::Resources;
use crate::stage::variables;
use crate::store::overview::StageRow;
use crate::store::starts::RunStart;
use crate::store::{Store, StoreError};
use crate::testing::mocked;
use crate::testing::mocks::Mock;
use crate::view::snapshot::Snapshot;
use crate::worker::{self, Shutdown, WorkerSettings};
use crate::workflow::cases::Case;
use crate::workflow::children;
use crate::workflow::definition::Workflow;
use crate::workflow::duration;

/// Between two looks at the run.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Runs a case in a database that has the schema and nothing else, with a folder of its own, and judges it. An error is the database's.
pub(crate) async fn run(
    case: &Case,
    workflow: Workflow,
    mut handlers: Handlers,
    store: &Store,
    folder: &Path,
) -> Result<CaseReport, StoreError> {
    let mocks: Vec<(String, Mock)> =
        case.mocks.iter().map(|(stage, answer)| (stage.text.clone(), mock(answer))).collect();
    let workflow = match mocked::apply(workflow, &mocks, &mut handlers) {
        Ok(workflow) => workflow,
        Err(error) => return Ok(CaseReport::broken(error.to_string())),
    };
    if let Some((stage, run)) = children::starts(&workflow).next() {
        return Ok(CaseReport::broken(format!(
            "stage `{}` starts a run of `{}`, and a case runs one workflow; mock it with [cases.{}.mocks.{}]",
            stage.name,
            run.workflow,
            toml_key(&case.name.text),
            stage.name
        )));
    }
    if let Some(lacking) = lacking(case, &workflow, &handlers) {
        return Ok(CaseReport::broken(lacking));
    }
    let catalog = Arc::new(Catalog::new(handlers));
    let by = Actor { name: "workflows test", face: Face::Cli };
    let version = catalog.register(store, workflow, Some(by)).await?;
    let id = RunId::new();
    let input = match Payload::parse(&case.input, PayloadLimits::default().payload_bytes) {
        Ok(input) => input,
        Err(error) => return Ok(CaseReport::broken(format!("the input of the case is no input: {error}"))),
    };
    if let Err(error) = store.start_run(id, version.id, &RunStart::on(input)).await {
        return match (error.refusal(), &case.expect.refused) {
            (Some(said), Some(expected)) if said.contains(expected.as_str()) => Ok(CaseReport::of(Vec::new())),
            (Some(said), Some(expected)) => Ok(CaseReport::of(vec![format!(
                "refused: expected a reason that holds \"{expected}\", found \"{said}\""
            )])),
            (Some(said), None) => Ok(CaseReport::of(vec![format!("the run: it does not start: {said}")])),
            (None, _) => Err(error),
        };
    }
    if case.expect.refused.is_some() {
        return Ok(CaseReport::of(vec!["refused: expected that the run does not start, and it does".to_owned()]));
    }
    let (stop, settings) = (Shutdown::new(), settings(folder));
    let work = worker::run(store.clone(), catalog.clone(), vec![version.workflow_id], settings, None, stop.clone());
    let follow = async {
        let ended = follow(store, &catalog.definitions, id, case.timeout).await;
        // Whatever still runs is handed back.
        stop.ask();
        stop.ask();
        ended
    };
    let (worked, ended) = tokio::join!(work, follow);
    if let Err(error) = worked {
        return Ok(CaseReport::broken(format!("the worker stopped: {error}")));
    }
    match ended? {
        Ended::AtRest(snapshot) => Ok(CaseReport::of(compare(case, &Observed::read(store, &snapshot, &mocks).await?))),
        Ended::Late(how_far) => Ok(CaseReport::broken(how_far)),
    }
}

/// Why the case cannot run here.
fn lacking(case: &Case, workflow: &Workflow, handlers: &Handlers) -> Option<String> {
    let stage = workflow.stages.iter().find_map(|stage| Some((&stage.name, Missing::of(stage, handlers)?)));
    stage.map(|(name, missing)| {
        let cure = match missing {
            Missing::Handler(_) => "run the tests with the program that registers it",
            Missing::CallbackUrl => "leave the answer of its service to the mock",
            Missing::Variables(_) => "set it in the `env` of the case",
            Missing::Program(_) => "install it",
            Missing::Requirements(_) => "put it there",
        };
        format!(
            "stage `{name}` lacks {missing} here; mock it with [cases.{}.mocks.{name}], or {cure}",
            toml_key(&case.name.text)
        )
    })
}

/// As a header has it.
fn toml_key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.chars().all(is_bare) { name.to_owned() } else { format!("\"{}\"", name.escape_debug()) }
}

fn settings(folder: &Path) -> WorkerSettings {
    let name = format!("test-{}", std::process::id());
    let artifacts = Some(Artifacts::in_folder(folder.join("artifacts")));
    if let Some(store) = &artifacts {
        variables::artifact_store_is(store.name());
    }
    WorkerSettings {
        resources: Arc::new(Resources::new(artifacts.clone(), true, &name)),
        // Time that has passed is seen by looking.
        poll: Duration::from_millis(100),
        grace: Duration::from_secs(1),
        artifacts,
        ..WorkerSettings::of(name)
    }
}

enum Ended {
    AtRest(Box<Snapshot>),
    /// Where it stood when its time was up.
    Late(String),
}

/// Until nothing of the run goes on by itself. What waits for its time does not wait.
async fn follow(store: &Store, definitions: &Definitions, id: RunId, timeout: Duration) -> Result<Ended, StoreError> {
    let until = Instant::now() + timeout;
    loop {
        let Some(snapshot) = Snapshot::glance(store, definitions, id).await? else {
            return Err(StoreError::Damaged("the run of the case is gone".to_owned()));
        };
        if snapshot.is_at_rest() {
            return Ok(Ended::AtRest(Box::new(snapshot)));
        }
        if Instant::now() >= until {
            return Ok(Ended::Late(late(&snapshot, timeout)));
        }
        if let Some(wait) = store.idle_until_due().await? {
            store.advance(wait).await?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn late(snapshot: &Snapshot, timeout: Duration) -> String {
    let live = snapshot.stages.iter().filter(|stage| stage.row.as_ref().is_some_and(StageRow::is_live));
    let stages: Vec<String> = live.map(|stage| format!("stage `{}`: {}", stage.name, stage.words())).collect();
    format!("it takes longer than {}; {}", duration::words(timeout), stages.join("; "))
}
