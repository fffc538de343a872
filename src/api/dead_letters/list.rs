//! List, count and show dead letters.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;
use utoipa::{IntoParams, ToSchema};

use super::FilterSaid;
use crate::api::Api;
use crate::api::extract::{Path, Query};
use crate::api::problem::Problem;
use crate::api::words::{CountedBy, Limit, Text, Time, Where};
use crate::model::failure::FailureClass;
use crate::model::id::RunId;
use crate::model::state::Resolution;
use crate::store::causes::{Group, Totals};
use crate::store::dead_letters::DeadLetter;
use crate::view::letter::Story;

/// Which dead letters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Pending where nothing is said.
    #[serde(default = "pending")]
    #[param(inline, value_type = Option<Resolution>)]
    resolution: Resolution,
    /// Of that workflow.
    #[param(inline)]
    workflow: Option<Text>,
    /// Of that stage.
    #[param(inline)]
    stage: Option<Text>,
    /// Of that failure class.
    #[param(inline)]
    class: Option<FailureClass>,
    /// Of that run.
    #[param(value_type = Option<Uuid>)]
    run: Option<RunId>,
    /// Of that cause, as the stats name it.
    #[param(inline)]
    fingerprint: Option<Text>,
    /// Given up then or later.
    #[param(inline)]
    since: Option<Time>,
    /// Of runs whose input holds that, such as input.tenant=acme; may be repeated, and then all of it.
    #[serde(default, rename = "where")]
    #[param(inline)]
    conditions: Where,
    /// Behind that dead letter: `next` of the page before.
    after: Option<Uuid>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// Which dead letters are counted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Counted {
    /// Pending where nothing is said.
    #[serde(default = "pending")]
    #[param(inline, value_type = Option<Resolution>)]
    resolution: Resolution,
    /// Of that workflow.
    #[param(inline)]
    workflow: Option<Text>,
    /// Of that stage.
    #[param(inline)]
    stage: Option<Text>,
    /// Of that failure class.
    #[param(inline)]
    class: Option<FailureClass>,
    /// Of that run.
    #[param(value_type = Option<Uuid>)]
    run: Option<RunId>,
    /// Of that cause, as the stats name it.
    #[param(inline)]
    fingerprint: Option<Text>,
    /// Given up then or later.
    #[param(inline)]
    since: Option<Time>,
    /// Of runs whose input holds that, such as input.tenant=acme; may be repeated, and then all of it.
    #[serde(default, rename = "where")]
    #[param(inline)]
    conditions: Where,
    /// What they are counted by beside their cause: stage, workflow, batch, hour, or a path such as input.tenant.
    #[serde(default)]
    #[param(inline)]
    by: CountedBy,
    /// Causes of the answer.
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

fn pending() -> Resolution {
    Resolution::Pending
}

/// A page of dead letters, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct DeadLetters {
    dead_letters: Vec<DeadLetter>,
    /// For `after`, where there may be more.
    next: Option<Uuid>,
}

/// List dead letters
#[utoipa::path(
    get, path = "/dead-letters", tag = "dead letters",
    params(Which),
    responses((status = 200, description = "A page of them, the newest first.", body = DeadLetters)),
)]
pub(super) async fn list(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<DeadLetters>, Problem> {
    let Which { resolution, workflow, stage, class, run, fingerprint, since, conditions, after, limit } = which;
    let said = FilterSaid { workflow, stage, class, run, fingerprint, since, conditions };
    let filter = said.filter(&api, resolution).await?;
    let dead_letters = api.store.dead_letters(&filter, after, limit.rows()).await?;
    if let (true, Some(after)) = (dead_letters.is_empty(), after) {
        found(&api, after).await?;
    }
    let next = limit.next(&dead_letters, |last| last.id);
    Ok(Json(DeadLetters { dead_letters, next }))
}

/// Dead letters by cause.
#[derive(Serialize, ToSchema)]
pub(super) struct Stats {
    causes: Vec<Group>,
    /// Also of those that are not in the answer.
    all: Totals,
}

/// Count dead letters by cause
///
/// The most frequent cause first.
#[utoipa::path(
    get, path = "/dead-letters/stats", tag = "dead letters",
    params(Counted),
    responses((status = 200, description = "The most frequent causes.", body = Stats)),
)]
pub(super) async fn stats(State(api): State<Api>, Query(which): Query<Counted>) -> Result<Json<Stats>, Problem> {
    let Counted { resolution, workflow, stage, class, run, fingerprint, since, conditions, by, limit } = which;
    let said = FilterSaid { workflow, stage, class, run, fingerprint, since, conditions };
    let filter = said.filter(&api, resolution).await?;
    let (causes, all) = api.store.causes(&filter, &by.0, limit.rows()).await?;
    Ok(Json(Stats { causes, all }))
}

/// Show a dead letter with its whole history
#[utoipa::path(
    get, path = "/dead-letters/{id}", tag = "dead letters",
    params(("id" = Uuid, Path, description = "Its id.")),
    responses((status = 200, description = "The dead letter.", body = Story)),
)]
pub(super) async fn show(State(api): State<Api>, Path(id): Path<Uuid>) -> Result<Json<Story>, Problem> {
    Story::read(&api.store, id).await?.map(Json).ok_or_else(|| none(id))
}

async fn found(api: &Api, id: Uuid) -> Result<DeadLetter, Problem> {
    api.store.dead_letter(id).await?.ok_or_else(|| none(id))
}

fn none(id: Uuid) -> Problem {
    Problem::no_such_thing(format!("there is no dead letter {id}")).hint("List them: GET /v1/admin/dead-letters.")
}
