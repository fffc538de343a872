//! `piton batch`: many runs that are started, shown and decided about together.

pub(super) mod args;
mod lines;
mod results;
mod say;
mod start;

use self::args::BatchArgs;
use super::args::Global;
use super::database::Database;
use super::exit::Exit;
use super::refusal::{actor, name, refused};
use crate::app::App;
use crate::decide;
use crate::store::Store;
use crate::view::batch::BatchReport;

pub(crate) async fn batch(app: App, global: Global, action: BatchArgs) -> anyhow::Result<Exit> {
    if let BatchArgs::Start(args) = action {
        return start::start(app, global, args).await;
    }
    let database = Database::open(&global).await?;
    let done = act(&database.store, &global, action).await;
    database.close().await;
    done.map(|()| Exit::Done)
}

async fn act(store: &Store, global: &Global, action: BatchArgs) -> anyhow::Result<()> {
    match action {
        BatchArgs::Start(_) => Ok(()),
        BatchArgs::List { limit } => say::list(global, &store.batches(None, i64::from(limit)).await?),
        BatchArgs::Show { batch } => say::show(global, &BatchReport::read(store, &batch).await.map_err(refused)?),
        BatchArgs::Cancel { batch, reason, by } => {
            match decide::cancel_batch(store, &batch, &reason, actor(&name(by))).await.map_err(refused)? {
                None => say::discarded(global, &batch),
                Some(ended) => say::cancelled(global, &ended.row, ended.runs),
            }
            Ok(())
        }
        BatchArgs::Retry { batch, class, by, note } => {
            let (by, class) = (name(by), class.map(|class| class.as_str()));
            let asked = decide::retry_batch(store, &batch, class, note.as_deref(), actor(&by));
            say::retried(global, asked.await.map_err(refused)?);
            Ok(())
        }
        BatchArgs::Results { batch, to } => results::results(store, &batch, &to).await,
    }
}
