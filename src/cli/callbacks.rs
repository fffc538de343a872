//! `piton callbacks`, `complete` and `fail`: services that a stage has asked, and whoever answers in their place.

use super::args::{CallbacksArgs, CompleteArgs, FailArgs, Global, WhichCallbackArgs};
use super::database::Database;
use super::exit::Exit;
use super::listening::bind;
use super::refusal::{actor, name, refused};
use super::start;
use super::worker::{WORKER_LOG, patiently};
use crate::callbacks;
use crate::cli::output::outln;
use crate::model::payload::PayloadLimits;
use crate::store::Store;
use crate::store::callbacks::ServiceFailure;
use crate::telemetry;
use crate::worker::Shutdown;

pub(crate) async fn callbacks(global: Global, args: CallbacksArgs) -> anyhow::Result<Exit> {
    telemetry::log_to(global.log.as_deref().unwrap_or(WORKER_LOG), global.log_format, std::io::stderr)?;
    let shutdown = Shutdown::on_signals()?;
    let listener = bind(args.listen).await?;
    let Some(database) = patiently(&shutdown, None, async || Database::open(&global).await).await? else {
        return Ok(Exit::Done);
    };
    let asked = shutdown.clone();
    tokio::select! {
        () = callbacks::serve(listener, database.store.clone(), async move { asked.asked().await }) => {}
        // Asked again: whoever still waits for an answer gets none.
        () = shutdown.times(2) => {}
    }
    database.close().await;
    Ok(Exit::Done)
}

pub(crate) async fn complete(global: Global, args: CompleteArgs) -> anyhow::Result<Exit> {
    let most = PayloadLimits::default().payload_bytes;
    let output = start::read_json(args.input.as_deref(), &args.set, most)?;
    let database = Database::open(&global).await?;
    let by = name(args.by);
    let token = token(&database.store, args.which).await?;
    database.store.complete(&token, &output, actor(&by)).await.map_err(refused)?;
    database.close().await;
    if global.json {
        outln!("{}", serde_json::json!({"completed": true}));
    } else {
        outln!("The stage has its answer.");
    }
    Ok(Exit::Done)
}

pub(crate) async fn fail(global: Global, args: FailArgs) -> anyhow::Result<Exit> {
    let database = Database::open(&global).await?;
    let by = name(args.by);
    let failure = ServiceFailure { class: args.class, message: args.message.as_deref(), retry_after: args.retry_after };
    let token = token(&database.store, args.which).await?;
    database.store.fail(&token, failure, actor(&by)).await.map_err(refused)?;
    database.close().await;
    if global.json {
        outln!("{}", serde_json::json!({"failed": true}));
    } else {
        outln!("The attempt has failed; its job goes on as the stage's retries say.");
    }
    Ok(Exit::Done)
}

async fn token(store: &Store, which: WhichCallbackArgs) -> anyhow::Result<String> {
    match which {
        WhichCallbackArgs { run: Some(run), stage: Some(stage), item, .. } => {
            store.callback_token(run, &stage, item).await.map_err(refused)
        }
        WhichCallbackArgs { token, .. } => Ok(token.unwrap_or_default()),
    }
}
