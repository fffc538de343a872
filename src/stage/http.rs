//! HTTP stages: the input is sent to a URL, and the server's answer is the output.

mod answer;
mod body;
mod clients;
mod error;
mod file_answer;
mod files;
mod opened;
mod poll;
mod retry_after;
mod status;

use std::time::SystemTime;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT,
};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use self::answer::Answer;
use self::body::Body;
use self::clients::Clients;
use self::opened::Opened;
use self::retry_after::Again;
use super::callback::{self, Callback};
use super::fill::Filler;
use super::handler::Offer;
use super::secrets::Secrets;
use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::Payload;
use crate::workflow::definition::{AnswerFormat, HttpStage};
use crate::workflow::template::{Part, Template};

pub(crate) use self::clients::install_tls;
pub(crate) use self::poll::Poll;

/// Bytes of a failure's body that are kept with the attempt.
const KEPT: usize = 8 * 1024;

/// Runs the `http` stages of a worker.
#[derive(Debug, Default)]
pub(crate) struct Http(Clients);

impl Http {
    /// Runs one attempt. The caller ends it at the stage's time limit; then its connection is closed.
    pub(crate) async fn run(&self, stage: &HttpStage, offer: Offer) -> Result<Payload, Failure> {
        self.try_out(stage, offer, &mut None).await
    }

    /// The same; says with which status the server answered, if it did.
    pub(crate) async fn try_out(
        &self,
        stage: &HttpStage,
        offer: Offer,
        status: &mut Option<u16>,
    ) -> Result<Payload, Failure> {
        let secrets = secrets(stage, offer.context.callback());
        let ended = self.output(stage, offer, &secrets, status).await;
        ended.map_err(|failure| failure.redacted(|text, whole| secrets.hide_in_beginning(text, whole, usize::MAX)))
    }

    async fn output(
        &self,
        stage: &HttpStage,
        offer: Offer,
        secrets: &Secrets,
        status: &mut Option<u16>,
    ) -> Result<Payload, Failure> {
        let (most, artifacts) = (offer.limits.payload_bytes, offer.context.artifacts.clone());
        let response = self.answer(stage, offer, secrets, status).await?;
        match stage.output {
            AnswerFormat::File => file_answer::keep(stage, response, &artifacts, most).await,
            _ => whole(response, most).await?.output(stage.output, most, secrets),
        }
    }

    /// What the server answers, where it is a success.
    async fn answer(
        &self,
        stage: &HttpStage,
        offer: Offer,
        secrets: &Secrets,
        status: &mut Option<u16>,
    ) -> Result<Response, Failure> {
        let stored = files::Stored::of(stage).await?;
        let response = self.request(stage, offer, stored.as_ref()).await?.send().await?;
        *status = Some(response.status().as_u16());
        if !response.status().is_success() || stage.classes.of(response.status().as_u16()).is_some() {
            return Err(refused(stage, response, secrets).await);
        }
        if let Some(stored) = stored {
            stored.are_untouched().await?;
        }
        Ok(response)
    }

    async fn request(
        &self,
        stage: &HttpStage,
        offer: Offer,
        stored: Option<&files::Stored>,
    ) -> Result<RequestBuilder, Failure> {
        let tell = |own| offer.context.tell(own);
        let filler = Filler::new(&offer.input, &tell);
        let method = Method::from_bytes(stage.method.as_bytes()).unwrap_or(Method::POST);
        let url = url(stage, &filler)?;
        let headers = headers(stage, &filler, &offer)?;
        let request = self.0.of(stage)?.request(method, url).headers(headers);
        if !stage.files.is_empty() {
            Ok(request.multipart(files::form(stage, &filler, &offer, stored).await?))
        } else if sends_json(stage) {
            Ok(request.body(offer.input.clone()))
        } else {
            Ok(request)
        }
    }
}

/// All of an answer that is an output itself.
async fn whole(response: Response, most: usize) -> Result<Answer, Failure> {
    let Opened { status, headers, body, .. } = Opened::of(response).await?;
    let body = Body::up_to(most, body).await.map_err(opened::failure)?;
    if !body.whole {
        return Err(Failure::invalid_input(format!(
            "the server sent more than {most} bytes; keep big things in files (output = \"file\"), or hand on their names"
        )));
    }
    Ok(Answer { status, headers, body: body.bytes })
}

