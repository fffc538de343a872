//! Carries out what keys ask for, as the commands of the same names do, and reports the outcome.

use sqlx::types::Uuid;

use super::keys::Wish;
use super::state::{Ask, CauseName, Said};
use crate::cli::refusal::refused;
use crate::decide::{self, Again};
use crate::model::actor::Actor;
use crate::model::id::RunId;
use crate::model::state::Resolution;
use crate::store::dead_letters::{Filter, Origin};
use crate::store::pauses::Queue;
use crate::store::top::PendingLetter;
use crate::store::why::RunWait;
use crate::store::{Store, StoreError};

/// What the database answered.
pub(super) enum Answer {
    Said(Said),
    Why(RunId, Vec<RunWait>),
    Letters(CauseName, Vec<PendingLetter>),
    Nothing,
}

/// A refusal, or a database that is away, is an answer like any other.
pub(super) async fn carry_out(store: &Store, wish: Wish, by: Actor<'_>) -> Answer {
    let done = match wish {
        Wish::Quit => Ok(String::new()),
        Wish::Why { run } => return why(store, run).await,
        Wish::Letters(cause) => return letters(store, cause).await,
        Wish::Retry { letter, run } => retry(store, letter, run, by).await,
        Wish::RetryAll(cause) => retry_all(store, &cause, by).await,
        Wish::Decide { ask, reason } => for_a_reason(store, ask, &reason, by).await,
        Wish::Resume { workflow, stage } => resume(store, workflow.as_deref(), stage.as_deref(), by).await,
    };
    Answer::Said(match done {
        Ok(sentence) => Said::Done(sentence),
        // The answer may be lost, and not the question.
        Err(StoreError::Away(error)) => {
            Said::Refused(format!("No answer, it may have been done: look before you ask again ({error})"))
        }
        Err(error) => Said::Refused(refused(error).to_string()),
    })
}

async fn why(store: &Store, run: RunId) -> Answer {
    match store.run_waits(run).await {
        Ok(rows) => Answer::Why(run, rows),
        // It is asked again with the next look.
        Err(StoreError::Away(_)) => Answer::Nothing,
        Err(error) => Answer::Said(Said::Refused(error.to_string())),
    }
}

async fn letters(store: &Store, cause: CauseName) -> Answer {
    match store.top_letters(&cause.workflow, &cause.stage, &cause.fingerprint).await {
        Ok(letters) => Answer::Letters(cause, letters),
        Err(StoreError::Away(_)) => Answer::Nothing,
        Err(error) => Answer::Said(Said::Refused(error.to_string())),
    }
}

async fn retry(store: &Store, letter: Uuid, run: RunId, by: Actor<'_>) -> Result<String, StoreError> {
    let again = Again { from: Origin::LastCheckpoint, note: None };
    decide::retry_one(store, letter, again, None, by).await?;
    Ok(format!("Run {run} goes on from its last checkpoint when a worker is free."))
}

async fn retry_all(store: &Store, cause: &CauseName, by: Actor<'_>) -> Result<String, StoreError> {
    let again = Again { from: Origin::LastCheckpoint, note: None };
    let retried = decide::retry_those(store, &all_of(cause), again, by).await?;
    Ok(match retried {
        1 => "1 dead letter goes on from its last checkpoint when a worker is free.".to_owned(),
        _ => format!("{retried} dead letters go on from their last checkpoints when workers are free."),
    })
}

fn all_of(cause: &CauseName) -> Filter {
    let CauseName { workflow, stage, fingerprint } = cause.clone();
    Filter {
        resolution: Some(Resolution::Pending),
        workflow: Some(workflow),
        stage: Some(stage),
        fingerprint: Some(fingerprint),
        ..Filter::default()
    }
}

async fn resume(
    store: &Store,
    workflow: Option<&str>,
    stage: Option<&str>,
    by: Actor<'_>,
) -> Result<String, StoreError> {
    decide::resume(store, Queue { workflow, stage }, None, by).await?;
    Ok(match (workflow, stage) {
        (None, _) => "Everything goes on.".to_owned(),
        (Some(workflow), None) => format!("Workflow {workflow} goes on."),
        (Some(workflow), Some(stage)) => format!("Stage {stage} of workflow {workflow} goes on."),
    })
}

async fn for_a_reason(store: &Store, ask: Ask, reason: &str, by: Actor<'_>) -> Result<String, StoreError> {
    match ask {
        Ask::Dismiss { letter, run } => {
            decide::dismiss_one(store, letter, reason, by).await?;
            Ok(format!("Run {run} has failed: its dead letter is dismissed."))
        }
        Ask::DismissAll(many) => {
            let dismissed = decide::dismiss_those(store, &all_of(&many.cause), reason, by).await?;
            Ok(format!(
                "Dismissed: {dismissed} of {} dead letters. Their runs have failed.",
                dismissed.max(many.letters)
            ))
        }
        Ask::Cancel { run } => {
            decide::cancel_run(store, run, reason, by).await?;
            Ok(format!("Run {run} is cancelled. What was finished is kept."))
        }
        Ask::Pause { workflow } => {
            decide::pause(store, Queue { workflow: Some(&workflow), stage: None }, reason, by).await?;
            Ok(format!("Workflow {workflow} is paused: what runs goes on to its end, and nothing more begins."))
        }
    }
}
