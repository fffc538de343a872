//! Begins the waits of attempts, apart from the ends of others: an answer that is just coming is waited for.

use std::time::Duration;

use super::commits::Commits;
use super::committer::{Committer, wait};
use super::count;
use super::ended::{Ended, Outcome};
use super::known::Known;
use super::report;
use super::version::Version;
use crate::model::claim::Claim;
use crate::model::failure::{Failure, FailureClass};
use crate::model::lane;
use crate::model::wait::NewWait;
use crate::store::StoreError;
use crate::store::backoff::Backoff;
use crate::store::commit::Fate;
use crate::store::doubt::Doubt;
use crate::store::endings::Ending;
use crate::store::waits::Begun;

/// Until an answer that is just coming may be there.
const MOMENT: Duration = Duration::from_millis(100);

/// Attempts that begin to wait, each with what was read for it.
#[derive(Default)]
struct Beginning {
    waits: Vec<(Claim, NewWait)>,
    known: Vec<Option<Known>>,
    /// Runs are started with them.
    with_runs: bool,
}

impl Beginning {
    fn push(&mut self, wait: (Claim, NewWait), known: Option<Known>) {
        self.waits.push(wait);
        self.known.push(known);
    }

    /// Each by itself.
    fn apart(self) -> impl Iterator<Item = Beginning> {
        let Beginning { waits, known, with_runs } = self;
        let parts = waits.into_iter().zip(known);
        parts.map(move |(wait, known)| Beginning { waits: vec![wait], known: vec![known], with_runs })
    }

    fn version(&self, at: usize) -> Option<&Version> {
        self.known.get(at)?.as_ref().map(|known| &*known.version)
    }
}

/// Of a run that could not be started: what is wrong with its input stays wrong, and a workflow may still come.
fn class_of(refused: &StoreError) -> FailureClass {
    match refused.code().as_deref() {
        Some("42704" | "55000") => FailureClass::ResourceUnavailable,
        Some(code) if code.starts_with("22") || code.starts_with("54") || code.starts_with("23") => {
            FailureClass::InvalidInput
        }
        Some(_) | None => FailureClass::Unknown,
    }
}

impl Committer {
    /// Takes those of a batch that begin to wait. Their slots are held until that is on record.
    pub(super) fn set_out_waits(&self, batch: &mut Vec<Ended>) {
        let (mut beginning, mut with_runs) =
            (Beginning::default(), Beginning { with_runs: true, ..Beginning::default() });
        for ended in batch.extract_if(.., |ended| matches!(ended.outcome, Outcome::Waits(_))) {
            let Ended { claim, known, outcome, took, .. } = ended;
            count::ran(known.as_ref().map(|known| &*known.version), &claim, &outcome, took);
            match outcome {
                Outcome::Waits(wait) if wait.child.is_some() => with_runs.push((claim, wait), known),
                Outcome::Waits(wait) => beginning.push((claim, wait), known),
                Outcome::Finished(_)
                | Outcome::Failed(_)
                | Outcome::Again(_)
                | Outcome::HandedBack
                | Outcome::NeverBegan => {}
            }
        }
        for beginning in [beginning, with_runs] {
            if !beginning.waits.is_empty() {
                tokio::spawn(self.clone().begin(beginning));
            }
        }
    }

    async fn begin(self, beginning: Beginning) {
        let (mut backoff, mut doubt, mut sent_before) = (Backoff::default(), Doubt::default(), false);
        let parts = beginning.waits.len();
        let begun = loop {
            let begun = match beginning.with_runs {
                true => self.store.begin_children(&beginning.waits).await,
                false => self.store.begin_waits(&beginning.waits).await,
            };
            match begun {
                Ok(Some(begun)) => break begun,
                // The others must not wait for it.
                Ok(None) if parts > 1 => return self.begin_one_by_one(beginning),
                Ok(None) => tokio::time::sleep(MOMENT).await,
                Err(error @ StoreError::Away(_)) if !doubt.is_over(&error, parts, &self.store).await => {
                    sent_before = true;
                    wait(&mut backoff, &error, parts).await;
                }
                Err(_) if parts > 1 => return self.begin_one_by_one(beginning),
                Err(refused) if beginning.with_runs => return self.cannot_start(beginning, &refused.for_good()).await,
                Err(refused) => return self.cannot_wait(beginning, &refused.for_good()).await,
            }
        };
        self.have_begun(&beginning, &begun, sent_before).await;
        self.waiting.decrement(parts as f64);
    }

