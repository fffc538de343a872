//! Recovery: what it would do, and doing it now. Workers do it by themselves about once a second.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Body, Query, Who};
use super::problem::Problem;
use super::words::{Lease, Limit};
use crate::recovery::by_hand::{self, RecoverableJob, RecoveryReport};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(scan, recover)).routes(routes!(jobs))
}

/// When a worker counts as gone.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct When {
    /// Seconds without a sign of life.
    #[serde(default)]
    #[param(inline)]
    lease: Lease,
}

/// List workers that seem gone
///
/// With the jobs they hold: what a recovery would free. Changes nothing.
#[utoipa::path(
    get, path = "/recovery", tag = "recovery",
    params(When),
    responses((status = 200, description = "The workers and their jobs; nothing was freed.", body = RecoveryReport)),
)]
async fn scan(State(api): State<Api>, Query(when): Query<When>) -> Result<Json<RecoveryReport>, Problem> {
    Ok(Json(by_hand::scan(&api.store, when.lease.duration()).await?))
}

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Seconds without a sign of life.
    #[serde(default)]
    #[param(inline)]
    lease: Lease,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// Jobs that a recovery would free.
#[derive(Serialize, ToSchema)]
struct RecoverableJobs {
    jobs: Vec<RecoverableJob>,
}

/// List jobs of workers that seem gone
#[utoipa::path(
    get, path = "/recovery/jobs", tag = "recovery",
    params(Which),
    responses((status = 200, description = "The jobs, up to the limit.", body = RecoverableJobs)),
)]
async fn jobs(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<RecoverableJobs>, Problem> {
    Ok(Json(RecoverableJobs { jobs: by_hand::jobs(&api.store, which.lease.duration(), which.limit.rows()).await? }))
}

/// When a worker counts as gone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"lease": 15}))]
struct Recover {
    /// Seconds without a sign of life. Shorter than that of the workers, it takes jobs from some that live.
    #[serde(default)]
    #[schema(value_type = u32, minimum = 1, maximum = 86400, default = 15)]
    lease: Lease,
}

/// Free the jobs of workers that are gone
///
/// An uncertain sign is checked again, for some seconds.
#[utoipa::path(
    post, path = "/recovery", tag = "recovery",
    request_body = Recover,
    responses((status = 200, description = "What was found, and what was done about it.", body = RecoveryReport)),
)]
async fn recover(State(api): State<Api>, who: Who, Body(when): Body<Recover>) -> Result<Json<RecoveryReport>, Problem> {
    let host = api.host.to_string();
    Ok(Json(by_hand::recover(&api.store, when.lease.duration(), host, who.actor()).await?))
}
