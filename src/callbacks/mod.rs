//! Where services call back that a stage has asked: a server of its own, apart from the admin API, for whoever has a token and nobody
//! else. It says nothing of tokens that open nothing.

mod limit;
mod problem;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::limit::Limit;
use self::problem::Problem;
use crate::meters::callbacks::Callback;
use crate::model::actor::{Actor, Face};
use crate::model::failure::FailureClass;
use crate::model::payload::{Payload, PayloadLimits};
use crate::model::text;
use crate::store::callbacks::ServiceFailure;
use crate::store::{Store, StoreError};
use crate::system::descriptors;
use crate::telemetry::connections::{self, Peer};
use crate::workflow::duration;

/// Clients at once.
const CONNECTIONS: usize = 256;
/// Statements at once: callbacks leave the database to the work.
const STATEMENTS: usize = 8;
/// A request, with its body, takes no longer.
const LONGEST: Duration = Duration::from_secs(30);
/// What says that a service has failed, or how far it is, is small.
const MOST_SAID: usize = 16 * 1024;

#[derive(Debug)]
struct Callbacks {
    store: Store,
    statements: Semaphore,
    limit: Limit,
}

/// Answers until `stopped`, and then to those who have asked already.
pub(crate) async fn serve(listener: TcpListener, store: Store, stopped: impl Future<Output = ()>) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!("callbacks are answered at http://{address}/v1/callbacks");
    }
    let callbacks = Arc::new(Callbacks { store, statements: Semaphore::new(STATEMENTS), limit: Limit::default() });
    let room = usize::try_from(descriptors::limit() / 4).unwrap_or(usize::MAX);
    connections::serve(listener, router(callbacks), CONNECTIONS.min(room).max(1), stopped).await;
}

fn router(callbacks: Arc<Callbacks>) -> Router {
    Router::new()
        .route("/v1/callbacks/{token}", post(complete))
        .route("/v1/callbacks/{token}/failure", post(fail))
        .route("/v1/callbacks/{token}/heartbeat", post(heartbeat))
        .fallback(async || Problem::nothing_there())
        .method_not_allowed_fallback(async || Problem::not_posted())
        .layer(from_fn_with_state(callbacks.clone(), guard))
        .with_state(callbacks)
}

/// What every request passes first: the limit of its client, and the time limit.
async fn guard(State(callbacks): State<Arc<Callbacks>>, request: Request, next: Next) -> Response {
    let client = client(&request);
    let mut response = match callbacks.limit.wait_of(client, Instant::now()) {
        Some(wait) => {
            Callback::Limited.count();
            Problem::too_many(wait).into_response()
        }
        None => tokio::time::timeout(LONGEST, next.run(request))
            .await
            .unwrap_or_else(|_| Problem::took_too_long().into_response()),
    };
    if response.status() == StatusCode::NOT_FOUND {
        callbacks.limit.missed(client, Instant::now());
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Behind a proxy all of them are the proxy.
fn client(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical())
}

async fn complete(
    State(callbacks): State<Arc<Callbacks>>,
    Path(token): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (by, most) = (who(&request), PayloadLimits::default().payload_bytes);
    let body = body(request, most).await?;
    let output =
        Payload::parse(text(&body)?, most).map_err(|error| Problem::invalid(format!("the output: {error}")))?;
    let actor = Actor { name: &by, face: Face::Api };
    let answered = callbacks.store(async |store| store.complete(&token, &output, actor).await).await;
    Callback::Completed.counted(answered)
}

/// What a service says of its failure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    #[serde(default)]
    class: Option<String>,
    #[serde(default)]
    message: Option<String>,
    /// A duration such as "30s", or seconds.
    #[serde(default)]
    retry_after: Option<serde_json::Value>,
}

async fn fail(
    State(callbacks): State<Arc<Callbacks>>,
    Path(token): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let by = who(&request);
    let body = body(request, MOST_SAID).await?;
    let Failed { class, message, retry_after } = serde_json::from_str(text(&body)?).map_err(|error| {
        Problem::invalid(format!("the failure: {error}; its keys are class, message and retry_after"))
    })?;
    let class = class.as_deref().unwrap_or(FailureClass::Unknown.as_str());
    let class = class.parse::<FailureClass>().map_err(|error| Problem::invalid(error.to_string()))?;
    let retry_after = retry_after.map(|wait| span(&wait)).transpose()?;
    let failure = ServiceFailure { class, message: message.as_deref(), retry_after };
    let actor = Actor { name: &by, face: Face::Api };
    let answered = callbacks.store(async |store| store.fail(&token, failure, actor).await).await;
    Callback::Failed.counted(answered)
}

async fn heartbeat(
    State(callbacks): State<Arc<Callbacks>>,
    Path(token): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let body = body(request, MOST_SAID).await?;
    let said = text(&body)?;
    let progress = match said.trim() {
        "" => None,
        _ => {
            let read = serde_json::from_str::<&RawValue>(said);
            Some(read.map_err(|error| Problem::invalid(format!("the progress: {error}")))?.get())
        }
    };
    let answered = callbacks.store(async |store| store.heartbeat(&token, progress).await).await;
    Callback::Heartbeat.counted(answered)
}

impl Callbacks {
    async fn store(&self, ask: impl AsyncFnOnce(&Store) -> Result<(), StoreError>) -> Result<(), StoreError> {
        // It is never closed; without a permit, one statement more would do no harm.
        let _permit = self.statements.acquire().await;
        ask(&self.store).await
    }
}

impl Callback {
    fn counted(self, answered: Result<(), StoreError>) -> Result<StatusCode, Problem> {
        let answered = answered.map_err(Problem::from);
        match &answered {
            Ok(()) => self.count(),
            Err(problem) => problem.outcome().count(),
        }
        answered.map(|()| StatusCode::NO_CONTENT)
    }
}

/// For the record: a name proves nothing, an address says where to look.
fn who(request: &Request) -> String {
    format!("a service at {}", client(request))
}

async fn body(request: Request<Body>, most: usize) -> Result<Vec<u8>, Problem> {
    refuse_encoded(request.headers())?;
    let read = to_bytes(request.into_body(), most).await;
    read.map(Vec::from).map_err(|_| Problem::too_large(most))
}

fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(axum::http::header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Problem::invalid("the body is compressed; send it as it is")),
        _ => Ok(()),
    }
}

fn text(body: &[u8]) -> Result<&str, Problem> {
    text::utf8(body).map_err(|error| Problem::invalid(format!("the body is not UTF-8: {error}")))
}

fn span(wait: &serde_json::Value) -> Result<Duration, Problem> {
    let read = match wait {
        serde_json::Value::String(text) => duration::parse(text).ok(),
        serde_json::Value::Number(seconds) => {
            seconds.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        }
        _ => None,
    };
    read.ok_or_else(|| Problem::invalid("`retry_after` is a number of seconds, or a duration such as \"30s\""))
}
