//! Errors as answers: RFC 9457, `application/problem+json`.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::meters::callbacks::Callback;
use crate::store::StoreError;

#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    retry_after: Option<Duration>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem { status, kind, detail: detail.into(), retry_after: None }
    }

    /// The same for a token that never was one and for one that is over.
    pub(super) fn nothing_there() -> Problem {
        let detail = "this token opens nothing: it is none, or what it was for is over";
        Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(super) fn not_posted() -> Problem {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "callbacks are sent with POST")
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    pub(super) fn too_large(most: usize) -> Problem {
        let detail = format!("the body has more than {most} bytes; keep big things in files and send their names");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }

    pub(super) fn took_too_long() -> Problem {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the request took too long; send it again")
    }

    pub(super) fn too_many(wait: Duration) -> Problem {
        let detail = "too many tokens of this client open nothing";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail);
        Problem { retry_after: Some(wait), ..problem }
    }

    pub(super) fn outcome(&self) -> Callback {
        match self.status {
            StatusCode::NOT_FOUND => Callback::Unknown,
            StatusCode::CONFLICT => Callback::Late,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INTERNAL_SERVER_ERROR => Callback::Unanswered,
            _ => Callback::Invalid,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let (code, said) = (error.code(), error.refusal().unwrap_or_default());
        match (&error, code.as_deref()) {
            (StoreError::Away(_), _) => {
                tracing::warn!("a callback waits: {error}");
                let detail = "the database does not answer at the moment; send it again";
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database-away", detail);
                Problem { retry_after: Some(Duration::from_secs(2)), ..problem }
            }
            // no_data_found
            (_, Some("P0002")) => Problem::nothing_there(),
            // object_not_in_prerequisite_state
            (_, Some("55000")) => Problem::new(StatusCode::CONFLICT, "wrong-state", said),
            // data exceptions, program_limit_exceeded
            (_, Some(code)) if code.starts_with("22") || code.starts_with("54") => Problem::invalid(said),
            _ => {
                tracing::error!("a callback could not be answered: {error}");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Piton failed; its log says more")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:piton:problem:{}", self.kind),
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let headers = [(CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, headers, body.to_string()).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
