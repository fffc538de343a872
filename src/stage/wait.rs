//! Stages that wait: what their attempts begin to wait for, and what they make of the end of it. Nothing runs in between: the wait is a
//! row, and the job goes on from it.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::child;
use super::fill::Filler;
use super::handler::Offer;
use super::service;
use crate::model::digest;
use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::Payload;
use crate::model::times::{self, later};
use crate::model::wait::{AskedService, EndedWait, NewWait, WaitKind, WaitOutcome, written};
use crate::workflow::definition::{SleepStage, Stage, StageKind};
use crate::workflow::duration;

/// What an attempt at such a stage comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reached {
    Output(Payload),
    /// The attempt ends here, and goes on when the wait is over.
    Wait(NewWait),
}

/// What an attempt at a stage that only waits comes to, at that time, which is the database's; `dice` is uniform in 0..1.
pub(crate) fn begin(kind: &StageKind, offer: &Offer, now: DateTime<Utc>, dice: f64) -> Result<Reached, Failure> {
    match kind {
        StageKind::Sleep(stage) => sleep(stage, offer, now, dice),
        StageKind::Signal(stage) => Ok(Reached::Wait(NewWait {
            kind: WaitKind::Signal,
            name: Some(stage.name.to_string()),
            since: now,
            deadline: Some(later(now, stage.timeout)),
            child: None,
            service: None,
        })),
        StageKind::Run(stage) => Ok(Reached::Wait(NewWait {
            kind: WaitKind::Run,
            name: Some(stage.workflow.to_string()),
            since: now,
            deadline: None,
            child: Some(Box::new(child::new(stage, offer)?)),
            service: None,
        })),
        StageKind::Rust { .. } | StageKind::Command(_) | StageKind::Http(_) | StageKind::Sql(_) => {
            Err(Failure::unknown("the stage waits for nothing"))
        }
    }
}

/// Begins a sleep. A time that has passed is no sleep.
fn sleep(stage: &SleepStage, offer: &Offer, now: DateTime<Utc>, dice: f64) -> Result<Reached, Failure> {
    let tell = |own| offer.context.tell(own);
    let filler = Filler::new(&offer.input, &tell);
    let until = match &stage.until {
        Some(template) => {
            let text = filler.plain(template)?;
            let refused = |why| Failure::invalid_input(format!("`{}` comes to no time: {why}", template.as_str()));
            let at = times::parse(&text).map_err(refused)?;
            if at <= now {
                return slept(now, at, false, offer.limits.payload_bytes).map(Reached::Output);
            }
            at
        }
        None => later(now, stage.length.unwrap_or_default()),
    };
    let deadline = later(until, stage.jitter.unwrap_or_default().mul_f64(dice.clamp(0.0, 1.0)));
    let (kind, deadline) = (WaitKind::Sleep, Some(deadline));
    Ok(Reached::Wait(NewWait { kind, name: None, since: now, deadline, child: None, service: None }))
}

/// What a stage makes of the end of its wait.
pub(crate) fn ended(stage: &Stage, wait: &EndedWait, most_bytes: usize) -> Result<Payload, Failure> {
    let EndedWait { kind, outcome, since, deadline, ended_at, .. } = wait;
    match (kind, outcome) {
        (WaitKind::Sleep, outcome) => {
            let woken = *outcome == WaitOutcome::Woken;
            let until = deadline.filter(|_| !woken).unwrap_or(*ended_at);
            slept(since.unwrap_or(*ended_at), until, woken, most_bytes)
        }
        (WaitKind::Run, WaitOutcome::Answered) => answer(wait, most_bytes),
        // Its size was checked when it came.
        (_, WaitOutcome::Answered) => answer(wait, usize::MAX),
        (WaitKind::Run, WaitOutcome::Failed) => Err(child::failed(answer(wait, usize::MAX)?.as_str())),
        (_, WaitOutcome::Failed) => Err(failure(wait)),
        (_, WaitOutcome::Due) => Err(Failure::unknown("the service is to be asked again")),
        (_, WaitOutcome::TimedOut | WaitOutcome::Woken | WaitOutcome::Cancelled) => match on_timeout(stage) {
            Some(text) => Payload::parse(text, most_bytes).map_err(super::own_rows::refused),
            None => Err(Failure::found(FailureClass::WaitTimeout, too_late(wait))),
        },
    }
}

/// JSON text of the output where nobody has answered in time.
fn on_timeout(stage: &Stage) -> Option<&str> {
    match (&stage.kind, &stage.wait) {
        (StageKind::Signal(signal), _) => signal.on_timeout.as_deref(),
        (_, Some(service)) => service.on_timeout.as_deref(),
        (_, None) => None,
    }
}

/// Why nothing has come of the wait.
fn too_late(wait: &EndedWait) -> String {
    let at = written(wait.deadline.unwrap_or(wait.ended_at));
    match (wait.kind, wait.service.as_deref()) {
        (WaitKind::Callback, Some(AskedService { silence: Some(silence), latest, .. }))
            if wait.deadline.is_some_and(|deadline| deadline < *latest) =>
        {
            format!("the service said nothing for {}", duration::words(*silence))
        }
        (WaitKind::Callback, _) => format!("the service did not answer before {at}"),
        (WaitKind::Poll, Some(AskedService { trouble: Some(trouble), .. })) => {
            format!("the service was not done before {at}; the last poll failed: {trouble}")
        }
        (WaitKind::Poll, _) => format!("the service was not done before {at}"),
        (WaitKind::Sleep | WaitKind::Signal | WaitKind::Run, _) => format!("nobody answered before {at}"),
    }
}

/// What the service said of its failure; it is verified, as an output is (promise 8).
fn failure(wait: &EndedWait) -> Failure {
    match answer(wait, usize::MAX) {
        Ok(said) => service::failed(said.as_str()),
        Err(corrupt) => corrupt,
    }
}

/// The output of a sleep.
fn slept(since: DateTime<Utc>, until: DateTime<Utc>, woken: bool, most_bytes: usize) -> Result<Payload, Failure> {
    let slept = json!({"since": written(since), "until": written(until), "woken": woken});
    Payload::of(&slept, most_bytes).map_err(super::own_rows::refused)
}

/// What was recorded is what is read back, or a failure (promise 8).
fn answer(wait: &EndedWait, most_bytes: usize) -> Result<Payload, Failure> {
    let Some((text, recorded)) = &wait.answer else {
        return Err(Failure::found(FailureClass::CorruptCheckpoint, "the wait was answered, and the answer is gone"));
    };
    let found = digest::of(text);
    if found.as_slice() != recorded.as_slice() {
        let failure = Failure::found(FailureClass::CorruptCheckpoint, "the answer is not what was recorded");
        return Err(failure.detail(json!({
            "expected_sha256": digest::hex(recorded), "found_sha256": digest::hex(&found),
        })));
    }
    Payload::parse(text, most_bytes).map_err(super::own_rows::refused)
}