/// Whether the input itself is the body.
fn sends_json(stage: &HttpStage) -> bool {
    stage.files.is_empty() && stage.method != "GET"
}

/// Variables of the environment, and what a service is to answer with.
fn secrets(stage: &HttpStage, callback: Option<&Callback>) -> Secrets {
    let templates = [&stage.url].into_iter().chain(stage.headers.values()).chain(&stage.dir);
    let own = callback.map(|callback| (callback::TOKEN_VARIABLE.to_owned(), callback.token().to_owned()));
    Secrets::with(templates.flat_map(Template::variables), own)
}

fn url(stage: &HttpStage, filler: &Filler<'_>) -> Result<reqwest::Url, Failure> {
    // The URL is not quoted: a variable in it may be a secret.
    reqwest::Url::parse(&url_text(stage, filler)?)
        .map_err(|error| Failure::invalid_input(format!("`{}` is not a valid URL: {error}", stage.url.as_str())))
}

/// The URL as a request has it.
pub(super) fn url_text(stage: &HttpStage, filler: &Filler<'_>) -> Result<String, Failure> {
    let is_query = |part: &Part| matches!(part, Part::Text(text) if text.contains('?'));
    for part in stage.url.parts().iter().take_while(|part| !is_query(part)) {
        if let Part::Place(place) = part
            && is_dots(&filler.place(place)?)
        {
            return Err(Failure::invalid_input("a part of the URL that comes from the input is only dots"));
        }
    }
    filler.escaped(&stage.url, |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string())
}

/// Such a part would leave the folder of the URL, however it is escaped.
fn is_dots(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c == '.')
}

fn headers(stage: &HttpStage, filler: &Filler<'_>, offer: &Offer) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("piton/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    if sends_json(stage) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let own = [("idempotency-key", offer.context.idempotency_key()), ("traceparent", offer.context.traceparent())];
    let state = offer.context.tracestate().map(|state| ("tracestate", state.to_owned()));
    let callback = offer.context.callback().and_then(|callback| callback.url());
    let callback = callback.map(|url| (callback::HEADER, url.to_owned()));
    for (name, value) in own.into_iter().chain(state).chain(callback) {
        headers.insert(HeaderName::from_static(name), header_value(name, &value)?);
    }
    for (name, template) in &stage.headers {
        let mut value = header_value(name, &filler.plain(template)?)?;
        value.set_sensitive(true);
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Failure::invalid_input(format!("`{name}` is not a valid header name")))?;
        headers.insert(name, value);
    }
    if !stage.files.is_empty() {
        // The form names its own, with its boundary; a second one would contradict it.
        headers.remove(CONTENT_TYPE);
    }
    Ok(headers)
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(value).map_err(|_| {
        Failure::invalid_input(format!("the header `{name}` would contain a character that no header can contain"))
    })
}

/// An answer that is no success to this stage, with what the server said about it.
async fn refused(stage: &HttpStage, response: Response, secrets: &Secrets) -> Failure {
    let status = response.status();
    let again = Again::of(response.headers(), SystemTime::now());
    // Hidden before anything is cut: half a secret would not be found any more.
    let said = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).map(|to| secrets.hide(to));
    let target = said.map(|to| status::Target { to, follows: stage.redirects > 0 });
    let body = Body::in_short(KEPT + secrets.longest(), response).await;
    let body = secrets.hide_in_beginning(&String::from_utf8_lossy(&body.bytes), body.whole, KEPT);
    let message = status::message(status, target.as_ref(), &body);
    let class = stage.classes.of(status.as_u16()).unwrap_or_else(|| status::class(status, &again));
    let failure = Failure::new(class, message);
    let failure = failure.detail(json!({"status": status.as_u16(), "body": body}));
    // The end of a limit says nothing about a server that is down.
    match again.after.or(again.reset.filter(|_| class == FailureClass::RateLimited)) {
        Some(wait) => failure.retry_after(wait),
        None => failure,
    }
}
