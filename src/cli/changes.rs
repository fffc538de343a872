//! `piton changes`: what changed, and by whom.

use anyhow::bail;
use chrono::{DateTime, Local, SecondsFormat, Utc};

use super::args::{ChangesArgs, Global};
use super::database::Database;
use super::exit::Exit;
use crate::cli::output::outln;
use crate::config;
use crate::model::quoted::quoted;
use crate::store::changes::Change;
use crate::store::workflows::WorkflowRow;
use crate::view::when;

pub(crate) async fn changes(global: Global, args: ChangesArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let store = &database.store;
    let since = args.since.last(store.now().await?, &Local);
    if let Some(name) = &args.workflow {
        known(&store.workflows(None).await?, name)?;
    }
    // One more tells whether there are more.
    let most = i64::from(args.limit);
    let mut changes = store.changes(since, args.workflow.as_deref(), most + 1).await?;
    let more = changes.len() > args.limit as usize;
    if more {
        changes.remove(0);
    }
    database.close().await;
    if global.json {
        outln!("{}", serde_json::to_string(&changes)?);
        return Ok(Exit::Done);
    }
    if changes.is_empty() {
        outln!("Nothing has changed since {}.", when::full(since));
        return Ok(Exit::Done);
    }
    let zone = when::zone_of_all(changes.iter().map(|change| change.at));
    let times = zone.as_ref().map_or_else(|| "each time with its zone".to_owned(), |zone| format!("times in {zone}"));
    outln!("Since {}, {times}:", when::full(since));
    if more {
        let of = args.workflow.as_ref().map_or_else(String::new, |workflow| format!(" --workflow {workflow}"));
        let (program, since, most) =
            (config::program(), since.to_rfc3339_opts(SecondsFormat::Secs, true), (most * 10).min(100_000));
        outln!("(earlier ones are left out; see them with: {program} changes --since {since}{of} --limit {most})");
    }
    let time = if zone.is_some() { when::dated } else { when::full };
    changes.iter().for_each(|change| say(change, time));
    Ok(Exit::Done)
}

/// A name that was mistyped has no changes either.
fn known(workflows: &[WorkflowRow], name: &str) -> anyhow::Result<()> {
    if workflows.iter().any(|row| row.workflow == name) {
        return Ok(());
    }
    let names: Vec<&str> = workflows.iter().map(|row| row.workflow.as_str()).take(50).collect();
    let there = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    bail!("the database has no workflow `{}`; there is: {there}", quoted(name))
}

fn say(change: &Change, time: fn(DateTime<Utc>) -> String) {
    let Change { at, kind, workflow, what, who, face, why, .. } = change;
    let of = workflow.as_ref().map_or_else(String::new, |workflow| format!("{workflow}: "));
    let through = face.as_ref().map_or_else(String::new, |face| format!(" ({face})"));
    let by = who.as_ref().map_or_else(String::new, |who| format!("; by {who}{through}"));
    let why = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    outln!("{}  {kind:<8}  {of}{what}{by}{why}", time(*at));
}
