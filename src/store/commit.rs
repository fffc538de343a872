//! The end of attempts, in groups: what landed is in the database for good, what did not land was fenced.

use std::time::Duration;

use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::workflow::plan::Next;

/// How an attempt ended, decided.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// It finished: the output becomes a checkpoint, and what follows can start.
    Done { output: Payload, next: Next },
    /// It failed and is due again after the delay.
    Retry { failure: Failure, delay: Duration },
    /// It was handed back while it ran; no failure is counted.
    Release,
    /// It was handed back before it began; the attempt is not counted at all.
    Unclaim,
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Landed {
    /// Positions in the batch that landed.
    pub(crate) positions: Vec<usize>,
    /// Runs among them that are done now.
    pub(crate) runs_done: usize,
    /// Jobs became ready.
    pub(crate) woke: bool,
}

impl Store {
    /// Commits a batch in one statement. The same batch may be sent again after an error: what landed the first time
    /// is missing from the answer of the second, see [`Store::already_landed`].
    pub(crate) async fn commit(&self, batch: &[(Claim, Ending)]) -> Result<Landed, StoreError> {
        let claims = ClaimColumns::of(batch.iter().map(|(claim, _)| claim));
        let ends = EndingColumns::of(batch);
        let rows: Vec<(i64, bool, bool)> = sqlx::query_as(include_str!("sql/commit.sql"))
            .bind(&claims.run)
            .bind(&claims.job)
            .bind(&claims.stage)
            .bind(&claims.item)
            .bind(&claims.attempt)
            .bind(&claims.worker)
            .bind(&claims.started_at)
            .bind(&ends.kind)
            .bind(&ends.next_stage)
            .bind(&ends.items)
            .bind(&ends.ends_run)
            .bind(&ends.output)
            .bind(&ends.digest)
            .bind(&ends.delay_ms)
            .bind(&ends.class)
            .bind(&ends.message)
            .bind(&ends.detail)
            .bind(&ends.arrival_of)
            .bind(&ends.arrival_run)
            .bind(&ends.arrival_stage)
            .bind(&ends.arrival_change)
            .bind(&ends.branch_of)
            .bind(&ends.branch_stage)
            .fetch_all(&self.pool)
            .await?;
        Ok(Landed {
            positions: rows.iter().filter_map(|(ord, ..)| position(*ord)).collect(),
            runs_done: rows.iter().filter(|(_, done, _)| *done).count(),
            woke: rows.iter().any(|(.., woke)| *woke),
        })
    }

    /// Gives up jobs: the failure is recorded and their runs fail. Returns the positions that landed.
    pub(crate) async fn give_up(&self, batch: &[(Claim, Failure)]) -> Result<Vec<usize>, StoreError> {
        let claims = ClaimColumns::of(batch.iter().map(|(claim, _)| claim));
        let class: Vec<&str> = batch.iter().map(|(_, f)| f.class().as_str()).collect();
        let message: Vec<&str> = batch.iter().map(|(_, f)| f.message()).collect();
        let detail: Vec<Option<String>> = batch.iter().map(|(_, f)| f.detail_json()).collect();
        let mut transaction = self.pool.begin().await?;
        sqlx::query("select from piton.runs where id = any($1) order by id for update")
            .bind(&claims.run)
            .execute(&mut *transaction)
            .await?;
        let rows: Vec<i64> = sqlx::query_scalar(include_str!("sql/give_up.sql"))
            .bind(&claims.run)
            .bind(&claims.job)
            .bind(&claims.stage)
            .bind(&claims.item)
            .bind(&claims.attempt)
            .bind(&claims.worker)
            .bind(&claims.started_at)
            .bind(&class)
            .bind(&message)
            .bind(&detail)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(rows.into_iter().filter_map(position).collect())
    }

    /// Which of these claims ended in a commit of their own, although its answer was lost on the way.
    pub(crate) async fn already_landed(&self, claims: &[Claim]) -> Result<Vec<usize>, StoreError> {
        let columns = ClaimColumns::of(claims.iter());
        let rows: Vec<i64> = sqlx::query_scalar(
            "select c.ord from unnest($1::int8[], $2::int2[], $3::int4[], $4::int4[], $5::int8[]) with ordinality
                 as c (run_id, stage, item, attempt, worker_id, ord)
             where exists (select from piton.checkpoints k where k.run_id = c.run_id and k.stage = c.stage
                           and k.item = c.item and k.attempt = c.attempt and k.worker_id = c.worker_id)
                or exists (select from piton.attempts a where a.run_id = c.run_id and a.stage = c.stage
                           and a.item = c.item and a.attempt = c.attempt and a.worker_id = c.worker_id
                           and a.outcome in ('failed', 'released'))",
        )
        .bind(&columns.run)
        .bind(&columns.stage)
        .bind(&columns.item)
        .bind(&columns.attempt)
        .bind(&columns.worker)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().filter_map(position).collect())
    }
}

