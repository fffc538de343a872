//! Schedules: list and show them, pause, resume and trigger them, and make up for ticks of the past.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::types::Uuid;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::control::{Of, Reason};
use super::extract::{Body, Path, Query, Who};
use super::problem::Problem;
use super::words::{Cap, Text};
use super::workflows::refuse_unknown;
use crate::decide::{self, Backfill, ScheduleProblem};
use crate::store::batches::BatchRow;
use crate::store::schedules::{Named, ScheduleRow};
use crate::workflow::schedule::outlook::Tick;

/// Ticks that are shown with a schedule.
const NEXT: usize = 10;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(trigger))
        .routes(routes!(backfill))
}

/// All schedules, by workflow and name.
#[derive(Serialize, ToSchema)]
struct Schedules {
    schedules: Vec<ScheduleRow>,
}

/// List schedules
#[utoipa::path(
    get, path = "/schedules", tag = "schedules",
    params(Of),
    responses((status = 200, description = "All of them, or those of a workflow.", body = Schedules)),
)]
async fn list(State(api): State<Api>, Query(of): Query<Of>) -> Result<Json<Schedules>, Problem> {
    let workflow = of.workflow.as_ref().map(|name| name.0.as_str());
    refuse_unknown(&api, workflow).await?;
    Ok(Json(Schedules { schedules: api.store.schedules(workflow, None).await? }))
}

/// A schedule with its definition and its next ticks.
#[derive(Serialize, ToSchema)]
struct DefinedSchedule {
    #[serde(flatten)]
    row: ScheduleRow,
    /// The keys of its table in the workflow file.
    #[schema(value_type = Object)]
    definition: Box<RawValue>,
    /// None where its definition cannot be read.
    next_ticks: Vec<Tick>,
}

/// Show a schedule
#[utoipa::path(
    get, path = "/schedules/{workflow}/{schedule}", tag = "schedules",
    params(("workflow" = String, Path, description = "Name of the workflow."), ("schedule" = String, Path, description = "Name of the schedule.")),
    responses((status = 200, description = "The schedule, and its next ten ticks.", body = DefinedSchedule)),
)]
async fn show(
    State(api): State<Api>,
    Path((workflow, schedule)): Path<(Text, Text)>,
) -> Result<Json<DefinedSchedule>, Problem> {
    let row = decide::schedule(&api.store, named(&workflow, &schedule)).await?;
    let next_ticks = decide::next_ticks(&row, api.store.now().await?, NEXT).unwrap_or_default();
    let definition =
        RawValue::from_string(row.definition.clone()).map_err(|error| Problem::broken(error.to_string()))?;
    Ok(Json(DefinedSchedule { row, definition, next_ticks }))
}

/// Pause a schedule
///
/// It starts no run until it is resumed, whatever is deployed. Runs that it has started go on.
#[utoipa::path(
    post, path = "/schedules/{workflow}/{schedule}/pause", tag = "schedules",
    params(("workflow" = String, Path, description = "Name of the workflow."), ("schedule" = String, Path, description = "Name of the schedule.")),
    request_body = Reason,
    responses((status = 200, description = "The schedule as it is now.", body = ScheduleRow)),
)]
async fn pause(
    State(api): State<Api>,
    who: Who,
    Path((workflow, schedule)): Path<(Text, Text)>,
    Body(why): Body<Reason>,
) -> Result<Json<ScheduleRow>, Problem> {
    let named = named(&workflow, &schedule);
    decide::pause_schedule(&api.store, named, &why.reason.0, who.actor()).await?;
    Ok(Json(decide::schedule(&api.store, named).await?))
}

/// Why, if anybody wants to say.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "the provider is back"}))]
struct Why {
    /// In words.
    reason: Option<Text>,
}

impl Why {
    fn words(&self) -> Option<&str> {
        self.reason.as_ref().map(|reason| reason.0.as_str())
    }
}

