//! `piton waits`, `signal` and `wake`: what runs wait for, and what people do about it.

use super::args::{Global, SignalArgs, WaitsArgs, WakeArgs};
use super::database::Database;
use super::exit::Exit;
use super::files;
use super::refusal::{actor, name, refused};
use super::start;
use super::why::as_typed;
use crate::cli::output::outln;
use crate::config;
use crate::decide;
use crate::model::payload::PayloadLimits;
use crate::store::waits::{OpenWait, WaitFilter};
use crate::view::when;

pub(crate) async fn waits(global: Global, args: WaitsArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let of = WaitFilter { run: args.run, workflow: args.workflow.as_deref(), kind: args.kind };
    // One more, to know whether there are more.
    let mut waits = database.store.open_waits(of, i64::from(args.limit) + 1).await?;
    if waits.is_empty() {
        files::refuse_unknown(&database.store, args.workflow.as_deref()).await?;
    }
    database.close().await;
    let is_cut = waits.len() > args.limit as usize;
    waits.truncate(args.limit as usize);
    if global.json {
        outln!("{}", serde_json::to_string(&waits)?);
        return Ok(Exit::Done);
    }
    if waits.is_empty() {
        outln!("Nothing waits for anything outside.");
    }
    for wait in &waits {
        let OpenWait { run, workflow, stage, item, since, why, moves, .. } = wait;
        let item = item.map_or_else(String::new, |item| format!(", item {item}"));
        outln!("{workflow}, {stage}{item}, since {}: {}", when::clock(*since), when::here(why));
        outln!("    run {run}; {}", as_typed(moves));
    }
    if is_cut {
        outln!("There are more: --limit N lists as many.");
    }
    Ok(Exit::Done)
}

pub(crate) async fn signal(global: Global, args: SignalArgs) -> anyhow::Result<Exit> {
    let most = PayloadLimits::default().payload_bytes;
    let payload = start::read_json(args.input.as_deref(), &args.set, most)?;
    let database = Database::open(&global).await?;
    let (run, by) = (args.run, name(args.by));
    decide::signal(&database.store, run, (&args.name, &payload), actor(&by)).await.map_err(refused)?;
    database.close().await;
    if global.json {
        outln!("{}", serde_json::json!({"signalled": {"run": run, "signal": args.name}}));
    } else {
        outln!("Run {run} has its answer to {}: {} show {run}", args.name, config::program());
    }
    Ok(Exit::Done)
}

pub(crate) async fn wake(global: Global, args: WakeArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let by = name(args.by);
    let woken = decide::wake(&database.store, args.run, (&args.stage, args.item), actor(&by)).await.map_err(refused)?;
    database.close().await;
    if global.json {
        outln!("{}", serde_json::json!({"woken": woken}));
    } else if woken == 1 {
        outln!("Stage {} goes on.", args.stage);
    } else {
        outln!("{woken} items of stage {} go on.", args.stage);
    }
    Ok(Exit::Done)
}