/// Ordinals count from 1.
fn position(ordinal: i64) -> Option<usize> {
    usize::try_from(ordinal).ok()?.checked_sub(1)
}

/// The fence, as columns.
#[derive(Default)]
pub(super) struct ClaimColumns {
    pub(super) run: Vec<i64>,
    pub(super) job: Vec<i64>,
    pub(super) stage: Vec<i16>,
    pub(super) item: Vec<i32>,
    pub(super) attempt: Vec<i32>,
    pub(super) worker: Vec<i64>,
    pub(super) started_at: Vec<chrono::DateTime<chrono::Utc>>,
}

impl ClaimColumns {
    pub(super) fn of<'c>(claims: impl Iterator<Item = &'c Claim>) -> ClaimColumns {
        let mut columns = ClaimColumns::default();
        for claim in claims {
            columns.run.push(claim.key.run.0);
            columns.job.push(claim.key.job);
            columns.stage.push(claim.key.stage);
            columns.item.push(claim.key.item);
            columns.attempt.push(claim.key.attempt);
            columns.worker.push(claim.worker.0);
            columns.started_at.push(claim.started_at);
        }
        columns
    }
}

/// The endings, as columns; arrivals and branches point back at their ending by ordinal.
#[derive(Default)]
struct EndingColumns<'b> {
    kind: Vec<&'static str>,
    next_stage: Vec<Option<i16>>,
    items: Vec<i32>,
    ends_run: Vec<bool>,
    output: Vec<Option<&'b str>>,
    digest: Vec<Option<Vec<u8>>>,
    delay_ms: Vec<i64>,
    class: Vec<Option<&'static str>>,
    message: Vec<Option<&'b str>>,
    detail: Vec<Option<String>>,
    arrival_of: Vec<i64>,
    arrival_run: Vec<i64>,
    arrival_stage: Vec<i16>,
    arrival_change: Vec<i32>,
    branch_of: Vec<i64>,
    branch_stage: Vec<i16>,
}

impl<'b> EndingColumns<'b> {
    fn of(batch: &'b [(Claim, Ending)]) -> EndingColumns<'b> {
        let mut columns = EndingColumns::default();
        for (ordinal, (claim, ending)) in (1i64..).zip(batch) {
            columns.push(ordinal, claim, ending);
        }
        columns
    }

    fn push(&mut self, ordinal: i64, claim: &Claim, ending: &'b Ending) {
        let (mut next_stage, mut items, mut ends_run, mut delay) = (None, 0, false, Duration::ZERO);
        let (mut output, mut failure) = (None, None);
        let kind = match ending {
            Ending::Done { output: payload, next } => {
                output = Some(payload);
                next_stage = next.stages.first().copied();
                items = i32::try_from(next.items).unwrap_or(i32::MAX);
                ends_run = next.ends_run;
                for stage in next.stages.iter().skip(1) {
                    self.branch_of.push(ordinal);
                    self.branch_stage.push(*stage);
                }
                for (stage, change) in &next.arrivals {
                    self.arrival_of.push(ordinal);
                    self.arrival_run.push(claim.key.run.0);
                    self.arrival_stage.push(*stage);
                    self.arrival_change.push(*change);
                }
                if next_stage.is_some() { "advance" } else { "end" }
            }
            Ending::Retry { failure: why, delay: wait } => {
                failure = Some(why);
                delay = *wait;
                "retry"
            }
            Ending::Release => "release",
            Ending::Unclaim => "unclaim",
        };
        self.kind.push(kind);
        self.next_stage.push(next_stage);
        self.items.push(items);
        self.ends_run.push(ends_run);
        self.output.push(output.map(Payload::as_str));
        self.digest.push(output.map(|o| o.digest().to_vec()));
        self.delay_ms.push(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX));
        self.class.push(failure.map(|f| f.class().as_str()));
        self.message.push(failure.map(Failure::message));
        self.detail.push(failure.and_then(Failure::detail_json));
    }
}
