//! Workers: list them.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::Query;
use super::problem::Problem;
use super::words::Limit;
use crate::store::workers::{EndedToo, WorkerRow};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which boots of workers.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Also those that have ended.
    #[serde(default)]
    all: bool,
    /// Behind that boot: `next` of the page before.
    after: Option<Uuid>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// A page of boots, the newest first.
#[derive(Serialize, ToSchema)]
struct Workers {
    workers: Vec<WorkerRow>,
    /// For `after`, where there may be more.
    next: Option<Uuid>,
}

/// List workers
///
/// Every start of a worker is a boot of its own.
#[utoipa::path(
    get, path = "/workers", tag = "workers",
    params(Which),
    responses((status = 200, description = "A page of them, the newest first.", body = Workers)),
)]
async fn list(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<Workers>, Problem> {
    let ended_too = if which.all { EndedToo::All } else { EndedToo::None };
    let workers = api.store.workers(ended_too, which.after, which.limit.rows()).await?;
    if let (true, Some(after)) = (workers.is_empty(), which.after) {
        api.store.worker_of(after).await?.ok_or_else(|| Problem::no_such_thing(format!("there is no boot {after}")))?;
    }
    let next = which.limit.next(&workers, |last| last.boot);
    Ok(Json(Workers { workers, next }))
}
