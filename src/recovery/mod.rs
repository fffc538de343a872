//! Frees the jobs of dead workers. Runs on every worker after every look, and may run on all at once.

pub(crate) mod by_hand;
pub(crate) mod freeing;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::id::WorkerId;
use crate::model::process::Process;
use crate::neighbour;
use crate::store::freed::Freed;
use crate::store::gone::{By, EndedBy, Sign, SuspectedBoot};
use crate::store::{Store, StoreError};

/// A session lock must be seen free for that long: a worker that only lost its connection takes it again sooner.
const LOCK_GRACE: Duration = Duration::from_millis(700);
/// Just after the database itself came back: everyone has lost their locks, nobody could say that they live, and the
/// slowest of them asks again after about two seconds.
const GRACE_AFTER_OUTAGE: Duration = Duration::from_secs(4);
/// For that long, a worker that was away itself or has just started cannot tell a gone worker from one that was away as well.
const JUST_BACK: Duration = Duration::from_secs(10);
/// Between two looks, generously.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Finds workers that are gone: the lease is over, or the session lock stays free.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// How long each sign was there in every look. Time in which there was no look does not count.
    seen_for: HashMap<WorkerId, Duration>,
    last_look: Option<Instant>,
    /// When the database was first seen, at the start or since it was last away.
    seen_since: Instant,
    was_away: bool,
    /// Where it looks from.
    here: Process,
}

/// What a sign is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It is gone, by that sign.
    Gone(Sign),
    /// Perhaps: to be asked again in that time.
    Doubted(Duration),
    Lives,
}

/// What the looker itself has behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looker {
    /// It was there all the time.
    Steady,
    /// It has just started.
    Fresh,
    /// It was cut off from the database just now.
    WasAway,
}

/// What a recovery did, and when it wants to look again.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Recovered {
    pub(crate) freed: Freed,
    /// A sign was seen that is not believed yet.
    pub(crate) again_in: Option<Duration>,
}

impl Recovery {
    /// From a first look on, by a process of a host of that name.
    pub(crate) fn new(host: String) -> Recovery {
        let here = neighbour::this(host);
        Recovery { seen_for: HashMap::new(), last_look: None, seen_since: Instant::now(), was_away: false, here }
    }

    /// The database did not answer. What was seen before still counts, so that a worker that is away again and again recovers
    /// in the end.
    pub(crate) fn was_away(&mut self) {
        self.was_away = true;
        self.seen_since = Instant::now();
        self.last_look = None;
    }

    fn looker(&self) -> Looker {
        match self.seen_since.elapsed() < JUST_BACK {
            true if self.was_away => Looker::WasAway,
            true => Looker::Fresh,
            false => Looker::Steady,
        }
    }

    /// Recovers, in the name of whoever asks, those of the suspects that are gone. A database error goes to the caller, who comes
    /// again.
    pub(crate) async fn recover(
        &mut self,
        store: &Store,
        suspects: &[SuspectedBoot],
        by: By<'_>,
    ) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        for (suspect, judgement) in suspects.iter().zip(self.judge(suspects)) {
            let sign = match judgement {
                Judgement::Gone(sign) => sign,
                Judgement::Doubted(wait) => {
                    recovered.again_in = Some(recovered.again_in.map_or(wait, |other| other.min(wait)));
                    continue;
                }
                Judgement::Lives => continue,
            };
            let suspect = SuspectedBoot { sign, ..suspect.clone() };
            let boot = match store.end_worker(&suspect, by).await? {
                EndedBy::Us(boot) => Some(boot),
                EndedBy::Others => None,
                EndedBy::Nobody => continue,
            };
            recovered.freed += freeing::free_all(store, &suspect.ended(), boot).await?;
        }
        Ok(recovered)
    }

    /// What the signs of one look are worth, one after another. A sign that must be seen for a while is seen from the first
    /// look on that shows it.
    pub(crate) fn judge(&mut self, suspects: &[SuspectedBoot]) -> Vec<Judgement> {
        let since_last = self.last_look.replace(Instant::now()).map_or(Duration::ZERO, |last| last.elapsed());
        // A process that was frozen between two looks has not looked meanwhile.
        let since_last = since_last.min(LONGEST_PAUSE);
        self.seen_for.retain(|worker, _| suspects.iter().any(|s| s.worker == *worker));
        suspects.iter().map(|suspect| self.judge_one(suspect, since_last)).collect()
    }

    fn judge_one(&mut self, suspect: &SuspectedBoot, since_last: Duration) -> Judgement {
        let lives = neighbour::lives(&suspect.process, &self.here);
        let Some(sign) = believable(suspect.sign, lives) else { return Judgement::Lives };
        // What is seen to have ended needs no second look. How one ended that ran a suspect, its parent says first.
        let is_sure = lives == Some(false) && (suspect.stopping || !suspect.has_parent);
        let looker = self.looker();
        let seen_for = self.seen_for.entry(suspect.worker).and_modify(|seen| *seen += since_last).or_default();
        let grace = grace(sign, suspect.database_is_young, looker).saturating_sub(*seen_for);
        if grace.is_zero() || is_sure { Judgement::Gone(sign) } else { Judgement::Doubted(grace) }
    }
}

