//! Answers in the place of services that stages wait for. Services themselves have tokens, and a server of their own.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Body, Path, Who};
use super::problem::Problem;
use super::words::Text;
use crate::model::failure::FailureClass;
use crate::model::id::RunId;
use crate::model::payload::{Payload, PayloadLimits};
use crate::store::callbacks::ServiceFailure;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(complete)).routes(routes!(fail))
}

/// The answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"stage": "render", "output": {"url": "s3://films/1"}}))]
struct Completion {
    /// The stage that waits.
    stage: Text,
    /// Only this item of it.
    item: Option<i32>,
    /// Any JSON.
    #[schema(value_type = serde_json::Value)]
    output: Box<RawValue>,
}

/// What was answered.
#[derive(Serialize, ToSchema)]
struct Answered {
    /// The stage.
    answered: String,
}

/// Answer in the place of a service that a stage waits for
///
/// The output is that of the stage. The first answer counts.
#[utoipa::path(
    post, path = "/runs/{run}/complete", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id.")),
    request_body = Completion,
    responses((status = 200, description = "The stage has its answer.", body = Answered)),
)]
async fn complete(
    State(api): State<Api>,
    who: Who,
    Path(run): Path<RunId>,
    Body(said): Body<Completion>,
) -> Result<Json<Answered>, Problem> {
    let most = PayloadLimits::default().payload_bytes;
    let output = Payload::parse(said.output.get(), most)
        .map_err(|error| Problem::invalid(format!("the output of the stage: {error}")))?;
    let token = api.store.callback_token(run, &said.stage.0, said.item).await?;
    api.store.complete(&token, &output, who.actor()).await?;
    Ok(Json(Answered { answered: said.stage.0 }))
}

/// What went wrong.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"stage": "render", "class": "resource_unavailable", "message": "the farm is closed"}))]
struct Refusal {
    /// The stage that waits.
    stage: Text,
    /// Only this item of it.
    item: Option<i32>,
    /// A failure class that a stage can fail with; `unknown` by default.
    class: Option<Text>,
    message: Option<Text>,
    /// Seconds until the service may be asked again.
    #[schema(minimum = 0, maximum = 2_592_000)]
    retry_after: Option<u32>,
}

/// Say in the place of a service that it has failed
///
/// The job is retried by the class of the failure: then the service is asked anew.
#[utoipa::path(
    post, path = "/runs/{run}/fail", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id.")),
    request_body = Refusal,
    responses((status = 200, description = "The attempt has failed.", body = Answered)),
)]
async fn fail(
    State(api): State<Api>,
    who: Who,
    Path(run): Path<RunId>,
    Body(said): Body<Refusal>,
) -> Result<Json<Answered>, Problem> {
    let class = said.class.as_ref().map_or(Ok(FailureClass::Unknown), |class| class.0.parse());
    let class = class.map_err(|error: crate::model::failure::UnknownClass| Problem::invalid(error.to_string()))?;
    let token = api.store.callback_token(run, &said.stage.0, said.item).await?;
    let retry_after = said.retry_after.map(|seconds| Duration::from_secs(seconds.into()));
    let message = said.message.as_ref().map(|message| message.0.as_str());
    api.store.fail(&token, ServiceFailure { class, message, retry_after }, who.actor()).await?;
    Ok(Json(Answered { answered: said.stage.0 }))
}
