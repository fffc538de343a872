//! Begins further rounds, apart from the ends of others: each is a transaction of its own, behind which the round before is past.

use std::sync::Arc;

use super::commits::Commits;
use super::committer::{Committer, wait};
use super::count;
use super::ended::{Ended, Outcome};
use super::report;
use super::round::RoundEnd;
use super::version::Version;
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::store::StoreError;
use crate::store::backoff::Backoff;
use crate::store::commit::Fate;
use crate::store::doubt::Doubt;
use crate::store::endings::Ending;

/// An attempt that has ended its round.
struct Over {
    claim: Claim,
    version: Option<Arc<Version>>,
    end: RoundEnd,
    artifacts: Option<i32>,
}

impl Committer {
    /// Takes those of a batch behind which another round begins. Their slots are held until that is on record.
    pub(super) fn set_out_rounds(&self, batch: &mut Vec<Ended>) {
        for ended in batch.extract_if(.., |ended| matches!(ended.outcome, Outcome::Again(_))) {
            let Ended { claim, known, outcome, took, artifacts, .. } = ended;
            let version = known.map(|known| known.version);
            count::ran(version.as_deref(), &claim, &outcome, took);
            if let Outcome::Again(end) = outcome {
                tokio::spawn(self.clone().next_round(Over { claim, version, end, artifacts }));
            }
        }
    }

    async fn next_round(self, ending: Over) {
        let Over { claim, version, end, artifacts } = &ending;
        let (mut backoff, mut doubt, mut sent_before) = (Backoff::default(), Doubt::default(), false);
        let begun = loop {
            match self.store.begin_round(claim, (&end.output, &end.why), artifacts.unwrap_or_default()).await {
                Ok(begun) => break begun,
                Err(error @ StoreError::Away(_)) if !doubt.is_over(&error, 1, &self.store).await => {
                    sent_before = true;
                    wait(&mut backoff, &error, 1).await;
                }
                Err(refused) => return self.no_round(ending, &refused.for_good()).await,
            }
        };
        let begun = begun || sent_before && self.store.round_has_begun(claim).await.unwrap_or_default();
        let fate = if begun { None } else { self.fate(claim).await };
        count::round(version.as_deref(), claim, begun, fate);
        match begun {
            true => report::round(&self.slots, version.as_deref(), claim, &end.why),
            false => report::no_round(&self.slots, version.as_deref(), claim, fate == Some(Fate::Cancelled)),
        }
        if !begun {
            if artifacts.is_some()
                && let Err(error) = self.store.orphan_artifacts(&[*claim]).await
            {
                tracing::debug!("artifacts of an attempt that was fenced are settled later: {error}");
            }
            // Where the database went back in time, it may count a claim to this boot that is over here.
            self.slots.suspect_strays();
        }
        self.slots.release(&claim.key);
        self.wake.now();
        self.waiting.decrement(1.0);
    }

    async fn fate(&self, claim: &Claim) -> Option<Fate> {
        let fates = self.store.fates(&[*claim]).await.unwrap_or_default();
        fates.first().map(|(_, fate)| *fate)
    }

    /// The end of the round cannot be recorded, so that its attempt has failed.
    async fn no_round(&self, ending: Over, refused: &StoreError) {
        let failure = Failure::unknown(format!("the database refused the end of the round: {refused}"));
        let mut commits = Commits::default();
        let end = (ending.claim, Ending::GiveUp { failure, behind: None }, None);
        commits.push(ending.version, end, ending.artifacts);
        self.commit(commits).await;
        self.waiting.decrement(1.0);
    }
}
