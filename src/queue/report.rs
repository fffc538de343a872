//! What the log is told about the ends of attempts.

use std::sync::Arc;
use std::time::Duration;

use super::slots::Slots;
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::store::StoreError;

/// An attempt as logs name it.
struct Named {
    run: String,
    stage: Arc<str>,
    worker: Arc<str>,
}

impl Named {
    fn of(slots: &Slots, claim: &Claim) -> Named {
        match slots.about(&claim.key) {
            Some(about) => {
                Named { run: about.run.to_string(), stage: about.stage.clone(), worker: about.worker.clone() }
            }
            None => Named {
                run: format!("#{}", claim.key.run),
                stage: format!("#{}", claim.key.stage).into(),
                worker: format!("#{}", claim.worker).into(),
            },
        }
    }
}

pub(super) fn retried(slots: &Slots, claim: &Claim, failure: &Failure, delay: Duration) {
    let Named { run, stage, worker } = Named::of(slots, claim);
    tracing::warn!(run, %stage, item = claim.key.item(), attempt = claim.key.attempt, %worker,
                   class = %failure.class(), wait_s = delay.as_secs_f64(),
                   "attempt failed, due again: {}", failure.message());
}

pub(super) fn given_up(slots: &Slots, claim: &Claim, failure: &Failure) {
    let Named { run, stage, worker } = Named::of(slots, claim);
    tracing::error!(run, %stage, item = claim.key.item(), attempt = claim.key.attempt, %worker,
                    class = %failure.class(), "job given up, its run is blocked: {}", failure.message());
}

pub(super) fn fenced(slots: &Slots, claim: &Claim) {
    let Named { run, stage, worker } = Named::of(slots, claim);
    tracing::warn!(run, %stage, item = claim.key.item(), attempt = claim.key.attempt, %worker,
                   "the claim no longer held; this attempt changed nothing");
}

pub(super) fn refused(slots: &Slots, claim: &Claim, refused: &StoreError) {
    let Named { run, stage, worker } = Named::of(slots, claim);
    tracing::error!(run, %stage, item = claim.key.item(), attempt = claim.key.attempt, %worker,
                    "the database refused the end of an attempt: {refused}");
}
