//! The end of one attempt that nothing else is committed with, as most are where little is to be done.

use sqlx::PgExecutor;

use super::endings::Ending;
use super::moment::Moment;
use crate::model::claim::Claim;
use crate::model::lane::Spot;
use crate::model::payload::Payload;
use crate::model::turn::Turn;

pub(super) const HAND_OFF: &str = include_str!("sql/commit_hand_off.sql");
pub(super) const LAST: &str = include_str!("sql/commit_last.sql");

/// What a commit answers of each end: its ordinal, whether jobs became ready, when, and whether that one ended its run.
pub(super) type LandedRow = (i64, bool, Moment, bool);

/// An end that touches nothing but its job, its checkpoint and its run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OneEnd<'b> {
    claim: &'b Claim,
    output: &'b Payload,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// The branch stays with its worker.
    Stays(Spot),
    Ends {
        with_run: bool,
    },
}

impl<'b> OneEnd<'b> {
    /// `None` for another batch.
    pub(super) fn of(batch: &'b [(Claim, Ending)], artifacts: &[Option<i32>]) -> Option<OneEnd<'b>> {
        let ([(claim, Ending::Done { output, next, turn })], [None]) = (batch, artifacts) else { return None };
        if !next.births.is_empty() || !next.arrivals.is_empty() {
            return None;
        }
        let then = match (next.goes_on, turn) {
            (Some(spot), Turn::Stays) => Then::Stays(spot),
            (Some(_), Turn::Yields | Turn::GoesToTheBack) => return None,
            (None, _) => Then::Ends { with_run: next.ends_run },
        };
        Some(OneEnd { claim, output, then })
    }

    pub(super) async fn commit(self, executor: impl PgExecutor<'_>) -> sqlx::Result<Vec<LandedRow>> {
        let OneEnd { claim, output, then } = self;
        let key = &claim.key;
        let text = match then {
            Then::Stays(_) => HAND_OFF,
            Then::Ends { .. } => LAST,
        };
        let fenced = sqlx::query_as(text)
            .bind(key.run.0)
            .bind(key.job)
            .bind(key.stage)
            .bind(key.item)
            .bind(key.attempt)
            .bind(claim.worker.0)
            .bind(key.token.0);
        let followed = match then {
            Then::Stays(Spot { stage, item, until }) => fenced.bind(stage).bind(item).bind(until),
            Then::Ends { with_run } => fenced.bind(with_run),
        };
        let recorded = followed.bind(Moment(claim.started_at)).bind(output.as_str()).bind(output.digest());
        recorded.fetch_all(executor).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::failure::Failure;
    use crate::model::lane::Births;
    use crate::workflow::plan::Next;

    fn done(next: Next, turn: Turn) -> (Claim, Ending) {
        (Claim::made_up(), Ending::Done { output: Payload::of(&1, usize::MAX).expect("JSON"), next, turn })
    }

    #[test]
    fn only_one_end_that_touches_nothing_but_job_checkpoint_and_run_is_committed_alone() {
        let on = || Next { goes_on: Some(Spot::whole(1)), ..Next::default() };
        let births = vec![Births { stage: 1, first: 0, until: 3, step: 1 }];
        let then = |end: (Claim, Ending), artifacts| OneEnd::of(&[end], &[artifacts]).map(|one| one.then);
        assert_eq!(then(done(on(), Turn::Stays), None), Some(Then::Stays(Spot::whole(1))));
        let over = Next { ends_run: true, ..Next::default() };
        assert_eq!(then(done(over, Turn::Yields), None), Some(Then::Ends { with_run: true }));
        assert_eq!(then(done(Next::default(), Turn::Stays), None), Some(Then::Ends { with_run: false }));
        let retry = Ending::Retry { failure: Failure::unknown("no"), delay: Duration::ZERO, behind: None };
        let others = [
            (done(on(), Turn::Yields), None),
            (done(on(), Turn::GoesToTheBack), None),
            (done(on(), Turn::Stays), Some(1)),
            (done(Next { births, ..on() }, Turn::Stays), None),
            (done(Next { arrivals: vec![(2, -1)], ..Next::default() }, Turn::Yields), None),
            ((Claim::made_up(), retry), None),
        ];
        for (end, artifacts) in others {
            assert_eq!(then(end, artifacts), None);
        }
        let two = [done(on(), Turn::Stays), done(on(), Turn::Stays)];
        assert_eq!(OneEnd::of(&two, &[None, None]), None);
    }
}
