//! The end of attempts, in groups: what landed is in the database for good, what did not land was fenced.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use sqlx::types::Json;

use super::commit_one::{self, LandedRow, OneEnd};
use super::endings::{Ending, EndingColumns};
use super::moment::Moment;
use super::rounds::BEGIN_ROUND;
use super::{Store, StoreError};
use crate::model::claim::Claim;

const COMMIT: &str = include_str!("sql/commit.sql");
const COMMIT_COMMON: &str = include_str!("sql/commit_common.sql");
/// Steps, artifacts, waits, rounds and what belongs to them land by statements of their own.
const STEP: &str = include_str!("sql/step.sql");
const ARTIFACT: &str = include_str!("sql/artifact.sql");
pub(super) const BEGIN_WAIT: &str = include_str!("sql/begin_wait.sql");
/// The token of a service, on record before it is asked.
pub(super) const OPEN_CALLBACK: &str = "select piton.open_callback($1, $2, $3, $4, $5, $6, $7)";
/// What a service has failed with that was asked again.
pub(super) const SERVICE_FAILED: &str = "
    with held as materialized (
        select j.run_id, j.stage, j.item
        from piton.jobs j
        where j.run_id = any(array[$1::int8]) and j.id = $2::int8 and j.stage = $3::int2 and j.item = $4::int4
          and j.attempt = $5::int4 and j.worker_id = $6::int8 and j.token = $7::int8
        for share
    )
    update piton.waits w
    set outcome = 'failed', ended_at = now(), payload = $8::json, digest = sha256(convert_to($8::text, 'UTF8'))
    from held h
    where w.run_id = any(array[h.run_id]) and w.stage = h.stage and w.item = h.item and w.outcome in ('due', 'failed')";

/// Whether the statement lands what a stage has come to, or ends a transaction of somebody's: there is a before and an after to it.
pub(crate) fn ends_work(sql: &str) -> bool {
    [
        COMMIT,
        COMMIT_COMMON,
        commit_one::HAND_OFF,
        commit_one::LAST,
        STEP,
        ARTIFACT,
        BEGIN_WAIT,
        BEGIN_ROUND,
        OPEN_CALLBACK,
        SERVICE_FAILED,
    ]
    .contains(&sql)
        || sql.trim().trim_end_matches(';').eq_ignore_ascii_case("commit")
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Landed {
    /// Positions in the batch that landed.
    pub(crate) positions: Vec<usize>,
    /// Those of them whose runs are done with them.
    pub(crate) ended_runs: Vec<usize>,
    /// Jobs became ready.
    pub(crate) woke: bool,
    /// When, by the database's clock: the start of every attempt that was handed on.
    pub(crate) at: Option<DateTime<Utc>>,
}

impl Landed {
    fn of(rows: &[LandedRow]) -> Landed {
        Landed {
            positions: rows.iter().filter_map(|(ord, ..)| position(*ord)).collect(),
            ended_runs: rows.iter().filter(|row| row.3).filter_map(|row| position(row.0)).collect(),
            woke: rows.iter().any(|row| row.1),
            at: rows.first().map(|row| row.2.0),
        }
    }
}

/// What became of an attempt whose end a commit did not find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It landed in an earlier commit, whose answer was lost on the way.
    Landed { ended_run: bool },
    /// Its run was ended, enough others are done, its stage is done again, or it was given up by hand.
    Cancelled,
}

impl Store {
    /// Commits a batch in one statement. The same batch may be sent again after an error: what landed the first time
    /// is missing from the answer of the second, see [`Store::fates`]. `artifacts` says of each how many it has, if it has some.
    pub(crate) async fn commit(
        &self,
        batch: &[(Claim, Ending)],
        artifacts: &[Option<i32>],
    ) -> Result<Landed, StoreError> {
        let mut connection = self.reserve.connection().await?;
        let landed = commit_on(&mut *connection, batch, artifacts).await?;
        connection.keep();
        Ok(landed)
    }

