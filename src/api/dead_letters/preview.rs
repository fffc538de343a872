//! Preview a retry.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::FilterSaid;
use super::retry::origin;
use crate::api::Api;
use crate::api::extract::Query;
use crate::api::problem::Problem;
use crate::api::words::{Text, Time, Where};
use crate::decide::{self, Chosen};
use crate::model::failure::FailureClass;
use crate::model::id::RunId;
use crate::model::state::Resolution;
use crate::store::retry_preview::PreviewRow;

/// Which dead letters, all that are pending where nothing is said; and how they would go on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Previewed {
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
    /// That stage, and all that need it, would be done again.
    #[param(inline)]
    from_stage: Option<Text>,
    /// Everything would be done again.
    #[serde(default)]
    from_beginning: bool,
}

/// What would be done.
#[derive(Serialize, ToSchema)]
pub(super) struct RetryPreview {
    stages: Vec<PreviewRow>,
}

/// Preview a retry
///
/// Which jobs would run again and which checkpoints stay, what that took last time, and which limits it meets. Changes nothing.
#[utoipa::path(
    get, path = "/dead-letters/retry-preview", tag = "dead letters",
    params(Previewed),
    responses((status = 200, description = "By workflow and stage.", body = RetryPreview)),
)]
pub(super) async fn preview(
    State(api): State<Api>,
    Query(which): Query<Previewed>,
) -> Result<Json<RetryPreview>, Problem> {
    let Previewed { workflow, stage, class, run, fingerprint, since, conditions, from_stage, from_beginning } = which;
    let said = FilterSaid { workflow, stage, class, run, fingerprint, since, conditions };
    let chosen = Chosen::Those(said.filter(&api, Resolution::Pending).await?);
    let stages = decide::preview(&api.store, &chosen, origin(from_stage.as_ref(), from_beginning)?, None).await?;
    Ok(Json(RetryPreview { stages }))
}
