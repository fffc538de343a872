//! Runs: list, show, start and verify them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use sqlx::types::Uuid;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Body, Path, Query};
use super::problem::Problem;
use super::words::{Limit, Priority, Text, Time, Where};
use super::workflows::refuse_unknown;
use crate::model::id::RunId;
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::state::ShownState;
use crate::model::trace::TraceContext;
use crate::store::runs::RunFilter;
use crate::store::starts::{RunStart, StartedOnce};
use crate::verify::{self, Verified};
use crate::view::report::{self, RunReport};
use crate::view::snapshot::Snapshot;

/// Attempts that are shown of one run.
const ATTEMPTS: i64 = 50;
/// Runs below it that are named.
const CHILDREN: i64 = 200;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, start)).routes(routes!(show)).routes(routes!(verify_run))
}

/// Which runs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Of that workflow.
    #[param(inline)]
    workflow: Option<Text>,
    /// In that state.
    #[param(inline)]
    state: Option<ShownState>,
    /// Those that stages of that run have started.
    #[param(value_type = Option<Uuid>)]
    parent: Option<RunId>,
    /// Whose input holds that, such as input.tenant=acme; may be repeated, and then all of it.
    #[serde(default, rename = "where")]
    #[param(inline)]
    conditions: Where,
    /// Behind that run: `next` of the page before.
    #[param(value_type = Option<Uuid>)]
    after: Option<RunId>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// A page of runs, the newest first.
#[derive(Serialize, ToSchema)]
struct Runs {
    runs: Vec<RunReport>,
    /// For `after`, where there may be more.
    next: Option<Uuid>,
}

/// List runs
#[utoipa::path(
    get, path = "/runs", tag = "runs",
    params(Which),
    responses((status = 200, description = "A page of them, the newest first.", body = Runs)),
)]
async fn list(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<Runs>, Problem> {
    let Which { workflow, state, parent, conditions, after, limit } = which;
    let workflow = workflow.as_ref().map(|name| name.0.as_str());
    refuse_unknown(&api, workflow).await?;
    if let Some(parent) = parent {
        api.run(parent).await?;
    }
    let filter = RunFilter { workflow, state, parent, conditions: &conditions.0 };
    let rows = api.store.runs(filter, after, limit.rows()).await?;
    if let (true, Some(after)) = (rows.is_empty(), after) {
        api.run(after).await?;
    }
    let next = limit.next(&rows, |last| last.id.0);
    Ok(Json(Runs { runs: rows.iter().map(RunReport::brief).collect(), next }))
}

/// What is to be run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"workflow": "story", "input": {"topic": "The last lighthouse keepers"}, "priority": 10}))]
struct NewRun {
    /// Its current version is started.
    workflow: Text,
    /// Any JSON, also null, 1 MiB at most; `{}` where it is left out.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = serde_json::Value)]
    input: Option<Box<RawValue>>,
    /// Artifacts that it is started on, which are listed in its input under `files`: an array of their ids, or an object with a name
    /// for each. Cleanup leaves them alone for as long as the run goes on, is blocked or held.
    #[schema(value_type = Option<serde_json::Value>)]
    files: Option<Box<RawValue>>,
    /// Of higher priority is claimed first.
    #[serde(default)]
    #[schema(minimum = -1000, maximum = 1000, default = 0)]
    priority: Priority,
    /// Of that workflow only one run is ever started under it: asking again answers with the first.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    key: Option<Text>,
    /// Refuse it where the first run under the key has another input.
    #[serde(default)]
    same_input: bool,
    /// Not before then.
    #[schema(value_type = Option<chrono::DateTime<chrono::Utc>>)]
    run_at: Option<Time>,
    /// It is cancelled when it is not finished by then.
    #[schema(value_type = Option<chrono::DateTime<chrono::Utc>>)]
    deadline: Option<Time>,
    /// W3C trace context that the run is part of.
    #[schema(
        pattern = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    )]
    traceparent: Option<String>,
    /// What came with it for those who trace.
    tracestate: Option<String>,
}

