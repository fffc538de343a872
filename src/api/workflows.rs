//! Workflows: listed, shown.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::Problem;
use super::take::Path;
use crate::model::digest::hex;
use crate::store::StoreError;
use crate::store::workflows::WorkflowRow;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// A workflow, by the version that was registered last: what is started.
#[derive(Serialize, ToSchema)]
struct Registered {
    workflow: String,
    /// SHA-256 of what the version says; nothing where an older Piton left no plan for it.
    version: Option<String>,
    /// How many versions of it there are.
    versions: i64,
    /// When its name was first registered.
    registered_at: chrono::DateTime<chrono::Utc>,
}

impl Registered {
    fn of(row: &WorkflowRow) -> Registered {
        let WorkflowRow { workflow, digest, versions, registered_at, .. } = row;
        let version = digest.as_deref().map(hex);
        Registered { workflow: workflow.clone(), version, versions: *versions, registered_at: *registered_at }
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
    responses((status = 200, description = "It.", body = Defined)),
)]
async fn show(State(api): State<Api>, Path(name): Path<String>) -> Result<Json<Defined>, Problem> {
    let none =
        || Problem::no_such_thing(format!("there is no workflow `{name}`")).hint("List them: GET /v1/admin/workflows.");
    // Postgres has no word for it.
    let row = if name.contains('\0') { None } else { api.store.workflows(Some(&name)).await?.pop() };
    let row = row.ok_or_else(none)?;
    let registered = Registered::of(&row);
    let definition = row.definition.map(RawValue::from_string).transpose();
    let definition =
        definition.map_err(|error| StoreError::Damaged(format!("a definition that is not JSON: {error}")))?;
    Ok(Json(Defined { registered, definition }))
}
