//! `piton why`: what is stuck, and why.

use anyhow::bail;

use super::args::{Global, WhyArgs};
use super::database::Database;
use super::exit::Exit;
use super::files;
use crate::cli::output::outln;
use crate::config;
use crate::store::batches::BatchRow;
use crate::store::throughput::Outlook;
use crate::store::why::{RunWait, WaitingGroup};
use crate::view::throughput::line;
use crate::view::when;

/// Things of one run that are told one by one, as JSON; a fan-out may wait for thousands for one reason.
const TOLD: i64 = 200;

pub(crate) async fn why(global: Global, args: WhyArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let store = &database.store;
    match args.run {
        None => {
            let groups = store.waiting_groups(args.workflow.as_deref()).await?;
            if groups.is_empty() {
                files::refuse_unknown(store, args.workflow.as_deref()).await?;
            }
            if global.json {
                outln!("{}", serde_json::to_string(&groups)?);
            } else {
                let batches = store.waiting_batches(args.workflow.as_deref()).await?;
                say_groups(&groups, &batches);
                say_outlook(&store.outlook(args.workflow.as_deref()).await?);
            }
        }
        Some(run) => {
            let Some(row) = store.run(run).await? else {
                bail!("there is no run {run}; `{} runs` lists those there are", config::program());
            };
            if global.json {
                outln!("{}", serde_json::to_string(&store.waiting(run, TOLD).await?)?);
            } else {
                let waits = store.run_waits(run).await?;
                if waits.is_empty() {
                    outln!("Run {run} is {}, and waits for nothing.", row.shown);
                }
                waits.iter().for_each(|wait| outln!("{}", in_words(wait)));
            }
        }
    }
    database.close().await;
    Ok(Exit::Done)
}

fn say_groups(groups: &[WaitingGroup], batches: &[BatchRow]) {
    if groups.is_empty() && batches.is_empty() {
        outln!("Nothing waits, and nothing runs.");
    }
    for group in groups {
        let WaitingGroup { workflow, stage, jobs, oldest_since, why, moves, .. } = group;
        let since = oldest_since.map_or_else(String::new, |since| format!(" (since {})", when::clock(since)));
        let why = when::here(why);
        outln!("{workflow}, {stage}: {jobs} {why}{since}\n    moved by: {}", as_typed(moves));
    }
    for BatchRow { name, workflow, not_started, waits, moves, .. } in batches {
        let (waits, moves) = (waits.as_deref().unwrap_or("they are being started"), moves.as_deref());
        let moves = moves.unwrap_or("the next look of a worker");
        outln!(
            "{workflow}, batch {name}: {not_started} not started: {}\n    moved by: {}",
            when::here(waits),
            as_typed(moves)
        );
    }
}

/// A thing that a run waits for, and what would move it.
pub(super) fn in_words(wait: &RunWait) -> String {
    let RunWait { stage, jobs, item, why, .. } = wait;
    let why = when::here(why);
    let what = match (jobs, item, wait.oldest_since) {
        (1, None, _) => format!("{stage}: {why}"),
        (1, Some(item), _) => format!("{stage}[{item}]: {why}"),
        (_, _, Some(since)) => format!("{stage}: {jobs} items {why}; the oldest since {}", when::clock(since)),
        (_, _, None) => format!("{stage}: {jobs} items {why}"),
    };
    format!("{what}\n    moved by: {}", as_typed(&wait.moves))
}

/// A program of somebody's own has another name.
pub(super) fn as_typed(moves: &str) -> String {
    match config::program().as_str() {
        "piton" => moves.to_owned(),
        program => moves.replace("piton ", &format!("{program} ")),
    }
}

/// A line for each workflow that has something left to do.
fn say_outlook(outlook: &[Outlook]) {
    let left = outlook.iter().filter(|outlook| outlook.work_left_seconds > 0.0);
    for (at, outlook) in left.enumerate() {
        outln!("{}{}", if at == 0 { "\n" } else { "" }, line(outlook));
    }
}