/// The run that was started, now or under the same key before.
#[derive(Serialize, ToSchema)]
struct Started {
    run: Uuid,
    /// It was started now.
    is_new: bool,
    /// It was started before, and has another input than this one.
    is_other_input: bool,
}

/// Start a run
#[utoipa::path(
    post, path = "/runs", tag = "runs",
    request_body = NewRun,
    responses(
        (status = 201, description = "It is started.", body = Started),
        (status = 200, description = "A run was started under that key before: this one.", body = Started),
    ),
)]
async fn start(State(api): State<Api>, Body(new): Body<NewRun>) -> Result<(StatusCode, Json<Started>), Problem> {
    let input = payload(new.input.as_deref().map_or("{}", RawValue::get))?;
    let trace = trace(new.traceparent.as_deref(), new.tracestate.as_deref())?;
    let [run_at, deadline] = [new.run_at, new.deadline].map(|time| time.map(|Time(at)| at));
    let start = RunStart { input, priority: new.priority.0, run_at, deadline, trace };
    let StartedOnce { run, is_new, is_other_input } = match (&new.key, &new.files) {
        (None, _) if new.same_input => return Err(Problem::invalid("same_input goes with a key")),
        (key, Some(files)) => {
            let which = (new.workflow.0.as_str(), key.as_ref().map(|key| key.0.as_str()));
            api.store.start_current_on_artifacts(which, &start, files.get(), new.same_input).await?
        }
        (Some(key), None) => api.store.start_current_once(&new.workflow.0, &key.0, &start, new.same_input).await?,
        (None, None) => {
            let run = api.store.start_current(&new.workflow.0, &start).await?;
            StartedOnce { run: run.0, is_new: true, is_other_input: false }
        }
    };
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Started { run, is_new, is_other_input })))
}

/// A value that is there, be it null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// A run's input, checked as everywhere.
pub(super) fn payload(text: &str) -> Result<Payload, Problem> {
    let limit = PayloadLimits::default().payload_bytes;
    Payload::parse(text, limit).map_err(|error| Problem::invalid(format!("the run's input: {error}")))
}

fn trace(parent: Option<&str>, state: Option<&str>) -> Result<Option<TraceContext>, Problem> {
    match (parent, state) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Problem::invalid("a tracestate goes with a traceparent")),
        (Some(parent), state) => {
            TraceContext::parse(parent, state).map(Some).map_err(|error| Problem::invalid(error.to_string()))
        }
    }
}

/// Show a run
///
/// With its stages, its last unfinished attempts, and, once it is done, the outputs of its last stages.
#[utoipa::path(
    get, path = "/runs/{run}", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id.")),
    responses((status = 200, description = "The run.", body = RunReport)),
)]
async fn show(State(api): State<Api>, Path(id): Path<RunId>) -> Result<Json<RunReport>, Problem> {
    api.run(id).await?;
    let none = || Problem::no_such_thing(format!("there is no run {id} any more"));
    let snapshot = Snapshot::read(&api.store, &api.definitions, id).await?.ok_or_else(none)?;
    let attempts = api.store.attempts(snapshot.run.id, ATTEMPTS).await?;
    let output = report::outputs(&api.store, &snapshot).await?;
    let schedule = api.store.schedule_of(id.0).await?;
    let family = api.store.family(snapshot.run.key, CHILDREN).await?;
    Ok(Json(RunReport::full(&snapshot, &attempts, output).began_with(schedule).among(family)))
}

/// Verify the checkpoints of a run
///
/// Each is compared with what was committed.
#[utoipa::path(
    get, path = "/runs/{run}/verify", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id.")),
    responses((status = 200, description = "What was found.", body = Verified)),
)]
async fn verify_run(State(api): State<Api>, Path(id): Path<RunId>) -> Result<Json<Verified>, Problem> {
    let run = api.run(id).await?;
    Ok(Json(verify::verify(&api.store, &api.definitions, Some(run.key)).await?))
}
