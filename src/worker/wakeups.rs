//! When a worker asks for notifications. It does nearly always. Only where starts of runs overlap, so that their commits would wait
//! for each other to notify (promise 14), it looks every few milliseconds instead, until they are over.

use std::time::{Duration, Instant};

use sqlx::postgres::PgListener;

use crate::store::StoreError;
use crate::store::wakes::{CONTENDED, ask, is_calm, withdraw};

/// This many contended notifications in a row, each soon after the one before, are a crowd.
const CROWD: u32 = 4;
const SOON: Duration = Duration::from_millis(10);
/// Between two looks while it does not ask.
const PACE: Duration = Duration::from_millis(4);
/// After so long without a calm moment it asks all the same: one transaction that stays open must not keep it from sleeping.
const PATIENCE: Duration = Duration::from_millis(100);
/// Between two looks while a transaction may make work and not have seen that it asks.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything that is made is notified.
    Asks,
    /// It asks, but what was under way then is not notified: looks are this far apart.
    Unsure(Duration),
    /// Since then.
    Withdrawn(Instant),
}

/// What one session asks for.
#[derive(Debug)]
pub(super) struct Wakeups {
    state: State,
    due: Instant,
    contended: u32,
    heard: Option<Instant>,
}

impl Wakeups {
    /// Asks, in a session that listens already. The caller looks for work afterwards.
    pub(super) async fn begin(session: &mut PgListener) -> Result<Wakeups, StoreError> {
        let now = Instant::now();
        let mut wakeups = Wakeups { state: State::Withdrawn(now), due: now, contended: 0, heard: None };
        wakeups.ask(session, true).await?;
        Ok(wakeups)
    }

    /// When `look` is due.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.state != State::Asks).then_some(self.due)
    }

    /// A notification was heard.
    pub(super) async fn heard(&mut self, session: &mut PgListener, payload: &str) -> Result<(), StoreError> {
        if self.is_crowd(Instant::now(), payload == CONTENDED) {
            withdraw(session).await?;
            let now = Instant::now();
            (self.state, self.due) = (State::Withdrawn(now), now + PACE);
        }
        Ok(())
    }

    /// Asks again, or finds out whether what was under way has ended. The caller looks for work afterwards, whatever came of it.
    pub(super) async fn look(&mut self, session: &mut PgListener) -> Result<(), StoreError> {
        match self.state {
            State::Asks => {}
            State::Unsure(pace) => {
                if is_calm(session).await? {
                    self.state = State::Asks;
                } else {
                    let pace = (pace * 2).min(LONGEST);
                    (self.state, self.due) = (State::Unsure(pace), Instant::now() + pace);
                }
            }
            State::Withdrawn(since) => self.ask(session, since.elapsed() >= PATIENCE).await?,
        }
        Ok(())
    }

    async fn ask(&mut self, session: &mut PgListener, anyway: bool) -> Result<(), StoreError> {
        let asked = ask(session, anyway).await?;
        let (state, pace) = match (asked.is_heard, asked.is_calm) {
            (true, true) => (State::Asks, PACE),
            (true, false) => (State::Unsure(FIRST), FIRST),
            (false, _) => (self.state, PACE),
        };
        (self.state, self.due) = (state, Instant::now() + pace);
        Ok(())
    }

    /// Whether those who notify get into each other's way.
    fn is_crowd(&mut self, now: Instant, contended: bool) -> bool {
        let is_soon = self.heard.replace(now).is_some_and(|before| now.duration_since(before) <= SOON);
        self.contended = match (contended, is_soon) {
            (true, true) => self.contended + 1,
            (true, false) => 1,
            (false, _) => 0,
        };
        let is_crowd = self.contended >= CROWD && !matches!(self.state, State::Withdrawn(_));
        if is_crowd {
            self.contended = 0;
        }
        is_crowd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking() -> (Wakeups, Instant) {
        let now = Instant::now();
        (Wakeups { state: State::Asks, due: now, contended: 0, heard: None }, now)
    }

    #[test]
    fn only_starts_that_overlap_again_and_again_are_a_crowd() {
        let (mut wakeups, now) = asking();
        let at = |ms| now + Duration::from_millis(ms);
        let heard =
            [(0, true), (1, true), (2, true), (3, false), (4, true), (5, true), (6, true), (30, true), (31, true)];
        for (ms, contended) in heard {
            assert!(!wakeups.is_crowd(at(ms), contended), "at {ms}");
        }
        assert!(!wakeups.is_crowd(at(32), true));
        assert!(wakeups.is_crowd(at(33), true));
        assert!(!wakeups.is_crowd(at(34), true), "it begins anew");
    }

    #[test]
    fn who_has_withdrawn_does_not_withdraw_again_and_looks() {
        let (mut wakeups, now) = asking();
        assert_eq!(wakeups.due(), None);
        wakeups.state = State::Withdrawn(now);
        assert_eq!(wakeups.due(), Some(now));
        assert!((0..20).all(|_| !wakeups.is_crowd(now, true)));
    }
}
