//! `piton recover`: what every worker does about once a second, asked for by hand.

use serde::Serialize;

use super::args::{Global, RecoverArgs};
use super::database::Database;
use super::exit::Exit;
use crate::model::id::WorkerId;
use crate::recovery::Recovery;
use crate::store::freed::Freed;
use crate::store::gone::Suspect;
use crate::store::queues::Queues;
use crate::store::workers::{Look, Seen};
use crate::store::{Store, StoreError};

/// No worker: every one that seems gone is told.
const NOBODY: WorkerId = WorkerId(0);

/// A worker that seems gone, and what it held.
#[derive(Serialize)]
struct Gone {
    worker: String,
    sign: &'static str,
    jobs: i64,
}

pub(crate) async fn recover(global: Global, args: RecoverArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let store = &database.store;
    let seen = look(store, &args).await?;
    let mut gone = Vec::new();
    for suspect in &seen.suspects {
        let Suspect { worker, name, sign, .. } = suspect;
        gone.push(Gone { worker: name.clone(), sign: sign.words(), jobs: store.held_count(*worker).await? });
    }
    let freed = if args.dry_run { None } else { Some(free(store, &args, seen).await?) };
    database.close().await;
    say(&global, &gone, freed)?;
    Ok(Exit::Done)
}

async fn look(store: &Store, args: &RecoverArgs) -> Result<Seen, StoreError> {
    let queues = Queues { workflows: &[], unknown: &[] };
    store.look(Look { me: NOBODY, lease: args.lease, beat: None, queues }).await
}

/// A lock that is seen free is believed when it stays so: looks again until nothing is left to wait for.
async fn free(store: &Store, args: &RecoverArgs, mut seen: Seen) -> Result<Freed, StoreError> {
    let mut recovery = Recovery::new(crate::config::host_name());
    let mut freed = Freed::default();
    loop {
        let recovered = recovery.recover(store, &seen.suspects, None).await?;
        freed += recovered.freed;
        let Some(wait) = recovered.again_in else { return Ok(freed) };
        tokio::time::sleep(wait).await;
        seen = look(store, args).await?;
    }
}

fn say(global: &Global, gone: &[Gone], freed: Option<Freed>) -> anyhow::Result<()> {
    if global.json {
        let told = serde_json::json!({"gone": gone, "freed": freed.map(Freed::jobs), "actions": freed});
        println!("{}", serde_json::to_string(&told)?);
        return Ok(());
    }
    if gone.is_empty() {
        println!(
            "No worker is gone with jobs of its own. Workers recover by themselves; this only shows or hastens it."
        );
    }
    for Gone { worker, sign, jobs } in gone {
        println!("worker {worker}: {sign}; it held {jobs} jobs");
    }
    match freed {
        Some(freed) if !gone.is_empty() => println!("{}", said(freed)),
        None if !gone.is_empty() => println!("Nothing was changed; without --dry-run their jobs are freed."),
        Some(_) | None => {}
    }
    Ok(())
}

fn said(freed: Freed) -> String {
    let Freed { resumed, restarted, dead_lettered } = freed;
    let mut said = format!(
        "{} jobs are claimable again: {resumed} in runs that resume behind their checkpoints, {restarted} in runs that restart.",
        resumed + restarted
    );
    if dead_lettered > 0 {
        said += &format!(" {dead_lettered} more had killed too many processes, and are dead letters now.");
    }
    said
}
