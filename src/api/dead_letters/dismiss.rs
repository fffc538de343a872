//! Dismiss dead letters, which ends their runs.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use sqlx::types::Uuid;
use utoipa::ToSchema;

use super::{Dismissed, FilterSaid};
use crate::api::Api;
use crate::api::extract::{Body, Path, Who};
use crate::api::problem::Problem;
use crate::api::words::Text;
use crate::decide;

/// Why one is dismissed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the customer is gone"}))]
pub(super) struct DismissOne {
    /// In words.
    reason: Text,
}

/// Which ones are dismissed, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"filter": {"workflow": "story", "class": "invalid_input"}, "reason": "these topics cannot be told"}))]
pub(super) struct DismissThose {
    #[serde(default)]
    filter: FilterSaid,
    /// Every one that is pending is meant.
    #[serde(default)]
    all: bool,
    /// In words.
    reason: Text,
}

/// Dismiss a dead letter
///
/// Its run ends as failed: its other jobs are cancelled, its other dead letters dismissed with it.
#[utoipa::path(
    post, path = "/dead-letters/{id}/dismiss", tag = "dead letters",
    params(("id" = Uuid, Path, description = "Its id.")),
    request_body = DismissOne,
    responses((status = 200, description = "Its run has failed.", body = Dismissed)),
)]
pub(super) async fn one(
    State(api): State<Api>,
    who: Who,
    Path(id): Path<Uuid>,
    Body(why): Body<DismissOne>,
) -> Result<Json<Dismissed>, Problem> {
    decide::dismiss_one(&api.store, id, &why.reason.0, who.actor()).await?;
    Ok(Json(Dismissed { dismissed: 1 }))
}

/// Dismiss many dead letters
///
/// The pending ones that a filter selects, or all, one by one.
#[utoipa::path(
    post, path = "/dead-letters/dismiss", tag = "dead letters",
    request_body = DismissThose,
    responses((status = 200, description = "Their runs have failed.", body = Dismissed)),
)]
pub(super) async fn those(
    State(api): State<Api>,
    who: Who,
    Body(which): Body<DismissThose>,
) -> Result<Json<Dismissed>, Problem> {
    let DismissThose { filter, all, reason } = which;
    let those = super::those(&api, filter, all).await?;
    let dismissed = decide::dismiss_those(&api.store, &those, &reason.0, who.actor()).await?;
    Ok(Json(Dismissed { dismissed }))
}
