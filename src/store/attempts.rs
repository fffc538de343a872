//! Attempts that left no checkpoint: the history that retry decisions are based on.

use std::time::Duration;

use super::commit::ClaimColumns;
use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::failure::FailureClass;
use crate::model::retry::History;

impl Store {
    /// The class of the last failure of the claim's job, since it was last a dead letter or done again.
    pub(crate) async fn last_failure(&self, claim: &Claim) -> Result<Option<FailureClass>, StoreError> {
        let class: Option<String> = sqlx::query_scalar(
            "select a.class
             from piton.attempts a
             where a.run_id = $1 and a.stage = $2 and a.item = $3 and a.outcome = 'failed'
               and a.attempt > coalesce((select max(d.attempt) from piton.dead_letters d where d.run_id = $1
                                         and d.stage = $2 and d.item = $3 and not d.done_again), 0)
             order by a.attempt desc
             limit 1",
        )
        .bind(claim.key.run.0)
        .bind(claim.key.stage)
        .bind(claim.key.item)
        .fetch_optional(&self.pool)
        .await?;
        Ok(class.and_then(|class| FailureClass::from_word(&class)))
    }

    /// For each claim and class of a failure at hand: how often the job failed before, since it was
    /// last a dead letter or done again.
    pub(crate) async fn histories(&self, failures: &[(Claim, FailureClass)]) -> Result<Vec<History>, StoreError> {
        let columns = ClaimColumns::of(failures.iter().map(|(claim, _)| claim));
        let class: Vec<&str> = failures.iter().map(|(_, class)| class.as_str()).collect();
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "select (select count(*) from piton.attempts a where a.run_id = f.run_id and a.stage = f.stage
                     and a.item = f.item and a.attempt > f.behind and a.outcome = 'failed' and a.class = f.class),
                    (select count(*) from piton.attempts a where a.run_id = f.run_id and a.stage = f.stage
                     and a.item = f.item and a.attempt > f.behind and a.outcome = 'failed'),
                    (select extract(epoch from now() - piton.finite(least(min(a.started_at), f.started_at))) * 1000
                     from piton.attempts a
                     where a.run_id = f.run_id and a.stage = f.stage and a.item = f.item and a.attempt > f.behind)::int8
             from (
                 select f.*, coalesce((select max(d.attempt) from piton.dead_letters d where d.run_id = f.run_id
                                       and d.stage = f.stage and d.item = f.item and not d.done_again), 0) as behind
                 from unnest($1::int8[], $2::int2[], $3::int4[], $4::text[], $5::timestamptz[]) with ordinality
                     as f (run_id, stage, item, class, started_at, ord)
             ) as f
             order by f.ord",
        )
        .bind(&columns.run)
        .bind(&columns.stage)
        .bind(&columns.item)
        .bind(&class)
        .bind(&columns.started_at)
        .fetch_all(&self.pool)
        .await?;
        let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        let history = |(this, any, ms)| History {
            of_this_class: count(this),
            of_any_class: count(any),
            since_first: Duration::from_millis(u64::try_from(ms).unwrap_or_default()),
        };
        Ok(rows.into_iter().map(history).collect())
    }
}
