//! Extractors that read requests strictly: path, query and body, each refused as a problem.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::rejection::in_words;
use super::tokens::Caller;
use crate::model::actor::{Actor, Face};
use crate::model::text::utf8;

/// Bytes of a body: a run's input as large as it may be, and what is said beside it.
pub(super) const MOST_BYTES: usize = (1 << 20) + (64 << 10);

/// A body takes no longer to come.
const LONGEST: Duration = Duration::from_secs(10);

/// Parameters in the path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|path| Path(path.0))
            .map_err(|error| Problem::bad_request(format!("the path: {}", in_words(&error.body_text()))))
    }
}

/// Parameters behind the question mark; one that is not known is refused, for it was meant to change the answer.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = percent_decode_str(parts.uri.query().unwrap_or_default()).decode_utf8();
        // Read leniently, it would be another one.
        if text.is_err() {
            return Err(Problem::bad_request("the query is not UTF-8"));
        }
        let together = with_conditions_together(&parts.uri);
        let read = axum::extract::Query::<T>::try_from_uri(together.as_ref().unwrap_or(&parts.uri));
        read.map(|query| Query(query.0))
            .map_err(|error| Problem::bad_request(format!("the query: {}", in_words(&error.body_text()))))
    }
}

/// Conditions are repeated, each under the same name, which the reader of queries refuses: they become lines of one. `None`
/// where none is repeated.
fn with_conditions_together(uri: &Uri) -> Option<Uri> {
    const NAME: &str = "where=";
    let (conditions, others): (Vec<&str>, Vec<&str>) = uri.query()?.split('&').partition(|pair| pair.starts_with(NAME));
    if conditions.len() < 2 {
        return None;
    }
    let lines: Vec<&str> = conditions.iter().map(|pair| &pair[NAME.len()..]).collect();
    let query = [others.join("&"), format!("{NAME}{}", lines.join("%00"))].join("&");
    format!("/?{query}").parse().ok()
}

/// A body of JSON. It must be said to be JSON: a page of another site cannot send that without being allowed to.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !says_json(request.headers()) {
            return Err(Problem::not_json("the body has to come as application/json")
                .hint("Send it with the header: Content-Type: application/json."));
        }
        let whole = tokio::time::timeout(LONGEST, Bytes::from_request(request, state)).await;
        let late = |_| Problem::too_slow(format!("the body did not come within {} s", LONGEST.as_secs()));
        let bytes = whole.map_err(late)?.map_err(unread)?;
        let text = utf8(&bytes).map_err(|error| Problem::bad_request(format!("the body is not UTF-8: {error}")))?;
        // A list would be read as the fields in their order.
        if !text.trim_start().starts_with('{') {
            return Err(Problem::bad_request("the body is not a JSON object"));
        }
        serde_json::from_str(text).map(Body).map_err(|error| {
            Problem::bad_request(format!("the body: {}", in_words(&error.to_string())))
                .hint("GET /v1/admin/openapi.json says what it may be.")
        })
    }
}

pub(super) fn says_json(headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn unread(error: BytesRejection) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::too_large(format!("the body has more than {MOST_BYTES} bytes"))
            .hint("Keep big things in files and hand on their names.");
    }
    Problem::bad_request(format!("the body did not come whole: {}", error.body_text()))
}

/// Who asks.
pub(super) struct Who(Caller);

impl Who {
    pub(super) fn actor(&self) -> Actor<'_> {
        Actor { name: &self.0.name, face: Face::Api }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Who).ok_or_else(|| Problem::broken("nobody was let in"))
    }
}
