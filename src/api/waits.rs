//! What runs wait for outside of Piton, and what ends it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
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
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::wait::WaitKind;
use crate::store::waits::{OpenWait, WaitFilter};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(waits)).routes(routes!(signal)).routes(routes!(wake))
}

/// Which waits.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only of that run.
    #[param(value_type = Option<Uuid>)]
    run: Option<RunId>,
    /// Only of that workflow.
    #[param(inline)]
    workflow: Option<Text>,
    /// Only of that kind.
    #[param(inline)]
    kind: Option<WaitKind>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// What is waited for.
#[derive(Serialize, ToSchema)]
struct Waits {
    waits: Vec<OpenWait>,
}

/// List what runs wait for
///
/// A time, a signal, a service or another run: every wait that is open, the oldest first, until when, and what would end it.
#[utoipa::path(
    get, path = "/waits", tag = "runs",
    params(Which),
    responses((status = 200, description = "The oldest first.", body = Waits)),
)]
async fn waits(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<Waits>, Problem> {
    let Which { run, workflow, kind, limit } = which;
    let workflow = workflow.as_ref().map(|name| name.0.as_str());
    let waits = api.store.open_waits(WaitFilter { run, workflow, kind }, limit.rows()).await?;
    if waits.is_empty() {
        refuse_unknown(&api, workflow).await?;
    }
    Ok(Json(Waits { waits }))
}

/// The answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"payload": {"approved": true}}))]
struct Answer {
    /// Any JSON, within what the workflow's file says of it.
    #[schema(value_type = serde_json::Value)]
    payload: Box<RawValue>,
}

/// What was answered.
#[derive(Serialize, ToSchema)]
struct Signalled {
    signalled: String,
}

/// Answer a stage that waits for a signal
///
/// The first answer counts; one that comes before the stage waits is kept for it.
#[utoipa::path(
    post, path = "/runs/{run}/signals/{name}", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id."), ("name" = String, Path, description = "Name of the signal.")),
    request_body = Answer,
    responses((status = 200, description = "It has its answer.", body = Signalled)),
)]
async fn signal(
    State(api): State<Api>,
    who: Who,
    Path((run, name)): Path<(RunId, Text)>,
    Body(answer): Body<Answer>,
) -> Result<Json<Signalled>, Problem> {
    let most = PayloadLimits::default().payload_bytes;
    let payload = Payload::parse(answer.payload.get(), most)
        .map_err(|error| Problem::invalid(format!("the payload of the signal: {error}")))?;
    decide::signal(&api.store, run, (&name.0, &payload), who.actor()).await?;
    Ok(Json(Signalled { signalled: name.0 }))
}

/// What is to be woken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"stage": "cool-down"}))]
struct Sleeper {
    /// The stage that sleeps.
    stage: Text,
    /// Only this item of it.
    item: Option<i32>,
}

/// What was woken.
#[derive(Serialize, ToSchema)]
struct Woken {
    /// How many jobs go on.
    woken: i64,
}

/// End a sleep
///
/// The stage goes on at once; its output says that it was woken.
#[utoipa::path(
    post, path = "/runs/{run}/wake", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id.")),
    request_body = Sleeper,
    responses((status = 200, description = "It goes on.", body = Woken)),
)]
async fn wake(
    State(api): State<Api>,
    who: Who,
    Path(run): Path<RunId>,
    Body(what): Body<Sleeper>,
) -> Result<Json<Woken>, Problem> {
    let woken = decide::wake(&api.store, run, (&what.stage.0, what.item), who.actor()).await?;
    Ok(Json(Woken { woken }))
}
