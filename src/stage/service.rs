//! Stages that ask a service and wait for it: what of an answer is a handle, what their attempts begin to wait for, and what a failure
//! of the service is. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::Payload;
use crate::model::times::later;
use crate::model::wait::{AskedService, NewWait, SaidFailure, WaitKind};
use crate::workflow::definition::StageKind;
use crate::workflow::service::{Door, ServiceWait};

/// What a handler returns whose stage is to wait for the service that it has asked (`wait` in the workflow file). The handle is the
/// service's name for the work; it is on record with the wait, and a poll finds it under `answer`.
///
/// ```
/// use piton::{Failure, StageContext, Wait};
///
/// async fn render(context: StageContext) -> Result<Wait<String>, Failure> {
///     let callback = context.callback().ok_or_else(|| Failure::unknown("the stage has no `wait`"))?;
///     let job = format!("asked, to answer with {:?}", callback.url());
///     Ok(Wait::callback(job))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wait<H> {
    wait: Asked<H>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Asked<H> {
    handle: H,
}

impl<H: Serialize> Wait<H> {
    /// The service calls back (`for = "callback"`).
    pub fn callback(handle: H) -> Wait<H> {
        Wait { wait: Asked { handle } }
    }

    /// The service is asked again (`for = "poll"`).
    pub fn poll(handle: H) -> Wait<H> {
        Wait { wait: Asked { handle } }
    }
}

/// The same as a program says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidWait<'j> {
    #[serde(borrow)]
    wait: SaidHandle<'j>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidHandle<'j> {
    #[serde(borrow)]
    handle: &'j RawValue,
}

/// JSON text of the handle, where this says that there is a wait.
pub(crate) fn said_handle(json: &str) -> Option<String> {
    let said: SaidWait<'_> = serde_json::from_str(json).ok()?;
    Some(said.wait.handle.get().to_owned())
}

/// JSON text of the handle in what a stage came to; `None` where that is its output already. What a server answers is a handle,
/// always.
pub(crate) fn handle(kind: &StageKind, came: &Payload) -> Option<String> {
    match kind {
        StageKind::Http(_) => Some(came.as_str().to_owned()),
        StageKind::Rust { .. } | StageKind::Command(_) => said_handle(came.as_str()),
        StageKind::Sql(_) | StageKind::Sleep(_) | StageKind::Signal(_) | StageKind::Run(_) => None,
    }
}

/// The wait that begins at that time, which is the database's.
pub(crate) fn begins(wait: &ServiceWait, handle: String, now: DateTime<Utc>) -> NewWait {
    let latest = later(now, wait.timeout);
    let (kind, silence, next) = match &wait.door {
        Door::Callback(callback) => (WaitKind::Callback, callback.heartbeat, callback.heartbeat),
        Door::Poll(poll) => (WaitKind::Poll, None, Some(poll.every)),
    };
    let deadline = next.map_or(latest, |next| later(now, next).min(latest));
    let service = AskedService { handle, latest, silence, misses: 0, trouble: None };
    NewWait { kind, name: None, since: now, deadline: Some(deadline), child: None, service: Some(Box::new(service)) }
}

/// What the service said of its failure, as it is on record.
pub(crate) fn failed(recorded: &str) -> Failure {
    let Ok(SaidFailure { class, message, retry_after }) = serde_json::from_str(recorded) else {
        return Failure::unknown("the service has failed, and what it said of it cannot be read");
    };
    let failure = Failure::new(class.parse().unwrap_or(FailureClass::Unknown), message);
    match retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(wait) => failure.retry_after(wait),
        None => failure,
    }
}

/// A failure of a service, to be put on record.
pub(crate) fn said(failure: &Failure) -> SaidFailure {
    SaidFailure {
        class: failure.class().as_str().to_owned(),
        message: failure.message().to_owned(),
        retry_after: failure.wait().map(|wait| wait.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_one_way_by_handlers_and_programs() {
        let said = serde_json::to_string(&Wait::callback(serde_json::json!({"id": 7}))).expect("JSON");
        assert_eq!(said, r#"{"wait":{"handle":{"id":7}}}"#);
        assert_eq!(said_handle(&said).as_deref(), Some(r#"{"id":7}"#));
        assert_eq!(said_handle(r#"{"wait": {"handle": 1.10}}"#).as_deref(), Some("1.10"));
        for other in ["7", r#"{"wait": 1}"#, r#"{"wait": {"handle": 1}, "more": 2}"#, r#"{"wait": {}}"#] {
            assert_eq!(said_handle(other), None, "{other}");
        }
    }

    #[test]
    fn a_failure_is_read_back_as_it_was_said() {
        let failure = Failure::rate_limited("slower").retry_after(Duration::from_millis(1500));
        let recorded = serde_json::to_string(&said(&failure)).expect("JSON");
        let read = failed(&recorded);
        assert_eq!((read.class(), read.message(), read.wait()), (failure.class(), "slower", failure.wait()));
        assert_eq!(failed(r#"{"class":"crashed","message":"m"}"#).class(), FailureClass::Unknown);
    }
}
