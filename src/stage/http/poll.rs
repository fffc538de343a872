//! A service is asked again how far it is.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;

use super::retry_after::Again;
use super::{Http, secrets, whole};
use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::Payload;
use crate::stage::handler::Offer;
use crate::workflow::definition::{AnswerFormat, DEFAULT_CONNECT_TIMEOUT, HttpStage, StageKind};
use crate::workflow::service::PollDoor;

/// A service answers within that time, or the poll has failed.
const LONGEST: Duration = Duration::from_secs(30);

/// What came of a poll.
#[derive(Debug)]
pub(crate) enum Poll {
    /// JSON, and when the service wants to be asked again.
    Answer(Payload, Option<Duration>),
    /// There is no such work there any more.
    Gone(Failure),
    /// It had no answer that could be read.
    Missed(Failure),
}

impl Http {
    /// Asks the service of a stage of that kind; the input in the offer has the service's first answer, too.
    pub(crate) async fn poll(&self, kind: &StageKind, poll: &PollDoor, offer: Offer) -> Poll {
        let stage = request(kind, poll);
        let (secrets, most) = (secrets(&stage, None), offer.limits.payload_bytes);
        let mut status = None;
        let asked = async {
            let response = self.answer(&stage, offer, &secrets, &mut status).await?;
            let again = Again::of(response.headers(), SystemTime::now()).after;
            let output = whole(response, most).await?.output(AnswerFormat::Json, most, &secrets)?;
            Ok((output, again))
        };
        let asked = tokio::time::timeout(LONGEST, asked).await.unwrap_or_else(|_| {
            Err(Failure::network_timeout(format!("the server did not answer within {} s", LONGEST.as_secs())))
        });
        let asked = asked.map_err(|failure: Failure| {
            failure.redacted(|text, whole| secrets.hide_in_beginning(text, whole, usize::MAX))
        });
        match asked {
            Ok((output, again)) => Poll::Answer(output, again),
            Err(failure) if is_gone(status) => {
                let message = format!("the service knows nothing of the work any more: {}", failure.message());
                Poll::Gone(Failure::new(FailureClass::ResourceUnavailable, message))
            }
            Err(failure) => Poll::Missed(failure),
        }
    }
}

fn is_gone(status: Option<u16>) -> bool {
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    matches!(status, Some(StatusCode::NOT_FOUND | StatusCode::GONE))
}

/// A poll as a request: it connects and says who asks as the stage's own request does.
fn request(kind: &StageKind, poll: &PollDoor) -> HttpStage {
    let own = match kind {
        StageKind::Http(own) => Some(own),
        StageKind::Rust { .. }
        | StageKind::Command(_)
        | StageKind::Sql(_)
        | StageKind::Sleep(_)
        | StageKind::Signal(_)
        | StageKind::Run(_) => None,
    };
    let mut headers = own.map(|own| own.headers.clone()).unwrap_or_default();
    for (name, value) in &poll.headers {
        headers.retain(|known, _| !known.eq_ignore_ascii_case(name));
        headers.insert(name.clone(), value.clone());
    }
    HttpStage {
        url: poll.url.clone(),
        method: "GET".to_owned(),
        headers,
        connect_timeout: own.map_or(DEFAULT_CONNECT_TIMEOUT, |own| own.connect_timeout),
        redirects: own.map(|own| own.redirects).unwrap_or_default(),
        files: Default::default(),
        dir: None,
        output: AnswerFormat::Json,
        file: None,
        classes: Default::default(),
    }
}
