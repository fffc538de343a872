//! Batches: start, list, show, cancel and retry them, and read the results of their items.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::types::Uuid;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::control::Reason;
use super::extract::{Body, Path, Query, Who};
use super::problem::Problem;
use super::runs::payload;
use super::words::{Cap, Item, Limit, Priority, Text};
use crate::decide;
use crate::model::failure::FailureClass;
use crate::store::batches::{BatchRow, BatchStart};
use crate::view::batch::{BatchReport, ItemReport};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(show))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(results))
}

/// Which batches.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Behind that batch: `next` of the page before.
    after: Option<Uuid>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// A page of batches, the newest first.
#[derive(Serialize, ToSchema)]
struct Batches {
    batches: Vec<BatchRow>,
    /// For `after`, where there may be more.
    next: Option<Uuid>,
}

/// List batches
#[utoipa::path(
    get, path = "/batches", tag = "batches",
    params(Which),
    responses((status = 200, description = "A page of them, the newest first.", body = Batches)),
)]
async fn list(State(api): State<Api>, Query(which): Query<Which>) -> Result<Json<Batches>, Problem> {
    let batches = api.store.batches(which.after, which.limit.rows()).await?;
    let next = which.limit.next(&batches, |last| last.batch);
    Ok(Json(Batches { batches, next }))
}

/// What is to be run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "nightly", "workflow": "story", "inputs": [{"topic": "Salt"}, {"topic": "Tides"}], "cap": 10}))]
struct NewBatch {
    /// No other batch has it: up to 100 letters, digits and . _ : @ + -.
    name: Text,
    /// Its current version is started.
    workflow: Text,
    /// One for each run; each is any JSON, 1 MiB at most.
    #[schema(value_type = Vec<serde_json::Value>, min_items = 1)]
    inputs: Vec<Box<RawValue>>,
    /// Maximum number of unfinished runs at a time; all start at once, where it is left out.
    #[schema(value_type = Option<i32>, minimum = 1)]
    cap: Option<Cap>,
    /// Runs of higher priority are claimed first.
    #[serde(default)]
    #[schema(minimum = -1000, maximum = 1000, default = 0)]
    priority: Priority,
}

/// Start a batch
///
/// All of it or nothing. Larger batches are started with the command line or in SQL.
#[utoipa::path(
    post, path = "/batches", tag = "batches",
    request_body = NewBatch,
    responses((status = 201, description = "It is started.", body = BatchReport)),
)]
async fn start(
    State(api): State<Api>,
    who: Who,
    Body(new): Body<NewBatch>,
) -> Result<(StatusCode, Json<BatchReport>), Problem> {
    let inputs = new.inputs.iter().map(|input| payload(input.get())).collect::<Result<Vec<_>, _>>()?;
    let cap = new.cap.map(|cap| cap.0);
    let start = BatchStart { name: &new.name.0, workflow: &new.workflow.0, cap, priority: new.priority.0 };
    let batch = decide::start_batch(&api.store, start, &inputs, who.actor().name).await?;
    Ok((StatusCode::CREATED, Json(BatchReport::read(&api.store, &batch.to_string()).await?)))
}

/// Show a batch
#[utoipa::path(
    get, path = "/batches/{batch}", tag = "batches",
    params(("batch" = String, Path, description = "Its name or its id.")),
    responses((status = 200, description = "The batch, and how its runs are doing.", body = BatchReport)),
)]
async fn show(State(api): State<Api>, Path(batch): Path<Text>) -> Result<Json<BatchReport>, Problem> {
    Ok(Json(BatchReport::read(&api.store, &batch.0).await?))
}

/// The batch that was cancelled.
#[derive(Serialize, ToSchema)]
struct BatchEnded {
    /// It was not whole, so that nothing of it had begun: it is gone, and its name is free.
    discarded: bool,
    /// Runs that were ended.
    cancelled: usize,
    /// Items that never start.
    never_started: i32,
}

