//! Frees what dead workers held. Runs on every worker after every look, and may run on all at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::id::WorkerId;
use crate::store::gone::{Freed, Sign, Suspect};
use crate::store::{Store, StoreError};

/// A session lock must be seen free for that long: a worker that only lost its connection takes it again sooner.
const LOCK_GRACE: Duration = Duration::from_millis(700);
/// Just after the database itself came back: everyone has lost their locks, nobody could say that they live, and the
/// slowest of them asks again after about two seconds.
const GRACE_AFTER_OUTAGE: Duration = Duration::from_secs(4);
/// How long after it was away the database counts as just back.
const JUST_BACK: Duration = Duration::from_secs(10);

/// Finds workers that are gone: the lease is over, or the session lock stays free.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    first_seen: HashMap<WorkerId, Instant>,
    /// When the database last gave no answer.
    away: Option<Instant>,
}

/// What a recovery did, and when it wants to look again.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Recovered {
    pub(crate) freed: Freed,
    /// A sign was seen that is not believed yet.
    pub(crate) again_in: Option<Duration>,
}

impl Recovery {
    /// The database gave no answer: the others may have been as cut off from it, and not be gone.
    pub(crate) fn database_is_away(&mut self) {
        self.away = Some(Instant::now());
    }

    /// Recovers, in the name of `me`, those of the suspects that are gone. A database error goes to the caller, who comes
    /// again.
    pub(crate) async fn recover(
        &mut self,
        store: &Store,
        suspects: &[Suspect],
        me: Option<WorkerId>,
    ) -> Result<Recovered, StoreError> {
        self.first_seen.retain(|worker, _| suspects.iter().any(|s| s.worker == *worker));
        let was_away = self.away.is_some_and(|at| at.elapsed() < JUST_BACK);
        let mut recovered = Recovered::default();
        for suspect in suspects {
            let seen = *self.first_seen.entry(suspect.worker).or_insert_with(Instant::now);
            let grace = grace(suspect.sign, suspect.database_is_young || was_away).saturating_sub(seen.elapsed());
            if !grace.is_zero() {
                recovered.again_in = Some(recovered.again_in.map_or(grace, |other| other.min(grace)));
                continue;
            }
            let Some(freed) = store.recover_worker(suspect, me).await? else { continue };
            recovered.freed += freed;
            let Freed { resumed, restarted, dead_lettered } = freed;
            tracing::warn!(worker = suspect.name, boot = %suspect.worker, resumed, restarted, dead_lettered,
                           sign = ?suspect.sign, "worker is gone, its jobs are claimable again");
        }
        Ok(recovered)
    }
}

/// How long the sign of a boot's end must be seen before it is believed.
fn grace(sign: Sign, after_outage: bool) -> Duration {
    match sign {
        Sign::Ended | Sign::Superseded | Sign::Drained => Duration::ZERO,
        Sign::LeaseOver | Sign::Frozen | Sign::LockFree if after_outage => GRACE_AFTER_OUTAGE,
        Sign::LeaseOver | Sign::Frozen => Duration::ZERO,
        Sign::LockFree => LOCK_GRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_lock_is_believed_after_its_grace_and_a_lease_at_once() {
        assert_eq!((grace(Sign::LeaseOver, false), grace(Sign::Ended, false)), (Duration::ZERO, Duration::ZERO));
        assert_eq!(grace(Sign::LockFree, false), LOCK_GRACE);
    }

    #[test]
    fn after_an_outage_only_what_is_on_record_is_believed_at_once() {
        assert_eq!((grace(Sign::Ended, true), grace(Sign::Drained, true)), (Duration::ZERO, Duration::ZERO));
        for sign in [Sign::LeaseOver, Sign::Frozen, Sign::LockFree] {
            assert_eq!(grace(sign, true), GRACE_AFTER_OUTAGE);
        }
        assert!(GRACE_AFTER_OUTAGE < JUST_BACK);
    }
}
