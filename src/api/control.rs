//! Runs and queues: why they wait; cancel, pause and resume them.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Body, Path, Query, Who};
use super::problem::Problem;
use super::words::{Limit, Text};
use super::workflows::refuse_unknown;
use crate::decide;
use crate::model::id::RunId;
use crate::store::pauses::{Pause, Queue};
use crate::store::why::{RunWait, Waiting, WaitingGroup};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(cancel))
        .routes(routes!(why_run))
        .routes(routes!(why))
        .routes(routes!(pauses, pause))
        .routes(routes!(resume))
}

/// Why something is done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "nobody needs it"}))]
pub(super) struct Reason {
    /// In words.
    pub(super) reason: Text,
}

/// The run that was cancelled.
#[derive(Serialize, ToSchema)]
struct Cancelled {
    cancelled: Uuid,
}

/// Cancel a run
///
/// Running attempts are stopped, waiting jobs are removed, finished stages are kept.
#[utoipa::path(
    post, path = "/runs/{run}/cancel", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id.")),
    request_body = Reason,
    responses((status = 200, description = "It is cancelled.", body = Cancelled)),
)]
async fn cancel(
    State(api): State<Api>,
    who: Who,
    Path(run): Path<RunId>,
    Body(why): Body<Reason>,
) -> Result<Json<Cancelled>, Problem> {
    decide::cancel_run(&api.store, run, &why.reason.0, who.actor()).await?;
    Ok(Json(Cancelled { cancelled: run.0 }))
}

/// How many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Most {
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// What one run waits for.
#[derive(Serialize, ToSchema)]
struct Waits {
    waits: Vec<Waiting>,
    /// The same counted by stage and reason; what somebody must act on comes first.
    counted: Vec<RunWait>,
}

/// Show why a run waits
///
/// A row for each of its live jobs, for each stage that waits for others, and for each dead letter.
#[utoipa::path(
    get, path = "/runs/{run}/why", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id."), Most),
    responses((status = 200, description = "What it waits for, and what would move it.", body = Waits)),
)]
async fn why_run(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(most): Query<Most>,
) -> Result<Json<Waits>, Problem> {
    api.run(run).await?;
    let waits = api.store.waiting(run, most.limit.rows()).await?;
    Ok(Json(Waits { waits, counted: api.store.run_waits(run).await? }))
}

/// Of which workflow.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Of {
    /// Only of that workflow.
    #[param(inline)]
    pub(super) workflow: Option<Text>,
}

/// What is live and what was given up, counted.
#[derive(Serialize, ToSchema)]
struct WaitingGroups {
    waiting: Vec<WaitingGroup>,
}

/// Show what is stuck and why
#[utoipa::path(
    get, path = "/why", tag = "queues",
    params(Of),
    responses((status = 200, description = "Live jobs and dead letters, by stage and reason.", body = WaitingGroups)),
)]
async fn why(State(api): State<Api>, Query(of): Query<Of>) -> Result<Json<WaitingGroups>, Problem> {
    let workflow = of.workflow.as_ref().map(|name| name.0.as_str());
    refuse_unknown(&api, workflow).await?;
    Ok(Json(WaitingGroups { waiting: api.store.waiting_groups(workflow).await? }))
}

/// What is paused.
#[derive(Serialize, ToSchema)]
struct Pauses {
    pauses: Vec<Pause>,
}

/// List what is paused
#[utoipa::path(
    get, path = "/pauses", tag = "queues",
    responses((status = 200, description = "What is paused, by whom and why.", body = Pauses)),
)]
async fn pauses(State(api): State<Api>) -> Result<Json<Pauses>, Problem> {
    Ok(Json(Pauses { pauses: api.store.pauses().await? }))
}

/// What is paused, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"workflow": "story", "stage": "narration", "reason": "the provider is down"}))]
struct NewPause {
    /// Every workflow, where it is left out.
    workflow: Option<Text>,
    /// Every stage of the workflow, where it is left out.
    stage: Option<Text>,
    /// In words.
    reason: Text,
}

/// Pause a workflow, a stage of it, or everything
///
/// None of its jobs start any more; running ones finish.
#[utoipa::path(
    post, path = "/pauses", tag = "queues",
    request_body = NewPause,
    responses((status = 200, description = "Everything that is paused now.", body = Pauses)),
)]
async fn pause(State(api): State<Api>, who: Who, Body(new): Body<NewPause>) -> Result<Json<Pauses>, Problem> {
    let queue = queue(new.workflow.as_ref(), new.stage.as_ref());
    decide::pause(&api.store, queue, &new.reason.0, who.actor()).await?;
    pauses(State(api)).await
}

/// What goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"workflow": "story", "stage": "narration"}))]
struct Resume {
    /// Everything, where it is left out.
    workflow: Option<Text>,
    /// The whole workflow, where it is left out.
    stage: Option<Text>,
    /// Why, in words.
    reason: Option<Text>,
}

/// Resume what was paused
#[utoipa::path(
    post, path = "/pauses/resume", tag = "queues",
    request_body = Resume,
    responses((status = 200, description = "Everything that is still paused.", body = Pauses)),
)]
async fn resume(State(api): State<Api>, who: Who, Body(what): Body<Resume>) -> Result<Json<Pauses>, Problem> {
    let reason = what.reason.as_ref().map(|reason| reason.0.as_str());
    decide::resume(&api.store, queue(what.workflow.as_ref(), what.stage.as_ref()), reason, who.actor()).await?;
    pauses(State(api)).await
}

fn queue<'q>(workflow: Option<&'q Text>, stage: Option<&'q Text>) -> Queue<'q> {
    Queue { workflow: workflow.map(|name| name.0.as_str()), stage: stage.map(|name| name.0.as_str()) }
}
