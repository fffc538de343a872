//! `piton schedules`: when workflows start by themselves.

pub(super) mod args;
mod say;

use chrono::Local;

use self::args::{BackfillArgs, DecideArgs, NamedArgs, SchedulesArgs};
use super::args::Global;
use super::database::Database;
use super::exit::Exit;
use super::output::outln;
use super::refusal::{actor, name, refused};
use crate::config;
use crate::decide::{self, Backfill, ScheduleProblem};
use crate::store::Store;
use crate::store::schedules::Named;

pub(crate) async fn schedules(global: Global, action: SchedulesArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let done = act(&database.store, &global, action).await;
    database.close().await;
    done.map(|()| Exit::Done)
}

async fn act(store: &Store, global: &Global, action: SchedulesArgs) -> anyhow::Result<()> {
    match action {
        SchedulesArgs::List { workflow } => say::list(global, &store.schedules(workflow.as_deref(), None).await?),
        SchedulesArgs::Show(what) => {
            let row = decide::schedule(store, named(&what)).await.map_err(problem)?;
            let next = decide::next_ticks(&row, store.now().await?, 3).unwrap_or_default();
            say::show(global, &row, &next)
        }
        SchedulesArgs::Next { named: what, count } => {
            let row = decide::schedule(store, named(&what)).await.map_err(problem)?;
            say::ticks(global, &decide::next_ticks(&row, store.now().await?, count.into()).map_err(problem)?)
        }
        SchedulesArgs::Pause { named: what, reason, by } => {
            let by = name(by.by);
            decide::pause_schedule(store, named(&what), &reason, actor(&by)).await.map_err(refused)?;
            say::paused(global, &what);
            Ok(())
        }
        SchedulesArgs::Resume(args) => resume(store, global, args).await,
        SchedulesArgs::Trigger(args) => trigger(store, global, args).await,
        SchedulesArgs::Backfill(args) => backfill(store, global, args).await,
    }
}

async fn resume(store: &Store, global: &Global, args: DecideArgs) -> anyhow::Result<()> {
    let by = name(args.by.by);
    decide::resume_schedule(store, named(&args.named), args.reason.as_deref(), actor(&by)).await.map_err(refused)?;
    let NamedArgs { workflow, schedule } = &args.named;
    if global.json {
        outln!("{}", serde_json::json!({"resumed": {"workflow": workflow, "schedule": schedule}}));
    } else {
        outln!("Schedule {schedule} of workflow {workflow} goes on with its next tick.");
    }
    Ok(())
}

async fn trigger(store: &Store, global: &Global, args: DecideArgs) -> anyhow::Result<()> {
    let by = name(args.by.by);
    let asked = decide::trigger_schedule(store, named(&args.named), args.reason.as_deref(), actor(&by));
    let run = asked.await.map_err(refused)?;
    if global.json {
        outln!("{}", serde_json::json!({"run": run}));
    } else {
        outln!("Run {run} is started. Follow it with:  {} show {run}", config::program());
    }
    Ok(())
}

async fn backfill(store: &Store, global: &Global, args: BackfillArgs) -> anyhow::Result<()> {
    let now = store.now().await?;
    let to = args.to.map_or(now, |to| to.last(now, &Local));
    let asked = Backfill {
        from: args.from.last(now, &Local),
        to,
        cap: args.cap,
        name: args.name.as_deref(),
        again: args.again,
    };
    let by = name(args.by.by);
    let row = decide::backfill(store, named(&args.named), asked, &by).await.map_err(problem)?;
    say::backfilled(global, &row)
}

fn named(what: &NamedArgs) -> Named<'_> {
    Named { workflow: &what.workflow, schedule: &what.schedule }
}

/// As the command line says it.
fn problem(problem: ScheduleProblem) -> anyhow::Error {
    let program = config::program();
    match problem {
        ScheduleProblem::Store(error) => refused(error),
        ScheduleProblem::Unknown(said) => {
            let said = said.split("; ").next().unwrap_or_default().to_owned();
            anyhow::anyhow!("{said}; see which there are with:  {program} schedules list")
        }
        other => other.into(),
    }
}
