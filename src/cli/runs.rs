//! `piton runs`.

use super::args::{Global, RunsArgs};
use super::database::Database;
use super::exit::Exit;
use super::files;
use crate::cli::output::outln;
use crate::store::runs::{RunFailure, RunFilter, RunRow};
use crate::view::report::RunReport;
use crate::view::when;

/// Characters of a message; `show` has all of it.
const MESSAGE: usize = 100;

pub(crate) async fn runs(global: Global, args: RunsArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let (workflow, conditions) = (args.workflow.as_deref(), &args.input.conditions);
    let filter = RunFilter { workflow, state: args.state, parent: args.parent, conditions };
    let rows = database.store.runs(filter, None, i64::from(args.limit)).await?;
    if rows.is_empty() {
        files::refuse_unknown(&database.store, workflow).await?;
    }
    if global.json {
        let reports: Vec<RunReport> = rows.iter().map(RunReport::brief).collect();
        outln!("{}", serde_json::to_string(&reports)?);
    } else if rows.is_empty()
        && (workflow.is_some() || args.state.is_some() || args.parent.is_some() || !conditions.is_empty())
    {
        outln!("No run matches.");
    } else if rows.is_empty() {
        outln!("No runs. Start one with:  {} run WORKFLOW", crate::config::program());
    } else {
        outln!("{:<36}  {:<20}  {:<9}  {:<19}  took", "run", "workflow", "state", "started");
        for run in &rows {
            let took = run.finished_at.map_or_else(|| "-".to_owned(), |end| when::span(end - run.started_at));
            let started = when::clock(run.started_at);
            outln!("{}  {:<20}  {:<9}  {started:<19}  {took}", run.id, run.workflow, run.shown);
            if run.tolerated > 0 {
                outln!("    degraded: it went on without {} that was optional and given up", jobs(run.tolerated));
            }
            if let Some(line) = beneath(run) {
                outln!("    {line}");
            }
        }
    }
    database.close().await;
    Ok(Exit::Done)
}

fn jobs(count: i64) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}

/// When it starts, or what it failed of or is blocked by.
fn beneath(run: &RunRow) -> Option<String> {
    if let Some(at) = run.starts_at {
        return Some(format!("starts at {}", when::clock(at)));
    }
    let RunFailure { stage, class, message, more } = run.failure.as_ref()?;
    let line = message.lines().next().unwrap_or_default();
    let message: String = line.chars().take(MESSAGE).collect();
    let cut = if message.len() < line.len() { "…" } else { "" };
    let more = match more {
        0 => String::new(),
        1 => " (and 1 more dead letter)".to_owned(),
        more => format!(" (and {more} more dead letters)"),
    };
    Some(format!("{stage}: {class}: {message}{cut}{more}"))
}
