//! The admin API over HTTP: the verbs of the command line and of SQL, in JSON. A verb is a file here.

mod access;
mod artifacts;
mod batches;
mod changes;
mod checkpoints;
mod cleanup;
mod control;
mod dead_letters;
mod document;
mod extract;
mod guard;
mod problem;
mod range;
mod recovery;
mod rejection;
mod runs;
mod schedules;
mod services;
mod state;
mod throughput;
mod tokens;
mod waits;
mod words;
mod workers;
mod workflows;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use self::problem::Problem;
use crate::artifacts::Artifacts;
use crate::store::Store;
use crate::system::descriptors;
use crate::telemetry::connections;

pub(crate) use access::Access;
pub(crate) use state::Api;
pub(crate) use tokens::{Scope, Tokens};

/// Clients at once. Each has a request under way at most, and each request at most a connection to the database.
const CONNECTIONS: usize = 256;

/// Answers until `stopped`, and then to those who have asked already.
pub(crate) async fn serve(
    listener: TcpListener,
    access: Access,
    store: Store,
    artifacts: Option<Artifacts>,
    host: String,
    stopped: impl Future<Output = ()>,
) -> std::io::Result<()> {
    tracing::info!("the admin API is at http://{}/v1/admin", listener.local_addr()?);
    let api = Api { store, definitions: Arc::default(), artifacts, host: host.into(), document: Arc::default() };
    // A request takes another descriptor or two, of the database or of an artifact.
    let room = usize::try_from(descriptors::limit() / 4).unwrap_or(usize::MAX);
    connections::serve(listener, router(api, access), CONNECTIONS.min(room).max(1), stopped).await;
    Ok(())
}

fn router(api: Api, access: Access) -> Router {
    let (routes, paths) =
        OpenApiRouter::with_openapi(document::beginning()).nest("/v1/admin", routes()).split_for_parts();
    // What was derived from types always is JSON.
    let text = document::finish(paths).to_json().unwrap_or_default();
    api.document.get_or_init(|| text.into());
    routes
        .fallback(async || {
            Problem::no_such_thing("there is nothing at this path")
                .hint("GET /v1/admin/openapi.json says what there is.")
        })
        .method_not_allowed_fallback(async || Problem::no_such_method("the Allow header says what can be done here"))
        .layer(DefaultBodyLimit::max(extract::MOST_BYTES))
        // Last, so that it stands before everything, also before what is not there.
        .layer(from_fn_with_state(Arc::new(access), guard::guard))
        .with_state(api)
}

/// One line for each file with verbs.
fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(runs::routes())
        .merge(control::routes())
        .merge(waits::routes())
        .merge(services::routes())
        .merge(throughput::routes())
        .merge(checkpoints::routes())
        .merge(artifacts::routes())
        .merge(batches::routes())
        .merge(schedules::routes())
        .merge(dead_letters::routes())
        .merge(recovery::routes())
        .merge(cleanup::routes())
        .merge(workers::routes())
        .merge(workflows::routes())
        .merge(changes::routes())
        .merge(document::routes())
}
