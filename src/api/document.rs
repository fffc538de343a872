//! The OpenAPI document: made from the routes themselves, with the answers that all of them may give.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::{PROBLEM_JSON, Problem};

/// What every request may be answered with, and what those that change something.
const ALWAYS: [(&str, &str); 8] = [
    ("400", "The request does not match this document."),
    ("401", "A token is needed, or this one is not known."),
    ("403", "The token does not allow this; or, without a token, a page of another site asked."),
    ("404", "There is no such thing."),
    ("421", "Without a token, only requests to localhost are answered."),
    ("500", "Piton failed, or an artifact is not what was committed; its log has more."),
    ("503", "The database does not answer; ask again."),
    ("504", "It took too long, and may have been done."),
];
const CHANGING: [(&str, &str); 5] = [
    ("408", "The body did not come in time."),
    ("409", "Its state does not allow this."),
    ("413", "The body is too large."),
    ("415", "The body is not declared as JSON."),
    ("422", "The request is invalid."),
];

/// What the document says before its routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Piton's admin API",
        description = "Shows runs, dead letters, workers and workflows, and takes decisions about them. Every change is a row of \
                       the table piton.audit. Errors are RFC 9457 problems. Lists come in \
                       pages: pass `next` of an answer as `after` of the next request; it is null on the last page.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    security(("token" = [])),
    components(schemas(Problem)),
    tags(
        (name = "runs", description = "Executions of workflows, and their results."),
        (name = "batches", description = "Runs that were started together."),
        (name = "schedules", description = "When workflows start by themselves."),
        (name = "queues", description = "What waits, and what is paused."),
        (name = "artifacts", description = "Files that stages made."),
        (name = "cleanup", description = "What is deleted, and when."),
        (name = "dead letters", description = "Jobs that were given up, and decisions about them."),
        (name = "recovery", description = "Jobs of workers that are gone."),
        (name = "workers", description = "Processes that work on runs."),
        (name = "workflows", description = "Definitions of what can be run."),
        (name = "about", description = "This document.")
    )
)]
struct Beginning;

/// The document without its routes.
pub(super) fn beginning() -> Document {
    let mut document = Beginning::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let components = document.components.get_or_insert_default();
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token of PITON_API_READER_TOKEN may read, one of PITON_API_OPERATOR_TOKEN may do everything. Where none is \
         set, none is needed, and only this machine is answered.",
    ));
    components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    for (status, description) in ALWAYS.iter().chain(&CHANGING) {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(*description).content(PROBLEM_JSON, content).build();
        components.responses.insert(name(status), RefOr::T(response));
    }
    document
}

/// Adds to every route what it may be answered with instead.
pub(super) fn finish(mut document: Document) -> Document {
    for item in document.paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            let changes = !matches!(method, HttpMethod::Get);
            add(operation, ALWAYS.iter());
            add(operation, CHANGING.iter().filter(|_| changes));
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let (get, post, delete) = (item.get.as_mut(), item.post.as_mut(), item.delete.as_mut());
    [(HttpMethod::Get, get), (HttpMethod::Post, post), (HttpMethod::Delete, delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation?)))
}

fn add<'a>(operation: &mut Operation, statuses: impl Iterator<Item = &'a (&'a str, &'a str)>) {
    for (status, _) in statuses {
        let responses = &mut operation.responses.responses;
        responses.entry((*status).to_owned()).or_insert_with(|| RefOr::Ref(Ref::from_response_name(name(status))));
    }
}

fn name(status: &str) -> String {
    format!("Problem{status}")
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(document))
}

/// Any JSON object.
#[derive(ToSchema)]
#[schema(value_type = Object)]
#[allow(dead_code, reason = "only its schema is used")]
struct AnyObject(serde_json::Value);

/// This document.
///
/// Needs no token.
#[utoipa::path(
    get, path = "/openapi.json", tag = "about", security(()),
    responses((status = 200, description = "The document.", body = AnyObject)),
)]
async fn document(State(api): State<Api>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], api.document.get().cloned().unwrap_or_else(Bytes::new))
}
