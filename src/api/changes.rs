//! What changed, as a list.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::Query;
use super::problem::Problem;
use super::words::{Limit, Text, Time};
use super::workflows::refuse_unknown;
use crate::store::changes::Change;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which changes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Since then; a day ago where nothing is said.
    #[param(inline)]
    since: Option<Time>,
    /// Of that workflow, or of all.
    #[param(inline)]
    workflow: Option<Text>,
    /// How many of the newest to list.
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// What changed, the oldest first.
#[derive(Serialize, ToSchema)]
struct Changes {
    since: DateTime<Utc>,
    changes: Vec<Change>,
}

/// List what changed
///
/// Versions deployed and rolled back, limits, pauses, migrations, builds of workers that came and went, new causes of failure,
/// decisions, cancelled runs, batches and cleanups: each with who and why.
#[utoipa::path(
    get, path = "/changes", tag = "workflows",
    params(Which),
    responses((status = 200, description = "The newest changes, in order.", body = Changes)),
)]
async fn list(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<Changes>, Problem> {
    let workflow = which.workflow.as_ref().map(|Text(name)| name.as_str());
    refuse_unknown(&api, workflow).await?;
    let since = match which.since {
        Some(Time(since)) => since,
        None => api.store.now().await? - TimeDelta::days(1),
    };
    let changes = api.store.changes(since, workflow, which.limit.rows()).await?;
    Ok(Json(Changes { since, changes }))
}
