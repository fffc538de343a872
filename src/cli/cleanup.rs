//! `piton cleanup`: what is deleted, and when.

pub(super) mod args;

use anyhow::bail;
use bytesize::ByteSize;
use chrono::TimeDelta;

use self::args::{CleanupArgs, KeepArgs, RunArgs, ScanArgs};
use super::args::Global;
use super::artifacts;
use super::database::Database;
use super::exit::Exit;
use super::refusal::{actor, name, refused};
use crate::cleanup::{self, PLANNED, Plan, Preview};
use crate::cli::output::outln;
use crate::config;
use crate::store::Store;
use crate::store::cleanup::{CleanupGroup, DueGroup};
use crate::view::when;
use crate::workflow::duration;

pub(crate) async fn cleanup(global: Global, action: CleanupArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let done = act(&database.store, &global, action).await;
    database.close().await;
    done
}

async fn act(store: &Store, global: &Global, action: CleanupArgs) -> anyhow::Result<Exit> {
    match action {
        CleanupArgs::Preview => preview(store, global).await?,
        CleanupArgs::Run(args) => run(store, global, args).await?,
        CleanupArgs::Stats => stats(store, global).await?,
        CleanupArgs::Scan(args) => return scan(store, global, args).await,
        CleanupArgs::Rules => rules(store, global).await?,
        CleanupArgs::Keep(args) => keep(store, global, args).await?,
        CleanupArgs::Hold { run, reason, by } => {
            store.hold_run(run, &reason, actor(&name(by))).await.map_err(refused)?;
            say(global, &serde_json::json!({"held": run}), &format!("Run {run} is held: cleanup leaves it alone."))?;
        }
        CleanupArgs::Release { run, by } => {
            store.release_run(run, actor(&name(by))).await.map_err(refused)?;
            say(global, &serde_json::json!({"released": run}), &format!("Run {run} is no longer held."))?;
        }
    }
    Ok(Exit::Done)
}

fn say(global: &Global, json: &serde_json::Value, words: &str) -> anyhow::Result<()> {
    outln!("{}", if global.json { serde_json::to_string(json)? } else { words.to_owned() });
    Ok(())
}

async fn preview(store: &Store, global: &Global) -> anyhow::Result<()> {
    let preview = cleanup::preview(store, &name(None)).await?;
    if global.json {
        outln!("{}", serde_json::to_string(&preview)?);
        return Ok(());
    }
    let Preview { plan, deletes: due, refuses: stays } = preview;
    if due.is_empty() {
        outln!("Nothing is due to be deleted.");
    } else {
        outln!("Would delete:");
        due.iter().for_each(|group| outln!("  {}", line(group)));
        if due.iter().map(|group| group.items).sum::<i64>() >= i64::from(PLANNED) {
            outln!("  and more: a plan has up to {PLANNED} of them");
        }
        outln!("Delete exactly that with:  {} cleanup run --plan {plan}", config::program());
    }
    if !stays.is_empty() {
        outln!("Old enough, and stays:");
        stays.iter().for_each(|group| outln!("  {}", stay(group)));
    }
    Ok(())
}

