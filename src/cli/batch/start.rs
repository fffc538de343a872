//! `piton batch start`.

use anyhow::bail;

use super::args::StartArgs;
use super::lines::Lines;
use super::say;
use crate::app::App;
use crate::cli::args::Global;
use crate::cli::database::Database;
use crate::cli::exit::Exit;
use crate::cli::files;
use crate::cli::refusal::{actor, name, refused};
use crate::cli::start::registered;
use crate::config;
use crate::decide;
use crate::model::payload::{Payload, PayloadLimits};
use crate::store::Store;
use crate::store::batches::{BatchKey, BatchStart};
use crate::workflow::definition::Workflow;

pub(super) async fn start(app: App, global: Global, args: StartArgs) -> anyhow::Result<Exit> {
    // Mistakes in files are said before a database is touched, and those of the first lines too.
    let workflow = files::one(&app, &global, &args.workflow)?;
    let mut lines = Lines::open(&args.input, PayloadLimits::default().payload_bytes)?;
    let first = lines.piece()?;
    if first.is_empty() {
        bail!("{} has no line, and a batch has at least one item: write {{}} for an empty input", args.input);
    }
    let database = Database::open(&global).await?;
    let done = begin(app, &global, &database.store, &args, workflow, (lines, first)).await;
    database.close().await;
    done.map(|()| Exit::Done)
}

async fn begin(
    app: App,
    global: &Global,
    store: &Store,
    args: &StartArgs,
    workflow: Workflow,
    (lines, first): (Lines, Vec<Payload>),
) -> anyhow::Result<()> {
    let by = name(args.by.clone());
    let version = registered(app, workflow, store, actor(&by)).await?;
    let start = BatchStart { name: &args.name, workflow: &args.workflow, cap: args.cap, priority: args.priority };
    let cure = |error: anyhow::Error| anyhow::anyhow!("{error}; {}", what_next(&args.name));
    let key = store.open_batch(start, &by).await.map_err(|error| match error.is_about_a_value() {
        // There is no batch of what can be no name.
        true => refused(error),
        false => cure(refused(error)),
    })?;
    store.pin_batch(key, version.id).await?;
    let items = fill(store, key, lines, first, cure).await?;
    store.seal_batch(key, items).await.map_err(refused).map_err(cure)?;
    say::started(global, &decide::feed_batch(store, key, &by).await?)
}

/// How many items there are. Where a line is wrong, nothing is left of the batch.
async fn fill(
    store: &Store,
    key: BatchKey,
    mut lines: Lines,
    first: Vec<Payload>,
    cure: impl Fn(anyhow::Error) -> anyhow::Error,
) -> anyhow::Result<i32> {
    let (mut piece, mut items) = (first, 0);
    while !piece.is_empty() {
        match store.add_to_batch(key, items + 1, &piece).await {
            Ok(()) => {}
            // It does not fit the workflow, which is as if its line were wrong.
            Err(error) if error.is_about_a_value() => {
                store.discard_batch(key).await?;
                bail!(
                    "{}; correct the line of that number, and start the batch again: nothing was started",
                    refused(error)
                );
            }
            Err(error) => return Err(cure(refused(error))),
        }
        items += i32::try_from(piece.len())?;
        piece = match lines.piece() {
            Ok(piece) => piece,
            Err(wrong) => {
                store.discard_batch(key).await?;
                return Err(wrong);
            }
        };
    }
    Ok(items)
}

fn what_next(name: &str) -> String {
    let program = config::program();
    format!(
        "look at it with `{program} batch show {name}`, give this one another name, or, where it was begun and not finished, \
         discard it with `{program} batch cancel {name} --reason \"...\"`"
    )
}
