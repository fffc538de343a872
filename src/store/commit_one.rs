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
    use crate::store::endings::EndingColumns;
    use crate::workflow::plan::Next;

    fn done(next: Next, turn: Turn) -> Ending {
        Ending::Done { output: Payload::of(&1, usize::MAX).expect("JSON"), next, turn }
    }

    fn skipped(next: Next, turn: Turn) -> Ending {
        Ending::Skipped { instead: Payload::of(&(), usize::MAX).expect("JSON"), reason: "no".into(), next, turn }
    }

    #[test]
    fn ends_that_touch_nothing_but_job_checkpoint_and_run_are_common_alone_and_beside_others() {
        let on = || Next { goes_on: Some(Spot::whole(1)), ..Next::default() };
        let births = || Births { stage: 1, first: 0, until: 3, step: 1 };
        let failure = || Failure::unknown("no");
        let ends = |with_run| Some(Then::Ends { with_run });
        let cases = [
            (done(on(), Turn::Stays), None, Some(Then::Stays(Spot::whole(1)))),
            (done(Next { ends_run: true, ..Next::default() }, Turn::Yields), None, ends(true)),
            (done(Next::default(), Turn::Yields), None, ends(false)),
            (done(Next::default(), Turn::Stays), None, ends(false)),
            (skipped(on(), Turn::Stays), None, None),
            (skipped(Next::default(), Turn::Yields), None, None),
            (done(on(), Turn::Yields), None, None),
            (done(on(), Turn::GoesToTheBack), None, None),
            (done(on(), Turn::Stays), Some(1), None),
            (done(Next { births: vec![births()], ..on() }, Turn::Stays), None, None),
            (done(Next { arrivals: vec![(2, -1)], ..Next::default() }, Turn::Yields), None, None),
            (Ending::Retry { failure: failure(), delay: Duration::ZERO, behind: None }, None, None),
            (Ending::GiveUp { failure: failure(), behind: None }, None, None),
            (Ending::Release { why: String::new(), has_waited: false }, None, None),
            (Ending::Unclaim, None, None),
        ];
        for (ending, artifacts, then) in cases {
            let said = format!("{ending:?}");
            let batch = [(Claim::made_up(), done(on(), Turn::Stays)), (Claim::made_up(), ending)];
            let alone = OneEnd::of(&batch[1..], &[artifacts]).map(|one| one.then);
            assert_eq!(alone, then, "{said}");
            let beside = EndingColumns::of(&batch, &[None, artifacts]).are_common();
            assert_eq!(beside, then.is_some(), "{said}");
            assert_eq!(OneEnd::of(&batch, &[None, artifacts]), None, "two are not one: {said}");
        }
    }
}
