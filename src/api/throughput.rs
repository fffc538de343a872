//! Throughput: how much is done and left, how fast it goes, and what holds it up.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::control::Of;
use super::extract::Query;
use super::problem::Problem;
use super::workflows::refuse_unknown;
use crate::view::throughput::Throughput;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(throughput))
}

/// Show how much is done and left
///
/// Throughput, trend, time to empty and bottleneck of every active workflow, and of its stages. Seconds are those that the work
/// takes one attempt after another, except in `empty_seconds`.
#[utoipa::path(
    get, path = "/throughput", tag = "queues",
    params(Of),
    responses((status = 200, description = "Workflows with the most work left first.", body = Throughput)),
)]
async fn throughput(State(api): State<Api>, Query(of): Query<Of>) -> Result<Json<Throughput>, Problem> {
    let workflow = of.workflow.as_ref().map(|name| name.0.as_str());
    refuse_unknown(&api, workflow).await?;
    Ok(Json(Throughput::read(&api.store, workflow).await?))
}
