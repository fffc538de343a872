//! Counts the ends of attempts once their outcome is known.

use std::time::Duration;

use super::commits::Commits;
use super::ended;
use super::version::Version;
use crate::meters::stage::{AttemptEnd, StageMeters};
use crate::model::claim::Claim;
use crate::store::commit::{Fate, Landed};
use crate::store::endings::Ending;

/// An attempt ran for that long, whatever becomes of it.
pub(super) fn ran(version: Option<&Version>, claim: &Claim, outcome: &ended::Outcome, took: Duration) {
    match outcome {
        ended::Outcome::NeverBegan => {}
        // What a skip takes says nothing about the stage.
        ended::Outcome::Finished(output) if output.skipped.is_some() => {}
        ended::Outcome::Finished(_)
        | ended::Outcome::Failed(_)
        | ended::Outcome::Waits(_)
        | ended::Outcome::Again(_)
        | ended::Outcome::HandedBack => {
            meters(version, claim).into_iter().for_each(|meters| meters.ran(took));
        }
    }
}

/// These ends are in the database.
pub(super) fn landed(commits: &Commits, landed: &Landed) {
    landed.positions.iter().for_each(|at| one(commits, *at));
    landed.ended_runs.iter().for_each(|at| run_is_done(commits, *at));
}

/// The commit did not find the claim of that end.
pub(super) fn missed(commits: &Commits, at: usize, fate: Option<Fate>) {
    let Some((claim, ending)) = commits.ends.get(at) else { return };
    let outcome = match (fate, ending) {
        (Some(Fate::Landed { ended_run }), _) => {
            one(commits, at);
            if ended_run {
                run_is_done(commits, at);
            }
            return;
        }
        (_, Ending::Unclaim) => return,
        (Some(Fate::Cancelled), _) => AttemptEnd::Cancelled,
        (None, _) => AttemptEnd::Fenced,
    };
    meters(commits.version(at), claim).into_iter().for_each(|meters| meters.ended(outcome));
}

/// An attempt that never began is none.
fn one(commits: &Commits, at: usize) {
    let Some((claim, ending)) = commits.ends.get(at) else { return };
    let Some(meters) = meters(commits.version(at), claim) else { return };
    match ending {
        Ending::Done { next, .. } => {
            meters.ended(AttemptEnd::Done);
            let splits = || commits.version(at).is_some_and(|version| version.splits(claim.key.stage));
            if claim.key.item().is_none() && splits() {
                let born = next.births.iter().filter(|births| births.stage == claim.key.stage);
                meters.split(born.map(|births| u64::from(births.until.abs_diff(births.first))).sum());
            }
        }
        Ending::Skipped { .. } => meters.ended(AttemptEnd::Skipped),
        Ending::Tolerated { failure, .. } => meters.failed(failure.class(), AttemptEnd::Tolerated),
        Ending::Retry { failure, .. } => meters.failed(failure.class(), AttemptEnd::Retried),
        Ending::GiveUp { failure, .. } => meters.failed(failure.class(), AttemptEnd::DeadLettered),
        Ending::Release { .. } => meters.ended(AttemptEnd::Released),
        Ending::Unclaim => {}
    }
}

/// An attempt was to wait.
pub(super) fn waits(version: Option<&Version>, claim: &Claim, has_begun: bool, fate: Option<Fate>) {
    let outcome = match fate {
        _ if has_begun => AttemptEnd::Waits,
        Some(Fate::Cancelled) => AttemptEnd::Cancelled,
        Some(Fate::Landed { .. }) | None => AttemptEnd::Fenced,
    };
    meters(version, claim).into_iter().for_each(|meters| meters.ended(outcome));
}

/// An attempt was to end its round.
pub(super) fn round(version: Option<&Version>, claim: &Claim, has_begun: bool, fate: Option<Fate>) {
    let outcome = match fate {
        _ if has_begun => AttemptEnd::Done,
        Some(Fate::Cancelled) => AttemptEnd::Cancelled,
        Some(Fate::Landed { .. }) | None => AttemptEnd::Fenced,
    };
    let Some(meters) = meters(version, claim) else { return };
    meters.ended(outcome);
    if has_begun {
        meters.another_round();
    }
}

fn run_is_done(commits: &Commits, at: usize) {
    commits.version(at).into_iter().for_each(|version| version.meters.run_is_done());
}

fn meters<'v>(version: Option<&'v Version>, claim: &Claim) -> Option<&'v StageMeters> {
    version.and_then(|version| version.meters.stage(claim.key.stage))
}
