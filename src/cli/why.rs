//! `piton why`: what is stuck, and why.

use anyhow::bail;

use super::args::{Global, WhyArgs};
use super::database::Database;
use super::exit::Exit;
use super::throughput;
use crate::cli::output::outln;
use crate::config;
use crate::store::throughput::Outlook;
use crate::store::why::{Waiting, WaitingGroup};
use crate::view::when;

/// Things of one run that are told; a fan-out may wait for thousands for one reason.
const TOLD: i64 = 200;

pub(crate) async fn why(global: Global, args: WhyArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let store = &database.store;
    match args.run {
        None => {
            let groups = store.waiting_groups(args.workflow.as_deref()).await?;
            if global.json {
                outln!("{}", serde_json::to_string(&groups)?);
            } else {
                say_groups(&groups);
                say_outlook(&store.outlook(args.workflow.as_deref()).await?);
            }
        }
        Some(run) => {
            let Some(row) = store.run(run).await? else {
                bail!("there is no run {run}; `{} runs` lists those there are", config::program());
            };
            let waits = store.waiting(run, TOLD).await?;
            if global.json {
                outln!("{}", serde_json::to_string(&waits)?);
            } else if waits.is_empty() {
                outln!("Run {run} is {}, and waits for nothing.", row.state);
            } else {
                waits.iter().for_each(say);
            }
        }
    }
    database.close().await;
    Ok(Exit::Done)
}

fn say_groups(groups: &[WaitingGroup]) {
    if groups.is_empty() {
        outln!("Nothing waits, and nothing runs.");
    }
    for group in groups {
        let WaitingGroup { workflow, stage, jobs, oldest_since, why, moves, .. } = group;
        let since = oldest_since.map_or_else(String::new, |since| format!(" (since {})", when::clock(since)));
        outln!("{workflow}, {stage}: {jobs} {why}{since}\n    moved by: {moves}");
    }
}

/// Of those that have something left to do.
fn say_outlook(outlook: &[Outlook]) {
    let left = outlook.iter().filter(|outlook| outlook.work_left_seconds > 0.0);
    for outlook in left {
        outln!("");
        throughput::say_outlook(outlook);
    }
}

fn say(waits: &Waiting) {
    let Waiting { stage, item, why, moves, .. } = waits;
    let item = item.map_or_else(String::new, |item| format!("[{item}]"));
    outln!("{stage}{item}: {why}\n    moved by: {moves}");
}
