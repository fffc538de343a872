//! Cleanup: preview it, run it, and hold runs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::control::Reason;
use super::extract::{Body, Path, Who};
use super::problem::Problem;
use super::words::Text;
use crate::cleanup::{self, HowLong, Plan, Preview};
use crate::model::id::RunId;
use crate::store::cleanup::{CleanupGroup, Rule, StoredGroup};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(stats))
        .routes(routes!(preview))
        .routes(routes!(run))
        .routes(routes!(rules, keep))
        .routes(routes!(hold, release))
}

/// What is kept, and what is gone.
#[derive(Serialize, ToSchema)]
struct CleanupStats {
    /// In the artifact store.
    stored: Vec<StoredGroup>,
    /// By cleanups within the last 90 days.
    deleted: Vec<CleanupGroup>,
    rules: Vec<Rule>,
}

/// Show what is kept, for how long, and what was deleted
#[utoipa::path(
    get, path = "/cleanup", tag = "cleanup",
    responses((status = 200, description = "By kind.", body = CleanupStats)),
)]
async fn stats(State(api): State<Api>) -> Result<Json<CleanupStats>, Problem> {
    let (stored, deleted) = (api.store.storage_stats().await?, api.store.cleaned().await?);
    Ok(Json(CleanupStats { stored, deleted, rules: api.store.retention_rules().await? }))
}

/// Show what a cleanup would delete
///
/// Writes a plan, and deletes nothing.
#[utoipa::path(
    post, path = "/cleanup/preview", tag = "cleanup",
    responses((status = 201, description = "The plan.", body = Preview)),
)]
async fn preview(State(api): State<Api>, who: Who) -> Result<(StatusCode, Json<Preview>), Problem> {
    Ok((StatusCode::CREATED, Json(cleanup::preview(&api.store, who.actor().name).await?)))
}

/// Which plan.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CleanupPlan {
    /// As a preview has named it.
    plan: Uuid,
}

/// How a cleanup went.
#[derive(Serialize, ToSchema)]
struct Cleaned {
    plan: Uuid,
    deleted: Vec<CleanupGroup>,
}

/// Delete what a plan shows
///
/// Exactly that, or nothing if it has changed since. A plan that is too large for one request is finished by the next worker
/// that cleans up.
#[utoipa::path(
    post, path = "/cleanup/run", tag = "cleanup",
    request_body = CleanupPlan,
    responses((status = 200, description = "It is done.", body = Cleaned)),
)]
async fn run(State(api): State<Api>, who: Who, Body(which): Body<CleanupPlan>) -> Result<Json<Cleaned>, Problem> {
    let plan = which.plan;
    let deleted = cleanup::run(&api.store, api.artifacts.as_ref(), Plan::Shown(plan), Some(who.actor())).await?;
    Ok(Json(Cleaned { plan, deleted }))
}

/// For how long what is kept.
#[derive(Serialize, ToSchema)]
struct Rules {
    rules: Vec<Rule>,
}

/// List the retention rules
#[utoipa::path(
    get, path = "/cleanup/rules", tag = "cleanup",
    responses((status = 200, description = "By workflow, and for all other workflows.", body = Rules)),
)]
async fn rules(State(api): State<Api>) -> Result<Json<Rules>, Problem> {
    Ok(Json(Rules { rules: api.store.retention_rules().await? }))
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum What {
    Runs,
    Artifacts,
    Batches,
    Workers,
    Versions,
}

/// A rule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"what": "runs", "type": "done", "keep": "30d", "workflow": "story"}))]
struct NewRule {
    what: What,
    /// State of the runs (done, failed, cancelled), or type of the artifacts (output, preview, temp, failed, …); ended for batches and
    /// workers; unused for versions.
    r#type: Text,
    /// Such as 30d, or forever.
    keep: Text,
    /// Every workflow, where it is left out.
    workflow: Option<Text>,
}

/// Set how long something is kept
#[utoipa::path(
    post, path = "/cleanup/rules", tag = "cleanup",
    request_body = NewRule,
    responses((status = 200, description = "All rules as they are now.", body = Rules)),
)]
async fn keep(State(api): State<Api>, who: Who, Body(new): Body<NewRule>) -> Result<Json<Rules>, Problem> {
    let what = match new.what {
        What::Runs => "runs",
        What::Artifacts => "artifacts",
        What::Batches => "batches",
        What::Workers => "workers",
        What::Versions => "versions",
    };
    let HowLong(long) = new.keep.0.parse().map_err(|error| Problem::invalid(format!("keep: {error}")))?;
    let workflow = new.workflow.as_ref().map(|name| name.0.as_str());
    api.store.keep((what, &new.r#type.0), long, workflow, who.actor()).await?;
    rules(State(api)).await
}

/// The run that was decided about.
#[derive(Serialize, ToSchema)]
struct Decided {
    run: Uuid,
}

/// Hold a run
///
/// Cleanup leaves it alone, with everything it made.
#[utoipa::path(
    post, path = "/runs/{run}/hold", tag = "cleanup",
    params(("run" = Uuid, Path, description = "Its id.")),
    request_body = Reason,
    responses((status = 200, description = "It is held.", body = Decided)),
)]
async fn hold(
    State(api): State<Api>,
    who: Who,
    Path(run): Path<RunId>,
    Body(why): Body<Reason>,
) -> Result<Json<Decided>, Problem> {
    api.store.hold_run(run, &why.reason.0, who.actor()).await?;
    Ok(Json(Decided { run: run.0 }))
}

/// Release a run
#[utoipa::path(
    delete, path = "/runs/{run}/hold", tag = "cleanup",
    params(("run" = Uuid, Path, description = "Its id.")),
    responses((status = 200, description = "It is no longer held.", body = Decided)),
)]
async fn release(State(api): State<Api>, who: Who, Path(run): Path<RunId>) -> Result<Json<Decided>, Problem> {
    api.run(run).await?;
    api.store.release_run(run, who.actor()).await?;
    Ok(Json(Decided { run: run.0 }))
}
