//! Frees what dead workers held. Runs on every worker after every look, and may run on all at once.

pub(crate) mod by_hand;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::id::WorkerId;
use crate::neighbour;
use crate::store::freed::Freed;
use crate::store::gone::{By, Sign, Suspect};
use crate::store::{Store, StoreError};

/// A session lock must be seen free for that long: a worker that only lost its connection takes it again sooner.
const LOCK_GRACE: Duration = Duration::from_millis(700);
/// Just after the database itself came back: everyone has lost their locks, nobody could say that they live, and the
/// slowest of them asks again after about two seconds.
const GRACE_AFTER_OUTAGE: Duration = Duration::from_secs(4);
/// For that long, who was away itself or has just started cannot tell a gone worker from one that was away as well.
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
    host: String,
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
    /// From a first look on, on that machine.
    pub(crate) fn new(host: String) -> Recovery {
        Recovery { seen_for: HashMap::new(), last_look: None, seen_since: Instant::now(), was_away: false, host }
    }

    /// The database did not answer. What was seen before still counts, so that one who is away again and again recovers
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
        suspects: &[Suspect],
        by: By<'_>,
    ) -> Result<Recovered, StoreError> {
        let since_last = self.last_look.replace(Instant::now()).map_or(Duration::ZERO, |last| last.elapsed());
        // A process that was frozen between two looks has not looked meanwhile.
        let since_last = since_last.min(LONGEST_PAUSE);
        self.seen_for.retain(|worker, _| suspects.iter().any(|s| s.worker == *worker));
        let looker = self.looker();
        let mut recovered = Recovered::default();
        for suspect in suspects {
            let lives = suspect.host == self.host && neighbour::lives(suspect.pid);
            let Some(sign) = believable(suspect.sign, lives) else { continue };
            let suspect = &Suspect { sign, ..suspect.clone() };
            let seen_for = self.seen_for.entry(suspect.worker).and_modify(|seen| *seen += since_last).or_default();
            let grace = grace(suspect, looker).saturating_sub(*seen_for);
            if !grace.is_zero() {
                recovered.again_in = Some(recovered.again_in.map_or(grace, |other| other.min(grace)));
                continue;
            }
            let Some(freed) = store.recover_worker(suspect, by).await? else { continue };
            recovered.freed += freed;
        }
        Ok(recovered)
    }
}

/// What a sign is worth where the process can be looked at: one that lives was cut off, if anything, and the lease decides.
/// Where it lives no more, or is on another machine, there is only the sign.
fn believable(sign: Sign, lives: bool) -> Option<Sign> {
    match sign {
        Sign::LockFree if lives => None,
        Sign::LeaseOver if lives => Some(Sign::Frozen),
        Sign::LockFree | Sign::LeaseOver | Sign::Frozen | Sign::Ended | Sign::Superseded | Sign::Drained => Some(sign),
    }
}

/// How long the sign of a boot's end must be seen before it is believed.
fn grace(suspect: &Suspect, looker: Looker) -> Duration {
    match (suspect.sign, looker) {
        (Sign::Ended | Sign::Superseded | Sign::Drained, _) => Duration::ZERO,
        (Sign::LeaseOver | Sign::Frozen | Sign::LockFree, _) if suspect.database_is_young => GRACE_AFTER_OUTAGE,
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
        assert_eq!(believable(Sign::LockFree, true), None);
        assert_eq!(believable(Sign::LeaseOver, true), Some(Sign::Frozen));
        for sign in [Sign::LockFree, Sign::LeaseOver] {
            assert_eq!(believable(sign, false), Some(sign));
        }
        // Its own row says so.
        assert_eq!(believable(Sign::Ended, true), Some(Sign::Ended));
    }

    #[test]
    fn a_sign_is_believed_sooner_by_who_was_there_all_the_time() {
        let grace = |sign, database_is_young, looker| {
            let (worker, name, host, pid) = (WorkerId(1), "w".to_owned(), "h".to_owned(), 1);
            let last_seen = chrono::DateTime::UNIX_EPOCH;
            grace(&Suspect { worker, name, host, pid, last_seen, sign, database_is_young, exit: None }, looker)
        };
        assert_eq!(grace(Sign::Ended, true, Looker::WasAway), Duration::ZERO);
        assert_eq!(grace(Sign::LeaseOver, false, Looker::Steady), Duration::ZERO);
        assert_eq!(grace(Sign::LockFree, false, Looker::Fresh), LOCK_GRACE);
        for sign in [Sign::LeaseOver, Sign::Frozen, Sign::LockFree] {
            assert_eq!(grace(sign, true, Looker::Steady), GRACE_AFTER_OUTAGE);
            assert_eq!(grace(sign, false, Looker::WasAway), GRACE_AFTER_OUTAGE);
        }
    }
}
