//! Give up a live job by hand.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Forced;
use crate::api::Api;
use crate::api::extract::{Body, Who};
use crate::api::problem::Problem;
use crate::api::words::{Item, Text};
use crate::decide;
use crate::model::id::RunId;

/// Which job is given up, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"run": "01a20b0a-30d3-7295-8a1e-18acb1a0cd85", "stage": "picture", "item": 3, "reason": "it hangs"}))]
pub(super) struct ForceJob {
    #[schema(value_type = Uuid)]
    run: RunId,
    stage: Text,
    /// Where the stage is fanned out and split: the one that is under way or next in its branch.
    #[schema(value_type = Option<i32>, minimum = 0)]
    item: Option<Item>,
    /// In words.
    reason: Text,
}

/// Give up a live job
///
/// Its attempt is stopped, it becomes a dead letter, and its run is blocked.
#[utoipa::path(
    post, path = "/dead-letters/force", tag = "dead letters",
    request_body = ForceJob,
    responses((status = 201, description = "It is a dead letter.", body = Forced)),
)]
pub(super) async fn force(
    State(api): State<Api>,
    who: Who,
    Body(job): Body<ForceJob>,
) -> Result<(StatusCode, Json<Forced>), Problem> {
    let place = (job.stage.0.as_str(), job.item.map(|item| item.0));
    let dead_letter = decide::force(&api.store, job.run, place, &job.reason.0, who.actor()).await?;
    Ok((StatusCode::CREATED, Json(Forced { dead_letter })))
}
