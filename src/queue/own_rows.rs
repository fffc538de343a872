//! Ends attempts in transactions that hold rows of their stages' own, each by itself.

use std::time::Instant;

use super::commits::Commits;
use super::committer::Committer;
use super::count;
use super::counted;
use super::ended::{Ended, Outcome, OwnRows};
use crate::model::claim::Claim;
use crate::stage::own_rows::RowsAnswer;
use crate::store::StoreError;
use crate::store::backoff::Backoff;
use crate::store::counts::{Counted, Settled};
use crate::store::own_rows::{RowsEnd, RowsTransaction};

impl Committer {
    /// Takes those of a batch that have rows of their own: nobody waits for their transactions.
    pub(super) fn set_out_own_rows(&self, batch: &mut Vec<Ended>) {
        for mut ended in batch.extract_if(.., |ended| ended.own_rows.is_some()) {
            if let Some(own_rows) = ended.own_rows.take() {
                tokio::spawn(self.clone().settle_own_rows(ended, *own_rows));
            }
        }
    }

    async fn settle_own_rows(self, ended: Ended, own_rows: OwnRows) {
        let Ended { claim, known, outcome, took, artifacts, used_the_store, own_rows: _ } = ended;
        let OwnRows { transaction, answer, handler_has_ended } = own_rows;
        let Outcome::Finished(output) = outcome.clone() else { return };
        self.monitor.refresh().await;
        let version = known.as_ref().map(|known| known.version.clone());
        let mut commits = Commits::default();
        let parent = known.as_ref().and_then(|known| known.run.parent);
        let end = self.finished(claim, known, output, took);
        let counted: Vec<Counted> = counted::counted(version.as_deref(), &end, false).into_iter().collect();
        commits.parents.extend(parent.filter(|_| end.1.may_end_its_run()));
        commits.push(version.clone(), end, artifacts);
        let (settled, sent_before) = match self.land(transaction, &claim, &commits, &counted).await {
            Ok(settled) => settled,
            Err(error) => {
                self.waiting.decrement(1.0);
                // Where nobody listens, the attempt ends as its handler did.
                return drop(answer.send(RowsAnswer::RolledBack(error)));
            }
        };
        count::ran(version.as_deref(), &claim, &outcome, took);
        if let Some(version) = &version {
            version.note_store_use(claim.key.stage, used_the_store, true);
        }
        let landed = &settled.landed;
        let has_landed = self.report(&commits, landed, sent_before).await || !landed.positions.is_empty();
        self.stop_others(&commits, &settled);
        if answer.send(if has_landed { RowsAnswer::Landed } else { RowsAnswer::Over }).is_ok() && has_landed {
            // Its slot is free when the handler is done: what it does after the commit has a place, too.
            handler_has_ended.await.ok();
        }
        self.go_on(commits, landed, sent_before);
        self.waiting.decrement(1.0);
    }

    /// What landed, and whether it may have landed unheard; an error where everything was rolled back.
    async fn land(
        &self,
        transaction: RowsTransaction,
        claim: &Claim,
        commits: &Commits,
        counted: &[Counted],
    ) -> Result<(Settled, bool), StoreError> {
        self.announce(commits);
        let begun = Instant::now();
        let end = transaction.land(&commits.ends, counted, &commits.artifacts, &commits.parents).await;
        self.meters.answered(begun.elapsed(), 1);
        match end {
            RowsEnd::Landed(settled) => Ok((settled, false)),
            RowsEnd::Fenced => Ok((Settled::default(), false)),
            RowsEnd::RolledBack(error) => Err(error),
            RowsEnd::InDoubt(error) if self.still_holds(claim).await => Err(error),
            RowsEnd::InDoubt(_) => Ok((Settled::default(), true)),
        }
    }

    /// Waits until the database can say it.
    async fn still_holds(&self, claim: &Claim) -> bool {
        let mut backoff = Backoff::default();
        loop {
            match self.store.still_holds(claim).await {
                Ok(holds) => return holds,
                Err(error) => {
                    if backoff.is_first() {
                        tracing::warn!("what became of a transaction is asked again: {error}");
                    }
                    backoff.wait().await;
                }
            }
        }
    }
}
