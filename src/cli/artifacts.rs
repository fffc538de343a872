//! `piton artifacts`: the files that a run's stages made.

pub(super) mod args;
mod get;
mod store;
mod words;

use anyhow::bail;

use self::args::{ArtifactsArgs, ListArgs};
pub(crate) use self::store::{data_folder, store};
use self::words::{MOST, no_such_run, place, size};
use super::args::Global;
use super::database::Database;
use super::exit::Exit;
use crate::cli::output::outln;
use crate::model::artifact::in_a_line;
use crate::store::Store;
use crate::store::artifacts::{ArtifactRow, Asked};
use crate::view::when;

pub(crate) async fn artifacts(global: Global, action: ArtifactsArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let done = match action {
        ArtifactsArgs::List(args) => list(&database.store, &global, &args).await,
        ArtifactsArgs::Get(args) => get::get(&database.store, &global, &args).await,
    };
    database.close().await;
    done
}

async fn list(store: &Store, global: &Global, args: &ListArgs) -> anyhow::Result<Exit> {
    if store.run(args.run).await?.is_none() {
        bail!("{}", no_such_run(args.run));
    }
    let all = Asked { run: args.run, all: args.all, name: None, stage: None, item: None, most: MOST };
    let rows = store.artifacts(all).await?;
    if global.json {
        outln!("{}", serde_json::to_string(&rows)?);
    } else if rows.is_empty() {
        let hint = if args.all { "" } else { " Those of attempts that came to nothing: --all." };
        outln!("The run has no artifacts.{hint}");
    } else {
        outln!("{:<24}  {:<8}  {:>10}  {:<12}  {:<19}  name", "stage", "type", "size", "digest", "made");
        rows.iter().for_each(|row| outln!("{}", line(row)));
    }
    Ok(Exit::Done)
}

fn line(row: &ArtifactRow) -> String {
    let size = row.bytes.map_or_else(|| "-".to_owned(), size);
    let digest = row.digest.as_deref().and_then(|digest| digest.get(..12)).unwrap_or("-");
    format!(
        "{:<24}  {:<8}  {size:>10}  {digest:<12}  {:<19}  {}",
        place(row),
        row.r#type,
        when::clock(row.created_at),
        in_a_line(&row.name)
    )
}
