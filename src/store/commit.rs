//! The end of attempts, in groups: what landed is in the database for good, what did not land was fenced.

use std::time::Duration;

use sqlx::types::chrono::{DateTime, Utc};

use super::{Store, StoreError};
use crate::model::claim::Claim;
use crate::model::failure::Failure;
use crate::model::id::{AttemptKey, NO_ITEM};
use crate::model::payload::Payload;
use crate::model::state::AttemptOutcome;
use crate::model::turn::Turn;
use crate::workflow::plan::Next;

/// How an attempt ended, decided.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// It finished: the output becomes a checkpoint, and what follows can start.
    Done { output: Payload, next: Next, turn: Turn },
    /// It failed and is due again after the delay.
    Retry { failure: Failure, delay: Duration },
    /// It was handed back while it ran; no failure is counted.
    Release,
    /// It was handed back before it began; the attempt is not counted at all.
    Unclaim,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Landed {
    /// Positions in the batch that landed.
    pub(crate) positions: Vec<usize>,
    /// Jobs became ready.
    pub(crate) woke: bool,
    /// When, by the database's clock: the start of every attempt that was handed on.
    pub(crate) at: Option<DateTime<Utc>>,
}

impl Store {
    /// Commits a batch in one statement. The same batch may be sent again after an error: what landed the first time
    /// is missing from the answer of the second, see [`Store::already_landed`].
    pub(crate) async fn commit(&self, batch: &[(Claim, Ending)]) -> Result<Landed, StoreError> {
        let claims = ClaimColumns::of(batch.iter().map(|(claim, _)| claim));
        let ends = EndingColumns::of(batch);
        let rows: Vec<(i64, bool, DateTime<Utc>)> = sqlx::query_as(include_str!("sql/commit.sql"))
            .bind(&claims.run)
            .bind(&claims.job)
            .bind(&claims.stage)
            .bind(&claims.item)
            .bind(&claims.attempt)
            .bind(&claims.worker)
            .bind(&claims.started_at)
            .bind(&ends.becomes)
            .bind(&ends.new_stage)
            .bind(&ends.new_item)
            .bind(&ends.new_attempt)
            .bind(&ends.delay_ms)
            .bind(&ends.output)
            .bind(&ends.digest)
            .bind(&ends.tried_of)
            .bind(&ends.tried_outcome)
            .bind(&ends.tried_class)
            .bind(&ends.tried_message)
            .bind(&ends.tried_detail)
            .bind(&ends.arrival_of)
            .bind(&ends.arrival_stage)
            .bind(&ends.arrival_change)
            .bind(&ends.branch_of)
            .bind(&ends.branch_stage)
            .bind(&ends.split_of)
            .bind(&ends.split_items)
            .bind(&ends.end_of)
            .bind(&claims.workflow)
            .bind(&claims.version)
            .bind(&claims.rank)
            .bind(&claims.due_at)
            .fetch_all(&self.pool)
            .await?;
        Ok(Landed {
            positions: rows.iter().filter_map(|(ord, ..)| position(*ord)).collect(),
            woke: rows.iter().any(|(_, woke, _)| *woke),
            at: rows.first().map(|(.., at)| *at),
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
    pub(super) started_at: Vec<DateTime<Utc>>,
    workflow: Vec<i64>,
    version: Vec<i64>,
    rank: Vec<i16>,
    due_at: Vec<DateTime<Utc>>,
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
            columns.workflow.push(claim.workflow.0);
            columns.version.push(claim.version.0);
            columns.rank.push(claim.place.rank);
            columns.due_at.push(claim.place.due_at);
        }
        columns
    }
}

/// The endings, as columns. What few of them have points back at its ending by ordinal.
#[derive(Default)]
struct EndingColumns<'b> {
    /// The job's next state; `None` where its row ends.
    becomes: Vec<Option<&'static str>>,
    new_stage: Vec<i16>,
    new_item: Vec<i32>,
    new_attempt: Vec<i32>,
    /// Until it is due; [`KEEPS_ITS_PLACE`] where that does not change.
    delay_ms: Vec<i64>,
    output: Vec<Option<&'b str>>,
    digest: Vec<Option<Vec<u8>>>,
    tried_of: Vec<i64>,
    tried_outcome: Vec<&'static str>,
    tried_class: Vec<Option<&'static str>>,
    tried_message: Vec<Option<&'b str>>,
    tried_detail: Vec<Option<String>>,
    arrival_of: Vec<i64>,
    arrival_stage: Vec<i16>,
    arrival_change: Vec<i32>,
    branch_of: Vec<i64>,
    branch_stage: Vec<i16>,
    split_of: Vec<i64>,
    split_items: Vec<i32>,
    end_of: Vec<i64>,
}

