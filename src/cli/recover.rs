//! `piton recover`: by hand, what every worker does about once a second.

use super::args::{Global, RecoverArgs};
use super::database::Database;
use super::exit::Exit;
use crate::cli::output::outln;
use crate::config;
use crate::model::actor::{Actor, Face};
use crate::recovery::by_hand::{self, Gone, RecoveryReport};
use crate::store::freed::Freed;

pub(crate) async fn recover(global: Global, args: RecoverArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let told = if args.dry_run {
        by_hand::scan(&database.store, args.lease).await?
    } else {
        let user = config::user_name();
        let by = Actor { name: &user, face: Face::Cli };
        by_hand::recover(&database.store, args.lease, config::host_name(), by).await?
    };
    database.close().await;
    say(&global, &told)?;
    Ok(Exit::Done)
}

fn say(global: &Global, told: &RecoveryReport) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(told)?);
        return Ok(());
    }
    let RecoveryReport { gone, actions, .. } = told;
    if gone.is_empty() {
        outln!(
            "No job is held by a worker that is gone. Workers recover by themselves; this only shows or hastens it."
        );
    }
    for Gone { worker, sign, jobs } in gone {
        outln!(
            "worker {worker}: {sign}; it held {}",
            if *jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") }
        );
    }
    match *actions {
        Some(freed) if !gone.is_empty() => outln!("{}", said(freed)),
        None if !gone.is_empty() => outln!("Nothing was changed; without --dry-run their jobs are freed."),
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