    /// What became of claims that a commit did not find: by position; of one that is not in the answer, somebody else
    /// owns the job now.
    pub(crate) async fn fates(&self, claims: &[Claim]) -> Result<Vec<(usize, Fate)>, StoreError> {
        let columns = ClaimColumns::of(claims.iter());
        let rows: Vec<(i64, bool, bool)> = sqlx::query_as(
            "select c.ord, coalesce(a.outcome = 'cancelled', false), coalesce(r.finished_at = k.finished_at, false)
             from unnest($1::int8[], $2::int2[], $3::int4[], $4::int4[], $5::int8[], $6::timestamptz[]) with ordinality
                 as c (run_id, stage, item, attempt, worker_id, started_at, ord)
             left join piton.checkpoints k on k.run_id = c.run_id and k.stage = c.stage and k.item = c.item
                 and k.attempt = c.attempt and k.worker_id = c.worker_id and k.started_at = c.started_at
             left join piton.attempts a on a.run_id = c.run_id and a.stage = c.stage and a.item = c.item
                 and a.attempt = c.attempt and a.worker_id = c.worker_id and a.started_at = c.started_at
                 and a.outcome in ('failed', 'released', 'cancelled')
             left join piton.runs r on r.id = k.run_id
             where k.run_id is not null or a.run_id is not null",
        )
        .bind(&columns.run)
        .bind(&columns.stage)
        .bind(&columns.item)
        .bind(&columns.attempt)
        .bind(&columns.worker)
        .bind(&columns.started_at)
        .fetch_all(&self.pool)
        .await?;
        // One commit ends a run once, whatever number of its branches it holds.
        let mut ended = HashSet::new();
        let fate = |(ord, cancelled, with_run): (i64, bool, bool)| {
            let at = position(ord)?;
            let ended_run = with_run && ended.insert(claims.get(at)?.key.run);
            Some((at, if cancelled { Fate::Cancelled } else { Fate::Landed { ended_run } }))
        };
        Ok(rows.into_iter().filter_map(fate).collect())
    }
}

/// The statement of [`Store::commit`], also on a connection that is in a transaction.
pub(super) async fn commit_on(
    executor: impl PgExecutor<'_>,
    batch: &[(Claim, Ending)],
    artifacts: &[Option<i32>],
) -> Result<Landed, StoreError> {
    if let Some(one) = OneEnd::of(batch, artifacts) {
        return Ok(Landed::of(&one.commit(executor).await?));
    }
    let claims = ClaimColumns::of(batch.iter().map(|(claim, _)| claim));
    let ends = EndingColumns::of(batch, artifacts);
    match ends.are_common() {
        true => Ok(commit_common(executor, &claims, &ends).await?),
        false => Ok(Landed::of(&commit_any(executor, &claims, &ends).await?)),
    }
}

async fn commit_any(
    executor: impl PgExecutor<'_>,
    claims: &ClaimColumns,
    ends: &EndingColumns<'_>,
) -> sqlx::Result<Vec<LandedRow>> {
    sqlx::query_as(COMMIT)
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
        .bind(&ends.new_until)
        .bind(&ends.new_attempt)
        .bind(&ends.delay_ms)
        .bind(&ends.output)
        .bind(&ends.digest)
        .bind(&claims.workflow)
        .bind(&claims.version)
        .bind(&claims.rank)
        .bind(&claims.due_at)
        .bind(&claims.token)
        .bind(&ends.ends_run)
        .bind(Json(&ends.extras))
        .fetch_all(executor)
        .await
}

async fn commit_common(
    executor: impl PgExecutor<'_>,
    claims: &ClaimColumns,
    ends: &EndingColumns<'_>,
) -> sqlx::Result<Landed> {
    let goes_on = ends.becomes.iter().zip(&ends.new_stage);
    let new_stage: Vec<Option<i16>> = goes_on.map(|(becomes, stage)| becomes.map(|_| *stage)).collect();
    let (Moment(at), landed, ended_runs): (Moment, Vec<i64>, Vec<i64>) = sqlx::query_as(COMMIT_COMMON)
        .bind(&claims.run)
        .bind(&claims.job)
        .bind(&claims.stage)
        .bind(&claims.item)
        .bind(&claims.attempt)
        .bind(&claims.worker)
        .bind(&claims.token)
        .bind(new_stage)
        .bind(&ends.new_item)
        .bind(&ends.new_until)
        .bind(&claims.started_at)
        .bind(&ends.output)
        .bind(&ends.digest)
        .bind(&ends.ends_run)
        .fetch_one(executor)
        .await?;
    let positions = |ordinals: Vec<i64>| ordinals.into_iter().filter_map(position).collect();
    let at = (!landed.is_empty()).then_some(at);
    Ok(Landed { positions: positions(landed), ended_runs: positions(ended_runs), woke: false, at })
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
    pub(super) token: Vec<i64>,
    pub(super) started_at: Vec<Moment>,
    workflow: Vec<i64>,
    version: Vec<i64>,
    rank: Vec<i16>,
    due_at: Vec<Moment>,
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
            columns.token.push(claim.key.token.0);
            columns.started_at.push(Moment(claim.started_at));
            columns.workflow.push(claim.workflow.0);
            columns.version.push(claim.version.0);
            columns.rank.push(claim.place.rank);
            columns.due_at.push(Moment(claim.place.due_at));
        }
        columns
    }
}