    fn begin_one_by_one(&self, beginning: Beginning) {
        beginning.apart().for_each(|one| drop(tokio::spawn(self.clone().begin(one))));
    }

    /// Counts, logs and frees: those that wait, and those whose claims held no more.
    async fn have_begun(&self, beginning: &Beginning, begun: &Begun, sent_before: bool) {
        let claims: Vec<Claim> = beginning.waits.iter().map(|(claim, _)| *claim).collect();
        let missed: Vec<usize> = (0..claims.len()).filter(|at| !begun.positions.contains(at)).collect();
        let missed_claims: Vec<Claim> = missed.iter().map(|at| claims[*at]).collect();
        let begun_before = match sent_before && !missed.is_empty() {
            true => self.store.waits_begun(&missed_claims).await.unwrap_or_default(),
            false => Vec::new(),
        };
        let fates = match missed.is_empty() {
            true => Vec::new(),
            false => self.store.fates(&missed_claims).await.unwrap_or_default(),
        };
        for (at, (claim, wait)) in beginning.waits.iter().enumerate() {
            let version = beginning.version(at);
            let position = missed.iter().position(|missed| *missed == at);
            let waits = position.is_none_or(|position| begun_before.contains(&position));
            let fate = fates.iter().find(|(found, _)| Some(*found) == position).map(|(_, fate)| *fate);
            count::waits(version, claim, waits, fate);
            match waits {
                true => report::waits(&self.slots, version, claim, wait),
                false => report::cannot_wait(&self.slots, version, claim, fate == Some(Fate::Cancelled)),
            }
            self.slots.release(&claim.key);
        }
        if let Some(ends_in) = begun.ends_in {
            self.wake.within(ends_in);
        }
        if !missed.is_empty() {
            // Where the database went back in time, it may count a claim to this boot that is over here.
            self.slots.suspect_strays();
        }
        if begun.woke || !missed.is_empty() || self.monitor.any_is_limited(claims.iter()) {
            self.wake.now();
        }
    }

    /// The run that the only one in there starts was refused: the attempt has failed, and is retried by the rules of its stage.
    async fn cannot_start(&self, beginning: Beginning, refused: &StoreError) {
        for ((claim, wait), known) in beginning.waits.into_iter().zip(beginning.known) {
            let workflow = wait.child.map_or_else(String::new, |child| child.workflow);
            let said = refused.refusal().unwrap_or_else(|| refused.to_string());
            let hint = refused.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
            let failure =
                Failure::new(class_of(refused), format!("no run of `{workflow}` could be started: {said}{hint}"));
            let ended = Ended { known, outcome: Outcome::Failed(failure), ..Ended::unbegun(claim) };
            self.settle(&mut vec![ended]).await;
        }
    }

    /// The only one in there cannot be recorded, so that its attempt has failed.
    async fn cannot_wait(&self, beginning: Beginning, refused: &StoreError) {
        let mut commits = Commits::default();
        for ((claim, _), known) in beginning.waits.into_iter().zip(beginning.known) {
            let failure = Failure::unknown(format!("the database refused the wait: {refused}"));
            let behind = lane::behind_a_failed_item(claim.spot(), true);
            commits.push(known.map(|known| known.version), (claim, Ending::GiveUp { failure, behind }, None), None);
        }
        self.commit(commits).await;
        self.waiting.decrement(1.0);
    }
}
