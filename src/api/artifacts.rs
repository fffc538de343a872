//! Artifacts: list them, download one.

mod served;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Path, Query};
use super::problem::Problem;
use super::range::Wanted;
use super::words::Limit;
use crate::artifacts::{ArtifactError, Expected};
use crate::model::digest;
use crate::model::id::RunId;
use crate::store::artifacts::{ArtifactRow, Asked};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// Which artifacts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Also those of attempts that are under way, or came to nothing.
    #[serde(default)]
    all: bool,
    #[serde(default)]
    #[param(inline)]
    limit: Limit,
}

/// Artifacts of a run.
#[derive(Serialize, ToSchema)]
struct Artifacts {
    artifacts: Vec<ArtifactRow>,
}

/// List the artifacts of a run
#[utoipa::path(
    get, path = "/runs/{run}/artifacts", tag = "artifacts",
    params(("run" = Uuid, Path, description = "Its id."), Which),
    responses((status = 200, description = "By stage, item, attempt and name, up to the limit.", body = Artifacts)),
)]
async fn list(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(which): Query<Which>,
) -> Result<Json<Artifacts>, Problem> {
    api.run(run).await?;
    let asked = Asked { run, all: which.all, name: None, stage: None, item: None, most: which.limit.rows() };
    Ok(Json(Artifacts { artifacts: api.store.artifacts(asked).await? }))
}

/// Get an artifact
///
/// Its bytes as they were committed, or a part of them. If its file was changed in the store, the answer is a problem if that
/// shows at once, and otherwise breaks off before its end. The whole file is read and verified, even for a part, and for a HEAD.
#[utoipa::path(
    get, path = "/artifacts/{id}", tag = "artifacts",
    params(
        ("id" = Uuid, Path, description = "Its id."),
        ("range" = Option<String>, Header, description = "Bytes of one part, such as bytes=1000- for everything after the first 1000."),
        ("if-range" = Option<String>, Header, description = "The ETag that the part must belong to; otherwise the answer is the whole file."),
    ),
    responses(
        (status = 200, description = "Its bytes.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The requested part.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 416, description = "There is no such part.", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn get(
    State(api): State<Api>,
    Path(id): Path<Uuid>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let none = || Problem::no_such_thing(format!("there is no artifact {id}, or it was never written completely"));
    let found = api.store.artifact(id).await?.ok_or_else(none)?;
    let no_store =
        || Problem::no_such_thing("no artifact store is known here").hint("Name it: piton api --artifacts STORE.");
    let artifacts = api.artifacts.as_ref().ok_or_else(no_store)?;
    let bytes = u64::try_from(found.bytes).unwrap_or_default();
    let tag = format!("\"{}\"", digest::hex(&found.digest));
    // Only a GET has parts.
    let wanted = if method == Method::GET { Wanted::of(&headers, bytes, &tag) } else { Wanted::Whole };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..bytes),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => return Ok(no_such_part(bytes)),
    };
    let name = disposition(&found.name);
    let expected = Expected { name: found.name, bytes, digest: found.digest, stage: found.stage, item: found.item };
    let reader = artifacts.get(&found.address, expected).await.map_err(|error| unreachable(id, &error))?;
    let begun = served::begun(reader, id).await?;
    // Whoever asks for no bytes cannot see them break off.
    let body = match method == Method::HEAD {
        true => begun.verified().await.map(|()| Body::empty())?,
        false => Body::from_stream(begun.part(range.clone())),
    };
    // What a stage made is never shown as a page of this server.
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, (range.end - range.start).to_string()),
        (CONTENT_DISPOSITION, name),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (ETAG, tag),
    ];
    let place = (status == StatusCode::PARTIAL_CONTENT)
        .then(|| [(CONTENT_RANGE, format!("bytes {}-{}/{bytes}", range.start, range.end - 1))]);
    Ok((status, headers, place, body).into_response())
}

fn no_such_part(bytes: u64) -> Response {
    let problem = Problem::no_such_part(format!("the artifact has {bytes} bytes, and none of them is in that part"))
        .hint("Ask for a part of it, or without a Range for all of it.");
    ([(CONTENT_RANGE, format!("bytes */{bytes}"))], problem).into_response()
}

/// The name under which it is to be saved: as it is where all know how, and else as near as ASCII comes.
fn disposition(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    let plain = |c: char| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%') { c } else { '_' };
    let ascii: String = file.chars().map(plain).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(file, NON_ALPHANUMERIC))
}

fn unreachable(id: Uuid, error: &ArtifactError) -> Problem {
    tracing::warn!("artifact {id} cannot be read: {error}");
    Problem::no_such_thing("its file is not in the artifact store, or the store is away")
        .hint("piton cleanup scan tells which files are gone.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_saved_under_its_own_name_and_under_no_other() {
        insta::assert_snapshot!(disposition("pages/Chapter 1.png"), @r#"attachment; filename="Chapter 1.png"; filename*=UTF-8''Chapter%201%2Epng"#);
        insta::assert_snapshot!(disposition("a\r\nSet-Cookie: x\"ü%41"), @r#"attachment; filename="a__Set-Cookie: x___41"; filename*=UTF-8''a%0D%0ASet%2DCookie%3A%20x%22%C3%BC%2541"#);
    }
}
