//! Commits counted ends: apart from the others, in transactions that hold their runs.

use super::commits::Commits;
use super::committer::{Committer, wait};
use super::counted::CountedEnds;
use crate::store::StoreError;
use crate::store::backoff::Backoff;
use crate::store::counts::Settled;
use crate::store::doubt::Doubt;

impl Committer {
    /// Commits them, each for what the count makes of it.
    pub(super) async fn settle_counted(self, mut ends: CountedEnds) {
        self.announce(&ends.commits);
        let (mut backoff, mut doubt, mut sent_before) = (Backoff::default(), Doubt::default(), false);
        let parts = ends.len();
        let settled = loop {
            match self.store.commit_counted(ends.batch()).await {
                Ok(settled) => break settled,
                Err(error @ StoreError::Away(_)) if !doubt.is_over(&error, parts, &self.store).await => {
                    sent_before = true;
                    wait(&mut backoff, &error, parts).await;
                }
                Err(_) if parts > 1 => return self.settle_one_by_one(ends),
                Err(refused) => {
                    self.commit_one_by_one(ends.commits, refused.for_good()).await;
                    return self.waiting.decrement(1.0);
                }
            }
        };
        for (at, ending) in settled.otherwise.iter().cloned() {
            ends.commits.put_instead(at, ending);
        }
        self.report(&ends.commits, &settled.landed, sent_before).await;
        self.stop_others(&ends.commits, &settled);
        self.go_on(ends.commits, &settled.landed, sent_before);
        self.waiting.decrement(parts as f64);
    }

    fn settle_one_by_one(&self, ends: CountedEnds) {
        ends.apart().for_each(|one| drop(tokio::spawn(self.clone().settle_counted(one))));
    }

    /// What was cancelled because enough is done stops here at once, and on other workers when they ask after their claims.
    pub(super) fn stop_others(&self, commits: &Commits, settled: &Settled) {
        for stopped in &settled.stopped {
            self.slots.cancel_stage(stopped.run, stopped.stage);
            let of = commits.ends.iter().position(|(claim, _)| claim.key.run == stopped.run);
            let version = of.and_then(|at| commits.version(at));
            if let Some(meters) = version.and_then(|version| version.meters.stage(stopped.stage)) {
                meters.skipped(stopped.jobs);
            }
        }
    }
}
