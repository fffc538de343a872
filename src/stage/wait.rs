//! Stages that wait: what their attempts begin to wait for, and what they make of the end of it. Nothing runs in between: the wait is a
//! row, and the job goes on from it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::child;
use super::fill::Filler;
use super::handler::Offer;
use crate::model::digest;
use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::Payload;
use crate::model::times;
use crate::model::wait::{EndedWait, NewWait, WaitKind, WaitOutcome, written};
use crate::workflow::definition::{SignalStage, SleepStage, StageKind};

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
        })),
        StageKind::Run(stage) => Ok(Reached::Wait(NewWait {
            kind: WaitKind::Run,
            name: Some(stage.workflow.to_string()),
            since: now,
            deadline: None,
            child: Some(child::new(stage, offer)?),
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
    Ok(Reached::Wait(NewWait { kind: WaitKind::Sleep, name: None, since: now, deadline: Some(deadline), child: None }))
}

/// What a stage makes of the end of its wait.
pub(crate) fn ended(stage: &StageKind, wait: &EndedWait, most_bytes: usize) -> Result<Payload, Failure> {
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
        (_, WaitOutcome::Failed) => Err(child::failed(answer(wait, usize::MAX)?.as_str())),
        (_, WaitOutcome::TimedOut | WaitOutcome::Woken | WaitOutcome::Cancelled) => {
            if let StageKind::Signal(SignalStage { on_timeout: Some(text), .. }) = stage {
                return Payload::parse(text, most_bytes).map_err(super::own_rows::refused);
            }
            let at = written(deadline.unwrap_or(*ended_at));
            Err(Failure::found(FailureClass::WaitTimeout, format!("nobody answered before {at}")))
        }
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

/// That much later, or the last moment there is.
fn later(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    let by = TimeDelta::from_std(by).unwrap_or(TimeDelta::MAX);
    at.checked_add_signed(by).and_then(|at| times::checked(at).ok()).unwrap_or(at)
}