/// Resume a schedule
///
/// It goes on with its next tick; those since it was paused are not made up for.
#[utoipa::path(
    post, path = "/schedules/{workflow}/{schedule}/resume", tag = "schedules",
    params(("workflow" = String, Path, description = "Name of the workflow."), ("schedule" = String, Path, description = "Name of the schedule.")),
    request_body = Why,
    responses((status = 200, description = "The schedule as it is now.", body = ScheduleRow)),
)]
async fn resume(
    State(api): State<Api>,
    who: Who,
    Path((workflow, schedule)): Path<(Text, Text)>,
    Body(why): Body<Why>,
) -> Result<Json<ScheduleRow>, Problem> {
    let named = named(&workflow, &schedule);
    decide::resume_schedule(&api.store, named, why.words(), who.actor()).await?;
    Ok(Json(decide::schedule(&api.store, named).await?))
}

/// The run that was started.
#[derive(Serialize, ToSchema)]
struct Triggered {
    run: Uuid,
}

/// Start a run of a schedule now
///
/// Between its ticks, which stay as they are; also while it is paused.
#[utoipa::path(
    post, path = "/schedules/{workflow}/{schedule}/trigger", tag = "schedules",
    params(("workflow" = String, Path, description = "Name of the workflow."), ("schedule" = String, Path, description = "Name of the schedule.")),
    request_body = Why,
    responses((status = 201, description = "It is started.", body = Triggered)),
)]
async fn trigger(
    State(api): State<Api>,
    who: Who,
    Path((workflow, schedule)): Path<(Text, Text)>,
    Body(why): Body<Why>,
) -> Result<(StatusCode, Json<Triggered>), Problem> {
    let run = decide::trigger_schedule(&api.store, named(&workflow, &schedule), why.words(), who.actor()).await?;
    Ok((StatusCode::CREATED, Json(Triggered { run })))
}

/// Which ticks are made up for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"from": "2026-11-01T00:00:00Z", "to": "2026-11-08T00:00:00Z", "cap": 2}))]
struct NewBackfill {
    /// The first time.
    from: DateTime<Utc>,
    /// The last time.
    to: DateTime<Utc>,
    /// Maximum number of unfinished runs at a time; 1, where it is left out.
    #[schema(value_type = Option<i32>, minimum = 1)]
    cap: Option<Cap>,
    /// Name of the batch; made of the schedule and the two times, where it is left out.
    name: Option<Text>,
    /// Ticks that have a run, too.
    #[serde(default)]
    again: bool,
}

/// Make up for ticks of the past
///
/// Starts a batch with a run for every tick between two times, except those that have one.
#[utoipa::path(
    post, path = "/schedules/{workflow}/{schedule}/backfill", tag = "schedules",
    params(("workflow" = String, Path, description = "Name of the workflow."), ("schedule" = String, Path, description = "Name of the schedule.")),
    request_body = NewBackfill,
    responses((status = 201, description = "The batch.", body = BatchRow)),
)]
async fn backfill(
    State(api): State<Api>,
    who: Who,
    Path((workflow, schedule)): Path<(Text, Text)>,
    Body(new): Body<NewBackfill>,
) -> Result<(StatusCode, Json<BatchRow>), Problem> {
    let name = new.name.as_ref().map(|name| name.0.as_str());
    let cap = new.cap.map_or(1, |cap| cap.0);
    let asked = Backfill { from: new.from, to: new.to, cap, name, again: new.again };
    let row = decide::backfill(&api.store, named(&workflow, &schedule), asked, who.actor().name).await?;
    Ok((StatusCode::CREATED, Json(row)))
}

fn named<'n>(workflow: &'n Text, schedule: &'n Text) -> Named<'n> {
    Named { workflow: &workflow.0, schedule: &schedule.0 }
}

impl From<ScheduleProblem> for Problem {
    fn from(problem: ScheduleProblem) -> Problem {
        match problem {
            ScheduleProblem::Store(error) => error.into(),
            ScheduleProblem::Unknown(said) => Problem::no_such_thing(said),
            ScheduleProblem::Broken { .. } => Problem::wrong_state(problem.to_string()),
            ScheduleProblem::NoTick { .. } | ScheduleProblem::TooMany | ScheduleProblem::Input(_) => {
                Problem::invalid(problem.to_string())
            }
        }
    }
}
