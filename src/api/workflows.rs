//! Workflows: list and show them, and decide which version is current.

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
use crate::decide;
use crate::model::digest::hex;
use crate::model::quoted::quoted;
use crate::store::StoreError;
use crate::store::versions::VersionRow;
use crate::store::workflows::WorkflowRow;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(versions))
        .routes(routes!(deploy))
        .routes(routes!(roll_back))
}

/// A workflow, by its current version: what is started.
#[derive(Serialize, ToSchema)]
struct Registered {
    workflow: String,
    /// SHA-256 of what the version says; nothing while none is deployed.
    version: Option<String>,
    /// How many versions of it there are.
    versions: i64,
    /// When its name was first registered.
    registered_at: chrono::DateTime<chrono::Utc>,
    /// Since when its version is current; nothing where an older Piton made it so.
    current_since: Option<chrono::DateTime<chrono::Utc>>,
    /// Who made it current.
    current_by: Option<String>,
}

impl Registered {
    fn of(row: &WorkflowRow) -> Registered {
        let WorkflowRow { workflow, digest, versions, registered_at, current_since, current_by, .. } = row;
        Registered {
            workflow: workflow.clone(),
            version: digest.as_deref().map(hex),
            versions: *versions,
            registered_at: *registered_at,
            current_since: *current_since,
            current_by: current_by.clone(),
        }
    }
}

/// All workflows, by name.
#[derive(Serialize, ToSchema)]
struct Workflows {
    workflows: Vec<Registered>,
}

/// List workflows
#[utoipa::path(
    get, path = "/workflows", tag = "workflows",
    responses((status = 200, description = "All of them.", body = Workflows)),
)]
async fn list(State(api): State<Api>) -> Result<Json<Workflows>, Problem> {
    let rows = api.store.workflows(None).await?;
    Ok(Json(Workflows { workflows: rows.iter().map(Registered::of).collect() }))
}

/// A workflow with its definition.
#[derive(Serialize, ToSchema)]
struct Defined {
    #[serde(flatten)]
    registered: Registered,
    /// As it is stored: stages in the order of the file, `needs` as positions in it.
    #[schema(value_type = serde_json::Value)]
    definition: Option<Box<RawValue>>,
}

/// Show a workflow
#[utoipa::path(
    get, path = "/workflows/{workflow}", tag = "workflows",
    params(("workflow" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The workflow.", body = Defined)),
)]
async fn show(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<Defined>, Problem> {
    let row = known(&api, &name).await?;
    let registered = Registered::of(&row);
    let definition = row.definition.map(RawValue::from_string).transpose();
    let definition =
        definition.map_err(|error| StoreError::Damaged(format!("a definition that is not JSON: {error}")))?;
    Ok(Json(Defined { registered, definition }))
}

/// The workflow of that name, or that there is none.
pub(super) async fn known(api: &Api, name: &str) -> Result<WorkflowRow, Problem> {
    // Postgres has no word for it.
    let row = if name.contains('\0') { None } else { api.store.workflows(Some(name)).await?.pop() };
    row.ok_or_else(|| {
        Problem::no_such_thing(format!("there is no workflow `{}`", quoted(name)))
            .hint("List them: GET /v1/admin/workflows.")
    })
}

/// Of one that is not there nothing can be listed; where none is named, all are meant.
pub(super) async fn refuse_unknown(api: &Api, name: Option<&str>) -> Result<(), Problem> {
    match name {
        Some(name) => known(api, name).await.map(|_| ()),
        None => Ok(()),
    }
}

/// All versions of a workflow, the newest first.
#[derive(Serialize, ToSchema)]
struct Versions {
    versions: Vec<VersionRow>,
}

/// List the versions of a workflow
#[utoipa::path(
    get, path = "/workflows/{workflow}/versions", tag = "workflows",
    params(("workflow" = String, Path, description = "Its name.")),
    responses((status = 200, description = "All of them.", body = Versions)),
)]
async fn versions(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<Versions>, Problem> {
    known(&api, &name).await?;
    Ok(Json(Versions { versions: api.store.versions(&name).await? }))
}

/// What is to be current, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"version": "9c1b33f0a1d2", "reason": "the new voice"}))]
struct Deploy {
    /// The first digits of its digest, six or more.
    version: Text,
    /// In words.
    reason: Option<Text>,
}

/// What is current now.
#[derive(Serialize, ToSchema)]
struct Deployed {
    workflow: String,
    /// All of its digest.
    version: String,
}

/// Deploy a version of a workflow
///
/// Runs that are started from now on follow it, and its limits hold for the runs of all versions.
#[utoipa::path(
    post, path = "/workflows/{workflow}/deploy", tag = "workflows",
    params(("workflow" = String, Path, description = "Its name.")),
    request_body = Deploy,
    responses((status = 200, description = "It is current.", body = Deployed)),
)]
async fn deploy(
    State(api): State<Api>,
    who: Who,
    Path(name): Path<String>,
    Body(what): Body<Deploy>,
) -> Result<Json<Deployed>, Problem> {
    known(&api, &name).await?;
    let reason = what.reason.as_ref().map(|reason| reason.0.as_str());
    let version = decide::deploy(&api.store, &name, &what.version.0, reason, who.actor()).await?;
    Ok(Json(Deployed { workflow: name, version }))
}

/// Where to go back to, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the new voice stutters"}))]
struct Rollback {
    /// The first digits of its digest, six or more; the version that the current one has replaced, where it is left out.
    version: Option<Text>,
    /// In words.
    reason: Option<Text>,
}

/// Roll a workflow back
///
/// The version that was current before becomes current again. Another rollback goes back further.
#[utoipa::path(
    post, path = "/workflows/{workflow}/rollback", tag = "workflows",
    params(("workflow" = String, Path, description = "Its name.")),
    request_body = Rollback,
    responses((status = 200, description = "It is current again.", body = Deployed)),
)]
async fn roll_back(
    State(api): State<Api>,
    who: Who,
    Path(name): Path<String>,
    Body(what): Body<Rollback>,
) -> Result<Json<Deployed>, Problem> {
    known(&api, &name).await?;
    let version = what.version.as_ref().map(|version| version.0.as_str());
    let reason = what.reason.as_ref().map(|reason| reason.0.as_str());
    let version = decide::roll_back(&api.store, &name, version, reason, who.actor()).await?;
    Ok(Json(Deployed { workflow: name, version }))
}
