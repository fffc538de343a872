//! `piton run`: start, work in this process, follow, print the result.

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::bail;

use super::args::{Global, RunArgs};
use super::database::Database;
use super::exit::Exit;
use super::files::Deploys;
use super::follow::{self, Follower};
use super::live::LiveTree;
use super::plain::PlainLines;
use super::{artifacts, files, refusal, run_files, show, start, trace, worker};
use crate::app::App;
use crate::cli::output::{self, errln, outln};
use crate::config;
use crate::model::id::{RunId, WorkflowId};
use crate::model::state::RunState;
use crate::queue::catalog::Catalog;
use crate::queue::version::Version;
use crate::stage::command;
use crate::store::runs::RunFailure;
use crate::store::starts::RunStart;
use crate::telemetry;
use crate::view::report::{self, RunReport};
use crate::view::snapshot::Snapshot;
use crate::worker::Shutdown;
use crate::workflow::definition::{Stage, StageKind};

pub(crate) async fn run(app: App, global: Global, args: RunArgs) -> anyhow::Result<Exit> {
    let follower = follower(&global);
    let (level, log) = (global.log.as_deref().unwrap_or("error"), follow::LogWriter(follower.clone()));
    telemetry::log_to(level, global.log_format, log)?;
    // Before signals are counted: a FIFO may have nobody who writes to it, and Ctrl-C ends the wait.
    let input = start::read_input(&args.input, args.settings.payload_limit as usize)?;
    let shutdown = Shutdown::on_signals()?;
    let trace = trace::given(&args.input.trace)?;
    let workflows = files::load(&app, &global)?;
    let name = args.workflow.clone().unwrap_or_default();
    if args.resume.is_none() {
        files::one(&app, &global, &name)?;
    }
    let database = Database::open_to_work(&global, args.settings.migrate).await?;
    let catalog = Arc::new(Catalog::new(app.handlers));
    let (deploys, by) = (args.workflow.as_deref().map_or(Deploys::None, Deploys::One), refusal::name(None));
    let versions = files::register(&catalog, &workflows, &database.store, deploys, refusal::actor(&by)).await?;
    let id = match args.resume {
        Some(id) => id,
        None => {
            let Some(version) = versions.iter().find(|version| *version.name == *name) else {
                bail!("{}", files::no_such_workflow(&name, &[]));
            };
            refuse_what_lacks(version, &catalog)?;
            start::say_not_current(std::slice::from_ref(version), &database.store).await?;
            let start = RunStart { priority: args.input.priority, trace, ..RunStart::on(input) };
            let (store, files) = (artifacts::store(&global, &args.settings.store), &args.files.file);
            let most = args.settings.payload_limit as usize;
            run_files::start(&database.store, store, (version.id, start), files, most).await?
        }
    };
    let Some(first) = Snapshot::read(&database.store, &catalog.definitions, id).await? else {
        bail!("there is no run {id}; `{} runs` lists those there are", config::program());
    };
    // One that is resumed may follow a version that no file here has.
    let version = catalog.version(&database.store, first.run.version).await?;
    if args.resume.is_some() && !first.run.state.is_ended() {
        refuse_what_lacks(&version, &catalog)?;
    }
    output::keep(format!("The run is kept; see it with:  {} show {id}", config::program()));
    follower.begin(&first, args.resume.is_some());

    let queues = queues(&versions, &version);
    let settings = worker::settings(config::worker_name(), &global, &args.settings);
    let stop = Shutdown::new();
    let work = crate::worker::run(database.store.clone(), catalog.clone(), queues, settings, None, stop.clone());
    let definitions = &catalog.definitions;
    let followed = follow::until_ended(&database.store, definitions, id, follower.as_ref(), shutdown, stop);
    let (worked, last) = tokio::join!(work, followed);
    worked?;
    let last = last?;
    // The worker finished stages while it drained, perhaps the last one.
    let last = Snapshot::read(&database.store, definitions, id).await.ok().flatten().unwrap_or(last);
    let exit = finish(&database, &global, id, &last, follower.as_ref()).await?;
    database.close().await;
    Ok(exit)
}

/// Those of the files here, and that of the run.
fn queues(versions: &[Arc<Version>], of_run: &Version) -> Vec<WorkflowId> {
    let mut queues: Vec<_> = versions.iter().map(|version| version.workflow_id).collect();
    if !queues.contains(&of_run.workflow_id) {
        queues.push(of_run.workflow_id);
    }
    queues
}

fn follower(global: &Global) -> Arc<dyn Follower> {
    match std::io::stderr().is_terminal() && !global.json {
        true => Arc::new(LiveTree::new()),
        false => Arc::new(PlainLines::new(!global.json)),
    }
}

/// A run that this process works on alone must not wait for ever.
fn refuse_what_lacks(version: &Version, catalog: &Catalog) -> anyhow::Result<()> {
    let is_command = |stage: &Stage| matches!(stage.kind, StageKind::Command(_));
    if version.workflow.stages.iter().any(is_command)
        && let Err(error) = command::try_out_folder()
    {
        let folder = std::env::temp_dir();
        bail!(
            "commands get folders in {}, and none can be made there: {error}. Let TMPDIR name another",
            folder.display()
        );
    }
    let lacking = files::lacking(&version.workflow, &catalog.handlers);
    if lacking.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = catalog.handlers.names().collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    bail!(
        "stages of workflow `{}` lack something here: {}\nSet the variables, install the programs, and use the program \
         that registers the handlers (this one has: {known}); or use `start` and let a worker do it that has them all",
        version.workflow.name,
        lacking.join(", ")
    )
}

async fn finish(
    database: &Database,
    global: &Global,
    id: RunId,
    last: &Snapshot,
    follower: &dyn Follower,
) -> anyhow::Result<Exit> {
    follower.end(last);
    let output = report::outputs(&database.store, last).await?;
    if global.json {
        let attempts = database.store.attempts(last.run.id, 1000).await?;
        let schedule = database.store.schedule_of(last.run.id.0).await?;
        outln!("{}", serde_json::to_string(&RunReport::full(last, &attempts, output).began_with(schedule))?);
    } else if last.run.state == RunState::Done {
        show::print_outputs(&output)?;
    }
    Ok(match last.run.state {
        RunState::Done => Exit::Done,
        RunState::Failed => {
            if let Some(failure) = &last.run.failure {
                let RunFailure { stage, class, message, .. } = failure;
                errln!("error: the run failed at stage {stage}: {class}: {message}");
                errln!("See what happened with:  {} show {id}", config::program());
            }
            Exit::RunFailed
        }
        RunState::Cancelled => {
            errln!("error: the run was cancelled");
            errln!("See by whom and why with:  {} show {id}", config::program());
            Exit::RunFailed
        }
        RunState::Blocked if last.is_at_rest() => {
            show::say_what_blocks(database, id).await?;
            Exit::RunFailed
        }
        RunState::Running | RunState::Blocked => {
            errln!(
                "Stopped before the end; what is finished is kept. Go on with:\n  {} run --resume {id}",
                config::program()
            );
            Exit::Stopped
        }
    })
}
