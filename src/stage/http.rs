//! HTTP stages: the input is sent to a URL, and the body of the answer is the output.

mod error;
mod files;
mod retry_after;
mod status;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Client, Method, Response, redirect};
use serde_json::json;

use super::answer;
use super::fill::{Filler, Secrets};
use super::handler::Offer;
use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::workflow::definition::HttpStage;
use crate::workflow::template::Template;

/// Bytes of a failure's body that are kept with the attempt.
const KEPT: usize = 8 * 1024;

/// Clients by connect timeout and redirects, so that attempts share their connections.
#[derive(Debug, Default)]
pub(crate) struct Http(Mutex<HashMap<(Duration, u32), Client>>);

/// Chooses who does the cryptography of TLS; once, before the first request of this process.
pub(crate) fn install_tls() {
    // A second time there is one already, and it is this one.
    rustls::crypto::ring::default_provider().install_default().ok();
}

impl Http {
    /// Runs one attempt. The caller ends it at the stage's time limit; then its connection is closed.
    pub(crate) async fn run(&self, stage: &HttpStage, offer: Offer) -> Result<Payload, Failure> {
        let secrets = secrets(stage);
        let hidden = |failure: Failure| failure.map_message(|message| secrets.hide(message));
        let filler = Filler::new(&offer.input);
        let url = url(stage, &filler)?;
        let method = Method::from_bytes(stage.method.as_bytes()).unwrap_or(Method::POST);
        let mut request = self.client(stage)?.request(method.clone(), url).headers(headers(stage, &filler, &offer)?);
        if !stage.files.is_empty() {
            request = request.multipart(files::form(stage, &filler, &offer.input).await?);
        } else if method != Method::GET {
            request = request.header(CONTENT_TYPE, "application/json").body(offer.input.clone());
        }
        let response = request.send().await.map_err(|error| hidden(error.into()))?;
        if !response.status().is_success() {
            return Err(refused(response, &secrets).await);
        }
        let most = offer.limits.payload_bytes;
        let (body, whole) = read(response, most).await.map_err(|error| hidden(error.into()))?;
        if !whole {
            return Err(Failure::invalid_input(format!(
                "the server sent more than {most} bytes; keep big things in files and hand on their names"
            )));
        }
        let text = String::from_utf8(body)
            .map_err(|error| Failure::invalid_input(format!("the server sent what is not UTF-8: {error}")))?;
        answer::payload(&text, stage.output, "the server sent", most)
    }

    fn client(&self, stage: &HttpStage) -> Result<Client, Failure> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (stage.connect_timeout, stage.redirects);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let redirects = match usize::try_from(stage.redirects) {
            Ok(0) | Err(_) => redirect::Policy::none(),
            Ok(most) => redirect::Policy::limited(most),
        };
        let client = Client::builder().connect_timeout(stage.connect_timeout).redirect(redirects).build()?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

fn secrets(stage: &HttpStage) -> Secrets {
    let templates = [&stage.url].into_iter().chain(stage.headers.values()).chain(&stage.dir);
    Secrets::of(templates.flat_map(Template::variables))
}

fn url(stage: &HttpStage, filler: &Filler<'_>) -> Result<reqwest::Url, Failure> {
    if stage.url.places().try_fold(false, |odd, place| Ok::<_, Failure>(odd || is_dots(&filler.place(place)?)))? {
        return Err(Failure::invalid_input("a part of the URL that comes from the input is only dots"));
    }
    let url = filler.escaped(&stage.url, |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string())?;
    // The URL is not quoted: a variable in it may be a secret.
    reqwest::Url::parse(&url)
        .map_err(|error| Failure::invalid_input(format!("`{}` makes no URL: {error}", stage.url.as_str())))
}

/// Such a part would leave the folder of the URL, however it is escaped.
fn is_dots(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c == '.')
}

fn headers(stage: &HttpStage, filler: &Filler<'_>, offer: &Offer) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("piton/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    let own = [("idempotency-key", offer.context.idempotency_key()), ("traceparent", offer.context.traceparent())];
    for (name, value) in own {
        headers.insert(HeaderName::from_static(name), header_value(name, &value)?);
    }
    for (name, template) in &stage.headers {
        let mut value = header_value(name, &filler.plain(template)?)?;
        value.set_sensitive(true);
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Failure::invalid_input(format!("`{name}` is no name of a header")))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(value).map_err(|_| {
        Failure::invalid_input(format!("the header `{name}` would hold a character that no header can hold"))
    })
}

/// An answer that is no success, with what the server said about it.
async fn refused(response: Response, secrets: &Secrets) -> Failure {
    let status = response.status();
    let wait = retry_after::of(response.headers(), SystemTime::now());
    let location = response.headers().get("location").and_then(|to| to.to_str().ok()).map(answer::quoted);
    // A body that cannot be read says nothing; the status has said enough.
    let body = read(response, KEPT).await.map(|(body, _)| body).unwrap_or_default();
    let body = secrets.hide(&String::from_utf8_lossy(&body));
    let message = secrets.hide(&status::message(status, location.as_deref(), &body));
    let failure = Failure::new(status::class(status), message);
    let failure = failure.detail(json!({"status": status.as_u16(), "body": body}));
    match wait {
        Some(wait) => failure.retry_after(wait),
        None => failure,
    }
}

/// The first `most` bytes of a body, and whether that is all of it.
async fn read(mut response: Response, most: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = most - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body, false));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, true))
}