fn line(group: &CleanupGroup) -> String {
    let CleanupGroup { what, r#type, workflow, items, bytes, .. } = group;
    let of = of(workflow);
    format!("{items} {what}{of}, {type}: {}", ByteSize(bytes.unsigned_abs()))
}

fn stay(group: &DueGroup) -> String {
    let DueGroup { what, r#type, workflow, items, refused, .. } = group;
    let of = of(workflow);
    format!("{items} {what}{of}, {type}: {}", refused.as_deref().unwrap_or_default())
}

/// Workers are of no workflow.
fn of(workflow: &str) -> String {
    if workflow.is_empty() { String::new() } else { format!(" of {workflow}") }
}

async fn run(store: &Store, global: &Global, args: RunArgs) -> anyhow::Result<()> {
    let artifacts = artifacts::store(global, &args.store);
    let plan = match args.plan {
        Some(plan) => Plan::Shown(plan),
        None => Plan::Unseen(store.plan_cleanup(PLANNED, &name(None)).await?),
    };
    let groups = cleanup::run(store, artifacts.as_ref(), plan, Some(actor(&name(args.by)))).await.map_err(refused)?;
    if global.json {
        let (Plan::Shown(plan) | Plan::Unseen(plan)) = plan;
        outln!("{}", serde_json::json!({"plan": plan, "deleted": groups}));
        return Ok(());
    }
    if groups.is_empty() {
        outln!("Nothing was due to be deleted.");
    }
    for group in &groups {
        outln!("Deleted {} of {}", group.deleted, line(group));
        if let Some(error) = &group.error {
            outln!("  {} were not: {error}", group.errors);
        }
    }
    Ok(())
}

async fn stats(store: &Store, global: &Global) -> anyhow::Result<()> {
    let stored = store.storage_stats().await?;
    let cleaned = store.cleaned().await?;
    if global.json {
        outln!("{}", serde_json::json!({"stored": stored, "deleted": cleaned}));
        return Ok(());
    }
    outln!("In the artifact store:");
    for group in &stored {
        let size = ByteSize(group.bytes.unsigned_abs());
        outln!("  {} artifacts of {}, {}: {size}", group.artifacts, group.workflow, group.r#type);
    }
    outln!("Deleted within the last 90 days:");
    for group in &cleaned {
        let size = ByteSize(group.deleted_bytes.unsigned_abs());
        outln!("  {} {}{}, {}: {size}", group.deleted, group.what, of(&group.workflow), group.r#type);
    }
    Ok(())
}

async fn rules(store: &Store, global: &Global) -> anyhow::Result<()> {
    let rules = store.retention_rules().await?;
    if global.json {
        outln!("{}", serde_json::to_string(&rules)?);
        return Ok(());
    }
    for rule in &rules {
        let keep = rule
            .keep_seconds
            .map_or_else(|| "for ever".to_owned(), |s| format!("for {}", when::span(TimeDelta::seconds(s as i64))));
        let workflow = if rule.workflow.is_empty() { "every workflow" } else { &rule.workflow };
        outln!("{workflow}: {} {} are kept {keep}", rule.r#type, rule.what);
    }
    Ok(())
}

async fn keep(store: &Store, global: &Global, args: KeepArgs) -> anyhow::Result<()> {
    let (workflow, by) = (args.workflow.as_deref(), name(args.by));
    store.keep((&args.what, &args.kind), args.keep.0, workflow, actor(&by)).await.map_err(refused)?;
    let keep = args.keep.0.map_or_else(|| "for ever".to_owned(), |keep| format!("for {}", duration::words(keep)));
    let json = serde_json::json!({"what": args.what, "type": args.kind, "keep_seconds": args.keep.0.map(|k| k.as_secs()), "workflow": workflow});
    let of = workflow.map_or_else(|| "every workflow".to_owned(), |workflow| format!("workflow {workflow}"));
    say(global, &json, &format!("{} {} of {of} are kept {keep}.", args.kind, args.what))
}

async fn scan(store: &Store, global: &Global, args: ScanArgs) -> anyhow::Result<Exit> {
    let Some(artifacts) = artifacts::store(global, &args.store) else {
        bail!("there is no artifact store; name it with --artifacts");
    };
    let found = cleanup::scan::scan(store, &artifacts, args.delete).await?;
    let exit = if found.missing_files == 0 { Exit::Done } else { Exit::Failed };
    if global.json {
        outln!("{}", serde_json::to_string(&found)?);
        return Ok(exit);
    }
    let size = ByteSize(found.unknown_bytes);
    let gone = if found.deleted { ", deleted" } else { "" };
    outln!("{} files that nobody knows of: {size}{gone}", found.unknown_files);
    if found.foreign_files > 0 {
        let size = ByteSize(found.foreign_bytes);
        outln!("{} files of other databases, or not made by Piton: {size}, left alone", found.foreign_files);
    }
    outln!("{} artifacts whose file is gone", found.missing_files);
    found.addresses.iter().for_each(|address| outln!("  {address}"));
    if found.unknown_files > 0 && !found.deleted {
        outln!("Delete those that nobody knows of with:  {} cleanup scan --delete", config::program());
    }
    Ok(exit)
}
