//! Artifacts: listed, and got.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::Problem;
use super::take::{Path, Query};
use super::words::Limit;
use crate::artifacts::{ArtifactError, Expected};
use crate::model::digest;
use crate::model::id::RunId;
use crate::store::artifacts::{ArtifactRow, Asked};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// Which artifacts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Also those of attempts that are under way, or came to nothing.
    #[serde(default)]
    all: bool,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// Artifacts of a run.
#[derive(Serialize, ToSchema)]
struct Artifacts {
    artifacts: Vec<ArtifactRow>,
}

/// List the artifacts of a run
#[utoipa::path(
    get, path = "/runs/{run}/artifacts", tag = "artifacts",
    params(("run" = Uuid, Path, description = "Its id."), Which),
    responses((status = 200, description = "By stage, item, attempt and name; so many at most.", body = Artifacts)),
)]
async fn list(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(which): Query<Which>,
) -> Result<Json<Artifacts>, Problem> {
    api.run(run).await?;
    let asked = Asked { run, all: which.all, name: None, stage: None, item: None, most: which.limit.rows() };
    Ok(Json(Artifacts { artifacts: api.store.artifacts(asked).await? }))
}

/// Get an artifact
///
/// Its bytes as they were committed. One that has changed in the store since breaks off at its end.
#[utoipa::path(
    get, path = "/artifacts/{id}", tag = "artifacts",
    params(("id" = Uuid, Path, description = "Its id.")),
    responses((status = 200, description = "Its bytes.", body = Vec<u8>, content_type = "application/octet-stream")),
)]
async fn get(State(api): State<Api>, Path(id): Path<Uuid>) -> Result<Response, Problem> {
    let none = || Problem::no_such_thing(format!("there is no artifact {id}, or it was never whole"));
    let found = api.store.artifact(id).await?.ok_or_else(none)?;
    let no_store =
        || Problem::no_such_thing("no artifact store is known here").hint("Name it: piton api --artifacts STORE.");
    let artifacts = api.artifacts.as_ref().ok_or_else(no_store)?;
    let bytes = u64::try_from(found.bytes).unwrap_or_default();
    let tag = format!("\"{}\"", digest::hex(&found.digest));
    let expected = Expected { name: found.name, bytes, digest: found.digest, stage: found.stage, item: found.item };
    let reader = artifacts.get(&found.address, expected).await.map_err(unreachable)?;
    // What a stage made is never shown as a page of this server.
    let headers =
        [(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_LENGTH, bytes.to_string()), (ETAG, tag)];
    Ok((headers, Body::from_stream(ReaderStream::new(reader))).into_response())
}

fn unreachable(error: ArtifactError) -> Problem {
    tracing::warn!("an artifact cannot be read: {error}");
    Problem::no_such_thing("its file is not in the artifact store, or the store is away")
        .hint("piton cleanup scan tells which files are gone.")
}