/// A job's row after its attempt ended.
struct Becomes {
    state: &'static str,
    stage: i16,
    item: i32,
    attempt: i32,
    delay_ms: i64,
}

const KEEPS_ITS_PLACE: i64 = -1;

impl<'b> EndingColumns<'b> {
    fn of(batch: &'b [(Claim, Ending)]) -> EndingColumns<'b> {
        let mut columns = EndingColumns::default();
        for (ordinal, (claim, ending)) in (1i64..).zip(batch) {
            columns.push_becomes(becomes(claim, ending));
            match ending {
                Ending::Done { output, next, .. } => {
                    columns.output.push(Some(output.as_str()));
                    columns.digest.push(Some(output.digest().to_vec()));
                    columns.push_next(ordinal, next);
                }
                Ending::Retry { failure, .. } => columns.push_tried(ordinal, AttemptOutcome::Failed, Some(failure)),
                Ending::Release => columns.push_tried(ordinal, AttemptOutcome::Released, None),
                Ending::Unclaim => {}
            }
            columns.output.resize(columns.becomes.len(), None);
            columns.digest.resize(columns.becomes.len(), None);
        }
        columns
    }

    fn push_becomes(&mut self, becomes: Option<Becomes>) {
        let state = becomes.as_ref().map(|b| b.state);
        let row = becomes.unwrap_or(Becomes { state: "", stage: 0, item: 0, attempt: 0, delay_ms: KEEPS_ITS_PLACE });
        self.becomes.push(state);
        self.new_stage.push(row.stage);
        self.new_item.push(row.item);
        self.new_attempt.push(row.attempt);
        self.delay_ms.push(row.delay_ms);
    }

    fn push_next(&mut self, ordinal: i64, next: &Next) {
        for stage in next.stages.iter().skip(1) {
            self.branch_of.push(ordinal);
            self.branch_stage.push(*stage);
        }
        for (stage, change) in &next.arrivals {
            self.arrival_of.push(ordinal);
            self.arrival_stage.push(*stage);
            self.arrival_change.push(*change);
        }
        if next.items > 0 {
            self.split_of.push(ordinal);
            self.split_items.push(i32::try_from(next.items).unwrap_or(i32::MAX));
        }
        if next.ends_run {
            self.end_of.push(ordinal);
        }
    }

    fn push_tried(&mut self, ordinal: i64, outcome: AttemptOutcome, failure: Option<&'b Failure>) {
        self.tried_of.push(ordinal);
        self.tried_outcome.push(outcome.as_str());
        self.tried_class.push(failure.map(|f| f.class().as_str()));
        self.tried_message.push(failure.map(Failure::message));
        self.tried_detail.push(failure.and_then(Failure::detail_json));
    }
}

/// What an ending makes of the job's row; `None` where the branch ends.
fn becomes(claim: &Claim, ending: &Ending) -> Option<Becomes> {
    let AttemptKey { stage, item, attempt, .. } = claim.key;
    let here = |state, attempt, delay_ms| Some(Becomes { state, stage, item, attempt, delay_ms });
    match ending {
        Ending::Done { next, turn, .. } => {
            let stage = *next.stages.first()?;
            let there = |state, attempt, delay_ms| Some(Becomes { state, stage, item: NO_ITEM, attempt, delay_ms });
            match turn {
                Turn::Stays => there("running", 1, KEEPS_ITS_PLACE),
                Turn::Yields => there("ready", 0, KEEPS_ITS_PLACE),
                Turn::GoesToTheBack => there("ready", 0, 0),
            }
        }
        Ending::Retry { delay, .. } => here("scheduled", attempt, i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)),
        Ending::Release => here("ready", attempt, KEEPS_ITS_PLACE),
        Ending::Unclaim => here("ready", attempt - 1, KEEPS_ITS_PLACE),
    }
}
