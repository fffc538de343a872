//! Errors as answers: RFC 9457, `application/problem+json`.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sqlx::postgres::PgDatabaseError;
use utoipa::ToSchema;

use crate::store::StoreError;
use crate::store::connect::message;

/// The media type of every problem.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";
/// A database that is away is looked for again after that many seconds.
const BACK_IN: &str = "2";

/// A problem of one kind; programs go by the type, people by the rest.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:piton:problem:wrong-state")]
    kind: String,
    /// The same in words, for every problem of that kind.
    #[schema(example = "Not in this state")]
    title: &'static str,
    #[schema(minimum = 400, maximum = 599, example = 409)]
    status: u16,
    /// What is wrong this time.
    #[schema(example = "dead letter 01a20b0a-30d3-7295-8a1e-18acb1a0cd85 was retried by anna already")]
    detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "A new failure of the job is a new dead letter.")]
    hint: Option<String>,
    #[serde(skip)]
    challenge: Option<&'static str>,
}

/// The kinds of problems, each with its status.
macro_rules! kinds {
    ($($name:ident = $status:ident $kind:literal $title:literal;)+) => {
        impl Problem {
            $(pub(super) fn $name(detail: impl Into<String>) -> Problem {
                Problem::new(StatusCode::$status, $kind, $title, detail.into())
            })+
        }
    };
}

kinds! {
    bad_request = BAD_REQUEST "bad-request" "The request cannot be read";
    no_such_thing = NOT_FOUND "not-found" "There is no such thing";
    no_such_method = METHOD_NOT_ALLOWED "method-not-allowed" "This cannot be done here";
    too_slow = REQUEST_TIMEOUT "too-slow" "The body did not come in time";
    wrong_state = CONFLICT "wrong-state" "Not in this state";
    too_large = PAYLOAD_TOO_LARGE "too-large" "The body is too large";
    not_json = UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "The body is not declared as JSON";
    no_such_part = RANGE_NOT_SATISFIABLE "no-such-part" "There is no such part";
    wrong_host = MISDIRECTED_REQUEST "wrong-host" "Not the host that was asked for";
    invalid = UNPROCESSABLE_ENTITY "invalid" "The request is invalid";
    unauthorized = UNAUTHORIZED "unauthorized" "A token is needed";
    forbidden = FORBIDDEN "forbidden" "The token does not allow this";
    another_site = FORBIDDEN "another-site" "A page of another site asks";
    changed = INTERNAL_SERVER_ERROR "changed" "It is not what was committed";
    broken = INTERNAL_SERVER_ERROR "internal" "Piton failed";
    away = SERVICE_UNAVAILABLE "database-away" "The database does not answer";
    took_too_long = GATEWAY_TIMEOUT "took-too-long" "It took too long";
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &'static str, detail: String) -> Problem {
        let kind = format!("urn:piton:problem:{kind}");
        Problem { kind, title, status: status.as_u16(), detail, hint: None, challenge: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }

    /// How to ask instead, as RFC 6750 has it.
    pub(super) fn challenge(self, challenge: &'static str) -> Problem {
        Problem { challenge: Some(challenge), ..self }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match &error {
            StoreError::Away(cause) => {
                tracing::warn!("the database does not answer: {cause}");
                Problem::away("the database does not answer at the moment")
                    .hint("Try again. A change may have been made: look first.")
            }
            StoreError::Refused(sqlx::Error::Database(said)) => match said.try_downcast_ref::<PgDatabaseError>() {
                Some(said) => refused(said),
                None => unexpected(&error),
            },
            StoreError::Refused(_) | StoreError::Damaged(_) => unexpected(&error),
        }
    }
}

/// What the functions of the schema refuse, they say with a code: what it is that is wrong.
fn refused(said: &PgDatabaseError) -> Problem {
    let (code, message) = (said.code(), message(said));
    let problem = match code {
        // no_data_found, undefined_object: named by the caller.
        "P0002" | "42704" => Problem::no_such_thing(message),
        // object_not_in_prerequisite_state
        "55000" => Problem::wrong_state(message),
        // data exceptions, program_limit_exceeded
        code if code.starts_with("22") || code.starts_with("54") => Problem::invalid(message),
        _ => {
            tracing::error!(code, "the database refused what the admin API asked: {}", said.message());
            return Problem::broken("the database refused a statement of Piton; the log says more");
        }
    };
    let more = [said.detail(), said.hint()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    if more.is_empty() { problem } else { problem.hint(more) }
}

fn unexpected(error: &StoreError) -> Problem {
    tracing::error!("the admin API could not answer: {error}");
    Problem::broken("the database answered something that Piton does not understand; the log says more")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A struct of strings and a number always is JSON.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(BACK_IN));
        }
        response
    }
}
