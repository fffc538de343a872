//! Logs attempts and runs once their outcome is known.

use chrono::SecondsFormat;

use super::commits::Commits;
use super::slots::Slots;
use super::version::Version;
use crate::events;
use crate::events::attempt::Attempt;
use crate::events::run::Run;
use crate::model::claim::Claim;
use crate::model::wait::NewWait;
use crate::stage::about::About;
use crate::store::StoreError;
use crate::store::commit::{Fate, Landed};
use crate::store::endings::Ending;

/// An attempt begins, and with the first one its run.
pub(super) fn started(version: &Version, claim: &Claim, about: &About) {
    if !events::tell_all() {
        return;
    }
    if about.again == 0 && version.begins_with(claim) {
        run_of(about).started();
    }
    attempt_of(about).started();
}

/// These ends are in the database.
pub(super) fn landed(slots: &Slots, commits: &Commits, landed: &Landed) {
    landed.positions.iter().for_each(|at| one(slots, commits, *at));
    landed.ended_runs.iter().for_each(|at| run_is_done(slots, commits, *at));
}

/// The commit did not find the claim of that end.
pub(super) fn missed(slots: &Slots, commits: &Commits, at: usize, fate: Option<Fate>) {
    match fate {
        Some(Fate::Landed { ended_run }) => {
            one(slots, commits, at);
            if ended_run {
                run_is_done(slots, commits, at);
            }
        }
        Some(Fate::Cancelled) => with_names(slots, commits, at, |attempt, _| attempt.cancelled()),
        None => with_names(slots, commits, at, |attempt, _| attempt.fenced()),
    }
}

/// The wait of that attempt is on record.
pub(super) fn waits(slots: &Slots, version: Option<&Version>, claim: &Claim, wait: &NewWait) {
    if events::tell_all() {
        let until = wait.deadline.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
        with_name(slots, version, claim, |attempt| attempt.waits(&wait.kind, until.as_deref()));
    }
}

/// The claim of an attempt that was to wait was not found.
pub(super) fn cannot_wait(slots: &Slots, version: Option<&Version>, claim: &Claim, is_cancelled: bool) {
    with_name(slots, version, claim, |attempt| if is_cancelled { attempt.cancelled() } else { attempt.fenced() });
}

/// Another round has begun behind that attempt.
pub(super) fn round(slots: &Slots, version: Option<&Version>, claim: &Claim, why: &str) {
    with_name(slots, version, claim, |attempt| attempt.ended_round(why));
}

/// The claim of an attempt that was to end its round was not found.
pub(super) fn no_round(slots: &Slots, version: Option<&Version>, claim: &Claim, is_cancelled: bool) {
    with_name(slots, version, claim, |attempt| if is_cancelled { attempt.cancelled() } else { attempt.fenced() });
}

/// Postgres refused the only end in there.
pub(super) fn refused(slots: &Slots, commits: &Commits, error: &StoreError) {
    with_names(slots, commits, 0, |attempt, _| attempt.refused(error));
}

fn one(slots: &Slots, commits: &Commits, at: usize) {
    // What most ends are is not worth a look at the slots where nobody listens.
    let is_quiet =
        matches!(commits.ends.get(at), Some((_, Ending::Done { .. } | Ending::Skipped { .. } | Ending::Unclaim)));
    if is_quiet && !events::tell_all() {
        return;
    }
    with_names(slots, commits, at, |attempt, ending| match ending {
        Ending::Done { .. } => attempt.done(),
        Ending::Skipped { .. } => attempt.skipped(),
        Ending::Tolerated { failure, .. } => attempt.tolerated(&failure.class(), failure.message()),
        Ending::Retry { failure, delay, .. } => attempt.retried(failure, *delay),
        Ending::GiveUp { failure, .. } => attempt.given_up(&failure.class(), failure.message()),
        Ending::Release { .. } => attempt.released(),
        Ending::Unclaim => attempt.returned(),
    });
}

fn run_is_done(slots: &Slots, commits: &Commits, at: usize) {
    if events::tell_all()
        && let Some((claim, _)) = commits.ends.get(at)
        && let Some(about) = slots.about(&claim.key)
    {
        run_of(&about).done();
    }
}

/// A claim that was never started has numbers for names.
fn with_names(slots: &Slots, commits: &Commits, at: usize, tell: impl FnOnce(&Attempt<'_>, &Ending)) {
    let Some((claim, ending)) = commits.ends.get(at) else { return };
    with_name(slots, commits.version(at), claim, |attempt| tell(attempt, ending));
}

fn with_name(slots: &Slots, version: Option<&Version>, claim: &Claim, tell: impl FnOnce(&Attempt<'_>)) {
    if let Some(about) = slots.about(&claim.key) {
        return tell(&attempt_of(&about));
    }
    let attempt = Attempt {
        run: &format_args!("#{}", claim.key.run),
        workflow: version.map(|version| &*version.name),
        stage: &format!("#{}", claim.key.stage),
        item: claim.key.item(),
        attempt: claim.key.attempt.unsigned_abs(),
        worker: &format!("#{}", claim.worker),
        trace: None,
    };
    tell(&attempt);
}

fn attempt_of(about: &About) -> Attempt<'_> {
    let About { run, workflow, stage, item, attempt, again: _, round: _, apart: _, worker, trace } = about;
    let trace = trace.as_ref().map(|trace| trace.id());
    Attempt { run, workflow: Some(workflow), stage, item: *item, attempt: *attempt, worker, trace }
}

fn run_of(about: &About) -> Run<'_> {
    let trace = about.trace.as_ref().map(|trace| trace.id());
    Run { run: &about.run, workflow: Some(&about.workflow), worker: &about.worker, trace }
}
