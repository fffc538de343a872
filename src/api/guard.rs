//! What every request passes first: access, the time limit, and headers of the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::Access;
use super::problem::Problem;

/// A request, with its body, takes no longer.
const LONGEST: Duration = Duration::from_secs(30);

/// An answer is for whoever asked, as it is, and no page may show it as its own.
const HEADERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("content-security-policy"), "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("referrer-policy"), "no-referrer"),
];

pub(super) async fn guard(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    // Neither the query nor a header: what is in them is for nobody else.
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let admitted = access.admit(&method, request.uri(), request.headers());
    let by = admitted.as_ref().map_or_else(|_| String::new(), |caller| caller.name.to_string());
    let mut response = match admitted {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            in_time(next.run(request)).await
        }
        Err(problem) => problem.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let (status, ms) = (response.status().as_u16(), begun.elapsed().as_millis());
    tracing::debug!(%method, path, status, by, ms, "admin API asked");
    response
}

async fn in_time(answer: impl Future<Output = Response>) -> Response {
    tokio::time::timeout(LONGEST, answer).await.unwrap_or_else(|_| {
        Problem::took_too_long(format!("there was no answer within {} s", LONGEST.as_secs()))
            .hint("What was asked for may still have been done: look first. Ask for less at once.")
            .into_response()
    })
}
