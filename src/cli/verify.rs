//! `piton verify`: whether checkpoints are still what was committed.

use anyhow::bail;

use super::args::{Global, VerifyArgs};
use super::database::Database;
use super::exit::Exit;
use crate::cli::output::outln;
use crate::config;
use crate::definitions::Definitions;
use crate::verify;

pub(crate) async fn verify(global: Global, args: VerifyArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let run = match args.run {
        None => None,
        Some(id) => match database.store.run(id).await? {
            Some(run) => Some(run.key),
            None => bail!("there is no run {id}; `{} runs` lists those there are", config::program()),
        },
    };
    let verified = verify::verify(&database.store, &Definitions::default(), run).await?;
    database.close().await;
    if global.json {
        outln!("{}", serde_json::to_string(&verified)?);
    } else {
        verified.mismatches.iter().for_each(|mismatch| outln!("{mismatch}"));
        outln!("{} checkpoints, {} mismatches", verified.checkpoints, verified.mismatches.len());
    }
    Ok(if verified.mismatches.is_empty() { Exit::Done } else { Exit::Failed })
}
