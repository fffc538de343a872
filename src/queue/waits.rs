//! Begins the waits of attempts, apart from the ends of others: an answer that is just coming is waited for.

use std::sync::Arc;
use std::time::Duration;

use super::commits::Commits;
use super::committer::{Committer, wait};
use super::count;
use super::ended::{Ended, Outcome};
use super::report;
use super::version::Version;
use crate::model::claim::Claim;
use crate::model::failure::Failure;
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

/// Attempts that begin to wait, each with the definition it follows.
#[derive(Default)]
struct Beginning {
    waits: Vec<(Claim, NewWait)>,
    versions: Vec<Option<Arc<Version>>>,
}

impl Beginning {
    /// Each by itself.
    fn apart(self) -> impl Iterator<Item = Beginning> {
        let parts = self.waits.into_iter().zip(self.versions);
        parts.map(|(wait, version)| Beginning { waits: vec![wait], versions: vec![version] })
    }
}

impl Committer {
    /// Takes those of a batch that begin to wait. Their slots are held until that is on record.
    pub(super) fn set_out_waits(&self, batch: &mut Vec<Ended>) {
        let mut beginning = Beginning::default();
        for ended in batch.extract_if(.., |ended| matches!(ended.outcome, Outcome::Waits(_))) {
            let Ended { claim, known, outcome, took, .. } = ended;
            let version = known.map(|known| known.version);
            count::ran(version.as_deref(), &claim, &outcome, took);
            if let Outcome::Waits(wait) = outcome {
                beginning.waits.push((claim, wait));
                beginning.versions.push(version);
            }
        }
        if !beginning.waits.is_empty() {
            tokio::spawn(self.clone().begin(beginning));
        }
    }

    async fn begin(self, beginning: Beginning) {
        let (mut backoff, mut doubt, mut sent_before) = (Backoff::default(), Doubt::default(), false);
        let parts = beginning.waits.len();
        let begun = loop {
            match self.store.begin_waits(&beginning.waits).await {
                Ok(Some(begun)) => break begun,
                // The others must not wait for it.
                Ok(None) if parts > 1 => return self.begin_one_by_one(beginning),
                Ok(None) => tokio::time::sleep(MOMENT).await,
                Err(error @ StoreError::Away(_)) if !doubt.is_over(&error, parts, &self.store).await => {
                    sent_before = true;
                    wait(&mut backoff, &error, parts).await;
                }
                Err(_) if parts > 1 => return self.begin_one_by_one(beginning),
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
        for (at, ((claim, wait), version)) in beginning.waits.iter().zip(&beginning.versions).enumerate() {
            let position = missed.iter().position(|missed| *missed == at);
            let waits = position.is_none_or(|position| begun_before.contains(&position));
            let fate = fates.iter().find(|(found, _)| Some(*found) == position).map(|(_, fate)| *fate);
            count::waits(version.as_deref(), claim, waits, fate);
            match waits {
                true => report::waits(&self.slots, version.as_deref(), claim, wait),
                false => report::cannot_wait(&self.slots, version.as_deref(), claim, fate == Some(Fate::Cancelled)),
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

    /// The only one in there cannot be recorded, so that its attempt has failed.
    async fn cannot_wait(&self, beginning: Beginning, refused: &StoreError) {
        let mut commits = Commits::default();
        for ((claim, _), version) in beginning.waits.into_iter().zip(beginning.versions) {
            let failure = Failure::unknown(format!("the database refused the wait: {refused}"));
            let behind = lane::behind_a_failed_item(claim.spot(), true);
            commits.push(version, (claim, Ending::GiveUp { failure, behind }, None), None);
        }
        self.commit(commits).await;
        self.waiting.decrement(1.0);
    }
}
