//! The runs whose start was acknowledged: each must be there for good, unless a failover lost it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::judge::Wrong;
use super::servers::Rewound;
use crate::model::payload::Payload;
use crate::store::chaos::RunEnd;

#[derive(Default)]
pub(crate) struct Acknowledged(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    started: BTreeMap<Uuid, Started>,
    rewound: Vec<Rewound>,
}

impl Inner {
    fn may_be_lost(&self, sent_at: DateTime<Utc>, acknowledged_at: DateTime<Utc>) -> bool {
        self.rewound.iter().any(|rewound| sent_at <= rewound.lost_until && acknowledged_at >= rewound.kept_until)
    }
}

/// A run whose start was acknowledged.
pub(super) struct Started {
    pub(super) input: Payload,
    /// When the start that was acknowledged was sent.
    pub(super) sent_at: DateTime<Utc>,
    pub(super) acknowledged_at: DateTime<Utc>,
}

impl Acknowledged {
    pub(super) fn started(&self, run: Uuid, started: Started) {
        self.lock().started.insert(run, started);
    }

    pub(super) fn rewound(&self, rewound: Rewound) {
        self.lock().rewound.push(rewound);
    }

    /// What was sent and acknowledged then may have met an old server after the last of its commits that was kept.
    pub(super) fn may_be_lost(&self, sent_at: DateTime<Utc>, acknowledged_at: DateTime<Utc>) -> bool {
        self.lock().may_be_lost(sent_at, acknowledged_at)
    }

    pub(super) fn count(&self) -> usize {
        self.lock().started.len()
    }

    /// A run that is there is one that was started, on the input that it was started on. It is not asked for again.
    pub(super) fn found(&self, run: &RunEnd) -> Option<Wrong> {
        match self.lock().started.remove(&run.uuid) {
            None => Some(("runs that nobody started", run.uuid.to_string())),
            Some(started) if started.input.as_str() != run.input => {
                Some(("inputs that are not what was started", run.uuid.to_string()))
            }
            Some(_) => None,
        }
    }

    /// Of the runs that were not found: how many a failover lost, and those that nothing explains.
    pub(super) fn missing(&self) -> (usize, Vec<Wrong>) {
        let inner = self.lock();
        let (lost, gone): (Vec<_>, Vec<_>) =
            inner.started.iter().partition(|(_, s)| inner.may_be_lost(s.sent_at, s.acknowledged_at));
        let wrong = gone.into_iter().map(|(run, _)| ("runs that were acknowledged, and are gone", run.to_string()));
        (lost.len(), wrong.collect())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap_or_default()
    }

    fn start(known: &Acknowledged, run: u128, sent: i64, acknowledged: i64) {
        let input = Payload::of(&"input", usize::MAX).expect("JSON");
        known.started(Uuid::from_u128(run), Started { input, sent_at: at(sent), acknowledged_at: at(acknowledged) });
    }

    #[test]
    fn only_what_a_failover_may_have_lost_may_be_gone() {
        let known = Acknowledged::default();
        known.rewound(Rewound { kept_until: at(10), lost_until: at(20) });
        for (run, sent, acknowledged) in [(1, 8, 9), (2, 9, 11), (3, 15, 16), (4, 19, 22), (5, 21, 22)] {
            start(&known, run, sent, acknowledged);
        }
        let (lost, wrong) = known.missing();
        let gone: Vec<String> = wrong.into_iter().map(|(_, run)| run).collect();
        assert_eq!((lost, gone), (3, vec![Uuid::from_u128(1).to_string(), Uuid::from_u128(5).to_string()]));
    }

    #[test]
    fn what_is_there_was_started_and_on_that_input() {
        let known = Acknowledged::default();
        start(&known, 1, 0, 1);
        start(&known, 2, 0, 1);
        let run = |uuid, input: &str| RunEnd {
            id: 1,
            uuid: Uuid::from_u128(uuid),
            state: "done".to_owned(),
            input: input.to_owned(),
            parent: None,
        };
        let what = |run: &RunEnd| known.found(run).map(|(what, _)| what);
        assert_eq!(what(&run(1, r#""input""#)), None);
        assert_eq!(what(&run(2, r#""another""#)), Some("inputs that are not what was started"));
        assert_eq!(what(&run(3, r#""input""#)), Some("runs that nobody started"));
        assert_eq!(known.missing().0, 0);
    }
}
