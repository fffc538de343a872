//! `piton cancel`, `pause`, `resume` and `pauses`: what people decide about runs and queues.

use super::args::{CancelArgs, Global, PauseArgs, QueueArgs, ResumeArgs};
use super::database::Database;
use super::exit::Exit;
use super::refusal::{actor, name, refused};
use crate::cli::output::outln;
use crate::config;
use crate::decide;
use crate::store::pauses::Queue;
use crate::view::when;

pub(crate) async fn cancel(global: Global, args: CancelArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let (run, by) = (args.run, name(args.by));
    decide::cancel_run(&database.store, run, &args.reason, actor(&by)).await.map_err(refused)?;
    database.close().await;
    if global.json {
        outln!("{}", serde_json::json!({"cancelled": run}));
    } else {
        outln!("Run {run} is cancelled. What was finished is kept: {} show {run}", config::program());
    }
    Ok(Exit::Done)
}

pub(crate) async fn pause(global: Global, args: PauseArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let by = name(args.by);
    decide::pause(&database.store, queue(&args.what), &args.reason, actor(&by)).await.map_err(refused)?;
    database.close().await;
    let QueueArgs { workflow, stage, .. } = &args.what;
    if global.json {
        outln!("{}", serde_json::json!({"paused": {"workflow": workflow, "stage": stage}}));
    } else {
        let program = config::program();
        outln!("{} is paused: what runs goes on to its end, and nothing more begins.", named(&args.what));
        outln!("Let it go on with:  {program} resume {}", again(&args.what));
    }
    Ok(Exit::Done)
}

pub(crate) async fn resume(global: Global, args: ResumeArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let by = name(args.by);
    decide::resume(&database.store, queue(&args.what), args.reason.as_deref(), actor(&by)).await.map_err(refused)?;
    database.close().await;
    let QueueArgs { workflow, stage, .. } = &args.what;
    if global.json {
        outln!("{}", serde_json::json!({"resumed": {"workflow": workflow, "stage": stage}}));
    } else {
        outln!("{} goes on.", named(&args.what));
    }
    Ok(Exit::Done)
}

pub(crate) async fn pauses(global: Global) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let pauses = database.store.pauses().await?;
    database.close().await;
    if global.json {
        outln!("{}", serde_json::to_string(&pauses)?);
        return Ok(Exit::Done);
    }
    if pauses.is_empty() {
        outln!("Nothing is paused.");
    }
    for pause in &pauses {
        let what = match (&pause.workflow, &pause.stage) {
            (None, _) => "everything".to_owned(),
            (Some(workflow), None) => workflow.clone(),
            (Some(workflow), Some(stage)) => format!("{workflow}, stage {stage}"),
        };
        outln!("{what}: paused by {} at {}: {}", pause.paused_by, when::clock(pause.paused_at), pause.reason);
    }
    Ok(Exit::Done)
}

fn queue(what: &QueueArgs) -> Queue<'_> {
    Queue { workflow: what.workflow.as_deref(), stage: what.stage.as_deref() }
}

fn named(what: &QueueArgs) -> String {
    match (&what.workflow, &what.stage) {
        (None, _) => "Everything".to_owned(),
        (Some(workflow), None) => format!("Workflow {workflow}"),
        (Some(workflow), Some(stage)) => format!("Stage {stage} of workflow {workflow}"),
    }
}

fn again(what: &QueueArgs) -> String {
    match (&what.workflow, &what.stage) {
        (None, _) => "--everything".to_owned(),
        (Some(workflow), None) => workflow.clone(),
        (Some(workflow), Some(stage)) => format!("{workflow} --stage {stage}"),
    }
}
