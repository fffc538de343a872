//! Retry dead letters.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::types::Uuid;
use utoipa::ToSchema;

use super::{FilterSaid, Retried};
use crate::api::Api;
use crate::api::extract::{Body, Path, Who};
use crate::api::problem::Problem;
use crate::api::runs::payload;
use crate::api::words::Text;
use crate::decide::{self, Again};
use crate::store::dead_letters::Origin;

/// How one goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from_stage": "critic", "input": {"topic": "The last lighthouse keepers"}, "note": "the topic was wrong"}))]
pub(super) struct RetryOne {
    /// That stage, and all that need it, are done again.
    from_stage: Option<Text>,
    /// Everything is done again.
    #[serde(default)]
    from_beginning: bool,
    /// The run's input from now on; as it was where this is left out or null.
    #[schema(value_type = serde_json::Value)]
    input: Option<Box<RawValue>>,
    /// Why, in words.
    note: Option<Text>,
}

/// Which ones go on, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"filter": {"workflow": "story", "class": "rate_limited"}, "note": "the service is back"}))]
pub(super) struct RetryThose {
    #[serde(default)]
    filter: FilterSaid,
    /// Every one that is pending is meant.
    #[serde(default)]
    all: bool,
    /// That stage, and all that need it, are done again.
    from_stage: Option<Text>,
    /// Everything is done again.
    #[serde(default)]
    from_beginning: bool,
    /// Why, in words.
    note: Option<Text>,
}

/// Retry a dead letter
///
/// Its job goes on with a new retry budget: from the last checkpoint, from a named stage, or from the beginning; with another
/// input of its run if one is given.
#[utoipa::path(
    post, path = "/dead-letters/{id}/retry", tag = "dead letters",
    params(("id" = Uuid, Path, description = "Its id.")),
    request_body = RetryOne,
    responses((status = 200, description = "Its job goes on.", body = Retried)),
)]
pub(super) async fn one(
    State(api): State<Api>,
    who: Who,
    Path(id): Path<Uuid>,
    Body(how): Body<RetryOne>,
) -> Result<Json<Retried>, Problem> {
    let RetryOne { from_stage, from_beginning, input, note } = how;
    let input = input.map(|input| payload(input.get())).transpose()?;
    let again = again(from_stage.as_ref(), from_beginning, note.as_ref())?;
    decide::retry_one(&api.store, id, again, input.as_ref(), who.actor()).await?;
    Ok(Json(Retried { retried: 1 }))
}

/// Retry many dead letters
///
/// The pending ones that a filter selects, or all; either all of them go on, or none.
#[utoipa::path(
    post, path = "/dead-letters/retry", tag = "dead letters",
    request_body = RetryThose,
    responses((status = 200, description = "Their jobs go on.", body = Retried)),
)]
pub(super) async fn those(
    State(api): State<Api>,
    who: Who,
    Body(which): Body<RetryThose>,
) -> Result<Json<Retried>, Problem> {
    let RetryThose { filter, all, from_stage, from_beginning, note } = which;
    let again = again(from_stage.as_ref(), from_beginning, note.as_ref())?;
    let those = super::those(&api, filter, all).await?;
    let retried = decide::retry_those(&api.store, &those, again, who.actor()).await?;
    Ok(Json(Retried { retried }))
}

fn again<'a>(stage: Option<&'a Text>, beginning: bool, note: Option<&'a Text>) -> Result<Again<'a>, Problem> {
    Ok(Again { from: origin(stage, beginning)?, note: note.map(|note| note.0.as_str()) })
}

pub(super) fn origin(stage: Option<&Text>, beginning: bool) -> Result<Origin<'_>, Problem> {
    match (stage, beginning) {
        (Some(_), true) => {
            Err(Problem::invalid("a dead letter is retried from a stage or from the beginning, not from both"))
        }
        (Some(stage), false) => Ok(Origin::Stage(&stage.0)),
        (None, true) => Ok(Origin::Beginning),
        (None, false) => Ok(Origin::LastCheckpoint),
    }
}