/// Cancel a batch
///
/// Items that have not started never will, and unfinished runs are cancelled. If it took too long, ask again: it
/// continues.
#[utoipa::path(
    post, path = "/batches/{batch}/cancel", tag = "batches",
    params(("batch" = String, Path, description = "Its name or its id.")),
    request_body = Reason,
    responses((status = 200, description = "It is cancelled.", body = BatchEnded)),
)]
async fn cancel(
    State(api): State<Api>,
    who: Who,
    Path(batch): Path<Text>,
    Body(why): Body<Reason>,
) -> Result<Json<BatchEnded>, Problem> {
    let ended = decide::cancel_batch(&api.store, &batch.0, &why.reason.0, who.actor()).await?;
    Ok(Json(match ended {
        None => BatchEnded { discarded: true, cancelled: 0, never_started: 0 },
        Some(ended) => BatchEnded { discarded: false, cancelled: ended.runs, never_started: ended.row.not_started },
    }))
}

/// Which dead letters of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"class": "rate_limited", "note": "the provider is back"}))]
struct RetryBatch {
    /// Those of every class, where it is left out.
    class: Option<FailureClass>,
    /// Why, in words.
    note: Option<Text>,
}

/// How many dead letters.
#[derive(Serialize, ToSchema)]
struct RetriedOfBatch {
    retried: usize,
}

/// Retry the dead letters of a batch
///
/// Their jobs go on from the last checkpoints, with a new retry budget.
#[utoipa::path(
    post, path = "/batches/{batch}/retry", tag = "batches",
    params(("batch" = String, Path, description = "Its name or its id.")),
    request_body = RetryBatch,
    responses((status = 200, description = "Their jobs go on.", body = RetriedOfBatch)),
)]
async fn retry(
    State(api): State<Api>,
    who: Who,
    Path(batch): Path<Text>,
    Body(which): Body<RetryBatch>,
) -> Result<Json<RetriedOfBatch>, Problem> {
    let (class, note) = (which.class.map(FailureClass::as_str), which.note.as_ref().map(|note| note.0.as_str()));
    let retried = decide::retry_batch(&api.store, &batch.0, class, note, who.actor()).await?;
    Ok(Json(RetriedOfBatch { retried }))
}

/// Which items.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Items {
    /// Behind that item: `next` of the page before.
    #[param(inline)]
    after: Option<Item>,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// A page of items, in their order.
#[derive(Serialize, ToSchema)]
struct Results {
    results: Vec<ItemReport>,
    /// For `after`, where there may be more.
    next: Option<i32>,
}

/// Bytes of outputs after which a page ends, however many more items it may have.
const PAGE_BYTES: usize = 16 << 20;

/// List the results of a batch
///
/// A page also ends after 16 MiB of outputs; `next` says where the next one begins.
#[utoipa::path(
    get, path = "/batches/{batch}/results", tag = "batches",
    params(("batch" = String, Path, description = "Its name or its id."), Items),
    responses((status = 200, description = "A page of them, in order.", body = Results)),
)]
async fn results(
    State(api): State<Api>,
    Path(batch): Path<Text>,
    Query(which): Query<Items>,
) -> Result<Json<Results>, Problem> {
    let batch = api.store.batch(&batch.0).await?.batch;
    let after = which.after.map_or(0, |item| item.0);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let mut found = api.store.batch_results(batch, after, which.limit.most());
    while let Some(row) = found.try_next().await? {
        bytes += row.bytes();
        rows.push(row);
        if bytes > PAGE_BYTES {
            break;
        }
    }
    let next =
        if bytes > PAGE_BYTES { rows.last().map(|last| last.item) } else { which.limit.next(&rows, |last| last.item) };
    let results = rows.into_iter().map(ItemReport::try_from).collect::<Result<_, _>>()?;
    Ok(Json(Results { results, next }))
}
