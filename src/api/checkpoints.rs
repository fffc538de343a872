//! Checkpoints: list them, show them with their outputs, and have them done again.

use std::str::FromStr;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::types::Uuid;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Body, Path, Query, Who};
use super::problem::Problem;
use super::words::{Item, Limit, Text};
use crate::decide::{self, Again};
use crate::model::digest;
use crate::model::id::{NO_ITEM, RunId};
use crate::store::StoreError;
use crate::store::checkpoints::WholeCheckpoint;
use crate::store::dead_letters::Origin;
use crate::store::overview::CheckpointRow;
use crate::store::runs::RunRow;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, delete))
}

/// Which checkpoints.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Behind that one: `next` of the page before.
    #[param(value_type = Option<String>, pattern = "^[0-9]{1,4}[.](-1|[0-9]{1,9})$", example = "3.1023")]
    after: Option<Place>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// Place of a checkpoint in its run: the position of its stage, and its item.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Place(i16, i32);

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Place, String> {
        let parts = text
            .split_once('.')
            .and_then(|(stage, item)| Some((i16::from_str(stage).ok()?, i32::from_str(item).ok()?)));
        let sound = parts.filter(|(stage, item)| *stage >= 0 && *item >= NO_ITEM);
        sound.map(|(stage, item)| Place(stage, item)).ok_or_else(|| "take it from `next` of the page before".to_owned())
    }
}

/// A page of checkpoints, in the order of the stages and their items.
#[derive(Serialize, ToSchema)]
struct Checkpoints {
    checkpoints: Vec<CheckpointRow>,
    /// For `after`, where there may be more.
    next: Option<String>,
}

/// List the checkpoints of a run
///
/// Without their outputs.
#[utoipa::path(
    get, path = "/runs/{run}/checkpoints", tag = "runs",
    params(("run" = Uuid, Path, description = "Its id."), Which),
    responses((status = 200, description = "A page of them.", body = Checkpoints)),
)]
async fn list(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(which): Query<Which>,
) -> Result<Json<Checkpoints>, Problem> {
    let run = api.run(run).await?;
    let definition = api.definitions.get(&api.store, run.version).await?;
    let after = which.after.map(|place| (place.0, place.1));
    let checkpoints = api.store.checkpoints(run.key, after, which.limit.rows()).await?;
    let stages = &definition.workflow.stages;
    let next = which.limit.next(&checkpoints, |last| {
        let stage = stages.iter().position(|stage| stage.name.as_str() == last.stage)?;
        Some(format!("{stage}.{}", last.item))
    });
    let next = next.flatten();
    Ok(Json(Checkpoints { checkpoints, next }))
}

/// Which one of a stage.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichItem {
    /// Of a fanned-out stage; without it the whole stage, or the record of its split, whose output is the number of items.
    #[param(inline)]
    item: Option<Item>,
}

/// A checkpoint with its output.
#[derive(Serialize, ToSchema)]
struct Shown {
    stage: String,
    item: Option<i32>,
    attempt: i32,
    started_at: chrono::DateTime<chrono::Utc>,
    finished_at: chrono::DateTime<chrono::Utc>,
    bytes: i32,
    /// SHA-256 of what was committed.
    digest: String,
    /// The output is what was committed.
    sound: bool,
    /// Why there is no output, where the job was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    #[schema(value_type = serde_json::Value)]
    output: Box<RawValue>,
}

/// Show a checkpoint with its output
#[utoipa::path(
    get, path = "/runs/{run}/checkpoints/{stage}", tag = "runs",
    params(
        ("run" = Uuid, Path, description = "Its run."),
        ("stage" = String, Path, description = "Name of its stage."),
        WhichItem,
    ),
    responses((status = 200, description = "The checkpoint.", body = Shown)),
)]
async fn show(
    State(api): State<Api>,
    Path((run, stage)): Path<(RunId, String)>,
    Query(which): Query<WhichItem>,
) -> Result<Json<Shown>, Problem> {
    let run = api.run(run).await?;
    let number = api.stage(&run, &stage).await?;
    let item = which.item.map(|item| item.0);
    let found = api.store.checkpoint(run.key, number, item.unwrap_or(NO_ITEM)).await?;
    let none = || Problem::no_such_thing(format!("run {} has no such checkpoint of stage `{stage}`", run.id));
    let WholeCheckpoint { attempt, started_at, finished_at, bytes, digest, output, skipped } =
        found.ok_or_else(none)?;
    let expected = skipped.as_deref().map_or_else(|| digest::of(&output), digest::of_skip);
    let sound = expected.as_slice() == digest.as_slice();
    let output = RawValue::from_string(output)
        .map_err(|error| StoreError::Damaged(format!("an output that is not JSON: {error}")))?;
    Ok(Json(Shown {
        stage,
        item,
        attempt,
        started_at,
        finished_at,
        bytes,
        digest: digest::hex(&digest),
        sound,
        skipped,
        output,
    }))
}

/// What to do where nothing can be done again.
const KEPT: &str = "Checkpoints of a run that goes on, or has ended, are kept. Start a new run, or give up a live job first: \
                    POST /v1/admin/dead-letters/force.";

/// Why, in words.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Why {
    note: Option<Text>,
}

/// What was done.
#[derive(Serialize, ToSchema)]
struct DoneAgain {
    /// The dead letter that was retried from that stage.
    dead_letter: Uuid,
}

/// Delete the checkpoints of a stage, so that it is done again
///
/// Everything that needs it is done again as well. A run that is done, or not blocked, keeps its checkpoints: this
/// retries the pending dead letter that comes after the stage, from the stage. The old outputs stay in piton.past_checkpoints.
#[utoipa::path(
    delete, path = "/runs/{run}/checkpoints/{stage}", tag = "runs",
    params(
        ("run" = Uuid, Path, description = "Its run."),
        ("stage" = String, Path, description = "Name of the stage."),
    ),
    request_body = Why,
    responses((status = 200, description = "The stage is done again.", body = DoneAgain)),
)]
async fn delete(
    State(api): State<Api>,
    who: Who,
    Path((run, stage)): Path<(RunId, String)>,
    Body(why): Body<Why>,
) -> Result<Json<DoneAgain>, Problem> {
    let run = api.run(run).await?;
    api.stage(&run, &stage).await?;
    let again = Again { from: Origin::Stage(&stage), note: why.note.as_ref().map(|note| note.0.as_str()) };
    let blocked = decide::do_again(&api.store, run.id, again, who.actor()).await?;
    let keeps = || {
        Problem::wrong_state(format!("run {} is {}, and no dead letter of it waits for a decision", run.id, run.state))
            .hint(KEPT)
    };
    blocked.map(|dead_letter| Json(DoneAgain { dead_letter })).ok_or_else(keeps)
}

impl Api {
    /// Position of that stage in what the run follows, or that there is none.
    async fn stage(&self, run: &RunRow, name: &str) -> Result<i16, Problem> {
        let definition = self.definitions.get(&self.store, run.version).await?;
        let stages = (0i16..).zip(&definition.workflow.stages);
        let found = stages.into_iter().find(|(_, stage)| stage.name.as_str() == name).map(|(number, _)| number);
        let names =
            || definition.workflow.stages.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>().join(", ");
        let none = || {
            Problem::no_such_thing(format!("the workflow of run {} has no stage `{name}`", run.id))
                .hint(format!("It has: {}.", names()))
        };
        found.ok_or_else(none)
    }
}