/// What a sign is worth where the process can be looked at: one that lives was cut off, if anything, and the lease decides.
/// One that has ended is not frozen, though something holds its session open. Where it cannot be looked at, there is only the
/// sign.
fn believable(sign: Sign, lives: Option<bool>) -> Option<Sign> {
    match sign {
        Sign::LockFree if lives == Some(true) => None,
        Sign::LeaseOver if lives == Some(true) => Some(Sign::Frozen),
        Sign::Frozen if lives == Some(false) => Some(Sign::LeaseOver),
        Sign::LockFree | Sign::LeaseOver | Sign::Frozen | Sign::Ended | Sign::Superseded | Sign::Drained => Some(sign),
    }
}

/// How long the sign of a boot's end must be seen before it is believed.
fn grace(sign: Sign, database_is_young: bool, looker: Looker) -> Duration {
    match (sign, looker) {
        (Sign::Ended | Sign::Superseded | Sign::Drained, _) => Duration::ZERO,
        (Sign::LeaseOver | Sign::Frozen | Sign::LockFree, _) if database_is_young => GRACE_AFTER_OUTAGE,
        (Sign::LeaseOver | Sign::Frozen | Sign::LockFree, Looker::WasAway) => GRACE_AFTER_OUTAGE,
        (Sign::LeaseOver | Sign::Frozen, Looker::Fresh) => GRACE_AFTER_OUTAGE,
        (Sign::LeaseOver | Sign::Frozen, Looker::Steady) => Duration::ZERO,
        (Sign::LockFree, Looker::Fresh | Looker::Steady) => LOCK_GRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_lives_has_not_died() {
        assert_eq!(believable(Sign::LockFree, Some(true)), None);
        assert_eq!(believable(Sign::LeaseOver, Some(true)), Some(Sign::Frozen));
        for lives in [Some(false), None] {
            for sign in [Sign::LockFree, Sign::LeaseOver] {
                assert_eq!(believable(sign, lives), Some(sign));
            }
        }
        assert_eq!(believable(Sign::Frozen, None), Some(Sign::Frozen));
        assert_eq!(believable(Sign::Frozen, Some(false)), Some(Sign::LeaseOver));
        // Its own row says so.
        assert_eq!(believable(Sign::Ended, Some(true)), Some(Sign::Ended));
    }

    #[test]
    fn a_sign_is_believed_sooner_by_who_was_there_all_the_time() {
        assert_eq!(grace(Sign::Ended, true, Looker::WasAway), Duration::ZERO);
        assert_eq!(grace(Sign::LeaseOver, false, Looker::Steady), Duration::ZERO);
        assert_eq!(grace(Sign::LockFree, false, Looker::Fresh), LOCK_GRACE);
        for sign in [Sign::LeaseOver, Sign::Frozen, Sign::LockFree] {
            assert_eq!(grace(sign, true, Looker::Steady), GRACE_AFTER_OUTAGE);
            assert_eq!(grace(sign, false, Looker::WasAway), GRACE_AFTER_OUTAGE);
        }
    }
}
